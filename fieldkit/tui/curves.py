"""Meter series as curves: what was measured of a transaction or a charger, and power where only energy is told.

Many chargers send the energy register alone. The power between two readings is what flowed divided by the time, which
is what a technician would work out on paper; it is marked as such.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from fieldkit.safetext import terminal
from fieldkit.site.series import Series
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction

REGISTER: Final = "Energy.Active.Import.Register"
POWER: Final = "Power.Active.Import"
FIRST: Final = (POWER, REGISTER, "Current.Import", "SoC", "Voltage", "Temperature", "Power.Offered", "Current.Offered")
"""In this order, then all others by name."""
MAX_LINES: Final = 6
"""Curves in one plot that can still be told apart."""
DERIVED: Final = "Power (worked out from the energy register)"
_HOUR: Final = 3_600_000_000_000
_KILO: Final = {"W": "kW", "Wh": "kWh", "var": "kvar", "varh": "kvarh", "VA": "kVA"}


@dataclass(slots=True)
class Curve:
    """One line."""

    name: str
    """Phase, connector, transaction: what tells it from the others."""
    points: list[tuple[int, float]]
    steps: bool = False
    """A value holds from its point to the next: it is a mean over that time."""


@dataclass(slots=True)
class Plot:
    """What is drawn into one pair of axes."""

    title: str
    unit: str
    curves: list[Curve] = field(default_factory=list)
    left_out: int = 0
    """Curves for which there is no room."""


def plots(station: Station, made: Transaction | None = None) -> list[Plot]:
    """What there is to draw, the most telling first. ``made``: of this transaction only."""
    chosen = [
        series
        for series in station.meters.series.values()
        if len(series) and (made is None or (series.transaction == made.id and _same_place(series, made)))
    ]
    groups: dict[tuple[str, str], list[Series]] = {}
    for series in chosen:
        groups.setdefault((series.measurand, series.unit), []).append(series)
    found: list[Plot] = []
    if not any(measurand == POWER for measurand, _ in groups):
        registers = [series for series in chosen if series.measurand == REGISTER and series.unit == "Wh"]
        derived = _derived(registers, made)
        if derived:
            found.append(_plot(DERIVED, "W", derived))
    for measurand, unit in sorted(groups, key=_importance):
        group = groups[measurand, unit]
        curves = [Curve(_name(series, group), _finite(series.points)) for series in group]
        found.append(_plot(terminal(measurand, 60), terminal(unit, 20), [curve for curve in curves if curve.points]))
    return [plot for plot in found if plot.curves]


def _plot(title: str, unit: str, curves: list[Curve]) -> Plot:
    # The latest are what one asks about.
    shown = curves[-MAX_LINES:]
    highest = max((abs(value) for curve in shown for _, value in curve.points if not math.isnan(value)), default=0.0)
    if unit in _KILO and highest >= 1000:
        for curve in shown:
            curve.points = [(time, value / 1000) for time, value in curve.points]
        unit = _KILO[unit]
    return Plot(title, unit, shown, len(curves) - len(shown))


def _importance(key: tuple[str, str]) -> tuple[int, str]:
    measurand = key[0]
    return (FIRST.index(measurand) if measurand in FIRST else len(FIRST), measurand)


def _name(series: Series, group: Sequence[Series]) -> str:
    parts = [series.phase or ("all" if any(other.phase for other in group) else "")]
    if len({other.location for other in group}) > 1:
        parts.append(series.location)
    if len({other.connector for other in group}) > 1:
        parts.append(f"connector {series.connector}")
    if len({other.transaction for other in group}) > 1:
        parts.append(f"transaction {terminal(series.transaction, 12)}" if series.transaction else "idle")
    return terminal(" ".join(filter(None, parts)), 40)


def _finite(points: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(time, value) for time, value in points if math.isfinite(value)]


def _same_place(series: Series, made: Transaction) -> bool:
    """Ids come again on other connectors where the CSMS is careless."""
    return not (series.connector and made.connector) or series.connector == made.connector


def _derived(registers: Sequence[Series], made: Transaction | None) -> list[Curve]:
    whole = [series for series in registers if not series.phase] or list(registers)
    found = [(_name(series, whole), _finite(series.points)) for series in whole]
    ends = _ends(made) if made is not None else []
    if len(found) <= 1 and ends:
        # 1.x tells the register at start and stop beside the series.
        points = found[0][1] if found else []
        merged = dict(ends) | dict(points)
        found = [(found[0][0] if found else "", sorted(merged.items()))]
    curves = []
    for name, points in found:
        power: list[tuple[int, float]] = []
        for (before, low), (time, high) in pairwise(points):
            if time <= before:
                continue
            # A register that went backwards says nothing of power: there is a hole in the curve.
            power.append((before, (high - low) * _HOUR / (time - before) if high >= low else math.nan))
        if any(not math.isnan(value) for _, value in power):
            power.append((points[-1][0], power[-1][1]))
            curves.append(Curve(name, power, steps=True))
    return curves


def _ends(made: Transaction) -> list[tuple[int, float]]:
    """The register at the start and the stop of a transaction."""
    ends = [(made.started, made.meter_start), (made.stopped, made.meter_stop)]
    return [(time, value) for time, value in ends if time is not None and value is not None and math.isfinite(value)]


def value_at(curve: Curve, time: int) -> tuple[int, float] | None:
    """The reading nearest to a time (of means: the one that holds then)."""
    points = curve.points
    if not points:
        return None
    if curve.steps:
        if not points[0][0] <= time <= points[-1][0]:
            return None
        found = max((point for point in points if point[0] <= time), key=lambda point: point[0], default=points[0])
        return None if math.isnan(found[1]) else found
    return min(points, key=lambda point: abs(point[0] - time))
