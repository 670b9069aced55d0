"""An incident: what many signs together say has happened at a station or at the site, and why we think so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fieldkit.detect.families import FAMILIES, Family
from fieldkit.detect.symptom import Category, Layer, Symptom
from fieldkit.events import Event
from fieldkit.site.light import bounded_event

MAX_EVIDENCE: Final = 12
"""Events kept of one incident: the first ones show how it began."""
MAX_SIGNS: Final = 24
"""Different signs kept of one incident."""
MAX_TOLD: Final = 3
"""Signs that the explanation names; more is not read."""
MAX_RAW: Final = 2048
"""Characters of a message that is kept whole as evidence."""


@dataclass(slots=True, eq=False)
class Incident:
    """One incident; times in ns."""

    number: int
    """1, 2, 3 … in the order in which they were raised."""
    station: str
    family_name: str
    first: int
    """When its first sign began."""
    raised: int
    """When it was told."""
    last: int
    """Of its latest sign."""
    confidence: float
    connector: str = ""
    closed: bool = False
    signs: dict[str, Symptom] = field(default_factory=dict)
    """By sign, the strongest of each."""
    evidence: list[Event] = field(default_factory=list)
    layers: set[Layer] = field(default_factory=set)
    stations: set[str] = field(default_factory=set)
    """Whose signs they are."""
    count: int = 0
    """Signs in all, repetitions too."""

    @property
    def family(self) -> Family:
        """What it is, as far as known."""
        return FAMILIES[self.family_name]

    @property
    def category(self) -> Category:
        """Of its family."""
        return self.family.category

    @property
    def explanation(self) -> str:
        """Why, in plain words: what was observed and what is usual. Text of stations is in it as it was sent."""
        own = [sign for sign in self.signs.values() if sign.family == self.family_name]
        others = [sign for sign in self.signs.values() if sign.family != self.family_name]
        ordered = [*sorted(own, key=_rank), *sorted(others, key=_rank)]
        return " ".join(dict.fromkeys(sign.text for sign in ordered[:MAX_TOLD]))

    @property
    def advice(self) -> str:
        """What to check next."""
        return self.family.advice

    def take(self, symptom: Symptom) -> None:
        """One more sign of it."""
        self.count += 1
        self.first = min(self.first, symptom.first or symptom.time)
        self.last = max(self.last, symptom.time)
        self.layers.add(symptom.layer)
        if len(self.stations) < MAX_SIGNS:
            self.stations.add(symptom.station)
        name = symptom.sign or symptom.family
        known = self.signs.get(name)
        if (known is None and len(self.signs) < MAX_SIGNS) or (known and symptom.confidence > known.confidence):
            self.signs[name] = Symptom(
                symptom.time, symptom.station, symptom.family, symptom.confidence, symptom.text, (), symptom.connector,
                symptom.layer, symptom.first, symptom.sign,
            )  # fmt: skip
        for event in symptom.evidence:
            if len(self.evidence) >= MAX_EVIDENCE:
                break
            if all(event is not kept for kept in self.evidence):
                self.evidence.append(bounded_event(event, MAX_RAW))


def _rank(symptom: Symptom) -> tuple[float, int]:
    return -symptom.confidence, symptom.time
