"""Payments at the station: by QR code, by terminal, from prepaid credit (OCPP 2.1 Part 2 C17 to C25).

Amounts and outcomes are kept; card references, VAT numbers and addresses are not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.reading import number, text, whole

MAX_PAYMENTS: Final = 200
"""Of each sort, kept of one station (the last ones)."""


@dataclass(slots=True)
class WebPayment:
    """Somebody began to pay for an EVSE on a web page."""

    evse: int
    started: int
    deadline: int
    """Until then the station holds the EVSE for them."""
    message: OcppMessage
    followed: bool = False
    """A remote start or a transaction at this EVSE came after it."""


@dataclass(slots=True)
class Settlement:
    """What became of a payment at the end."""

    time: int
    transaction: str
    status: str
    """Settled, Canceled, Rejected, Failed."""
    amount: float | None
    info: str
    message: OcppMessage


class Payments:
    """One station's payments."""

    ACTIONS: Final = frozenset(
        {
            "NotifyWebPaymentStarted",
            "NotifySettlement",
            "VatNumberValidation",
            "RequestStartTransaction",
            "TransactionEvent",
            "Authorize",
        }
    )

    def __init__(self) -> None:
        self.web: deque[WebPayment] = deque(maxlen=MAX_PAYMENTS)
        self.settlements: deque[Settlement] = deque(maxlen=MAX_PAYMENTS)
        self.vat_accepted = 0
        self.vat_rejected = 0
        self.no_credit = 0
        """Answers of the CSMS that a token has no credit left."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        action, payload = message.action, message.payload
        if message.type is MessageType.CALL:
            if action == "NotifyWebPaymentStarted":
                self._web(message)
            elif action == "NotifySettlement":
                self.settlements.append(
                    Settlement(
                        message.time,
                        (text(payload, "transactionId") or "")[:36],
                        (text(payload, "status") or "")[:30],
                        number(payload, "settlementAmount"),
                        (text(payload, "statusInfo") or "")[:200],
                        bounded(message),
                    )
                )
            elif self.web and action in ("RequestStartTransaction", "TransactionEvent"):
                evse = whole(payload, "evseId")
                self._followed(whole(payload, "evse", "id") if evse is None else evse)
        elif message.type is MessageType.CALLRESULT:
            if action == "VatNumberValidation":
                accepted = text(payload, "status") == "Accepted"
                self.vat_accepted += accepted
                self.vat_rejected += not accepted
            elif action in ("TransactionEvent", "Authorize") and text(payload, "idTokenInfo", "status") == "NoCredit":
                self.no_credit += 1

    def _web(self, message: OcppMessage) -> None:
        evse, timeout = whole(message.payload, "evseId"), whole(message.payload, "timeout")
        if evse is None or timeout is None or not 0 <= timeout <= 86_400:
            return
        self.web.append(WebPayment(evse, message.time, message.time + timeout * 1_000_000_000, bounded(message)))

    def _followed(self, evse: int | None) -> None:
        for payment in self.web:
            # A start that names no EVSE, or an event without one, may well be it.
            if evse is None or payment.evse == evse:
                payment.followed = True
