"""Lines of text on a page: time, station, sign, word and text in columns that stay where they are.

The column of the stations grows with the longest name seen so far and never shrinks; a date line says which day, and
in which zone, the times below it are. Lines of several sources carry a tag, which a line of its own explains; a line
that comes later than its time says so. Nothing here knows what the lines mean, and everything it is given, but for the
names of sources, must be safe for a terminal already.
"""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Callable
from typing import Final

from fieldkit.safetext import display_width, shorten, terminal

NARROWEST, WIDEST = 8, 24
"""Columns for a station: "?192.168.100.101:40001" still fits."""
LEAST_TEXT: Final = 12
"""Columns left to a text, however narrow the terminal."""

PLAIN, BOLD, DIM, RED, YELLOW, CYAN = "", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[36m"
RESET = "\x1b[0m"

MAX_SOURCES: Final = 999
"""Sources with a tag of their own: what three digits can tell apart."""

_NO_TIME: Final = "--:--:--.---"
"""Where a log has no times."""
_NS_PER_S, _NS_PER_MS = 1_000_000_000, 1_000_000
_QUANTITY: Final = re.compile(r"(?<=[0-9]) (?=[A-Za-z%])")
_NO_BREAK: Final = "\xa0"
"""Keeps "12.345 kWh" on one line; safe text has none of its own."""
_LAST_YEAR = 9999
"""RFC 3339 knows no later one; some C libraries do."""


class Page:
    """The page that lines are written on."""

    def __init__(self, write: Callable[[str], object], *, utc: bool, color: bool, width: int | None) -> None:
        """``width``: columns of the terminal, to which texts are wrapped; None leaves each on its line."""
        self.width = width
        self.color = color
        self.column = NARROWEST
        """Columns of the station as they are now."""
        self.latest = 0
        """Time of the last line that came in its turn."""
        self._write = write
        self._utc = utc
        self._second = -1
        self._clock = ""
        self._day: tuple[int, int, int] | None = None
        self._tags: dict[str, str] = {}
        """By source what stands before the station: nothing as long as there is one source only."""
        self._no_tag = ""

    def clock(self, at: int) -> str:
        """Time of day with milliseconds; a new day, or another zone, is announced on a line of its own first."""
        second, rest = divmod(at, _NS_PER_S)
        if second != self._second:
            parts = self._broken_down(at)
            if parts is None:
                return self.time_of_day(at)
            self._second = second
            self._clock = f"{parts.tm_hour:02}:{parts.tm_min:02}:{parts.tm_sec:02}"
            day = (parts.tm_year, parts.tm_yday, parts.tm_gmtoff)
            if day != self._day:
                self._day = day
                self._announce(parts)
        return f"{self._clock}.{rest // _NS_PER_MS:03}"

    def time_of_day(self, at: int) -> str:
        """The same for a time that is only mentioned: no day is announced."""
        parts = self._broken_down(at)
        if parts is None:
            return _NO_TIME if at <= 0 else f"@{at // _NS_PER_S}"[: len(_NO_TIME)].ljust(len(_NO_TIME))
        return f"{parts.tm_hour:02}:{parts.tm_min:02}:{parts.tm_sec:02}.{at % _NS_PER_S // _NS_PER_MS:03}"

    def _broken_down(self, at: int) -> time.struct_time | None:
        if at <= 0:
            return None
        try:
            parts = time.gmtime(at // _NS_PER_S) if self._utc else time.localtime(at // _NS_PER_S)
        except (OverflowError, OSError, ValueError):  # a capture may claim any time
            return None
        return parts if parts.tm_year <= _LAST_YEAR else None

    def make_room(self, station: str) -> int:
        """Widen the stations' column for this one if need be; returns the columns it takes itself."""
        width = display_width(station)
        if width > self.column:
            self.column = min(width, WIDEST)
        return width

    def tag(self, source: str) -> str:
        """What tells lines of this source from those of others; a new source is announced on a line of its own."""
        tag = self._tags.get(source)
        return self._another_source(source) if tag is None else tag

    def _another_source(self, source: str) -> str:
        tags = self._tags
        if not source or len(tags) >= MAX_SOURCES:
            return self._no_tag
        tags[source] = ""
        if len(tags) == 1:
            return ""
        digits = len(str(len(tags)))
        if len(self._no_tag) != digits + 3:
            self._no_tag = " " * (digits + 3)
            for number, known in enumerate(tags, 1):
                tags[known] = f"[{number}]".ljust(digits + 3)
        if len(tags) == 2:
            self._rule(f"[1] {tail(next(iter(tags)))}: all lines so far")
        tags[source] = f"[{len(tags)}]".ljust(digits + 3)
        self._rule(f"[{len(tags)}] {tail(source)}")
        return tags[source]

    def put(self, line: str) -> None:
        """A line that is laid out already."""
        self._write(line + "\n")

    def line(
        self, at: int, station: str, sign: str, word: str, text: str, style: str = PLAIN, source: str = ""
    ) -> None:
        """A line in columns; a long text goes on below, where it began. ``source``: where it was seen, if it matters.

        Some lines are worth writing only in the light of what comes after them. They cannot be put where they belong
        when somebody is reading along, so they say it.
        """
        if 0 < at // _NS_PER_MS < self.latest // _NS_PER_MS:
            text = f"earlier: {text}"
        elif at > self.latest:
            self.latest = at
        station = shorten(station, WIDEST)
        tag = self.tag(source)
        # The clock may write a date line, the column may just have grown: in this order.
        room = " " * max(self.column - self.make_room(station), 0)
        self.wrapped(f"{self.clock(at)}  {tag}{station}{room} {sign} {word:<6} ", text, style)

    def below(self, text: str, sign: str = "!", style: str = YELLOW) -> None:
        """A line that belongs to the one above."""
        self.wrapped(f"{' ' * len(_NO_TIME)}  {self._no_tag}{' ' * self.column} {sign} ", text, style)

    def wrapped(self, head: str, text: str, style: str = PLAIN) -> None:
        """A line of ``head`` and ``text``; where that is wider than the page, the text goes on below."""
        lines = [text]
        if self.width is not None and display_width(head) + display_width(text) > self.width:
            whole = _QUANTITY.sub(_NO_BREAK, text)
            lines = textwrap.wrap(whole, max(self.width - display_width(head), LEAST_TEXT)) or [""]
        indent = " " * display_width(head)
        for number, part in enumerate(lines):
            line = (indent if number else head) + part.replace(_NO_BREAK, " ")
            line = line.rstrip()
            self._write(f"{style}{line}{RESET}\n" if self.color and style else f"{line}\n")

    def _announce(self, parts: time.struct_time) -> None:
        zone = "UTC"
        if not self._utc:
            minutes = parts.tm_gmtoff // 60
            sign = "-" if minutes < 0 else "+"
            zone = f"local time {parts.tm_zone} (UTC{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02})"
        self._rule(f"{parts.tm_year:04}-{parts.tm_mon:02}-{parts.tm_mday:02}, {zone}")

    def _rule(self, text: str) -> None:
        """A line that holds for all below it."""
        self._write(f"{BOLD}── {text} ──{RESET}\n" if self.color else f"── {text} ──\n")


def tail(name: str) -> str:
    """The end of a path, which is what tells files apart."""
    return terminal(name if len(name) <= 40 else f"…{name[-39:]}")
