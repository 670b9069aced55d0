"""Dates, spans and quotations as the texts of findings have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from fieldkit.safetext import shorten

SECOND: Final = 1_000_000_000
"""Nanoseconds."""
DAY: Final = 86_400 * SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUOTED: Final = 100


def date(time: int) -> str:
    """As in "2026-05-31 12:00:05Z"."""
    try:
        return (_EPOCH + timedelta(seconds=time // SECOND)).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError):
        return f"{time} ns"


def span(nanoseconds: int) -> str:
    """As in "3 hours", "40 days", "2 years": as exact as it is read."""
    seconds = abs(nanoseconds) // SECOND
    if seconds < 7200:
        return _counted(seconds // 60, "minute")
    if seconds < 2 * 86_400:
        return _counted(seconds // 3600, "hour")
    days = seconds // 86_400
    return _counted(days, "day") if days < 1200 else f"{days / 365.25:.1f} years"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quoted(text: str) -> str:
    """As others said it, in quotation marks."""
    return f'"{shorten(text, _QUOTED)}"'


def listed(names: list[str], most: int = 5) -> str:
    """As in "a, b and c"."""
    shown = names[:most]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
