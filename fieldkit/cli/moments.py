"""Durations, moments and sizes as they are written on a command line."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import click

from fieldkit.config import parse_duration
from fieldkit.sources.recording import parse_size


def seconds(option: str, text: str) -> float:
    """As in "90s", "10m", "1h30m", "2d"; a number alone is seconds."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: {error}") from error


def moment(option: str, text: str, now: datetime, *, utc: bool = False) -> datetime:
    """As in "17:30" (the next one), "17:30:15", "2026-08-31T17:30", "2026-08-31T17:30Z"; local unless it says more."""
    from datetime import UTC

    here = now.astimezone(UTC) if utc else now.astimezone()
    plain = text.strip()
    try:
        if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", plain):
            hour, minute, second = (*map(int, plain.split(":")), 0)[:3]
            found = here.replace(hour=hour, minute=minute, second=second, microsecond=0)
            if found <= here:
                found += timedelta(days=1)
        else:
            found = datetime.fromisoformat(plain)
            if found.tzinfo is None:
                # Local time then, not now: the clocks may change in between.
                found = found.replace(tzinfo=UTC) if utc else found.astimezone()
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"{option} {text}: give a time such as 17:30 or 2026-08-31T17:30Z") from error
    if found <= here:
        raise click.UsageError(f"{option} {text}: that is over")
    return found


def size(option: str, text: str, *, least: int, most: int) -> int:
    """As in "20MB"."""
    try:
        found = parse_size(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {error}") from error
    if not least <= found <= most:
        raise click.UsageError(f"{option} {text}: give a size between {least:,} and {most:,} bytes")
    return found
