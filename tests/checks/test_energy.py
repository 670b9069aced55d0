"""Energy against power, and against what the station says."""

from __future__ import annotations

from tests.checks.test_meter import mine
from tests.traffic.charging import (
    POWER,
    REGISTER,
    charging_16,
    event_2,
    measure,
    online_16,
    start_16,
    status_16,
    stop_16,
)
from tests.traffic.diagnosed import diagnose, the


def powered(told: float, real: float, *, minutes: int = 25, step: float = 1, **more: float) -> list[str]:
    """Told to charge with so many W, while the register rises by so many."""
    session = charging_16(meter=1000)
    for minute in range(minutes):
        register = (1000 + real * minute / 60) // step * step
        measure(session, {REGISTER: register, POWER: told, **more})
    return mine(session)


def test_power_of_one_phase_told_for_all_three() -> None:
    session = charging_16(meter=1000)
    for minute in range(12):
        measure(session, {REGISTER: 1000 + 184 * minute, POWER: 3680})
    finding = the(diagnose(session), "energy.power-mismatch")
    assert "rose by 1.84 kWh" in finding.explanation()
    assert "probably the power is that of one phase of three" in finding.explanation()


def test_power_and_energy_that_fit_as_well_as_real_ones_do() -> None:
    assert powered(11_000, 11_000) == []
    assert powered(11_000, 10_000) == []  # losses of a rectifier
    assert powered(3_700, 3_700, step=100) == []  # steps of 0.1 kWh
    assert powered(11_000, 11_000, step=1000) == []  # … and of 1 kWh
    assert powered(0, 60) == []


def test_clearly_more_energy_than_power() -> None:
    assert powered(11_000, 16_000) == ["energy.power-mismatch"]
    assert powered(11_000, 7_000) == ["energy.power-mismatch"]


def test_power_that_moves_between_the_readings() -> None:
    session = charging_16(meter=1000)
    for minute in range(25):
        power = 11_000 if minute % 2 else 1_000
        measure(session, {REGISTER: 1000 + 30 * minute, POWER: power})  # it is low most of the time
    assert mine(session) == []


def test_readings_that_are_far_apart_prove_nothing() -> None:
    session = charging_16(meter=1000)
    for quarter in range(20):
        measure(session, {REGISTER: 1000 + 300 * quarter, POWER: 11_000}, after=900)
    assert mine(session) == []


def test_phases_are_added_up_and_an_incomplete_set_is_not_judged() -> None:
    for names, expected in ((("L1", "L2", "L3"), []), (("L1",), [])):
        session = charging_16(meter=1000)
        for minute in range(15):
            measure(session, {REGISTER: 1000 + 184 * minute, **{f"{POWER} {name}": 3680 for name in names}})
        assert mine(session) == expected


def suspended(status: str, per_minute: float, *, minutes: int = 15, late: float = 0) -> list[str]:
    session = charging_16(meter=1000)
    measure(session, {REGISTER: 1000}, late=late)
    status_16(session, status)
    for minute in range(1, minutes):
        measure(session, {REGISTER: 1000 + per_minute * minute}, late=late)
    return mine(session)


def test_a_suspended_connector_that_delivers() -> None:
    assert suspended("SuspendedEV", 184) == ["energy.while-suspended"]
    assert suspended("SuspendedEVSE", 184) == ["energy.while-suspended"]


def test_a_vehicle_at_rest_takes_a_little() -> None:
    assert suspended("SuspendedEV", 8) == []
    assert suspended("Charging", 184) == []


def test_the_end_of_a_ramp_and_a_short_stretch() -> None:
    session = charging_16(meter=1000)
    measure(session, {REGISTER: 1000})
    status_16(session, "SuspendedEV")
    for minute in range(15):
        measure(session, {REGISTER: 1180})  # what flowed before was told late
        if minute == 7:
            status_16(session, "Charging")
            measure(session, {REGISTER: 1180})
            status_16(session, "SuspendedEV")
    assert mine(session) == []


def test_late_readings_say_nothing_of_the_present_state() -> None:
    assert suspended("SuspendedEV", 184, late=1200) == []


def test_ocpp_2_says_it_in_the_transaction() -> None:
    for state, expected in (("SuspendedEVSE", ["energy.while-suspended"]), ("Charging", [])):
        session = online_16(version="2.0.1")
        event_2(session, "Started", 0, {REGISTER: 1000})
        for number in range(1, 15):
            event_2(session, "Updated", number, {REGISTER: 1000 + 184 * number}, state=state)
        assert mine(session) == expected


def test_a_free_connector_that_delivers() -> None:
    for per_minute, expected in ((184, ["energy.without-transaction"]), (30, [])):
        session = online_16()
        for minute in range(15):
            measure(session, {REGISTER: 1000 + per_minute * minute}, transaction=None)
        assert mine(session) == expected


def test_a_transaction_from_before_the_capture_and_a_meter_upstream_accuse_nobody() -> None:
    session = online_16()
    status_16(session, "Charging")
    for minute in range(15):
        measure(session, {REGISTER: 1000 + 184 * minute}, transaction=None)
    assert mine(session) == []
    session = online_16()
    for minute in range(15):
        measure(session, {REGISTER: 1000 + 184 * minute}, transaction=None, location="Inlet")
    assert mine(session) == []


def test_a_usual_night() -> None:
    session = charging_16(meter=5000)
    register = 5000.0
    for minute in range(60):
        power = min(11_000, 200 * (minute + 1) ** 2) if minute < 50 else 0
        measure(session, {REGISTER: round(register), POWER: power, "Current.Import L1": power / 690})
        register += power / 60
    status_16(session, "SuspendedEV")
    measure(session, {REGISTER: round(register), POWER: 12}, after=3600)
    stop_16(session, round(register))
    start_16(session, round(register), 2)
    assert mine(session) == []


def test_a_meter_that_two_sockets_share() -> None:
    session = charging_16()
    second = {"connectorId": 2, "errorCode": "NoError", "status": "Available", "timestamp": session.timestamp()}
    session.call("station", "StatusNotification", second, {})
    for minute in range(15):
        measure(session, {REGISTER: 1000 + 184 * minute}, transaction=None, connector=2)
    assert mine(session) == []
