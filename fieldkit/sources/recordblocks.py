"""The blocks of pcapng (draft-ietf-opsawg-pcapng) that a recording is made of, in the byte order of this machine."""

from __future__ import annotations

import os
import struct
import sys
from array import array
from operator import sub
from typing import Final

from fieldkit import __version__
from fieldkit.events import PacketBatch

_SECTION: Final = 0x0A0D0D0A
_INTERFACE, _STATISTICS, _PACKET = 1, 5, 6
_END_OPTION: Final = b"\0\0\0\0"
_COMMENT, _NAME, _DESCRIPTION, _RESOLUTION, _HARDWARE, _SYSTEM, _APPLICATION = 1, 2, 3, 9, 2, 3, 4
_RECEIVED, _DROPPED = 4, 5
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
OVERHEAD: Final = 32
"""Bytes of a block around a packet."""
_GAP: Final = 8
_STEP: Final = 4 * _GAP
"""Words and bytes between two packets."""
_UPPER: Final = 1 if sys.byteorder == "little" else 0
"""Which half of a number of 64 bits is the upper one: pcapng has it first, in the byte order of who wrote it."""
_ALL_BITS: Final = (1 << 64) - 1


def packet_blocks(batch: PacketBatch, interface: int) -> bytes:
    """The packets of a batch as pcapng blocks.

    This is where a recording spends its time, 200,000 times a second if need be. So the numbers between two packets
    are laid out for all of them at once, eight words each: the length of the block that ends, and the head of the next
    (its type, length, interface, time in two halves, bytes captured, bytes sent).
    """
    buffer, starts, ends = batch.buffer, batch.starts, batch.ends
    number = len(starts)
    sizes = array("I", map(sub, ends, starts))
    totals = _totals(sizes)
    halves = array("I", _times(batch).tobytes())
    behind = _GAP * number
    words = array("I", bytes(_STEP * (number + 1)))
    words[_GAP::_GAP] = totals
    words[1:behind:_GAP] = array("I", (_PACKET,)) * number
    words[2:behind:_GAP] = totals
    words[3:behind:_GAP] = array("I", (interface,)) * number
    words[4:behind:_GAP] = halves[_UPPER::2]
    words[5:behind:_GAP] = halves[1 - _UPPER :: 2]
    words[6:behind:_GAP] = sizes
    words[7:behind:_GAP] = sizes
    gaps = words.tobytes()
    parts = [b""] * (3 * number + 1)
    parts[0] = gaps[4:_STEP]
    parts[1::3] = [buffer[start:end] for start, end in zip(starts, ends, strict=True)]
    parts[2::3] = map(_PADDING.__getitem__, [size & 3 for size in sizes])
    # A format of its own for each number of packets: many slices at once, and none of them kept by struct's cache.
    parts[3:-1:3] = struct.Struct(f"{_STEP}s" * (number - 1)).unpack_from(gaps, _STEP)
    parts[-1] = gaps[_STEP * number : _STEP * number + 4]
    return b"".join(parts)


def _totals(sizes: array[int]) -> array[int]:
    """The lengths of the blocks around packets of these sizes: all at once, as one large number of 32 bits each."""
    number = len(sizes)
    large = _as_number(sizes) + _as_number(array("I", (OVERHEAD + 3,)) * number)
    return array("I", (large & _as_number(array("I", (0xFFFFFFFC,)) * number)).to_bytes(4 * number, sys.byteorder))


def nanoseconds(seconds: array[int], rest: array[int]) -> array[int]:
    """Times of 64 bits from such in seconds and nanoseconds, of 32 bits each; all at once, as above."""
    wide = array("I", bytes(8 * len(seconds)))
    wide[1 - _UPPER :: 2] = seconds
    large = _as_number(wide) * 1_000_000_000
    wide[1 - _UPPER :: 2] = rest
    return array("Q", (large + _as_number(wide)).to_bytes(8 * len(seconds), sys.byteorder))


def _as_number(lanes: array[int]) -> int:
    return int.from_bytes(lanes.tobytes(), sys.byteorder)


def _times(batch: PacketBatch) -> array[int]:
    """Of all packets; some layouts know a shorter way than one by one."""
    at_once = getattr(batch.layout, "times", None)
    if at_once is not None:
        found: array[int] = at_once(batch.buffer, batch.starts)
        return found
    time_of, buffer = batch.layout.time, batch.buffer
    return array("Q", [time_of(buffer, start) & _ALL_BITS for start in batch.starts])


def whole_blocks(blocks: bytes, size: int) -> int:
    """Where the last block ends that is whole within so many bytes."""
    at = 0
    while at + 12 <= size:
        behind = at + int(struct.unpack_from("=I", blocks, at + 4)[0])
        if behind > size:
            break
        at = behind
    return at


def remarked_block(interface: int, time: int, packet: bytes, comment: str) -> bytes:
    """A packet with a comment that Wireshark shows."""
    size = len(packet)
    head = struct.pack("=5I", interface, time >> 32 & 0xFFFFFFFF, time & 0xFFFFFFFF, size, size)
    options = _option(_COMMENT, comment.encode()[:1000]) + _END_OPTION
    return _block(_PACKET, head + packet + _PADDING[size & 3] + options)


def section_block(comment: str = "") -> bytes:
    """What a file begins with: who made it."""
    options = _option(_APPLICATION, f"fieldkit {__version__}".encode())
    if hasattr(os, "uname"):
        system = os.uname()
        options += _option(_SYSTEM, f"{system.sysname} {system.release}".encode())
    if comment:
        options = _option(_COMMENT, comment.encode()[:1000]) + options
    return _block(_SECTION, struct.pack("=IHHq", 0x1A2B3C4D, 1, 0, -1) + options + _END_OPTION)


def interface_block(name: str, linktype: int, description: str = "") -> bytes:
    """An interface whose packets follow; times are in nanoseconds."""
    options = _option(_NAME, name.encode()[:200]) + _option(_RESOLUTION, b"\x09")
    if description:
        options += _option(_DESCRIPTION, description.encode()[:500])
    return _block(_INTERFACE, struct.pack("=HHI", linktype, 0, 0) + options + _END_OPTION)


def statistics_block(interface: int, time: int, received: int, dropped: int) -> bytes:
    """What was counted on an interface."""
    options = _option(_RECEIVED, struct.pack("=Q", received)) + _option(_DROPPED, struct.pack("=Q", dropped))
    head = struct.pack("=III", interface, time >> 32 & 0xFFFFFFFF, time & 0xFFFFFFFF)
    return _block(_STATISTICS, head + options + _END_OPTION)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("=HH", code, len(value)) + value + _PADDING[len(value) & 3]


def _block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return struct.pack("=II", kind, total) + body + struct.pack("=I", total)


STATISTICS_SIZE: Final = len(statistics_block(0, 0, 0, 0))
