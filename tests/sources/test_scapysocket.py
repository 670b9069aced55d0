"""scapy's sockets, on a virtual cable; and scapy as the one who knows rare link types."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from fieldkit.events import PacketBatch
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import SourceError
from fieldkit.wire import link
from tests.traffic.netlab import Cable, as_nobody, cable, needs_network, needs_nobody, needs_tcpdump
from tests.traffic.packets import ethernet, packet

pytest.importorskip("scapy", reason="needs scapy (pip install scapy)")
PACKET = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"hello")).ljust(60, b"\0")
OTHER = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 443, 1, 1, "PA", b"hello")).ljust(60, b"\0")


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fky") as laid:
        yield laid


@needs_network
@needs_tcpdump  # scapy has libpcap compile the filter
def test_packets_come_with_time_and_number(wire: Cable) -> None:
    from fieldkit.sources.scapysocket import ScapySource

    numbers = FrameNumbers()
    source = ScapySource(wire.there, CaptureFilter(ports=(9000,)), numbers)
    before = time.time_ns()
    wire.send(PACKET, OTHER, PACKET)
    time.sleep(0.1)
    (batch,) = source.read()
    assert isinstance(batch, PacketBatch)
    cut = [batch.buffer[start:end] for start, end in zip(batch.starts, batch.ends, strict=True)]
    assert (cut, batch.linktype, batch.first_frame) == ([PACKET, PACKET], 1, 1)
    times = [batch.layout.time(batch.buffer, start) for start in batch.starts]
    assert before - 10_000_000 < times[0] <= times[1] < time.time_ns()
    assert source.read() == []
    wire.set("down")
    assert source.read() == []
    assert source.ended() is None
    assert source.counters() == (2, 0)
    source.close()


@needs_network
def test_no_such_interface_is_one_clear_line() -> None:
    from fieldkit.sources.scapysocket import ScapySource

    with pytest.raises(SourceError, match="nosuch0: there is no such interface"):
        ScapySource("nosuch0", CaptureFilter(everything=True), FrameNumbers())


@needs_nobody
def test_without_rights_it_is_one_clear_line() -> None:
    code = (
        "from fieldkit.sources.scapysocket import *\n"
        "try: ScapySource('lo', CaptureFilter(everything=True), FrameNumbers())\n"
        "except SourceError as error: print(error)"
    )
    assert as_nobody("-c", code).stdout == "lo: capturing is not permitted: fieldkit doctor says what is missing\n"


def test_without_scapy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldkit.sources.scapysocket import ScapySource

    for module in [name for name in sys.modules if name.startswith("scapy")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "scapy", None)
    with pytest.raises(SourceError, match="scapy is not installed: pip install scapy"):
        ScapySource("lo", CaptureFilter(), FrameNumbers())


def test_scapy_finds_ip_where_nobody_here_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """PPI in front of Wi-Fi (192) is a header of variable length that scapy takes apart."""
    from scapy.layers.dot11 import Dot11
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import LLC, SNAP
    from scapy.layers.ppi import PPI

    from fieldkit.sources.scapysocket import teach

    monkeypatch.setattr(link, "_LAYERS", dict(link._LAYERS))
    assert link.needs_dissector(192)
    teach(192)
    layer = link.network_layer(192)
    assert layer is not None
    inner = bytes(IP(src="10.1.0.7", dst="10.1.0.9") / TCP() / b"hello")
    whole = bytes(PPI(dlt=105) / Dot11(type=2) / LLC() / SNAP() / IP(inner))
    assert layer(b"xx" + whole + b"yy", 2, 2 + len(whole)) == (4, 2 + len(whole) - len(inner))
    for junk in (b"", b"\0", b"\xff" * 40, whole[:12]):
        assert layer(junk, 0, len(junk)) is None
