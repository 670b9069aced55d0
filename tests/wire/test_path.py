"""What the wire tells of the path: round trips, closed windows, ICMP errors, strays; by the fast way and the general."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest

from fieldkit.events import Event, PathError, PathSample, StrayReset, WindowClosed
from fieldkit.wire import tcp as module
from fieldkit.wire.flows import STRAY_NS
from fieldkit.wire.flowstates import largest_segment
from fieldkit.wire.icmp import ICMP, ICMPV6, refusal
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.frames import PING, frame
from tests.traffic.mishaps import doubled
from tests.traffic.packets import ethernet, ipv4, tcp
from tests.traffic.segments import MILLISECOND, SECOND, Clock, Segment, TcpTalk
from tests.wire.test_flows import CSMS, STATION, Onlooker

TAPS = ("ethernet", "raw IP")


def talked(**more: Any) -> Session:
    session = Session("CP_7", "1.6", **more)
    session.connect()
    session.upgrade()
    return session


def samples(events: list[Event], kind: str, *, from_client: bool) -> list[PathSample]:
    return [
        event
        for event in events
        if isinstance(event, PathSample) and event.kind == kind and event.from_client is from_client
    ]


@pytest.mark.parametrize("tap", TAPS)
def test_the_handshake_is_measured_from_where_the_tap_is(tap: str) -> None:
    seen = Onlooker(tap).see(talked().segments).events
    (there,) = samples(seen, "handshake", from_client=True)
    (here,) = samples(seen, "handshake", from_client=False)
    assert (there.rtt, there.mss) == (18 * MILLISECOND, 1460)
    assert (here.rtt, here.mss) == (MILLISECOND // 5, 1460)
    assert there.ttl == here.ttl == 64
    assert there.window > 0
    assert there.frames == (2,)


@pytest.mark.parametrize("tap", TAPS)
def test_acknowledgements_are_measured_and_told_when_they_change(tap: str) -> None:
    talk = TcpTalk(Clock(MONDAY), STATION, CSMS)
    session = talked()
    talk = session.tcp
    for number in range(30):
        talk.clock.wait(2)
        begun = talk.clock.now
        talk.send(True, frame(PING, b"1234", mask=b"abcd"))
        if number >= 15:
            last = talk.segments.pop()
            talk.segments.append(last._replace(time=begun + 400 * MILLISECOND))
            talk.clock.now = begun + 500 * MILLISECOND
    found = samples(Onlooker(tap).see(talk.segments).events, "ack", from_client=True)
    fast = [sample.rtt for sample in found if sample.rtt < 100 * MILLISECOND]
    slow = [sample.rtt for sample in found if sample.rtt > 300 * MILLISECOND]
    assert 1 <= len(fast) <= 1 + module.AFTER_CHANGE
    assert len(slow) == 1 + module.AFTER_CHANGE, "the first ones of the new path, and then no more for a minute"


def test_what_was_sent_twice_is_not_measured() -> None:
    """RFC 6298 §3: nobody can tell which copy was acknowledged."""
    session = talked()
    session.clock.wait(5)
    session.tcp.send(True, frame(PING, b"1234", mask=b"abcd"))
    ping = len(session.segments) - 2
    assert session.segments[ping].payload
    copy = session.segments[ping]._replace(time=session.segments[ping].time + MILLISECOND // 2)
    segments = [*session.segments[: ping + 1], copy, *session.segments[ping + 1 :]]
    after = MONDAY + 5 * SECOND
    plain = samples(Onlooker().see(session.segments).events, "ack", from_client=True)
    twice = samples(Onlooker().see(segments).events, "ack", from_client=True)
    assert [sample for sample in plain if sample.time > after]
    assert [sample for sample in twice if sample.time > after] == []


def test_an_answer_with_data_is_told_apart_from_an_acknowledgement() -> None:
    session = talked(acknowledge=False)
    session.clock.wait(5)
    id_ = session.call("station", "Heartbeat", {})
    session.clock.wait(0.5)  # the CSMS thinks
    session.answer("csms", id_, "Heartbeat", {"currentTime": session.timestamp()})
    seen = Onlooker().see(session.segments).events
    late = [sample for sample in samples(seen, "answer", from_client=True) if sample.rtt > 400 * MILLISECOND]
    assert late
    assert not [s for s in samples(seen, "ack", from_client=True) if s.rtt > 400 * MILLISECOND]


@pytest.mark.parametrize("tap", TAPS)
def test_a_reset_has_the_time_to_live_of_whoever_sent_it(tap: str) -> None:
    session = talked()
    session.close("rst", by_client=False, code=None)
    (reset,) = samples(Onlooker(tap).see(session.segments).events, "reset", from_client=True)
    assert reset.ttl == 64


def test_a_window_of_zero_is_told_once_a_second() -> None:
    session = talked()
    talk = session.tcp
    onlooker = Onlooker().see(session.segments)
    (src, sport), (dst, dport) = CSMS, session.tcp.client
    for number in range(30):
        packet = tcp(src, dst, sport, dport, talk._next[1], talk._next[0], "A", window=0)
        time = talk.clock.now + number * 100 * MILLISECOND
        onlooker.frames((time, ethernet(ipv4(src, dst, packet))))
    found = [event for event in onlooker.events if isinstance(event, WindowClosed)]
    assert [event.from_client for event in found] == [False] * 3


# ------------------------------------------------------------------------------------------------------------- strays


def stray(gap: int = 25 * MILLISECOND, copies: int = 1) -> list[Segment]:
    """A ping out of the middle of a connection, and RST."""
    ping = frame(PING, b"1234", mask=b"abcd")
    sent = [Segment(MONDAY + number, STATION, CSMS, True, 1000, 2000, "PA", ping, flight=1) for number in range(copies)]
    return [*sent, Segment(MONDAY + gap, STATION, CSMS, False, 2000, 0, "R", flight=2)]


@pytest.mark.parametrize("tap", TAPS)
def test_a_segment_that_came_from_another_path_is_reset(tap: str) -> None:
    (event,) = (event for event in Onlooker(tap).see(stray()).events if isinstance(event, StrayReset))
    assert (event.client.address, event.server.port, event.after) == (STATION[0], CSMS[1], 25 * MILLISECOND)
    assert event.frames == (1, 2)
    assert event.source == "tap"


@pytest.mark.parametrize("segments", [stray(STRAY_NS + 1), stray(copies=9)], ids=["late", "much more was said"])
def test_other_resets_are_no_strays(segments: list[Segment]) -> None:
    assert not [event for event in Onlooker().see(segments).events if isinstance(event, StrayReset)]


def test_a_reset_by_the_same_side_is_none() -> None:
    (ping, reset) = stray()
    assert not [
        event
        for event in Onlooker().see([ping, reset._replace(from_client=True)]).events
        if isinstance(event, StrayReset)
    ]


# --------------------------------------------------------------------------------------------------------------- ICMP


def unreachable(session: Session, code: int, *, kind: int = 3, mtu: int = 0) -> tuple[int, bytes]:
    """What a router says of the last segment of the station."""
    segment = [segment for segment in session.segments if segment.from_client][-1]
    inner = ipv4(segment.source[0], segment.destination[0], segment.tcp())[:28]
    message = pack("!BBHHH", kind, code, 0, 0, mtu) + inner
    return session.clock.now + MILLISECOND, ethernet(ipv4("192.168.7.1", STATION[0], message, protocol=1))


@pytest.mark.parametrize(
    ("code", "expected"), [(0, "network"), (1, "host"), (3, "port"), (13, "prohibited"), (4, "too-big")]
)
def test_icmp_says_who_could_not_deliver_what(code: int, expected: str) -> None:
    session = talked()
    onlooker = Onlooker().see(session.segments).frames(unreachable(session, code, mtu=1400))
    (event,) = (event for event in onlooker.events if isinstance(event, PathError))
    assert (event.kind, event.reporter, event.from_client) == (expected, "192.168.7.1", True)
    assert event.connection.client.address == STATION[0]
    assert event.mtu == (1400 if code == 4 else 0)


def test_icmp_of_connections_that_nobody_follows_is_no_matter() -> None:
    onlooker = Onlooker().frames(unreachable(talked(), 0))
    assert not [event for event in onlooker.events if isinstance(event, PathError)]


def test_what_is_no_error_is_none() -> None:
    echo = pack("!BBHHH", 8, 0, 0, 1, 1) + bytes(60)
    assert refusal(ICMP, echo, 0, len(echo)) is None
    assert refusal(ICMPV6, pack("!BBHI", 128, 0, 0, 0) + bytes(60), 0, 68) is None
    for size in range(60):
        assert refusal(ICMP, pack("!BBHHH", 3, 0, 0, 0, 0) + bytes(size), 0, 8 + size) is None


def test_icmp_of_ipv6() -> None:
    ends = bytes(range(32))
    inner = pack("!IHBB", 0x60000000, 20, 6, 64) + ends + pack("!HH", 40_000, 9000) + bytes(16)
    message = pack("!BBHI", 1, 1, 0, 0) + inner
    found = refusal(ICMPV6, message, 0, len(message))
    assert found is not None
    assert (found.kind, found.key) == ("prohibited", ends + pack("!HH", 40_000, 9000))
    big = refusal(ICMPV6, pack("!BBHI", 2, 0, 0, 1280) + inner, 0, len(message))
    assert big is not None
    assert (big.kind, big.mtu) == ("too-big", 1280)


@pytest.mark.parametrize(
    ("options", "expected"),
    [(b"\2\4\5\xb4", 1460), (b"\1\1\2\4\5\xb4", 1460), (b"", 0), (b"\3\3\7\0", 0), (b"\2", 0), (b"\5\0\0\0", 0)],
)
def test_the_largest_segment_that_a_syn_offers(options: bytes, expected: int) -> None:
    assert largest_segment(bytes(20) + options) == expected


def test_a_second_copy_of_every_packet_changes_nothing() -> None:
    session = talked()
    once = samples(Onlooker().see(session.segments).events, "handshake", from_client=True)
    twice = samples(Onlooker().see(doubled(session.segments)).events, "handshake", from_client=True)
    assert len(once) == len(twice) == 1
