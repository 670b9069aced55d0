"""Energy against power, and against what the station says it is doing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.measured import energy_words, is_live, power_words, same_pace, total, where
from fieldkit.checks.ongoing import Ongoing
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.meter import Meters
from fieldkit.site.picture import Picture
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

POWER_MISMATCH = Kind(
    id="energy.power-mismatch",
    severity="warning",
    owner="station",
    title="Power and energy of the meter values do not fit together",
    explanation="Within {time} the energy register rose by {energy}, while the power that was told in the same "
    "messages amounts to {low} to {high}. One of the two is wrong{hint}.",
    advice="Compare with the station's meter. If the register is right, only displays and load management are misled; "
    "if it is wrong, so is the bill.",
    reference="OCPP 1.6 §7.31",
)
WHILE_SUSPENDED = Kind(
    id="energy.while-suspended",
    severity="warning",
    owner="station",
    title="Energy flows although the station says that charging is suspended",
    explanation="The station says {state}, but its register rose by {energy} within {time}, {power} on average. That "
    "is more than a vehicle at rest takes, so either the state or the register is wrong.",
    advice="Compare with the station's display. A CSMS that shares out power takes this connector for idle: tell the "
    "manufacturer.",
    reference="OCPP 1.6 §4.9",
)
UNCLAIMED = Kind(
    id="energy.without-transaction",
    severity="warning",
    owner="station",
    title="Energy flows at a connector that is free",
    explanation="The connector is told to be Available and has no transaction, but its register rose by {energy} "
    "within {time}, {power} on average. Somebody charges without being billed, or the meter measures something else.",
    advice="Go and see whether a vehicle is connected. If not, check what else is wired behind this meter; if so, "
    "tell the manufacturer.",
    reference="OCPP 1.6 §4.9",
)

REGISTER: Final = "Energy.Active.Import.Register"
POWER: Final = "Power.Active.Import"

WINDOW: Final = 600 * SECOND
"""Power and energy are compared over ten minutes …"""
WINDOW_READINGS: Final = 10
"""… and so many intervals …"""
LONGEST_INTERVAL: Final = 120 * SECOND
"""… none of them longer: power may have been anything between two readings that are far apart."""
TOLERANCE: Final = 0.25
"""Registers lag behind by up to a minute, power may be measured on the other side of a rectifier (8 % losses)."""
SLACK: Final = 200.0
"""Wh. Both ends of a register in steps of 0.1 kWh …"""
COARSE: Final = 1000.0
COARSE_SLACK: Final = 2000.0
"""… and of one in whole kWh."""
EXPORTING: Final = 100.0
"""W. A vehicle that feeds back has two registers, and the power between them is not this one's."""

STRETCH: Final = 300 * SECOND
"""Energy must flow for so long …"""
SETTLING: Final = 60 * SECOND
"""… beginning so long after the state was told: currents ramp down, registers are read late."""
SUSPENDED_POWER: Final = 1000.0
"""W. A suspended vehicle's control unit takes 50 to 300 W, its battery heater more, but then it charges."""
UNCLAIMED_POWER: Final = 3000.0
"""W. The heaters, fans and displays of a DC cabinet may be behind the same meter: up to 2 kW in winter."""
UPSTREAM: Final = frozenset({"Inlet", "Body", "Upstream"})
"""Where a meter sees what the station itself takes."""
SUSPENDED: Final = frozenset({"SuspendedEV", "SuspendedEVSE"})


@dataclass(slots=True)
class _Window:
    """Power added up between two readings of the register."""

    begin: int
    register: float
    message: OcppMessage
    time: int
    power: float
    low: float = 0.0
    high: float = 0.0
    """Wh, if power between two readings was always the lower, or the higher one of them."""
    intervals: int = 0


class PowerCheck(Check):
    """Power integrated over time against the register. Between two readings the power is thought to be as low as the
    lower and as high as the higher of them: only what lies outside of both, by more than ``TOLERANCE``, is wrong."""

    kinds = (POWER_MISMATCH,)
    actions = Meters.ACTIONS - {"StopTransaction"}

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._windows: Ongoing[_Window] = Ongoing()
        """By transaction and connector."""

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        station = picture.stations.get(event.channel.station)
        if station is None:
            return
        powers, registers = station.meters.measured.get(POWER), station.meters.measured.get(REGISTER)
        if not powers or not registers:
            return
        sample = next((sample for sample in registers if not sample.phase and sample.unit == "Wh"), None)
        if sample is None or not sample.transaction or powers[0].unit != "W":
            return
        key = (sample.transaction, sample.connector)
        power = total(powers, sample.time, sample.location)
        if power is None or power < 0 or _exports(station):
            self._windows.pop(station, key)
            return
        window = self._windows.get(station, key)
        interval = sample.time - window.time if window is not None else 0
        if window is None or not 0 < interval <= LONGEST_INTERVAL or sample.value < window.register:
            self._windows.put(station, key, _Window(sample.time, sample.value, bounded(event), sample.time, power))
            return
        hours = interval / (3600 * SECOND)
        window.low += min(window.power, power) * hours
        window.high += max(window.power, power) * hours
        window.time, window.power = sample.time, power
        window.intervals += 1
        if sample.time - window.begin >= WINDOW and window.intervals >= WINDOW_READINGS:
            self._windows.put(station, key, _Window(sample.time, sample.value, bounded(event), sample.time, power))
            yield from _compare(window, sample, event, station)


