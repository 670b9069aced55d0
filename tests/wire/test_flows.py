"""Packets → connections: beginnings, ends, what is worth following, and bounds on all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
    Endpoint,
    Event,
    HttpRequest,
    PacketBatch,
    Retransmission,
    StreamGap,
    WsControl,
    WsMessage,
)
from fieldkit.wire import flows
from fieldkit.wire.budget import MAX_INFLATED
from fieldkit.wire.flows import SYN_TIMEOUT_NS, FlowTable
from fieldkit.wire.pcap import PcapReader
from fieldkit.wire.tcp import TcpConnection
from fieldkit.wire.tlskeys import KeyLog
from tests.traffic.capture import pcap_header, pcap_record
from tests.traffic.conversation import MONDAY, Session, merged
from tests.traffic.frames import PING, TEXT, frame
from tests.traffic.mishaps import doubled, translated
from tests.traffic.packets import TCP, ethernet, ipv4, tcp, udp
from tests.traffic.segments import MILLISECOND, SECOND, Address, Clock, Segment, TcpTalk
from tests.traffic.taps import Tap

Kind = TypeVar("Kind")

STATION: Address = ("192.168.7.20", 49_152)
CSMS: Address = ("203.0.113.5", 8080)
HEARTBEAT = '[2,"1","Heartbeat",{}]'
ANSWER = '[3,"1",{"currentTime":"2026-08-31T08:00:00Z"}]'


class Onlooker:
    """A flow table at a tap, and everything that it emits."""

    def __init__(self, tap: Tap | str = "ethernet", *, share: tuple[int, int] = (0, 1), first_number: int = 1) -> None:
        self.tap = Tap(tap) if isinstance(tap, str) else tap
        self.events: list[Event] = []
        self.table = FlowTable("tap", self.events.append, KeyLog(), share=share, first_number=first_number)
        self._reader = PcapReader()
        self._reader.feed(pcap_header(linktype=self.tap.linktype, nanoseconds=True))

    def see(self, segments: Iterable[Segment], *, together: bool = False) -> Onlooker:
        """Packet by packet, or (``together``) all in one batch."""
        records = [pcap_record(packet, nanoseconds=True) for packet in self.tap.packets(segments)]
        for record in [b"".join(records)] if together else records:
            self.feed(record)
        return self

    def frames(self, *packets: tuple[int, bytes]) -> Onlooker:
        """Packets made by hand: time and bytes, link layer included."""
        for packet in packets:
            self.feed(pcap_record(packet, nanoseconds=True))
        return self

    def feed(self, records: bytes) -> None:
        for item in self._reader.feed(records):
            assert isinstance(item, PacketBatch)
            self.table.feed(item)

    def ends(self) -> Onlooker:
        self.table.finish()
        return self

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def closed(self) -> list[tuple[int, str, bool | None]]:
        return [(event.connection.number, event.how, event.by_client) for event in self.of(ConnectionClosed)]

    @property
    def recognised(self) -> list[tuple[int, str]]:
        return [(event.connection.number, event.protocol) for event in self.of(ConnectionRecognised)]

    @property
    def texts(self) -> list[str]:
        return [event.data.decode() for event in self.of(WsMessage)]


def watch(segments: Iterable[Segment], tap: Tap | str = "ethernet") -> Onlooker:
    return Onlooker(tap).see(segments).ends()


def talk(client: Address = STATION, server: Address = CSMS, **options: int) -> TcpTalk:
    return TcpTalk(Clock(MONDAY + options.pop("after", 0)), client, server, **options)  # type: ignore[arg-type]


def midway(*said: tuple[bool, bytes], client: Address = STATION, server: Address = CSMS) -> list[Segment]:
    """A connection that was open before the capture began."""
    session = talk(client, server)
    for from_client, data in said:
        session.send(from_client, data)
    return session.segments


def text(from_client: bool, data: str) -> tuple[bool, bytes]:
    return from_client, frame(TEXT, data.encode(), mask=b"\x01\x02\x03\x04" if from_client else b"")


def ping(from_client: bool) -> tuple[bool, bytes]:
    return from_client, frame(PING, b"hb", mask=b"\x01\x02\x03\x04" if from_client else b"")


def spoken(
    client: Address = STATION,
    server: Address = CSMS,
    *,
    calls: int = 2,
    start: int = MONDAY,
    station: str = "CP_7",
    first: tuple[int, int] = (1_000_000, 5_000_000),
) -> Session:
    session = Session(station, client=client, server=server, start=start, first=first)
    session.connect()
    session.upgrade()
    for _ in range(calls):
        session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    return session


# ------------------------------------------------------------------------------------------------------- beginnings


def test_a_connection_is_opened_by_its_syn() -> None:
    seen = watch(spoken().segments)
    connection = Connection(1, Endpoint(*STATION), Endpoint(*CSMS), MONDAY, False, "tap")
    assert seen.events[0] == ConnectionOpened(MONDAY, (1,), connection)
    assert [event.connection for event in seen.of(ConnectionOpened)] == [connection]
    assert seen.recognised == [(1, "http"), (1, "websocket")]
    assert len(seen.texts) == 4
    assert all(event.connection == connection for event in seen.of(WsMessage))


def test_the_answer_to_the_syn_tells_as_much() -> None:
    seen = watch(spoken().segments[1:])
    (opened,) = seen.of(ConnectionOpened)
    assert (opened.connection.client, opened.connection.server) == (Endpoint(*STATION), Endpoint(*CSMS))
    assert not opened.connection.joined_midstream
    assert len(seen.texts) == 4


def test_what_is_said_first_may_be_captured_in_any_order_behind_the_syn() -> None:
    segments = spoken().segments
    request = next(at for at, segment in enumerate(segments) if segment.payload)
    front, back = segments[request]._replace(payload=segments[request].payload[:40]), segments[request]
    back = back._replace(seq=back.seq + 40, payload=back.payload[40:])
    seen = watch([*segments[:request], back, front, *segments[request + 1 :]])
    assert len(seen.texts) == 4
    assert seen.recognised == [(1, "http"), (1, "websocket")]


def test_data_in_the_syn_is_read() -> None:
    """TCP Fast Open, RFC 7413."""
    segments = [segment for segment in spoken().segments if "S" in segment.flags or segment.payload]
    syn, request = segments[0], next(segment for segment in segments if segment.payload)
    segments[0] = syn._replace(payload=request.payload)
    segments.remove(request)
    seen = watch(segments)
    assert seen.of(HttpRequest)[0].frames == (1,)
    assert len(seen.texts) == 4


def test_a_syn_that_is_sent_again_is_the_same_attempt() -> None:
    attempt = talk()
    attempt.try_in_vain("silence", attempts=3)
    seen = watch(attempt.segments)
    assert len(seen.of(ConnectionOpened)) == 1
    assert seen.closed == [(1, "no-answer", None)]


def test_one_syn_at_the_end_of_the_capture_may_still_be_answered() -> None:
    attempt = talk()
    attempt.try_in_vain("silence")
    assert watch(attempt.segments).closed == [(1, "end-of-capture", None)]


def test_after_two_minutes_nobody_will_answer() -> None:
    attempt = talk()
    attempt.try_in_vain("silence")
    later = talk(("192.168.7.99", 5000), after=SYN_TIMEOUT_NS + SECOND)
    later.try_in_vain("silence")
    seen = Onlooker().see(attempt.segments).see(later.segments)
    assert seen.closed == [(1, "no-answer", None)]


def test_a_syn_answered_by_a_reset_is_refused() -> None:
    attempt = talk()
    attempt.try_in_vain("rst")
    seen = watch(attempt.segments)
    assert seen.closed == [(1, "refused", False)]
    assert seen.of(ConnectionClosed)[0].frames == (2,)


def test_numbers_go_up_from_the_first_one() -> None:
    seen = Onlooker(first_number=1000)
    for port in range(3):
        attempt = talk(("192.168.7.20", 5000 + port))
        attempt.try_in_vain("rst")
        seen.see(attempt.segments)
    assert [event.connection.number for event in seen.of(ConnectionOpened)] == [1000, 1001, 1002]


# ------------------------------------------------------------------------------------------------------------- ends


@pytest.mark.parametrize("by_client", [True, False])
def test_an_orderly_end_is_told_by_who_began_it(by_client: bool) -> None:
    session = spoken()
    session.close("fin", by_client=by_client)
    assert watch(session.segments).closed == [(1, "fin", by_client)]


@pytest.mark.parametrize("by_client", [True, False])
def test_a_reset_is_told_by_who_sent_it(by_client: bool) -> None:
    session = spoken()
    session.close("rst", by_client=by_client, code=None)
    assert watch(session.segments).closed == [(1, "rst", by_client)]


def test_a_reset_behind_a_fin_is_an_orderly_end() -> None:
    session = spoken()
    session.tcp._put(True, "FA")
    session.tcp.reset(by_client=False)
    assert watch(session.segments).closed == [(1, "fin", True)]


def test_the_other_side_may_go_on_behind_a_fin() -> None:
    """RFC 9293 §3.6: half closed."""
    session = spoken(calls=0)
    session.say("station", HEARTBEAT)
    session.tcp._put(True, "FA")
    session.clock.wait(1)
    session.say("csms", ANSWER)
    session.tcp._put(False, "FA")
    seen = watch(session.segments)
    assert seen.texts == [HEARTBEAT, ANSWER]
    assert seen.closed == [(1, "fin", True)]


def test_what_stays_open_ends_with_the_capture() -> None:
    seen = watch(spoken().segments)
    assert seen.closed == [(1, "end-of-capture", None)]
    assert seen.of(ConnectionClosed)[0].time == spoken().segments[-1].time


def test_a_second_end_says_nothing() -> None:
    session = spoken()
    session.close("fin")
    seen = watch([*session.segments, session.segments[-2]._replace(flags="RA"), session.segments[-1]])
    assert len(seen.closed) == 1
    assert len(seen.of(ConnectionOpened)) == 1


def test_a_fin_may_overtake_the_last_message() -> None:
    """It is lost in the air and repeated behind the FIN; the other side answers that when it has everything."""
    session = spoken(calls=0)
    before = len(session.segments)
    session.say("station", HEARTBEAT)
    lost = session.segments[before]
    del session.segments[before:]
    session.tcp._put(True, "FA")
    session.clock.wait(3)
    late = lost._replace(time=session.clock.now)
    session.tcp._put(False, "FA")
    seen = watch([*session.segments[:-1], late, session.segments[-1]])
    assert seen.texts == [HEARTBEAT]
    assert not seen.of(StreamGap)
    assert seen.closed == [(1, "fin", True)]


def test_a_fin_behind_bytes_that_never_come_names_them() -> None:
    session = spoken(calls=1)
    session.say("station", HEARTBEAT)
    lost = next(segment for segment in reversed(session.segments) if segment.payload)
    session.close("fin", code=None)
    seen = watch(segment for segment in session.segments if segment is not lost)
    assert [(gap.missing, gap.from_client) for gap in seen.of(StreamGap)] == [(len(lost.payload), True)]
    assert seen.closed == [(1, "fin", True)]


def test_a_port_that_is_used_again_is_a_new_connection() -> None:
    first = spoken(calls=1)
    second = spoken(calls=1, start=first.clock.now + 60 * SECOND, first=(500, 600))
    seen = watch(first.segments + second.segments)
    assert seen.closed == [(1, "replaced", None), (2, "end-of-capture", None)]
    assert Counter(event.connection.number for event in seen.of(WsMessage)) == {1: 2, 2: 2}


def test_so_it_is_when_only_the_answer_to_its_syn_was_captured() -> None:
    first = spoken(calls=1)
    second = spoken(calls=1, start=first.clock.now + 60 * SECOND, first=(500, 600))
    seen = watch(first.segments + second.segments[1:])
    assert seen.closed == [(1, "replaced", None), (2, "end-of-capture", None)]
    assert Counter(event.connection.number for event in seen.of(WsMessage)) == {1: 2, 2: 2}


def test_a_station_that_always_starts_alike_is_not_taken_for_the_old_connection() -> None:
    """Small TCP stacks begin with the same port and sequence number after every power-up."""
    first = spoken(calls=1)
    second = spoken(calls=2, start=first.clock.now + 60 * SECOND)
    seen = watch(first.segments + second.segments)
    assert Counter(event.connection.number for event in seen.of(WsMessage)) == {1: 2, 2: 4}


def test_a_port_that_is_used_again_after_its_end_is_a_new_connection() -> None:
    first = spoken(calls=1)
    first.close("fin")
    second = spoken(calls=1, start=first.clock.now + 60 * SECOND)
    seen = watch(first.segments + second.segments)
    assert seen.closed == [(1, "fin", True), (2, "end-of-capture", None)]


# ---------------------------------------------------------------------------------------------------- joined midway


def test_a_connection_joined_midway_is_known_by_ocpp_text() -> None:
    seen = watch(midway(text(True, HEARTBEAT), text(False, ANSWER)))
    (opened,) = seen.of(ConnectionOpened)
    assert opened.connection.joined_midstream
    assert (opened.connection.client, opened.connection.server) == (Endpoint(*STATION), Endpoint(*CSMS))
    assert seen.recognised == [(1, "websocket")]
    assert seen.texts == [HEARTBEAT, ANSWER]


def test_who_is_the_client_is_told_by_the_mask_and_not_by_the_port() -> None:
    said = text(False, ANSWER), text(True, HEARTBEAT)
    seen = watch(midway(*said, client=("10.0.0.9", 80), server=("10.0.0.8", 50_000)))
    (opened,) = seen.of(ConnectionOpened)
    assert opened.connection.client == Endpoint("10.0.0.9", 80)
    assert seen.texts == [ANSWER, HEARTBEAT]


def test_three_weak_signs_are_enough_and_none_of_them_is_lost() -> None:
    seen = watch(midway(ping(False), ping(True), ping(False), text(True, HEARTBEAT)))
    (opened,) = seen.of(ConnectionOpened)
    assert opened.frames == (1,)
    assert opened.connection.opened == MONDAY
    assert [event.frames for event in seen.of(WsControl)] == [(1,), (3,), (5,)]
    assert seen.texts == [HEARTBEAT]


def test_two_weak_signs_are_not() -> None:
    assert watch(midway(ping(False), ping(True))).events == []


def test_one_strong_sign_brings_the_weak_ones_before_it_along() -> None:
    seen = watch(midway(ping(False), (False, b"\xfe\xedrubbish"), text(True, HEARTBEAT)))
    assert seen.of(ConnectionOpened)[0].frames == (1,)
    assert len(seen.of(WsControl)) == 1
    assert seen.texts == [HEARTBEAT]


@pytest.mark.parametrize("first", [b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_http_may_be_joined_between_two_requests(first: bytes) -> None:
    from_client = first.startswith(b"GET")
    seen = watch(midway((from_client, first)))
    assert seen.recognised == [(1, "http")]
    assert seen.of(ConnectionOpened)[0].connection.client == Endpoint(*STATION)


def test_the_end_of_a_message_at_the_beginning_is_passed_over() -> None:
    seen = watch(midway((True, b'":"Available"}]'), text(True, HEARTBEAT), text(False, ANSWER)))
    assert seen.texts == [HEARTBEAT, ANSWER]
    assert seen.of(ConnectionOpened)[0].frames == (3,)


def test_what_looks_like_nothing_is_dismissed_and_never_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MAX_CANDIDATE_SEGMENTS", 3)
    rubbish = [(True, b"\xfe\xedrubbish")] * 2
    assert watch(midway(*rubbish, text(True, HEARTBEAT))).texts == [HEARTBEAT]
    assert watch(midway(*rubbish, rubbish[0], text(True, HEARTBEAT))).events == []


def test_weak_signs_too_are_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MAX_CANDIDATE_SEGMENTS", 4)
    rubbish = [(True, b"\xfe\xedrubbish")] * 2
    assert watch(midway(ping(False), *rubbish, ping(True), ping(False), text(True, HEARTBEAT))).events == []


def test_weak_signs_are_kept_only_so_long_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MAX_CANDIDATE_BYTES", 6)
    seen = watch(midway(*[ping(True)] * 6, text(True, HEARTBEAT)))
    assert seen.of(ConnectionOpened)[0].frames == (1,)
    assert len(seen.of(WsControl)) == 1
    assert seen.texts == [HEARTBEAT]


def test_a_syn_in_place_of_what_was_dismissed_is_looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MAX_CANDIDATE_SEGMENTS", 1)
    seen = watch(midway((True, b"\xfe\xedrubbish")) + spoken(start=MONDAY + 60 * SECOND).segments)
    assert len(seen.texts) == 4


def test_acknowledgements_and_ends_of_connections_never_seen_say_nothing() -> None:
    session = talk()
    session._put(True, "A")
    session._put(False, "A")
    session.close(by_client=True)
    session.reset(by_client=False)
    assert watch(session.segments).events == []


# --------------------------------------------------------------------------------------------- what is not followed


def test_a_connection_that_turns_out_to_be_foreign_is_dismissed_and_its_end_told() -> None:
    ssh = talk()
    ssh.open()
    ssh.send(False, b"SSH-2.0-OpenSSH_9.6\r\n")
    ssh.send(True, b"SSH-2.0-Go\r\n")
    ssh.send(True, frame(TEXT, HEARTBEAT.encode(), mask=b"abcd"))
    ssh.close(by_client=True)
    seen = watch(ssh.segments)
    assert seen.recognised == [(1, "unknown")]
    assert seen.texts == []
    assert seen.closed == [(1, "fin", True)]
    assert seen.of(ConnectionClosed)[0].time == next(s.time for s in ssh.segments if "F" in s.flags)


@pytest.mark.parametrize(("flags", "how"), [("R", "rst"), ("", "end-of-capture")])
def test_a_dismissed_connection_ends_by_reset_or_with_the_capture(flags: str, how: str) -> None:
    ssh = talk()
    ssh.open()
    ssh.send(False, b"SSH-2.0-OpenSSH_9.6\r\n")
    if flags:
        ssh.reset(by_client=False)
    assert watch(ssh.segments).closed == [(1, how, None if not flags else False)]


def test_a_dismissed_connection_may_be_replaced() -> None:
    ssh = talk()
    ssh.open()
    ssh.send(False, b"SSH-2.0-OpenSSH_9.6\r\n")
    seen = watch(ssh.segments + spoken(start=MONDAY + 60 * SECOND).segments)
    assert seen.closed == [(1, "replaced", None), (2, "end-of-capture", None)]
    assert len(seen.texts) == 4


def test_handshake_packets_that_come_again_do_not_revive_a_dismissed_connection() -> None:
    """A SYN/ACK is repeated when the client's first words were lost before they reached the server."""
    ssh = talk()
    ssh.open()
    ssh.send(True, b"SSH-2.0-Go\r\n")
    again = ssh.segments[1]._replace(time=ssh.clock.now)
    seen = Onlooker().see([*ssh.segments, again])
    assert len(seen.of(ConnectionOpened)) == 1
    other = again._replace(seq=again.seq + 77_777)
    seen.see([other]).ends()
    assert seen.closed == [(1, "replaced", None), (2, "end-of-capture", None)]


