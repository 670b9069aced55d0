"""From an IP packet to the TCP segment in it: options, extension headers, fragments, tunnels, and forgeries."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import DecodeError, Endpoint, Event
from fieldkit.wire import fragments, ip
from fieldkit.wire.ip import IpDecoder, TcpSegment, endpoints, reverse_key
from tests.traffic import packets

SECOND = 1_000_000_000
A4, B4 = "10.0.0.1", "192.168.17.2"
A6, B6 = "2001:db8::1", "fe80::202:b3ff:fe1e:8329"
ENDS = [pytest.param(A4, B4, id="IPv4"), pytest.param(A6, B6, id="IPv6")]
HELLO = b'[2,"1","Heartbeat",{}]'


def segment_of(src: str, dst: str, payload: bytes = HELLO) -> bytes:
    return packets.tcp(src, dst, 4711, 8080, seq=1, ack=1, payload=payload)


class Wire:
    """A decoder with a packet counter, which is the frame number, and the events it has emitted."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.decoder = IpDecoder(self.events.append)
        self.frame = 0

    def send(self, packet: bytes, *, time: int = 0, version: int | None = None, cut: int = 0) -> TcpSegment | None:
        """Decode a packet that lies in the middle of a block, the last ``cut`` bytes of it not captured."""
        self.frame += 1
        captured = packet[: len(packet) - cut]
        block = b"\xee" * 14 + captured + b"\xee" * 30
        version = packet[0] >> 4 if version is None else version
        segment = self.decoder.segment(version, block, 14, 14 + len(captured), time, self.frame)
        if segment is not None:
            assert segment.offset + 20 <= segment.end <= len(segment.buffer)
            assert segment.buffer is not block or segment.end <= 14 + len(captured)
        return segment

    def errors(self) -> list[DecodeError]:
        errors = [event for event in self.events if isinstance(event, DecodeError)]
        assert errors == self.events
        assert all(error.layer == "ip" and len(error.data) <= 64 for error in errors)
        return errors

    def reasons(self) -> list[str]:
        return [error.reason for error in self.errors()]


def data(segment: TcpSegment | None) -> bytes | None:
    """What the segment carries (its header has no options here)."""
    return segment.buffer[segment.offset + 20 : segment.end] if segment else None


# ----------------------------------------------------------------------------------------------- the plain packet


@pytest.mark.parametrize("src, dst", ENDS)
def test_a_plain_packet_is_left_where_it_lies(src: str, dst: str) -> None:
    wire = Wire()
    tcp = segment_of(src, dst)

    segment = wire.send(packets.ip(src, dst, tcp))

    assert segment is not None
    assert segment.buffer[segment.offset : segment.end] == tcp
    assert segment.key == packets.address(src) + packets.address(dst) + pack("!HH", 4711, 8080)
    assert (segment.offset, segment.frames, segment.truncated) == (14 + (40 if ":" in src else 20), (1,), 0)
    assert endpoints(segment.key) == (Endpoint(src, 4711), Endpoint(dst, 8080))
    assert wire.events == []


@pytest.mark.parametrize("src, dst", ENDS)
def test_the_key_of_the_answer_is_the_reverse(src: str, dst: str) -> None:
    wire = Wire()

    there = wire.send(packets.packet(src, dst, 4711, 8080))
    back = wire.send(packets.packet(dst, src, 8080, 4711))

    assert there is not None
    assert back is not None
    assert reverse_key(there.key) == back.key
    assert reverse_key(back.key) == there.key


def test_the_identification_of_ipv4_is_handed_on() -> None:
    segment = Wire().send(packets.ipv4(A4, B4, segment_of(A4, B4), ident=0xBEEF))

    assert segment is not None
    assert segment.ip_id == 0xBEEF


def test_ipv4_options_are_stepped_over() -> None:
    router_alert = b"\x94\x04\x00\x00"

    for options in (router_alert, router_alert * 10):
        assert data(Wire().send(packets.ipv4(A4, B4, segment_of(A4, B4), options=options))) == HELLO


@pytest.mark.parametrize("src, dst", ENDS)
def test_ethernet_padding_is_no_tcp_data(src: str, dst: str) -> None:
    assert data(Wire().send(packets.ip(src, dst, segment_of(src, dst, b"")) + b"\0" * 6)) == b""


