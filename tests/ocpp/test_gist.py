"""Each message in the words that a technician would use for it."""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fieldkit.events import MessageType, OcppChannel, OcppError, OcppMessage
from fieldkit.ocpp import gist as gists
from fieldkit.ocpp.gist import GIST_LIMIT, gist, without_ids
from fieldkit.safetext import mask

NOON = 1_773_230_400 * 10**9
"""2026-03-11 12:00:00 UTC."""

CHANNEL = OcppChannel("CP001", "1.6", "json", None, False, False, False)


def call(action: str, payload: Any, type_: MessageType = MessageType.CALL) -> OcppMessage:
    raw = json.dumps([type_, "19223201", action, payload])
    return OcppMessage(
        NOON, (1,), "x.pcap", CHANNEL, "station", type_, "19223201", action, payload, None, raw, (), False, None
    )


def answer(action: str, payload: Any) -> OcppMessage:
    asked = call(action, {})
    raw = json.dumps([3, "19223201", payload])
    return OcppMessage(
        NOON,
        (2,),
        "x.pcap",
        CHANNEL,
        "csms",
        MessageType.CALLRESULT,
        "19223201",
        action,
        payload,
        None,
        raw,
        (),
        False,
        asked,
    )


def error(asked: OcppMessage, code: str, description: str, details: Any = None) -> OcppMessage:
    raw = json.dumps([4, "19223201", code, description, details or {}])
    what = OcppError(code, description, details or {})
    return OcppMessage(
        NOON,
        (2,),
        "x.pcap",
        CHANNEL,
        "csms",
        MessageType.CALLERROR,
        "19223201",
        asked.action,
        details or {},
        what,
        raw,
        (),
        False,
        asked,
    )


NOW = "2026-03-11T12:00:05.123Z"
UUID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
CARD = {"idToken": "04A1B2C3D4E57F", "type": "ISO14443"}


def sample(value: Any, measurand: str = "", unit: str = "", phase: str = "", **more: Any) -> dict[str, Any]:
    fields = {"value": value, "measurand": measurand, "unit": unit, "phase": phase, **more}
    return {name: content for name, content in fields.items() if content != ""}


def readings(*samples: Any) -> list[Any]:
    return [{"timestamp": NOW, "sampledValue": list(samples)}]


def variable(path: str, **more: Any) -> dict[str, Any]:
    component, _, name = path.partition(".")
    return {"component": {"name": component}, "variable": {"name": name}, **more}


def profile(schedule: Any, **more: Any) -> dict[str, Any]:
    return {
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
        **more,
    }


def limits(unit: str, *steps: Any) -> dict[str, Any]:
    return {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            s if isinstance(s, dict) else {"startPeriod": i, "limit": s} for i, s in enumerate(steps)
        ],
    }


PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

