"""Timestamps as stations really send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.ocpp import timestamps
from fieldkit.ocpp.timestamps import check_datetime, is_rfc3339, parse, read_datetime

NOON = 1_780_228_800_000_000_000
"""2026-05-31T12:00:00Z."""


@pytest.mark.parametrize(
    "text, time",
    [
        ("2026-05-31T12:00:00Z", NOON),
        ("2026-05-31t12:00:00z", NOON),
        ("2026-05-31T12:00:00.000Z", NOON),
        ("2026-05-31T12:00:00.25Z", NOON + 250_000_000),
        ("2026-05-31T12:00:00.1234567899Z", NOON + 123_456_789),
        ("2026-05-31T14:00:00+02:00", NOON),
        ("2026-05-31T12:00:00-00:00", NOON),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
        ("2017-01-01T00:59:60+01:00", 1_483_228_800_000_000_000),
    ],
)
def test_rfc_3339_is_read_without_a_word(text: str, time: int) -> None:
    assert check_datetime(text) is None
    assert is_rfc3339(text)
    assert parse(text) == time
    assert read_datetime(text) == (time, False)


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("2026-05-31T12:00:00", "has no time zone: read as UTC"),
        ("2026-05-31T12:00:00,000Z", "has a comma as decimal sign"),
        ("2026-05-31 12:00:00Z", 'has " " instead of T between date and time'),
        ("2026-05-31T12:00Z", "has no seconds"),
        ("2026-05-31T12:00:00.Z", "has a decimal sign without digits"),
        ("2026-05-31T12:00:00UTC", "has UTC instead of Z for the time zone"),
        ("2026-05-31T14:00:00+0200", "has a time zone that is not written +hh:mm"),
        ("2026-05-31T14:00:00+02", "has a time zone that is not written +hh:mm"),
        ("2026-05-31T12:00:00 Z", "has a space in front of the time zone"),
        ("20260531T120000Z", "lacks hyphens in the date and lacks colons in the time"),
        (
            "2026-05-31 12:00:00",
            'has " " instead of T between date and time and has no time zone: read as UTC',
        ),
    ],
)
def test_a_near_miss_is_named_and_read_all_the_same(text: str, complaint: str) -> None:
    assert check_datetime(text) == complaint
    assert parse(text) == NOON


def test_a_missing_zone_is_an_assumption() -> None:
    instant = read_datetime("2026-05-31T12:00:00")
    assert instant is not None
    assert instant.zone_assumed


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "is empty"),
        ("2026-05-31", "is a date without a time of day"),
        ("12:00:00Z", "is a time of day without a date"),
        ("1780228800", "is a bare number"),
        ("31.05.2026 12:00:00", "is a date in a local format"),
        ("5/31/2026", "is a date in a local format"),
        ("yesterday", "is not a date and time"),
        ("Sun, 31 May 2026 12:00:00 GMT", "is not a date and time"),
        ("2026-05-31T12:00:00Z\n", "is not a date and time"),
        ("٢٠٢٦-05-31T12:00:00Z", "is not a date and time"),
        ("2026-02-29T12:00:00Z", "names a day that does not exist: 2026-02-29"),
        ("2026-13-01T12:00:00Z", "names a day that does not exist"),
        ("0000-01-01T00:00:00Z", "names a day that does not exist"),
        ("2026-05-31T24:00:00Z", "names a time of day that does not exist: 24:00:00"),
        ("2026-05-31T12:00:61Z", "names a time of day that does not exist"),
        ("2026-05-31T12:00:00+24:00", "names a time zone that does not exist"),
        ("2026-05-31T12:00:60Z", "has second 60"),
        ("2" * 1_000_000, "is no date and time: it has 1000000 characters"),
    ],
)
def test_what_names_no_point_in_time_is_said_to(text: str, complaint: str) -> None:
    reason = check_datetime(text)
    assert reason is not None
    assert reason.startswith(complaint)
    assert parse(text) is None
    assert not is_rfc3339(text)


@given(
    st.datetimes(timezones=st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
)
def test_agrees_with_the_standard_library(moment: datetime) -> None:
    text = moment.isoformat()
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert check_datetime(text) is None
    assert parse(text) == ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


@given(st.one_of(st.text(), st.text("0123456789-:.,TZ+ "), st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.Z+-]*")))
def test_never_stumbles_and_never_contradicts_itself(text: str) -> None:
    assert is_rfc3339(text) == (check_datetime(text) is None)
    if is_rfc3339(text):
        assert parse(text) is not None


def test_what_is_read_again_is_remembered_and_long_texts_are_not() -> None:
    before = timestamps._read.cache_info()
    long = "2026-05-31T12:00:00Z" + " " * 1_000_000
    assert read_datetime(long) is None
    assert timestamps._read.cache_info() == before
    first = read_datetime("2026-05-31T12:34:56.789Z")
    assert read_datetime("2026-05-31T12:34:56.789Z") is first
