"""Meter values over time, and the limit that was set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from fieldkit.reports.svg import TimeAxis, label, percent, plot

HEIGHT: Final = 170
"""Pixels of a plot: values between _TOP and _BOTTOM, times below."""
_TOP, _BOTTOM = 16, 150
MOST_LINES: Final = 6
"""Lines of one plot that can still be told apart."""
_GRID_LINES: Final = 4
_FULL: Final = 1000
"""Units of the inner drawing in each direction; it is stretched to the plot."""

_FROM_ZERO: Final = frozenset({"W", "kW", "A", "%", "Percent", "var", "VA"})
"""Units whose zero belongs into the plot; an energy register's or a mains voltage's does not."""


class Line(NamedTuple):
    """A curve: one phase of one measurand, in one transaction."""

    style: int
    """Number of colour and dashes; equal for the same phase in several transactions."""
    points: Sequence[tuple[float, float]]
    """(seconds since the epoch, value)."""


class LimitLine(NamedTuple):
    """What may flow at most, from one time to another."""

    first: float
    last: float
    value: float
    text: str


def meter_plot(lines: Sequence[Line], limits: Sequence[LimitLine], *, unit: str, name: str) -> str:
    """Empty when there is nothing to draw."""
    lines = [Line(line.style, [point for point in line.points if math.isfinite(point[1])]) for line in lines]
    lines = [line for line in lines if line.points]
    axis = TimeAxis.over([time for line in lines for time, _ in (line.points[0], line.points[-1])])
    if axis is None:
        return ""
    limits = [limit for limit in limits if limit.last >= axis.first and limit.first <= axis.last]
    values = [value for line in lines for _, value in line.points] + [limit.value for limit in limits]
    low, high, step = scale(min(values), max(values), from_zero=unit in _FROM_ZERO)
    parts = [axis.svg(HEIGHT)]
    labels = []
    for number in range(round((high - low) / step) + 1):
        value = low + number * step
        y = _BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        topmost = (number + 0.5) * step >= high - low
        words = number_words(value) + (f" {label(unit)}" if topmost else "")
        labels.append(f'<text class="tick" x="0" y="{y - 3:.1f}">{words}</text>')
    drawn = []
    for limit in limits:
        y = _y(limit.value, low, high)
        path = f"M{_x(axis, limit.first)} {y}H{_x(axis, limit.last)}"
        drawn.append(f'<path class="limit" d="{path}"><title>{label(limit.text)}</title></path>')
    dots = []
    for line in lines:
        css = f"line l{line.style % MOST_LINES}"
        if len(line.points) == 1:
            ((time, value),) = line.points
            y = _BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP)
            dots.append(f'<circle class="dot {css}" cx="{percent(axis.at(time))}" cy="{y:.1f}" r="2.5"/>')
        else:
            path = " ".join([f"{_x(axis, time)} {_y(value, low, high)}" for time, value in line.points])
            drawn.append(f'<polyline class="{css}" points="{path}"/>')
    parts.append(
        f'<svg x="0" y="{_TOP}" width="100%" height="{_BOTTOM - _TOP}" viewBox="0 0 {_FULL} {_FULL}"'
        f' preserveAspectRatio="none" overflow="visible">{"".join(drawn)}</svg>'
    )
    return plot([*parts, *dots, *labels], height=HEIGHT, name=name, css="meter")


def scale(least: float, most: float, *, from_zero: bool) -> tuple[float, float, float]:
    """Lowest and highest grid line, and the distance between them, in round numbers."""
    low, high = (min(least, 0.0), max(most, 0.0)) if from_zero else (least, most)
    if not high > low:
        high = low + (abs(low) * 0.1 or 1.0)
    rough = (high - low) / _GRID_LINES
    if not math.isfinite(rough) or rough <= 0:
        return 0.0, 1.0, 0.25
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * factor for factor in (1, 2, 2.5, 5) if power * factor >= rough), power * 10)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def number_words(value: float) -> str:
    """As short as it is exact enough beside a line."""
    size = abs(value)
    if size >= 1e12 or 0 < size < 0.01:
        return f"{value:.3g}"
    digits = 3 if size < 1 else 2 if size < 100 else 1
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".")


def line_swatch(style: int) -> str:
    """A piece of the line for the caption; a negative style is the limit's."""
    css = "limit" if style < 0 else f"line l{style % MOST_LINES}"
    return f'<svg class="swatch" width="22" height="12" aria-hidden="true"><path class="{css}" d="M0 6H22"/></svg>'


def _x(axis: TimeAxis, time: float) -> int:
    return round(axis.at(time) / 100 * _FULL)


def _y(value: float, low: float, high: float) -> int:
    return round(_FULL - (value - low) / (high - low) * _FULL)
