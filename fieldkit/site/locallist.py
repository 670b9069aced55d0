"""The local authorization list: which version the station has and what came of updates. No token is kept."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.kept import same
from fieldkit.site.light import light
from fieldkit.site.reading import member, text, whole

MAX_UPDATES: Final = 50
"""Updates of one station that are kept (the last ones)."""


@dataclass(slots=True)
class ListUpdate:
    """One SendLocalList and what came of it."""

    time: int
    version: int | None
    kind: str
    """Full or Differential."""
    entries: int
    order: OcppMessage
    status: str = ""
    """Accepted, Failed, NotSupported (1.x), VersionMismatch; empty while there is no answer."""


class LocalList:
    """One station's list."""

    ACTIONS: Final = frozenset({"SendLocalList", "GetLocalListVersion"})

    def __init__(self) -> None:
        self.version: int | None = None
        """By the last update that the station accepted, or as it told; None while unknown."""
        self.told: int | None = None
        """As the station told last. 1.x: -1 means that it has no local list; 2.x: 0 means that it is empty."""
        self.entries: int | None = None
        """Of the last full update that was accepted; None once it was changed by a differential one."""
        self.updates: deque[ListUpdate] = deque(maxlen=MAX_UPDATES)
        self.count = 0
        """Updates seen in all."""
        self.expected: int | None = None
        """When the station was last asked for its version: what the updates before should have made of it."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        if message.type is MessageType.CALL:
            if message.action == "SendLocalList":
                self._sent(message)
            return
        call = message.call
        if call is None or message.type is not MessageType.CALLRESULT:
            return
        if call.action == "SendLocalList":
            self._answered(message, call)
        elif call.action == "GetLocalListVersion":
            told = whole(message.payload, "listVersion")
            told = whole(message.payload, "versionNumber") if told is None else told
            if told is not None:
                self.expected, self.told, self.version = self.version, told, told

    def _sent(self, message: OcppMessage) -> None:
        payload = message.payload
        version = whole(payload, "listVersion")
        version = whole(payload, "versionNumber") if version is None else version
        # 1.5 calls it localAuthorisationList.
        entries = member(payload, "localAuthorizationList") or member(payload, "localAuthorisationList")
        number = len(entries) if isinstance(entries, list) else 0
        self.count += 1
        kind = (text(payload, "updateType") or "")[:20]
        self.updates.append(ListUpdate(message.time, version, kind, number, light(message)))

    def _answered(self, message: OcppMessage, call: OcppMessage) -> None:
        update = next((update for update in reversed(self.updates) if same(update.order, call)), None)
        if update is None:
            return
        update.status = (text(message.payload, "status") or "")[:50]
        if update.status != "Accepted":
            return
        if update.version is not None:
            self.version = update.version
        self.entries = update.entries if update.kind == "Full" else None
