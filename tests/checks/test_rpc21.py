"""SEND and CALLRESULTERROR."""

from __future__ import annotations

from fieldkit.events import MessageType
from tests.traffic.conversation import compact
from tests.traffic.diagnosed import diagnose, the
from tests.traffic.task_talk import Tasks

STREAM = {"id": 3, "pending": 0, "basetime": "2026-08-31T08:00:00Z", "data": [{"t": 0, "v": "1"}]}


def test_a_send_without_an_answer_is_as_it_should_be() -> None:
    talk = Tasks("2.1")
    talk.session.send("station", "NotifyPeriodicEventStream", STREAM)
    talk.wait(10)
    assert talk.found("rpc") == []


def test_a_send_that_is_answered() -> None:
    talk = Tasks("2.1")
    talk.session.send("station", "NotifyPeriodicEventStream", STREAM)
    talk.session.say("csms", compact([3, talk.session.said[-1].id, {}]), type=MessageType.CALLRESULT)
    finding = talk.the("rpc.answer-to-send")
    assert (finding.owner, "a result" in finding.explanation()) == ("csms", True)


def test_an_answer_to_the_call_with_the_same_id_is_none_to_the_send() -> None:
    talk = Tasks("2.1")
    talk.session.send("station", "NotifyPeriodicEventStream", STREAM)
    id_ = talk.session.said[-1].id
    call = compact([2, id_, "Heartbeat", {}])
    talk.session.say("station", call, type=MessageType.CALL, id=id_, action="Heartbeat")
    talk.session.answer("csms", id_, "Heartbeat", {"currentTime": talk.now()})
    assert talk.found("rpc") == []


def test_an_answer_that_was_rejected_names_what_is_wrong_with_it() -> None:
    talk = Tasks("2.1")
    id_ = talk.tell("Heartbeat", {}, {"time": talk.now()})
    talk.session.result_error("station", id_, "Heartbeat", "OccurrenceConstraintViolation", "currentTime is missing")
    finding = the(diagnose(talk.session, validate=True), "rpc.answer-rejected")
    assert finding.owner == "csms"
    assert '("currentTime is missing")' in finding.explanation()
    assert "Indeed" in finding.explanation()
    assert len(finding.evidence) == 2


def test_an_answer_that_was_rejected_without_need() -> None:
    talk = Tasks("2.1")
    id_ = talk.tell("Heartbeat", {}, {"currentTime": talk.now()})
    talk.session.result_error("station", id_, "Heartbeat", "GenericError")
    finding = the(diagnose(talk.session, validate=True), "rpc.answer-rejected")
    assert "although it fits the schema" in finding.explanation()


def test_an_objection_to_what_was_not_seen() -> None:
    talk = Tasks("2.1")
    talk.wait(5)
    talk.session.result_error("station", "before", "Heartbeat", "GenericError")
    assert talk.found("rpc") == ["rpc.answer-rejected-unknown"]
