"""What can be written behind an operator: numbers, durations, moments, and texts with ``*`` in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 24 * 60 * MINUTE

_EPOCH: Final = date(1970, 1, 1).toordinal()

_NUMBER: Final = re.compile(r"[-+]?\d{1,18}(\.\d{1,18})?", re.ASCII)
_DURATION: Final = re.compile(r"(\d{1,12})(?:\.(\d{1,9}))?(ns|us|µs|ms|s|m|min|h)?", re.ASCII | re.IGNORECASE)
_UNITS: Final = {
    "ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": SECOND, "m": MINUTE, "min": MINUTE, "h": 60 * MINUTE,
}  # fmt: skip
_CLOCK: Final = r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)?"
_MOMENT: Final = re.compile(
    rf"(?:(\d{{4}})-(\d\d)-(\d\d)(?:[T ](?=\d)|(?=[-+Z]|$)))?(?:{_CLOCK})?(Z|[-+]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as precisely as it was written: 10:15 is a minute long, 2026-11-21 a day."""

    start: int
    """Nanoseconds since the epoch, or since midnight when there is no date."""
    length: int
    dated: bool


def number(text: str) -> int | float | None:
    match = _NUMBER.fullmatch(text)
    return None if match is None else float(text) if match[1] else int(text)


def duration(text: str) -> tuple[int, int] | None:
    """Nanoseconds, and how many of them the last digit that was written stands for. Milliseconds without a unit."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    whole, decimals, unit = match.groups()
    size = _UNITS[(unit or "ms").lower()]
    precision = max(1, size // 10 ** len(decimals or ""))
    return int(whole) * size + int(decimals or 0) * size // 10 ** len(decimals or ""), precision


def moment(text: str, utc_offset_seconds: int = 0) -> Moment | None:
    """``10:15``, ``2026-11-21``, ``2026-11-21T10:15:30.25Z``; None for anything else.

    Without a zone it is local time, ``utc_offset_seconds`` ahead of UTC.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, decimals, zone = match.groups()
    if year is None and (hour is None or zone):  # a time of day is that of the person who looks
        return None
    if int(hour or 0) > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
        return None
    start = int(hour or 0) * 60 * MINUTE + int(minute or 0) * MINUTE + int(second or 0) * SECOND
    length = DAY if hour is None else MINUTE if second is None else SECOND
    if decimals:
        length = SECOND // 10 ** len(decimals)
        start += int(decimals) * length
    if year is None:
        return Moment(start, length, dated=False)
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH
    except ValueError:  # 30 February
        return None
    return Moment(days * DAY + start - _offset(zone, utc_offset_seconds) * SECOND, length, dated=True)


def _offset(zone: str | None, local: int) -> int:
    if not zone:
        return local
    if zone in "Zz":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def is_ordered(text: str) -> bool:
    """Whether ``text`` may be the end of a range."""
    return number(text) is not None or duration(text) is not None or moment(text) is not None


@dataclass(frozen=True, slots=True)
class Glob:
    """A text to find, its pieces between the asterisks; letter case makes no difference."""

    pieces: tuple[str, ...]

    @classmethod
    def of(cls, text: str, *, literally: bool) -> Glob:
        folded = text.casefold()
        return cls((folded,) if literally else tuple(folded.split("*")))

    def equals(self, text: str) -> bool:
        """Whether it is all of ``text``; one pass, because each piece may as well lie at the first place it fits."""
        folded = text.casefold()
        first, *middle = self.pieces
        if not middle:
            return folded == first
        last = middle.pop()
        end = len(folded) - len(last)
        if end < len(first) or not folded.startswith(first) or not folded.endswith(last):
            return False
        at = len(first)
        for piece in middle:
            at = folded.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    def occurs(self, text: str) -> bool:
        """Whether it lies anywhere in ``text``."""
        folded = text.casefold()
        at = 0
        for piece in self.pieces:
            at = folded.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        return True
