"""Which OCPP version a conversation speaks: as negotiated, or as its messages look.

Used where the handshake is not in the capture, or where no subprotocol was agreed on. The signs are actions and fields
that exist in one family only: 1.6 stations send ``StartTransaction`` and ``chargePointVendor``, 2.x stations
``TransactionEvent`` and ``chargingStation``. 2.0.1 and 2.1 share nearly everything: 2.0.1 is assumed until something
appears that only 2.1 has.
"""

from __future__ import annotations

from typing import Any, Final

from fieldkit.events import MessageType
from fieldkit.ocpp.actions import versions_of

_SUBPROTOCOLS: Final = {
    "ocpp1.5": "1.5",
    "ocpp1.6": "1.6",
    "ocpp1.6j": "1.6",
    "ocpp2.0": "2.0",
    "ocpp2.0.1": "2.0.1",
    "ocpp2.1": "2.1",
}
"""Registered with IANA as WebSocket subprotocol names (ocpp1.2 and ocpp1.5 never had a JSON specification)."""

_FAMILY_FIELDS: Final = {
    # action: (fields of 1.6 only, fields of 2.x only)
    "BootNotification": ({"chargePointVendor", "chargePointModel"}, {"chargingStation", "reason"}),
    "StatusNotification": ({"status", "errorCode"}, {"connectorStatus", "evseId"}),
    "Authorize": ({"idTag", "idTagInfo"}, {"idToken", "idTokenInfo"}),
    "MeterValues": ({"connectorId", "transactionId"}, {"evseId"}),
    "ChangeAvailability": ({"connectorId"}, {"operationalStatus", "evse"}),
    "SetChargingProfile": ({"csChargingProfiles"}, {"evseId", "chargingProfile"}),
    "TriggerMessage": ({"connectorId"}, {"evse"}),
    "UnlockConnector": (set[str](), {"evseId"}),
    "ReserveNow": ({"idTag", "reservationId"}, {"idToken", "id"}),
    "GetCompositeSchedule": ({"connectorId"}, {"evseId"}),
    "FirmwareStatusNotification": (set[str](), {"requestId"}),
    "UpdateFirmware": ({"location"}, {"firmware", "requestId"}),
}


def of_subprotocol(name: str) -> str:
    """The version that a WebSocket subprotocol stands for, empty if it is none of OCPP's."""
    return _SUBPROTOCOLS.get(name.strip().lower(), "")


def suggested_by(type_: MessageType | None, action: str, payload: Any) -> str:
    """The version that one message points to, empty if it fits several families. "2.0.1" may turn out as "2.1"."""
    if type_ in (MessageType.SEND, MessageType.CALLRESULTERROR):
        return "2.1"
    if not action:
        return ""
    exists = versions_of(action)
    if not exists:
        return ""
    if exists == {"2.1"}:
        return "2.1"
    older = exists & {"1.5", "1.6"}
    newer = exists & {"2.0.1", "2.1"}
    if older and newer:
        fields = _FAMILY_FIELDS.get(action)
        if fields is None or not isinstance(payload, dict):
            return ""
        in_older, in_newer = (not names.isdisjoint(payload) for names in fields)
        if in_older == in_newer:
            return ""
        return "1.6" if in_older else "2.0.1"
    return "1.6" if older else "2.0.1"
