"""Which version do messages point to?"""

from __future__ import annotations

import pytest

from fieldkit.events import MessageType
from fieldkit.ocpp.versions import of_subprotocol, suggested_by


@pytest.mark.parametrize(
    ("name", "version"),
    [("ocpp1.6", "1.6"), (" OCPP2.0.1 ", "2.0.1"), ("ocpp2.1", "2.1"), ("ocpp2.0", "2.0"), ("soap", ""), ("", "")],
)
def test_subprotocols(name: str, version: str) -> None:
    assert of_subprotocol(name) == version


@pytest.mark.parametrize(
    ("action", "payload", "version"),
    [
        ("StartTransaction", {}, "1.6"),
        ("TransactionEvent", {}, "2.0.1"),
        ("OpenPeriodicEventStream", {}, "2.1"),
        ("Heartbeat", {}, ""),
        ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}, "1.6"),
        ("BootNotification", {"chargingStation": {}, "reason": "PowerUp"}, "2.0.1"),
        ("BootNotification", {}, ""),
        ("StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"}, "1.6"),
        ("StatusNotification", {"connectorId": 1, "evseId": 1, "connectorStatus": "Available"}, "2.0.1"),
        ("Authorize", None, ""),
        ("Nonsense", {}, ""),
    ],
)
def test_what_a_call_points_to(action: str, payload: object, version: str) -> None:
    assert suggested_by(MessageType.CALL, action, payload) == version


@pytest.mark.parametrize("type_", [MessageType.SEND, MessageType.CALLRESULTERROR])
def test_the_new_message_types_are_21(type_: MessageType) -> None:
    assert suggested_by(type_, "", None) == "2.1"
