"""The agent's sources: opened when the schedule has it, tried again when they cannot be, and one that never ends.

A capture on the command line ends when a source cannot be opened. A service goes on with the others: the interface of a
modem that dials comes later, a router over ssh may be away for a day.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from fieldkit.agent.settings import CaptureSettings
from fieldkit.agent.tap import Hub, Overheard
from fieldkit.sources import opening
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.live import LiveSource
from fieldkit.sources.packetsocket import Opens

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 300.0
"""Seconds until a source that could not be opened, or has ended, is tried again: doubled each time."""


class Bell:
    """A source without packets: it keeps the loop going when there is no other, and wakes it."""

    name = "the agent"

    def __init__(self) -> None:
        self._hears, self._rings = socket.socketpair()
        self._hears.setblocking(False)
        self._rings.setblocking(False)

    def ring(self) -> None:
        """From any thread, and from signal handlers."""
        with suppress(BlockingIOError, OSError):
            self._rings.send(b"!")

    def fileno(self) -> int:
        return self._hears.fileno()

    def read(self) -> list[Item]:
        with suppress(BlockingIOError, OSError):
            self._hears.recv(4096)
        return []

    def tick(self, now: int) -> list[Item]:
        return []

    def counters(self) -> tuple[int, int]:
        return 0, 0

    def ended(self) -> str | None:
        return None

    def close(self) -> None:
        self._hears.close()
        self._rings.close()


class Intake:
    """Which sources there should be, and which there are."""

    def __init__(
        self,
        settings: CaptureSettings,
        hub: Hub,
        opener: Opens | None,
        failed: Callable[[str, str], object],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``failed`` is called with a source and why it cannot be listened to, when that is news."""
        self.settings = settings
        self.wanted = False
        """Whether to listen at all, as the schedule has it."""
        self.troubles: dict[str, str] = {}
        """Sources that cannot be listened to at the moment, and why."""
        self._hub = hub
        self._opener = opener
        self._failed = failed
        self._clock = clock
        self._numbers = FrameNumbers()
        self._open: dict[str, opening.Opened] = {}
        self._sources: dict[str, list[LiveSource]] = {}
        self._pauses: dict[str, tuple[float, float]] = {}

    @property
    def listening(self) -> list[str]:
        """The names of what is listened to."""
        return [source.name for of in self._sources.values() for source in of]

    def news(self) -> list[LiveSource]:
        """Sources that could be opened since the last time; called about once a second."""
        if not self.wanted:
            return []
        found: list[LiveSource] = []
        for spec in self.settings.sources:
            if spec not in self._open:
                found += self._try(spec)
            else:
                late = self._wrapped(spec, self._open[spec].more())
                self._sources[spec] += late
                found += late
        return found

    def review(self, sources: Sequence[LiveSource], reasons: dict[str, str]) -> None:
        """``sources`` are those that still run: what has ended is opened again in a while. ``reasons`` are used up."""
        running = {id(source) for source in sources}
        for spec, mine in list(self._sources.items()):
            gone = [source for source in mine if id(source) not in running]
            for source in gone:
                mine.remove(source)
                self._trouble(spec, reasons.pop(source.name, "") or f"{source.name}: it has ended")
            if gone and not mine:
                del self._sources[spec], self._open[spec]

    def unwanted(self, sources: list[LiveSource]) -> None:
        """Close those that should not be there: all outside of the schedule, some after a reload."""
        for spec in list(self._sources):
            if not self.wanted or spec not in self.settings.sources:
                for source in self._sources.pop(spec):
                    if source in sources:
                        sources.remove(source)
                    source.close()
                del self._open[spec]
        for spec in list(self.troubles):
            if spec not in self.settings.sources:
                del self.troubles[spec]

    def change(self, settings: CaptureSettings, sources: list[LiveSource]) -> None:
        """Another configuration: what it does not touch goes on without missing a packet."""
        if (settings.wanted, settings.buffer) != (self.settings.wanted, self.settings.buffer):
            wanted, self.wanted = self.wanted, False
            self.unwanted(sources)  # the kernel's filter is locked: those sockets cannot get another one
            self.wanted = wanted
        self.settings = settings
        self._pauses.clear()
        self.unwanted(sources)

    def _try(self, spec: str) -> list[LiveSource]:
        due, _ = self._pauses.get(spec, (0.0, 0.0))
        if self._clock() < due:
            return []
        wishes = opening.Wishes(self.settings.wanted, self.settings.buffer)
        try:
            opened = opening.open_sources([spec], wishes, self._numbers, opener=self._opener)
        except SourceError as error:
            self._trouble(spec, str(error))
            return []
        self._open[spec] = opened
        self._sources[spec] = self._wrapped(spec, opened.sources)
        self.troubles.pop(spec, None)
        self._pauses[spec] = (0.0, FIRST_PAUSE)
        return list(self._sources[spec])

    def _wrapped(self, spec: str, sources: Sequence[LiveSource]) -> list[LiveSource]:
        return [Overheard(source, spec, self._hub) for source in sources]

    def _trouble(self, spec: str, why: str) -> None:
        _, pause = self._pauses.get(spec, (0.0, FIRST_PAUSE))
        pause = max(pause, FIRST_PAUSE)
        self._pauses[spec] = (self._clock() + pause, min(pause * 2, LONGEST_PAUSE))
        if spec not in self.troubles:
            self._failed(spec, why)
        self.troubles[spec] = why
