"""Durations, moments and sizes as they are written on a command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from fieldkit.cli.moments import moment, seconds, size

NOW = datetime(2026, 8, 31, 17, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("10 min", 600),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("0.5s", 0.5),
        ("250ms", 0.25),
    ],
)
def test_durations(text: str, expected: float) -> None:
    assert seconds("--for", text) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "10 parsecs", "-5m", "0", "0s", "1h30", "m", "11y", "99999d", "nan", "1e9"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(click.UsageError, match="--for"):
        seconds("--for", text)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("17:30", NOW.replace(minute=30, second=0)),
        ("17:00:45", NOW.replace(second=45)),
        ("9:00", NOW.replace(hour=9, minute=0, second=0) + timedelta(days=1)),
        ("17:00", NOW.replace(second=0) + timedelta(days=1)),
        ("2026-09-01T08:00", datetime(2026, 9, 1, 8, tzinfo=UTC)),
        ("2026-09-01 08:00", datetime(2026, 9, 1, 8, tzinfo=UTC)),
        ("2026-08-31T20:00+02:00", datetime(2026, 8, 31, 18, tzinfo=UTC)),
        ("2026-08-31T18:00Z", datetime(2026, 8, 31, 18, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert moment("--until", text, NOW, utc=True) == expected


def test_a_moment_without_a_zone_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        assert moment("--until", "20:00", NOW) == datetime(2026, 8, 31, 18, tzinfo=UTC)
        # The clocks go back in between.
        assert moment("--until", "2026-12-01T20:00", NOW) == datetime(2026, 12, 1, 19, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "late", "25:00", "12:60", "2026-08-31T17:00Z", "2020-01-01", "2026-13-01T00:00"])
def test_no_moments(text: str) -> None:
    with pytest.raises(click.UsageError, match="--until"):
        moment("--until", text, NOW, utc=True)


def test_sizes() -> None:
    assert size("--buffer", "2MiB", least=1, most=1 << 30) == 2 << 20
    for text in ("lots", "0", "2TB", "9GB"):
        with pytest.raises(click.UsageError, match="--buffer"):
            size("--buffer", text, least=1, most=1 << 30)
