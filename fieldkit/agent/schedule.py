"""When the agent listens: always, in windows of the week, or for a while after something has happened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

When: TypeAlias = Literal["always", "windows", "events"]
WHEN: Final[tuple[When, ...]] = ("always", "windows", "events")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW: Final = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))?\s+)?(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")
_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """Some days of the week, from a minute to a minute; over midnight where the end is before the beginning."""

    days: frozenset[int]
    """0 is Monday; of a window over midnight the day on which it begins."""
    begin: int
    end: int

    def holds(self, moment: datetime) -> bool:
        """Whether a moment (of local time) is in it."""
        minute = moment.hour * 60 + moment.minute
        if self.begin < self.end:
            return moment.weekday() in self.days and self.begin <= minute < self.end
        if minute >= self.begin:
            return moment.weekday() in self.days
        return minute < self.end and (moment.weekday() - 1) % 7 in self.days


def parse_window(text: str) -> Window:
    """As in "08:00-18:00", "Mon-Fri 22:00-06:00", "Sun 10:00-12:00"; ValueError when it is none."""
    match = _WINDOW.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("give a window such as 08:00-18:00 or Mon-Fri 22:00-06:00")
    first, last = match[1], match[2] or match[1]
    if any(day is not None and day not in _DAYS for day in (first, last)):
        raise ValueError(f"days are {', '.join(day.title() for day in _DAYS)}")
    days = frozenset(range(7))
    if first is not None:
        begin, end = _DAYS.index(first), _DAYS.index(last)
        days = frozenset(day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))
    minutes = [int(match[place]) * 60 + int(match[place + 1]) for place in (3, 5)]
    if max(minutes) > _DAY or int(match[4]) > 59 or int(match[6]) > 59 or minutes[0] == minutes[1]:
        raise ValueError("there is no such time of day")
    return Window(days, minutes[0] % _DAY, minutes[1] % _DAY)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Of one agent."""

    when: When = "always"
    windows: tuple[Window, ...] = ()
    lasting: float = 900.0
    """Seconds of listening after an event."""

    def listens(self, moment: datetime, since_event: float | None) -> bool:
        """Whether to listen now. ``since_event``: seconds since the last event, None where there was none."""
        if self.when == "always":
            return True
        if self.when == "windows":
            return any(window.holds(moment) for window in self.windows)
        return since_event is not None and since_event < self.lasting
