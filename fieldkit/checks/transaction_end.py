"""How transactions end: the stop reason against what went before, ends by a fault, sessions without energy or sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final

from fieldkit.checks.check import Check
from fieldkit.checks.continuity import Continuity
from fieldkit.checks.finding import Finding, Kind, Owner
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.kept import same
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture
from fieldkit.site.reading import member, text
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction

MAX_STATIONS: Final = 10_000
"""Stations remembered."""
MAX_ORDERS: Final = 32
"""Stop orders remembered of one station."""
PROMPT: Final = 60 * SECOND
"""A stop within this time of an accepted order follows from it."""
LOOKED_BACK: Final = 300 * SECOND
"""So long before the stop an order is looked for, and the view must have been unbroken."""
QUEUED: Final = 30 * SECOND
"""A stop that is told so much later than its timestamp was waiting in the station: what went before it is not known."""
LITTLE: Final = 10.0
"""Wh: less is the meter's own noise and what the contactor test draws."""
LONG_ENOUGH: Final = 300 * SECOND
"""A session this long without energy is not a driver who changed his mind."""
IN_A_ROW: Final = 3
"""So many sessions in a row without energy at one connector are no coincidence."""
SHORT: Final = 30 * SECOND
"""Sessions shorter than this end before most vehicles have begun to charge."""
VERY_LONG: Final = 48 * 3600 * SECOND
"""Longer than any vehicle charges; some are left plugged in over a weekend."""

_REASON_MISSING = Kind(
    "transaction.stop-reason-missing",
    "info",
    "station",
    "A transaction was stopped remotely, and its stop does not say so",
    "The CSMS stopped transaction {id} with {order} ({after} before), but the station gave no stop reason, which means "
    '"Local". Statistics will count it as stopped by the driver.',
    "Nothing for this session; the manufacturer should send the reason Remote.",
    "OCPP 1.6 §7.38",
)
_REASON_CONTRADICTS = Kind(
    "transaction.stop-reason-contradicts",
    "warning",
    "station",
    "The stop reason contradicts what went before",
    "Transaction {id} was stopped {with}, but {but}.",
    "Do not rely on this station's stop reasons when you look for causes; report it to the manufacturer.",
    "OCPP 1.6 §7.38",
)
_BY_FAULT = Kind(
    "transaction.ended-by-fault",
    "warning",
    "station",
    "Charging was cut off",
    "Transaction {id} at {where} ended after {length} {with}: {meaning}.",
    "{advice}",
    "OCPP 1.6 §7.38; OCPP 2.0.1 Part 2 ReasonEnumType",
)
_NO_ENERGY = Kind(
    "transaction.no-energy",
    "info",
    "unknown",
    "A session without energy",
    "Transaction {id} at {where} lasted {length}, and the register moved by {energy} Wh. {row}",
    "{advice}",
    "https://github.com/evcc-io/evcc/issues/15752",
)
_SHORT = Kind(
    "transaction.short",
    "info",
    "unknown",
    "A very short session",
    "Transaction {id} at {where} lasted {length} and ended {with}.",
    "One is nothing; if drivers have to try several times, watch a session at the station with the vehicle.",
    "OCPP 1.6 §4.10",
)
_VERY_LONG = Kind(
    "transaction.long",
    "info",
    "operator",
    "A session of days",
    "Transaction {id} at {where} lasted {length}. Either the vehicle was left there, or its end was lost and made up "
    "for.",
    "Look whether the vehicle was there all the time; otherwise correct the session in the CSMS.",
    "OCPP 1.6 §4.10",
)
_REVERSED = Kind(
    "transaction.times-reversed",
    "warning",
    "station",
    "A transaction ends before it begins",
    "By the station's own timestamps transaction {id} began at {begin} and ended at {end}: its clock was set in "
    "between, or is wrong. The session cannot be billed by time.",
    "Look at the findings on the station's clock; it should be set before the first transaction after a start.",
    "OCPP 1.6 §3.8",
)

