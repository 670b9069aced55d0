"""Phases that were there and are gone: a fuse, a contactor, a supply."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.measured import amount_words, by_phase
from fieldkit.checks.ongoing import Ongoing
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration, listed
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.meter import Meters
from fieldkit.site.picture import Picture
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

PHASE_LOST = Kind(
    id="energy.phase-lost",
    severity="warning",
    owner="operator",
    title="A phase stopped delivering while the others went on",
    explanation="{lost} delivered {before} and then nothing for {time}, while {others} went on with {now}. A vehicle "
    "does not drop one of three phases: this is probably a blown fuse, a worn contactor or a loose wire.",
    advice="Have an electrician measure {lost} at the charger's terminals and behind its contactor. Charging goes on, "
    "slower and with an unbalanced load.",
    reference="IEC 61851-1 §13",
    inferred=True,
)
FEWER_PHASES = Kind(
    id="energy.fewer-phases",
    severity="info",
    owner="vehicle",
    title="Charging went on with one phase instead of several",
    explanation="{lost} delivered {before} and then nothing for {time}, while {others} went on with {now}. Stations "
    "that follow a solar surplus switch so, and some vehicles do towards the end.",
    advice="Nothing to do if the station may switch phases; if not, and if it happens with every vehicle, have fuses "
    "and contactor checked.",
    reference="OCPP 1.6 §7.14",
    inferred=True,
)
SUPPLY_LOST = Kind(
    id="energy.supply-phase-lost",
    severity="warning",
    owner="operator",
    title="The voltage of a phase broke down while the others stayed",
    explanation="{lost} had {before} and then {gone} for {time}, while {others} kept {now}. The supply of the charger "
    "lost a phase.",
    advice="Have an electrician check the fuses and the residual-current device upstream of the charger.",
    reference="IEC 61851-1 §13",
)

FLOWING: Final = 4.0
"""A. Well above what meters read of an idle conductor; the least that a vehicle charges with is 6 A."""
NOTHING: Final = 0.5
"""A. An idle conductor: reactive current of filters and a meter's noise."""
UNCHANGED: Final = 0.8
"""The other phases still have this share of their current: a charge that tapers off is something else."""
POWERED: Final = 90.0
"""V. Between phase and neutral, where the nominal voltage is 100 to 277 V."""
UNPOWERED: Final = 0.5
"""Share of its voltage that a lost phase has at most: what other loads feed back is below half."""
LASTING: Final = 120 * SECOND
"""How long it must last …"""
READINGS: Final = 3
"""… and how many readings must show it."""

Measurand = Literal["Current.Import", "Voltage"]


@dataclass(slots=True)
class _Phases:
    """One connector and transaction."""

    before: dict[int, float] = field(default_factory=dict)
    """The last reading with all phases that this one has had."""
    lost: frozenset[int] = frozenset()
    since: int = 0
    readings: int = 0
    told: bool = False
    first: OcppMessage | None = None


class PhaseCheck(Check):
    """Current by phase within a transaction, voltage by phase at any time."""

    kinds = (PHASE_LOST, FEWER_PHASES, SUPPLY_LOST)
    actions = Meters.ACTIONS - {"StopTransaction"}

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._current: Ongoing[_Phases] = Ongoing()
        self._voltage: Ongoing[_Phases] = Ongoing()
        """By transaction (of voltages: none) and connector."""

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        station = picture.stations.get(event.channel.station)
        if station is None:
            return
        measured = station.meters.measured
        currents, voltages = measured.get("Current.Import"), measured.get("Voltage")
        if currents and currents[-1].phase and currents[-1].transaction and currents[-1].unit == "A":
            yield from self._see_current(currents, event, station)
        if voltages and voltages[-1].phase and voltages[-1].unit == "V":
            yield from self._see_voltage(voltages, event, station)

    def _see_current(self, samples: list[Sample], event: OcppMessage, station: Station) -> Iterator[Finding]:
        sample = samples[-1]
        now = by_phase(samples, sample.time)
        state = _state(self._current, station, (sample.transaction, sample.connector))
        # A phase that is left out counts as one without current: some stations do not send zeros.
        lost = frozenset(
            phase for phase, value in state.before.items() if value >= FLOWING and abs(now.get(phase, 0.0)) < NOTHING
        )
        going = {phase: value for phase, value in now.items() if value >= FLOWING}
        steady = going and all(value >= UNCHANGED * state.before.get(phase, 0.0) for phase, value in going.items())
        had = sum(value >= FLOWING for value in state.before.values())
        if not lost or not steady or len(going) + len(lost) != had:
            if len(going) >= 2 or not state.before:
                state.before = now
            _nothing_lost(state)
            return
        if not self._lasts(state, lost, sample.time, event):
            return
        kind = PHASE_LOST if had == 3 and len(lost) == 1 else FEWER_PHASES
        yield _finding(kind, state, going, sample, event, station.identity)

    def _see_voltage(self, samples: list[Sample], event: OcppMessage, station: Station) -> Iterator[Finding]:
        sample = samples[-1]
        now = by_phase(samples, sample.time)
        state = _state(self._voltage, station, ("", sample.connector))
        lost = frozenset(
            phase
            for phase, value in state.before.items()
            if phase in now and value >= POWERED and now[phase] < UNPOWERED * value
        )
        others = {phase: value for phase, value in now.items() if phase not in lost and value >= POWERED}
        if not lost or not others:
            if len(others) >= 2:
                state.before = now
            _nothing_lost(state)
            return
        if self._lasts(state, lost, sample.time, event):
            gone = max(now[phase] for phase in lost)
            yield _finding(SUPPLY_LOST, state, others, sample, event, station.identity, gone=gone)

    def _lasts(self, state: _Phases, lost: frozenset[int], time: int, event: OcppMessage) -> bool:
        """Is it the time to tell of it?"""
        if state.lost != lost or time < state.since:
            state.lost, state.since, state.readings, state.first, state.told = lost, time, 0, bounded(event), False
        state.readings += 1
        if state.told or state.readings < READINGS or time - state.since < LASTING:
            return False
        state.told = True
        return True


def _state(table: Ongoing[_Phases], station: Station, key: tuple[str, str]) -> _Phases:
    state = table.get(station, key)
    return state if state is not None else table.put(station, key, _Phases())


def _nothing_lost(state: _Phases) -> None:
    state.lost, state.readings, state.first, state.told = frozenset(), 0, None, False


def _finding(
    kind: Kind,
    state: _Phases,
    others: dict[int, float],
    sample: Sample,
    event: OcppMessage,
    station: str,
    gone: float = 0.0,
) -> Finding:
    values = {
        "lost": listed([f"L{phase + 1}" for phase in sorted(state.lost)]),
        "before": amount_words(max(state.before[phase] for phase in state.lost), sample.unit),
        "gone": amount_words(gone, sample.unit),
        "time": duration(sample.time - state.since),
        "others": listed([f"L{phase + 1}" for phase in sorted(others)]),
        "now": amount_words(min(others.values()), sample.unit),
    }
    evidence = (state.first, event) if state.first is not None else (event,)
    return Finding(
        kind, event.time, station, evidence, values, connector=sample.connector, transaction=sample.transaction
    )
