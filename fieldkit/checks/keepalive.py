"""Signs of life that stay away: pings without pong, connections that die of silence, bytes that never arrive."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Owner
from fieldkit.checks.onwire import MAX_STATIONS, bounded, server_of
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import ConnectionClosed, Event, Retransmission, WsControl
from fieldkit.site.link import Link
from fieldkit.site.picture import Picture

PONG_NS: Final = 5 * SECOND
"""A pong takes as long as the way there and back; libraries give up after 5 to 20 s."""
SPOKE_ON_NS: Final = 1 * SECOND
"""What the other side says so soon after a ping may have been on its way already."""
DEATH_NS: Final = 1 * SECOND
"""An end so soon after a ping, by the side that was pinged."""
DEATHS: Final = 2
"""… and so often that it is no coincidence."""
PERIODS: Final = 3
"""Connections that end after the same silence, one after the other."""
SHORTEST_PERIOD_NS: Final = 10 * SECOND
"""No idle timeout is shorter, and below it scripts and tests that say something and go look like one."""
TOLERANCE_NS: Final = 1_500_000_000
TOLERANCE: Final = 0.04
"""How far the silences may differ: timers are looked at every second or so, and long ones more seldom."""
REPEATS: Final = 4
REPEATS_NS: Final = 10 * SECOND
"""Retransmissions of one side, and their span, that mean a dead path: the sixth comes about 10 s after the first."""

SILENT = Kind(
    "connection.ping-unanswered",
    "warning",
    "uplink",
    "A ping was never answered, and the connection broke",
    "{asker} sent a ping over the connection to {server}; {other} said nothing any more, neither a pong nor anything"
    " else, and after {waited} the connection {ended}.",
    "Look at the way between them at this time: uplink, router, mobile or satellite link. If it was up, {other_low}"
    " itself hung or had no power.",
    "RFC 6455 §5.5.2; github.com/mobilityhouse/ocpp/issues/190",
)
IGNORED = Kind(
    "connection.ping-ignored",
    "warning",
    "station",
    "Pings are not answered although the other side is alive",
    "{asker} sent a ping over the connection to {server} and {other_low} went on talking, but sent no pong within"
    " {waited}. A peer that relies on pongs ends such connections.",
    "{other}: its WebSocket software must answer pings. Until it does, switch pings off on the side that sends them"
    " (OCPP WebSocketPingInterval 0, or the ping setting of the CSMS).",
    "RFC 6455 §5.5.2; github.com/mikuso/ocpp-rpc/issues/80",
)
DIES = Kind(
    "connection.dies-on-ping",
    "warning",
    "station",
    "The connection ends whenever a ping comes",
    "{other} ended the connection to {server} within {waited} of a ping of {asker_low}, and not for the first time.",
    "{other}: its WebSocket software cannot cope with pings. Switch them off on the side that sends them as a test.",
    "RFC 6455 §5.5.2; github.com/EVerest/libocpp/issues/1175",
)
IDLE = Kind(
    "connection.idle-timeout",
    "warning",
    "csms",
    "Connections are cut after a fixed time of silence",
    "{times} connections in a row to {server} were ended by {closer} after {period} of silence{whose}. That is probably"
    " an idle timeout.",
    "Set the station's heartbeat or ping interval (1.6 WebSocketPingInterval, 2.x OCPPCommCtrlr.WebSocketPingInterval)"
    " clearly below {period}, or have the timeout raised at the CSMS, its load balancer or the firewall.",
    "github.com/evcc-io/evcc/issues/32236; github.com/lbbrhzn/ocpp/issues/2030",
    inferred=True,
)
PATH_LOST = Kind(
    "connection.no-acknowledgement",
    "warning",
    "uplink",
    "What is sent does not arrive",
    "{sender} had to send the same data to {server} again at least {times} times over {span}; nothing came back.",
    "Look at the way between them at this time: a change of uplink, a NAT table that was flushed or a dead mobile link"
    " looks like this. The connection is lost even if both sides do not know it yet.",
    "RFC 9293 §3.8.1",
)


class PingCheck(Check):
    """Pings and what they lead to."""

    kinds = (SILENT, IGNORED, DIES)
    wants = frozenset({WsControl, ConnectionClosed})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._waiting: dict[tuple[int, bool], WsControl] = {}
        """The first unanswered ping of each side of a connection …"""
        self._last: dict[int, WsControl] = {}
        """… and the last ping of either, answered or not."""
        self._deaths: dict[tuple[str, bool], int] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Remember pings; judge them when the connection ends."""
        if isinstance(event, WsControl):
            number = event.connection.number
            if event.kind == "ping":
                if (number, event.from_client) not in self._waiting:
                    bounded(self._waiting)[number, event.from_client] = event
                if number not in self._last:
                    bounded(self._last)
                self._last[number] = event
            elif event.kind == "pong":
                self._waiting.pop((number, not event.from_client), None)
        elif isinstance(event, ConnectionClosed):
            number = event.connection.number
            waiting = [self._waiting.pop((number, side), None) for side in (True, False)]
            last = self._last.pop(number, None)
            link = picture.links.get(event.connection)
            if last is not None and link is not None and link.ocpp:
                return list(self._ended(event, link, waiting, last))
        return ()

    def _ended(
        self, closed: ConnectionClosed, link: Link, waiting: list[WsControl | None], last: WsControl
    ) -> Iterator[Finding]:
        if last.from_client is not closed.by_client and closed.how in ("fin", "rst") and link.close_by_client is None:
            yield from self._death(closed, link, last)
        for ping in waiting:
            if ping is None or not link.ping_waiting[not ping.from_client]:
                continue
            other = 1 if ping.from_client else 0
            waited = closed.time - ping.time
            if not link.heard[other] or waited < PONG_NS:
                continue
            spoke_on = link.heard[other] > ping.time + SPOKE_ON_NS
            if spoke_on:
                yield _of_ping(IGNORED, ping, closed, link, _owner(other))
            elif closed.how in ("fin", "rst", "replaced") and link.close_by_client is not bool(other == 0):
                yield _of_ping(SILENT, ping, closed, link, None)

    def _death(self, closed: ConnectionClosed, link: Link, last: WsControl) -> Iterator[Finding]:
        after = closed.time - last.time
        if after > DEATH_NS or closed.by_client is None or link.last_traffic > last.time + DEATH_NS:
            return
        key = (link.station, last.from_client)
        if key not in self._deaths:
            bounded(self._deaths, MAX_STATIONS)[key] = 0
        self._deaths[key] += 1
        if self._deaths[key] >= DEATHS:
            yield _of_ping(DIES, last, closed, link, _owner(1 if last.from_client else 0))


