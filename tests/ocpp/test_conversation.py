"""A station and its CSMS: answers find their calls, versions are learnt, and what does not fit is named."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import (
    Event,
    Exchange,
    MessageType,
    NoAnswer,
    OcppChannel,
    OcppError,
    OcppMessage,
    Orphan,
    Problem,
    Sender,
    Unanswered,
)
from fieldkit.ocpp.conversation import Conversation
from fieldkit.ocpp.exchange import MAX_OPEN
from tests.traffic.decoded import schemas

Kind = TypeVar("Kind")

BOOT_16 = {"chargePointVendor": "Testwerk", "chargePointModel": "M1"}
BOOT_2 = {"reason": "PowerUp", "chargingStation": {"model": "M1", "vendorName": "Testwerk"}}
ACCEPTED = {"currentTime": "2026-08-31T08:00:00Z", "interval": 300, "status": "Accepted"}
NOW = {"currentTime": "2026-08-31T08:00:00Z"}


class Talk:
    """A conversation in the making. Every frame comes a second after the one before, in a packet of its own."""

    def __init__(self, version: str = "1.6", *, negotiated: bool = True, validate: bool = True, **more: bool) -> None:
        channel = OcppChannel("CP_7", version, "json", None, False, not negotiated, False)
        self.events: list[Event] = []
        self.conversation = Conversation(channel, self.events.append, schemas() if validate else None, **more)
        self.frame = 0

    def says(self, sender: Sender, frame: Any, **more: Any) -> Talk:
        self.frame += 1
        data = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
        self.conversation.feed(data, sender, self.frame * 1_000_000_000, (self.frame,), "test", **more)
        return self

    def station(self, *frame: Any, **more: Any) -> Talk:
        return self.says("station", list(frame), **more)

    def csms(self, *frame: Any, **more: Any) -> Talk:
        return self.says("csms", list(frame), **more)

    def ends(self) -> Talk:
        self.conversation.finish(self.frame * 1_000_000_000 + 1)
        return self

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def last(self) -> OcppMessage:
        return self.of(OcppMessage)[-1]

    @property
    def rules(self) -> list[str]:
        """What is wrong with the last message."""
        return [problem.rule for problem in self.last.problems]

    @property
    def version(self) -> str:
        return self.conversation.channel.version


# ----------------------------------------------------------------------------------------------------------- pairing


def test_a_call_and_its_answer() -> None:
    talk = Talk().station(2, "1", "BootNotification", BOOT_16).csms(3, "1", ACCEPTED)
    call, answer = talk.of(OcppMessage)
    assert call == OcppMessage(
        1_000_000_000, (1,), "test", talk.conversation.channel, "station", MessageType.CALL, "1", "BootNotification",
        BOOT_16, None, json.dumps([2, "1", "BootNotification", BOOT_16]), (), True, None,
    )  # fmt: skip
    assert answer.call is call
    assert answer.action == "BootNotification"
    assert answer.validated
    assert talk.events == [call, answer, Exchange(2_000_000_000, (1, 2), call, answer)]


def test_exchanges_need_not_be_told() -> None:
    talk = Talk(exchanges=False).station(2, "1", "Heartbeat", {}).csms(3, "1", NOW)
    assert talk.of(Exchange) == []
    assert talk.last.call is talk.of(OcppMessage)[0]


def test_an_error_is_an_answer_too() -> None:
    talk = Talk().csms(2, "9", "Reset", {"type": "Soft"}).station(4, "9", "NotSupported", "no", {"a": 1})
    assert talk.last.type is MessageType.CALLERROR
    assert talk.last.error == OcppError("NotSupported", "no", {"a": 1})
    assert talk.last.action == "Reset"
    assert talk.last.payload == {"a": 1}
    assert len(talk.of(Exchange)) == 1
    assert not talk.last.validated


def test_answers_may_come_in_another_order() -> None:
    talk = Talk().station(2, "1", "Heartbeat", {}).station(2, "2", "BootNotification", BOOT_16)
    talk.csms(3, "2", ACCEPTED).csms(3, "1", NOW)
    assert [(pair.call.id, pair.answer.action) for pair in talk.of(Exchange)] == [
        ("2", "BootNotification"),
        ("1", "Heartbeat"),
    ]


def test_both_sides_may_use_the_same_id_at_the_same_time() -> None:
    talk = Talk().station(2, "1", "Heartbeat", {}).csms(2, "1", "ClearCache", {})
    talk.station(3, "1", {"status": "Accepted"}).csms(3, "1", NOW)
    assert [pair.call.action for pair in talk.of(Exchange)] == ["ClearCache", "Heartbeat"]
    assert all(not message.problems for message in talk.of(OcppMessage))


def test_nobody_answers_himself() -> None:
    talk = Talk().station(2, "1", "Heartbeat", {}).station(3, "1", NOW)
    assert [orphan.answer for orphan in talk.of(Orphan)] == [talk.last]
    assert talk.last.action == ""
    assert talk.last.call is None
    assert not talk.last.validated


def test_a_second_answer_is_an_orphan() -> None:
    talk = Talk().station(2, "1", "Heartbeat", {}).csms(3, "1", NOW).csms(3, "1", NOW)
    assert len(talk.of(Exchange)) == 1
    assert [orphan.frames for orphan in talk.of(Orphan)] == [(3,)]


def test_what_is_open_at_the_end_stays_unanswered() -> None:
    talk = Talk().station(2, "1", "Heartbeat", {}).csms(2, "2", "ClearCache", {}).ends()
    calls = talk.of(OcppMessage)
    assert talk.of(Unanswered) == [Unanswered(2_000_000_001, (n + 1,), calls[n]) for n in range(2)]
    assert talk.ends().of(Unanswered) == talk.of(Unanswered)[:2]


@pytest.mark.parametrize(
    ("answered_before", "misses", "ended", "why"),
    [
        (True, None, "connection-closed", "connection-closed"),
        (True, None, "capture-ended", "capture-ended"),
        (False, None, "connection-closed", "side-not-captured"),
        (True, 1, "connection-closed", "connection-closed"),
        (True, 5, "connection-closed", "bytes-missing"),
        (True, 5, "capture-ended", "bytes-missing"),
    ],
)
def test_nobody_is_accused_of_an_answer_that_may_have_been_missed(
    answered_before: bool, misses: int | None, ended: NoAnswer, why: NoAnswer
) -> None:
    """``misses``: the second of the hole on the CSMS's side; the CALL is of second 3."""
    talk = Talk().station(2, "1", "Heartbeat", {})
    if answered_before:
        talk.csms(3, "1", NOW)
    else:
        talk.station(2, "2", "Heartbeat", {})
    talk.station(2, "3", "Heartbeat", {})
    if misses is not None:
        talk.conversation.misses("station", 9_000_000_000)
        talk.conversation.misses("csms", misses * 1_000_000_000)
    talk.conversation.finish(9_000_000_000, ended)
    assert talk.of(Unanswered)[-1].call.id == "3"
    assert talk.of(Unanswered)[-1].why == why


