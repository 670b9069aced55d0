"""Clock against clock: the time that a modem has from its network, against the station's timestamps.

The network tells a modem the time (NITZ), good to a second or two, and the station could take it from there. Three
clocks are needed to say which one is wrong: the modem's, the station's, and that of the machine that reads both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from re import compile as regex
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.devicejoin import owner
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import DeviceReading, Event
from fieldkit.site.picture import Picture
from fieldkit.site.station import Station

CLOSE: Final = 10 * SECOND
"""Clocks within this agree: whole seconds, a slow line, a slow uplink."""
APART: Final = 60 * SECOND
"""Clocks further apart than this are not the same; between the two nothing is said."""
AGAIN: Final = 30 * SECOND
"""Two readings of the device's clock, so far apart, must say the same offset before it is believed."""
UNSET_YEAR: Final = 2020
"""A clock before it was never set: modems start in 1970, 1980 or 2004, and say nothing by it."""
_STAMP: Final = regex(r"(\d\d)/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d\d)?$")
"""27.007 §8.15: yy/MM/dd,hh:mm:ss and the zone in quarters of an hour."""
_QUARTER: Final = 900 * SECOND

STATION = Kind(
    "device.clock-station",
    "warning",
    "station",
    "The station's clock is wrong, and its modem knows the time",
    "The modem on {port} says {said} at {at}, as the clock of this machine does (to {close}). The station's timestamps "
    "are {off} that: the last one says {text}.",
    "Station: have it set its clock from the CSMS, from NTP or from the modem's network time.",
    "OCPP 1.6 §4.2; 3GPP TS 27.007 §8.15",
    inferred=True,
)
DEVICE = Kind(
    "device.clock-wrong",
    "info",
    "station",
    "The modem's clock is wrong, the station's is not",
    "The modem on {port} says {said} at {at}, {off} the station's timestamps and the clock of this machine, which "
    "agree to {close}. Times in the modem's own log are shifted by as much.",
    "Nothing to do unless the station takes its time from the modem; then have the network time switched on in it.",
    "3GPP TS 27.007 §8.15",
    inferred=True,
)


class DeviceClockCheck(Check):
    """A third witness."""

    kinds = (STATION, DEVICE)
    wants = frozenset({DeviceReading})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._first: dict[str, tuple[int, int]] = {}
        """By port (bounded as devices are): time and offset of the first of those that agree."""

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, DeviceReading) or event.name != "clock" or event.dialect != "at":
            return
        offset = _offset(event)
        device = picture.devices.of(event)
        if offset is None or device is None:
            return
        first = self._first.get(event.port)
        if first is None or abs(first[1] - offset) > CLOSE:
            self._first[event.port] = (event.time, offset)
            return
        station = owner(picture, device)
        if station is not None and event.time - first[0] >= AGAIN:
            yield from _compared(event, offset, station)


def _compared(event: DeviceReading, offset: int, station: Station) -> Iterator[Finding]:
    own, last = station.clock.offset, station.clock.last
    if own is None or last is None or abs(own - offset) <= APART:
        return
    values = {
        "port": event.port.rsplit("/", 1)[-1][:60],
        "said": str(event.value)[:24],
        "at": clock(event.time),
        "close": duration(CLOSE),
        "text": last.text,
    }
    evidence = (event, last.message)
    if abs(offset) <= CLOSE:
        values["off"] = _off(own)
        yield Finding(STATION, event.time, station.identity, evidence, values, group=event.port)
    elif abs(own) <= CLOSE:
        values["off"] = _off(offset)
        yield Finding(DEVICE, event.time, station.identity, evidence, values, group=event.port)


def _off(offset: int) -> str:
    return f"{duration(offset)} {'ahead of' if offset > 0 else 'behind'}"


def _offset(reading: DeviceReading) -> int | None:
    """The device's clock minus ours. Some firmwares tell local time with its zone, as the standard has it, some UTC
    with the zone beside it: the one that fits better is meant."""
    found = _STAMP.match(reading.value) if isinstance(reading.value, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    if 2000 + year < UNSET_YEAR:
        return None
    try:
        told = int(datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * SECOND
    except ValueError:
        return None
    zone = int(found[7] or 0) * _QUARTER
    return min((told - zone - reading.time, told - reading.time), key=abs)
