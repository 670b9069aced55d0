"""Meter values in the course of time: clocks that go backwards, and readings that should have come and did not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.measured import energy_words, is_live, where
from fieldkit.checks.ongoing import Ongoing
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import CaptureDropped, Event, MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.meter import Meters
from fieldkit.site.middle import median
from fieldkit.site.picture import Picture
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

TIME_BACKWARDS = Kind(
    id="meter.time-backwards",
    severity="warning",
    owner="station",
    title="Timestamps of meter values go backwards",
    explanation="The register went on from {before} to {now}, but the timestamp of the later reading is {back} "
    "earlier. The station's clock was probably set back, or it writes local time as UTC: times of this transaction "
    "cannot be trusted.",
    advice="Check the station's time source and time zone setting (NTP, daylight saving); the CSMS tells the time in "
    "every answer to a heartbeat, and the station should use it.",
    reference="https://github.com/matth-x/MicroOcpp/issues/311",
    inferred=True,
)
GAP = Kind(
    id="meter.gap",
    severity="warning",
    owner="station",
    title="Periodic meter values were left out during charging",
    explanation="Meter values came every {cadence}, then none for {gap}, while {energy} flowed; afterwards they came "
    "every {cadence} again. The station was connected all the time.",
    advice="Look in the station's log for the time of the gap (meter communication, restart of its controller). The "
    "energy is not lost, but its course is: check tariffs by time of day.",
    reference="https://github.com/matth-x/MicroOcpp/issues/128",
    inferred=True,
)

BACKWARDS: Final = 300 * SECOND
"""A clock that is set right after drifting goes back by seconds; five minutes is another matter."""
STEADY: Final = 4
"""Intervals that make a cadence …"""
STEADY_SPREAD: Final = 1.5
"""… when the longest is at most so many times the shortest (and 2 s, for timestamps in whole seconds)."""
GAP_FACTOR: Final = 3.0
"""A gap is longer than so many intervals: one or two readings may fall to a busy meter bus."""
GAP_LEAST: Final = 60 * SECOND
"""And longer than the cadence by this."""
GAP_ENERGY: Final = 200.0
"""Wh that must have flowed meanwhile, two steps of a coarse register: a station need not report a car that rests."""
OTHER_MESSAGES: Final = 3
"""Of a log: messages that it has between the readings (their own answer is one), or else its lines are missing."""


class TimeCheck(Check):
    """Readings that are newer by their register must not be older by their timestamp.

    A late reading (from a queue, or repeated in transactionData) is older by both.
    """

    kinds = (TIME_BACKWARDS,)
    actions = Meters.ACTIONS - {"StopTransaction"}

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._last: Ongoing[Sample] = Ongoing()
        """By transaction, location and phase: the highest reading so far."""

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        station = picture.stations.get(event.channel.station)
        if station is None:
            return
        for sample in station.meters.measured.get("Energy.Active.Import.Register", ()):
            if not sample.transaction or sample.unit != "Wh":
                continue
            key = (sample.transaction, sample.location, sample.phase)
            last = self._last.get(station, key)
            if last is not None and sample.value <= last.value:
                continue
            self._last.put(station, key, sample)
            if last is not None and last.time - sample.time >= BACKWARDS:
                yield Finding(
                    TIME_BACKWARDS,
                    event.time,
                    station.identity,
                    (event,),
                    {
                        "before": energy_words(last.value),
                        "now": energy_words(sample.value),
                        "back": duration(last.time - sample.time),
                    },
                    connector=sample.connector,
                    transaction=sample.transaction,
                )


@dataclass(slots=True)
class _Cadence:
    """The readings of one transaction so far."""

    last: Sample
    message: OcppMessage
    seen: int
    """Messages of the station when ``message`` came."""
    gaps: int
    """Holes in the capture of its connection by then."""
    intervals: deque[int] = field(default_factory=lambda: deque(maxlen=STEADY + 1))
    pending: tuple[int, int, float, tuple[OcppMessage, OcppMessage]] | None = None
    """A gap that awaits its proof: cadence, length, energy, the messages around it."""

    @property
    def steady(self) -> int | None:
        """The interval that readings keep to, ns."""
        if len(self.intervals) < STEADY:
            return None
        shortest, longest = min(self.intervals), max(self.intervals)
        return int(median(self.intervals)) if longest <= shortest * STEADY_SPREAD + 2 * SECOND else None


class GapCheck(Check):
    """Readings that keep to an interval, pause although energy flows, and go on as before.

    Only when they go on as before is it a gap: a new interval may have been ordered. And only when neither capture nor
    connection had one itself: readings are compared by their own timestamps, so that queued ones fill theirs.
    """

    kinds = (GAP,)
    wants = frozenset({OcppMessage, CaptureDropped})
    actions = frozenset({"MeterValues", "TransactionEvent"})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._cadences: Ongoing[_Cadence] = Ongoing()
        """By transaction."""
        self._dropped = 0
        """Time of the last packets that the capture did not record."""

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if isinstance(event, CaptureDropped):
            self._dropped = event.time
            return
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        station = picture.stations.get(event.channel.station)
        samples = station.meters.measured.get("Energy.Active.Import.Register") if station is not None else None
        if station is None or not samples:
            return
        sample = samples[0]
        if not sample.transaction or sample.context != "Sample.Periodic" or sample.unit != "Wh":
            return
        key = (sample.transaction,)
        cadence = self._cadences.get(station, key)
        connection = event.channel.connection
        link = picture.links.all.get(connection.number) if connection is not None else None
        gaps = link.gaps if link is not None else 0
        if cadence is None:
            self._cadences.put(station, key, _Cadence(sample, bounded(event), station.messages, gaps))
        elif sample.time > cadence.last.time:
            yield from self._next(cadence, sample, event, gaps, station)

    def _next(
        self, cadence: _Cadence, sample: Sample, event: OcppMessage, gaps: int, station: Station
    ) -> Iterator[Finding]:
        interval, steady = sample.time - cadence.last.time, None
        if cadence.pending is None and interval > GAP_LEAST:
            steady = cadence.steady
        if cadence.pending is not None:
            usual, length, energy, around = cadence.pending
            if interval <= usual * STEADY_SPREAD + SECOND:
                values = {"cadence": duration(usual), "gap": duration(length), "energy": energy_words(energy)}
                yield Finding(GAP, event.time, station.identity, around, values, **where(sample))
            cadence.pending = None
            cadence.intervals.clear()
        elif steady is not None and interval > max(steady * GAP_FACTOR, steady + GAP_LEAST):
            energy = sample.value - cadence.last.value
            live = is_live(cadence.last, cadence.message, station) and is_live(sample, event, station)
            if energy >= GAP_ENERGY and live and self._continuous(cadence, event, gaps, station.messages):
                cadence.pending = (steady, interval, energy, (cadence.message, bounded(event)))
            cadence.intervals.clear()
        else:
            cadence.intervals.append(interval)
        cadence.last, cadence.message, cadence.seen = sample, bounded(event), station.messages
        cadence.gaps = gaps

    def _continuous(self, before: _Cadence, event: OcppMessage, gaps: int, seen: int) -> bool:
        """Would we have seen readings in between, had there been any?"""
        one, other = before.message.channel.connection, event.channel.connection
        if self._dropped >= before.message.time:
            return False
        if one is None or other is None:
            return one is other and seen - before.seen >= OTHER_MESSAGES
        return one.number == other.number and before.gaps == gaps
