"""Since when nothing is missing: a check that accuses somebody of leaving something out asks here first."""

from __future__ import annotations

from typing import Final, NamedTuple

from fieldkit.events import CaptureDropped, DecodeError, Event, OcppMessage, StreamGap

MAX_CONNECTIONS: Final = 10_000
"""Connections with holes that are remembered one by one; beyond it every connection counts as having one."""


class View(NamedTuple):
    """An unbroken piece of a conversation: two messages with the same view have none between them that was not seen."""

    connection: int
    """Number; 0 in a log."""
    holes: int
    """How many there were before it."""
    since: int
    """Capture time from which on everything was seen; 0 in a log, which does not say."""


class Continuity:
    """Keeps count of holes, by connection."""

    WANTS: Final[frozenset[type[Event]]] = frozenset({StreamGap, DecodeError, CaptureDropped, OcppMessage})
    """What it has to be shown; of messages those of action "" too, which could not be read."""

    def __init__(self) -> None:
        self._holes: dict[int, tuple[int, int]] = {}
        """How many, and when the last one was seen."""
        self._everywhere = (0, 0)

    def note(self, event: Event) -> None:
        """Take in what may be a hole."""
        if isinstance(event, CaptureDropped):
            self._everywhere = (self._everywhere[0] + 1, event.time)
            return
        if isinstance(event, OcppMessage):
            connection = event.channel.connection
            if event.type is not None and event.payload is not None:
                return
        elif isinstance(event, StreamGap | DecodeError):
            connection = event.connection
        else:
            return
        if connection is None:
            self._everywhere = (self._everywhere[0] + 1, event.time)
            return
        if len(self._holes) >= MAX_CONNECTIONS:
            self._holes.clear()
            self._everywhere = (self._everywhere[0] + 1, event.time)
        self._holes[connection.number] = (self._holes.get(connection.number, (0, 0))[0] + 1, event.time)

    def view(self, message: OcppMessage) -> View:
        """Where this message stands."""
        connection = message.channel.connection
        everywhere, when = self._everywhere
        if connection is None:
            return View(0, everywhere, when)
        holes, last = self._holes.get(connection.number, (0, 0))
        return View(connection.number, holes + everywhere, max(connection.opened, last, when))
