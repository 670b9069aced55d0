"""2.x TransactionEvents: their numbers, their order, and whether what they tell fits together (Part 2 E)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from fieldkit.checks.check import Check
from fieldkit.checks.continuity import Continuity, View
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.ongoing import Ongoing
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.ocpp.timestamps import read_datetime
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture
from fieldkit.site.reading import flag, member, moment, text, whole
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction

QUEUED: Final = 120 * SECOND
"""An event that comes so much later than its timestamp, the station's clock offset allowed for, was queued."""

_GAP = Kind(
    "transaction-event.seq-gap",
    "warning",
    "station",
    "Events of a transaction are missing",
    "In transaction {id} the seqNo went from {before} to {now}, and nothing is missing in the capture: {missing} "
    "not sent in between. A CSMS may keep the transaction open because it waits for them.",
    "If the station was offline, it may send them later; otherwise report it to the manufacturer.",
    "OCPP 2.0.1 Part 2 E01, E04",
)
_REPEAT = Kind(
    "transaction-event.seq-repeat",
    "warning",
    "station",
    "The events of a transaction are not counted up",
    "In transaction {id} the event {event} ({trigger}) has seqNo {now}, {how}. The number must grow by one with each "
    "event; a CSMS may throw the event away as a repetition.",
    "Report it to the manufacturer of the station; check the bills of its sessions.",
    "OCPP 2.0.1 Part 2 E01",
)
_AGAIN = Kind(
    "transaction-event.again",
    "info",
    "station",
    "An event of a transaction was sent more than once",
    "In transaction {id} the event {event} with seqNo {now} was sent again, with the same timestamp. That is what the "
    "station must do when it got no (good) answer; the CSMS has to answer it again and count it once.",
    "Nothing, unless it goes on: then look at what the CSMS answers, and whether the answer reaches the station.",
    "OCPP 2.0.1 Part 2 E13",
)
_NO_STARTED = Kind(
    "transaction-event.no-started",
    "warning",
    "station",
    "A transaction goes on that never began",
    "The first event of transaction {id} is {event} with seqNo {now}; no Started came before it, although {why}. The "
    "CSMS has no begin to book.",
    "Report it to the manufacturer; book the session in the CSMS by hand.",
    "OCPP 2.0.1 Part 2 E01",
)
_AFTER_ENDED = Kind(
    "transaction-event.after-ended",
    "warning",
    "station",
    "A transaction goes on after its end",
    "The event {event} ({trigger}, seqNo {now}) of transaction {id} came {after} after the event Ended.",
    "Report it to the manufacturer: what happens after the end belongs to a new transaction.",
    "OCPP 2.0.1 Part 2 E06",
)
_TWICE = Kind(
    "transaction-event.contradicts",
    "warning",
    "station",
    "A transaction begins or ends twice",
    "A second event {event} of transaction {id} came at {time}, with another seqNo or timestamp than the first. "
    "Either the id was used again for another transaction, or the station lost its memory of it.",
    "Look at both events; correct the session in the CSMS, and report it to the manufacturer.",
    "OCPP 2.0.1 Part 2 E01",
)
_CONTRADICTION = Kind(
    "transaction-event.state-contradicts",
    "warning",
    "station",
    "An event of a transaction contradicts itself",
    "In transaction {id} the event {event} with triggerReason {trigger} came with chargingState {state}: {why}.",
    "Do not rely on the charging state that this station tells; report it to the manufacturer.",
    "OCPP 2.0.1 Part 2 TriggerReasonEnumType, ChargingStateEnumType",
)
_TRIGGER_EMPTY = Kind(
    "transaction-event.trigger-without-content",
    "info",
    "station",
    "An event of a transaction lacks what it was sent for",
    "In transaction {id} the event {event} has the triggerReason {trigger}, but {why}.",
    "Report it to the manufacturer; the CSMS cannot do anything with such an event.",
    "OCPP 2.0.1 Part 2 E02, F02",
)
_OFFLINE = Kind(
    "transaction-event.offline",
    "info",
    "unknown",
    "Events of a transaction were recorded while the station was offline",
    "Events of transaction {id} are marked as recorded offline, the first of them from {told}; it reached the CSMS at "
    "{time}.",
    "Nothing for this session. Look at the connection if it happens often.",
    "OCPP 2.0.1 Part 2 E04",
)
_NOT_MARKED = Kind(
    "transaction-event.offline-not-marked",
    "info",
    "station",
    "An event came late and is not marked as offline",
    "The event {event} (seqNo {now}) of transaction {id} came {late} after its timestamp without offline=true. Either "
    "it was queued and should be marked, or the station's clock jumped.",
    "Compare with the findings on connection and clock; report it to the manufacturer if the station had been offline.",
    "OCPP 2.0.1 Part 2 E04",
    inferred=True,
)
_NO_METER = Kind(
    "transaction-event.no-meter",
    "warning",
    "station",
    "A transaction ended without any energy reading",
    "Transaction {id} ended at {time}, and not one of its events had a reading of the energy register. It cannot be "
    "billed by energy.",
    "Set SampledDataCtrlr.TxStartedMeasurands, TxUpdatedMeasurands and TxEndedMeasurands to have "
    "Energy.Active.Import.Register; check the meter.",
    "OCPP 2.0.1 Part 2 J02",
)
_NO_METER_HERE = Kind(
    "transaction-event.no-meter-at-edge",
    "info",
    "station",
    "A transaction has no energy reading at its begin or end",
    "Transaction {id} has no reading of the energy register in its event {edge}. Its energy has to be taken from the "
    "nearest reading, and is not exact.",
    "Set SampledDataCtrlr.{setting} to have Energy.Active.Import.Register.",
    "OCPP 2.0.1 Part 2 J02",
)

