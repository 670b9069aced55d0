"""Answers that belong to no CALL, come twice, or say no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.traffic.conversation import Session, compact
from tests.traffic.diagnosed import diagnose, diagnose_events, diagnose_file, found, the
from tests.traffic.hostile import messages
from tests.traffic.scripts import usual_hour

BEAT = {"currentTime": "2026-08-31T08:00:00Z"}
BOOT = {"chargePointVendor": "Testwerk", "chargePointModel": "Säule 22"}


def talk(version: str = "1.6") -> Session:
    session = Session("CP_7", version)
    session.connect()
    session.upgrade()
    return session


def heartbeat(session: Session) -> str:
    return session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})


def judged(*sessions: Session) -> list[str]:
    return [id_ for id_ in found(diagnose(*sessions, validate=True)) if id_.startswith("answer.")]


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_answers_that_fit_are_no_finding(version: str) -> None:
    session = talk(version)
    usual_hour(session)
    assert judged(session) == []


# ------------------------------------------------------------------------------------------------------ without a CALL


def test_an_answer_to_nothing() -> None:
    session = talk()
    heartbeat(session)
    session.say("csms", compact([3, "never-asked", {}]))
    heartbeat(session)
    finding = the(diagnose(session), "answer.orphan")
    assert finding.owner == "csms"
    assert "never-asked" in finding.explanation()


def test_answers_at_the_beginning_of_a_capture_had_their_call_before() -> None:
    session = talk()
    begin = len(session.segments)
    first = session.call("station", "Heartbeat", {})
    cut = len(session.segments)
    session.answer("csms", first, "Heartbeat", {"currentTime": session.timestamp()})
    heartbeat(session)
    del session.segments[:cut]
    assert begin < cut
    assert judged(session) == []


def test_a_call_may_be_among_the_missing_bytes() -> None:
    session = talk()
    heartbeat(session)
    begin = len(session.segments)
    id_ = session.call("station", "Heartbeat", {})
    end = len(session.segments)
    session.answer("csms", id_, "Heartbeat", {"currentTime": session.timestamp()})
    heartbeat(session)
    session.close()
    del session.segments[begin:end]
    assert judged(session) == []


def test_a_capture_of_one_side_has_only_answers() -> None:
    session = talk()
    heartbeat(session)
    session.segments[:] = [segment for segment in session.segments if not segment.from_client]
    assert judged(session) == []


def test_a_call_that_is_answered_twice() -> None:
    session = talk()
    id_ = heartbeat(session)
    session.answer("csms", id_, "Heartbeat", {"currentTime": session.timestamp()})
    finding = the(diagnose(session), "answer.double")
    assert finding.owner == "csms"
    assert "Heartbeat a second time" in finding.explanation()


def test_the_same_id_in_both_directions_is_no_second_answer() -> None:
    session = talk()
    session.say("station", compact([2, "1", "Heartbeat", {}]))
    session.say("csms", compact([3, "1", {"currentTime": session.timestamp()}]))
    session.say("csms", compact([2, "1", "ClearCache", {}]))
    session.say("station", compact([3, "1", {"status": "Accepted"}]))
    assert judged(session) == []


def test_an_answer_that_is_answered_with_an_error() -> None:
    session = talk()
    id_ = session.call("station", "Heartbeat", {}, {"currentTime": 7})
    session.error("station", id_, "Heartbeat", "TypeConstraintViolation")
    finding = the(diagnose(session, validate=True), "answer.error-to-result")
    assert finding.owner == "station"
    assert "currentTime" in finding.advice()


def test_in_21_there_is_a_message_for_it() -> None:
    session = talk("2.1")
    id_ = session.call("station", "Heartbeat", {}, {})
    session.result_error("station", id_, "Heartbeat", "OccurrenceConstraintViolation")
    assert judged(session) == []


# ----------------------------------------------------------------------------------------------------------- saying no


def refused(code: str, boot: dict[str, Any], description: str = "", validate: bool = True) -> Any:
    session = talk()
    id_ = session.call("station", "BootNotification", boot)
    session.error("csms", id_, "BootNotification", code, description)
    return diagnose(session, validate=validate)


@pytest.mark.parametrize("code", ["FormationViolation", "PropertyConstraintViolation", "TypeConstraintViolation"])
def test_a_faulty_message_is_its_sender_s(code: str) -> None:
    finding = the(refused(code, {**BOOT, "chargePointModel": "S" * 21}), "answer.refused-faulty")
    assert finding.owner == "station"
    assert "21 characters" in finding.explanation()


def test_a_valid_message_is_the_refuser_s() -> None:
    finding = the(
        refused("PropertyConstraintViolation", {**BOOT, "chargePointModel": "S" * 20}), "answer.refused-valid"
    )
    assert finding.owner == "csms"


def test_without_a_schema_nobody_is_named() -> None:
    finding = the(refused("FormationViolation", BOOT, validate=False), "answer.refused")
    assert finding.owner == "unknown"


def test_what_is_not_supported_is_worth_knowing() -> None:
    session = talk()
    id_ = session.call("csms", "ClearCache", {})
    session.error("station", id_, "ClearCache", "NotSupported", "no cache")
    finding = the(diagnose(session), "answer.not-supported")
    assert (finding.severity, finding.owner) == ("info", "station")
    assert '"no cache"' in finding.explanation()


def test_unless_nothing_goes_without_it() -> None:
    session = talk()
    id_ = session.call("csms", "RemoteStartTransaction", {"idTag": "04A2B7C1"})
    session.error("station", id_, "RemoteStartTransaction", "NotImplemented")
    assert the(diagnose(session), "answer.not-supported").severity == "warning"


@pytest.mark.parametrize(
    "code, expected", [("InternalError", "answer.error"), ("SecurityError", "answer.security-error")]
)
def test_other_errors(code: str, expected: str) -> None:
    diagnosis = refused(code, BOOT)
    assert expected in found(diagnosis)


def test_secrets_and_identities_in_an_error_are_hidden() -> None:
    session = talk()
    id_ = session.call("station", "Authorize", {"idTag": "04A2B7C1D2E3F4"})
    session.error("csms", id_, "Authorize", "InternalError", "no row for idTag 04A2B7C1D2E3F4, Basic QWxhZGRpbjpvcGVu")
    text = the(diagnose(session), "answer.error").explanation()
    assert "no row" in text
    assert "04A2B7C1D2E3F4" not in text
    assert "QWxhZGRpbjpvcGVu" not in text


@settings(max_examples=60, deadline=None)
@given(messages("BootNotification", "Heartbeat", "MeterValues", "Reset"))
def test_nothing_that_is_sent_breaks_the_check(events: list[Any]) -> None:
    for finding in diagnose_events(events).findings:
        finding.explanation()
        finding.advice()


# ---------------------------------------------------------------------------------------------------------------- logs


def logged(tmp_path: Path, *lines: tuple[str, str, str], times: bool = True) -> list[str]:
    """What is found in the log of a CSMS: station, direction, frame."""
    log = tmp_path / "csms.log"
    stamps = [f"2026-08-31 08:00:{at:02d},000 " if times else "" for at in range(len(lines))]
    texts = [f"{stamp}INFO:ocpp:{who}: {way} {frame}" for stamp, (who, way, frame) in zip(stamps, lines, strict=True)]
    log.write_text("\n".join(texts) + "\n")
    return [id_ for id_ in found(diagnose_file(log)) if id_.startswith("answer.")]


ASKED = ("CP_1", "receive message", '[2,"7","Heartbeat",{}]')
ANSWERED = ("CP_1", "send", '[3,"7",{"currentTime":"2026-08-31T08:00:00Z"}]')


def test_a_second_answer_in_a_log(tmp_path: Path) -> None:
    assert logged(tmp_path, ASKED, ANSWERED, ANSWERED) == ["answer.double"]


def test_in_a_log_stations_may_count_their_messages_alike(tmp_path: Path) -> None:
    other = ("CP_2", "receive message", '[2,"x","Heartbeat",{}]')
    theirs = ("CP_2", *ANSWERED[1:])
    objects = ("CP_2", "receive message", '[4,"7","InternalError","",{}]')
    assert logged(tmp_path, other, ASKED, ANSWERED, theirs, objects) == []


def test_in_a_log_without_times_the_same_number_may_be_one_of_another_day(tmp_path: Path) -> None:
    assert logged(tmp_path, ASKED, ANSWERED, ANSWERED, times=False) == []


def test_behind_a_hole_the_number_may_have_been_used_again() -> None:
    session = talk()
    id_ = session.call("station", "Heartbeat", {}, BEAT)
    session.clock.wait(60)
    lost = len(session.segments)
    session.say("station", f'[2,"{id_}","Heartbeat",{{}}]')
    session.tcp.segments[lost:] = [segment for segment in session.segments[lost:] if not segment.payload]
    session.answer("csms", id_, "Heartbeat", BEAT)
    session.call("station", "Heartbeat", {}, BEAT)
    assert "answer.double" not in found(diagnose(session))