def test_a_dismissed_connection_leaves_nothing_waiting() -> None:
    """One side waits for a segment when the other turns out to be nothing of ours."""
    ssh = talk()
    ssh.open()
    ssh.send(True, b"SSH")
    ssh.send(True, b"-2.0-Go, the rest of it")
    held = [segment for segment in ssh.segments if segment.payload != b"SSH"]
    ssh.send(False, b"SSH-2.0-OpenSSH_9.6\r\n")
    answer = [segment._replace(ack=ssh.begins(True)) for segment in ssh.segments[-2:]]
    ssh.close(by_client=False)
    later = talk(("192.168.7.99", 5000), after=600 * SECOND)
    later.try_in_vain("rst")
    seen = Onlooker().see(held + answer)
    assert seen.table._budget.used == 0
    assert not seen.table._holes
    seen.see(ssh.segments[-3:]).see(later.segments).ends()
    assert not seen.of(StreamGap)


def test_the_same_packets_under_another_address_are_a_mirror() -> None:
    """A capture on ``any`` of a router or a docker host sees each packet on both sides of the NAT."""
    session = spoken()
    session.close("fin")
    seen = watch(translated(session.segments, "100.64.0.9"))
    assert len(seen.of(ConnectionOpened)) == 2
    assert (2, "mirror") in seen.recognised
    assert len(seen.texts) == 4
    assert seen.closed == [(1, "fin", True)]