def test_a_large_send_captured_before_it_was_cut_up_has_length_zero() -> None:
    assert data(Wire().send(packets.ipv4(A4, B4, segment_of(A4, B4), total_length=0))) == HELLO
    assert data(Wire().send(packets.ipv6(A6, B6, segment_of(A6, B6), payload_length=0))) == HELLO


@pytest.mark.parametrize("src, dst", ENDS)
def test_what_the_snap_length_cut_off_is_counted(src: str, dst: str) -> None:
    wire = Wire()

    segment = wire.send(packets.ip(src, dst, segment_of(src, dst)), cut=10)

    assert segment is not None
    assert data(segment) == HELLO[:-10]
    assert segment.truncated == 10
    assert wire.events == []


@pytest.mark.parametrize("src, dst", ENDS)
def test_a_packet_cut_off_within_its_tcp_header_is_reported(src: str, dst: str) -> None:
    wire = Wire()
    packet = packets.ip(src, dst, segment_of(src, dst))

    assert wire.send(packet, cut=len(HELLO) + 1) is None

    (error,) = wire.errors()
    assert error.reason == "The TCP header is cut off."
    assert (error.frames, error.lost) == ((1,), 20 + len(HELLO))


@pytest.mark.parametrize("src, dst", ENDS)
def test_other_protocols_are_no_segments_and_no_errors(src: str, dst: str) -> None:
    wire = Wire()

    assert wire.send(packets.ip(src, dst, packets.udp(src, dst, 53, 53, b"x" * 40), packets.UDP)) is None
    assert wire.send(packets.ip(src, dst, b"\x08\0" + b"\0" * 40, 1)) is None
    assert wire.send(packets.ip(src, dst, b"\0" * 40, 50)) is None
    for piece in packets.fragment(packets.ip(src, dst, packets.udp(src, dst, 53, 53, b"x" * 40), packets.UDP), 16):
        assert wire.send(piece) is None
    wire.decoder.finish(0)
    assert wire.events == []


# ---------------------------------------------------------------------------------------------- extension headers

