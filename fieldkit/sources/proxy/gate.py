"""Where faults are made: one direction of a WebSocket connection, message by message.

What a delay holds up holds up all that is behind it, as on a slow link: a WebSocket never changes the order. Messages
are dropped as a whole; pings and pongs between their frames pass. After a Close frame nothing more is said on this
side, as RFC 6455 §5.5.1 has it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from fieldkit.sources.proxy.faults import Fault, Plan, Side
from fieldkit.sources.proxy.frames import MessageCutter, close_frame

MAX_WAITING: Final = 1 << 20
"""Bytes that a delay may hold up in one direction before its sender is no longer read."""


class GateOwner(Protocol):
    """The relay, as a gate sees it."""

    def deliver(self, side: Side, data: bytes) -> None:
        """Send on what ``side`` said."""

    def deliver_end(self, side: Side, clean: bool) -> None:
        """``side`` has said its last."""

    def crowded(self, side: Side, crowded: bool) -> None:
        """Too much waits: read no more from ``side`` (or: go on)."""

    def fault_made(self, side: Side, text: str) -> None:
        """Tell of it."""

    def close_said(self, side: Side) -> None:
        """A Close frame that ``side`` never sent was delivered."""


class Gate:
    """What ``side`` says passes here."""

    def __init__(self, owner: GateOwner, side: Side, plan: Plan, begun: float, clock: Callable[[], float]) -> None:
        self._owner = owner
        self._side: Side = side
        self._plan = plan
        self._begun = begun
        self._clock = clock
        self._cutter = MessageCutter()
        self._queue: deque[tuple[float, bytes | None, bool]] = deque()
        """(when it is due, bytes, …); None instead of bytes is the end, with whether it was a clean one."""
        self._size = 0
        self._full = False
        self._timer: asyncio.TimerHandle | None = None
        self._dropping = False
        self._late = 0.0  # until when the last message is held up
        self._closing: Fault | None = None  # a Close frame follows behind the current message
        self._silent = False

    def feed(self, data: bytes) -> None:
        """Bytes that ``side`` said."""
        if self._silent:
            return
        now = self._clock()
        passing: list[bytes] = []
        for piece in self._cutter.feed(data):
            if piece.kind == "begin":
                verdict = self._plan.judge(self._side, piece.beginning, now - self._begun)
                if verdict is not None:
                    self._push(passing, self._late)
                    self._dropping = verdict.drop
                    if verdict.delay:
                        self._late = max(self._late, now + verdict.delay)
                    if verdict.close is not None:
                        self._closing = verdict.close
                    self._owner.fault_made(self._side, ", ".join(verdict.why))
            if piece.kind == "control" or not self._dropping:
                passing.append(piece.data)
            if piece.last:
                self._dropping = False
                if self._closing is not None:
                    self._push(passing, self._late)
                    self._say_close(self._closing)
                    return
        self._push(passing, self._late)

    def end(self, clean: bool) -> None:
        """FIN: it comes behind all that waits."""
        self._put(self._late, None, clean)

    def close(self, fault: Fault) -> None:
        """Say Close as soon as no message is incomplete."""
        if self._silent or self._closing is not None:
            return
        if self._cutter.between:
            self._say_close(fault)
        else:
            self._closing = fault

    def stop(self) -> None:
        """Nothing of what waits will be sent."""
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()
        self._silent = True

    def _say_close(self, fault: Fault) -> None:
        self._silent = True
        frame = close_frame(fault.code, "", masked=self._side == "station")
        self._put(self._late, frame, False)
        self._owner.fault_made(self._side, f"{fault.text}: Close frame with code {fault.code}")
        self._owner.close_said(self._side)

    def _push(self, passing: list[bytes], due: float) -> None:
        if passing:
            data = b"".join(passing)
            passing.clear()
            if data:
                self._put(due, data, False)

    def _put(self, due: float, data: bytes | None, clean: bool) -> None:
        if not self._queue and due <= self._clock():
            self._send(data, clean)
            return
        self._queue.append((due, data, clean))
        self._size += len(data or b"")
        if self._size > MAX_WAITING and not self._full:
            self._full = True
            self._owner.crowded(self._side, True)
        if self._timer is None:
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(max(self._queue[0][0] - self._clock(), 0), self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._clock() + 0.0005
        while self._queue and self._queue[0][0] <= now:
            _, data, clean = self._queue.popleft()
            self._size -= len(data or b"")
            self._send(data, clean)
        if self._full and self._size <= MAX_WAITING // 2:
            self._full = False
            self._owner.crowded(self._side, False)
        if self._queue:
            self._wait()

    def _send(self, data: bytes | None, clean: bool) -> None:
        if data is None:
            self._owner.deliver_end(self._side, clean)
        else:
            self._owner.deliver(self._side, data)
