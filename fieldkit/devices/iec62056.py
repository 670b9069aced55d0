"""IEC 62056-21: reading meters through their optical port, by asking (mode C) or by listening (D0, mode D).

Asked: ``/?!`` at 300 baud 7E1, the meter says who it is and how fast it can speak, one line acknowledges that, both
change speed, and the meter sends its data set between STX and ETX with a block check (BCC: the XOR of everything behind
STX up to and with ETX). Listening: the meter sends the same on its own, without a block check.

Only the line that asks for the data set can be made here. The one that differs from it by a digit opens the meter for
programming (§6.3.3: mode control character 1); there is no way to make that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from fieldkit.devices.checksums import xor8
from fieldkit.events import DeviceReading

SPEEDS: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""§6.3.14: what the identification's baud rate character means in mode C."""
_SPEEDS_B: Final = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
"""And in mode B, where the meter changes speed and sends without being told to; anything else is mode A, at 300."""

_STX, _ETX, _ACK = 0x02, 0x03, b"\x06"
_MS: Final = 1_000_000
_REPLY_TIME: Final = 1500 * _MS
"""§6.3.14.1 t_r: 200 or 20 to 1500 ms."""
_CHARACTER_TIME: Final = 1500 * _MS
"""t_a: no more than this between two characters."""
LONGEST: Final = 65_536
"""Bytes of a data set; load profiles are longer, and not what is asked for."""
MOST_LINES: Final = 1024

_IDENTIFICATION: Final = re.compile(rb"/([A-Za-z]{2}[A-Za-z])([0-9A-I])(?:\\[0-9A-Z])*([^\r\n/!]{0,32})\r\n")
_ADDRESS: Final = re.compile(r"[0-9A-Za-z ]{0,32}")
_LINE: Final = re.compile(r"([0-9A-Fa-f:.\-*&]{1,24})\(([^()]{0,64})\)")

OBIS: Final = {
    "1.8.0": ("energy_import", "Energy.Active.Import.Register", ""),
    "2.8.0": ("energy_export", "Energy.Active.Export.Register", ""),
    "16.7.0": ("power_total", "Power.Active.Import", ""),
    "1.7.0": ("power_import", "Power.Active.Import", ""),
    "2.7.0": ("power_export", "Power.Active.Export", ""),
    "32.7.0": ("voltage_l1", "Voltage", "L1"),
    "52.7.0": ("voltage_l2", "Voltage", "L2"),
    "72.7.0": ("voltage_l3", "Voltage", "L3"),
    "31.7.0": ("current_l1", "Current.Import", "L1"),
    "51.7.0": ("current_l2", "Current.Import", "L2"),
    "71.7.0": ("current_l3", "Current.Import", "L3"),
    "14.7.0": ("frequency", "Frequency", ""),
}


class Identification(NamedTuple):
    """Who answers, IEC 62056-21 §6.3.2: a slash, the maker in three letters, its speed, what it is."""

    maker: str
    speed: int
    """300 where it stays at that."""
    baud_character: str
    ident: str


def sign_on(address: str = "") -> bytes:
    """``/?address!``: who is there?"""
    if not _ADDRESS.fullmatch(address):
        raise ValueError("a meter's address has letters, digits and blanks, at most 32")
    return b"/?%s!\r\n" % address.encode("ascii")


def acknowledge(identification: Identification) -> bytes:
    """``ACK 0 Z 0``: send your data set, at this speed. The last character is always 0, "data readout"."""
    if identification.baud_character not in SPEEDS:
        raise ValueError("a meter of mode A or B sends without being told to")
    return _ACK + b"0%s0\r\n" % identification.baud_character.encode("ascii")


def identification(line: bytes) -> Identification | None:
    """What a meter says of itself; None for anything else."""
    found = _IDENTIFICATION.fullmatch(line)
    if found is None:
        return None
    character = found[2].decode("ascii")
    ident = found[3].decode("ascii", "replace").strip()
    return Identification(
        found[1].decode("ascii"), SPEEDS.get(character) or _SPEEDS_B.get(character, 300), character, ident
    )


class DataSet(NamedTuple):
    """What a meter sent, from the identification to the end."""

    time: int
    identification: Identification | None
    lines: tuple[str, ...]
    checked: bool
    """It had a block check, and that is right."""
    damaged: bool
    """It had one, and that is wrong."""


class D0Listener:
    """Passive: data sets among bytes, with block check or without."""

    def __init__(self) -> None:
        self.garbage = 0
        self._buffer = bytearray()
        self._from = 0

    def feed(self, data: bytes, time: int) -> list[DataSet]:
        found: list[DataSet] = []
        for at in range(0, len(data), 4096):
            self._buffer += data[at : at + 4096]
            self._scan(found, time)
        return found

    def _scan(self, found: list[DataSet], time: int) -> None:
        buffer = self._buffer
        while True:
            # Only at its first byte can a buffer hold a beginning; everything before it goes.
            if buffer[:1] != b"/":
                start = buffer.find(b"/")
                gone = len(buffer) if start < 0 else start
                self.garbage += gone
                del buffer[:gone]
                self._from = 0
                if not buffer:
                    return
            end = buffer.find(b"!", self._from)
            if end < 0:
                self._from = len(buffer)
                if len(buffer) > LONGEST:
                    self._drop(1)
                    continue
                return
            stop = buffer.find(b"\n", end)
            if stop < 0:
                self._from = end
                if len(buffer) > LONGEST:
                    self._drop(1)
                    continue
                return
            stop += 1
            first = buffer.find(b"\n") + 1
            identity = identification(bytes(buffer[:first]))
            if identity is None:
                # `/?!` is the question of a master, anything else is damaged.
                self._drop(1 if first > stop else first)
                continue
            checked = damaged = False
            start = buffer.find(b"\x02", first, end)
            if start >= 0:
                if len(buffer) < stop + 2:
                    self._from = end
                    return
                if buffer[stop] == _ETX:
                    stop += 2
                    checked = xor8(buffer[start + 1 : stop - 1]) == buffer[stop - 1]
                    damaged = not checked
                body = bytes(buffer[start + 1 : end])
            else:
                body = bytes(buffer[first:end])
            found.append(DataSet(time, identity, _lines(body), checked, damaged))
            del buffer[:stop]
            self._from = 0

    def _drop(self, size: int) -> None:
        self.garbage += size
        del self._buffer[:size]
        self._from = 0


