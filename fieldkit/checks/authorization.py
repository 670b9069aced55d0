"""Cards, apps and contracts: who was refused, by whom, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final

from fieldkit.checks.check import Check
from fieldkit.checks.continuity import Continuity
from fieldkit.checks.finding import Finding, Identity, Kind
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture
from fieldkit.site.reading import member, objects, text
from fieldkit.site.transaction import Transaction

MAX_STATIONS: Final = 10_000
"""Stations remembered."""
MAX_WAITING: Final = 2000
"""Transactions with a refused token that are watched."""
MAX_TOKENS: Final = 200
"""Refused tokens remembered of one station, and tokens of its local list."""
MAX_LISTED: Final = 1000
"""Tokens of a local list that are remembered: a list may have thousands, a disagreement shows with any."""
FRESH: Final = 300 * SECOND
"""A start within this time of a refusal ignores it; later the token may have been let in elsewhere."""
TOLERATED: Final = 120 * SECOND
"""Time that a station has to stop a transaction whose token was refused: the vehicle is asked to ramp down first."""
ALL_REFUSED: Final = 3
"""Different tokens refused, and none accepted, that make it more than one invalid card."""

REFUSALS: Final[dict[str, tuple[str, str]]] = {
    # 1.6 §7.2 has the first four; 2.x Part 2 AuthorizationStatusEnumType all of them.
    "Blocked": ("the card is blocked", "Unblock it in the CSMS or with the provider that issued it."),
    "Expired": ("the card has expired", "Renew it in the CSMS, or give the customer a new card."),
    "Invalid": (
        "the CSMS does not know it or does not accept it here",
        "Check in the CSMS that exactly this token is registered (reader byte order, upper case) and roaming is on.",
    ),
    "ConcurrentTx": (
        "it is in use in another transaction",
        "Look in the CSMS for a transaction of this card that was never stopped, and close it.",
    ),
    "NoCredit": ("there is not enough credit", "The customer has to top up or choose another way to pay."),
    "NotAllowedTypeEVSE": ("it may not charge at this kind of EVSE", "Check the tariff or contract of the customer."),
    "NotAtThisLocation": ("it may not charge at this place", "Check the access groups of the location in the CSMS."),
    "NotAtThisTime": ("it may not charge at this time", "Check the hours set for the customer in the CSMS."),
    "Unknown": ("the CSMS does not know it", "Register it in the CSMS, or check the roaming connection."),
}
"""Status → what it means, and what to do. All others but Accepted are nobody's refusal."""

_CERTIFICATE: Final = {
    "SignatureError": "its signature does not verify",
    "CertificateExpired": "it has expired",
    "CertificateRevoked": "it was revoked",
    "NoCertificateAvailable": "no certificate is available for it",
    "CertChainError": "its chain does not lead to a trusted root",
    "ContractCancelled": "the contract was cancelled",
}
"""2.x Part 2 AuthorizeCertificateStatusEnumType but for Accepted."""

_REFUSED = Kind(
    "authorization.refused",
    "info",
    "operator",
    "A card or app user was refused",
    "At {time} the CSMS answered {status} for token {token}: {meaning}.",
    "{advice}",
    "OCPP 1.6 §7.2; OCPP 2.0.1 Part 2 AuthorizationStatusEnumType",
)
_ALL_REFUSED = Kind(
    "authorization.all-refused",
    "warning",
    "csms",
    "Nobody gets in at this station",
    "All {number} tokens that were tried were refused ({statuses}), and none was accepted. So many invalid cards in a "
    "row are unlikely; probably the station is missing from a group, the roaming is off, or the reader sends wrong "
    "numbers.",
    "Try a card that works elsewhere. In the CSMS compare the token that arrives with the one registered, and check "
    "the station's access group and roaming.",
    "OCPP 1.6 §4.1",
    inferred=True,
)
_STARTED = Kind(
    "authorization.started-although-refused",
    "warning",
    "station",
    "Charging was started with a refused token",
    "The CSMS answered {status} for token {token}, and {after} later the station started transaction {transaction} "
    "with it all the same. Nobody may pay for it.",
    "Look at the station's settings for offline use (LocalPreAuthorize, authorization cache, free vending) and its "
    "local list; if they are right, it is a firmware defect.",
    "OCPP 1.6 §4.1",
)
_AT_START = Kind(
    "authorization.refused-at-start",
    "info",
    "operator",
    "The CSMS refused a token when the transaction had begun",
    "The station started transaction {transaction} with token {token} on its own knowledge (local list or cache), and "
    "the CSMS answered {status}: {meaning}.",
    "{advice} Then send the local list again, or clear the station's cache, so that both know the same.",
    "OCPP 1.6 §4.8",
)
_NOT_STOPPED = Kind(
    "authorization.not-stopped",
    "warning",
    "station",
    "Charging went on with a refused token",
    "The CSMS refused the token {token} of transaction {transaction} ({status}), and {after} later the transaction "
    "was still going on.",
    "Set StopTransactionOnInvalidId (2.x: TxCtrlr.StopTxOnInvalidId) to true if it shall stop; if it is, tell the "
    "manufacturer.",
    "OCPP 1.6 §4.8",
)
_LOCAL_LIST = Kind(
    "authorization.local-list-mismatch",
    "warning",
    "csms",
    "Local list and CSMS disagree about a token",
    "The local list that the CSMS sent to the station has token {token} as {listed}, and the CSMS itself answers "
    "{status} for it. Offline the station will decide otherwise than online.",
    "Have the CSMS send the full local list again, and find out why it was not updated.",
    "OCPP 1.6 §3.5.2",
)
_CONTRACT = Kind(
    "authorization.contract-certificate",
    "warning",
    "pki",
    "A vehicle's contract certificate was not accepted",
    "At {time} the CSMS answered {status} for the contract of a vehicle: {meaning}. Plug & Charge does not work with "
    "it; a card still may.",
    "The provider that issued the contract has to renew it; if it happens with many vehicles, the CSMS lacks a root.",
    "OCPP 2.0.1 Part 2 C07",
)


