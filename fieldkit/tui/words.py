"""Rows and events in words. No textual here: what is said can be tested without a screen.

Everything that comes from the wire leaves this module harmless (``safetext``), without secrets, and with identity
tokens masked unless they are asked for.
"""

from __future__ import annotations

import time as _time
from functools import lru_cache
from typing import Final, NamedTuple

from fieldkit.events import (
    CaptureComment,
    CaptureDropped,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
    Event,
    HttpResponse,
    MessageType,
    NoAnswer,
    OcppMessage,
    PluginFailed,
    StreamGap,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
    WsControl,
)
from fieldkit.history import Row, RowKind
from fieldkit.ocpp.exchange import latency
from fieldkit.ocpp.gist import gist, without_ids
from fieldkit.ocpp.secrets import conceal, conceal_text
from fieldkit.reports import sentences
from fieldkit.safetext import terminal

_S: Final = 1_000_000_000
_MS: Final = 1_000_000
_LAST_YEAR: Final = 9999
NO_TIME: Final = "--:--:--"
MAX_TEXT: Final = 128 << 10
"""Characters of a message that are shown: honest ones end far below."""

_WORDS: Final[dict[MessageType | None, str]] = {
    MessageType.CALL: "CALL",
    MessageType.CALLRESULT: "RES",
    MessageType.CALLERROR: "ERR",
    MessageType.CALLRESULTERROR: "RERR",
    MessageType.SEND: "SEND",
    None: "????",
}
_KINDS: Final = {
    RowKind.CONNECTION: "CONN",
    RowKind.TLS: "TLS",
    RowKind.TROUBLE: "LOST",
    RowKind.NOTE: "NOTE",
    RowKind.MESSAGE: "",
}
_WHY: Final[dict[NoAnswer, str]] = {
    "connection-closed": "no answer: the connection ended",
    "capture-ended": "no answer before the capture ended",
    "side-not-captured": "the other side is not in the capture",
    "bytes-missing": "no answer: bytes are missing",
    "given-up": "no answer: too many CALLs were open",
}


class Said(NamedTuple):
    """A row in words, for columns."""

    arrow: str
    """"to-csms", "to-station" or empty."""
    word: str
    action: str
    late: str
    """How long an answer took: "812 ms"."""
    note: str
    style: str
    """"call", "answer", "error", "event" or "trouble"."""


def said(row: Row, event: Event, *, show_ids: bool = False) -> Said:
    """What a row of the traffic list says."""
    if not isinstance(event, OcppMessage):
        style = "trouble" if row.severity else "event"
        word = _word(event) or _KINDS[row.kind]
        return Said("", word, "", "", told(event), style)
    note = gist(event, show_ids)
    if row.unanswered is not None:
        note = f"{_WHY[row.unanswered]}; {note}" if row.unanswered == "connection-closed" else note
    elif row.orphan:
        note = f"(its CALL was not seen) {note}"
    if row.problems:
        note = f"{_problem(event)}; {note}" if note else _problem(event)
    style = "error" if row.is_error else "call" if row.type in (MessageType.CALL, MessageType.SEND) else "answer"
    return Said(
        "to-csms" if row.sender == "station" else "to-station",
        _WORDS[row.type],
        terminal(row.action, 40) or "?",
        brief(row.latency) if row.latency is not None else "",
        note,
        style,
    )


def _problem(message: OcppMessage) -> str:
    first = message.problems[0] if message.problems else None
    return terminal(conceal_text(first.text, message), 60) if first is not None else ""


def _word(event: Event) -> str:
    match event:
        case HttpResponse(status=101) | ConnectionOpened():
            return "OPEN"
        case HttpResponse():
            return "HTTP"
        case ConnectionClosed() | WsControl():
            return "END"
        case StreamGap() | CaptureDropped():
            return "LOST"
        case DecodeError() | PluginFailed():
            return "BAD"
    return ""


