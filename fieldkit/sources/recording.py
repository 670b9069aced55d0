"""Packets into pcapng files that can be opened at any instant, also after kill -9 or on a full disk.

Blocks are handed to the operating system whole, many at a time: what a dead process leaves behind ends between two
blocks, or within the last write. Where the disk is full the file is cut back to the last whole block. (What the kernel
had not yet written to the disk when the power failed is lost, as with every program that does not wait for the disk.)

A ring bounds what a capture takes: its newest files stay, and what an earlier run left of it counts.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from fieldkit.events import PacketBatch
from fieldkit.sources.recordblocks import (
    OVERHEAD,
    STATISTICS_SIZE,
    interface_block,
    packet_blocks,
    remarked_block,
    section_block,
    statistics_block,
    whole_blocks,
)

_MIN_FILE: Final = 1 << 20
"""The longest packet and the headers fit in several times."""


class RecordingError(Exception):
    """Nothing more can be written; the text says why. What was written is whole."""


@dataclass(frozen=True, slots=True)
class Ring:
    """How many files there may be, and how many bytes each may have."""

    files: int
    size: int

    @property
    def bytes(self) -> int:
        """What all may take together."""
        return self.files * self.size


def parse_size(text: str) -> int:
    """As in "20MB" or "64KiB"; ValueError when it is no size."""
    units = {"kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
    size = text.strip().lower()
    unit = next((unit for unit in units if size.endswith(unit)), "")
    try:
        return int(float(size.removesuffix(unit)) * units.get(unit, 1))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no size: write it as in 20MB") from None


def parse_ring(text: str) -> Ring:
    """As in "10x20MB", ten files of 20 MB; ValueError with what is wrong."""
    number, _, size = text.lower().partition("x")
    try:
        ring = Ring(int(number), parse_size(size))
    except ValueError:
        raise ValueError(f"{text!r} is no ring: give files x size, as in 10x20MB") from None
    if ring.files < 2 or ring.size < _MIN_FILE:
        raise ValueError(f"{text!r}: a ring needs at least 2 files of 1 MiB")
    return ring


class _Target(Protocol):
    """Where blocks go."""

    kept: int

    def append(self, blocks: bytes) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class _Interface:
    """What every file of the recording says of an interface."""

    block: bytes
    time: int = 0
    counts: tuple[int, int] = (0, 0)
    """Received and dropped since the capture began …"""
    before: tuple[int, int] = (0, 0)
    """… and when the current file began: a file counts what happened while it was written."""
    told: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class _File:
    """One of a ring."""

    path: Path
    size: int
    first: int = 0
    """Time of its first packet …"""
    last: int = 0
    """… and of its last."""


class Recording:
    """One capture on disk, in one file or a ring of them; or on its way through a pipe."""

    def __init__(self, to: Path | int, ring: Ring | None = None, comment: str = "") -> None:
        """``to`` is a file, which is replaced if it exists, or the number of an open descriptor.

        A ring numbers its files, as in out_00001_20260831080000.pcapng, and takes over what is there of an earlier run.
        RecordingError when the file cannot be made.
        """
        self.packets = 0
        self.bytes = 0
        """Written in all, also to files that the ring has given up since."""
        self.given_up = 0
        """Files of this run that the ring has removed again."""
        self.adopted: list[Path] = []
        """Files of an earlier run that were there when this one began; the ring removes them first."""
        self._path = to if isinstance(to, Path) else None
        self._descriptor = to if isinstance(to, int) else -1
        self._ring = ring
        self._comment = comment
        self._interfaces: list[_Interface] = []
        self._files: list[_File] = []
        self._made = 0
        self._frames = 0
        self._target: _Target | None = None
        if ring is not None:
            self._adopt()
        self._open(0)

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return self._files[-1].path if self._files else Path("stdout")

    @property
    def files(self) -> list[Path]:
        """The files of this run that exist, oldest first."""
        adopted = set(self.adopted)
        return [file.path for file in self._files if file.path not in adopted]

    @property
    def spans(self) -> list[tuple[Path, int, int]]:
        """Those that hold packets, with the times of the first and the last one."""
        return [(file.path, file.first, file.last) for file in self._files if file.first]

    @property
    def size(self) -> int:
        """Bytes that all files take that the ring looks after."""
        return sum(file.size for file in self._files)

    def add_interface(self, name: str, linktype: int, description: str = "") -> int:
        """Tell of an interface; returns its number for ``write``."""
        block = interface_block(name, linktype, description)
        self._put(block)
        self._interfaces.append(_Interface(block))
        return len(self._interfaces) - 1

    def write(self, batch: PacketBatch, interface: int) -> list[tuple[Path, PacketBatch]]:
        """Append the packets of a batch; returns them with the file they are in and their frame numbers there.

        RecordingError when it cannot be.
        """
        if not batch.starts:
            return []
        if self._ring is None:
            self._put(packet_blocks(batch, interface))
            return [self._numbered(batch)]
        written: list[tuple[Path, PacketBatch]] = []
        sizes = [end - start + OVERHEAD + 3 & ~3 for start, end in zip(batch.starts, batch.ends, strict=True)]
        begin = 0
        while begin < len(sizes):
            room = self._ring.size - self._files[-1].size - self._farewell()
            end = begin
            while end < len(sizes) and sizes[end] <= room:
                room -= sizes[end]
                end += 1
            if end > begin:
                part = replace(batch, starts=batch.starts[begin:end], ends=batch.ends[begin:end])
                self._put(packet_blocks(part, interface))
                written.append(self._numbered(part))
            if end < len(sizes):
                self._turn(batch.layout.time(batch.buffer, batch.starts[end]))
            begin = end
        return written

    def remark(self, batch: PacketBatch, interface: int, comment: str) -> list[tuple[Path, PacketBatch]]:
        """Append a batch of one packet with a comment that Wireshark shows; returns what ``write`` does."""
        (start,), (end,) = batch.starts, batch.ends
        time = batch.layout.time(batch.buffer, start)
        block = remarked_block(interface, time, batch.buffer[start:end], comment)
        if self._ring is not None and len(block) > self._ring.size - self._files[-1].size - self._farewell():
            self._turn(time)
        self._put(block)
        return [self._numbered(batch)]

    def count(self, interface: int, time: int, received: int, dropped: int) -> None:
        """What the kernel has counted on an interface so far; written down now if packets were dropped, else later."""
        entry = self._interfaces[interface]
        entry.time, entry.counts = time, (received, dropped)
        if dropped - entry.before[1] > entry.told[1] and (self._ring is None or self._has_room()):
            self._tell(interface)

    def close(self) -> None:
        """Write what was counted; then all is on its way to the disk. Harmless when done already."""
        if self._target is None:
            return
        try:
            self._conclude()
        finally:
            self._target.close()
            self._target = None

    # ---------------------------------------------------------------------------------------------------------- files

    def _adopt(self) -> None:
        """Files of this ring that are there: they count, or a restart would double what it takes."""
        assert self._path is not None
        name = re.compile(rf"{re.escape(self._path.stem)}_(\d{{5,9}})_\d{{14}}{re.escape(self._path.suffix)}")
        found = []
        try:
            for path in self._path.parent.iterdir():
                match = name.fullmatch(path.name)
                if match is not None and path.is_file() and not path.is_symlink():
                    found.append((int(match[1]), _File(path, path.stat().st_size)))
        except OSError as error:
            raise RecordingError(f"{self._path.parent}: {error.strerror or error}") from error
        found.sort(key=lambda one: (one[0], one[1].path.name))
        self._files = [file for _, file in found]
        self.adopted = [file.path for file in self._files]
        self._made = found[-1][0] if found else 0

    def _open(self, time: int) -> None:
        """The next file begins with all that a reader needs."""
        self._frames = 0
        if self._path is None:
            self._target = _Pipe(self._descriptor)
        else:
            path = self._path
            if self._ring is not None:
                self._made += 1
                moment = datetime.fromtimestamp(time / 1e9, UTC) if time else datetime.now(UTC)
                path = path.with_stem(f"{path.stem}_{self._made:05}_{moment:%Y%m%d%H%M%S}")
                while self._files and (
                    len(self._files) >= self._ring.files or self.size + self._ring.size > self._ring.bytes
                ):
                    self._remove_oldest()
            try:
                self._target = _Unbuffered(path)
            except OSError as error:
                raise RecordingError(f"{path}: {error.strerror or error}") from error
            self._files.append(_File(path, 0))
        for interface in self._interfaces:
            interface.before, interface.told = interface.counts, (0, 0)
        self._put(section_block(self._comment) + b"".join(interface.block for interface in self._interfaces))

    def _turn(self, time: int) -> None:
        """The next file of the ring; the oldest goes when there are too many."""
        self.close()
        self._open(time)

    def _remove_oldest(self) -> None:
        oldest = self._files[0]
        try:
            oldest.path.unlink(missing_ok=True)
        except OSError as error:
            raise RecordingError(f"{oldest.path}: it cannot be removed: {error.strerror or error}") from error
        del self._files[0]
        if oldest.path in self.adopted:
            self.adopted.remove(oldest.path)
        else:
            self.given_up += 1

    def _put(self, blocks: bytes) -> None:
        while True:
            if self._target is None:
                raise RecordingError(f"{self.path}: it is closed")
            try:
                self._target.append(blocks)
                break
            except BrokenPipeError as error:
                raise RecordingError("whoever read the packets has gone") from error
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                self._written(self._target.kept)
                blocks = blocks[self._target.kept :]
                if full and self._ring is not None and len(self._files) > 1:
                    self._remove_oldest()  # somebody else filled the disk: new packets are worth more than old ones
                    continue
                why = "the disk is full" if full else error.strerror or str(error)
                raise RecordingError(f"{self.path}: {why}; it holds all packets up to here") from error
        self._written(len(blocks))

    def _written(self, size: int) -> None:
        if self._files:
            self._files[-1].size += size
        self.bytes += size

    # --------------------------------------------------------------------------------------------------------- blocks

    def _numbered(self, batch: PacketBatch) -> tuple[Path, PacketBatch]:
        first = self._frames + 1
        self._frames += len(batch.starts)
        self.packets += len(batch.starts)
        if self._files:
            file, time_of = self._files[-1], batch.layout.time
            file.last = time_of(batch.buffer, batch.starts[-1])
            file.first = file.first or time_of(batch.buffer, batch.starts[0])
        return self.path, batch if batch.first_frame == first else replace(batch, first_frame=first)

    def _conclude(self) -> None:
        """The closing statistics of a file, which capinfos and Wireshark show."""
        for number, interface in enumerate(self._interfaces):
            now = (interface.counts[0] - interface.before[0], interface.counts[1] - interface.before[1])
            if interface.time and now != interface.told:
                self._tell(number)

    def _tell(self, number: int) -> None:
        interface = self._interfaces[number]
        since = (interface.counts[0] - interface.before[0], interface.counts[1] - interface.before[1])
        interface.told = since
        self._put(statistics_block(number, interface.time, *since))

    def _farewell(self) -> int:
        """Bytes kept free for the closing statistics, so that no file exceeds its size."""
        return STATISTICS_SIZE * len(self._interfaces)

    def _has_room(self) -> bool:
        assert self._ring is not None
        return self._files[-1].size + STATISTICS_SIZE + self._farewell() <= self._ring.size


class _Unbuffered:
    """A file that only ever ends behind a whole block."""

    def __init__(self, path: Path) -> None:
        if path.exists() and stat.S_ISREG(path.lstat().st_mode) and path.stat().st_nlink > 1:
            path.unlink()  # it waits to be sent under another name: that one is not to change
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o640)
        self._end = 0
        self.kept = 0
        """Bytes of what could not be written altogether that are in the file all the same: whole blocks."""

    def append(self, blocks: bytes) -> None:
        done = 0
        try:
            while done < len(blocks):
                done += os.write(self._file, blocks[done:] if done else blocks)
        except OSError:
            self.kept = whole_blocks(blocks, done)
            self._end += self.kept
            os.ftruncate(self._file, self._end)
            os.lseek(self._file, self._end, os.SEEK_SET)
            raise
        self._end += done

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class _Pipe:
    """Somebody else's descriptor: what is in it is on its way."""

    kept = 0

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def append(self, blocks: bytes) -> None:
        done = 0
        while done < len(blocks):
            done += os.write(self._descriptor, blocks[done:] if done else blocks)

    def close(self) -> None:
        return
