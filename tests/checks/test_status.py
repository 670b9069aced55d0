"""Faults with and without a code, steps that 1.6 does not know, states that come and go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from tests.traffic.charging_talk import Talk2, Talk16
from tests.traffic.diagnosed import diagnose_events
from tests.traffic.hostile import messages

# --------------------------------------------------------------------------------------------------------------- faults


def test_a_fault_is_told_in_words() -> None:
    talk = Talk16()
    talk.status("Available")
    talk.status("Faulted", error="GroundFailure", info="RCD 6 mA")
    finding = talk.the("status.faulted")
    assert finding.severity == "critical"
    assert "residual current" in finding.explanation()
    assert "RCD 6 mA" in finding.explanation()
    assert "electrician" in finding.advice()
    assert finding.first_seen.connector == "1"


def test_the_same_fault_told_again_is_one_occurrence() -> None:
    talk = Talk16()
    for _ in range(3):
        talk.status("Faulted", error="GroundFailure")
    assert talk.the("status.faulted").count == 1


def test_an_error_in_another_status_is_a_warning() -> None:
    talk = Talk16()
    talk.status("Charging", error="HighTemperature")
    finding = talk.the("status.error")
    assert finding.severity == "warning"
    assert "Charging" in finding.explanation()
    assert talk.found(family="status.faulted") == []


def test_a_vendor_code_alone_explains_nothing() -> None:
    talk = Talk16()
    talk.status("Faulted", error="OtherError", vendorId="Testwerk", vendorErrorCode="0x4711")
    finding = talk.the("status.faulted-vendor-code")
    assert '"0x4711" of Testwerk' in finding.explanation()


def test_a_vendor_code_beside_a_telling_code_is_only_shown() -> None:
    talk = Talk16()
    talk.status("Faulted", error="OverVoltage", vendorErrorCode="E12")
    assert talk.found(family="status") == ["status.faulted"]
    assert '"E12"' in talk.the("status.faulted").explanation()


@pytest.mark.parametrize("code", ["", "0", "None", "0x0000"])
def test_a_fault_without_any_code(code: str) -> None:
    talk = Talk16()
    talk.status("Faulted", vendorErrorCode=code)
    assert talk.found(family="status") == ["status.faulted-without-code"]


def test_a_vendor_code_that_says_nothing_is_wrong_is_no_finding() -> None:
    talk = Talk16()
    talk.status("Available", vendorErrorCode="0")
    assert talk.found(family="status") == []


def test_a_code_that_ocpp_does_not_know() -> None:
    talk = Talk16()
    talk.status("Faulted", error="MyOwnFailure")
    assert "does not know" in talk.the("status.faulted").explanation()


def test_2x_faults_have_no_code_in_the_status() -> None:
    talk = Talk2()
    talk.status("Available")
    talk.status("Faulted")
    assert talk.found(family="status") == ["status.faulted-unexplained"]


def test_2x_faults_by_event_may_have_one() -> None:
    talk = Talk2()
    talk.available("Faulted", techCode="GroundFailure")
    talk.status("Faulted")
    assert talk.found(family="status") == ["status.faulted"]
    assert "residual current" in talk.the("status.faulted").explanation()


def test_2x_states_come_in_any_order() -> None:
    talk = Talk2()
    for status in ("Available", "Occupied", "Reserved", "Occupied", "Unavailable", "Available"):
        talk.status(status)
    assert talk.found(family="status") == []


# ---------------------------------------------------------------------------------------------------------------- steps


def test_a_step_that_1_6_does_not_know() -> None:
    talk = Talk16()
    talk.status("Available")
    talk.status("Finishing")
    finding = talk.the("status.illegal-transition")
    assert "from Available to Finishing" in finding.explanation()
    assert finding.severity == "info", "its MinimumStatusDuration is not known"
    assert len(finding.evidence) == 2


def test_a_step_that_nothing_may_hide() -> None:
    talk = Talk16()
    talk.set("MinimumStatusDuration", "0")
    talk.status("Available")
    talk.status("Finishing")
    assert talk.the("status.illegal-transition").severity == "warning"


def test_a_usual_session_has_legal_steps() -> None:
    talk = Talk16()
    for status in ("Available", "Preparing", "Charging", "SuspendedEV", "Charging", "Finishing", "Available"):
        talk.status(status)
    assert talk.found(family="status") == []


def test_after_a_boot_any_status_may_come() -> None:
    talk = Talk16()
    talk.status("Available")
    talk.boot()
    talk.status("Finishing")
    assert talk.found(family="status") == []


def test_after_a_reconnect_any_status_may_come() -> None:
    first, second = Talk16(), Talk16(start=60, port=50_000)
    first.status("Available")
    first.session.close()
    second.status("Finishing")
    assert first.found(second, family="status") == []


def test_a_step_that_minimum_status_duration_may_hide() -> None:
    talk = Talk16()
    talk.set("minimumStatusDuration", "5")  # names of keys are case-insensitive (1.6 §7.28)
    talk.status("Available")
    talk.status("Finishing")
    assert talk.found(family="status") == []


def test_statuses_that_arrive_in_another_order_than_they_came_about() -> None:
    talk = Talk16()
    talk.status("Available", timestamp=talk.session.timestamp())
    talk.status("Finishing", timestamp=talk.session.timestamp(-60))
    assert talk.found(family="status") == []


def test_a_message_that_cannot_be_read_may_have_been_the_step_in_between() -> None:
    talk = Talk16()
    talk.status("Available")
    talk.session.say("station", '[2,"x","StatusNotification",{"connectorId":1,"status":')
    talk.status("Finishing")
    assert talk.found(family="status") == []


def test_the_station_itself_knows_three_states() -> None:
    talk = Talk16()
    talk.status("Available", connector=0)
    talk.status("Charging", connector=0)
    assert talk.found(family="status") == ["status.station-state"]
    talk = Talk16()
    talk.status("Unavailable", connector=0)
    talk.status("Available", connector=0)
    assert talk.found(family="status") == []


# ----------------------------------------------------------------------------------------------------- flapping, closed


def flapping(times: int, every: float) -> Talk16:
    talk = Talk16()
    talk.status("Available")
    for number in range(times):
        talk.wait(every)
        talk.status("Preparing" if number % 2 == 0 else "Available")
    return talk


def test_a_connector_that_flaps() -> None:
    finding = flapping(12, 5).the("status.flapping")
    assert "8 times between" in finding.explanation()
    assert "pilot" in finding.advice()
    assert finding.count == 1


def test_a_connector_that_is_used_often_does_not() -> None:
    assert flapping(7, 5).found(family="status") == []
    assert flapping(12, 60).found(family="status") == []


def test_a_vehicle_that_stops_and_starts_is_the_vehicles_matter() -> None:
    talk = Talk16()
    for _ in range(6):
        talk.wait(10)
        talk.status("Charging")
        talk.status("SuspendedEV")
    assert talk.the("status.flapping").owner == "vehicle"


def test_a_connector_that_is_switched_off_to_the_end() -> None:
    talk = Talk16()
    talk.status("Unavailable")
    assert talk.found(family="status") == ["status.unavailable"]
    talk.status("Available")
    assert talk.found(family="status") == []


@settings(max_examples=40, deadline=None)
@given(messages("StatusNotification", "NotifyEvent", "BootNotification"))
def test_anything_may_come(events: list[Any]) -> None:
    diagnose_events(events)
