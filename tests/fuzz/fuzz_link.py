"""Packets of any link type, down to TCP: tags, tunnels, extension headers, fragments.

An input begins with the link type; its pieces are the packets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from tests.fuzz.harness import Scramble, fuzz, instrumented, join_pieces, mutate_pieces, saved_seeds, split_pieces

with instrumented(__name__):
    from fieldkit.events import Event, PacketBatch
    from fieldkit.wire.flows import FlowTable
    from fieldkit.wire.ip import IpDecoder
    from fieldkit.wire.link import network_layer
    from fieldkit.wire.pcap import PcapReader
    from fieldkit.wire.tlskeys import KeyLog
    from tests.fuzz.promises import check_error, check_events, check_lives
    from tests.traffic.capture import pcap_header, pcap_record
    from tests.traffic.packets import (
        ENCAPSULATIONS,
        destination_options,
        fragment,
        gre,
        hop_by_hop,
        ipv4,
        ipv6,
        routing,
    )
    from tests.traffic.packets import packet as ip_packet

LINKTYPES = [*sorted({linktype for linktype, _ in ENCAPSULATIONS.values()}), 999]
BEGIN = 1_700_000_000 * 10**9


def one_input(data: bytes) -> None:
    linktype = LINKTYPES[data[0] % len(LINKTYPES)] if data else 1
    packets = [packet for _, packet in split_pieces(data[1:])]
    _check_layers(linktype, packets)
    times = [BEGIN + number * 400_000_000 for number in range(len(packets))]
    capture = pcap_header(linktype=linktype) + b"".join(map(pcap_record, zip(times, packets, strict=True)))
    events: list[Event] = []
    table = FlowTable("fuzz", events.append, KeyLog())
    reader = PcapReader()
    for item in (*reader.feed(capture), *reader.finish()):
        if isinstance(item, PacketBatch):
            table.feed(item)
    table.finish()
    assert table._budget.used == 0
    check_events(events, table.packets, len(capture))
    check_lives(events)


def _check_layers(linktype: int, packets: list[bytes]) -> None:
    """One packet at a time, where it lies in the midst of others."""
    layer = network_layer(linktype)
    if layer is None:
        return
    errors: list[Event] = []
    decoder = IpDecoder(errors.append)
    for frame, packet in enumerate(packets, 1):
        buffer = b"before" + packet + b"behind it"
        start, end = 6, 6 + len(packet)
        found = layer(buffer, start, end)
        assert layer(packet, 0, len(packet)) == (None if found is None else (found[0], found[1] - start))
        if found is None:
            continue
        assert start <= found[1] <= end, found
        got = decoder.segment(found[0], buffer, found[1], end, frame, frame)
        if got is None:
            continue
        assert len(got.key) in (12, 36), got
        assert 0 <= got.offset <= got.end <= len(got.buffer), got
        assert got.buffer is not buffer or got.end <= end, "it reads into the next packet"
        assert got.truncated >= 0, got
        assert frame in got.frames, got
    decoder.finish(len(packets))
    for error in errors:
        check_error(error)  # type: ignore[arg-type]


def mutate(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    linktype = bytes((random.randrange(256),)) if random.random() < 0.05 else data[:1]
    return linktype + mutate_pieces(data[1:], most - 1, random, scramble)


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_link")
    four, six = ("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")
    hello = b"GET /ocpp/CP_7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    talks = [
        [ip_packet(*ends, 40_000, 9000, 1, 0, "S"), ip_packet(*ends, 40_000, 9000, 2, 1, "PA", hello)]
        for ends in (four, six)
    ]
    for linktype, wrap in ENCAPSULATIONS.values():
        for talk in talks:
            yield _input(linktype, map(wrap, talk))
    linktype, wrap = ENCAPSULATIONS["ethernet"]
    for talk in talks:
        yield _input(linktype, [wrap(piece) for piece in reversed(fragment(talk[1], 24))] + [wrap(talk[0])])
        yield _input(
            linktype, [wrap(ipv4(*four, gre(whole, key=7, check=True), 47, options=b"\x01")) for whole in talk]
        )
        yield _input(linktype, [wrap(ipv4(*four, whole, 4 if whole[0] >> 4 == 4 else 41)) for whole in talk])
    extensions = (hop_by_hop(), routing("2001:db8::9"), destination_options())
    yield _input(linktype, [wrap(ipv6(*six, whole[40:], extensions=extensions)) for whole in talks[1]])


def _input(linktype: int, packets: Iterable[bytes]) -> bytes:
    return bytes((LINKTYPES.index(linktype),)) + join_pieces((0, packet) for packet in packets)


if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
