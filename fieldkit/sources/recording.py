"""Packets into pcapng files that can be opened at any instant, also after kill -9, a full disk or a power cut.

Blocks are handed to the operating system whole, many at a time: what a dead process leaves behind ends between two
blocks, or, when the machine died, within the last write. Where the disk is full the file is cut back to the last whole
block. A ring keeps the newest files and bounds what they take together.
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fieldkit import __version__
from fieldkit.events import PacketBatch

_SECTION: Final = 0x0A0D0D0A
_INTERFACE, _STATISTICS, _PACKET = 1, 5, 6
_END_OPTION: Final = b"\0\0\0\0"
_COMMENT, _NAME, _DESCRIPTION, _RESOLUTION, _HARDWARE, _SYSTEM, _APPLICATION = 1, 2, 3, 9, 2, 3, 4
_RECEIVED, _DROPPED = 4, 5
_PACKET_HEADER: Final = struct.Struct("=7I").pack
"""Block type, block length, interface, upper and lower half of the time, bytes captured, bytes sent."""
_LENGTH: Final = struct.Struct("=I").pack
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
_MIN_FILE: Final = 1 << 16
"""A ring of smaller files would be all headers."""


class RecordingError(Exception):
    """Nothing more can be written; the text says why. What was written is whole."""


@dataclass(frozen=True, slots=True)
class Ring:
    """How many files there may be, and how many bytes each may have."""

    files: int
    size: int


def parse_ring(text: str) -> Ring:
    """As in "10x20MB", ten files of 20 MB; ValueError with what is wrong."""
    number, _, size = text.lower().partition("x")
    units = {"kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
    unit = next((unit for unit in units if size.endswith(unit)), "")
    try:
        ring = Ring(int(number), int(float(size.removesuffix(unit)) * units.get(unit, 1)))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no ring: give files x size, as in 10x20MB") from None
    if ring.files < 2 or ring.size < _MIN_FILE:
        raise ValueError(f"{text!r}: a ring needs at least 2 files of 64 kB")
    return ring


class Recording:
    """One capture on disk, in one file or a ring of them."""

    def __init__(self, path: Path, ring: Ring | None = None, comment: str = "") -> None:
        """``path`` is replaced if it exists. A ring numbers its files, as in out_00001_20260831080000.pcapng.

        RecordingError when the file cannot be made.
        """
        self.path = path
        self.packets = 0
        self.bytes = 0
        """Written in all, also to files that the ring has given up since."""
        self.files: list[Path] = []
        """The files that exist, oldest first."""
        self._ring = ring
        self._comment = comment
        self._interfaces: list[bytes] = []
        self._made = 0
        self._size = 0
        self._file = self._open(0)

    def add_interface(self, name: str, linktype: int, description: str = "") -> int:
        """Tell of an interface; returns its number for ``write``."""
        options = _option(_NAME, name.encode()[:200]) + _option(_RESOLUTION, b"\x09")
        if description:
            options += _option(_DESCRIPTION, description.encode()[:500])
        block = _block(_INTERFACE, struct.pack("=HHI", linktype, 0, 0) + options + _END_OPTION)
        self._interfaces.append(block)
        self._put(block)
        return len(self._interfaces) - 1

    def write(self, batch: PacketBatch, interface: int) -> None:
        """Append the packets of a batch; RecordingError when it cannot be."""
        buffer, time_of = batch.buffer, batch.layout.time
        parts: list[bytes] = []
        add, header, length, padding = parts.append, _PACKET_HEADER, _LENGTH, _PADDING
        for start, end in zip(batch.starts, batch.ends, strict=True):
            size = end - start
            total = 32 + (size + 3 & ~3)
            time = time_of(buffer, start)
            add(header(_PACKET, total, interface, time >> 32 & 0xFFFFFFFF, time & 0xFFFFFFFF, size, size))
            add(buffer[start:end])
            add(padding[size & 3])
            add(length(total))
        if parts:
            if self._ring is not None and self._size >= self._ring.size:
                self._turn(time)
            self._put(b"".join(parts))
            self.packets += len(batch.starts)

    def statistics(self, interface: int, time: int, received: int, dropped: int) -> None:
        """What the kernel says of an interface so far."""
        options = _option(_RECEIVED, struct.pack("=Q", received)) + _option(_DROPPED, struct.pack("=Q", dropped))
        head = struct.pack("=III", interface, time >> 32 & 0xFFFFFFFF, time & 0xFFFFFFFF)
        self._put(_block(_STATISTICS, head + options + _END_OPTION))

    def close(self) -> None:
        """All is on its way to the disk."""
        self._file.close()

    def _open(self, time: int) -> _Unbuffered:
        path = self.path
        if self._ring is not None:
            self._made += 1
            moment = datetime.fromtimestamp(time / 1e9, UTC) if time else datetime.now(UTC)
            path = path.with_stem(f"{path.stem}_{self._made:05}_{moment:%Y%m%d%H%M%S}")
        try:
            file = _Unbuffered(path)
        except OSError as error:
            raise RecordingError(f"{path}: {error.strerror or error}") from error
        self.files.append(path)
        self._size = 0
        self._file = file
        self._put(self._section() + b"".join(self._interfaces))
        return file

    def _section(self) -> bytes:
        options = _option(_APPLICATION, f"fieldkit {__version__}".encode())
        system = os.uname()
        options += _option(_SYSTEM, f"{system.sysname} {system.release}".encode())
        if self._comment:
            options = _option(_COMMENT, self._comment.encode()[:1000]) + options
        return _block(_SECTION, struct.pack("=IHHq", 0x1A2B3C4D, 1, 0, -1) + options + _END_OPTION)

    def _turn(self, time: int) -> None:
        """The next file of the ring; the oldest goes when there are too many."""
        assert self._ring is not None
        self._file.close()
        while len(self.files) >= self._ring.files:
            self.files.pop(0).unlink(missing_ok=True)
        self._file = self._open(time)

    def _put(self, blocks: bytes) -> None:
        try:
            self._file.append(blocks)
        except OSError as error:
            why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
            raise RecordingError(f"{self.files[-1]}: {why}; it holds all packets up to here") from error
        self._size += len(blocks)
        self.bytes += len(blocks)


class _Unbuffered:
    """A file that only ever ends behind a whole block."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        self._end = 0

    def append(self, blocks: bytes) -> None:
        done = 0
        try:
            while done < len(blocks):
                done += os.write(self._file, blocks[done:] if done else blocks)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += done

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("=HH", code, len(value)) + value + _PADDING[len(value) & 3]


def _block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return struct.pack("=II", kind, total) + body + struct.pack("=I", total)
