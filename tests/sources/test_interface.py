"""Live capture on virtual cables: what is sent arrives, and cables that are cut are told of."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, Event, PacketBatch
from fieldkit.pipeline import Pipeline
from fieldkit.sources.afpacket import FrameNumbers, PacketRing
from fieldkit.sources.bpf import CaptureFilter, host
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.interface import Interface, interfaces
from fieldkit.sources.listen import Listener
from fieldkit.sources.recording import Recording
from tests.traffic.decoded import Decoded, decode_files
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import Cable, cable, needs_network, needs_root, needs_tcpreplay, run
from tests.traffic.packets import ethernet, packet

SOMETHING = CAPTURES / "made" / "reconnects.pcap"
PACKET = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"hello"))


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fki") as laid:
        yield laid


def seen(ring: PacketRing, seconds: float = 0.15) -> list[bytes]:
    time.sleep(seconds)
    return [
        batch.buffer[start:end] for batch in ring.read() for start, end in zip(batch.starts, batch.ends, strict=True)
    ]


@needs_network
def test_packets_come_with_their_time_and_a_number(wire: Cable) -> None:
    numbers = FrameNumbers()
    ring = PacketRing(wire.there, CaptureFilter(), numbers, size=1 << 20)
    before = time.time_ns()
    wire.send(PACKET, PACKET, PACKET)
    time.sleep(0.15)
    (batch,) = ring.read()
    assert (len(batch.starts), batch.first_frame, batch.linktype) == (3, 1, 1)
    times = [batch.layout.time(batch.buffer, start) for start in batch.starts]
    assert before - 10_000_000 <= times[0] <= times[1] <= times[2] <= time.time_ns()
    wire.send(PACKET)
    time.sleep(0.15)
    (batch,) = ring.read()
    assert batch.first_frame == 4
    assert ring.count() == 0
    assert ring.received == 4
    ring.close()


@needs_network
def test_what_finds_no_room_is_counted(wire: Cable) -> None:
    ring = PacketRing(wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    big = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"x" * 1400))
    wire.send(*[big] * 1500)
    came = len(seen(ring))
    assert ring.count() == 1500 - came > 0
    ring.close()


@needs_network
@needs_tcpreplay
def test_a_live_capture_says_the_same_as_its_recording(wire: Cable, tmp_path: Path) -> None:
    numbers = FrameNumbers()
    recording = Recording(tmp_path / "out.pcapng")
    listener = Listener([Interface(wire.there, CaptureFilter(), numbers)], Pipeline("out.pcapng"), recording)
    with subprocess.Popen(["tcpreplay", "-q", "--topspeed", "-i", wire.here, str(SOMETHING)], stdout=-3) as replay:
        events = listened(listener, lambda: replay.poll() is not None)
    live, recorded = Decoded(events), decode_files(recording.path, validate=False)
    assert live.lines == recorded.lines == decode_files(SOMETHING).lines
    assert [message.frames for message in live.messages] == [message.frames for message in recorded.messages]


def listened(listener: Listener, done: Callable[[], bool]) -> list[Event]:
    """What comes until half a second after ``done``."""
    ends: list[float] = []

    def stop() -> bool:
        if done() and not ends:
            ends.append(time.monotonic() + 0.5)
        return bool(ends) and time.monotonic() > ends[0]

    return [event for batch in listener.batches(stop) for event in batch]


@needs_network
def test_an_interface_that_goes_down_and_comes_back_goes_on(wire: Cable) -> None:
    interface = Interface(wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    wire.set("down")
    assert told(interface.tick(1)) == [f"{wire.there} went down"]
    wire.set("up")
    assert told(interface.tick(2)) == [f"{wire.there} is up"]
    wait_for(lambda: "LOWER_UP" in run("ip", "link", "show", wire.here))
    wire.send(PACKET)
    time.sleep(0.15)
    assert [len(item.starts) for item in interface.read() if isinstance(item, PacketBatch)] == [1]
    interface.close()


@needs_network
def test_an_interface_that_is_taken_away_and_put_back_goes_on(wire: Cable) -> None:
    interface = Interface(wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    wire.send(PACKET)
    time.sleep(0.15)
    wire.cut()
    items = interface.tick(1)
    assert [len(item.starts) for item in items if isinstance(item, PacketBatch)] == [1], "what had come is not lost"
    assert told(items) == [f"{wire.there} is gone"]
    assert interface.fileno() == -1
    assert interface.read() == interface.tick(2) == []
    wire.lay()
    items = interface.tick(2_000_000_001)
    assert told(items) == [f"{wire.there} is back"]
    (hole,) = (item for item in items if isinstance(item, DecodeError))
    assert (hole.layer, hole.reason) == (
        "live",
        f"nothing was captured for 2 s on {wire.there}: the interface was gone",
    )
    wire.send(PACKET, PACKET)
    time.sleep(0.15)
    assert [len(item.starts) for item in interface.read() if isinstance(item, PacketBatch)] == [2]
    interface.tick(4)
    assert interface.counters() == (3, 0)
    interface.close()


@needs_network
def test_lost_packets_are_an_event(wire: Cable) -> None:
    interface = Interface(wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    wire.send(*[ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"x" * 1400))] * 1500)
    (lost,) = (item for item in interface.tick(7) if isinstance(item, CaptureDropped))
    assert (lost.interface, lost.time) == (wire.there, 7)
    assert lost.count == interface.counters()[1] > 0
    interface.close()


@needs_root
def test_no_such_interface_is_one_clear_line() -> None:
    with pytest.raises(SourceError, match="nosuch0: there is no such interface"):
        Interface("nosuch0", CaptureFilter(), FrameNumbers())


@needs_network
def test_interfaces_that_are_up_are_listed(wire: Cable) -> None:
    assert wire.there in interfaces()
    wire.set("down")
    assert wire.there not in interfaces()


def told(items: list[Item]) -> list[str]:
    return [item.text for item in items if isinstance(item, CaptureComment)]


def wait_for(condition: Callable[[], bool], seconds: float = 3) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@needs_network
def test_packets_for_somebody_else_are_taken_too(wire: Cable) -> None:
    """A mirrored port is full of them: the interface is made promiscuous, and left as it was."""
    assert promiscuous(wire.there) == 0
    ring = PacketRing(wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    assert promiscuous(wire.there) == 1
    ring.close()
    assert promiscuous(wire.there) == 0


def promiscuous(interface: str) -> int:
    (link,) = json.loads(run("ip", "-j", "-d", "link", "show", interface))
    return int(link["promiscuity"])


@needs_root
def test_loopback_shows_each_packet_once() -> None:
    interface = Interface("lo", CaptureFilter(hosts=(host("127.0.0.1"),)), FrameNumbers(), size=1 << 20)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0]:
            client.sendall(b"once")
    time.sleep(0.15)
    came = [
        item.buffer[start:end]
        for item in interface.read()
        if isinstance(item, PacketBatch)
        for start, end in zip(item.starts, item.ends, strict=True)
    ]
    assert len([packet for packet in came if packet.endswith(b"once")]) == 1
    interface.close()


@needs_network
def test_a_packet_put_together_by_the_kernel_comes_whole() -> None:
    """TCP segmentation offload: one packet of up to 64 kB crosses a virtual cable."""
    name = f"fkn{os.getpid() % 10_000}"
    run("ip", "netns", "add", name)
    try:
        with cable("fkg") as wire:
            run("ip", "link", "set", wire.here, "netns", name)
            run("ip", "-n", name, "addr", "add", "10.77.0.2/24", "dev", wire.here)
            run("ip", "-n", name, "link", "set", wire.here, "up")
            run("ip", "addr", "add", "10.77.0.1/24", "dev", wire.there)
            ring = PacketRing(wire.there, CaptureFilter(), FrameNumbers(), size=4 << 20)
            with socket.create_server(("10.77.0.1", 0)) as server:
                code = f"import socket; s = socket.create_connection(('10.77.0.1', {server.getsockname()[1]})); s.sendall(bytes(300_000))"
                with subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", code]):
                    accepted, _ = server.accept()
                    with accepted:
                        while accepted.recv(1 << 20):
                            pass
            came = seen(ring)
            ring.close()
    finally:
        run("ip", "netns", "del", name)
    sizes = [len(packet) for packet in came]
    assert max(sizes) > 20_000
    payload = sum(
        int.from_bytes(packet[16:18], "big") - 20 - (packet[46] >> 4) * 4 for packet in came if packet[23] == 6
    )
    assert payload == 300_000
    assert all(
        len(packet) >= 14 + int.from_bytes(packet[16:18], "big") for packet in came if packet[12:14] == b"\x08\0"
    )


@needs_network
def test_times_of_the_interfaces_own_clock(wire: Cable) -> None:
    """No virtual card has a clock: packets of the ring are marked as if theirs had, right and 37 s ahead."""
    ring = PacketRing(wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    lead, now = 82, time.time_ns()

    def block(moments: list[int]) -> bytes:
        return b"".join(
            struct.pack("=IIIIII", 200 if more else 0, moment // 10**9, moment % 10**9, 60, 60, 1 << 31).ljust(
                24, b"\0"
            )
            + struct.pack("=H", lead).ljust(lead - 24, b"\0")
            + PACKET.ljust(200 - lead, b"\0")
            for more, moment in zip([1] * (len(moments) - 1) + [0], moments, strict=True)
        )

    (batch,) = ring._batches(block([now - 3_000_000, now - 1_000_000]), 2, 0)
    assert [batch.layout.time(batch.buffer, start) for start in batch.starts] == [now - 3_000_000, now - 1_000_000]
    ring.hardware_time = True
    ahead = now + 37 * 10**9
    (batch,) = ring._batches(block([ahead, ahead + 2_000_000]), 2, 0)
    first, second = (batch.layout.time(batch.buffer, start) for start in batch.starts)
    assert second - first == 2_000_000
    assert abs(second - time.time_ns()) < 10**9
    assert not ring.hardware_time
    assert 36 * 10**9 < -ring.clock_off < 38 * 10**9
    ring.close()
