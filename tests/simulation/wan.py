"""What lies between the router and the CSMS: how long a round trip takes, what gets lost, how often it breaks.

The figures are orders of magnitude from operators' and satellite makers' own pages, not measurements: broadband 10-40
ms, LTE 40-90 ms with a tail of seconds, geostationary satellite around 600 ms (light alone needs 480 ms for the way up
and down, twice), low orbit 30-60 ms that steps when the satellite changes (every 15 s).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from random import Random
from typing import Final, Literal

Kind = Literal["broadband", "lte", "geo", "leo"]

KINDS: Final[tuple[Kind, ...]] = ("broadband", "lte", "geo", "leo")


@dataclass(frozen=True, slots=True)
class Habit:
    """Ranges that a site's uplink is drawn from."""

    rtt: tuple[float, float]
    """Median round trip, seconds."""
    spread: tuple[float, float]
    """Sigma of the logarithm of a single round trip."""
    tail: tuple[float, float]
    """Share of round trips that take several times as long (radio retransmission, handover) …"""
    stretch: tuple[float, float]
    """… and how many times."""
    loss: tuple[float, float]
    """Share of messages that have to be sent again."""
    breaks: tuple[float, float]
    """Interruptions a day."""
    gap: tuple[float, float]
    """Seconds that one lasts."""
    step: float
    """Seconds between changes of the path (0: none), as low satellites do."""


HABITS: Final[dict[Kind, Habit]] = {
    "broadband": Habit((0.008, 0.040), (0.05, 0.2), (0.0, 0.004), (2, 5), (0.0, 0.002), (0.02, 0.3), (3, 40), 0),
    "lte": Habit((0.040, 0.095), (0.15, 0.4), (0.005, 0.03), (3, 15), (0.001, 0.01), (0.2, 2.0), (4, 45), 0),
    "geo": Habit((0.560, 0.720), (0.03, 0.12), (0.003, 0.02), (1.5, 3), (0.001, 0.012), (0.1, 1.0), (5, 45), 0),
    "leo": Habit((0.028, 0.060), (0.1, 0.25), (0.005, 0.02), (2, 6), (0.001, 0.008), (0.2, 1.5), (2, 25), 15),
}


class Uplink:
    """One site's way out. Episodes change ``factor``, ``extra``, ``loss`` and ``down``."""

    def __init__(self, kind: Kind, random: Random, address: str) -> None:
        self.kind = kind
        self.address = address
        """Of the router, as the CSMS sees it; a change of it breaks what is open."""
        habit = HABITS[kind]
        draw = random.uniform
        self.rtt_median = draw(*habit.rtt)
        self.spread = draw(*habit.spread)
        self.tail = draw(*habit.tail)
        self.stretch = draw(*habit.stretch)
        self.loss = draw(*habit.loss)
        self.breaks = draw(*habit.breaks)
        self.gap = habit.gap
        self.step = habit.step
        self.think = draw(0.004, 0.12)
        """Seconds that the CSMS takes for a usual answer, median …"""
        self.think_spread = draw(0.2, 0.7)
        self.factor = 1.0
        self.extra = 0.0
        self.extra_loss = 0.0
        self.down: Literal["", "silent", "refused", "captive", "nameless", "tls"] = ""
        """How attempts to connect end at the moment."""
        self._random = random

    def rtt(self, now: int, chance: Random | None = None) -> float:
        """One round trip from the router to the CSMS and back."""
        random = self._random if chance is None else chance
        value = self.rtt_median * exp(random.gauss(0.0, self.spread))
        if self.step:
            # The height of the satellite in use: the same for all within a slot, hence from the slot's number alone.
            slot = int(now // 1_000_000_000 // self.step)
            value *= 0.85 + 0.3 * ((slot * 2_654_435_761 >> 7) % 1000) / 1000
        if random.random() < self.tail:
            value *= 1 + random.random() * self.stretch
        return value * self.factor + self.extra

    def thinks(self) -> float:
        """How long the CSMS takes."""
        return self.think * exp(self._random.gauss(0.0, self.think_spread))

    def loses(self) -> bool:
        return self._random.random() < self.loss + self.extra_loss

    def become(self, other: Uplink) -> None:
        """Another SIM, another uplink: what is specific to the path is taken over, the CSMS stays as it is."""
        for name in ("kind", "rtt_median", "spread", "tail", "stretch", "loss", "gap", "step", "address"):
            setattr(self, name, getattr(other, name))
