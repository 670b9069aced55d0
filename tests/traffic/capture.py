"""Capture files, written record by record; and what a reader saw in them.

``write_pcap`` and ``write_pcapng`` put packets into a file and that is all most tests need. ``Pcapng`` writes block by
block, whatever the format knows: several sections and interfaces, comments, key logs, drops. ``read`` feeds a reader
in blocks of any size and unrolls what comes back, so that two ways of feeding can be compared.

The writers write what they are told to; nothing is checked, so that what is wrong can be written too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import pack
from typing import Any, NamedTuple, Protocol

from fieldkit.events import DecodeError, PacketBatch
from fieldkit.wire.records import CaptureItem

Packet = tuple[int, bytes] | tuple[int, bytes, int]
"""Time in nanoseconds, captured bytes, and the length on the wire where it was more."""

Option = tuple[int, bytes]

TLS_KEY_LOG = 0x544C534B


def _original(packet: Packet) -> int:
    return packet[2] if len(packet) == 3 else len(packet[1])


# -------------------------------------------------------------------------------------------------------------- pcap


def pcap_header(
    *, linktype: int = 1, nanoseconds: bool = False, big_endian: bool = False, modified: bool = False
) -> bytes:
    magic = 0xA1B2CD34 if modified else 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    return pack(f"{'>' if big_endian else '<'}IHHiIII", magic, 2, 4, 0, 0, 262_144, linktype)


def pcap_record(
    packet: Packet, *, nanoseconds: bool = False, big_endian: bool = False, modified: bool = False, interface: int = 0
) -> bytes:
    order = ">" if big_endian else "<"
    seconds, fraction = divmod(packet[0], 1_000_000_000)
    head = pack(
        f"{order}IIII", seconds, fraction if nanoseconds else fraction // 1000, len(packet[1]), _original(packet)
    )
    if modified:
        head += pack(f"{order}IHBB", interface, 0x0800, 0, 0)
    return head + packet[1]


def write_pcap(
    packets: Iterable[Packet],
    *,
    linktype: int = 1,
    nanoseconds: bool = False,
    big_endian: bool = False,
    modified: bool = False,
) -> bytes:
    header = pcap_header(linktype=linktype, nanoseconds=nanoseconds, big_endian=big_endian, modified=modified)
    return header + b"".join(
        pcap_record(packet, nanoseconds=nanoseconds, big_endian=big_endian, modified=modified) for packet in packets
    )


# ------------------------------------------------------------------------------------------------------------ pcapng


class Pcapng:
    """A pcapng file in the making. Every method adds one block, and returns the writer so that calls can be chained."""

    def __init__(self, *, big_endian: bool = False) -> None:
        self.data = bytearray()
        self._order = ">" if big_endian else "<"
        self._ticks: list[tuple[int, int, int]] = []
        """Of each interface of the section: ticks = (time - offset) * factor // divisor."""

    def __bytes__(self) -> bytes:
        return bytes(self.data)

    def block(self, kind: int, body: bytes, *, length: int | None = None, behind: int | None = None) -> Pcapng:
        """Any block; ``length`` and ``behind`` are what its two length fields say, when that is to be wrong."""
        body += bytes(-len(body) % 4)
        length = len(body) + 12 if length is None else length
        self.data += self._pack("II", kind, length) + body + self._pack("I", length if behind is None else behind)
        return self

    def section(
        self,
        *,
        big_endian: bool | None = None,
        comments: Iterable[str] = (),
        length: int = -1,
        version: tuple[int, int] = (1, 0),
    ) -> Pcapng:
        if big_endian is not None:
            self._order = ">" if big_endian else "<"
        self._ticks = []
        return self.block(
            0x0A0D0D0A,
            self._pack("IHHq", 0x1A2B3C4D, *version, length) + self.options([(1, text.encode()) for text in comments]),
        )

    def interface(
        self,
        *,
        linktype: int = 1,
        snaplen: int = 0,
        name: str = "",
        tsresol: int | None = None,
        tsoffset: int | None = None,
        comments: Iterable[str] = (),
    ) -> Pcapng:
        """``tsresol`` as it stands in the file: 6 for microseconds, 9 for nanoseconds, 0x80 | n for 2^-n."""
        options: list[Option] = [(1, text.encode()) for text in comments]
        if name:
            options.append((2, name.encode()))
        if tsresol is not None:
            options.append((9, bytes([tsresol])))
        if tsoffset is not None:
            options.append((14, self._pack("q", tsoffset)))
        resolution = 6 if tsresol is None else tsresol
        ticks = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        self._ticks.append((ticks, 1_000_000_000, (tsoffset or 0) * 1_000_000_000))
        return self.block(1, self._pack("HHI", linktype, 0, snaplen) + self.options(options))

    def packet(
        self,
        packet: Packet,
        *,
        interface: int = 0,
        comments: Iterable[str] = (),
        flags: int | None = None,
        dropped: int | None = None,
    ) -> Pcapng:
        """An enhanced packet block."""
        options: list[Option] = [(1, text.encode()) for text in comments]
        if flags is not None:
            options.append((2, self._pack("I", flags)))
        if dropped is not None:
            options.append((4, self._pack("Q", dropped)))
        return self.block(
            6,
            self._pack("IIIII", interface, *self._stamp(packet[0], interface), len(packet[1]), _original(packet))
            + _padded(packet[1])
            + self.options(options),
        )

    def obsolete(self, packet: Packet, *, interface: int = 0, dropped: int = 0xFFFF) -> Pcapng:
        """A packet block, as it was before there were enhanced ones."""
        return self.block(
            2,
            self._pack(
                "HHIIII", interface, dropped, *self._stamp(packet[0], interface), len(packet[1]), _original(packet)
            )
            + _padded(packet[1]),
        )

    def simple(self, data: bytes, original: int | None = None) -> Pcapng:
        return self.block(3, self._pack("I", len(data) if original is None else original) + _padded(data))

    def statistics(self, interface: int, *, dropped: int | None = None, dropped_by_os: int | None = None) -> Pcapng:
        options: list[Option] = []
        if dropped is not None:
            options.append((5, self._pack("Q", dropped)))
        if dropped_by_os is not None:
            options.append((7, self._pack("Q", dropped_by_os)))
        return self.block(5, self._pack("III", interface, 0, 0) + self.options(options))

    def secrets(self, text: str, *, kind: int = TLS_KEY_LOG) -> Pcapng:
        data = text.encode()
        return self.block(10, self._pack("II", kind, len(data)) + _padded(data))

    def options(self, options: Iterable[Option]) -> bytes:
        """With the end mark, or nothing where there are none."""
        data = b"".join(self._pack("HH", code, len(value)) + _padded(value) for code, value in options)
        return data + bytes(4) if data else b""

    def _stamp(self, time: int, interface: int) -> tuple[int, int]:
        factor, divisor, offset = self._ticks[interface] if interface < len(self._ticks) else (10**6, 10**9, 0)
        ticks = (time - offset) * factor // divisor
        return ticks >> 32, ticks & 0xFFFF_FFFF

    def _pack(self, fields: str, *values: int) -> bytes:
        return pack(self._order + fields, *values)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def write_pcapng(
    packets: Iterable[Packet],
    *,
    linktype: int = 1,
    nanoseconds: bool = False,
    big_endian: bool = False,
    secrets: str = "",
) -> bytes:
    """One section, one interface, and a key log in front of the packets if there is one."""
    writer = Pcapng(big_endian=big_endian).section()
    writer.interface(linktype=linktype, tsresol=9 if nanoseconds else None)
    if secrets:
        writer.secrets(secrets)
    for packet in packets:
        writer.packet(packet)
    return bytes(writer)


