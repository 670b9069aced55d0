"""What fieldkit promises whatever it is fed: the assertions that targets share.

To be imported where a target imports fieldkit, inside of ``instrumented``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from fieldkit.events import (
    CaptureComment,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    DecodeError,
    Event,
    Exchange,
    MessageType,
    OcppMessage,
    Orphan,
    TlsSecrets,
    Unanswered,
    WsMessage,
)
from fieldkit.reports.eventlog import EventWriter
from fieldkit.reports.lines import LineWriter
from fieldkit.reports.trace import TraceWriter

EVENTS_PER_BYTE: Final = 3
"""The shortest thing that says something is a WebSocket frame of two bytes, which may be a WebSocket message, an OCPP
message and an orphan."""
EVENTS_BESIDES: Final = 200

EXPANSION: Final = 1032
"""What DEFLATE makes of a byte at most."""
WEIGHT_PER_BYTE: Final = 8
"""Text in events, for a byte of input (inflated): as a WebSocket message, as a message with what is not UTF-8 replaced
by three bytes, as a beginning shown in an error …"""
WEIGHT_PER_EVENT: Final = 4096
"""And what fieldkit says about it."""

LINE_PER_BYTE: Final = 14
"""A trace record has the frame twice, as text and as payload, and JSON may need six characters for one."""
LINE_BESIDES: Final = 32_768
MAX_PROBLEMS: Final = 60
MAX_SENTENCE: Final = 1000

TRACE_SCHEMA: Final = Path(__file__).parents[1] / "data" / "open-ocpp-trace" / "trace-v1.schema.json"

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_ANSWERS: Final = (MessageType.CALLRESULT, MessageType.CALLERROR, MessageType.CALLRESULTERROR)


# ------------------------------------------------------------------------------------------------------------- events


def check_events(events: Sequence[Event], last_frame: int, size: int, *, first_frame: int = 1) -> None:
    """What came of ``size`` bytes (inflated, where they were compressed) in frames up to ``last_frame``."""
    assert len(events) <= EVENTS_PER_BYTE * size + EVENTS_BESIDES, f"{len(events)} events from {size} bytes"
    total = 0
    for event in events:
        assert isinstance(event.time, int), event
        assert all(first_frame <= frame <= last_frame for frame in event.frames), f"{event} of {last_frame} frames"
        if isinstance(event, DecodeError):
            check_error(event)
        elif isinstance(event, OcppMessage):
            check_message(event)
        elif isinstance(event, WsMessage):
            assert event.frames, event
            assert -1 <= event.missing <= len(event.data), event
        if not isinstance(event, TlsSecrets | CaptureComment):
            total += weight(event)
    assert total <= WEIGHT_PER_BYTE * size + WEIGHT_PER_EVENT * (len(events) + 1), f"{total} bytes from {size}"
    _check_pairs(events)


def check_error(error: DecodeError) -> None:
    assert error.reason, error
    assert error.reason.isprintable(), f"not for a terminal: {error.reason!r}"
    assert len(error.reason) <= MAX_SENTENCE, error
    assert len(error.data) <= 64, f"{len(error.data)} bytes are shown: {error}"
    assert error.lost >= 0, error


def check_message(message: OcppMessage) -> None:
    assert message.frames, message
    assert message.sender in ("station", "csms"), message
    assert len(message.problems) <= MAX_PROBLEMS, message
    for problem in message.problems:
        assert re.fullmatch(r"[a-z]+\.[a-z0-9-]+", problem.rule), problem
        assert len(problem.text) <= MAX_SENTENCE, problem
        assert len(problem.path) <= MAX_SENTENCE, problem
    if message.call is not None:
        assert message.type in _ANSWERS, message
        assert message.call.type is MessageType.CALL, message
        # A CALLRESULTERROR comes from the caller: it is about the answer that it got.
        assert (message.call.sender == message.sender) == (message.type is MessageType.CALLRESULTERROR), message
        assert message.action == message.call.action, message


def weight(event: Event) -> int:
    """Bytes of text and data in an event, without other events that it points to."""
    total = 0
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, str | bytes):
            total += len(value)
        elif isinstance(value, Mapping):
            total += sum(len(str(key)) + len(str(entry)) for key, entry in value.items())
    return total


def _check_pairs(events: Iterable[Event]) -> None:
    """A CALL gets an answer or is told to have none; an answer has a CALL or is told to have none; each once."""
    ends: Counter[int] = Counter()
    messages: list[OcppMessage] = []
    for event in events:
        match event:
            case OcppMessage():
                messages.append(event)
            case Exchange(call=call, answer=answer, frames=frames):
                ends.update((id(call), id(answer)))
                assert answer.call is call, event
                assert frames == call.frames + answer.frames, event
            case Orphan(answer=answer):
                ends[id(answer)] += 1
            case Unanswered(call=call):
                ends[id(call)] += 1
    for message in messages:
        expected = int(message.type is MessageType.CALL or message.type in _ANSWERS)
        if message.type is MessageType.CALLRESULTERROR and message.call is not None:
            expected = 0  # its CALL is answered already
        assert ends.pop(id(message), 0) == expected, f"not paired as it should be: {message}"
    assert not ends, "something was paired that is no event of its own"


def check_lives(events: Iterable[Event]) -> None:
    """Of a whole capture: connections open once, before anything else is said of them, and close at most once."""
    seen: dict[int, Connection] = {}
    closed: set[int] = set()
    for event in events:
        connection = getattr(event, "connection", None)
        if connection is None:
            continue
        number = connection.number
        if isinstance(event, ConnectionOpened):
            assert number not in seen, f"opened twice: {event}"
            seen[number] = connection
        assert seen.get(number) is connection, f"not opened: {event}"
        assert number not in closed, f"after its end: {event}"
        if isinstance(event, ConnectionClosed):
            closed.add(number)


# ------------------------------------------------------------------------------------------------------------ writers


class _Writer(Protocol):
    def event(self, event: Event) -> None: ...
    def finish(self) -> None: ...


def _run(writer: _Writer, events: Iterable[Event]) -> None:
    wants = getattr(writer, "wants", None)
    for event in events:
        if wants is None or event.__class__ in wants:
            writer.event(event)
    writer.finish()


def check_writers(events: Sequence[Event]) -> None:
    """Every writer can write them, and what it writes can be read."""
    check_trace(events)
    check_lines(events)
    check_event_log(events)


def check_trace(events: Iterable[Event]) -> None:
    """Every line is a record that fits the schema of Open OCPP Trace."""
    messages = [event for event in events if isinstance(event, OcppMessage)]
    written: list[bytes] = []
    _run(TraceWriter(written.append), messages)
    output = b"".join(written)
    lines = output.split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == len(messages), "a record must be one line"
    for line, message in zip(lines, messages, strict=True):
        most = LINE_PER_BYTE * len(message.raw.encode("utf-8", "replace")) + 12 * len(message.frames) + LINE_BESIDES
        assert len(line) <= most, f"a record of {len(line)} bytes for a frame of {len(message.raw)}"
        record = _strict_json(line)
        check_record(record)
        if not message.problems and record.get("raw") == message.raw and message.error is None:
            assert record.get("payload") == message.payload, line


def check_record(record: Any) -> None:
    """``jsonschema`` would take a thousand times as long."""
    schema = _trace_schema()
    assert isinstance(record, dict)
    for name in schema["required"]:
        assert name in record, f"{name} is missing: {record}"
    for name, value in record.items():
        known = schema["properties"].get(name, {})
        assert "enum" not in known or value in known["enum"], f"{name} is {value!r}"
        match known.get("type"):
            case "string":
                assert isinstance(value, str), f"{name} is {value!r}"
            case "object":
                assert isinstance(value, dict), f"{name} is {value!r}"
    assert _RFC3339.fullmatch(record["timestamp"]), record["timestamp"]
    # The conditions at the end of the schema.
    assert record["messageType"] != "CALL" or "action" in record, record
    assert (record["messageType"] == "CALLERROR") == ("error" in record), record


@cache
def _trace_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(TRACE_SCHEMA.read_text("utf-8"))
    return schema


def check_lines(events: Sequence[Event]) -> None:
    """Nothing that a terminal would obey, nothing that breaks the line, nothing that cannot be encoded."""
    written: list[str] = []
    wide, verbose = bool(len(events) & 1), bool(len(events) & 2)
    width = None if wide else 80
    _run(LineWriter(written.append, utc=True, color=False, show_ids=True, verbose=verbose, width=width), events)
    text = "".join(written)
    assert not text or text.endswith("\n")
    for line in text.split("\n"):
        assert line.isprintable(), f"not for a terminal: {line!r}"
    text.encode()


def check_event_log(events: Sequence[Event]) -> None:
    """A line of JSON for every event."""
    written: list[bytes] = []
    _run(EventWriter(written.append), events)
    output = b"".join(written)
    lines = output.split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == len(events), "an event must be one line"
    for line, event in zip(lines, events, strict=True):
        record = _strict_json(line)
        assert record["event"] == type(event).__name__


def _strict_json(line: bytes) -> Any:
    return json.loads(line.decode(), parse_constant=_no_constant)


def _no_constant(name: str) -> float:
    raise AssertionError(f"{name} is not JSON")


# ------------------------------------------------------------------------------------------------------------- pieces


def cuts_of(data: bytes) -> list[int]:
    """Sizes of blocks to feed an input in; they follow from the input, so that a run can be repeated."""
    seed = sum(data[:64]) + 31 * len(data)
    first = (1, 2, 3, 7, 16, 61, 200, 1000)[seed % 8]
    second = (1, 5, 13, 64, 333)[seed // 8 % 5]
    sizes: list[int] = []
    while sum(sizes) < len(data):
        sizes += (first, second)
    return sizes


def in_blocks(data: bytes) -> list[bytes]:
    blocks: list[bytes] = []
    at = 0
    for size in cuts_of(data):
        blocks.append(data[at : at + size])
        at += size
    return blocks


def forget_evidence(event: Event) -> object:
    """An event without what depends on the pieces that the bytes came in: times and frames."""
    return type(event), [_bare(getattr(event, field.name)) for field in fields(event) if field.name not in _EVIDENCE]


_EVIDENCE: Final = ("time", "frames")
_bare: Final[Callable[[object], object]] = lambda value: (  # noqa: E731 (recursive through forget_evidence)
    forget_evidence(value) if hasattr(value, "frames") and hasattr(value, "time") else value  # type: ignore[arg-type]
)
