"""What one connection says of its path."""

from __future__ import annotations

import pytest

from fieldkit.events import Connection, Endpoint, PathError, PathSample
from fieldkit.site import pathseen as module
from fieldkit.site.pathseen import PathSeen, Step
from fieldkit.site.trips import MAX_TRIPS
from tests.traffic.conversation import MONDAY
from tests.traffic.segments import SECOND

LINE = Connection(1, Endpoint("192.168.1.50", 40_001), Endpoint("203.0.113.9", 9000), MONDAY, False, "lan")
MS = 1_000_000


def seen() -> PathSeen:
    return PathSeen(LINE)


def ack(path: PathSeen, at: float, rtt: int, kind: str = "ack") -> Step | None:
    time = MONDAY + round(at * SECOND)
    return path.sampled(PathSample(time, (), LINE, True, kind, rtt * MS, 57))  # type: ignore[arg-type]


def at(seconds: float) -> int:
    return MONDAY + round(seconds * SECOND)


def test_what_stays_without_an_answer_and_since_when() -> None:
    path = seen()
    path.hears(at(0))
    path.sends(at(10), (7,))
    path.sends(at(11))
    assert (path.pending, path.idle, path.frames) == (at(10), 10 * SECOND, (7,))
    path.repeats_itself(at(12), (8,))
    assert (path.pending, path.repeats) == (at(10), 1)
    assert path.hears(at(13)) == (at(10), 1)
    assert (path.pending, path.repeats, path.survived) == (0, 0, 10 * SECOND)


def test_an_acknowledgement_answers_only_what_was_sent_before_it() -> None:
    path = seen()
    path.sends(at(1))
    path.sends(at(1.02))
    ack(path, 1.05, 40)
    assert path.pending == at(1.02), "what was acknowledged had been sent at 1.01"
    ack(path, 1.1, 60)
    assert path.pending == 0


def test_a_repeat_of_what_nobody_saw_being_sent() -> None:
    path = seen()
    path.hears(at(5))
    path.repeats_itself(at(6), ())
    assert path.pending == at(6)


def test_what_is_repeated_was_sent_a_moment_ago() -> None:
    path = seen()
    path.hears(at(0))
    path.sends(at(1), (1,))
    path.sends(at(60), (2,))
    path.repeats_itself(at(60.3), (3,))
    assert (path.pending, path.frames) == (at(60), (3,))
    path.repeats_itself(at(61), (4,))
    assert path.pending == at(60)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((0.3, 0.9, 2.1, 4.5), True),
        ((0.27, 0.53, 1.04, 2.06, 4.11, 8.3, 16.5), True),
        ((1.0, 2.0, 3.0, 4.0), False),
        ((1.0, 2.0), False),
        ((), False),
    ],
)
def test_retransmissions_at_doubled_distances(times: tuple[float, ...], expected: bool) -> None:
    path = seen()
    path.sends(at(0))
    for time in times:
        path.repeats_itself(at(time), ())
    assert path.doubling is expected


def test_a_step_is_found_and_dated() -> None:
    path = seen()
    for second in range(10):
        path.sends(at(second))
        assert ack(path, second + 0.03, 30) is None
    path.sends(at(10))
    path.repeats_itself(at(10.3), ())
    assert ack(path, 10.6, 600) is None
    assert ack(path, 11.7, 610) is None
    step = ack(path, 12.9, 620)
    assert step is not None
    assert (step.before, step.after) == (30 * MS, 610 * MS)
    assert step.fast == at(9.03)
    assert step.slow == at(10)
    assert ack(path, 14, 615) is None, "told once"
    assert path.rtt == round(612.5 * MS)


def test_one_slow_answer_is_no_step() -> None:
    path = seen()
    for second in range(20):
        assert ack(path, second, 600 if second % 5 == 4 else 30) is None


def test_a_server_that_thinks_is_no_path() -> None:
    """Its acknowledgements come with its answers, and nobody repeats himself meanwhile."""
    path = seen()
    for second in range(10):
        ack(path, second, 30)
    for second in range(10, 30):
        assert ack(path, second, 700, "answer") is None


def test_a_little_slower_is_no_step() -> None:
    path = seen()
    for second in range(10):
        ack(path, second, 30)
    for second in range(10, 30):
        assert ack(path, second, 140) is None


def test_pings_measure_where_one_is_under_way() -> None:
    path = seen()
    path.pings(at(0), ())
    path.ponged(at(0.05))
    path.pings(at(10), ())
    path.pings(at(10.01), ())
    path.ponged(at(10.2))
    assert [trip for _, trip in path.trips] == [50 * MS]


def test_the_interval_of_pings() -> None:
    path = seen()
    for second in (0, 30, 60):
        path.pings(at(second), ())
    assert path.ping_interval is None
    path.pings(at(90), ())
    assert path.ping_interval == 30 * SECOND


def test_how_regular_the_station_speaks() -> None:
    path = seen()
    for second in range(6):
        path.sends(at(second))
    assert path.beat == SECOND
    for second in (7, 19, 20, 33, 60):
        path.sends(at(second))
    assert path.beat is None


@pytest.mark.parametrize(("ttl", "inside"), [(64, True), (128, True), (255, True), (63, False), (127, False)])
def test_on_which_side_of_a_router_it_was_captured(ttl: int, inside: bool) -> None:
    path = seen()
    path.sampled(PathSample(MONDAY, (), LINE, False, "handshake", MS, ttl))
    assert path.inside is inside


def test_clocks_tell_the_newest_offset() -> None:
    path = seen()
    for offset in (-90, -3, -1):
        path.stamped(offset * SECOND)
    assert path.clock == -SECOND, "what is older was kept"
    assert seen().clock is None


def test_a_path_that_was_left_stays_as_it_was() -> None:
    path = seen()
    path.sends(at(1))
    path.repeats_itself(at(2), ())
    left = path.leave()
    path.hears(at(50))
    ack(path, 51, 30)
    assert (left.pending, left.repeats, left.how, list(left.trips)) == (at(1), 1, "left", [])
    assert path.leave() is left


def test_nothing_grows_without_end() -> None:
    path = seen()
    for second in range(2000):
        path.sends(at(second))
        path.repeats_itself(at(second + 0.1), (second,))
        path.refused(PathError(at(second), (), LINE, True, "192.168.1.1", "network"))
        path.pings(at(second), ())
        path.stamped(second)
        path.trip(at(second), second * MS)
    assert len(path.trips) <= MAX_TRIPS
    assert len(path.errors) == module.MAX_ERRORS
    assert len(path.repeated) <= module.MAX_GAPS
    assert len(path.offsets) == module.MAX_OFFSETS
    assert len(path._slow) <= module.MAX_GAPS
    assert len(path._base) <= module.RECENT


def test_beside_the_csms_the_way_to_the_station_is_the_wide_area() -> None:
    path = seen()
    for second in range(5):
        ack(path, second, 1)
        path.sampled(PathSample(at(second), (), LINE, False, "ack", 80 * MS, 52))
    assert path.rtt == 80 * MS
    assert path.hops == 12


def test_on_the_site_the_way_to_the_csms_is_the_wide_area() -> None:
    path = seen()
    for second in range(5):
        ack(path, second, 40)
        path.sampled(PathSample(at(second), (), LINE, False, "ack", MS, 64))
    assert path.rtt == 40 * MS
    assert path.hops == 0
