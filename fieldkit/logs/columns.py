"""What the columns of a table are for: by their headings, and by what is in them.

Headings are believed when they say it plainly. Where there are none, or none that is known, a column of times is the
time, one of "in" and "out" is the direction, and the station is the column of a few names that come again and again
and are nothing else: no message id, no action, no log level.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from fieldkit.events import Sender
from fieldkit.logs.linefields import direction_value, party
from fieldkit.logs.records import Context, origin, version_value
from fieldkit.logs.roles import WEAK_STATIONS, best_time, kind_of, places_of, simple
from fieldkit.logs.sighting import Relative, Sighting
from fieldkit.logs.times import Times

_MOST: Final = 0.8
"""Share of a column's cells that must be alike to make it a column of that."""
_HEAD: Final = re.compile(r'\[\s*(\d)\s*,\s*"([^"]{0,64})"\s*(?:,\s*"([^"]{0,64})")?')
_IDENTITY: Final = re.compile(r"[\w.:+@~#*/ -]{1,64}")
_UNIQUE: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{24,64}")
_WORDS: Final = frozenset(
    """
        info debug warn warning error trace fatal critical notice verbose ok true false null none yes no json ws
        wss ocpp soap call callresult callerror request response accepted rejected success failed failure
        pending processed text
    """.split()
)
_OTHER_NAMES: Final = re.compile(
    r"level|severity|logger|thread|class|file|line|connector|user|session|transaction|tenant|host|pod|namespace|cluster|node"
    r"|container|status|vendor|model|firmware|tag|ip|addr|port|action|payload|message|content|protocol|version|size|length"
    r"|latency|duration|count|number|nr\b|location|site|city|country|customer|operator|party|type|kind|event|category"
)


@dataclass(slots=True)
class Row:
    """A record of the table and the frames found in it."""

    cells: list[str]
    frame_cell: int = -1
    found: list[Sighting] = field(default_factory=list)
    lead: str = ""
    """What stands before the frame in its own cell."""


class Columns:
    """Knows which column says what."""

    def __init__(self, times: Times) -> None:
        self.names: list[str] = []
        """The headings; empty when the table has none."""
        self._times = times
        self._time: list[tuple[int, int]] = []
        self._station: list[int] = []
        self._direction: list[int] = []
        self._from = self._to = self._version = -1

    def named(self, cells: list[str]) -> dict[str, Any]:
        """A row with its headings."""
        return dict(zip(self.names, cells, strict=False))

    def learn(self, rows: list[Row]) -> None:
        """Look at the first rows that have a frame."""
        width = max((len(row.cells) for row in rows), default=0)
        heads = [_HEAD.match(row.found[0].text) if row.found else None for row in rows]
        ids = {head[2] for head in heads if head is not None}
        actions = {head[3] for head in heads if head is not None and head[1] in "26"}
        stations: list[tuple[int, int]] = []
        for column in range(width):
            values = [row.cells[column].strip() for row in rows if column < len(row.cells) and row.frame_cell != column]
            values = [value for value in values if value]
            name = self._name(column)
            places = places_of(name)
            if self._by_name(column, name, values) or not values:
                continue
            if _share(values, self._is_time) >= _MOST:
                self._time.append((places.get("time", 50 + column), column))
            elif _share(values, lambda value: any(direction_value(value))) >= _MOST:
                self._direction.append(column)
            else:
                score = _station_score(simple(name), values, ids, actions)
                if score:
                    stations.append((score, column))
        if not self._station and stations:
            self._station.append(max(stations, key=lambda pair: (pair[0], -pair[1]))[1])
        self._station.sort(key=lambda column: places_of(self._name(column)).get("station", 99))

    def _name(self, column: int) -> str:
        return self.names[column] if column < len(self.names) else ""

    def _by_name(self, column: int, name: str, values: list[str]) -> bool:
        """Take a heading at its word, if what stands below does not contradict it."""
        places = places_of(name)
        if "time" in places and (not values or _share(values, lambda value: any(map(str.isdigit, value))) > 0):
            self._time.append((places["time"], column))
            return True
        if "station" in places and simple(name) not in WEAK_STATIONS:
            if values and all(map(party, values)):
                return False
            self._station.append(column)
            return True
        if "version" in places:
            self._version = column
            return True
        for role in ("direction", "from", "to"):
            if role in places:
                if role != "direction" and not any(map(party, values)):
                    return False
                setattr(self, f"_{role}", column if role != "direction" else [*self._direction, column])
                return True
        return False

    def _is_time(self, value: str) -> bool:
        stamp = self._times.read(value)
        return stamp is not None and stamp.kind in ("date", "clock", "yearless")

    def context(self, row: Row) -> Context:
        """What the columns say about this row's frame."""
        cells = row.cells

        def cell(column: int) -> str:
            return cells[column].strip() if 0 <= column < len(cells) else ""

        times: list[tuple[int, Any]] = [(rank, cell(column)) for rank, column in self._time if cell(column)]
        station = next((cell(column) for column in self._station if cell(column)), "")
        sender: Sender | None = None
        relative: Relative | None = None
        for column in self._direction:
            sender, relative = direction_value(cell(column))
            sender = sender or (None if relative else origin(cell(column)))
            if sender or relative:
                break
        if sender is None and relative is None:
            come, go = cell(self._from), cell(self._to)
            sender = party(come)
            if sender is None and party(go):
                sender = "csms" if party(go) == "station" else "station"
            if sender is not None and not station:
                other = go if sender == "csms" else come
                station = "" if party(other) else other
        return Context(
            stamp=best_time(self._times, times) if times else None,
            station=station,
            sender=sender,
            relative=relative,
            version=version_value(cell(self._version)),
        )


def _share(values: list[str], test: Any) -> float:
    return sum(1 for value in values if test(value)) / len(values)


def _station_score(name: str, values: list[str], ids: set[str], actions: set[str]) -> int:
    """How much a column looks like the station's identity; 0: not at all."""
    if name and name not in WEAK_STATIONS and _OTHER_NAMES.search(name):
        return 0
    distinct = set(values)
    if distinct & ids or distinct <= actions | {""} or not all(map(_IDENTITY.fullmatch, distinct)):
        return 0
    if any(value.lower() in _WORDS or value in actions or _UNIQUE.fullmatch(value) for value in distinct):
        return 0
    if all(kind_of(value) is not None for value in distinct):
        return 0
    if len(values) > 3 and len(distinct) * 2 > len(values) and name not in WEAK_STATIONS:
        return 0  # a running number, a session
    letters = any(any(map(str.isalpha, value)) for value in distinct)
    digits = any(any(map(str.isdigit, value)) for value in distinct)
    return 1 + 2 * letters + 2 * digits + 2 * (name in WEAK_STATIONS)
