"""Do the halves of transactions belong together: ids, starts and stops that are missing, repeated or contradict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Final

from fieldkit.checks.check import Check
from fieldkit.checks.continuity import Continuity, View
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.picture import Picture
from fieldkit.site.reading import moment, objects, whole
from fieldkit.site.station import Station
from fieldkit.site.transaction import PLACEHOLDERS, Transaction

MAX_WATCHED: Final = 20_000
"""Connectors remembered in all."""
SETTLING: Final = 120 * SECOND
"""Time in which a Stop may follow the status Available, or a Start the status Charging: both are seconds in the field,
a minute with a slow uplink."""
LOST_BY_RESTART: Final = frozenset({"PowerLoss", "Reboot", "HardReset", "SoftReset"})
"""A Stop for these reasons comes after a boot, for a transaction from before it."""

_ODD_ID = Kind(
    "transaction.odd-id",
    "info",
    "csms",
    "The CSMS gave a transaction id that stations may not take",
    "The CSMS answered the start of a transaction with the id {id}. It is allowed, but many stations take 0 and "
    'negative numbers for "no transaction".',
    "Have the CSMS count transactions from 1.",
    "https://github.com/mikuso/ocpp-rpc/issues/82",
)
_SHARED_ID = Kind(
    "transaction.id-given-twice",
    "warning",
    "csms",
    "The CSMS gave the same id to two transactions",
    "The CSMS gave the id {id} to a transaction at {where} that it had given to another one before. Meter values and "
    "the stop of one may be booked to the other.",
    "Have the maintainer of the CSMS make ids unique; check the bills of both transactions.",
    "OCPP 1.6 §4.8",
)
_WRONG_ID = Kind(
    "transaction.wrong-id",
    "warning",
    "station",
    "The station names another transaction than the CSMS gave it",
    "{action} carries the transaction id {sent}, while the transaction that runs at {where} has the id {id}. The CSMS "
    "cannot book it: energy or the end of the session is lost for billing.",
    "It is a defect of the station's firmware: report it to the manufacturer with these messages. Correct the session "
    "in the CSMS by hand.",
    "https://github.com/EVerest/libocpp/issues/495",
)
_NO_START = Kind(
    "transaction.stop-without-start",
    "warning",
    "station",
    "A transaction was stopped whose start never came",
    "StopTransaction for the id {sent} came at {time} without a StartTransaction before it{why}. The CSMS cannot book "
    "{energy}.",
    "Probably the start was lost while the station was offline or restarted: look at TransactionMessageAttempts and "
    "the firmware's queue. Book the session in the CSMS by hand.",
    "https://github.com/matth-x/MicroOcpp/issues/454",
    inferred=True,
)
_CHARGING_WITHOUT = Kind(
    "transaction.charging-without-start",
    "warning",
    "station",
    "A connector charges without a transaction",
    "{where} is Charging since {time}, and {after} later there was no StartTransaction for it. What flows is not "
    "booked.",
    "Check whether the station runs in a free mode; if it does not, report it to the manufacturer.",
    "OCPP 1.6 §4.8",
)
_STOP_AGAIN = Kind(
    "transaction.stop-again",
    "info",
    "station",
    "The end of a transaction was sent more than once",
    "The station sent the StopTransaction of transaction {id} again, with the same content. That is what it must do "
    "when it got no (good) answer; the CSMS has to answer it again and book it once.",
    "Nothing, unless it goes on: then look at what the CSMS answers, and whether the answer reaches the station.",
    "https://github.com/steve-community/steve/issues/1294",
)
_STOP_CONTRADICTS = Kind(
    "transaction.stop-contradicts",
    "warning",
    "station",
    "A transaction was stopped twice, with different content",
    "The station sent a second StopTransaction for transaction {id}, which says something else than the first: "
    "{differs}.",
    "Decide in the CSMS which of the two counts (as a rule the first), and report it to the manufacturer.",
    "OCPP 1.6 §4.10",
)
_START_AGAIN = Kind(
    "transaction.start-again",
    "info",
    "station",
    "The start of a transaction was sent more than once",
    "The station sent the StartTransaction at {where} again, with the same content. That is what it must do when it "
    "got no (good) answer; the CSMS has to recognise it and give the same id.",
    "Nothing, unless it goes on: then look at what the CSMS answers, and whether the answer reaches the station.",
    "OCPP 1.6 §3.7",
)
_COUNTED_TWICE = Kind(
    "transaction.start-counted-twice",
    "warning",
    "csms",
    "One start became two transactions in the CSMS",
    "The station sent the same StartTransaction at {where} again, and the CSMS gave it a second id: {earlier}, then "
    "{id}. One of the two will never be stopped.",
    "Close transaction {earlier} in the CSMS; have its maintainer recognise repeated starts by connector, token and "
    "time.",
    "https://github.com/steve-community/steve/issues/1294",
)
_WHILE_RUNNING = Kind(
    "transaction.start-while-running",
    "warning",
    "station",
    "A transaction was started while another one ran at the same connector",
    "At {time} the station started a transaction at {where}, where transaction {earlier} had begun {after} before and "
    "was never stopped. The CSMS keeps transaction {earlier} open: the card may then be refused with ConcurrentTx.",
    "Close transaction {earlier} in the CSMS; report it to the manufacturer if it happens again.",
    "OCPP 1.6 §4.8",
)
_NEVER_ENDED = Kind(
    "transaction.never-ended",
    "warning",
    "station",
    "A connector is free again, but its transaction was never stopped",
    "{where} became Available at {time}, and {after} later transaction {id} was still not stopped. The CSMS keeps it "
    "open: it is not billed, and the card may be refused elsewhere with ConcurrentTx.",
    "Close transaction {id} in the CSMS. Look whether the station sends the stop later (it may be queued); if it "
    "never does, report it to the manufacturer.",
    "OCPP 1.6 §4.10",
)
_OFFLINE = Kind(
    "transaction.offline",
    "info",
    "unknown",
    "A transaction began while the station was offline",
    "Transaction {id} at {where} began {lag} before its start reached the CSMS: the station was offline and sent it "
    "afterwards.",
    "Nothing for this session. Look at the connection if it happens often.",
    "OCPP 1.6 §3.5",
    inferred=True,
)


@dataclass(slots=True)
class _Place:
    """What is remembered of one connector."""

    view: View | None = None
    idle: int | None = None
    """Capture time at which it was Available, in this view …"""
    busy: bool = False
    """… and whether it has charged since without a start."""
    charging: OcppMessage | None = None
    """StatusNotification Charging that waits for its start."""
    freed: tuple[OcppMessage, Transaction] | None = None
    """StatusNotification Available that waits for the stop."""


@dataclass(slots=True)
class _Site:
    places: dict[str, _Place] = field(default_factory=dict)
    waiting: bool = False
    """Some place waits for a start or stop."""


class TransactionHalves(Check):
    """1.x: ids, starts and stops (2.x: ``transaction_event``)."""

    kinds: ClassVar[tuple[Kind, ...]] = (
        _ODD_ID,
        _SHARED_ID,
        _WRONG_ID,
        _NO_START,
        _CHARGING_WITHOUT,
        _STOP_AGAIN,
        _STOP_CONTRADICTS,
        _START_AGAIN,
        _COUNTED_TWICE,
        _WHILE_RUNNING,
        _NEVER_ENDED,
        _OFFLINE,
    )
    wants = Continuity.WANTS
    actions = frozenset({"StartTransaction", "StopTransaction", "MeterValues", "StatusNotification", "Heartbeat", ""})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._continuity = Continuity()
        self._sites: dict[str, _Site] = {}
        self._places = 0

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge by what the ledger made of the message."""
        self._continuity.note(event)
        if not isinstance(event, OcppMessage) or event.channel.version.startswith("2"):
            return ()
        station = picture.stations.get(event.channel.station)
        if station is None or event.payload is None:
            return ()
        if event.call is not None:
            if event.action == "StartTransaction" and event.error is None:
                return self._answered(event, station)
            return ()
        if event.type is not MessageType.CALL or event.sender != "station":
            return ()
        site = self._sites.get(event.channel.station)
        found: Iterable[Finding] = ()
        if event.action == "StatusNotification":
            found = self._status(event, station)
        elif event.action == "StartTransaction":
            found = self._started(event, station)
        elif event.action == "StopTransaction":
            found = self._stopped(event, station)
        elif event.action == "MeterValues" and station.transactions.sent_id:
            found = self._metered(event, station)
        if site is not None and site.waiting:
            return [*found, *self._overdue(event, station, site)]
        return found

    # ---------------------------------------------------------------------------------------------------------- ids

    def _answered(self, answer: OcppMessage, station: Station) -> Iterator[Finding]:
        ledger = station.transactions
        made, id_ = ledger.latest, whole(answer.payload, "transactionId")
        if made is None or id_ is None or answer.call is None:
            return
        values: dict[str, object] = {"id": str(id_)[:40], "where": _where(made.connector)}
        evidence = (answer, answer.call)
        if id_ <= 0 and made.authorized in ("", "Accepted"):
            yield Finding(_ODD_ID, answer.time, station.identity, evidence, values, made.connector)
        if ledger.shared is not None and ledger.shared is not made:
            shown = tuple(event for event in (answer, ledger.shared.begin) if event is not None)
            yield Finding(_SHARED_ID, answer.time, station.identity, shown, values, made.connector)
        earlier = made.notes.get("earlier_id", "")
        if earlier and made.begun_again:
            values["earlier"] = earlier
            yield Finding(_COUNTED_TWICE, answer.time, station.identity, evidence, values, made.connector, made.id)

    def _metered(self, message: OcppMessage, station: Station) -> Iterator[Finding]:
        """1.6 §4.7: a transactionId in MeterValues is the one that the CSMS gave."""
        ledger = station.transactions
        place = whole(message.payload, "connectorId") or 0
        running = ledger.on(str(place)) if place > 0 else None
        if ledger.latest is not None or running is None or running.begin is None or not running.id:
            return
        if "start_error" in running.notes:
            return
        told = next((moment(reading, "timestamp") for reading in objects(message.payload, "meterValue")), None)
        if ledger.sent_id not in PLACEHOLDERS and (
            told is None or running.started is None or told < running.started or running.offline
        ):
            # Queued values of a transaction from before the capture.
            return
        values = {
            "action": "MeterValues",
            "sent": ledger.sent_id or '""',
            "id": running.id,
            "where": _where(running.connector),
        }
        evidence = (message, running.begin)
        yield Finding(_WRONG_ID, message.time, station.identity, evidence, values, running.connector, running.id)

    # -------------------------------------------------------------------------------------------------------- halves

    def _started(self, call: OcppMessage, station: Station) -> Iterator[Finding]:
        ledger = station.transactions
        made = ledger.latest
        if made is None:
            return
        place = self._place(station.identity, made.connector)
        values: dict[str, object] = {
            "where": _where(made.connector),
            "time": clock(call.time),
            "id": made.id or "(id not given yet)",
        }
        if ledger.found == "again":
            evidence = (call, made.begin) if made.begin is not None else (call,)
            yield Finding(_START_AGAIN, call.time, station.identity, evidence, values, made.connector)
            return
        if made.offline and made.started is not None:
            values["lag"] = duration(call.time - made.started)
            yield Finding(_OFFLINE, call.time, station.identity, (call,), values, made.connector)
        view = self._continuity.view(call)
        earlier = _other_running(station, made)
        if earlier is not None and earlier.begin is not None:
            same = place is not None and place.view == view and _tells_all(call, station)
            same = same and earlier.begin.time >= view.since
            if same and "start_error" not in earlier.notes and earlier.id and not made.offline:
                after = duration(call.time - earlier.begin.time)
                values |= {"earlier": earlier.id, "after": after}
                evidence = (call, earlier.begin)
                yield Finding(_WHILE_RUNNING, call.time, station.identity, evidence, values, made.connector)
        if place is not None:
            place.view, place.charging, place.busy, place.freed = view, None, False, None

    def _stopped(self, call: OcppMessage, station: Station) -> Iterator[Finding]:
        ledger = station.transactions
        made, sent = ledger.latest, ledger.sent_id
        if made is None:
            return
        name = made.id or sent or '""'
        values: dict[str, object] = {
            "id": name,
            "sent": sent or '""',
            "where": _where(made.connector),
            "time": clock(call.time),
            "action": "StopTransaction",
        }
        if ledger.found == "again":
            evidence = (call, made.end) if made.end is not None else (call,)
            yield Finding(_STOP_AGAIN, call.time, station.identity, evidence, values, made.connector, made.id)
        elif ledger.found == "contradicts":
            differs = _differences(call, made)
            if differs:
                values["differs"] = differs
                evidence = (call, made.end) if made.end is not None else (call,)
                yield Finding(_STOP_CONTRADICTS, call.time, station.identity, evidence, values, made.connector, name)
        elif ledger.found == "instead" or (ledger.found == "adopted" and sent in PLACEHOLDERS and made.id):
            evidence = (call, made.begin) if made.begin is not None else (call,)
            yield Finding(_WRONG_ID, call.time, station.identity, evidence, values, made.connector, made.id)
        elif ledger.found == "unknown":
            yield from self._without_start(call, station, made, values)
        place = self._place(station.identity, made.connector)
        if place is not None and place.freed is not None and place.freed[1] is made:
            place.freed = None

    def _without_start(
        self, call: OcppMessage, station: Station, made: Transaction, values: dict[str, object]
    ) -> Iterator[Finding]:
        """Only where the start must have been seen: a connector went from Available to charging in an unbroken view
        without one, or the station has no id, so that none was ever given."""
        energy = f"up to {made.meter_stop / 1000:.2f} kWh by its register" if made.meter_stop else "what was charged"
        values["energy"] = energy
        if values["sent"] in ("0", "-1", '""'):
            values["why"] = ", and with an id that stations use as long as the CSMS has given them none"
        else:
            view = self._continuity.view(call)
            site = self._sites.get(station.identity)
            busy = [place for place in site.places.values() if place.busy and place.view == view] if site else []
            told = made.stopped
            if not busy or made.stop_reason in LOST_BY_RESTART or not _tells_all(call, station):
                return
            if told is None or any(place.idle is None or told < place.idle for place in busy):
                return
            values["why"] = ", although a connector was seen to begin charging"
        yield Finding(_NO_START, call.time, station.identity, (call,), values, transaction=made.id)

    # -------------------------------------------------------------------------------------------------------- status

    def _status(self, message: OcppMessage, station: Station) -> Iterator[Finding]:
        for connector, change in station.connectors.fresh:
            if not connector.number or change.status == change.previous:
                continue
            place = self._place(station.identity, connector.name)
            if place is None:
                continue
            view = self._continuity.view(message)
            if place.view != view:
                place.view, place.idle, place.busy, place.charging, place.freed = view, None, False, None, None
            running = station.transactions.on(connector.name)
            if change.status == "Available":
                place.idle, place.busy, place.charging = message.time, False, None
                if running is not None and running.begin is not None and running.begin.time >= view.since:
                    place.freed = (message, running)
                    self._sites[station.identity].waiting = True
            else:
                place.freed = None
                if change.status == "Charging" and running is None and place.idle is not None:
                    place.busy, place.charging = True, message
                    self._sites[station.identity].waiting = True
                elif change.status not in ("Charging", "SuspendedEV", "SuspendedEVSE"):
                    place.charging = None
        return iter(())

    def _overdue(self, message: OcppMessage, station: Station, site: _Site) -> Iterator[Finding]:
        """The station goes on talking, and what should have come long ago has not."""
        view = self._continuity.view(message)
        left = False
        for name, place in site.places.items():
            if place.charging is not None:
                charging, since = place.charging, place.charging.time
                if place.view != view or station.transactions.on(name) is not None:
                    place.charging = None
                elif message.time - since > SETTLING:
                    place.charging = None
                    if _tells_all(message, station):
                        after = duration(message.time - since)
                        values = {"where": _where(name), "time": clock(since), "after": after}
                        yield Finding(_CHARGING_WITHOUT, since, station.identity, (charging, message), values, name)
                else:
                    left = True
            if place.freed is not None:
                freed, going = place.freed
                if place.view != view or going.end is not None:
                    place.freed = None
                elif message.time - freed.time > SETTLING:
                    place.freed = None
                    yield from _never_ended(station, name, freed, going, message)
                else:
                    left = True
        site.waiting = left

    def _place(self, station: str, connector: str) -> _Place | None:
        if not connector:
            return None
        site = self._sites.get(station)
        if site is None:
            if self._places >= MAX_WATCHED:
                return None
            site = self._sites[station] = _Site()
        place = site.places.get(connector)
        if place is None and self._places < MAX_WATCHED:
            self._places += 1
            place = site.places[connector] = _Place()
        return place


