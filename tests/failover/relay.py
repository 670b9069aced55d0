"""Cables with a delay, in place of ``tc netem``, which not every kernel has: what goes in at one end comes out later.

    python -m tests.failover.relay a:a0:a1 b:b0:b1

Each line of standard input sets a cable: ``{"wire": "a", "delay_ms": 25, "jitter_ms": 2, "loss": 0, "down": false}``
(what is not named stays). Each is answered with ``{"wire": "a", "time": ns}``: from then on it holds.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

_ETH_P_ALL: Final = 3
_SOL_PACKET: Final = 263
_IGNORE_OUTGOING: Final = 23
"""PACKET_IGNORE_OUTGOING: what we send ourselves does not come back to us (linux/if_packet.h)."""
_FRAME: Final = 65_536


@dataclass(slots=True)
class Wire:
    """One cable."""

    delay_ms: float = 0.0
    """One way."""
    jitter_ms: float = 0.0
    loss: float = 0.0
    down: bool = False
    last: dict[int, float] = field(default_factory=dict)
    """When the last frame goes out, of each end: none overtakes another, as on a real link."""

    def due(self, towards: int, now: float) -> float | None:
        """When a frame that came just now goes out; None: never."""
        if self.down or (self.loss and random.random() < self.loss):
            return None
        found = max(now + (self.delay_ms + random.random() * self.jitter_ms) / 1e3, self.last.get(towards, 0.0))
        self.last[towards] = found
        return found


def _end(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    made.bind((interface, 0))
    made.setblocking(False)
    made.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    return made


class Relay:
    """All cables, in one thread."""

    def __init__(self, cables: list[str]) -> None:
        self.wires: dict[str, Wire] = {}
        self._selector = selectors.DefaultSelector()
        self._waiting: list[tuple[float, int, socket.socket, bytes]] = []
        self._count = 0
        self._typed = b""
        for cable in cables:
            name, here, there = cable.split(":")
            wire = self.wires[name] = Wire()
            ends = (_end(here), _end(there))
            for one, other in (ends, ends[::-1]):
                self._selector.register(one, selectors.EVENT_READ, (wire, other))
        self._selector.register(sys.stdin.buffer, selectors.EVENT_READ, None)

    def run(self) -> None:
        """Until standard input ends."""
        while True:
            wait = max(self._waiting[0][0] - time.monotonic(), 0.0) if self._waiting else None
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    if not self._obey():
                        return
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._take(key.fileobj, *key.data)
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, end, frame = heapq.heappop(self._waiting)
                try:
                    end.send(frame)
                except OSError:  # the interface is down: so is the cable
                    continue

    def _take(self, end: socket.socket, wire: Wire, other: socket.socket) -> None:
        while True:
            try:
                frame = end.recv(_FRAME)
            except OSError:  # no more, or the interface has gone down
                return
            due = wire.due(other.fileno(), time.monotonic())
            if due is not None:
                self._count += 1
                heapq.heappush(self._waiting, (due, self._count, other, frame))

    def _obey(self) -> bool:
        block = os.read(0, 4096)
        *lines, self._typed = (self._typed + block).split(b"\n")
        for line in lines:
            asked: dict[str, Any] = json.loads(line)
            name = asked.pop("wire")
            for what, value in asked.items():
                setattr(self.wires[name], what, value)
            print(json.dumps({"wire": name, "time": time.time_ns()}), flush=True)
        return bool(block)


if __name__ == "__main__":
    relay = Relay(sys.argv[1:])
    print(json.dumps({"ready": True}), flush=True)
    relay.run()
