"""Dates and times as OCPP writes them: a strict judgement in words, and a tolerant reading.

Every version wants RFC 3339 (``2026-05-31T12:00:00Z``): 1.6J schemas say ``format: date-time``, 2.x Part 2 names the
RFC. No JSON schema library checks that without being asked, so stations in the field send what they like: no zone,
a comma, day before month. ``check_datetime`` names the fault, ``read_datetime`` makes the best of it.

Years 0001 to 9999; leap seconds are read as the second after 23:59:59 (RFC 3339 §5.7). A fraction may have any number
of digits, what is finer than a nanosecond is dropped.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

MAX_TEXT_LENGTH: Final = 64
"""Longest text that is looked into: a date-time with nanoseconds and offset has 35 characters."""

_MAX_READ: Final = 64
"""Texts whose meaning is remembered: whoever looks at a message asks for its time again."""
_NS: Final = 1_000_000_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()

_USUAL = re.compile(
    r"(?!0000)[0-9]{4}-"
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,24})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch
"""RFC 3339 §5.6 with the calendar in it, but for 29 February and leap seconds: settles nearly all of them at once."""

_LOOSE = re.compile(
    r"(?P<year>[0-9]{4})-?(?P<month>[0-9]{2})-?(?P<day>[0-9]{2})"
    r"(?P<separator>[Tt]|[ _]+)"
    r"(?P<hour>[0-9]{2}):?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:(?P<point>[.,])(?P<fraction>[0-9]*))?)?"
    r" ?(?P<zone>[Zz]|UTC|GMT|(?P<sign>[+-])(?P<zone_hour>[0-9]{2})(?::?(?P<zone_minute>[0-9]{2}))?)?"
).fullmatch
"""What still can be read without guessing: ISO 8601 in its other spellings, and the near misses of real stations."""

# What else stands where a date-time should, and how to say so: the first that fits is told. Compiled when needed.
_STRANGERS: Final = (
    (r"\s*", "is empty"),
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "is a date without a time of day"),
    (r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?[Zz]?", "is a time of day without a date"),
    (r"[+-]?[0-9]+(?:\.[0-9]+)?", "is a bare number, not a date and time"),
    (r"[0-9]{1,2}([./-])[0-9]{1,2}\1[0-9]{2,4}(?:[ ,T].*)?", "is a date in a local format"),
    (r"[0-9]{4}([./])[0-9]{1,2}\1[0-9]{1,2}(?:[ ,T].*)?", "is a date in a local format"),
)


class Instant(NamedTuple):
    """A point in time, and whether that took an assumption."""

    time: int
    """Nanoseconds since the Unix epoch."""
    zone_assumed: bool
    """The text names no time zone; UTC was assumed."""


def is_rfc3339(text: str) -> bool:
    """Tell whether a text is a date-time without fault: the fast half of ``check_datetime``."""
    return _USUAL(text) is not None or check_datetime(text) is None


def check_datetime(text: str) -> str | None:
    """Say what is wrong with a date-time, as a predicate ("has no time zone: read as UTC"); None when nothing is."""
    if len(text) > MAX_TEXT_LENGTH:
        return f"is no date and time: it has {len(text)} characters"
    if _USUAL(text) is not None:
        return None
    parts = _LOOSE(text)
    if parts is None:
        for pattern, words in _STRANGERS:
            if re.fullmatch(pattern, text):
                return f"{words}; RFC 3339 wants 2026-05-31T12:00:00Z"
        return "is not a date and time; RFC 3339 wants 2026-05-31T12:00:00Z"
    faults = _faults_of_form(text, parts)
    impossible = _impossible(parts)
    if impossible:
        faults.append(impossible)
    return " and ".join(faults) or None


def read_datetime(text: str) -> Instant | None:
    """Read a date-time as tolerantly as can be done without guessing; None when it names no point in time."""
    return _read(text) if len(text) <= MAX_TEXT_LENGTH else None


@lru_cache(_MAX_READ)
def _read(text: str) -> Instant | None:
    parts = _LOOSE(text)
    if parts is None or _impossible(parts):
        return None
    day = date(int(parts["year"]), int(parts["month"]), int(parts["day"])).toordinal() - _EPOCH_DAY
    seconds = ((day * 24 + int(parts["hour"])) * 60 + int(parts["minute"])) * 60 + int(parts["second"] or 0)
    fraction = int((parts["fraction"] or "0").ljust(9, "0")[:9])
    return Instant((seconds - _offset(parts) * 60) * _NS + fraction, zone_assumed=not parts["zone"])


def parse(text: str) -> int | None:
    """Read a date-time as nanoseconds since the epoch (``read_datetime`` without saying what was assumed)."""
    instant = read_datetime(text)
    return None if instant is None else instant.time


def _offset(parts: re.Match[str]) -> int:
    """Return the zone's distance from UTC in minutes."""
    if not parts["sign"]:
        return 0
    minutes = int(parts["zone_hour"]) * 60 + int(parts["zone_minute"] or 0)
    return -minutes if parts["sign"] == "-" else minutes


def _faults_of_form(text: str, parts: re.Match[str]) -> list[str]:
    """List how the spelling differs from RFC 3339 §5.6."""
    faults = []
    separator, zone = parts["separator"], parts["zone"]
    if text[4] != "-" or text[parts.start("day") - 1] != "-":
        faults.append("lacks hyphens in the date")
    if separator not in ("T", "t"):
        faults.append(f'has "{separator[0]}" instead of T between date and time')
    if parts["second"] is None:
        faults.append("has no seconds")
    elif text[parts.start("minute") - 1] != ":" or text[parts.start("second") - 1] != ":":
        faults.append("lacks colons in the time")
    if parts["point"] == ",":
        faults.append("has a comma as decimal sign")
    if parts["point"] and not parts["fraction"]:
        faults.append("has a decimal sign without digits")
    if not zone:
        faults.append("has no time zone: read as UTC")
    elif zone in ("UTC", "GMT"):
        faults.append(f"has {zone} instead of Z for the time zone")
    elif parts["sign"] and (parts["zone_minute"] is None or ":" not in zone):
        faults.append("has a time zone that is not written +hh:mm")
    if zone and text[parts.start("zone") - 1] == " ":
        faults.append("has a space in front of the time zone")
    return faults


def _impossible(parts: re.Match[str]) -> str | None:
    """Say what in a well-formed date-time does not exist in calendar or clock; None when all of it does."""
    hour, minute, second = int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0)
    try:
        date(int(parts["year"]), int(parts["month"]), int(parts["day"]))
    except ValueError:
        return f"names a day that does not exist: {parts['year']}-{parts['month']}-{parts['day']}"
    if hour > 23 or minute > 59 or second > 60:
        return f"names a time of day that does not exist: {parts['hour']}:{parts['minute']}:{parts['second'] or '00'}"
    if parts["sign"] and (int(parts["zone_hour"]) > 23 or int(parts["zone_minute"] or 0) > 59):
        return f"names a time zone that does not exist: {parts['zone']}"
    if second == 60 and (hour * 60 + minute - _offset(parts)) % (24 * 60) != 23 * 60 + 59:
        # RFC 3339 §5.7: a leap second is 23:59:60 UTC, elsewhere shifted by the offset.
        return "has second 60, which only the last minute of a day (UTC) can have"
    return None
