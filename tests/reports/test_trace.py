"""Messages as Open OCPP Trace: every line fits the format's schema, and says what was said."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import (
    Connection,
    Endpoint,
    Event,
    MessageType,
    OcppChannel,
    OcppError,
    OcppMessage,
    Problem,
    Sender,
    Unanswered,
)
from fieldkit.ocpp.conversation import Conversation
from fieldkit.reports import trace
from fieldkit.reports.jsontext import inert
from fieldkit.reports.trace import Clock, TraceWriter
from tests.traffic.conversation import MONDAY
from tests.traffic.decoded import schemas

ROOT = Path(__file__).parents[2]
LINK = Connection(3, Endpoint("10.0.0.2", 40_000), Endpoint("10.0.0.1", 9000), MONDAY, False, "site.pcap")
BOOT = {"chargePointVendor": "Säule", "chargePointModel": "M1"}
ACCEPTED = {"currentTime": "2026-08-31T08:00:00Z", "interval": 300, "status": "Accepted"}


@cache
def validator() -> Any:
    file = ROOT / "tests" / "data" / "open-ocpp-trace" / "trace-v1.schema.json"
    schema = json.loads(file.read_text())
    return jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def records(*messages: OcppMessage) -> list[dict[str, Any]]:
    written: list[bytes] = []
    writer = TraceWriter(written.append)
    for message in messages:
        writer.event(message)
    writer.finish()
    lines = b"".join(written).decode("utf-8").split("\n")
    assert lines.pop() == ""
    found = [json.loads(line, parse_constant=refuse) for line in lines]
    for record in found:
        validator().validate(record)
    assert len(found) == len(messages)
    return found


def record(message: OcppMessage) -> dict[str, Any]:
    return records(message)[0]


def channel(**changes: Any) -> OcppChannel:
    values = {
        "station": "CP_7", "version": "1.6", "transport": "json", "connection": LINK,
        "station_inferred": False, "version_inferred": False, "sides_inferred": False,
    }  # fmt: skip
    return OcppChannel(**{**values, **changes})


def conversation(*said: tuple[Sender, Any], version: str = "1.6", validate: bool = True) -> list[OcppMessage]:
    """Frames as they are said, a second apart, each in a packet of its own."""
    events: list[Event] = []
    talk = Conversation(channel(version=version), events.append, schemas() if validate else None)
    for number, (sender, frame) in enumerate(said, 1):
        text = frame if isinstance(frame, str | bytes) else json.dumps(frame)
        data = text.encode() if isinstance(text, str) else text
        talk.feed(data, sender, MONDAY + number * 1_500_000_000, (number,), "site.pcap")
    return [event for event in events if isinstance(event, OcppMessage)]


def said(sender: Sender, frame: Any, **options: Any) -> dict[str, Any]:
    return record(conversation((sender, frame), **options)[0])


# ---------------------------------------------------------------------------------------------------- what is written


def test_a_call_and_its_answer() -> None:
    call, answer = records(*conversation(("station", [2, "1", "BootNotification", BOOT]), ("csms", [3, "1", ACCEPTED])))
    assert call == {
        "schemaVersion": "1.1",
        "timestamp": "2026-08-31T08:00:01.500000Z",
        "ocppVersion": "1.6",
        "transport": "json",
        "chargePointId": "CP_7",
        "direction": "cp-to-csms",
        "messageType": "CALL",
        "messageId": "1",
        "action": "BootNotification",
        "payload": BOOT,
        "raw": json.dumps([2, "1", "BootNotification", BOOT]),
        "meta": {"frames": [1], "connection": 3, "valid": True},
    }
    assert answer == {
        "schemaVersion": "1.1",
        "timestamp": "2026-08-31T08:00:03.000000Z",
        "ocppVersion": "1.6",
        "transport": "json",
        "chargePointId": "CP_7",
        "direction": "csms-to-cp",
        "messageType": "CALLRESULT",
        "messageId": "1",
        "action": "BootNotification",
        "payload": ACCEPTED,
        "raw": json.dumps([3, "1", ACCEPTED]),
        "meta": {"frames": [2], "connection": 3, "latency_ms": 1500.0, "valid": True},
    }


def test_an_error() -> None:
    refusal = [4, "1", "NotSupported", "no", {"a": 1}]
    _, error = records(*conversation(("csms", [2, "1", "Reset", {"type": "Soft"}]), ("station", refusal)))
    assert error["messageType"] == "CALLERROR"
    assert error["action"] == "Reset"
    assert error["error"] == {"code": "NotSupported", "description": "no", "details": {"a": 1}}
    assert "payload" not in error
    assert "valid" not in error["meta"]


def test_an_answer_without_its_call_has_no_action() -> None:
    orphan = said("csms", [3, "1", {}])
    assert orphan["messageType"] == "CALLRESULT"
    assert "action" not in orphan
    assert "latency_ms" not in orphan["meta"]


def test_what_came_with_21_is_told_in_the_words_of_the_format() -> None:
    send = said("station", [6, "1", "NotifyPeriodicEventStream", {"id": 1}], version="2.1")
    assert (send["messageType"], send["action"]) == ("CALL", "NotifyPeriodicEventStream")
    assert send["meta"]["ocppMessageType"] == "SEND"
    *_, complaint = records(
        *conversation(
            ("csms", [2, "1", "ClearCache", {}]),
            ("station", [3, "1", {"status": "Accepted"}]),
            ("csms", [5, "1", "FormatViolation", "what", {}]),
            version="2.1",
        )
    )
    assert (complaint["messageType"], complaint["action"]) == ("CALLERROR", "ClearCache")
    assert complaint["error"] == {"code": "FormatViolation", "description": "what", "details": {}}
    assert complaint["meta"]["ocppMessageType"] == "CALLRESULTERROR"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b"[9,1]",
        b'[2,"1","Boot',
        b'["2","1","Heartbeat",{}]',
        b"[3]",
        b"[4]",
        b"[5]",
        b"[6]",
    ],
)
def test_what_cannot_be_read_is_a_record_too(frame: bytes) -> None:
    written = said("station", frame)
    assert written["raw"] == frame.decode("utf-8", "replace")
    assert written["meta"]["valid"] is False
    assert written["meta"]["errors"]
    assert set(written["meta"]["errors"][0]) == {"rule", "path", "text"}


def test_a_frame_that_is_nothing_is_called_unreadable() -> None:
    assert said("station", b"hello")["meta"]["ocppMessageType"] == "unreadable"


def test_what_is_wrong_is_told() -> None:
    written = said("station", [2, "1", "BootNotification", {"chargePointVendor": "V"}])
    assert written["meta"]["valid"] is False
    assert written["meta"]["errors"] == [
        {"rule": "schema.required", "path": "chargePointModel", "text": "chargePointModel is missing"}
    ]


def test_what_was_not_validated_is_neither_valid_nor_not() -> None:
    assert "valid" not in said("station", [2, "1", "BootNotification", BOOT], validate=False)["meta"]


def soap(**changes: Any) -> OcppMessage:
    values = {
        "time": MONDAY, "frames": (4, 5, 6), "source": "site.pcap", "channel": channel(transport="soap"),
        "sender": "station", "type": MessageType.CALL, "id": "urn:uuid:1", "action": "Heartbeat", "payload": {},
        "error": None, "raw": '<?xml version="1.0"?>\n<s:Envelope/>', "problems": (), "validated": True, "call": None,
    }  # fmt: skip
    return OcppMessage(**{**values, **changes})


def test_soap() -> None:
    written = record(soap())
    assert (written["transport"], written["messageType"], written["action"]) == ("soap", "CALL", "Heartbeat")
    assert written["payload"] == {}
    assert written["raw"] == '<?xml version="1.0"?>\n<s:Envelope/>'
    assert written["meta"]["frames"] == [4, 5, 6]
    fault = record(soap(type=MessageType.CALLERROR, error=OcppError("IdentityMismatch", "who", None), call=soap()))
    assert fault["error"] == {"code": "IdentityMismatch", "description": "who", "details": {}}
    assert fault["meta"]["latency_ms"] == 0


def test_from_a_log_there_is_no_connection() -> None:
    written = record(soap(channel=channel(connection=None), frames=()))
    assert written["meta"] == {"frames": [], "valid": True}


def test_what_was_inferred_is_admitted() -> None:
    inferred = channel(station_inferred=True, version_inferred=True, sides_inferred=True)
    assert record(soap(channel=inferred))["meta"]["inferred"] == ["station", "version", "direction"]
    unknown = channel(version="", version_inferred=True)
    written = record(soap(channel=unknown))
    assert "ocppVersion" not in written
    assert "inferred" not in written["meta"]


def test_channels_are_told_apart_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_MAX_SHARED", 3)
    channels = [channel(station=f"CP_{number}") for number in range(10)]
    messages = [soap(channel=one) for one in channels * 2]
    assert [written["chargePointId"] for written in records(*messages)] == [f"CP_{number}" for number in range(10)] * 2


def test_other_events_are_passed_over_and_messages_wait_only_so_long() -> None:
    written: list[bytes] = []
    writer = TraceWriter(written.append)
    writer.event(Unanswered(MONDAY, (), soap()))
    writer.flush()
    assert written == []
    for _ in range(1000):
        writer.event(soap())
    assert b"".join(written).count(b"\n") > 900
    writer.flush()
    assert b"".join(written).count(b"\n") == 1000
    writer.finish()
    assert b"".join(written).count(b"\n") == 1000


@pytest.mark.parametrize(("size", "count"), [(10, 1200), (20_000, 150), (300_000, 12), (2_000_000, 3)])
def test_what_waits_is_bounded_by_its_size_and_by_its_number(size: int, count: int) -> None:
    """They are in memory once more as records when they are written, all at once."""
    written: list[bytes] = []
    writer = TraceWriter(written.append)
    frame = json.dumps([2, "1", "DataTransfer", {"vendorId": "v", "data": "x" * size}])
    (message,) = conversation(("station", frame), validate=False)
    for number in range(1, count + 1):
        writer.event(message)
        waiting = number - sum(block.count(b"\n") for block in written)
        assert waiting <= 512
        assert waiting * len(frame) <= 1 << 20
    assert max(block.count(b"\n") * len(frame) for block in written) <= (1 << 20) + len(frame)
    writer.finish()
    assert sum(block.count(b"\n") for block in written) == count


# --------------------------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (MONDAY + 999_999_999, "2026-08-31T08:00:00.999999Z"),
        (253_402_300_799 * 10**9, "9999-12-31T23:59:59.000000Z"),
        (253_402_300_800 * 10**9 + 5000, "1970-01-01T00:00:00.000005Z"),
        (2**63 * 1000, "1970-01-01T00:00:00"),
    ],
)
def test_times(time: int, text: str) -> None:
    assert Clock()(time).startswith(text)


def test_the_clock_does_not_stick() -> None:
    clock = Clock()
    assert [clock(MONDAY), clock(MONDAY + 10**9), clock(MONDAY)] == [
        "2026-08-31T08:00:00.000000Z",
        "2026-08-31T08:00:01.000000Z",
        "2026-08-31T08:00:00.000000Z",
    ]


# ----------------------------------------------------------------------------------------------------------- verbatim


@pytest.mark.parametrize(
    "payload",
    [
        '{"a":1.0}',
        '{"a":1e2, "b" : [ 1 ,2 ] }',
        '{"a":12345678901234567890123}',
        '{"a":"\\u00e4\\/"}',
        '{"a":1,"a":2}',
        '{"ä":"€ 😀"}',
        '{"a":"\u2028"}',
        "{}",
    ],
)
def test_the_payload_stands_as_it_was_sent(payload: str) -> None:
    """Numbers and escapes are not spelt anew, so that what a station sends can be seen."""
    frame = f'[2,"1","DataTransfer",{payload}]'
    (message,) = conversation(("station", frame), validate=False)
    written: list[bytes] = []
    writer = TraceWriter(written.append)
    writer.event(message)
    writer.finish()
    line = written[0].decode()
    assert json.loads(line)["raw"] == frame
    if not message.problems:
        # What a terminal would obey is the exception: it has its number instead.
        assert f'"payload":{inert(payload)},"raw"' in line


@pytest.mark.parametrize(
    "frame",
    [
        '[2, "1", "Heartbeat", {}]',
        '[2,"1","Heartbeat",{}]\n',
        '\n[2,\n"1","Heartbeat",{\n}]',
        '[2,"a\\"b\\\\","Heartbeat",{}]',
        '[2,"\\u0031","Heartbeat",{}]',
        '[2,"1","Heart\\u0062eat",{}]',
        '[2,"1","x\\"y",{}]',
        '[3,"\\t",{}]',
        '[4,"1","a\\"b","c\\nd",{"e":"f"}]',
        '[2,"1","Heartbeat",{}] ',
    ],
)
def test_however_a_frame_is_spelt_its_record_is_one_line_and_says_the_same(frame: str) -> None:
    written = said("station", frame, validate=False)
    parts = json.loads(frame)
    assert written["raw"] == frame
    assert written["messageId"] == parts[1]
    if parts[0] == 2:
        assert (written["action"], written["payload"]) == (parts[2], parts[3])
    elif parts[0] == 4:
        assert list(written["error"].values()) == parts[2:]


@pytest.mark.parametrize("value", ["NaN", "-Infinity", '[1, {"b": NaN}]'])
def test_numbers_that_json_has_no_word_for_are_null(value: str) -> None:
    written = said("station", f'[2,"1","DataTransfer",{{"vendorId":"v","data":{value}}}]')
    assert written["payload"]["data"] in (None, [1, {"b": None}])
    assert value in written["raw"]


def test_lone_surrogates_are_kept_as_escapes() -> None:
    written = said("station", '[2,"\\ud800","DataTransfer",{"vendorId":"\\udc80v","data":"ä"}]')
    assert written["messageId"] == "\ud800"
    assert written["payload"] == {"vendorId": "\udc80v", "data": "ä"}


@pytest.mark.parametrize("depth", [100, 300, 700, 950, 1010, 100_000])
@pytest.mark.parametrize("action", ["DataTransfer", "Heartbeat"])
def test_nesting_does_not_break_it(depth: int, action: str) -> None:
    frame = f'[2,"1","{action}",{{"vendorId":"v","data":{"[" * depth}{"]" * depth}}}]'
    (message,) = conversation(("station", frame))
    written: list[bytes] = []
    writer = TraceWriter(written.append)
    writer.event(message)
    writer.finish()
    assert written[0].count(b"\n") == 1
    withheld = b"(hidden)" in written[0]
    assert withheld or frame.encode() in written[0].replace(b'\\"', b'"')
    assert not withheld or depth > 1000, "only where it is too deep to be searched for secrets"


TEXTS = st.text(max_size=12) | st.sampled_from(['"', "\\", "\\u0041", "\n", "\x7f", "\ud800", '","', "]"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150)
@given(
    kind=st.sampled_from([2, 3, 4, 5, 6]),
    id_=TEXTS,
    action=TEXTS,
    payload=st.dictionaries(TEXTS, VALUES, max_size=3) | VALUES,
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
    ascii_only=st.booleans(),
)
def test_whatever_is_said_its_record_is_valid(
    kind: int, id_: str, action: str, payload: Any, separators: tuple[str, str], ascii_only: bool
) -> None:
    parts = [kind, id_, action, payload] if kind in (2, 6) else [kind, id_, payload]
    if kind in (4, 5):
        parts = [kind, id_, action, action, payload]
    frame = json.dumps(parts, separators=separators, ensure_ascii=ascii_only)
    data = frame.encode("utf-8", "surrogatepass")
    written = said("station", data, validate=False)
    if "(hidden)" not in written["raw"]:  # chance finds {"SECRET": 0} too
        assert written["raw"] == data.decode("utf-8", "replace")


# ------------------------------------------------------------------------------------------------------------ secrets


def test_passwords_are_hidden_in_the_frame_and_in_the_payload() -> None:
    frame = [2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "s3cr3t-k3y"}]
    written = said("csms", frame)
    assert "s3cr3t-k3y" not in json.dumps(written)
    assert written["payload"] == {"key": "AuthorizationKey", "value": "(hidden)"}
    assert json.loads(written["raw"])[3]["value"] == "(hidden)"
    assert written["meta"]["valid"] is True


def test_passwords_are_hidden_in_errors_that_quote_them() -> None:
    _, error = records(
        *conversation(
            ("csms", [2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "s3cr3t-k3y"}]),
            ("station", [4, "1", "PropertyConstraintViolation", "s3cr3t-k3y is too short", {"value": "s3cr3t-k3y"}]),
        )
    )
    assert "s3cr3t-k3y" not in json.dumps(error)
    assert error["error"]["description"] == "(hidden) is too short"


def test_passwords_are_hidden_in_broken_frames() -> None:
    written = said("csms", b'[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"s3cr3t-k3y"')
    assert "s3cr3t-k3y" not in json.dumps(written)


def test_what_stands_beside_a_secret_is_written_as_ever() -> None:
    messages = conversation(
        ("station", [2, "1", "Heartbeat", {}]),
        ("csms", [2, "2", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "s3cr3t-k3y"}]),
        ("csms", [2, "3", "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "300"}]),
    )
    first, _, last = records(*messages)
    assert first["raw"] == messages[0].raw
    assert last["payload"] == {"key": "HeartbeatInterval", "value": "300"}


# ----------------------------------------------------------------------------------------------------- without orjson

VARIED = [
    [2, "1", "BootNotification", BOOT],
    [3, "x", {"a": 1.5, "b": None}],
    [2, "2", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "s3cr3t-k3y"}],
    [2, "3", "Bogus", {"ä": ["€", "😀", 2**60, -0.0, 1e300]}],
    [4, "4", "Oops", 'a "quoted"\nline', {"x": []}],
    '[2,"5","DataTransfer",{"vendorId":"\\ud800","data":"ä"}]',
    '[2,"6","DataTransfer",{"vendorId":"v","data":NaN}]',
    '[2,"8","DataTransfer",{"vendorId":',
    "hello",
]


def write_varied() -> bytes:
    """What the other process below writes too."""
    written: list[bytes] = []
    writer = TraceWriter(written.append)
    frames: list[tuple[Sender, Any]] = [("station", frame) for frame in VARIED]
    for message in conversation(*frames, validate=False):
        writer.event(message)
    writer.finish()
    return b"".join(written)


def test_without_orjson_the_same_is_written() -> None:
    code = (
        "import sys; sys.modules['orjson'] = None\n"
        "from tests.reports.test_trace import write_varied\n"
        "sys.stdout.buffer.write(write_varied())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    with_it = [json.loads(line, parse_constant=refuse) for line in write_varied().splitlines()]
    without = [json.loads(line, parse_constant=refuse) for line in done.stdout.splitlines()]
    for one, other in zip(with_it, without, strict=True):
        validator().validate(other)
        lenient(one)
        lenient(other)
        assert one == other


def test_without_orjson_a_capture_gives_the_same_records() -> None:
    """From the packets on: the parser is another one too."""
    written = []
    for before in ("sys.modules['orjson'] = None", "import orjson"):
        code = (
            f"import sys; {before}\n"
            "sys.argv = ['fieldkit', 'decode', '--format', 'trace', 'captures/ocpp16j_vcp_ocpprpc_plain.pcap']\n"
            "from fieldkit.cli import main; main()\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True, timeout=60)
        assert done.stderr == b""
        written.append([json.loads(line) for line in done.stdout.splitlines()])
    without, with_it = written
    assert without == with_it
    assert len(without) > 50


def lenient(written: dict[str, Any]) -> None:
    """Only orjson refuses what strict parsers refuse, such as lone surrogates."""
    meta = written["meta"]
    meta["errors"] = [error for error in meta.get("errors", ()) if error["rule"] != "json.strictness"]
    meta["valid"] = not meta["errors"]


def test_the_problem_of_a_message_is_one_line() -> None:
    problem = Problem("schema.type", "a[0].b", 'a "quoted"\ntext')
    written = record(soap(problems=(problem,)))
    assert written["meta"]["errors"] == [{"rule": "schema.type", "path": "a[0].b", "text": 'a "quoted"\ntext'}]
