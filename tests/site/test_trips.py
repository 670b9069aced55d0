"""Numbers of which only the latest are remembered."""

from __future__ import annotations

import sys
from array import array

from fieldkit.site.trips import MAX_TRIPS, WIDEST, Trips, keep


def test_the_latest_round_trips_stay_in_their_order() -> None:
    trips = Trips()
    assert not trips
    for number in range(3 * MAX_TRIPS):
        trips.append(number, 2 * number)
    assert len(trips) == MAX_TRIPS
    assert list(trips) == [(number, 2 * number) for number in range(2 * MAX_TRIPS, 3 * MAX_TRIPS)]
    assert trips[0] == (2 * MAX_TRIPS, 4 * MAX_TRIPS)
    assert trips[-1] == (3 * MAX_TRIPS - 1, 6 * MAX_TRIPS - 2)
    assert trips[-2:] == list(trips)[-2:]
    assert (2 * MAX_TRIPS, 4 * MAX_TRIPS) in trips


def test_a_copy_goes_its_own_way() -> None:
    trips = Trips([(1, 2)])
    copy = Trips(trips)
    trips.append(3, 4)
    assert list(copy) == [(1, 2)]


def test_times_that_no_clock_has_are_left_out() -> None:
    trips = Trips([(1, 2), (WIDEST + 1, 3), (4, WIDEST + 1), (-WIDEST - 2, 5), (WIDEST, 6)])
    assert list(trips) == [(1, 2), (WIDEST, 6)]
    numbers = array("q", [1])
    keep(numbers, WIDEST + 1, 4)
    assert list(numbers) == [1]


def test_the_latest_numbers_stay() -> None:
    numbers = array("q")
    for number in range(10):
        keep(numbers, number, 4)
    assert list(numbers) == [6, 7, 8, 9]
    keep(numbers, 10, 2)
    assert list(numbers) == [9, 10]


def test_they_take_little_room() -> None:
    trips = Trips((1_700_000_000_000_000_000 + number, 50_000_000) for number in range(1000))
    assert sys.getsizeof(trips) + sys.getsizeof(trips._numbers) < 1300
