"""Charging in detail: meter values, profiles and states as a test needs them, on top of ``scripts``.

session = charging_16()
for minute in range(10):
    measure(session, {"Power.Active.Import": 11000, REGISTER: 1000 + 183 * minute})
stop_16(session, 2830)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.traffic.conversation import Session
from tests.traffic.scripts import boot_2, boot_16

REGISTER = "Energy.Active.Import.Register"
POWER = "Power.Active.Import"
CURRENT = "Current.Import"
UNITS = {"Energy": "Wh", "Power": "W", "Current": "A", "Voltage": "V", "SoC": "Percent", "Temperature": "Celsius"}

Values = Mapping[str, float | str | Mapping[str, Any]]
"""By measurand, with its phase behind a blank ("Current.Import L1"); an object replaces the whole sampled value."""


def online_16(station: str = "CP_7", version: str = "1.6") -> Session:
    """A station that has booted, 1.6 or 2.x."""
    session = Session(station, version)
    session.connect()
    session.upgrade()
    (boot_16 if version == "1.6" else boot_2)(session)
    return session


def charging_16(station: str = "CP_7", *, meter: float = 1000, transaction: int = 1) -> Session:
    """A station with a transaction that has just begun."""
    session = online_16(station)
    start_16(session, meter, transaction)
    return session


def start_16(session: Session, meter: float = 1000, transaction: int = 1, *, after: float = 5) -> None:
    session.clock.wait(after)
    start = {"connectorId": 1, "idTag": "04A2B7C1", "meterStart": meter, "timestamp": session.timestamp()}
    answer = {"transactionId": transaction, "idTagInfo": {"status": "Accepted"}}
    session.call("station", "StartTransaction", start, answer)
    status_16(session, "Charging")


def stop_16(session: Session, meter: float, transaction: int = 1, **more: Any) -> None:
    stop = {"transactionId": transaction, "meterStop": meter, "timestamp": session.timestamp(), **more}
    session.call("station", "StopTransaction", stop, {"idTagInfo": {"status": "Accepted"}})
    status_16(session, "Available")


def status_16(session: Session, status: str) -> None:
    payload = {"connectorId": 1, "errorCode": "NoError", "status": status, "timestamp": session.timestamp()}
    session.call("station", "StatusNotification", payload, {})


def measure(
    session: Session,
    values: Values,
    *,
    after: float = 60,
    transaction: int | None = 1,
    late: float = 0,
    connector: int = 1,
    **more: Any,
) -> None:
    """MeterValues of 1.6; ``late``: by so many seconds its timestamp is older than the message."""
    session.clock.wait(after - 0.5)
    samples = [_sample(name, value, more) for name, value in values.items()]
    reading = {"timestamp": session.timestamp(-late), "sampledValue": samples}
    payload: dict[str, Any] = {"connectorId": connector, "meterValue": [reading]}
    if transaction is not None:
        payload["transactionId"] = transaction
    session.call("station", "MeterValues", payload, {})


def _sample(name: str, value: float | str | Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    measurand, _, phase = name.partition(" ")
    unit = next((unit for beginning, unit in UNITS.items() if measurand.startswith(beginning)), "")
    sample = {"value": str(value), "measurand": measurand, "phase": phase, "unit": unit, **more}
    return {member: content for member, content in sample.items() if content != ""}


def event_2(
    session: Session,
    kind: str,
    number: int,
    values: Values | None = None,
    *,
    state: str = "Charging",
    after: float = 60,
    **more: Any,
) -> None:
    """A TransactionEvent, with a reading if there are values."""
    session.clock.wait(after - 0.5)
    payload: dict[str, Any] = {
        "eventType": kind,
        "timestamp": session.timestamp(),
        "triggerReason": "MeterValuePeriodic" if kind == "Updated" else "Authorized",
        "seqNo": number,
        "transactionInfo": {"transactionId": "T-1", "chargingState": state},
        "evse": {"id": 1, "connectorId": 1},
    }
    if values is not None:
        samples = []
        for name, value in values.items():
            sample = dict(_sample(name, value, more))
            if isinstance(value, int | float):
                sample["value"] = value
            if "unit" in sample:
                sample["unitOfMeasure"] = {"unit": sample.pop("unit")}
            samples.append(sample)
        payload["meterValue"] = [{"timestamp": session.timestamp(), "sampledValue": samples}]
    session.call("station", "TransactionEvent", payload, {})


def profile_16(limit: float = 16, **more: Any) -> dict[str, Any]:
    """A TxDefaultProfile with one limit for good; ``periods`` are (start, limit), ``unit`` is A or W."""
    periods = more.pop("periods", [(0, limit)])
    schedule: dict[str, Any] = {
        "chargingRateUnit": more.pop("unit", "A"),
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": amount} for start, amount in periods],
    }
    for name in ("duration", "startSchedule"):
        if name in more:
            schedule[name] = more.pop(name)
    return {
        "chargingProfileId": 30,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
        **more,
    }


def set_profile_16(
    session: Session, profile: Mapping[str, Any], status: str = "Accepted", *, connector: int = 1
) -> None:
    payload = {"connectorId": connector, "csChargingProfiles": profile}
    session.call("csms", "SetChargingProfile", payload, {"status": status})


def set_profile_2(session: Session, profile: Mapping[str, Any], answer: Mapping[str, Any], *, evse: int = 1) -> None:
    value = {name: content for name, content in profile.items() if name != "chargingProfileId"}
    value |= {"id": profile["chargingProfileId"], "chargingSchedule": [{"id": 1, **profile["chargingSchedule"]}]}
    session.call("csms", "SetChargingProfile", {"evseId": evse, "chargingProfile": value}, answer)


def configured_16(session: Session, **settings: str) -> None:
    """The CSMS asks for settings and is told."""
    keys = [{"key": key, "readonly": True, "value": value} for key, value in settings.items()]
    session.call("csms", "GetConfiguration", {"key": list(settings)}, {"configurationKey": keys})
