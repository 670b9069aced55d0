"""Rows that have the payload and the action of a message, but not its id: frames are rebuilt, with ids made up.

Some exports keep what interests an accountant: time, station, action, direction, payload. Which rows are requests and
which are responses is told by a column, by the action's name ("HeartbeatResponse"), or by the direction: a row that
goes the other way than the open request of the same station and action answers it. A response gets the id of its
request, so that the two are a pair again. Ids say "row 12", which no station does, and every such frame says that it
was rebuilt.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any, Final

from fieldkit.events import Problem
from fieldkit.logs.frametext import CUT, rebuild
from fieldkit.logs.linefields import direction_value
from fieldkit.logs.roles import Role, kind_of, places_of, simple
from fieldkit.logs.sighting import REBUILT, Sighting
from fieldkit.ocpp.actions import is_known, nearest

_MAX_OPEN: Final = 4096
"""Stations and actions of which requests are remembered."""
_MAX_WAITING: Final = 16
"""Requests of one station and action without a response. OCPP-J allows one at a time (1.6J §4.1.1)."""

_PARTS: Final = re.compile(
    r"(?P<name>[A-Z][A-Za-z0-9]{2,49}?)(?:(?P<ask>\.?[Rr]eq(?:uest)?)|(?P<answer>\.?[Rr]esponse|\.?[Cc]onf(?:irmation)?))?"
)
_NOTHING: Final = frozenset({"", "-", "null", "none", "n/a"})
_MADE_UP = Problem(
    REBUILT,
    "",
    "the table has no message ids; the frame was rebuilt from its columns, its id is the row of the request",
)
_FROM_COLUMNS = Problem(REBUILT, "", "the table has no frames; this one was rebuilt from its columns")


class IdlessRows:
    """Makes frames of rows, in their order."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], deque[tuple[str, object]]] = {}
        """By station and action: ids and directions of requests."""
        self._answered: set[tuple[str, str]] = set()
        """Where the last row was a response."""

    def read(self, row: dict[str, Any], line: int, last_line: int) -> Sighting | None:
        """The frame that a row with headings is; None when it is none."""
        values = _by_role(row)
        action = _PARTS.fullmatch(values.get("action", ""))
        payload = values.get("payload")
        if action is None or payload is None:
            return None
        name = action["name"]
        if not is_known(name) and not nearest(name):
            return None  # "in" and a JSON object are found in many a table
        key = (values.get("station", ""), name)
        direction = values.get("direction", "")
        told = direction_value(direction)
        kind = kind_of(values.get("kind")) or kind_of(direction)
        if kind is None and (action["ask"] or action["answer"]):
            kind = 2 if action["ask"] else 3
        if kind is None:
            if not any(told):
                return None
            waiting = self._open.get(key)
            kind = 3 if waiting and waiting[0][1] != told else 2
        text = _body(payload)
        if text is None and kind not in (4, 5):
            return None
        given = values.get("id", "")
        id_ = self._id(key, kind, told, given or f"row {line}")
        if given:
            id_ = given
        problems: tuple[Problem, ...] = (_FROM_COLUMNS if given else _MADE_UP,)
        if kind in (4, 5):
            error = (values.get("code", ""), values.get("description", ""), _parsed(values.get("details") or payload))
            frame = rebuild(kind, id_, "", None, error)
        else:
            # The payload stays as it was written: spelling and number formats are evidence.
            head = [kind, id_] if kind == 3 else [kind, id_, name]
            frame = f"{json.dumps(head, ensure_ascii=False, separators=(',', ':'))[:-1]},{text}"
            if _parsed(text) is None:
                problems += CUT
            else:
                frame += "]"
        return Sighting(frame, line, last_line, problems=problems)

    def _id(self, key: tuple[str, str], kind: int, direction: object, own: str) -> str:
        waiting = self._open.get(key)
        if kind in (2, 6):
            if waiting is None:
                if len(self._open) >= _MAX_OPEN:
                    oldest = next(iter(self._open))
                    del self._open[oldest]
                    self._answered.discard(oldest)
                waiting = self._open[key] = deque(maxlen=_MAX_WAITING)
            if key in self._answered:
                # What was left then had no response: it must not take that of this one, and so on to the end.
                waiting.clear()
                self._answered.discard(key)
            if kind == 2:
                waiting.append((own, direction))
            return own
        if not waiting:
            return own
        self._answered.add(key)
        return waiting.popleft()[0]


def _by_role(row: dict[str, Any]) -> dict[Role, str]:
    """The row's cells by what they are for; of several, the one whose heading says it best."""
    best: dict[Role, tuple[int, str]] = {}
    for heading, cell in row.items():
        value = cell.strip() if isinstance(cell, str) else ""
        for role, rank in places_of(heading).items():
            if role == "id" and (simple(heading) == "id" or not value):
                continue  # the number of the row
            if role == "payload" and _body(value) is None:
                continue
            if role not in best or rank < best[role][0]:
                best[role] = (rank, value)
    return {role: value for role, (_, value) in best.items()}


def _body(cell: str) -> str | None:
    """The payload that a cell is; None when it is something else. It may be cut short."""
    if cell.lower() in _NOTHING:
        return "{}"
    return cell if cell[0] == "{" else None


def _parsed(text: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "", strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
