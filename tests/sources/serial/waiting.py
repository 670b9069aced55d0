"""Waiting for what will come, for as long as a busy machine may need; and whether it is too busy to be measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Final

PATIENCE: Final = 30.0
"""Seconds; nothing that is waited for takes one on a machine with nothing else to do."""
_LATE: Final = 0.0005
"""Seconds that a quiet machine wakes somebody too late at most (it is a tenth of that)."""


def until(there: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.01)


def wakes_late() -> bool:
    """Whether this machine has so much to do that what is measured is its scheduler."""
    late: list[float] = []
    for _ in range(100):
        began = time.perf_counter()
        time.sleep(0.005)
        late.append(time.perf_counter() - began - 0.005)
    return median(late) > _LATE or sorted(late)[90] > 4 * _LATE