_IMPOSSIBLE: Final[dict[tuple[str, str], str]] = {
    ("CablePluggedIn", "Idle"): "Idle means that no vehicle is connected",
    ("EVDetected", "Idle"): "Idle means that no vehicle is connected",
    ("EVDeparted", "Charging"): "a vehicle that has left cannot charge",
    ("EVCommunicationLost", "Charging"): "a vehicle that was lost cannot charge",
    ("EVConnectTimeout", "Charging"): "a vehicle that did not connect in time cannot charge",
    ("EVConnectTimeout", "SuspendedEV"): "a vehicle that did not connect in time is not there",
}
"""(triggerReason, chargingState) that exclude each other."""


@dataclass(slots=True)
class _Last:
    """The last event of a transaction that goes on."""

    message: OcppMessage
    seq: int | None
    told: str
    view: View


class TransactionEvents(Check):
    """One event after the other."""

    kinds: ClassVar[tuple[Kind, ...]] = (
        _GAP,
        _REPEAT,
        _AGAIN,
        _NO_STARTED,
        _AFTER_ENDED,
        _TWICE,
        _CONTRADICTION,
        _TRIGGER_EMPTY,
        _OFFLINE,
        _NOT_MARKED,
        _NO_METER,
        _NO_METER_HERE,
    )
    wants = Continuity.WANTS
    actions = frozenset({"TransactionEvent", ""})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._continuity = Continuity()
        self._last: Ongoing[_Last] = Ongoing()
        """By transaction."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge an event by those before it."""
        self._continuity.note(event)
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL or event.sender != "station":
            return ()
        station = picture.stations.get(event.channel.station)
        made = station.transactions.latest if station is not None else None
        if station is None or made is None or event.action != "TransactionEvent":
            return ()
        return self._judged(event, station, made)

    def _judged(self, message: OcppMessage, station: Station, made: Transaction) -> Iterator[Finding]:
        payload, ledger = message.payload, station.transactions
        kind, seq = member(payload, "eventType"), whole(payload, "seqNo")
        trigger, told = text(payload, "triggerReason") or "", (text(payload, "timestamp") or "")[:40]
        view = self._continuity.view(message)
        last = self._last.get(station, (made.id,))
        values: dict[str, object] = {
            "id": made.id,
            "event": kind,
            "trigger": trigger[:50] or "(none)",
            "now": seq if seq is not None and abs(seq) < 1 << 63 else "(none)",
            "time": clock(message.time),
        }
        repeated = last is not None and (seq, told) == (last.seq, last.told)
        for found, more, earlier in (
            *_numbers(values, last, seq, told, view, payload),
            *(() if repeated else _order(station, message, made, values, view)),
            *(() if repeated else _content(ledger.before, made, payload, kind, trigger, last, view)),
            *_offline(message, station, payload),
            *_metered(message, made, payload, kind, ledger.found),
        ):
            evidence = (message, earlier) if earlier is not None else (message,)
            group = str(more.get("edge") or more.get("why") or "")
            yield Finding(
                found, message.time, station.identity, evidence, values | more, made.connector, made.id, group
            )
        if made.end is not None:
            self._last.pop(station, (made.id,))
            return
        overtaken = last is not None and last.seq is not None and seq is not None and seq < last.seq
        if not repeated and not (overtaken and (flag(payload, "offline") or _is_older(told, last))):
            self._last.put(station, (made.id,), _Last(bounded(message), seq, told, view))


_More = Iterator[tuple[Kind, dict[str, object], OcppMessage | None]]


def _numbers(
    values: dict[str, object], last: _Last | None, seq: int | None, told: str, view: View, payload: Any
) -> _More:
    """E01: seqNo grows by one from event to event, also over a time offline."""
    if last is None or last.seq is None or seq is None:
        return
    step = seq - last.seq
    if step == 0 and told == last.told:
        yield _AGAIN, {}, last.message
    elif step <= 0:
        # Queued events may come after newer ones.
        if step == 0 or not (flag(payload, "offline") or _is_older(told, last)):
            how = "which an earlier, different event had" if step == 0 else f"after {last.seq} in the event before"
            yield _REPEAT, {"how": how}, last.message
    elif step > 1 and last.view == view:
        count = step - 1
        missing = f"{count} event was" if count == 1 else f"{count} events were"
        yield _GAP, {"before": last.seq, "missing": missing}, last.message