CALLS: list[tuple[str, Any, str]] = [
    (
        "BootNotification",
        {
            "chargePointVendor": "VendorX",
            "chargePointModel": "M-5",
            "firmwareVersion": "1.2.3",
            "chargePointSerialNumber": "SN0001",
        },
        "VendorX M-5, firmware 1.2.3, serial SN0001",
    ),
    (
        "BootNotification",
        {"reason": "PowerUp", "chargingStation": {"vendorName": "VendorX", "model": "M-5", "serialNumber": "SN0001"}},
        "VendorX M-5, serial SN0001, PowerUp",
    ),
    ("Heartbeat", {}, ""),
    ("StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"}, "connector 1 Available"),
    (
        "StatusNotification",
        {
            "connectorId": 1,
            "status": "Faulted",
            "errorCode": "GroundFailure",
            "vendorErrorCode": "0x12",
            "info": "RCD tripped",
        },
        'connector 1 Faulted: GroundFailure (vendor 0x12: "RCD tripped")',
    ),
    (
        "StatusNotification",
        {"connectorId": 0, "status": "Available", "errorCode": "NoError", "info": "up"},
        'connector 0 (station) Available ("up")',
    ),
    (
        "StatusNotification",
        {"evseId": 1, "connectorId": 2, "connectorStatus": "Occupied", "timestamp": NOW},
        "EVSE 1 connector 2 Occupied",
    ),
    ("Authorize", {"idTag": "04A1B2C3D4E57F"}, "tag 04…7F"),
    ("Authorize", {"idToken": CARD}, "tag 04…7F (ISO14443)"),
    ("Authorize", {"idToken": {"idToken": "", "type": "NoAuthorization"}}, "tag (NoAuthorization)"),
    (
        "StartTransaction",
        {"connectorId": 1, "idTag": "04A1B2C3D4E57F", "meterStart": 12345, "timestamp": NOW},
        "connector 1, tag 04…7F, meter 12.345 kWh",
    ),
    (
        "StopTransaction",
        {"transactionId": 1701, "meterStop": 20000, "reason": "EVDisconnected", "timestamp": NOW},
        "transaction 1701, EVDisconnected, meter 20.0 kWh",
    ),
    (
        "TransactionEvent",
        {
            "eventType": "Started",
            "seqNo": 0,
            "offline": True,
            "triggerReason": "CablePluggedIn",
            "evse": {"id": 1, "connectorId": 1},
            "transactionInfo": {"transactionId": UUID, "chargingState": "EVConnected"},
            "idToken": CARD,
            "meterValue": readings(sample(0.0)),
        },
        "Started offline, seq 0, EVSE 1 connector 1, trigger CablePluggedIn, EVConnected, tx 3fa85f64…,"
        " tag 04…7F (ISO14443), 0.0 kWh",
    ),
    (
        "TransactionEvent",
        {
            "eventType": "Ended",
            "seqNo": 9,
            "offline": False,
            "triggerReason": "EVDeparted",
            "transactionInfo": {"transactionId": "tx 9", "stoppedReason": "EVDisconnected"},
        },
        "Ended, seq 9, trigger EVDeparted, reason EVDisconnected, tx tx 9",
    ),
    (
        "RemoteStartTransaction",
        {"connectorId": 1, "idTag": "VIRTUAL", "chargingProfile": profile(limits("A", 16))},
        "connector 1, tag V******, TxDefaultProfile, stack 0, 16 A",
    ),
    ("RemoteStopTransaction", {"transactionId": 1701}, "transaction 1701"),
    (
        "RequestStartTransaction",
        {"evseId": 1, "remoteStartId": 7, "idToken": {"idToken": "x", "type": "Central"}},
        "EVSE 1, tag * (Central), remote start 7",
    ),
    ("RequestStopTransaction", {"transactionId": UUID}, "transaction 3fa85f64…"),
    (
        "SetChargingProfile",
        {"connectorId": 1, "csChargingProfiles": profile(limits("A", 16))},
        "connector 1 TxDefaultProfile, stack 0, 16 A",
    ),
    (
        "SetChargingProfile",
        {
            "evseId": 0,
            "chargingProfile": profile(
                [limits("W", 11040, 11040, 4140, {"limit": 1380, "numberPhases": 1}, 0)],
                chargingProfileKind="Recurring",
                recurrencyKind="Daily",
            ),
        },
        "EVSE 0 (station) TxDefaultProfile, stack 0, Recurring Daily, 11.0 kW→4.1 kW→1.4 kW on 1 phase→…",
    ),
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "300"}, "HeartbeatInterval=300"),
    ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "geheim"}, "AuthorizationKey=(hidden)"),
    ("GetConfiguration", {}, "all keys"),
    ("GetConfiguration", {"key": []}, "all keys"),
    ("GetConfiguration", {"key": ["A", "B", "C", "D", "E"]}, "A, B, C +2 more"),
    (
        "GetVariables",
        {
            "getVariableData": [
                variable("OCPPCommCtrlr.HeartbeatInterval"),
                {
                    "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 2}},
                    "variable": {"name": "Available", "instance": "x"},
                    "attributeType": "Target",
                },
                variable("A.B"),
            ]
        },
        "OCPPCommCtrlr.HeartbeatInterval, Connector[1,2].Available(x)(Target) +1 more",
    ),
    (
        "SetVariables",
        {"setVariableData": [variable("SecurityCtrlr.BasicAuthPassword", attributeValue="geheim")]},
        "SecurityCtrlr.BasicAuthPassword=(hidden)",
    ),
    (
        "NotifyReport",
        {"requestId": 5, "seqNo": 0, "tbc": True, "reportData": [variable("A.B", variableAttribute=[{"value": "1"}])]},
        "request 5, part 0, 1 variables, more to follow: A.B=1",
    ),
    (
        "NotifyEvent",
        {"eventData": [variable("Connector.Problem", actualValue="true", techCode="CX002", techInfo="ground fault")]},
        "Connector.Problem=true (CX002: ground fault)",
    ),
    ("FirmwareStatusNotification", {"status": "InstallationFailed", "requestId": 3}, "InstallationFailed, request 3"),
    (
        "UpdateFirmware",
        {"location": "ftp://user:geheim@fw.example.com/1.bin", "retrieveDate": NOW},
        "ftp://user:(hidden)@fw.example.com/1.bin, from 12:00:05Z",
    ),
    (
        "UpdateFirmware",
        {"requestId": 3, "firmware": {"location": "https://fw.example.com/1.bin", "retrieveDateTime": NOW}},
        "https://fw.example.com/1.bin, from 12:00:05Z, request 3",
    ),
    (
        "DataTransfer",
        {"vendorId": "VendorX", "messageId": "Ping", "data": '{"idTag":"04A1B2C3D4","pin":1}'},
        'VendorX/Ping "{"idTag":"04…D4","pin":1}"',
    ),
    ("Reset", {"type": "Hard"}, "Hard"),
    ("Reset", {"type": "OnIdle", "evseId": 1}, "OnIdle, EVSE 1"),
    ("UnlockConnector", {"connectorId": 1}, "connector 1"),
    ("UnlockConnector", {"evseId": 1, "connectorId": 2}, "EVSE 1 connector 2"),
    (
        "ReserveNow",
        {"connectorId": 1, "idTag": "04A1B2C3D4E57F", "reservationId": 5, "expiryDate": "2026-03-20T10:00:00Z"},
        "connector 1, tag 04…7F, reservation 5, until 2026-03-20 10:00:00Z",
    ),
    (
        "SendLocalList",
        {"listVersion": 3, "updateType": "Full", "localAuthorizationList": [{}] * 12},
        "Full, version 3, 12 entries",
    ),
    ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}, "StatusNotification, connector 1"),
    ("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}, "connector 1 Inoperative"),
    ("ChangeAvailability", {"evse": {"id": 1}, "operationalStatus": "Operative"}, "EVSE 1 Operative"),
    ("ClearChargingProfile", {}, "all profiles"),
    (
        "InstallCertificate",
        {"certificateType": "CSMSRootCertificate", "certificate": PEM},
        "CSMSRootCertificate, 59 characters",
    ),
    ("CertificateSigned", {"certificateChain": PEM * 2}, "chain of 2, 118 characters"),
    ("CertificateSigned", {"certificateChain": "MIIB"}, "not PEM, 4 characters"),
    (
        "NotifyPeriodicEventStream",
        {"id": 3, "pending": 0, "basetime": NOW, "data": [{}, {}]},
        "stream 3, 2 values, 0 pending",
    ),
    (
        "NotifyEVChargingNeeds",
        {
            "evseId": 1,
            "chargingNeeds": {"requestedEnergyTransfer": "DC", "dcChargingParameters": {"stateOfCharge": 45}},
        },
        "EVSE 1, DC, SoC 45 %",
    ),
    (
        "VendorSpecific",
        {"a": 1, "idToken": CARD, "b": [1, 2], "c": {"d": 1}, "e": 1, "f": 1},
        "a=1, idToken=04…7F (ISO14443), b=[1, 2], c={…}, +2 more",
    ),
]


