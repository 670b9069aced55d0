"""One TCP connection: whatever way its segments come, each byte is handed on once, in its place, or told as missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import Connection, ConnectionClosed, Endpoint, Event, Retransmission, StreamGap
from fieldkit.wire import tcp
from fieldkit.wire.budget import Budget
from fieldkit.wire.tcp import HOLE_GRACE_NS, HOLE_PATIENCE_NS, MAX_AHEAD_BYTES, TcpConnection

LINK = Connection(1, Endpoint("10.0.0.2", 40_000), Endpoint("10.0.0.1", 9000), 0, False, "test")
MS = 1_000_000
START = 1000
"""Sequence number of the first byte."""


class Tape:
    """Stands in for the stream: writes down what either side says, and where something is missing."""

    def __init__(self) -> None:
        self.sides: tuple[list[str], list[str]] = ([], [])
        self.heard: list[tuple[str, int, tuple[int, ...]]] = []
        self.sinks = [self._sink(0), self._sink(1)]
        self.finished = 0

    def _sink(self, side: int) -> Callable[[bytes, int, tuple[int, ...]], None]:
        def take(data: bytes, time: int, frames: tuple[int, ...]) -> None:
            assert data, "nothing is not worth a call"
            self.sides[side].append(data.decode())
            self.heard.append((data.decode(), time, frames))

        return take

    def gap(self, from_client: bool, missing: int, time: int, frames: tuple[int, ...]) -> None:
        self.sides[0 if from_client else 1].append("·" * missing if missing < 10_000 else "…")

    def finish(self, time: int, frames: tuple[int, ...]) -> None:
        self.finished += 1


class Wire:
    """A connection and its onlooker. Every segment is a frame of its own, a little later than the one before."""

    def __init__(self, start: int = START, budget: Budget | None = None) -> None:
        self.events: list[Event] = []
        self.tape = Tape()
        self.connection = TcpConnection(LINK, self.events.append, (b"client", b"server"), syn_only=False)
        self.connection.stream = self.tape  # type: ignore[assignment]
        self.now = 0
        self.frame = 0
        for direction in self.connection.directions:
            direction.started = start
            direction.sinks = self.tape.sinks
            direction.budget = budget
        self.start = start

    def client(self, at: int, text: str, *, after: int = 10 * MS) -> Wire:
        """The client's bytes from ``at`` on, counted from the first one of the stream."""
        return self._say(0, at, text, after)

    def server(self, at: int, text: str, *, after: int = 10 * MS) -> Wire:
        return self._say(1, at, text, after)

    def _say(self, side: int, at: int, text: str, after: int) -> Wire:
        self._next(after)
        seq = (self.start + at) % 2**32
        self.connection.directions[side].segment(seq, text.encode(), self.now, (self.frame,))
        return self

    def server_acknowledges(self, at: int, *, after: int = 10 * MS) -> Wire:
        """What the flow table hands on while something of the client's is being waited for."""
        self._next(after)
        self.connection.directions[0].acknowledged((self.start + at) % 2**32, self.now, (self.frame,))
        return self

    def time_passes(self, nanoseconds: int) -> Wire:
        self.now += nanoseconds
        for direction in self.connection.directions:
            direction.check(self.now)
        return self

    def ends(self) -> Wire:
        self._next(10 * MS)
        self.connection.close("fin", True, self.now, (self.frame,))
        return self

    def _next(self, after: int) -> None:
        self.now += after
        self.frame += 1

    @property
    def heard(self) -> str:
        """What the client said, with a dot for each byte that is missing."""
        return "".join(self.tape.sides[0])

    @property
    def repeats(self) -> list[tuple[str, int]]:
        return [(event.kind, event.length) for event in self.events if isinstance(event, Retransmission)]

    @property
    def gaps(self) -> list[int]:
        return [event.missing for event in self.events if isinstance(event, StreamGap)]

    def waits(self) -> bool:
        direction = self.connection.directions[0]
        assert bool(direction.waiting) == (direction in self.connection.holes)
        assert direction.waiting_bytes == sum(len(data) for data, _ in direction.waiting.values())
        return bool(direction.waiting)


