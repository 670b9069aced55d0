"""Requests that write. Each needs a token, and each token makes one request.

Only the part of fieldkit that asks the operator may make tokens (a test looks for anybody else who does). A token names
exactly what was confirmed, so a request can neither differ from it nor be sent twice: after a write that got no answer,
nobody knows whether it took effect, and repeating it is a new decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack
from typing import Final

from fieldkit.devices.modbus.pdu import (
    FIRST_UNIT,
    FUNCTIONS,
    LAST_UNIT,
    MAX_WRITE_BITS,
    MAX_WRITE_REGISTERS,
    SINGLE_WRITES,
    WRITES,
    Function,
)

_ON: Final = 0xFF00
"""What switches a coil on (§6.5)."""


@dataclass(frozen=True, slots=True)
class WriteIntent:
    """What is to be written where, before anybody was asked."""

    unit: int
    function: int
    address: int
    values: tuple[int, ...]
    """Registers as 16 bits, coils as 0 or 1."""

    def __post_init__(self) -> None:
        if not FIRST_UNIT <= self.unit <= LAST_UNIT:
            raise ValueError(f"a write goes to one unit ({FIRST_UNIT} to {LAST_UNIT}), never to all: not {self.unit}")
        if self.function not in WRITES:
            raise ValueError(f"function {self.function} does not write")
        bits = self.function in (Function.WRITE_COIL, Function.WRITE_COILS)
        most = 1 if self.function in SINGLE_WRITES else MAX_WRITE_BITS if bits else MAX_WRITE_REGISTERS
        if not 0 < len(self.values) <= most:
            raise ValueError(f"{FUNCTIONS[self.function]} takes 1 to {most} values, not {len(self.values)}")
        if not all(0 <= value <= (1 if bits else 0xFFFF) for value in self.values):
            raise ValueError("a coil is 0 or 1, a register 0 to 65535")
        if self.address < 0 or self.address + len(self.values) > 0x10000:
            raise ValueError(f"address {self.address} is not within 0 to 65535")

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.values))
        return f"unit {self.unit}: {FUNCTIONS[self.function]} {self.address} (0x{self.address:04X}): {shown}"


class AllowedWrite:
    """The permission to send one write once."""

    __slots__ = ("_confirmation", "_intent", "_spent")

    def __init__(self, intent: WriteIntent, confirmation: str) -> None:
        if not confirmation.strip():
            raise ValueError("a write is allowed by somebody's word, and that is recorded")
        self._intent = intent
        self._confirmation = confirmation
        self._spent = False

    @property
    def intent(self) -> WriteIntent:
        return self._intent

    @property
    def confirmation(self) -> str:
        """Who allowed it, and by which words."""
        return self._confirmation

    @property
    def spent(self) -> bool:
        return self._spent

    def spend(self) -> WriteIntent:
        """What may be sent now; only the first time."""
        if self._spent:
            raise ValueError("this permission is used up: a write is never repeated without asking again")
        self._spent = True
        return self._intent


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """A write that was allowed. Made by ``write_request``."""

    unit: int
    function: int
    pdu: bytes

    @property
    def answer_head(self) -> bytes:
        """The device repeats what it was told (§6.5, §6.6, §6.11, §6.12)."""
        return bytes((self.unit,)) + self.pdu[:5]

    @property
    def answer_length(self) -> int:
        return 5

    def fits(self, pdu: bytes) -> bool:
        return pdu == self.pdu[:5]

    def __str__(self) -> str:
        return f"unit {self.unit}: {FUNCTIONS[self.function]} {self.pdu[1:].hex(' ')}"


def write_request(allowed: AllowedWrite) -> WriteRequest:
    """The request that a token allows; uses it up."""
    intent = allowed.spend()
    return WriteRequest(intent.unit, intent.function, preview(intent))


def preview(intent: WriteIntent) -> bytes:
    """The PDU of a write, to show what would be sent; it is not a request, no exchange takes it."""
    head = pack(">BH", intent.function, intent.address)
    match intent.function:
        case Function.WRITE_COIL:
            return head + pack(">H", _ON if intent.values[0] else 0)
        case Function.WRITE_REGISTER:
            return head + pack(">H", intent.values[0])
        case Function.WRITE_COILS:
            packed = sum(bit << at for at, bit in enumerate(intent.values))
            data = packed.to_bytes((len(intent.values) + 7) // 8, "little")
        case _:
            data = pack(f">{len(intent.values)}H", *intent.values)
    return head + pack(">HB", len(intent.values), len(data)) + data
