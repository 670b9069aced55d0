"""What stations and their CSMS say about connectors and transactions, a line each.

site = Talk16()
site.status("Preparing"); site.start(); site.status("Charging"); site.wait(600); site.stop(reason="Local")
assert "transaction.stop-contradicts" not in site.found()
"""

from __future__ import annotations

from typing import Any

from fieldkit.checks.collector import Collected
from fieldkit.session import Session as Diagnosis
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose, found, the
from tests.traffic.segments import SECOND

TOKEN = "04A2B7C1"
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}


class _Talk:
    version = "1.6"

    def __init__(self, *, start: float = 0, port: int = 49_152, upgrade: bool = True) -> None:
        at = MONDAY + round(start * SECOND)
        self.session = Session("CP_7", self.version, start=at, client=("192.168.7.20", port))
        if upgrade:
            self.session.connect()
            self.session.upgrade()

    def wait(self, seconds: float) -> None:
        self.session.clock.wait(seconds)

    def heartbeat(self) -> None:
        """Shows that the station goes on."""
        self.session.call("station", "Heartbeat", {}, {"currentTime": self.session.timestamp()})

    def set(self, key: str, value: str) -> None:
        """The CSMS sets a configuration key."""
        self.session.call("csms", "ChangeConfiguration", {"key": key, "value": value}, {"status": "Accepted"})

    def diagnose(self, *others: _Talk) -> Diagnosis:
        return diagnose(self.session, *(other.session for other in others))

    def found(self, *others: _Talk, family: str = "") -> list[str]:
        return sorted(id_ for id_ in found(self.diagnose(*others)) if id_.startswith(family))

    def the(self, id_: str) -> Collected:
        return the(self.diagnose(), id_)


class Talk16(_Talk):
    """1.6."""

    def boot(self) -> None:
        answer = {"currentTime": self.session.timestamp(), "interval": 300, "status": "Accepted"}
        boot = {"chargePointVendor": "Testwerk", "chargePointModel": "Säule 22"}
        self.session.call("station", "BootNotification", boot, answer)

    def status(self, status: str, connector: int = 1, error: str = "NoError", **more: Any) -> None:
        payload = {"connectorId": connector, "errorCode": error, "status": status, **more}
        self.session.call("station", "StatusNotification", payload, {})

    def authorize(self, status: str = "Accepted", token: str = TOKEN) -> None:
        self.session.call("station", "Authorize", {"idTag": token}, {"idTagInfo": {"status": status}})

    def start(
        self, id_: int | None = 4711, status: str = "Accepted", *, ago: float = 0, answered: bool = True, **more: Any
    ) -> dict[str, Any]:
        """``ago``: it began so many seconds before."""
        stamp = self.session.timestamp(-ago)
        payload = {"connectorId": 1, "idTag": TOKEN, "meterStart": 1200, "timestamp": stamp, **more}
        answer = {"transactionId": id_, "idTagInfo": {"status": status}}
        self.session.call("station", "StartTransaction", payload, answer if answered else None)
        return payload

    def again(self, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> None:
        self.session.call("station", action, payload, answer)

    def meter(self, register: float, id_: Any = 4711, *, ago: float = 0) -> None:
        reading = {"timestamp": self.session.timestamp(-ago), "sampledValue": [{"value": str(register)}]}
        payload = {"connectorId": 1, "transactionId": id_, "meterValue": [reading]}
        self.session.call("station", "MeterValues", payload, {})

    def stop(
        self, id_: Any = 4711, register: int = 5200, *, ago: float = 0, answered: bool = True, **more: Any
    ) -> dict[str, Any]:
        stamp = self.session.timestamp(-ago)
        payload = {"transactionId": id_, "meterStop": register, "timestamp": stamp, **more}
        self.session.call("station", "StopTransaction", payload, dict(ACCEPTED) if answered else None)
        return payload

    def ordered(self, action: str, payload: dict[str, Any], status: str = "Accepted") -> None:
        """The CSMS orders something, and the station answers."""
        self.session.call("csms", action, payload, {"status": status})


class Talk2(_Talk):
    """2.0.1."""

    version = "2.0.1"

    def __init__(self, *, start: float = 0, port: int = 49_152) -> None:
        super().__init__(start=start, port=port)
        self.seq = 0

    def status(self, status: str, connector: int = 1) -> None:
        stamp = self.session.timestamp()
        payload = {"timestamp": stamp, "connectorStatus": status, "evseId": 1, "connectorId": connector}
        self.session.call("station", "StatusNotification", payload, {})

    def available(self, value: str, **more: Any) -> None:
        """NotifyEvent with AvailabilityState."""
        event = {
            "eventId": 1,
            "timestamp": self.session.timestamp(),
            "trigger": "Delta",
            "actualValue": value,
            "eventNotificationType": "HardWiredNotification",
            "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
            "variable": {"name": "AvailabilityState"},
            **more,
        }
        payload = {"generatedAt": self.session.timestamp(), "seqNo": 0, "eventData": [event]}
        self.session.call("station", "NotifyEvent", payload, {})

    def event(
        self,
        kind: str,
        trigger: str,
        state: str | None = None,
        *,
        seq: int | None = None,
        register: float | None = None,
        ago: float = 0,
        id_: str = "T-1",
        answer: dict[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Numbers itself unless ``seq`` says otherwise."""
        self.seq = self.seq if seq is None else seq
        info: dict[str, Any] = {"transactionId": id_, **more.pop("info", {})}
        if state is not None:
            info["chargingState"] = state
        stamp = self.session.timestamp(-ago)
        payload = {
            "eventType": kind,
            "timestamp": stamp,
            "triggerReason": trigger,
            "seqNo": self.seq,
            "transactionInfo": info,
            "evse": {"id": 1, "connectorId": 1},
            **more,
        }
        if register is not None:
            payload["meterValue"] = [{"timestamp": stamp, "sampledValue": [{"value": register}]}]
        self.session.call("station", "TransactionEvent", payload, {} if answer is None else answer)
        self.seq += 1
        return payload

    def session_of(self, seconds: float = 600) -> None:
        """A transaction without fault."""
        self.event("Started", "CablePluggedIn", "EVConnected", register=1000)
        self.event("Updated", "ChargingStateChanged", "Charging")
        self.wait(seconds)
        self.event("Updated", "MeterValuePeriodic", register=3000)
        self.event("Ended", "EVDeparted", "Idle", register=3000, info={"stoppedReason": "EVDisconnected"})