# ------------------------------------------------------------------------------------------------------- in any order


def test_segments_in_order_are_handed_on_one_by_one_with_their_own_evidence() -> None:
    wire = Wire().client(0, "one ").client(4, "two ").client(8, "three")
    assert wire.tape.heard == [("one ", 10 * MS, (1,)), ("two ", 20 * MS, (2,)), ("three", 30 * MS, (3,))]
    assert wire.events == []


def test_the_two_sides_have_nothing_to_do_with_each_other() -> None:
    wire = Wire().client(0, "ask").server(0, "tell").client(6, "held").server(4, " more")
    assert wire.tape.sides == (["ask"], ["tell", " more"])


def test_a_segment_from_the_future_waits_for_its_turn() -> None:
    wire = Wire().client(0, "one ").client(8, "three")
    assert wire.heard == "one "
    assert wire.waits()
    wire.client(4, "two ")
    assert wire.heard == "one two three"
    assert not wire.waits()
    assert wire.events == []


def test_what_waited_keeps_its_frames_but_not_its_time() -> None:
    """Its bytes were complete only when the hole was filled; the frame is where they can be looked up."""
    wire = Wire().client(4, "two").client(0, "one ")
    assert wire.tape.heard == [("one ", 20 * MS, (2,)), ("two", 20 * MS, (1,))]


def test_the_first_segment_may_come_second_when_the_syn_was_seen() -> None:
    assert Wire().client(5, "world").client(0, "hello").heard == "helloworld"


def test_without_a_syn_the_stream_begins_with_what_is_seen_first() -> None:
    wire = Wire()
    wire.connection.directions[0].started = -1
    wire.client(700, "midway").client(706, " on")
    assert wire.heard == "midway on"
    assert wire.events == []


def test_several_holes_close_one_after_the_other() -> None:
    wire = Wire().client(0, "a").client(2, "c").client(4, "e").client(6, "g")
    wire.client(3, "d")
    assert wire.heard == "a"
    wire.client(1, "b")
    assert wire.heard == "abcde"
    wire.client(5, "f")
    assert wire.heard == "abcdefg"
    assert not wire.waits()


@pytest.mark.parametrize("start", [2**32 - 1, 2**32 - 5, 2**32 - 11, 2**31 - 3])
def test_sequence_numbers_wrap(start: int) -> None:
    wire = Wire(start).client(0, "hello").client(10, "again").client(5, "world")
    assert wire.heard == "helloworldagain"
    assert wire.client(0, "hello").repeats == [("retransmission", 5)]
    wire.client(17, "end").server_acknowledges(20).server_acknowledges(20, after=HOLE_GRACE_NS + 1)
    assert wire.heard == "helloworldagain··end"


# ------------------------------------------------------------------------------------------------------ seen before


def test_a_retransmission_is_told_and_not_handed_on_again() -> None:
    wire = Wire().client(0, "hello").client(0, "hello", after=200 * MS)
    assert wire.heard == "hello"
    assert wire.events == [Retransmission(210 * MS, (2,), LINK, True, 5, "retransmission")]


def test_the_same_packet_captured_twice_is_a_duplicate() -> None:
    wire = Wire().client(0, "hello").client(0, "hello", after=20_000).client(5, " world")
    assert wire.heard == "hello world"
    assert wire.repeats == [("duplicate", 5)]


def test_one_byte_before_the_next_is_a_keep_alive() -> None:
    """RFC 9293 §3.8.4: older stacks send one byte of garbage, which must not reach the stream."""
    wire = Wire().client(0, "hello").client(4, "\0", after=60_000 * MS)
    assert wire.repeats == [("keep-alive", 1)]
    assert wire.client(5, "!").heard == "hello!"


def test_of_an_overlap_the_first_copy_stands_and_the_rest_is_new() -> None:
    wire = Wire().client(0, "hello").client(3, "XXworld", after=200 * MS)
    assert wire.heard == "helloworld"
    assert wire.repeats == [("retransmission", 2)]


