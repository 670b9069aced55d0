"""Messages to ask about: one morning of two charging stations."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fieldkit.events import Connection, Endpoint, MessageType, OcppChannel, OcppError, OcppMessage, Problem

SECOND = 1_000_000_000


def at(clock: str, day: str = "2026-11-21") -> int:
    """Nanoseconds since the epoch of a time in UTC."""
    moment = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000


def _connection(number: int, client: str) -> Connection:
    return Connection(number, Endpoint(client, 41000 + number), Endpoint("10.0.0.1", 9000), 0, False, "site.pcap")


CP_1 = OcppChannel("CP_1", "1.6", "json", _connection(1, "10.0.0.7"), False, False, False)
CP_2 = OcppChannel("CP_2", "2.0.1", "json", _connection(2, "fe80::7"), False, True, False)
LOGGED = OcppChannel("DEPOT/3", "", "soap", None, False, False, False)

_frame = iter(range(1, 1000))


def call(channel: OcppChannel, clock: str, action: str, payload: Any, *, sender: Any = "station") -> OcppMessage:
    number = next(_frame)
    raw = json.dumps([2, f"m{number}", action, payload])
    return OcppMessage(
        time=at(clock), frames=(number,), source="site.pcap", channel=channel, sender=sender, type=MessageType.CALL,
        id=f"m{number}", action=action, payload=payload, error=None, raw=raw, problems=(), validated=True, call=None,
    )  # fmt: skip


def answer(asked: OcppMessage, after_ms: float, payload: Any) -> OcppMessage:
    return replace(
        asked,
        time=asked.time + int(after_ms * 1_000_000),
        frames=(next(_frame), next(_frame)),
        sender="csms" if asked.sender == "station" else "station",
        type=MessageType.CALLRESULT,
        payload=payload,
        raw=json.dumps([3, asked.id, payload]),
        call=asked,
    )


boot = call(CP_1, "10:00:00", "BootNotification", {"chargePointModel": "Straße 7", "chargePointVendor": "Acme"})
booted = answer(boot, 83.4, {"status": "Accepted", "interval": 300, "currentTime": "2026-11-21T10:00:00Z"})
started = call(CP_1, "10:15:00", "StartTransaction", {"connectorId": 2, "idTag": "DEADBEEF", "meterStart": 0})
start_answer = answer(started, 6200, {"transactionId": 4711, "idTagInfo": {"status": "Invalid"}})
meter = call(
    CP_1,
    "10:15:59.999",
    "MeterValues",
    {
        "connectorId": 2,
        "transactionId": 4711,
        "meterValue": [
            {"timestamp": "2026-11-21T10:15:30Z", "sampledValue": [{"value": "12.5"}, {"value": "230", "unit": "V"}]},
            {"timestamp": "2026-11-21T10:16:00Z", "sampledValue": [{"value": "1e9"}]},
        ],
    },
)
metered = answer(meter, 40, {})
faulted = replace(
    call(CP_1, "10:30:20", "StatusNotification", {"connectorId": 0, "status": "Faulted", "errorCode": "GroundFailure"}),
    problems=(Problem("schema.required", "timestamp", "timestamp is missing"),),
)
event = call(
    CP_2,
    "23:45:00",
    "TransactionEvent",
    {"transactionInfo": {"transactionId": "t-9"}, "evse": {"id": 1, "connectorId": 3}, "offline": False, "cost": None},
)
refused = replace(
    answer(event, 12.5, {}), type=MessageType.CALLERROR, error=OcppError("NotImplemented", "no such action", {})
)
reset = call(LOGGED, "00:10:00", "Reset", {"type": "Soft"}, sender="csms")
broken = replace(reset, type=None, id="", action="", payload=None, raw='[2,"x"')

EVERYTHING = [boot, booted, started, start_answer, meter, metered, faulted, event, refused, reset, broken]
