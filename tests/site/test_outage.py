"""An outage in its legs."""

from __future__ import annotations

from fieldkit.site.outage import CAUSES, LEGS, Outage
from fieldkit.site.outagelegs import backoff, blame
from tests.traffic.segments import SECOND


def test_legs_come_in_their_order_and_last_from_one_to_the_next() -> None:
    outage = Outage("CP_7", "blackhole", 0.8, path_lost=10, first_syn=40, handshake=45, first_message=60)
    assert outage.moments == (("path_lost", 10), ("first_syn", 40), ("handshake", 45), ("first_message", 60))
    assert outage.spans == (("first_syn", 10, 40), ("handshake", 40, 45), ("first_message", 45, 60))
    assert (outage.start, outage.end) == (10, 60)


def test_an_outage_of_which_nothing_is_known() -> None:
    outage = Outage("CP_7", "unknown", 0.3)
    assert (outage.moments, outage.spans, outage.start, outage.end) == ((), (), 0, 0)


def test_names_are_promised() -> None:
    assert LEGS == ("path_lost", "detected", "first_syn", "handshake", "upgrade", "boot", "first_message")
    assert len(CAUSES) == len(set(CAUSES)) == 13
    assert all(blame(cause, 0.5).cause for cause in CAUSES)


def test_a_back_off_is_known_when_it_is_always_the_same() -> None:
    assert backoff([]) is None
    assert backoff([2 * SECOND]) is None
    assert backoff([2 * SECOND, 2 * SECOND + 4_000_000]) == 2 * SECOND + 2_000_000
    assert backoff([2 * SECOND, 9 * SECOND]) is None
    assert backoff([2 * SECOND, 2 * SECOND, 30 * SECOND]) == 2 * SECOND
