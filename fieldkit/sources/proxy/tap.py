"""How what passes is told to whoever records and decodes it, over a socket to another process.

The relay never waits for that process. What it does not take in time is left out and said to be missing: a connection's
bytes become a gap, a connection that begins while there is no room is not told of at all.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import Any, Final, NamedTuple

from fieldkit.events import Endpoint

MAX_WAITING: Final = 8 << 20
"""Bytes that may wait for the decoder: minutes of a busy site."""
MAX_RECORD: Final = 1 << 20
"""No record is longer; the relay reads 64 KiB at a time."""

READY: Final = b"R"
STOP: Final = b"S"
"""What the decoding process says: that it is ready, and that it wants an end."""

_HIGH: Final = 256 << 10
"""Bytes in the buffer of the socket's transport."""
_HEAD: Final = Struct("!BIQI")
_GAP: Final = Struct("!BQ")


class What(IntEnum):
    """What a record tells."""

    OPENED = 1
    """A station has connected: JSON with both endpoints."""
    HEAD = 2
    """The station sent a request; its head, which may hold credentials."""
    STATION = 3
    """The station sent bytes."""
    CSMS = 4
    """The station was sent bytes."""
    GAP = 5
    """Bytes are left out: whose (1 the station's), how many."""
    UPGRADED = 6
    """From here on both sides speak WebSocket: JSON with the extensions agreed on."""
    FIN = 7
    """The station (1) or the other side (0) has said its last."""
    RST = 8
    """… or broke the connection off."""
    NOTE = 9
    """Something to be told with the connection (0: with none): a fault that was made, why the CSMS was not reached."""
    LOST = 10
    """So many connections were not told of."""
    SECURED = 13
    """TLS with the station stands: JSON with what was agreed on. All that follows is without it."""
    BEGIN = 11
    """The proxy is about to serve: now is the time to open what is to be written."""
    END = 12
    """The proxy has ended orderly: JSON with what it counted."""


class Record(NamedTuple):
    """Something that happened."""

    what: What
    connection: int
    time: int
    data: bytes


