"""Tariffs and local cost (OCPP 2.1 Part 2 I): refused, not calculated, or not what the tariff makes of the usage.

A cost is recalculated only where nothing has to be guessed: the whole charging was done under one tariff, that tariff
was seen, has one price without conditions for each component, and came with one set of terms. Where the standard leaves
room (is energy in Wh or kWh, does charging time include idling, is a begun minute a whole one), every reading is
allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import PatientCheck, quoted, reason_given, shown
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.picture import Picture
from fieldkit.site.reading import flag, number, obj, objects, text
from fieldkit.site.tariff import Tariff, Tariffs

CENT: Final = 0.02
"""Rounding of a component to the currency's smallest unit, once at the station and once here."""
SHARE: Final = 0.01
"""What a cost may be off otherwise: usage is told rounded."""

REFUSED = Kind(
    "tariff.refused",
    "warning",
    "station",
    "The station does not take a tariff",
    "The CSMS sent tariff {tariff} ({action}), and the station answered {status}{reason}. It goes on with the tariff"
    " that it had, if any.",
    "TooManyElements and ConditionNotSupported: simplify the tariff (the station's TariffCostCtrlr says what it can)."
    " DuplicateTariffId: give a new tariff a new id. NoCurrencyChange: a transaction keeps its currency.",
    "OCPP 2.1 Part 2 I07, I11",
)
CLEAR_REFUSED = Kind(
    "tariff.clear-refused",
    "info",
    "csms",
    "A tariff could not be cleared",
    "The CSMS wanted to clear tariff {tariff}, and the station answered {status}{reason}.",
    "NoTariff: there was none, so nothing has to be done. Rejected: a tariff in use can be cleared after the"
    " transaction.",
    "OCPP 2.1 Part 2 I10",
)
NOT_CALCULATED = Kind(
    "tariff.cost-not-calculated",
    "warning",
    "station",
    "The station could not calculate the cost",
    "The station reports that it failed to calculate the cost of the transaction{why}.",
    "The CSMS has to calculate it. Check that the station's tariff has no conditions that it cannot judge, and that its"
    " clock is right.",
    "OCPP 2.1 Part 2 I12",
)
MISMATCH = Kind(
    "tariff.cost-mismatch",
    "warning",
    "station",
    "The cost does not follow from the tariff",
    "The station tells {told} for {component}. By tariff {tariff} ({price}) and the usage that it tells itself"
    " ({usage}) it should be {expected}.",
    "Do not bill by this amount before it is cleared up. Give the manufacturer tariff and transaction: it is their"
    " calculation.",
    "OCPP 2.1 Part 2 I12, CostDetailsType",
    inferred=True,
)
SUM = Kind(
    "tariff.sum-mismatch",
    "warning",
    "station",
    "The parts of a cost do not add up",
    "The station tells a total of {told}, and its parts ({parts}) add up to {expected}.",
    "Do not bill by this amount before it is cleared up. Give the manufacturer the transaction: it is their"
    " calculation.",
    "OCPP 2.1 Part 2 I12, TotalCostType",
)

_COMPONENTS: Final = {
    "energy": ("energy", "energy", "per kWh"),
    "chargingTime": ("chargingTime", "charging time", "per minute"),
    "idleTime": ("idleTime", "idle time", "per minute"),
    "fixed": ("fixedFee", "fixed fees", "once"),
}
"""Of TotalCostType: the tariff's component, its name in words, what the price is for."""
_ALL_PARTS: Final = (*_COMPONENTS, "reservationTime", "reservationFixed")
_SET_REFUSED: Final = frozenset(
    {"Rejected", "TooManyElements", "ConditionNotSupported", "DuplicateTariffId", "TxNotFound", "NoCurrencyChange"}
)


