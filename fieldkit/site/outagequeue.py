"""What a station says around an outage: what it had to keep until it was back, and what it says twice."""

from __future__ import annotations

from typing import Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.ocpp.timestamps import parse
from fieldkit.site.outagebook import Line
from fieldkit.site.outageloss import SECOND
from fieldkit.site.pathseen import PathSeen

MAX_CALLS: Final = 64
"""Message ids of a station that are remembered, to know what is delivered twice."""
_CALL: Final = MessageType.CALL
_STAMPED: Final = frozenset(
    {"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent", "StatusNotification"}
)
_TRANSACTION: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"})


def heard(line: Line, path: PathSeen, message: OcppMessage) -> None:
    """The CSMS says something."""
    call = message.call
    if message.type is _CALL:
        if message.action == "Reset":
            line.reset_at = message.time
    elif message.id in line.calls:
        line.calls[message.id] = (line.calls[message.id][0], True)
        if call is not None and call.action == "BootNotification" and path.boot is None:
            payload = message.payload
            if isinstance(payload, dict) and payload.get("status") == "Accepted":
                path.boot = message.time


def said(line: Line, path: PathSeen, message: OcppMessage, *, back: bool) -> None:
    """The station calls. ``back``: a station has just come back, so what is old may have waited."""
    action = message.action
    if action == "BootNotification":
        payload = message.payload
        if isinstance(payload, dict) and isinstance(payload.get("reason"), str):
            path.boot_reason = payload["reason"][:40]
    else:
        if path.first_message is None:
            path.first_message = message.time
        if path.transaction_message is None and action in _TRANSACTION:
            path.transaction_message = message.time
    if action in _STAMPED:
        stamp = _stamp(message.payload)
        if stamp is not None:
            path.stamped(stamp - message.time)
            if back and path.upgraded is not None and stamp < path.upgraded - SECOND:
                line.queued += 1
    known, content = line.calls.get(message.id), hash(message.raw)
    if known is not None and known[0] == content:
        line.duplicates += back and known[1]
        return
    line.calls[message.id] = (content, False)
    if len(line.calls) > MAX_CALLS:
        line.calls.popitem(last=False)


def _stamp(payload: object) -> int | None:
    """When a message says that it was made."""
    if not isinstance(payload, dict):
        return None
    told = payload.get("timestamp")
    if told is None:
        values = payload.get("meterValue")
        if isinstance(values, list) and values and isinstance(values[0], dict):
            told = values[0].get("timestamp")
    return parse(told) if isinstance(told, str) else None