def _is_older(told: str, last: _Last | None) -> bool:
    """Does an event tell of a time before the one that came before it?"""
    if last is None:
        return False
    this, that = read_datetime(told), read_datetime(last.told)
    return this is not None and that is not None and this.time < that.time


def _order(station: Station, message: OcppMessage, made: Transaction, values: dict[str, object], view: View) -> _More:
    """Started, then any number of Updated, then Ended (E01 to E06)."""
    found = station.transactions.found
    if found == "contradicts":
        earlier = made.begin if values["event"] == "Started" else made.end
        yield _TWICE, {}, earlier
    elif found == "late" and made.end is not None:
        told, after = moment(message.payload, "timestamp"), message.time - made.end.time
        if told is not None and made.stopped is not None and told <= made.stopped:
            return  # queued, and overtaken by the end
        yield _AFTER_ENDED, {"after": duration(after)}, made.end
    elif found == "unknown" and not flag(message.payload, "offline"):
        why = ""
        if values["now"] == 0:
            why = "that is the number of a first event"
        else:
            for connector in station.connectors.all.values():
                if connector.name != made.connector or not connector.history:
                    continue
                free = [change for change in connector.history if change.status == "Available"][-1:]
                told = moment(message.payload, "timestamp")
                if not free or told is None or free[0].told is None or connector.status == "Available":
                    continue
                if view.since <= free[0].time and free[0].told < told:
                    why = f"the connector was seen free at {clock(free[0].time)}"
        if why and message.channel.connection is not None:
            yield _NO_STARTED, {"why": why}, None


def _content(
    before: tuple[int | None, str, str],
    made: Transaction,
    payload: Any,
    kind: Any,
    trigger: str,
    last: _Last | None,
    view: View,
) -> _More:
    """Does the reason for an event fit to what it tells?"""
    state = text(payload, "transactionInfo", "chargingState")
    why = _IMPOSSIBLE.get((trigger, state or ""))
    if why is None and kind == "Ended" and state == "Charging" and trigger == "ChargingStateChanged":
        # With another trigger it may be the state right before the end.
        why = "a transaction that has ended does not charge"
    unbroken = last is not None and last.view == view
    if why is None and trigger == "ChargingStateChanged" and state and state == before[1] and unbroken:
        why = "that was the state before, too"
    if why is not None:
        yield _CONTRADICTION, {"state": (state or "")[:50], "why": why}, last.message if last is not None else None
    if trigger == "ChargingStateChanged" and state is None:
        yield _TRIGGER_EMPTY, {"why": "it does not tell the chargingState"}, None
    elif trigger in ("MeterValuePeriodic", "MeterValueClock") and member(payload, "meterValue") is None:
        yield _TRIGGER_EMPTY, {"why": "it has no meter values"}, None
    elif trigger == "RemoteStart" and whole(payload, "transactionInfo", "remoteStartId") is None:
        why = "it does not name the order (remoteStartId), so that the CSMS cannot tell which one it follows from"
        yield _TRIGGER_EMPTY, {"why": why}, None


def _offline(message: OcppMessage, station: Station, payload: Any) -> _More:
    """E04: what is recorded offline is marked so."""
    marked = flag(payload, "offline")
    if marked:
        told = moment(payload, "timestamp")
        yield _OFFLINE, {"told": clock(told) if told is not None else "an unknown time"}, None
        return
    offset = station.clock.offset
    if offset is None or message.channel.connection is None:
        return
    told = moment(payload, "timestamp")
    if told is None:
        return
    late = message.time + offset - told
    if late > QUEUED and told < message.channel.connection.opened + offset:
        yield _NOT_MARKED, {"late": duration(late)}, None


def _metered(message: OcppMessage, made: Transaction, payload: Any, kind: Any, found: str) -> _More:
    """J02: with which readings a transaction begins and ends is a setting, but without any it cannot be billed."""
    if found in ("again", "contradicts", "late"):
        return
    readings = member(payload, "meterValue")
    if kind == "Started" and not readings:
        yield _NO_METER_HERE, {"edge": "Started", "setting": "TxStartedMeasurands"}, None
    elif kind == "Ended" and made.begin is not None:
        if made.meter_last is None and made.meter_stop is None:
            length = (made.stopped or 0) - (made.started or 0)
            yield (_NO_METER if length > QUEUED and not readings else _NO_METER_HERE), _edge_ended(), made.begin
        elif not readings:
            yield _NO_METER_HERE, _edge_ended(), None


def _edge_ended() -> dict[str, object]:
    return {"edge": "Ended", "setting": "TxEndedMeasurands"}