EXTENSIONS = {
    "hop-by-hop": packets.hop_by_hop(),
    "routing": packets.routing(B6, A6),
    "destination options": packets.destination_options(b"\x01\x0a" + b"\0" * 10),
    "authentication": packets.authentication(),
    "mobility": packets.mobility(),
    "atomic fragment": packets.fragment_header(0, False),
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_each_extension_header_is_stepped_over(name: str) -> None:
    wire = Wire()

    assert data(wire.send(packets.ipv6(A6, B6, segment_of(A6, B6), extensions=[EXTENSIONS[name]]))) == HELLO
    assert wire.events == []


def test_extension_headers_follow_each_other() -> None:
    for chain in itertools.permutations(EXTENSIONS.values(), 3):
        assert data(Wire().send(packets.ipv6(A6, B6, segment_of(A6, B6), extensions=chain))) == HELLO


def test_an_endless_chain_of_extension_headers_ends() -> None:
    wire = Wire()
    chain = [packets.destination_options()] * ip.MAX_EXTENSION_HEADERS

    assert wire.send(packets.ipv6(A6, B6, segment_of(A6, B6), extensions=chain[1:])) is not None
    assert wire.send(packets.ipv6(A6, B6, segment_of(A6, B6), extensions=[*chain, chain[0]])) is None
    assert wire.reasons() == [f"A packet has more than {ip.MAX_EXTENSION_HEADERS} extension headers."]


def test_an_authentication_header_stands_in_ipv4_as_well() -> None:
    number, header = packets.authentication()

    packet = packets.ipv4(A4, B4, bytes([packets.TCP]) + header[1:] + segment_of(A4, B4), number)

    assert data(Wire().send(packet)) == HELLO


# ------------------------------------------------------------------------------------------------------ fragments


@pytest.mark.parametrize("src, dst", ENDS)
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_fragments_come_in_any_order(src: str, dst: str, order: tuple[int, ...]) -> None:
    wire = Wire()
    tcp = segment_of(src, dst, b"x" * 77)
    pieces = packets.fragment(packets.ip(src, dst, tcp), 32, ident=7)
    assert len(pieces) == 4

    answers = [wire.send(pieces[at]) for at in order]

    assert answers[:3] == [None, None, None]
    whole = answers[3]
    assert whole is not None
    assert whole.buffer[whole.offset : whole.end] == tcp
    assert whole.frames == (1, 2, 3, 4)
    assert whole.ip_id == (0 if ":" in src else 7)
    assert endpoints(whole.key) == (Endpoint(src, 4711), Endpoint(dst, 8080))
    wire.decoder.finish(0)
    assert wire.events == []


@pytest.mark.parametrize("src, dst", ENDS)
def test_a_capture_that_sees_every_fragment_twice_gives_one_segment(src: str, dst: str) -> None:
    pieces = packets.fragment(packets.ip(src, dst, segment_of(src, dst, b"x" * 77)), 32)
    for sequence in ([piece for piece in pieces for _ in range(2)], pieces + pieces):
        wire = Wire()

        answers = [wire.send(piece, time=at) for at, piece in enumerate(sequence)]

        assert [data(answer) for answer in answers if answer] == [b"x" * 77]
        wire.decoder.finish(0)
        assert wire.events == []


def test_duplicates_are_not_evidence_twice() -> None:
    wire = Wire()
    first, second = packets.fragment(packets.ip(A4, B4, segment_of(A4, B4)), 24)

    wire.send(first)
    wire.send(first)
    whole = wire.send(second)

    assert whole is not None
    assert whole.frames == (1, 3)


def test_an_identification_may_be_used_again() -> None:
    wire = Wire()

    for text in (b"first " * 9, b"second" * 9):
        answers = [wire.send(piece) for piece in packets.fragment(packets.ip(A4, B4, segment_of(A4, B4, text)), 32)]
        assert data(answers[-1]) == text
    # The same bytes again, but too late to be a second copy: a retransmission of a host that never counts up.
    pieces = packets.fragment(packets.ip(A4, B4, segment_of(A4, B4, b"second" * 9)), 32)
    answers = [wire.send(piece, time=fragments.DUPLICATE_WINDOW + 1) for piece in pieces]
    assert data(answers[-1]) == b"second" * 9
    assert wire.events == []


def test_datagrams_of_other_hosts_protocols_and_identifications_are_kept_apart() -> None:
    wire = Wire()
    wholes = [
        packets.fragment(packets.ip(A4, B4, segment_of(A4, B4, b"1" * 30)), 40, ident=1),
        packets.fragment(packets.ip(A4, B4, segment_of(A4, B4, b"2" * 30)), 40, ident=2),
        packets.fragment(packets.ip(B4, A4, segment_of(B4, A4, b"3" * 30)), 40, ident=1),
        packets.fragment(packets.ip(A4, B4, packets.ip(A4, B4, segment_of(A4, B4, b"4" * 10)), packets.IPIP), 40),
        packets.fragment(packets.ip(A6, B6, segment_of(A6, B6, b"5" * 30)), 40, ident=1),
    ]

    for first, _ in wholes:
        assert wire.send(first) is None
    assert [data(wire.send(second)) for _, second in wholes] == [b"1" * 30, b"2" * 30, b"3" * 30, b"4" * 10, b"5" * 30]


def test_overlapping_fragments_that_agree_are_fine() -> None:
    wire = Wire()
    tcp = segment_of(A4, B4, bytes(range(44)))
    cuts = [(0, 24), (16, 48), (8, 32), (40, 64)]

    answers = [wire.send(packets.ipv4(A4, B4, tcp[a:b], ident=1, position=a, more=b < 64)) for a, b in cuts]

    assert data(answers[-1]) == bytes(range(44))
    assert wire.events == []


def test_the_last_fragment_may_bring_nothing_new_but_the_end() -> None:
    wire = Wire()
    tcp = segment_of(A4, B4, bytes(range(44)))

    assert wire.send(packets.ipv4(A4, B4, tcp, ident=1, more=True)) is None
    whole = wire.send(packets.ipv4(A4, B4, tcp[48:], ident=1, position=48))

    assert whole is not None
    assert data(whole) == bytes(range(44))
    assert whole.frames == (1, 2)


@pytest.mark.parametrize("src, dst", ENDS)
def test_of_fragments_that_differ_the_first_wins_and_the_difference_is_told(src: str, dst: str) -> None:
    wire = Wire()
    first, second = packets.fragment(packets.ip(src, dst, segment_of(src, dst, b"A" * 12)), 24)
    _, forged = packets.fragment(packets.ip(src, dst, segment_of(src, dst, b"B" * 12)), 24)
    early, _ = packets.fragment(packets.ip(src, dst, segment_of(src, dst, b"C" * 28)), 40)

    assert wire.send(second) is None
    assert wire.send(forged) is None
    assert wire.send(early) is None  # partly new, partly other than what is there, and longer than the end
    whole = wire.send(first)

    assert data(whole) == b"A" * 12
    assert [(error.reason, error.frames) for error in wire.errors()] == [
        ("Fragments of an IP datagram overlap and differ.", (2,)),
        ("Fragments of an IP datagram disagree about its end.", (3,)),
    ]


def test_a_fragment_may_be_new_in_part_and_differ_in_part() -> None:
    wire = Wire()
    tcp = segment_of(A4, B4, b"A" * 44)

    wire.send(packets.ipv4(A4, B4, tcp[32:48], ident=1, position=32, more=True))
    wire.send(packets.ipv4(A4, B4, tcp[:24] + b"B" * 24, ident=1, more=True))
    whole = wire.send(packets.ipv4(A4, B4, tcp[48:], ident=1, position=48))

    assert data(whole) == b"A" * 4 + b"B" * 8 + b"A" * 32
    assert wire.reasons() == ["Fragments of an IP datagram overlap and differ."]


def test_fragments_that_disagree_about_the_end_are_told() -> None:
    wire = Wire()
    tcp = segment_of(A4, B4, b"x" * 28)

    wire.send(packets.ipv4(A4, B4, tcp[24:40], ident=1, position=24, more=True))
    wire.send(packets.ipv4(A4, B4, tcp[16:24], ident=1, position=16))  # ends before what is there
    wire.send(packets.ipv4(A4, B4, tcp[40:], ident=1, position=40))
    wire.send(packets.ipv4(A4, B4, b"", ident=1, position=64)[:20] + b"y" * 8)  # ends behind the end: empty by its word
    wire.send(packets.ipv4(A4, B4, b"y" * 8, ident=1, position=64))
    wire.send(packets.ipv4(A4, B4, b"y" * 8, ident=1, position=64, more=True))
    whole = wire.send(packets.ipv4(A4, B4, tcp[:24], ident=1, more=True))

    assert data(whole) == b"x" * 28
    disagree = "Fragments of an IP datagram disagree about its end."
    assert wire.reasons() == [disagree, "An IP fragment is empty.", disagree, disagree]


def test_extension_headers_stand_on_either_side_of_a_fragment_header() -> None:
    wire = Wire()
    kind, options = packets.destination_options()
    body = bytes([packets.TCP]) + options[1:] + segment_of(A6, B6)
    pieces = [
        packets.ipv6(
            A6,
            B6,
            body[at : at + 24],
            # Only the first fragment's word counts for what follows (RFC 8200 §4.5).
            protocol=kind if at == 0 else packets.TCP,
            extensions=[packets.hop_by_hop(), packets.fragment_header(at, at + 24 < len(body))],
        )
        for at in range(0, len(body), 24)
    ]

    answers = [wire.send(piece) for piece in reversed(pieces)]

    assert data(answers[-1]) == HELLO
    assert wire.events == []


def test_the_largest_datagram_comes_in_the_smallest_fragments() -> None:
    wire = Wire()
    text = (bytes(range(251)) * 262)[: fragments.MAX_DATAGRAM - 20]
    tcp = segment_of(A4, B4, text)

    for at in range(0, len(tcp), 8):
        whole = wire.send(packets.ipv4(A4, B4, tcp[at : at + 8], position=at, more=at + 8 < len(tcp)))

    assert data(whole) == text
    assert whole is not None
    assert len(whole.frames) == fragments.MAX_FRAMES


@settings(max_examples=60)
@given(
    payload=st.binary(min_size=1, max_size=300),
    six=st.booleans(),
    cuts=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=25),
    data_=st.data(),
)
def test_however_a_datagram_is_cut_and_mixed_it_comes_out_whole(
    payload: bytes, six: bool, cuts: list[tuple[int, int]], data_: Any
) -> None:
    src, dst = (A6, B6) if six else (A4, B4)
    tcp = segment_of(src, dst, payload)
    spans = [(at, at + 16) for at in range(0, len(tcp), 16)] + [(8 * at, 8 * (at + n)) for at, n in cuts]
    pieces = []
    for at, stop in spans:
        chunk, more = tcp[at:stop], stop < len(tcp)
        if not chunk or (at == 0 and not more):  # that would be no fragment
            continue
        if six:
            pieces.append(packets.ipv6(src, dst, chunk, extensions=[packets.fragment_header(at, more)]))
        else:
            pieces.append(packets.ipv4(src, dst, chunk, ident=1, position=at, more=more))
    wire = Wire()

    answers = [wire.send(piece) for piece in data_.draw(st.permutations(pieces))]

    found = [answer for answer in answers if answer is not None]
    assert [answer.buffer[answer.offset : answer.end] for answer in found] == [tcp]
    wire.decoder.finish(0)
    assert wire.events == []


