"""Payments at the station (OCPP 2.1 Part 2 C17 to C25): not settled, not followed by a session, credit used up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import PULSE, Owed, PatientCheck, quoted, reason_given
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.connector import connector_name
from fieldkit.site.light import bounded
from fieldkit.site.payment import WebPayment
from fieldkit.site.picture import Picture
from fieldkit.site.reading import number, obj, text

GRACE: Final = 30 * SECOND
"""For a start that comes at the last moment."""

NOT_SETTLED = Kind(
    "payment.not-settled",
    "warning",
    "operator",
    "A payment was not settled",
    "The station's payment terminal reports that the settlement of {amount}{of} was {status}{info}: the energy is"
    " delivered and not paid for.",
    "Take the receipt number and the time to the payment provider. If it happens to many payments, check the terminal's"
    " connection and contract.",
    "OCPP 2.1 Part 2 C22",
)
CANCELLED = Kind(
    "payment.cancelled",
    "info",
    "operator",
    "A payment was cancelled",
    "The station's payment terminal reports a payment as Canceled{of}{info}.",
    "Nothing has to be done if no energy flowed. Otherwise compare with the transaction.",
    "OCPP 2.1 Part 2 C19, C20",
)
WEB_ABANDONED = Kind(
    "payment.web-not-completed",
    "info",
    "operator",
    "A payment by QR code led to no session",
    "Somebody began to pay on the web page for EVSE {evse}, and within {timeout} no start was ordered and none came.",
    "Once is a customer who changed their mind. If it happens often, pay there yourself: the page, the provider's"
    " answer or the CSMS's RequestStartTransaction fails.",
    "OCPP 2.1 Part 2 C25",
)
NO_CREDIT = Kind(
    "payment.no-credit",
    "info",
    "operator",
    "A prepaid balance is used up",
    "The CSMS answered {action} with NoCredit: the token has no balance left{then}.",
    "Tell the customer to top up. If they say that they have credit, have the CSMS operator look at the account.",
    "OCPP 2.1 Part 2 C17, IdTokenInfoType",
)
OVER_LIMIT = Kind(
    "payment.cost-limit-exceeded",
    "warning",
    "station",
    "A transaction went on beyond its cost limit",
    "The transaction was limited to a cost of {limit}, and the station itself reckons {cost} so far and goes on"
    " charging.",
    "The difference is lost to the operator. Report it to the manufacturer: at the limit the station has to stop the"
    " energy (triggerReason CostLimitReached).",
    "OCPP 2.1 Part 2 E16, TransactionLimitType",
)
VAT_REFUSED = Kind(
    "payment.vat-number-rejected",
    "info",
    "operator",
    "A VAT number was not accepted",
    "A customer entered a VAT number, and the CSMS answered Rejected{reason}.",
    "Nothing has to be done if it was mistyped. If valid numbers are refused, the CSMS does not reach the service that"
    " validates them.",
    "OCPP 2.1 Part 2 C18",
)

MAX_LIMITS: Final = 2_000
"""Transactions with a cost limit that are remembered."""
COST_MARGIN: Final = 1.02
"""Above the limit: what flows while the contactor opens, and rounding."""


class PaymentCheck(PatientCheck):
    """What becomes of payments."""

    kinds = (NOT_SETTLED, CANCELLED, WEB_ABANDONED, NO_CREDIT, OVER_LIMIT, VAT_REFUSED)
    actions = PULSE | {
        "NotifySettlement",
        "NotifyWebPaymentStarted",
        "VatNumberValidation",
        "Authorize",
        "TransactionEvent",
    }

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._limits: dict[tuple[str, str], tuple[float, OcppMessage]] = {}

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Notifications and answers."""
        action = message.action
        if action == "TransactionEvent":
            return self._event(message)
        if action in PULSE:
            return ()
        if message.type is MessageType.CALL:
            if action == "NotifySettlement":
                return _settled(message)
            if action == "NotifyWebPaymentStarted":
                self._web(message, picture)
            return ()
        if message.type is not MessageType.CALLRESULT or message.call is None:
            return ()
        if action == "VatNumberValidation" and text(message.payload, "status") == "Rejected":
            values = {"reason": reason_given(message)}
            return (Finding(VAT_REFUSED, message.time, message.channel.station, (message.call, message), values),)
        if action == "Authorize":
            return _credit(message, message.call)
        return ()

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """The time to pay is over."""
        payment: WebPayment = owed.thing
        if not payment.followed:
            values = {"evse": payment.evse, "timeout": duration(payment.deadline - payment.started)}
            connector = connector_name(payment.evse, 0)
            yield Finding(WEB_ABANDONED, owed.deadline, station, owed.evidence, values, connector=connector)

    def _web(self, message: OcppMessage, picture: Picture) -> None:
        station = picture.stations.get(message.channel.station)
        payment = station.payments.web[-1] if station is not None and station.payments.web else None
        if payment is not None and payment.started == message.time:
            self.expect(message, payment.evse, payment.deadline + GRACE, (message,), payment)

    def _event(self, message: OcppMessage) -> Iterable[Finding]:
        version = message.channel.version
        if version == "2.1":
            if message.type is MessageType.CALL:
                return self._cost(message)
            if message.type is MessageType.CALLRESULT and message.call is not None:
                self._limit(message.payload, message.call.payload, message)
        if message.type is MessageType.CALLRESULT and message.call is not None:
            return _credit(message, message.call)
        return ()

    def _limit(self, payload: Any, event: Any, message: OcppMessage) -> None:
        """Note a cost limit that the CSMS set (in its answer) or that the station told of."""
        limit = obj(payload, "transactionLimit")
        most, id_ = number(limit, "maxCost"), text(event, "transactionInfo", "transactionId")
        if most is None or most <= 0 or id_ is None:
            return
        if len(self._limits) >= MAX_LIMITS:
            del self._limits[next(iter(self._limits))]
        self._limits[message.channel.station, id_[:36]] = (most, bounded(message))

    def _cost(self, message: OcppMessage) -> Iterator[Finding]:
        if not self._limits:
            return
        id_ = (text(message.payload, "transactionInfo", "transactionId") or "")[:36]
        if text(message.payload, "eventType") == "Ended":
            self._limits.pop((message.channel.station, id_), None)
            return
        known = self._limits.get((message.channel.station, id_))
        total = obj(message.payload, "costDetails", "totalCost", "total")
        # The limit is what the customer pays. A cost that is told without tax is less than that: safe to compare.
        cost = number(total, "inclTax")
        cost = number(total, "exclTax") if cost is None else cost
        if known is None or cost is None or cost <= known[0] * COST_MARGIN + 0.01:
            return
        if text(message.payload, "transactionInfo", "chargingState") != "Charging":
            return
        values = {"limit": f"{known[0]:.2f}", "cost": f"{cost:.2f}"}
        station = message.channel.station
        yield Finding(OVER_LIMIT, message.time, station, (known[1], message), values, transaction=id_)


