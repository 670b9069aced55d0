"""Messages as Open OCPP Trace 1.1: JSONL, one record a message.

What the format has no field for lives in ``meta``: capture frames, connection, latency, validity, what is wrong, the
message types that came with OCPP 2.1, and whatever had to be inferred. Passwords are hidden in ``raw`` and
``payload``; everything else is verbatim.

This is fieldkit's bulk output, so a record is put together from ready pieces of JSON: the payload is cut out of the
frame's own text where that is beyond doubt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from fieldkit.events import Event, MessageType, OcppChannel, OcppMessage
from fieldkit.ocpp.exchange import latency as latency_of
from fieldkit.ocpp.secrets import conceal_all, conceal_text
from fieldkit.reports.jsontext import inert

_DIRECTIONS: Final = {"station": "cp-to-csms", "csms": "csms-to-cp"}
_CALL, _CALLRESULT = MessageType.CALL, MessageType.CALLRESULT
_NAMES: Final = {
    MessageType.CALL: "CALL",
    MessageType.CALLRESULT: "CALLRESULT",
    MessageType.CALLERROR: "CALLERROR",
    MessageType.SEND: "CALL",
    MessageType.CALLRESULTERROR: "CALLERROR",
    None: "CALL",
}
"""The format knows three types: a SEND is told as a CALL (that nobody answers), a CALLRESULTERROR as a CALLERROR;
``meta.ocppMessageType`` says what it was."""


_BEYOND: Final = {MessageType.SEND: "SEND", MessageType.CALLRESULTERROR: "CALLRESULTERROR", None: "unreadable"}


def _by_the_book(*, ascii_only: bool) -> Callable[[Any], str]:
    """The standard library's writer; but NaN and the infinities, for which JSON has no word, become null."""
    encode = json.JSONEncoder(ensure_ascii=ascii_only, allow_nan=False, separators=(",", ":"), default=str).encode

    def dump(value: Any) -> str:
        try:
            text = encode(value)
        except ValueError:
            text = encode(json.loads(json.dumps(value, default=str), parse_constant=lambda name: None))
        return text.encode("utf-8", "replace").decode()

    return dump


def _dumper() -> Callable[[Any], str]:
    try:
        import orjson
    except ImportError:
        return _by_the_book(ascii_only=False)
    patient = _by_the_book(ascii_only=True)

    def dump(value: Any) -> str:
        try:
            return orjson.dumps(value).decode()
        except (TypeError, ValueError):
            # Lone surrogates, integers beyond 64 bits: legal for Python's parser, not for orjson.
            return patient(value)

    return dump


_dump = _dumper()

_MAX_WAITING: Final = 480
"""Messages held back until ``flush``: together they are looked through for secrets in a fraction of the time."""
_MAX_WAITING_SIZE: Final = 1 << 20
"""Characters of them."""
_MAX_SHARED: Final = 4096
"""Channels whose common pieces are kept ready."""


