"""The filters, judged by the kernel itself: what of the packets sent into a virtual cable a filter lets through."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fieldkit.sources.afpacket import FrameNumbers, PacketRing
from fieldkit.sources.bpf import CaptureFilter, compile_filter, host
from tests.traffic.netlab import Cable, cable, needs_network
from tests.traffic.packets import ethernet, gre, hop_by_hop, ipv4, ipv6, packet, tcp, udp
from tests.traffic.packets import fragment as fragments

A, B, C = "10.1.0.7", "10.1.0.9", "203.0.113.5"
A6, B6 = "2001:db8:7::20", "2001:db8:cafe::5"
ARP = bytes.fromhex("ffffffffffff02000000000108060001080006040001020000000001000000000000000000000a010009")

_FIRST, _LATER = fragments(ipv4(A, C, udp(A, C, 5000, 5001, b"v" * 64), 17), 40, ident=5)

PACKETS = {
    "tcp": ethernet(packet(A, C, 40_000, 9000)),
    "tcp answer": ethernet(packet(C, A, 9000, 40_000)),
    "tcp elsewhere": ethernet(packet(B, C, 40_001, 443)),
    "tcp with options": ethernet(ipv4(B, C, tcp(B, C, 40_002, 9000), options=b"\x01" * 8)),
    "tcp6": ethernet(packet(A6, B6, 40_000, 9000)),
    "tcp6 behind options": ethernet(ipv6(A6, B6, tcp(A6, B6, 40_003, 443), extensions=[hop_by_hop()])),
    "video": ethernet(ipv4(A, C, udp(A, C, 5000, 5001), 17)),
    "video6": ethernet(ipv6(A6, B6, udp(A6, B6, 5000, 5001), 17)),
    "dns": ethernet(ipv4(B, C, udp(B, C, 5002, 53), 17)),
    "dns6": ethernet(ipv6(A6, B6, udp(A6, B6, 53, 5000), 17)),
    "dhcp": ethernet(ipv4("0.0.0.0", "255.255.255.255", udp("0.0.0.0", "255.255.255.255", 68, 67), 17)),
    "ping": ethernet(ipv4(A, C, b"\x08\0\xf7\xff\0\0\0\0", 1)),
    "ping6": ethernet(ipv6(A6, B6, b"\x80\0\0\0\0\0\0\0", 58)),
    "arp": ARP.ljust(60, b"\0"),
    "first fragment": ethernet(_FIRST),
    "later fragment": ethernet(_LATER),
    "tunnel": ethernet(ipv4(A, C, gre(packet(A, C, 1, 2)), 47)),
    "vlan 5": ethernet(packet(A, C, 40_004, 9000), vlans=[5]),
    "vlan 5 video": ethernet(ipv4(A, C, udp(A, C, 5003, 5001), 17), vlans=[5]),
    "vlan 5 in 7": ethernet(packet(A, C, 40_005, 9000), vlans=[(0x88A8, 7), 5]),
    "vlan 5 in 7 video": ethernet(ipv4(A, C, udp(A, C, 5004, 5001), 17), vlans=[(0x88A8, 7), 5]),
}
VIDEO = {"video", "video6", "vlan 5 video", "vlan 5 in 7 video", "first fragment"}
SIX = {name for name in PACKETS if "6" in name}


@pytest.fixture(scope="module")
def wire() -> Iterator[Cable]:
    with cable("fkf") as laid:
        yield laid


def passed(wire: Cable, wanted: CaptureFilter) -> set[str]:
    """The names of the packets that come through."""
    ring = PacketRing(wire.there, wanted, FrameNumbers(), size=1 << 20)
    try:
        wire.send(*PACKETS.values())
        time.sleep(0.15)  # a block is handed over after 50 ms
        came = [
            batch.buffer[start:end]
            for batch in ring.read()
            for start, end in zip(batch.starts, batch.ends, strict=True)
        ]
    finally:
        ring.close()
    names = {sent.ljust(60, b"\0"): name for name, sent in PACKETS.items()}
    return {names[packet] for packet in came}


@needs_network
@pytest.mark.parametrize(
    "wanted, expected",
    [
        (CaptureFilter(everything=True), set(PACKETS)),
        (CaptureFilter(), set(PACKETS) - VIDEO),
        (
            CaptureFilter(ports=(9000,)),
            {"tcp", "tcp answer", "tcp with options", "tcp6", "tcp6 behind options", "later fragment", "tunnel"}
            | {"vlan 5", "vlan 5 in 7"},
        ),
        (CaptureFilter(hosts=(host(B),)), {"tcp elsewhere", "tcp with options", "dns"}),
        (CaptureFilter(hosts=(host("10.1.0.0/29"),), ports=(9000,)), {"tcp", "tcp answer", "later fragment", "tunnel"}
            | {"vlan 5", "vlan 5 in 7"}),
        (CaptureFilter(hosts=(host("2001:db8:7::/48"),)), SIX - VIDEO),
        (CaptureFilter(hosts=(host(A6),), everything=True), SIX),
        (CaptureFilter(vlan=5), {"vlan 5"}),
        (CaptureFilter(vlan=7), {"vlan 5 in 7"}),
        (CaptureFilter(vlan=5, everything=True), {"vlan 5", "vlan 5 video"}),
        (CaptureFilter(ports=(5000,)), {"video", "video6", "dns6", "tcp6 behind options", "first fragment",
            "later fragment", "tunnel"}),
    ],
    ids=lambda value: " ".join(sorted(value)) if isinstance(value, set) else str(value),
)  # fmt: skip
def test_a_filter_lets_through_what_it_says(wire: Cable, wanted: CaptureFilter, expected: set[str]) -> None:
    assert passed(wire, wanted) == expected


@needs_network
def test_many_ports_make_a_long_program_that_still_works(wire: Cable) -> None:
    wanted = CaptureFilter(ports=(*range(10_000, 10_100), 9000), hosts=(host(A), host(A6), *map(host, [C] * 50)))
    assert len(compile_filter(wanted)) > 1000
    assert passed(wire, wanted) == {
        "tcp", "tcp answer", "tcp with options", "tcp6", "tcp6 behind options", "later fragment", "tunnel",
        "vlan 5", "vlan 5 in 7",
    }  # fmt: skip


def test_a_filter_that_is_too_long_for_the_kernel_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="too many hosts and ports"):
        compile_filter(CaptureFilter(ports=tuple(range(1, 1500))))


@pytest.mark.parametrize("text", ["", "csms.example", "10.0.0.0/33", "10.0.0.7:9000"])
def test_a_host_is_an_address_or_a_network(text: str) -> None:
    with pytest.raises(ValueError):
        host(text)
