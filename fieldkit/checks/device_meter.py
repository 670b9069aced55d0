"""The meter's own registers, read on its serial line, against the meter values that the station sends.

A value of the station is held against the meter's readings right before and right after it, by the clock of the
machine that reads both. Whether the meter on the line is the one that the station reports is nowhere said: it may be
the building's. So nothing follows from values that merely differ; what is told is a relation that no other meter has by
accident, seen several times in a row: a factor of ten, the other sign, the same three values on other phases.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from typing import Final, NamedTuple

from fieldkit.checks.check import Check
from fieldkit.checks.devicejoin import devices_of, measures
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.measured import PHASES, amount_words, fits_its_unit, is_live, remember, where
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import DeviceReading, Event, MessageType, OcppMessage
from fieldkit.site.device import Device, Measured
from fieldkit.site.light import bounded
from fieldkit.site.meter import Meters
from fieldkit.site.picture import Picture
from fieldkit.site.series import Sample

APART: Final = 20 * SECOND
"""A reading further from the station's sample than this says nothing of it: vehicles change their current at will."""
STEADY: Final = 0.05
"""Between the two readings around a sample the meter may change by so much of its value, else when exactly the station
looked would decide."""
SAME: Final = 0.03
"""Two values are the same within this: meters of class B are good to 1 %, stations round, voltages wander."""
SAME_ENERGY: Final = 0.05
"""The same of what two registers have counted since: their readings are seconds apart."""
IN_A_ROW: Final = 3
"""So often a relation must have held, without once not holding, before it is told."""
LEAST: Final = {"Voltage": 50.0, "Current.Import": 1.0, "Power.Active.Import": 200.0}
"""What the meter must read before a ratio means anything (V, A, W): below it, noise and offsets of sensors decide."""
COUNTED: Final = 100.0
"""Wh that the meter must have counted before two registers are compared."""
FALL: Final = 10.0
"""Wh that a register must have gone back: less is rounding."""
POWERS: Final = (-3, -2, -1, 1, 2, 3)
"""Factors of ten that wrong scales come in: tenths, hundredths, W for kW, mA for A."""
TOLD_APART: Final = 0.2
"""Phases whose values differ by less (of the largest) cannot be told apart."""
MAX_PENDING: Final = 500
"""Samples that wait for the meter's next reading."""

REGISTER: Final = "Energy.Active.Import.Register"

SCALE = Kind(
    "device.meter-scale",
    "warning",
    "station",
    "The station reports the meter's value with a wrong scale",
    "{device} itself reads {own} for {measurand}, and the station reports {told} at that time: {factor} times as much. "
    "It was so {times} times in a row (readings at most {apart} around the sample, to {tolerance} %).",
    "Station: correct which meter model (register scale, ratio of current transformers) is configured; then the "
    "manufacturer. Do not bill by these values. If the meter has current transformers, allow for their ratio.",
    "OCPP 1.6 §7.43",
    inferred=True,
)
SIGN = Kind(
    "device.meter-sign",
    "warning",
    "station",
    "The station reports the meter's power with the other sign",
    "{device} itself reads {own} for {measurand}, and the station reports {told} at that time. It was so {times} times "
    "in a row (readings at most {apart} around the sample, to {tolerance} %): what one counts as import is export to "
    "the other.",
    "Check the direction of the current transformers (or of the meter's terminals); if they are right, the station's "
    "meter settings. Load management that trusts this value steers the wrong way.",
    "OCPP 1.6 §7.31",
    inferred=True,
)
PHASE = Kind(
    "device.meter-phase",
    "info",
    "station",
    "The station's phases are not the meter's",
    "For {measurand}, {device} reads {own}, and the station reports {told} at that time: the same values on other "
    "phases ({mapping}), {times} times in a row (readings at most {apart} around the sample, to {tolerance} %).",
    "Where the phases were rotated on purpose, tell the station so (1.6 ConnectorPhaseRotation, 2.x PhaseRotation);"
    " else swap the conductors. Load management by phase limits the wrong one until then.",
    "OCPP 1.6 §9.1.6",
    inferred=True,
)
ROLLBACK = Kind(
    "device.meter-rollback",
    "warning",
    "station",
    "A register went backwards, and the meter's own one tells where it was lost",
    "The station's register fell from {before} to {after} within one transaction. Until then it had counted with "
    "{device}, whose own register went from {own_before} to {own_after} meanwhile: {conclusion}.",
    "Take the energy of this transaction from the meter's own register. {who}",
    "OCPP 1.6 §7.31",
    inferred=True,
)