def test_a_side_may_be_in_the_capture_without_a_word_of_ocpp() -> None:
    talk = Talk().station(2, "1", "Heartbeat", {})
    talk.conversation.hears("csms")
    assert [unanswered.why for unanswered in talk.ends().of(Unanswered)] == ["connection-closed"]


def test_a_side_that_is_never_answered_gives_its_oldest_call_up() -> None:
    talk = Talk(validate=False)
    for number in range(MAX_OPEN + 1):
        talk.station(2, str(number), "Heartbeat", {})
    assert [(given_up.call.id, given_up.why) for given_up in talk.of(Unanswered)] == [("0", "given-up")]
    talk.csms(3, "0", NOW)
    assert len(talk.of(Orphan)) == 1


def test_a_send_of_21_waits_for_nothing() -> None:
    payload = {"id": 1, "pending": 0, "basetime": "2026-08-31T08:00:00Z", "data": [{"t": 0, "v": "1"}]}
    talk = Talk("2.1").station(6, "s1", "NotifyPeriodicEventStream", payload).ends()
    assert talk.last.type is MessageType.SEND
    assert talk.last.problems == ()
    assert not talk.of(Unanswered)
    assert not talk.of(Orphan)


def test_a_callresulterror_of_21_belongs_to_the_call_just_answered() -> None:
    talk = Talk("2.1").csms(2, "1", "ClearCache", {}).station(3, "1", {"status": "Maybe"})
    talk.csms(5, "1", "FormatViolation", "no such status", {})
    call, answer, complaint = talk.of(OcppMessage)
    assert complaint.type is MessageType.CALLRESULTERROR
    assert complaint.call is call
    assert complaint.action == "ClearCache"
    assert [pair.answer for pair in talk.of(Exchange)] == [answer]
    assert talk.of(Orphan) == []


