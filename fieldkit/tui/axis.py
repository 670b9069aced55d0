"""Time along a line of characters: which column a moment is in, and where the times stand."""

from __future__ import annotations

from typing import Final, NamedTuple

from fieldkit.tui.words import clock, day

SECOND: Final = 1_000_000_000
_STEPS: Final = tuple(
    step * SECOND // 1000
    for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
                 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 21_600_000, 43_200_000, 86_400_000,
                 172_800_000, 604_800_000, 1_209_600_000, 2_592_000_000, 7_776_000_000, 31_536_000_000,
                 63_072_000_000, 157_680_000_000, 315_360_000_000, 1_576_800_000_000)
)  # fmt: skip
"""Distances between two times on a ruler."""
_DAY: Final = 86_400 * SECOND
_ROOM: Final = 3
"""Columns between two labels at least."""


class Axis(NamedTuple):
    """A stretch of time over some columns."""

    first: int
    last: int
    columns: int

    @property
    def span(self) -> int:
        """Nanoseconds."""
        return max(self.last - self.first, 1)

    def column(self, time: int) -> int:
        """Where a moment is; outside of the axis it is below 0 or beyond the columns."""
        return (time - self.first) * self.columns // self.span if time != self.last else self.columns - 1

    def time(self, column: int) -> int:
        """The middle of a column."""
        return self.first + (2 * column + 1) * self.span // (2 * max(self.columns, 1))

    def begin(self, column: int) -> int:
        """Where a column begins."""
        return self.first + column * self.span // max(self.columns, 1)

    def ticks(self, *, utc: bool) -> list[tuple[int, str]]:
        """Columns and times, as many as there is room for."""
        for step in _STEPS:
            if step * self.columns < self.span:
                continue  # less than a column apart
            begin = -(-self.first // step) * step
            labels = [(self.column(at), _label(at, step, utc)) for at in range(begin, self.last + 1, step)[:500]]
            width = max((len(label) for _, label in labels), default=0)
            if step * self.columns // self.span >= width + _ROOM:
                return [(column, label) for column, label in labels if 0 <= column <= self.columns - len(label)]
        return []


def _label(time: int, step: int, utc: bool) -> str:
    if step >= _DAY:
        return day(time, utc=utc)
    if step < SECOND:
        return clock(time, utc=utc, millis=True)
    text = clock(time, utc=utc)
    return text if step % (60 * SECOND) else text[:5]


def ruler(axis: Axis, *, utc: bool) -> str:
    """The times as a line: each begins in its column, behind a bar."""
    line = [" "] * axis.columns
    for column, label in axis.ticks(utc=utc):
        text = f"'{label}" if column + len(label) < axis.columns else label
        line[column : column + len(text)] = text
    return "".join(line[: axis.columns])
