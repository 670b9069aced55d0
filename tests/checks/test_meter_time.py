"""Meter values in the course of time."""

from __future__ import annotations

from tests.checks.test_meter import mine
from tests.traffic.charging import POWER, REGISTER, charging_16, measure, stop_16
from tests.traffic.diagnosed import diagnose, the


def test_a_clock_that_goes_back_an_hour_while_the_register_goes_on() -> None:
    session = charging_16()
    for minute in range(4):
        measure(session, {REGISTER: 1000 + 180 * minute}, late=3600 if minute == 3 else 0)
    finding = the(diagnose(session), "meter.time-backwards")
    assert "went on from 1.36 kWh to 1.54 kWh" in finding.explanation()
    assert "59 min earlier" in finding.explanation()


def test_a_clock_that_is_set_right_by_two_minutes_is_healthy() -> None:
    session = charging_16()
    for minute in range(4):
        measure(session, {REGISTER: 1000 + 180 * minute}, late=180 if minute == 3 else 0)
    assert mine(session) == []


def test_readings_from_a_queue_are_older_by_their_register_too() -> None:
    session = charging_16()
    measure(session, {REGISTER: 5000}, after=1800)
    measure(session, {REGISTER: 3000}, late=900)
    measure(session, {REGISTER: 5360})
    data = [{"timestamp": session.timestamp(-1500), "sampledValue": [{"value": "2000", "unit": "Wh"}]}]
    stop_16(session, 5500, transactionData=data)
    assert mine(session, "critical", "warning") == []


def talk_with_a_pause(*, pause: float, energy: float, after: int = 3, cadence: float = 60) -> list[str]:
    session = charging_16()
    register = 1000.0
    for _ in range(6):
        measure(session, {REGISTER: register}, after=cadence)
        register += 180
    register += energy - 180
    for number in range(after):
        measure(session, {REGISTER: register}, after=cadence if number else pause)
        register += 180
    return mine(session)


def test_readings_that_were_left_out() -> None:
    assert talk_with_a_pause(pause=600, energy=1800) == ["meter.gap"]


def test_the_words_of_a_gap() -> None:
    session = charging_16()
    for minute in (0, 1, 2, 3, 4, 5, 15, 16, 17):
        measure(session, {REGISTER: 1000 + 180 * minute}, after=600 if minute == 15 else 60)
    text = the(diagnose(session), "meter.gap").explanation()
    assert "every 1 min, then none for 10 min, while 1.80 kWh flowed" in text


def test_a_busy_meter_may_miss_one() -> None:
    assert talk_with_a_pause(pause=150, energy=450) == []


def test_a_vehicle_that_rests_need_not_be_reported() -> None:
    assert talk_with_a_pause(pause=3600, energy=100) == []


def test_a_new_interval_is_no_gap() -> None:
    session = charging_16()
    register = 1000
    for number in range(12):
        measure(session, {REGISTER: register}, after=60 if number < 6 else 600)
        register += 180 if number < 5 else 1800
    assert mine(session) == []


def test_a_gap_in_the_capture_is_nobodys_fault() -> None:
    session = charging_16()
    for minute in range(20):
        if minute == 6:
            begin = len(session.segments)
        if minute == 16:
            end = len(session.segments)
        measure(session, {REGISTER: 1000 + 180 * minute, POWER: 10_800})
    del session.tcp.segments[begin:end]
    assert mine(session) == []