_FAULTS: Final[dict[str, tuple[str, str, Owner]]] = {
    "EmergencyStop": (
        "the emergency stop was pressed",
        "Look at the station before it is released; if nobody pressed it, check the button and its cable.",
        "operator",
    ),
    "PowerLoss": (
        "the station lost its supply",
        "Look at breakers, residual current devices and the site's supply at that time.",
        "operator",
    ),
    "Reboot": (
        "the station restarted on its own",
        "Fetch diagnostics for the time before the restart and give them to the manufacturer.",
        "station",
    ),
    "GroundFault": (
        "a residual current was detected",
        "Have an electrician measure earth and insulation; try another vehicle and cable.",
        "station",
    ),
    "OvercurrentFault": (
        "more current flowed than allowed",
        "Try another vehicle; check the limit set for this connector.",
        "vehicle",
    ),
    "PowerQuality": (
        "voltage or frequency of the supply were out of bounds",
        "Record the supply at the terminals; it is the site's or grid operator's matter.",
        "operator",
    ),
    "ReqEnergyTransferRejected": (
        "the vehicle and the station found no way of charging that both know",
        "Compare what vehicle and station support (AC, DC, bidirectional); update the older of the two.",
        "vehicle",
    ),
}
"""Reasons that are nobody's wish, of all versions; ImmediateReset, HardReset and the like are orders."""


@dataclass(slots=True)
class _Order:
    """An order to stop."""

    call: OcppMessage
    accepted: bool = False


@dataclass(slots=True)
class _Site:
    """What is kept of a station."""

    orders: list[_Order] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)
    """Sessions without energy in a row, by connector; as many as believable numbers of connectors."""


