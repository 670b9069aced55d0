"""The answers that took longest, kept up to date while rows come. No textual here."""

from __future__ import annotations

from heapq import heappush, heapreplace
from typing import Final

from fieldkit.events import MessageType
from fieldkit.history import History
from fieldkit.history.block import NONE

MOST: Final = 200
"""Answers that are told: somebody who looks for the slowest looks at the first few."""
_ROWS: Final = 50_000
"""Rows that are looked at in one go: some milliseconds."""
_ANSWERS: Final = (MessageType.CALLRESULT, MessageType.CALLERROR)


class Slowest:
    """``update`` it while the engine's lock is held."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._position = history.first
        self._found: list[tuple[int, int]] = []
        """(latency, row), the shortest first."""

    def update(self) -> bool:
        """Look at rows that are new; whether all have been looked at."""
        history, found = self._history, self._found
        left = _ROWS
        for block in history.blocks_from(max(self._position, history.first)):
            begin = max(self._position - block.first, 0)
            end = len(block.times)
            types, latencies = block.types, block.latencies
            for index in range(begin, end):
                waited = latencies[index]
                if waited == NONE or types[index] not in _ANSWERS:
                    continue
                if len(found) < MOST:
                    heappush(found, (waited, block.first + index))
                elif waited > found[0][0]:
                    heapreplace(found, (waited, block.first + index))
            self._position = block.first + end
            left -= end - begin
            if left <= 0:
                break
        return self._position >= history.end

    @property
    def rows(self) -> list[int]:
        """Their rows, the slowest first."""
        first = self._history.first
        return [row for waited, row in sorted(self._found, key=lambda one: (-one[0], one[1])) if row >= first]
