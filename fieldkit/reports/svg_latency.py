"""How long answers took, as a row of dots on a logarithmic scale: half of them, nine of ten, 99 of 100, the longest."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fieldkit.reports.document import LatencyEntry
from fieldkit.reports.svg import anchored, percent, plot

_LOWEST_MS, _HIGHEST_MS = 0.1, 1e9
"""Where the scale ends, whatever was measured."""
_NAMES: Final = {
    *((-1, "0.1 ms"), (0, "1 ms"), (1, "10 ms"), (2, "100 ms"), (3, "1 s"), (4, "10 s"), (5, "100 s")),
    *((6, "1000 s"), (7, "10⁴ s"), (8, "10⁵ s"), (9, "10⁶ s")),
}
HEIGHT: Final = 18
"""Pixels of a row."""
_PADDING: Final = 11.0
"""Per cent at both ends: room for half a label."""


@dataclass(frozen=True, slots=True)
class LatencyScale:
    """Decades of milliseconds."""

    low: int
    """Power of ten."""
    high: int

    @classmethod
    def over(cls, entries: Iterable[LatencyEntry]) -> LatencyScale:
        """The decades that hold all of these."""
        known = [value for entry in entries if entry["count"] for value in (entry["p50_ms"], entry["longest_ms"])]
        logs = [_log(value) for value in known] or [0.0, 3.0]
        low = math.floor(min(logs))
        return cls(low, max(math.ceil(max(logs)), low + 1))

    def at(self, milliseconds: float) -> float:
        """Per cent from the left."""
        share = (_log(milliseconds) - self.low) / (self.high - self.low)
        return _PADDING + min(1.0, max(0.0, share)) * (100 - 2 * _PADDING)

    def axis(self) -> str:
        """The head of the column."""
        names = dict(_NAMES)
        step = math.ceil((self.high - self.low) / 3)
        parts = [
            f'<text class="tick"{anchored(self.at(10.0**power))} y="12">{names[power]}</text>'
            for power in range(self.low, self.high + 1, step)
        ]
        return plot(parts, height=16, name="Milliseconds and seconds, each line ten times the one before", css="axis")

    def row(self, entry: LatencyEntry) -> str:
        """One action; the numbers stand beside it."""
        middle = HEIGHT // 2
        parts = [
            f'<line class="grid" x1="{percent(x)}" x2="{percent(x)}" y1="0" y2="{HEIGHT}"/>'
            for x in (self.at(10.0**power) for power in range(self.low, self.high + 1))
        ]
        if entry["count"]:
            p50, p90, p99, longest = (
                self.at(value) for value in (entry["p50_ms"], entry["p90_ms"], entry["p99_ms"], entry["longest_ms"])
            )
            parts += (
                f'<line class="reach" x1="{percent(p50)}" x2="{percent(longest)}" y1="{middle}" y2="{middle}"/>',
                f'<line class="body" x1="{percent(p50)}" x2="{percent(p90)}" y1="{middle}" y2="{middle}"/>',
                _stroke("end", longest, middle, 4),
                f'<circle class="p99" cx="{percent(p99)}" cy="{middle}" r="3"/>',
                _stroke("p90", p90, middle, 5),
                f'<circle class="p50" cx="{percent(p50)}" cy="{middle}" r="4"/>',
            )
        return f'<svg class="plot dots" width="100%" height="{HEIGHT}" aria-hidden="true">{"".join(parts)}</svg>'


def latency_legend() -> str:
    """The signs of a row, for the caption."""
    middle = 6
    signs = (
        ("median", f'<circle class="p50" cx="7" cy="{middle}" r="4"/>'),
        ("90 %", f'<line class="p90" x1="7" x2="7" y1="{middle - 5}" y2="{middle + 5}"/>'),
        ("99 %", f'<circle class="p99" cx="7" cy="{middle}" r="3"/>'),
        ("longest", f'<line class="end" x1="7" x2="7" y1="{middle - 4}" y2="{middle + 4}"/>'),
    )
    svg = '<svg class="swatch dots" width="14" height="12" aria-hidden="true">'
    return " ".join(f'<span class="key">{svg}{drawn}</svg>{name}</span>' for name, drawn in signs)


def _stroke(css: str, x: float, middle: int, reach: int) -> str:
    return f'<line class="{css}" x1="{percent(x)}" x2="{percent(x)}" y1="{middle - reach}" y2="{middle + reach}"/>'


def _log(milliseconds: float) -> float:
    if not milliseconds > _LOWEST_MS:  # NaN too
        return math.log10(_LOWEST_MS)
    return math.log10(min(milliseconds, _HIGHEST_MS))
