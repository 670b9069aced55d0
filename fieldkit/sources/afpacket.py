"""Packets of a Linux interface, through a ring that the kernel fills (packet(7), TPACKET_V3).

The kernel writes packets into blocks of shared memory and hands over a block when it is full or has waited 50 ms; no
system call is made for a single packet. The filter is attached before the socket is bound, so that nothing else slips
in (``packetsocket``). Needs the right CAP_NET_RAW, here or where the socket is made, and nothing beyond the standard
library. A packet may be as large as a block: what the network card or the kernel has put together from several (GRO,
TSO, BIG TCP) comes whole.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
import sys
import time
from array import array
from dataclasses import dataclass
from operator import add
from typing import Final

from fieldkit.events import PacketBatch
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import SourceError
from fieldkit.sources.packetsocket import (
    SOL_PACKET,
    Opens,
    OpensHere,
    bind,
    link_type_of,
    stamps_in_hardware,
    use_hardware_time,
    why,
)
from fieldkit.sources.recordblocks import nanoseconds

BLOCK: Final = 1 << 19
"""Bytes of a block: what is decoded at once, as with files."""
RING: Final = 16 << 20
"""Bytes of a ring: 50 ms at 2.5 Gbit/s. Memory that the kernel takes, so a router will want less."""
SMALL_BLOCK: Final = 1 << 17
"""The same of a ring that is smaller than two blocks: room for the largest packet that offloading makes (64 KiB)."""
SMALLEST: Final = 2 * SMALL_BLOCK
_WAIT_MS: Final = 50
"""A block that is not full is handed over after so long: findings are to appear while they matter."""
_FRAME: Final = 2048
"""Only a divisor to the kernel with TPACKET_V3."""

# linux/if_packet.h
_RX_RING, _STATISTICS, _VERSION = 5, 6, 10
_V3: Final = 2
_OURS: Final = 1
"""TP_STATUS_USER: this block is ours until we give it back."""
_VLAN_VALID, _VLAN_TPID_VALID = 0x10, 0x40
_BY_HARDWARE: Final = 1 << 31
"""TP_STATUS_TS_RAW_HARDWARE: the time of this packet is by the interface's own clock."""
_SAME_CLOCK: Final = 1_000_000_000
"""Nanoseconds that a block may have waited for us. A clock that is farther off does not tell the time of day: many run
on TAI, 37 s ahead, or count since they were switched on."""

_BLOCK_HEADER: Final = struct.Struct("=IIII").unpack_from
"""From byte 8 of a block: its status, number of packets, offset of the first, bytes in use."""
_PACKET: Final = struct.Struct("=I8xI4xIHxx").unpack_from
"""Of a packet's header: offset of the next, bytes kept, status, offset of its first byte."""
_HEAD: Final = 28
_WORDS: Final = _HEAD // 4
"""Of a header, what is looked at of all packets of a block at once."""
_TIME: Final = struct.Struct("=II").unpack_from
_MACS: Final = 12
"""Bytes in front of a VLAN tag."""
_VLAN: Final = struct.Struct("=IH").unpack_from
"""From byte 32 of a packet's header: VLAN tag and its protocol."""


