"""Thresholds in alarms a week, and what is usual."""

from __future__ import annotations

import random
from math import log

import pytest

from fieldkit.detect.deadlines import Deadlines
from fieldkit.detect.tails import BLOCK, BLOCKS_A_WEEK, Tail, quantile
from fieldkit.detect.usual import Cusum, Usual


def exponential(number: int, seed: int = 3) -> list[float]:
    chance = random.Random(seed)
    return [chance.expovariate(1.0) for _ in range(number)]


def test_the_tail_of_an_exponential_is_found() -> None:
    values = sorted(exponential(20_000))
    # One in ten thousand lies above log(10000) = 9.2.
    assert quantile(values[-256:], len(values), 1e-4) == pytest.approx(log(1e4), rel=0.12)


def test_a_threshold_lies_beyond_what_was_seen_when_it_is_to_be_rarer() -> None:
    values = sorted(exponential(2000))
    rare = quantile(values[-256:], len(values), 1e-6)
    assert rare is not None
    assert rare > values[-1]


def test_too_little_gives_no_threshold() -> None:
    tail = Tail()
    for block, score in enumerate(exponential(50)):
        tail.add(score, block * BLOCK)
    assert tail.threshold(0.1) is None


def test_neighbours_count_once() -> None:
    tail = Tail()
    for number in range(1000):
        tail.add(5.0, number)  # all within one block
    tail.add(1.0, BLOCK)
    tail.add(1.0, 2 * BLOCK)
    assert tail.blocks == 2
    assert tail.highest == [1.0, 5.0]


def test_alarms_of_new_weeks_come_about_as_often_as_asked() -> None:
    tail = Tail()
    for block, score in enumerate(exponential(8 * int(BLOCKS_A_WEEK))):
        tail.add(score, block * BLOCK)
    limit = tail.threshold(2.0)
    assert limit is not None
    weeks = 40
    alarms = sum(score > limit for score in exponential(weeks * int(BLOCKS_A_WEEK), seed=9))
    assert 0.5 <= alarms / weeks <= 5


def test_what_is_kept_is_given_back() -> None:
    tail, again = Tail(), Tail()
    for block, score in enumerate(exponential(3000)):
        tail.add(score, block * BLOCK)
    dumped = tail.dump()
    again.load(dumped["blocks"], dumped["highest"])
    assert again.threshold(1.0) == pytest.approx(tail.threshold(1.0), rel=1e-3)


def test_a_fault_while_learning_moves_the_usual_little() -> None:
    chance = random.Random(1)
    usual = Usual(0.01)
    for number in range(150):
        usual.add(chance.gauss(100, 15) if number % 4 == 0 else chance.gauss(10, 1))
    assert usual.median == pytest.approx(10, abs=1.5)
    assert usual.score(100) > 20


def test_the_prior_holds_until_enough_is_known() -> None:
    usual = Usual(0.1, prior=(5.0, 1.0))
    assert usual.score(8.0) == pytest.approx(3.0)
    for _ in range(64):
        usual.add(8.0)
    assert usual.median > 7
    assert usual.score(20.0) > usual.score(8.0) > 0


def test_old_values_leave() -> None:
    usual = Usual(0.1, size=32)
    for value in (*[1.0] * 100, *[9.0] * 64):
        usual.add(value)
    assert usual.median == pytest.approx(9.0)
    assert len(usual.recent()) == 32


def test_many_small_deviations_weigh_as_much_as_a_large_one() -> None:
    many, one = Cusum(1.0, 5.0), Cusum(1.0, 5.0)
    assert not one.add(1e9, 0)  # a single value is capped
    assert [many.add(2.0, time) for time in range(5)] == [False, False, False, False, True]


def test_a_cusum_forgets_what_was_usual_after_all() -> None:
    cusum = Cusum(1.0, 5.0)
    for time in range(100):
        assert not cusum.add(0.9, time)
    assert cusum.sum == 0


def test_dates_come_in_their_order_and_at_their_time() -> None:
    deadlines, came = Deadlines(), []
    deadlines.at("b", 20, lambda time: came.append(("b", time)))
    deadlines.at("a", 10, lambda time: came.append(("a", time)))
    deadlines.at("c", 15, lambda time: came.append(("c", time)))
    deadlines.at("c", 40, lambda time: came.append(("c", time)))
    deadlines.off("b")
    deadlines.run(30)
    assert came == [("a", 10)]
    deadlines.run(41)
    assert came == [("a", 10), ("c", 40)]


def test_a_date_set_while_another_comes_is_kept() -> None:
    deadlines, came = Deadlines(), []

    def again(time: int) -> None:
        came.append(time)
        if time < 50:
            deadlines.at("a", time + 10, again)

    deadlines.at("a", 10, again)
    deadlines.run(100)
    assert came == [10, 20, 30, 40, 50]


def test_dates_that_are_moved_a_million_times_take_no_room() -> None:
    deadlines = Deadlines()
    for time in range(10_000):
        deadlines.at("a", time + 1_000_000, lambda due: None)
    assert len(deadlines._heap) < 200
