"""What the trackers of the detector share: the time, the picture, a place for dates, and somebody who takes their
signs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import ClassVar, Final, TypeVar

from fieldkit.checks.words import SECOND
from fieldkit.detect.deadlines import Act, Deadlines
from fieldkit.detect.symptom import Layer, Symptom
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.picture import Picture
from fieldkit.site.station import Station

V = TypeVar("V")

MAX_STATIONS: Final = 2000
"""Stations that are watched; the detector belongs to a site, not to an operator's whole network."""
MAX_PLACES: Final = 8000
"""Connectors, of all stations, that one tracker watches."""
GROWN: Final = 1800 * SECOND
"""A site is known after so long: what shows up afterwards for the first time is new."""


class Context:
    """One detector's."""

    def __init__(self, take: Callable[[Symptom], None]) -> None:
        self.picture = Picture()
        """Replaced by the session's."""
        self.deadlines = Deadlines()
        self.now = 0
        self.began = 0
        """Time of the first event."""
        self.expected: dict[str, int] = {}
        """By station: until when a restart is expected, as it was ordered or an update runs."""
        self.frozen: Callable[[str], bool] = lambda station: False
        """Does an incident concern this station, so that nothing must be learnt from it? Set by the detector."""
        self.hosts: dict[str, str] = {}
        """By station: the name by which it called the CSMS."""
        self.names: dict[str, str] = {}
        """By address: the station that was last seen there; its address where TLS hides who speaks."""
        self.broken_off = 0
        """When stations last lost their connections together."""
        self.other_way = 0
        """When the way to the CSMS last turned out to be another one."""
        self.greetings: dict[str, int] = {}
        """By station: time of its last boot that its connection explains: it boots whenever it connects."""
        self.greeters: set[str] = set()
        """Stations with that habit."""
        self._take = take

    def tell(
        self,
        family: str,
        station: str,
        confidence: float,
        text: str,
        evidence: tuple[Event, ...] = (),
        *,
        connector: str = "",
        layer: Layer = "rules",
        first: int = 0,
        sign: str = "",
        time: int = 0,
        insists: bool = False,
    ) -> None:
        """Hand on a sign."""
        self._take(
            Symptom(
                time or self.now, station, family, confidence, text, evidence, connector, layer, first, sign, insists
            )
        )

    def at(self, key: Hashable, time: int, act: Act) -> None:
        """Be called at a time, unless it is moved or called off."""
        self.deadlines.at(key, time, act)

    def off(self, key: Hashable) -> None:
        """It is not needed any more."""
        self.deadlines.off(key)

    def grown(self) -> bool:
        """Has the site been watched long enough to tell what is new?"""
        return self.now - self.began >= GROWN

    def expects_restart(self, station: str) -> bool:
        """Was a restart ordered, or does an update run?"""
        return self.expected.get(station, 0) >= self.now


class Tracker:
    """Watches one side of things. What it remembers is bounded."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset()

    def __init__(self, context: Context) -> None:
        self.context = context

    def see(self, event: Event) -> None:
        """An event of ``wants``; the picture has it already."""


class MeterTracker(Tracker):
    """Watches what stations measure."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def see(self, event: Event) -> None:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        if event.action not in ("MeterValues", "TransactionEvent"):
            return
        station = self.context.picture.stations.get(event.channel.station)
        if station is not None:
            self.measured(event, station)

    def measured(self, message: OcppMessage, station: Station) -> None:
        """A station has sent readings; its meters have them already."""


def kept(table: dict[str, V], key: str, make: Callable[[], V], most: int = MAX_STATIONS) -> V:
    """The entry of a table that does not grow beyond ``most``: the oldest leaves."""
    found = table.get(key)
    if found is None:
        if len(table) >= most:
            del table[next(iter(table))]
        found = table[key] = make()
    return found
