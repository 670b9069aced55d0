"""Small things that the checks of connections share."""

from __future__ import annotations

from fieldkit.checks.onwire import MAX_SHOWN, bounded, endpoint, quoted
from fieldkit.events import Endpoint


def test_endpoints_are_written_as_in_a_url() -> None:
    assert endpoint(Endpoint("203.0.113.5", 80)) == "203.0.113.5:80"
    assert endpoint(Endpoint("2001:db8::5", 443)) == "[2001:db8::5]:443"


def test_long_texts_are_cut() -> None:
    assert quoted("short") == '"short"'
    assert len(quoted("x" * 1_000_000)) == MAX_SHOWN + 2


def test_the_oldest_makes_way() -> None:
    table = {1: "a", 2: "b"}
    bounded(table, 2)[3] = "c"
    assert list(table) == [2, 3]
