"""How high a score must be to come so many times a week and no more, from the highest scores so far.

Thresholds are told in alarms per charger-week, as that is what somebody has to drive out for; a percentile of windows
would alarm each day. The highest score of each ten minutes is kept, as neighbours are the same event seen again. Above
a high one of these, scores of any source follow a generalised Pareto distribution (Pickands, Balkema, de Haan); it is
fitted by probability-weighted moments (Hosking and Wallis 1987), which small samples do not lead astray.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from math import exp, log
from typing import Any, Final

BLOCK: Final = 600_000_000_000
"""Ten minutes, ns."""
BLOCKS_A_WEEK: Final = 1008.0
MAX_KEPT: Final = 256
"""Of the highest block maxima."""
TAIL: Final = 0.1
"""Share of the blocks that counts as the tail …"""
LEAST: Final = 20
"""… and how many there must be to fit anything."""
HEAVIEST: Final = 0.5
"""Shapes beyond have no variance: such a fit is an accident."""


class Tail:
    """The highest scores of one kind."""

    __slots__ = ("_block", "_most", "blocks", "highest")

    def __init__(self) -> None:
        self.blocks = 0
        """Blocks with a score so far."""
        self.highest: list[float] = []
        """In ascending order."""
        self._block = -1
        self._most = 0.0

    def add(self, score: float, time: int) -> None:
        """A score that nothing was wrong with."""
        block = time // BLOCK
        if block == self._block:
            self._most = max(self._most, score)
            return
        self._flush()
        self._block, self._most = block, score

    def forget_block(self) -> None:
        """What has come in these ten minutes is not to count."""
        self._block = -1

    def threshold(self, a_week: float) -> float | None:
        """Score that is reached so many times a week; None as long as too little is known."""
        return quantile(self.highest, self.blocks, a_week / BLOCKS_A_WEEK)

    def dump(self) -> dict[str, Any]:
        """For a file."""
        return {"blocks": self.blocks, "highest": [round(score, 4) for score in self.highest]}

    def load(self, blocks: int, highest: Iterable[float]) -> None:
        """What ``dump`` gave."""
        self.blocks = blocks
        self.highest = sorted(highest)[-MAX_KEPT:]
        self._block = -1

    def _flush(self) -> None:
        if self._block < 0:
            return
        self.blocks += 1
        if len(self.highest) < MAX_KEPT:
            insort(self.highest, self._most)
        elif self._most > self.highest[0]:
            del self.highest[0]
            insort(self.highest, self._most)


def quantile(highest: list[float], number: int, share: float) -> float | None:
    """The value that this share of ``number`` values is above; ``highest`` has the highest of them, ascending."""
    count = min(int(number * TAIL), len(highest) - 1)
    if count < LEAST:
        return None
    base = highest[-count - 1]
    excesses = [score - base for score in highest[-count:]]
    mean = sum(excesses) / count
    if mean <= 0:
        return base
    # Probability-weighted moments: the second weighs each excess by the share of those above it.
    weighted = sum(excess * (count - 1 - at) / (count - 1) for at, excess in enumerate(excesses)) / count
    ratio = mean / max(mean - 2 * weighted, 1e-9)
    shape = max(min(2 - ratio, HEAVIEST), -0.5)
    scale = mean * (1 - shape)
    rare = share * number / count
    if rare >= 1:
        return base
    if abs(shape) < 1e-3:
        return base - scale * log(rare)
    return base + scale / shape * (exp(-shape * log(rare)) - 1)
