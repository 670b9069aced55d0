"""Tariffs that a CSMS gives a station, and the cost that either says came of them (OCPP 2.1 Part 2 I).

A tariff has components (energy, charging time, idle time, fixed fee, reservation), each with prices under conditions.
``understood`` is one whose every price holds without conditions, which is what can be recalculated from outside.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.reading import flag, items, member, moment, number, obj, objects, text, whole

MAX_TARIFFS: Final = 200
"""Tariffs of one station: a default for each EVSE and those of the last drivers."""
MAX_COSTS: Final = 200
"""Costs kept of one station (those of the last transactions)."""
_MAX_ID: Final = 60

_TIMED: Final = {
    "energy": "priceKwh",
    "chargingTime": "priceMinute",
    "idleTime": "priceMinute",
    "fixedFee": "priceFixed",
}
_NOT_RECALCULATED: Final = frozenset({"reservationTime", "reservationFixed", "minCost", "maxCost"})
"""Components that depend on what is not told with the cost."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tariff as far as it is understood."""

    id: str
    currency: str
    prices: dict[str, float]
    """By component (energy per kWh, chargingTime and idleTime per minute, fixedFee), without tax."""
    taxes: dict[str, float]
    """By component, the tax in percent, where all taxes are on the same base."""
    understood: bool
    """Each component has one price without conditions, and there are no others."""
    why_not: str
    """Why it is not understood; empty if it is."""
    valid_from: int | None
    set_at: int
    message: OcppMessage

    @property
    def terms(self) -> tuple[object, ...]:
        """What it costs: the same for two that differ in their texts only."""
        return (self.currency, self.prices, self.taxes, self.understood)


@dataclass(slots=True)
class Cost:
    """What a transaction cost, as told last."""

    transaction: str
    total: float
    currency: str
    by: str
    """CostUpdated, TransactionEvent (local cost) or TransactionEventResponse."""
    tariff: str
    time: int
    message: OcppMessage


