"""A TCP connection as two hosts would have it: what they send, in segments, with the time of each.

A ``Clock`` that only the script moves; an ``Endpoint`` on either side; and every segment kept in the order in which a
tap between the two would see it. What can go wrong on the way is done to the list afterwards, see ``mishaps``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tests.traffic.packets import SACK_PERMITTED, mss, tcp, window_scale

MICROSECOND, MILLISECOND, SECOND = 1_000, 1_000_000, 1_000_000_000

WIRE = 200 * MICROSECOND
"""Between two segments of one sender."""
THERE_AND_BACK = 18 * MILLISECOND
"""Until the other side has something to say to what it got."""

Address = tuple[str, int]


class Clock:
    """Nanoseconds since the epoch; stands still unless told. Whole microseconds, so that any capture can say them."""

    def __init__(self, now: int) -> None:
        self.now = now

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * 1_000_000) * MICROSECOND


class Segment(NamedTuple):
    """One TCP segment, and the time at which it is captured."""

    time: int
    client: Address
    server: Address
    from_client: bool
    seq: int
    ack: int
    flags: str
    payload: bytes = b""
    options: bytes = b""
    flight: int = 0
    """Segments of one flight follow each other without a word from the other side in between."""

    @property
    def source(self) -> Address:
        return self.client if self.from_client else self.server

    @property
    def destination(self) -> Address:
        return self.server if self.from_client else self.client

    @property
    def end(self) -> int:
        """Sequence number behind the payload."""
        return (self.seq + len(self.payload)) % 2**32

    def tcp(self) -> bytes:
        (src, sport), (dst, dport) = self.source, self.destination
        return tcp(src, dst, sport, dport, self.seq, self.ack, self.flags, self.payload, options=self.options)


class TcpTalk:
    """Both ends of one connection."""

    def __init__(
        self,
        clock: Clock,
        client: Address,
        server: Address,
        *,
        mss: int = 1448,
        first: tuple[int, int] = (1_000_000, 5_000_000),
        acknowledge: bool = True,
    ) -> None:
        """``mss``: bytes of payload a segment carries at most. ``first``: the initial sequence numbers.
        ``acknowledge``: with bare acknowledgements behind every flight."""
        self.clock = clock
        self.client = client
        self.server = server
        self.segments: list[Segment] = []
        self.sent = [0, 0]
        """Bytes of payload that the client and the server have sent."""
        self._mss = mss
        self._next = [first[0] % 2**32, first[1] % 2**32]
        self._first = first
        self._acknowledge = acknowledge
        self._flight = 0

    def begins(self, from_client: bool) -> int:
        """Sequence number of the first byte of payload that this side sends."""
        return (self._first[not from_client] + 1) % 2**32

    def open(self) -> None:
        """SYN, SYN/ACK, ACK."""
        options = mss(1460) + SACK_PERMITTED + window_scale(7)
        self._put(True, "S", options=options)
        self.clock.now += THERE_AND_BACK
        self._put(False, "SA", options=options)
        self.clock.now += WIRE
        self._put(True, "A")
        self.clock.now += WIRE

    def try_in_vain(self, answer: Literal["rst", "silence"], attempts: int = 1) -> None:
        """A SYN that nobody accepts."""
        for attempt in range(attempts):
            self._put(True, "S", options=mss(1460))
            self._next[0] = self._first[0] % 2**32
            if answer == "rst":
                self.clock.wait(0.001)
                self.segments.append(
                    Segment(self.clock.now, self.client, self.server, False, 0, (self._next[0] + 1) % 2**32, "RA")
                )
            self.clock.wait(2**attempt)

    def send(self, from_client: bool, data: bytes) -> None:
        """A flight of segments, and the acknowledgement that it gets."""
        if not data:
            return
        for at in range(0, len(data), self._mss):
            piece = data[at : at + self._mss]
            self._put(from_client, "PA" if at + self._mss >= len(data) else "A", piece)
            self.clock.now += WIRE
        self.sent[not from_client] += len(data)
        if self._acknowledge:
            self.clock.now += MILLISECOND
            self._put(not from_client, "A")
        self.clock.now += THERE_AND_BACK

    def keep_alive(self, from_client: bool, *, garbage: bool = False) -> None:
        """RFC 9293 §3.8.4: the byte before the next one, empty (or one zero byte, as older stacks do)."""
        side = not from_client
        seq = (self._next[side] - 1) % 2**32
        payload = b"\0" if garbage else b""
        self._flight += 1
        self.segments.append(self._segment(from_client, seq, "A", payload))
        self.clock.now += MILLISECOND
        self._put(not from_client, "A")
        self.clock.now += WIRE

    def close(self, *, by_client: bool) -> None:
        """FIN from one side and then from the other."""
        self._put(by_client, "FA")
        self.clock.now += WIRE
        self._put(not by_client, "FA")
        self.clock.now += WIRE
        self._put(by_client, "A")

    def reset(self, *, by_client: bool) -> None:
        self._put(by_client, "RA")

    def _put(self, from_client: bool, flags: str, payload: bytes = b"", *, options: bytes = b"") -> None:
        side = not from_client
        if self.segments and self.segments[-1].from_client is not from_client:
            self._flight += 1
        self.segments.append(self._segment(from_client, self._next[side], flags, payload, options))
        self._next[side] = (self._next[side] + len(payload) + ("S" in flags) + ("F" in flags)) % 2**32

    def _segment(self, from_client: bool, seq: int, flags: str, payload: bytes, options: bytes = b"") -> Segment:
        ack = self._next[from_client] if "A" in flags else 0
        return Segment(
            self.clock.now, self.client, self.server, from_client, seq, ack, flags, payload, options, self._flight
        )
