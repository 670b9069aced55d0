"""Messages about connectors and transactions as they should be, but for a few members that are anything at all.

``hostile`` makes payloads of nothing but chance, which seldom get past the first look; these get further in.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from fieldkit.events import Event, MessageType, OcppChannel, OcppMessage, Sender
from fieldkit.ocpp.exchange import OTHER
from tests.traffic.conversation import MONDAY
from tests.traffic.hostile import LINE

STAMP = "2026-08-31T08:00:00Z"
_SAMPLES = [{"timestamp": STAMP, "sampledValue": [{"value": "12", "context": "Transaction.End"}]}]
_INFO = {"transactionId": "T", "chargingState": "Charging", "stoppedReason": "Remote", "remoteStartId": 1}
_EVENT = {
    "eventType": "Updated",
    "timestamp": STAMP,
    "triggerReason": "RemoteStart",
    "seqNo": 1,
    "offline": False,
    "transactionInfo": _INFO,
    "evse": {"id": 1, "connectorId": 1},
    "idToken": {"idToken": "A", "type": "Central"},
    "meterValue": _SAMPLES,
}
_NOTIFIED = {
    "actualValue": "Faulted",
    "techCode": "x",
    "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
    "variable": {"name": "AvailabilityState"},
}

CALLS: list[tuple[Sender, str, dict[str, Any], dict[str, Any]]] = [
    ("station", "BootNotification", {"reason": "PowerUp"}, {"status": "Accepted", "currentTime": STAMP, "interval": 5}),
    ("station", "Heartbeat", {}, {"currentTime": STAMP}),
    ("station", "Authorize", {"idTag": "A"}, {"idTagInfo": {"status": "Invalid"}}),
    (
        "station",
        "Authorize",
        {"idToken": {"idToken": "A"}},
        {"idTokenInfo": {"status": "Blocked"}, "certificateStatus": "CertificateExpired"},
    ),
    (
        "station",
        "StatusNotification",
        {"connectorId": 1, "status": "Faulted", "errorCode": "OtherError", "vendorErrorCode": "E"},
        {},
    ),
    ("station", "StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"}, {}),
    ("station", "StatusNotification", {"connectorId": 1, "status": "Charging", "errorCode": "NoError"}, {}),
    ("station", "StatusNotification", {"evseId": 1, "connectorId": 1, "connectorStatus": "Faulted"}, {}),
    ("station", "NotifyEvent", {"eventData": [_NOTIFIED]}, {}),
    (
        "station",
        "StartTransaction",
        {"connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": STAMP},
        {"transactionId": 7, "idTagInfo": {"status": "Accepted"}},
    ),
    ("station", "MeterValues", {"connectorId": 1, "transactionId": 7, "meterValue": _SAMPLES}, {}),
    (
        "station",
        "StopTransaction",
        {"transactionId": 7, "idTag": "A", "meterStop": 9, "timestamp": STAMP, "reason": "Remote"},
        {"idTagInfo": {"status": "Expired"}},
    ),
    ("station", "TransactionEvent", {**_EVENT, "eventType": "Started"}, {"idTokenInfo": {"status": "Invalid"}}),
    ("station", "TransactionEvent", _EVENT, {}),
    ("station", "TransactionEvent", {**_EVENT, "eventType": "Ended"}, {}),
    ("csms", "RemoteStartTransaction", {"idTag": "A", "connectorId": 1}, {"status": "Accepted"}),
    (
        "csms",
        "RequestStartTransaction",
        {"idToken": {"idToken": "A"}, "evseId": 1, "remoteStartId": 1},
        {"status": "Rejected", "statusInfo": {"reasonCode": "X"}},
    ),
    ("csms", "RemoteStopTransaction", {"transactionId": 7}, {"status": "Accepted"}),
    ("csms", "RequestStopTransaction", {"transactionId": "T"}, {"status": "Rejected"}),
    ("csms", "UnlockConnector", {"connectorId": 1}, {"status": "UnlockFailed"}),
    ("csms", "Reset", {"type": "Hard"}, {"status": "Accepted"}),
    (
        "csms",
        "SendLocalList",
        {"updateType": "Full", "localAuthorizationList": [{"idTag": "A", "idTagInfo": {"status": "Accepted"}}]},
        {"status": "Failed"},
    ),
    ("csms", "ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "60"}, {"status": "Accepted"}),
]

_BEYOND: list[Any] = [10**4200, -(10**4200), 1e19, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
"""Numbers and times that do not fit into 64 bits."""
ANYTHING: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, False, 0, -1, 1 << 70, 1e300, 0.5, float("nan"), float("inf")),
        *("", "0", "{0}", "{", "x" * 3000, "\x1b[31m", "2000-01-01T00:00:00+23:59", "2200-12-31T23:59:59Z"),
        *([], {}, [[]], [1, {"a": []}], {"status": {}}),
        *_BEYOND,
    ]
)
EXTREMES: st.SearchStrategy[Any] = st.sampled_from(_BEYOND)


def _spots(payload: Any) -> list[tuple[Any, Any]]:
    """Every place in a payload that a value can be put."""
    spots = []
    for key, value in payload.items() if isinstance(payload, dict) else enumerate(payload):
        spots.append((payload, key))
        if isinstance(value, dict | list):
            spots += _spots(value)
    return spots


@st.composite
def mangled(draw: Any, connected: bool = True, values: st.SearchStrategy[Any] = ANYTHING) -> list[Event]:
    """CALLs and their answers, in any order and number, with up to two members replaced or left out."""
    events: list[Event] = []
    version = draw(st.sampled_from(["1.5", "1.6", "2.0.1", "2.1", ""]))
    channel = OcppChannel("CP", version, "json", LINE if connected else None, False, False, False)
    time = MONDAY
    for number in range(draw(st.integers(1, 16))):
        time += draw(st.sampled_from([0, 10**9, 130 * 10**9, 700 * 10**9, -(10**9)]))
        sender, action, asked, answered = draw(st.sampled_from(CALLS))
        call: OcppMessage | None = None
        for kind, payload in ((MessageType.CALL, deepcopy(asked)), (MessageType.CALLRESULT, deepcopy(answered))):
            for _ in range(draw(st.integers(0, 2))):
                spots = _spots(payload)
                if spots:
                    where, key = draw(st.sampled_from(spots))
                    if isinstance(where, dict) and draw(st.booleans()):
                        where.pop(key, None)
                    else:
                        where[key] = deepcopy(draw(values))
            if kind is MessageType.CALLRESULT and draw(st.integers(0, 5)) == 0:
                continue
            side: Sender = sender if call is None else OTHER[sender]
            raw = json.dumps(payload, default=str) if action != "MeterValues" else ""
            call = OcppMessage(
                time=time,
                frames=(number + 1,),
                source="memory",
                channel=channel,
                sender=side,
                type=kind,
                id=f"m-{number}",
                action=action,
                payload=payload,
                error=None,
                raw=raw,
                problems=(),
                validated=False,
                call=call,
            )
            events.append(call)
    return events
