"""How long each connector could be used: the share of the observed time in which it was up.

Up: the station was connected and neither the connector nor the station as a whole (1.x connector 0) told Faulted or
Unavailable. The time of a connector runs from the first status that was seen of it. It stands still while nothing can
be known: after a connection went silent without an end, and when the capture ended. A station whose connection ended
was offline once it is seen again: as long as it is not, nobody can tell whether it is down, was switched off, or talks
where it is not captured, so that this time is not counted, and reports say of how many connectors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fieldkit.events import ConnectionClosed, MessageType, OcppMessage
from fieldkit.site.station import Station

DOWN: Final = frozenset({"Faulted", "Unavailable", "Inoperative"})
MAX_CONNECTIONS: Final = 64
"""Connections of one station that are open at once and remembered as its own."""
AWAY: Final = 60 * 1_000_000_000
"""So long before the end of the capture: sooner a station may just be about to come back."""
MAX_SOURCES: Final = 1000
"""Sources whose ends are known."""


@dataclass(slots=True)
class _Clock:
    """The time of one connector."""

    status: str
    since: int
    up: int = 0
    observed: int = 0


@dataclass(slots=True)
class _Presence:
    """One station, as far as its uptime is concerned."""

    clocks: dict[str, _Clock] = field(default_factory=dict)
    whole: str = ""
    """Status of the station as a whole."""
    online: bool | None = None
    """None: it cannot be known."""
    connections: set[int] = field(default_factory=set)
    latest: int = -1
    """Number of the connection that its last message came on."""
    last: int = 0
    source: str = ""
    """Where it was seen last."""
    tracked: bool = False
    """It has a WebSocket connection, whose end says that the station is gone. Logs and SOAP have none."""

    def pass_to(self, time: int, end: int) -> None:
        """Count what has passed; ``end``: how far the source reaches in which it was seen last."""
        for clock in self.clocks.values():
            if time > clock.since:
                clock.up, clock.observed = self.of(clock, time, end)
                clock.since = time

    def of(self, clock: _Clock, time: int, end: int) -> tuple[int, int]:
        """Nanoseconds up and observed until this time."""
        passed = max(0, (time if self.online else min(time, end)) - clock.since)
        if self.online is None or not passed:
            return clock.up, clock.observed
        up = self.online and clock.status not in DOWN and self.whole not in DOWN
        return clock.up + (passed if up else 0), clock.observed + passed


class Uptime:
    """All connectors of a session."""

    def __init__(self) -> None:
        self._stations: dict[str, _Presence] = {}
        self._by_connection: dict[int, _Presence] = {}
        self._ends: dict[str, int] = {}
        """How far each source reaches so far."""

    def seen(self, message: OcppMessage) -> None:
        """A message of a station or to it: it is there."""
        channel = message.channel
        presence = self._stations.get(channel.station)
        if presence is None:
            presence = self._stations[channel.station] = _Presence()
        time = presence.last = message.time
        self._reaches(message.source, time)
        connection = channel.connection
        if connection is not None and connection.number != presence.latest and channel.transport == "json":
            presence.latest = connection.number
            presence.tracked = True
            if len(presence.connections) < MAX_CONNECTIONS:
                presence.connections.add(connection.number)
                self._by_connection[connection.number] = presence
        if not presence.online:
            self._pass(presence, time)
            presence.online = True
        presence.source = message.source

    def _reaches(self, source: str, time: int) -> None:
        if time > self._ends.get(source, 0) and (source in self._ends or len(self._ends) < MAX_SOURCES):
            self._ends[source] = time

    def _pass(self, presence: _Presence, time: int) -> None:
        presence.pass_to(time, self._ends.get(presence.source, 0))

    def status(self, message: OcppMessage, station: Station) -> None:
        """A StatusNotification or NotifyEvent that ``station`` has taken in."""
        presence = self._stations.get(station.identity)
        if presence is None or message.type is not MessageType.CALL:
            return
        for connector, change in station.connectors.fresh:
            if change.status == change.previous:
                continue
            if not connector.name:
                self._pass(presence, change.time)
                presence.whole = change.status
                continue
            clock = presence.clocks.get(connector.name)
            if clock is None:
                presence.clocks[connector.name] = _Clock(change.status, change.time)
            else:
                self._pass(presence, change.time)
                clock.status = change.status

    def closed(self, event: ConnectionClosed) -> None:
        """The end of a connection."""
        if event.how != "timeout":
            self._reaches(event.connection.source, event.time)
        presence = self._by_connection.pop(event.connection.number, None)
        if presence is None:
            return
        presence.connections.discard(event.connection.number)
        presence.latest = -1
        if not presence.connections:
            self._pass(presence, event.time)
            presence.online = False if event.how in ("fin", "rst") else None

    def of(self, station: str, connector: str, now: int) -> tuple[int, int]:
        """Nanoseconds in which a connector was up, and in which it was observed."""
        presence = self._stations.get(station)
        clock = None if presence is None else presence.clocks.get(connector)
        if presence is None or clock is None:
            return 0, 0
        if presence.online is False:
            return clock.up, clock.observed
        return presence.of(clock, now if presence.tracked else presence.last, self._ends.get(presence.source, 0))

    def total(self, now: int) -> tuple[int, int]:
        """The same over all connectors."""
        up = observed = 0
        for presence in self._stations.values():
            until = now if presence.tracked else presence.last
            end = self._ends.get(presence.source, 0)
            for clock in presence.clocks.values():
                if presence.online is False:
                    this_up, this_observed = clock.up, clock.observed
                else:
                    this_up, this_observed = presence.of(clock, until, end)
                up += this_up
                observed += this_observed
        return up, observed

    def gone(self, now: int) -> int:
        """Connectors of stations that have been offline for a while: their time since then is not in the totals."""
        return sum(
            presence.online is False and now - clock.since >= AWAY
            for presence in self._stations.values()
            for clock in presence.clocks.values()
        )
