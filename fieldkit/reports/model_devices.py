"""Devices on serial ports in the document: what each told last, and whose it was taken for.

Their own words are as hostile as any station's, and as indiscreet: a reading may hold what a console printed.
"""

from __future__ import annotations

from typing import Final

from fieldkit.events import DeviceReading
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.reports.document import DeviceEntry, DeviceValue
from fieldkit.reports.moments import iso_or_none
from fieldkit.safetext import shorten
from fieldkit.site.device import Device
from fieldkit.site.picture import Picture

MAX_VALUES: Final = 100
"""Of a device, in the order in which they were told first: the longest profile has 90."""
_NAME: Final = 200
_LARGEST: Final = 1e300
"""What is beyond, infinity and "not a number" among it, is no JSON."""


def entries(picture: Picture) -> list[DeviceEntry]:
    """One for each device that was heard."""
    return [_entry(device, picture) for device in picture.devices.all.values()]


def _entry(device: Device, picture: Picture) -> DeviceEntry:
    owner = picture.devices.owners.of(device.key, picture.stations, picture.links)
    told = list(device.latest.values())
    return {
        "port": shorten(device.port, _NAME),
        "dialect": device.dialect,
        "name": shorten(device.name, _NAME),
        "station": shorten(owner.station, _NAME),
        "connector": shorten(owner.connector, _NAME),
        "reason": shorten(owner.why, _NAME),
        "last": iso_or_none(device.heard),
        "pilot": device.pilot[-1].state if device.pilot else "",
        "network": device.network[-1].state if device.network else "",
        "values": [_value(reading) for reading in told[:MAX_VALUES]],
        "values_left_out": max(len(told) - MAX_VALUES, 0),
    }


def _value(reading: DeviceReading) -> DeviceValue:
    value = reading.value
    if isinstance(value, str):
        value = shorten(conceal_text(value), _NAME)
    elif value is not None and not abs(value) < _LARGEST:
        value = None
    return {
        "name": shorten(reading.name, _NAME),
        "value": value,
        "unit": reading.unit,
        "measurand": reading.measurand,
        "phase": reading.phase,
        "time": iso_or_none(reading.time),
        "verified": reading.verified,
    }
