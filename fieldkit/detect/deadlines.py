"""What is to be looked at if nothing comes: times at which to be called, in the time of the capture.

A replay must conclude at the same moments as a live run: before an event is taken in, all that was due before it is
done, in its order and at its time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

Act: TypeAlias = Callable[[int], None]
"""Gets the time at which it was due."""

MAX_WAITING: Final = 50_000
"""Dates at once: a handful for each of a thousand stations."""


class Deadlines:
    """By key: setting one again moves it."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._acts: dict[int, tuple[Hashable, Act]] = {}
        self._numbers: dict[Hashable, int] = {}
        self._number = 0
        self.next: int = 1 << 63
        """Time of the earliest, or a bit before it if that was called off."""

    def at(self, key: Hashable, time: int, act: Act) -> None:
        """Call ``act`` at this time, unless it is moved or called off before."""
        old = self._numbers.get(key)
        if old is not None:
            del self._acts[old]
        elif len(self._numbers) >= MAX_WAITING:
            return
        self._number += 1
        self._numbers[key] = self._number
        self._acts[self._number] = (key, act)
        heappush(self._heap, (time, self._number))
        if len(self._heap) > 4 * len(self._acts) + 64:
            # Most were moved: what they left behind must not grow without end.
            self._heap = [entry for entry in self._heap if entry[1] in self._acts]
            heapify(self._heap)
        self.next = self._heap[0][0]

    def off(self, key: Hashable) -> None:
        """It is not needed any more."""
        number = self._numbers.pop(key, None)
        if number is not None:
            del self._acts[number]

    def waits(self, key: Hashable) -> bool:
        """Is it set?"""
        return key in self._numbers

    def run(self, until: int) -> None:
        """Do what is due before ``until``."""
        heap = self._heap
        while self._heap and self._heap[0][0] < until:
            heap = self._heap
            time, number = heappop(heap)
            found = self._acts.pop(number, None)
            if found is not None:
                key, act = found
                del self._numbers[key]
                act(time)
        self.next = self._heap[0][0] if self._heap else 1 << 63

    def clear(self) -> None:
        """None of it can be told any more: the capture has a hole."""
        self._heap.clear()
        self._acts.clear()
        self._numbers.clear()
        self.next = 1 << 63
