"""How pcapng writes things down: the types of its blocks, its byte orders, and where a packet has its time.

Nothing here reads on: a block is looked at where it lies (draft-ietf-opsawg-pcapng, to which the § refer).
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Final, TypeAlias

MAX_BLOCK_BYTES = 16 << 20
"""No packet comes near it, nor do the key logs of a week. It is also what a reader buffers at most while it waits for
a block's end, so that a damaged length cannot make it swallow the capture."""

PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
"""Type of the section header block. It reads the same in either byte order, and a transfer as text would break it."""

SECTION, INTERFACE, OBSOLETE, SIMPLE, NAMES, STATISTICS, ENHANCED, SECRETS = 0x0A0D0D0A, 1, 2, 3, 4, 5, 6, 10
PACKETS = (OBSOLETE, SIMPLE, ENHANCED)
SMALLEST: Final = {
    SECTION: 28,
    INTERFACE: 20,
    OBSOLETE: 32,
    SIMPLE: 16,
    NAMES: 12,
    STATISTICS: 24,
    ENHANCED: 32,
    SECRETS: 20,
}
"""The blocks that are known, and how long each is at least. All others are passed over."""
SMALLEST_BLOCK = 12

JOURNAL, CUSTOM, CUSTOM_KEPT_BACK = 9, 0x0BAD, 0x4000_0BAD
"""Entries of the systemd journal, and what only their inventor understands (twice: the second is not for copying on).
They are no packets, but Wireshark gives each a number, and frame numbers are to be the same as there."""

_NANO = 1_000_000_000

Clock: TypeAlias = tuple[int, int, int]
"""From ticks to nanoseconds: factor, divisor, offset."""


class Order:
    """Everything that depends on a section's byte order."""

    __slots__ = ("blocks", "enhanced", "head", "interface", "long", "obsolete", "option", "plain", "signed", "word")

    def __init__(self, order: str) -> None:
        self.head = Struct(order + "II")
        self.word = Struct(order + "I")
        self.option = Struct(order + "HH")
        self.long = Struct(order + "Q")
        self.signed = Struct(order + "q")
        self.interface = Struct(order + "HxxI")
        self.enhanced = Struct(order + "I8xI")
        self.obsolete = Struct(order + "HH8xI")
        # Block type and length, interface, captured length; as long as everything before the packet.
        self.plain = Struct(order + "III8xI4x")
        # What the first eight bytes of a block look like: a known type, then a length that is a multiple of four and
        # not above MAX_BLOCK_BYTES; or a section header with its byte-order magic.
        section = rb"\x0d\x0d\x0a....(?:\x4d\x3c\x2b\x1a|\x1a\x2b\x3c\x4d)"
        fours = b"[" + b"".join(b"\\x%02x" % low for low in range(0, 256, 4)) + b"]"
        if order == "<":
            pattern = rb"[\x01-\x06\x0a](?:\x00\x00\x00" + fours + rb"..[\x00\x01]|(?<=\x0a)" + section + rb")"
        else:
            pattern = rb"\x00\x00\x00[\x01-\x06\x0a][\x00\x01].." + fours + rb"|\x0a" + section
        self.blocks = re.compile(pattern, re.DOTALL)


ORDERS: Final = {b"\x4d\x3c\x2b\x1a": Order("<"), b"\x1a\x2b\x3c\x4d": Order(">")}
"""By the byte-order magic as it lies in the file."""


class StampedLayout:
    """Block type and length, interface, time in two halves, two lengths, then the packet (§4.3)."""

    __slots__ = ("_divisor", "_factor", "_first", "_number", "_offset", "_stamp")

    def __init__(self, order: Order, clock: Clock, first: int) -> None:
        self._stamp = order.head.unpack_from
        self._number = order.word.unpack_from
        self._factor, self._divisor, self._offset = clock
        self._first = first

    def time(self, buffer: bytes, start: int) -> int:
        high, low = self._stamp(buffer, start - 16)
        time: int = (high << 32 | low) * self._factor // self._divisor + self._offset
        return time

    def interface(self, buffer: bytes, start: int) -> int:
        number: int = self._number(buffer, start - 20)[0]
        return self._first + number


class ObsoleteLayout(StampedLayout):
    """The same, but half of the interface field counts drops (appendix A)."""

    __slots__ = ()

    def __init__(self, order: Order, clock: Clock, first: int) -> None:
        super().__init__(order, clock, first)
        self._number = order.option.unpack_from


class BareLayout:
    """A simple packet block has no time, and belongs to the section's first interface (§4.4)."""

    __slots__ = ("_interface", "_time")

    def __init__(self, time: int, interface: int) -> None:
        self._time = time
        self._interface = interface

    def time(self, buffer: bytes, start: int) -> int:
        return self._time

    def interface(self, buffer: bytes, start: int) -> int:
        return self._interface


def clock_of(resolution: int, shift: int) -> Clock:
    """§4.2: if_tsresol, a negative power of 10, or of 2 where the highest bit is set; and if_tsoffset in seconds."""
    exponent = resolution & 0x7F
    if resolution & 0x80:
        return _NANO, 1 << exponent, shift * _NANO
    if exponent <= 9:
        return 10 ** (9 - exponent), 1, shift * _NANO
    return 1, 10 ** (exponent - 9), shift * _NANO


def is_block(buffer: bytes, offset: int, end: int, order: Order, *, whole: bool) -> bool:
    """Whether a block that is known seems to lie at ``offset``: its two lengths agree, and behind it another one could
    stand. Only bytes before ``end`` may be looked at; with ``whole`` the capture ends there."""
    if buffer.startswith(PCAPNG_MAGIC, offset):
        order = ORDERS[buffer[offset + 8 : offset + 12]]
    kind, total = order.head.unpack_from(buffer, offset)
    behind = offset + total
    if total & 3 or total < SMALLEST[kind] or behind > end or order.word.unpack_from(buffer, behind - 4)[0] != total:
        return False
    if behind + 8 > end:
        return behind == end or not whole
    kind, total = order.head.unpack_from(buffer, behind)
    return kind == SECTION or (not total & 3 and SMALLEST_BLOCK <= total <= MAX_BLOCK_BYTES)
