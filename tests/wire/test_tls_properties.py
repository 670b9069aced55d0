"""What must hold for every way of cutting, tearing and damaging a TLS conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import DecodeError, TlsOpaque
from fieldkit.wire.budget import Budget
from fieldkit.wire.tls import MAX_FRAGMENT, TlsLayer
from fieldkit.wire.tlskeys import KeyLog
from fieldkit.wire.tlsprotection import COUNT_LOST, MAX_FAILURES
from tests.traffic.tlstalk import Heard, Talk, connection, contexts, listen, listener, talk

LINES = [(number % 4 < 3, b"<%d>" % number * (1 + number * 37 % 90)) for number in range(30)]


@cache
def conversation(name: str) -> Talk:
    version, _, cipher = name.partition(" ")
    settings = contexts(version, cipher, mutual=True)
    if version == "1.3":
        settings[1].set_ecdh_curve("secp384r1")  # a HelloRetryRequest makes it longer
    spoken = talk(settings, LINES)
    assert not spoken.failure
    return spoken


AEAD = ("1.3", "1.2", "1.2 ECDHE-ECDSA-CHACHA20-POLY1305")
CONVERSATIONS = (*AEAD, "1.2 ECDHE-ECDSA-AES128-SHA256")

conversations = st.sampled_from(CONVERSATIONS)


def pieces(data: bytes, size: Callable[[], int]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        step = size()
        yield data[at : at + step]
        at += step


def heard_in_pieces(flights: list[tuple[bool, bytes]], keylog: str, size: Callable[[], int]) -> Heard:
    """All at the same time and in the same frame, so that only what was heard makes a difference."""
    heard = listener(keylog)
    for from_client, data in flights:
        for piece in pieces(data, size):
            heard.layer.feed(from_client, piece, 1, (1,))
    heard.layer.finish(1, (1,))
    return heard


def same(one: Heard, other: Heard) -> bool:
    assert one.plain == other.plain
    assert one.events == other.events
    assert one.gaps == other.gaps
    return True


# ----------------------------------------------------------------------------------------------------------- cutting


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_whole_and_byte_by_byte_are_the_same(name: str) -> None:
    spoken = conversation(name)

    whole = heard_in_pieces(spoken.flights, spoken.keylog, lambda: 1 << 20)

    assert whole.plain == LINES
    assert same(whole, heard_in_pieces(spoken.flights, spoken.keylog, lambda: 1))


@given(conversations, st.data())
@settings(max_examples=40)
def test_however_it_is_cut_it_says_the_same(name: str, data: st.DataObject) -> None:
    spoken = conversation(name)
    sizes = data.draw(st.lists(st.integers(1, 700), min_size=1, max_size=20))
    steps = iter(sizes * 10_000)

    cut = heard_in_pieces(spoken.flights, spoken.keylog, lambda: next(steps))

    assert same(heard_in_pieces(spoken.flights, spoken.keylog, lambda: 1 << 20), cut)


@given(conversations, st.integers(0, 40))
@settings(max_examples=30)
def test_whenever_the_secrets_come_it_says_the_same(name: str, when: int) -> None:
    spoken = conversation(name)
    secrets = KeyLog()
    heard = listener(secrets)

    for number, (from_client, data) in enumerate(spoken.flights):
        if number == when:
            secrets.add(spoken.keylog)
        heard.layer.feed(from_client, data, 1, (1,))
    secrets.add(spoken.keylog)
    heard.layer.finish(1, (1,))

    assert same(heard_in_pieces(spoken.flights, spoken.keylog, lambda: 1 << 20), heard)


# ----------------------------------------------------------------------------------------------------------- tearing


@given(st.sampled_from(AEAD), st.data())
@settings(max_examples=100)
def test_a_hole_costs_the_records_that_it_touches_and_no_more(name: str, data: st.DataObject) -> None:
    spoken = conversation(name)
    begin = len(spoken.flights) - len(LINES) - 2  # and two farewells
    handshake, flights = spoken.flights[:begin], [flight for flight in spoken.flights[begin:] if flight[0]]
    lines = [said for said in LINES if said[0]]
    stream = b"".join(sent for _, sent in flights)
    start = data.draw(st.integers(0, len(stream) - 1), label="start")
    stop = data.draw(st.integers(start + 1, min(len(stream), start + 6000)), label="stop")
    kept, lost, at = [], 0, 0
    for (_, sent), said in zip(flights, [*lines, None], strict=True):
        touched = at < stop and start < at + len(sent)
        at += len(sent)
        if said is not None and not touched:
            kept.append(said)
        elif said is not None:
            lost += len(said[1])
    heard = listener(spoken.keylog)
    for from_client, sent in handshake:
        heard.layer.feed(from_client, sent, 1, (1,))

    heard.layer.feed(True, stream[:start], 2, (2,))
    heard.layer.gap(True, stop - start, 3, (3,))
    heard.layer.feed(True, stream[stop:], 4, (4,))
    heard.layer.finish(5, ())

    assert heard.plain == kept
    assert heard.of(TlsOpaque) == []
    if kept and kept[-1] == lines[-1]:
        assert sum(missing for _, missing, _ in heard.gaps) == lost


@given(conversations, st.booleans(), st.data())
@settings(max_examples=60)
def test_holes_anywhere_are_survived(name: str, side: bool, data: st.DataObject) -> None:
    spoken = conversation(name)
    stream = spoken.bytes_of(side)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), min_size=2, max_size=6), label="cuts"))
    heard = listener(spoken.keylog)
    heard.feed([flight for flight in spoken.flights if flight[0] is not side])

    at = 0
    for number, cut in enumerate(cuts):
        if number % 2:
            heard.layer.gap(side, cut - at, 1, (1,))
        else:
            heard.layer.feed(side, stream[at:cut], 1, (1,))
        at = cut
    heard.layer.finish(1, (1,))

    said = [line for line in LINES if line[0] is side]
    assert all(piece in said for piece in heard.plain if piece[0] is side)


# ---------------------------------------------------------------------------------------------------------- damaging


damages = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=8)


def damaged(spoken: Talk, changes: list[tuple[int, int]]) -> list[tuple[bool, bytes]]:
    streams = [bytearray(data) for _, data in spoken.flights]
    total = sum(len(stream) for stream in streams)
    for place, difference in changes:
        at = place % total
        for stream in streams:
            if at < len(stream):
                stream[at] ^= difference
                break
            at -= len(stream)
    return [(side, bytes(stream)) for (side, _), stream in zip(spoken.flights, streams, strict=True)]


@given(conversations, damages)
@settings(max_examples=80)
def test_damage_never_raises_and_is_met_alike_in_whole_and_in_pieces(name: str, changes: list[tuple[int, int]]) -> None:
    spoken = conversation(name)
    flights = damaged(spoken, changes)

    whole = heard_in_pieces(flights, spoken.keylog, lambda: 1 << 20)

    assert same(whole, heard_in_pieces(flights, spoken.keylog, lambda: 3))
    assert all(piece in LINES for piece in whole.plain)
    assert all(len(error.data) <= 64 for error in whole.of(DecodeError))
    assert len(whole.of(TlsOpaque)) <= 1


@given(conversations, damages)
@settings(max_examples=30)
def test_damage_never_leaves_anything_held_back(name: str, changes: list[tuple[int, int]]) -> None:
    spoken = conversation(name)
    budget, secrets = Budget(), KeyLog()
    layer = TlsLayer(connection(), lambda _: None, secrets, lambda *_: None, budget=budget)

    for number, (side, data) in enumerate(damaged(spoken, changes)):
        if number == 8:
            secrets.add(spoken.keylog)
        layer.feed(side, data, 1, (1,))
    layer.finish(1, (1,))

    assert budget.used == 0


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=12), st.booleans())
@settings(max_examples=150)
def test_no_bytes_make_it_raise(flights: list[tuple[bool, bytes]], joined_midstream: bool) -> None:
    listen(flights, "CLIENT_RANDOM " + "00" * 32 + " " + "11" * 48, joined_midstream=joined_midstream)


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from((20, 21, 22, 23, 24)),
            st.sampled_from((1, 2, 3, 4)),
            st.sampled_from((b"", b"\1", b"\2\x28", bytes(4), bytes(40), b"\1\0\0\0", b"\x14\0\0\x0c" + bytes(12)))
            | st.binary(max_size=50),
        ),
        max_size=14,
    ),
    st.integers(0, 6),
)
@settings(max_examples=200)
def test_no_sequence_of_records_makes_it_raise(records: list[tuple[bool, int, int, bytes]], hellos: int) -> None:
    spoken = conversation(CONVERSATIONS[hellos % 4])
    flights = [
        (side, bytes((kind, 3, minor)) + len(body).to_bytes(2, "big") + body) for side, kind, minor, body in records
    ]

    heard = listen([*spoken.records[:hellos], *flights, *spoken.records[hellos:]], spoken.keylog)

    assert len(heard.of(TlsOpaque)) <= 1


def test_records_that_never_open_are_given_up_soon() -> None:
    """The dearest there are: as long as can be, behind a hole so large that every number is tried."""
    spoken = conversation("1.3")
    heard = listener(spoken.keylog)
    heard.feed(spoken.flights[:-4])
    heard.layer.gap(True, 1 << 30, 1, (1,))

    for _ in range(MAX_FAILURES):
        assert heard.of(TlsOpaque) == []
        heard.layer.feed(True, b"\x17\x03\x03" + MAX_FRAGMENT.to_bytes(2, "big") + bytes(MAX_FRAGMENT), 1, (1,))

    assert [opaque.reason for opaque in heard.of(TlsOpaque)] == [COUNT_LOST]
    assert not heard.layer.boring
