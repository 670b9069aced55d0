"""How long each connector could be used: the share of the observed time in which it was up.

Up: the station was connected and neither the connector nor the station as a whole (1.x connector 0) told Faulted or
Unavailable. The time of a connector runs from the first status that was seen of it. It stands still while nothing can
be known: after a connection went silent without an end, or when the capture ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fieldkit.events import ConnectionClosed, MessageType, OcppMessage
from fieldkit.site.station import Station

DOWN: Final = frozenset({"Faulted", "Unavailable", "Inoperative"})
MAX_CONNECTIONS: Final = 64
"""Connections of one station that are open at once and remembered as its own."""


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
    tracked: bool = False
    """It has a WebSocket connection, whose end says that the station is gone. Logs and SOAP have none."""

    def pass_to(self, time: int) -> None:
        for clock in self.clocks.values():
            self._pass(clock, time)

    def _pass(self, clock: _Clock, time: int) -> None:
        up, observed = self.of(clock, time)
        if time > clock.since:
            clock.up, clock.observed, clock.since = up, observed, time

    def of(self, clock: _Clock, time: int) -> tuple[int, int]:
        """Nanoseconds up and observed until this time."""
        passed = max(0, time - clock.since)
        if self.online is None or not passed:
            return clock.up, clock.observed
        up = self.online and clock.status not in DOWN and self.whole not in DOWN
        return clock.up + (passed if up else 0), clock.observed + passed


class Uptime:
    """All connectors of a session."""

    def __init__(self) -> None:
        self._stations: dict[str, _Presence] = {}
        self._by_connection: dict[int, _Presence] = {}

    def seen(self, message: OcppMessage) -> None:
        """A message of a station or to it: it is there."""
        channel = message.channel
        presence = self._stations.get(channel.station)
        if presence is None:
            presence = self._stations[channel.station] = _Presence()
        presence.last = message.time
        connection = channel.connection
        if connection is not None and connection.number != presence.latest and channel.transport == "json":
            presence.latest = connection.number
            presence.tracked = True
            if len(presence.connections) < MAX_CONNECTIONS:
                presence.connections.add(connection.number)
                self._by_connection[connection.number] = presence
        if not presence.online:
            presence.pass_to(message.time)
            presence.online = True

    def status(self, message: OcppMessage, station: Station) -> None:
        """A StatusNotification or NotifyEvent that ``station`` has taken in."""
        presence = self._stations.get(station.identity)
        if presence is None or message.type is not MessageType.CALL:
            return
        for connector, change in station.connectors.fresh:
            if change.status == change.previous:
                continue
            if not connector.name:
                presence.pass_to(change.time)
                presence.whole = change.status
                continue
            clock = presence.clocks.get(connector.name)
            if clock is None:
                presence.clocks[connector.name] = _Clock(change.status, change.time)
            else:
                presence.pass_to(change.time)
                clock.status = change.status

    def closed(self, event: ConnectionClosed) -> None:
        """The end of a connection."""
        presence = self._by_connection.pop(event.connection.number, None)
        if presence is None:
            return
        presence.connections.discard(event.connection.number)
        presence.latest = -1
        if not presence.connections:
            presence.pass_to(event.time)
            presence.online = False if event.how in ("fin", "rst") else None

    def of(self, station: str, connector: str, now: int) -> tuple[int, int]:
        """Nanoseconds in which a connector was up, and in which it was observed."""
        presence = self._stations.get(station)
        clock = None if presence is None else presence.clocks.get(connector)
        if presence is None or clock is None:
            return 0, 0
        return presence.of(clock, now if presence.tracked else presence.last)

    def total(self, now: int) -> tuple[int, int]:
        """The same over all connectors."""
        up = observed = 0
        for presence in self._stations.values():
            end = now if presence.tracked else presence.last
            for clock in presence.clocks.values():
                this_up, this_observed = presence.of(clock, end)
                up += this_up
                observed += this_observed
        return up, observed
