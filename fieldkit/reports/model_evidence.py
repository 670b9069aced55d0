"""The events behind a finding, each in a line, with the frame as it was sent: without secrets, ids masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fieldkit.events import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    ConsoleLine,
    ConsoleSighting,
    DecodeError,
    DeviceReading,
    Event,
    Exchange,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppMessage,
    Orphan,
    Retransmission,
    StreamGap,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
    Unanswered,
    WsControl,
)
from fieldkit.ocpp.gist import gist, without_ids
from fieldkit.ocpp.secrets import conceal
from fieldkit.reports import sentences
from fieldkit.reports.moments import iso
from fieldkit.safetext import shorten, terminal

if TYPE_CHECKING:
    from fieldkit.reports.document import Evidence

MAX_FRAMES: Final = 20
"""Frame numbers told of one event."""
MAX_TEXT: Final = 200
"""Characters of the line."""
MAX_RAW: Final = 2000
"""Characters of a frame: more than nearly all have."""
MAX_RAW_IN_ALL: Final = 70_000
"""Characters of all frames together: the worst findings come first and get them."""
MAX_EVIDENCE: Final = 500
"""Pieces of evidence of all findings together; each finding has its first one all the same."""

_SIDES: Final = {"station": "station", "csms": "CSMS"}
_VERBS: Final = {
    MessageType.CALL: "sends",
    MessageType.SEND: "sends",
    MessageType.CALLRESULT: "answers",
    MessageType.CALLERROR: "answers with an error to",
    MessageType.CALLRESULTERROR: "rejects the answer to",
}


class EvidenceWriter:
    """Writes evidence as long as there is room for it."""

    def __init__(self, *, show_ids: bool) -> None:
        self._show_ids = show_ids
        self._raw_left = MAX_RAW_IN_ALL
        self._left = MAX_EVIDENCE

    def all(self, events: list[Event]) -> list[Evidence]:
        """Of one finding: the first in any case."""
        shown: list[Evidence] = []
        told: set[int] = set()
        for event in events:
            if shown and self._left <= 0:
                break
            if id(event) in told:
                continue  # it shows several occurrences
            told.add(id(event))
            shown.append(self.one(event))
            self._left -= 1
        return shown

    def one(self, event: Event) -> Evidence:
        message = _message_of(event)
        connection = getattr(event, "connection", None)
        source = message.source if message is not None else connection.source if connection is not None else ""
        source = source or getattr(event, "port", "")
        raw = self._raw(message) if message is not None else ""
        return {
            "source": shorten(source, MAX_TEXT),
            "frame": event.frames[-1] if event.frames else None,
            "frames": list(event.frames[:MAX_FRAMES]),
            "time": iso(event.time),
            "message_id": shorten(message.id, 100) if message is not None and message.id else None,
            "text": shorten(self._text(event), MAX_TEXT),
            "raw": raw,
        }

    def _raw(self, message: OcppMessage) -> str:
        room = min(MAX_RAW, self._raw_left)
        if room <= 0 or not message.raw:
            return ""
        raw, _ = conceal(message)
        # Cut before it is searched, as it may be huge; but behind what is shown, so that no token is cut in two.
        raw = raw[: 2 * MAX_RAW]
        raw = shorten(raw if self._show_ids else without_ids(raw, message), room)
        self._raw_left -= len(raw)
        return raw

    def _text(self, event: Event) -> str:
        if isinstance(event, OcppMessage):
            return self._said(event)
        if isinstance(event, Exchange):
            waited = sentences.duration(event.answer.time - event.call.time) if event.call.time else ""
            return self._said(event.answer) + (f", after {waited}" if waited else "")
        if isinstance(event, Orphan):
            return f"{self._said(event.answer)}; the call that it answers was not seen or is answered already"
        if isinstance(event, Unanswered):
            return f"{self._said(event.call)}; {sentences.no_answer(event)[1]}"
        return _told(event)

    def _said(self, message: OcppMessage) -> str:
        who, action = _SIDES.get(message.sender, "?"), terminal(message.action, 60)
        if message.type is None:
            what = f"{who} sends something unreadable"
        else:
            what = f"{who} {_VERBS[message.type]} {action or 'a message without a known action'}"
        said = gist(message, self._show_ids) if message.raw else ""
        return f"{what}: {said}" if said else what


def _message_of(event: Event) -> OcppMessage | None:
    if isinstance(event, OcppMessage):
        return event
    if isinstance(event, (Exchange, Orphan)):
        return event.answer
    return event.call if isinstance(event, Unanswered) else None


def _told(event: Event) -> str:
    """What is no message."""
    match event:
        case HttpRequest():
            return f"{sentences.show(event.method, 20)} {sentences.show(event.target)}"
        case HttpResponse():
            return sentences.http_answer(event)
        case WsControl():
            side = "client" if event.from_client else "server"
            return (
                sentences.websocket_closed(event, side)
                if event.kind == "close"
                else f"WebSocket {event.kind} by {side}"
            )
        case TlsAlert():
            return sentences.alert(event)
        case TlsHello():
            return sentences.tls_hellos(event if event.from_client else None, None if event.from_client else event)
        case TlsCertificates():
            return sentences.certificates(event)
        case TlsOpaque():
            return f"encrypted from here on: {sentences.show(event.reason)}"
        case ConnectionOpened():
            return f"TCP connection {sentences.route(event.connection)}"
        case ConnectionRecognised():
            return f"{sentences.route(event.connection)} is {event.protocol}"
        case ConnectionClosed():
            if event.how in ("refused", "no-answer"):
                return sentences.failed_to_connect(event)
            who = None if event.by_client is None else "client" if event.by_client else "server"
            return sentences.tcp_closed(event, who)
        case StreamGap():
            return f"{event.missing} bytes are missing in {sentences.route(event.connection)}"
        case Retransmission():
            return f"{event.kind} of {event.length} bytes in {sentences.route(event.connection)}"
        case DecodeError():
            return sentences.broken(event)
        case DeviceReading():
            value = "no value" if event.value is None else f"{event.value} {event.unit}".rstrip()
            doubt = "" if event.verified else " (a single source says what this means)"
            told = f"{event.device} tells {event.name}: {value}{doubt}; on the wire {event.raw}"
            return sentences.show(told, MAX_TEXT)
        case ConsoleSighting() | ConsoleLine():
            said = event.line if isinstance(event, ConsoleSighting) else event.text
            return f"console prints: {sentences.show(said, MAX_TEXT)}"
    return event.__class__.__name__
