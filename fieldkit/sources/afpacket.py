"""Packets of a Linux interface, through a ring that the kernel fills (packet(7), TPACKET_V3).

The kernel writes packets into blocks of shared memory and hands over a block when it is full or has waited 50 ms; no
system call is made for a single packet. The filter is attached before the socket is bound, so that nothing else slips
in. Needs the right CAP_NET_RAW and nothing beyond the standard library.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldkit.events import PacketBatch
from fieldkit.sources.bpf import CaptureFilter, Instruction, compile_filter
from fieldkit.sources.file import SourceError
from fieldkit.wire.link import network_layer

BLOCK: Final = 1 << 19
"""Bytes of a block: what is decoded at once, as with files."""
RING: Final = 16 << 20
"""Bytes of a ring: 50 ms at 2.5 Gbit/s. Memory that the kernel takes, so a router will want less."""
_WAIT_MS: Final = 50
"""A block that is not full is handed over after so long: findings are to appear while they matter."""
_FRAME: Final = 2048
"""Only a divisor to the kernel with TPACKET_V3."""

# linux/if_packet.h and asm-generic/socket.h
_SOL_PACKET, _SO_ATTACH_FILTER, _ETH_P_ALL = 263, 26, 3
_RX_RING, _STATISTICS, _VERSION = 5, 6, 10
_V3: Final = 2
_OURS: Final = 1
"""TP_STATUS_USER: this block is ours until we give it back."""
_VLAN_VALID, _VLAN_TPID_VALID = 0x10, 0x40

_BLOCK_HEADER: Final = struct.Struct("=III").unpack_from
"""From byte 8 of a block: its status, number of packets, offset of the first."""
_PACKET: Final = struct.Struct("=I8xI4xIHxx").unpack_from
"""Of a packet's header: offset of the next, bytes kept, status, offset of its first byte."""
_TIME: Final = struct.Struct("=II").unpack_from
_MACS: Final = 12
"""Bytes in front of a VLAN tag."""
_VLAN: Final = struct.Struct("=IH").unpack_from
"""From byte 32 of a packet's header: VLAN tag and its protocol."""

_LINKTYPES: Final = {1: 1, 772: 1, 512: 9, 801: 105, 803: 127, 776: 101, 768: 101, 65534: 101, 778: 101}
"""Hardware types (linux/if_arp.h) and the link types of captures: Ethernet, loopback, PPP, 802.11, radiotap, IP in IP,
tunnels and modems, which have no header of their own, and GRE."""


@dataclass(frozen=True, slots=True)
class _RingLayout:
    """Where the time of a packet lies in front of it."""

    lead: int
    """Bytes from a packet's header to its first byte."""

    def time(self, buffer: bytes, start: int) -> int:
        """Nanoseconds since the epoch of the packet that begins at ``start``."""
        seconds, nanoseconds = _TIME(buffer, start - self.lead + 4)
        return int(seconds * 1_000_000_000 + nanoseconds)

    def interface(self, buffer: bytes, start: int) -> int:
        """A ring has one interface."""
        return 0


class PacketRing:
    """One interface. ``read`` never waits; ``fileno`` is readable when it is worth calling."""

    def __init__(self, interface: str, wanted: CaptureFilter, numbers: FrameNumbers, *, size: int = RING) -> None:
        """``numbers`` gives frame numbers, and may be shared by several interfaces. SourceError when it cannot be."""
        self.name = interface
        self.linktype = link_type_of(interface)
        self.received = 0
        """Packets that passed the filter, by the kernel's count."""
        self.dropped = 0
        """Of these, packets for which there was no room in the ring."""
        self._numbers = numbers
        self._blocks = max(size // BLOCK, 2)
        self._next = 0
        self._socket = _opened()
        try:
            self._prepare(interface, compile_filter(wanted))
        except OSError as error:
            self._socket.close()
            raise SourceError(_why(interface, error)) from error

    def _prepare(self, interface: str, program: list[Instruction]) -> None:
        _attach(self._socket, program)
        size = BLOCK * self._blocks
        self._socket.setsockopt(_SOL_PACKET, _VERSION, _V3)
        request = struct.pack("=7I", BLOCK, self._blocks, _FRAME, size // _FRAME, _WAIT_MS, 0, 0)
        self._socket.setsockopt(_SOL_PACKET, _RX_RING, request)
        self._ring = mmap.mmap(self._socket.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._socket.bind((interface, _ETH_P_ALL))

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def read(self) -> list[PacketBatch]:
        """The blocks that are full or have waited long enough, at most one round of the ring."""
        batches: list[PacketBatch] = []
        for _ in range(self._blocks):
            at = self._next * BLOCK
            status, packets, first = _BLOCK_HEADER(self._ring, at + 8)
            if not status & _OURS:
                break
            block = self._ring[at : at + BLOCK]
            struct.pack_into("=I", self._ring, at + 8, 0)
            self._next = (self._next + 1) % self._blocks
            batches += self._batches(block, packets, first)
        return batches

    def _batches(self, block: bytes, packets: int, first: int) -> list[PacketBatch]:
        """The packets of a block: one batch, for nearly always all begin equally far behind their header."""
        starts: list[int] = []
        ends: list[int] = []
        leads: list[int] = []
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
            leads.append(lead)
            at += following
        if tagged:
            block = b"".join((block, *tagged))
        return self._split(block, starts, ends, leads)

    def _split(self, block: bytes, starts: list[int], ends: list[int], leads: list[int]) -> list[PacketBatch]:
        batches: list[PacketBatch] = []
        begin = 0
        while begin < len(starts):
            lead = leads[begin]
            end = next((place for place in range(begin, len(leads)) if leads[place] != lead), len(leads))
            numbers = self._numbers.take(end - begin)
            layout = _RingLayout(lead)
            batches.append(PacketBatch(block, starts[begin:end], ends[begin:end], self.linktype, numbers, layout))
            begin = end
        return batches

    def count(self) -> int:
        """Ask the kernel; returns how many packets were dropped since the last time."""
        received, dropped, _ = struct.unpack("=III", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 12))
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


def link_type_of(interface: str) -> int:
    """The link type of an interface's packets; SourceError when there is no such interface or nobody can read it."""
    try:
        kind = int((Path("/sys/class/net") / interface / "type").read_text("ascii"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{interface}: there is no such interface (fieldkit doctor lists them)") from error
    linktype = _LINKTYPES.get(kind)
    if linktype is None or network_layer(linktype) is None:
        raise SourceError(
            f"{interface}: packets of this kind of interface (ARPHRD {kind}) cannot be read; try --with dumpcap"
        )
    return linktype


def _opened() -> socket.socket:
    try:
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: no packet before the filter is there
    except PermissionError as error:
        raise SourceError(
            "capturing needs the right CAP_NET_RAW: run it with sudo, or see what fieldkit doctor says"
        ) from error


def _attach(to: socket.socket, program: list[Instruction]) -> None:
    steps = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    to.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(steps)))


def _why(interface: str, error: OSError) -> str:
    if error.errno == errno.ENODEV:
        return f"{interface}: there is no such interface (fieldkit doctor lists them)"
    if error.errno == errno.ENOMEM:
        return f"{interface}: the kernel has no memory for a ring; ask for a smaller one (--buffer)"
    return f"{interface}: {error.strerror or error}"
