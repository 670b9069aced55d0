"""The course of one quantity over time, thinned so that a plot of it looks the same however long it was recorded."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

MAX_POINTS: Final = 512
"""Points kept of one series: twice as many as the columns of a plot in a report."""


@dataclass(slots=True)
class Sample:
    """One sampled value with the defaults of the standard filled in (1.6 §7.45, 2.x Part 2 SampledValueType)."""

    time: int
    """By the station's clock (its timestamp), else the capture's; ns."""
    value: float
    """In base units: Wh, W, A, V, Hz, percent, degrees Celsius, var, varh."""
    measurand: str
    phase: str
    location: str
    context: str
    unit: str
    """Base unit of ``value``; a name that we do not know stays as it was sent."""
    connector: str
    transaction: str
    defaulted: frozenset[str]
    """Members that were left out, which is legal: {"measurand", "unit", …}."""


@dataclass(slots=True)
class Series:
    """One measurand of one connector and transaction.

    Beyond ``MAX_POINTS`` neighbours are joined: of each group the lowest and the highest point stay, so that first,
    last and all extremes survive. Two arrays hold 16 bytes a point where a list of tuples takes 120.
    """

    connector: str
    transaction: str
    measurand: str
    phase: str
    location: str
    unit: str
    count: int = 0
    last: Sample | None = None
    """The latest by its own timestamp."""
    previous: Sample | None = None
    """The one before ``last``, whatever was dropped from ``points``."""
    _times: array[int] = field(default_factory=lambda: array("q"), repr=False)
    _values: array[float] = field(default_factory=lambda: array("d"), repr=False)
    _group: int = 1
    """Samples that two points stand for: 1 as long as every sample is kept."""
    _open: int = 0
    """Samples in the group at the end that is not full yet …"""
    _settled: int = 0
    """… where its points begin …"""
    _lowest: tuple[int, float] = (0, 0.0)
    _highest: tuple[int, float] = (0, 0.0)
    """… and which they are."""

    @property
    def points(self) -> list[tuple[int, float]]:
        """(time in ns, value in base units), oldest first."""
        points = list(zip(self._times, self._values, strict=True))
        if self.last is not None and points[-1][0] < self.last.time:
            points.append((self.last.time, self.last.value))  # no extreme of its group
        return points

    def __len__(self) -> int:
        return len(self._times)

    def add(self, sample: Sample) -> bool:
        """Take in a sample; tells whether it is the latest one by its timestamp.

        Late ones (sent from a queue, or repeated in transactionData) are sorted in, and once only.
        """
        last = self.last
        if last is not None and sample.time <= last.time:
            self._add_late(sample.time, sample.value)
            return False
        self.previous, self.last = last, sample
        self.count += 1
        self._append(sample.time, sample.value)
        return True

    def _append(self, time: int, value: float) -> None:
        times, values = self._times, self._values
        if self._group == 1:
            times.append(time)
            values.append(value)
        elif self._open == 0:
            self._settled = len(times)
            times.append(time)
            values.append(value)
            self._lowest = self._highest = (time, value)
        elif value < self._lowest[1]:
            self._lowest = (time, value)
            self._rewrite()
        elif value > self._highest[1]:
            self._highest = (time, value)
            self._rewrite()
        if self._group > 1:
            self._open = (self._open + 1) % self._group
        if len(times) > MAX_POINTS:
            self._thin()

    def _rewrite(self) -> None:
        """Let the points of the open group be its extremes, in their order."""
        points = sorted({self._lowest, self._highest})
        del self._times[self._settled :], self._values[self._settled :]
        self._times.extend(time for time, _ in points)
        self._values.extend(value for _, value in points)

    def _add_late(self, time: int, value: float) -> None:
        at = bisect_left(self._times, time)
        if at < len(self._times) and self._times[at] == time:
            return
        if self._group == 1:
            self.count += 1
            self._times.insert(at, time)
            self._values.insert(at, value)
            if len(self._times) > MAX_POINTS:
                self._thin()

    def _thin(self) -> None:
        """Of every four points the lowest and the highest stay; the first and the last in any case."""
        points = self.points
        kept = [points[0]]
        for begin in range(1, len(points) - 1, 4):
            kept += _extremes(points[begin : min(begin + 4, len(points) - 1)])
        if len(points) > 1:
            kept.append(points[-1])
        self._times = array("q", (time for time, _ in kept))
        self._values = array("d", (value for _, value in kept))
        self._group = 4 if self._group == 1 else self._group * 2
        self._open = 0


def _extremes(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """The lowest and the highest of them, in their order."""
    low = min(range(len(points)), key=lambda at: points[at][1])
    high = max(range(len(points)), key=lambda at: points[at][1])
    return [points[at] for at in sorted({low, high})]