class Tariffs:
    """One station's tariffs and costs."""

    ACTIONS: Final = frozenset(
        {
            "SetDefaultTariff", "ChangeTransactionTariff", "ClearTariffs", "GetTariffs", "CostUpdated",
            "Authorize", "TransactionEvent",
        }
    )  # fmt: skip

    def __init__(self) -> None:
        self.known: dict[str, Tariff] = {}
        """All that were seen, by id, oldest first."""
        self.redefined: set[str] = set()
        """Ids that came again with other prices: what was charged by them cannot be told."""
        self.defaults: dict[int, str] = {}
        """Id of the default tariff by EVSE (0: all of them), as the station accepted it."""
        self.of_transaction: dict[str, list[str]] = {}
        """Ids that a transaction was changed to, in order."""
        self.assigned: deque[tuple[str, str]] = deque(maxlen=MAX_TARIFFS)
        """(id, DefaultTariff or DriverTariff) as the station told in GetTariffs."""
        self.costs: dict[str, Cost] = {}
        """By transaction, oldest first."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        action = message.action
        if action == "TransactionEvent":
            self._event(message)
        elif message.type is MessageType.CALL:
            if action == "CostUpdated":
                self._cost(message, text(message.payload, "transactionId"), number(message.payload, "totalCost"), "")
        elif message.type is MessageType.CALLRESULT and message.call is not None:
            self._answered(message, message.call)

    def _answered(self, message: OcppMessage, call: OcppMessage) -> None:
        accepted = text(message.payload, "status") == "Accepted"
        if call.action == "Authorize":
            self._learn(member(message.payload, "tariff"), message)
        elif call.action == "SetDefaultTariff":
            tariff = self._learn(member(call.payload, "tariff"), call) if accepted else None
            evse = whole(call.payload, "evseId")
            if tariff is not None and evse is not None and (evse in self.defaults or len(self.defaults) < MAX_TARIFFS):
                self.defaults[evse] = tariff.id
        elif call.action == "ChangeTransactionTariff":
            tariff = self._learn(member(call.payload, "tariff"), call) if accepted else None
            id_ = text(call.payload, "transactionId")
            if tariff is not None and id_ is not None:
                changed = self.of_transaction.setdefault(id_[:36], [])
                if len(changed) < 20:
                    changed.append(tariff.id)
                while len(self.of_transaction) > MAX_TARIFFS:
                    del self.of_transaction[next(iter(self.of_transaction))]
        elif call.action == "ClearTariffs":
            self._cleared(message, call)
        elif call.action == "GetTariffs":
            self.assigned.clear()
            for entry in objects(message.payload, "tariffAssignments"):
                kind = (text(entry, "tariffKind") or "")[:30]
                self.assigned.append(((text(entry, "tariffId") or "")[:_MAX_ID], kind))

    def _learn(self, payload: Any, message: OcppMessage) -> Tariff | None:
        if payload.__class__ is not dict:
            return None
        tariff = read_tariff(payload, message)
        earlier = self.known.pop(tariff.id, None)
        if earlier is not None and earlier.terms != tariff.terms and len(self.redefined) < MAX_TARIFFS:
            self.redefined.add(tariff.id)
        while len(self.known) >= MAX_TARIFFS:
            del self.known[next(iter(self.known))]
        self.known[tariff.id] = tariff
        return tariff

    def _cleared(self, message: OcppMessage, call: OcppMessage) -> None:
        evse = whole(call.payload, "evseId")
        gone = {
            text(result, "tariffId")
            for result in objects(message.payload, "clearTariffsResult")
            if text(result, "status") == "Accepted"
        }
        for number_, id_ in tuple(self.defaults.items()):
            if id_ in gone and evse in (None, 0, number_):
                del self.defaults[number_]

    def _event(self, message: OcppMessage) -> None:
        payload = message.payload
        if message.type is MessageType.CALL:
            details = obj(payload, "costDetails")
            if details and flag(details, "failureToCalculate") is not True:
                total = member(details, "totalCost", "total")
                amount = number(total, "inclTax")
                amount = number(total, "exclTax") if amount is None else amount
                currency = text(details, "totalCost", "currency") or ""
                self._cost(message, text(payload, "transactionInfo", "transactionId"), amount, currency)
        elif message.call is not None and member(payload, "totalCost") is not None:
            id_ = text(message.call.payload, "transactionInfo", "transactionId")
            self._cost(message, id_, number(payload, "totalCost"), "")

    def _cost(self, message: OcppMessage, id_: str | None, total: float | None, currency: str) -> None:
        if id_ is None or total is None:
            return
        by = message.action + ("Response" if message.call is not None else "")
        tariff = text(message.payload, "transactionInfo", "tariffId") or ""
        self.costs.pop(id_[:36], None)
        while len(self.costs) >= MAX_COSTS:
            del self.costs[next(iter(self.costs))]
        self.costs[id_[:36]] = Cost(id_[:36], total, currency[:3], by, tariff[:_MAX_ID], message.time, bounded(message))


def read_tariff(payload: dict[str, Any], message: OcppMessage) -> Tariff:
    """A TariffType (OCPP 2.1 Part 2) in the little that can be recalculated."""
    prices: dict[str, float] = {}
    taxes: dict[str, float] = {}
    why_not = next((f"it has {name}" for name in sorted(_NOT_RECALCULATED) if name in payload), "")
    for component, name in _TIMED.items():
        if component not in payload:
            continue
        entries = list(items(payload, component, "prices"))
        price = number(entries[0], name) if entries else None
        tax = _tax(payload, component)
        if len(entries) != 1 or price is None:
            why_not = why_not or f"{component} has {len(entries)} prices"
        elif member(entries[0], "conditions") is not None:
            why_not = why_not or f"the price of {component} has conditions"
        elif tax is None:
            why_not = why_not or f"the taxes on {component} are stacked"
        else:
            prices[component], taxes[component] = price, tax
    return Tariff(
        (text(payload, "tariffId") or "")[:_MAX_ID],
        (text(payload, "currency") or "")[:3],
        prices,
        taxes,
        not why_not,
        why_not,
        moment(payload, "validFrom"),
        message.time,
        bounded(message),
    )


def _tax(payload: dict[str, Any], component: str) -> float | None:
    """The sum of the rates in percent; None where one is taken of another."""
    total = 0.0
    for rate in items(payload, component, "taxRates"):
        tax = number(rate, "tax")
        if tax is None or whole(rate, "stack"):
            return None
        total += tax
    return total
