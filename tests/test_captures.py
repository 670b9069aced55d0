"""The captures in ``captures/``: each must give what the ``.toml`` beside it says, and what tshark says of it.

Recordings of other people's programs lie in ``captures``; their expectations were found with tshark and by reading.
What those programs would not do lies in ``captures/made``; it was written by ``tests/traffic/make.py``, which takes the
expectations from its scripts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fieldkit.events import (
    BasicCredentials,
    CaptureComment,
    CaptureDropped,
    ConnectionRecognised,
    HttpRequest,
    MessageType,
    OcppMessage,
    Orphan,
    Retransmission,
    TlsOpaque,
    Unanswered,
    WsMessage,
)
from fieldkit.reports.trace import TraceWriter
from tests.traffic.decoded import Decoded, decode_files
from tests.traffic.expectations import CAPTURES, captured, load, seen
from tests.traffic.make import COMPRESSES_LIKE_ZLIB, FOLDER, MAKERS, files
from tests.traffic.tshark import TSHARK, Opinion

TRACE = Path(__file__).parent / "data" / "open-ocpp-trace"
TOMLS = sorted(toml for toml in CAPTURES.glob("**/*.toml") if toml.name != "findings.toml")
FIXTURES = sorted(TRACE.glob("fixtures/*"))

each_capture = pytest.mark.parametrize("toml", TOMLS, ids=lambda toml: toml.stem)
each_fixture = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)


@cache
def decoded(toml: Path) -> Decoded:
    keylog = load(toml).get("keylog")
    return decode_files(captured(toml), keylog=toml.parent / keylog if keylog else None)


def decoded_as_in_toml(name: str) -> Decoded:
    (toml,) = (toml for toml in TOMLS if toml.stem == name)
    return decoded(toml)


# ------------------------------------------------------------------------------------------------------ what is in them


@each_capture
def test_a_capture_gives_what_is_expected(toml: Path) -> None:
    expected, found = load(toml), seen(decoded(toml))
    assert found == {key: expected[key] for key in found}


def test_every_capture_has_an_expectation_that_says_what_happens() -> None:
    data = set(CAPTURES.glob("**/*.pcap*"))
    assert {captured(toml) for toml in TOMLS} == data
    for toml in TOMLS:
        expected = load(toml)
        assert re.fullmatch(r"\w.{25,}\.", expected["name"]), "a sentence"
        assert expected["origin"]
    readme = (CAPTURES / "README.md").read_text("utf-8")
    assert [path for path in data if f"`{path.relative_to(CAPTURES)}`" not in readme] == []


@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
@each_capture
def test_tshark_is_of_the_same_opinion(toml: Path) -> None:
    expected = load(toml)
    cannot = expected.get("tshark_cannot", {})
    if "all" in cannot:
        pytest.skip(f"tshark cannot tell: {cannot['all']}")
    opinion = Opinion(captured(toml), keylog=toml.parent / expected["keylog"] if "keylog" in expected else None)
    facts = {key: fact for key, fact in opinion.facts().items() if key not in cannot}
    assert facts == {key: expected[key] for key in facts}
    ours = [(line.sender, line.text) for line in decoded(toml).lines]
    assert [sender for sender, _ in opinion.texts()] == [sender for sender, _ in ours]
    for (_, theirs), (_, text) in zip(opinion.texts(), ours, strict=True):
        # tshark 4.0 shows each byte of a body that is not ASCII as U+FFFD.
        assert theirs == (_only_ascii(text) if "\ufffd" in theirs else text), "to the last byte"


def _only_ascii(text: str) -> str:
    return text.encode().decode("ascii", "replace")


@each_capture
def test_every_answer_names_its_call_and_every_frame_is_evidence(toml: Path) -> None:
    run = decoded(toml)
    packets = load(toml)["packets"]
    for message in run.messages:
        assert message.frames, "evidence"
        assert all(1 <= frame <= packets for frame in message.frames)
        if message.call is not None:
            assert message.call.id == message.id
            assert message.call.action == message.action
            assert message.call.time <= message.time
    carriers = [event.data for event in run.of(WsMessage)]
    if all(message.channel.transport == "json" for message in run.messages):
        assert [message.raw for message in run.messages if "\ufffd" not in message.raw] == [
            text for data in carriers if "\ufffd" not in (text := data.decode("utf-8", "replace")) and b"\0" not in data
        ]


# ------------------------------------------------------------------------------------- what the expectations do not say


def test_the_wrong_password_is_described_and_not_shown() -> None:
    (request,) = decoded_as_in_toml("fault_basic_auth_401").of(HttpRequest)
    assert request.credentials == BasicCredentials(user="CP-21621", password_length=13, password_shape="text")
    assert "wrongpassword" not in repr(request)
    assert "Q1AtMjE2MjE6d3JvbmdwYXNzd29yZA" not in repr(request), "nor in base64"


def test_without_its_key_log_an_encrypted_connection_stays_closed_and_says_so() -> None:
    run = decode_files(CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap")
    assert run.messages == []
    assert {event.protocol for event in run.of(ConnectionRecognised)} == {"tls"}
    assert len(run.of(TlsOpaque)) == 2


def test_secrets_inside_the_capture_do_the_same_as_beside_it() -> None:
    beside = decoded_as_in_toml("ocpp16j_vcp_ocpprpc_wss_tls13")
    inside = decoded_as_in_toml("ocpp16j_vcp_ocpprpc_wss_tls13_dsb")
    assert beside.lines == inside.lines
    assert [message.frames for message in beside.messages] == [message.frames for message in inside.messages]


def test_inferred_is_what_the_handshake_would_have_told() -> None:
    for message in decoded_as_in_toml("midstream_plain").messages:
        assert message.channel.station_inferred
        assert message.channel.version_inferred
        assert message.channel.sides_inferred
    for message in decoded_as_in_toml("several_versions").messages:
        assert not message.channel.station_inferred
        assert not message.channel.version_inferred
        assert not message.channel.sides_inferred


def test_what_was_captured_twice_is_told_apart_from_what_was_sent_twice() -> None:
    assert {event.kind for event in decoded_as_in_toml("any_duplicates").of(Retransmission)} == {"duplicate"}
    kinds = {event.kind for event in decoded_as_in_toml("out_of_order").of(Retransmission)}
    assert "retransmission" in kinds


def test_comments_and_drops_in_a_capture_are_told() -> None:
    run = decoded_as_in_toml("interfaces_comments")
    assert [(event.frames, event.text) for event in run.of(CaptureComment)] == [
        ((), "taken at the car park, second visit"),
        ((), "to the charging stations"),
        ((30,), "here the station was switched off and on"),
    ]
    assert [(event.interface, event.count) for event in run.of(CaptureDropped)] == [("wwan0", 3)]


def test_callresulterror_names_the_call_whose_answer_was_bad() -> None:
    run = decoded_as_in_toml("ocpp21_send_and_callresulterror")
    errors = [message for message in run.messages if message.type is MessageType.CALLRESULTERROR]
    assert [(message.sender, message.action) for message in errors] == [
        ("csms", "GetVariables"),
        ("station", "Heartbeat"),
    ]
    for error in errors:
        assert error.call is not None
        assert error.call.sender == error.sender, "the caller complains"


# ------------------------------------------------------------------------------------------------------- made by script


@pytest.mark.skipif(not COMPRESSES_LIKE_ZLIB, reason="this zlib compresses otherwise")
def test_the_made_captures_are_what_their_scripts_make() -> None:
    """If this fails after a change to the generator: ``python -m tests.traffic.make``, and look at what changed."""
    wanted = files()
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(wanted)
    assert [name for name, data in wanted.items() if (FOLDER / name).read_bytes() != data] == []


def test_the_made_captures_are_small() -> None:
    assert all(len(maker().data) < 25_000 for maker in MAKERS)


# ------------------------------------------------------------------------------------------------------ Open OCPP Trace


def as_trace(run: Decoded) -> list[dict[str, Any]]:
    """What ``fieldkit decode --format trace`` writes."""
    written: list[bytes] = []
    writer = TraceWriter(written.append)
    for event in run.events:
        writer.event(event)
    writer.flush()
    return [json.loads(line) for line in b"".join(written).decode().split("\n") if line]


def test_the_command_writes_the_same_trace() -> None:
    name = "ocpp16j_vcp_ocpprpc_wss_tls13"
    command = [sys.executable, "-m", "fieldkit", "decode", "--format", "trace"]
    command += ["--keylog", str(CAPTURES / f"{name}.keylog"), str(CAPTURES / f"{name}.pcap")]
    result = subprocess.run(command, capture_output=True, check=True, cwd=CAPTURES.parent)
    assert result.stderr == b""
    assert [json.loads(line) for line in result.stdout.splitlines()] == as_trace(decoded_as_in_toml(name))


@cache
def validator() -> jsonschema.Draft202012Validator:
    formats = jsonschema.FormatChecker(formats=())

    @formats.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]
    def is_date_time(text: object) -> bool:
        """RFC 3339 §5.6."""
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", str(text)):
            return False
        return bool(datetime.fromisoformat(str(text)))

    schema = json.loads((TRACE / "trace-v1.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema, format_checker=formats)


def test_the_validator_would_notice() -> None:
    record = as_trace(decode_files(FIXTURES[0] / "trace.jsonl"))[0]
    assert validator().is_valid(record)
    assert not validator().is_valid({**record, "timestamp": "yesterday"})
    assert not validator().is_valid({key: value for key, value in record.items() if key != "direction"})


@each_capture
def test_a_capture_as_trace_is_valid_and_complete(toml: Path) -> None:
    records = as_trace(decoded(toml))
    for record in records:
        validator().validate(record)
    assert [record["raw"] for record in records] == [message.raw for message in decoded(toml).messages]


def view_of_records(records: list[dict[str, Any]]) -> dict[str, Any]:
    """What a conformant consumer derives, written down from the rules of the format and nothing else."""
    shown, open_, orphans = [], [], []
    for index, record in enumerate(records):
        entry = {"index": index, "messageType": record["messageType"], "messageId": record.get("messageId")}
        if record["messageType"] == "CALL":
            open_.append(index)
            entry["action"] = record["action"]
        else:
            call = next(
                (
                    at
                    for at in reversed(open_)
                    if records[at].get("messageId") == record.get("messageId")
                    and records[at]["direction"] != record["direction"]
                ),
                None,
            )
            if call is None:
                orphans.append(index)
                if "action" in record:
                    entry["action"] = record["action"]
            else:
                open_.remove(call)
                entry |= {"action": records[call]["action"], "correlatesWith": call}
        shown.append({key: value for key, value in entry.items() if value is not None})
    types = [record["messageType"] for record in records]
    return {
        "schemaVersion": records[0]["schemaVersion"],
        "counts": {
            "records": len(records),
            "calls": types.count("CALL"),
            "callResults": types.count("CALLRESULT"),
            "callErrors": types.count("CALLERROR"),
        },
        "records": shown,
        "unansweredCalls": open_,
        "orphanResponses": orphans,
    }


def view_of_events(run: Decoded) -> dict[str, Any]:
    """The same view of what fieldkit understood."""
    messages = run.messages
    index = {id(message): at for at, message in enumerate(messages)}

    def entry(message: OcppMessage) -> dict[str, Any]:
        assert message.type is not None
        found: dict[str, Any] = {"index": index[id(message)], "messageType": message.type.name, "messageId": message.id}
        if message.action:
            found["action"] = message.action
        if message.call is not None:
            found["correlatesWith"] = index[id(message.call)]
        return found

    types = [message.type for message in messages]
    return {
        "schemaVersion": "1.1",
        "counts": {
            "records": len(messages),
            "calls": types.count(MessageType.CALL),
            "callResults": types.count(MessageType.CALLRESULT),
            "callErrors": types.count(MessageType.CALLERROR),
        },
        "records": [entry(message) for message in messages],
        "unansweredCalls": sorted(index[id(event.call)] for event in run.of(Unanswered)),
        "orphanResponses": sorted(index[id(event.answer)] for event in run.of(Orphan)),
    }


def expected_view(fixture: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((fixture / "expected.json").read_text("utf-8"))
    return found


@each_fixture
def test_the_fixtures_are_read_as_the_format_wants_it(fixture: Path) -> None:
    assert view_of_events(decode_files(fixture / "trace.jsonl")) == expected_view(fixture)


@each_fixture
def test_a_trace_of_a_trace_is_equivalent(fixture: Path) -> None:
    original = [json.loads(line) for line in (fixture / "trace.jsonl").read_text("utf-8").splitlines()]
    records = as_trace(decode_files(fixture / "trace.jsonl"))
    for record in records:
        validator().validate(record)
    assert view_of_records(records) == expected_view(fixture)
    kept = (
        "ocppVersion",
        "transport",
        "chargePointId",
        "direction",
        "messageType",
        "messageId",
        "payload",
        "error",
        "raw",
    )
    for before, after in zip(original, records, strict=True):
        assert {key: after.get(key) for key in kept} == {key: before.get(key) for key in kept}
        assert datetime.fromisoformat(after["timestamp"]) == datetime.fromisoformat(before["timestamp"])


@each_capture
def test_a_capture_says_the_same_when_read_back_from_its_trace(toml: Path, tmp_path: Path) -> None:
    """SOAP and what no JSON parser takes included: ``raw`` has everything."""
    trace = tmp_path / "again.jsonl"
    records = as_trace(decoded(toml))
    trace.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    again = decode_files(trace)
    known = {line.station for line in decoded(toml).lines if not line.station.count(":")}
    for before, after in zip(decoded(toml).lines, again.lines, strict=True):
        if before.text.startswith("<") and before.id not in before.text:
            before = before._replace(id="")  # without RelatesTo only the HTTP response tells what it answers
        assert after._replace(station="") == before._replace(station="")
        assert after.station == before.station or before.station not in known
