"""Tariffs, and what they make of usage."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.task_talk import Tasks

TARIFF = {
    "tariffId": "day",
    "currency": "EUR",
    "energy": {"prices": [{"priceKwh": 0.4}], "taxRates": [{"type": "VAT", "tax": 20}]},
    "idleTime": {"prices": [{"priceMinute": 0.1}]},
    "fixedFee": {"prices": [{"priceFixed": 1.0}]},
}


def with_tariff(status: str = "Accepted", **edits: Any) -> Tasks:
    talk = Tasks("2.1")
    talk.order("SetDefaultTariff", {"evseId": 0, "tariff": {**TARIFF, **edits}}, {"status": status})
    return talk


def costs(talk: Tasks, *, tariff: str = "day", kind: str = "NormalCost", usage: Any = None, **parts: Any) -> None:
    """10 kWh, half an hour, ten minutes idle; each part without tax, unless it is an object."""
    prices = {part: {"exclTax": price} if isinstance(price, float) else price for part, price in parts.items()}
    total = prices.pop("total", {"exclTax": sum(price.get("exclTax", 0) for price in prices.values())})
    details = {
        "chargingPeriods": [{"tariffId": tariff, "startPeriod": talk.now()}],
        "totalCost": {"currency": "EUR", "typeOfCost": kind, "total": total, **prices},
        "totalUsage": usage or {"energy": 10_000, "chargingTime": 1800, "idleTime": 600},
    }
    ends(talk, costDetails=details)


def ends(talk: Tasks, **more: Any) -> None:
    event = {
        "eventType": "Ended",
        "timestamp": talk.now(),
        "triggerReason": "EVDeparted",
        "seqNo": 4,
        "transactionInfo": {"transactionId": "T-1"},
    }
    talk.tell("TransactionEvent", {**event, **more})


def test_a_cost_that_follows_from_the_tariff() -> None:
    talk = with_tariff()
    costs(talk, energy=4.0, idleTime=1.0, fixed=1.0)
    assert talk.found("tariff") == []
    cost = talk.station().tariffs.costs["T-1"]
    assert (cost.total, cost.currency) == (6.0, "EUR")


def test_a_cost_that_does_not() -> None:
    talk = with_tariff()
    costs(talk, energy=4.9, idleTime=1.0, fixed=1.0)
    text = talk.the("tariff.cost-mismatch").explanation()
    assert all(value in text for value in ("4.90 EUR", "4.00 EUR", "0.4 EUR per kWh", "10000 Wh"))


@pytest.mark.parametrize("part, price", [("idleTime", 2.5), ("fixed", 2.0)])
def test_each_part_is_recalculated(part: str, price: float) -> None:
    talk = with_tariff()
    parts: Any = {"energy": 4.0, part: price}
    costs(talk, **parts)
    assert talk.found("tariff") == ["tariff.cost-mismatch"]


@pytest.mark.parametrize(
    "energy",
    [
        3.99,  # rounded at every meter value
        {"inclTax": 4.8},  # with 20 % tax
    ],
)
def test_rounding_and_tax_are_no_mismatch(energy: Any) -> None:
    talk = with_tariff()
    costs(talk, energy=energy, total={"inclTax": 4.8} if isinstance(energy, dict) else {"exclTax": 3.99})
    assert talk.found("tariff") == []


def test_kilowatt_hours_are_understood_as_well() -> None:
    talk = with_tariff()
    costs(talk, energy=4.0, usage={"energy": 10.0, "chargingTime": 1800, "idleTime": 600})
    assert talk.found("tariff") == []


def test_a_begun_minute_may_count_as_a_whole_one() -> None:
    talk = with_tariff()
    costs(talk, idleTime=1.1)
    assert talk.found("tariff") == []


@pytest.mark.parametrize(
    "edits",
    [
        {"energy": {"prices": [{"priceKwh": 0.4, "conditions": {"startTimeOfDay": "08:00"}}]}},
        {"energy": {"prices": [{"priceKwh": 0.4}, {"priceKwh": 0.3}]}},
        {"minCost": {"exclTax": 10}},
        {"energy": {"prices": [{"priceKwh": 0.4}], "taxRates": [{"type": "x", "tax": 5, "stack": 1}]}},
        {"currency": "CHF"},
    ],
)
def test_a_tariff_that_is_not_wholly_understood_is_not_recalculated(edits: dict[str, Any]) -> None:
    talk = with_tariff(**edits)
    costs(talk, energy=9.0)
    assert talk.found("tariff") == []


def test_a_tariff_that_was_not_seen_or_not_accepted_is_not_recalculated() -> None:
    talk = with_tariff("Rejected")
    costs(talk, energy=9.0)
    costs(talk, energy=9.0, tariff="night")
    assert talk.found("tariff") == ["tariff.refused"]


def test_a_tariff_that_changed_is_not_recalculated() -> None:
    talk = with_tariff()
    talk.order("ChangeTransactionTariff", {"transactionId": "T-1", "tariff": {**TARIFF, "tariffId": "night"}})
    costs(talk, energy=9.0)
    assert talk.found("tariff") == []


def test_the_same_id_with_other_prices_is_not_recalculated() -> None:
    talk = with_tariff()
    other = {**TARIFF, "energy": {"prices": [{"priceKwh": 0.9}]}}
    talk.order("SetDefaultTariff", {"evseId": 0, "tariff": other})
    costs(talk, energy=4.0)
    assert talk.found("tariff") == []


def test_a_minimum_cost_follows_from_no_usage() -> None:
    talk = with_tariff()
    costs(talk, energy=9.0, kind="MinCost")
    assert talk.found("tariff") == []


def test_parts_that_do_not_add_up() -> None:
    talk = with_tariff()
    costs(talk, energy=4.0, fixed=1.0, total={"exclTax": 7.0})
    assert "energy 4.00, fixed 1.00" in talk.the("tariff.sum-mismatch").explanation()


def test_cents_of_rounding_add_up() -> None:
    talk = with_tariff()
    costs(talk, energy=4.0, fixed=1.0, total={"exclTax": 5.02})
    assert talk.found("tariff") == []


def test_the_driver_has_a_tariff_too() -> None:
    talk = Tasks("2.1")
    token = {"idToken": {"idToken": "04A2B7C1", "type": "ISO14443"}}
    talk.tell("Authorize", token, {"idTokenInfo": {"status": "Accepted"}, "tariff": TARIFF})
    costs(talk, energy=9.0)
    assert talk.found("tariff") == ["tariff.cost-mismatch"]


@pytest.mark.parametrize(
    "details, expected",
    [
        ({"failureToCalculate": True, "failureReason": "no clock"}, ["tariff.cost-not-calculated"]),
        ({"failureToCalculate": False}, []),
    ],
)
def test_a_station_may_fail_to_calculate(details: dict[str, Any], expected: list[str]) -> None:
    talk = Tasks("2.1")
    cost = {"currency": "EUR", "typeOfCost": "NormalCost", "total": {"exclTax": 0}}
    ends(talk, costDetails={"totalCost": cost, "totalUsage": {}, **details})
    assert talk.found("tariff") == expected


@pytest.mark.parametrize("status", ["TooManyElements", "ConditionNotSupported", "DuplicateTariffId"])
def test_a_tariff_may_be_refused(status: str) -> None:
    assert status in with_tariff(status).the("tariff.refused").explanation()


@pytest.mark.parametrize("status, expected", [("Accepted", []), ("NoTariff", ["tariff.clear-refused"])])
def test_clearing(status: str, expected: list[str]) -> None:
    talk = with_tariff()
    answer = {"clearTariffsResult": [{"tariffId": "day", "status": status}]}
    talk.order("ClearTariffs", {"tariffIds": ["day"]}, answer)
    assert talk.found("tariff") == expected
    assert talk.station().tariffs.defaults == ({} if status == "Accepted" else {0: "day"})


def test_the_csms_tells_the_cost_as_well() -> None:
    talk = Tasks("2.1")
    talk.order("CostUpdated", {"transactionId": "T-1", "totalCost": 3.5}, {})
    assert (talk.station().tariffs.costs["T-1"].total, talk.found("tariff")) == (3.5, [])
