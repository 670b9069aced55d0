"""Connectors (1.x) and EVSEs with their connectors (2.x), and what states they went through."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from fieldkit.events import OcppMessage

MAX_HISTORY: Final = 500
"""Status changes kept of one connector (the last ones)."""
MAX_CONNECTORS: Final = 256
"""Connectors of one station; the largest known have a few dozen."""


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
    """1.x errorCode; "NoError" or empty otherwise."""
    info: str
    vendor_id: str
    vendor_error: str
    message: OcppMessage


@dataclass(slots=True)
class Connector:
    """One connector; of connector 0 (1.x: the station as a whole) too."""

    evse: int
    """0 with 1.x."""
    number: int
    status: str = ""
    since: int = 0
    history: deque[StatusChange] = field(default_factory=lambda: deque(maxlen=MAX_HISTORY))
    changes: int = 0
    """StatusNotifications seen in all."""
    spent: dict[str, int] = field(default_factory=dict)
    """Nanoseconds in each status, up to ``since``."""

    @property
    def name(self) -> str:
        """As in "1" or "2/1"; "" for the station itself."""
        return connector_name(self.evse, self.number)


class Connectors:
    """All connectors of one station, by (evse, connector)."""

    ACTIONS: Final = frozenset[str]()

    def __init__(self) -> None:
        self.all: dict[tuple[int, int], Connector] = {}

    def find(self, name: str) -> Connector | None:
        """The connector that is named so."""
        return next((connector for connector in self.all.values() if connector.name == name), None)

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