# ------------------------------------------------------------------------------------------------ limits and time


@pytest.mark.parametrize("src, dst", ENDS)
def test_a_fragment_that_never_comes_is_reported(src: str, dst: str) -> None:
    wire = Wire()
    first, second, _ = packets.fragment(packets.ip(src, dst, segment_of(src, dst)), 16)
    wire.send(first)
    wire.send(second)

    wire.decoder.finish(5)

    (error,) = wire.errors()
    assert error.reason == "Fragments of an IP datagram are missing; those that came are given up."
    assert (error.time, error.frames, error.lost) == (5, (1, 2), 32)
    assert error.data == segment_of(src, dst)[:32]


def test_fragments_are_not_waited_for_longer_than_hosts_do() -> None:
    first, second = packets.fragment(packets.ip(A4, B4, segment_of(A4, B4)), 24)
    in_time, too_late = Wire(), Wire()

    in_time.send(first, time=SECOND)
    assert data(in_time.send(second, time=SECOND + fragments.REASSEMBLY_TIMEOUT)) == HELLO
    too_late.send(first, time=SECOND)
    assert too_late.send(second, time=SECOND + fragments.REASSEMBLY_TIMEOUT + 1) is None
    assert [(error.frames, error.lost) for error in too_late.errors()] == [((1,), 24)]


