"""What somebody has promised and does not do in time: the base of checks that wait.

Nobody is accused of what may have been said unseen. A promise is forgotten when bytes of its station's conversation are
missing, when a message of it cannot be read, and when the station is found on a connection that was joined midway after
the promise: then there was talk that is not in the capture. And the time is over only when the station itself was
heard after it: a capture that ends early, or a station that went offline, proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding
from fieldkit.checks.policy import Policy
from fieldkit.events import CaptureDropped, DecodeError, Event, OcppMessage, StreamGap
from fieldkit.ocpp.gist import without_ids
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.site.legible import is_legible
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture
from fieldkit.site.reading import member, text

MAX_STATIONS: Final = 10_000
MAX_OWED: Final = 64
"""Promises of one station and check that are waited for; the oldest is given up first."""
MAX_SHOWN: Final = 80
"""Characters of one text from the wire inside of a sentence."""
PULSE: Final = frozenset({"", "Heartbeat", "StatusNotification"})
"""Actions that a patient check has to see besides its own: to notice that time passes, and what could not be read."""


def shown(said: str, most: int = MAX_SHOWN) -> str:
    """Text from the wire, cut where it is long."""
    return said if len(said) <= most else said[: most - 1] + "…"


def quoted(said: str, message: OcppMessage) -> str:
    """Free text of a message, without the secrets and identities that are in this message or in what it answers."""
    return without_ids(conceal_text(shown(said), message), message)


def reason_given(message: OcppMessage, part: Any = None) -> str:
    """What a 2.x answer (or a part of it) says beyond its status, as in ' ("NoTariff: unknown id")'; empty when it says
    nothing."""
    info = member(message.payload if part is None else part, "statusInfo")
    said = [text(info, name) for name in ("reasonCode", "additionalInfo")]
    words = ": ".join(quoted(word, message) for word in said if word)
    return f' ("{words}")' if words else ""


@dataclass(slots=True)
class Owed:
    """A promise."""

    since: int
    deadline: int
    evidence: tuple[Event, ...]
    thing: Any = None
    """What the check wants to remember with it."""


class PatientCheck(Check):
    """Subclasses override ``judge`` and ``overdue``, and call ``expect`` and ``settle``."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage, StreamGap, DecodeError, CaptureDropped})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._owed: dict[str, dict[Any, Owed]] = {}

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Look at a message that was read in full."""
        return ()

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """Judge a promise whose time is over; it is forgotten already."""
        return ()

    def expect(self, message: OcppMessage, key: Any, deadline: int, evidence: tuple[Event, ...], thing: Any) -> None:
        """From ``message`` on, its station (or the CSMS towards it) owes something."""
        promises = self._owed.get(message.channel.station)
        if promises is None:
            while len(self._owed) >= MAX_STATIONS:
                del self._owed[next(iter(self._owed))]
            promises = self._owed[message.channel.station] = {}
        promises.pop(key, None)
        while len(promises) >= MAX_OWED:
            del promises[next(iter(promises))]
        kept = tuple(bounded(event) if isinstance(event, OcppMessage) else event for event in evidence)
        promises[key] = Owed(message.time, deadline, kept, thing)

    def settle(self, message: OcppMessage, key: Any) -> Owed | None:
        """It came, or need not come any more."""
        promises = self._owed.get(message.channel.station)
        return promises.pop(key, None) if promises else None

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge a message; a hole in the capture voids what is waited for."""
        if not isinstance(event, OcppMessage):
            if self._owed:
                self._hole(event, picture)
            return ()
        if event.problems and not (is_legible(event) and event.type is not None):
            self._owed.pop(event.channel.station, None)
            return ()
        judged = self.judge(event, picture) if event.action else ()
        promises = self._owed.get(event.channel.station)
        if not promises:
            return judged  # nearly always
        found = list(judged)
        if event.sender == "station":
            found += self._late(event, promises, picture)
        return found

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Judge what never came, as far as the station was heard long enough."""
        for name, promises in self._owed.items():
            station = picture.stations.get(name)
            heard = station.heard.get("station", 0) if station is not None else 0
            for key, owed in promises.items():
                if owed.deadline < heard:
                    yield from self.overdue(name, key, owed, picture)
        self._owed.clear()

    def _late(self, message: OcppMessage, promises: dict[Any, Owed], picture: Picture) -> Iterator[Finding]:
        connection = message.channel.connection
        if connection is not None and connection.joined_midstream:
            for key in [key for key, owed in promises.items() if owed.since < connection.opened]:
                del promises[key]
        for key in [key for key, owed in promises.items() if owed.deadline < message.time]:
            yield from self.overdue(message.channel.station, key, promises.pop(key), picture)

    def _hole(self, event: Event, picture: Picture) -> None:
        connection = event.connection if isinstance(event, StreamGap | DecodeError) else None
        link = picture.links.get(connection)
        if link is not None and link.station:
            self._owed.pop(link.station, None)
        elif link is None or link.ocpp:
            self._owed.clear()
