"""What a station says of itself: who made it, its boots, its settings, its heartbeat."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from fieldkit.events import OcppMessage

MAX_BOOTS: Final = 100
"""Boots of one station that are kept (the last ones); all are counted."""
MAX_SETTINGS: Final = 2000
"""Configuration keys or variables of one station: 1.6 stations have about 100, 2.x ones up to 1,500."""


@dataclass(slots=True)
class Boot:
    """One BootNotification and what came of it."""

    time: int
    call: OcppMessage
    reason: str
    """2.x BootReasonEnumType; 1.x does not say."""
    answer: OcppMessage | None = None
    status: str = ""
    """Accepted, Pending, Rejected; empty while (or when) there was no answer."""
    interval: int | None = None
    """Seconds that the CSMS gave: between heartbeats when accepted, else before the next attempt."""
    current_time: int | None = None
    """The CSMS's clock in its answer, nanoseconds since the epoch."""


@dataclass(slots=True)
class Setting:
    """A configuration key (1.x) or variable attribute (2.x, "Component.Variable") as last seen."""

    value: str | None
    """Secrets are never kept: "(hidden)" stands for them. None: the station did not tell."""
    readonly: bool | None
    time: int
    by: str
    """The action that told: GetConfiguration, ChangeConfiguration, NotifyReport …"""


class About:
    """Filled from BootNotification, Heartbeat, Get/ChangeConfiguration, Get/SetVariables, NotifyReport."""

    ACTIONS: Final = frozenset[str]()

    def __init__(self) -> None:
        self.vendor = ""
        self.model = ""
        self.serial = ""
        self.firmware = ""
        self.boots: deque[Boot] = deque(maxlen=MAX_BOOTS)
        self.boot_count = 0
        self.settings: dict[str, Setting] = {}
        self.settings_dropped = 0
        """Settings beyond ``MAX_SETTINGS``."""
        self.heartbeat_interval: int | None = None
        """Seconds, as the last accepted boot or a setting says."""
        self.heartbeats = 0
        self.last_heartbeat: int | None = None

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer (its ``call`` is what it answers)."""
