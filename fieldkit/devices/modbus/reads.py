"""Requests that read. Nothing in this module can be made to write.

The function code of each request comes out of a table that knows the codes 1 to 4 and 43/14 and nothing else, at the
moment the bytes are made: whatever happened to the request's fields before, a writing code cannot come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack
from typing import Final, Protocol

from fieldkit.devices.modbus.pdu import (
    FIRST_UNIT,
    FUNCTIONS,
    IDENTIFICATION,
    LAST_UNIT,
    MAX_READ_BITS,
    MAX_READ_REGISTERS,
    READ_BITS,
    READS,
    Function,
    answer_size,
)

_READING: Final = {1: b"\x01", 2: b"\x02", 3: b"\x03", 4: b"\x04"}
_IDENTIFYING: Final = bytes((Function.DEVICE_IDENTIFICATION, IDENTIFICATION))


class Request(Protocol):
    """What an exchange has to know of a request."""

    @property
    def unit(self) -> int: ...

    @property
    def function(self) -> int: ...

    @property
    def pdu(self) -> bytes: ...

    @property
    def answer_head(self) -> bytes:
        """The first bytes of every good answer, the unit's address included."""

    @property
    def answer_length(self) -> int:
        """Bytes of a good answer's PDU; 0 where the request does not tell."""

    def fits(self, pdu: bytes) -> bool:
        """Whether this can be the good answer."""


def shape(request: Request) -> tuple[bytes, int]:
    """What the good answers of a request look like. Modbus RTU numbers nothing: of two requests with one shape, nobody
    can tell which one an answer belongs to."""
    return request.answer_head, request.answer_length


def _check_unit(unit: int) -> None:
    if not FIRST_UNIT <= unit <= LAST_UNIT:
        raise ValueError(f"a unit's address is {FIRST_UNIT} to {LAST_UNIT}, not {unit}: nobody answers to a broadcast")


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Registers or bits, one after the other (Application Protocol §6.1-6.4)."""

    unit: int
    function: int
    address: int
    """Counted from 0, as on the wire: what manuals call 30001 or 40001 is 0."""
    count: int

    def __post_init__(self) -> None:
        _check_unit(self.unit)
        if self.function not in READS:
            raise ValueError(f"function {self.function} does not read registers or bits")
        most = MAX_READ_BITS if self.function in READ_BITS else MAX_READ_REGISTERS
        if not 0 < self.count <= most:
            raise ValueError(f"one request reads 1 to {most}, not {self.count}")
        if self.address < 0 or self.address + self.count > 0x10000:
            raise ValueError(f"{self.count} from address {self.address} are not within 0 to 65535")

    @property
    def pdu(self) -> bytes:
        return _READING[self.function] + pack(">HH", self.address, self.count)

    @property
    def size(self) -> int:
        """Bytes of data in a good answer."""
        return (self.count + 7) // 8 if self.function in READ_BITS else 2 * self.count

    @property
    def answer_head(self) -> bytes:
        return bytes((self.unit, self.function, self.size))

    @property
    def answer_length(self) -> int:
        return 2 + self.size

    def fits(self, pdu: bytes) -> bool:
        return len(pdu) == 2 + self.size and pdu[0] == self.function and pdu[1] == self.size

    def __str__(self) -> str:
        return f"unit {self.unit}: {FUNCTIONS[self.function]} {self.address} (0x{self.address:04X}), {self.count}"


@dataclass(frozen=True, slots=True)
class IdentifyRequest:
    """Read device identification (§6.21): maker, product, version, as texts."""

    unit: int
    access: int = 1
    """1 basic, 2 regular, 3 extended, 4 one object."""
    object: int = 0

    def __post_init__(self) -> None:
        _check_unit(self.unit)
        if self.access not in (1, 2, 3, 4) or not 0 <= self.object <= 0xFF:
            raise ValueError(f"there is no access code {self.access} with object {self.object}")

    @property
    def function(self) -> int:
        return int(Function.DEVICE_IDENTIFICATION)

    @property
    def pdu(self) -> bytes:
        return _IDENTIFYING + bytes((self.access, self.object))

    @property
    def answer_head(self) -> bytes:
        return bytes((self.unit,)) + _IDENTIFYING + bytes((self.access,))

    @property
    def answer_length(self) -> int:
        return 0

    def fits(self, pdu: bytes) -> bool:
        return len(pdu) >= 7 and pdu.startswith(self.answer_head[1:]) and answer_size(pdu) == len(pdu)

    def __str__(self) -> str:
        return f"unit {self.unit}: {FUNCTIONS[self.function]}"


def identification(pdu: bytes) -> dict[str, str]:
    """The objects of an answer to an ``IdentifyRequest``; empty where it is none."""
    if answer_size(pdu) != len(pdu) or not pdu.startswith(_IDENTIFYING):
        return {}
    found: dict[str, str] = {}
    at = 7
    while at + 2 <= len(pdu):
        number, size = pdu[at], pdu[at + 1]
        found[_OBJECTS.get(number, f"object_{number}")] = pdu[at + 2 : at + 2 + size].decode("utf-8", "replace")
        at += 2 + size
    return found


_OBJECTS: Final = {
    0: "maker",
    1: "product_code",
    2: "version",
    3: "maker_url",
    4: "product_name",
    5: "model_name",
    6: "application",
}
"""§6.21, table of object ids."""