@pytest.mark.parametrize(
    ("action", "payload", "said"), CALLS, ids=[f"{action}-{said}"[:60] for action, _, said in CALLS]
)
def test_what_a_call_asks_or_tells(action: str, payload: Any, said: str) -> None:
    assert gist(call(action, payload)) == said


ANSWERS: list[tuple[str, Any, str]] = [
    (
        "BootNotification",
        {"status": "Accepted", "currentTime": NOW, "interval": 300},
        "Accepted, heartbeat every 300 s, clock 12:00:05Z",
    ),
    (
        "BootNotification",
        {"status": "Accepted", "currentTime": NOW, "heartbeatInterval": 300},
        "Accepted, heartbeat every 300 s, clock 12:00:05Z",
    ),
    (
        "BootNotification",
        {"status": "Pending", "currentTime": "1970-01-01T00:00:05Z", "interval": 60},
        "Pending, try again after 60 s, clock 1970-01-01 00:00:05Z",
    ),
    ("Heartbeat", {"currentTime": "2026-03-11T13:00:05+01:00"}, "clock 13:00:05+01:00"),
    ("Heartbeat", {"currentTime": "2026-03-11T12:00:05"}, "clock 12:00:05 without time zone"),
    ("Heartbeat", {"currentTime": "11.03.2026 12:00"}, 'clock "11.03.2026 12:00"'),
    ("Heartbeat", {"currentTime": 1773230405}, "clock 1773230405"),
    ("StatusNotification", {}, ""),
    ("Authorize", {"idTagInfo": {"status": "Blocked"}}, "Blocked"),
    (
        "Authorize",
        {"idTokenInfo": {"status": "Accepted", "groupIdToken": CARD, "cacheExpiryDateTime": "2027-01-01T00:00:00Z"}},
        "Accepted, group 04…7F (ISO14443), until 2027-01-01 00:00:00Z",
    ),
    ("StartTransaction", {"transactionId": 1701, "idTagInfo": {"status": "Accepted"}}, "transaction 1701, Accepted"),
    ("TransactionEvent", {"idTokenInfo": {"status": "Invalid"}, "totalCost": 1.5}, "Invalid, cost 1.5"),
    ("GetConfiguration", {"configurationKey": [{"key": "HeartbeatInterval", "value": "300"}]}, "HeartbeatInterval=300"),
    (
        "GetConfiguration",
        {"configurationKey": [{"key": "AuthorizationKey", "value": "geheim"}, {"key": "X"}]},
        "AuthorizationKey=(hidden), X=",
    ),
    (
        "GetConfiguration",
        {"configurationKey": [{"key": "K", "value": "1"}] * 42, "unknownKey": ["A", "B"]},
        "42 keys, unknown: A, B",
    ),
    ("SetVariables", {"setVariableResult": [variable("A.B", attributeStatus="Accepted")] * 3}, "3 Accepted"),
    (
        "SetVariables",
        {
            "setVariableResult": [
                variable("A.B", attributeStatus="Accepted"),
                variable("C.D", attributeStatus="Rejected"),
            ]
        },
        "1 of 2 Accepted; C.D Rejected",
    ),
    (
        "GetVariables",
        {
            "getVariableResult": [
                variable("A.B", attributeStatus="Accepted", attributeValue="5"),
                variable("X.Y", attributeStatus="UnknownComponent"),
            ]
        },
        "A.B=5, X.Y UnknownComponent",
    ),
    ("GetCompositeSchedule", {"status": "Accepted", "chargingSchedule": limits("A", 16, 8.5)}, "Accepted, 16 A→8.5 A"),
    ("GetDiagnostics", {}, "nothing to upload"),
    ("GetLocalListVersion", {"listVersion": -1}, "version -1"),
    (
        "RequestStartTransaction",
        {"status": "Rejected", "statusInfo": {"reasonCode": "TxInProgress", "additionalInfo": "EVSE 1"}},
        "Rejected, TxInProgress: EVSE 1",
    ),
    ("DataTransfer", {"status": "UnknownVendorId"}, "UnknownVendorId"),
    ("UnlockConnector", {"status": "UnlockFailed"}, "UnlockFailed"),
    ("VendorSpecific", {"status": "Accepted"}, "status=Accepted"),
    ("", {"currentTime": NOW}, f"currentTime={NOW}"),
]


