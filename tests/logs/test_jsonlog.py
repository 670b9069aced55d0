"""JSON lines and documents, wrapped as collectors wrap them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import DecodeError
from fieldkit.logs.jsonlog import JsonDocument, JsonLines
from fieldkit.logs.sighting import MAX_RECORD, Sighting
from fieldkit.logs.times import Times

CALL = '[2,"1","Heartbeat",{}]'
ANSWER = '[3,"1",{}]'


def read(text: str, reader: Any = JsonDocument, step: int = 0) -> list[Sighting]:
    found: list[Sighting | DecodeError] = []
    log = reader(found.append, Times())
    for begin in range(0, len(text), step or len(text) or 1):
        log.feed(text[begin : begin + (step or len(text))])
    log.finish()
    return [item for item in found if isinstance(item, Sighting)]


def one(value: Any) -> Sighting:
    """The frame of one record, which is the same on a line and in a document."""
    (on_a_line,) = read(json.dumps(value) + "\n", JsonLines)
    (in_a_list,) = read(json.dumps([value], indent=1))
    assert on_a_line.station == in_a_list.station
    assert json.loads(on_a_line.text) == json.loads(in_a_list.text)
    return on_a_line


@pytest.mark.parametrize(
    "record",
    [
        {
            "timestamp": "2026-11-21T08:49:50Z",
            "direction": "in",
            "chargePointId": "X",
            "message": [2, "1", "Heartbeat", {}],
        },
        {"ts": 1795250990, "cp": "X", "dir": "IN", "msg": CALL},
        {"time": "2026-11-21T08:49:50Z", "station": {"id": "X"}, "direction": "received", "frame": CALL},
        {"@timestamp": "2026-11-21T08:49:50Z", "fields": {"cpId": "X", "way": "<<"}, "_source": {"raw": CALL}},
        {"@timestamp": ["2026-11-21T08:49:50Z"], "charger": ["X"], "direction": ["inbound"], "data": [CALL]},
        {"meta": {"stationId": "X", "dir": "in"}, "loggedAt": "2026-11-21T08:49:50Z", "payload": {"text": CALL}},
        {"t": 1795250990000, "log": f"X: receive message {CALL}"},
        {"timestamp": 1795250990000, "message": f"[chargeBoxId=X, sessionId=1] Received: {CALL}"},
        {"time": "2026-11-21T08:49:50Z", "log": json.dumps({"station": "X", "dir": "in", "msg": CALL}) + "\n"},
        {"date": "2026-11-21T08:49:50Z", "identity": "X", "received": CALL},
        {"__REALTIME_TIMESTAMP": "1795250990000000", "MESSAGE": f"recv X: {CALL}"},
        {"written": "2026-11-21T08:49:50Z", "wallbox": "X", "type": "incoming", "content": CALL},
        [{"field": "@timestamp", "value": "2026-11-21T08:49:50Z"}, {"field": "@message", "value": f"recv X: {CALL}"}],
        {"ts": 1795250990, "msg": "frame received", "frame": CALL, "cp": "X"},
        {"stationId": "X", "origin": "in", "date": "2026-11-21", "time": "08:49:50", "message": CALL},
    ],
)
def test_wrappers(record: Any) -> None:
    sighting = one(record)
    assert json.loads(sighting.text) == json.loads(CALL)
    assert sighting.station == "X"
    assert sighting.relative == "in"
    assert sighting.stamp is not None
    assert sighting.stamp.ns == 1795250990_000_000_000


@pytest.mark.parametrize(
    ("record", "sender", "station"),
    [
        ({"from": "CP", "to": "CSMS", "stationId": "X", "msg": CALL}, "station", "X"),
        ({"from": "CSMS", "to": "X", "msg": CALL}, "csms", "X"),
        ({"source": "X", "destination": "csms", "msg": CALL}, "station", "X"),
        ({"origin": "cs", "stationId": "X", "msg": CALL}, "station", "X"),
        ({"origin": "csms", "stationId": "X", "msg": CALL}, "csms", "X"),
        ({"direction": "CSMS->CP", "stationId": "X", "msg": CALL}, "csms", "X"),
    ],
)
def test_parties(record: dict[str, Any], sender: str, station: str) -> None:
    sighting = one(record)
    assert sighting.sender == sender
    assert sighting.station == station


def test_the_version() -> None:
    assert one({"protocol": "ocpp1.6", "msg": CALL}).version == "1.6"
    assert one({"ocppVersion": "OCPP_2_0_1", "msg": CALL}).version == "2.0.1"
    assert one({"protocol": "https", "msg": CALL}).version == ""
    assert one({"version": "2.1", "msg": CALL}).version == "", "of whatever it is the version"


def test_a_frame_keeps_its_spelling() -> None:
    text = '{"n": 1, "message": [2, "1",  "DataTransfer", {"data": 1.10, "e": "\\u00fc"}]}'
    for reader in (JsonLines, JsonDocument):
        (sighting,) = read(text + "\n", reader)
        assert sighting.text == '[2, "1",  "DataTransfer", {"data": 1.10, "e": "\\u00fc"}]'


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"messageTypeId": 2, "uniqueId": "1", "action": "Heartbeat", "payload": {}}, CALL),
        ({"messageType": "CALL", "messageId": "1", "action": "Heartbeat", "payload": "{}"}, CALL),
        ({"messageType": "Request", "messageId": "1", "action": "HeartbeatRequest", "body": {}}, CALL),
        ({"type": "response", "id": "1", "action": "Heartbeat", "data": {}}, ANSWER),
        ({"messageId": "1", "action": "HeartbeatResponse", "payload": {}}, ANSWER),
        ({"type": 3, "id": "1", "payload": {}}, ANSWER),
        ({"messageTypeId": 4, "uniqueId": "1", "errorCode": "GenericError", "errorDescription": "x"},
        '[4,"1","GenericError","x",{}]'),
        ({"messageType": "SEND", "messageId": "1", "action": "NotifyPeriodicEventStream", "payload": {}},
         '[6,"1","NotifyPeriodicEventStream",{}]'),
    ],
)  # fmt: skip
def test_elements_in_fields_of_their_own(record: dict[str, Any], text: str) -> None:
    assert one(record).text == text


@pytest.mark.parametrize(
    "record",
    [
        {"type": "response", "id": "1", "data": {"status": 200}},
        {"type": "request", "id": "1", "method": "get", "body": {}},
        {"messageType": "CALL", "messageId": "1", "payload": {}},
        {"level": "info", "message": "nothing", "tags": [2, 3, "a"]},
        {"type": "error", "id": "1", "code": 17},
        [2, "a"],
    ],
)
def test_other_objects_have_no_frame(record: Any) -> None:
    assert read(json.dumps(record), JsonLines) == []


def test_the_same_frame_as_text_and_parsed_is_one() -> None:
    sighting = one({"raw": CALL, "parsed": {"messageTypeId": 2, "uniqueId": "1", "action": "Heartbeat", "payload": {}}})
    assert sighting.text == CALL
    assert len(read(json.dumps({"request": CALL, "response": ANSWER}), JsonLines)) == 2


def test_frames_keep_their_spelling_in_any_order_of_fields() -> None:
    inner, outer = '[2, "1", "A", {}]', '[3, "1",  {}]'
    found = read(f'{{"first": {{"frame": {inner}}}, "note": "[2,\\"x\\" [2, ", "frame": {outer}}}', JsonLines)
    assert sorted(sighting.text for sighting in found) == [inner, outer]


def test_a_station_may_be_given_by_its_url() -> None:
    assert one({"station": "wss://csms.example/ocpp/CP%201", "msg": CALL}).station == "CP 1"
    assert one({"chargePoint": "csms", "cpId": "X", "msg": CALL}).station == "X"


def test_a_station_may_be_named_in_the_words() -> None:
    assert one({"msg": "OCPP message sent to CP_7", "payload": json.loads(ANSWER)}).station == "CP_7"


def test_an_id_is_a_station_unless_it_is_the_messages_own() -> None:
    assert one({"id": "X", "msg": CALL}).station == "X"
    assert one({"id": "1", "msg": CALL}).station == ""
    assert one({"id": "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", "msg": CALL}).station == ""


def test_loki() -> None:
    values = [["1795250990000000000", f"received {CALL}"], ["1795250990500000000", f"sent {ANSWER}"]]
    document = {
        "status": "success",
        "data": {"resultType": "streams", "result": [{"stream": {"cp_id": "X"}, "values": values}]},
    }
    call, answer = read(json.dumps(document))
    assert (call.station, call.relative, answer.relative) == ("X", "in", "out")
    assert call.stamp is not None
    assert answer.stamp is not None
    assert answer.stamp.ns - call.stamp.ns == 500_000_000


def test_a_document_is_cut_into_its_records() -> None:
    text = json.dumps(
        {
            "took": 3,
            "hits": {"total": {"value": 2}, "hits": [{"_source": {"message": CALL}}, {"_source": {"message": ANSWER}}]},
        }
    )
    assert [sighting.text for sighting in read(text)] == [CALL, ANSWER]
    found = read(f'[\n{CALL},\n "[3,\\"1\\",{{}}]",\n\n {{"message": {CALL}}}\n]\n')
    assert [(sighting.text, sighting.line) for sighting in found] == [(CALL, 2), (ANSWER, 3), (CALL, 5)]


def test_documents_one_after_another() -> None:
    found = read(f'{{"message": {CALL}}}\n{{\n"message": {ANSWER}\n}}\n[{CALL}]\n{ANSWER}\nreceived {CALL}\n')
    assert [sighting.text for sighting in found] == [CALL, ANSWER, CALL, ANSWER, CALL]
    assert [sighting.line for sighting in found] == [1, 2, 5, 6, 7]
    assert found[-1].relative == "in"


def test_a_long_document_is_not_held() -> None:
    record = json.dumps({"cp": "X", "message": CALL, "filler": "x" * 1000})
    count = MAX_RECORD // len(record) + 100
    for begin, end in (("[", "]"), ('{"a": {"b": [1, 2]}, "logs": {"total": 1, "items": [', '], "next": null}}')):
        found = read(begin + ",\n".join([record] * count) + end, step=1 << 17)
        assert len(found) == count
        assert {sighting.station for sighting in found} == {"X"}
        assert [sighting.line for sighting in found] == list(range(1, count + 1))


def test_a_broken_record_does_not_hide_its_frames() -> None:
    text = f'[{{"message": {CALL}, "x": oops}},\n{{"message": "{CALL}"}},\n{{"message": {ANSWER}}}]'
    assert [(sighting.text, sighting.line) for sighting in read(text)] == [(CALL, 1), (CALL, 2), (ANSWER, 3)]


def test_a_document_that_ends_in_the_middle() -> None:
    found = read(f'[{{"message": {CALL}}},\n{{"cp":"X",\n"message": {ANSWER},\n"more": ')
    assert [(sighting.text, sighting.line) for sighting in found] == [(CALL, 1), (ANSWER, 3)]


def test_text_after_all() -> None:
    text = f"{{ starting up\n2026-11-21 08:49:50 received {CALL}\n" + "x" * 100
    (sighting,) = read(text)
    assert sighting.relative == "in"
    assert sighting.line == 2


def test_lines_that_are_no_json_are_text() -> None:
    found = read(f'starting\n{{"message": {CALL}}}\nsending [\n3,\n"1",\n{{}}]\n{{"message": {CALL}\n', JsonLines)
    assert [(sighting.text, sighting.line) for sighting in found] == [(CALL, 2), ('[\n3,\n"1",\n{}]', 3), (CALL, 7)]


PIECES = st.sampled_from(
    ["[", "]", "{", "}", ",", ":", '"', "\\", "\n", " ", "2", CALL, ANSWER, '"a"', '{"msg":' + CALL + "}",
     '"[3,\\"1\\",{}]"', "x", '"\\\\"',
     '{"cp":"X","message":"recv [2,\\"1\\",\\"A\\",{}]"}']
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join), st.integers(1, 30), st.sampled_from([JsonDocument, JsonLines]))
def test_it_does_not_matter_how_text_comes_in(text: str, step: int, reader: Any) -> None:
    assert read(text, reader, step) == read(text, reader)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(CALL)
KEYS = st.sampled_from(
    ["timestamp", "station", "direction", "message", "type", "id", "action", "payload", "from", "to", "value"]
)


@given(
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
    )
)
def test_any_json_is_read(value: object) -> None:
    read(json.dumps(value), JsonLines)
    read(json.dumps(value))
