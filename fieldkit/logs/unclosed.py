"""Frames that go on on the next line, and what ends them.

A line continues an open frame if it looks like its continuation: inside of a JSON text anything does, elsewhere only
what JSON may go on with. The beginning of the next log line or of another frame ends a frame that was cut off. Where a
journal repeats its prefix on every line ("… manager[4009]: "), that is taken off first.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from fieldkit.events import Problem, Transport
from fieldkit.logs.frametext import CUT, START, Brackets, ends_whole, from_printed, is_plausible, join
from fieldkit.logs.sighting import MAX_FRAME, REJOINED
from fieldkit.logs.times import Stamp

MAX_LINES: Final = 4000
"""Lines of one frame. A long SendLocalList, pretty-printed, has some three thousand."""

GOES_ON: Final = -1
"""The line belongs to the frame, which is not at its end."""
ENDS_BEFORE: Final = -2
"""The line does not belong to it."""

_BEGUN: Final = re.compile(r"\[[ \t]{0,64}(?:[2-6][ \t]{0,64},?[ \t]{0,64})?\Z")
_STILL_BEGUN: Final = re.compile(r"\[\s{0,64}(?:[2-6]\s{0,64},?\s{0,64})?\Z")

_PEEL: Final = re.compile(
    r"(?:[\w.-]{1,64}\s{1,20}\| ?)?"  # docker compose: container | …
    r"(?:<\d{1,3}>\d? ?)?(?:[^\s\[\]\"{}]{1,40} {1,4}){1,5}(?P<program>[\w./@-]{1,64}\[\d{1,10}\]):(?: |$)"
    r"|(?P<container>[\w.-]{1,64}\s{1,20}\|)(?: |$)"
)
"""A prefix that journald, syslog or docker puts before every line, continuation lines too."""
_NEW_LINE: Final = re.compile(
    r"\W{0,3}(?:"
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{8}T\d{6}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}[ ,]|\d{1,2}:\d{2}:\d{2}|\d{10,13}\b"
    r"|[^\W\d_]{3,9}\.?[ /]+\d{1,2} \d{2}:\d{2}|[EWIDV] \(\d+\)"
    r"|(?:INFO|DEBUG|WARN|WARNING|ERROR|TRACE|FATAL|NOTICE|CRITICAL|VERBOSE)\b|[\w.-]{1,64}\s{1,20}\| |<t[rd]\b"
    r")",
)
"""How a log line begins."""
_IN_MESSAGE: Final = re.compile(r"\W{0,3}[^\s\"]{0,40}\"")
"""A time that a quotation mark follows at once belongs to a wrapped message."""
_MAY_FOLLOW: Final = re.compile(
    r"\s*(?:$|[\"\]},:]|\{\s*(?:[\"}]|$)|\[\s*(?:[\"{\[\]\d-]|$|true|false|null)"
    r"|-?\d[\d.eE+-]*\s*(?:[,\]}]|$)|(?:true|false|null)\s*(?:[,\]}]|$))"
)
_MAY_FOLLOW_PRINTED: Final = re.compile(
    rf"(?:{_MAY_FOLLOW.pattern}|\s*(?:[\[{{]\s*)?(?:'|[\w$]{{1,64}}\s?:|None|True|False|undefined))"
)
ENVELOPE: Final = re.compile(r"<((?:[\w.-]{1,32}:)?Envelope)[\s>]")
_SOAP_OF_OCPP: Final = re.compile(r"urn://ocpp/c|chargeboxidentity", re.IGNORECASE)


@dataclass(slots=True)
class Surroundings:
    """Where a frame begins, and what stands there."""

    line: int
    lead: str
    before: str = ""
    """The line before, if no frame stands on it."""
    stamp: Stamp | None = None
    """A time that stands further in front on the line."""


@dataclass(slots=True)
class Whole:
    """A frame, complete or as far as it goes."""

    text: str
    last_line: int
    problems: tuple[Problem, ...]
    transport: Transport = "json"


def ends_open(line: str, search: int) -> int:
    """Where on a line a frame may begin of which only "[" or "[2," is on it, -1 if nowhere."""
    begun = _BEGUN.search(line, max(search, len(line) - 256))
    return begun.start() if begun is not None else -1


class Unclosed(ABC):
    """An open frame: lines are offered to it until it ends."""

    def __init__(self, where: Surroundings, line: str, begin: int) -> None:
        """``line``: the whole line on which it begins, at ``begin``."""
        self.where = where
        prefix = _PEEL.match(line)
        self._program = (prefix["program"] or prefix["container"]) if prefix is not None else None
        self._lines = [line[begin:]]
        self._size = len(line) - begin
        self._peeled = 0

    def offer(self, line: str) -> int:
        """The next line. Where on it the frame ends, or ``GOES_ON``, or ``ENDS_BEFORE``."""
        self._peeled = 0
        if self._program is not None:
            prefix = _PEEL.match(line)
            if prefix is not None and (prefix["program"] or prefix["container"]) == self._program:
                self._peeled = prefix.end()
                line = line[self._peeled :]
        self._size += len(line) + 1
        if self._size > MAX_FRAME or len(self._lines) >= MAX_LINES:
            return ENDS_BEFORE
        end = self._take(line)
        if end == ENDS_BEFORE:
            return end
        self._lines.append(line if end < 0 else line[:end])
        return end if end < 0 else end + self._peeled

    @abstractmethod
    def whole(self) -> Whole | None:
        """The frame, once ``offer`` has said where it ends; None if it is none after all."""

    @abstractmethod
    def as_far_as_it_goes(self) -> Whole | None:
        """The frame, if nothing more belongs to it."""

    @abstractmethod
    def _take(self, line: str) -> int:
        """Where the frame ends on this line, or ``GOES_ON``, or ``ENDS_BEFORE``."""

    def _begins_line(self, line: str) -> bool:
        """Is this how a line of the log begins?"""
        return not self._peeled and _NEW_LINE.match(line) is not None and _IN_MESSAGE.match(line) is None


class UnclosedJson(Unclosed):
    """An array whose last bracket is still to come."""

    def __init__(self, where: Surroundings, line: str, begin: int) -> None:
        super().__init__(where, line, begin)
        self._printed = False
        """By Python or JavaScript, with single quotation marks."""
        start = START.match(line, begin)
        self._brackets = self._begin(start) if start is not None else None
        """None until it is sure that a frame has begun."""
        self._first_in_text = self._brackets is not None and self._brackets.in_string

    def _begin(self, start: re.Match[str]) -> Brackets:
        self._printed = (start[2] or "").endswith("'")
        brackets = Brackets("'\"" if self._printed else '"')
        for line in self._lines:
            brackets.feed(line)
        return brackets

    def _take(self, line: str) -> int:
        if self._brackets is None:
            text = "\n".join((*self._lines, line))
            start = START.match(text)
            if start is None:
                return GOES_ON if _STILL_BEGUN.match(text) else ENDS_BEFORE
            self._brackets = self._begin(start)
        elif START.search(line) or self._begins_line(line):
            return ENDS_BEFORE
        elif not self._brackets.in_string:
            may_follow = _MAY_FOLLOW_PRINTED if self._printed else _MAY_FOLLOW
            if may_follow.match(line) is None:
                return ENDS_BEFORE
        end = self._brackets.feed(line)
        return end if end >= 0 else GOES_ON

    def whole(self) -> Whole | None:
        text, mended = join(self._lines)
        problems: tuple[Problem, ...] = ()
        if self._printed:
            piece = from_printed(text, 0)
            if piece is None:
                return None
            text, problems = piece.text, piece.problems
        if not is_plausible(text):
            return None
        count = len(self._lines)
        if mended:
            problems += (Problem(REJOINED, "", f"the log breaks it into {count} lines, which were joined again"),)
        return Whole(text, self.where.line + count - 1, problems)

    def as_far_as_it_goes(self) -> Whole | None:
        if self._brackets is None:
            return None
        # Inside of a text any line may follow: that nothing closed it says that none did.
        lines = self._lines[:1] if self._first_in_text else self._lines
        while len(lines) > 1 and not lines[-1].strip():
            lines.pop()
        text = "\n".join(lines).rstrip()
        problems = CUT
        logged_to_its_end = ends_whole(text)
        if logged_to_its_end is not None:
            text, problems = logged_to_its_end, ()
        if self._printed:
            piece = from_printed(text, 0)
            text = piece.text if piece is not None else text
        return Whole(text, self.where.line + len(lines) - 1, problems) if is_plausible(text) else None


class UnclosedSoap(Unclosed):
    """An envelope whose end tag is still to come."""

    def __init__(self, where: Surroundings, line: str, begin: int, name: str) -> None:
        super().__init__(where, line, begin)
        self._end_tag = f"</{name}"

    def _take(self, line: str) -> int:
        end = line.find(self._end_tag)
        if end >= 0:
            return (line.find(">", end) + 1) or len(line)
        if ENVELOPE.search(line) or (self._begins_line(line) and START.search(line)):
            return ENDS_BEFORE
        return GOES_ON

    def whole(self) -> Whole | None:
        return soap("\n".join(self._lines), self.where.line + len(self._lines) - 1)

    def as_far_as_it_goes(self) -> Whole | None:
        whole = self.whole()
        if whole is not None:
            whole.problems = CUT
        return whole


def soap(text: str, last_line: int) -> Whole | None:
    """An envelope, if it is one of OCPP's."""
    return Whole(text, last_line, (), "soap") if _SOAP_OF_OCPP.search(text) else None