def test_only_so_many_datagrams_wait_at_a_time() -> None:
    wire = Wire()
    for ident in range(fragments.MAX_DATAGRAMS + 1):
        first, second = packets.fragment(packets.ip(A4, B4, segment_of(A4, B4)), 24, ident=ident)
        wire.send(first)

    assert [error.frames for error in wire.errors()] == [(1,)]
    assert data(wire.send(second)) == HELLO


def test_finished_datagrams_make_room_without_a_word() -> None:
    wire = Wire()

    for ident in range(2 * fragments.MAX_DATAGRAMS):
        for piece in packets.fragment(packets.ip(A4, B4, segment_of(A4, B4)), 24, ident=ident):
            answer = wire.send(piece)
        assert data(answer) == HELLO
    wire.decoder.finish(0)
    assert wire.events == []


@pytest.mark.parametrize(
    "piece, reason",
    [
        (packets.ipv4(A4, B4, b"x" * 12, more=True), "An IP fragment that is not the last has a length"),
        (packets.ipv4(A4, B4, b"", more=True), "An IP fragment is empty."),
        (packets.ipv4(A4, B4, b"x" * 16, position=65_528), "An IP fragment reaches beyond"),
        (packets.ipv6(A6, B6, b"x" * 12, extensions=[packets.fragment_header(0, True)]), "An IP fragment that is"),
        (packets.ipv6(A6, B6, b"x" * 8, extensions=[packets.fragment_header(65_528, False)]), "An IP fragment reaches"),
    ],
)
def test_impossible_fragments_are_told(piece: bytes, reason: str) -> None:
    wire = Wire()

    assert wire.send(piece) is None
    wire.decoder.finish(0)

    (told,) = wire.reasons()
    assert told.startswith(reason)


def test_a_fragment_cut_off_by_the_snap_length_is_told() -> None:
    wire = Wire()
    first, _ = packets.fragment(packets.ip(A4, B4, segment_of(A4, B4, b"x" * 200)), 160)

    assert wire.send(first, cut=90) is None

    (error,) = wire.errors()
    assert "snap length" in error.reason
    assert error.lost == 160