def told(event: Event) -> str:
    """An event that is no message, as a sentence."""
    match event:
        case OcppMessage():
            return gist(event)
        case ConnectionOpened():
            how = "already open: " if event.connection.joined_midstream else "connects: "
            return how + sentences.route(event.connection)
        case ConnectionRecognised():
            return f"a second copy of a connection that is decoded already: {sentences.route(event.connection)}"
        case ConnectionClosed(how="refused" | "no-answer"):
            return sentences.failed_to_connect(event)
        case ConnectionClosed():
            who = None if event.by_client is None else "the client" if event.by_client else "the server"
            return sentences.tcp_closed(event, who)
        case HttpResponse(status=101):
            agreed, wrong = sentences.upgraded(event, None, None)
            return f"{agreed}; {wrong}" if wrong else agreed
        case HttpResponse():
            return sentences.upgrade_refused(event)
        case WsControl():
            return sentences.websocket_closed(event, "the client" if event.from_client else "the server")
        case TlsHello():
            return sentences.tls_hellos(event if event.from_client else None, None if event.from_client else event)
        case TlsAlert():
            return sentences.alert(event)
        case TlsCertificates():
            return sentences.certificates(event)
        case TlsOpaque():
            return f"{sentences.route(event.connection)} stays encrypted: {sentences.show(event.reason, 160)}"
        case StreamGap():
            cut = " (cut off by the snap length)" if event.snapped else ""
            return f"{event.missing} bytes are missing in {sentences.route(event.connection)}{cut}"
        case DecodeError():
            return sentences.broken(event)
        case CaptureDropped():
            where = f" on {terminal(event.interface, 40)}" if event.interface else ""
            return f"{event.count} packets{where} were not captured"
        case CaptureComment():
            return sentences.show(event.text, 300)
        case PluginFailed():
            why = sentences.show(event.reason, 200)
            return f"the plugin {terminal(event.plugin, 40)} failed and is switched off: {why}"
    return event.__class__.__name__


def sentence(message: OcppMessage, answer: OcppMessage | None = None, *, show_ids: bool = False) -> str:
    """A message, and its answer if there is one, as somebody would tell it."""
    station = terminal(message.channel.station, 40)
    who, whom = (station, "the CSMS") if message.sender == "station" else ("The CSMS", station)
    action = terminal(message.action, 60) or "something"
    content = gist(message, show_ids)
    match message.type:
        case MessageType.CALL:
            text = f"{who} asks {whom}: {action}"
        case MessageType.SEND:
            text = f"{who} tells {whom}: {action}"
        case MessageType.CALLRESULT:
            text = f"{who} answers {action}"
        case MessageType.CALLERROR | MessageType.CALLRESULTERROR:
            text = f"{who} refuses {action}"
        case _:
            text = f"{who} sends {whom} something that cannot be read"
    text = f"{text}: {content}" if message.type not in (MessageType.CALL, MessageType.SEND) and content else (
        f"{text} ({content})" if content else text
    )  # fmt: skip
    if answer is not None and message.type is MessageType.CALL:
        waited = latency(answer)
        verb = "Refused" if answer.error is not None else "Answered"
        after = "" if waited is None else f" after {sentences.duration(waited)}"
        text += f". {verb}{after}: {gist(answer, show_ids) or 'nothing to say'}"
    elif (waited := latency(message)) is not None:
        text += f". It took {sentences.duration(waited)}"
    return text + "."


def plain_raw(message: OcppMessage, *, show_ids: bool = False) -> str:
    """A message's text without secrets, and with identity tokens masked unless they are asked for. Not yet harmless:
    whoever draws it makes its pieces so."""
    raw, _ = conceal(message)
    raw = raw[:MAX_TEXT]
    return raw if show_ids else without_ids(raw, message)


def brief(ns: int) -> str:
    """A latency in at most seven columns: "812 ms", "12.3 s", "5 min"."""
    text = sentences.duration(ns)
    return text if len(text) <= 7 else " ".join(text.split(" ")[:2])


def spaced(number: int) -> str:
    """12480 as "12 480": groups are read at a glance, and no country takes the space for a decimal point."""
    return f"{number:,}".replace(",", " ")


@lru_cache(maxsize=1024)
def _second(second: int, utc: bool) -> str:
    try:
        parts = _time.gmtime(second) if utc else _time.localtime(second)
    except (OverflowError, OSError, ValueError):  # a capture may claim any time
        return NO_TIME
    return f"{parts.tm_hour:02}:{parts.tm_min:02}:{parts.tm_sec:02}" if parts.tm_year <= _LAST_YEAR else NO_TIME


def clock(time: int, *, utc: bool = False, millis: bool = False) -> str:
    """Time of day."""
    if time <= 0:
        return f"{NO_TIME}.---" if millis else NO_TIME
    text = _second(time // _S, utc)
    return f"{text}.{time % _S // _MS:03}" if millis else text


def day(time: int, *, utc: bool = False) -> str:
    """The date; empty where there is none."""
    try:
        parts = _time.gmtime(time // _S) if utc else _time.localtime(time // _S)
    except (OverflowError, OSError, ValueError):
        return ""
    return (
        f"{parts.tm_year:04}-{parts.tm_mon:02}-{parts.tm_mday:02}" if time > 0 and parts.tm_year <= _LAST_YEAR else ""
    )
