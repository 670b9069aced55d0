"""Meter values into the numbers of a window: rhythm, power, limits, phases, registers against power, temperature."""

from __future__ import annotations

from typing import Final

from fieldkit.checks.charging_limit import LEAST_CURRENT, LEAST_POWER, OVER, OVER_AMPERES, OVER_WATTS, RAMP
from fieldkit.checks.energy import POWER, REGISTER
from fieldkit.checks.measured import by_phase, total
from fieldkit.checks.words import SECOND
from fieldkit.detect.watched import Watched
from fieldkit.events import OcppMessage
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

FLOWING: Final = 4.0
IDLE: Final = 0.5
"""A: the least that a car charges with is 6 A, and meters read up to half an ampere of an idle conductor."""
NOTHING: Final = 60.0
"""W"""
ROUNDED: Final = 10.0
"""Wh by which a register may lie below an earlier reading: the two may have been rounded otherwise."""
MAX_PLACES: Final = 64
"""Connectors of one station, and transactions."""


def measured(watched: Watched, station: Station, message: OcppMessage) -> None:
    """A message with meter values, which the station's picture has taken in."""
    steps, time = watched.steps, message.time
    values = station.meters.measured
    sample = station.meters.fresh[-1]
    place = sample.connector
    before = watched.readings.get(place)
    interval = 0
    if before is not None and before[2] == sample.transaction and sample.context.endswith("Periodic"):
        interval = time - before[0]
        if before[1] > 0 and interval > 0:
            steps.measure(time, "reading_gap", min(100 * abs(interval - before[1]) / before[1], 1000.0))
    if place in watched.readings or len(watched.readings) < MAX_PLACES:
        watched.readings[place] = (time, interval, sample.transaction)
    powers = values.get(POWER)
    power = total(powers, powers[-1].time) if powers and powers[-1].unit == "W" else None
    if power is not None and sample.transaction:
        if place in watched.peaks or len(watched.peaks) < MAX_PLACES:
            watched.peaks[place] = max(watched.peaks.get(place, 1.0), power)
        steps.measure(time, "share", 100 * max(power, 0.0) / watched.peaks.get(place, 1.0))
    if sample.transaction:
        _balance(watched, station, sample.transaction, time, power)
        _limits(watched, station, sample, time, power)
    _phases(watched, station, time)
    for one in values.get("Temperature", ()):
        if one.unit == "Celsius" and one.location != "EV":
            steps.measure(time, "temperature", max(one.value, 0.0))


def _balance(watched: Watched, station: Station, transaction: str, time: int, power: float | None) -> None:
    registers = station.meters.measured.get(REGISTER)
    if not registers or registers[-1].unit != "Wh":
        return
    sample = registers[-1]
    before = watched.registers.get(transaction)
    if before is not None and sample.time > before[0] and sample.value < before[1] - ROUNDED:
        watched.steps.note(time, "backwards")
    if before is not None and power is not None and 0 < sample.time - before[0] < 960 * SECOND:
        hours = (sample.time - before[0]) / (3600 * SECOND)
        low, high = sorted((before[2] * hours, power * hours))
        billed = sample.value - before[1]
        if high > 5:
            gap = max(low - billed, billed - high, 0.0) if billed >= 0 else high + abs(billed)
            watched.steps.measure(time, "balance", min(100 * max(gap - 10, 0.0) / high, 1000.0))
    if len(watched.registers) >= 32 and transaction not in watched.registers:
        del watched.registers[next(iter(watched.registers))]
    watched.registers[transaction] = (sample.time, sample.value, power or 0.0)


def _limits(watched: Watched, station: Station, sample: Sample, time: int, power: float | None) -> None:
    """What flows against what may, and whether anything flows at all."""
    currents = station.meters.measured.get("Current.Import")
    amperes = None
    if currents and currents[-1].unit == "A":
        amperes = max(abs(one.value) for one in currents if one.time == currents[-1].time)
    if power is None and amperes is None:
        return
    made = station.transactions.open.get(sample.transaction)
    started = made.started if made is not None else None
    limits = station.charging.limit(sample.connector, sample.time, started)
    for limit in limits:
        flowing = power if limit.unit == "W" else amperes
        # Direct current is not what a limit in amperes is about: it is that of the supply.
        if flowing is None or (limit.unit == "A" and currents and not currents[-1].phase):
            continue
        if time - limit.profile.set_at > RAMP:
            more = OVER_WATTS if limit.unit == "W" else OVER_AMPERES
            beyond = flowing - max(limit.value * OVER, limit.value + more)
            watched.steps.measure(time, "over", min(100 * max(beyond, 0.0) / max(limit.value, more), 1000.0))
    flows = abs(power) > NOTHING if power is not None else amperes is not None and amperes > IDLE
    allowed = all(limit.value >= (LEAST_CURRENT if limit.unit == "A" else LEAST_POWER) for limit in limits)
    _still(watched, station, sample, time, flows=flows, allowed=allowed)


def _still(watched: Watched, station: Station, sample: Sample, time: int, *, flows: bool, allowed: bool) -> None:
    """How long nothing has flowed since it says that it charges. Once it has, a car that is full takes nothing."""
    made = station.transactions.open.get(sample.transaction)
    connector = station.connectors.find(sample.connector)
    state = (made.charging_state if made is not None else "") or (connector.status if connector is not None else "")
    known, since, flowed = watched.waits.get(sample.connector, ("", 0, False))
    if known != sample.transaction:
        since, flowed = 0, False
    flowed = flowed or flows
    since = (since or time) if state == "Charging" and allowed else 0
    if sample.connector in watched.waits or len(watched.waits) < MAX_PLACES:
        watched.waits[sample.connector] = (sample.transaction, since, flowed)
    if since:
        watched.steps.measure(time, "still", 0.0 if flowed else (time - since) / SECOND)


def _phases(watched: Watched, station: Station, time: int) -> None:
    measured = station.meters.measured
    samples = measured.get("Current.Import")
    currents = by_phase(samples, samples[-1].time) if samples and samples[-1].transaction else {}
    if samples and len(currents) == 3:
        transaction = samples[-1].transaction
        live = [value for value in currents.values() if value >= FLOWING]
        most = watched.phases.get(transaction, 0)
        if len(live) > most:
            if len(watched.phases) >= MAX_PLACES and transaction not in watched.phases:
                del watched.phases[next(iter(watched.phases))]
            watched.phases[transaction] = len(live)
        # Cars that take one phase or two are nothing unusual, one that goes on with two of three is.
        if len(live) == 3:
            watched.steps.measure(time, "spread", 100 * (max(live) - min(live)) / max(live))
        elif len(live) == 2 and most == 3 and min(currents.values()) < IDLE:
            watched.steps.measure(time, "spread", 100.0)
    volts = [one.value for one in measured.get("Voltage", ()) if one.phase.startswith("L") and one.unit == "V"]
    if volts:
        watched.steps.measure(time, "voltage", max(100 * abs(value - 230) / 230 for value in volts))