def _owner(side: int) -> Owner:
    return "csms" if side else "station"


def _of_ping(kind: Kind, ping: WsControl, closed: ConnectionClosed, link: Link, owner: Owner | None) -> Finding:
    asker, other = ("the station", "the CSMS") if ping.from_client else ("the CSMS", "the station")
    values = {
        "asker": asker[0].upper() + asker[1:],
        "asker_low": asker,
        "other": other[0].upper() + other[1:],
        "other_low": other,
        "server": server_of(link.connection),
        "waited": duration(closed.time - ping.time),
        "ended": "was reset" if closed.how == "rst" else "was given up" if closed.how == "replaced" else "was closed",
    }
    return Finding(kind, ping.time, link.station, (ping, closed), values, group=asker, owner=owner)


class _End(NamedTuple):
    any_silence: int
    other_silence: int
    """Silence of the side that did not end it."""
    event: ConnectionClosed


class IdleCheck(Check):
    """Connections that end after the same silence each time."""

    kinds = (IDLE,)
    wants = frozenset({ConnectionClosed})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._ends: dict[tuple[str, str, bool], deque[_End]] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Compare an end with those before."""
        if not isinstance(event, ConnectionClosed) or event.how not in ("fin", "rst"):
            return ()
        link = picture.links.get(event.connection)
        if link is None or not link.ocpp or not link.is_websocket or not all(link.heard) or link.last_gap:
            return ()
        by_client = link.ended_by_client
        if by_client is None or any(link.ping_waiting):
            return ()
        key = (link.station, server_of(link.connection), by_client)
        ends = self._ends.get(key)
        if ends is None:
            ends = bounded(self._ends, MAX_STATIONS)[key] = deque(maxlen=PERIODS)
        ends.append(_End(link.idle_at_end, link.silent_at_end[1 if by_client else 0], event))
        if len(ends) < PERIODS:
            return ()
        whose = ""
        period = _constant([end.any_silence for end in ends])
        if period is None:
            period = _constant([end.other_silence for end in ends])
            whose = " of the CSMS" if by_client else " of the station"
        if period is None:
            return ()
        values = {
            "times": "Three",
            "server": key[1],
            "closer": "the station" if by_client else "the CSMS (or something in front of it)",
            "period": duration(period),
            "whose": whose,
        }
        evidence = tuple(end.event for end in ends)
        owner: Owner = "station" if by_client else "csms"
        return (Finding(IDLE, event.time, link.station, evidence, values, group=str(by_client), owner=owner),)


def _constant(silences: list[int]) -> int | None:
    """Their median, if they are long and all but the same."""
    shortest, longest = min(silences), max(silences)
    if shortest < SHORTEST_PERIOD_NS or longest - shortest > max(TOLERANCE_NS, round(shortest * TOLERANCE)):
        return None
    return sorted(silences)[len(silences) // 2]


@dataclass(slots=True)
class _Repeats:
    """Segments that are sent again and again."""

    from_client: bool
    first: Retransmission
    heard: int
    count: int = 0
    told: bool = False


class PathCheck(Check):
    """Bytes that are sent again and again and never acknowledged."""

    kinds = (PATH_LOST,)
    wants = frozenset({Retransmission, ConnectionClosed})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._repeats: dict[int, _Repeats] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Count retransmissions since the other side was heard."""
        if isinstance(event, ConnectionClosed):
            self._repeats.pop(event.connection.number, None)
            return ()
        if not isinstance(event, Retransmission) or event.kind != "retransmission":
            return ()
        link = picture.links.get(event.connection)
        if link is None or not link.ocpp:
            return ()
        heard = link.heard[1 if event.from_client else 0]
        repeats = self._repeats.get(event.connection.number)
        if repeats is None or repeats.from_client is not event.from_client or repeats.heard != heard:
            if repeats is None:
                bounded(self._repeats)
            repeats = self._repeats[event.connection.number] = _Repeats(event.from_client, event, heard)
        repeats.count += 1
        span = event.time - repeats.first.time
        if repeats.told or not heard or repeats.count < REPEATS or span < REPEATS_NS:
            return ()
        repeats.told = True
        values = {
            "sender": "The station" if event.from_client else "The CSMS",
            "server": server_of(link.connection) if event.from_client else "the station",
            "times": repeats.count,
            "span": duration(span),
        }
        return (Finding(PATH_LOST, event.time, link.station, (repeats.first, event), values),)
