"""One direction of an HTTP connection: its bytes, where they came from, and how to wait for more of them.

A reader is a generator: it takes what it needs from the buffer and waits in ``more`` when there is too little. A hole
in the bytes and the end of the connection surface there too, as exceptions, wherever the reader happens to be.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator
from typing import Final, TypeAlias, TypeVar

MAX_HEAD_BYTES: Final = 64 << 10
"""Start line and fields together. Servers stop at 8 to 16 KiB."""
MAX_LINE_BYTES: Final = 8 << 10
"""A line that has meaning of its own: of a chunked body, or a start line that is searched for."""

_MAX_EVIDENCE: Final = 4096
"""Frame numbers noted of one message. One that came in more pieces names the first so many and the last."""

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""A reader: yields where it waits for bytes."""
Chunk: TypeAlias = tuple[bytes, int, tuple[int, ...]]
"""Bytes with the time and the frames they came with."""


class LostError(Exception):
    """What is being read cannot be read on."""

    def __init__(self, reason: str, *, unread: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        """Empty when nothing that had begun is lost."""
        self.unread = unread
        """Bytes still in the buffer that are known to be useless."""
        self.spent = 0
        """Bytes already taken that have become useless."""


class GapError(LostError):
    """Bytes are missing here."""

    def __init__(self, missing: int) -> None:
        super().__init__(f"{missing} bytes are missing in the middle of an HTTP message")
        self.missing = missing


class EndedError(Exception):
    """The connection has no more bytes."""


class Side:
    """The bytes of one direction that nobody has read yet."""

    def __init__(self, from_client: bool) -> None:
        self.from_client = from_client
        self.buffer = bytearray()
        self.skip = 0
        """Bytes still to come that nobody wants."""
        self.known = False
        """A head was read: this side does speak HTTP."""
        self.ended = False
        self.time = 0
        self.frames: tuple[int, ...] = ()
        self.steps: Steps[None]
        """Who reads this side."""
        self._hole = 0
        self._position = 0  # in the stream, of buffer[0]; skipped bytes are not counted
        self._marks: deque[tuple[int, int, tuple[int, ...]]] = deque()  # end position, time, frames of each piece
        self._edge = 0  # where the first of these pieces begins
        self._touched: list[int] = []  # frames of the message that is being read …
        self._moment = 0  # … and the time of the last piece that it used up

    # ------------------------------------------------------------------------------------------------- bytes in

    def append(self, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        """Take in the next bytes."""
        self.buffer += data
        self._marks.append((self._position + len(self.buffer), time, frames))
        self.time = time
        self.frames = frames

    def run(self) -> None:
        """Let the reader go on as far as it can."""
        next(self.steps, None)

    def lose(self, missing: int, time: int, frames: tuple[int, ...]) -> None:
        """``missing`` bytes will never come."""
        self._hole = missing
        self.time, self.frames = time, frames
        self.run()

    def end(self, time: int, frames: tuple[int, ...]) -> None:
        """No bytes will come any more."""
        self.ended = True
        self.skip = 0
        self.time, self.frames = time, frames
        self.run()

    # ------------------------------------------------------------------------------------------------ bytes out

    def take(self, count: int) -> bytes:
        """Read ``count`` bytes that are there."""
        data = bytes(self.buffer[:count])
        self.drop(count)
        return data

    def drop(self, count: int) -> None:
        """Pass by ``count`` bytes that are there."""
        del self.buffer[:count]
        self._position += count
        marks = self._marks
        touched = self._touched
        while marks and marks[0][0] <= self._position:
            self._edge, self._moment, frames = marks.popleft()
            if touched and touched[-1:] == [*frames]:
                continue
            if len(touched) < _MAX_EVIDENCE:
                touched += frames
            else:
                touched[-1:] = frames[-1:]

    def rest(self) -> list[Chunk]:
        """Hand over what nobody has read, in the pieces in which it came."""
        chunks = []
        while self.buffer:
            end, time, frames = self._marks[0]
            chunks.append((self.take(end - self._position), time, frames))
        return chunks

    def more(self) -> Steps[None]:
        """Wait for bytes."""
        if self.ended:
            raise EndedError
        yield
        if self._hole:
            missing, self._hole = self._hole, 0
            raise GapError(missing)

    def pass_over(self, count: int) -> Steps[None]:
        """Let ``count`` bytes go by: those that are not here yet are counted down where they come in."""
        here = min(count, len(self.buffer))
        self.drop(here)
        self.skip = count - here
        while self.skip:
            yield from self.more()

    def line(self) -> Steps[bytes]:
        """Read one line, without its end."""
        start = 0
        while (at := self.buffer.find(b"\n", start, MAX_LINE_BYTES)) < 0:
            start = len(self.buffer)
            if start >= MAX_LINE_BYTES:
                raise LostError(f"a line of more than {MAX_LINE_BYTES} bytes in a chunked HTTP body")
            yield from self.more()
        return self.take(at + 1).rstrip(b"\r\n")

    def upto(self, pattern: re.Pattern[bytes], start: int) -> Steps[int]:
        """Wait for ``pattern`` (two or three bytes) within the limit of a head; returns where it ends."""
        while True:
            match = pattern.search(self.buffer, start)
            if match is not None and match.end() <= MAX_HEAD_BYTES:
                return match.end()
            if len(self.buffer) >= MAX_HEAD_BYTES:
                raise LostError(f"an HTTP head of more than {MAX_HEAD_BYTES} bytes", unread=1)
            start = max(start, len(self.buffer) - 2)
            yield from self.more()

    # ------------------------------------------------------------------------------------------------- evidence

    def begin(self) -> None:
        """A new message begins with the next byte read."""
        self._touched = []

    def evidence(self) -> tuple[int, tuple[int, ...]]:
        """Time of the last byte read of this message, and the frames that carried the message."""
        if self._marks and self._edge < self._position:  # a piece that holds more than this message
            _, self._moment, frames = self._marks[0]
            return self._moment, tuple(dict.fromkeys((*self._touched, *frames)))
        return self._moment, tuple(dict.fromkeys(self._touched))
