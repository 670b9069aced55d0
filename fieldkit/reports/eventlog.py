"""Every event as NDJSON: one JSON object a line, for programs.

``{"event": "StreamGap", "time": "2026-03-11T10:00:00.012345Z", "frames": [17], …}``: the name of the event's class and
then its fields under their own names, with these exceptions.

- Times are RFC 3339 in UTC with microseconds; a time that no calendar has is the number of nanoseconds it was.
- A connection is its number and its two ends; what else is known of it stands in ``ConnectionOpened``.
- Bytes are ``{"text": …}`` where they are printable text, else ``{"hex": …}`` up to 64 of them, else ``{"base64": …}``.
- A message inside another event (``call``, ``answer``) is named by id, action, time and frames: it has its own line. An
  answer names its ``call`` by id alone. A response names its ``request`` the same way.
- What carries an OCPP message, the WebSocket message or SOAP body, is ``{"length": …}``: the ``OcppMessage`` has it as
  ``raw``.
- Passwords and keys are hidden, and so is the value of every HTTP header that is not known to be harmless. Of TLS
  secrets, of decrypted stream bytes, of text on a serial port and of bytes that might hold a credential and cannot be
  searched for it, only the number is written.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

from fieldkit.events import (
    CaptureComment,
    Connection,
    ConnectionOpened,
    ConsoleLine,
    ConsoleSighting,
    DecodeError,
    DeviceReading,
    Endpoint,
    Event,
    Exchange,
    HttpRequest,
    HttpResponse,
    OcppChannel,
    OcppMessage,
    PluginFailed,
    SerialBytes,
    StreamBytes,
    TlsSecrets,
    WsControl,
    WsMessage,
)
from fieldkit.ocpp.secrets import HIDDEN, conceal, conceal_document, conceal_text
from fieldkit.reports.jsontext import inert

_SHORT: Final = 64
"""Bytes up to which hex is read with pleasure."""
_DEEPEST: Final = 100
"""Levels of a payload written; what is nested deeper is named so. orjson stops at 254."""
_OPEN_HEADERS: Final = frozenset(
    """
    host upgrade connection sec-websocket-key sec-websocket-accept sec-websocket-version sec-websocket-protocol
    sec-websocket-extensions user-agent server date age expires last-modified cache-control pragma vary
    content-type content-length content-encoding content-language content-disposition transfer-encoding te trailer
    accept accept-encoding accept-language accept-charset accept-ranges allow expect keep-alive retry-after location
    origin soapaction via forwarded x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip
    www-authenticate proxy-authenticate strict-transport-security x-powered-by
    """.split()
)
"""Headers whose value is no credential. Any other may be one: gateways name theirs as they like (X-Auth, ApiKey)."""
_CREDENTIAL: Final = re.compile(rb"auth|basic|bearer|cookie|pass|pwd|secret|token|key|://", re.IGNORECASE)
"""What makes torn bytes too dangerous to show: they are too short to tell a secret's name from its value."""


_FRAME: Final = re.compile(rb"\s*\[\s*[2-6]\b")
"""How an OCPP-J message begins."""

_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _dumper() -> Callable[[Any], bytes]:
    try:
        import orjson
    except ImportError:
        return lambda value: _encode(value).encode()
    return orjson.dumps


