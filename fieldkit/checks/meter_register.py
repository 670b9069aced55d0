"""Energy registers: they count upwards, no faster than energy can flow, and agree with the record of a transaction.

Readings are compared in the order of the meter's own timestamps: what comes late from a queue is in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.measured import Where, energy_words, fits_its_unit, power_words, remember, where
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture
from fieldkit.site.series import Sample, Series
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction

ROLLBACK = Kind(
    id="meter.register-rollback",
    severity="warning",
    owner="station",
    title="An energy register went backwards during a transaction",
    explanation="{register} fell from {before} to {after} within one transaction (first seen). A register only "
    "counts upwards: the energy of this transaction cannot be billed from it{hint}.",
    advice="Do not bill this transaction without checking. Look for a restart of the station or its meter at that "
    "time; if there was none, the station mixes two meters or units: report it to the manufacturer.",
    reference="OCPP 1.6 §7.31",
)
ROLLBACK_BETWEEN = Kind(
    id="meter.register-lower-than-before",
    severity="warning",
    owner="station",
    title="An energy register is lower than after the transaction before",
    explanation="After the earlier transaction at this connector the register stood at {before}; the next one "
    "begins at {after}. Either the meter was exchanged, or the station lost its count.",
    advice="Ask whether the meter was exchanged. If not, compare with the meter's own display: energy may be missing "
    "from the bill.",
    reference="OCPP 1.6 §7.31",
)
PER_SESSION = Kind(
    id="meter.register-per-session",
    severity="info",
    owner="station",
    title="The energy register starts anew with each transaction",
    explanation="The station counts the energy of each transaction from (nearly) zero instead of telling the meter's "
    "register (from {before} to {after}). Energy per transaction is right, but gaps between transactions cannot be "
    "seen.",
    advice="Nothing to do unless the operator needs the meter's absolute reading, as calibration law may demand.",
    reference="OCPP 1.6 §7.31",
)
JUMP = Kind(
    id="meter.register-jump",
    severity="warning",
    owner="station",
    title="An energy register jumped further than energy can flow",
    explanation="{register} rose from {before} to {after} within {time}: that takes {power}, and more than "
    "{most} is not plausible here.",
    advice="Do not bill this transaction without checking. A factor of 1,000 points to Wh and kWh being mixed up; "
    "otherwise look for an exchanged meter or an error on the meter's bus.",
    reference="OCPP 1.6 §7.31",
)
RECORD_CONTRADICTS = Kind(
    id="meter.record-contradicts-samples",
    severity="warning",
    owner="station",
    title="The record of a transaction contradicts its meter values",
    explanation="The transaction was recorded from {start} to {stop}, but its meter values run from {first} to "
    "{last}. The energy on the bill depends on which of them the CSMS takes.",
    advice="Compare with the station's meter. Tell the manufacturer; until it is mended, bill by the meter values "
    "only if the meter confirms them.",
    reference="OCPP 1.6 §4.10",
)
DIFFERENT_COUNTERS = Kind(
    id="meter.different-counters",
    severity="info",
    owner="station",
    title="Transaction record and meter values come from different counters",
    explanation="The transaction was recorded from {start} to {stop}, its meter values run from {first} to {last}: "
    "the readings differ, the energy of the transaction agrees. One of them is probably counted from zero each time.",
    advice="Nothing to do as long as the CSMS does not mix the two (meterStart with a later meter value).",
    reference="OCPP 1.6 §4.10",
    inferred=True,
)

RESOLUTION: Final = 100.0
"""Wh. Registers that are told in steps of 0.1 kWh, rounded up in one message and down in another, differ by so much."""
NEARLY_ZERO: Final = 1000.0
"""Wh. A transaction that begins below 1 kWh after one that ended above counts for itself: its first reading may come a
minute late."""
MEGAWATT: Final = 1e6
"""W. The most that is believed of a connector whose power is unknown: trucks charge with about that."""
OWN_POWER: Final = 10.0
"""A connector is believed ten times the highest power seen there …"""
OWN_POWER_LEAST: Final = 200e3
"""… but at least so many W, as the first minute may show the beginning of a DC ramp only."""
OWN_POWER_SAMPLES: Final = 10
"""Readings of power that it takes to know a connector."""
JUMP_TIME: Final = 60 * SECOND
"""Added to the time between two readings: clocks are set, timestamps cut to minutes, registers read late."""
SHARE: Final = 0.05
"""Energies of record and samples agree to 5 % …"""
ENDS: Final = 500.0
"""… and this many Wh: samples begin after the record's start and end before its stop."""
MIXED_UNITS: Final = 2.0
"""A reading that goes on from the one before when taken for kWh has at most doubled it."""
MAX_REGISTERS: Final = 64
"""Registers of one connector: measurands × phases × locations of the largest stations make half of it."""


