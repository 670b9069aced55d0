"""Datagrams out of IP fragments, of both versions.

``Fragments.add`` takes one fragment after the other, in any order and as often as they were captured, and gives the
datagram when it is complete. How many wait, and how long, is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_DATAGRAM = 65_535
"""Bytes of a reassembled datagram: what the 16-bit length fields of IPv4 and IPv6 can say."""

MAX_DATAGRAMS = 64
"""Datagrams being put together at a time, just finished ones included. Each takes 74 kB at the very worst."""

MAX_FRAMES = 256
"""Frames kept as evidence of one datagram: enough for the largest in fragments of the smallest common MTU (576)."""

REASSEMBLY_TIMEOUT = 30 * 1_000_000_000
"""Nanoseconds of capture time that a datagram waits for its fragments. Hosts wait 30 s (Linux) to 60 s (RFC 8200
§4.5), so what comes later belongs to another datagram with the same identification."""

DUPLICATE_WINDOW = 100 * 1_000_000
"""Nanoseconds in which a fragment of a finished datagram that brings the same bytes again is a second copy of it (a
capture on ``any`` sees each packet twice). A retransmission takes 200 ms at least (Linux's TCP_RTO_MIN)."""

SHOWN = 64
"""Bytes of what was malformed that its event shows."""

_DatagramKey: TypeAlias = tuple[bytes, int, int]
"""Source and destination address, identification, protocol (RFC 791 §2.3; for IPv6 the protocol is not part of it)."""


@dataclass(slots=True)
class _Datagram:
    """A datagram of which some fragments have come."""

    begun: int
    """Time of the first fragment."""
    protocol: int = -1
    """As the fragment at offset 0 has it; -1 before that has come (RFC 8200 §4.5)."""
    size: int = -1
    """Known once the last fragment has come."""
    received: int = 0
    """Bytes known."""
    data: bytearray = field(default_factory=bytearray)
    known: bytearray = field(default_factory=bytearray)
    """One byte for each unit of eight bytes in ``data``: 1 where it has come. Offsets count in such units."""
    frames: tuple[int, ...] = ()
    finished: int | None = None
    """When it was complete; it is remembered to recognise second copies of its fragments."""

    def ends_at(self, stop: int, more: bool) -> bool:
        """Take note of a fragment's end; False when that contradicts fragments that came before."""
        if more:
            return self.size < 0 or stop <= self.size
        if self.size < 0 and stop >= len(self.data):
            self.size = stop
        return self.size == stop

    def put(self, start: int, chunk: bytes) -> bool:
        """Fill in what is not known yet; False when something known differs (the first to come is kept)."""
        stop = start + len(chunk)
        first, last = start >> 3, (stop + 7) >> 3
        data, known = self.data, self.known
        if len(data) < stop:
            data.extend(bytes(stop - len(data)))
            known.extend(bytes(last - len(known)))
        overlap = known.count(1, first, last)
        if not overlap:
            data[start:stop] = chunk
            known[first:last] = b"\x01" * (last - first)
            self.received += len(chunk)
            return True
        if overlap == last - first:
            return data[start:stop] == chunk
        agrees = True
        for unit in range(first, last):
            at = unit << 3
            piece = chunk[at - start : at - start + 8]
            if known[unit]:
                agrees = agrees and data[at : at + len(piece)] == piece
            else:
                data[at : at + len(piece)] = piece
                known[unit] = 1
                self.received += len(piece)
        return agrees


class Fragments:
    """Puts datagrams together again, RFC 791 §3.2 and RFC 8200 §4.5, for both versions of IP.

    A receiver may give up a datagram whose fragments overlap (RFC 5722); an observer cannot know what it did, so
    the datagram is completed with the bytes that came first, and a difference is reported.
    """

    def __init__(self, malformed: Callable[[str, int, tuple[int, ...], bytes, int], None]) -> None:
        self._malformed = malformed
        self._datagrams: dict[_DatagramKey, _Datagram] = {}  # oldest first

    def add(
        self,
        key: _DatagramKey,
        protocol: int,
        position: int,
        chunk: bytes,
        truncated: int,
        time: int,
        frames: tuple[int, ...],
    ) -> tuple[int, bytes, tuple[int, ...]] | None:
        """Protocol, payload and frames of the datagram, if this fragment completes it.

        ``position`` is laid out as in IPv4: bit 13 says that more fragments follow, below it is the offset in units
        of eight bytes.
        """
        start, more = (position & 0x1FFF) << 3, bool(position & 0x2000)
        stop = start + len(chunk)
        fault = _fragment_fault(stop, more, len(chunk), truncated)
        if fault:
            self._malformed(fault, time, frames, chunk, len(chunk) + truncated)
            return None
        datagram = self._find(key, time)
        if datagram.finished is not None:
            if time - datagram.finished <= DUPLICATE_WINDOW and datagram.data[start:stop] == chunk:
                return None
            datagram = self._begin(key, time)
        before = datagram.received, datagram.size
        if not datagram.ends_at(stop, more):
            self._malformed("Fragments of an IP datagram disagree about its end.", time, frames, chunk, len(chunk))
            return None
        if not start and datagram.protocol < 0:
            datagram.protocol = protocol
        if not datagram.put(start, chunk):
            self._malformed("Fragments of an IP datagram overlap and differ.", time, frames, chunk, 0)
        if before != (datagram.received, datagram.size) and len(datagram.frames) < MAX_FRAMES:
            datagram.frames += frames
        if datagram.received != datagram.size:
            return None
        datagram.finished = time
        return datagram.protocol, bytes(datagram.data), datagram.frames

    def finish(self, time: int) -> None:
        """Give up every datagram that is not complete."""
        while self._datagrams:
            self._give_up(next(iter(self._datagrams)), time)

    def _find(self, key: _DatagramKey, time: int) -> _Datagram:
        while self._datagrams:
            oldest = next(iter(self._datagrams))
            if time - self._datagrams[oldest].begun <= REASSEMBLY_TIMEOUT:
                break
            self._give_up(oldest, time)
        return self._datagrams.get(key) or self._begin(key, time)

    def _begin(self, key: _DatagramKey, time: int) -> _Datagram:
        self._datagrams.pop(key, None)
        if len(self._datagrams) >= MAX_DATAGRAMS:
            self._give_up(next(iter(self._datagrams)), time)
        datagram = self._datagrams[key] = _Datagram(time)
        return datagram

    def _give_up(self, key: _DatagramKey, time: int) -> None:
        datagram = self._datagrams.pop(key)
        if datagram.finished is None:
            reason = "Fragments of an IP datagram are missing; those that came are given up."
            self._malformed(reason, time, datagram.frames, bytes(datagram.data[:SHOWN]), datagram.received)


def _fragment_fault(stop: int, more: bool, length: int, truncated: int) -> str:
    if truncated:
        return "An IP fragment is cut off by the snap length, so its datagram cannot be put together."
    if not length:
        return "An IP fragment is empty."
    if more and length % 8:
        return "An IP fragment that is not the last has a length that is no multiple of eight."
    if stop > MAX_DATAGRAM:
        return "An IP fragment reaches beyond the largest possible datagram."
    return ""
