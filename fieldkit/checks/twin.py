"""One identity, two connections: stations that come back before their old connection is gone, and impostors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.onwire import MAX_STATIONS, bounded, server_of
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import ConnectionClosed, Event, HttpResponse, Unanswered
from fieldkit.site.link import MAX_TEXT, Link, asks_upgrade, identity_of, speaks_ocpp
from fieldkit.site.picture import Picture

ALIVE_NS: Final = 10 * SECOND
"""What comes so long after the second connection began was not under way already: the first one lives."""
MAX_OPEN: Final = 8
"""Connections of one station at one server that are kept apart."""

LEFT_OPEN = Kind(
    "connection.left-open",
    "info",
    "uplink",
    "The station came back while its old connection was still open",
    "The station opened a new connection to {server} although its earlier one, {age} old and silent for {silent}, had"
    " not been closed as far as this capture shows. It probably lost its network, or was restarted.",
    "Nothing to do if it is rare. The CSMS must drop the old connection and use the new one.",
    "github.com/lorenzodonini/ocpp-go/issues/314",
    inferred=True,
)
BOTH = Kind(
    "connection.identity-used-twice",
    "warning",
    "operator",
    "Two connections use the same station identity at the same time",
    "{old} and {new} are both connected to {server} under this identity and both go on talking. A CSMS can serve only"
    " one of them: commands reach the wrong one, and each may throw the other out.",
    "Find the two devices by their addresses and give each its own identity. {advice}",
    "OCPP-J 1.6 §3.1.1; github.com/citrineos/citrineos/issues/190",
)
REFUSED_AGAIN = Kind(
    "connection.reconnect-refused",
    "warning",
    "csms",
    "The station is turned away while its old connection still counts",
    "The station asked {server} for a new connection and got {status}; its earlier connection, silent for {silent}, had"
    " not been closed. The CSMS probably holds on to the dead one.",
    "CSMS operator: have a new connection of a station replace the old one, and detect dead ones by pings.",
    "github.com/lorenzodonini/ocpp-go/issues/314; github.com/steve-community/steve/issues/357",
    inferred=True,
)
IGNORED_AGAIN = Kind(
    "connection.reconnect-ignored",
    "critical",
    "csms",
    "The CSMS does not answer on the station's new connection",
    "{server} accepted a new connection of the station while the earlier one was still open, and then answered nothing"
    " that was said on the new one. The CSMS probably still uses the dead connection.",
    "CSMS operator: have a new connection of a station replace the old one. Until then the station comes back only when"
    " the old connection has timed out at the CSMS.",
    "github.com/lorenzodonini/ocpp-go/issues/358; github.com/citrineos/citrineos/issues/190",
    inferred=True,
)


class _Pair(NamedTuple):
    old: Link
    new: Link
    response: HttpResponse
    silent: int
    """How long the old one had been silent by then."""


class TwinCheck(Check):
    """Second connections of a station whose first is open."""

    kinds = (LEFT_OPEN, BOTH, REFUSED_AGAIN, IGNORED_AGAIN)
    wants = frozenset({HttpResponse, ConnectionClosed, Unanswered})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._open: dict[tuple[str, str], dict[int, Link]] = {}
        """By path and server: a CSMS of several operators may have two stations of one name on different paths."""
        self._pairs: dict[int, _Pair] = {}
        """By number of the new connection …"""
        self._new_of: dict[int, int] = {}
        """… and this by that of the old one."""
        self._ended: dict[int, _Pair] = {}
        """New connections that have ended: what stayed unanswered on them is told just behind the end."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Compare a station's connections."""
        if isinstance(event, HttpResponse):
            return list(self._answered(event, picture))
        if isinstance(event, ConnectionClosed):
            return list(self._closed(event, picture))
        if isinstance(event, Unanswered):
            return self._unanswered(event)
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Pairs that are open still."""
        for pair in self._pairs.values():
            yield from _judged(pair)

    def _answered(self, response: HttpResponse, picture: Picture) -> Iterator[Finding]:
        request = response.request
        link = picture.links.get(response.connection)
        if request is None or link is None or not asks_upgrade(request):
            return
        station, server = identity_of(request.target), server_of(response.connection)
        if not station:
            return
        place = _path(request.target), server
        known = self._open.get(place, {})
        # The same key is the same handshake, seen in two places.
        others = [one for one in known.values() if one.closed is None and one.key != link.key]
        old = others[-1] if others else None
        if response.status == 101:
            if not known:
                known = bounded(self._open, MAX_STATIONS)[place] = {}
            bounded(known, MAX_OPEN)[response.connection.number] = link
            if old is not None:
                pair = _Pair(old, link, response, response.time - old.last_traffic)
                bounded(self._pairs)[response.connection.number] = pair
                bounded(self._new_of)[old.connection.number] = response.connection.number
        elif (
            old is not None
            and speaks_ocpp(request)
            and response.status >= 400
            and response.status != 401
            and old.heard[0] < response.time
        ):
            values = {
                "server": server,
                "status": f"{response.status} {response.reason[:80]}".rstrip(),
                "silent": duration(response.time - old.last_traffic),
            }
            yield Finding(REFUSED_AGAIN, response.time, station, (request, response), values)

    def _closed(self, closed: ConnectionClosed, picture: Picture) -> Iterator[Finding]:
        number = closed.connection.number
        link = picture.links.get(closed.connection)
        if link is not None and link.upgraded is not None:
            place = _path(link.target), server_of(link.connection)
            known = self._open.get(place)
            if known is not None:
                known.pop(number, None)
                if not known:
                    del self._open[place]
        pair = self._pairs.pop(number, None)
        if pair is not None:
            self._new_of.pop(pair.old.connection.number, None)
            bounded(self._ended)[number] = pair
            yield from _judged(pair)
        new = self._new_of.pop(number, None)
        pair = self._pairs.pop(new, None) if new is not None else None
        if pair is not None:
            # Kept for what stays unanswered on the new connection.
            bounded(self._ended)[pair.new.connection.number] = pair
            yield from _judged(pair)

    def _unanswered(self, event: Unanswered) -> Iterable[Finding]:
        call = event.call
        connection = call.channel.connection
        if event.why != "connection-closed" or call.sender != "station" or connection is None:
            return ()
        pair = self._ended.pop(connection.number, None)
        if pair is None or pair.new.heard[1] > pair.response.time:
            return ()
        values = {"server": server_of(connection)}
        return (Finding(IGNORED_AGAIN, call.time, call.channel.station, (call, pair.response), values),)


def _path(target: str) -> str:
    """Of the connection URL, as far as a link keeps it."""
    return target[:MAX_TEXT].partition("?")[0].rstrip("/")


def _judged(pair: _Pair) -> Iterator[Finding]:
    old, new, response, silent = pair
    if not old.ocpp or not new.ocpp:
        return  # somebody else's WebSockets, to one address
    station = new.station or identity_of(new.target)
    began = response.time
    if old.heard[0] > began + ALIVE_NS and new.heard[0] > began + ALIVE_NS:
        first, second = old.connection.client.address, new.connection.client.address
        values: dict[str, object] = {
            "old": f"{first} (port {old.connection.client.port})",
            "new": f"{second} (port {new.connection.client.port})",
            "server": server_of(new.connection),
            "advice": "Both come from one address: if only one station is behind it, it opens a second connection by"
            " itself, and its manufacturer has to say why."
            if first == second
            else "",
        }
        yield Finding(BOTH, began, station, (response,), values)
    else:
        values = {
            "server": server_of(new.connection),
            "age": duration(began - old.connection.opened),
            "silent": duration(silent),
        }
        yield Finding(LEFT_OPEN, began, station, (response,), values)
