"""Vehicles: what they draw at which state of charge, over time."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from tests.simulation import priors

EFFICIENCY: Final = 0.92
"""Share of what the charger delivers that ends up in the battery."""
FULL: Final = 99.7


@dataclass(slots=True)
class Car:
    """One vehicle in one session."""

    capacity: float
    """Of its battery, Wh."""
    soc: float
    """State of charge, percent."""
    peak: float
    """Most that it takes, W."""
    target: float
    """State of charge at which its driver leaves."""
    knee: float
    """State of charge from which it takes less."""
    floor: float
    """Share of the peak that is left when it is nearly full."""
    ramp: float
    """Seconds until it takes what it can."""
    phases: int
    """Of its own charger, on AC."""
    bumps: tuple[float, float] = (0.0, 1.0)
    """At this state of charge its curve has a step down to this share, as some batteries' do."""
    elapsed: float = 0.0

    def wants(self) -> float:
        """Power that it would take now, W."""
        if self.soc >= FULL:
            return 0.0
        power = self.peak
        if self.elapsed < self.ramp:
            power *= 0.05 + 0.95 * self.elapsed / self.ramp
        if self.soc > self.knee:
            power *= 1.0 - (1.0 - self.floor) * (self.soc - self.knee) / (100.0 - self.knee)
        if self.bumps[0] and self.soc > self.bumps[0]:
            power *= self.bumps[1]
        return power

    def take(self, power: float, seconds: float) -> float:
        """Charge for a while; returns the Wh delivered."""
        energy = power * seconds / 3600.0
        self.soc = min(self.soc + 100.0 * energy * EFFICIENCY / self.capacity, 100.0)
        self.elapsed += seconds
        return energy


def dc_car(random: Random, limit: float, capacities: tuple[float, float] = (38_000, 95_000)) -> Car:
    """A car at a fast charger, with the state of charge and the gain that real sessions have."""
    soc = min(priors.soc_at_arrival(random), 92.0)
    capacity = random.uniform(*capacities)
    peak = min(capacity * random.uniform(1.0, 2.4), limit)
    bumps = (random.uniform(45, 75), random.uniform(0.7, 0.9)) if random.random() < 0.3 else (0.0, 1.0)
    return Car(
        capacity, soc, peak, min(soc + priors.soc_gain(soc, random), 99.0), random.uniform(40, 70),
        random.uniform(0.08, 0.3), random.uniform(8, 70), 3, bumps,
    )  # fmt: skip


def ac_car(random: Random, limit: float, phases: int) -> Car:
    """A car at a wallbox: what its own charger takes, for as long as it stands there."""
    own, of_car = random.choice(((3_700, 1), (7_400, 1), (11_000, 3), (11_000, 3), (22_000, 3)))
    used = min(of_car, phases)
    peak = min(own * used / of_car, limit * (1 if used == phases else 1 / phases)) * random.uniform(0.95, 0.995)
    soc = random.uniform(15, 80)
    return Car(
        random.uniform(30_000, 85_000), soc, peak, min(soc + random.uniform(10, 70), 99.5), random.uniform(92, 97),
        random.uniform(0.1, 0.3), random.uniform(3, 25), used,
    )  # fmt: skip