@dataclass(frozen=True, slots=True)
class _RingLayout:
    """Where the time of a packet lies in front of it."""

    lead: int
    """Bytes from a packet's header to its first byte."""
    shift: int = 0
    """Nanoseconds to be added to what the header says."""

    def time(self, buffer: bytes, start: int) -> int:
        """Nanoseconds since the epoch of the packet that begins at ``start``."""
        seconds, nanoseconds = _TIME(buffer, start - self.lead + 4)
        return int(seconds * 1_000_000_000 + nanoseconds) + self.shift

    def interface(self, buffer: bytes, start: int) -> int:
        """A ring has one interface."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlainLayout(_RingLayout):
    """The same for a block in which all packets begin equally far behind their headers, which are at hand."""

    starts: list[int]
    heads: array[int]

    def times(self, buffer: bytes, starts: list[int]) -> array[int]:
        """Of many packets at once."""
        if starts is self.starts:
            return nanoseconds(self.heads[1::_WORDS], self.heads[2::_WORDS])
        return array("Q", [self.time(buffer, start) for start in starts])


class PacketRing:
    """One interface. ``read`` never waits; ``fileno`` is readable when it is worth calling."""

    def __init__(
        self,
        interface: str,
        wanted: CaptureFilter,
        numbers: FrameNumbers,
        *,
        size: int = RING,
        opener: Opens | None = None,
    ) -> None:
        """``numbers`` gives frame numbers, and may be shared by several interfaces. SourceError when it cannot be."""
        self.name = interface
        self.linktype = link_type_of(interface)
        self.received = 0
        """Packets that passed the filter, by the kernel's count."""
        self.dropped = 0
        """Of these, packets for which there was no room in the ring."""
        self.hardware_time = False
        """Packets carry the time of the interface's own clock."""
        self.clock_off = 0
        """Nanoseconds by which that clock was found to be off, so that it is no longer asked."""
        self._numbers = numbers
        self._block = BLOCK if size >= 2 * BLOCK else SMALL_BLOCK
        self._blocks = max(size // self._block, 2)
        self._next = 0
        self._socket = (opener or OpensHere()).socket(interface, wanted)
        try:
            self._prepare(interface)
        except OSError as error:
            self._socket.close()
            raise SourceError(why(interface, error)) from error

    def _prepare(self, interface: str) -> None:
        size = self._block * self._blocks
        self._socket.setsockopt(SOL_PACKET, _VERSION, _V3)
        request = struct.pack("=7I", self._block, self._blocks, _FRAME, size // _FRAME, _WAIT_MS, 0, 0)
        self._socket.setsockopt(SOL_PACKET, _RX_RING, request)
        if stamps_in_hardware(interface):
            use_hardware_time(self._socket, True)
            self.hardware_time = True
        self._ring = mmap.mmap(self._socket.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        bind(self._socket, interface)

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def read(self) -> list[PacketBatch]:
        """The blocks that are full or have waited long enough, at most one round of the ring."""
        batches: list[PacketBatch] = []
        for _ in range(self._blocks):
            at = self._next * self._block
            status, packets, first, used = _BLOCK_HEADER(self._ring, at + 8)
            if not status & _OURS:
                break
            # On a quiet line a block has one packet in it: the rest is not worth copying twenty times a second.
            block = self._ring[at : at + (min(used, self._block) & ~3)]
            struct.pack_into("=I", self._ring, at + 8, 0)
            self._next = (self._next + 1) % self._blocks
            batches += self._batches(block, packets, first)
        return batches

    def _batches(self, block: bytes, packets: int, first: int) -> list[PacketBatch]:
        """The packets of a block: one batch, for nearly always all begin equally far behind their header."""
        plain = self._plain(block, packets, first)
        if plain is not None:
            return [plain]
        starts: list[int] = []
        ends: list[int] = []
        leads: list[int] = []
        """Distances to the header, negative for packets with the time of the interface's own clock."""
        tagged: list[bytes] = []
        beyond = len(block)
        at = first
        for _ in range(packets):
            following, kept, status, lead = _PACKET(block, at)
            start = at + lead
            if status & _VLAN_VALID and self.linktype == 1 and kept >= _MACS:
                # The kernel has taken the tag out; who reads the recording wants to see it.
                tag, protocol = _VLAN(block, at + 32)
                tpid = protocol if status & _VLAN_TPID_VALID else 0x8100
                whole = b"".join(
                    (block[at : start + _MACS], struct.pack("!HH", tpid, tag), block[start + _MACS : start + kept])
                )
                tagged.append(whole)
                start, kept = beyond + lead, kept + 4
                beyond += len(whole)
            starts.append(start)
            ends.append(start + kept)
            leads.append(-lead if status & _BY_HARDWARE else lead)
            at += following
        if tagged:
            block = b"".join((block, *tagged))
        return self._split(block, starts, ends, leads)

    def _plain(self, block: bytes, packets: int, first: int) -> PacketBatch | None:
        """The same in half the time, where all begin equally far behind their header and nothing is special."""
        lead = _PACKET(block, first)[3]
        words = memoryview(block).cast("I")
        headers: list[int] = []
        append = headers.append
        at = first
        for _ in range(packets):
            append(at)
            at += words[at >> 2]
        heads = array("I", b"".join([block[header : header + _HEAD] for header in headers]))
        leads = heads[6::_WORDS]
        special = array("I", (_VLAN_VALID | _BY_HARDWARE,)) * packets
        statuses = int.from_bytes(heads[5::_WORDS].tobytes(), sys.byteorder)
        if leads != leads[:1] * packets or statuses & int.from_bytes(special.tobytes(), sys.byteorder):
            return None
        starts = [header + lead for header in headers]
        ends = list(map(add, starts, heads[3::_WORDS]))
        layout = _PlainLayout(lead, starts=starts, heads=heads)
        return PacketBatch(block, starts, ends, self.linktype, self._numbers.take(packets), layout)

    def _split(self, block: bytes, starts: list[int], ends: list[int], leads: list[int]) -> list[PacketBatch]:
        batches: list[PacketBatch] = []
        begin = 0
        while begin < len(starts):
            lead = leads[begin]
            end = next((place for place in range(begin, len(leads)) if leads[place] != lead), len(leads))
            numbers = self._numbers.take(end - begin)
            layout = _RingLayout(lead) if lead > 0 else self._by_hardware(block, starts[end - 1], -lead)
            batches.append(PacketBatch(block, starts[begin:end], ends[begin:end], self.linktype, numbers, layout))
            begin = end
        return batches

    def _by_hardware(self, block: bytes, last: int, lead: int) -> _RingLayout:
        """The times of the interface's clock, if it tells the time of day; else the kernel is to stamp from now on."""
        layout = _RingLayout(lead)
        off = time.time_ns() - layout.time(block, last)
        if abs(off) <= _SAME_CLOCK:
            return layout
        if self.hardware_time:
            self.hardware_time, self.clock_off = False, off
            use_hardware_time(self._socket, False)
        # What has come with the wrong time came just now; the distances between its packets are right.
        return _RingLayout(lead, off)

    def count(self) -> int:
        """Ask the kernel; returns how many packets were dropped since the last time."""
        received, dropped, _ = struct.unpack("=III", self._socket.getsockopt(SOL_PACKET, _STATISTICS, 12))
        self.received += received
        self.dropped += dropped
        return int(dropped)

    def gone(self) -> str:
        """Why the interface gives no more packets; empty while it may."""
        trouble = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return os.strerror(trouble) if trouble else ""

    def close(self) -> None:
        """Give the ring back."""
        self._ring.close()
        self._socket.close()


class FrameNumbers:
    """Numbers for the packets of a session, over all its interfaces."""

    def __init__(self) -> None:
        self._next = 1

    def take(self, number: int) -> int:
        """The first of ``number`` new ones."""
        first = self._next
        self._next += number
        return first