class TariffCheck(PatientCheck):
    """What becomes of tariffs, and what they make of usage."""

    kinds = (REFUSED, CLEAR_REFUSED, NOT_CALCULATED, MISMATCH, SUM)
    actions = frozenset({"SetDefaultTariff", "ChangeTransactionTariff", "ClearTariffs", "TransactionEvent"})

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Answers, and costs that come with transactions."""
        if message.action == "TransactionEvent":
            if message.type is not MessageType.CALL or message.channel.version != "2.1":
                return ()
            details = obj(message.payload, "costDetails")
            station = picture.stations.get(message.channel.station) if details else None
            return _cost(message, details, station.tariffs) if station is not None else ()
        if message.call is None or message.type is not MessageType.CALLRESULT:
            return ()
        return _answered(message, message.call)


def _answered(message: OcppMessage, call: OcppMessage) -> Iterator[Finding]:
    station, evidence = message.channel.station, (call, message)
    if call.action == "ClearTariffs":
        for result in objects(message.payload, "clearTariffsResult"):
            status = text(result, "status")
            if status in ("Rejected", "NoTariff"):
                tariff = shown(text(result, "tariffId") or "without an id", 60)
                values = {"tariff": tariff, "status": status, "reason": reason_given(message, result)}
                yield Finding(CLEAR_REFUSED, message.time, station, evidence, values, group=tariff)
        return
    status = text(message.payload, "status")
    if status in _SET_REFUSED:
        tariff = shown(text(call.payload, "tariff", "tariffId") or "without an id", 60)
        values = {
            "tariff": tariff,
            "action": call.action,
            "status": status,
            "reason": reason_given(message),
        }
        yield Finding(REFUSED, message.time, station, evidence, values, group=f"{tariff} {status}")


def _cost(message: OcppMessage, details: Any, tariffs: Tariffs) -> Iterator[Finding]:
    station, id_ = message.channel.station, (text(message.payload, "transactionInfo", "transactionId") or "")[:36]
    if flag(details, "failureToCalculate") is True:
        reason = text(details, "failureReason")
        values = {"why": f' ("{quoted(reason, message)}")' if reason else ""}
        yield Finding(NOT_CALCULATED, message.time, station, (message,), values, transaction=id_)
        return
    cost = obj(details, "totalCost")
    if text(cost, "typeOfCost") != "NormalCost":
        return  # a minimum or maximum cost stands in its place
    currency = shown(text(cost, "currency") or "", 3)
    yield from _sum(message, cost, currency, id_)
    tariff = _tariff(details, tariffs, id_)
    if tariff is None or tariff.currency != currency:
        return
    usage = obj(details, "totalUsage")
    for part, (component, words, per) in _COMPONENTS.items():
        told, with_tax = _price(cost, part)
        price = tariff.prices.get(component)
        if told is None or price is None:
            continue
        tax = 1 + tariff.taxes.get(component, 0.0) / 100 if with_tax else 1.0
        candidates = [(amount * price * tax, used) for amount, used in _usage(usage, part)]
        slack = CENT + (price * tax if per == "per minute" else 0.0)  # a begun minute may count as a whole one
        if not candidates or any(abs(told - cost) <= abs(slack) + SHARE * abs(cost) for cost, _ in candidates):
            continue
        expected, used = min(candidates, key=lambda candidate: abs(told - candidate[0]))
        values = {
            "told": f"{told:.2f} {currency}",
            "component": words,
            "tariff": shown(tariff.id, 60),
            "price": f"{price:g} {currency} {per}" + (f" and {tariff.taxes[component]:g} % tax" if with_tax else ""),
            "usage": used,
            "expected": f"{expected:.2f} {currency}",
        }
        evidence = (tariff.message, message)
        yield Finding(MISMATCH, message.time, station, evidence, values, transaction=id_, group=part)


def _tariff(details: Any, tariffs: Tariffs, id_: str) -> Tariff | None:
    """The one that all of the transaction was charged by; None where that is not certain."""
    periods = list(objects(details, "chargingPeriods"))
    ids = {text(period, "tariffId") for period in periods}
    if len(ids) != 1 or id_ in tariffs.of_transaction:
        return None
    name = ids.pop()
    known = tariffs.known.get(name) if name is not None else None
    if known is None or not known.understood or known.id in tariffs.redefined:
        return None
    return known


def _price(cost: Any, part: str) -> tuple[float | None, bool]:
    """What is told for a part, and whether tax is in it."""
    without = number(cost, part, "exclTax")
    return (without, False) if without is not None else (number(cost, part, "inclTax"), True)


def _usage(usage: Any, part: str) -> list[tuple[float, str]]:
    """In units of the price: every amount that the told usage may mean."""
    if part == "fixed":
        return [(1.0, "one session")]
    if part == "energy":
        energy = number(usage, "energy")
        # The schema names no unit: OCPP counts energy in Wh, prices are per kWh, and both are found.
        return [] if energy is None else [(energy / 1000, f"{energy:g} Wh"), (energy, f"{energy:g} kWh")]
    idle, charging = number(usage, "idleTime"), number(usage, "chargingTime")
    if part == "idleTime":
        return [] if idle is None else [(idle / 60, f"{idle:g} s")]
    if charging is None:
        return []
    # By its description chargingTime includes what is idle time too; the price for charging may mean the rest only.
    return [(charging / 60, f"{charging:g} s"), ((charging - (idle or 0.0)) / 60, f"{charging - (idle or 0.0):g} s")]


def _sum(message: OcppMessage, cost: Any, currency: str, id_: str) -> Iterator[Finding]:
    for name in ("exclTax", "inclTax"):
        told = number(cost, "total", name)
        parts = {part: number(cost, part, name) for part in _ALL_PARTS if obj(cost, part)}
        amounts = [amount for amount in parts.values() if amount is not None]
        # A part that is told only with tax, or only without, leaves the other sum open.
        if told is None or not amounts or len(amounts) != len(parts):
            continue
        expected = sum(amounts)
        if abs(told - expected) > CENT * (len(amounts) + 1):
            values = {
                "told": f"{told:.2f} {currency}",
                "parts": ", ".join(f"{part} {amount:.2f}" for part, amount in parts.items()),
                "expected": f"{expected:.2f} {currency}",
            }
            yield Finding(SUM, message.time, message.channel.station, (message,), values, transaction=id_)
            return