@pytest.mark.parametrize("sender", ["station", "csms"])
def test_a_callresulterror_about_nothing_known_is_an_orphan(sender: Sender) -> None:
    talk = Talk("2.1").csms(2, "1", "ClearCache", {}).station(3, "1", {"status": "Accepted"})
    talk.says(sender, [5, "1" if sender == "station" else "7", "FormatViolation", "", {}])
    assert len(talk.of(Orphan)) == 1
    assert talk.last.call is None


# --------------------------------------------------------------------------------------------------------- ids again


def test_the_same_call_again_is_named_a_repetition() -> None:
    talk = Talk().station(2, "1", "Heartbeat", {}).station(2, "1", "Heartbeat", {})
    assert talk.rules == ["framing.id-repeated"]


def test_another_call_with_a_used_id_is_named() -> None:
    talk = Talk().station(2, "1", "Heartbeat", {}).csms(3, "1", NOW).station(2, "1", "BootNotification", BOOT_16)
    assert talk.rules == ["framing.id-reused"]


def test_of_two_open_calls_with_one_id_the_latest_is_answered_first() -> None:
    talk = Talk().station(2, "1", "Heartbeat", {}).station(2, "1", "BootNotification", BOOT_16)
    talk.csms(3, "1", ACCEPTED).csms(3, "1", NOW)
    assert [pair.call.action for pair in talk.of(Exchange)] == ["BootNotification", "Heartbeat"]
    assert all(pair.answer.validated and not pair.answer.problems for pair in talk.of(Exchange))


def test_an_empty_id_is_bad_enough_and_not_called_used() -> None:
    talk = Talk().station(2, "", "Heartbeat", {}).station(2, "", "Heartbeat", {})
    assert talk.rules == ["framing.id-empty"]


# -------------------------------------------------------------------------------------------------- what does not fit


def test_payloads_are_held_against_the_schema_of_the_version() -> None:
    talk = Talk().station(2, "1", "BootNotification", {"chargePointVendor": "Testwerk"})
    assert talk.rules == ["schema.required"]
    assert talk.last.validated
    talk = Talk("2.0.1").station(2, "1", "BootNotification", BOOT_16)
    assert talk.rules.count("schema.required") == 2
    assert talk.rules.count("schema.additional") == 2


def test_answers_are_held_against_the_schema_of_their_call() -> None:
    talk = Talk().station(2, "1", "BootNotification", BOOT_16).csms(3, "1", NOW)
    assert "schema.required" in talk.rules
    assert talk.last.validated


def test_without_schemas_nothing_is_validated() -> None:
    talk = Talk(validate=False).station(2, "1", "BootNotification", {}).csms(3, "1", {})
    assert [message.validated for message in talk.of(OcppMessage)] == [False, False]
    assert not any(message.problems for message in talk.of(OcppMessage))


def test_without_a_version_nothing_is_validated() -> None:
    talk = Talk("", negotiated=False).station(2, "1", "Heartbeat", {}).csms(3, "1", {"anything": 1})
    assert [message.validated for message in talk.of(OcppMessage)] == [False, False]
    assert not any(message.problems for message in talk.of(OcppMessage))


def test_an_action_of_another_version_is_named_with_its_own() -> None:
    talk = Talk("2.0.1").station(2, "1", "StartTransaction", {})
    (problem,) = talk.last.problems
    assert problem.rule == "framing.action-unknown"
    assert problem.text == "StartTransaction is not an action of OCPP 2.0.1, it belongs to OCPP 1.5, 1.6"
    assert not talk.last.validated


def test_a_misspelt_action_is_named_with_the_one_that_was_meant() -> None:
    talk = Talk().station(2, "1", "MeterValue", {})
    assert talk.rules == ["framing.action-unknown"]
    assert talk.last.problems[0].text == "'MeterValue' is not an action of OCPP 1.6; perhaps MeterValues is meant"


def test_an_action_that_nobody_knows_is_shown_short() -> None:
    talk = Talk().station(2, "1", "X" * 500, {})
    assert len(talk.last.problems[0].text) < 120


