"""Conversations in simulated time: messages and connections as the pipeline would tell them, into a session's detector."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fieldkit.detect.detector import Detector
from fieldkit.detect.incident import Incident
from fieldkit.events import (
    BasicCredentials,
    Connection,
    ConnectionClosed,
    ConnectionEnd,
    ConnectionOpened,
    Endpoint,
    Event,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppChannel,
    OcppMessage,
    Sender,
)
from fieldkit.session import Session

SECOND = 1_000_000_000
BEGIN = 1_780_000_000 * SECOND


def iso(time: int) -> str:
    return datetime.fromtimestamp(time / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Site:
    """A site of 1.6 stations that talk to one CSMS; ``at`` moves the time."""

    def __init__(self, *names: str, layers: tuple[Any, ...] = ("rules", "statistics")) -> None:
        self.detector = Detector(layers=layers)
        self.session = Session(detector=self.detector)
        self.now = BEGIN
        self.frame = 0
        self._ids = 0
        self._numbers = 0
        self.channels: dict[str, OcppChannel] = {}
        for number, name in enumerate(names):
            self.connect(name, f"192.168.7.{10 + number}")

    # ------------------------------------------------------------------------------------------------------------ time

    def wait(self, seconds: float) -> Site:
        self.now += int(seconds * SECOND)
        return self

    def pass_time(self, seconds: float, every: float = 60.0) -> Site:
        """Heartbeats of all stations for so long."""
        end = self.now + int(seconds * SECOND)
        while self.now < end:
            for name in list(self.channels):
                self.beat(name)
            self.wait(every)
        return self

    # ----------------------------------------------------------------------------------------------------- connections

    def connect(
        self, name: str, address: str, *, status: int = 101, server: str = "203.0.113.5", user: str | None = None
    ) -> OcppChannel:
        self._numbers += 1
        connection = Connection(self._numbers, Endpoint(address, 40_000 + self._numbers), Endpoint(server, 80), self.now,
                                False, "site.pcap")  # fmt: skip
        headers = {
            "sec-websocket-key": f"key{self._numbers}",
            "sec-websocket-protocol": "ocpp1.6",
            "host": "csms.example:80",
        }
        credentials = BasicCredentials(user if user is not None else name, 20, "text") if user != "" else None
        request = HttpRequest(
            self.now, self._frames(), connection, True, "GET", f"/ocpp/{name}", headers, credentials, b""
        )
        answer = {"sec-websocket-protocol": "ocpp1.6"}
        self.feed(ConnectionOpened(self.now, self._frames(), connection), request)
        self.feed(HttpResponse(self.now, self._frames(), connection, False, status, "", answer, request, b""))
        channel = OcppChannel(name, "1.6", "json", connection, False, False, False)
        if status == 101:
            self.channels[name] = channel
        else:
            self.feed(ConnectionClosed(self.now, self._frames(), connection, "fin", False))
        return channel

    def drop(self, name: str, how: ConnectionEnd = "rst", *, by_client: bool | None = None) -> None:
        connection = self.channels.pop(name).connection
        assert connection is not None
        self.feed(ConnectionClosed(self.now, self._frames(), connection, how, by_client))

    # -------------------------------------------------------------------------------------------------------- messages

    def say(
        self,
        name: str,
        action: str,
        payload: dict[str, Any],
        answer: dict[str, Any] | None = None,
        *,
        sender: Sender = "station",
        took: float = 0.1,
        id_: str = "",
    ) -> None:
        """A CALL and, unless ``answer`` is None, its answer."""
        self._ids += 1
        id_ = id_ or f"{self._ids}"
        call = self._message(self.channels[name], sender, MessageType.CALL, id_, action, payload, None, self.now)
        self.feed(call)
        if answer is not None:
            other: Sender = "csms" if sender == "station" else "station"
            time = self.now + int(took * SECOND)
            self.feed(
                self._message(self.channels[name], other, MessageType.CALLRESULT, id_, action, answer, call, time)
            )

    def ask(self, name: str, action: str, payload: dict[str, Any], status: str = "Accepted") -> None:
        """The CSMS asks."""
        self.say(name, action, payload, {"status": status}, sender="csms")

    def boot(self, name: str, **more: str) -> None:
        made = {"chargePointVendor": "Nordwall", "chargePointModel": "NW-22", **more}
        self.say(name, "BootNotification", made,
                 {"status": "Accepted", "currentTime": iso(self.now), "interval": 60})  # fmt: skip

    def beat(self, name: str, took: float = 0.1) -> None:
        self.say(name, "Heartbeat", {}, {"currentTime": iso(self.now)}, took=took)

    def status(self, name: str, status: str, error: str = "NoError", *, off: float = 0.0) -> None:
        stamp = iso(self.now + int(off * SECOND))
        self.say(name, "StatusNotification",
                 {"connectorId": 1, "status": status, "errorCode": error, "timestamp": stamp}, {})  # fmt: skip

    def start(self, name: str, tag: str, register: int, number: int = 1) -> None:
        self.say(name, "StartTransaction",
                 {"connectorId": 1, "idTag": tag, "meterStart": register, "timestamp": iso(self.now)},
                 {"transactionId": number, "idTagInfo": {"status": "Accepted"}})  # fmt: skip

    def meter(self, name: str, register: float, power: float, number: int | None = 1, **more: float) -> None:
        values = [
            {"value": f"{register:.0f}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
            {"value": f"{power:.0f}", "measurand": "Power.Active.Import", "unit": "W"},
            *({"value": f"{value}", "measurand": measurand} for measurand, value in more.items()),
        ]
        payload: dict[str, Any] = {
            "connectorId": 1,
            "meterValue": [{"timestamp": iso(self.now), "sampledValue": values}],
        }
        if number is not None:
            payload["transactionId"] = number
        self.say(name, "MeterValues", payload, {})

    def stop(self, name: str, register: int, number: int = 1, reason: str = "Local") -> None:
        self.say(name, "StopTransaction",
                 {"transactionId": number, "meterStop": register, "timestamp": iso(self.now), "reason": reason}, {})  # fmt: skip

    # -------------------------------------------------------------------------------------------------------- the rest

    def feed(self, *events: Event) -> None:
        self.session.feed(events)

    def incidents(self) -> list[Incident]:
        self.session.finish()
        assert self.session.failed_checks == []
        assert not [note for note in self.detector.notes if "failed" in note], self.detector.notes
        return self.detector.incidents

    def found(self) -> list[tuple[str, str]]:
        """Station and family of every incident."""
        return [(incident.station, incident.family_name) for incident in self.incidents()]

    def _frames(self) -> tuple[int, ...]:
        self.frame += 1
        return (self.frame,)

    def _message(
        self, channel: OcppChannel, sender: Sender, kind: MessageType, id_: str, action: str, payload: dict[str, Any],
        call: OcppMessage | None, time: int,
    ) -> OcppMessage:  # fmt: skip
        raw = json.dumps([int(kind), id_, *([action] if kind is MessageType.CALL else []), payload])
        return OcppMessage(time, self._frames(), "site.pcap", channel, sender, kind, id_, action, payload, None, raw, (),
                           True, call)  # fmt: skip
