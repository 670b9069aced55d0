"""Orders of the CSMS to start, stop, unlock and reset: refused, or accepted and then nothing happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, TypeAlias

from fieldkit.checks.check import Check
from fieldkit.checks.continuity import Continuity, View
from fieldkit.checks.finding import Finding, Identity, Kind, Owner
from fieldkit.checks.policy import Policy
from fieldkit.checks.remotekinds import (
    RESET_NOTHING,
    RESET_REJECTED,
    START_NOTHING,
    START_REJECTED,
    STOP_NOTHING,
    STOP_REJECTED,
    UNLOCK_FAILED,
    UNLOCK_NOTHING,
)
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture
from fieldkit.site.reading import member, text, whole
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction

MAX_STATIONS: Final = 10_000
"""Stations remembered."""
MAX_WAITING: Final = 32
"""Orders of one station that wait for their effect."""
NO_TIMEOUT_KNOWN: Final = 180 * SECOND
"""Time to plug in where the station's setting was not seen: the usual ones are 60 to 120 s."""
LONGEST_TIMEOUT: Final = 3600
"""Seconds; a setting beyond it is not believed."""
GRACE: Final = 30 * SECOND
"""On top of the station's own timeout: for the vehicle to be recognised, and the messages to arrive."""
STOP_WITHIN: Final = 90 * SECOND
"""A vehicle may take half a minute to ramp down before the stop is told."""
RESET_WITHIN: Final = 600 * SECOND
"""Slow stations take five minutes to start; transactions are ended first."""


_UNLOCK_WORDS: Final[dict[str, tuple[str, str]]] = {
    "UnlockFailed": (
        "the lock did not open",
        "Push the plug in while it unlocks: a pulled cable jams the latch. If it stays, have the lock actuator "
        "checked.",
    ),
    "NotSupported": (
        "it has no lock that it can open, or does not know this connector",
        "Check the connector number in the CSMS; with a fixed cable there is nothing to unlock.",
    ),
    "OngoingAuthorizedTransaction": (
        "an authorized transaction is running there",
        "Stop the transaction first, then unlock.",
    ),
    "UnknownConnector": ("it does not know this connector", "Check EVSE and connector number in the CSMS."),
}
_NOT_READY: Final = {
    "Faulted": "is Faulted",
    "Unavailable": "is Unavailable",
    "Reserved": "is Reserved",
    "Finishing": "is Finishing: the plug of the session before is still in",
}
_PLUGGED: Final = frozenset({"Preparing", "Occupied", "SuspendedEV", "SuspendedEVSE", "Charging", "Finishing"})
"""States with a plug in."""


_Judge: TypeAlias = Callable[[OcppMessage, OcppMessage, Station], Iterable[Finding]]


@dataclass(slots=True)
class _Order:
    """One order that waits for its effect."""

    kind: Literal["start", "stop", "unlock", "reset"]
    answer: OcppMessage
    call: OcppMessage
    deadline: int
    view: View
    connector: str = ""
    token: str = ""
    remote_id: int | None = None
    target: Transaction | None = None
    boots: int = 0
    count: int = 0
    """Transactions of the station when it was given."""


@dataclass(slots=True)
class _Site:
    """What is kept of a station."""

    waiting: deque[_Order] = field(default_factory=lambda: deque(maxlen=MAX_WAITING))
    due: int = 0
    """Earliest deadline."""


