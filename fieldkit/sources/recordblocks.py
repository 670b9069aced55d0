"""The blocks of pcapng (draft-ietf-opsawg-pcapng) that a recording is made of, in the byte order of this machine."""

from __future__ import annotations

import os
import struct
import sys
from array import array
from itertools import count
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
_GAP: Final = 9
_UPPER: Final = 1 if sys.byteorder == "little" else 0
"""Which half of a number of 64 bits is the upper one: pcapng has it first, in the byte order of who wrote it."""
_ALL_BITS: Final = (1 << 64) - 1


def packet_blocks(batch: PacketBatch, interface: int) -> bytes:
    """The packets of a batch as pcapng blocks.

    This is where a recording spends its time, 200,000 times a second if need be. So the numbers between two packets
    are laid out for all of them at once, nine words each: four bytes to pad with, the length of the block that ends,
    and the head of the next (its type, length, interface, time in two halves, bytes captured, bytes sent).
    """
    buffer, starts, ends = batch.buffer, batch.starts, batch.ends
    sizes = list(map(sub, ends, starts))
    behind = _GAP * len(sizes)
    totals = array("I", [size + OVERHEAD + 3 & ~3 for size in sizes])
    kept = array("I", sizes)
    halves = array("I", array("Q", _times(batch)).tobytes())
    words = array("I", bytes(4 * (behind + _GAP)))
    words[_GAP + 1 :: _GAP] = totals
    words[2:behind:_GAP] = array("I", (_PACKET,)) * len(sizes)
    words[3:behind:_GAP] = totals
    words[4:behind:_GAP] = array("I", (interface,)) * len(sizes)
    words[5:behind:_GAP] = halves[_UPPER::2]
    words[6:behind:_GAP] = halves[1 - _UPPER :: 2]
    words[7:behind:_GAP] = kept
    words[8:behind:_GAP] = kept
    gaps = words.tobytes()
    step = 4 * _GAP
    parts = [b""] * (2 * len(sizes) + 1)
    parts[0] = gaps[8:step]
    parts[1::2] = [buffer[start:end] for start, end in zip(starts, ends, strict=True)]
    # So many of the four bytes are taken that the packet fills whole words.
    parts[2::2] = [gaps[at + (size & 3 or 4) : at + step] for at, size in zip(count(step, step), sizes, strict=False)]
    parts[-1] = parts[-1][: 8 - step]
    return b"".join(parts)


def _times(batch: PacketBatch) -> list[int]:
    """Of all packets; some layouts know a shorter way than one by one."""
    at_once = getattr(batch.layout, "times", None)
    if at_once is not None:
        found: list[int] = at_once(batch.buffer, batch.starts)
        return found
    time_of, buffer = batch.layout.time, batch.buffer
    return [time_of(buffer, start) & _ALL_BITS for start in batch.starts]


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