@dataclass(slots=True)
class _Known:
    """What is remembered of one station."""

    refused: dict[str, tuple[str, OcppMessage]] = field(default_factory=dict)
    """Token → status and answer."""
    accepted: bool = False
    listed: dict[str, str] = field(default_factory=dict)
    """Token → status in the local list."""


class Authorization(Check):
    """Refusals and their consequences."""

    kinds: ClassVar[tuple[Kind, ...]] = (
        _REFUSED,
        _ALL_REFUSED,
        _STARTED,
        _AT_START,
        _NOT_STOPPED,
        _LOCAL_LIST,
        _CONTRACT,
    )
    wants = Continuity.WANTS
    actions = frozenset(
        {"Authorize", "StartTransaction", "TransactionEvent", "MeterValues", "StopTransaction", "SendLocalList", ""}
    )

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._stations: dict[str, _Known] = {}
        self._continuity = Continuity()
        self._waiting: dict[tuple[str, str], tuple[Transaction, OcppMessage, str]] = {}
        """Transactions whose token was refused, until they end: (station, id)."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge answers that authorize, and transactions begun without."""
        self._continuity.note(event)
        if not isinstance(event, OcppMessage) or not event.action:
            return ()
        if event.call is not None:
            return self._answered(event, event.call, picture)
        if event.type is not MessageType.CALL:
            return ()
        if event.action == "StartTransaction" or (
            event.action == "TransactionEvent" and member(event.payload, "idToken") is not None
        ):
            return self._begun(event, picture)
        if self._waiting and event.action != "Authorize":
            return self._goes_on(event, picture)
        return ()

    def finish(self, picture: Picture) -> Iterator[Finding]:
        """Stations where nobody got in."""
        for station, known in self._stations.items():
            if known.accepted or len(known.refused) < ALL_REFUSED:
                continue
            answers = [answer for _, answer in known.refused.values()]
            statuses = ", ".join(sorted({status for status, _ in known.refused.values()}))
            values = {"number": len(known.refused), "statuses": statuses}
            yield Finding(_ALL_REFUSED, answers[-1].time, station, tuple(answers[:4]), values)

    def _known(self, station: str) -> _Known:
        known = self._stations.get(station)
        if known is None:
            known = _Known()
            if len(self._stations) < MAX_STATIONS:
                self._stations[station] = known
        return known

    def _answered(self, answer: OcppMessage, call: OcppMessage, picture: Picture) -> Iterator[Finding]:
        if answer.error is not None:
            return
        station, payload = answer.channel.station, answer.payload
        if answer.action == "SendLocalList":
            self._list_answered(answer, call)
            return
        if answer.sender != "csms":
            return
        certificate = text(payload, "certificateStatus") or ""
        if certificate in _CERTIFICATE:
            values: dict[str, object] = {
                "time": clock(answer.time),
                "status": certificate,
                "meaning": _CERTIFICATE[certificate],
            }
            yield Finding(_CONTRACT, answer.time, station, (answer,), values, group=certificate)
        status = text(payload, "idTagInfo", "status") or text(payload, "idTokenInfo", "status") or ""
        token = _token(call)
        if not status or answer.action == "StopTransaction":
            return
        if status == "Accepted":
            self._known(station).accepted = True
            self._known(station).refused.pop(token, None)
            return
        if status not in REFUSALS:
            return
        yield from self._refused(answer, token, status, picture)

    def _refused(self, answer: OcppMessage, token: str, status: str, picture: Picture) -> Iterator[Finding]:
        station = answer.channel.station
        known = self._known(station)
        if token and len(known.refused) < MAX_TOKENS:
            known.refused[token] = (status, bounded(answer))
        meaning, advice = REFUSALS[status]
        values: dict[str, object] = {
            "time": clock(answer.time),
            "status": status,
            "token": Identity(token) if token else "(none)",
            "meaning": meaning,
            "advice": advice,
        }
        listed = known.listed.get(token, "")
        if token and listed == "Accepted" and status != "ConcurrentTx":
            yield Finding(_LOCAL_LIST, answer.time, station, (answer,), values | {"listed": listed})
        if answer.action == "Authorize":
            yield Finding(_REFUSED, answer.time, station, (answer,), values, group=status)
            return
        site = picture.stations.get(station)
        going = site.transactions.latest if site is not None else None
        values["transaction"] = going.id if going is not None and going.id else "(without id)"
        connector = going.connector if going is not None else ""
        yield Finding(_AT_START, answer.time, station, (answer,), values, connector, group=status)
        if going is not None and going.id and going.end is None:
            if len(self._waiting) >= MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[station, going.id] = (going, bounded(answer), status)

    def _begun(self, call: OcppMessage, picture: Picture) -> Iterator[Finding]:
        station = call.channel.station
        token = _token(call)
        site = picture.stations.get(station)
        refused = self._known(station).refused.get(token)
        going = site.transactions.latest if site is not None else None
        if refused is None or going is None or going.begin is not call:
            return
        if call.action == "TransactionEvent" and going.charging_state != "Charging":
            # 2.x: by TxStartPoint a transaction may begin with a plug or a car in the bay, before anybody is let in.
            return
        status, answer = refused
        after = call.time - answer.time
        # A start that was queued, or answered only then, does not follow from the refusal.
        if answer.action != "Authorize" or not 0 <= after <= FRESH or going.offline:
            return
        if going.started is not None and going.started != call.time and call.time - going.started > after + SECOND:
            return
        name = going.id if going.id else f"at connector {going.connector}" if going.connector else "(without id)"
        values = {"status": status, "token": Identity(token), "after": duration(after), "transaction": name}
        yield Finding(_STARTED, call.time, station, (call, answer), values, going.connector, going.id)

    def _goes_on(self, message: OcppMessage, picture: Picture) -> Iterator[Finding]:
        """A transaction whose token was refused still tells of itself."""
        site = picture.stations.get(message.channel.station)
        going = site.transactions.latest if site is not None else None
        if site is None or going is None:
            return
        key = (message.channel.station, going.id)
        waiting = self._waiting.get(key)
        if waiting is None or waiting[0] is not going:
            return
        if going.end is not None:
            del self._waiting[key]
            return
        _, answer, status = waiting
        after = message.time - answer.time
        if after <= TOLERATED:
            return
        del self._waiting[key]
        for name in ("StopTransactionOnInvalidId", "TxCtrlr.StopTxOnInvalidId"):
            setting = site.about.setting(name)
            if setting is not None and (setting.value or "").casefold() == "false":
                return
        state = going.charging_state
        if state and state != "Charging":
            # 2.x: the transaction may stay open while no energy flows (C10, E05).
            return
        values = {
            "token": Identity(going.id_token),
            "transaction": going.id,
            "status": status,
            "after": duration(after),
        }
        yield Finding(_NOT_STOPPED, message.time, key[0], (message, answer), values, going.connector, going.id)

    def _list_answered(self, answer: OcppMessage, call: OcppMessage) -> None:
        station = answer.channel.station
        status = text(answer.payload, "status") or ""
        if status == "Accepted":
            listed = self._known(station).listed
            if text(call.payload, "updateType") == "Full":
                listed.clear()
            for entry in objects(call.payload, "localAuthorizationList"):
                token = text(entry, "idTag") or text(entry, "idToken", "idToken") or ""
                said = text(entry, "idTagInfo", "status") or text(entry, "idTokenInfo", "status") or ""
                if token in listed or len(listed) < MAX_LISTED:
                    listed[token[:100]] = said[:50]


def _token(call: OcppMessage) -> str:
    found = text(call.payload, "idTag") or text(call.payload, "idToken", "idToken") or ""
    return found[:100]
