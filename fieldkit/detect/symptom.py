"""What the layers of the detector yield: one sign that something is not as usual, with the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from fieldkit.events import Event

Category: TypeAlias = Literal["intrusion", "fraud", "maintenance", "connectivity", "energy", "benign"]
Layer: TypeAlias = Literal["rules", "statistics", "model"]

LAYERS: Final[tuple[Layer, ...]] = ("rules", "statistics", "model")
CATEGORIES: Final[tuple[Category, ...]] = ("intrusion", "fraud", "maintenance", "connectivity", "energy", "benign")

SITE: Final = "*"
"""In the place of a station: the whole site, or what cannot be laid to one station."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """One sign. Several of them make an incident."""

    time: int
    """When it could be told, ns."""
    station: str
    """Identity, or ``SITE``."""
    family: str
    """A name in ``families.FAMILIES``."""
    confidence: float
    """From 0 to 1: how surely this sign alone means its family."""
    text: str
    """A sentence with what was observed and what would be usual. Text of a station is in it as it was sent."""
    evidence: tuple[Event, ...] = ()
    connector: str = ""
    layer: Layer = "rules"
    first: int = 0
    """When it began, as far as known; 0: at ``time``."""
    sign: str = ""
    """Which sign it is: the same one again makes nothing surer. Empty: that of the family."""
    insists: bool = False
    """It knows better than an incident that would explain it: that has turned out to be something else."""
