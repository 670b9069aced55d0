"""Labelled episodes: what was done to a site, when, and from when on it can be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from tests.simulation.engine import Process
    from tests.simulation.site import Site
    from tests.simulation.station import Station

APART: Final = 1_000_000_000
"""What shows within a second is one occasion: a reading in which several values are odd, told for both connectors."""

Category = Literal["intrusion", "fraud", "maintenance", "connectivity", "energy", "benign"]


@dataclass(slots=True)
class Episode:
    """One episode; times in ns."""

    family: str
    category: Category
    station: str
    """"*" where it concerns the site."""
    start: int
    end: int
    magnitude: float
    """From 0 (subtle) to 1 (blatant)."""
    first_evidence: int | None = None
    """Time of the first event that would not have been, or not so, without it; None: nothing can be seen of it."""
    third_evidence: int | None = None
    """Of the third such event: for what shows in samples, one of which says little."""
    shown: int = 0
    """Occasions so far."""
    latest: int = 0
    """Time of the last of them."""
    note: str = ""

    @property
    def benign(self) -> bool:
        return self.category == "benign"

    def shows(self, time: int) -> None:
        if self.shown and time - self.latest < APART:
            return
        self.shown, self.latest = self.shown + 1, time
        if self.first_evidence is None:
            self.first_evidence = time
        elif self.shown == 3:
            self.third_evidence = time

    def as_json(self) -> dict[str, Any]:
        """Times in seconds, as ``fieldkit detect score`` writes them."""
        found = asdict(self)
        del found["latest"]
        for name in ("start", "end", "first_evidence", "third_evidence"):
            found[name] = None if found[name] is None else found[name] / 1e9
        return {**found, "benign": self.benign}


Play = Callable[["Site", "Station", "Episode", Random], "Process"]
"""What an episode does; it runs from its start and ends when it is over."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family of episodes."""

    name: str
    category: Category
    hours: tuple[float, float]
    """How long one lasts."""
    play: Play
    wide: bool
    """It concerns the whole site."""
    suits: Callable[[Station], bool]
    """Which stations it can happen to."""
    encrypted: bool
    """It can be seen (and thus be told) where only TLS is."""
    repeats: bool
    """It is what it is by repetition: its first occurrence alone is nothing out of the ordinary."""


FAMILIES: Final[dict[str, Family]] = {}
"""By name; filled by the modules of ``families``."""


def family(
    name: str,
    category: Category,
    hours: tuple[float, float],
    *,
    wide: bool = False,
    suits: Callable[[Station], bool] = lambda station: True,
    encrypted: bool = False,
    repeats: bool = False,
) -> Callable[[Play], Play]:
    """Register what plays this family."""

    def register(play: Play) -> Play:
        FAMILIES[name] = Family(name, category, hours, play, wide, suits, encrypted, repeats)
        return play

    return register
