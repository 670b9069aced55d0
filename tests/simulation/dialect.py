"""What stations and CSMSs say, in the words of each version: payloads that fit the published schemas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from tests.simulation.station import Connector, Station, Transaction

Payload = dict[str, Any]

UNIT: Final = {
    "Energy.Active.Import.Register": "Wh",
    "Power.Active.Import": "W",
    "Current.Import": "A",
    "Voltage": "V",
    "SoC": "Percent",
    "Temperature": "Celsius",
    "Current.Offered": "A",
    "Power.Offered": "W",
}

_LOCATION: Final = {"SoC": "EV", "Temperature": "Body"}


class Sample(NamedTuple):
    """One measured value."""

    measurand: str
    value: float
    phase: str = ""


@lru_cache(4096)
def _second(second: int, offset: int) -> str:
    zone = timezone(timedelta(minutes=offset)) if offset else UTC
    return datetime.fromtimestamp(second, zone).isoformat(timespec="seconds")


def timestamp(time: int, style: str, offset: int = 0) -> str:
    """``style``: "Z", "ms", "plus"; or "local" with an offset in minutes."""
    second, rest = divmod(time, 1_000_000_000)
    if style == "local":
        return _second(second, offset)
    text = _second(second, 0)
    if style == "plus":
        return text
    if style == "ms":
        return f"{text[:19]}.{rest // 1_000_000:03}Z"
    return text[:19] + "Z"


class Dialect16:
    """OCPP 1.6J."""

    version = "1.6"

    def boot(self, station: Station, reason: str) -> Payload:
        payload: Payload = {
            "chargePointVendor": station.vendor.name,
            "chargePointModel": station.vendor.model,
            "firmwareVersion": station.firmware,
        }
        if station.vendor.serial_in_boot:
            payload["chargePointSerialNumber"] = station.serial
        if station.iccid:
            payload |= {"iccid": station.iccid, "imsi": station.iccid[4:19]}
        return payload

    def status(self, station: Station, connector: Connector | None, status: str, error: str, info: str) -> Payload:
        payload: Payload = {
            "connectorId": connector.number if connector else 0,
            "errorCode": error or "NoError",
            "status": status,
        }
        if station.vendor.status_time:
            payload["timestamp"] = station.stamp()
        if info:
            payload["info"] = info
        return payload

    def authorize(self, tag: str) -> tuple[Payload, Payload]:
        return {"idTag": tag}, {"idTagInfo": {"status": "Accepted"}}

    def refuse(self, tag: str, status: str = "Invalid") -> tuple[Payload, Payload]:
        return {"idTag": tag}, {"idTagInfo": {"status": status}}

    def meter(self, station: Station, samples: Sequence[Sample], context: str) -> Payload:
        sampled = []
        explicit = station.vendor.explicit
        for measurand, value, phase in samples:
            entry: Payload = {"value": _text(value, measurand), "measurand": measurand, "unit": UNIT[measurand]}
            if explicit or context != "Sample.Periodic":
                entry["context"] = context
            if explicit:
                entry["format"] = "Raw"
                entry["location"] = _LOCATION.get(measurand, "Outlet")
            elif measurand == "SoC":
                entry["location"] = "EV"
            if phase:
                entry["phase"] = phase
            sampled.append(entry)
        return {"timestamp": station.stamp(), "sampledValue": sampled}

    def profile(self, number: int, limit: float, unit: str, purpose: str, transaction: Transaction | None) -> Payload:
        schedule = {
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": round(limit, 1)}],
        }
        profile: Payload = {
            "chargingProfileId": number,
            "stackLevel": 1,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": "Relative" if transaction else "Absolute",
            "chargingSchedule": schedule,
        }
        if purpose != "TxProfile" and not transaction:
            schedule["startSchedule"] = "2026-01-01T00:00:00Z"
        if purpose == "TxProfile" and transaction is not None:
            profile["transactionId"] = transaction.number
        return profile


class Dialect2:
    """OCPP 2.0.1 and 2.1."""

    def __init__(self, version: str) -> None:
        self.version = version

    def boot(self, station: Station, reason: str) -> Payload:
        charging: Payload = {
            "model": station.vendor.model,
            "vendorName": station.vendor.name,
            "firmwareVersion": station.firmware,
        }
        if station.vendor.serial_in_boot:
            charging["serialNumber"] = station.serial
        if station.iccid:
            charging["modem"] = {"iccid": station.iccid, "imsi": station.iccid[4:19]}
        return {"reason": reason, "chargingStation": charging}

    def status(self, station: Station, connector: Connector | None, status: str, error: str, info: str) -> Payload:
        return {
            "timestamp": station.stamp(),
            "connectorStatus": status,
            "evseId": connector.number if connector else 0,
            "connectorId": 1,
        }

    def authorize(self, tag: str) -> tuple[Payload, Payload]:
        return {"idToken": self.token(tag)}, {"idTokenInfo": {"status": "Accepted"}}

    def refuse(self, tag: str, status: str = "Invalid") -> tuple[Payload, Payload]:
        return {"idToken": self.token(tag)}, {"idTokenInfo": {"status": status}}

    def token(self, tag: str) -> Payload:
        return {"idToken": tag, "type": "eMAID" if tag.startswith("DE") else "ISO14443"}

    def meter(self, station: Station, samples: Sequence[Sample], context: str) -> Payload:
        sampled = []
        explicit = station.vendor.explicit
        for measurand, value, phase in samples:
            entry: Payload = {"value": round(value, 1 if measurand in ("Current.Import", "Voltage") else 0)}
            if measurand != "Energy.Active.Import.Register" or explicit:
                entry["measurand"] = measurand
            if explicit or context != "Sample.Periodic":
                entry["context"] = context
            if explicit:
                entry["location"] = _LOCATION.get(measurand, "Outlet")
            elif measurand == "SoC":
                entry["location"] = "EV"
            if phase:
                entry["phase"] = phase
            entry["unitOfMeasure"] = {"unit": UNIT[measurand]}
            sampled.append(entry)
        return {"timestamp": station.stamp(), "sampledValue": sampled}

    def event(
        self,
        station: Station,
        connector: Connector,
        transaction: Transaction,
        kind: str,
        trigger: str,
        *,
        state: str = "",
        meter: Payload | None = None,
        tag: str = "",
        stopped: str = "",
        offline: bool = False,
    ) -> Payload:
        info: Payload = {"transactionId": transaction.id}
        if state:
            info["chargingState"] = state
        if stopped:
            info["stoppedReason"] = stopped
        if transaction.remote is not None and trigger == "RemoteStart":
            info["remoteStartId"] = transaction.remote
        payload: Payload = {
            "eventType": kind,
            "timestamp": station.stamp(),
            "triggerReason": trigger,
            "seqNo": transaction.sequence,
            "transactionInfo": info,
            "evse": {"id": connector.number, "connectorId": 1},
        }
        transaction.sequence += 1
        if meter is not None:
            payload["meterValue"] = [meter]
        if tag:
            payload["idToken"] = self.token(tag)
        if offline:
            payload["offline"] = True
        return payload

    def profile(self, number: int, limit: float, unit: str, purpose: str, transaction: Transaction | None) -> Payload:
        schedule: Payload = {
            "id": number,
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": round(limit, 1)}],
        }
        profile: Payload = {
            "id": number,
            "stackLevel": 1,
            "chargingProfilePurpose": {"ChargePointMaxProfile": "ChargingStationMaxProfile"}.get(purpose, purpose),
            "chargingProfileKind": "Relative" if transaction else "Absolute",
            "chargingSchedule": [schedule],
        }
        if purpose != "TxProfile" and not transaction:
            schedule["startSchedule"] = "2026-01-01T00:00:00Z"
        if purpose == "TxProfile" and transaction is not None:
            profile["transactionId"] = transaction.id
        return profile


def _text(value: float, measurand: str) -> str:
    return f"{value:.1f}" if measurand in ("Current.Import", "Voltage") else f"{value:.0f}"