class _Waiting(NamedTuple):
    """Samples of one message, until the meter has been read once more."""

    time: int
    """By the clock of the machine that reads."""
    samples: list[Sample]
    message: OcppMessage


@dataclass(slots=True)
class _Row:
    """How often the same relation has held, one time after the other."""

    relation: object = None
    times: int = 0
    evidence: list[Event] = field(default_factory=list)

    def held(self, relation: object, evidence: Iterable[Event]) -> bool:
        """Whether that is often enough; None for a relation says that nothing is wrong."""
        if relation != self.relation:
            self.relation, self.times, self.evidence = relation, 0, []
        if relation is None:
            return False
        self.times += 1
        if self.times <= IN_A_ROW:
            self.evidence.extend(evidence)
        return self.times >= IN_A_ROW


class _Count(NamedTuple):
    """Two registers at one time."""

    station: float
    meter: float
    slack: float
    """What the meter counted between the readings around it."""
    transaction: str
    message: OcppMessage
    reading: DeviceReading


@dataclass(slots=True)
class _Counting:
    """Two registers over time."""

    first: _Count
    last: _Count
    agreed: int = 0
    """Steps in which both had counted the same."""


class DeviceMeterCheck(Check):
    """Scale, sign, phases, and registers that go back."""

    kinds = (SCALE, SIGN, PHASE, ROLLBACK)
    wants = frozenset({OcppMessage, DeviceReading})
    actions = Meters.ACTIONS

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._waiting: deque[_Waiting] = deque(maxlen=MAX_PENDING)
        self._rows: dict[tuple[str, ...], _Row] = {}
        self._counting: dict[tuple[str, ...], _Counting] = {}

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not picture.devices.all:
            return
        if isinstance(event, DeviceReading):
            while self._waiting and event.time - self._waiting[0].time > APART:
                yield from self._judge(self._waiting.popleft(), picture)
        elif isinstance(event, OcppMessage) and event.type is MessageType.CALL:
            station = picture.stations.get(event.channel.station)
            if station is None or not station.meters.fresh or not devices_of(picture, station):
                return
            offset = station.clock.offset or 0
            by_time: dict[int, list[Sample]] = {}
            for sample in station.meters.fresh[:MAX_PENDING]:
                compared = sample.measurand in LEAST or sample.measurand == REGISTER
                if compared and fits_its_unit(sample) and is_live(sample, event, station):
                    by_time.setdefault(sample.time, []).append(sample)
            message = bounded(event)
            for time, samples in by_time.items():
                self._waiting.append(_Waiting(time - offset, samples, message))

    def finish(self, picture: Picture) -> Iterator[Finding]:
        while self._waiting:
            yield from self._judge(self._waiting.popleft(), picture)

    def _judge(self, waiting: _Waiting, picture: Picture) -> Iterator[Finding]:
        station = picture.stations.get(_station(waiting))
        for device in devices_of(picture, station) if station is not None else ():
            if not device.measured:
                continue
            for sample in waiting.samples:
                if not measures(picture, device, sample.connector):
                    continue
                if sample.measurand == REGISTER:
                    if not sample.phase:
                        yield from self._register(sample, waiting, device)
                else:
                    yield from self._value(sample, waiting, device)
            if any(measures(picture, device, sample.connector) for sample in waiting.samples):
                for measurand in LEAST:
                    yield from self._phases(measurand, waiting, device)

    # -------------------------------------------------------------------------------------------- one value at a time

    def _value(self, sample: Sample, waiting: _Waiting, device: Device) -> Iterator[Finding]:
        phase = _phase(sample.phase)
        found = None if phase is None else device.around(sample.measurand, phase, waiting.time, APART)
        least = LEAST[sample.measurand]
        own = None if found is None else _steady(found, least)
        if found is None or own is None:
            return
        evidence = (found[0].reading, waiting.message)
        factor = _factor(sample.value / own, SAME)
        place = _place(waiting, device, sample.connector, sample.measurand, phase or "")
        row = self._row("scale", place)
        if row.held(factor, evidence):
            yield self._scale(sample, waiting, device, own, factor or 0, row)
        if sample.measurand == "Power.Active.Import":
            row = self._row("sign", place)
            if row.held(True if abs(sample.value + own) <= SAME * abs(own) else None, evidence):
                values = _values(sample, device, amount_words(own, sample.unit), row)
                yield _finding(SIGN, sample, waiting, row, values)

    def _scale(self, sample: Sample, waiting: _Waiting, device: Device, own: float, factor: int, row: _Row) -> Finding:
        values = _values(sample, device, amount_words(own, sample.unit), row)
        values["factor"] = f"{10.0**factor:g}"
        return _finding(SCALE, sample, waiting, row, values)

    def _phases(self, measurand: str, waiting: _Waiting, device: Device) -> Iterator[Finding]:
        mine: dict[int, Sample] = {
            PHASES[sample.phase]: sample
            for sample in waiting.samples
            if sample.measurand == measurand and sample.phase in PHASES
        }
        if len(mine) != 3:
            return
        found = [device.around(measurand, f"L{number}", waiting.time, APART) for number in (1, 2, 3)]
        pairs = [pair for pair in found if pair is not None]
        if len(pairs) != 3:
            return
        own = [(before.value + after.value) / 2 for before, after in pairs]
        most = max(map(abs, own))
        if most < LEAST[measurand] or any(abs(a.value - b.value) > STEADY * most for a, b in pairs):
            return
        # Between two phases that read the same nobody sees a swap: the one that stands out is enough.
        told = [mine[at].value for at in range(3)]
        row = self._row("phase", _place(waiting, device, mine[0].connector, measurand))
        fitting = [order for order in permutations(range(3)) if _fits(told, own, order, most)]
        alike = min(abs(own[a] - own[b]) for a, b in ((0, 1), (0, 2), (1, 2))) < TOLD_APART * most
        stands_out = max(own) - min(own) >= TOLD_APART * most
        moved = (0, 1, 2) not in fitting and bool(fitting) and stands_out and (not alike or len(fitting) == 2)
        order = fitting[0] if moved else None
        if row.held(order, (*(pair[0].reading for pair in pairs), waiting.message)) and order is not None:
            values = _values(mine[0], device, "", row) | {
                "own": _three(own, mine[0].unit),
                "told": _three(told, mine[0].unit),
                "mapping": ", ".join(
                    f"its L{at + 1} is the meter's L{order[at] + 1}" for at in range(3) if _tells(own, order[at], most)
                ),
                "measurand": measurand,
            }
            yield _finding(PHASE, mine[0], waiting, row, values)

    def _row(self, what: str, place: tuple[str, ...]) -> _Row:
        key = (what, *place)
        return self._rows.get(key) or remember(self._rows, key, _Row(), MAX_PENDING)

    # ------------------------------------------------------------------------------------------------------ registers

    def _register(self, sample: Sample, waiting: _Waiting, device: Device) -> Iterator[Finding]:
        found = device.around(REGISTER, "", waiting.time, APART)
        if found is None:
            return
        before, after = found
        count = _Count(
            sample.value,
            before.value,
            after.value - before.value,
            sample.transaction,
            waiting.message,
            before.reading,
        )
        key = _place(waiting, device, sample.connector)
        known = self._counting.get(key)
        if known is None:
            if count.slack >= 0:
                remember(self._counting, key, _Counting(count, count), MAX_PENDING)
            return
        if count.slack < 0:
            return  # it falls right now: before or after the sample cannot be known
        told, own = count.station - known.last.station, count.meter - known.last.meter
        if told < -FALL and count.transaction and count.transaction == known.last.transaction:
            if known.agreed >= IN_A_ROW - 1:
                yield from _fell(known.last, count, sample, waiting, device)
            self._counting[key] = _Counting(count, count)
            return
        if own < -FALL or told < -FALL:
            self._counting[key] = _Counting(count, count)
            return
        slack = count.slack + known.last.slack + _rounding(count.station, known.last.station)
        if own >= COUNTED / 2:
            known.agreed = known.agreed + 1 if abs(told - own) <= SAME_ENERGY * own + slack else 0
        known.last = count
        yield from self._register_scale(known, count, sample, waiting, device)

    def _register_scale(
        self, known: _Counting, count: _Count, sample: Sample, waiting: _Waiting, device: Device
    ) -> Iterator[Finding]:
        """What both have counted since the first time: offsets between registers are nobody's fault."""
        told, own = count.station - known.first.station, count.meter - known.first.meter
        uncertain = count.slack + known.first.slack
        coarse = told < 10 * _rounding(count.station, known.first.station)
        if own < COUNTED or uncertain > SAME_ENERGY * own or told <= 0 or coarse:
            return
        factor = _factor(told / own, SAME_ENERGY + uncertain / own)
        row = self._row("scale", _place(waiting, device, sample.connector, REGISTER))
        if row.held(factor, (count.reading, count.message)) and factor is not None:
            values = _values(sample, device, amount_words(own, "Wh") + " more than at first", row) | {
                "told": amount_words(told, "Wh") + " more",
                "factor": f"{10.0**factor:g}",
                "tolerance": f"{100 * SAME_ENERGY:g}",
            }
            yield _finding(SCALE, sample, waiting, row, values)