def _settled(message: OcppMessage) -> Iterator[Finding]:
    payload = message.payload
    status = text(payload, "status")
    if status not in ("Rejected", "Failed", "Canceled"):
        return
    amount, info = number(payload, "settlementAmount"), text(payload, "statusInfo")
    id_ = (text(payload, "transactionId") or "")[:36]
    values = {
        "amount": "an unknown amount" if amount is None else f"{amount:.2f}",
        "of": f" for transaction {id_}" if id_ else "",
        "status": status.lower() if status == "Rejected" else "not successful (Failed)",
        "info": f' ("{quoted(info, message)}")' if info else "",
    }
    kind = CANCELLED if status == "Canceled" else NOT_SETTLED
    yield Finding(kind, message.time, message.channel.station, (message,), values, transaction=id_)


def _credit(message: OcppMessage, call: OcppMessage) -> Iterator[Finding]:
    if text(message.payload, "idTokenInfo", "status") != "NoCredit":
        return
    during = call.action == "TransactionEvent"
    id_ = (text(call.payload, "transactionInfo", "transactionId") or "")[:36]
    values = {"action": call.action, "then": ", and the transaction has to end" if during else ""}
    yield Finding(NO_CREDIT, message.time, message.channel.station, (call, message), values, transaction=id_)
