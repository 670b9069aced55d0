"""What a device on a serial port is held against: the messages of the station it belongs to, where that is known."""

from __future__ import annotations

from fieldkit.events import DeviceReading, Event
from fieldkit.site.connector import Connector
from fieldkit.site.device import Device
from fieldkit.site.picture import Picture
from fieldkit.site.station import Station


def owner(picture: Picture, device: Device) -> Station | None:
    """The station that a device belongs to; None where nobody said so and nothing shows it."""
    found = picture.devices.owners.of(device.key, picture.stations, picture.links)
    return picture.stations.get(found.station) if found.station else None


def connector_of(picture: Picture, device: Device, station: Station) -> Connector | None:
    """The connector that it looks at: the one that the user named, or the only one the station has told of."""
    named = picture.devices.owners.of(device.key, picture.stations, picture.links).connector
    if named:
        return station.connectors.find(named)
    # The station itself, connector 0, has no name.
    found = [connector for connector in station.connectors.all.values() if connector.name]
    return found[0] if len(found) == 1 else None


def measures(picture: Picture, device: Device, connector: str) -> bool:
    """Whether it may be the meter of that connector: of any, unless the user named one."""
    named = picture.devices.owners.of(device.key, picture.stations, picture.links).connector
    return not named or named == connector


def devices_of(picture: Picture, station: Station) -> list[Device]:
    """The devices that belong to a station."""
    return [device for device in picture.devices.all.values() if owner(picture, device) is station]


def said(reading: Event) -> str:
    """What was on the wire, short enough to be read in a sentence."""
    return reading.raw[:60] if isinstance(reading, DeviceReading) else ""