@pytest.mark.parametrize(
    ("action", "payload", "said"), ANSWERS, ids=[f"{action}-{said}"[:60] for action, _, said in ANSWERS]
)
def test_what_an_answer_says(action: str, payload: Any, said: str) -> None:
    assert gist(answer(action, payload)) == said


METERS: list[tuple[list[Any], str]] = [
    (readings(sample("12400")), "12.4 kWh"),
    (
        readings(sample("12.4", "Energy.Active.Import.Register", "kWh"), sample("3700", "Power.Active.Import", "W")),
        "12.4 kWh, 3.7 kW",
    ),
    (
        readings(sample("740.2", "Power.Active.Import", "W"), sample("-5.5", "Power.Active.Export", "kW")),
        "740 W, export -5.5 kW",
    ),
    (readings(*(sample("16.02", "Current.Import", "A", phase) for phase in ("L1", "L2", "L3"))), "16.0 A×3"),
    (
        readings(
            *(sample(a, "Current.Import", "A", p) for a, p in [("16", "L1"), ("15.9", "L2"), ("0", "L3"), ("1", "N")])
        ),
        "16.0/15.9/0.0 A",
    ),
    (readings(*(sample("3680", "Power.Active.Import", "W", phase) for phase in ("L1", "L2", "L3"))), "11.0 kW"),
    (readings(sample("230.4", "Voltage", "V", "L1-N"), sample("16", "Current.Import", "A")), "16.0 A, 230 V"),
    (readings(sample("230.4", "Voltage", "V"), sample("3700", "Power.Active.Import", "W")), "3.7 kW"),
    (readings(sample("45", "SoC", "Percent"), sample("31", "Temperature", "Celsius")), "SoC 45 %, +1 more"),
    (readings({"value": 12.4, "unitOfMeasure": {"unit": "Wh", "multiplier": 3}}), "12.4 kWh"),
    (readings({"value": 5, "measurand": "Current.Import", "unitOfMeasure": {"unit": "A", "multiplier": "3"}}), "5.0 A"),
    (readings(sample("10", location="Inlet"), sample("20", location="Outlet")), "0.02 kWh"),
    (readings(sample("10", location="Inlet")), "0.01 kWh"),
    (readings(sample("8800CAFE", format="SignedData"), sample("1000")), "1.0 kWh, +1 more"),
    (readings(sample("1"), sample("NaN"), sample("1e999"), sample(True)), "0.001 kWh, +3 more"),
    (readings(sample("7", "Energy.Active.Import.Register", "furlong")), "7 furlong"),
    (readings(sample("1")) + readings(sample("2000")), "2.0 kWh, last of 2 readings"),
    ([], "no readings"),
    (readings(), "nothing measured"),
    ([{"timestamp": NOW, "value": [{"value": "12400", "unit": "Wh"}, "5"]}], "0.005 kWh"),
    ([{"timestamp": NOW, "value": "12400"}], "12.4 kWh"),
]


