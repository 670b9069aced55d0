"""A Modbus device and its line, in simulated time, that behave as badly as real ones do.

Devices handle one request after the other, which is why late answers arrive in the order of their requests. Whatever
fault is drawn for a request is kept, so a test can ask afterwards what the cause really was.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from struct import pack

from fieldkit.devices.checksums import crc16
from fieldkit.devices.modbus.framing import rtu_frame
from fieldkit.devices.modbus.timing import MILLISECOND, LineSettings

FAULTS = ("late", "corrupted", "truncated", "foreign", "silent", "exception")


@dataclass
class Device:
    """Answers reads of functions 3 and 4; register N holds ``values[N]``."""

    settings: LineSettings
    random: Random
    unit: int = 1
    values: dict[int, int] = field(default_factory=dict)
    turnaround: int = 20 * MILLISECOND
    faults: tuple[str, ...] = ()
    rate: float = 0.0
    late: tuple[int, int] = (400 * MILLISECOND, 3000 * MILLISECOND)
    drawn: list[str] = field(default_factory=list)
    """The fault of each request, "" for none."""
    line: deque[tuple[int, bytes]] = field(default_factory=deque)
    """What will be heard, and when its last byte will."""
    busy: int = 0

    def hear(self, data: bytes, end: int) -> None:
        """A request whose last byte left at ``end``."""
        unit, function = data[0], data[1]
        assert crc16(data[:-2]) == int.from_bytes(data[-2:], "little")
        if unit != self.unit:
            return
        address, count = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")
        fault = self.random.choice(self.faults) if self.random.random() < self.rate else ""
        self.drawn.append(fault)
        if function not in (3, 4):
            answer = rtu_frame(unit, bytes((function | 0x80, 1)))
        elif any(register not in self.values for register in range(address, address + count)):
            answer = rtu_frame(unit, bytes((function | 0x80, 2)))
        else:
            registers = pack(f">{count}H", *(self.values[register] for register in range(address, address + count)))
            answer = rtu_frame(unit, bytes((function, len(registers))) + registers)
        begin = max(end, self.busy) + self.turnaround
        match fault:
            case "late":
                begin += self.random.randrange(*self.late)
            case "corrupted":
                answer = self._corrupted(answer)
            case "truncated":
                answer = answer[: self.random.randrange(1, len(answer))]
            case "foreign":
                other = self.random.choice([unit for unit in range(1, 248) if unit != self.unit])
                answer = rtu_frame(other, answer[1:-2])
            case "silent":
                answer = b""
            case "exception":
                answer = rtu_frame(unit, bytes((function | 0x80, self.random.choice((4, 6)))))
        self._say(answer, begin)

    def _corrupted(self, answer: bytes) -> bytes:
        """A burst of interference."""
        damaged = bytearray(answer)
        start = self.random.randrange(len(damaged))
        for at in range(start, min(len(damaged), start + self.random.randrange(1, 6))):
            damaged[at] ^= self.random.randrange(1, 256)
        return bytes(damaged)

    def _say(self, answer: bytes, begin: int) -> None:
        """In lumps, as USB adapters hand it over."""
        at = 0
        while at < len(answer):
            size = self.random.randrange(1, 33)
            time = begin + self.settings.wire_time(min(at + size, len(answer)))
            self.line.append((time, answer[at : at + size]))
            self.busy = time
            at += size
