"""Every row comes back as it went in: the messages of all captures, their calls, and what else was told."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import pytest

from fieldkit.events import CaptureComment, Event, MessageType, OcppChannel, OcppMessage, Problem, Unanswered
from fieldkit.history import History, RowKind
from fieldkit.history.block import ROWS
from tests.traffic.decoded import decode_files

CAPTURES = sorted((Path(__file__).parents[2] / "captures").rglob("*.pcap*"))
KEYLOGS = {path.stem: path for path in (Path(__file__).parents[2] / "captures").glob("*.keylog")}
CHANNEL = OcppChannel("CP_1", "1.6", "json", None, False, False, False)


def remembered(events: Iterable[Event], **limits: int) -> History:
    history = History(**limits)
    for event in events:
        if event.__class__ in history.wants:
            history.see(event)
    return history


def call(number: int, action: str = "Heartbeat", payload: str = "{}", time: int = 0) -> OcppMessage:
    raw = f'[2,"{number}","{action}",{payload}]'
    return message(raw, MessageType.CALL, str(number), action, time or number * 1_000_000_000)


def message(raw: str, type_: MessageType, id_: str, action: str, time: int, **more: object) -> OcppMessage:
    from fieldkit.ocpp.ocppj import parse

    frame = parse(raw.encode(), "1.6")
    given = OcppMessage(
        time, (time // 1_000_000_000,), "made", CHANNEL, "station", type_, id_, action, frame.payload, frame.error, raw,
        (), True, None,
    )  # fmt: skip
    return dataclasses.replace(given, **more)  # type: ignore[arg-type]


def answer(to: OcppMessage, payload: str = "{}", after: int = 50_000_000) -> OcppMessage:
    raw = f'[3,"{to.id}",{payload}]'
    return message(raw, MessageType.CALLRESULT, to.id, to.action, to.time + after, sender="csms", call=to)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_messages_of_a_capture_come_back_as_they_were(path: Path) -> None:
    decoded = decode_files(path, keylog=KEYLOGS.get(path.stem))
    history = remembered(decoded.events)
    rows = [row for row in range(history.first, history.end) if history.row(row).kind is RowKind.MESSAGE]
    assert len(rows) == len(decoded.messages) == history.messages
    for number, told in zip(rows, decoded.messages, strict=True):
        back = history.message(number)
        for field in dataclasses.fields(OcppMessage):
            if field.name != "call":
                assert getattr(back, field.name) == getattr(told, field.name), (field.name, told.raw)
        assert (back.call and (back.call.id, back.call.raw)) == (told.call and (told.call.id, told.call.raw))
        assert (back.call is None) == (told.call is None)


@pytest.mark.parametrize("path", CAPTURES[:6], ids=lambda path: path.stem)
def test_sealed_blocks_say_the_same_as_open_ones(path: Path) -> None:
    events = decode_files(path).events
    history = remembered(events)
    before = [history.event(number) for number in range(history.first, history.end)]
    for block in history._blocks:
        block.seal()
    assert [history.event(number) for number in range(history.first, history.end)] == before


def test_calls_and_answers_know_each_other() -> None:
    first, second = call(1), call(2)
    history = remembered([first, second, answer(second), answer(first, after=2_000_000_000)])
    assert [history.answer_of(0), history.answer_of(1)] == [3, 2]
    assert [history.call_of(3), history.call_of(2)] == [0, 1]
    assert history.row(0).answered
    assert history.row(2).latency == 50_000_000
    assert history.row(0).latency is None
    assert history.call_of(0) is None


def test_a_call_without_an_answer_says_why() -> None:
    asked = call(1)
    history = remembered([asked, Unanswered(9_000_000_000, (9,), asked, "connection-closed")])
    assert history.row(0).unanswered == "connection-closed"
    assert history.row(0).severity == "warning"
    assert history.is_bad(0)


def test_that_the_capture_ended_accuses_nobody() -> None:
    asked = call(1)
    history = remembered([asked, Unanswered(9_000_000_000, (9,), asked, "capture-ended")])
    assert history.row(0).unanswered == "capture-ended"
    assert not history.is_bad(0)


def test_a_start_belongs_to_the_transaction_that_its_answer_names() -> None:
    start = call(
        1, "StartTransaction", '{"connectorId":1,"idTag":"X","meterStart":0,"timestamp":"2026-01-01T00:00:00Z"}'
    )
    values = call(2, "MeterValues", '{"connectorId":1,"transactionId":77,"meterValue":[]}')
    other = call(3, "MeterValues", '{"connectorId":2,"meterValue":[]}')
    history = remembered(
        [start, answer(start, '{"transactionId":77,"idTagInfo":{"status":"Accepted"}}'), values, answer(values), other]
    )
    assert [history.row(number).transaction for number in range(5)] == ["77", "77", "77", "77", ""]


def test_the_oldest_rows_leave_and_the_others_keep_their_numbers() -> None:
    history = remembered((call(number) for number in range(1, 2001)), max_rows=600)
    assert 600 <= len(history) <= 600 + 2 * ROWS
    assert history.first == history.left == 2000 - len(history)
    assert history.message(history.first).id == str(history.first + 1)
    assert history.message(history.end - 1).id == "2000"
    with pytest.raises(IndexError):
        history.row(history.first - 1)
    assert history.messages == 2000


def test_text_is_bounded_too() -> None:
    import random

    noise = random.Random(7)
    texts = ("".join(noise.choices("abcdefghijklmnop", k=20_000)) for _ in range(200))
    history = remembered(
        (call(number, "DataTransfer", f'{{"data":"{text}"}}') for number, text in enumerate(texts, 1)), max_text=400_000
    )
    assert history.first > 0
    assert sum(block.weight for block in history._blocks[:-1]) <= 400_000 + 300_000


def test_an_answer_outlives_its_call() -> None:
    asked = call(1)
    events: list[Event] = [asked, *(call(number) for number in range(2, 1500)), answer(asked)]
    history = remembered(events, max_rows=300)
    assert history.call_of(history.end - 1) is None
    assert history.message(history.end - 1).call is None
    assert history.row(history.end - 1).latency == 50_000_000


def test_text_that_no_codec_likes_survives() -> None:
    odd = call(1, "DataTransfer", '{"data":"\\ud800 \x00 \u202e"}')
    history = remembered([odd, *(call(number) for number in range(2, 600))])
    assert history.message(0).raw == odd.raw


def test_problems_come_back() -> None:
    odd = dataclasses.replace(call(1), problems=(Problem("schema.required", "idTag", "idTag is missing"),))
    history = remembered([odd, *(call(number) for number in range(2, 600))])
    assert history.message(0).problems == odd.problems
    assert history.row(0).problems == 1
    assert history.row(0).severity == "warning"
    assert history.row(1).severity is None


def test_rows_are_found_by_time() -> None:
    history = remembered(call(number) for number in range(1, 1000))
    assert history.at_time(500 * 1_000_000_000) == 499
    assert history.at_time(0) == 0
    assert history.at_time(10**20) == history.end


def test_a_connection_that_is_not_ocpp_makes_no_rows() -> None:
    """The captures of refused and turned-down stations have rows, those of a browser have none."""
    path = next(path for path in CAPTURES if path.stem == "fault_connection_refused")
    history = remembered(decode_files(path).events)
    assert [history.row(number).kind for number in range(history.end)] == [RowKind.CONNECTION, RowKind.CONNECTION]
    path = next(path for path in CAPTURES if path.stem == "fault_wrong_subprotocol")
    history = remembered(decode_files(path).events)
    assert len(history) >= 3
    assert {history.row(number).station for number in range(history.end)} != {""}


def test_comments_are_rows() -> None:
    history = remembered([CaptureComment(5, (3,), "seen on site")])
    assert history.row(0).kind is RowKind.NOTE
    assert history.frames(0) == (3,)
    with pytest.raises(ValueError, match="no message"):
        history.message(0)
