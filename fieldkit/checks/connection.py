"""How connections end, and what a station does without one: codes, breaks, frames that break the rules, storms."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Owner, Severity
from fieldkit.checks.onwire import MAX_STATIONS, bounded, quoted, server_of
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.events import ConnectionClosed, DecodeError, Event, HttpRequest, HttpResponse, WsControl
from fieldkit.site.link import Link, asks_upgrade, identity_of, speaks_ocpp
from fieldkit.site.picture import Picture
from fieldkit.wire.reasons import MASKED_WRONGLY, NOT_DEFLATE, NOT_NEGOTIATED

BREAKS: Final = 3
"""Breaks of one station's connections within ``BREAKS_NS`` that are no accident any more."""
BREAKS_NS: Final = 3600 * SECOND
STORM: Final = 6
"""Upgrade requests of one station within ``STORM_NS``: OCPP 2.x RetryBackOffWaitMinimum alone is usually 30 s."""
STORM_NS: Final = 60 * SECOND
QUICKLY_BACK_NS: Final = 300 * SECOND
"""A station that is back so soon has lost nothing: it queues what it has to say (1.6 §3.7, 2.x E04)."""
GONE_NS: Final = 60 * SECOND
"""A station that has not come back so long before the end of the capture may be called gone."""

CODE = Kind(
    "connection.close-code",
    "warning",
    "unknown",
    "A connection was closed, and not in the usual way",
    "{closer} closed the connection to {server} with code {code} ({meaning}){reason}, {lasted} after its beginning.",
    "The log of the side that closed tells why; ask for the minute that is given here. {advice}",
    "RFC 6455 §7.4.1",
)
BROKEN = Kind(
    "connection.no-close-frame",
    "info",
    "unknown",
    "Connections end without a goodbye",
    "The connection to {server} {ended} after {lasted}, {idle} after the last message or ping, without the close frame"
    " that WebSocket asks for. What was under way at that moment may be lost.",
    "Compare the times with the logs of the router, the CSMS and its load balancer: restarts, changes of the uplink"
    " and idle timeouts look like this.",
    "RFC 6455 §7.1",
)
MASK = Kind(
    "connection.mask-rule",
    "warning",
    "unknown",
    "One side breaks the masking rule of WebSocket",
    "On the connection to {server}, frames are masked that must not be, or are not that must be: a client masks all"
    " its frames, a server none. A strict peer ends such a connection with code 1002.",
    "The evidence shows which side's frame it is: that side's manufacturer has to mend its WebSocket software.",
    "RFC 6455 §5.1",
)
RSV1 = Kind(
    "connection.compression-not-agreed",
    "warning",
    "unknown",
    "Compressed messages although no compression was agreed on",
    "On the connection to {server}, a message is marked as compressed (RSV1), but the handshake did not agree on"
    ' compression. Peers call this "unexpected reserved bits" and end the connection with code 1002.',
    "Switch compression (permessage-deflate) off on the side that sends it; its manufacturer has to mend it.",
    "RFC 7692 §6; github.com/lorenzodonini/ocpp-go/issues/358",
)
INFLATE = Kind(
    "connection.compression-damaged",
    "warning",
    "unknown",
    "A compressed message cannot be unpacked",
    "On the connection to {server}, a message that is marked as compressed does not unpack, although the capture lacks"
    " nothing of it. The receiver cannot read it either.",
    "Switch compression (permessage-deflate) off on either side and see whether it goes away; then ask the sender's"
    " manufacturer.",
    "RFC 7692 §7.2",
)
STORM_KIND = Kind(
    "connection.reconnect-storm",
    "warning",
    "station",
    "The station reconnects again and again",
    "The station asked {server} for a connection {times} within {span}. It should wait longer after each failure.",
    "First mend what ends its connections (see the other findings). Then set the station's retry interval: 2.x"
    " RetryBackOffWaitMinimum, 1.6 WebSocket settings of the manufacturer.",
    "OCPP 2.0.1 Part 4 §5.3",
)
OFFLINE = Kind(
    "connection.offline-in-transaction",
    "warning",
    "unknown",
    "The station lost its connection while charging",
    "The connection to {server} {ended} while {what} going on{place}; {back}.",
    "Check afterwards that its meter values and its end have arrived at the CSMS. If it happens often, look for the"
    " cause of the breaks on the way: uplink, router, load balancer.",
    "OCPP 1.6 §3.7, OCPP 2.x Part 2 E04",
)

Side = Literal["closer", "other", "csms", "operator", "unknown"]


class _Meaning(NamedTuple):
    words: str
    severity: Severity | None
    side: Side
    """Who has to act."""
    advice: str