def _exports(station: Station) -> bool:
    return any(sample.value > EXPORTING for sample in station.meters.measured.get("Power.Active.Export", ()))


def _compare(window: _Window, sample: Sample, event: OcppMessage, station: Station) -> Iterator[Finding]:
    energy = sample.value - window.register
    coarse = sample.value % COARSE == 0 and window.register % COARSE == 0
    slack = COARSE_SLACK if coarse else SLACK
    if window.low * (1 - TOLERANCE) - slack <= energy <= window.high * (1 + TOLERANCE) + slack:
        return
    middle = (window.low + window.high) / 2
    values = {
        "time": duration(sample.time - window.begin),
        "energy": energy_words(energy),
        "low": energy_words(window.low),
        "high": energy_words(window.high),
        "hint": _hint(energy, middle),
    }
    yield Finding(POWER_MISMATCH, event.time, station.identity, (window.message, event), values, **where(sample))


def _hint(energy: float, integrated: float) -> str:
    """What the ratio points to."""
    if not energy or not integrated:
        return ""
    ratio = energy / integrated
    if 2.7 <= ratio <= 3.3:
        return ", probably the power is that of one phase of three"
    if 0.3 <= ratio <= 0.37:
        return ", probably the power is that of one phase, counted three times"
    if 800 <= ratio <= 1250 or 0.0008 <= ratio <= 0.00125:
        return ", probably kilowatts and watts were mixed up"
    return ""


@dataclass(slots=True)
class _Stretch:
    """How long a connector has been said to be idle, and its register since."""

    state: str
    told: int
    """Capture time at which the state was told, or first seen by us."""
    begin: Sample | None = None
    seen: int = 0
    message: OcppMessage | None = None
    done: bool = False


class IdleCheck(Check):
    """The register of a connector that is suspended or free. Readings from a queue say nothing of the present state and
    begin the stretch anew."""

    kinds = (WHILE_SUSPENDED, UNCLAIMED)
    actions = frozenset({"MeterValues", "TransactionEvent"})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._stretches: Ongoing[_Stretch] = Ongoing()
        """By transaction and connector."""

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        station = picture.stations.get(event.channel.station)
        registers = station.meters.measured.get(REGISTER) if station is not None else None
        if station is None or not registers:
            return
        sample = next((sample for sample in reversed(registers) if not sample.phase), None)
        if sample is None or not sample.connector or sample.unit != "Wh":
            return
        key = (sample.transaction, sample.connector)
        state, told = _state_of(sample, event, station)
        stretch = self._stretches.get(station, key)
        if not state or not is_live(sample, event, station):
            self._stretches.pop(station, key)
        elif stretch is None or (stretch.state, stretch.told) != (state, told or stretch.told):
            self._stretches.put(station, key, _Stretch(state, told or event.time))
        elif stretch.begin is None or sample.value < stretch.begin.value or sample.location != stretch.begin.location:
            if event.time - stretch.told >= SETTLING:
                stretch.begin, stretch.seen, stretch.message = sample, event.time, bounded(event)
        elif not stretch.done:
            yield from _judge_idle(stretch, stretch.begin, sample, event, station)


def _state_of(sample: Sample, event: OcppMessage, station: Station) -> tuple[str, int]:
    """What the station says of the connector, if that is idle, and since when (0: unknown). A transaction has its own
    state in 2.x; in 1.x the connector has one."""
    ledger = station.transactions
    connector = station.connectors.find(sample.connector)
    made = ledger.open.get(sample.transaction) if sample.transaction else ledger.on(sample.connector)
    if made is not None and made.charging_state:
        return (made.charging_state, 0) if made.charging_state in SUSPENDED else ("", 0)
    if connector is None:
        return "", 0
    if made is not None:
        return (connector.status, connector.since) if connector.status in SUSPENDED else ("", 0)
    # Two sockets may share a meter: as long as the other one is in use, this one's readings prove nothing.
    alone = not ledger.open and not sample.transaction
    free = alone and connector.status == "Available" and sample.location not in UPSTREAM
    return ("Available", connector.since) if free else ("", 0)


def _judge_idle(
    stretch: _Stretch, begin: Sample, sample: Sample, event: OcppMessage, station: Station
) -> Iterator[Finding]:
    time, energy = sample.time - begin.time, sample.value - begin.value
    if time < STRETCH:
        return
    power = max(energy - 2 * SLACK, 0.0) * 3600 * SECOND / time
    free = stretch.state == "Available"
    if not same_pace(time, event.time - stretch.seen) or power < (UNCLAIMED_POWER if free else SUSPENDED_POWER):
        # From here on anew: what flows later must not be thinned out by the rest before.
        stretch.begin, stretch.seen, stretch.message = sample, event.time, bounded(event)
        return
    stretch.done = True
    values = {
        "state": stretch.state,
        "energy": energy_words(energy),
        "time": duration(time),
        "power": power_words(energy * 3600 * SECOND / time),
    }
    evidence = (stretch.message, event) if stretch.message is not None else (event,)
    kind = UNCLAIMED if free else WHILE_SUSPENDED
    yield Finding(kind, event.time, station.identity, evidence, values, **where(sample))