def test_a_longer_retransmission_may_reach_what_waits() -> None:
    wire = Wire().client(0, "ab").client(6, "gh").client(0, "abcdef", after=200 * MS)
    assert wire.heard == "abcdefgh"
    assert not wire.waits()


def test_a_longer_retransmission_may_reach_into_what_waits() -> None:
    wire = Wire().client(0, "ab").client(4, "efgh").client(10, "kl").client(0, "abcdef", after=200 * MS)
    assert wire.heard == "abcdefgh"
    assert wire.waits()
    assert wire.client(8, "ij").heard == "abcdefghijkl"


def test_what_waits_may_be_sent_again() -> None:
    wire = Wire().client(0, "a").client(3, "de").client(3, "de", after=300 * MS).client(1, "bc")
    assert wire.heard == "abcde"
    assert wire.repeats == [("retransmission", 2)]


def test_what_waits_may_be_captured_twice() -> None:
    wire = Wire().client(0, "a").client(3, "de", after=MS // 4).client(3, "de", after=MS // 4).client(1, "bc")
    assert wire.heard == "abcde"
    assert wire.repeats == [("duplicate", 2)]


def test_what_waits_may_be_sent_again_with_more_behind_it() -> None:
    budget = Budget()
    wire = Wire(budget=budget).client(0, "a").client(3, "de").client(3, "defgh")
    assert wire.waits()
    assert budget.used == 5
    assert wire.client(1, "bc").heard == "abcdefgh"
    assert budget.used == 0


def test_copies_that_overlap_wait_beside_each_other() -> None:
    wire = Wire().client(0, "a").client(2, "cde").client(3, "defgh").client(4, "e").client(1, "b")
    assert wire.heard == "abcdefgh"
    assert not wire.waits()


# ------------------------------------------------------------------------------------------------------------- holes


def test_a_hole_that_was_acknowledged_is_given_up_after_a_grace() -> None:
    wire = Wire().client(0, "one ").client(8, "three").server_acknowledges(13)
    assert wire.waits(), "captures on several interfaces show packets a little out of order"
    wire.server_acknowledges(13, after=HOLE_GRACE_NS // 2)
    assert wire.waits()
    wire.server_acknowledges(13, after=HOLE_GRACE_NS)
    assert wire.heard == "one ····three"
    assert [e for e in wire.events if isinstance(e, StreamGap)] == [StreamGap(wire.now, (2,), LINK, True, 4)]


def test_the_grace_ends_by_time_alone_when_nobody_speaks_any_more() -> None:
    wire = Wire().client(0, "one ").client(8, "three").server_acknowledges(13)
    assert wire.time_passes(HOLE_GRACE_NS // 2).waits()
    assert wire.time_passes(HOLE_GRACE_NS).heard == "one ····three"


def test_within_the_grace_a_late_packet_still_fills_the_hole() -> None:
    wire = Wire().client(0, "one ").client(8, "three").server_acknowledges(13).client(4, "two ", after=400 * MS)
    assert wire.heard == "one two three"
    assert wire.gaps == []


def test_a_hole_that_nobody_acknowledged_stays_open_for_a_late_retransmission() -> None:
    """A bad mobile link: the receiver keeps asking for the same byte, the sender repeats it after half a minute."""
    wire = Wire().client(0, "one ").client(8, "three")
    for _ in range(30):
        wire.server_acknowledges(4, after=1000 * MS).time_passes(1)
    assert wire.heard == "one "
    assert wire.client(4, "two ").heard == "one two three"
    assert wire.gaps == []


def test_where_only_one_side_is_captured_patience_ends_some_time() -> None:
    wire = Wire().client(0, "one ").client(8, "three")
    assert wire.time_passes(HOLE_PATIENCE_NS - MS).waits()
    assert wire.time_passes(2 * MS).heard == "one ····three"


def test_each_hole_has_a_grace_of_its_own() -> None:
    wire = Wire().client(0, "a").client(2, "c").client(4, "e").server_acknowledges(5)
    wire.time_passes(HOLE_GRACE_NS + 1)
    assert wire.heard == "a·c"
    assert wire.waits()
    wire.client(3, "d")
    assert wire.heard == "a·cde"


def test_an_acknowledgement_of_what_is_known_says_nothing_of_the_hole() -> None:
    wire = Wire().client(0, "one ").client(8, "three").server_acknowledges(4).server_acknowledges(2)
    assert wire.time_passes(2 * HOLE_GRACE_NS).waits()


def test_behind_a_gap_what_comes_late_is_not_handed_on_any_more() -> None:
    wire = Wire().client(0, "one ").client(8, "three").server_acknowledges(13).time_passes(2 * HOLE_GRACE_NS)
    wire.client(4, "two ")
    assert wire.heard == "one ····three"
    assert wire.repeats == [("retransmission", 4)]


def test_the_end_gives_every_hole_up() -> None:
    wire = Wire().client(0, "a").client(2, "c").client(4, "e").server(3, "x").ends()
    assert wire.tape.sides == (["a", "·", "c", "·", "e"], ["···", "x"])
    assert wire.tape.finished == 1
    assert isinstance(wire.events[-1], ConnectionClosed)
    assert not wire.waits()


def test_a_fin_tells_what_is_missing_before_it() -> None:
    wire = Wire().client(0, "bye")
    wire.connection.directions[0].fin_at = START + 10
    wire.ends()
    assert wire.gaps == [7]
    assert wire.heard == "bye·······"


def test_a_fin_behind_a_hole_tells_both() -> None:
    wire = Wire().client(0, "a").client(3, "d")
    wire.connection.directions[0].fin_at = START + 6
    assert wire.ends().heard == "a··d··"


def test_a_fin_tells_also_that_everything_is_missing() -> None:
    wire = Wire().client(0, "ask")
    wire.connection.directions[1].fin_at = START + 5
    wire.ends()
    assert wire.tape.sides == (["ask"], ["·····"])


def test_a_fin_where_it_should_be_misses_nothing() -> None:
    wire = Wire().client(0, "bye")
    wire.connection.directions[0].fin_at = START + 3
    wire.connection.directions[1].fin_at = START
    assert wire.ends().gaps == []


def test_the_tail_that_the_snap_length_cut_off_is_a_gap_at_once() -> None:
    wire = Wire().client(0, "begin")
    wire.connection.directions[0].lost_tail(7, wire.now, (1,))
    assert wire.events == [StreamGap(wire.now, (1,), LINK, True, 7, snapped=True)]
    assert wire.client(12, "next").heard == "begin·······next"


# ------------------------------------------------------------------------------------------------------------ bounds


def test_only_so_many_segments_wait() -> None:
    wire = Wire().client(0, "a")
    for number in range(tcp.MAX_WAITING_SEGMENTS):
        wire.client(2 + 2 * number, "x", after=1)
    assert wire.heard == "a"
    wire.client(2 + 2 * tcp.MAX_WAITING_SEGMENTS, "z", after=1)
    assert wire.heard == "a" + "·x" * tcp.MAX_WAITING_SEGMENTS
    assert wire.waits(), "there is room again, and this hole may still be filled"
    assert wire.client(1 + 2 * tcp.MAX_WAITING_SEGMENTS, "y").heard.endswith("·xyz")


def test_all_connections_wait_at_the_expense_of_one_budget() -> None:
    budget = Budget(10)
    wire = Wire(budget=budget).client(0, "a").client(2, "cdefgh")
    assert budget.used == 6
    wire.client(9, "jklmno")
    assert wire.heard == "a·cdefgh"
    assert budget.used == 6
    assert wire.client(8, "i").heard == "a·cdefghijklmno"
    assert budget.used == 0


def test_where_others_hold_the_whole_budget_nothing_waits() -> None:
    budget = Budget(10)
    other = Wire(budget=budget).client(1, "0123456789")
    wire = Wire(budget=budget).client(0, "a").client(2, "c").client(3, "d")
    assert wire.heard == "a·cd"
    assert not wire.waits()
    assert other.client(0, "_").heard == "_0123456789"
    assert budget.used == 0


def test_giving_up_for_want_of_room_does_not_give_up_what_is_in_hand() -> None:
    """Not even when the FIN is known already and the segment lies before it."""
    budget = Budget(6)
    wire = Wire(budget=budget).client(0, "a").client(2, "cde")
    wire.connection.directions[0].fin_at = START + 12
    wire.client(6, "ghijkl")
    assert wire.heard == "a·cde"
    assert wire.client(5, "f").heard == "a·cdefghijkl"
    assert wire.repeats == []


def test_a_jump_that_no_window_explains_starts_anew_from_there() -> None:
    far = MAX_AHEAD_BYTES + 100
    wire = Wire().client(0, "a").client(2, "c").client(far, "far").client(far + 3, " on")
    assert wire.heard == "a·c…far on"
    assert wire.gaps == [1, MAX_AHEAD_BYTES + 97]
    assert not wire.waits()


def test_so_does_a_jump_back() -> None:
    """A new connection took the place of the old one, and its SYN is not in the capture."""
    wire = Wire().client(0, "a").client(2, "c").client(-MAX_AHEAD_BYTES, "other").client(5 - MAX_AHEAD_BYTES, " one")
    assert wire.heard == "a·c…other one"
    assert not wire.waits()


def test_one_segment_with_wild_numbers_does_not_silence_a_connection() -> None:
    wire = Wire().client(0, "one ").client(10**9, "#!").client(4, "two ").client(8, "three")
    assert wire.heard == "one …#!…two three"


# -------------------------------------------------------------------------------------------------------- properties


def cut(text: str, cuts: Sequence[int]) -> list[tuple[int, str]]:
    places = [0, *sorted({place for place in cuts if 0 < place < len(text)}), len(text)]
    return [(begin, text[begin:end]) for begin, end in pairwise(places)]


TEXT = "The quick brown station calls the lazy CSMS."


@given(
    cuts=st.lists(st.integers(1, len(TEXT) - 1), max_size=8),
    extra=st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 12)), max_size=5),
    start=st.sampled_from([START, 2**32 - 20, 0]),
    seed=st.integers(0, 2**16),
)
def test_whatever_overlaps_and_in_whatever_order_the_text_is_the_same(
    cuts: list[int], extra: list[tuple[int, int]], start: int, seed: int
) -> None:
    pieces = cut(TEXT, cuts) + [(at, TEXT[at : at + size]) for at, size in extra]
    Random(seed).shuffle(pieces)
    budget = Budget()
    wire = Wire(start, budget)
    for at, text in pieces:
        wire.client(at, text)
    assert wire.heard == TEXT
    assert wire.gaps == []
    assert not wire.waits()
    assert budget.used == 0


