"""Does the station keep to the profiles that it accepted?"""

from __future__ import annotations

from typing import Any

from tests.checks.test_meter import mine
from tests.traffic.charging import (
    POWER,
    REGISTER,
    charging_16,
    event_2,
    measure,
    online_16,
    profile_16,
    set_profile_2,
    set_profile_16,
    status_16,
)
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose, the
from tests.traffic.scripts import boot_16


def amperes(value: float) -> dict[str, float]:
    return {f"Current.Import L{at}": value for at in (1, 2, 3)}


def limited(before: float, after: float, *, readings: int = 5, late: float = 0, **profile: Any) -> Session:
    session = charging_16()
    for _ in range(3):
        measure(session, amperes(before))
    set_profile_16(session, profile_16(**profile))
    for _ in range(readings):
        measure(session, amperes(after), late=late)
    return session


def test_accepted_and_ignored() -> None:
    finding = the(diagnose(limited(16, 16, limit=10)), "smart-charging.no-effect")
    assert (finding.owner, finding.first_seen.connector) == ("station", "1")
    assert "allows 10.0 A per phase, but went on with 16.0 A as before (16.0 A)" in finding.explanation()


def test_accepted_and_not_quite_kept() -> None:
    session = limited(32, 20, limit=10)
    assert mine(session) == ["energy.limit-exceeded"]
    text = the(diagnose(session), "energy.limit-exceeded").explanation()
    assert "Profile 30 (TxDefaultProfile) allows 10.0 A per phase, but 20.0 A was measured" in text


def test_a_limit_that_is_kept_with_overshoot() -> None:
    assert mine(limited(32, 10, limit=10)) == []
    assert mine(limited(32, 11.9, limit=10)) == []
    assert mine(limited(32, 34, limit=32)) == []


def test_below_six_amperes_a_station_may_give_six() -> None:
    assert mine(limited(16, 6.2, limit=2)) == []
    assert mine(limited(16, 6.2, limit=0)) == ["energy.limit-exceeded"]


def test_a_ramp_of_a_minute() -> None:
    session = charging_16()
    measure(session, amperes(16))
    set_profile_16(session, profile_16(10))
    measure(session, amperes(16), after=30)
    measure(session, amperes(13), after=30)
    for _ in range(5):
        measure(session, amperes(10))
    assert mine(session) == []


def test_a_single_reading_over_the_limit() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(10))
    for value in (10, 10, 10, 16, 10, 10):
        measure(session, amperes(value))
    assert mine(session) == []


def test_readings_from_before_the_limit_that_come_late() -> None:
    assert mine(limited(16, 16, limit=10, late=900)) == []


def test_a_profile_that_is_over_or_not_valid_yet_or_of_a_boot_ago() -> None:
    assert mine(limited(16, 16, limit=10, duration=1)) == []
    assert mine(limited(16, 16, limit=10, validTo="2026-08-31T08:00:00Z")) == []
    assert mine(limited(16, 16, limit=10, validFrom="2026-08-31T18:00:00Z")) == []
    session = charging_16()
    set_profile_16(session, profile_16(10))
    boot_16(session)
    for _ in range(5):
        measure(session, amperes(16))
    assert mine(session) == []


def test_periods_of_a_schedule_are_followed_by_the_clock() -> None:
    """16 A for five minutes, then 8 A."""
    for late_drop, expected in ((0, []), (10, ["energy.limit-exceeded"])):
        session = charging_16()
        start = session.timestamp()
        set_profile_16(session, profile_16(periods=[(0, 16), (300, 8)], startSchedule=start))
        for minute in range(1, 20):
            measure(session, amperes(16 if minute < 5 + late_drop else 8))
        assert mine(session) == expected


def test_a_relative_schedule_may_begin_at_any_time() -> None:
    session = charging_16()
    relative = profile_16(periods=[(0, 16), (300, 8)], chargingProfileKind="Relative")
    set_profile_16(session, relative)
    for _ in range(15):
        measure(session, amperes(16))
    assert mine(session) == []
    set_profile_16(session, profile_16(8, chargingProfileKind="Relative"))
    for _ in range(5):
        measure(session, amperes(16))
    assert mine(session) == ["smart-charging.no-effect"]


def test_watts_are_held_against_watts() -> None:
    for power, expected in ((11_000, ["energy.limit-exceeded"]), (8_200, []), (7_400, [])):
        session = charging_16()
        set_profile_16(session, profile_16(7_400, unit="W"))
        for _ in range(5):
            measure(session, {POWER: power})
        assert mine(session) == expected


def test_a_current_without_phase_and_power_against_amperes_are_not_judged() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(10))
    for _ in range(5):
        measure(session, {"Current.Import": 125, POWER: 50_000})
    assert mine(session) == []


def test_ocpp_2() -> None:
    for value, expected in ((16.0, ["energy.limit-exceeded"]), (10.0, [])):
        session = online_16(version="2.0.1")
        event_2(session, "Started", 0)
        set_profile_2(session, profile_16(10), {"status": "Accepted"})
        for number in range(1, 6):
            event_2(session, "Updated", number, amperes(value))
        assert mine(session) == expected


def test_a_pause_that_the_csms_wanted() -> None:
    for limit, expected in ((0, ["smart-charging.paused-by-csms"]), (10, [])):
        session = charging_16()
        set_profile_16(session, profile_16(limit))
        status_16(session, "SuspendedEVSE")
        assert mine(session) == expected
    session = charging_16()
    set_profile_16(session, profile_16(0))
    status_16(session, "SuspendedEV")
    assert mine(session) == []


def test_a_pause_of_ocpp_2_is_told_once() -> None:
    session = online_16(version="2.0.1")
    event_2(session, "Started", 0)
    set_profile_2(session, profile_16(0), {"status": "Accepted"})
    for number in range(1, 5):
        event_2(session, "Updated", number, {REGISTER: 1000}, state="SuspendedEVSE")
    finding = the(diagnose(session), "smart-charging.paused-by-csms")
    assert (finding.count, finding.severity) == (1, "info")
    assert "allows only 0.0 A per phase" in finding.explanation()
