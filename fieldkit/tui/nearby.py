"""The row of the traffic that belongs to something that another screen shows: an event, or a charger at some time.

Call these while the engine holds still.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from fieldkit.events import Event
from fieldkit.history import History, Row
from fieldkit.tui.engine import Engine
from fieldkit.tui.facts import Facts

MAX_LOOKED_AT: Final = 20_000
"""Rows in each direction: a station that is silent for so long has nothing near."""
_METER: Final = frozenset({"MeterValues", "TransactionEvent", "StartTransaction", "StopTransaction"})


def row_of(engine: Engine, facts: Facts, time: int, event: Event | None = None) -> int | None:
    """The row of the event, else the charger's row nearest to a time; None where it has none."""
    if event is not None:
        found = engine.judged.row_of(event)
        if found is not None:
            return found
        time = event.time
    return _nearest(engine.history, facts, time, frozenset(), "")


def meter_row(engine: Engine, facts: Facts, time: int, transaction: str) -> int | None:
    """The row that told a meter value. ``time`` is by the charger's clock, which may be hours off the capture's."""
    offset = facts.station.clock.offset if facts.station is not None else None
    return _nearest(engine.history, facts, time - (offset or 0), _METER, transaction)


def _nearest(history: History, facts: Facts, time: int, actions: Collection[str], transaction: str) -> int | None:
    numbers = {link.connection.number for link in facts.links}

    def fits(row: Row) -> bool:
        if actions:
            mine = row.sender == "station" and row.action in actions and row.station == facts.key
            return mine and (not transaction or row.transaction in ("", transaction))
        return row.station == facts.key or (row.connection in numbers and not row.station)

    start = min(max(history.at_time(time), history.first), history.end)
    best: tuple[int, int] | None = None
    for way in (1, -1):
        number = start if way > 0 else start - 1
        for _ in range(MAX_LOOKED_AT):
            if not history.first <= number < history.end:
                break
            row = history.row(number)
            if fits(row):
                away = abs(row.time - time)
                if best is None or away < best[0]:
                    best = (away, number)
                break
            number += way
    return best[1] if best is not None else None
