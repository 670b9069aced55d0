"""What stations and their CSMS say in a usual hour: boot, status, heartbeat, and a transaction with meter values.

Payloads fit the schemas of their version, so that a validator has nothing to say unless a test wants it to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.traffic.conversation import Session

Script = Callable[[Session], None]


def boot_16(session: Session) -> None:
    boot = {
        "chargePointVendor": "Testwerk",
        "chargePointModel": "Säule 22",
        "chargePointSerialNumber": session.station,
        "firmwareVersion": "1.4.2",
    }
    accepted = {"currentTime": session.timestamp(), "interval": 300, "status": "Accepted"}
    session.call("station", "BootNotification", boot, accepted)
    for connector in (0, 1):
        status = {"connectorId": connector, "errorCode": "NoError", "status": "Available"}
        session.call("station", "StatusNotification", status, {})


def heartbeat(session: Session) -> None:
    session.clock.wait(30)
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})


def configure_16(session: Session) -> None:
    """A call of the CSMS: answered with what there is."""
    session.call(
        "csms",
        "GetConfiguration",
        {"key": ["HeartbeatInterval", "NoSuchKey"]},
        {
            "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
            "unknownKey": ["NoSuchKey"],
        },
    )


def charge_16(session: Session, *, samples: int = 3) -> None:
    session.call("station", "Authorize", {"idTag": "04A2B7C1"}, {"idTagInfo": {"status": "Accepted"}}, after=5)
    start = {"connectorId": 1, "idTag": "04A2B7C1", "meterStart": 1200, "timestamp": session.timestamp()}
    answer = {"transactionId": 4711, "idTagInfo": {"status": "Accepted"}}
    session.call("station", "StartTransaction", start, answer)
    charging = {"connectorId": 1, "errorCode": "NoError", "status": "Charging", "timestamp": session.timestamp()}
    session.call("station", "StatusNotification", charging, {})
    for number in range(samples):
        sampled = [
            {"value": f"{1200 + 180 * number}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
            {"value": f"{10.9 + number / 10:.1f}", "measurand": "Power.Active.Import", "unit": "kW"},
            *({"value": "15.9", "measurand": "Current.Import", "unit": "A", "phase": f"L{at}"} for at in (1, 2, 3)),
        ]
        session.clock.wait(60)
        values = {
            "connectorId": 1,
            "transactionId": 4711,
            "meterValue": [{"timestamp": session.timestamp(), "sampledValue": sampled}],
        }
        session.call("station", "MeterValues", values, {})
    session.clock.wait(20)
    stop = {"transactionId": 4711, "meterStop": 1740, "timestamp": session.timestamp(), "reason": "EVDisconnected"}
    session.call("station", "StopTransaction", stop, {"idTagInfo": {"status": "Accepted"}})


def boot_2(session: Session) -> None:
    """2.0.1 and 2.1 alike."""
    boot = {"reason": "PowerUp", "chargingStation": {"model": "Säule 22", "vendorName": "Testwerk"}}
    accepted = {"currentTime": session.timestamp(), "interval": 300, "status": "Accepted"}
    session.call("station", "BootNotification", boot, accepted)
    status = {"timestamp": session.timestamp(), "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
    session.call("station", "StatusNotification", status, {})


def configure_2(session: Session) -> None:
    place = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    session.call(
        "csms",
        "GetVariables",
        {"getVariableData": [place]},
        {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "300", **place}]},
    )


def charge_2(session: Session, *, samples: int = 3) -> None:
    token = {"idToken": "04A2B7C1", "type": "ISO14443"}
    accepted = {"idTokenInfo": {"status": "Accepted"}}
    session.call("station", "Authorize", {"idToken": token}, accepted, after=5)
    session.call("station", "TransactionEvent", _event(session, "Started", "Authorized", 0, idToken=token), accepted)
    for number in range(1, samples + 1):
        session.clock.wait(60)
        meter = {
            "timestamp": session.timestamp(),
            "sampledValue": [
                {
                    "value": 1200.0 + 180.0 * number,
                    "measurand": "Energy.Active.Import.Register",
                    "unitOfMeasure": {"unit": "Wh"},
                },
                {"value": 10.9 + number, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "kW"}},
            ],
        }
        updated = _event(session, "Updated", "MeterValuePeriodic", number, meterValue=[meter])
        session.call("station", "TransactionEvent", updated, {})
    session.clock.wait(20)
    ended = _event(session, "Ended", "EVDeparted", samples + 1, stopped="EVDisconnected")
    session.call("station", "TransactionEvent", ended, {})


def _event(
    session: Session, kind: str, trigger: str, number: int, *, stopped: str = "", **more: Any
) -> Mapping[str, Any]:
    transaction = {"transactionId": f"T-{session.station}", "chargingState": "Idle" if stopped else "Charging"}
    if stopped:
        transaction["stoppedReason"] = stopped
    return {
        "eventType": kind,
        "timestamp": session.timestamp(),
        "triggerReason": trigger,
        "seqNo": number,
        "transactionInfo": transaction,
        "evse": {"id": 1, "connectorId": 1},
        **more,
    }


SCRIPTS: Mapping[str, tuple[Script, ...]] = {
    "1.6": (boot_16, configure_16, heartbeat, charge_16),
    "2.0.1": (boot_2, configure_2, heartbeat, charge_2),
    "2.1": (boot_2, configure_2, heartbeat, charge_2),
}


def usual_hour(session: Session) -> None:
    """All there is for the session's version."""
    for script in SCRIPTS[session.version]:
        script(session)


def one_of_many(number: int, *, start: int) -> Session:
    """A usual hour of one station of a site; every second one says goodbye."""
    made = Session(f"CP_{number}", client=(f"192.168.7.{20 + number}", 49_152), start=start, first=(number, 9 * number))
    made.connect()
    made.upgrade()
    usual_hour(made)
    if number % 2:
        made.close("fin")
    return made
