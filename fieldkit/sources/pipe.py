"""A capture that somebody else is writing: through a pipe or a socket, or into a file that grows.

tcpdump and dumpcap write pcap or pcapng to a pipe; so does a router at the other end of an ssh session, and a capture
helper that has the rights this process has not. ``CaptureStream`` hands over what has been written so far, as soon as
it has been written, and never waits for more.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Final

from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, PacketBatch, TlsSecrets
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import Item, SourceError
from fieldkit.wire.container import CaptureReader, is_capture
from fieldkit.wire.records import CaptureItem

BLOCK: Final = 1 << 19
"""Bytes taken at a time: other sources have their turn in between."""
_PACKED_BLOCK: Final = 1 << 16
"""The same of what is gzipped: it may become a thousand times as much."""
_PIPE: Final = 1 << 20
"""Bytes that a pipe is asked to hold: while we decode, the writer can go on."""
_F_SETPIPE_SZ: Final = 1031  # linux/fcntl.h
_REMEMBERED: Final = 64
"""Batches whose frame numbers are remembered, for what the capture still has to say about their packets."""
_GZIP: Final = b"\x1f\x8b"
_MAGIC: Final = 4
"""Bytes that tell a capture from something else."""


class CaptureStream:
    """A pcap or pcapng stream, plain or gzipped, from a file descriptor.

    Packets get the numbers of the session in place of their own. A pipe ends when its writer closes it; a file that is
    followed does not end.
    """

    def __init__(
        self,
        fd: int,
        name: str,
        numbers: FrameNumbers,
        *,
        owned: bool = True,
        follow: Path | None = None,
        begun: bytes = b"",
    ) -> None:
        """``owned``: close the descriptor at the end. ``follow``: the file that it is of; wait for it to grow, begin
        anew when it is cut back, and change over when another file takes its name, as in ``tail -F``. ``begun``: what
        somebody has read of it already."""
        self.name = name
        self.packets = 0
        self.bytes = 0
        """Read so far."""
        self._fd = fd
        self._unread = begun
        self._owned = owned
        self._follow = follow
        self._numbers = numbers
        self._reader = CaptureReader()
        self._frames: deque[tuple[int, int, int]] = deque(maxlen=_REMEMBERED)
        self._dropped = 0
        self._block = BLOCK
        self._head = b""
        self._why: str | None = None
        mode = os.fstat(fd).st_mode
        self._is_file = not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))
        # No selector takes a file. A pipe that nobody can write to is always readable, and stands for one with more in
        # it; at the end of the file nothing does, and it is looked at again in a while.
        self._ready = _always_readable() if self._is_file else -1
        self._at_end = False
        _widen(fd)

    def fileno(self) -> int:
        """Of the pipe; of a file something that is readable while there is more in it."""
        if self._why is not None or (self._is_file and self._at_end):
            return -1
        return self._ready if self._is_file else self._fd

    def read(self) -> list[Item]:
        """What has been written since the last time, up to a block."""
        if self._why is not None or not (self._unread or self._is_file or has_something(self._fd)):
            return []
        try:
            block, self._unread = self._unread or os.read(self._fd, self._block), b""
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as error:
            return self._end(error.strerror or str(error))
        self._at_end = not block
        if block:
            self.bytes += len(block)
            if len(self._head) < _MAGIC:
                self._head += block[: _MAGIC - len(self._head)]
                self._block = _PACKED_BLOCK if self._head[:2] == _GZIP else BLOCK
            items = self._taken(self._reader.feed(block))
            return items + self._end() if self._reader.gave_up else items
        if not self._is_file:
            return self._end()
        return self._grown_anew() if self._follow is not None else self._end()

    def tick(self, now: int) -> list[Item]:
        """Packets come through ``read``. What is no capture has by now had the time to show what it is."""
        if self._why is None and len(self._head) == _MAGIC and self._head[:2] != _GZIP and not is_capture(self._head):
            return self._end()
        return []

    def counters(self) -> tuple[int, int]:
        """Packets read, and packets that the writer says it dropped."""
        return self.packets, self._dropped

    def ended(self) -> str | None:
        """Empty at the end of the stream; what is wrong when it is no capture or cannot be read."""
        return self._why

    def close(self) -> None:
        """Read no more of it."""
        if self._fd >= 0 and self._owned:
            os.close(self._fd)
        if self._ready >= 0:
            os.close(self._ready)
        self._fd = self._ready = -1
        self._why = self._why if self._why is not None else ""

    def _end(self, why: str = "") -> list[Item]:
        """Nothing more will be read: what the reader kept back, and what it has to say of the end."""
        items = self._taken(self._reader.finish())
        for item in items:
            if isinstance(item, DecodeError) and item.layer == "container":
                why = why or (item.reason.replace("this file", "what came", 1) if self.bytes else "nothing came")
        self._why = why
        # What was no capture at all is a reason to end, and no damage to one.
        return [item for item in items if not (isinstance(item, DecodeError) and item.layer == "container")]

    def _taken(self, items: list[CaptureItem]) -> list[Item]:
        taken: list[Item] = []
        for item in items:
            if isinstance(item, PacketBatch):
                count = len(item.starts)
                first = self._numbers.take(count)
                self._frames.append((item.first_frame, count, first))
                self.packets += count
                taken.append(replace(item, first_frame=first))
            elif isinstance(item, TlsSecrets):
                taken.append(item)
            else:
                if isinstance(item, CaptureDropped):
                    self._dropped += item.count
                taken.append(self._renumbered(item))
        return taken

    def _renumbered(self, item: CaptureComment | CaptureDropped | DecodeError) -> Item:
        if not item.frames:
            return item
        frames = tuple(number for frame in item.frames if (number := self._number_of(frame)))
        return replace(item, frames=frames)

    def _number_of(self, frame: int) -> int:
        """The session's number of a packet; 0 when it was not handed over (it is what was damaged)."""
        for theirs, count, ours in reversed(self._frames):
            if theirs <= frame < theirs + count:
                return ours + frame - theirs
        return 0

    # ------------------------------------------------------------------------------------------ a file that grows

    def _grown_anew(self) -> list[Item]:
        """At the end of the file: is it still the one of that name, and has it kept what was read?"""
        assert self._follow is not None
        if os.fstat(self._fd).st_size < os.lseek(self._fd, 0, os.SEEK_CUR):
            os.lseek(self._fd, 0, os.SEEK_SET)
            return self._begin_anew(f"{self._follow} was begun anew")
        try:
            if os.path.samestat(self._follow.stat(), os.fstat(self._fd)):
                return []
            fd = os.open(self._follow, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return []  # between two files; or it is gone, and may come back
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return []
        os.close(self._fd)
        self._fd = fd
        return self._begin_anew(f"another file took the place of {self._follow}")

    def _begin_anew(self, what: str) -> list[Item]:
        items = self._taken(self._reader.finish()) if self._head else []
        time = self._reader.time
        self._reader = CaptureReader()
        self._frames.clear()
        self._head = b""
        self._at_end = False
        return [*items, CaptureComment(time, (), what)]


def growing_file(path: Path, numbers: FrameNumbers) -> CaptureStream:
    """A capture file that is still being written, from its beginning on; SourceError when it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    is_file = stat.S_ISREG(os.fstat(fd).st_mode)
    return CaptureStream(fd, str(path), numbers, follow=path if is_file else None)


def standard_input(numbers: FrameNumbers) -> CaptureStream:
    """What is piped into this process; SourceError when that is nothing."""
    if sys.stdin is None:
        raise SourceError("stdin: there is no standard input")
    if sys.stdin.isatty():
        raise SourceError("stdin is a terminal: pipe a capture into it, as in tcpdump -U -w - | fieldkit capture -")
    return CaptureStream(0, "stdin", numbers, owned=False)


def has_something(fd: int) -> bool:
    """Whether reading would not wait. The descriptor is not made non-blocking: others may share its description."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([fd], [], [], 0)[0])


def _always_readable() -> int:
    reading, writing = os.pipe()
    os.close(writing)
    return reading


def _widen(fd: int) -> None:
    """Let the pipe hold more, where the system lets a pipe be widened."""
    if sys.platform == "linux" and stat.S_ISFIFO(os.fstat(fd).st_mode):
        import fcntl

        try:
            fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE)
        except OSError:
            return  # the user's share of pipe memory is used up: then it stays as it is
