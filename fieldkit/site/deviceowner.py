"""Which station a device on a serial port belongs to: as the user said, or as both sides tell themselves.

Nothing on a serial line names a station. What may:

- the user, who knows which cabinet the cable went into;
- a console that prints the address it connects to, which ends with the station's identity (1.6J §3.1.1);
- a modem that tells the address it has, and a station whose connections come from there;
- a serial number that the device tells, and a station as its own or its meter's (BootNotification);
- a capture with one station only, if nothing speaks for another one.

Where that names two stations, or none, the device is held against nobody's messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from fieldkit.events import ConsoleLine, DeviceReading, Event
from fieldkit.site.reading import member, text

if TYPE_CHECKING:
    from fieldkit.events import OcppMessage
    from fieldkit.site.link import Links

MAX_STATION_NUMBERS: Final = 40_000
"""Serial numbers of stations and their meters that are remembered: four for each of 10,000 stations."""
MAX_TELLING: Final = 64
"""Devices whose words on this are kept: as many as a session knows."""
MAX_CLAIMS: Final = 8
"""Different things that one device tells of whose it is; who tells more speaks of others."""
_SHORTEST: Final = 5
"""Characters of a serial number that two things do not share by accident."""
_URL: Final = re.compile(r"wss?://[^\s\"'<>,;)\]]{1,300}")
_NUMBER: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/-]{3,63}")
_SERIALS: Final = frozenset({"serial_number", "meter_number"})
_ADDRESS: Final = "address_"

Key = tuple[str, str, str]
"""Port, dialect and name of a device."""


class Owner(NamedTuple):
    """Whose a device is."""

    station: str
    """Its identity; empty while that is not known."""
    connector: str
    """Which one, where the user said so."""
    why: str
    """How that is known, or why it is not; a sentence for people."""


class Owners:
    """What is known of it in a session."""

    def __init__(self) -> None:
        self.chosen: dict[str, str] = {}
        """As the user said: station, or STATION#CONNECTOR, by port, its last part, or PORT:DEVICE; "" is all ports."""
        self._claims: dict[Key, dict[tuple[str, str], None]] = {}
        """By device: ("identity", "CP_7"), ("address", "10.1.2.3"), ("serial", "00123")."""
        self._numbers: dict[str, set[str]] = {}
        """Serial numbers that stations tell, and who does."""
        self._version = 0
        self._known: dict[Key, tuple[tuple[int, int, int], Owner]] = {}

    def choose(self, port: str, station: str) -> None:
        """The user says whose the devices on a port are; with nothing for a station he takes it back."""
        self.chosen[port] = station
        if not station:
            del self.chosen[port]
        self._version += 1

    # ------------------------------------------------------------------------------------------------------- evidence

    def told(self, event: Event, key: Key) -> None:
        """A device said something; does it say whose it is?"""
        if isinstance(event, DeviceReading):
            if event.value.__class__ is str:
                self._claim(key, _claims_of(event))
        elif isinstance(event, ConsoleLine) and "://" in event.text:
            self._claim(key, [("identity", name) for name in map(_last_part, _URL.findall(event.text)) if name])

    def booted(self, message: OcppMessage) -> None:
        """A station introduces itself."""
        for number in _numbers_of(message.payload):
            if len(self._numbers) < MAX_STATION_NUMBERS or number in self._numbers:
                owners = self._numbers.setdefault(number, set())
                if message.channel.station not in owners:
                    owners.add(message.channel.station)
                    self._version += 1

    def _claim(self, key: Key, found: Iterable[tuple[str, str]]) -> None:
        for claim in found:
            if key not in self._claims and len(self._claims) >= MAX_TELLING:
                return
            claims = self._claims.setdefault(key, {})
            if claim not in claims and len(claims) < MAX_CLAIMS:
                claims[claim] = None
                self._version += 1

    # ---------------------------------------------------------------------------------------------------------- whose

    def of(self, key: Key, stations: Mapping[str, object], links: Links) -> Owner:
        """Whose the device is, as far as is known now. ``stations``: all there are, by identity."""
        state = (self._version, len(stations), len(links.all))
        known = self._known.get(key)
        if known is None or known[0] != state:
            known = self._known[key] = (state, self._find(key, stations, links))
        return known[1]

    def _find(self, key: Key, stations: Mapping[str, object], links: Links) -> Owner:
        chosen = self._chosen(key)
        if chosen is not None:
            station, _, connector = chosen.partition("#")
            if station in stations:
                return Owner(station, connector, "as you said")
            return Owner("", "", f"{station} is to be its station, which is not seen here")
        found: dict[str, str] = {}
        for kind, value in self._claims.get(key, ()):
            for station in self._named(kind, value, stations, links):
                found.setdefault(station, _WHY[kind].format(value=value))
        if len(found) == 1:
            station, why = next(iter(found.items()))
            return Owner(station, "", why)
        if found:
            return Owner("", "", f"what it tells fits {len(found)} stations")
        if len(stations) == 1:
            return Owner(next(iter(stations)), "", "it is the only station here")
        if not stations:
            return Owner("", "", "there is no station here")
        return Owner("", "", f"there are {len(stations)} stations, and nothing tells which of them it is in")

    def _chosen(self, key: Key) -> str | None:
        if not self.chosen:
            return None
        port, _, device = key
        short = port.rpartition("/")[2]
        names = (f"{port}:{device}", f"{short}:{device}", port, short, "")
        return next((self.chosen[name] for name in names if name in self.chosen), None)

    def _named(self, kind: str, value: str, stations: Mapping[str, object], links: Links) -> set[str]:
        if kind == "identity":
            return {value} if value in stations else set()
        if kind == "serial":
            return self._numbers.get(value, set())
        return {link.station for link in links.all.values() if link.station and _comes_from(link.connection, value)}


_WHY: Final = {
    "identity": "its console prints an address that ends with {value}",
    "address": "it has the address {value}, where the station's connections come from",
    "serial": "the station told the same serial number, {value}",
}


def _comes_from(connection: object, address: str) -> bool:
    client = getattr(connection, "client", None)
    return getattr(client, "address", None) == address


def _claims_of(reading: DeviceReading) -> Iterator[tuple[str, str]]:
    value = str(reading.value).strip()
    if reading.name in _SERIALS:
        number = _plain(value)
        if number:
            yield "serial", number
    elif reading.dialect == "at" and reading.name.startswith(_ADDRESS) and value not in ("", "0.0.0.0"):
        yield "address", value


def _numbers_of(payload: object) -> Iterator[str]:
    """BootNotification: 1.x has three of them; 2.x one, the meter's being a variable."""
    for name in ("chargePointSerialNumber", "chargeBoxSerialNumber", "meterSerialNumber"):
        yield from filter(None, [_plain(text(payload, name) or "")])
    yield from filter(None, [_plain(text(member(payload, "chargingStation"), "serialNumber") or "")])


def _plain(number: str) -> str:
    """A serial number without what is written now and then; empty where it is none."""
    short = number.strip().lstrip("0").upper()
    return short if len(short) >= _SHORTEST and _NUMBER.fullmatch(short) and any(map(str.isdigit, short)) else ""


def _last_part(url: str) -> str:
    """The identity at the end of an address."""
    path = url.split("?", 1)[0].split("#", 1)[0].rstrip("/.:")
    host, _, rest = path.partition("://")[2].partition("/")
    return unquote(rest.rpartition("/")[2])[:100] if host and rest else ""