# -------------------------------------------------------------------------------------------------------- tunnels


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(packets.ipv4(A4, B4, packets.packet(A4, B4, 1, 2, payload=HELLO), packets.IPIP), id="IP in IP"),
        pytest.param(packets.ipv4(A4, B4, packets.packet(A6, B6, 1, 2, payload=HELLO), packets.IP6IN4), id="6in4"),
        pytest.param(packets.ipv6(A6, B6, packets.packet(A4, B4, 1, 2, payload=HELLO), packets.IPIP), id="4in6"),
        pytest.param(packets.ipv6(A6, B6, packets.packet(A6, B6, 1, 2, payload=HELLO), packets.IP6IN4), id="6in6"),
        pytest.param(packets.ipv4(A4, B4, packets.gre(packets.packet(A4, B4, 1, 2, payload=HELLO)), 47), id="GRE"),
        pytest.param(packets.ipv6(A6, B6, packets.gre(packets.packet(A6, B6, 1, 2, payload=HELLO)), 47), id="GRE, 6"),
        pytest.param(
            packets.ipv4(
                A4, B4, packets.gre(packets.packet(A6, B6, 1, 2, payload=HELLO), check=True, key=5, sequence=9), 47
            ),
            id="GRE with all its fields",
        ),
        pytest.param(
            packets.ipv6(
                A6,
                B6,
                packets.ipv4(A4, B4, packets.gre(packets.packet(A4, B4, 1, 2, payload=HELLO)), 47),
                packets.IPIP,
                extensions=[packets.destination_options(b"\x04\x01\x04")],  # tunnel encapsulation limit
            ),
            id="GRE in 4in6",
        ),
    ],
)
def test_a_tunnel_is_looked_into(packet: bytes) -> None:
    wire = Wire()

    segment = wire.send(packet)

    assert data(segment) == HELLO
    assert segment is not None
    assert [end.port for end in endpoints(segment.key)] == [1, 2]
    assert wire.events == []


def test_tunnels_are_followed_two_deep() -> None:
    wire = Wire()
    packet = packets.packet(A4, B4, 1, 2, payload=HELLO)
    for _ in range(ip.MAX_TUNNELS):
        packet = packets.ipv4(A4, B4, packet, packets.IPIP)

    assert data(wire.send(packet)) == HELLO
    assert wire.send(packets.ipv4(A4, B4, packet, packets.IPIP)) is None
    assert wire.reasons() == [f"IP packets are nested more than {ip.MAX_TUNNELS} tunnels deep."]


def test_tunnels_carry_fragments_and_are_fragmented() -> None:
    wire = Wire()
    inner = packets.fragment(packets.packet(A6, B6, 1, 2, payload=b"x" * 90), 64)
    outer = [
        piece
        for ident, packet in enumerate(inner)
        for piece in packets.fragment(packets.ipv4(A4, B4, packet, packets.IP6IN4), 48, ident=ident)
    ]

    answers = [wire.send(piece) for piece in outer]

    assert data(answers[-1]) == b"x" * 90
    whole = answers[-1]
    assert whole is not None
    assert whole.frames == tuple(range(1, len(outer) + 1))
    assert wire.events == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x30\x01\x88\x0b" + b"\0" * 40, id="PPTP"),
        pytest.param(b"\0\0\x65\x58" + b"\0" * 40, id="Ethernet"),
        pytest.param(b"\x40\0\x08\0" + b"\0" * 40, id="source routing"),
        pytest.param(b"\xb0\0\x08\0\0\0\0\0", id="cut off"),
        pytest.param(b"\0", id="almost empty"),
    ],
)
def test_other_kinds_of_gre_are_left_alone(body: bytes) -> None:
    wire = Wire()

    assert wire.send(packets.ipv4(A4, B4, body, packets.GRE)) is None
    assert wire.events == []


# ------------------------------------------------------------------------------------------------- malformed input

FOUR = packets.packet(A4, B4, 1, 2, payload=HELLO)
SIX = packets.packet(A6, B6, 1, 2, payload=HELLO)


