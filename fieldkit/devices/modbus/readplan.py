"""Registers → few requests.

Neighbours go into one request, and so do registers with a small gap between them, where the profile says that the
device lets one read over gaps. No request crosses a hole, asks for more than the device gives, or cuts a value in two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fieldkit.devices.modbus.pdu import MAX_READ_BITS, READ_BITS
from fieldkit.devices.modbus.profile import Limits, Register
from fieldkit.devices.modbus.reads import ReadRequest
from fieldkit.devices.modbus.values import bits


@dataclass(frozen=True, slots=True)
class Block:
    """Registers that one request reads."""

    function: int
    address: int
    count: int
    registers: tuple[Register, ...]
    """In the order of their addresses."""

    def request(self, unit: int) -> ReadRequest:
        return ReadRequest(unit, self.function, self.address, self.count)

    def cuts(self) -> Iterator[tuple[Block, Block]]:
        """Two blocks instead of this one, wherever that cuts no value; the largest first part first."""
        end = self.address
        ends: list[tuple[int, int]] = []
        for place, register in enumerate(self.registers):
            if place and register.address >= end:
                ends.append((place, register.address))
            end = max(end, register.end)
        for place, start in reversed(ends):
            yield _block(self.registers[:place]), _block(self.registers[place:], start)

    def values(self, data: bytes) -> Iterator[tuple[Register, bytes]]:
        """Each register with its bytes, of what a good answer holds."""
        if self.function in READ_BITS:
            states = bits(data, self.count)
            for register in self.registers:
                yield register, bytes((states[register.address - self.address],))
            return
        for register in self.registers:
            start = 2 * (register.address - self.address)
            yield register, data[start : start + 2 * register.count]


def _block(registers: tuple[Register, ...], start: int | None = None) -> Block:
    first = registers[0].address if start is None else start
    return Block(registers[0].function, first, max(register.end for register in registers) - first, registers)


def plan(registers: Iterable[Register], limits: Limits) -> list[Block]:
    """The requests that read all of these."""
    blocks: list[Block] = []
    group: list[Register] = []
    for register in sorted(registers, key=lambda register: (register.function, register.address, -register.end)):
        if group and not _joins(group, register, limits):
            blocks.append(_block(tuple(group)))
            group = []
        group.append(register)
    if group:
        blocks.append(_block(tuple(group)))
    return blocks


def _joins(group: list[Register], register: Register, limits: Limits) -> bool:
    first = group[0]
    end = max(member.end for member in group)
    if register.function != first.function or register.address - end > limits.gap:
        return False
    most = MAX_READ_BITS if register.function in READ_BITS else limits.registers
    if max(end, register.end) - first.address > most:
        return False
    return not any(end <= last and gap < register.address for gap, last in limits.holes)
