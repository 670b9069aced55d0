"""OCPP-J framing: what is right is read, what is wrong is named and read all the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import MessageType, OcppError
from fieldkit.ocpp.ocppj import MAX_NESTING, Frame, parse


def rules(frame: Frame) -> list[str]:
    return [problem.rule for problem in frame.problems]


def test_a_call() -> None:
    assert parse(b'[2,"19223201","Heartbeat",{}]') == Frame(
        MessageType.CALL, "19223201", "Heartbeat", {}, None, (), True
    )


def test_a_result() -> None:
    frame = parse(b' [3, "19223201", {"currentTime": "2026-11-21T10:00:00Z"}]\n')
    assert frame == Frame(
        MessageType.CALLRESULT, "19223201", "", {"currentTime": "2026-11-21T10:00:00Z"}, None, (), True
    )


@pytest.mark.parametrize("number", [4, 5])
def test_an_error(number: int) -> None:
    frame = parse(b'[%d,"7","NotSupported","no such thing",{"why":1}]' % number, "2.1")
    assert frame.type == number
    assert frame.error == OcppError("NotSupported", "no such thing", {"why": 1})
    assert not frame.problems


def test_a_send_of_21() -> None:
    frame = parse(b'[6,"7","NotifyPeriodicEventStream",{"id":1}]', "2.1")
    assert (frame.type, frame.action, frame.problems) == (MessageType.SEND, "NotifyPeriodicEventStream", ())


def test_types_of_21_are_named_where_an_older_version_was_agreed_on() -> None:
    assert rules(parse(b'[6,"7","NotifyPeriodicEventStream",{}]', "2.0.1")) == ["framing.type-of-later-version"]


@pytest.mark.parametrize(
    ("text", "rule", "type_", "id_", "action"),
    [
        ('[2,7,"Heartbeat",{}]', "framing.id-type", 2, "7", "Heartbeat"),
        ('[2,"","Heartbeat",{}]', "framing.id-empty", 2, "", "Heartbeat"),
        ('[2,"' + "x" * 37 + '","Heartbeat",{}]', "framing.id-length", 2, "x" * 37, "Heartbeat"),
        ('["2","7","Heartbeat",{}]', "framing.type", 2, "7", "Heartbeat"),
        ('[2,"7","Heartbeat"]', "framing.length", 2, "7", "Heartbeat"),
        ('[2,"7","Heartbeat",[]]', "framing.payload", 2, "7", "Heartbeat"),
        ('[2,"7","Heartbeat",null]', "framing.payload", 2, "7", "Heartbeat"),
        ('[2,"7",null,{}]', "framing.action", 2, "7", ""),
        ('[3,"7","Heartbeat",{}]', "framing.length", 3, "7", ""),
        ('[4,"7","InternalError",""]', "framing.length", 4, "7", ""),
        ('[4,"7",12,"",{}]', "framing.error-code", 4, "7", ""),
        ('[4,"7","Whatever","",{}]', "framing.error-code-unknown", 4, "7", ""),
        ('[4,"7","InternalError","",null]', "framing.error-details", 4, "7", ""),
        ('[4,"7","InternalError","' + "x" * 256 + '",{}]', "framing.error-description", 4, "7", ""),
        ('[9,"7","Heartbeat",{}]', "framing.type", None, "7", ""),
        ("[true]", "framing.type", None, "", ""),
        ('{"type":2}', "framing.not-an-array", None, "", ""),
        ("[]", "framing.empty", None, "", ""),
        ("17", "framing.not-an-array", None, "", ""),
    ],
)
def test_framing_faults(text: str, rule: str, type_: int | None, id_: str, action: str) -> None:
    frame = parse(text.encode(), "1.6")
    assert rule in rules(frame)
    assert (frame.type, frame.id, frame.action) == (type_, id_, action)
    assert frame.readable


def test_a_result_with_an_action_in_it_still_yields_its_payload() -> None:
    assert parse(b'[3,"7","Heartbeat",{"currentTime":"x"}]').payload == {"currentTime": "x"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # lbbrhzn/ocpp#2032: a real charger
        (b'[2,"31","StopTransaction",{"meterStop":4,"transactionId":,"reason":"Local"}]', '"transactionId":'),
        (b'[2,"31","StopTransaction",{"meterStop":4', "ends too early"),
        (b'[2,"31","StopTransaction",{"a":1}]]', "followed by"),
    ],
)
def test_broken_json_still_tells_type_id_and_action(text: bytes, expected: str) -> None:
    frame = parse(text, "1.6")
    assert (frame.type, frame.id, frame.action) == (MessageType.CALL, "31", "StopTransaction")
    assert rules(frame) == ["json.syntax"]
    assert expected in frame.problems[0].text.replace("\\", "")
    assert not frame.readable


def test_a_broken_error_still_tells_its_code() -> None:
    frame = parse(b'[4,"31","InternalError","oops')
    assert frame.error == OcppError("InternalError", "", None)


def test_bytes_that_are_not_utf8_are_named_and_read() -> None:
    frame = parse(b'[2,"1","StatusNotification",{"info":"\xe9tage"}]')
    assert rules(frame) == ["json.utf8"]
    assert frame.payload == {"info": "\ufffdtage"}


def test_nan_is_not_json() -> None:
    frame = parse(b'[2,"1","DataTransfer",{"data":NaN}]')
    assert rules(frame) == ["json.constant"]
    assert frame.action == "DataTransfer"


def test_nesting_without_end_is_named() -> None:
    frame = parse(b'[2,"1","DataTransfer",{"data":' + b"[" * 100_000)
    assert frame.type is MessageType.CALL
    assert rules(frame)[0] in ("json.nesting", "json.syntax")


@pytest.mark.parametrize("level", ["[%s]", '{"a":%s}'])
def test_what_is_nested_deeper_than_anybody_needs_is_named_and_not_handed_on(level: str) -> None:
    def nested(depth: int) -> bytes:
        value = "1"
        for _ in range(depth):
            value = level % value
        return f'[2,"1","DataTransfer",{{"data":{value}}}]'.encode()

    frame = parse(nested(MAX_NESTING + 1))
    assert (frame.type, frame.id, frame.action, frame.payload) == (MessageType.CALL, "1", "DataTransfer", None)
    assert rules(frame) == ["json.nesting"]
    assert parse(nested(MAX_NESTING - 2)).problems == ()


def test_brackets_in_texts_are_no_levels() -> None:
    text = json.dumps("[{" * MAX_NESTING + '\\"[')
    assert parse(f'[2,"1","DataTransfer",{{"data":{text}}}]'.encode()).problems == ()


def test_a_constant_that_is_not_json_is_told_once() -> None:
    frame = parse(b'[3,"1",{"data":[%s]}]' % b",".join([b"NaN"] * 1000))
    assert rules(frame) == ["json.constant"]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_fail(data: bytes) -> None:
    frame = parse(data, "1.6")
    assert frame.problems or frame.type is not None


@given(
    st.sampled_from([2, 3, 4, 5, 6]),
    st.text(min_size=1, max_size=36),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=8,
    ),
    st.data(),
)
def test_what_is_well_formed_is_read_whole_and_a_cut_never_lies(
    number: int, id_: str, value: object, data: st.DataObject
) -> None:
    bodies: dict[int, list[object]] = {
        2: ["A", {"k": value}],
        3: [{"k": value}],
        4: ["InternalError", "d", {"k": value}],
        6: ["A", {"k": value}],
    }
    bodies[5] = bodies[4]
    text = json.dumps([number, id_, *bodies[number]]).encode()
    frame = parse(text, "2.1")
    assert (frame.type, frame.id, frame.payload, frame.problems) == (number, id_, {"k": value}, ())
    cut = parse(text[: data.draw(st.integers(0, len(text) - 1))], "2.1")
    assert cut.problems
    assert cut.type in (None, number)
    assert cut.id in ("", id_)
