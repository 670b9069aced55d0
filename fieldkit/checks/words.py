"""Numbers and times in the words of findings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

SECOND: Final = 1_000_000_000
"""Nanoseconds."""


def duration(nanoseconds: float) -> str:
    """As in "350 ms", "12 s", "2 min 5 s", "3 h 20 min", "4 days": as exact as it is read."""
    seconds = abs(nanoseconds) / SECOND
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{round(seconds / 86400)} days"


def clock(time: int) -> str:
    """As in "2026-05-31 12:00:05Z"; the number itself where it is no date."""
    try:
        return datetime.fromtimestamp(time // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{time} ns"


def counted(number: int, noun: str) -> str:
    """As in "1 message", "12 messages"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def times(number: int) -> str:
    """As in "once", "twice", "12 times"."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def listed(names: list[str], most: int = 5) -> str:
    """As in "a, b and c"; "a, b, c, d, e and 7 more"."""
    shown = names[:most]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