_LOOK: Final = "Its operator or manufacturer is the one to ask."
_MEANINGS: Final = {
    1002: _Meaning("protocol error", "warning", "other", "The side that did not close breaks the WebSocket protocol in"
        " the eyes of the other: see its last frames, and have compression switched off on both sides as a test."),
    1003: _Meaning("unsupported data", "warning", "other", "The side that did not close sends what the other does not"
        " take, usually binary messages: OCPP-J uses text messages only."),
    1005: _Meaning("a code that must never be sent", "warning", "closer", _LOOK),
    1006: _Meaning("a code that must never be sent", "warning", "closer", _LOOK),
    1007: _Meaning("invalid data", "warning", "other", "The side that did not close sends text that is not UTF-8: look"
        " for special characters in names and descriptions."),
    1008: _Meaning("policy violation", "warning", "operator", "The side that closed does not accept the other: check"
        " identity, password and OCPP version, and whether the station is connected twice."),
    1009: _Meaning("message too big", "warning", "closer", "The other side's messages are longer than it takes: raise"
        " its limit, or lower what is sent at once (keys asked for, meter values per message)."),
    1010: _Meaning("a WebSocket extension is missing", "warning", "closer", _LOOK),
    1011: _Meaning("internal error", "warning", "closer", "The side that closed has failed while it handled a message:"
        " the last one before the end is the first suspect."),
    1012: _Meaning("service restart", "info", "closer", "Nothing to do if a restart was planned."),
    1013: _Meaning("try again later", "warning", "closer", "The side that closed is overloaded, or still holds an"
        " earlier connection of this station: its operator can tell."),
    1014: _Meaning("bad gateway", "warning", "csms", "The proxy in front of the CSMS got no proper answer from it."),
    1015: _Meaning("a code that must never be sent", "warning", "closer", _LOOK),
}  # fmt: skip
"""RFC 6455 §7.4.1 and the IANA registry it founded; 1000 and 1001 are good order."""
_PRIVATE: Final = _Meaning("a code of the software's own", "info", "closer", _LOOK)
_RESERVED: Final = _Meaning("a reserved code", "warning", "closer", _LOOK)


class EndCheck(Check):
    """What the end of a connection says."""

    kinds = (CODE, BROKEN, MASK, RSV1, INFLATE)
    wants = frozenset({ConnectionClosed, WsControl, DecodeError})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._close: dict[int, WsControl] = {}
        self._breaks: dict[str, deque[int]] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge an end, or a frame that cannot be right."""
        if isinstance(event, WsControl):
            if event.kind == "close" and event.connection.number not in self._close:
                bounded(self._close)[event.connection.number] = event
        elif isinstance(event, ConnectionClosed):
            frame = self._close.pop(event.connection.number, None)
            link = picture.links.get(event.connection)
            if link is not None and link.ocpp and link.is_websocket:
                return list(_of_code(frame, link) if frame is not None else self._without_goodbye(event, link))
        elif isinstance(event, DecodeError) and event.layer == "websocket":
            link = picture.links.get(event.connection)
            # Behind a hole, or where the handshake is missing, the reader may be wrong, not the sender.
            if link is not None and link.ocpp and link.upgraded is not None and not link.last_gap:
                kind = _fault(event.reason)
                if kind is not None and link.heads_complete:
                    values = {"server": server_of(link.connection)}
                    return (Finding(kind, event.time, link.station, (event,), values),)
        return ()

    def _without_goodbye(self, closed: ConnectionClosed, link: Link) -> Iterator[Finding]:
        if closed.how not in ("fin", "rst") or not all(link.heard) or link.last_gap > link.last_traffic:
            return
        if not link.messages and not link.agreed:
            return  # the handshake is why
        breaks = self._breaks.get(link.station)
        if breaks is None:
            breaks = bounded(self._breaks, MAX_STATIONS)[link.station] = deque(maxlen=BREAKS)
        breaks.append(closed.time)
        often = len(breaks) == BREAKS and breaks[-1] - breaks[0] < BREAKS_NS
        values = {
            "server": server_of(link.connection),
            "ended": _ended(closed),
            "lasted": duration(closed.time - link.connection.opened),
            "idle": duration(closed.time - link.last_traffic),
        }
        yield Finding(BROKEN, closed.time, link.station, (closed,), values, severity="warning" if often else None)


def _of_code(frame: WsControl, link: Link) -> Iterator[Finding]:
    code = frame.code
    if code is None or code in (1000, 1001) or (not link.messages and not link.agreed):
        return  # the last: nothing was agreed on in the handshake, which is told there
    meaning = _MEANINGS.get(code) or (_PRIVATE if 3000 <= code < 5000 else _RESERVED)
    values = {
        "closer": "The station" if frame.from_client else "The CSMS",
        "server": server_of(link.connection),
        "code": code,
        "meaning": meaning.words,
        "reason": f": {quoted(frame.reason)}" if frame.reason else "",
        "lasted": duration(frame.time - link.connection.opened),
        "advice": meaning.advice,
    }
    yield Finding(
        CODE,
        frame.time,
        link.station,
        (frame,),
        values,
        group=f"{code} {frame.from_client}",
        severity=meaning.severity,
        owner=_owner(meaning.side, closer_is_station=frame.from_client),
    )


def _owner(side: Side, *, closer_is_station: bool) -> Owner:
    if side == "closer":
        return "station" if closer_is_station else "csms"
    if side == "other":
        return "csms" if closer_is_station else "station"
    return side


def _fault(reason: str) -> Kind | None:
    """What ``wire.websocket`` complains of, where it is a rule that one side broke."""
    return {MASKED_WRONGLY: MASK, NOT_NEGOTIATED: RSV1, NOT_DEFLATE: INFLATE}.get(reason)


def _ended(closed: ConnectionClosed) -> str:
    by = {True: " from the station's side", False: " from the CSMS's side", None: ""}[closed.by_client]
    if closed.how == "replaced":
        return "was given up without a word"
    return f"was reset{by}" if closed.how == "rst" else f"was closed{by}"


class StormCheck(Check):
    """Stations that come back too often."""

    kinds = (STORM_KIND,)
    wants = frozenset({HttpRequest})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._recent: dict[tuple[str, str, str], deque[HttpRequest]] = {}
        """By station, its address and server: where the path ends with the same word for all, its name is none."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Count upgrade requests."""
        if not isinstance(event, HttpRequest) or not asks_upgrade(event) or not speaks_ocpp(event):
            return ()
        server = server_of(event.connection)
        station = identity_of(event.target)
        if not station:
            return ()
        place = station, event.connection.client.address, server
        recent = self._recent.get(place)
        if recent is None:
            recent = bounded(self._recent, MAX_STATIONS)[place] = deque(maxlen=STORM)
        key = event.headers.get("sec-websocket-key")
        if recent and recent[-1].headers.get("sec-websocket-key") == key:
            return ()  # one handshake, captured in two places
        recent.append(event)
        span = event.time - recent[0].time
        if len(recent) < STORM or span > STORM_NS:
            return ()
        evidence = tuple(recent)
        recent.clear()
        values = {"server": server, "times": counted(STORM, "time"), "span": duration(span)}
        return (Finding(STORM_KIND, event.time, station, evidence, values),)