class EventWriter:
    """Writes a line for every event."""

    wants: Final[frozenset[type[Event]] | None] = None
    """All of them."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._dump = _dumper()
        self._fields: dict[type[Any], tuple[str, ...]] = {}

    def event(self, event: Event) -> None:
        """Write one event."""
        try:
            line = self._dump(self._record(event))
        except (TypeError, ValueError, RecursionError):
            # Lone surrogates, NaN, integers of any length, nesting of any depth: a JSON text can hold them, but not
            # every JSON writer will.
            line = _encode(_tame(self._record(event))).encode()
        if not line.isascii() or b"\x7f" in line:
            line = inert(line.decode()).encode()
        self._write(line + b"\n")

    def flush(self) -> None:
        """Every line is written as it comes."""

    def finish(self) -> None:
        """Nothing is held back."""

    def _record(self, event: Event) -> dict[str, Any]:
        kind = event.__class__
        names = self._fields.get(kind)
        if names is None:
            names = self._fields[kind] = tuple(field.name for field in fields(kind))
        record: dict[str, Any] = {"event": kind.__name__}
        for name in names:
            record[name] = _plain(getattr(event, name))
        special = _SPECIAL.get(kind)
        if special is not None:
            special(event, record)
        record["time"] = _instant(event.time)
        return record


# ---------------------------------------------------------------------------------------------------------- values


def _plain(value: Any) -> Any:
    """A field as JSON has it."""
    kind = value.__class__
    if kind in _AS_IS:
        return value
    if kind is tuple:
        return [_plain(item) for item in value]
    convert = _CONVERT.get(kind)
    if convert is not None:
        return convert(value)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value  # JSON already, of any depth


def _instant(time: int) -> str | int:
    seconds, rest = divmod(time, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06}Z"
    except (OverflowError, OSError, ValueError):
        return time


def _endpoint(end: Endpoint) -> str:
    return f"[{end.address}]:{end.port}" if ":" in end.address else f"{end.address}:{end.port}"


def _connection(connection: Connection) -> dict[str, Any]:
    return {
        "number": connection.number,
        "client": _endpoint(connection.client),
        "server": _endpoint(connection.server),
    }


def _channel(channel: OcppChannel) -> dict[str, Any]:
    return {
        "station": channel.station,
        "version": channel.version,
        "transport": channel.transport,
        "connection": _plain(channel.connection),
        "station_inferred": channel.station_inferred,
        "version_inferred": channel.version_inferred,
        "sides_inferred": channel.sides_inferred,
    }


def _bytes(data: bytes) -> dict[str, str]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if text.replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable() and (text or not data):
        return {"text": text}
    return {"hex": data.hex()} if len(data) <= _SHORT else {"base64": base64.b64encode(data).decode()}


def _concealed(data: bytes) -> dict[str, str]:
    """The bytes of a document that may hold secrets."""
    text = data.decode("utf-8", "surrogateescape")
    hidden = conceal_document(text)
    return _bytes(data if hidden is text else hidden.encode("utf-8", "surrogateescape"))


def _length(data: bytes) -> dict[str, int]:
    return {"length": len(data)}


def _named(message: OcppMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "action": message.action,
        "station": message.channel.station,
        "time": _instant(message.time),
        "frames": list(message.frames),
    }


def _asked(request: HttpRequest) -> dict[str, Any]:
    return {
        "method": request.method,
        "target": conceal_text(request.target),
        "time": _instant(request.time),
        "frames": list(request.frames),
    }


_AS_IS: Final = frozenset({str, int, bool, float, type(None)})

_CONVERT: Final[dict[type[Any], Callable[[Any], Any]]] = {
    bytes: _bytes,
    Connection: _connection,
    Endpoint: _endpoint,
    HttpRequest: _asked,
    OcppChannel: _channel,
    OcppMessage: _named,
}


# -------------------------------------------------------------------------------------------- what is not as it was


def _on_message(event: OcppMessage, record: dict[str, Any]) -> None:
    raw, payload = conceal(event)
    record["type"] = event.type.name if event.type is not None else None
    record["raw"], record["payload"] = raw, payload
    record["call"] = event.call.id if event.call is not None else None
    if event.error is not None:
        description = conceal_text(str(event.error.description), event)
        record["error"] = {"code": event.error.code, "description": description, "details": payload}
    for problem in record["problems"]:
        problem["text"] = conceal_text(problem["text"], event)


def _on_exchange(event: Exchange, record: dict[str, Any]) -> None:
    record["latency_ms"] = (event.answer.time - event.call.time) / 1e6


def _on_opened(event: ConnectionOpened, record: dict[str, Any]) -> None:
    record["connection"] |= {
        "opened": _instant(event.connection.opened),
        "joined_midstream": event.connection.joined_midstream,
        "source": event.connection.source,
    }


def _on_head(event: HttpRequest | HttpResponse, record: dict[str, Any]) -> None:
    record["headers"] = {
        name: conceal_text(value) if name.lower() in _OPEN_HEADERS else HIDDEN for name, value in event.headers.items()
    }
    record["body"] = _length(event.body) if b"Envelope" in event.body else _concealed(event.body)
    if isinstance(event, HttpRequest):
        record["target"] = conceal_text(event.target)


def _on_websocket(event: WsMessage, record: dict[str, Any]) -> None:
    # Still compressed (missing < 0), it cannot be searched for secrets.
    unseen = event.missing < 0 or _FRAME.match(event.data)
    record["data"] = _length(event.data) if unseen else _concealed(event.data)


def _on_control(event: WsControl, record: dict[str, Any]) -> None:
    record["reason"] = conceal_text(event.reason)
    if event.kind == "close":
        record["payload"] = _length(event.payload)  # code and reason


def _on_stream_bytes(event: StreamBytes, record: dict[str, Any]) -> None:
    record["data"] = _length(event.data)


def _on_error(event: DecodeError, record: dict[str, Any]) -> None:
    record["reason"] = conceal_text(event.reason)
    if event.layer == "http" or _CREDENTIAL.search(event.data):  # a torn header may have any name
        record["data"] = _length(event.data)


def _on_secrets(event: TlsSecrets, record: dict[str, Any]) -> None:
    record["text"] = {"lines": len(event.text.splitlines())}


def _on_comment(event: CaptureComment, record: dict[str, Any]) -> None:
    record["text"] = conceal_text(event.text)


def _on_serial(event: SerialBytes, record: dict[str, Any]) -> None:
    # A read may tear a password away from its name; the lines that a console said have events of their own.
    if "text" in record["data"] or _CREDENTIAL.search(event.data):
        record["data"] = _length(event.data)


def _on_reading(event: DeviceReading, record: dict[str, Any]) -> None:
    record["raw"] = conceal_text(event.raw)
    if isinstance(event.value, str):
        record["value"] = conceal_text(event.value)


def _on_line(event: ConsoleLine, record: dict[str, Any]) -> None:
    record["text"] = conceal_text(event.text)


def _on_sighting(event: ConsoleSighting, record: dict[str, Any]) -> None:
    record["line"] = conceal_text(event.line)
    record["values"] = {name: conceal_text(value) for name, value in event.values.items()}


def _on_plugin(event: PluginFailed, record: dict[str, Any]) -> None:
    record["reason"] = conceal_text(event.reason)  # an exception may quote what it choked on


_SPECIAL: Final[dict[type[Any], Callable[[Any, dict[str, Any]], None]]] = {
    CaptureComment: _on_comment,
    ConnectionOpened: _on_opened,
    ConsoleLine: _on_line,
    ConsoleSighting: _on_sighting,
    DecodeError: _on_error,
    DeviceReading: _on_reading,
    Exchange: _on_exchange,
    HttpRequest: _on_head,
    HttpResponse: _on_head,
    OcppMessage: _on_message,
    PluginFailed: _on_plugin,
    SerialBytes: _on_serial,
    StreamBytes: _on_stream_bytes,
    TlsSecrets: _on_secrets,
    WsControl: _on_control,
    WsMessage: _on_websocket,
}


def _tame(value: Any, depth: int = 0) -> Any:
    """Whatever a payload may hold, as something that every JSON reader takes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if depth >= _DEEPEST:
        return "(nested too deep)"
    if isinstance(value, Mapping):
        return {_tame(str(name)): _tame(item, depth + 1) for name, item in value.items()}
    return [_tame(item, depth + 1) for item in value]
