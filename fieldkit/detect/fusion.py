"""From signs to incidents: deduplicated, with a cause in the place of its effects, each told once.

Signs of one family at one station add up ("either of them is right") until they are sure enough. A sign that an open
incident explains joins it. Where the cause shows after its effect, the incident takes its name. Of what concerns
several stations at a time, the site is told once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from fieldkit.checks.words import SECOND
from fieldkit.detect.deadlines import Deadlines
from fieldkit.detect.families import FAMILIES
from fieldkit.detect.incident import MAX_SIGNS, VAGUE, Incident
from fieldkit.detect.symptom import SITE, Symptom

SURE: Final = 0.6
"""Confidence at which an incident is raised: a false alarm costs a journey, and the next one is not believed."""
REPEATED: Final = 0.35
"""What a repetition of the same sign is worth of its first confidence: a defect shows the same again and again. In an
incident each is worth so much of the one before: what shows a hundred times is no surer than what shows four times."""
CANDIDATE: Final = 900 * SECOND
"""Signs add up within this time."""
OPEN: Final = 900 * SECOND
"""Without a sign for so long, an incident has ended …"""
COOL_DOWN: Final = 2700 * SECOND
"""… and signs of it that come so soon afterwards are of the same one."""
SLOW_COOL_DOWN: Final = 36 * 3600 * SECOND
"""Of what wears out: one incident, not one a session."""
SLOW: Final = frozenset(
    {"derating", "temperature-creep", "cadence-drift", "start-failures", "under-reporting-meter", "phase-loss",
     "contactor-not-closing", "unusual-energy", "config-tampering", "clock-shift"}
)  # fmt: skip
LATE_CAUSE: Final = 300 * SECOND
LATE_BENIGN: Final = 3600 * SECOND
"""A cause may show so much later than its effect; that of a power cut when the power is back."""
TOGETHER: Final = 150 * SECOND
"""The same trouble with the connection at several stations within this time is the site's."""
MAX_INCIDENTS: Final = 2000
"""Incidents of one session."""
MAX_CANDIDATES: Final = 5000
LASTING: Final = {"unknown-station": 24 * 3600 * SECOND}
"""What explains the signs of its station for longer than while it is open: whether somebody unknown comes or goes is
nothing new."""
OUTAGE: Final = "station-offline"
"""What says no more than that there is no connection."""
LOOK_BACK: Final = 3600 * SECOND
"""What they are told by looks back for so long."""
_REMEMBERED: Final = 400
"""Incidents that a sign of the whole site may belong to …"""
_OF_A_STATION: Final = 48
"""… and one of a single station: the latest."""


@dataclass(slots=True)
class _Candidate:
    signs: deque[Symptom] = field(default_factory=lambda: deque(maxlen=16))