# ---------------------------------------------------------------------------------------------------- what a reader saw


class Seen(NamedTuple):
    """One packet out of a batch."""

    frame: int
    time: int
    linktype: int
    interface: int
    data: bytes


class Reader(Protocol):
    def feed(self, block: bytes) -> list[CaptureItem]: ...
    def finish(self) -> list[CaptureItem]: ...


def read(reader: Reader, data: bytes, sizes: Iterable[int] = ()) -> list[Any]:
    """Feed ``data`` in blocks of these sizes (and what is left in one), and unroll what comes back.

    Batches are taken apart, for where one ends and the next begins is a matter of the blocks: packets come as ``Seen``,
    everything else as it is.
    """
    items: list[CaptureItem] = []
    at = 0
    for size in sizes:
        items += reader.feed(data[at : at + size])
        at += size
    items += reader.feed(data[at:])
    items += reader.finish()
    assert reader.finish() == [], "what is finished has nothing more to say"
    return [seen for item in items for seen in _unrolled(item)]


def _unrolled(item: CaptureItem) -> Iterator[Any]:
    if not isinstance(item, PacketBatch):
        yield item
        return
    assert item.starts
    assert len(item.starts) == len(item.ends)
    layout, buffer = item.layout, item.buffer
    for frame, (start, end) in enumerate(zip(item.starts, item.ends, strict=True), item.first_frame):
        assert 0 < start <= end <= len(buffer)
        yield Seen(frame, layout.time(buffer, start), item.linktype, layout.interface(buffer, start), buffer[start:end])


def contents(items: Iterable[Any]) -> list[bytes]:
    """The bytes of the packets."""
    return [item.data for item in items if isinstance(item, Seen)]


def errors(items: Iterable[Any]) -> list[DecodeError]:
    return [item for item in items if isinstance(item, DecodeError)]
