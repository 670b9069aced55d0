"""Temperature against what it usually is at the same load, by each connector's own measure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import exp
from typing import Final

from fieldkit.checks.energy import POWER
from fieldkit.checks.measured import total
from fieldkit.checks.words import SECOND
from fieldkit.detect.context import MAX_PLACES, Context, MeterTracker, kept
from fieldkit.detect.derating import SESSIONS, given
from fieldkit.detect.usual import MAD_TO_SIGMA, smooth
from fieldkit.events import OcppMessage
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

HOT: Final = 15.0
"""Degrees above what is usual at this load, or ``HOT_SPREADS``: sun and shade make no more …"""
HOT_YET: Final = 22.0
"""… and so many as long as no whole day was seen, as a night says nothing of noon."""
DAY: Final = 24 * 3600 * SECOND
HOT_SPREADS: Final = 4.5
SETTLED: Final = 1500 * SECOND
"""How warm a thing is in the first minutes of a session is up to the session before: nobody knows how fast it cools."""
APART: Final = 240 * SECOND
"""Between two readings that are learnt from: what is usual is that of days, not of the last hours."""
HEAT_KNOWN: Final = 30
"""Such readings, of ``SESSIONS`` at least, before it is known."""
_PLACES: Final = {"Outlet": "at the plug", "Cable": "in the cable", "Body": "inside", "Inlet": "at its supply"}
"""Where a station measures, in words."""
TOO_HOT: Final = 90.0
"""Degrees Celsius at which nothing inside a charger should be."""


@dataclass(slots=True)
class _Heat:
    points: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=192))
    """(load, temperature), while nothing was wrong."""
    base: float = 0.0
    slope: float = 0.0
    """°C a W."""
    spread: float = 3.0
    stale: int = 0
    most: float = 0.0
    load: float = 0.0
    """W over the last quarter of an hour, roughly."""
    time: int = 0
    first: int = 0
    learnt: int = 0
    """Time of the latest point."""
    since: int = 0
    """When this session began."""
    sessions: int = 0
    transaction: str = ""
    excess: float = 0.0
    count: int = 0


class Heat(MeterTracker):
    """Temperature against what it usually is at the same load."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._heats: dict[str, _Heat] = {}

    def measured(self, message: OcppMessage, station: Station) -> None:
        """A temperature."""
        temperatures = station.meters.measured.get("Temperature")
        if not temperatures or temperatures[-1].unit != "Celsius" or temperatures[-1].location == "EV":
            return
        sample = temperatures[-1]
        heat = kept(self._heats, f"{station.identity}\n{sample.connector}\n{sample.location}", _Heat, MAX_PLACES)
        self._measured(message, station, sample, heat, _load(station, sample))

    def _measured(self, message: OcppMessage, station: Station, sample: Sample, heat: _Heat, power: float) -> None:
        # Things warm up in a quarter of an hour or so: the load of that time matters, not that of the moment.
        passed = (message.time - heat.time) / SECOND if heat.time else 0.0
        heat.load = smooth(heat.load, power, 1 - exp(-max(passed, 0.0) / 900.0))
        heat.time = message.time
        heat.first = heat.first or message.time
        if heat.transaction != sample.transaction:
            heat.transaction = sample.transaction
            heat.since = message.time
            heat.sessions += 1
        # Only as far as loads have been seen: a line leads anywhere beyond its points.
        beyond = heat.load > 1.15 * heat.most
        heat.most = max(heat.most, heat.load)
        settled = message.time - heat.since >= SETTLED
        known = len(heat.points) >= HEAT_KNOWN and heat.sessions >= SESSIONS and settled and not beyond
        expected = heat.base + heat.slope * heat.load
        weather = self._weather(heat)
        off = sample.value - expected - weather
        heat.excess = smooth(heat.excess, off, 0.25) if known else 0.0
        least = HOT if message.time - heat.first >= DAY else HOT_YET
        limit = max(least, HOT_SPREADS * heat.spread)
        hot = known and heat.excess > limit
        heat.count = heat.count + 1 if hot or sample.value > TOO_HOT else 0
        ordinary = heat.excess < 0.6 * limit and not self.context.frozen(station.identity)
        if settled and (ordinary or not known) and message.time - heat.learnt >= APART:
            heat.learnt = message.time
            self._learn(heat, sample.value)
        if heat.count < 3:
            return
        others_too = f", and the others are {weather:.0f} °C hotter than usual today" if weather > 2 else ""
        usual = (
            f"at this load it is usually at {expected:.0f} °C{others_too}" if known else "no charger should be that hot"
        )
        self.context.tell(
            "temperature-creep",
            station.identity,
            0.68,
            f"Connector {sample.connector or '?'} of {station.identity} is at {sample.value:.0f} °C "
            f"({_PLACES.get(sample.location, sample.location)}); {usual}.",
            (message,),
            connector=sample.connector,
            layer="statistics",
            sign="heat",
        )

    @staticmethod
    def _learn(heat: _Heat, value: float) -> None:
        """A straight line through temperature over load; what lies far off counts little."""
        heat.points.append((heat.load, value))
        heat.stale += 1
        if heat.stale * 16 < len(heat.points) or len(heat.points) < 8:
            return
        heat.stale = 0
        weights = [1.0] * len(heat.points)
        for _ in range(3):
            total_weight = sum(weights)
            mean_x = sum(w * x for w, (x, _) in zip(weights, heat.points, strict=True)) / total_weight
            mean_y = sum(w * y for w, (_, y) in zip(weights, heat.points, strict=True)) / total_weight
            across = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, heat.points, strict=True))
            along = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, heat.points, strict=True))
            heat.slope = max(along / across, 0.0) if across > 1 else 0.0
            heat.base = mean_y - heat.slope * mean_x
            off = [abs(y - heat.base - heat.slope * x) for x, y in heat.points]
            heat.spread = max(MAD_TO_SIGMA * sorted(off)[len(off) // 2], 1.0)
            weights = [1.0 if one <= 2 * heat.spread else 2 * heat.spread / one for one in off]

    def _weather(self, own: _Heat) -> float:
        """How much hotter than usual the others of the site are: that is the weather, and no fault."""
        now = self.context.now
        excesses = sorted(
            other.excess for other in self._heats.values() if other is not own and now - other.time < 1800 * SECOND
        )
        return max(excesses[len(excesses) // 2], 0.0) if len(excesses) >= 2 else 0.0


def _load(station: Station, at: Sample) -> float:
    """W at the place of a temperature, with a transaction or without: what flows makes warm."""
    powers = station.meters.measured.get(POWER)
    if powers and powers[-1].unit == "W" and powers[-1].connector == at.connector:
        return max(total(powers, powers[-1].time) or 0.0, 0.0)
    power = given(station)
    return max(power[1], 0.0) if power is not None else 0.0