class Tap(asyncio.Protocol):
    """The relay's end. Every method returns at once."""

    def __init__(self) -> None:
        self.dead = False
        """Nobody listens (any more)."""
        self.left_out = 0
        """Bytes."""
        self._transport: asyncio.Transport | None = None
        self._queue: deque[bytes] = deque()
        """What waits beside the transport's own buffer, which takes twice its content while it grows."""
        self._queued = 0
        self._blocked = False
        self._missing: dict[tuple[int, bool], int] = {}
        self._unseen: set[int] = set()
        self._lost = 0
        self._ended = False
        self.stop_asked = False
        """Nobody reads what the other process says any more."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the other process has opened all it needs."""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the other end is closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=_HIGH, low=_HIGH // 2)
        self._transport = transport

    def pause_writing(self) -> None:
        """The other process is slow."""
        self._blocked = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._blocked = False
        while self._queue and not self._blocked:
            data = self._queue.popleft()
            self._queued -= len(data)
            self._write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other process has ended."""
        self.dead = True
        self._queue.clear()
        self._queued = 0
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """``READY`` and ``STOP`` are all that comes back."""
        if READY in data and not self.ready.done():
            self.ready.set_result(None)
        self.stop_asked |= STOP in data

    def begin(self, time: int) -> None:
        """Serving is about to begin."""
        self._put(What.BEGIN, 0, time, b"")

    def opened(self, number: int, time: int, client: Endpoint, server: Endpoint) -> None:
        """A station has connected."""
        if self._room(0) < 0:
            self._unseen.add(number)
            self._lost += 1
            return
        if self._lost:
            self._put(What.LOST, 0, time, str(self._lost).encode())
            self._lost = 0
        ends = [client.address, client.port, server.address, server.port]
        self._put(What.OPENED, number, time, json.dumps(ends).encode())

    def said(self, number: int, time: int, from_station: bool, data: bytes, *, head: bool = False) -> None:
        """Bytes passed."""
        if number in self._unseen or self.dead or self._ended:
            return
        key = (number, from_station)
        if self._room(len(data)) < 0:
            self._missing[key] = self._missing.get(key, 0) + len(data)
            self.left_out += len(data)
            return
        if self._missing:
            self._tell_missing(number, time)
        what = What.HEAD if head else What.STATION if from_station else What.CSMS
        self._put(what, number, time, data)

    def secured(self, number: int, time: int, facts: dict[str, Any]) -> None:
        """TLS with the station stands."""
        self._put_small(What.SECURED, number, time, json.dumps(facts).encode())

    def upgraded(self, number: int, time: int, answer: bytes) -> None:
        """WebSocket begins; ``answer`` is the head of the 101."""
        self._put_small(What.UPGRADED, number, time, answer)

    def ended(self, number: int, time: int, by_station: bool, *, reset: bool) -> None:
        """One side has said its last."""
        self._tell_missing(number, time)
        self._put_small(What.RST if reset else What.FIN, number, time, b"\1" if by_station else b"\0")

    def forget(self, number: int) -> None:
        """The connection is over."""
        self._unseen.discard(number)
        for side in (True, False):
            self._missing.pop((number, side), None)

    def note(self, number: int, time: int, text: str) -> None:
        """Something worth telling."""
        if self._room(0) >= 0:
            self._put_small(What.NOTE, number, time, text.encode("utf-8", "replace")[:2000])

    def end(self, time: int, counted: dict[str, Any]) -> None:
        """The last record; ``gone`` tells when the other process has taken everything and ended."""
        if not self.dead and not self._ended and self._transport is not None:
            self._ended = True
            if self._lost:
                self._put(What.LOST, 0, time, str(self._lost).encode())
            for number, _ in list(self._missing):
                self._tell_missing(number, time)
            self._put(What.END, 0, time, json.dumps(counted).encode())

    def close(self) -> None:
        """Nothing more will be told."""
        if self._transport is not None:
            self._transport.close()

    @property
    def waiting(self) -> int:
        """Bytes that the other process has not taken yet."""
        return self._queued + (self._transport.get_write_buffer_size() if self._transport is not None else 0)

    def _room(self, size: int) -> int:
        if self.dead or self._transport is None:
            return -1
        return MAX_WAITING - self.waiting - size

    def _tell_missing(self, number: int, time: int) -> None:
        for side in (True, False):
            missing = self._missing.pop((number, side), 0)
            if missing:
                self._put(What.GAP, number, time, _GAP.pack(side, missing))

    def _put_small(self, what: What, number: int, time: int, data: bytes) -> None:
        """What a connection needs to be understood is told even without room: their number bounds it."""
        if number not in self._unseen and not self._ended:
            self._put(what, number, time, data)

    def _put(self, what: What, number: int, time: int, data: bytes) -> None:
        if self._transport is None or self.dead:
            return
        record = _HEAD.pack(what, number, time, len(data)) + data
        if self._queue or self._blocked:
            self._queue.append(record)
            self._queued += len(record)
        else:
            self._write(record)

    def _write(self, record: bytes) -> None:
        assert self._transport is not None
        self._transport.write(record)


class TapReader:
    """The other end: bytes of the socket → records."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Record]:
        """The next bytes."""
        buffer = self._buffer + data if self._buffer else data
        at, size = 0, _HEAD.size
        while len(buffer) - at >= size:
            what, number, time, length = _HEAD.unpack_from(buffer, at)
            if len(buffer) - at - size < length:
                break
            begin = at + size
            at = begin + length
            yield Record(What(what), number, time, buffer[begin:at])
        self._buffer = buffer[at:]


def gap_of(data: bytes) -> tuple[bool, int]:
    """Of a ``GAP`` record: whether it is the station's, and how many bytes."""
    from_station, missing = _GAP.unpack(data)
    return bool(from_station), missing
