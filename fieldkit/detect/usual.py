"""What is usual: a median and its spread from what was seen, and a prior for as long as that is little.

Median and MAD (median absolute deviation) stay where they are as long as less than half of what goes in is odd: a fault
that was there while the detector learnt moves them little, where it would carry a mean and a deviation away.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from math import sqrt
from typing import Final

MAD_TO_SIGMA: Final = 1.4826
"""Of a normal distribution."""
PRIOR_WEIGHT: Final = 12.0
"""Values that the prior counts as."""


class Usual:
    """The latest values of one quantity."""

    __slots__ = ("_kept", "_order", "_stale", "count", "floor", "median", "prior", "spread")

    def __init__(self, floor: float, *, prior: tuple[float, float] | None = None, size: int = 192) -> None:
        """``floor``: smallest spread that is believed. ``prior``: median and spread of the fleet."""
        self.floor = floor
        self.prior = prior
        self.count = 0
        """Values so far, also those that are not kept any more."""
        self.median = prior[0] if prior else 0.0
        self.spread = max(prior[1], floor) if prior else floor
        self._order: deque[float] = deque(maxlen=size)
        self._kept: list[float] = []
        self._stale = 0

    def add(self, value: float) -> None:
        """One more value that nothing was wrong with."""
        if len(self._order) == self._order.maxlen:
            del self._kept[bisect_left(self._kept, self._order[0])]
        self._order.append(value)
        insort(self._kept, value)
        self.count += 1
        self._stale += 1
        # Both move slowly once there are many: to find them anew each time would cost more than all the rest.
        if self._stale * 5 >= len(self._kept):
            self._settle()

    def score(self, value: float) -> float:
        """How many spreads it is away."""
        return (value - self.median) / self.spread

    @property
    def known(self) -> bool:
        """Enough to say what is usual without a prior."""
        return self.count >= PRIOR_WEIGHT

    def forget(self) -> None:
        """What was usual is no more: back to the prior."""
        self._order.clear()
        self._kept.clear()
        self.count = 0
        self.median = self.prior[0] if self.prior else 0.0
        self.spread = max(self.prior[1], self.floor) if self.prior else self.floor

    def recent(self) -> list[float]:
        """The latest values, in their order."""
        return list(self._order)

    def dump(self) -> list[float]:
        """What is worth keeping: at most 33 values that stand for all of them."""
        kept = self._kept
        if len(kept) <= 33:
            return [round(value, 6) for value in kept]
        return [round(kept[round(at * (len(kept) - 1) / 32)], 6) for at in range(33)]

    def load(self, values: Iterable[float], count: int) -> None:
        """What ``dump`` gave."""
        self.forget()
        for value in values:
            self.add(value)
        self.count = max(count, self.count)
        self._settle()

    def _settle(self) -> None:
        kept = self._kept
        self._stale = 0
        if not kept:
            return
        median = kept[len(kept) // 2]
        spread = 0.0
        if kept[0] != kept[-1]:  # most counts have never been anything but zero
            deviations = sorted([abs(value - median) for value in kept])
            spread = MAD_TO_SIGMA * deviations[len(deviations) // 2]
        if self.prior is not None and self.count < 8 * PRIOR_WEIGHT:
            share = self.count / (self.count + PRIOR_WEIGHT)
            median, spread = mixed(share, (median, spread), self.prior)
        self.median = median
        self.spread = max(spread, self.floor)


def mixed(share: float, own: tuple[float, float], prior: tuple[float, float]) -> tuple[float, float]:
    """Median and spread of a mixture: as long as the two disagree, neither is sure."""
    apart = own[0] - prior[0]
    variance = share * own[1] ** 2 + (1 - share) * prior[1] ** 2 + share * (1 - share) * apart**2
    return share * own[0] + (1 - share) * prior[0], sqrt(variance)


class Cusum:
    """Adds up what lies beyond ``slack`` on one side: many small deviations weigh as much as a large one."""

    __slots__ = ("began", "limit", "slack", "sum")

    def __init__(self, slack: float, limit: float) -> None:
        self.slack = slack
        self.limit = limit
        self.sum = 0.0
        self.began = 0
        """When it last left zero."""

    def add(self, score: float, time: int, most: float = 4.0) -> bool:
        """``most``: a single value counts no more than that. Tells whether the limit is reached."""
        before = self.sum
        self.sum = max(0.0, before + min(score, most) - self.slack)
        if not before and self.sum:
            self.began = time
        return self.sum >= self.limit

    def clear(self) -> None:
        """Start anew."""
        self.sum = 0.0


def smooth(before: float, value: float, share: float) -> float:
    """An exponentially weighted mean."""
    return before + share * (value - before)
