"""Which station a device on a serial port belongs to: nothing on the wire says so, so only where there is no choice."""

from __future__ import annotations

from fieldkit.events import DeviceReading, Event
from fieldkit.site.connector import Connector
from fieldkit.site.picture import Picture
from fieldkit.site.station import Station


def only_station(picture: Picture) -> Station | None:
    """The station of the session, where it has one: a port says nothing of which charger it is in."""
    if len(picture.stations) != 1:
        return None
    return next(iter(picture.stations.values()))


def only_connector(station: Station) -> Connector | None:
    """Its connector, where it has told of one (the station itself, connector 0, aside)."""
    found = [connector for connector in station.connectors.all.values() if connector.name]
    return found[0] if len(found) == 1 else None


def said(reading: Event) -> str:
    """What was on the wire, short enough to be read in a sentence."""
    return reading.raw[:60] if isinstance(reading, DeviceReading) else ""
