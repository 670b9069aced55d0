"""What the checks on meter values share: how far clocks and readings may be trusted, and quantities in words."""

from __future__ import annotations

from typing import Final, TypedDict, TypeVar

from fieldkit.checks.words import SECOND
from fieldkit.events import OcppMessage
from fieldkit.site.series import Sample
from fieldkit.site.station import Station
from fieldkit.site.units import natural_unit

K = TypeVar("K")
V = TypeVar("V")

MAX_PLACES: Final = 20_000
"""Connectors (or transactions) that a check remembers something of; the oldest are forgotten first."""
LIVE: Final = 60 * SECOND
"""A reading that is older than this when it is sent comes from a queue: it says nothing of the present."""
SAME_PACE: Final = (10 * SECOND, 0.1)
"""Two readings are as far apart by the station's clock as by ours: to 10 s (delays, whole seconds) and 10 %."""
PHASES: Final = {"L1": 0, "L1-N": 0, "L2": 1, "L2-N": 1, "L3": 2, "L3-N": 2}
"""Which conductor a phase value is of; values between two of them belong to neither."""


class Where(TypedDict, total=False):
    """Where a finding belongs: for ``Finding(…, **where)``."""

    connector: str
    transaction: str


def where(sample: Sample) -> Where:
    """The connector and transaction of a sample."""
    return {"connector": sample.connector, "transaction": sample.transaction}


def remember(table: dict[K, V], key: K, value: V, most: int = MAX_PLACES) -> V:
    """Put a value into a table that must not grow without end."""
    if key not in table and len(table) >= most:
        del table[next(iter(table))]
    table[key] = value
    return value


def is_live(sample: Sample, message: OcppMessage, station: Station) -> bool:
    """Was it measured just now? By the station's clock, whose error is taken out where it is known."""
    if not message.time:
        return False
    late = message.time + (station.clock.offset or 0) - sample.time
    return -LIVE <= late <= LIVE


def same_pace(told: int, seen: int) -> bool:
    """Did as much time pass between two readings as between the messages that brought them?"""
    return abs(told - seen) <= SAME_PACE[0] + SAME_PACE[1] * abs(seen)


def fits_its_unit(sample: Sample) -> bool:
    """Is it in the unit that its measurand is counted in? Others are no use in a calculation."""
    return sample.unit == natural_unit(sample.measurand)


def by_phase(samples: list[Sample], time: int) -> dict[int, float]:
    """The values of one reading by conductor: L1 is 0."""
    return {PHASES[sample.phase]: sample.value for sample in samples if sample.time == time and sample.phase in PHASES}


def total(samples: list[Sample], time: int, location: str | None = None) -> float | None:
    """The value of all phases together: as sent, else the sum of L1, L2 and L3; None when one of them is missing."""
    here = [sample for sample in samples if sample.time == time and location in (None, sample.location)]
    whole = next((sample.value for sample in here if not sample.phase), None)
    if whole is not None:
        return whole
    phases = by_phase(here, time)
    return sum(phases.values()) if len(phases) == 3 else None


def energy_words(watt_hours: float) -> str:
    """As in "12.40 kWh", "450 Wh", "0.34 Wh"."""
    if abs(watt_hours) >= 1000:
        return f"{watt_hours / 1000:,.2f} kWh"
    return f"{watt_hours:.0f} Wh" if abs(watt_hours) >= 10 or not watt_hours else f"{watt_hours:.2f} Wh"


def power_words(watts: float) -> str:
    """As in "450 W", "11.0 kW"."""
    return f"{watts:.0f} W" if abs(watts) < 1000 else f"{watts / 1000:,.1f} kW"


def amount_words(value: float, unit: str) -> str:
    """As in "16.0 A", "11.0 kW", "230.1 V"."""
    if unit == "W":
        return power_words(value)
    if unit == "Wh":
        return energy_words(value)
    return f"{value:.1f} {_SPELT.get(unit, unit)}".rstrip()


_SPELT: Final = {"Percent": "%", "Celsius": "°C"}