class TransactionEnds(Check):
    """Judges each transaction when its end is told, in all versions."""

    kinds: ClassVar[tuple[Kind, ...]] = (
        _REASON_MISSING,
        _REASON_CONTRADICTS,
        _BY_FAULT,
        _NO_ENERGY,
        _SHORT,
        _VERY_LONG,
        _REVERSED,
    )
    wants = Continuity.WANTS
    actions = frozenset({"StopTransaction", "TransactionEvent", "RemoteStopTransaction", "RequestStopTransaction", ""})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._continuity = Continuity()
        self._sites: dict[str, _Site] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Remember orders to stop, judge ends."""
        self._continuity.note(event)
        if not isinstance(event, OcppMessage) or not event.action:
            return ()
        if event.action in ("RemoteStopTransaction", "RequestStopTransaction"):
            self._ordered(event)
            return ()
        if event.type is not MessageType.CALL or event.sender != "station":
            return ()
        if event.action == "TransactionEvent" and member(event.payload, "eventType") != "Ended":
            return ()
        station = picture.stations.get(event.channel.station)
        made = station.transactions.latest if station is not None else None
        if station is None or made is None or made.end is None:
            return ()
        if station.transactions.found in ("again", "contradicts", "late"):
            return ()
        return self._ended(event, station, made)

    def _site(self, station: str) -> _Site:
        site = self._sites.get(station)
        if site is None:
            site = _Site()
            if len(self._sites) < MAX_STATIONS:
                self._sites[station] = site
        return site

    def _ordered(self, message: OcppMessage) -> None:
        orders = self._site(message.channel.station).orders
        if message.type is MessageType.CALL and message.sender == "csms":
            orders.append(_Order(bounded(message)))
            del orders[:-MAX_ORDERS]
        elif message.call is not None:
            for order in orders:
                if same(order.call, message.call):
                    order.accepted = text(message.payload, "status") == "Accepted"

    def _ended(self, message: OcppMessage, station: Station, made: Transaction) -> Iterator[Finding]:
        values: dict[str, object] = {
            "id": made.id or "(without id)",
            "where": f"connector {made.connector}" if made.connector else "an unknown connector",
            "with": _with_reason(made),
        }
        evidence = (message, made.begin) if made.begin is not None else (message,)
        for kind, more, severity, owner in (
            *self._reasons(message, station, made),
            *_shapes(made, self._site(station.identity)),
        ):
            yield Finding(
                kind,
                message.time,
                station.identity,
                evidence,
                values | more,
                made.connector,
                made.id,
                severity="warning" if severity else None,
                owner=owner,
            )

    def _reasons(
        self, message: OcppMessage, station: Station, made: Transaction
    ) -> Iterator[tuple[Kind, dict[str, object], bool, Owner | None]]:
        reason = made.stop_reason
        if _was_queued(message, made) or made.offline:
            return
        order = self._order(message, made)
        unbroken = message.time - self._continuity.view(message).since >= LOOKED_BACK
        unbroken = unbroken and message.channel.connection is not None
        prompt = order is not None and order.accepted and message.time - order.call.time <= PROMPT
        if prompt and order is not None and not made.reason_sent and reason:
            after = duration(message.time - order.call.time)
            yield _REASON_MISSING, {"order": order.call.action, "after": after}, False, None
        but = ""
        if reason == "Remote" and order is None and unbroken:
            but = f"no order of the CSMS to stop it was seen in the {duration(LOOKED_BACK)} before"
        elif reason == "DeAuthorized" and made.authorized == "Accepted" and made.begin is not None:
            but = "the CSMS had answered Accepted to its token"
        elif reason == "EVDisconnected":
            setting = station.about.setting("StopTransactionOnEVSideDisconnect")
            if setting is not None and (setting.value or "").casefold() == "false":
                but = "StopTransactionOnEVSideDisconnect is false, so that unplugging must not stop it (1.6 §9.1)"
        if but:
            yield _REASON_CONTRADICTS, {"but": but}, False, None

    def _order(self, message: OcppMessage, made: Transaction) -> _Order | None:
        """The latest order that can have stopped it: for its id, or one whose id is not the one we know it by."""
        for order in reversed(self._site(message.channel.station).orders):
            if 0 <= message.time - order.call.time <= LOOKED_BACK:
                asked = member(order.call.payload, "transactionId")
                if str(asked)[:100] == made.id or not made.id:
                    return order
        return None


def _with_reason(made: Transaction) -> str:
    if made.reason_sent:
        return f"with the reason {made.stop_reason}"
    return "without a reason, which means Local" if made.stop_reason else "(OCPP 1.5 has no stop reason)"


def _was_queued(message: OcppMessage, made: Transaction) -> bool:
    """Was the stop told long after it came about? Clocks differ, so its start, if it was prompt, is the measure."""
    if made.begin is None or made.started is None or made.stopped is None:
        return True
    return (message.time - made.stopped) - (made.begin.time - made.started) > QUEUED


def _shapes(made: Transaction, site: _Site) -> Iterator[tuple[Kind, dict[str, object], bool, Owner | None]]:
    """What is odd about the session as a whole."""
    if made.started is None or made.stopped is None or made.begin is None:
        length = None
    else:
        length = made.stopped - made.started
        if length < 0:
            yield _REVERSED, {"begin": clock(made.started), "end": clock(made.stopped)}, False, None
            return
    shown: dict[str, object] = {"length": duration(length) if length is not None else "an unknown time"}
    fault = _FAULTS.get(made.stop_reason)
    if fault is not None:
        meaning, advice, owner = fault
        yield _BY_FAULT, shown | {"meaning": meaning, "advice": advice}, False, owner
    if length is None:
        return
    energy = made.energy_wh
    empty = energy is not None and abs(energy) < LITTLE
    if empty and energy is not None and length >= LONG_ENOUGH:
        row = site.empty.get(made.connector, 0) + 1
        site.empty[made.connector] = row
        many = row >= IN_A_ROW
        told = f"It is number {row} in a row at this connector." if many else ""
        advice = (
            "Watch a session at the station: does the contactor close, does the vehicle ask for current? Check the "
            "limit in force (a profile with 0 A) and the meter."
            if many
            else "Probably the vehicle was full or set to charge later; if drivers complain, try another vehicle there."
        )
        yield _NO_ENERGY, shown | {"energy": f"{energy:.0f}", "row": told, "advice": advice}, many, None
    elif not empty:
        site.empty.pop(made.connector, None)
    if length < SHORT and fault is None:
        yield _SHORT, shown, False, None
    elif length > VERY_LONG:
        yield _VERY_LONG, shown, False, None
