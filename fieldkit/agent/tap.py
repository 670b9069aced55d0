"""Packets for those who watch: what comes in is also written, as pcapng, to whoever has asked for it.

Somebody who reads too slowly loses packets, and is told how many; nobody else does.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from fieldkit.events import PacketBatch
from fieldkit.sources.file import Item
from fieldkit.sources.live import LiveSource
from fieldkit.sources.recordblocks import interface_block, packet_blocks, section_block, statistics_block

MAX_WATCHERS: Final = 4
MAX_WAITING: Final = 4 << 20
"""Bytes that wait for one of them."""
_PATIENCE: Final = 60.0
"""Seconds that a write may take: a satellite link stalls for as long."""


class Hub:
    """All who watch."""

    def __init__(self) -> None:
        self._watchers: list[_Watcher] = []
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether anybody does: the loop asks before it does anything."""
        return bool(self._watchers)

    def serve(self, way: socket.socket) -> bool:
        """Write to a socket until it is closed; False when there are too many already."""
        watcher = _Watcher()
        with self._lock:
            if len(self._watchers) >= MAX_WATCHERS:
                return False
            self._watchers.append(watcher)
        try:
            way.settimeout(_PATIENCE)
            watcher.write_to(way)
        finally:
            with self._lock:
                self._watchers.remove(watcher)
        return True

    def pass_on(self, source: str, items: Sequence[Item]) -> None:
        """Packets of a source, as they came."""
        for item in items:
            if isinstance(item, PacketBatch) and item.starts:
                for watcher in self._watchers[:]:
                    watcher.add(source, item)

    def close(self) -> None:
        """All of them go."""
        for watcher in self._watchers[:]:
            watcher.end()


class _Watcher:
    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque([section_block("fieldkit agent")])
        self._size = 0
        self._news = threading.Condition()
        self._over = False
        self._interfaces: dict[tuple[str, int], int] = {}
        self._counts: dict[int, list[int]] = {}

    def add(self, source: str, batch: PacketBatch) -> None:
        key = (source, batch.linktype)
        with self._news:
            number = self._interfaces.get(key)
            if number is None:
                number = self._interfaces[key] = len(self._interfaces)
                self._counts[number] = [0, 0]
                self._waiting.append(interface_block(source, batch.linktype, ""))
            counts = self._counts[number]
            counts[0] += len(batch.starts)
            if self._size > MAX_WAITING:
                counts[1] += len(batch.starts)
            else:
                if counts[1]:
                    self._waiting.append(statistics_block(number, time.time_ns(), counts[0], counts[1]))
                blocks = packet_blocks(batch, number)
                self._waiting.append(blocks)
                self._size += len(blocks)
            self._news.notify()

    def write_to(self, way: socket.socket) -> None:
        while True:
            with self._news:
                while not self._waiting and not self._over:
                    self._news.wait(1)
                    if not self._waiting and _is_gone(way):
                        return
                if self._over:
                    return
                data = b"".join(self._waiting)
                self._waiting.clear()
                self._size = 0
            try:
                way.sendall(data)
            except OSError:
                return

    def end(self) -> None:
        with self._news:
            self._over = True
            self._news.notify()


def _is_gone(way: socket.socket) -> bool:
    """Whoever watches says nothing: what can be read is an end."""
    try:
        return way.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class Overheard:
    """A source whose packets those who watch get too."""

    def __init__(self, source: LiveSource, spec: str, hub: Hub) -> None:
        self.name = source.name
        self.spec = spec
        """As the configuration names it."""
        self._source = source
        self._hub = hub

    @property
    def unreachable(self) -> bool:
        return bool(getattr(self._source, "unreachable", False))

    def fileno(self) -> int:
        return self._source.fileno()

    def read(self) -> list[Item]:
        items = self._source.read()
        if items and self._hub:
            self._hub.pass_on(self.name, items)
        return items

    def tick(self, now: int) -> list[Item]:
        return self._source.tick(now)

    def counters(self) -> tuple[int, int]:
        return self._source.counters()

    def ended(self) -> str | None:
        return self._source.ended()

    def close(self) -> None:
        self._source.close()
