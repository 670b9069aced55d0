"""Registers → numbers and texts, by type and word order.

A register is two bytes, high byte first (Application Protocol §4.2). For what takes several registers the standard says
nothing: most devices send the high word first ("big"), some the low word ("little").
"""

from __future__ import annotations

import math
from struct import unpack
from typing import Final, Literal, TypeAlias

WordOrder: TypeAlias = Literal["big", "little"]

_FORMATS: Final = {
    "u16": ">H",
    "i16": ">h",
    "u32": ">I",
    "i32": ">i",
    "u64": ">Q",
    "i64": ">q",
    "f32": ">f",
    "f64": ">d",
}

SIZES: Final = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4, "i64": 4, "f32": 2, "f64": 4, "bit": 1}
"""Registers of each type (a "bit" is a coil or a discrete input); texts have a size of their own."""

TYPES: Final = frozenset((*SIZES, "ascii", "hex"))


def number(data: bytes, kind: str, words: WordOrder = "big") -> int | float | None:
    """The number in so many bytes; None for what is not one (NaN, infinity) or has the wrong size."""
    if len(data) != 2 * SIZES.get(kind, 0) or kind not in _FORMATS:
        return None
    if words == "little":
        data = b"".join(data[at : at + 2] for at in range(len(data) - 2, -1, -2))
    (value,) = unpack(_FORMATS[kind], data)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return int(value)


def text(data: bytes, words: WordOrder = "big") -> str:
    """Characters, two to a register, without the NULs, spaces and FFs that fill the end. Not yet safe to show."""
    if words == "little":
        data = b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
    return data.split(b"\0", 1)[0].rstrip(b" \xff").decode("ascii", "replace")


def absent(data: bytes, kind: str) -> bool:
    """Whether a device says "not available" in the way in which most do: all ones, or the largest signed number."""
    if kind in ("u16", "u32", "u64"):
        return data == b"\xff" * len(data)
    if kind in ("i16", "i32", "i64"):
        return data in (b"\x7f" + b"\xff" * (len(data) - 1), b"\x80" + bytes(len(data) - 1))
    return False


def bits(data: bytes, count: int) -> list[bool]:
    """Coils and discrete inputs, lowest bit first (Application Protocol §6.1)."""
    return [bool(data[at // 8] >> at % 8 & 1) for at in range(min(count, 8 * len(data)))]
