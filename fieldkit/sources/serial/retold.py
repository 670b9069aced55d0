"""A recording of a port → what its devices told, as events: what a session holds against the messages of stations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from fieldkit.devices.modbus.profile import Profile
from fieldkit.events import ConsoleLine, ConsoleSighting, DeviceReading
from fieldkit.sources.serial.decoding import Decoder, Row
from fieldkit.sources.serial.device import DeviceSpec, parse_device
from fieldkit.sources.serial.overhearing import Expected
from fieldkit.sources.serial.recording import FORMAT, About, Notice, RecordingError, read_recording
from fieldkit.sources.serial.settings import parse_line

Told = ConsoleLine | ConsoleSighting | DeviceReading
FindProfile = Callable[[str], Profile]

_HEAD: Final = 200
"""Bytes in which a recording says that it is one."""


def is_recording(path: str) -> bool:
    """Whether a file is a recording of a serial port."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return head.startswith(b"{") and f'"format": "{FORMAT}"'.encode() in head


def expected_of(about: About, find: FindProfile) -> Expected:
    """Who was listened to or asked; ValueError where its profile is not to be had here."""
    return parse_device(about.device, find).expected if about.device else Expected(about.dialect)


class Retold:
    """One recording. ``events`` reads it once."""

    def __init__(self, path: str, find: FindProfile, spec: DeviceSpec | None = None) -> None:
        """``spec``: who speaks, if not whom it names. Raises ``RecordingError``, ``OSError``, ``ValueError``."""
        self.path = path
        self.about, self._items = read_recording(Path(path))
        self._find = find
        expected = spec.expected if spec is not None else expected_of(self.about, find)
        self._decoder = Decoder(parse_line(self.about.settings), self.about.port, expected=expected)
        self._fixed = spec is not None
        self.first = 0
        """When something was heard or sent first …"""
        self.last = 0
        """… and last."""
        self.told = 0
        """Events handed out."""
        self.readings = 0
        """Values among them."""
        self.fault = ""
        """Why it was not understood to its end."""

    def events(self) -> Iterator[Told]:
        """What was told, in the order of time."""
        try:
            for item in self._items:
                self.first = self.first or item.time
                self.last = max(self.last, item.time)
                if isinstance(item, Notice) and item.kind == "device" and not self._fixed:
                    yield from self._renamed(item.text)
                yield from self._of(self._decoder.feed(item))
        except RecordingError as error:
            self.fault = f"read up to its first damaged line: {error}"
        yield from self._of(self._decoder.finish())

    def _renamed(self, device: str) -> Iterator[Told]:
        """From here on the operator knew what it is."""
        yield from self._of(self._decoder.finish())
        try:
            expected = parse_device(device, self._find).expected if device else Expected()
        except ValueError as error:
            self.fault = f"what it was named as is not known here: {error}"
            return
        self._decoder = Decoder(self._decoder.settings, self.about.port, expected=expected)

    def _of(self, rows: list[Row]) -> Iterator[Told]:
        for row in rows:
            if row.event is not None:
                self.told += 1
                self.readings += isinstance(row.event, DeviceReading)
                yield row.event
