"""Numbers, durations, moments and texts with asterisks, as they are written in a filter."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.query.values import DAY, MINUTE, SECOND, Glob, Moment, duration, is_ordered, moment, number


@pytest.mark.parametrize(
    ("text", "nanoseconds", "precision"),
    [
        ("250", 250_000_000, 1_000_000),
        ("1.5s", 1_500_000_000, 100_000_000),
        ("20us", 20_000, 1_000),
        ("7µs", 7_000, 1_000),
        ("3NS", 3, 1),
        ("2m", 2 * MINUTE, MINUTE),
        ("2min", 2 * MINUTE, MINUTE),
        ("0.5h", 30 * MINUTE, 6 * MINUTE),
        ("1.25ns", 1, 1),
    ],
)
def test_durations(text: str, nanoseconds: int, precision: int) -> None:
    assert duration(text) == (nanoseconds, precision)


@pytest.mark.parametrize("text", ["", "s", "5 s", "5d", "-5s", "1.s", "1e3", "9" * 20, "٣s"])
def test_what_is_no_duration(text: str) -> None:
    assert duration(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9:05", Moment(9 * 60 * MINUTE + 5 * MINUTE, MINUTE, False)),
        ("00:00:01", Moment(SECOND, SECOND, False)),
        ("00:00:01.25", Moment(1_250_000_000, SECOND // 100, False)),
        ("1970-01-02", Moment(DAY, DAY, True)),
        ("1970-01-01T00:01Z", Moment(MINUTE, MINUTE, True)),
        ("1970-01-01 01:00+0100", Moment(0, MINUTE, True)),
        ("1969-12-31t23:00:00.000000001-01:00", Moment(1, 1, True)),
    ],
)
def test_moments(text: str, expected: Moment) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "10:5",
        "24:00",
        "10:60",
        "10:00:60",
        "10:00Z",
        "2026-13-01",
        "2026-11-21T",
        "2026-11-21X10:00",
        "0000-01-01",
    ],
)
def test_what_is_no_moment(text: str) -> None:
    assert moment(text) is None


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_moments_are_what_the_standard_library_takes_them_for(when: datetime, zone: timezone) -> None:
    aware = when.replace(tzinfo=zone)
    found = moment(aware.isoformat())
    local = moment(when.isoformat(), int(zone.utcoffset(None).total_seconds()))
    assert found is not None
    assert found == local
    assert found.start // 1000 == (aware - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)  # noqa: UP017


def test_numbers() -> None:
    assert [number(text) for text in ("-7", "+0.50", "1e3", "nan", "1_000", "٣", ".5", "9" * 30)] == [
        -7, 0.5, None, None, None, None, None, None,
    ]  # fmt: skip
    assert is_ordered("5")
    assert is_ordered("5s")
    assert is_ordered("10:00")
    assert not is_ordered("CP_1")


@given(st.text("aB*", max_size=6), st.text("abB*", max_size=10))
def test_an_asterisk_is_anything_and_everything_else_is_itself(pattern: str, text: str) -> None:
    expected = ".*".join(re.escape(piece) for piece in pattern.split("*"))
    glob = Glob.of(pattern, literally=False)
    assert glob.equals(text) == bool(re.fullmatch(expected, text, re.IGNORECASE))
    assert glob.occurs(text) == bool(re.search(expected, text, re.IGNORECASE))
    assert Glob.of(pattern, literally=True).occurs(text) == (pattern.casefold() in text.casefold())
