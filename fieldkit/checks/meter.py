"""Meter values one by one: are they numbers, in a unit that fits, within what physics allows, and fully described?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.measured import Where, amount_words, remember
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import listed
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.meter import Meters
from fieldkit.site.picture import Picture
from fieldkit.site.series import Sample
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction
from fieldkit.site.units import dimension, natural_unit, unit

DEFAULTS_USED = Kind(
    id="meter.defaults-used",
    severity="info",
    owner="station",
    title="Meter values leave out what they measure or in which unit",
    explanation="The station sends meter values without {left_out}. That is legal: they count as "
    "{meaning}. Some CSMS show such values wrongly or not at all.",
    advice="Nothing to do as long as the CSMS shows the right energy. If it does not, have the CSMS apply the "
    "defaults of the standard, or let the station name measurand and unit.",
    reference="OCPP 1.6 §7.45",
)
UNIT_MISMATCH = Kind(
    id="meter.unit-mismatch",
    severity="warning",
    owner="station",
    title="A meter value has a unit that does not fit what it measures",
    explanation="{measurand} is sent with the unit {unit} (first seen with the value {value}). This unit belongs to "
    "another kind of quantity, so the CSMS may take energy for power or discard the value.",
    advice="Ask the manufacturer for a firmware that sends {measurand} in {right}; until then do not bill or control "
    "by this value.",
    reference="OCPP 1.6 §7.43",
)
NOT_A_NUMBER = Kind(
    id="meter.not-a-number",
    severity="warning",
    owner="station",
    title="A meter value is not a number",
    explanation='The station sends "{value}" as {measurand}. A CSMS cannot count with it, and may reject the whole '
    "message with all its other values.",
    advice="Check in the station that the meter is connected and answers; if it does, ask the manufacturer for a fix.",
    reference="OCPP 1.6 §7.45",
)
OUT_OF_RANGE = Kind(
    id="meter.out-of-range",
    severity="warning",
    owner="station",
    title="A meter value is physically impossible",
    explanation="{measurand} reads {value} (first seen); possible is {low} to {high}. The sensor or the meter is "
    "broken or not connected, or the station uses the wrong scale.",
    advice="Compare with the station's display or a meter of your own. If the real value is fine, the station scales "
    "the reading wrongly: tell the manufacturer; if not, have the sensor and its wiring checked.",
    reference="OCPP 1.6 §7.31",
)
CONTEXT_MISSING = Kind(
    id="meter.context-missing",
    severity="info",
    owner="station",
    title="No meter value is marked as the first or last one of a transaction",
    explanation="Transactions have meter values, but none marked {missing}. A CSMS that bills by these "
    "readings finds no {missing} and has to take the neighbouring ones.",
    advice="If the CSMS needs them, configure them in the station: StopTxnSampledData (1.6), TxStartedMeasurands and "
    "TxEndedMeasurands (2.x).",
    reference="https://github.com/matth-x/MicroOcpp/issues/128",
)
WRONG_CONTEXT = Kind(
    id="meter.wrong-context",
    severity="warning",
    owner="station",
    title="A meter value is marked as the last one of a transaction that only begins",
    explanation="The message that starts the transaction carries a meter value with the context Transaction.End. A "
    "CSMS that bills by contexts takes it for the final reading.",
    advice="Report it to the manufacturer; let the CSMS bill by the first and last reading in time instead.",
    reference="https://github.com/matth-x/MicroOcpp/issues/128",
)

RANGES: Final[dict[str, tuple[float, float]]] = {
    "Voltage": (0.0, 2000.0),
    "Frequency": (40.0, 70.0),
    "SoC": (0.0, 100.0),
    "Temperature": (-60.0, 200.0),
    "Current.Import": (-4000.0, 4000.0),
    "Current.Export": (-4000.0, 4000.0),
    "Power.Active.Import": (-5e6, 5e6),
    "Power.Active.Export": (-5e6, 5e6),
    "Power.Factor": (-1.0, 1.0),
}
"""Megawatt charging goes to 1,250 V and 3,000 A; grids of 50 and 60 Hz on a weak generator stay within 40 to 70 Hz; no
part of a station is colder than a winter night or hotter than a failing contact. ``MARGIN`` allows for rounding."""
AMBIGUOUS: Final = frozenset({"W", "VA", "var"})
"""Where a missing unit leaves room for doubt: the standard has a default for energies alone (Wh), currents are in A and
voltages in V with everybody, but powers come in W and in kW."""
MARGIN: Final = 0.01
"""Of the range: a state of charge of 100.4 % is rounding, a voltage of -0.3 V is an unconnected input."""
NO_READING: Final = {"Frequency": (0.0,), "SoC": (-1.0, 255.0)}
"""Values that stand for "not measured": a DC output has no frequency, an AC vehicle tells no state of charge."""
PERCENT_FACTOR: Final = 1.5
"""A power factor beyond this is one in percent, which some meters send."""


class SampleCheck(Check):
    """Each value by itself."""

    kinds = (DEFAULTS_USED, UNIT_MISMATCH, NOT_A_NUMBER, OUT_OF_RANGE)
    actions = Meters.ACTIONS

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        station = _station_of(event, picture)
        if station is None or not isinstance(event, OcppMessage):
            return
        meters = station.meters
        for unread in meters.unread:
            yield Finding(
                NOT_A_NUMBER,
                event.time,
                station.identity,
                (event,),
                {"value": unread.text, "measurand": unread.measurand},
                group=unread.measurand,
            )
        for measurand, samples in meters.measured.items():
            limits = RANGES.get(measurand)
            for sample in samples:
                if sample.defaulted and (
                    "measurand" in sample.defaulted or ("unit" in sample.defaulted and sample.unit in AMBIGUOUS)
                ):
                    yield _defaulted(sample, event, station)
                if sample.unit != natural_unit(measurand):
                    yield from _unit(sample, event, station)
                elif limits is not None and not limits[0] <= sample.value <= limits[1]:
                    yield from _range(sample, limits, event, station)


class ContextCheck(Check):
    """Readings at begin and end of a transaction are marked as such."""

    kinds = (CONTEXT_MISSING, WRONG_CONTEXT)
    actions = Meters.ACTIONS

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._seen: dict[tuple[str, str], set[str]] = {}
        """Contexts by station and transaction."""

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        station = _station_of(event, picture)
        if station is None or not isinstance(event, OcppMessage):
            return
        made, fresh = station.transactions.latest, station.meters.fresh
        if made is None or not made.id:
            return
        key = (station.identity, made.id)
        if fresh:
            seen = self._seen.get(key)
            if seen is None:
                seen = remember(self._seen, key, set())
            seen.update(
                sample.context for sample in fresh if sample.context in ("Transaction.Begin", "Transaction.End")
            )
        if made.begin is event and any(sample.context == "Transaction.End" for sample in fresh):
            place: Where = {"connector": made.connector, "transaction": made.id}
            yield Finding(WRONG_CONTEXT, event.time, station.identity, (event,), {}, **place)
        if made.end is not None and made.end.id == event.id and (contexts := self._seen.pop(key, None)) is not None:
            yield from _missing(made, contexts, bool(fresh), event)


def _missing(made: Transaction, contexts: set[str], at_the_end: bool, event: OcppMessage) -> Iterator[Finding]:
    """In 1.x meterStart and meterStop are the readings that count: only a half-marked transaction is worth a word."""
    missing = [name for name in ("Transaction.Begin", "Transaction.End") if name not in contexts]
    if not made.complete or not missing:
        return
    if not made.version.startswith("2") and not (at_the_end and len(missing) == 1):
        return
    yield Finding(
        CONTEXT_MISSING, event.time, made.station, (event,), {"missing": " or ".join(missing)}, group=" ".join(missing)
    )


def _station_of(event: Event, picture: Picture) -> Station | None:
    """The station whose meter values this message brought."""
    if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
        return None
    return picture.stations.get(event.channel.station)


def _defaulted(sample: Sample, event: OcppMessage, station: Station) -> Finding:
    names = sorted(sample.defaulted & {"measurand", "unit"})
    meaning = f"{sample.measurand} in {sample.unit}" if sample.unit else sample.measurand
    values = {"left_out": listed([f"a {name}" for name in names]), "meaning": meaning}
    return Finding(DEFAULTS_USED, event.time, station.identity, (event,), values, group=sample.measurand)


def _unit(sample: Sample, event: OcppMessage, station: Station) -> Iterator[Finding]:
    known = unit(sample.unit)
    wanted = dimension(sample.measurand)
    if known is None or not wanted or known.dimension == wanted or "unit" in sample.defaulted:
        return
    yield Finding(
        UNIT_MISMATCH,
        event.time,
        station.identity,
        (event,),
        {
            "measurand": sample.measurand,
            "unit": sample.unit,
            "value": f"{sample.value:g}",
            "right": natural_unit(sample.measurand),
        },
        group=f"{sample.measurand} {sample.unit}",
    )


def _range(sample: Sample, limits: tuple[float, float], event: OcppMessage, station: Station) -> Iterator[Finding]:
    low, high = limits
    margin = (high - low) * MARGIN
    if low - margin <= sample.value <= high + margin or sample.value in NO_READING.get(sample.measurand, ()):
        return
    if sample.measurand == "Power.Factor" and PERCENT_FACTOR < abs(sample.value) <= 100:
        return
    yield Finding(
        OUT_OF_RANGE,
        event.time,
        station.identity,
        (event,),
        {
            "measurand": f"{sample.measurand}{f' of {sample.phase}' if sample.phase else ''}",
            "value": amount_words(sample.value, sample.unit),
            "low": amount_words(low, sample.unit),
            "high": amount_words(high, sample.unit),
        },
        connector=sample.connector,
        group=f"{sample.measurand} {sample.phase}",
    )
