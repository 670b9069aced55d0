"""Clocks of stations: set right, moved, or changed to summer time."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.detect.talk import SECOND, Site

DAY = 86_400
BEGINNING_OF_SUMMER = int(datetime(2026, 3, 29, 6, tzinfo=UTC).timestamp()) * SECOND


def tell(site: Site, name: str, off: float, number: int = 12) -> None:
    """Status messages with the station's time, one a minute."""
    for at in range(number):
        site.wait(60).status(name, "Unavailable" if at % 2 else "Available", off=off)


def test_a_clock_that_was_always_wrong_is_set_right() -> None:
    site = Site("CP_A")
    tell(site, "CP_A", 0.0, 0)
    tell(site, "CP_A", 600.0)
    tell(site, "CP_A", 0.0)
    (incident,) = site.incidents()
    assert incident.family_name == "clock-sync"
    assert "10 min fast" in incident.explanation


def test_a_clock_that_is_moved_and_stays_so() -> None:
    site = Site("CP_A")
    tell(site, "CP_A", 0.0)
    tell(site, "CP_A", 2 * 3600.0)
    assert site.found() == [("CP_A", "clock-shift")]


def test_one_hour_on_the_day_on_which_clocks_change_is_harmless() -> None:
    site = Site("CP_A")
    site.now = BEGINNING_OF_SUMMER
    tell(site, "CP_A", 0.0)
    tell(site, "CP_A", 3600.0)
    (incident,) = site.incidents()
    assert incident.family_name == "dst"
    assert "by exactly one hour, as clocks do this weekend" in incident.explanation


def test_one_hour_on_any_other_day_is_not() -> None:
    site = Site("CP_A")
    site.now = BEGINNING_OF_SUMMER + 40 * DAY * SECOND
    tell(site, "CP_A", 0.0)
    tell(site, "CP_A", 3600.0)
    assert site.found() == [("CP_A", "clock-shift")]