def test_a_mirror_is_known_also_when_joined_midway() -> None:
    seen = watch(translated(midway(text(True, HEARTBEAT), text(False, ANSWER)), "100.64.0.9"))
    assert seen.texts == [HEARTBEAT, ANSWER]
    assert Counter(protocol for _, protocol in seen.recognised) == {"websocket": 1, "mirror": 1}


def test_a_mirror_is_known_also_by_weak_signs() -> None:
    seen = watch(translated(midway(*[ping(False)] * 4, text(True, HEARTBEAT)), "100.64.0.9"))
    assert seen.texts == [HEARTBEAT]
    assert Counter(protocol for _, protocol in seen.recognised) == {"websocket": 1, "mirror": 1}


def test_two_stations_that_say_the_same_are_no_mirrors() -> None:
    one = spoken()
    other = Session(client=("192.168.7.21", 49_152), start=MONDAY + MILLISECOND, first=(77, 88))
    other.connect()
    other.upgrade()
    seen = watch(merged(one.segments, other.segments))
    assert "mirror" not in dict(seen.recognised).values()


def test_the_same_packet_twice_under_the_same_address_is_a_duplicate() -> None:
    session = spoken()
    session.close("fin")
    seen = watch(doubled(session.segments))
    assert len(seen.texts) == 4
    assert {event.kind for event in seen.of(Retransmission)} == {"duplicate"}
    assert seen.closed == [(1, "fin", True)]
    assert len(seen.of(ConnectionOpened)) == 1


