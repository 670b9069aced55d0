"""A series keeps its shape in little room."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.site.series import MAX_POINTS, Sample, Series


def series() -> Series:
    return Series("1", "7", "Power.Active.Import", "", "Outlet", "W")


def sample(time: int, value: float) -> Sample:
    return Sample(time, value, "Power.Active.Import", "", "Outlet", "Sample.Periodic", "W", "1", "7", frozenset())


def test_a_short_series_keeps_every_point() -> None:
    course = series()
    for time in range(MAX_POINTS):
        course.add(sample(time, time % 7))
    assert course.points == [(time, time % 7) for time in range(MAX_POINTS)]


def test_a_long_series_stays_bounded_and_keeps_first_last_and_extremes() -> None:
    course = series()
    for time in range(20_000):
        course.add(sample(time, 99 if time == 7_777 else -99 if time == 15_001 else time % 10))
        assert len(course) <= MAX_POINTS + 3
    points = course.points
    assert course.count == 20_000
    assert [points[0], points[-1]] == [(0, 0), (19_999, 9)]
    assert (7_777, 99) in points
    assert (15_001, -99) in points
    assert points == sorted(points)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 5 * MAX_POINTS))
def test_extremes_survive_whatever_comes(random: Random, count: int) -> None:
    values = [random.uniform(-1e6, 1e6) for _ in range(count)]
    course = series()
    for time, value in enumerate(values):
        course.add(sample(time, value))
    kept = [value for _, value in course.points]
    assert (min(kept), max(kept), kept[0], kept[-1]) == (min(values), max(values), values[0], values[-1])


def test_a_late_sample_is_sorted_in_once() -> None:
    course = series()
    assert course.add(sample(10, 1))
    assert course.add(sample(30, 3))
    assert not course.add(sample(20, 2))
    assert not course.add(sample(20, 2))
    assert course.points == [(10, 1), (20, 2), (30, 3)]
    assert course.last is not None
    assert (course.last.time, course.count) == (30, 3)


def test_the_latest_two_are_known_whatever_was_dropped() -> None:
    course = series()
    for time in range(5_000):
        course.add(sample(time, 0))
    assert course.last is not None
    assert course.previous is not None
    assert (course.previous.time, course.last.time) == (4_998, 4_999)
