"""Connectors (1.x) and EVSEs with their connectors (2.x), and what states they went through."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.light import bounded, light
from fieldkit.site.reading import member, moment, objects, whole
from fieldkit.site.room import Room

MAX_HISTORY: Final = 500
"""Status changes kept of one connector (the last ones), as long as the site has room."""
LEAST_HISTORY: Final = 16
"""What every connector may keep, however many there are."""
MAX_WHOLE: Final = 8
"""Of these, so many keep their message whole; the others only what points to it."""
MAX_CONNECTORS: Final = 256
"""Connectors of one station; the largest known have a few dozen."""
MAX_NUMBER: Final = 9999
"""Highest number of a connector or EVSE that is believed."""
MAX_STATUSES: Final = 16
"""Different statuses of one connector whose time is counted: OCPP has nine, a hostile station invents more."""
_LONGEST: Final = 200
"""Characters kept of one text: OCPP allows 50 for info, 500 for techInfo; the rest says no more."""


def connector_name(evse: int, connector: int) -> str:
    """As findings and documents name it: "1" for 1.x, "2/1" for EVSE 2, connector 1, "" for the station itself."""
    if evse:
        return f"{evse}/{connector}" if connector else str(evse)
    return str(connector) if connector else ""


@dataclass(slots=True)
class StatusChange:
    """One StatusNotification (2.x: also NotifyEvent with AvailabilityState)."""

    time: int
    """When it was captured."""
    told: int | None
    """The timestamp that it carries, if any."""
    status: str
    previous: str
    """The status before; empty when this is the first one seen."""
    error: str
    """1.x errorCode; "NoError" or empty otherwise. 2.x NotifyEvent: techCode."""
    info: str
    vendor_id: str
    vendor_error: str
    message: OcppMessage
    """Of older changes without its content."""


@dataclass(slots=True)
class Connector:
    """One connector; of connector 0 (1.x: the station as a whole) too."""

    evse: int
    """0 with 1.x."""
    number: int
    status: str = ""
    since: int = 0
    history: deque[StatusChange] = field(default_factory=deque)
    """Without those that only repeated the one before."""
    changes: int = 0
    """StatusNotifications seen in all."""
    spent: dict[str, int] = field(default_factory=dict)
    """Nanoseconds in each status, up to ``since``."""
    last_told: int = 0
    """Capture time of the last StatusNotification, even if it repeated the one before."""

    @property
    def name(self) -> str:
        """As in "1" or "2/1"; "" for the station itself."""
        return connector_name(self.evse, self.number)


class Connectors:
    """All connectors of one station, by (evse, connector)."""

    ACTIONS: Final = frozenset({"StatusNotification", "NotifyEvent"})

    def __init__(self, room: Room | None = None) -> None:
        self._room = room if room is not None else Room()
        self.all: dict[tuple[int, int], Connector] = {}
        self.fresh: list[tuple[Connector, StatusChange]] = []
        """What the message that was fed last told, repetitions too (their ``previous`` is their ``status``)."""

    def find(self, name: str) -> Connector | None:
        """The connector that is named so."""
        return next((connector for connector in self.all.values() if connector.name == name), None)

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.fresh = []
        if message.type is not MessageType.CALL or message.sender != "station":
            return
        payload = message.payload
        if message.action == "NotifyEvent":
            for event in objects(payload, "eventData"):
                self._event(message, event)
            return
        if member(payload, "connectorStatus") is not None or member(payload, "evseId") is not None:  # 2.x
            place = _place(whole(payload, "evseId"), whole(payload, "connectorId"))
            status = _short(payload, "connectorStatus")
        else:
            place = _place(0, whole(payload, "connectorId"))
            status = _short(payload, "status")
        if place is None or not status:
            return
        texts = [_short(payload, name) for name in ("errorCode", "info", "vendorId", "vendorErrorCode")]
        self._changed(message, place, status, moment(payload, "timestamp"), texts)

    def _event(self, message: OcppMessage, event: dict[str, Any]) -> None:
        """2.x: a state told as a variable (Part 2 G01.FR.08; the way that 2.1 prefers)."""
        if member(event, "variable", "name") != "AvailabilityState":
            return
        kind = member(event, "component", "name")
        evse = member(event, "component", "evse")
        if kind == "ChargingStation":
            place = (0, 0)
        else:
            found = _place(whole(evse, "id"), whole(evse, "connectorId") or 0)
            if found is None or kind not in ("EVSE", "Connector"):
                return
            place = found
        status = _short(event, "actualValue")
        if status:
            texts = [_short(event, "techCode"), _short(event, "techInfo"), "", ""]
            self._changed(message, place, status, moment(event, "timestamp"), texts)

    def _changed(
        self, message: OcppMessage, place: tuple[int, int], status: str, told: int | None, texts: list[str]
    ) -> None:
        connector = self.all.get(place)
        if connector is None:
            if len(self.all) >= MAX_CONNECTORS:
                return
            connector = self.all[place] = Connector(*place)
            self._room.connectors += 1
        previous, time = connector.status, message.time
        error, info, vendor_id, vendor_error = texts
        change = StatusChange(time, told, status, previous, error, info, vendor_id, vendor_error, bounded(message))
        self.fresh.append((connector, change))
        connector.changes += 1
        connector.last_told = time
        if status != previous:
            if previous and (previous in connector.spent or len(connector.spent) < MAX_STATUSES):
                # A log may give no times, or times that go back.
                spent = max(time - connector.since, 0)
                connector.spent[previous] = connector.spent.get(previous, 0) + spent
            connector.status, connector.since = status, time
        elif _same(connector.history[-1], change):
            return
        history = connector.history
        history.append(change)
        if len(history) > MAX_WHOLE:
            old = history[-1 - MAX_WHOLE]
            old.message = light(old.message)
            most = self._room.changes(MAX_HISTORY, LEAST_HISTORY)
            while len(history) > most:
                history.popleft()


def _same(one: StatusChange, other: StatusChange) -> bool:
    return (one.status, one.error, one.info, one.vendor_id, one.vendor_error) == (
        other.status,
        other.error,
        other.info,
        other.vendor_id,
        other.vendor_error,
    )


def _place(evse: int | None, connector: int | None) -> tuple[int, int] | None:
    """EVSE and connector, where both can be believed."""
    if evse is None or connector is None or not (0 <= evse <= MAX_NUMBER and 0 <= connector <= MAX_NUMBER):
        return None
    return evse, connector


def _short(payload: Any, name: str) -> str:
    """The text, once in memory however often it is told: a connector says the same few words all its life."""
    value = member(payload, name)
    return sys.intern(value[:_LONGEST]) if value.__class__ is str else ""