def test_packets_that_are_no_tcp_leave_no_trace() -> None:
    dns = ethernet(ipv4("10.0.0.1", "10.0.0.2", udp("10.0.0.1", "10.0.0.2", 53, 53, HEARTBEAT.encode()), 17))
    arp = ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), ethertype=0x0806)
    seen = Onlooker().frames((MONDAY, dns), (MONDAY, arp), (MONDAY, arp[:10]), (MONDAY, b"\0")).ends()
    assert seen.events == []
    assert seen.table.packets == 4


def test_a_link_type_that_cannot_be_read_is_told_once() -> None:
    seen = Onlooker()
    seen._reader = PcapReader()
    seen._reader.feed(pcap_header(linktype=187, nanoseconds=True))
    seen.frames((MONDAY, b"abc"), (MONDAY, b"def"), (MONDAY, b"ghi")).ends()
    (error,) = seen.of(DecodeError)
    assert error.layer == "link"
    assert "Bluetooth" in error.reason
    assert error.frames == (1,)
    assert seen.table.unreadable == 3


# ------------------------------------------------------------------------------------------------------------- bounds


def test_the_connection_that_was_silent_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MAX_CONNECTIONS", 3)
    sessions = [spoken(("192.168.7.20", 5000 + n), start=MONDAY + n * SECOND, calls=1) for n in range(3)]
    sessions[0].clock.now = MONDAY + 5 * SECOND
    sessions[0].say("station", HEARTBEAT)
    late = spoken(("192.168.7.20", 6000), start=MONDAY + 10 * SECOND, calls=1)
    seen = Onlooker().see(merged(*(session.segments for session in sessions))).see(late.segments)
    assert seen.closed == [(2, "timeout", None)]


