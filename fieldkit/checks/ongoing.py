"""What a check remembers of the transactions that go on: with their end it is forgotten, whoever tells of it."""

from __future__ import annotations

from typing import Final, Generic, TypeAlias, TypeVar

from fieldkit.checks.measured import MAX_PLACES
from fieldkit.site.station import Station

V = TypeVar("V")
Key: TypeAlias = tuple[str, ...]
"""The transaction's id (empty: what belongs to none, and goes on for ever), and what else tells entries apart."""

MAX_ENDED: Final = 4
"""Entries of ended transactions that one station keeps: readings may come late, from a queue. Many hold a whole
message, and a busy week of 200 stations has 20,000 transactions."""


class Ongoing(Generic[V]):
    """Values by station and key, of all stations at most ``MAX_PLACES``."""

    __slots__ = ("_count", "_stations")

    def __init__(self) -> None:
        self._stations: dict[str, dict[Key, V]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, station: Station, key: Key) -> V | None:
        """What is remembered, if anything."""
        mine = self._stations.get(station.identity)
        return mine.get(key) if mine is not None else None

    def put(self, station: Station, key: Key, value: V) -> V:
        """Remember it. What the station has that is new makes room: its transactions of the past are forgotten."""
        mine = self._stations.get(station.identity)
        if mine is None or key not in mine:
            if mine is not None:
                self._forget_ended(mine, station)
            if self._count >= MAX_PLACES:
                self._forget_oldest()
            mine = self._stations.setdefault(station.identity, {})
            self._count += 1
        mine[key] = value
        return value

    def pop(self, station: Station, key: Key) -> None:
        """Forget it, if it is there."""
        mine = self._stations.get(station.identity)
        if mine is not None and key in mine:
            del mine[key]
            self._count -= 1

    def _forget_ended(self, mine: dict[Key, V], station: Station) -> None:
        going = station.transactions.open
        ended = [key for key in mine if key[0] and key[0] not in going]
        for key in ended[:-MAX_ENDED]:
            del mine[key]
            self._count -= 1

    def _forget_oldest(self) -> None:
        name, oldest = next((name, entries) for name, entries in self._stations.items() if entries)
        del oldest[next(iter(oldest))]
        self._count -= 1
        if not oldest:
            del self._stations[name]