@dataclass(slots=True)
class _Reading:
    """What a register said."""

    time: int
    seen: int
    """Capture time."""
    value: float
    transaction: str
    message: OcppMessage
    ambiguous: bool = False
    """Two values at one time: two things go by this name, and nothing can be said of either."""


@dataclass(slots=True)
class _Place:
    """What is remembered of one connector."""

    registers: dict[tuple[str, str, str], _Reading] = field(default_factory=dict)
    """By measurand, phase, location."""
    stop: tuple[int, float, OcppMessage] | None = None
    """Of the last transaction that was stopped: time, meterStop, message."""
    power: float = 0.0
    powers: int = 0

    @property
    def most(self) -> float:
        """Power that is still believed, W."""
        if self.powers >= OWN_POWER_SAMPLES:
            return max(OWN_POWER * self.power, OWN_POWER_LEAST)
        return max(MEGAWATT, OWN_POWER * self.power)


class RegisterCheck(Check):
    """Registers of every connector, and the records of transactions."""

    kinds = (ROLLBACK, ROLLBACK_BETWEEN, PER_SESSION, JUMP, RECORD_CONTRADICTS, DIFFERENT_COUNTERS)
    actions = frozenset({"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._places: dict[tuple[str, str], _Place] = {}

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        station = picture.stations.get(event.channel.station)
        if station is None:
            return
        if event.action == "StartTransaction":
            yield from self._started(event, station)
            return
        for name in ("Power.Active.Import", "Power.Offered"):
            for sample in station.meters.measured.get(name, ()):
                if sample.unit == "W":
                    place = self._place(station, sample)
                    place.power = max(place.power, sample.value)
                    place.powers += name == "Power.Active.Import" and sample.value > 0
        kept = bounded(event)
        for name, samples in station.meters.measured.items():
            if name.endswith(".Register"):
                for sample in samples:
                    yield from self._register(sample, event, kept, station)
        if event.action == "StopTransaction":
            yield from self._stopped(event, station)

    def _place(self, station: Station, sample: Sample) -> _Place:
        key = (station.identity, sample.connector or f"?{sample.transaction}")
        place = self._places.get(key)
        return place if place is not None else remember(self._places, key, _Place())

    # --------------------------------------------------------------------------------------------------- one register

    def _register(self, sample: Sample, event: OcppMessage, kept: OcppMessage, station: Station) -> Iterator[Finding]:
        if not fits_its_unit(sample):
            return
        place = self._place(station, sample)
        key = (sample.measurand, sample.phase, sample.location)
        last = place.registers.get(key)
        if last is None:
            reading = _Reading(sample.time, event.time, sample.value, sample.transaction, kept)
            remember(place.registers, key, reading, MAX_REGISTERS)
            return
        if sample.time <= last.time:
            if sample.time == last.time and abs(sample.value - last.value) > RESOLUTION:
                last.ambiguous = True
            return
        if not last.ambiguous:
            yield from self._step(sample, last, place, event, station)
        last.time, last.seen, last.value = sample.time, event.time, sample.value
        last.transaction, last.message = sample.transaction, kept

    def _step(
        self, sample: Sample, last: _Reading, place: _Place, event: OcppMessage, station: Station
    ) -> Iterator[Finding]:
        """From one reading of a register to the next."""
        fell = sample.value < last.value - RESOLUTION
        time = max(sample.time - last.time, event.time - last.seen)
        if not fell and not _too_fast(sample.value - last.value, time, place.most):
            return
        evidence = (last.message, event) if last.message is not event else (event,)
        values: dict[str, object] = {
            "register": sample.measurand + (f" of {sample.phase}" if sample.phase else ""),
            "before": energy_words(last.value),
            "after": energy_words(sample.value),
        }
        if fell:
            values["hint"] = _hint(sample, last.value)
            if sample.transaction and sample.transaction == last.transaction:
                yield Finding(ROLLBACK, event.time, station.identity, evidence, values, **where(sample))
            elif sample.value <= NEARLY_ZERO:
                yield Finding(PER_SESSION, event.time, station.identity, evidence, values)
            else:
                place_of: Where = {"connector": sample.connector}
                yield Finding(ROLLBACK_BETWEEN, event.time, station.identity, evidence, values, **place_of)
            return
        values |= _speed(sample.value - last.value, time, place.most)
        yield Finding(JUMP, event.time, station.identity, evidence, values, **where(sample))

    # ----------------------------------------------------------------------------------------- records of transactions

    def _started(self, event: OcppMessage, station: Station) -> Iterator[Finding]:
        ledger = station.transactions
        made = ledger.latest
        if made is None or ledger.found != "begin" or not made.connector or made.meter_start is None:
            return
        place = self._places.get((station.identity, made.connector))
        if place is None or place.stop is None or made.started is None:
            return
        stopped, before, message = place.stop
        after = made.meter_start
        if made.started < stopped or after >= before - RESOLUTION:
            return
        values = {"before": energy_words(before), "after": energy_words(after)}
        if after <= NEARLY_ZERO:
            yield Finding(PER_SESSION, event.time, station.identity, (message, event), values)
        else:
            place_of: Where = {"connector": made.connector}
            yield Finding(ROLLBACK_BETWEEN, event.time, station.identity, (message, event), values, **place_of)

    def _stopped(self, event: OcppMessage, station: Station) -> Iterator[Finding]:
        ledger = station.transactions
        made = ledger.latest
        if made is None or ledger.found in ("again", "contradicts") or made.meter_stop is None or made.stopped is None:
            return
        series = _series_of(made, station)
        place = self._places.get((station.identity, made.connector))
        if place is None:
            place = remember(self._places, (station.identity, made.connector), _Place())
        yield from _judge_record(made, series, place, event)
        place.stop = (made.stopped, made.meter_stop, bounded(event))


def _judge_record(made: Transaction, series: Series | None, place: _Place, event: OcppMessage) -> Iterator[Finding]:
    start, stop = made.meter_start, made.meter_stop
    if stop is None:
        return
    here: Where = {"connector": made.connector, "transaction": made.id}
    evidence = (made.begin, event) if made.begin is not None else (event,)
    if start is not None and stop < start - RESOLUTION:
        values: dict[str, object] = {
            "register": "The register told at start and stop",
            "before": energy_words(start),
            "after": energy_words(stop),
            "hint": "",
        }
        yield Finding(ROLLBACK, event.time, made.station, evidence, values, severity="critical", **here)
        return
    if series is not None and series.last is not None:
        yield from _against_samples(made, stop, series, evidence, here)
    if start is not None and made.started is not None and made.stopped is not None and made.begin is not None:
        time = max(made.stopped - made.started, event.time - made.begin.time)
        if _too_fast(stop - start, time, place.most):
            values = {
                "register": "The register told at start and stop",
                "before": energy_words(start),
                "after": energy_words(stop),
            }
            values |= _speed(stop - start, time, place.most)
            yield Finding(JUMP, event.time, made.station, evidence, values, **here)


def _against_samples(
    made: Transaction, stop: float, series: Series, evidence: tuple[Event, ...], here: Where
) -> Iterator[Finding]:
    """meterStart and meterStop, and what the samples in between say."""
    # What is measured after the stop is not part of it: stations latch meterStop before the current has ceased.
    points = [point for point in series.points if made.stopped is None or point[0] <= made.stopped]
    if not points:
        return
    first, last, start = points[0][1], points[-1][1], made.meter_start
    if min(value for _, value in points) < first - RESOLUTION or last < first - RESOLUTION:
        return  # it went backwards, which is told already
    sampled = last - first
    below_start = start is not None and first < start - RESOLUTION
    above_stop = last > stop + RESOLUTION
    too_little = start is not None and stop - start < sampled - RESOLUTION - SHARE * sampled
    if not (below_start or above_stop or too_little):
        return
    values = {
        "start": energy_words(start) if start is not None else "an unknown reading",
        "stop": energy_words(stop),
        "first": energy_words(first),
        "last": energy_words(last),
    }
    agree = start is not None and abs(stop - start - sampled) <= ENDS + SHARE * sampled
    kind = DIFFERENT_COUNTERS if agree and not (above_stop and not below_start) else RECORD_CONTRADICTS
    if kind is DIFFERENT_COUNTERS:
        yield Finding(kind, made.last_time, made.station, evidence, values)
    else:
        yield Finding(kind, made.last_time, made.station, evidence, values, **here)


def _series_of(made: Transaction, station: Station) -> Series | None:
    """The register that its samples tell, at the outlet if there are several."""
    for location in ("Outlet", "Inlet", "Body", "Cable"):
        key = (made.connector, made.id, "Energy.Active.Import.Register", "", location)
        series = station.meters.series.get(key)
        if series is not None and series.unit == "Wh":
            return series
    return None


def _hint(sample: Sample, before: float) -> str:
    """Would the reading fit if one of the two had the wrong unit?"""
    if not before <= sample.value * 1000 <= before * MIXED_UNITS:
        return ""
    missing = " (the lower one names none, and so counts in Wh)" if "unit" in sample.defaulted else ""
    return f". Times 1,000 the lower reading would fit: one of the two is probably in the wrong unit{missing}"


def _too_fast(energy: float, time: int, most: float) -> bool:
    return energy > most * (time + JUMP_TIME) / (3600 * SECOND)


def _speed(energy: float, time: int, most: float) -> dict[str, object]:
    seconds = max(time / SECOND, 1.0)
    return {"time": duration(time), "power": power_words(energy * 3600 / seconds), "most": power_words(most)}
