"""TCP (RFC 9293) as an onlooker sees it: segments of one connection → its bytes in order, and what is missing.

Each direction keeps the sequence number it expects. A segment that carries it is handed on at once; a later one
waits; an earlier one was seen already. Whether a hole is the capture's fault or the network's is told by the other
side: once it acknowledges bytes that we do not have, they went past us and will not come again. Until then the sender
may still repeat them, on a bad mobile link after a minute, so the hole is left open.
"""

from __future__ import annotations

from typing import Final, Literal

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionEnd,
    Emit,
    PathSample,
    Retransmission,
    StreamGap,
    WindowClosed,
)
from fieldkit.wire.budget import Budget
from fieldkit.wire.stream import CLIENT, Sink, Stream

MASK: Final = 0xFFFFFFFF
HALF: Final = 0x80000000
"""Sequence numbers wrap: what is less than half the circle ahead is ahead (RFC 9293 §3.4)."""

FIN, SYN, RST, ACK = 1, 2, 4, 16

MAX_WAITING_SEGMENTS = 1024
MAX_AHEAD_BYTES = 16 << 20
"""A segment further ahead than any window allows (RFC 7323 §2.3: 1 GiB in theory, 16 MiB in practice)."""

HOLE_GRACE_NS = 1_000_000_000
"""After the receiver acknowledged the hole: captures on several interfaces show packets a little out of order."""

HOLE_PATIENCE_NS = 120_000_000_000
"""When no acknowledgement is seen at all (one-sided capture): longer than TCP's last retransmission is likely."""

SAMPLE_NS: Final = (1_000_000_000, 10_000_000_000)
"""Between two measured round trips, of the client's and of the server's segments: the way to the server is the one
that is a wide area."""
TELL_NS: Final = 300_000_000_000
"""Between two round trips that are told …"""
ALIKE: Final = 4
ALIKE_NS: Final = 5_000_000
"""… unless they differ by more than a quarter and this …"""
AFTER_CHANGE: Final = 4
"""… or are the first ones after such a difference."""
CLOSED_NS: Final = 1_000_000_000
"""Between two reports of a window of zero."""

DUPLICATE_NS = 1_000_000
"""The same segment again within a millisecond is one packet captured twice; no stack retransmits that fast."""


class TcpConnection:
    """Both directions of one connection, and how far it has come."""

    __slots__ = (
        "connection",
        "directions",
        "emit",
        "first_fin",
        "holes",
        "keys",
        "last_time",
        "stream",
        "syn_only",
        "syns",
    )

    def __init__(self, connection: Connection, emit: Emit, keys: tuple[bytes, bytes], syn_only: bool) -> None:
        self.connection = connection
        self.emit = emit
        self.keys = keys
        """Flow keys of client and server."""
        self.stream: Stream | None = None
        """Made when the first payload comes: most connections never interest us."""
        self.directions = (Direction(self, 0), Direction(self, 1))
        self.directions[0].peer = self.directions[1]
        self.directions[1].peer = self.directions[0]
        self.first_fin: bool | None = None
        self.syn_only = syn_only
        """True until the server answered."""
        self.syns = 1
        self.last_time = connection.opened
        self.holes: dict[Direction, None] = {}
        """The flow table's directions that wait for something, in the order in which they began to."""

    def close(self, how: ConnectionEnd, by_client: bool | None, time: int, frames: tuple[int, ...]) -> None:
        """Hand on what still waits, end the stream and say how the connection ended."""
        for direction in self.directions:
            direction.flush(time, frames)
        if self.stream is not None:
            self.stream.finish(time, frames)
        self.emit(ConnectionClosed(time, frames, self.connection, how, by_client))