@pytest.mark.parametrize(
    "packet, version, reason",
    [
        (FOUR[:19], 4, "The IPv4 header is cut off."),
        (b"", 4, "The IPv4 header is cut off."),
        (b"\x65" + FOUR[1:], 4, "A packet announced as IPv4 says that it is version 6."),
        (b"\x44" + FOUR[1:], 4, "An IPv4 packet claims a header shorter than the shortest possible."),
        (FOUR[:2] + b"\0\x13" + FOUR[4:], 4, "An IPv4 packet claims to be shorter than its own header."),
        (b"\x4f" + FOUR[1:40], 4, "The IPv4 options are cut off."),
        (SIX[:39], 6, "The IPv6 header is cut off."),
        (b"\x45" + SIX[1:], 6, "A packet announced as IPv6 says that it is version 4."),
        (packets.ipv6(A6, B6, b"\x06\x7f" + b"\0" * 30, 0), 6, "An IPv6 extension header is cut off."),
        (packets.ipv6(A6, B6, b"\x06", 60), 6, "An IPv6 extension header is cut off."),
        (packets.ipv6(A6, B6, b"\x06\0\0\x01", 44), 6, "An IPv6 extension header is cut off."),
        (packets.ipv6(A6, B6, b"\x06\xff" + b"\0" * 30, 51), 6, "An IPv6 extension header is cut off."),
    ],
)
def test_a_malformed_packet_is_told_and_the_next_one_read(packet: bytes, version: int, reason: str) -> None:
    wire = Wire()

    assert wire.send(packet, version=version, time=17) is None
    assert data(wire.send(FOUR)) == HELLO

    (error,) = wire.errors()
    assert (error.reason, error.time, error.frames, error.connection) == (reason, 17, (1,), None)
    assert packet.endswith(error.data) or packet.startswith(error.data) or error.data in packet
    assert 0 <= error.lost <= len(packet)


def test_many_of_a_kind_are_told_once_more_at_the_end() -> None:
    wire = Wire()
    for _ in range(ip.REPORTED_PER_KIND + 5):
        wire.send(FOUR[:19], version=4)
    wire.send(SIX[:39], version=6)
    assert len(wire.errors()) == ip.REPORTED_PER_KIND + 1

    wire.decoder.finish(99)

    last = wire.errors()[-1]
    assert last.reason.startswith("5 more packets of the same kind")
    assert last.reason.endswith("The IPv4 header is cut off.")
    assert (last.time, last.frames, last.lost) == (99, (ip.REPORTED_PER_KIND + 5,), 5 * 19)
    assert len(wire.errors()) == ip.REPORTED_PER_KIND + 2
    wire.decoder.finish(99)
    assert len(wire.errors()) == ip.REPORTED_PER_KIND + 2


@given(version=st.sampled_from([4, 6]), packet=st.binary(max_size=120))
def test_no_bytes_make_it_raise_or_point_outside_the_packet(version: int, packet: bytes) -> None:
    wire = Wire()

    wire.send(packet, version=version)
    wire.decoder.finish(0)
    wire.errors()


def mutable_packets() -> list[bytes]:
    chain = [*EXTENSIONS.values()]
    return [
        *packets.fragment(packets.packet(A4, B4, 1, 2, payload=b"x" * 40), 24),
        *packets.fragment(packets.packet(A6, B6, 1, 2, payload=b"x" * 40), 24),
        packets.ipv6(A6, B6, segment_of(A6, B6), extensions=chain),
        packets.ipv4(A4, B4, packets.gre(packets.ipv4(A4, B4, SIX, packets.IP6IN4), key=1), packets.GRE),
    ]


@settings(max_examples=60)
@given(
    sent=st.lists(
        st.tuples(
            st.sampled_from(mutable_packets()),
            st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=3),
            st.integers(0, 60),
            st.integers(0, 40 * SECOND),
        ),
        max_size=20,
    )
)
def test_bent_packets_never_raise_or_point_outside(sent: list[tuple[bytes, list[tuple[int, int]], int, int]]) -> None:
    wire = Wire()

    for packet, changes, cut, time in sent:
        bent = bytearray(packet)
        for at, value in changes:
            bent[at % len(bent)] = value
        wire.send(bytes(bent), version=packet[0] >> 4, cut=min(cut, len(bent)), time=time)
    wire.decoder.finish(0)
    assert all(error.lost >= 0 and error.frames for error in wire.errors())


# ------------------------------------------------------------------------------------------------- other programs


