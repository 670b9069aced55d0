"""Plots as inline SVG: what all of them share.

No pixel widths: horizontal positions are percentages, so that a plot is as wide as its page while its letters keep
their size, on a phone, on a screen and on paper. Colours come from the style sheet of the page by class names. All text
goes through ``safetext``, none of it decides about anything but itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from fieldkit.checks.words import SECOND, duration
from fieldkit.safetext import html

MOST_TICKS: Final = 6
"""Times below a plot: as many as keep apart on a phone."""
MAX_LABEL: Final = 120
"""Characters of a text in a plot."""

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_STEPS: Final = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(_MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 90 * _DAY, 365 * _DAY, 3650 * _DAY, 36500 * _DAY),
)
"""Distances between ticks that people count in."""
_EDGE: Final = 5.0
"""Per cent from the edge within which a centred text would stick out."""
_SHORTEST: Final = 0.001
"""Seconds that an axis spans at least."""


def parse_time(text: str | None) -> float | None:
    """ISO 8601 as seconds since the epoch; None where it is no time."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None


def label(text: str) -> str:
    """Any text, safe as the content of an element or of an attribute."""
    return html(text[: MAX_LABEL - 1] + "…" if len(text) > MAX_LABEL else text)


def percent(share: float) -> str:
    """As in "12.5%": to a hundredth, which is a tenth of a pixel."""
    return f"{share:.2f}".rstrip("0").rstrip(".") + "%"


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A span of time as wide as the plot."""

    first: float
    """Seconds since the epoch."""
    last: float

    @classmethod
    def over(cls, times: Iterable[float]) -> TimeAxis | None:
        """From the earliest to the latest; None without times."""
        known = list(times)
        if not known:
            return None
        first, last = min(known), max(known)
        return cls(first, max(last, first + _SHORTEST))

    def at(self, time: float) -> float:
        """Where a time is, in per cent; beyond the ends it is at the end."""
        return min(100.0, max(0.0, (time - self.first) / (self.last - self.first) * 100))

    def step(self) -> float:
        """Seconds between two ticks."""
        span = self.last - self.first
        return next((step for step in _STEPS if span / step <= MOST_TICKS), span)

    def ticks(self) -> list[tuple[float, str]]:
        """(per cent, label); the date stands where a day begins."""
        step = self.step()
        count = math.ceil(self.first / step)
        ticks: list[tuple[float, str]] = []
        day = -1.0
        while count * step <= self.last and len(ticks) <= MOST_TICKS:
            time = count * step
            ticks.append((self.at(time), _tick(time, step, new_day=day >= 0 and time // _DAY != day)))
            day = time // _DAY
            count += 1
        return ticks

    def svg(self, height: int) -> str:
        """Lines from the top down to the labels, which take the last 14 pixels of ``height``."""
        parts = []
        for x, text in self.ticks():
            parts.append(f'<line class="grid" x1="{percent(x)}" x2="{percent(x)}" y1="0" y2="{height - 14}"/>')
            parts.append(f'<text class="tick"{anchored(x)} y="{height - 3}">{text}</text>')
        return "".join(parts)


def anchored(x: float) -> str:
    """Attributes of a text that is centred at ``x`` per cent unless it would stick out."""
    if x < _EDGE:
        return f' x="{percent(max(x, 0.0))}"'
    if x > 100 - _EDGE:
        return f' x="{percent(min(x, 100.0))}" text-anchor="end"'
    return f' x="{percent(x)}" text-anchor="middle"'


def plot(parts: Sequence[str], *, height: int, name: str, css: str = "", role: str = "img") -> str:
    """The whole plot; ``name`` says what it shows to those who do not see it. With links inside ``role`` is "group"."""
    classes = f"plot {css}".rstrip()
    return (
        f'<svg class="{classes}" width="100%" height="{height}" role="{role}" aria-label="{label(name)}">'
        f"{''.join(parts)}</svg>"
    )


def span_words(first: float, last: float) -> str:
    """As in "12:00:05 to 12:45:10, 45 min 5 s", the dates with it where they differ."""
    begin, end = moment(first), moment(last)
    if begin is None or end is None:
        return ""
    dated = "%Y-%m-%d %H:%M:%S" if begin.date() != end.date() else "%H:%M:%S"
    return f"{begin.strftime(dated)} to {end.strftime(dated)}, {duration((last - first) * SECOND)}"


def moment(time: float) -> datetime | None:
    """As a date; None for what no calendar has."""
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=time)
    except (ValueError, OverflowError):
        return None


def _tick(time: float, step: float, *, new_day: bool) -> str:
    when = moment(time)
    if when is None:
        return ""
    if step >= _DAY:
        return f"{when.day} {when:%b}" if step < 300 * _DAY else f"{when:%Y}"
    if new_day:
        return f"{when.day} {when:%b}"
    if step >= _MINUTE:
        return f"{when:%H:%M}"
    if step >= 1:
        return f"{when:%H:%M:%S}"
    return f"{when:%H:%M:%S}.{when.microsecond // 1000:03d}"
