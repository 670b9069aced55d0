"""What is on a line that says nothing by itself: a handful of reads, one after the other, for which the user has given
his word. Nothing but the bytes that were shown to him can go out: the guard is made with exactly those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from fieldkit.devices.at.lines import LineSplitter
from fieldkit.devices.detect import Probe
from fieldkit.devices.modbus.framing import RtuReceiver
from fieldkit.devices.modbus.pdu import REFUSED
from fieldkit.devices.modbus.timing import SECOND, LineSettings, line_settings
from fieldkit.devices.rapi.frames import Framer
from fieldkit.sources.serial.device import looks_like_console
from fieldkit.sources.serial.exchange import Stop, Talk
from fieldkit.sources.serial.port import SerialPort
from fieldkit.sources.serial.readsets import READ_SETS, ReadSet
from fieldkit.sources.serial.trouble import RefusedError

PATIENCE: Final = 0.5
"""Seconds after a question; the devices of the profiles need 0.2 at most."""
SLOW: Final = 2.0
"""The same at 300 baud, where an identification takes 1.2."""
_BETWEEN: Final = 0.1
"""Silence between two questions: the longest that a profile asks for."""
_GLITCH: Final = 2
"""Bytes that a transceiver or a floating pair of wires makes by itself."""
_READ_SET: Final = {"modbus-rtu": "modbus"}
_IDENTIFIED: Final = re.compile(rb"/[A-Za-z]{3}[0-9A-Z]")
"""IEC 62056-21 §6.3.2."""


class Try(NamedTuple):
    """One question at one speed."""

    probe: Probe
    line: LineSettings


class Answer(NamedTuple):
    """Who is there."""

    dialect: str
    line: LineSettings
    unit: int
    """Of Modbus; else 0."""
    heard: bytes


def tries(probes: Sequence[Probe]) -> list[Try]:
    """All of them, those of one speed and format together, so that a line is changed as seldom as may be."""
    found = [
        Try(probe, line_settings(speed, form)) for probe in probes for speed in probe.speeds for form in probe.formats
    ]
    places = {line: at for at, line in reversed(list(enumerate(one.line for one in found)))}
    return sorted(found, key=lambda one: places[one.line])


def only(probes: Sequence[Probe]) -> ReadSet:
    """What may be sent: these bytes, each of which its dialect's read set knows as harmless. ValueError if not."""
    allowed = frozenset(probe.data for probe in probes)
    for probe in probes:
        if not READ_SETS[_READ_SET.get(probe.dialect, probe.dialect)](probe.data):
            raise ValueError(f"{probe.what}: this is no request that only reads")
    return allowed.__contains__


def ask(
    port: SerialPort, talk: Talk, given: Sequence[Try], stop: Stop, tell: Callable[[Try], None]
) -> Iterator[Answer]:
    """Ask one after the other; whoever answers. ``RefusedError`` when the line turns out to be a console, or a bus that
    somebody else asks on."""
    before: Try | None = None
    for one in given:
        if stop():
            return
        unasked = talk.listen(_BETWEEN)
        if len(unasked) > _GLITCH:
            late = _is(before, bytearray(unasked + talk.listen(PATIENCE))) if before is not None else None
            if late is not None:
                yield late
            else:
                _check(unasked)
                raise RefusedError("somebody has begun to talk on this line: nothing more is asked, only listen")
        if one.line != port.settings.line:
            port.apply(port.settings.at(one.line))
        before = one
        tell(one)
        port.guard.ask(one.probe.data)
        wire = one.line.wire_time(len(one.probe.data) + 16) / SECOND
        awaiting = _Awaiting(one)
        talk.listen(wire + (SLOW if one.line.speed <= 300 else PATIENCE), awaiting, awaiting.over)
        answer = awaiting.answer
        if answer is not None:
            yield answer
        else:
            _check(bytes(awaiting.heard))


def _check(heard: bytes) -> None:
    if looks_like_console(heard):
        raise RefusedError("this is a console: nothing more is asked. See it with: fieldkit serial console")


class _Awaiting:
    """What comes after one question."""

    def __init__(self, one: Try) -> None:
        self.heard = bytearray()
        self.answer: Answer | None = None
        self._one = one

    def feed(self, data: bytes, time: int) -> None:
        self.heard += data
        self.answer = self.answer or _is(self._one, self.heard)

    def over(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.answer is not None


def _is(one: Try, heard: bytearray) -> Answer | None:
    """Whether this answers it."""
    probe, data = one.probe, bytes(heard)
    data = data.removeprefix(probe.data)  # an adapter that hears itself
    match probe.dialect:
        case "modbus-rtu":
            unit, function = probe.data[0], probe.data[1]
            size = 2 * int.from_bytes(probe.data[4:6], "big")
            receiver = RtuReceiver()
            receiver.watch(bytes((unit, function, size)), 2 + size)
            receiver.watch(bytes((unit, function | REFUSED)), 2)
            return Answer("modbus", one.line, unit, data) if receiver.feed(data) else None
        case "rapi":
            said = [message for message in Framer().feed(data, 0) if message.intact]
            there = any(message.raw.startswith((b"$OK", b"$NK")) for message in said)
        case "at":
            there = "OK" in LineSplitter().feed(data)
        case _:
            there = _IDENTIFIED.search(bytes(byte & 0x7F for byte in data)) is not None
    return Answer(probe.dialect, one.line, 0, data) if there else None