def test_an_action_from_the_wrong_side_is_named() -> None:
    talk = Talk().csms(2, "1", "Heartbeat", {})
    assert talk.last.problems == (Problem("framing.direction", "", "Heartbeat is the charging station's to send"),)
    talk.station(2, "2", "Reset", {"type": "Soft"})
    assert talk.last.problems == (Problem("framing.direction", "", "Reset is the CSMS's to send"),)


def test_what_is_wrong_with_an_action_is_told_every_time() -> None:
    talk = Talk()
    for number in range(3):
        talk.station(2, str(number), "Bogus", {})
        assert talk.rules == ["framing.action-unknown"]


def test_the_verdicts_on_actions_do_not_pile_up() -> None:
    talk = Talk(validate=False)
    for number in range(2000):
        talk.station(2, str(number), f"Bogus{number}", {})
    assert len(talk.conversation._vetted["station"]) <= 512
    assert talk.rules == ["framing.action-unknown"]


def test_a_frame_that_is_no_json_is_told_and_not_validated() -> None:
    talk = Talk().says("station", b'[2,"1","BootNotification",{"chargePointVendor":"Testwerk"')
    assert talk.rules == ["json.syntax"]
    assert (talk.last.type, talk.last.id, talk.last.action) == (MessageType.CALL, "1", "BootNotification")
    assert talk.last.payload is None
    assert not talk.last.validated
    talk.csms(4, "1", "FormationViolation", "", {})
    assert len(talk.of(Exchange)) == 1


def test_a_frame_that_is_nothing_at_all_is_a_message_all_the_same() -> None:
    talk = Talk().says("station", b"\xff\xfehello").ends()
    assert talk.last.type is None
    assert talk.last.raw == "��hello"
    assert not talk.of(Orphan)
    assert not talk.of(Unanswered)


def test_problems_found_on_the_way_come_first() -> None:
    noted = (Problem("framing.binary", "", "binary"),)
    talk = Talk().station(2, "1", "BootNotification", {}, noted=noted)
    assert talk.rules[0] == "framing.binary"
    assert "schema.required" in talk.rules


def test_what_has_placeholders_is_not_judged() -> None:
    noted = (Problem("deflate.context", "", "3 bytes are unknown"),)
    talk = Talk().says("station", '[2,"1","BootNotification",{"charge���'.encode(), noted=noted, unknown=3)
    assert talk.rules == ["deflate.context"]
    talk.station(2, "2", "BootNotification", {}, noted=noted, unknown=3)
    assert talk.rules == ["deflate.context"]
    assert not talk.last.validated


def test_an_answer_with_placeholders_still_finds_its_call() -> None:
    talk = Talk().station(2, "1", "BootNotification", BOOT_16).csms(3, "1", {}, unknown=5)
    assert talk.last.call is not None
    assert talk.last.problems == ()


# ---------------------------------------------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    ("frame", "version"),
    [
        ([2, "1", "StartTransaction", {}], "1.6"),
        ([2, "1", "BootNotification", BOOT_16], "1.6"),
        ([2, "1", "BootNotification", BOOT_2], "2.0.1"),
        ([2, "1", "TransactionEvent", {}], "2.0.1"),
        ([2, "1", "NotifyDERAlarm", {}], "2.1"),
        ([6, "1", "NotifyPeriodicEventStream", {}], "2.1"),
        ([2, "1", "Heartbeat", {}], ""),
    ],
)
def test_an_unknown_version_is_learnt_from_what_is_said(frame: list[Any], version: str) -> None:
    talk = Talk("", negotiated=False).station(*frame)
    assert talk.version == version
    assert talk.last.channel is talk.conversation.channel
    assert talk.last.channel.version_inferred


def test_the_message_that_gave_the_version_away_is_validated_with_it() -> None:
    talk = Talk("", negotiated=False).station(2, "1", "BootNotification", {"chargePointVendor": "Testwerk"})
    assert talk.rules == ["schema.required"]


def test_what_was_learnt_can_be_learnt_better() -> None:
    talk = Talk("", negotiated=False).station(2, "1", "BootNotification", BOOT_16)
    talk.station(2, "2", "TransactionEvent", {})
    assert talk.version == "2.0.1"
    assert "framing.action-unknown" not in talk.rules


def test_a_verdict_that_was_given_under_the_wrong_version_is_given_anew() -> None:
    talk = Talk("", negotiated=False).station(2, "1", "BootNotification", BOOT_16)
    talk.station(2, "2", "Heartbeat", {}).csms(2, "3", "GetVariables", {})
    talk.station(2, "4", "StopTransaction", {})
    assert talk.version == "1.6"
    assert "framing.action-unknown" not in talk.rules


