"""Which time it is, on machines that wake up without knowing.

A router without a battery begins in 1970, or at the time of its newest file, and learns the time when its uplink is
there. The clock is *unsure* until the kernel says that it is steered (adjtimex), or for some minutes where nobody ever
steers it; and for as long as it says a time that is over for certain. What is made meanwhile carries a mark, and is
corrected by as much as the clock is set when that happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldkit.doctor.clock import RELEASED, kernel_state

STEP: Final = 2_000_000_000
"""ns by which the clock must jump to be told: daemons steer smaller differences away, and findings live with them."""
HOPE: Final = 600_000_000_000
"""ns after the machine started in which a clock that nobody steers may still be set."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def steady() -> int:
    """ns since the machine started, suspended or not; where that cannot be told, since some other moment."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _is_steered() -> bool | None:
    state = kernel_state()
    return None if state is None else state[0]


@dataclass(frozen=True, slots=True)
class Step:
    """The clock was set."""

    by: int
    """ns; forward is positive."""
    mark: str
    """That of what was made before; empty where the clock was thought to be right."""


class Clock:
    """Looks whether the clock is set to another time."""

    def __init__(
        self,
        known: int = 0,
        *,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = steady,
        steered: Callable[[], bool | None] = _is_steered,
        boot: str = "",
    ) -> None:
        """``known``: a time (ns) that is over for certain, as an earlier process has seen it."""
        self._known = max(known, RELEASED * 1_000_000_000)
        self._wall, self._steady, self._steered = wall, steady, steered
        self._boot = boot or _boot_id()
        self._offset = wall() - steady()
        self.sure = self._judged()

    @property
    def mark(self) -> str:
        """For what is made now: empty when the clock is sure. Processes of the same boot have the same one."""
        return "" if self.sure else f"{self._boot}:{round(self._offset / 1e10)}"

    def look(self) -> Step | None:
        """To be called often, before what has come is judged: the step, when there was one."""
        offset = self._wall() - self._steady()
        by, mark = offset - self._offset, self.mark
        was_sure = self.sure
        if abs(by) >= STEP:
            self._offset = offset
            self.sure = self._judged()
            return Step(by, mark)
        if not was_sure:
            self.sure = self._judged()
            if self.sure:
                self._offset = offset
                return Step(0, mark)  # it was right all along
        self._offset += by if was_sure else 0  # the mark of an unsure clock must not creep
        return None

    def _judged(self) -> bool:
        now = self._wall()
        if now < self._known:
            return False
        return bool(self._steered()) or self._steady() >= HOPE


def _boot_id() -> str:
    try:
        return _BOOT.read_text("ascii").strip()[:8]
    except (OSError, UnicodeDecodeError):
        return "boot"