@pytest.mark.parametrize(("values", "said"), METERS, ids=[said for _, said in METERS])
def test_meter_values_have_their_units_scaled_and_their_phases_summed_up(values: list[Any], said: str) -> None:
    payload = {"connectorId": 1, "transactionId": 1701, "meterValue": values}
    assert gist(call("MeterValues", payload)) == f"connector 1, tx 1701: {said}"


def test_a_single_meter_value_from_soap_is_no_list() -> None:
    payload = {"connectorId": "1", "values": {"timestamp": NOW, "value": {"value": "12400", "unit": "Wh"}}}
    assert gist(call("MeterValues", payload)) == "connector 1: 12.4 kWh"


def test_errors_say_their_code_and_description() -> None:
    asked = call("Reset", {"type": "Hard"})
    assert gist(error(asked, "NotImplemented", "")) == "NotImplemented"
    assert gist(error(asked, "InternalError", "no memory", {"free": 0})) == "InternalError: no memory (free=0)"
    assert gist(error(asked, "", "HTTP 500 Server Error")) == "HTTP 500 Server Error"
    assert gist(error(asked, "", "")) == "no error code"


def test_errors_give_away_neither_secret_nor_card() -> None:
    changed = call("ChangeConfiguration", {"key": "AuthorizationKey", "value": "geheim123"})
    assert gist(error(changed, "TypeConstraintViolation", "'geheim123' is bad")) == (
        "TypeConstraintViolation: '(hidden)' is bad"
    )
    asked = call("Authorize", {"idTag": "04A1B2C3D4E57F"})
    refused = error(asked, "SecurityError", "04A1B2C3D4E57F unknown", {"idTag": "04A1B2C3D4E57F"})
    assert gist(refused) == "SecurityError: 04…7F unknown (idTag=04…7F)"
    assert gist(refused, show_ids=True) == "SecurityError: 04A1B2C3D4E57F unknown (idTag=04A1B2C3D4E57F)"


def test_identity_tokens_are_shown_on_demand() -> None:
    started = call("StartTransaction", {"connectorId": 1, "idTag": "04A1B2C3D4E57F", "meterStart": 0})
    assert gist(started, show_ids=True) == "connector 1, tag 04A1B2C3D4E57F, meter 0.0 kWh"
    transfer = call("DataTransfer", {"vendorId": "V", "data": "rfid=04A1B2C3D4E57F"})
    assert gist(transfer) == 'V "rfid=04…7F"'
    assert gist(transfer, show_ids=True) == 'V "rfid=04A1B2C3D4E57F"'


