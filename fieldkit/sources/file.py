"""Captures and logs from files and pipes, read in blocks: a source never has to fit into memory."""

from __future__ import annotations

import select
import stat
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import ClassVar, TypeAlias

from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, LoggedFrame, PacketBatch, TlsSecrets

BLOCK = 1 << 19
"""Bytes read at a time: large enough that the loop over packets dominates, small enough for a router."""
_PACKED_BLOCK = 1 << 16
"""The same of what is gzipped: it may become a thousand times as much, and what is in a block is in memory at once."""

_ENOUGH = 24
_ENOUGH_GZIP = 1024
"""Bytes that tell a capture from a log: a pcap header, or so much that gunzipped it gives one."""
_PIECE = 1024
"""Bytes inflated at a time: what a piece with damage in it holds before that is lost."""
_HEAD = 65_536
"""Bytes looked at to tell a capture from a log."""

_PAUSE = 0.4
"""Seconds without a byte from a pipe after which what a log has said so far is not held back any longer …"""
_LULL = 0.02
"""… or as many, when it says something all the time …"""
_PATIENCE = 0.8
"""… and when what it said first since then is as old as this."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing comes at the moment: whoever holds something back until more is known may want to let it go."""

    time: int | None = None


Item: TypeAlias = PacketBatch | TlsSecrets | CaptureComment | CaptureDropped | DecodeError | LoggedFrame | Pause


class SourceError(Exception):
    """A source that cannot be read at all; the text says why and what to do."""


class FileSource:
    """One file, or standard input for ``-``."""

    COUNTED: ClassVar[tuple[str, ...]] = ("read",)
    """Attributes that tell what was read so far …"""

    def __init__(self, name: str, *, utc_offset: int | None = None) -> None:
        """``utc_offset``: seconds east of UTC for log lines that do not name their time zone."""
        self.name = "stdin" if name == "-" else name
        self.size = 0
        """Bytes of the file, 0 when it is a pipe."""
        self.read = 0
        """Bytes read so far."""
        self.is_log = False
        self.zone_assumed = False
        """The log's times carry no zone and were read as ``utc_offset`` says."""
        self.date_assumed = False
        """The log's times carry no date, or no year; it was taken from the messages or from the file's own date."""
        self._utc_offset = utc_offset
        self._written: int | None = None  # when the file was last changed: log lines may lack the year or the date
        self._file = self._open(name)
        try:
            self._head = self._read_head()
        except OSError as error:
            raise SourceError(f"{self.name}: {error.strerror or error}") from error

    def _open(self, name: str) -> FileIO:
        if name == "-":
            if sys.stdin is None:
                raise SourceError("stdin: there is no standard input")
            if sys.stdin.isatty():
                raise SourceError("stdin is a terminal: pipe a capture or a log into it")
            # Unbuffered: what a live capture has written so far is handed over without waiting for a full block.
            return open(0, "rb", buffering=0, closefd=False)
        path = Path(name)
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise SourceError(f"{name} is a directory: name the files in it")
            self._written = status.st_mtime_ns
            self.size = status.st_size if stat.S_ISREG(status.st_mode) else 0
            return path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise SourceError(f"{name}: there is no such file") from error
        except PermissionError as error:
            raise SourceError(f"{name}: you may not read it (try: sudo, or chmod +r)") from error
        except OSError as error:
            raise SourceError(f"{name}: {error.strerror or error}") from error

    def _read_head(self) -> bytes:
        """A pipe delivers what it likes: read until there is enough to tell what this is, or the end."""
        head = b""
        while len(head) < (_ENOUGH_GZIP if head[:2] == b"\x1f\x8b" else _ENOUGH):
            block = self._file.read(_HEAD)
            if not block:
                break
            head += block
        return head

    @property
    def counts(self) -> tuple[int, ...]:
        """… and their values, for somebody who has the same source in another process."""
        return tuple(getattr(self, name) for name in self.COUNTED)

    @counts.setter
    def counts(self, counts: tuple[int, ...]) -> None:
        for name, count in zip(self.COUNTED, counts, strict=True):
            setattr(self, name, count)

    @property
    def is_plain_capture(self) -> bool:
        """A pcap or pcapng file that is not compressed."""
        from fieldkit.wire.container import is_capture

        return self._head[:2] != b"\x1f\x8b" and is_capture(self._head)

    @property
    def may_hold_secrets(self) -> bool:
        """Not a plain pcap: pcapng has blocks for TLS secrets, and behind gzip may be one."""
        from fieldkit.wire.pcap import PCAP_MAGICS

        return self._head[:4] not in PCAP_MAGICS

    def blocks(self) -> Iterator[bytes]:
        """The bytes of the source; none (``b""``) when a pipe has been silent for a while."""
        head, self._head = self._head, b""
        size = _PACKED_BLOCK if head[:2] == b"\x1f\x8b" else BLOCK
        if head:
            self.read += len(head)
            yield head
        heard = time.monotonic()
        while True:
            if not self.size:
                left = heard + _PATIENCE - time.monotonic()
                if not _comes(self._file, max(min(_PAUSE, left), _LULL)):
                    yield b""
                    _comes(self._file, None)
                    heard = time.monotonic()
            try:
                block = self._file.read(size)
            except OSError as error:
                raise SourceError(f"{self.name}: {error.strerror or error}") from error
            if not block:
                return
            self.read += len(block)
            yield block

    def items(self) -> Iterator[Item]:
        """Batches of packets with what the container says beside them, or the frames of a log."""
        from fieldkit.wire.container import CaptureReader, is_capture

        # What looks like neither cannot be read, and the capture reader knows what it is.
        if is_capture(self._head) or not (self._head[:2] == b"\x1f\x8b" or _looks_like_log(self._head)):
            reader = CaptureReader()
            for block in self.blocks():
                if block:
                    yield from reader.feed(block)
            yield from reader.finish()
            return
        yield from self._log_items()

    def _log_items(self) -> Iterator[Item]:
        from fieldkit.logs.reader import LogReader

        self.is_log = True
        reader = LogReader(self.name, utc_offset=self._utc_offset, around=self._written)
        damage: list[str] = []
        for block in _gunzipped(self.blocks(), damage) if self._head[:2] == b"\x1f\x8b" else self.blocks():
            if block:
                yield from reader.feed(block)
            else:
                yield from reader.pause(time.time_ns())
                yield Pause()
        yield from reader.finish()
        for reason in damage:
            yield DecodeError(0, (), None, "gzip", reason, b"", 0)
        self.zone_assumed = reader.zone_assumed
        self.date_assumed = reader.date_assumed

    def close(self) -> None:
        self._file.close()


