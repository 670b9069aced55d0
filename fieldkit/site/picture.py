"""The picture of a site: every event goes in, and afterwards it is known who is there and how they fare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from fieldkit.events import ConnectionClosed, Event, OcppMessage, Unanswered
from fieldkit.site.device import Devices
from fieldkit.site.errorcodes import ErrorCodes
from fieldkit.site.hosts import Hosts
from fieldkit.site.link import Links
from fieldkit.site.outages import Outages
from fieldkit.site.outcomes import Outcomes, Rules
from fieldkit.site.room import Room
from fieldkit.site.station import Station

MAX_STATIONS: Final = 10_000
"""Stations of one session; messages of those beyond it are counted, no more."""
MAX_SOURCES: Final = 1000
"""Sources whose times are told apart."""


class Picture:
    """Stations by identity, connections by number."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.stations: dict[str, Station] = {}
        self.links = Links()
        self.outages = Outages(self.links)
        """How the paths under the connections fared, and what was lost with them."""
        self.hosts = Hosts()
        """Servers that connections went to, OCPP or not."""
        self.devices = Devices()
        """What devices on serial ports told."""
        self.outcomes = Outcomes(rules)
        """Charge attempts and uptime."""
        self.errors: dict[str, ErrorCodes] = {}
        """By station: what it told of errors."""
        self.spans: dict[str, tuple[int, int]] = {}
        """By source: capture times of its first and last message or connection."""
        self.crowded_out = 0
        """Messages of stations beyond ``MAX_STATIONS``."""
        self.time = 0
        """Of the latest event."""
        self._room = Room()
        self._parts: Final = self._told_by_kind()

    def feed(self, event: Event) -> None:
        """Take in an event; checks that look at it afterwards find it in the picture."""
        if event.time > self.time:
            self.time = event.time
        for part in self._parts.get(event.__class__, ()):
            part(event)

    def _told_by_kind(self) -> dict[type[Event], tuple[Callable[[Any], object], ...]]:
        """By class of event: who must learn of it, in this order."""
        wanted: list[tuple[Iterable[type[Event]], Callable[[Any], object]]] = [
            (Links.WANTS, self.links.feed),
            (Outages.WANTS, self.outages.feed),
            ((OcppMessage,), self._message),
            ((Unanswered,), self._unanswered),
            (Hosts.WANTS, self.hosts.feed),
            (Devices.WANTS, self.devices.feed),
            ((ConnectionClosed,), self._closed),
        ]
        kinds = {kind for some, _ in wanted for kind in some}
        return {kind: tuple(part for some, part in wanted if kind in some) for kind in kinds}

    def _message(self, message: OcppMessage) -> None:
        self._span(message.source, message.time)
        station = self.station_of(message)
        if station is None:
            self.crowded_out += 1
            return
        station.feed(message)
        self.outcomes.feed(message, station)
        if message.action in ErrorCodes.ACTIONS:
            self._told(message)
        if message.action == "BootNotification":
            self.devices.owners.booted(message)

    def _unanswered(self, event: Unanswered) -> None:
        station = self.stations.get(event.call.channel.station)
        if station is not None:
            station.latencies.unanswered(event)

    def _closed(self, event: ConnectionClosed) -> None:
        self._span(event.connection.source, event.connection.opened)
        self._span(event.connection.source, event.time)
        self.outcomes.closed(event)

    def finish(self) -> None:
        """Nothing more comes: what waited for more is concluded."""
        self.outages.finish()

    def end_of(self, source: str) -> int:
        """How far a source reaches: of several captures, what one of them does not show may be in no other."""
        span = self.spans.get(source)
        return self.time if span is None else span[1]

    def station_of(self, message: OcppMessage) -> Station | None:
        """The station that a message is from or to; None when there are too many to know them all."""
        channel = message.channel
        station = self.stations.get(channel.station)
        if station is None:
            if len(self.stations) >= MAX_STATIONS:
                return None
            self._room.stations += 1
            station = Station(channel.station, inferred=channel.station_inferred, room=self._room)
            self.stations[channel.station] = station
        return station

    def _told(self, message: OcppMessage) -> None:
        errors = self.errors.get(message.channel.station)
        if errors is None:
            errors = self.errors[message.channel.station] = ErrorCodes()
        errors.feed(message)

    def _span(self, source: str, time: int) -> None:
        span = self.spans.get(source)
        if time <= 0:
            return
        if span is None:
            if len(self.spans) < MAX_SOURCES:
                self.spans[source] = (time, time)
        elif time > span[1]:
            self.spans[source] = (span[0], time)
        elif time < span[0]:
            self.spans[source] = (time, span[1])
