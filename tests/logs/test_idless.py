"""Tables that leave the message ids out."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import DecodeError, LoggedFrame
from fieldkit.logs import LogReader
from fieldkit.logs.idless import _MAX_OPEN, _MAX_WAITING, IdlessRows
from fieldkit.logs.sighting import REBUILT, TRUNCATED

HEADINGS = ["timestamp", "station", "action", "direction", "payload"]


def read(*rows: tuple[str, ...], headings: list[str] = HEADINGS) -> list[LoggedFrame]:
    text = io.StringIO()
    csv.writer(text).writerows([headings, *(("2024-01-01T10:00:00Z", *row) for row in rows)])
    reader = LogReader("export.csv")
    items = reader.feed(text.getvalue().encode()) + reader.finish()
    return [item for item in items if isinstance(item, LoggedFrame)]


@pytest.mark.parametrize(
    ("ask", "answer"), [("in", "out"), ("request", "response"), ("CP->CSMS", "CSMS->CP"), ("received", "sent")]
)
def test_request_and_response_become_a_pair(ask: str, answer: str) -> None:
    call, result = read(
        ("CP_1", "BootNotification", ask, '{"chargePointModel": "x", "n": 1.0}'),
        ("CP_1", "BootNotification", answer, '{"status":"Accepted"}'),
    )
    assert call.text == '[2,"row 2","BootNotification",{"chargePointModel": "x", "n": 1.0}]', "the payload verbatim"
    assert result.text == '[3,"row 2",{"status":"Accepted"}]'
    assert [problem.rule for problem in (*call.problems, *result.problems)] == [REBUILT, REBUILT]
    assert (call.station, result.station) == ("CP_1", "CP_1")
    assert call.frames == (2,)


def test_stations_and_actions_are_told_apart() -> None:
    found = read(
        ("A", "Heartbeat", "in", "{}"), ("B", "Heartbeat", "in", ""), ("A", "MeterValues", "in", "{}"),
        ("B", "Heartbeat", "out", "{}"), ("A", "MeterValues", "out", "{}"), ("A", "Heartbeat", "out", "{}"),
    )  # fmt: skip
    assert [json.loads(frame.text)[:2] for frame in found] == [
        [2, "row 2"], [2, "row 3"], [2, "row 4"], [3, "row 3"], [3, "row 4"], [3, "row 2"],
    ]  # fmt: skip


def test_one_lost_response_does_not_shift_all_others() -> None:
    pair = [("A", "Heartbeat", "in", "{}"), ("A", "Heartbeat", "out", "{}")]
    found = read(pair[0], *pair, *pair, *pair)
    assert [json.loads(frame.text)[1] for frame in found][-4:] == ["row 5", "row 5", "row 7", "row 7"]


def test_the_name_of_the_action_may_tell() -> None:
    found = read(
        ("A", "HeartbeatRequest", "", "{}"), ("A", "HeartbeatResponse", "", "{}"), ("A", "Reset.conf", "", "{}")
    )
    assert [frame.text for frame in found] == ['[2,"row 2","Heartbeat",{}]', '[3,"row 2",{}]', '[3,"row 4",{}]']


def test_ids_that_are_there_are_kept() -> None:
    call, answer = read(
        ("A", "77", "Heartbeat", "in", "{}"), ("A", "77", "Heartbeat", "out", "{}"),
        headings=["timestamp", "station", "messageId", "action", "direction", "payload"],
    )  # fmt: skip
    assert (call.text, answer.text) == ('[2,"77","Heartbeat",{}]', '[3,"77",{}]')


def test_an_error() -> None:
    _, error = read(("A", "Reset", "request", "{}"), ("A", "Reset", "error", '{"why":1}'))
    assert error.text == '[4,"row 2","","",{"why":1}]'


def test_a_payload_that_was_cut_off() -> None:
    (call,) = read(("A", "MeterValues", "in", '{"connectorId":1,"met'))
    assert call.text == '[2,"row 2","MeterValues",{"connectorId":1,"met'
    assert [problem.rule for problem in call.problems] == [REBUILT, TRUNCATED]


def test_other_tables_have_no_frames() -> None:
    text = "timestamp,operation,direction,data\n2024-01-01T10:00:00Z,Purchase,in,{}\n"
    reader = LogReader("x")
    (nothing,) = reader.feed(text.encode()) + reader.finish()
    assert isinstance(nothing, DecodeError)
    assert read(("A", "Heartbeat", "", "{}")) == [], "neither request nor response, as far as it says"
    assert read(("A", "Heartbeat", "in", "17 W")) == []


def test_memory_is_bounded() -> None:
    rows = IdlessRows()
    for number in range(_MAX_OPEN + 50):
        rows.read({"station": f"S{number}", "action": "Heartbeat", "direction": "in", "payload": ""}, number, number)
        rows.read({"station": "A", "action": "Heartbeat", "direction": "in", "payload": ""}, number, number)
    assert len(rows._open) <= _MAX_OPEN
    assert max(map(len, rows._open.values())) <= _MAX_WAITING


@given(st.lists(st.fixed_dictionaries({name: st.text(max_size=20) for name in HEADINGS}), max_size=5))
def test_any_row_is_read(found: list[dict[str, str]]) -> None:
    rows = IdlessRows()
    for line, row in enumerate(found):
        rows.read(row, line, line)
        rows.read({**row, "action": "Heartbeat", "direction": "in"}, line, line)
