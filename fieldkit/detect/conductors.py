"""Which conductors carry current, by each connector's own measure: a phase that was lost between two sessions.

Within a session the checks see a phase go (``checks.phases``). A session that begins with two of three phases is either
a car that charges with two or a charger that has lost one. Cars with two use L1 and L2 of their inlet (IEC 62196-2),
those with one use L1: on which conductor of the station that comes out is told by the cars with one phase.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from fieldkit.checks.measured import by_phase
from fieldkit.detect.context import MAX_PLACES, Context, MeterTracker, kept
from fieldkit.events import OcppMessage
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

FLOWING: Final = 4.0
"""A: the least that a car charges with is 6 A (IEC 61851-1) …"""
NOTHING: Final = 0.5
"""… and a conductor without current shows less than this."""
READINGS: Final = 3
"""In a row that say so."""
THREE: Final = 2
"""Sessions with three phases from which it is known that three are connected."""


@dataclass(slots=True)
class _Conductors:
    sessions: deque[frozenset[int]] = field(default_factory=lambda: deque(maxlen=40))
    """Of each session: the phases that carried current."""
    transaction: str = ""
    flowed: frozenset[int] = frozenset()
    two: int = 0
    """Readings with two of three, in a row."""
    without: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=4))
    """Missing phase and card of the latest sessions with two."""
    told: bool = False


class Conductors(MeterTracker):
    """Sessions with two phases where there used to be three."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._places: dict[str, _Conductors] = {}

    def measured(self, message: OcppMessage, station: Station) -> None:
        """A current of one phase."""
        currents = station.meters.measured.get("Current.Import")
        if not currents:
            return
        sample = currents[-1]
        if not sample.phase or not sample.transaction or sample.unit != "A":
            return
        place = kept(self._places, f"{station.identity}\n{sample.connector}", _Conductors, MAX_PLACES)
        if place.transaction != sample.transaction:
            if place.flowed and not place.told:
                place.sessions.append(place.flowed)
            place.transaction, place.flowed, place.two, place.told = sample.transaction, frozenset(), 0, False
        self._reading(message, station, sample, place, by_phase(currents, sample.time))

    def _reading(
        self, message: OcppMessage, station: Station, sample: Sample, place: _Conductors, now: dict[int, float]
    ) -> None:
        flowing = frozenset(phase for phase, value in now.items() if value >= FLOWING)
        idle = [phase for phase in (0, 1, 2) if abs(now.get(phase, FLOWING)) < NOTHING]
        place.flowed |= flowing
        # A phase that went during the session is for the checks to tell.
        whole = len(flowing) == 2 and len(idle) == 1 and place.flowed == flowing
        place.two = place.two + 1 if whole else 0
        if place.two == READINGS and not place.told:
            self._missing(message, station, sample, place, idle[0])

    def _missing(
        self, message: OcppMessage, station: Station, sample: Sample, place: _Conductors, missing: int
    ) -> None:
        used = Counter(len(one) for one in place.sessions)
        if used[3] < THREE or any(len(one) == 2 and missing not in one for one in place.sessions):
            return  # not known yet, or cars for two phases come here
        made = station.transactions.open.get(sample.transaction)
        card = made.id_token if made is not None else ""
        place.without.append((missing, card))
        singles = Counter(next(iter(one)) for one in place.sessions if len(one) == 1)
        first = singles.most_common(1)[0][0] if singles else None
        cards = {other for phase, other in place.without if phase == missing}
        # A car with two phases never leaves out the one that cars with one use; and its second is the next in turn
        # unless two conductors are swapped. What speaks for a car then needs a second one, with another card.
        if first is not None and missing == first:
            confidence = 0.75
        elif (first is not None and missing == (first + 1) % 3) or len(cards) > 1:
            confidence = 0.64
        else:
            confidence = 0.4
        place.told = True
        name = f"L{missing + 1}"
        single = f", and cars with one phase use L{first + 1}" if first is not None else ""
        self.context.tell(
            "phase-loss",
            station.identity,
            confidence,
            f"A charge at connector {sample.connector or '?'} of {station.identity} runs without {name}; of the "
            f"{len(place.sessions)} charges before, {used[3]} used all three phases{single}. A fuse or a contact of "
            f"{name} may be open.",
            (message,),
            connector=sample.connector,
            layer="statistics",
            sign="began-without",
        )
