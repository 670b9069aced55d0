"""Lines of text on a page: time, station, sign, word and text in columns that stay where they are.

The column of the stations grows with the longest name seen so far and never shrinks; a date line says which day, and
in which zone, the times below it are. Nothing here knows what the lines mean, and everything it is given must be safe
for a terminal already.
"""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Callable
from typing import Final

from fieldkit.safetext import display_width, shorten

NARROWEST, WIDEST = 8, 24
"""Columns for a station: "?192.168.100.101:40001" still fits."""
LEAST_TEXT: Final = 12
"""Columns left to a text, however narrow the terminal."""

PLAIN, BOLD, DIM, RED, YELLOW, CYAN = "", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[36m"
RESET = "\x1b[0m"

_NO_TIME: Final = "--:--:--.---"
"""Where a log has no times."""
_NS_PER_S = 1_000_000_000
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
        self._write = write
        self._utc = utc
        self._second = -1
        self._clock = ""
        self._day: tuple[int, int, int] | None = None

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
        return f"{self._clock}.{rest // 1_000_000:03}"

    def time_of_day(self, at: int) -> str:
        """The same for a time that is only mentioned: no day is announced."""
        parts = self._broken_down(at)
        if parts is None:
            return _NO_TIME if at <= 0 else f"@{at // _NS_PER_S}"[: len(_NO_TIME)].ljust(len(_NO_TIME))
        return f"{parts.tm_hour:02}:{parts.tm_min:02}:{parts.tm_sec:02}.{at % _NS_PER_S // 1_000_000:03}"

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

    def put(self, line: str) -> None:
        """A line that is laid out already."""
        self._write(line + "\n")

    def line(self, at: int, station: str, sign: str, word: str, text: str, style: str = PLAIN) -> None:
        """A line in columns; a long text goes on below, where it began."""
        station = shorten(station, WIDEST)
        room = " " * max(self.column - self.make_room(station), 0)
        # The clock may write a date line, the column may just have grown: in this order.
        self.wrapped(f"{self.clock(at)}  {station}{room} {sign} {word:<6} ", text, style)

    def below(self, text: str, sign: str = "!", style: str = YELLOW) -> None:
        """A line that belongs to the one above."""
        self.wrapped(f"{' ' * len(_NO_TIME)}  {' ' * self.column} {sign} ", text, style)

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
        line = f"── {parts.tm_year:04}-{parts.tm_mon:02}-{parts.tm_mday:02}, {zone} ──"
        self._write(f"{BOLD}{line}{RESET}\n" if self.color else f"{line}\n")
