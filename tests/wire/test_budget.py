"""What all connections together may hold back, and what one block of a capture may be inflated to."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence

import pytest

from fieldkit.events import DecodeError, Event, HttpRequest, PacketBatch, WsMessage
from fieldkit.wire.budget import DEFAULT_BUDGET, MAX_INFLATED, Budget
from fieldkit.wire.flows import FlowTable
from fieldkit.wire.pcap import PcapReader
from fieldkit.wire.reasons import TOO_LONG
from fieldkit.wire.tlskeys import KeyLog
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY, Deflate, Session, merged
from tests.traffic.segments import Clock, Segment, TcpTalk
from tests.traffic.taps import Tap

SMALLEST_ROUTER = 128 << 20
HONEST = '[2,"1","Heartbeat",{}]'
BOMB = b"a" * 900_000
"""A kilobyte when it is compressed. The bound is no multiple of it, so that a rest is left that is too small."""
BOMBS = 24
MOST = MAX_INFLATED // len(BOMB)
"""Bombs for which there is room in a block; another one that is smaller may still find some."""


def test_what_is_taken_can_be_given_back() -> None:
    budget = Budget(10)
    assert budget.take(4)
    assert budget.take(6)
    assert budget.used == 10
    budget.give(6)
    assert budget.used == 4


def test_what_is_not_to_be_had_takes_nothing() -> None:
    budget = Budget(10)
    assert budget.take(8)
    assert not budget.take(3)
    assert budget.used == 8
    assert budget.take(2)


def test_nothing_is_always_to_be_had() -> None:
    assert Budget(0).take(0)
    assert not Budget(0).take(1)


def test_the_smallest_router_we_run_on_has_room_for_it() -> None:
    assert DEFAULT_BUDGET <= SMALLEST_ROUTER // 4


# ------------------------------------------------------------------------------------------------- what is inflated


class Onlooker:
    """A flow table that sees block by block what several connections say."""

    def __init__(self, *connections: Session | Poster) -> None:
        self._connections = connections
        self._seen = [0 for _ in connections]
        self._events: list[Event] = []
        self._reader = PcapReader()
        self._reader.feed(write_pcap([]))
        self._table = FlowTable("tap", self._events.append, KeyLog())

    def block(self) -> list[Event]:
        """What came of all that was said since the last block. All of it is in one batch."""
        new: list[list[Segment]] = []
        for number, connection in enumerate(self._connections):
            new.append(connection.segments[self._seen[number] :])
            self._seen[number] = len(connection.segments)
        (batch,) = self._reader.feed(write_pcap(Tap().packets(merged(*new)))[len(write_pcap([])) :])
        assert isinstance(batch, PacketBatch)
        self._events.clear()
        self._table.feed(batch)
        return self._events[:]


class Poster:
    """A station that posts compressed bodies to its CSMS, which answers each with nothing."""

    def __init__(self, coding: str, pack: Callable[[bytes], bytes], number: int = 0) -> None:
        self.clock = Clock(MONDAY)
        # Were they to begin alike, they would be taken for mirrors of one another.
        self._talk = TcpTalk(
            self.clock, (f"192.168.8.{number + 1}", 51_000), ("203.0.113.5", 8080), first=(number * 1000, 7)
        )
        self._talk.open()
        self._head = f"POST /CentralSystemService HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Encoding: {coding}\r\n"
        self._pack = pack

    @property
    def segments(self) -> list[Segment]:
        return self._talk.segments

    def say(self, body: bytes) -> None:
        packed = self._pack(body)
        self._talk.send(True, f"{self._head}Content-Length: {len(packed)}\r\n\r\n".encode() + packed)
        self._talk.send(False, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def talking(number: int = 0, deflate: Deflate = "no takeover") -> Session:
    session = Session(f"CP_{number}", client=(f"192.168.7.{number + 1}", 49_152), deflate=deflate)
    session.connect()
    session.upgrade()
    return session


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def inflated(events: Sequence[Event]) -> list[int]:
    """Sizes of what was compressed and is in memory now that the block was read."""
    messages = [len(event.data) for event in events if isinstance(event, WsMessage) and event.compressed]
    return messages + [len(event.body) for event in events if isinstance(event, HttpRequest) and event.body]


def errors(events: Sequence[Event]) -> list[DecodeError]:
    return [event for event in events if isinstance(event, DecodeError)]


def texts(events: Sequence[Event]) -> list[str]:
    found = (event.data.decode() for event in events if isinstance(event, WsMessage) and not event.missing)
    return [text for text in found if len(text) < 1000]


def test_the_smallest_router_has_room_for_what_a_block_inflates_to() -> None:
    """As bytes, as text, taken apart and as output, beside what waits."""
    assert 4 * MAX_INFLATED + DEFAULT_BUDGET <= SMALLEST_ROUTER // 2


@pytest.mark.parametrize("stations", [1, 3])
def test_bombs_in_one_block_share_what_it_may_be_inflated_to(stations: int) -> None:
    sessions = [talking(number) for number in range(stations)]
    for number in range(BOMBS):
        sessions[number % stations].say("csms", BOMB)
    events = Onlooker(*sessions).block()
    assert inflated(events) == [len(BOMB)] * MOST
    refused = errors(events)
    assert len(refused) == BOMBS - MOST
    for error in refused:
        assert error.layer == "websocket"
        assert error.reason == TOO_LONG
        assert error.connection is not None
        assert error.frames
        assert 0 < len(error.data) <= 64 < error.lost


def test_bombs_that_share_their_context_are_bounded_alike() -> None:
    """What follows a bomb that was refused refers to what was never inflated; it is passed on as it came."""
    session = talking(deflate="takeover")
    for _ in range(BOMBS):
        session.say("csms", BOMB)
    events = Onlooker(session).block()
    messages = [event for event in events if isinstance(event, WsMessage)]
    assert [len(message.data) for message in messages if message.missing == 0] == [len(BOMB)] * MOST
    assert len(errors(events)) == 1
    packed = [message for message in messages if message.missing]
    assert len(packed) == BOMBS - MOST - 1
    assert all(message.missing == -1 and len(message.data) < 2000 for message in packed)


def test_fragments_of_a_bomb_are_no_way_around_it() -> None:
    session = Session("CP_0", deflate="no takeover", cut_every=200)
    session.connect()
    session.upgrade()
    for _ in range(BOMBS):
        session.say("csms", BOMB)
    events = Onlooker(session).block()
    assert inflated(events) == [len(BOMB)] * MOST
    assert len(errors(events)) == BOMBS - MOST


@pytest.mark.parametrize("deflate", ["no takeover", "takeover"])
def test_every_block_may_be_inflated_anew(deflate: Deflate) -> None:
    session = talking(deflate=deflate)
    onlooker = Onlooker(session)
    for _ in range(3):
        session.say("station", HONEST)
        for _ in range(MOST + 3):
            session.say("csms", BOMB)
        events = onlooker.block()
        assert texts(events) == [HONEST]
        assert inflated(events).count(len(BOMB)) == MOST
    session.say("csms", HONEST)
    session.say("station", HONEST)
    events = onlooker.block()
    assert texts(events) == [HONEST, HONEST]
    assert errors(events) == []


def test_bombs_cost_others_no_more_than_what_is_compressed_behind_them_in_the_same_block() -> None:
    hostile, honest, plain = talking(0), talking(1), talking(2, deflate="")
    onlooker = Onlooker(hostile, honest, plain)
    large = f'[2,"2","DataTransfer",{{"data":"{"x" * 900}"}}]'
    honest.say("station", HONEST)
    hostile.clock.now = honest.clock.now
    for _ in range(MOST):
        hostile.say("csms", BOMB)
    hostile.say("csms", b"a" * (MAX_INFLATED - MOST * len(BOMB) - len(HONEST) - 100))
    honest.clock.now = plain.clock.now = hostile.clock.now
    honest.say("station", large)
    plain.say("station", large)
    events = onlooker.block()
    assert texts(events) == [HONEST, large]
    (error,) = errors(events)
    assert error.connection is not None
    assert error.connection.client.address == "192.168.7.2"
    honest.say("station", large)
    events = onlooker.block()
    assert texts(events) == [large]
    assert errors(events) == []


CODINGS = pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]
)


@CODINGS
def test_bodies_in_one_block_share_it_too(coding: str, pack: Callable[[bytes], bytes]) -> None:
    posters = [Poster(coding, pack, number) for number in range(3)]
    for number in range(BOMBS):
        posters[number % 3].say(BOMB)
    onlooker = Onlooker(*posters)
    events = onlooker.block()
    assert inflated(events) == [len(BOMB)] * MOST
    left = MAX_INFLATED - MOST * len(BOMB)
    assert [(error.layer, error.reason) for error in errors(events)] == [
        (
            "http",
            f"an HTTP body that inflates to more than {left} bytes, which is all that is left for this block of the "
            "capture",
        )
    ] * (BOMBS - MOST)
    assert len([event for event in events if isinstance(event, HttpRequest)]) == BOMBS, "heads are read all the same"
    for poster in posters:
        poster.say(b"<Envelope/>")
    events = onlooker.block()
    assert [event.body for event in events if isinstance(event, HttpRequest)] == [b"<Envelope/>"] * 3
    assert errors(events) == []


def test_messages_and_bodies_share_one_bound() -> None:
    session, poster = talking(), Poster("gzip", gzip.compress)
    for _ in range(MOST):
        session.say("csms", BOMB)
        poster.say(BOMB)
    onlooker = Onlooker(session, poster)
    events = onlooker.block()
    assert inflated(events) == [len(BOMB)] * MOST
    assert {error.layer for error in errors(events)} == {"websocket", "http"}
    session.say("csms", HONEST)
    poster.say(b"<Envelope/>")
    events = onlooker.block()
    assert inflated(events) == [len(HONEST), len(b"<Envelope/>")]