@dataclass(slots=True)
class _Cut:
    """A connection that ended in the middle of a transaction."""

    closed: ConnectionClosed
    server: str
    transactions: list[str]
    connectors: list[str]


class OfflineCheck(Check):
    """Stations that are cut off while they charge."""

    kinds = (OFFLINE,)
    wants = frozenset({ConnectionClosed, HttpResponse})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._open: dict[str, set[int]] = {}
        self._cut: dict[str, _Cut] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Notice a cut, and the way back."""
        if isinstance(event, HttpResponse):
            link = picture.links.get(event.connection)
            if event.status == 101 and link is not None and link.ocpp and link.station:
                if link.station not in self._open:
                    bounded(self._open, MAX_STATIONS)[link.station] = set()
                self._open[link.station].add(event.connection.number)
                cut = self._cut.pop(link.station, None)
                if cut is not None:
                    away = event.time - cut.closed.time
                    severity: Severity = "info" if away < QUICKLY_BACK_NS else "warning"
                    back = f"the station was back after {duration(away)}"
                    return (_offline(cut, link.station, (cut.closed, event), back, severity),)
        elif isinstance(event, ConnectionClosed):
            link = picture.links.get(event.connection)
            if link is not None and link.ocpp and link.is_websocket:
                self._ended(event, link, picture)
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Those that never came back."""
        for station, cut in self._cut.items():
            away = picture.end_of(cut.closed.connection.source) - cut.closed.time
            known = picture.stations.get(station)
            if away >= GONE_NS and (known is None or known.last <= cut.closed.time):
                back = f"the station had not come back when the capture ended {duration(away)} later"
                yield _offline(cut, station, (cut.closed,), back, "warning")

    def _ended(self, closed: ConnectionClosed, link: Link, picture: Picture) -> None:
        others = self._open.get(link.station, set())
        others.discard(closed.connection.number)
        known = picture.stations.get(link.station)
        if closed.how not in ("fin", "rst", "replaced") or others or known is None:
            return
        going = list(known.transactions.open.values())
        if going:
            bounded(self._cut, MAX_STATIONS)[link.station] = _Cut(
                closed,
                server_of(link.connection),
                [one.id for one in going],
                sorted({one.connector for one in going if one.connector}),
            )


def _offline(cut: _Cut, station: str, evidence: tuple[Event, ...], back: str, severity: Severity) -> Finding:
    number = len(cut.transactions)
    noun = "connector" if len(cut.connectors) == 1 else "connectors"
    values = {
        "server": cut.server,
        "ended": _ended(cut.closed),
        "what": "a transaction was" if number == 1 else f"{number} transactions were",
        "place": f" at {noun} {listed(cut.connectors)}" if cut.connectors else "",
        "back": back,
    }
    return Finding(
        OFFLINE,
        cut.closed.time,
        station,
        evidence,
        values,
        connector=cut.connectors[0] if len(cut.connectors) == 1 else "",
        transaction=cut.transactions[0] if number == 1 else "",
        severity=severity,
    )
