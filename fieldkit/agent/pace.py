"""A ceiling for the processor time the agent takes: a router has other work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

BURST: Final = 1.0
"""Seconds of processor time that may be taken at once: starting, a wave of stations that boot."""
LONGEST: Final = 0.2
"""Seconds of rest at a time: the kernel's ring holds what comes meanwhile, and more than that is told as dropped."""


class Pace:
    """Rests when too much was taken. 0 percent: no ceiling."""

    def __init__(
        self,
        percent: int,
        *,
        used: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.percent = percent
        self._used, self._clock, self._sleep = used, clock, sleep
        self._credit = BURST
        self._last = (clock(), used())

    def rest(self) -> None:
        """To be called once a turn."""
        now, used = self._clock(), self._used()
        share = self.percent / 100
        self._credit = min(self._credit + (now - self._last[0]) * share - (used - self._last[1]), BURST)
        self._last = (now, used)
        if self.percent and self._credit < 0:
            self._sleep(min(-self._credit / share, LONGEST))
