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
from fieldkit.checks.transactionkinds import (
    CHARGING_WITHOUT,
    COUNTED_TWICE,
    NEVER_ENDED,
    NO_START,
    ODD_ID,
    OFFLINE,
    SHARED_ID,
    START_AGAIN,
    STOP_AGAIN,
    STOP_CONTRADICTS,
    WHILE_RUNNING,
    WRONG_ID,
)
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.light import bounded
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
    """What is kept of a station."""

    places: dict[str, _Place] = field(default_factory=dict)
    waiting: bool = False
    """Some place waits for a start or stop."""


class TransactionHalves(Check):
    """1.x: ids, starts and stops (2.x: ``transaction_event``)."""

    kinds: ClassVar[tuple[Kind, ...]] = (
        ODD_ID,
        SHARED_ID,
        WRONG_ID,
        NO_START,
        CHARGING_WITHOUT,
        STOP_AGAIN,
        STOP_CONTRADICTS,
        START_AGAIN,
        COUNTED_TWICE,
        WHILE_RUNNING,
        NEVER_ENDED,
        OFFLINE,
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
            yield Finding(ODD_ID, answer.time, station.identity, evidence, values, made.connector)
        if ledger.shared is not None and ledger.shared is not made:
            shown = tuple(event for event in (answer, ledger.shared.begin) if event is not None)
            yield Finding(SHARED_ID, answer.time, station.identity, shown, values, made.connector)
        earlier = made.notes.get("earlier_id", "")
        if earlier and made.begun_again:
            values["earlier"] = earlier
            yield Finding(COUNTED_TWICE, answer.time, station.identity, evidence, values, made.connector, made.id)

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
        yield Finding(WRONG_ID, message.time, station.identity, evidence, values, running.connector, running.id)

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
            yield Finding(START_AGAIN, call.time, station.identity, evidence, values, made.connector)
            return
        if made.offline and made.started is not None:
            values["lag"] = duration(call.time - made.started)
            yield Finding(OFFLINE, call.time, station.identity, (call,), values, made.connector)
        view = self._continuity.view(call)
        earlier = _other_running(station, made)
        if earlier is not None and earlier.begin is not None:
            same = place is not None and place.view == view and _tells_all(call, station)
            same = same and earlier.begin.time >= view.since
            if same and "start_error" not in earlier.notes and earlier.id and not made.offline:
                after = duration(call.time - earlier.begin.time)
                values |= {"earlier": earlier.id, "after": after}
                evidence = (call, earlier.begin)
                yield Finding(WHILE_RUNNING, call.time, station.identity, evidence, values, made.connector)
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
            yield Finding(STOP_AGAIN, call.time, station.identity, evidence, values, made.connector, made.id)
        elif ledger.found == "contradicts":
            differs = _differences(call, made)
            if differs:
                values["differs"] = differs
                evidence = (call, made.end) if made.end is not None else (call,)
                yield Finding(STOP_CONTRADICTS, call.time, station.identity, evidence, values, made.connector, name)
        elif (ledger.found == "instead" and self._can_mean_no_other(call, station, made, sent)) or (
            ledger.found == "adopted" and sent in PLACEHOLDERS and made.id
        ):
            evidence = (call, made.begin) if made.begin is not None else (call,)
            yield Finding(WRONG_ID, call.time, station.identity, evidence, values, made.connector, made.id)
        elif ledger.found == "unknown":
            yield from self._without_start(call, station, made, values)
        place = self._place(station.identity, made.connector)
        if place is not None and place.freed is not None and place.freed[1] is made:
            place.freed = None

    def _can_mean_no_other(self, call: OcppMessage, station: Station, made: Transaction, sent: str) -> bool:
        """A number that stations use for "none" means what is running; any other one may be that of a transaction
        whose beginning was not seen."""
        if sent in PLACEHOLDERS:
            return True
        seen_since = self._continuity.view(call).since
        return made.begin is not None and made.begin.time >= seen_since and _tells_all(call, station)

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
        yield Finding(NO_START, call.time, station.identity, (call,), values, transaction=made.id)

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
                    place.freed = (bounded(message), running)
                    self._sites[station.identity].waiting = True
            else:
                place.freed = None
                if change.status == "Charging" and running is None and place.idle is not None:
                    place.busy, place.charging = True, bounded(message)
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
                        yield Finding(CHARGING_WITHOUT, since, station.identity, (charging, message), values, name)
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
    yield Finding(NEVER_ENDED, freed.time, station.identity, evidence, values, connector, going.id)


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
