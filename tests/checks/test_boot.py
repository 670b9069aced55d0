"""Boots: accepted, Pending, Rejected, never answered, and what must not be said before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from fieldkit.session import Session as Diagnosis
from fieldkit.site.light import MAX_RAW
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose, diagnose_events, diagnose_file, found, the
from tests.traffic.hostile import messages
from tests.traffic.scripts import boot_16, usual_hour
from tests.traffic.segments import SECOND

BOOT = {"chargePointVendor": "Testwerk", "chargePointModel": "Säule 22"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
START = {"connectorId": 1, "idTag": "04A2B7C1", "meterStart": 0, "timestamp": "2026-08-31T08:00:00Z"}
STARTED = {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}


def talk(start: float = 0, port: int = 49_152) -> Session:
    session = Session("CP_7", "1.6", start=MONDAY + round(start * SECOND), client=("192.168.7.20", port))
    session.connect()
    session.upgrade()
    return session


def boots(session: Session, status: str = "Accepted", interval: int = 300, **more: Any) -> None:
    answer = {"currentTime": session.timestamp(), "interval": interval, "status": status}
    session.call("station", "BootNotification", {**BOOT, **more}, answer)


def boot_findings(diagnosis: Diagnosis) -> list[str]:
    return sorted(id_ for id_ in found(diagnosis) if id_.startswith("boot."))


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_boot_that_is_accepted_is_no_finding(version: str) -> None:
    session = Session("CP_7", version)
    session.connect()
    session.upgrade()
    usual_hour(session)
    session.close()
    assert boot_findings(diagnose(session)) == []


def test_no_boot_in_sight_is_no_finding() -> None:
    session = talk()
    session.call("station", "StatusNotification", STATUS, {})
    assert boot_findings(diagnose(session)) == []


# -------------------------------------------------------------------------------------------------- rejected, pending


def test_a_rejected_boot_names_the_station_and_the_interval() -> None:
    session = talk()
    boots(session, "Rejected", 60)
    diagnosis = diagnose(session)
    rejected = the(diagnosis, "boot.rejected")
    assert "Testwerk Säule 22" in rejected.explanation()
    assert "after 1 min" in rejected.explanation()
    assert rejected.owner == "operator"
    assert the(diagnosis, "boot.never-accepted").severity == "critical"


def test_rejected_once_and_then_accepted_is_not_never_accepted() -> None:
    session = talk()
    boots(session, "Rejected", 60)
    session.clock.wait(61)
    boots(session)
    assert boot_findings(diagnose(session)) == ["boot.rejected"]


def test_pending_is_worth_knowing() -> None:
    session = talk()
    boots(session, "Pending", 60)
    diagnosis = diagnose(session)
    assert boot_findings(diagnosis) == ["boot.pending"]
    assert the(diagnosis, "boot.pending").severity == "info"


@pytest.mark.parametrize("minutes, expected", [(9, False), (11, True)])
def test_pending_for_long_is_never_accepted(minutes: int, expected: bool) -> None:
    session = talk()
    boots(session, "Pending", 60)
    session.idle(minutes * 60, ping_every=50)
    assert ("boot.never-accepted" in found(diagnose(session))) is expected


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
@pytest.mark.parametrize("after, expected", [(20, True), (58, False), (61, False)])
def test_the_interval_before_the_next_attempt(status: str, after: float, expected: bool) -> None:
    session = talk()
    boots(session, status, 60)
    session.clock.wait(after)
    boots(session)
    assert ("boot.retry-too-early" in found(diagnose(session))) is expected


def test_interval_zero_leaves_the_time_to_the_station() -> None:
    session = talk()
    boots(session, "Rejected", 0)
    boots(session)
    diagnosis = diagnose(session)
    assert boot_findings(diagnosis) == ["boot.rejected"]
    assert "left to the station" in the(diagnosis, "boot.rejected").explanation()


def test_a_triggered_boot_is_not_too_early() -> None:
    session = talk()
    boots(session, "Pending", 60)
    session.call("csms", "TriggerMessage", {"requestedMessage": "BootNotification"}, {"status": "Accepted"})
    boots(session)
    assert boot_findings(diagnose(session)) == ["boot.pending"]


def test_a_station_that_comes_back_on_another_connection_may_have_restarted() -> None:
    first = talk()
    boots(first, "Rejected", 60)
    first.close("rst")
    second = talk(20, 49_153)
    boots(second)
    assert boot_findings(diagnose(first, second)) == ["boot.rejected"]


def test_calls_while_pending() -> None:
    session = talk()
    boots(session, "Pending", 60)
    session.call("station", "StartTransaction", START, STARTED)
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    finding = the(diagnose(session), "boot.calls-while-pending")
    assert finding.owner == "station"
    assert "first StartTransaction" in finding.explanation()
    assert finding.count == 2


def test_while_pending_the_station_may_send_what_it_is_triggered_to() -> None:
    session = talk()
    boots(session, "Pending", 60)
    trigger = {"requestedMessage": "StatusNotification"}
    session.call("csms", "TriggerMessage", trigger, {"status": "Accepted"})
    session.call("station", "StatusNotification", STATUS, {})
    session.call("csms", "GetConfiguration", {}, {"configurationKey": []})
    assert boot_findings(diagnose(session)) == ["boot.pending"]


def test_while_pending_reports_that_were_asked_for_come() -> None:
    session = Session("CP_7", "2.0.1")
    session.connect()
    session.upgrade()
    boot = {"reason": "PowerUp", "chargingStation": {"model": "Säule", "vendorName": "Testwerk"}}
    pending = {"currentTime": session.timestamp(), "interval": 60, "status": "Pending"}
    session.call("station", "BootNotification", boot, pending)
    ask = {"requestId": 1, "reportBase": "FullInventory"}
    session.call("csms", "GetBaseReport", ask, {"status": "Accepted"})
    report = {"requestId": 1, "generatedAt": session.timestamp(), "seqNo": 0, "reportData": []}
    session.call("station", "NotifyReport", report, {})
    assert boot_findings(diagnose(session)) == ["boot.pending"]


def test_a_remote_start_while_pending_is_the_csms_s() -> None:
    session = talk()
    boots(session, "Pending", 60)
    session.call("csms", "RemoteStartTransaction", {"idTag": "04A2B7C1"}, {"status": "Rejected"})
    finding = the(diagnose(session), "boot.remote-start-while-pending")
    assert finding.owner == "csms"


def test_calls_while_rejected_are_told_by_side() -> None:
    session = talk()
    boots(session, "Rejected", 60)
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    session.call("csms", "Reset", {"type": "Soft"}, {"status": "Rejected"})
    diagnosis = diagnose(session)
    assert the(diagnosis, "boot.calls-while-rejected").owner == "station"
    assert the(diagnosis, "boot.csms-calls-while-rejected").owner == "csms"


def test_after_missing_bytes_nobody_is_accused() -> None:
    session = talk()
    boots(session, "Pending", 60)
    begin = len(session.segments)
    boots(session)
    lost = session.segments[begin : len(session.segments)]
    session.call("station", "StartTransaction", START, STARTED)
    session.call("station", "StatusNotification", STATUS, {})
    del session.segments[begin : begin + len(lost)]
    assert boot_findings(diagnose(session)) == ["boot.pending"]


# ------------------------------------------------------------------------------------------------- before the answer


def test_the_station_goes_on_before_the_answer() -> None:
    session = talk()
    boot = session.call("station", "BootNotification", BOOT)
    status = session.call("station", "StatusNotification", STATUS)
    accepted = {"currentTime": session.timestamp(), "interval": 300, "status": "Accepted"}
    session.answer("csms", boot, "BootNotification", accepted)
    session.answer("csms", status, "StatusNotification", {})
    finding = the(diagnose(session), "boot.calls-before-answer")
    assert finding.severity == "info"
    assert "StatusNotification" in finding.explanation()


def test_the_csms_calls_before_it_answers() -> None:
    session = talk()
    boot = session.call("station", "BootNotification", BOOT)
    session.call("csms", "GetConfiguration", {}, {"configurationKey": []})
    accepted = {"currentTime": session.timestamp(), "interval": 300, "status": "Accepted"}
    session.answer("csms", boot, "BootNotification", accepted)
    finding = the(diagnose(session), "boot.csms-call-before-answer")
    assert (finding.severity, finding.owner) == ("info", "csms")


def test_it_is_worse_when_the_station_then_boots_anew() -> None:
    session = talk()
    session.call("station", "BootNotification", BOOT)
    session.call("csms", "GetConfiguration", {})
    session.clock.wait(30)
    boots(session)
    finding = the(diagnose(session), "boot.csms-call-before-answer")
    assert finding.severity == "warning"
    assert "again" in finding.explanation()


def test_calls_before_any_boot_are_nobody_s_fault() -> None:
    session = talk()
    session.call("csms", "GetConfiguration", {}, {"configurationKey": []})
    boots(session)
    assert boot_findings(diagnose(session)) == []


# ---------------------------------------------------------------------------------------------- unanswered, refused


@pytest.mark.parametrize("seconds, expected", [(20, False), (40, True)])
def test_a_boot_without_an_answer(seconds: float, expected: bool) -> None:
    session = talk()
    session.call("station", "BootNotification", BOOT)
    session.clock.wait(seconds)
    session.close()
    assert ("boot.unanswered" in found(diagnose(session))) is expected


def test_a_boot_that_the_capture_ends_before_is_no_finding() -> None:
    session = talk()
    session.call("station", "BootNotification", BOOT)
    session.idle(40)
    assert "boot.unanswered" not in found(diagnose(session))


@pytest.mark.parametrize("model, owner", [("Säule 22", "csms"), ("S" * 21, "station")])
def test_a_boot_that_is_answered_with_an_error(model: str, owner: str) -> None:
    session = talk()
    id_ = session.call("station", "BootNotification", {**BOOT, "chargePointModel": model})
    session.error("csms", id_, "BootNotification", "InternalError")
    diagnosis = diagnose(session, validate=True)
    assert the(diagnosis, "boot.error").owner == owner
    assert "boot.never-accepted" in found(diagnosis)


# ------------------------------------------------------------------------------------------------------------- loops


def reboots(*times: float) -> Diagnosis:
    sessions = []
    for number, time in enumerate(times):
        session = talk(time, 49_152 + number)
        boot_16(session)
        session.close("rst")
        sessions.append(session)
    return diagnose(*sessions)


def test_three_boots_in_five_minutes_are_a_loop() -> None:
    finding = the(reboots(0, 100, 200), "boot.loop")
    assert finding.severity == "critical"
    assert "3 boots within 3 min 20 s" in finding.explanation()


def test_three_boots_in_more_than_five_minutes_are_not() -> None:
    assert boot_findings(reboots(0, 151, 302)) == []
    assert boot_findings(reboots(0, 100)) == []


def test_boots_after_a_reset_are_no_loop() -> None:
    sessions = []
    for number in range(3):
        session = talk(number * 60, 49_152 + number)
        boot_16(session)
        session.call("csms", "Reset", {"type": "Soft"}, {"status": "Accepted"})
        session.close()
        sessions.append(session)
    assert boot_findings(diagnose(*sessions)) == []


def test_attempts_of_a_pending_station_are_no_loop() -> None:
    session = talk()
    for _ in range(4):
        boots(session, "Pending", 30)
        session.clock.wait(31)
    assert "boot.loop" not in found(diagnose(session))


def test_a_second_boot_on_the_same_connection() -> None:
    session = talk()
    boots(session)
    session.clock.wait(60)
    boots(session)
    assert boot_findings(diagnose(session)) == ["boot.repeated"]


@settings(max_examples=60, deadline=None)
@given(messages("BootNotification", "TriggerMessage", "Reset", "StatusNotification", "Heartbeat"))
def test_nothing_that_is_sent_breaks_the_check(events: list[Any]) -> None:
    diagnose_events(events)


# -------------------------------------------------------------------------------------------------------- what is unseen


def test_what_a_remote_start_brings_about_was_asked_for() -> None:
    session = talk()
    boots(session, "Pending", 60)
    session.call("csms", "RemoteStartTransaction", {"idTag": "04A2B7C1"}, {"status": "Accepted"})
    session.call("station", "StartTransaction", START, STARTED)
    session.call("station", "StatusNotification", STATUS, {})
    assert boot_findings(diagnose(session)) == ["boot.pending", "boot.remote-start-while-pending"]


def test_boots_of_a_log_without_times_need_not_be_quick(tmp_path: Path) -> None:
    boot = 'INFO:ocpp:CP_1: receive message [2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
    said = 'INFO:ocpp:CP_1: send [3,"b",{"currentTime":"2026-08-31T08:00:00Z","interval":300,"status":"Accepted"}]'
    log = tmp_path / "csms.log"
    log.write_text("\n".join([boot, said] * 5) + "\n")
    assert boot_findings(diagnose_file(log)) == []


def test_a_pending_station_that_is_not_heard_any_more_may_be_accepted_by_now() -> None:
    session = talk()
    boots(session, "Pending", 60)
    session.close()
    other = Session("CP_8", "1.6", start=MONDAY + 3600 * SECOND, client=("192.168.7.21", 49_153))
    other.connect()
    other.upgrade()
    boot_16(other)
    assert boot_findings(diagnose(session, other)) == ["boot.pending"]


def test_a_rejected_station_that_comes_back_unseen_may_have_been_accepted() -> None:
    session = talk()
    boots(session, "Rejected", 60)
    session.close()
    assert "boot.never-accepted" in boot_findings(diagnose(session))
    again = talk(3600, 49_153)
    again.call("station", "Heartbeat", {}, {"currentTime": again.timestamp()})
    assert "boot.never-accepted" not in boot_findings(diagnose(session, again))


def test_what_is_kept_of_boots_is_small() -> None:
    session = talk()
    for number in range(9):
        boots(session, iccid=f"{number}" * 20_000)
    diagnosis = diagnose(session)
    station = diagnosis.picture.stations["CP_7"]
    assert station.about.boot_count == 9
    assert all(len(boot.call.raw) <= MAX_RAW for boot in station.about.boots)
    assert [boot.status for boot in station.about.boots] == ["Accepted"] * 9


def test_a_station_whose_transactions_are_taken_is_not_kept_from_charging() -> None:
    session = talk()
    id_ = session.call("station", "BootNotification", BOOT)
    session.error("csms", id_, "BootNotification", "InternalError")
    assert "boot.never-accepted" in boot_findings(diagnose(session))
    session.call("station", "StartTransaction", START, STARTED)
    assert "boot.never-accepted" not in boot_findings(diagnose(session))
