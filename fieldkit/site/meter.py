"""Meter series: what was measured, where, over time.

Meter values come in MeterValues (every version), StopTransaction.transactionData (1.x) and TransactionEvent (2.x). What
a sample leaves out has a default (1.6 §7.45). ``fresh`` is what the last message brought, ``series`` the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.connector import connector_name
from fieldkit.site.reading import as_number, moment, text, whole
from fieldkit.site.room import Room
from fieldkit.site.series import Sample, Series
from fieldkit.site.units import DEFAULT_MEASURAND, natural_unit, unit

if TYPE_CHECKING:
    from fieldkit.site.ledger import Ledger

__all__ = ["MAX_SERIES", "Meters", "Sample", "Series"]

MAX_SERIES: Final = 500
"""Series of one station, some 40 transactions, as long as the site has room: the oldest are forgotten first."""
LEAST_SERIES: Final = 16
"""What every station may keep, however many there are, besides what goes on."""
MAX_READINGS: Final = 2000
"""Readings of one message: transactionData of a day, one a minute, has 1,440."""
MAX_SAMPLES: Final = 20_000
"""Sampled values of one message."""
MAX_SHAPES: Final = 500
"""Different combinations of measurand, phase, location and unit of one station that are remembered."""
MAX_UNREAD: Final = 20
"""Values of one message that are no numbers and are told of."""
_NAME: Final = 60
"""Longest name of a measurand, phase, location or unit; the longest of the standard has 47."""
_LONGEST_NUMBER: Final = 40
"""Longer texts are signed meter data, marked as such or not."""
_LARGEST_MULTIPLIER: Final = 12
_LATEST: Final = (1 << 63) - 1


class _Shape(NamedTuple):
    """All of a sample but its value and context: the same in every message of a station."""

    measurand: str
    phase: str
    location: str
    unit: str
    factor: float
    offset: float
    defaulted: frozenset[str]


class Unread(NamedTuple):
    """A sampled value that is no number."""

    measurand: str
    text: str


class Meters:
    """One station's series."""

    ACTIONS: Final = frozenset({"MeterValues", "StopTransaction", "TransactionEvent"})

    def __init__(self, room: Room | None = None) -> None:
        self._room = room if room is not None else Room()
        self.series: dict[tuple[str, str, str, str, str], Series] = {}
        """By connector, transaction, measurand, phase, location."""
        self.forgotten = 0
        """Series for which there was no room any more."""
        self.fresh: list[Sample] = []
        """The samples of the message that was fed last, in order."""
        self.measured: dict[str, list[Sample]] = {}
        """The same by measurand."""
        self.unread: list[Unread] = []
        """What of that message was no number, signed data aside."""
        self._shapes: dict[tuple[str | None, str | None, str | None, str | None, int], _Shape] = {}

    def feed(self, message: OcppMessage, transactions: Ledger) -> None:
        """Take in a CALL with meter values; ``transactions`` has it already."""
        self.fresh = []
        self.measured = {}
        self.unread = []
        payload = message.payload
        if message.type is not MessageType.CALL or payload.__class__ is not dict:
            return
        readings = _readings(message.action, payload)
        if not readings:
            return
        connector, transaction = _place(payload, transactions)
        room = MAX_SAMPLES
        for reading in islice(readings, MAX_READINGS):
            if reading.__class__ is not dict:
                continue
            time = moment(reading, "timestamp")
            if time is None:
                # The times of a capture may be anything as well; series have room for 64 bits.
                time = max(-_LATEST, min(message.time, _LATEST))
            for sampled in _sampled(reading):
                room -= 1
                if room < 0:
                    return
                self._take(sampled, time, connector, transaction, transactions)

    def _take(self, sampled: Any, time: int, connector: str, transaction: str, transactions: Ledger) -> None:
        if sampled.__class__ is not dict:
            sampled = {"value": sampled}  # 1.5 over JSON allows the bare value
        get = sampled.get
        context = get("context")
        if context is None:
            context = "Sample.Periodic"
        elif context.__class__ is not str or len(context) > _NAME:
            context = "Other"
        shape = self._shape(get("measurand"), get("phase"), get("location"), get("unit"), get("unitOfMeasure"))
        value = as_number(get("value"))
        if value is None:
            self._not_a_number(sampled, shape)
            return
        measurand, phase, location, base, factor, offset, defaulted = shape
        if factor != 1.0 or offset:
            value = value * factor + offset
        sample = Sample(time, value, measurand, phase, location, context, base, connector, transaction, defaulted)
        self.fresh.append(sample)
        same = self.measured.get(measurand)
        if same is None:
            self.measured[measurand] = [sample]
        else:
            same.append(sample)
        key = (connector, transaction, measurand, phase, location)
        series = self.series.get(key)
        if series is None:
            self._make_room(transaction, transactions)
            series = self.series[key] = Series(connector, transaction, measurand, phase, location, base)
        series.add(sample)

    def _make_room(self, transaction: str, transactions: Ledger) -> None:
        """For one more: the oldest of the past makes way, what goes on only where it is far too much."""
        most = self._room.series(MAX_SERIES, LEAST_SERIES)
        if len(self.series) < most:
            return
        going = transactions.open
        past = [key for key in self.series if key[1] and key[1] != transaction and key[1] not in going]
        for key in past[: len(self.series) - most + 1]:
            del self.series[key]
            self.forgotten += 1
        if len(self.series) >= MAX_SERIES:
            del self.series[next(iter(self.series))]
            self.forgotten += 1

    def _shape(self, measurand: Any, phase: Any, location: Any, unit_name: Any, of_measure: Any) -> _Shape:
        if of_measure is None:
            try:
                known = self._shapes.get((measurand, phase, location, unit_name, 0))
            except TypeError:  # a list is no name, and cannot be looked up
                known = None
            if known is not None:
                return known
        multiplier = 0
        if of_measure.__class__ is dict:  # 2.x
            unit_name = of_measure.get("unit")
            multiplier = whole(of_measure, "multiplier") or 0
        key = (
            measurand if measurand.__class__ is str else None,
            phase if phase.__class__ is str else None,
            location if location.__class__ is str else None,
            unit_name if unit_name.__class__ is str else None,
            multiplier,
        )
        shape = self._shapes.get(key)
        if shape is None:
            shape = _shape_of(*key)
            if len(self._shapes) < MAX_SHAPES and all(name is None or len(name) <= _NAME for name in key[:4]):
                self._shapes[key] = shape
        return shape

    def _not_a_number(self, sampled: dict[str, Any], shape: _Shape) -> None:
        if sampled.get("format") == "SignedData" or len(self.unread) >= MAX_UNREAD:
            return
        value = sampled.get("value")
        if value.__class__ is str and len(value) <= _LONGEST_NUMBER:
            self.unread.append(Unread(shape.measurand, value))


