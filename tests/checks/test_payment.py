"""Payments at the station."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.task_talk import Tasks

TOKEN = {"idToken": "04A2B7C1", "type": "ISO14443"}


def settles(status: str, **more: Any) -> Tasks:
    talk = Tasks("2.1")
    payment = {"pspRef": "x", "settlementAmount": 12.5, "settlementTime": talk.now(), "transactionId": "T-1"}
    talk.tell("NotifySettlement", {**payment, "status": status, **more})
    return talk


def event(talk: Tasks, answer: dict[str, Any] | None = None, *, state: str = "Charging", **more: Any) -> None:
    payload = {
        "eventType": "Updated",
        "timestamp": talk.now(),
        "triggerReason": "RunningCost",
        "seqNo": 1,
        "transactionInfo": {"transactionId": "T-1", "chargingState": state},
        "evse": {"id": 1},
    }
    talk.tell("TransactionEvent", {**payload, **more}, answer)


def cost(total: float) -> dict[str, Any]:
    return {"totalCost": {"currency": "EUR", "typeOfCost": "NormalCost", "total": {"inclTax": total}}, "totalUsage": {}}


@pytest.mark.parametrize(
    "status, expected",
    [
        ("Settled", []),
        ("Canceled", ["payment.cancelled"]),
        ("Rejected", ["payment.not-settled"]),
        ("Failed", ["payment.not-settled"]),
    ],
)
def test_a_settlement(status: str, expected: list[str]) -> None:
    talk = settles(status)
    assert talk.found("payment") == expected
    (kept,) = talk.station().payments.settlements
    assert (kept.amount, kept.status) == (12.5, status)


def test_the_provider_may_say_why() -> None:
    assert '("card declined")' in settles("Failed", statusInfo="card declined").the("payment.not-settled").explanation()


def test_a_payment_by_web_that_leads_nowhere() -> None:
    talk = Tasks("2.1")
    talk.order("NotifyWebPaymentStarted", {"evseId": 2, "timeout": 120}, {})
    talk.wait(200)
    finding = talk.the("payment.web-not-completed")
    assert ("EVSE 2" in finding.explanation(), finding.first_seen.connector) == (True, "2")


@pytest.mark.parametrize("evse, led_on", [({"evseId": 2}, True), ({}, True), ({"evseId": 1}, False)])
def test_a_payment_by_web_that_leads_to_a_start(evse: dict[str, Any], led_on: bool) -> None:
    talk = Tasks("2.1")
    talk.order("NotifyWebPaymentStarted", {"evseId": 2, "timeout": 120}, {})
    talk.order("RequestStartTransaction", {"remoteStartId": 1, "idToken": TOKEN, **evse})
    talk.wait(200)
    assert (talk.found("payment") == []) is led_on


def test_a_payment_by_web_is_given_its_time() -> None:
    talk = Tasks("2.1")
    talk.order("NotifyWebPaymentStarted", {"evseId": 2, "timeout": 120}, {})
    talk.wait(130)
    assert talk.found("payment") == []


@pytest.mark.parametrize("status, expected", [("NoCredit", ["payment.no-credit"]), ("Accepted", []), ("Blocked", [])])
def test_credit_that_is_used_up(status: str, expected: list[str]) -> None:
    talk = Tasks("2.1")
    talk.tell("Authorize", {"idToken": TOKEN}, {"idTokenInfo": {"status": status}})
    assert talk.found("payment") == expected


def test_credit_that_is_used_up_while_charging() -> None:
    talk = Tasks("2.1")
    event(talk, {"idTokenInfo": {"status": "NoCredit"}})
    assert "has to end" in talk.the("payment.no-credit").explanation()


@pytest.mark.parametrize(
    "total, state, expected",
    [
        (12.0, "Charging", ["payment.cost-limit-exceeded"]),
        (10.1, "Charging", []),  # while the contactor opens
        (12.0, "SuspendedEVSE", []),
    ],
)
def test_a_limit_to_the_cost(total: float, state: str, expected: list[str]) -> None:
    talk = Tasks("2.1")
    event(talk, {"transactionLimit": {"maxCost": 10.0}})
    event(talk, costDetails=cost(8.0))
    event(talk, costDetails=cost(total), state=state)
    assert talk.found("payment") == expected


@pytest.mark.parametrize("status, expected", [("Accepted", []), ("Rejected", ["payment.vat-number-rejected"])])
def test_a_vat_number(status: str, expected: list[str]) -> None:
    talk = Tasks("2.1")
    talk.tell("VatNumberValidation", {"vatNumber": "ATU12345678"}, {"vatNumber": "ATU12345678", "status": status})
    assert talk.found("payment") == expected
    assert all("ATU" not in finding.explanation(show_ids=True) for finding in talk.diagnose().findings)
