"""Limits and allowed transfers of bidirectional charging."""

from __future__ import annotations

from tests.traffic.task_talk import Tasks


def test_limits_add_up_over_phases() -> None:
    talk = Tasks("2.1")
    bounds = {"maxDischargePower": -2000, "maxDischargePower_L2": 2000, "maxDischargePower_L3": 2000}
    needs = {"requestedEnergyTransfer": "AC_BPT", "controlMode": "DynamicControl", "v2xChargingParameters": bounds}
    talk.tell("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs}, {"status": "Accepted"})
    limits = talk.station().v2x.limits[1]
    assert (limits.discharge, limits.charge, limits.requested, limits.control) == (
        6000.0,
        None,
        "AC_BPT",
        "DynamicControl",
    )


def test_allowed_transfers_count_once_the_station_takes_them_up() -> None:
    talk = Tasks("2.1")
    order = {"transactionId": "T-1", "allowedEnergyTransfer": ["AC_BPT", "DC_BPT"]}
    talk.order("NotifyAllowedEnergyTransfer", order, {"status": "Rejected"})
    assert talk.station().v2x.transactions == {}
    talk.order("NotifyAllowedEnergyTransfer", order)
    assert talk.station().v2x.transactions["T-1"].allowed == ("AC_BPT", "DC_BPT")


def test_a_transaction_that_only_charges_leaves_no_trace() -> None:
    talk = Tasks("2.1")
    sample = {"value": 7000, "measurand": "Power.Active.Import"}
    event = {
        "eventType": "Started",
        "timestamp": talk.now(),
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T-1"},
        "meterValue": [{"timestamp": talk.now(), "sampledValue": [sample]}],
    }
    talk.tell("TransactionEvent", event)
    assert talk.station().v2x.transactions == {}


def test_modes_are_kept_with_their_times() -> None:
    talk = Tasks("2.1")
    for seq, mode in enumerate(["Idle", "Idle", "CentralSetpoint"]):
        event = {
            "eventType": "Updated",
            "timestamp": talk.now(),
            "triggerReason": "OperationModeChanged",
            "seqNo": seq,
            "transactionInfo": {"transactionId": "T-1", "operationMode": mode},
        }
        talk.tell("TransactionEvent", event)
    going = talk.station().v2x.transactions["T-1"]
    assert [mode for _, mode in going.modes] == ["Idle", "CentralSetpoint"]