TAG = "04A1B2C3D4"


@pytest.mark.parametrize(
    "raw",
    [
        f'[2,"1","Authorize",{{"idTag":{TAG}}}]',
        f'[2,"1","Authorize",{{"idTag" : "{TAG}"',
        f'[2,"1","Authorize",{{"idToken":{{"idToken":"{TAG}","type":"ISO14443"',
        f'[3,"1",{{"idTagInfo":{{"status":"Accepted","parentIdTag":"{TAG}"',
        rf'[2,"1","DataTransfer",{{"vendorId":"V","data":"{{\"uid\":\"{TAG}\"',
        rf'[2,"1","DataTransfer",{{"vendorId":"V","data":"{{\\\"cardUid\\\":\\\"{TAG}\\\"',
        f"<Body><idTag>{TAG}</idTag",
        f'<Body><c:parentIdTag xsi:type="x:IdToken">{TAG}</c:idTag',
    ],
)
def test_a_broken_frame_gives_no_card_away(raw: str) -> None:
    broken = replace(call("Authorize", None), raw=raw)
    assert gist(broken) == raw.replace(TAG, "04…D4")
    assert gist(broken, show_ids=True) == raw


@pytest.mark.parametrize(
    "data",
    [
        f"uid={TAG}",
        f"tag: {TAG}",
        f"card 12, rfid={TAG}",
        f"tag {TAG} swiped",
        f"userTag={TAG}",
        f'{{"idTag":"{TAG}","n":1}}',
        f"<uid>{TAG}</uid>",
    ],
)
def test_data_transfer_gives_no_card_away(data: str) -> None:
    transfer = call("DataTransfer", {"vendorId": "V", "data": data})
    assert gist(transfer) == f'V "{data}"'.replace(TAG, "04…D4")
    assert gist(transfer, show_ids=True) == f'V "{data}"'
    assert gist(call("DataTransfer", {"vendorId": "V", "data": [data]})).count(TAG) == 0
    assert TAG not in gist(call("VendorAction", {"note": data, "uid": TAG, "cardTag": TAG}))


@pytest.mark.parametrize("harmless", ["uuid=4711-0815", "stage: 12345678", "idTagInfo={}", "tagged=yes", "tag missing"])
def test_other_words_stay(harmless: str) -> None:
    assert gist(call("DataTransfer", {"vendorId": "V", "data": harmless})) == f'V "{harmless}"'


def test_a_data_transfer_may_be_named_after_the_card_in_it() -> None:
    asked = call("DataTransfer", {"vendorId": "V", "messageId": "RfidUid", "data": TAG})
    assert gist(asked) == 'V/RfidUid "04…D4"'
    assert gist(asked, show_ids=True) == f'V/RfidUid "{TAG}"'
    said = replace(answer("DataTransfer", {"status": "Accepted", "data": TAG}), call=asked)
    assert gist(said) == 'Accepted "04…D4"'


@pytest.mark.parametrize(
    "asked",
    [
        call("Authorize", {"idTag": TAG}),
        call("Authorize", {"idToken": {"idToken": TAG, "type": "ISO14443"}}),
        call("TransactionEvent", {"idToken": {"idToken": "x", "groupIdToken": TAG}}),
        call("SendLocalList", {"localAuthorizationList": [{"idTag": "other"}, {"idTag": TAG}]}),
        call("DataTransfer", {"vendorId": "V", "data": f'{{"uid":"{TAG}"}}'}),
        replace(call("Authorize", None), raw=f'[2,"1","Authorize",{{"idTag":"{TAG}",,}}]'),
    ],
    ids=lambda asked: asked.raw[:60],
)
@pytest.mark.parametrize("spelt", [TAG, TAG.lower()])
def test_an_error_does_not_quote_the_card_of_its_call(asked: OcppMessage, spelt: str) -> None:
    refused = error(asked, "SecurityError", f"who is {spelt}? tag {spelt} unknown")
    assert gist(refused) == f"SecurityError: who is {mask(spelt)}? tag {mask(spelt)} unknown"
    assert spelt in gist(refused, show_ids=True)