class Direction:
    """One side's byte stream."""

    __slots__ = (
        "acked_at",
        "alike",
        "ask_from",
        "asked",
        "asked_at",
        "budget",
        "closed_at",
        "fin_at",
        "last_time",
        "mss",
        "next_seq",
        "peer",
        "reach",
        "side",
        "sinks",
        "started",
        "tcp",
        "tell_at",
        "told_least",
        "told_most",
        "waiting",
        "waiting_bytes",
        "waiting_since",
        "window",
    )

    peer: Direction

    def __init__(self, tcp: TcpConnection, side: int) -> None:
        self.tcp = tcp
        self.side = side
        self.sinks: list[Sink] = []
        """The stream's sinks, once there is a stream: kept here for the hot path."""
        self.next_seq = -1
        """Sequence number of the byte expected next; -1 until the first payload was placed."""
        self.started = -1
        """Where the stream begins (behind the SYN), -1 while unknown."""
        self.fin_at = -1
        self.reach = -1
        """Where a segment ended whose tail the snap length cut off, -1 when there was none."""
        self.last_time = 0
        self.waiting: dict[int, tuple[bytes, tuple[int, tuple[int, ...]]]] = {}
        """Segments ahead of the hole by sequence number: their data, and when and with which frames it came."""
        self.waiting_bytes = 0
        self.waiting_since = 0
        self.acked_at = 0
        """When the receiver was first seen to acknowledge beyond the hole, 0 if not yet."""
        self.budget: Budget | None = None
        self.ask_from = 0
        """From when on a segment may be timed …"""
        self.asked = 0
        """… what acknowledges the one that is, and when it was sent. 0: none is. -1: it was sent again."""
        self.asked_at = 0
        self.told_least = self.told_most = -1
        """Between these a round trip is like the one told last …"""
        self.tell_at = 0
        """… and need not be told before this."""
        self.alike = 0
        self.mss = 0
        self.window = 0
        """Both as its SYN said."""
        self.closed_at = 0

    @property
    def from_client(self) -> bool:
        return self.side == CLIENT

    def segment(self, seq: int, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        """Place one segment with payload. The caller has done so already if it was simply the next one."""
        if self.next_seq < 0:
            self.next_seq = self.started if self.started >= 0 else seq
        ahead = (seq - self.next_seq) & MASK
        if ahead == 0:
            self._deliver(data, seq, time, frames)
            if self.waiting:
                self._drain(time)
        elif ahead < HALF:
            self._hold(seq, ahead, data, time, frames)
        else:
            self._seen_before(seq, HALF * 2 - ahead, data, time, frames)

    def _deliver(self, data: bytes, seq: int, time: int, frames: tuple[int, ...]) -> None:
        self.next_seq = (seq + len(data)) & MASK
        self.last_time = time
        if time >= self.ask_from and not self.asked_at:
            self.asked, self.asked_at = self.next_seq, time
        if self.sinks:
            self.sinks[self.side](data, time, frames)

    # ---------------------------------------------------------------------------------------------- the path itself

    def answered(self, ack: int, time: int, frames: tuple[int, ...], ttl: int, *, speaking: bool) -> None:
        """The other side acknowledged everything before ``ack`` while a segment of this one was timed. ``speaking``: it
        says something in the same breath, and may have thought about it first."""
        if (ack - self.asked) & MASK >= HALF:
            return
        asked_at, self.asked_at = self.asked_at, 0
        self.ask_from = time + SAMPLE_NS[self.side]
        rtt = time - asked_at
        if asked_at > 0 and self.told_least <= rtt <= self.told_most:
            if self.alike >= AFTER_CHANGE and time < self.tell_at:
                return  # as it mostly is
            self.alike += 1
        else:
            self.alike = 0
        handshake = self.asked == self.started
        if asked_at < 0:
            if not handshake:
                return
            rtt = -1
        else:
            margin = rtt // ALIKE + ALIKE_NS
            self.told_least, self.told_most, self.tell_at = rtt - margin, rtt + margin, time + TELL_NS
        if handshake:
            self.ask_from = time
        mss, window = (self.peer.mss, self.peer.window) if handshake else (0, 0)
        kind: Literal["handshake", "ack", "answer"] = "handshake" if handshake else "answer" if speaking else "ack"
        self.tcp.emit(PathSample(time, frames, self.tcp.connection, self.from_client, kind, rtt, ttl, mss, window))

    def closes_window(self, time: int, frames: tuple[int, ...]) -> None:
        """It announced a window of zero."""
        if time - self.closed_at >= CLOSED_NS:
            self.closed_at = time
            self.tcp.emit(WindowClosed(time, frames, self.tcp.connection, self.from_client))

    # ------------------------------------------------------------------------------------------------ out of order

    def _seen_before(self, seq: int, behind: int, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        if behind > MAX_AHEAD_BYTES:
            while self.waiting:
                self._skip_hole(time)
            self._jump(seq, data, time, frames)
            return
        if self.asked_at:
            self.asked_at = -1  # nobody can tell which copy an acknowledgement is for
        size = len(data)
        kind: Literal["retransmission", "duplicate", "keep-alive"] = "retransmission"
        if behind == 1 and size == 1:
            kind = "keep-alive"  # RFC 9293 §3.8.4: one garbage byte just before the window
        elif time - self.last_time < DUPLICATE_NS and behind >= size:
            kind = "duplicate"
        self.tcp.emit(Retransmission(time, frames, self.tcp.connection, self.from_client, min(behind, size), kind))
        if size > behind:
            # Its tail is new. What was delivered stands: the first copy is what the receiver took.
            self._deliver(data[behind:], self.next_seq, time, frames)
            if self.waiting:
                self._drain(time)

    def _hold(self, seq: int, ahead: int, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        known = self.waiting.get(seq)
        if known is not None and len(known[0]) >= len(data):
            kind: Literal["duplicate", "retransmission"] = (
                "duplicate" if time - self.last_time < DUPLICATE_NS else "retransmission"
            )
            self.tcp.emit(Retransmission(time, frames, self.tcp.connection, self.from_client, len(data), kind))
            return
        if (
            ahead > MAX_AHEAD_BYTES
            or len(self.waiting) >= MAX_WAITING_SEGMENTS
            or (self.budget is not None and not self.budget.take(len(data)))
        ):
            # Too much to wait for. Give the holes up, and this segment takes its turn.
            waited = bool(self.waiting)
            while self.waiting:
                self._skip_hole(time)
            if self._distance(seq) > 0 and (ahead > MAX_AHEAD_BYTES or not waited):
                self._jump(seq, data, time, frames)
            else:
                self.segment(seq, data, time, frames)
            return
        if known is not None:
            self._release(known[0])
        if not self.waiting:
            self.waiting_since = time
            self.acked_at = 0
            self.tcp.holes[self] = None
        self.waiting[seq] = (data, (time, frames))
        self.waiting_bytes += len(data)

    def _jump(self, seq: int, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        """Sequence numbers no window explains: a connection we lost sight of for long, or a new one in its place whose
        SYN is not in the capture. Start anew from here."""
        self._report_gap(abs(self._distance(seq)), time, frames)
        self._deliver(data, seq, time, frames)

    def _release(self, data: bytes) -> None:
        self.waiting_bytes -= len(data)
        if self.budget is not None:
            self.budget.give(len(data))

    def let_go(self) -> None:
        """Nobody wants what waits here any more."""
        for data, _ in self.waiting.values():
            self._release(data)
        self.waiting.clear()
        self.tcp.holes.pop(self, None)

    def _drain(self, time: int) -> None:
        """Hand on what waits and is next, as of ``time`` (when the hole was filled) or of its own time if that is
        later; several overlapping copies may lie there."""
        while self.waiting:
            found = self.waiting.pop(self.next_seq, None)
            if found is not None:
                self._release(found[0])
                self._deliver(found[0], self.next_seq, max(time, found[1][0]), found[1][1])
                continue
            lowest = min(self.waiting, key=self._distance)
            distance = self._distance(lowest)
            if distance > 0:
                return
            data, (own_time, frames) = self.waiting.pop(lowest)
            self._release(data)
            if len(data) > -distance:
                self._deliver(data[-distance:], self.next_seq, max(time, own_time), frames)
        self.tcp.holes.pop(self, None)

    def _distance(self, seq: int) -> int:
        """How far ``seq`` lies ahead of what is expected (negative: behind)."""
        ahead = (seq - self.next_seq) & MASK
        return ahead if ahead < HALF else ahead - 2 * HALF

    # ------------------------------------------------------------------------------------------------------- holes

    def acknowledged(self, ack: int, time: int, frames: tuple[int, ...], *, speaking: bool = False) -> None:
        """The other side acknowledged everything before ``ack``; called while something waits here. ``speaking``: it
        says something itself in the same breath, which must come behind what it answers."""
        if speaking:
            while self.waiting:
                lowest = min(self.waiting, key=self._distance)
                if self._distance(ack) < self._distance(lowest):
                    return
                self._skip_hole(self.waiting[lowest][1][0])
        elif 0 < (ack - self.next_seq) & MASK < HALF:
            if not self.acked_at:
                self.acked_at = time
            elif time - self.acked_at > HOLE_GRACE_NS:
                self._skip_hole(time)

    def check(self, time: int) -> None:
        """Called now and then: is the hole beyond hope?"""
        if self.waiting and (
            (self.acked_at and time - self.acked_at > HOLE_GRACE_NS) or time - self.waiting_since > HOLE_PATIENCE_NS
        ):
            self._skip_hole(time)

    def flush(self, time: int, frames: tuple[int, ...]) -> None:
        """Give up every hole: hand on what waits, with the gaps named."""
        while self.waiting:
            self._skip_hole(time)
        if self.next_seq < 0:
            self.next_seq = self.started
        end = self.fin_at if self.fin_at >= 0 else self.reach
        if end >= 0 and self.next_seq >= 0 and 0 < (end - self.next_seq) & MASK < MAX_AHEAD_BYTES:
            self._report_gap((end - self.next_seq) & MASK, time, frames)
            self.next_seq = end

    def _skip_hole(self, time: int) -> None:
        lowest = min(self.waiting, key=self._distance)
        self._report_gap(self._distance(lowest), time, self.waiting[lowest][1][1])
        self.next_seq = lowest
        self.acked_at = 0
        self.waiting_since = time
        self._drain(0)  # what waited is told as of when it came, not as of when we lost patience

    def _report_gap(self, missing: int, time: int, frames: tuple[int, ...], *, snapped: bool = False) -> None:
        self.tcp.emit(StreamGap(time, frames, self.tcp.connection, self.from_client, missing, snapped))
        if self.tcp.stream is not None:
            self.tcp.stream.gap(self.from_client, missing, time, frames)

    def lost_tail(self, missing: int, time: int, frames: tuple[int, ...]) -> None:
        """The last ``missing`` bytes of a segment were cut off by the capture's snap length."""
        self._report_gap(missing, time, frames, snapped=True)
        self.next_seq = (self.next_seq + missing) & MASK
