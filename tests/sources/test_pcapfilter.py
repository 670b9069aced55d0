"""The filter for programs lets through what the filter for the kernel does: libpcap judges the same packets."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from fieldkit.sources.bpf import CaptureFilter, host
from fieldkit.sources.pcapfilter import pcap_filter
from tests.sources.test_bpf import A6, PACKETS, SIX, VIDEO, B
from tests.traffic.netlab import needs_tcpdump

ALL = set(PACKETS)


def passed(wanted: CaptureFilter, tmp_path: Path) -> set[str]:
    """The names of the packets that tcpdump finds with the expression."""
    capture = tmp_path / "all.pcap"
    packets = [packet.ljust(60, b"\0") for packet in PACKETS.values()]
    records = b"".join(struct.pack("<4I", 0, 0, len(packet), len(packet)) + packet for packet in packets)
    capture.write_bytes(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1) + records)
    expression = pcap_filter(wanted)
    command = [shutil.which("tcpdump") or "tcpdump", "-r", str(capture), "-w", "-"]
    done = subprocess.run([*command, *([expression] if expression else [])], capture_output=True, check=True)
    names = dict(zip(packets, PACKETS, strict=True))
    found, at = set(), 24
    while at < len(done.stdout):
        size = struct.unpack_from("<I", done.stdout, at + 8)[0]
        found.add(names[done.stdout[at + 16 : at + 16 + size]])
        at += 16 + size
    return found


@needs_tcpdump
@pytest.mark.parametrize(
    "wanted, expected",
    [
        (CaptureFilter(everything=True), ALL),
        (CaptureFilter(), ALL - VIDEO),
        (
            CaptureFilter(ports=(9000,)),
            {"tcp", "tcp answer", "tcp with options", "tcp6", "tcp6 behind options", "later fragment", "tunnel"}
            | {"vlan 5", "vlan 5 in 7"},
        ),
        (CaptureFilter(hosts=(host(B),)), {"tcp elsewhere", "tcp with options", "dns"}),
        (CaptureFilter(hosts=(host("10.1.0.0/29"),), ports=(9000,)),
            {"tcp", "tcp answer", "later fragment", "tunnel", "vlan 5", "vlan 5 in 7"}),
        (CaptureFilter(hosts=(host("2001:db8:7::/48"),)), SIX - VIDEO),
        (CaptureFilter(hosts=(host(A6),), everything=True), SIX),
        (CaptureFilter(vlan=7), {"vlan 5 in 7"}),
        (CaptureFilter(vlan=5), {"vlan 5"}),
        (CaptureFilter(vlan=5, everything=True), {"vlan 5", "vlan 5 video"}),
        (CaptureFilter(ports=(5000,)), {"video", "video6", "dns6", "tcp6 behind options", "first fragment",
            "later fragment", "tunnel"}),
    ],
    ids=lambda value: " ".join(sorted(value)) if isinstance(value, set) else str(value),
)  # fmt: skip
def test_an_expression_lets_through_what_it_says(wanted: CaptureFilter, expected: set[str], tmp_path: Path) -> None:
    assert passed(wanted, tmp_path) == expected


def test_any_packet_needs_no_expression() -> None:
    assert pcap_filter(CaptureFilter(everything=True)) == ""
