from __future__ import annotations

import pytest

from fieldkit.checks.words import SECOND, clock, counted, duration, listed


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0 ms"),
        (0.35, "350 ms"),
        (1, "1 s"),
        (2.54, "2.5 s"),
        (12.4, "12 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (4 * 86400, "4 days"),
        (-5, "5 s"),
    ],
)
def test_a_duration_is_as_exact_as_it_is_read(seconds: float, text: str) -> None:
    assert duration(seconds * SECOND) == text


def test_a_clock_time_is_utc_and_says_so() -> None:
    assert clock(1_788_163_200 * SECOND) == "2026-08-31 08:00:00Z"
    assert clock(10**30) == f"{10**30} ns"


def test_lists_and_counts_read_like_speech() -> None:
    assert [counted(number, "message") for number in (0, 1, 1200)] == ["0 messages", "1 message", "1,200 messages"]
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more"