class RemoteOrders(Check):
    """What became of orders."""

    kinds: ClassVar[tuple[Kind, ...]] = (
        START_NOTHING,
        START_REJECTED,
        STOP_REJECTED,
        STOP_NOTHING,
        UNLOCK_FAILED,
        UNLOCK_NOTHING,
        RESET_REJECTED,
        RESET_NOTHING,
    )
    wants = Continuity.WANTS
    actions = frozenset(
        {
            "RemoteStartTransaction",
            "RequestStartTransaction",
            "RemoteStopTransaction",
            "RequestStopTransaction",
            "UnlockConnector",
            "Reset",
            "StartTransaction",
            "StopTransaction",
            "TransactionEvent",
            "StatusNotification",
            "Heartbeat",
            "MeterValues",
            "",
        }
    )

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._continuity = Continuity()
        self._sites: dict[str, _Site] = {}
        self._answers: Final[dict[str, _Judge]] = {
            "RemoteStartTransaction": self._start,
            "RequestStartTransaction": self._start,
            "RemoteStopTransaction": self._stop,
            "RequestStopTransaction": self._stop,
            "UnlockConnector": self._unlock,
            "Reset": self._reset,
        }

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Take in answers to orders, and see what is overdue."""
        self._continuity.note(event)
        if not isinstance(event, OcppMessage):
            return ()
        if event.call is not None:
            judge = self._answers.get(event.action)
            station = picture.stations.get(event.channel.station)
            if judge is None or station is None or event.sender != "station" or event.error is not None:
                return ()
            return judge(event, event.call, station)
        site = self._sites.get(event.channel.station)
        if site is None or not site.waiting or event.sender != "station":
            return ()
        station = picture.stations.get(event.channel.station)
        if station is None:
            return ()
        if event.type is MessageType.CALL and event.action in ("StartTransaction", "TransactionEvent"):
            _satisfied(site, event, station)
        if event.time < site.due:
            return ()
        return self._overdue(event, station, site)

    # -------------------------------------------------------------------------------------------------------- answers

    def _wait(self, order: _Order) -> None:
        name = order.answer.channel.station
        site = self._sites.get(name)
        if site is None:
            if len(self._sites) >= MAX_STATIONS:
                return
            site = self._sites[name] = _Site()
        site.waiting.append(order)
        site.due = min(waiting.deadline for waiting in site.waiting)

    def _start(self, answer: OcppMessage, call: OcppMessage, station: Station) -> Iterator[Finding]:
        status = text(answer.payload, "status")
        token = text(call.payload, "idTag") or text(call.payload, "idToken", "idToken") or ""
        place = whole(call.payload, "connectorId") or whole(call.payload, "evseId") or 0
        connector = str(place) if 0 < place < 10_000 else ""
        if status == "Accepted":
            if text(answer.payload, "transactionId"):
                return  # 2.x: it runs already (Part 2 F02)
            order = _Order(
                "start",
                bounded(answer),
                bounded(call),
                answer.time + _timeout(station),
                self._continuity.view(answer),
                connector,
            )
            order.token, order.remote_id = token[:100], whole(call.payload, "remoteStartId")
            order.count = station.transactions.count
            self._wait(order)
        elif status == "Rejected":
            why, advice, owner = _why_not(station, connector, call)
            values = {
                "action": call.action,
                "time": clock(answer.time),
                "status": status,
                "reason": _reason(answer),
                "why": why,
                "advice": advice,
            }
            yield Finding(START_REJECTED, answer.time, station.identity, (answer, call), values, connector, owner=owner)

    def _stop(self, answer: OcppMessage, call: OcppMessage, station: Station) -> Iterator[Finding]:
        status = text(answer.payload, "status")
        number = whole(call.payload, "transactionId")
        asked = str(number)[:40] if number is not None else (text(call.payload, "transactionId") or "")[:100]
        going = station.transactions.find(asked) if asked else None
        if status == "Accepted":
            if going is not None and going.end is None:
                order = _Order(
                    "stop", bounded(answer), bounded(call), answer.time + STOP_WITHIN, self._continuity.view(answer)
                )
                order.target = going
                self._wait(order)
        elif status == "Rejected":
            owner: Owner | None = None
            running = sorted(other.id for other in station.transactions.open.values() if other.id)
            if going is not None and going.end is not None:
                why = f"That transaction had ended at {clock(going.end.time)}."
                advice = "The CSMS missed its end: close it there."
            elif going is not None:
                why, owner = "It was running, by all that was seen.", "station"
                advice = "Stop it at the station with the card or by unplugging; report it to the manufacturer."
            elif running:
                why = f"The station was running transaction {', '.join(running[:3])} instead."
                advice = "The CSMS has another id than the station: look at the start of that transaction."
            else:
                why = "No transaction with this id was seen in the capture."
                advice = "Look in the CSMS whether that transaction really runs; close it there if it does not."
            values = {
                "transaction": asked or "(none)",
                "time": clock(answer.time),
                "status": status,
                "why": why,
                "advice": advice,
            }
            yield Finding(
                STOP_REJECTED, answer.time, station.identity, (answer, call), values, transaction=asked, owner=owner
            )

    def _unlock(self, answer: OcppMessage, call: OcppMessage, station: Station) -> Iterator[Finding]:
        status = text(answer.payload, "status") or ""
        evse, place = whole(call.payload, "evseId"), whole(call.payload, "connectorId") or 0
        connector = f"{evse}/{place}" if evse is not None else str(place)
        connector = connector[:20]
        if status == "Unlocked":
            going = station.transactions.on(connector)
            if going is not None and going.end is None:
                order = _Order(
                    "unlock", bounded(answer), bounded(call), answer.time + STOP_WITHIN, self._continuity.view(answer)
                )
                order.target, order.connector = going, connector
                self._wait(order)
        elif status in _UNLOCK_WORDS:
            why, advice = _UNLOCK_WORDS[status]
            values = {
                "where": f"connector {connector}",
                "time": clock(answer.time),
                "status": status,
                "why": why,
                "advice": advice,
            }
            severity: Literal["info"] | None = None if status == "UnlockFailed" else "info"
            yield Finding(
                UNLOCK_FAILED,
                answer.time,
                station.identity,
                (answer, call),
                values,
                connector,
                group=status,
                severity=severity,
            )

    def _reset(self, answer: OcppMessage, call: OcppMessage, station: Station) -> Iterator[Finding]:
        status = text(answer.payload, "status")
        kind = (text(call.payload, "type") or "?")[:40]
        if status == "Rejected":
            values = {"type": kind, "time": clock(answer.time), "reason": _reason(answer)}
            yield Finding(RESET_REJECTED, answer.time, station.identity, (answer, call), values)
        elif status == "Accepted" and member(call.payload, "evseId") is None and not station.transactions.open:
            # With a transaction running, the station may wait for its end (2.x OnIdle; 1.6 Soft ends it first).
            order = _Order(
                "reset", bounded(answer), bounded(call), answer.time + RESET_WITHIN, self._continuity.view(answer)
            )
            order.boots = station.about.boot_count
            self._wait(order)

    # -------------------------------------------------------------------------------------------------------- effects

    def _overdue(self, now: OcppMessage, station: Station, site: _Site) -> Iterator[Finding]:
        """The station goes on talking past the deadline."""
        view = self._continuity.view(now)
        for order in [*site.waiting]:
            if now.time < order.deadline:
                continue
            site.waiting.remove(order)
            if order.view.holes == view.holes or order.view.connection != view.connection:
                yield from _without_effect(order, now, station, view)
        site.due = min((order.deadline for order in site.waiting), default=0)


def _satisfied(site: _Site, message: OcppMessage, station: Station) -> None:
    """A transaction has begun: the order that it may follow from is done."""
    made = station.transactions.latest
    if made is None:
        return
    remote_id = whole(message.payload, "transactionInfo", "remoteStartId")
    for order in site.waiting:
        if order.kind != "start":
            continue
        if order.remote_id is not None and remote_id is not None:
            fits = order.remote_id == remote_id
        else:
            fits = order.token == made.id_token or order.connector in ("", made.connector.split("/")[0])
        if fits:
            site.waiting.remove(order)
            return


def _without_effect(order: _Order, now: OcppMessage, station: Station, view: View) -> Iterator[Finding]:
    same = order.view == view
    waited = duration(now.time - order.answer.time)
    values: dict[str, object] = {"time": clock(order.answer.time), "waited": waited, "action": order.call.action}
    evidence = (order.answer, order.call, now)
    if order.target is not None:
        if order.target.end is not None or (not same and order.kind == "stop"):
            return
        values["transaction"] = order.target.id or "(without id)"
        values["where"] = f"connector {order.connector}"
        kind = STOP_NOTHING if order.kind == "stop" else UNLOCK_NOTHING
        connector = order.target.connector
        yield Finding(kind, order.answer.time, station.identity, evidence, values, connector, order.target.id)
    elif order.kind == "reset":
        if station.about.boot_count == order.boots and same:
            values["type"] = (text(order.call.payload, "type") or "?")[:40]
            yield Finding(RESET_NOTHING, order.answer.time, station.identity, evidence, values)
    elif same and station.transactions.count == order.count:
        plugged, seen = _plugged(station, order)
        values |= {
            "token": Identity(order.token) if order.token else "(none)",
            "where": f" at {_place(order)}" if order.connector else "",
            "seen": seen,
        }
        if plugged:
            values["advice"] = (
                "Look whether the vehicle is ready to charge and try another one; if it starts with a card but not "
                "remotely, look at AuthorizeRemoteTxRequests and report it to the manufacturer."
            )
        else:
            values["advice"] = (
                "Probably nobody plugged in within the time. Let the driver plug in first, or raise ConnectionTimeOut."
            )
        yield Finding(
            START_NOTHING,
            order.answer.time,
            station.identity,
            evidence,
            values,
            order.connector,
            severity=None if plugged else "info",
            owner=None if plugged else "operator",
        )


def _place(order: _Order) -> str:
    return f"{'connector' if order.remote_id is None else 'EVSE'} {order.connector}"


def _plugged(station: Station, order: _Order) -> tuple[bool, str]:
    """Was a vehicle there: what the connectors told from the order on."""
    told: list[str] = []
    plugged = False
    for connector in station.connectors.all.values():
        if order.connector and str(connector.evse or connector.number) != order.connector:
            continue
        states = [change.status for change in connector.history if change.time >= order.call.time]
        before = [change.status for change in connector.history if change.time < order.call.time][-1:]
        plugged = plugged or bool(_PLUGGED & {*before, *states})
        if states and connector.name:
            told.append(f"connector {connector.name} went to {', '.join(states[:4])}")
        elif before and connector.name:
            told.append(f"connector {connector.name} stayed {before[0]}")
    if not told:
        return False, "No status of the connector was seen."
    return plugged, f"Meanwhile {'; '.join(told[:3])}."


def _timeout(station: Station) -> int:
    """1.6 §9.1 ConnectionTimeOut, 2.x TxCtrlr.EVConnectionTimeOut."""
    for name in ("ConnectionTimeOut", "TxCtrlr.EVConnectionTimeOut"):
        setting = station.about.setting(name)
        value = setting.value if setting is not None else None
        if value and value.isascii() and value.isdigit() and len(value) < 6 and 0 < int(value) <= LONGEST_TIMEOUT:
            return int(value) * SECOND + GRACE
    return NO_TIMEOUT_KNOWN + GRACE


def _why_not(station: Station, connector: str, call: OcppMessage) -> tuple[str, str, Owner | None]:
    """What was known of the connector when a start was rejected."""
    if not connector and member(call.payload, "evseId") is None:
        why = "The order names no connector; some stations with several connectors refuse that."
        return why, "Have the CSMS name the connector.", "csms"
    going = station.transactions.on(connector) or next(
        (other for other in station.transactions.open.values() if other.connector.split("/")[0] == connector), None
    )
    if going is not None:
        why = f"Transaction {going.id or '(without id)'} was running there."
        return why, "End that transaction first, or let the driver choose another connector.", "operator"
    for found in station.connectors.all.values():
        name = str(found.evse or found.number)
        if name == connector and found.status in _NOT_READY:
            advice = "Bring the connector back into service first (see its other findings), then try again."
            return f"Connector {name} {_NOT_READY[found.status]}.", advice, None
        if name == connector and found.status == "Available":
            why = "The connector was Available: probably no vehicle was plugged in, and this station wants that first."
            return why, "Let the driver plug in first; some stations have a setting for it.", "operator"
    known = {str(found.evse or found.number) for found in station.connectors.all.values()} - {"0"}
    if known and connector not in known:
        why = f"The station has told of the connectors {', '.join(sorted(known)[:8])} only, not of {connector}."
        return why, "Check the connector number in the CSMS.", "csms"
    why = "Nothing in the capture says why."
    return (
        why,
        "Look at the station's log; is it reserved, in maintenance, or does it refuse the charging profile?",
        None,
    )


def _reason(answer: OcppMessage) -> str:
    """2.x statusInfo."""
    code = text(answer.payload, "statusInfo", "reasonCode") or ""
    more = text(answer.payload, "statusInfo", "additionalInfo") or ""
    return f' (it says "{(code + " " + more).strip()[:200]}")' if code or more else ""
