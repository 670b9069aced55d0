"""The floor that a detector has to beat: for each feature of a station's minute, the largest value of the first day.

No rules, no model, no fusion but a pause after each alarm. What exceeds ``MARGIN`` times what the first day had is told,
under the category that the feature suggests.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from fieldkit.events import (
    ConnectionClosed,
    ConnectionOpened,
    Event,
    HttpResponse,
    MessageType,
    OcppMessage,
    Retransmission,
    TlsAlert,
)

MINUTE: Final = 60_000_000_000
LEARNING: Final = 1440
"""Minutes from which the largest values are taken."""
MARGIN: Final = 3.0
PAUSE: Final = 30
"""Minutes after an alarm of a station in which nothing more is told of it."""

_CATEGORY: Final = {
    "calls": "intrusion",
    "refused": "intrusion",
    "http-errors": "intrusion",
    "problems": "intrusion",
    "commands": "intrusion",
    "opened": "connectivity",
    "resets": "connectivity",
    "again": "connectivity",
    "slowest": "connectivity",
    "alerts": "connectivity",
    "profiles": "energy",
    "boots": "maintenance",
    "faults": "maintenance",
    "stopped": "maintenance",
}
_COMMANDS: Final = frozenset(
    {"ChangeConfiguration", "SetVariables", "UpdateFirmware", "Reset", "RemoteStartTransaction",
     "RequestStartTransaction", "UnlockConnector"}
)  # fmt: skip

Alarm = tuple[int, str, str, str, float]


class Naive:
    """Counts by station and minute."""

    def __init__(self) -> None:
        self._minute = 0
        self._began = 0
        self._now: dict[str, Counter[str]] = defaultdict(Counter)
        self._most: Counter[str] = Counter()
        self._silent_until: dict[str, int] = {}
        self._stations: dict[str, str] = {}
        """By address."""
        self._alarms: list[Alarm] = []

    def feed(self, event: Event) -> None:
        minute = event.time // MINUTE
        if minute != self._minute:
            self._turn(minute)
        if isinstance(event, OcppMessage):
            self._message(event)
        elif isinstance(event, ConnectionOpened):
            self._count(event.connection.client.address, "opened")
        elif isinstance(event, ConnectionClosed):
            if event.how in ("rst", "refused", "no-answer"):
                self._count(event.connection.client.address, "resets")
        elif isinstance(event, Retransmission):
            self._count(event.connection.client.address, "again")
        elif isinstance(event, TlsAlert):
            self._count(event.connection.client.address, "alerts")
        elif isinstance(event, HttpResponse) and event.status >= 300:
            self._count(event.connection.client.address, "http-errors")

    def finish(self) -> list[Alarm]:
        self._turn(self._minute + 1)
        return self._alarms

    def _count(self, address: str, feature: str) -> None:
        self._now[self._stations.get(address, "*")][feature] += 1

    def _message(self, message: OcppMessage) -> None:
        station = message.channel.station
        connection = message.channel.connection
        if connection is not None:
            self._stations.setdefault(connection.client.address, station)
        now = self._now[station]
        now["problems"] += len(message.problems)
        action, payload = message.action, message.payload
        if message.type is MessageType.CALL:
            now["calls"] += 1
            now["profiles"] += action == "SetChargingProfile"
            now["commands"] += action in _COMMANDS
            now["boots"] += action == "BootNotification"
            now["stopped"] += action == "StopTransaction"
            if action == "StatusNotification" and isinstance(payload, dict):
                now["faults"] += "Faulted" in (payload.get("status"), payload.get("connectorStatus"))
            return
        if message.call is not None:
            slow = (message.time - message.call.time) // 10_000_000
            now["slowest"] = max(now["slowest"], slow)
        if action == "Authorize" and isinstance(payload, dict):
            told = payload.get("idTagInfo") or payload.get("idTokenInfo") or {}
            now["refused"] += told.get("status") != "Accepted"

    def _turn(self, minute: int) -> None:
        self._began = self._began or minute
        learning = self._minute - self._began < LEARNING
        for station, counts in self._now.items():
            if learning:
                for feature, value in counts.items():
                    self._most[feature] = max(self._most[feature], value)
            elif self._silent_until.get(station, 0) <= self._minute:
                self._judge(station, counts)
        self._now.clear()
        self._minute = minute

    def _judge(self, station: str, counts: Counter[str]) -> None:
        worst, name = 0.0, ""
        for feature, value in sorted(counts.items()):
            excess = value / (MARGIN * (self._most[feature] + 1))
            if excess > worst:
                worst, name = excess, feature
        if worst > 1.0:
            self._silent_until[station] = self._minute + PAUSE
            time = (self._minute + 1) * MINUTE
            self._alarms.append((time, station, _CATEGORY.get(name, "connectivity"), name, min(worst / 10, 1.0)))
