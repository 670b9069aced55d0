"""An incident: what many signs together say has happened at a station or at the site, and why we think so."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from fieldkit.detect.families import FAMILIES, Family
from fieldkit.detect.symptom import SITE, Category, Layer, Symptom
from fieldkit.events import Event
from fieldkit.site.light import bounded_event

MAX_EVIDENCE: Final = 12
"""Events kept of one incident: the first ones show how it began."""
MAX_SIGNS: Final = 24
"""Different signs kept of one incident."""
MAX_TOLD: Final = 3
"""Sentences of the explanation, unless its first sign has more; nobody reads on."""
VAGUE: Final = "unusual-"
"""Families that say that something is odd and not what: beside an incident that does, they say nothing more."""
_SENTENCE: Final = re.compile(r"[.!?](?=\s|$)")
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
    repeated: dict[str, int] = field(default_factory=dict)
    """By sign: how often it has come again."""

    @property
    def family(self) -> Family:
        """What it is, as far as known."""
        return FAMILIES[self.family_name]

    @property
    def category(self) -> Category:
        """Of its family."""
        return self.family.category

    @property
    def vague(self) -> bool:
        """Is no more known than that something is odd?"""
        return self.family_name.startswith(VAGUE)

    @property
    def explanation(self) -> str:
        """Why, in plain words: what was observed and what is usual. Text of stations is in it as it was sent."""
        told: list[str] = []
        number = 0
        for sign in sorted(self.signs.values(), key=self._rank):
            sentences = len(_SENTENCE.findall(sign.text))
            repeats = sign.text in told or (told and sign.family.startswith(VAGUE) and not self.vague)
            if repeats or (told and number + sentences > MAX_TOLD):
                continue
            told.append(sign.text)
            number += sentences
        return " ".join(told)

    def _rank(self, sign: Symptom) -> tuple[bool, bool, bool, float, int]:
        """The most telling first: of the site what all have in common, then what gave it its name, then what says
        something of its own."""
        common = sign.station == SITE == self.station and FAMILIES[sign.family].category == self.category
        odd = sign.family.startswith(VAGUE) and not self.vague
        return not common, sign.family != self.family_name, odd, -sign.confidence, sign.time

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