@pytest.mark.parametrize(
    "payload, action",
    [
        ({"idToken": {"idToken": TAG, "type": "eMAID"}, "certificate": "PEM"}, "Authorize"),
        ({"vendorId": "org.openchargealliance.iso15118pnc", "messageId": "Authorize", "data": '{"certificate": "PEM"}'}, "DataTransfer"),
        ({"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "action": "Update", "exiRequest": "EXI"}, "Get15118EVCertificate"),
        ({"vendorId": "org.openchargealliance.iso15118pnc", "messageId": "Get15118EVCertificate", "data": '{"exiRequest": "EXI"}'}, "DataTransfer"),
    ],
    ids=["2.x contract", "1.6 contract", "2.x EXI", "1.6 EXI"],
)  # fmt: skip
@pytest.mark.parametrize("cut", [0, 40], ids=["whole", "cut off"])
def test_a_contract_certificate_names_its_owner(payload: dict[str, Any], action: str, cut: int) -> None:
    """Its subject is the eMAID: base64 hides nothing."""
    body = base64.b64encode(b"\x55\x04\x03\x0c\x0eDE8AAA12345678X and the rest of it").decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    inner = json.loads(json.dumps(payload).replace("EXI", body)) if action == "Get15118EVCertificate" else dict(payload)
    for name in ("certificate", "data"):
        if name in inner:
            said = (
                pem if inner[name] == "PEM" else inner[name].replace("EXI", body).replace("PEM", json.dumps(pem)[1:-1])
            )
            inner[name] = said
    message = call(action, inner)
    text = without_ids(message.raw[: len(message.raw) - cut], message)
    assert body[:20] in message.raw
    assert body[:20] not in text
    assert body[20:40] not in text
    assert "(certificate of a contract or vehicle, " in text
    assert text.startswith(f'[2, "19223201", "{action}"')


def test_the_certificate_of_a_root_is_no_secret() -> None:
    message = call(
        "InstallCertificate",
        {"certificateType": "V2GRootCertificate", "certificate": "-----BEGIN CERTIFICATE-----\nMIIB"},
    )
    assert without_ids(message.raw, message) == message.raw


def test_an_error_may_say_itself_that_it_is_about_a_card() -> None:
    refused = error(call("Reset", {}), "InternalError", f"tag {TAG} unknown")
    assert gist(refused) == "InternalError: tag 04…D4 unknown"
    assert gist(replace(refused, call=None)) == "InternalError: tag 04…D4 unknown"
    assert gist(error(call("Reset", {}), "InternalError", f"{TAG}?", {"info": {"uid": TAG}})) == (
        "InternalError: 04…D4? (info={…})"
    )


def test_what_is_withheld_is_called_hidden() -> None:
    data = "[" + "[]," * 100_000 + "0]"
    raw = f'[2,"1","GetConfiguration",{{"password":"p","data":{data}}}]'
    assert gist(replace(call("GetConfiguration", {"password": "p"}), raw=raw)) == "(hidden)"


def test_a_frame_that_cannot_be_parsed_is_shown_as_it_came_without_its_secrets() -> None:
    broken = replace(
        call("StopTransaction", None),
        raw='[2,"1","StopTransaction",{"transactionId":,"password":"geheim","info":"\x1b[2J"}]',
    )
    assert gist(broken) == r'[2,"1","StopTransaction",{"transactionId":,"password":"(hidden)","info":"\x1b[2J"}]'


def test_hostile_strings_arrive_harmless_and_bounded() -> None:
    said = gist(
        call("BootNotification", {"chargePointVendor": "\x1b]0;x\x07" + "A" * 10**6, "chargePointModel": "\u202e"})
    )
    assert said.startswith(r"\x1b]0;x\x07AAA")
    assert said.endswith(r"… \u202e")
    assert len(said) <= GIST_LIMIT


# ------------------------------------------------------------------------------------------------------ nothing raises

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def members(template: Any) -> list[tuple[str, ...]]:
    return [path for part in template.parts for path in part.paths]


@st.composite
def payloads(draw: st.DrawFn, template: Any) -> Any:
    """The members that the gist looks at, with anything in them; at times something else than an object."""
    if template is None or draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    payload: Any = {}
    for path in members(template):
        holder = payload
        for name in path[:-1]:
            holder = holder.setdefault(name, {}) if isinstance(holder, dict) else {}
        if path and isinstance(holder, dict):
            holder[path[-1]] = draw(JSON)
    return payload


NESTED = ["component", "variable", "evse", "id", "connectorId", "value", "unitOfMeasure", "unit", "multiplier", "phase"]
NESTED += ["measurand", "sampledValue", "chargingSchedule", "chargingSchedulePeriod", "limit", "chargingRateUnit"]
NESTED += ["variableAttribute", "attributeStatus", "key", "status", "errorCode", "info", "idToken", "type", "techCode"]
OBJECTS = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NESTED), inner, max_size=5),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.data(), st.sampled_from([*gists._CALLS, ""]), st.booleans())
def test_a_payload_may_hold_anything(data: st.DataObject, action: str, answering: bool) -> None:
    template = (gists._ANSWERS if answering else gists._CALLS).get(action)
    payload = data.draw(payloads(template))
    said = gist((answer if answering else call)(action, payload))
    assert said.isprintable()
    assert len(said) <= GIST_LIMIT