def _fell(last: _Count, count: _Count, sample: Sample, waiting: _Waiting, device: Device) -> Iterator[Finding]:
    own = count.meter - last.meter
    told = count.station - last.station
    meter_too = own < -FALL and abs(own - told) <= SAME_ENERGY * abs(told) + count.slack + last.slack
    if not meter_too and own < 0:
        return  # both fell, by different amounts: two things happened
    values = {
        "before": amount_words(last.station, "Wh"),
        "after": amount_words(count.station, "Wh"),
        "own_before": amount_words(last.meter, "Wh"),
        "own_after": amount_words(count.meter, "Wh"),
        "device": device.title,
        "conclusion": "the meter itself lost its count" if meter_too else "the station lost its count, not the meter",
        "who": "Then have the meter exchanged or its supply checked."
        if meter_too
        else "Then ask the station's manufacturer: look for a restart of the station at that time.",
    }
    evidence = (last.message, last.reading, waiting.message, count.reading)
    yield Finding(
        ROLLBACK, waiting.message.time, _station(waiting), evidence, values, group=device.title, **where(sample)
    )


def _finding(kind: Kind, sample: Sample, waiting: _Waiting, row: _Row, values: dict[str, object]) -> Finding:
    """One for a device and quantity: that it goes on in the next transaction is no other finding."""
    group = f"{values['device']} {values['measurand']}"
    return Finding(
        kind,
        waiting.message.time,
        _station(waiting),
        tuple(row.evidence),
        values,
        connector=sample.connector,
        group=group,
    )


