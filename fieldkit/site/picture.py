"""The picture of a site: every event goes in, and afterwards it is known who is there and how they fare."""

from __future__ import annotations

from typing import Final

from fieldkit.events import Event, OcppMessage, Unanswered
from fieldkit.site.link import Links
from fieldkit.site.station import Station

MAX_STATIONS: Final = 10_000
"""Stations of one session; messages of those beyond it are counted, no more."""


class Picture:
    """Stations by identity, connections by number."""

    def __init__(self) -> None:
        self.stations: dict[str, Station] = {}
        self.links = Links()
        self.crowded_out = 0
        """Messages of stations beyond ``MAX_STATIONS``."""
        self.time = 0
        """Of the latest event."""

    def feed(self, event: Event) -> None:
        """Take in an event; checks that look at it afterwards find it in the picture."""
        if event.time > self.time:
            self.time = event.time
        if event.__class__ in self.links.WANTS:
            self.links.feed(event)
        if isinstance(event, OcppMessage):
            station = self.station_of(event)
            if station is None:
                self.crowded_out += 1
            else:
                station.feed(event)
        elif isinstance(event, Unanswered):
            station = self.stations.get(event.call.channel.station)
            if station is not None:
                station.latencies.unanswered(event)

    def station_of(self, message: OcppMessage) -> Station | None:
        """The station that a message is from or to; None when there are too many to know them all."""
        channel = message.channel
        station = self.stations.get(channel.station)
        if station is None:
            if len(self.stations) >= MAX_STATIONS:
                return None
            station = self.stations[channel.station] = Station(channel.station, inferred=channel.station_inferred)
        return station