@given(
    cuts=st.lists(st.integers(1, len(TEXT) - 1), min_size=2, max_size=10),
    lost=st.sets(st.integers(0, 10)),
    room=st.sampled_from([4, 20, 1000]),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60)
def test_what_is_lost_is_dotted_and_everything_else_in_its_place(
    cuts: list[int], lost: set[int], room: int, seed: int
) -> None:
    pieces = [piece for number, piece in enumerate(cut(TEXT, cuts)) if number not in lost]
    wire = Wire(budget=Budget(room))
    wire.connection.directions[0].fin_at = START + len(TEXT)
    random = Random(seed)
    for at, text in pieces:
        wire.client(at, text)
        if random.random() < 0.3:
            wire.server_acknowledges(at + len(text), after=random.choice([MS, HOLE_GRACE_NS]))
        if random.random() < 0.2:
            wire.time_passes(random.choice([MS, HOLE_PATIENCE_NS]))
    wire.ends()
    expected = list("·" * len(TEXT))
    for at, text in pieces:
        expected[at : at + len(text)] = text
    assert wire.heard == "".join(expected)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 40), st.booleans()), max_size=30))
@settings(max_examples=60)
def test_no_sequence_numbers_upset_it(segments: list[tuple[int, int, bool]]) -> None:
    budget = Budget(64)
    wire = Wire(budget=budget)
    for seq, size, acknowledged in segments:
        wire.client(seq, "x" * size)
        if acknowledged:
            wire.server_acknowledges(seq, after=HOLE_GRACE_NS)
        assert budget.used <= budget.limit
    wire.ends()
    assert budget.used == 0
