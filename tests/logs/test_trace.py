"""Open OCPP Trace as input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fieldkit.events import LoggedFrame
from fieldkit.logs import LogReader

TRACES = sorted((Path(__file__).parents[1] / "data" / "open-ocpp-trace").rglob("trace.jsonl"))


def read(records: list[dict[str, Any]]) -> list[LoggedFrame]:
    reader = LogReader("trace")
    items = reader.feed("".join(json.dumps(record) + "\n" for record in records).encode()) + reader.finish()
    frames = [item for item in items if isinstance(item, LoggedFrame)]
    assert len(frames) == len(items)
    return frames


def record(**changes: Any) -> dict[str, Any]:
    full: dict[str, Any] = {
        "schemaVersion": "1.1",
        "timestamp": "2026-11-21T08:49:50.123Z",
        "ocppVersion": "1.6",
        "transport": "json",
        "chargePointId": "CP_1",
        "direction": "cp-to-csms",
        "messageType": "CALL",
        "messageId": "19",
        "action": "Heartbeat",
        "payload": {},
        "raw": '[2, "19", "Heartbeat", {}]',
    }
    full.update(changes)
    return {key: value for key, value in full.items() if value is not None}


@pytest.mark.skipif(not TRACES, reason="the reference traces are not here")
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.parent.name)
def test_reference_traces_come_out_record_by_record(path: Path) -> None:
    data = path.read_bytes()
    records = [json.loads(line) for line in data.splitlines()]
    reader = LogReader(path.name)
    frames = reader.feed(data) + reader.finish()
    assert reader.format == "Open OCPP Trace"
    assert not reader.zone_assumed
    assert len(frames) == len(records)
    for number, (frame, source) in enumerate(zip(frames, records, strict=True), start=1):
        assert isinstance(frame, LoggedFrame)
        assert frame.frames == (number,)
        assert frame.text == source["raw"]
        assert frame.station == source["chargePointId"]
        assert frame.sender == ("station" if source["direction"] == "cp-to-csms" else "csms")
        assert frame.version == source["ocppVersion"]
        assert frame.time is not None
        assert frame.relative is None
        assert frame.problems == ()


def test_a_record_says_all_there_is_to_know() -> None:
    assert read([record()]) == [
        LoggedFrame(
            1795250990_123000000,
            (1,),
            "trace",
            "CP_1",
            "station",
            None,
            "1.6",
            "json",
            '[2, "19", "Heartbeat", {}]',
            (),
        )
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, '[2,"19","Heartbeat",{}]'),
        ({"payload": None}, '[2,"19","Heartbeat",{}]'),
        ({"messageId": None}, '[2,"","Heartbeat",{}]'),
        ({"messageType": "CALLRESULT", "payload": {"status": "Accepted"}}, '[3,"19",{"status":"Accepted"}]'),
        (
            {"messageType": "CALLERROR", "error": {"code": "NotSupported", "description": "x", "details": {"a": 1}}},
            '[4,"19","NotSupported","x",{"a":1}]',
        ),
        ({"messageType": "CALLERROR", "error": {}}, '[4,"19","","",{}]'),
        (
            {
                "messageType": "CALLERROR",
                "error": {"code": "FormatViolation"},
                "meta": {"ocppMessageType": "CALLRESULTERROR"},
            },
            '[5,"19","FormatViolation","",{}]',
        ),
        (
            {"action": "NotifyPeriodicEventStream", "payload": {"id": 1}, "meta": {"ocppMessageType": "SEND"}},
            '[6,"19","NotifyPeriodicEventStream",{"id":1}]',
        ),
        ({"meta": {"ocppMessageType": ["nonsense"]}}, '[2,"19","Heartbeat",{}]'),
        ({"raw": ""}, '[2,"19","Heartbeat",{}]'),
    ],
)
def test_a_record_without_raw_is_put_together_again(changes: dict[str, Any], text: str) -> None:
    (frame,) = read([record(**{"raw": None, **changes})])
    assert frame.text == text


def test_raw_counts_whatever_it_is() -> None:
    (frame,) = read([record(raw="{broken", meta={"ocppMessageType": "unreadable"})])
    assert frame.text == "{broken"


def test_soap() -> None:
    with_envelope, without = read([record(transport="soap", raw="<Envelope/>"), record(transport="soap", raw=None)])
    assert (with_envelope.transport, with_envelope.text) == ("soap", "<Envelope/>")
    assert (without.transport, without.text) == ("json", '[2,"19","Heartbeat",{}]')
    assert [problem.rule for problem in without.problems] == ["log.rebuilt"]


def test_unknown_fields_and_values_do_not_matter() -> None:
    (frame,) = read(
        [record(novelty={"a": [1]}, connectorId=1, ocppVersion=17, chargePointId=None, timestamp="yesterday")]
    )
    assert frame.station == ""
    assert frame.version == ""
    assert frame.time is None
    assert frame.sender == "station"


def test_an_object_that_is_no_record_is_read_like_any_other() -> None:
    (frame,) = read([record(direction=["odd"])])
    assert frame.sender is None
    assert frame.station == "CP_1"