class Clock:
    """RFC 3339 in UTC with microseconds, the finest that captures commonly have; each second is spelt once."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, time: int) -> str:
        second = time // 1_000_000_000
        if second != self._second:
            self._second = second
            try:
                self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            except (ValueError, OverflowError, OSError):
                self._text = "1970-01-01T00:00:00."  # a capture with an impossible clock
        return f"{self._text}{(time - second * 1_000_000_000) // 1000:06}Z"


class _Shared(NamedTuple):
    """What the records of one channel share."""

    channel: OcppChannel
    heads: dict[str, str]
    """By sender: what stands between the timestamp and the message type."""
    meta: str


class TraceWriter:
    """Writes a record for each ``OcppMessage`` it is given and ignores every other event."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._shared: dict[int, _Shared] = {}
        self._clock = Clock()
        self._waiting: list[OcppMessage] = []
        self._waiting_size = 0

    wants: Final[frozenset[type[Event]]] = frozenset({OcppMessage})
    """The only events it has use for."""

    def event(self, event: Event) -> None:
        """Write a message; anything else is ignored."""
        if isinstance(event, OcppMessage):
            self._waiting.append(event)
            self._waiting_size += len(event.raw)
            if len(self._waiting) >= _MAX_WAITING or self._waiting_size > _MAX_WAITING_SIZE:
                self.flush()

    def flush(self) -> None:
        """Write what waits. Call it whenever there may be nothing more for a while."""
        waiting, self._waiting, self._waiting_size = self._waiting, [], 0
        if waiting:
            self._write(inert("".join(self.lines(waiting))).encode("utf-8", "replace"))

    def lines(self, messages: Sequence[OcppMessage]) -> list[str]:
        """The records of these messages, each with its newline."""
        record = self._record
        return [
            record(message, raw, payload)
            for message, (raw, payload) in zip(messages, conceal_all(messages), strict=True)
        ]

    def finish(self) -> None:
        """The end of the session."""
        self.flush()

    def _record(self, message: OcppMessage, raw: str, payload: Any) -> str:
        channel = message.channel
        known = self._shared.get(id(channel))
        shared = known if known is not None and known.channel is channel else self._share(channel)
        frames = message.frames
        body = self._quick_body(message) if raw is message.raw and not message.problems else ""
        if not body:
            body = self._body(message, payload)
        waited = latency_of(message) if message.call is not None else None
        latency = "" if waited is None else f',"latency_ms":{waited / 1e6:.3f}'
        verdict = ',"valid":true' if message.validated else ""
        if message.problems:
            verdict = self._faults(message)
        if message.type in _BEYOND:
            verdict += f',"ocppMessageType":"{_BEYOND[message.type]}"'
        return (
            f'{{"schemaVersion":"1.1","timestamp":"{self._clock(message.time)}{shared.heads[message.sender]}{body}'
            f',"raw":{_dump(raw)},"meta":{{"frames":[{frames[0] if len(frames) == 1 else ",".join(map(str, frames))}]'
            f"{shared.meta}{latency}{verdict}}}}}\n"
        )

    @staticmethod
    def _quick_body(message: OcppMessage) -> str:
        """Type, id, action and payload of a frame that parsed as it should, cut out of its text; "" if in doubt.

        An id found verbatim in front needs no escapes, and what stands behind it is the payload.
        """
        raw = message.raw
        if raw[-1:] != "]" or "\n" in raw or "\r" in raw:
            return ""
        type_ = message.type
        if type_ is _CALL:
            start = f'[2,"{message.id}","{message.action}",'
            if raw.startswith(start):
                return f'CALL","messageId":"{message.id}","action":"{message.action}","payload":{raw[len(start) : -1]}'
        elif type_ is _CALLRESULT:
            start = f'[3,"{message.id}",'
            if raw.startswith(start):
                named = f'"action":{_dump(message.action)},' if message.call is not None else ""
                return f'CALLRESULT","messageId":"{message.id}",{named}"payload":{raw[len(start) : -1]}'
        return ""

    @staticmethod
    def _body(message: OcppMessage, payload: Any) -> str:
        """Type, id, action and payload (or error) of any record."""
        name = _NAMES[message.type]
        body = f'{name}","messageId":{_dump(message.id)}'
        if message.call is not None or name == "CALL":
            body += f',"action":{_dump(message.action)}'
        error = message.error
        if error is not None or name == "CALLERROR":
            code, text = (error.code, error.description) if error is not None else ("", "")
            text = conceal_text(text, message)
            return body + f',"error":{_dump({"code": code, "description": text, "details": payload})}'
        return body if payload is None else body + f',"payload":{_dump(payload)}'

    @staticmethod
    def _faults(message: OcppMessage) -> str:
        """What is wrong with a message, and what the format has no word for."""
        errors = [
            {"rule": problem.rule, "path": problem.path, "text": conceal_text(problem.text, message)}
            for problem in message.problems
        ]
        return f',"valid":false,"errors":{_dump(errors)}'

    def _share(self, channel: OcppChannel) -> _Shared:
        """The pieces that all messages of a channel have in common."""
        version = f'","ocppVersion":{_dump(channel.version)}' if channel.version else '"'
        heads = {
            sender: f'{version},"transport":"{channel.transport}","chargePointId":{_dump(channel.station)}'
            f',"direction":"{direction}","messageType":"'
            for sender, direction in _DIRECTIONS.items()
        }
        meta = f',"connection":{channel.connection.number}' if channel.connection is not None else ""
        inferred = [
            name
            for name, flag in (
                ("station", channel.station_inferred),
                ("version", channel.version_inferred and bool(channel.version)),
                ("direction", channel.sides_inferred),
            )
            if flag
        ]
        if inferred:
            meta += f',"inferred":{_dump(inferred)}'
        if len(self._shared) >= _MAX_SHARED:
            self._shared.clear()
        shared = self._shared[id(channel)] = _Shared(channel, heads, meta)
        return shared