class Fusion:
    """All incidents of a session."""

    def __init__(self, deadlines: Deadlines, raised: Callable[[Incident], None] | None = None) -> None:
        self.incidents: list[Incident] = []
        self.crowded_out = 0
        """Incidents beyond ``MAX_INCIDENTS``."""
        self._deadlines = deadlines
        self._number = 0
        self._raised = raised
        self._candidates: dict[tuple[str, str], _Candidate] = {}
        self._at: dict[str, deque[Incident]] = {}
        """By station: its latest incidents. A site of hundreds of stations has thousands; a sign concerns few."""

    @property
    def open(self) -> list[Incident]:
        """Those that go on."""
        return [incident for incident in self.incidents if not incident.closed]

    def add(self, symptom: Symptom) -> None:
        """Take in a sign."""
        if self._joins(symptom) or self._takes_over(symptom):
            return
        key = (symptom.station, symptom.family)
        candidate = self._candidates.get(key)
        if candidate is None:
            if len(self._candidates) >= MAX_CANDIDATES:
                del self._candidates[next(iter(self._candidates))]
            candidate = self._candidates[key] = _Candidate()
        candidate.signs.append(symptom)
        if self._confidence(candidate, symptom.time) < SURE:
            return
        hold = FAMILIES[symptom.family].hold
        if hold and not self._deadlines.waits(("raise", key)):
            self._deadlines.at(("raise", key), symptom.time + hold * SECOND, lambda time: self._raise(key, time))
        elif not hold:
            self._raise(key, symptom.time)

    def is_open(self, station: str) -> bool:
        """Does an incident go on that concerns this station? What is named as harmless and lasts is no reason."""
        return any(not one.closed for one in self._at.get(station, ())) or any(
            not one.closed for one in self._at.get(SITE, ())
        )

    def finish(self, time: int) -> None:
        """The end: what waited for a cause is told without."""
        for key in [key for key in self._candidates if self._deadlines.waits(("raise", key))]:
            self._raise(key, time)

    # ------------------------------------------------------------------------------------------------------ decisions

    def _concerning(self, station: str) -> list[Incident]:
        """The latest incidents of a station and of the site, the newest first."""
        own, site = self._at.get(station, ()), self._at.get(SITE, ())
        if station == SITE or not own:
            return list(reversed(site))
        return sorted((*own, *site), key=lambda incident: -incident.number) if site else list(reversed(own))

    def _keep(self, incident: Incident) -> None:
        self._at.setdefault(incident.station, deque(maxlen=_OF_A_STATION)).append(incident)

    def _leave(self, incident: Incident) -> None:
        of_station = self._at.get(incident.station)
        if of_station is not None and incident in of_station:
            of_station.remove(incident)
            if not of_station:
                del self._at[incident.station]

    def _move(self, incident: Incident, station: str) -> None:
        """It turns out to be of another station, or of the site."""
        if incident.station != station:
            self._leave(incident)
            incident.station = station
            self._keep(incident)

    def _joins(self, symptom: Symptom) -> bool:
        """Is it a sign of an incident that there is?"""
        explained: Incident | None = None
        vague = symptom.family.startswith(VAGUE)
        told = False
        began = symptom.first or symptom.time
        for incident in self._concerning(symptom.station):
            same = incident.family_name == symptom.family
            quiet = symptom.time - incident.last
            late = incident.first <= began < incident.last + OPEN < symptom.time
            if late:
                quiet = began - incident.last  # it is told late, of what happened in the course of that incident
            if same and quiet <= (SLOW_COOL_DOWN if symptom.family in SLOW else COOL_DOWN):
                self._take(incident, replace(symptom, time=began) if late else symptom)
                return True
            if symptom.insists or same:
                continue
            lasting = quiet <= LASTING.get(incident.family_name, OPEN)
            if lasting and explained is None and symptom.family in incident.family.explains:
                explained = incident
            told |= vague and quiet <= LOOK_BACK and _says_more(incident, symptom)
        if explained is not None:
            if symptom.confidence >= SURE:
                # What it looks back on for hours does not make the incident last for hours.
                explained.take(replace(symptom, time=began) if symptom.time - began > OPEN else symptom)
            return True
        return told

    def _takes_over(self, symptom: Symptom) -> bool:
        """Is it the cause of what was raised a moment ago?"""
        if symptom.confidence < SURE:
            return False
        explains = FAMILIES[symptom.family].explains
        benign = FAMILIES[symptom.family].category == "benign"
        late = LATE_BENIGN if benign or symptom.insists else LATE_CAUSE
        taken: Incident | None = None
        of_site = symptom.station == SITE
        latest = list(islice(reversed(self.incidents), _REMEMBERED)) if of_site else self._concerning(symptom.station)
        for incident in latest:
            fresh = symptom.time - incident.raised <= late
            # That the site is offline is told first; why, its stations tell.
            outage = incident.family_name == OUTAGE and FAMILIES[symptom.family].category == "connectivity"
            concerns = incident.station == symptom.station or of_site or outage
            if not fresh or not concerns or incident.family_name not in explains:
                continue
            if taken is None:
                if not outage:
                    self._move(incident, symptom.station)
                incident.family_name = symptom.family
                incident.confidence = max(incident.confidence, symptom.confidence)
                taken = incident
            else:
                self._merge(taken, incident)
        if taken is None:
            return False
        self._take(taken, symptom)
        return True

    def _merge(self, into: Incident, other: Incident) -> None:
        """Two incidents turn out to be one."""
        into.first, into.raised = min(into.first, other.first), min(into.raised, other.raised)
        into.stations |= other.stations
        into.count += other.count
        other.closed = True
        self._leave(other)
        self.incidents.remove(other)

    def _raise(self, key: tuple[str, str], time: int) -> None:
        candidate = self._candidates.pop(key, None)
        if candidate is None:
            return
        last = candidate.signs[-1]
        # While it waited a cause may have come.
        if self._joins(last) or self._of_the_site(last):
            return
        if len(self.incidents) >= MAX_INCIDENTS:
            self.crowded_out += 1
            return
        confidence = self._confidence(candidate, last.time)
        self._number += 1
        incident = Incident(self._number, key[0], key[1], last.first or last.time, time, last.time,
                            confidence, last.connector)  # fmt: skip
        for symptom in candidate.signs:
            if last.time - symptom.time <= CANDIDATE:
                incident.take(symptom)
        incident.confidence = confidence
        self.incidents.append(incident)
        self._keep(incident)
        self._ends(incident)
        if self._raised is not None:
            self._raised(incident)

    def _of_the_site(self, symptom: Symptom) -> bool:
        """The second station with the same trouble of its connection: it is the site's."""
        if FAMILIES[symptom.family].category != "connectivity" or symptom.station == SITE:
            return False
        for incident in islice(reversed(self.incidents), _REMEMBERED):
            together = incident.family_name == symptom.family and symptom.time - incident.raised <= TOGETHER
            if together and not incident.closed:
                self._move(incident, SITE)
                self._take(incident, symptom)
                return True
        return False

    def _take(self, incident: Incident, symptom: Symptom) -> None:
        name = symptom.sign or symptom.family
        again = incident.repeated.get(name, 0) + (name in incident.signs)
        if again and (name in incident.repeated or len(incident.repeated) < MAX_SIGNS):
            incident.repeated[name] = again
        worth = symptom.confidence * REPEATED ** max(again, 1)
        incident.take(symptom)
        incident.confidence = min(1 - (1 - incident.confidence) * (1 - worth), 0.99)
        incident.closed = False
        self._ends(incident)

    def _ends(self, incident: Incident) -> None:
        def close(time: int) -> None:
            incident.closed = True

        self._deadlines.at(("incident", incident.number), incident.last + OPEN, close)

    @staticmethod
    def _confidence(candidate: _Candidate, now: int) -> float:
        doubt, seen = 1.0, set()
        for symptom in candidate.signs:
            if now - symptom.time > CANDIDATE:
                continue
            sign = symptom.sign or symptom.family
            doubt *= 1 - symptom.confidence * (REPEATED if sign in seen else 1.0)
            seen.add(sign)
        return 1 - doubt


def _says_more(incident: Incident, symptom: Symptom) -> bool:
    """Does it name what a vague sign is about? What is harmless may hide something that is not, and what the site had
    says of one station only what it brings along itself."""
    if incident.vague or incident.category == "benign":
        return False
    brings = symptom.family in incident.family.explains
    same_kind = incident.category == FAMILIES[symptom.family].category
    return incident.station == symptom.station or (brings and same_kind)
