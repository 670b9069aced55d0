"""Rows that pass a filter, found a slice of time at a time: the filter bar compiles on every key, and nobody waits.

A filter is a function of a message. Most ask for little: an action, a latency. So it is not given messages but a
cursor that has the same attributes and reads each only when it is asked for; and before a payload is parsed, its block
is searched for a piece of text that must be there.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from typing import Any, Final, NamedTuple

from fieldkit.events import MessageType, OcppChannel, OcppError, Problem, Sender
from fieldkit.history import block as b
from fieldkit.history.block import Block, Texts
from fieldkit.history.history import _TYPES, History
from fieldkit.history.row import RowKind
from fieldkit.ocpp.ocppj import Frame, parse
from fieldkit.query import Filter
from fieldkit.query.clues import Clue

_SLICE: Final = 64
"""Rows between two looks at the clock."""
_REMEMBERED: Final = 1024
"""So many CALLs, and those before them, are kept for the answers that ask for theirs: an answer comes soon."""


_BLOCKS_BACK: Final = 64
"""Answers given of blocks (for one text) that are kept, for the same reason."""
_ANY: Final = frozenset(range(b.ROWS))


class Scope(NamedTuple):
    """One conversation among many; what is left empty does not matter."""

    connection: int = 0
    station: str = ""
    transaction: str = ""
    """Of this station."""

    def __str__(self) -> str:
        if self.transaction:
            return f"transaction {self.transaction} of {self.station}"
        if self.connection:
            return f"connection {self.connection}" + (f" ({self.station})" if self.station else "")
        return self.station


class _Called:
    """The CALL of an answer, as far as a filter asks for it."""

    __slots__ = ("_cursor", "_number")

    def __init__(self, cursor: Cursor, number: int) -> None:
        self._cursor = cursor
        self._number = number

    @property
    def time(self) -> int:
        return self._cursor.time_of(self._number)

    @property
    def payload(self) -> Any:
        return self._cursor.payload_of(self._number)

    @property
    def call(self) -> None:
        """Nothing called for it."""

    def mentions(self, clue: Clue) -> bool:
        return self._cursor.mentioned_in(self._number, clue)


class Cursor:
    """Stands on a row and looks like its message."""

    __slots__ = (
        "_block",
        "_frame",
        "_history",
        "_index",
        "_mentions",
        "_passed",
        "_passed_before",
        "_texts",
        "_with_text",
    )

    def __init__(self, history: History) -> None:
        self._history = history
        self._texts: Texts | None = None
        self._frame: Frame | None = None
        self._passed: dict[int, Frame] = {}
        self._passed_before: dict[int, Frame] = {}
        self._mentions: dict[Clue, frozenset[int] | set[int]] = {}
        """Of the block: the rows in which a text may stand."""
        self._with_text: dict[tuple[int, Clue], frozenset[int] | set[int]] = {}
        """The same of the last blocks."""

    def enter(self, block: Block) -> None:
        """What follows is in this block."""
        self._block = block
        self._texts = None
        self._mentions.clear()

    def step(self, index: int) -> None:
        """To a row of the block."""
        self._index = index
        self._frame = None

    # The attributes of OcppMessage, each as cheap as it can be.

    @property
    def time(self) -> int:
        return self._block.times[self._index]

    @property
    def frames(self) -> tuple[int, ...]:
        return self._history.frames(self._block.first + self._index)

    @property
    def source(self) -> str:
        return self._block.sources[self._index]

    @property
    def channel(self) -> OcppChannel:
        return self._block.subjects[self._index]  # type: ignore[return-value]

    @property
    def sender(self) -> Sender:
        return "csms" if self._block.flags[self._index] & b.BY_CSMS else "station"

    @property
    def type(self) -> MessageType | None:
        return _TYPES[self._block.types[self._index]]

    @property
    def action(self) -> str:
        return self._block.actions[self._index]

    @property
    def problems(self) -> tuple[Problem, ...]:
        if not self._block.problems[self._index]:
            return ()
        return self._history.extra(self._block.first + self._index).problems

    @property
    def validated(self) -> bool:
        return bool(self._block.flags[self._index] & b.VALIDATED)

    @property
    def raw(self) -> str:
        return self._data().decode("utf-8", "surrogatepass")

    @property
    def id(self) -> str:
        return self._parsed().id

    @property
    def payload(self) -> Any:
        return self._parsed().payload

    @property
    def error(self) -> OcppError | None:
        if not self._block.flags[self._index] & b.IS_ERROR:
            return None
        return self._parsed().error

    @property
    def call(self) -> _Called | None:
        partner = self._block.partners[self._index]
        if partner < self._history.first or self._block.types[self._index] == MessageType.CALL:
            return None
        return _Called(self, partner)

    def mentions(self, clue: Clue) -> bool:
        """Whether a text, in lower case, may stand in the message."""
        rows = self._mentions.get(clue)
        if rows is None:
            rows = self._mentions[clue] = self._rows_with(self._block, clue)
        return self._index in rows

    def mentioned_in(self, number: int, clue: Clue) -> bool:
        """The same of another row, of a CALL that was passed lately, as a rule."""
        block, index = self._history.place(number)
        return index in self._rows_with(block, clue)

    def _rows_with(self, block: Block, clue: Clue) -> frozenset[int] | set[int]:
        key = (block.first, clue)
        rows = self._with_text.get(key)
        if rows is None:
            if block.is_open:
                return _ANY  # there may be more in a moment
            rows = self._history.texts(block).with_text(clue)
            rows.update(block.odd)
            self._with_text[key] = rows
            if len(self._with_text) > _BLOCKS_BACK:
                del self._with_text[next(iter(self._with_text))]
        return rows

    def payload_of(self, number: int) -> Any:
        """The payload of another row: of a CALL that was passed lately, as a rule."""
        frame = self._passed.get(number) or self._passed_before.get(number)
        return self._history.message(number).payload if frame is None else frame.payload

    def time_of(self, number: int) -> int:
        """The time of another row."""
        block, index = self._history.place(number)
        return block.times[index]

    def _data(self) -> bytes:
        data = self._block.data(self._index)
        if data is not None:
            return data
        if self._texts is None:
            self._texts = self._history.texts(self._block)
        return self._texts.data(self._index)

    def _parsed(self) -> Frame:
        frame = self._frame
        if frame is None:
            channel = self.channel
            if channel.transport == "soap":
                soap = self._history.extra(self._block.first + self._index).soap
                assert soap is not None
                frame = Frame(self.type, soap[0], "", soap[1], soap[2], (), True)
            else:
                frame = parse(self._data(), channel.version)
            self._frame = frame
            if self._block.types[self._index] == MessageType.CALL:
                if len(self._passed) >= _REMEMBERED:
                    self._passed, self._passed_before = {}, self._passed
                self._passed[self._block.first + self._index] = frame
        return frame


class Search:
    """The rows that pass a filter, a scope, or both. ``run`` it until ``done``, and again when there are more rows."""

    def __init__(self, history: History, wanted: Filter | None = None, scope: Scope | None = None) -> None:
        self.rows = array("q")
        """Numbers of the rows found, in order."""
        self.forgotten = 0
        """Rows that were found and have left since: what was at this place of ``rows`` is now at 0."""
        self.wanted = wanted
        self.scope = scope
        self.position = history.first
        """The next row to be looked at."""
        self._history = history
        self._cursor = Cursor(history)
        self._matches: Any = None if wanted is None else wanted.glancing(_mentions)

    @property
    def done(self) -> bool:
        """All rows there are were looked at."""
        return self.position >= self._history.end

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        total = len(self._history)
        return 1.0 if not total else min((self.position - self._history.first) / total, 1.0)

    def run(self, seconds: float) -> bool:
        """Look for so long; whether all rows have been looked at."""
        ends = time.perf_counter() + seconds
        self._forget()
        for block in self._history.blocks_from(self.position):
            begin = self.position - block.first
            size = len(block.times)
            self._cursor.enter(block)
            while begin < size:
                end = min(begin + _SLICE, size)
                self._look(block, begin, end)
                begin = end
                self.position = block.first + end
                if time.perf_counter() >= ends:
                    return self.done
        return True

    def _forget(self) -> None:
        """Rows that have left."""
        first = self._history.first
        self.position = max(self.position, first)
        if self.rows and self.rows[0] < first:
            gone = bisect_left(self.rows, first)
            del self.rows[:gone]
            self.forgotten += gone

    def _look(self, block: Block, begin: int, end: int) -> None:
        found, cursor, scope, first, kinds = self.rows, self._cursor, self.scope, block.first, block.kinds
        matches = self._matches
        step = cursor.step
        for index in range(begin, end):
            if scope is not None and not _within(block, index, scope):
                continue
            if matches is not None:
                if kinds[index] != RowKind.MESSAGE:
                    continue
                step(index)
                if not matches(cursor):
                    continue
            found.append(first + index)


def _mentions(told: Cursor | _Called, clue: Clue) -> bool:
    return told.mentions(clue)


def _within(block: Block, index: int, scope: Scope) -> bool:
    if scope.transaction:
        return block.transactions[index] == scope.transaction and block.stations[index] == scope.station
    if scope.connection:
        connection = getattr(block.subjects[index], "connection", None)
        return connection is not None and connection.number == scope.connection
    return block.stations[index] == scope.station