def test_many_unanswered_attempts_cost_little_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port scan: to find the one silent for longest among thousands for every SYN would take minutes."""
    monkeypatch.setattr(flows, "MAX_CONNECTIONS", 400)
    looks = 0
    original = FlowTable._last_heard

    def counting(tcp_connection: TcpConnection) -> int:
        nonlocal looks
        looks += 1
        return original(tcp_connection)

    monkeypatch.setattr(FlowTable, "_last_heard", staticmethod(counting))
    scan = [Segment(MONDAY + n, ("192.168.7.66", 1024 + n), CSMS, True, 7, 0, "S") for n in range(1000)]
    seen = Onlooker().see(scan, together=True)
    assert len(seen.table._connections) <= 400
    assert looks < 1000 * 100


def test_dismissed_flows_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MAX_FLOWS", 8)
    seen = Onlooker()
    for number in range(6):
        ssh = talk(("192.168.7.20", 5000 + number), after=number * SECOND)
        ssh.open()
        ssh.send(False, b"SSH-2.0-OpenSSH_9.6\r\n")
        seen.see(ssh.segments)
    assert len(seen.table._flows) <= 8
    assert [how for _, how, _ in seen.closed] == ["timeout"] * len(seen.closed)
    assert [number for number, _, _ in seen.closed] == list(range(1, len(seen.closed) + 1))
    seen.ends()
    assert sorted(number for number, _, _ in seen.closed) == [1, 2, 3, 4, 5, 6]


def test_candidates_are_forgotten_too_and_looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MAX_FLOWS", 8)
    seen = Onlooker()
    for number in range(20):
        seen.see(midway((True, b"\xfe\xedrubbish"), client=("192.168.7.20", 5000 + number)))
    assert len(seen.table._flows) <= 8
    seen.see(midway(text(True, HEARTBEAT), client=("192.168.7.20", 5000)))
    assert seen.texts == [HEARTBEAT]


def test_what_is_followed_is_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MAX_FLOWS", 4)
    sessions = [spoken(("192.168.7.20", 5000 + number), calls=1, station=f"CP_{number}") for number in range(4)]
    assert len(watch(merged(*(session.segments for session in sessions))).texts) == 8


# ------------------------------------------------------------------------------------ the fast way and the general one


def without_place(events: Iterable[Event]) -> list[str]:
    """Events without the addresses of their connection."""
    return [repr(event).replace(repr(getattr(event, "connection", None)), "connection") for event in events]


def varied() -> list[Segment]:
    """A conversation with something of everything: long messages, both ends, repeats, holes, keep-alives."""
    session = Session("CP_7", mss=200, cut_every=300)
    session.connect()
    session.upgrade()
    session.call("station", "DataTransfer", {"vendorId": "v", "data": "x" * 1000}, {"status": "Accepted"})
    session.ping("csms", b"hb")
    session.tcp.keep_alive(False)
    session.tcp.keep_alive(True, garbage=True)
    session.call("csms", "GetConfiguration", {"key": []}, {"configurationKey": []})
    lost = [segment for segment in session.segments if segment.payload][-2]
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()}, after=3)
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()}, after=3)
    session.close("fin")
    segments = [segment for segment in session.segments if segment is not lost]
    data = [at for at, segment in enumerate(segments) if segment.payload]
    segments[data[3]], segments[data[4]] = segments[data[4]], segments[data[3]]
    segments.insert(data[8] + 1, segments[data[7]])
    return segments


@pytest.mark.parametrize(
    "encapsulation",
    ["ethernet, 802.1Q", "ethernet, PPPoE", "raw IP", "Linux cooked v1", "Linux cooked v2", "OpenBSD loopback"],
)
@pytest.mark.parametrize("together", [False, True])
def test_however_it_is_wrapped_the_same_is_seen(encapsulation: str, together: bool) -> None:
    plain = Onlooker().see(varied(), together=together).ends()
    wrapped = Onlooker(encapsulation).see(varied(), together=together).ends()
    assert wrapped.events == plain.events
    assert len(plain.of(StreamGap)) == 1
    assert plain.of(Retransmission)


@pytest.mark.parametrize("tap", [Tap(), Tap("ethernet, 802.1Q"), Tap("Linux cooked v1"), Tap(fragment=96)])
def test_over_ipv6_it_differs_in_nothing_but_the_addresses(tap: Tap) -> None:
    def moved(segment: Segment) -> Segment:
        return segment._replace(client=("2001:db8::7", segment.client[1]), server=("2001:db8::5", segment.server[1]))

    four = Onlooker(tap).see(varied()).ends()
    six = Onlooker(tap).see(map(moved, varied())).ends()
    assert without_place(six.events) == without_place(four.events)
    assert six.of(ConnectionOpened)[0].connection.client == Endpoint("2001:db8::7", 49_152)


def test_packets_one_by_one_and_in_one_block_are_the_same_but_for_the_sweep() -> None:
    one, all_ = Onlooker().see(spoken().segments), Onlooker().see(spoken().segments, together=True)
    assert one.ends().events == all_.ends().events


@pytest.mark.parametrize("size", [8, 16, 24, 40, 96, 600])
@pytest.mark.parametrize("encapsulation", ["ethernet", "ethernet, 802.1Q"])
def test_fragments_of_any_size_are_put_together(size: int, encapsulation: str) -> None:
    """Also a last fragment so short that it could be taken for an acknowledgement."""
    said = [f'[2,"{number}","DataTransfer",{{"data":"{"{" * number}"}}]' for number in range(40)]
    session = spoken(calls=0)
    for message in said:
        session.say("station", message)
    seen = watch(session.segments, Tap(encapsulation, fragment=size))
    assert seen.texts == said


@pytest.mark.parametrize("wrap", ["ethernet", "ethernet, 802.1Q"])
def test_a_tcp_header_shorter_than_tcp_allows_is_no_segment(wrap: str) -> None:
    seen = Onlooker(wrap).see(spoken(calls=0).segments)
    last = spoken(calls=0).segments[-1]
    broken = bytearray(tcp(*STATION[:1], CSMS[0], STATION[1], CSMS[1], last.seq, last.ack, "A", b"x" * 40))
    broken[12] = 0x20
    inner = ipv4(STATION[0], CSMS[0], bytes(broken), TCP)
    before = len(seen.events)
    seen.frames((last.time + SECOND, ethernet(inner, vlans=(100,) if "Q" in wrap else ())))
    assert seen.events[before:] == []
    seen.see([last._replace(time=last.time + 2 * SECOND, flags="PA", payload=text(True, HEARTBEAT)[1])])
    assert seen.texts == [HEARTBEAT]


def test_cut_packets_are_gaps_where_they_were_cut() -> None:
    session = spoken(calls=0)
    session.say("station", '[2,"1","DataTransfer",{"data":"' + "x" * 400 + '"}]')
    session.say("station", HEARTBEAT)
    whole = [len(segment.payload) for segment in session.segments if segment.payload]
    assert max(whole) < 446
    seen = watch(session.segments, Tap(snaplen=446))
    assert seen.texts == [HEARTBEAT]
    (gap,) = seen.of(StreamGap)
    assert 0 < gap.missing < 100


@pytest.mark.parametrize("kept", [0, 1, 6])
def test_a_capture_of_headers_only_says_how_much_is_missing(kept: int) -> None:
    session = spoken()
    session.close("fin")
    seen = watch(session.segments, Tap(snaplen=54 + kept))
    assert [event.how for event in seen.of(ConnectionClosed)] == ["fin"]
    for side in (True, False):
        cut = sum(max(0, len(s.payload) - kept) for s in session.segments if s.from_client is side)
        assert sum(gap.missing for gap in seen.of(StreamGap) if gap.from_client is side) == cut


@settings(max_examples=40)
@given(
    places=st.lists(st.integers(12, 60), min_size=1, max_size=3),
    values=st.lists(st.integers(0, 255), min_size=3, max_size=3),
    which=st.integers(0, 40),
    length=st.integers(0, 120),
)
def test_damaged_packets_are_taken_alike_by_both_ways(
    places: Sequence[int], values: Sequence[int], which: int, length: int
) -> None:
    """One packet is damaged or cut; a VLAN tag sends all of them the general way."""

    def said_by_tcp(seen: Onlooker) -> list[Event]:
        # A bare acknowledgement that damage turned into a fragment is no matter: the fast way passes over it.
        return [event for event in seen.events if not isinstance(event, DecodeError) or event.layer != "ip"]

    def packets(wrap: Callable[[bytes], bytes]) -> list[tuple[int, bytes]]:
        found = []
        for number, (time, data, *_) in enumerate(Tap("raw IP").packets(spoken().segments)):
            whole = bytearray(data)
            if number == which:
                for place, value in zip(places, values, strict=False):
                    if place - 12 < len(whole):
                        whole[place - 12] = value
                if length:
                    whole = whole[:length]
            if whole[:1] != b"\x45":
                continue  # not IPv4 without options: the two are wrapped with different EtherTypes then
            found.append((time, wrap(bytes(whole))))
        return found

    fast = Onlooker().frames(*packets(lambda inner: ethernet(inner, ethertype=0x0800, padded=False))).ends()
    general = (
        Onlooker().frames(*packets(lambda inner: ethernet(inner, ethertype=0x0800, vlans=(1,), padded=False))).ends()
    )
    assert said_by_tcp(fast) == said_by_tcp(general)


def test_each_block_may_be_inflated_anew() -> None:
    onlooker = Onlooker()
    onlooker.table._budget.inflatable = 0
    onlooker.see(spoken().segments[:4])
    assert onlooker.table._budget.inflatable == MAX_INFLATED


def test_what_waits_is_let_go_when_a_connection_turns_out_to_be_nothing() -> None:
    """Each side lacks its first segment; what comes behind the client's gap, once the server has acknowledged it, is
    no protocol that is known."""
    session = talk(mss=100)
    session.open()
    session.send(True, bytes(10_000))
    session.send(False, bytes(300))
    firsts = [next(s for s in session.segments if s.payload and s.from_client is side) for side in (True, False)]
    onlooker = watch(segment for segment in session.segments if segment not in firsts)
    assert onlooker.recognised == [(1, "unknown")]
    assert onlooker.table._budget.used == 0
    assert not onlooker.table._holes


# ----------------------------------------------------------------------------------------------------------- division


def busy() -> list[Segment]:
    """Connections of every kind: stations, foreign ones, refused ones, mirrors, some joined midway."""
    talks: list[list[Segment]] = []
    for number in range(7):
        start = MONDAY + number * 7 * MILLISECOND
        session = spoken((f"192.168.7.{20 + number}", 49_152), start=start, station=f"CP_{number}")
        session.tcp.keep_alive(True, garbage=True)
        if number % 2:
            session.close("fin")
        talks.append(session.segments if number % 3 else session.segments[7:])
    ssh = talk(("192.168.7.90", 4000), after=3)
    ssh.open()
    ssh.send(False, b"SSH-2.0-OpenSSH_9.6\r\n")
    ssh.segments.append(ssh.segments[1]._replace(time=ssh.clock.now))
    ssh.close(by_client=True)
    refused = talk(("192.168.7.91", 4000), after=5)
    refused.try_in_vain("rst")
    talks += [ssh.segments, refused.segments, translated(spoken(("192.168.7.92", 4000)).segments, "100.64.0.1")]
    again = spoken(("192.168.7.21", 49_152), start=MONDAY + 20 * SECOND, station="CP_1 again")
    talks.append([segment._replace(time=segment.time) for segment in again.segments])
    return merged(*talks)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_shares_follow_different_connections_and_together_all_of_them(parts: int) -> None:
    whole = Onlooker().see(busy()).ends()
    shares = [Onlooker(share=(number, parts)).see(busy()).ends() for number in range(parts)]
    for share in shares:
        assert share.of(ConnectionOpened) == whole.of(ConnectionOpened), "numbers are the same for all"
    said = [{event.connection.number for event in share.of(WsMessage)} for share in shares]
    assert sum(map(len, said)) == len(set().union(*said))
    together = Counter(repr(event) for share in shares for event in share.of(WsMessage))
    assert together == Counter(repr(event) for event in whole.of(WsMessage))
    assert len(together) == len(whole.of(WsMessage)) > 20


def test_soap_all_goes_to_the_first_share() -> None:
    posts = []
    for number in range(6):
        post = talk(("192.168.7.20", 5000 + number), after=number * SECOND)
        post.open()
        body = b"<s:Envelope/>"
        post.send(True, b"POST /cs HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 13\r\n\r\n" + body)
        posts.append(post.segments)
    shares = [Onlooker(share=(number, 3)).see(merged(*posts)).ends() for number in range(3)]
    assert [len(share.of(HttpRequest)) for share in shares] == [6, 0, 0]
