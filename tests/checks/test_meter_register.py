"""Registers count upwards, and not too fast."""

from __future__ import annotations

from tests.checks.test_meter import mine
from tests.traffic.charging import POWER, REGISTER, charging_16, event_2, measure, online_16, start_16, stop_16
from tests.traffic.diagnosed import diagnose, the

# ------------------------------------------------------------------------------------------------- within a transaction


def test_a_register_that_falls() -> None:
    session = charging_16(meter=50_000)
    for value in (50_100, 50_300, 49_000, 49_200):
        measure(session, {REGISTER: value})
    finding = the(diagnose(session), "meter.register-rollback")
    assert (finding.severity, finding.count, finding.first_seen.transaction) == ("warning", 1, "1")
    assert "fell from 50.30 kWh to 49.00 kWh" in finding.explanation()


def test_a_register_that_is_rounded_in_two_ways() -> None:
    session = charging_16(meter=50_000)
    for value in (50_100, 50_300, 50_200, 50_400):
        measure(session, {REGISTER: value})
    assert mine(session) == []


def test_a_record_with_negative_energy_is_critical() -> None:
    session = charging_16(meter=50_000)
    stop_16(session, 12)
    assert mine(session, "critical") == ["meter.register-rollback"]


def test_a_record_without_energy_is_fine() -> None:
    session = charging_16(meter=50_000)
    stop_16(session, 50_000)
    assert mine(session) == []


def test_a_reading_whose_unit_was_forgotten_is_recognised() -> None:
    session = online_16(version="2.0.1")
    event_2(session, "Started", 0, {REGISTER: 0}, context="Transaction.Begin")
    event_2(session, "Updated", 1, {REGISTER: 300})
    event_2(session, "Ended", 2, {"": {"value": 0.34, "context": "Transaction.End"}})
    text = the(diagnose(session), "meter.register-rollback").explanation()
    assert "fell from 300 Wh to 0.34 Wh" in text
    assert "one of the two is probably in the wrong unit (the lower one names none, and so counts in Wh)" in text


def test_two_meters_under_one_name_are_not_judged() -> None:
    session = charging_16(meter=1000)
    for minute in range(1, 5):
        session.clock.wait(60)
        samples = [
            {"value": str(value), "measurand": REGISTER, "unit": "Wh"}
            for value in (1000 + 100 * minute, 90_000 + minute)
        ]
        reading = {"timestamp": session.timestamp(), "sampledValue": samples}
        session.call("station", "MeterValues", {"connectorId": 1, "transactionId": 1, "meterValue": [reading]}, {})
    assert mine(session) == []


# ------------------------------------------------------------------------------------------------- between transactions


def two_transactions(first: tuple[int, int], second: tuple[int, int]) -> list[str]:
    session = charging_16(meter=first[0])
    session.clock.wait(1800)
    stop_16(session, first[1])
    start_16(session, second[0], 2, after=600)
    session.clock.wait(1800)
    stop_16(session, second[1], 2)
    return mine(session)


def test_a_lower_register_at_the_next_start() -> None:
    assert two_transactions((50_000, 52_000), (31_000, 32_000)) == ["meter.register-lower-than-before"]


def test_a_register_that_goes_on_where_it_was() -> None:
    assert two_transactions((50_000, 52_000), (52_000, 53_000)) == []
    assert two_transactions((50_000, 52_050), (52_000, 53_000)) == []


def test_counting_each_transaction_for_itself_is_worth_a_word() -> None:
    assert two_transactions((0, 2_000), (0, 3_000)) == ["meter.register-per-session"]


# ---------------------------------------------------------------------------------------------------------------- jumps


def test_a_jump_beyond_all_power() -> None:
    session = charging_16(meter=1000)
    for value in (1_100, 1_300_000, 1_300_200):
        measure(session, {REGISTER: value})
    finding = the(diagnose(session), "meter.register-jump")
    assert finding.severity == "warning"
    assert "rose from 1.10 kWh to 1,300.00 kWh within 1 min" in finding.explanation()


def test_a_truck_on_megawatt_charging() -> None:
    session = charging_16(meter=1000)
    for minute in range(10):
        measure(session, {REGISTER: 1000 + 16_000 * minute, POWER: 960_000})
    stop_16(session, 160_000)
    assert mine(session) == []


def test_what_flowed_while_nothing_was_seen_is_no_jump() -> None:
    session = charging_16(meter=1000)
    measure(session, {REGISTER: 1_100})
    measure(session, {REGISTER: 90_000}, after=8 * 3600)
    assert mine(session) == []


def test_an_ac_station_is_known_by_its_own_power() -> None:
    for step, expected in ((10_000, ["meter.register-jump"]), (3_000, [])):
        session = charging_16(meter=0)
        register = 0
        for _ in range(11):
            measure(session, {REGISTER: register, POWER: 11_000})
            register += 183
        measure(session, {REGISTER: register + step, POWER: 11_000})
        assert mine(session) == expected


# -------------------------------------------------------------------------------------------------- record and samples


def recorded(start: int, stop: int, *samples: int, offset: float = 0) -> list[str]:
    session = charging_16(meter=start)
    for value in samples:
        measure(session, {REGISTER: value}, after=300)
    session.clock.wait(300)
    stop_16(session, stop)
    return mine(session)


def test_a_record_that_is_lower_than_its_samples() -> None:
    assert recorded(10_000, 11_000, 11_000, 12_000, 14_000) == ["meter.record-contradicts-samples"]


def test_a_record_that_begins_above_its_samples() -> None:
    assert recorded(13_000, 14_500, 11_000, 12_000, 14_000) == ["meter.record-contradicts-samples"]


def test_a_record_that_includes_its_samples() -> None:
    assert recorded(10_000, 15_000, 11_000, 12_000, 14_000) == []
    assert recorded(10_000, 13_950, 11_000, 12_000, 14_000) == []


def test_two_counters_that_agree_on_the_energy() -> None:
    assert recorded(510_000, 513_200, 100, 1_500, 3_100) == ["meter.different-counters"]


def test_a_reading_after_the_stop_is_not_part_of_it() -> None:
    session = charging_16(meter=1000)
    measure(session, {REGISTER: 1500}, after=300)
    stopped = session.timestamp()
    measure(session, {REGISTER: 2500}, after=30)
    stop_16(session, 1600, timestamp=stopped)
    assert mine(session) == []
