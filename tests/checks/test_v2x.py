"""Bidirectional charging."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.task_talk import Tasks


def event(talk: Tasks, seq: int, export: float | None = None, mode: str | None = None, **sample: Any) -> None:
    info: dict[str, Any] = {"transactionId": "T-1", "chargingState": "Charging"}
    if mode is not None:
        info["operationMode"] = mode
    payload: dict[str, Any] = {
        "eventType": "Updated" if seq else "Started",
        "timestamp": talk.now(),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq,
        "transactionInfo": info,
        "evse": {"id": 1},
    }
    if export is not None:
        sampled = {"value": export, "measurand": "Power.Active.Export", "unitOfMeasure": {"unit": "W"}, **sample}
        payload["meterValue"] = [{"timestamp": talk.now(), "sampledValue": [sampled]}]
    talk.silence(60)
    talk.tell("TransactionEvent", payload)


def run(*exports: float, mode: str = "ChargingOnly", **sample: Any) -> Tasks:
    talk = Tasks("2.1")
    event(talk, 0, mode=mode)
    for seq, export in enumerate(exports, 1):
        event(talk, seq, export, **sample)
    return talk


def needs(talk: Tasks, most: float, status: str = "Accepted") -> None:
    charging_needs = {
        "requestedEnergyTransfer": "AC_BPT",
        "v2xChargingParameters": {"maxDischargePower": most, "maxChargePower": 11000},
    }
    talk.tell("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": charging_needs}, {"status": status})


def test_discharging_in_a_mode_for_it() -> None:
    assert run(5000, 5000, 5000, mode="CentralSetpoint").found("v2x") == []


def test_discharging_in_a_mode_that_only_charges() -> None:
    talk = run(5000, 5200)
    assert "5,200 W" in talk.the("v2x.discharging-not-allowed").explanation()


def test_kilowatts_and_phases_are_added_up() -> None:
    talk = run(5, 5, unitOfMeasure={"unit": "kW"})
    assert "5,000 W" in talk.the("v2x.discharging-not-allowed").explanation()


@pytest.mark.parametrize(
    "exports, sample",
    [
        ((5000,), {}),  # one reading may be of the moment before
        ((150, 150, 150), {}),  # what a meter makes of an idle inverter
        ((5000, 0, 5000, 0), {}),
        ((5000, 5000), {"location": "Upstream"}),  # the house feeds in, not the vehicle
    ],
)
def test_what_is_no_discharging(exports: tuple[float, ...], sample: dict[str, Any]) -> None:
    assert run(*exports, **sample).found("v2x") == []


def test_readings_around_a_change_of_mode_belong_to_the_mode_before() -> None:
    talk = run(5000, 5000, mode="CentralSetpoint")
    event(talk, 3, 5000, mode="ChargingOnly")
    event(talk, 4, 5000)
    assert talk.found("v2x") == []
    event(talk, 5, 5000)
    assert talk.found("v2x") == ["v2x.discharging-not-allowed"]


def test_a_station_that_tells_of_no_mode_breaks_none() -> None:
    talk = Tasks("2.1")
    event(talk, 0)
    event(talk, 1, 5000)
    event(talk, 2, 5000)
    assert talk.found("v2x") == []


@pytest.mark.parametrize("most, expected", [(3000, ["v2x.discharge-limit-exceeded"]), (4800, [])])
def test_the_power_that_was_agreed_on(most: float, expected: list[str]) -> None:
    talk = Tasks("2.1")
    needs(talk, most)
    event(talk, 0, mode="CentralSetpoint")
    event(talk, 1, 5000)
    event(talk, 2, 5000)
    assert talk.found("v2x") == expected


@pytest.mark.parametrize("status, expected", [("Accepted", []), ("Rejected", ["v2x.needs-refused"])])
def test_the_csms_may_not_take_up_what_the_vehicle_asks_for(status: str, expected: list[str]) -> None:
    talk = Tasks("2.1")
    needs(talk, 5000, status)
    assert talk.found("v2x") == expected


@pytest.mark.parametrize(
    "action, order, expected",
    [
        (
            "NotifyAllowedEnergyTransfer",
            {"transactionId": "T-1", "allowedEnergyTransfer": ["AC_BPT"]},
            "v2x.transfer-refused",
        ),
        ("AFRRSignal", {"timestamp": "2026-08-31T08:00:00Z", "signal": 4}, "v2x.signal-refused"),
    ],
)
def test_the_station_may_not_follow(action: str, order: dict[str, Any], expected: str) -> None:
    talk = Tasks("2.1")
    talk.order(action, order)
    assert talk.found("v2x") == []
    talk.order(action, order, {"status": "Rejected"})
    assert talk.found("v2x") == [expected]
