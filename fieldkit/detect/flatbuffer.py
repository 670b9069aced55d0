"""FlatBuffers as far as a small model needs them: a bounded reader of hostile bytes, and a writer whose bytes are
always the same.

A table begins with the distance back to its vtable, which has the offset of each field or 0 where the field is not
there; what is no scalar is an offset forwards to a vector, string or table (FlatBuffers, "Internals"). The reader
checks every position before it reads, and counts what it has read: offsets may point anywhere, also in circles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

MAX_TABLES: Final = 2000
"""Tables, vectors and strings read of one file; a model of four layers has some eighty."""

_U16: Final = Struct("<H")
_I32: Final = Struct("<i")
_U32: Final = Struct("<I")


class DamagedError(ValueError):
    """It is no FlatBuffer of the kind that is expected, and why."""


class Reader:
    """Reads one file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = MAX_TABLES

    def root(self, identifier: bytes) -> Table:
        """The outermost table."""
        if self.data[4:8] != identifier:
            raise DamagedError(f"it does not begin as a {identifier.decode('ascii', 'replace')} file does")
        return self.table(self.u32(0))

    def table(self, at: int) -> Table:
        """The table at a position."""
        self._spend()
        back = self.i32(at)
        vtable = at - back
        size, inline = self.u16(vtable), self.u16(vtable + 2)
        if size < 4 or size % 2 or vtable + size > len(self.data) or inline < 4 or at + inline > len(self.data):
            raise DamagedError(f"the table at {at} lies outside of the file")
        return Table(self, at, vtable, size, inline)

    def vector(self, at: int, width: int) -> tuple[int, int]:
        """Where the elements of a vector begin, and how many there are."""
        self._spend()
        count = self.u32(at)
        if at + 4 + count * width > len(self.data):
            raise DamagedError(f"the vector at {at} lies outside of the file")
        return at + 4, count

    def u16(self, at: int) -> int:
        """An unsigned number of two bytes."""
        self._within(at, 2)
        value: int = _U16.unpack_from(self.data, at)[0]
        return value

    def u32(self, at: int) -> int:
        """An unsigned number of four bytes."""
        self._within(at, 4)
        value: int = _U32.unpack_from(self.data, at)[0]
        return value

    def i32(self, at: int) -> int:
        """A number of four bytes."""
        self._within(at, 4)
        value: int = _I32.unpack_from(self.data, at)[0]
        return value

    def _within(self, at: int, size: int) -> None:
        if at < 0 or at + size > len(self.data):
            raise DamagedError(f"an offset leads to {at}, outside of the file")

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise DamagedError("it has more parts than a model of ours can have")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a file that is being read."""

    reader: Reader
    at: int
    vtable: int
    size: int
    inline: int

    def has(self, field: int) -> bool:
        """Is the field there?"""
        return self._place(field, 1) is not None

    def byte(self, field: int, default: int = 0) -> int:
        """A field of one byte, unsigned."""
        at = self._place(field, 1)
        return default if at is None else self.reader.data[at]

    def number(self, field: int, default: int = 0) -> int:
        """A field of four bytes."""
        at = self._place(field, 4)
        return default if at is None else self.reader.i32(at)

    def text(self, field: int) -> str:
        """A string; empty where there is none."""
        return self.raw(field).decode("utf-8", "replace")

    def raw(self, field: int) -> bytes:
        """A string or a vector of bytes; empty where there is none."""
        at = self._follow(field)
        if at is None:
            return b""
        begin, count = self.reader.vector(at, 1)
        return self.reader.data[begin : begin + count]

    def numbers(self, field: int) -> list[int]:
        """A vector of numbers of four bytes."""
        at = self._follow(field)
        if at is None:
            return []
        begin, count = self.reader.vector(at, 4)
        if count > MAX_TABLES:
            raise DamagedError("a list is longer than any of ours")
        return [self.reader.i32(begin + 4 * number) for number in range(count)]

    def table(self, field: int) -> Table | None:
        """A table; None where there is none."""
        at = self._follow(field)
        return None if at is None else self.reader.table(at)

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        at = self._follow(field)
        if at is None:
            return []
        begin, count = self.reader.vector(at, 4)
        if count > MAX_TABLES:
            raise DamagedError("a list is longer than any of ours")
        places = [begin + 4 * number for number in range(count)]
        return [self.reader.table(place + self.reader.u32(place)) for place in places]

    def _place(self, field: int, width: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self.size:
            return None
        offset = self.reader.u16(self.vtable + slot)
        if not offset:
            return None
        if offset < 4 or offset + width > self.inline:
            raise DamagedError(f"field {field} of the table at {self.at} lies outside of it")
        return self.at + offset

    def _follow(self, field: int) -> int | None:
        at = self._place(field, 4)
        return None if at is None else at + self.reader.u32(at)


# ------------------------------------------------------------------------------------------------------------ writing


@dataclass(frozen=True, slots=True)
class Byte:
    """A scalar of one byte."""

    value: int


Value: TypeAlias = "Byte | int | str | bytes | Sequence[int] | Node | Sequence[Node]"


@dataclass(frozen=True, slots=True)
class Node:
    """A table to be written: its fields by number."""

    fields: Mapping[int, Value]


ALIGNED: Final = 16
"""Runtimes map tensors where they lie, and want them so (schema.fbs: force_align)."""


def write(root: Node, identifier: bytes) -> bytes:
    """The file: each table before what it points to, so that all offsets lead forwards. No dates, no chance."""
    out = bytearray(4) + identifier
    waiting: list[tuple[int, Value]] = [(0, root)]
    while waiting:
        place, value = waiting.pop(0)
        if isinstance(value, Node):
            at = _table(out, value, waiting)
        elif isinstance(value, str):
            at = _bytes(out, value.encode(), 4, end=b"\0")
        elif isinstance(value, bytes):
            at = _bytes(out, value, ALIGNED)
        else:
            at = _vector(out, value, waiting)  # type: ignore[arg-type]  # scalars were written with their table
        _U32.pack_into(out, place, at - place)
    return bytes(out)


def _pad(out: bytearray, width: int, before: int = 0) -> None:
    """So that what comes ``before`` bytes from here lies on a multiple of ``width``."""
    out.extend(bytes(-(len(out) + before) % width))


def _table(out: bytearray, node: Node, waiting: list[tuple[int, Value]]) -> int:
    numbers = sorted(node.fields)
    slots = 4 + 2 * (numbers[-1] + 1 if numbers else 0)
    offsets: dict[int, int] = {}
    inline = 4
    for number in sorted(numbers, key=lambda one: (isinstance(node.fields[one], Byte), one)):
        offsets[number] = inline
        inline += 1 if isinstance(node.fields[number], Byte) else 4
    _pad(out, 4, slots)
    vtable = len(out)
    out += _U16.pack(slots) + _U16.pack(inline)
    for number in range((slots - 4) // 2):
        out += _U16.pack(offsets.get(number, 0))
    at = len(out)
    out += _I32.pack(at - vtable) + bytes(inline - 4)
    for number in numbers:
        value, place = node.fields[number], at + offsets[number]
        if isinstance(value, Byte):
            out[place] = value.value
        elif isinstance(value, int):
            _I32.pack_into(out, place, value)
        else:
            waiting.append((place, value))
    return at


def _bytes(out: bytearray, data: bytes, width: int, end: bytes = b"") -> int:
    _pad(out, width, 4)
    at = len(out)
    out += _U32.pack(len(data)) + data + end
    return at


def _vector(out: bytearray, values: Sequence[int] | Sequence[Node], waiting: list[tuple[int, Value]]) -> int:
    _pad(out, 4)
    at = len(out)
    out += _U32.pack(len(values))
    for value in values:
        if isinstance(value, Node):
            waiting.append((len(out), value))
            out += bytes(4)
        else:
            out += _I32.pack(value)
    return at
