"""Dates and clocks as logs write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.logs.times import DAY, SECOND, Calendar, Stamp, Times


def at(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + moment.microsecond * 1000


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-21T08:49:50Z", "2026-11-21T08:49:50"),
        ("2026-11-21T08:49:50.123456Z", "2026-11-21T08:49:50.123456"),
        ("2026-11-21T09:49:50.123+01:00", "2026-11-21T08:49:50.123"),
        ("2026-11-21T09:49:50+0100", "2026-11-21T08:49:50"),
        ("2026-11-21T07:49:50-01", "2026-11-21T08:49:50"),
        ("2026-11-21 08:49:50 UTC", "2026-11-21T08:49:50"),
        ("2026-11-21 08:49:50,123 +0000", "2026-11-21T08:49:50.123"),
        ("20261121T084950.5Z", "2026-11-21T08:49:50.5"),
        ("21/Nov/2026:09:49:50 +0100", "2026-11-21T08:49:50"),
        ("Sat, 21 Nov 2026 08:49:50 GMT", "2026-11-21T08:49:50"),
        ("1795250990", "2026-11-21T08:49:50"),
        ("1795250990123", "2026-11-21T08:49:50.123"),
        ("1795250990123456", "2026-11-21T08:49:50.123456"),
        ("1795250990123456000", "2026-11-21T08:49:50.123456"),
        ("1795250990.25", "2026-11-21T08:49:50.25"),
    ],
)
def test_a_time_with_its_zone(written: str, meant: str) -> None:
    assert Times().read(written) == Stamp("date", at(meant), True)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-21 08:49:50",
        "2026/11/21 08:49:50",
        "2026-11-21_08:49:50",
        "2026-11-21\t08:49:50",
        "21.11.2026 08:49:50",
        "21.11.26, 08:49:50",
        "21-11-2026 08:49:50",
        "21/11/2026 08:49:50",
        "11/21/2026 08:49:50",
        "11/21/2026, 8:49:50 AM",
        "21 Nov 2026 08:49:50",
        "21-Nov-2026 08:49:50",
        "Nov 21, 2026 @ 08:49:50",
        "Nov 21, 2026 8:49:50 AM",
        "Sat Nov 21 08:49:50 2026",
        "21. November 2026 08:49:50",
    ],
)
def test_a_time_without_a_zone(written: str) -> None:
    assert Times().read(written) == Stamp("date", at("2026-11-21T08:49:50"), False)


@pytest.mark.parametrize(
    ("written", "month"),
    [
        ("21 Okt 2026", 10),
        ("21 Dez 2026", 12),
        ("21 Mär 2026", 3),
        ("21 Mai 2026", 5),
        ("21 août 2026", 8),
        ("21 dic 2026", 12),
    ],
)
def test_months_in_other_languages(written: str, month: int) -> None:
    stamp = Times().read(f"{written} 08:49:50")
    assert stamp is not None
    assert datetime.fromtimestamp(stamp.ns // SECOND, UTC).month == month


def test_afternoon() -> None:
    stamp = Times().read("11/21/2026, 12:05:00 AM")
    assert stamp is not None
    assert stamp.ns == at("2026-11-21T00:05:00")
    stamp = Times().read("11/21/2026, 1:05:00 PM")
    assert stamp is not None
    assert stamp.ns == at("2026-11-21T13:05:00")


def test_day_or_month_first_is_learnt_from_a_day_that_cannot_be_a_month() -> None:
    times = Times()
    first = times.read("03/04/2026 10:00:00")
    assert first is not None
    assert first.ns == at("2026-04-03T10:00:00")
    times.read("03/21/2026 10:00:00")
    again = times.read("03/04/2026 10:00:00")
    assert again is not None
    assert again.ns == at("2026-03-04T10:00:00")


def test_who_writes_pm_writes_the_month_first() -> None:
    times = Times()
    stamp = times.read("3/4/2026, 1:00:00 PM")
    assert stamp is not None
    assert stamp.ns == at("2026-03-04T13:00:00")


@pytest.mark.parametrize(
    "written",
    ["", "CP_1", "08", "1.6", "192.168.1.17", "2026", "2026-13-45 08:49:50", "2026-11-21 25:00:00", "4711",
     "0000000000",
     "it was 08:49:50 when the charging station sent this", "99999999999999999999", "12345678901"],
)  # fmt: skip
def test_what_is_no_time(written: str) -> None:
    assert Times().read(written) is None


@pytest.mark.parametrize("value", [None, True, [], {}, 17, 1.5, -1, float("nan"), float("inf")])
def test_values_that_are_no_time(value: object) -> None:
    assert Times().read(value) is None


def test_mongodb_writes_dates_as_objects() -> None:
    expected = Stamp("date", at("2026-11-21T08:49:50.123"), True)
    assert Times().read({"$date": "2026-11-21T08:49:50.123Z"}) == expected
    assert Times().read({"$date": {"$numberLong": "1795250990123"}}) == expected


def test_the_most_complete_time_of_a_line_counts() -> None:
    found = Times().find("Okt 11 11:42:45 pvm evcc[25224]: [ocpp  ] TRACE 2026/11/21 08:49:50 recv CP1: ")
    assert found is not None
    assert found[0].ns == at("2026-11-21T08:49:50")
    found = Times().find("2026-11-21 09:49:50.1 2026-11-21T08:49:50.123Z stdout F ")
    assert found is not None
    assert found[0] == Stamp("date", at("2026-11-21T08:49:50.123"), True)


def test_uptimes() -> None:
    assert Times().find("I (12345) ocpp: sent ") == (Stamp("uptime", 12_345_000_000, True), 0, 10)
    found = Times().find("[   17.000250] ocpp: sent ")
    assert found is not None
    assert found[0] == Stamp("uptime", 17_000_250_000, True)


@given(st.text())
def test_any_text_is_read_or_not(text: str) -> None:
    Times().read(text)
    Times().find(text)


@given(st.integers(0, 2**62), st.sampled_from(["date", "yearless", "clock", "uptime"]), st.booleans())
def test_any_sequence_of_stamps_resolves(ns: int, kind: str, zoned: bool) -> None:
    calendar = Calendar(3600, None)
    limit = {"date": 7 * 10**18, "yearless": 366 * DAY, "clock": DAY, "uptime": 10**19}[kind]
    stamp = Stamp(kind, ns % limit, zoned)  # type: ignore[arg-type]
    calendar.settle(stamp)
    for _ in range(3):
        calendar.resolve(stamp)


class TestCalendar:
    def test_local_time_is_shifted_by_the_offset_given(self) -> None:
        calendar = Calendar(7200, None)
        assert calendar.resolve(Stamp("date", at("2026-11-21T10:49:50"), False)) == at("2026-11-21T08:49:50")
        assert not calendar.zone_assumed

    def test_without_an_offset_utc_is_assumed_and_said(self) -> None:
        calendar = Calendar(None, None)
        assert calendar.resolve(Stamp("date", 17, True)) == 17
        assert not calendar.zone_assumed
        assert calendar.resolve(Stamp("date", 17, False)) == 17
        assert calendar.zone_assumed

    def test_a_clock_goes_over_midnight(self) -> None:
        calendar = Calendar(0, at("2026-11-21T23:59:00"))
        evening = Stamp("clock", DAY - SECOND, False)
        calendar.settle(evening)
        assert calendar.resolve(evening) == at("2026-11-21T23:59:59")
        assert calendar.resolve(Stamp("clock", SECOND, False)) == at("2026-11-22T00:00:01")
        assert calendar.resolve(Stamp("clock", 0, False)) == at("2026-11-22T00:00:00"), "threads write out of order"
        assert calendar.date_assumed

    def test_a_year_ends(self) -> None:
        calendar = Calendar(0, at("2026-12-31T12:00:00"))
        december = Stamp("yearless", 365 * DAY, False)
        calendar.settle(december)
        assert calendar.resolve(december) == at("2026-12-31T00:00:00")
        assert calendar.resolve(Stamp("yearless", 0, False)) == at("2027-01-01T00:00:00")
        assert calendar.resolve(Stamp("yearless", 59 * DAY, False)) == at("2027-03-01T00:00:00"), (
            "2027 has no 29 February"
        )

    def test_a_message_tells_the_date(self) -> None:
        calendar = Calendar(0, None)
        stamp = Stamp("clock", 8 * 3600 * SECOND, False)
        assert calendar.needs_date(stamp)
        assert not calendar.learn('[2,"1","Heartbeat",{}]', stamp)
        assert not calendar.learn('[3,"1",{"currentTime":"1970-01-01T00:00:09Z"}]', stamp), "a clock that was never set"
        assert calendar.learn('[3,"1",{"currentTime":"2026-11-21T08:00:00.5Z"}]', stamp)
        assert calendar.resolve(stamp) == at("2026-11-21T08:00:00")

    def test_uptime_goes_on_after_a_reboot(self) -> None:
        calendar = Calendar(0, None)
        first = Stamp("uptime", 10 * SECOND, True)
        calendar.learn('{"currentTime":"2026-11-21T08:00:00Z"}', first)
        assert calendar.resolve(first) == at("2026-11-21T08:00:00")
        assert calendar.resolve(Stamp("uptime", 70 * SECOND, True)) == at("2026-11-21T08:01:00")
        assert calendar.resolve(Stamp("uptime", 5 * SECOND, True)) == at("2026-11-21T08:01:05")