def scapy_packets() -> Iterator[tuple[str, bytes]]:
    """The same kinds of packets, built by an independent hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated ciphers
        from scapy.layers import inet, inet6, ipsec, l2

    tcp = inet.TCP(sport=4711, dport=8080, flags="PA") / (b"x" * 100)
    four, six = inet.IP(src=A4, dst=B4, id=7), inet6.IPv6(src=A6, dst=B6)
    record_route = [inet.IPOption_RR(routers=["1.2.3.4"])]
    padding = [inet6.PadN(optdata=b"\0" * 8)]
    fragment_header = inet6.IPv6ExtHdrFragment(id=5)
    for name, packet in {
        "IPv4 options": inet.IP(src=A4, dst=B4, options=record_route) / tcp,
        "hop-by-hop": six / inet6.IPv6ExtHdrHopByHop(options=padding) / tcp,
        "destination options": six / inet6.IPv6ExtHdrDestOpt(options=padding) / tcp,
        "routing": six / inet6.IPv6ExtHdrRouting(addresses=[A6, B6]) / tcp,
        "segment routing": six / inet6.IPv6ExtHdrSegmentRouting(addresses=[A6, B6]) / tcp,
        "authentication": six / ipsec.AH(nh=6, payloadlen=4, spi=1, seq=1, icv=b"i" * 12) / tcp,
        "IP in IP": four / inet.IP(src=B4, dst=A4) / tcp,
        "6in4": four / six / tcp,
        "GRE": four / l2.GRE() / six / tcp,
        "GRE with key": four / l2.GRE(chksum_present=1, key_present=1, seqnum_present=1) / four / tcp,
    }.items():
        yield name, bytes(packet)
    for piece in inet.fragment(four / tcp, fragsize=48):
        yield "IPv4 fragments", bytes(piece)
    for piece in inet6.fragment6(six / fragment_header / tcp, 100):
        yield "IPv6 fragments", bytes(piece)


def test_packets_built_by_scapy_are_read_the_same() -> None:
    pytest.importorskip("scapy", reason="scapy is not installed")
    wire = Wire()

    answers: dict[str, list[bytes]] = {}
    for name, packet in scapy_packets():
        segment = wire.send(packet)
        answers.setdefault(name, []).extend([data(segment) or b""] if segment else [])

    assert len(answers) == 12
    assert answers == {name: [b"x" * 100] for name in answers}
    assert wire.events == []


def test_tshark_puts_together_what_we_put_together(tmp_path: Path) -> None:
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    sent: list[bytes] = []
    for number, (src, dst) in enumerate([(A4, B4), (A6, B6)]):
        text = [b"%d" % index * 70 for index in range(5)]
        tcp = [packets.tcp(src, dst, 4711, 80, seq=70 * at, ack=1, payload=part) for at, part in enumerate(text)]
        pieces = [packets.fragment(packets.ip(src, dst, part), 32, ident=9 + at) for at, part in enumerate(tcp)]
        sent += pieces[0]
        sent += reversed(pieces[1])
        sent += [pieces[2][0], pieces[2][2], pieces[2][0], pieces[2][1]]
        sent.append(
            packets.ipv4("1.1.1.1", "2.2.2.2", packets.gre(packets.ip(src, dst, tcp[3])), packets.GRE, ident=number)
        )
        sent += [piece for pair in zip(*pieces[3:], strict=True) for piece in pair]
    # tshark takes a mobility header to be the last thing in a packet, which it nearly always is.
    chain = [extension for name, extension in EXTENSIONS.items() if name != "mobility"]
    sent.append(packets.ipv6(A6, B6, segment_of(A6, B6), extensions=chain))
    sent.append(packets.ipv4(A4, B4, segment_of(A4, B4), options=b"\x94\x04\x00\x00"))
    capture = tmp_path / "fragments.pcap"
    records = b"".join(pack("<IIII", 0, at, len(packet), len(packet)) + packet for at, packet in enumerate(sent))
    capture.write_bytes(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101) + records)
    wire = Wire()

    ours = [(wire.frame, payload.hex()) for packet in sent if (payload := data(wire.send(packet))) is not None]

    command = ["tshark", "-r", str(capture), "-Y", "tcp", "-T", "fields", "-e", "frame.number", "-e", "tcp.payload"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    theirs = [(int(number), payload) for number, payload in (line.split("\t") for line in shown)]
    assert len(theirs) == 14
    assert ours == theirs
    assert wire.events == []
