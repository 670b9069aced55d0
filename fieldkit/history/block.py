"""A few hundred rows: columns of small values, and the texts of the messages, compressed once the block is full.

Columns hold references where the objects are shared anyway (a channel, a station's name, an action): eight bytes a
row, and what no block refers to any more is gone. The text is a tenth of its size when compressed with that of its
neighbours.
"""

from __future__ import annotations

import json
import zlib
from array import array
from bisect import bisect_right
from itertools import accumulate
from typing import Any, Final, NamedTuple

from fieldkit.events import Event, OcppChannel, OcppError, Problem
from fieldkit.query.clues import Clue, is_odd

ROWS: Final = 256
"""Rows of a block: a text is read together with its neighbours, which takes half a millisecond."""
CHARACTERS: Final = 1 << 18
"""A block is full with so many characters too, so that a station that sends megabytes does not make it huge."""
_LEVEL: Final = 3
"""Of compression: twice as fast as the usual 6, and a tenth larger."""

NONE: Final = -(1 << 62)
"""Stands for None in columns of integers."""

# Bits of the column ``flags``.
BY_CSMS: Final = 1
VALIDATED: Final = 2
ANSWERED: Final = 4
ORPHAN: Final = 8
IS_ERROR: Final = 16
UNANSWERED: Final = 5
"""The three bits above these number the reason."""


class Extra(NamedTuple):
    """What cannot be read from a message's text again."""

    problems: tuple[Problem, ...]
    soap: tuple[str, Any, OcppError | None] | None
    """Of SOAP: id, payload and fault, as reading an envelope again takes longer and HTTP may have said part of it."""


_NO_EXTRA: Final = Extra((), None)


class Texts:
    """The texts of a block, unpacked."""

    __slots__ = ("_data", "_ends", "_lowered", "extras")

    def __init__(self, data: bytes, lengths: array[int], extras: dict[int, Extra]) -> None:
        self._data = data
        self._ends = list(accumulate(lengths, initial=0))
        self._lowered: bytes | None = None
        self.extras = extras

    def data(self, index: int) -> bytes:
        """One message's text as UTF-8."""
        return self._data[self._ends[index] : self._ends[index + 1]]

    def with_text(self, clue: Clue) -> set[int]:
        """The messages in which this stands (in lower case), and perhaps some in which it does not."""
        if self._lowered is None:
            self._lowered = self._data.lower()
        found = set()
        at = self._find(clue, 0)
        while at >= 0:
            index = bisect_right(self._ends, at) - 1
            found.add(index)
            at = self._find(clue, self._ends[index + 1])
        return found

    def _find(self, clue: Clue, start: int) -> int:
        assert self._lowered is not None
        if isinstance(clue, bytes):
            return self._lowered.find(clue, start)
        match = clue.search(self._lowered, start)
        return -1 if match is None else match.start()

    def extra(self, index: int) -> Extra:
        """What goes with it."""
        return self.extras.get(index, _NO_EXTRA)


class Block:
    """Rows in order. Whoever appends fills every column."""

    __slots__ = (
        "_characters",
        "_extras",
        "_lengths",
        "_packed",
        "_packed_extras",
        "_raws",
        "actions",
        "first",
        "flags",
        "frames",
        "kinds",
        "latencies",
        "many",
        "odd",
        "partners",
        "problems",
        "sources",
        "stations",
        "subjects",
        "times",
        "transactions",
        "types",
    )

    def __init__(self, first: int) -> None:
        self.first = first
        """Number of its first row."""
        self.times = array("q")
        self.kinds = bytearray()
        self.frames = array("q")
        """The last frame of each …"""
        self.many: dict[int, tuple[int, ...]] = {}
        """… and all of those that have several, or none."""
        self.subjects: list[OcppChannel | Event] = []
        """A message's channel, or the event itself."""
        self.stations: list[str] = []
        self.actions: list[str] = []
        self.sources: list[str] = []
        self.types = bytearray()
        self.flags = bytearray()
        self.problems = bytearray()
        self.latencies = array("q")
        self.partners = array("q")
        """The row of a CALL's answer, or of an answer's CALL."""
        self.transactions: list[str] = []
        self.odd: frozenset[int] = frozenset()
        """Of a sealed block: messages whose text may not say literally what they mean, see ``query.clues``."""
        self._raws: list[str] | None = []
        self._extras: dict[int, Extra] = {}
        self._characters = 0
        self._packed = b""
        self._packed_extras = b""
        self._lengths = array("q")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def full(self) -> bool:
        """No more rows may be added."""
        return len(self.times) >= ROWS or self._characters >= CHARACTERS

    @property
    def is_open(self) -> bool:
        """Its texts are not compressed yet."""
        return self._raws is not None

    @property
    def weight(self) -> int:
        """Bytes that the texts take now."""
        return len(self._packed) + len(self._packed_extras) if self._raws is None else self._characters

    def add_text(self, raw: str, extra: Extra | None) -> None:
        """The text of the row that was added last."""
        assert self._raws is not None
        if extra is not None:
            self._extras[len(self._raws)] = extra
        self._raws.append(raw)
        self._characters += len(raw)

    def data(self, index: int) -> bytes | None:
        """A text as long as the block is open; None when it is to be unpacked."""
        return None if self._raws is None else self._raws[index].encode("utf-8", "surrogatepass")

    def extra(self, index: int) -> Extra:
        """What goes with it."""
        return self._extras.get(index, _NO_EXTRA)

    def seal(self) -> None:
        """Compress the texts: nothing is added any more."""
        assert self._raws is not None
        texts = [raw.encode("utf-8", "surrogatepass") for raw in self._raws]
        self._lengths = array("q", map(len, texts))
        data = b"".join(texts)
        self._packed = zlib.compress(data, _LEVEL)
        odd = (index for index, text in enumerate(texts) if is_odd(text)) if is_odd(data) else ()
        self.odd = frozenset((*odd, *self._extras))
        if self._extras:
            self._packed_extras = zlib.compress(json.dumps(_spelt(self._extras)).encode("ascii"), _LEVEL)
        self._raws, self._extras = None, {}

    def unpacked(self) -> Texts:
        """The texts of a sealed block."""
        extras = _read(json.loads(zlib.decompress(self._packed_extras))) if self._packed_extras else {}
        return Texts(zlib.decompress(self._packed), self._lengths, extras)


def _spelt(extras: dict[int, Extra]) -> list[Any]:
    """In JSON, which keeps every text, even with halves of surrogates in it."""
    return [
        [
            index,
            [[problem.rule, problem.path, problem.text] for problem in problems],
            None
            if soap is None
            else [soap[0], soap[1], soap[2] and [soap[2].code, soap[2].description, soap[2].details]],
        ]
        for index, (problems, soap) in extras.items()
    ]


def _read(spelt: list[Any]) -> dict[int, Extra]:
    return {
        index: Extra(
            tuple(Problem(*problem) for problem in problems),
            None if soap is None else (soap[0], soap[1], soap[2] and OcppError(*soap[2])),
        )
        for index, problems, soap in spelt
    }
