"""Decoded traffic as lines of text, the way a technician reads it.

    ── 2026-03-11, UTC ──
    10:00:00.012  CP001    * OPEN   10.0.0.5:40001 → 10.0.0.1:9000 /ocpp/CP001, ocpp1.6, not compressed, …
    10:00:00.120  CP001    → CALL   BootNotification       VendorX M-5, firmware 1.2.3
    10:00:00.181  CP001    ← RESULT BootNotification       Accepted, heartbeat every 300 s  +61 ms

"→" is said by the station, "←" is said to it, "*" tells of the connection or the capture, "!" of trouble. What the
capture does not state but fieldkit concluded carries a "?". Colour repeats what the signs say. What several sources
show is told apart by a tag, [1] [2], before the station.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fieldkit.events import (
    CaptureComment,
    CaptureDropped,
    DecodeError,
    Event,
    MessageType,
    OcppChannel,
    OcppMessage,
    Orphan,
    PluginFailed,
    Problem,
    TlsSecrets,
    Unanswered,
)
from fieldkit.ocpp.exchange import latency
from fieldkit.ocpp.gist import gist, without_ids
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.reports import sentences
from fieldkit.reports.connectionlines import ConnectionLines
from fieldkit.reports.page import BOLD, CYAN, DIM, PLAIN, RED, RESET, WIDEST, YELLOW, Page, tail
from fieldkit.safetext import display_width, terminal

MAX_CHANNELS: Final = 10_000
"""Stations whose column and version are remembered."""
MAX_PROBLEMS: Final = 8
"""Problems shown of one message: behind the eighth there is nothing new."""
MAX_TOLD: Final = 10_000
"""Problems remembered as told."""

_ACTION: Final = 22
"""Columns for the action: "RemoteStartTransaction". The few longer ones push their own line only."""

_WORDS: Final[dict[MessageType | None, str]] = {
    MessageType.CALL: "CALL  ",
    MessageType.CALLRESULT: "RESULT",
    MessageType.CALLERROR: "ERROR ",
    MessageType.CALLRESULTERROR: "RESULT-ERROR",
    MessageType.SEND: "SEND  ",
    None: "?     ",
}
_ERRORS: Final = (MessageType.CALLERROR, MessageType.CALLRESULTERROR)
_ARROWS: Final = {"station": "→", "csms": "←"}


class _Name:
    """A station as it stands in its column."""

    __slots__ = ("channel", "source", "text", "width")

    def __init__(self, channel: OcppChannel, text: str, source: str) -> None:
        self.channel = channel
        self.source = source
        """Where its last message was seen."""
        self.text = text
        self.width = display_width(text)


class LineWriter:
    """Writes the lines of one decoding."""

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        utc: bool = False,
        color: bool = False,
        show_ids: bool = False,
        verbose: bool = False,
        width: int | None = None,
    ) -> None:
        """``width``: columns of the terminal, to which long texts are wrapped; None leaves each on its line."""
        self._page = Page(write, utc=utc, color=color, width=width)
        self._connections = ConnectionLines(self._page, verbose=verbose)
        self._show_ids = show_ids
        self._verbose = verbose
        self._names: dict[int, _Name] = {}
        self._versions: dict[object, str] = {}
        """What was last said of a channel's version."""
        self._told: set[tuple[str, Problem | str]] = set()
        self._one_sided: set[object] = set()
        """Conversations of which it was told that only one side was seen."""
        self._last: object = None
        """The message whose line was the last one."""
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            **self._connections.handlers,
            OcppMessage: self._message,
            Orphan: self._orphan,
            Unanswered: self._unanswered,
            DecodeError: self._error,
            CaptureComment: self._comment,
            CaptureDropped: self._dropped,
            PluginFailed: self._plugin_failed,
        }
        if verbose:
            self._handlers[TlsSecrets] = self._secrets
        self.wants: Final[frozenset[type[Event]]] = frozenset(self._handlers)
        """The only events it has use for."""

    def event(self, event: Event) -> None:
        """Take one event; a line is written where it is worth one."""
        handler = self._handlers.get(event.__class__)
        if handler is not None:
            handler(event)
            self._last = event

    def flush(self) -> None:
        """Every line is written as it comes."""

    def finish(self) -> None:
        """Say what was not shown."""
        self._connections.finish()

    # --------------------------------------------------------------------------------------------------- messages

    def _message(self, message: OcppMessage) -> None:
        channel = message.channel
        name = self._names.get(id(channel))
        if name is None or name.channel is not channel:
            name = self._introduce(message)
        elif name.source is not message.source:
            self._moved(name, message)
        page = self._page
        page.latest = message.time
        tag = page.tag(message.source)
        action = message.action
        if not (action.isascii() and action.isalnum()):
            action = terminal(action, 40) or "?"
        said = gist(message, self._show_ids)
        late = ""
        waited = latency(message)
        if waited is not None:
            late = f"+{sentences.duration(waited)}"
        room = " " * (page.column - name.width)
        head = f"{page.clock(message.time)}  {tag}{name.text}{room} {_ARROWS[message.sender]} {_WORDS[message.type]} "
        text = f"{action:<{_ACTION}} {said}" if said or late else action
        if late:
            text = f"{text}  {late}" if said else text + late
        if page.width is not None and len(head) + display_width(text) > page.width:
            page.wrapped(head, " ".join(text.split()), _style(message.type))
        elif page.color:
            page.put(_colored(head, text, message.type, len(action)))
        else:
            page.put(head + text)
        if message.problems:
            self._problems(message, name.text)

    def _problems(self, message: OcppMessage, station: str) -> None:
        """What is wrong with the message; in full once, by its rule when the same happens again."""
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        again: dict[str, None] = {}
        for problem in message.problems[:MAX_PROBLEMS]:
            path = terminal(problem.path, 80)
            text = conceal_text(problem.text, message)
            text = terminal(text if self._show_ids else without_ids(text, message), 300)
            full = f"{path}: {text}" if path else text
            if (station, full) in self._told:
                again[terminal(problem.rule, 40)] = None
                continue
            self._told.add((station, full))
            self._page.below(f"{full} ({terminal(problem.rule, 40)})")
        if again:
            self._page.below(f"again: {', '.join(again)}")
        if len(message.problems) > MAX_PROBLEMS:
            self._page.below(f"and {len(message.problems) - MAX_PROBLEMS} problems more")

    def _orphan(self, event: Orphan) -> None:
        text = "no open CALL has this id: it was not seen, or was answered already"
        if self._last is not event.answer:
            text = f"{terminal(event.answer.id, 40)}: {text}"
        self._page.below(text)

    def _unanswered(self, event: Unanswered) -> None:
        call = event.call
        station = _station(call.channel)
        if event.why == "side-not-captured":
            key = _conversation(call.channel, station)
            if key not in self._one_sided:
                if len(self._one_sided) >= MAX_CHANNELS:
                    self._one_sided.clear()
                self._one_sided.add(key)
                self._page.line(event.time, station, "*", "NOTE", sentences.one_sided(event), CYAN, call.source)
            return
        sign, said = sentences.no_answer(event)
        sent = f"of {self._page.time_of_day(call.time)} " if call.time > 0 else ""
        text = f"{terminal(call.action, 40) or '?':<{_ACTION}} {sent}{said}"
        style = RED if sign == "!" else CYAN
        self._page.line(event.time, station, sign, _WORDS[call.type].rstrip(), text, style, call.source)

    # --------------------------------------------------------------------------------------------------- channels

    def _introduce(self, message: OcppMessage) -> _Name:
        """A channel that is new, or of which more is known now: name it, and say what had to be inferred."""
        channel = message.channel
        station = _station(channel)
        if len(self._names) >= MAX_CHANNELS:
            self._names.clear()
        name = self._names[id(channel)] = _Name(channel, station, message.source)
        self._page.make_room(station)
        if channel.connection is not None:
            websocket = channel.transport == "json"
            self._connections.is_ocpp(channel.connection, station, message.source, websocket=websocket)
        self._tell_version(message, station)
        return name

    def _moved(self, name: _Name, message: OcppMessage) -> None:
        """The conversation goes on in the next piece of the same capture."""
        name.source = message.source
        if name.channel.connection is not None:
            self._connections.moved(name.channel.connection, message.source)

    def _tell_version(self, message: OcppMessage, station: str) -> None:
        channel = message.channel
        connection = channel.connection
        version = f"OCPP {terminal(channel.version, 10)}{'?' * channel.version_inferred}" if channel.version else ""
        key = _conversation(channel, station)
        before = self._versions.get(key)
        if before == version:
            return
        if len(self._versions) >= MAX_CHANNELS:
            self._versions.clear()
        self._versions[key] = version
        if before is not None:
            text = version or "OCPP of unknown version"
            self._page.line(message.time, station, "*", "NOTE", text, CYAN, message.source)
            return
        inferred = [
            word
            for word, flag in (
                ("station", channel.station_inferred),
                ("version", channel.version_inferred and bool(version)),
                ("direction", channel.sides_inferred),
            )
            if flag
        ]
        lasting = connection is not None and channel.transport == "json"
        if lasting and not inferred:
            return  # the upgrade has said it
        parts = [
            sentences.route(connection) if connection is not None else f"log {tail(message.source)}",
            "joined while open" if lasting and channel.sides_inferred else "",
            "SOAP" if channel.transport == "soap" else "",
            version,
        ]
        note = f" ({', '.join(inferred)} inferred)" if inferred else ""
        text = ", ".join(filter(None, parts)) + note
        self._page.line(message.time, station, "*", "OPEN", text, CYAN, message.source)

    # ---------------------------------------------------------------------------------------------------- capture

    def _error(self, event: DecodeError) -> None:
        if event.connection is None:
            self._page.line(event.time, "", "!", "BROKEN", sentences.broken(event), YELLOW)
        else:
            self._connections.error(event, event.connection)

    def _dropped(self, event: CaptureDropped) -> None:
        where = f" on {terminal(event.interface, 40)}" if event.interface else ""
        self._page.line(event.time, "", "!", "LOST", f"{event.count} packets{where} were not captured", YELLOW)

    def _plugin_failed(self, event: PluginFailed) -> None:
        why = sentences.show(event.reason, 300)
        what = f"the plugin {terminal(event.plugin, 40)} failed and is switched off: {why}"
        self._page.line(event.time, "", "!", "PLUGIN", what, YELLOW)

    def _comment(self, event: CaptureComment) -> None:
        at = f"packet {event.frames[0]}: " if event.frames else ""
        self._page.line(event.time, "", "*", "NOTE", at + sentences.show(event.text, 300), CYAN)

    def _secrets(self, event: TlsSecrets) -> None:
        count = len(event.text.splitlines())
        self._page.line(event.time, "", "*", "NOTE", f"{count} lines of TLS secrets are in the capture", CYAN)


def _station(channel: OcppChannel) -> str:
    if channel.station_inferred and not channel.station.startswith("?"):
        return terminal(f"?{channel.station}", WIDEST)
    return terminal(channel.station, WIDEST)


def _conversation(channel: OcppChannel, station: str) -> object:
    """What lasts: the connection; over SOAP, where each call may have its own, and in a log, which has none, the
    station."""
    if channel.connection is not None and channel.transport == "json":
        return channel.connection.number
    return channel.transport, station


def _style(type_: MessageType | None) -> str:
    return RED if type_ in _ERRORS else DIM if type_ is MessageType.CALLRESULT else PLAIN


def _colored(head: str, text: str, type_: MessageType | None, length: int) -> str:
    style = _style(type_)
    if style:
        return f"{style}{head}{text}{RESET}"
    return f"{head}{BOLD}{text[:length]}{RESET}{text[length:]}"
