"""Recordings of serial ports beside captures: one time line, and whose device each of them is.

``fieldkit report site.pcap ttyUSB0-….serial.jsonl``: what the meter, the controller, the modem or the console said is
held against the messages of the station that it belongs to.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fieldkit.cli.outcome import Outcome
from fieldkit.events import Event

if TYPE_CHECKING:
    from fieldkit.site.deviceowner import Owner
    from fieldkit.site.picture import Picture
    from fieldkit.sources.serial.retold import Retold

AFTERWARDS: Final = 60_000_000_000
"""Nanoseconds after the last packet in which devices may still explain it: a modem is asked now and then."""

station: Final = click.option(
    "--serial-station",
    "serial_station",
    metavar="[PORT=]STATION[#CONNECTOR]",
    multiple=True,
    help="Whose device a recording of a serial port is of (ttyUSB0=CP_7), where that is not evident.",
)
device: Final = click.option(
    "--serial-device",
    "serial_device",
    metavar="[PORT=]DEVICE",
    multiple=True,
    help="What a recording is decoded as (modbus:sdm630@1), where it was not said when it was made.",
)


class Joined:
    """The recordings of a run."""

    def __init__(self, names: tuple[str, ...], stations: tuple[str, ...], devices: tuple[str, ...]) -> None:
        """Take the recordings out of ``names``. UsageError where an option is no good."""
        from fieldkit.sources.serial.retold import is_recording

        self.names = tuple(name for name in names if is_recording(name))
        self.others = tuple(name for name in names if name not in self.names)
        if (stations or devices) and not self.names:
            raise click.UsageError("--serial-station and --serial-device are for recordings of serial ports")
        if self.names and not self.others:
            raise click.UsageError(
                "a recording of a serial port is held against messages: give the capture or log as well "
                "(fieldkit serial replay shows a recording by itself)"
            )
        self._stations = dict(map(_pair, stations))
        self._devices = dict(map(_pair, devices))
        self._recordings: list[Retold] = []
        self._picture: Picture | None = None

    def begin(self, picture: Picture, outcome: Outcome) -> None:
        """Open them, and tell the session whose they are as far as the user said so; what cannot be used is told."""
        if not self.names:
            return
        from fieldkit.cli import serialoptions
        from fieldkit.sources.serial.recording import RecordingError, read_recording
        from fieldkit.sources.serial.retold import Retold

        self._picture = picture
        for port, station in self._stations.items():
            picture.devices.owners.choose(port, station)
        for name in self.names:
            try:
                text = _for_port(self._devices, read_recording(Path(name))[0].port)
                spec = serialoptions.device(text, "--serial-device") if text else None
                self._recordings.append(Retold(name, serialoptions.find_profile, spec))
            except OSError as error:
                outcome.unusable(f"{name}: {error.strerror or error}")
            except (RecordingError, ValueError) as error:
                outcome.unusable(f"{name}: {error}")

    def among(self, batches: Iterator[list[Event]]) -> Iterator[list[Event]]:
        """The events of captures, with those of the recordings between them, by their times.

        What is told before the first packet or after the last goes into the picture only: how long the capture was, and
        what a station owed when it ended, is not a device's to say.
        """
        told = heapq.merge(*(one.events() for one in self._recordings), key=lambda event: event.time)
        waiting = next(told, None)
        begun, end = False, 0
        for batch in batches:
            mixed: list[Event] = []
            for event in batch:
                while waiting is not None and 0 < waiting.time <= event.time:
                    if begun:
                        mixed.append(waiting)
                    else:
                        self._know(waiting)
                    waiting = next(told, None)
                begun = begun or event.time > 0
                end = max(end, event.time)
                mixed.append(event)
            yield mixed
        while waiting is not None:
            if waiting.time - end <= AFTERWARDS:
                self._know(waiting)
            waiting = next(told, None)

    def _know(self, told: Event) -> None:
        if self._picture is not None:
            self._picture.devices.feed(told)

    def notes(self, picture: Picture) -> list[str]:
        """What became of each recording, in sentences."""
        found: list[str] = []
        for one in self._recordings:
            if one.fault:
                found.append(f"{one.path}: {one.fault}")
            if not one.told:
                found.append(f"{one.path}: nothing in it was understood (--serial-device says what it is of)")
                continue
            devices = {
                key: owner for key, owner in _owners(picture) if key[0] == one.about.port and key in picture.devices.all
            }
            for (_, dialect, name), owner in devices.items():
                found.append(_sentence(one, name or dialect, owner))
            if not devices:
                found.append(f"{one.path}: text of a console without anything that says how the charger fares")
            if _apart(one, picture):
                found.append(
                    f"{one.path}: it was recorded at another time than the capture, so nothing could be compared: do "
                    "the clocks of the two machines agree?"
                )
        return found


def _owners(picture: Picture) -> Iterator[tuple[tuple[str, str, str], Owner]]:
    for key in picture.devices.all:
        yield key, picture.devices.owners.of(key, picture.stations, picture.links)


def _sentence(one: Retold, name: str, owner: Owner) -> str:
    what = f"{one.path}: {name} on {one.about.port}"
    if owner.station:
        place = owner.station + (f", connector {owner.connector}" if owner.connector else "")
        return f"{what} is held against the messages of {place}: {owner.why}."
    port = one.about.port.rpartition("/")[2]
    return f"{what} is held against no messages: {owner.why} (--serial-station {port}=STATION)."


def _apart(one: Retold, picture: Picture) -> bool:
    spans = picture.spans.values()
    return bool(spans) and (one.last < min(first for first, _ in spans) or one.first > max(last for _, last in spans))


def _pair(text: str) -> tuple[str, str]:
    """``ttyUSB0=CP_7`` or ``CP_7``."""
    port, equals, value = text.partition("=")
    if not text or (equals and not (port and value)):
        raise click.UsageError(f"{text!r}: write PORT=NAME, or NAME for all recordings")
    return (port, value) if equals else ("", port)


def _for_port(chosen: dict[str, str], port: str) -> str:
    return chosen.get(port) or chosen.get(port.rpartition("/")[2]) or chosen.get("", "")