def test_an_answer_too_can_give_the_version_away() -> None:
    talk = Talk("", negotiated=False).station(2, "1", "Authorize", {})
    talk.csms(3, "1", {"idTokenInfo": {"status": "Accepted"}})
    assert talk.version == "2.0.1"
    assert talk.last.validated


def test_21_is_recognised_by_what_201_would_refuse() -> None:
    boot = {**BOOT_2, "reason": "PowerUp"}
    talk = Talk("", negotiated=False).station(2, "1", "BootNotification", boot)
    assert talk.version == "2.0.1"
    only_21 = {
        "eventType": "Updated", "timestamp": "2026-08-31T08:00:00Z", "triggerReason": "CostLimitReached", "seqNo": 1,
        "transactionInfo": {"transactionId": "T1"},
    }  # fmt: skip
    talk.station(2, "2", "TransactionEvent", only_21)
    assert talk.version == "2.1"
    assert talk.last.problems == ()
    assert talk.last.channel.version == "2.1"
    talk.station(2, "3", "TransactionEvent", {})
    assert talk.version == "2.1", "there is no way back from what only 2.1 has"


def test_what_neither_201_nor_21_would_take_is_judged_by_201() -> None:
    talk = Talk("", negotiated=False).station(2, "1", "BootNotification", {"reason": "Whim", "chargingStation": {}})
    assert talk.version == "2.0.1"
    assert talk.last.problems


def test_what_was_negotiated_is_not_learnt_away() -> None:
    talk = Talk("1.6").station(2, "1", "BootNotification", BOOT_2).station(2, "2", "TransactionEvent", {})
    assert talk.version == "1.6"
    assert talk.rules == ["framing.action-unknown"]


def test_a_negotiated_201_stays_201_whatever_21_would_allow() -> None:
    only_21 = {
        "eventType": "Updated", "timestamp": "2026-08-31T08:00:00Z", "triggerReason": "CostLimitReached", "seqNo": 1,
        "transactionInfo": {"transactionId": "T1"},
    }  # fmt: skip
    talk = Talk("2.0.1").station(2, "1", "TransactionEvent", only_21)
    assert talk.version == "2.0.1"
    assert talk.rules == ["schema.enum"]


def test_in_20_the_actions_of_201_are_in_order_and_nothing_is_validated() -> None:
    talk = Talk("2.0").station(2, "1", "BootNotification", BOOT_2)
    assert talk.last.problems == ()
    assert not talk.last.validated


# -------------------------------------------------------------------------------------------------------- properties

FRAMES = st.one_of(
    st.binary(max_size=60),
    st.tuples(
        st.sampled_from([2, 3, 4, 5, 6, 7, "2", None, 2.0]),
        st.sampled_from(["1", "2", "", None, 7]),
        st.sampled_from(["Heartbeat", "Reset", "Bogus", "TransactionEvent", "", None, {}]),
        st.sampled_from([{}, BOOT_16, [], None, "x"]),
        st.sampled_from([{}, None]),
    ).map(lambda parts: json.dumps(parts[:4] if parts[0] in (2, 6) else parts[:3]).encode()),
)


@settings(max_examples=100)
@given(
    said=st.lists(st.tuples(st.sampled_from(["station", "csms"]), FRAMES), max_size=12),
    version=st.sampled_from(["", "1.6", "2.1"]),
)
def test_every_frame_makes_one_message_and_every_call_one_end(said: list[tuple[Sender, bytes]], version: str) -> None:
    talk = Talk(version, negotiated=bool(version))
    for sender, data in said:
        talk.says(sender, data)
    talk.ends()
    messages = talk.of(OcppMessage)
    assert [message.raw for message in messages] == [data.decode("utf-8", "replace") for _, data in said]
    calls = [message for message in messages if message.type is MessageType.CALL]
    ended = [id(event.call) for event in talk.events if isinstance(event, Exchange | Unanswered)]
    assert sorted(ended) == sorted(map(id, calls))
    answers = (MessageType.CALLRESULT, MessageType.CALLERROR, MessageType.CALLRESULTERROR)
    paired = [message for message in messages if message.type in answers and message.call is not None]
    orphans = [event.answer for event in talk.of(Orphan)]
    assert len(paired) + len(orphans) == sum(message.type in answers for message in messages)
