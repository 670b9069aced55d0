"""Times and amounts of the engine as the document has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from fieldkit.checks.words import SECOND

CLOCK_TOLERANCE: Final = 5.0
"""Seconds: whole seconds and the way of a message make a right clock seem behind by as much (see ``site.clock``)."""


def iso(time: int | None) -> str:
    """ISO 8601 in UTC with milliseconds; empty where there is no time, or none that a calendar knows."""
    if not time:
        return ""
    try:
        second, rest = divmod(time, SECOND)
        moment = datetime.fromtimestamp(second, UTC)
    except (ValueError, OverflowError, OSError):  # a capture or a station may claim any time
        return ""
    return f"{moment.isoformat()[:19]}.{rest // 1_000_000:03}Z" if moment.year >= 1000 else ""


def iso_or_none(time: int | None) -> str | None:
    """The same, None where there is none."""
    return iso(time) or None


def seconds(nanoseconds: int) -> float:
    """To the millisecond."""
    return round(nanoseconds / SECOND, 3)


def milliseconds(nanoseconds: int) -> float:
    """To the microsecond."""
    return round(nanoseconds / 1_000_000, 3)
