"""Charging profiles refused, lost, contradicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.checks.test_meter import mine
from tests.traffic.charging import (
    charging_16,
    configured_16,
    online_16,
    profile_16,
    set_profile_2,
    set_profile_16,
    status_16,
    stop_16,
)
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose, the
from tests.traffic.scripts import boot_16

TX: dict[str, Any] = {"chargingProfilePurpose": "TxProfile"}
STATION: dict[str, Any] = {"chargingProfilePurpose": "ChargePointMaxProfile"}


def refused(session: Session, connector: int = 1, status: str = "Rejected", **more: Any) -> tuple[str, str]:
    """Why, and who has to act."""
    set_profile_16(session, profile_16(**more), status, connector=connector)
    finding = the(diagnose(session), "smart-charging.rejected")
    assert finding.severity == "warning"
    return finding.explanation().partition(f"{status}: ")[2], finding.owner


def test_accepted_profiles_are_nothing_to_talk_about() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(16))
    set_profile_16(session, profile_16(16, **TX))
    assert mine(session) == []


def test_a_transaction_profile_without_a_transaction() -> None:
    reason = "a TxProfile needs a transaction, and there is none (the connector is Available)."
    assert refused(online_16(), **TX) == (reason, "csms")


def test_a_transaction_profile_during_one_is_refused_for_no_visible_reason() -> None:
    reason, owner = refused(charging_16(), **TX)
    assert reason.startswith("the profile breaks no rule that can be checked here")
    assert owner == "unknown"


def test_a_transaction_from_before_the_capture_is_not_denied() -> None:
    session = online_16()
    status_16(session, "Charging")
    reason, _ = refused(session, **TX)
    assert reason.startswith("the profile breaks no rule")


def test_profiles_for_the_wrong_place_or_transaction() -> None:
    assert refused(charging_16(), 0, **TX)[0] == "a TxProfile is for one connector, not for connector 0 (1.6 §5.16)."
    assert "is for the whole station (connector 0)" in refused(online_16(), 1, **STATION)[0]
    assert "another transaction than the one" in refused(charging_16(), transactionId=77, **TX)[0]
    ended = charging_16()
    stop_16(ended, 1000)
    assert refused(ended, transactionId=1, **TX)[0] == "the transaction it is for had ended already."


@pytest.mark.parametrize(
    ("settings", "profile", "reason"),
    [
        ({"ChargeProfileMaxStackLevel": "5"}, {"stackLevel": 8}, "stack level 8 is above the station's maximum of 5"),
        ({"ChargingScheduleAllowedChargingRateUnit": "Current"}, {"unit": "W"}, "limits in Current only"),
        ({"ChargingScheduleMaxPeriods": "1"}, {"periods": [(0, 1), (9, 2)]}, "2 periods are more than"),
        ({"NumberOfConnectors": "2"}, {"connector": 3}, "the station has 2 connectors only"),
        ({}, {"validTo": "2026-08-01T00:00:00Z"}, "it ended at 2026-08-01 00:00:00Z already"),
        ({}, {"chargingProfileKind": "Recurring"}, "needs a recurrencyKind"),
        ({"SupportedFeatureProfiles": "Core,Reservation"}, {}, "no smart charging among"),
        ({"SmartChargingEnabled": "false"}, {}, "switched off in the station"),
    ],
)
def test_reasons_that_settings_give(settings: Mapping[str, str], profile: Mapping[str, Any], reason: str) -> None:
    session = online_16()
    if settings:
        configured_16(session, **settings)
    assert reason in refused(session, **profile)[0]


def test_what_lies_within_the_settings_is_no_reason() -> None:
    session = online_16()
    configured_16(
        session,
        ChargeProfileMaxStackLevel="8",
        ChargingScheduleAllowedChargingRateUnit="Current,Power",
        ChargingScheduleMaxPeriods="2",
        NumberOfConnectors="1",
        SupportedFeatureProfiles="Core, Smart Charging",
    )
    reason, _ = refused(session, stackLevel=8, unit="W", periods=[(0, 1), (9, 2)])
    assert reason.startswith("the profile breaks no rule")


def test_not_supported_is_the_stations_word() -> None:
    assert refused(online_16(), status="NotSupported") == ("the station does not support it.", "station")


def test_ocpp_2_gives_a_reason_code() -> None:
    session = online_16(version="2.0.1")
    set_profile_2(session, profile_16(), {"status": "Rejected", "statusInfo": {"reasonCode": "InternalError"}})
    assert "Rejected (InternalError)" in the(diagnose(session), "smart-charging.rejected").explanation()


# ------------------------------------------------------------------------------------------------------------- clearing


def clear(session: Session, criteria: Mapping[str, Any], status: str) -> None:
    session.call("csms", "ClearChargingProfile", criteria, {"status": status})


def test_clearing_what_is_not_there() -> None:
    session = online_16()
    clear(session, {"id": 5}, "Unknown")
    finding = the(diagnose(session), "smart-charging.clear-unknown")
    assert finding.severity == "info"
    assert "(profile 5)" in finding.explanation()


def test_clearing_what_is_there() -> None:
    session = online_16()
    set_profile_16(session, profile_16())
    clear(session, {"id": 30}, "Accepted")
    assert mine(session) == []


def test_a_profile_that_the_station_lost() -> None:
    session = online_16()
    set_profile_16(session, profile_16())
    clear(session, {"id": 30}, "Unknown")
    assert mine(session) == ["smart-charging.profile-lost"]


def test_a_profile_that_was_cleared_or_may_have_gone_with_a_boot_is_not_lost() -> None:
    session = online_16()
    set_profile_16(session, profile_16())
    clear(session, {"id": 30}, "Accepted")
    clear(session, {"id": 30}, "Unknown")
    assert mine(session) == ["smart-charging.clear-unknown"]
    session = online_16()
    set_profile_16(session, profile_16())
    boot_16(session)
    clear(session, {"id": 30}, "Unknown")
    assert mine(session) == ["smart-charging.clear-unknown"]


@pytest.mark.parametrize(
    "more", [{"validTo": "2026-08-31T07:00:00Z"}, {"validTo": "2026-08-31T08:00:05Z"}], ids=["long over", "just over"]
)
def test_a_profile_whose_time_is_over_may_be_forgotten(more: dict[str, Any]) -> None:
    session = online_16()
    set_profile_16(session, profile_16(**more))
    session.clock.wait(30)
    clear(session, {"id": 30}, "Unknown")
    assert mine(session) == ["smart-charging.clear-unknown"]


# --------------------------------------------------------------------------------------------------- composite schedule


def composite(session: Session, *periods: tuple[int, float], unit: str = "A") -> list[str]:
    schedule = profile_16(periods=list(periods), unit=unit, duration=600)["chargingSchedule"]
    answer = {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": session.timestamp(),
        "chargingSchedule": schedule,
    }
    session.call("csms", "GetCompositeSchedule", {"connectorId": 1, "duration": 600}, answer)
    return mine(session)


def with_profile(limit: float = 16, **more: Any) -> Session:
    session = charging_16()
    set_profile_16(session, profile_16(limit, **more))
    session.clock.wait(60)
    return session


def test_a_composite_schedule_that_allows_more() -> None:
    session = with_profile()
    assert composite(session, (0, 32)) == ["smart-charging.composite-contradicts"]
    text = the(diagnose(session), "smart-charging.composite-contradicts").explanation()
    assert "says 32.0 A" in text
    assert "profile 30 (TxDefaultProfile), which the station accepted, allows only 16.0 A" in text


def test_a_composite_schedule_that_allows_as_much_or_less() -> None:
    assert composite(with_profile(), (0, 16)) == []
    assert composite(with_profile(), (0, 16.9)) == []
    assert composite(with_profile(), (0, 6), (300, 0)) == []
    assert composite(with_profile(), (0, 11_000), unit="W") == []


def test_only_what_lasts_is_compared() -> None:
    session = charging_16()
    periods = [(0, 32), (400, 16)]
    set_profile_16(session, profile_16(periods=periods, startSchedule=session.timestamp()))
    assert composite(session, (0, 32), (380, 16)) == []
    assert composite(session, (0, 32)) == []  # its middle lies in the first period


def test_a_profile_for_transactions_does_not_bind_the_schedule_without_one() -> None:
    session = online_16()
    set_profile_16(session, profile_16(16))
    assert composite(session, (0, 32)) == []


def test_a_refused_composite_schedule_says_nothing() -> None:
    session = with_profile()
    session.call("csms", "GetCompositeSchedule", {"connectorId": 1, "duration": 600}, {"status": "Rejected"})
    assert mine(session) == []