def _comes(file: FileIO, seconds: float | None) -> bool:
    """Wait so long for bytes to come (or the end); False when there were none."""
    if not hasattr(select, "poll"):
        return True  # where only sockets can be waited for
    poll = select.poll()
    poll.register(file.fileno(), select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def _looks_like_log(head: bytes) -> bool:
    from fieldkit.logs.reader import looks_like_log  # captures need not wait for it

    return looks_like_log(head)


def _gunzipped(blocks: Iterator[bytes], damage: list[str]) -> Iterator[bytes]:
    """A gzipped log, inflated in bounded pieces; a damaged one yields what there was before the damage."""
    inflater = zlib.decompressobj(31)
    begun = False
    for block in blocks:
        if not block:
            yield block
        for at in range(0, len(block), _PIECE):
            data = block[at : at + _PIECE]
            while data:
                begun = True
                try:
                    yield inflater.decompress(data, BLOCK)
                except zlib.error:
                    damage.append("the gzip data is damaged; nothing behind that place can be unpacked")
                    return
                data = inflater.unconsumed_tail
                if inflater.eof:  # another log may have been appended, or the zeros of a tape
                    begun, data, inflater = False, inflater.unused_data.lstrip(b"\0"), zlib.decompressobj(31)
    if begun:
        damage.append("the gzip data was cut: the file was still being written or its transfer was cut")


def read_keylog(name: str) -> str:
    """The text of an NSS key log file."""
    try:
        if Path(name).stat().st_size > 256 << 20:
            raise SourceError(f"{name}: too large for a key log")
        return Path(name).read_text("utf-8", "replace")
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror or error}") from error