@settings(max_examples=300)
@given(OBJECTS, st.sampled_from([(action, path) for action in gists._CALLS for path in members(gists._CALLS[action])]))
@example({"value": {"value": "1"}}, ("MeterValues", ("meterValue",)))
def test_objects_may_hold_anything_too(value: Any, place: tuple[str, tuple[str, ...]]) -> None:
    action, path = place
    for name in reversed(path):
        value = {name: value}
    assert len(gist(call(action, value))) <= GIST_LIMIT
    assert len(gist(answer(action, value))) <= GIST_LIMIT


@settings(max_examples=50)
@given(JSON, JSON, JSON)
def test_errors_may_hold_anything(code: Any, description: Any, details: Any) -> None:
    assert len(gist(error(call("Reset", {}), code, description, details))) <= GIST_LIMIT


def test_the_size_of_a_payload_does_not_matter() -> None:
    many = readings(*[sample("1")] * 5_000) * 100
    assert gist(call("MeterValues", {"connectorId": 1, "meterValue": many})).endswith("last of 100 readings")
    assert gist(call("MeterValues", {"connectorId": [1] * 10**5, "meterValue": [{}] * 10**5})).startswith(
        "connector 1, 1"
    )
    assert gist(call("X", {f"k{i}": i for i in range(10**4)})) == "k0=0, k1=1, k2=2, k3=3, +9996 more"


# ------------------------------------------------------------------------------------------------ held against schemas


def schemas(answering: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    package = importlib.util.find_spec("ocpp")
    assert package
    assert package.origin
    for version in ("v16", "v201", "v21"):
        for file in sorted((Path(package.origin).parent / version / "schemas").glob("*.json")):
            name = file.stem
            if name.endswith("Response") == answering:
                yield name.removesuffix("Response").removesuffix("Request"), json.loads(file.read_text("utf-8-sig"))


def knows(schema: dict[str, Any], path: tuple[str, ...], definitions: dict[str, Any]) -> bool:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if not path:
        return True
    properties = schema.get("properties", {})
    return path[0] in properties and knows(properties[path[0]], path[1:], definitions)


IN_1_5_ONLY = {("values",)}


@pytest.mark.skipif(not importlib.util.find_spec("ocpp"), reason="the schemas come with the ocpp package")
@pytest.mark.parametrize("answering", [False, True])
def test_every_member_that_a_template_names_is_in_a_schema(answering: bool) -> None:
    templates = gists._ANSWERS if answering else gists._CALLS
    wanted = {(template, path) for template in templates.values() for path in members(template)}
    actions = set()
    for action, schema in schemas(answering):
        actions.add(action)
        template = templates.get(action)
        wanted = {
            (wanting, path)
            for wanting, path in wanted
            if wanting != template or not knows(schema, path, schema.get("definitions", {}))
        }
    assert {path for _, path in wanted} == (set() if answering else IN_1_5_ONLY)
    if not answering:
        silent = {"ClearCache", "GetLocalListVersion", "GetPeriodicEventStream", "Heartbeat"}
        rare = {"ClearTariffs", "GetDisplayMessages", "ReportDERControl", "UnpublishFirmware", "VatNumberValidation"}
        assert actions - set(templates) == silent | rare