def _shape_of(
    measurand: str | None, phase: str | None, location: str | None, unit_name: str | None, multiplier: int
) -> _Shape:
    said = {"measurand": measurand, "phase": phase, "location": location, "unit": unit_name}
    defaulted = frozenset(name for name, value in said.items() if not value and name != "phase")
    measurand = (measurand or DEFAULT_MEASURAND)[:_NAME]
    known = unit(unit_name[:_NAME]) if unit_name else None
    if unit_name and known is None:
        base, factor, offset = unit_name[:_NAME], 1.0, 0.0
    elif known is not None:
        base, factor, offset = known.base, known.factor, known.offset
    else:
        base, factor, offset = natural_unit(measurand), 1.0, 0.0
    if multiplier and abs(multiplier) <= _LARGEST_MULTIPLIER:
        factor *= 10.0**multiplier
    return _Shape(measurand, (phase or "")[:_NAME], (location or "Outlet")[:_NAME], base, factor, offset, defaulted)


def _readings(action: str, payload: dict[str, Any]) -> Sequence[Any]:
    """The objects with a timestamp and sampled values."""
    if action == "StopTransaction":
        found = payload.get("transactionData")
        if found.__class__ is list and found and found[0].__class__ is dict and "values" in found[0]:
            # 1.5: transactionData is a list of what MeterValues has in ``values``
            return [
                reading
                for data in found[:MAX_READINGS]
                if data.__class__ is dict and data.get("values").__class__ is list
                for reading in data["values"][:MAX_READINGS]
            ][:MAX_READINGS]
    else:
        found = payload.get("meterValue")
        if found is None and action == "MeterValues":
            found = payload.get("values")  # 1.5
    return found if found.__class__ is list else ()


def _sampled(reading: dict[str, Any]) -> Iterator[Any]:
    found = reading.get("sampledValue")
    if found is None:
        found = reading.get("value", reading.get("values"))  # 1.5
    if found.__class__ is list:
        return iter(found)
    return iter(()) if found is None else iter((found,))


def _place(payload: dict[str, Any], transactions: Ledger) -> tuple[str, str]:
    """The connector, as ``connector_name`` spells it, and the transaction; either may be empty."""
    latest = transactions.latest
    evse = whole(payload, "evse", "id") or whole(payload, "evseId") or 0
    connector = whole(payload, "evse", "connectorId") if "evse" in payload else whole(payload, "connectorId")
    name = connector_name(max(evse, 0), max(connector or 0, 0))
    if latest is not None:
        return latest.connector or name, latest.id
    given = text(payload, "transactionInfo", "transactionId")
    if given is None:
        id_ = whole(payload, "transactionId")
        # Stations write 0 or -1 where they mean "none"; a CSMS that numbers so is known to the ledger.
        given = str(id_) if id_ is not None and id_ > 0 else ""
    if not given and evse <= 0 and (running := transactions.on(name)) is not None:
        given = running.id  # transactionId is optional (1.6 §6.31): the reading belongs to what is going on there
    return name, given[:_NAME]
