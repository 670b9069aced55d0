"""Simulated time: processes that wait and things that happen, in one heap.

A process is a generator that yields how many seconds it wants to sleep. What it makes happen (an event of fieldkit's
vocabulary) may lie in the future, such as the answer to a call, and may be called off until its time has come, such as
when the connection breaks. Everything follows from seeds: no clock, no hash order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from heapq import heappop, heappush
from random import Random
from types import GeneratorType
from typing import Final, TypeAlias

from fieldkit.events import Event

MICROSECOND: Final = 1_000
SECOND: Final = 1_000_000_000

Process: TypeAlias = Generator[float, None, None]


def nanoseconds(seconds: float) -> int:
    """In whole microseconds, so that any capture format can say the time."""
    return round(seconds * 1_000_000) * MICROSECOND


class Happening:
    """An event that will be seen at its time, unless it is called off."""

    __slots__ = ("called_off", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.called_off = False


class Engine:
    """The heap, and what time it is."""

    def __init__(self, begin: int, end: int, seed: str) -> None:
        self.now = begin
        self.begin = begin
        self.seen = begin
        """When the latest event was seen."""
        self.end = end
        self.seed = seed
        self.frame = 0
        """Records that a capture would have by now: every happening counts as one."""
        self._heap: list[tuple[int, int, Process | Happening | Callable[[], None]]] = []
        self._order = 0

    def random(self, *names: object) -> Random:
        """A source of chance of its own for each purpose: more of one thing does not change all others."""
        return Random(f"{self.seed}/{'/'.join(map(str, names))}")

    def happen(self, event: Event) -> Happening:
        """``event.time`` says when."""
        happening = Happening(event)
        self._order += 1
        heappush(self._heap, (event.time, self._order, happening))
        return happening

    def next_frame(self) -> tuple[int, ...]:
        self.frame += 1
        return (self.frame,)

    def spawn(self, process: Process, after: float = 0.0) -> Process:
        self._order += 1
        heappush(self._heap, (self.now + nanoseconds(after), self._order, process))
        return process

    def call_at(self, time: int, do: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._heap, (max(time, self.now), self._order, do))

    def run(self) -> Iterator[tuple[int, Event]]:
        """Everything that happens until the end, in the order of time."""
        heap, end = self._heap, self.end
        while heap:
            time, _, thing = heappop(heap)
            if time >= end:
                break
            self.now = time
            if thing.__class__ is Happening:
                if not thing.called_off:
                    self.seen = time
                    yield time, thing.event
            elif thing.__class__ is GeneratorType:
                wait: float | None = next(thing, None)
                if wait is not None:
                    self._order += 1
                    heappush(heap, (time + nanoseconds(wait) if wait > 0 else time, self._order, thing))
            else:
                thing()  # type: ignore[operator]  # the classes were looked at
        self.now = end
