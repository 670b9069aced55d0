from __future__ import annotations

from fieldkit.events import CaptureDropped, Connection, ConnectionRecognised, DecodeError, Endpoint, StreamGap
from fieldkit.tally import Tally

HERE = Connection(1, Endpoint("10.0.0.1", 40000), Endpoint("10.0.0.2", 80), 0, False, "x")


def test_a_connection_counts_as_what_it_becomes_last() -> None:
    tally = Tally()
    tally.note(ConnectionRecognised(1, (1,), HERE, "http"))
    tally.note(ConnectionRecognised(2, (2,), HERE, "websocket"))
    assert +tally.connections == {"websocket": 1}


def test_what_could_change_a_verdict_makes_it_incomplete() -> None:
    assert not Tally().incomplete
    for loss in (
        StreamGap(1, (1,), HERE, True, 100, snapped=True),
        CaptureDropped(1, (), "eth0", 3),
        DecodeError(1, (1,), None, "pcap", "cut", b"", 1),
        DecodeError(1, (1,), HERE, "websocket", "nonsense", b"", 9),
    ):
        tally = Tally()
        tally.note(loss)
        assert tally.incomplete, loss


def test_the_tallies_of_several_processes_add_up() -> None:
    one, other = Tally(), Tally()
    one.note(DecodeError(9, (1,), HERE, "websocket", "late", b"", 5))
    other.note(DecodeError(3, (1,), HERE, "websocket", "early", b"", 7))
    one.add(other)
    assert (one.undecoded, one.lost, one.undecoded_first) == (2, 12, (3, "early"))