def _lines(body: bytes) -> tuple[str, ...]:
    text = bytes(byte & 0x7F for byte in body).decode("ascii")
    return tuple(line.strip() for line in text.splitlines()[:MOST_LINES] if line.strip())


class ReadoutCause(StrEnum):
    """How a readout ended."""

    ANSWERED = "answered"
    SILENCE = "silence"
    """Nothing came: the head does not sit on the meter's eye, or this meter only sends."""
    NOT_A_METER = "not-a-meter"
    """Something came that is no identification."""
    TRUNCATED = "truncated"
    CHECKSUM = "checksum"


class Readout:
    """Mode C, step by step. The caller sends what ``poll`` gives, sets ``speed`` when it changes, hands over bytes."""

    def __init__(self, address: str = "") -> None:
        self.speed = 300
        self.identification: Identification | None = None
        self.data: DataSet | None = None
        self.cause: ReadoutCause | None = None
        self._address = address
        self._stage = 0
        """0 nothing sent, 1 asked, 2 identified, 3 acknowledged."""
        self._buffer = bytearray()
        self._last = 0

    @property
    def deadline(self) -> int:
        return self._last + (_REPLY_TIME if not self._buffer else _CHARACTER_TIME)

    def poll(self, now: int) -> bytes:
        """What to send now. After the second time, ``speed`` is what both continue at, once these bytes are out."""
        if self.cause is not None:
            return b""
        if self._stage == 0:
            self._stage, self._last = 1, now
            return sign_on(self._address)
        if self._stage == 2 and self.identification is not None:
            self._stage, self._last = 3, now
            self.speed = self.identification.speed
            if self.identification.baud_character in SPEEDS:
                return acknowledge(self.identification)
        if now >= self.deadline:
            self._give_up()
        return b""

    def feed(self, data: bytes, time: int) -> None:
        """What was heard."""
        if self.cause is not None or self._stage == 0:
            return
        self._last = time
        self._buffer += bytes(byte & 0x7F for byte in data)
        if len(self._buffer) > LONGEST:
            self.cause = ReadoutCause.TRUNCATED
            return
        if self._stage == 1:
            self._identify()
            data = bytes(self._buffer)
        if self._stage in (2, 3):
            self._collect(data, time)

    def _identify(self) -> None:
        echo = sign_on(self._address)
        if self._buffer.startswith(echo):
            del self._buffer[: len(echo)]  # optical heads hear themselves
        start = self._buffer.find(b"/")
        end = self._buffer.find(b"\n", max(start, 0))
        if start < 0 or end < 0 or self._buffer[start : start + 2] == b"/?":
            return
        self.identification = identification(bytes(self._buffer[start : end + 1]))
        del self._buffer[: end + 1]
        if self.identification is None:
            self.cause = ReadoutCause.NOT_A_METER
        else:
            self._stage = 2

    def _collect(self, data: bytes, time: int) -> None:
        tail = max(0, len(self._buffer) - len(data) - 1)
        etx = self._buffer.find(b"\x03", tail)
        if etx < 0 or etx + 1 >= len(self._buffer):
            return
        stx = self._buffer.find(b"\x02")
        if not 0 <= stx < etx:
            self.cause = ReadoutCause.TRUNCATED
            return
        intact = xor8(self._buffer[stx + 1 : etx + 1]) == self._buffer[etx + 1]
        body = bytes(self._buffer[stx + 1 : etx]).split(b"!", 1)[0]
        self.data = DataSet(time, self.identification, _lines(body), intact, not intact)
        self.cause = ReadoutCause.ANSWERED if intact else ReadoutCause.CHECKSUM

    def _give_up(self) -> None:
        if self._stage == 1:
            heard = bool(self._buffer) and not sign_on(self._address).startswith(bytes(self._buffer))
            self.cause = ReadoutCause.NOT_A_METER if heard else ReadoutCause.SILENCE
        else:
            self.cause = ReadoutCause.TRUNCATED if self._buffer else ReadoutCause.SILENCE


def readings(data: DataSet, port: str = "") -> Iterator[DeviceReading]:
    """The values of a data set; none where its block check is wrong."""
    if data.damaged:
        return
    device = data.identification.maker if data.identification is not None else ""
    for line in data.lines:
        found = _LINE.match(line)
        if found is None:
            continue
        code = re.sub(r"^\d+-\d+:|[*&]\d+$", "", found[1])
        name, measurand, phase = OBIS.get(code, ("", "", ""))
        digits, _, unit = found[2].partition("*")
        if not name or not re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,9})?", digits):
            continue
        yield DeviceReading(
            data.time, (), port, "iec62056", device, name, float(digits), unit[:8], measurand, phase, line[:80], True
        )