def _station(waiting: _Waiting) -> str:
    return waiting.message.channel.station


def _place(waiting: _Waiting, device: Device, *of: str) -> tuple[str, ...]:
    """What is compared: a quantity of a station with one of a device."""
    return (_station(waiting), *device.key, *of)


def _values(sample: Sample, device: Device, own: str, row: _Row) -> dict[str, object]:
    return {
        "device": device.title,
        "own": own,
        "measurand": sample.measurand + (f" of {sample.phase}" if sample.phase else ""),
        "told": amount_words(sample.value, sample.unit),
        "times": row.times,
        "apart": duration(APART),
        "tolerance": f"{100 * SAME:g}",
    }


def _phase(name: str) -> str | None:
    """A meter's name of it; None for what lies between two phases."""
    if not name:
        return ""
    return f"L{PHASES[name] + 1}" if name in PHASES else None


def _steady(found: tuple[Measured, Measured], least: float) -> float | None:
    before, after = found
    middle = (before.value + after.value) / 2
    if abs(middle) < least or abs(after.value - before.value) > STEADY * abs(middle):
        return None
    return middle


def _factor(ratio: float, tolerance: float) -> int | None:
    """The power of ten that it is; None for 1 and for everything else."""
    return next((power for power in POWERS if abs(ratio / 10.0**power - 1) <= tolerance), None)


def _fits(told: list[float], own: list[float], order: tuple[int, ...], most: float) -> bool:
    return all(abs(told[at] - own[order[at]]) <= STEADY * most for at in range(3))


def _tells(own: list[float], at: int, most: float) -> bool:
    """Whether this phase can be told from the other two."""
    return all(abs(own[at] - own[other]) >= TOLD_APART * most for other in range(3) if other != at)


def _three(values: list[float], unit: str) -> str:
    return " / ".join(amount_words(value, unit) for value in values)


def _rounding(*values: float) -> float:
    """How coarse a register is, by its trailing zeros: some stations count in whole kWh."""
    return next((step for step in (1000.0, 100.0, 10.0) if all(value % step == 0 for value in values)), 1.0)