def _never_ended(
    station: Station, connector: str, freed: OcppMessage, going: Transaction, now: OcppMessage
) -> Iterator[Finding]:
    if "start_error" in going.notes or not _tells_all(freed, station):
        return
    values = {
        "where": _where(connector),
        "time": clock(freed.time),
        "after": duration(now.time - freed.time),
        "id": going.id or "(without id)",
    }
    evidence = (freed, going.begin, now) if going.begin is not None else (freed, now)
    yield Finding(_NEVER_ENDED, freed.time, station.identity, evidence, values, connector, going.id)


def _tells_all(message: OcppMessage, station: Station) -> bool:
    """A capture does; a log may be an extract, unless it has starts and stops of this station."""
    if message.channel.connection is not None:
        return True
    return any(done.complete for done in islice(reversed(station.transactions.closed), 5))


def _other_running(station: Station, made: Transaction) -> Transaction | None:
    """Another transaction that goes on where this one has begun."""
    if not made.connector:
        return None
    for going in station.transactions.open.values():
        if going is not made and going.connector == made.connector:
            return going
    return None


def _differences(call: OcppMessage, made: Transaction) -> str:
    """How a second StopTransaction differs from the first, in what counts for billing."""
    found = []
    meter, told = whole(call.payload, "meterStop"), moment(call.payload, "timestamp")
    if meter is not None and made.meter_stop is not None and meter != made.meter_stop:
        found.append(f"meterStop {meter} Wh instead of {made.meter_stop:.0f} Wh")
    if told is not None and made.stopped is not None and told != made.stopped:
        found.append(f"timestamp {clock(told)} instead of {clock(made.stopped)}")
    if not found:
        found.append("another reason")
    return ", ".join(found)


def _where(connector: str) -> str:
    return f"connector {connector}" if connector else "an unknown connector"
