"""dumpcap and tcpdump as sources, the real ones: what they capture, what they say when they cannot, how they end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit.events import CaptureDropped, PacketBatch
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.program import PROGRAMS, ProgramSource, explained, found
from tests.traffic.netlab import Cable, as_nobody, cable, needs_network, needs_nobody
from tests.traffic.packets import ethernet, packet

PACKET = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"hello"))
VIDEO = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9001, 1, 1, "PA", b"hello"))


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fkp") as laid:
        yield laid


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if found(name) is None:
        pytest.skip(f"needs {name} (apt-get install {'wireshark-common' if name == 'dumpcap' else name})")
    return name


def count(items: list[Item]) -> int:
    return sum(len(item.starts) for item in items if isinstance(item, PacketBatch))


def come(source: ProgramSource, number: int, seconds: float = 4) -> int:
    came, ends = 0, time.monotonic() + seconds
    while came < number and time.monotonic() < ends:
        came += count(source.read())
        time.sleep(0.01)
    return came


@needs_network
def test_packets_come_through_a_program(wire: Cable, program: str) -> None:
    source = ProgramSource(program, wire.there, CaptureFilter(ports=(9000,)), FrameNumbers(), size=1 << 20)
    process = source.process
    wire.send(PACKET, VIDEO, PACKET)
    assert come(source, 2) == 2
    assert source.ended() is None
    begin = time.monotonic()
    source.close()
    assert time.monotonic() - begin < 1.5
    assert source.ended() == ""
    assert source.counters() == (2, 0)
    assert not Path(f"/proc/{process}").exists(), "it is gone, and no zombie"
    source.close()  # harmless


@needs_network
def test_what_a_program_lost_is_told(wire: Cable, program: str) -> None:
    """It is stopped (SIGSTOP) while more comes than its buffer holds."""
    source = ProgramSource(program, wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    os.kill(source.process, signal.SIGSTOP)
    big = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"x" * 1400))
    wire.send(*[big] * 3000)
    os.kill(source.process, signal.SIGCONT)
    items: list[Item] = []
    ends = time.monotonic() + 1.5
    while time.monotonic() < ends:
        items += source.read()
        items += source.tick(5) if program == "tcpdump" else []  # it counts when it is asked, the other at its end
        time.sleep(0.02)
    items += source.stop()
    lost = sum(item.count for item in items if isinstance(item, CaptureDropped))
    assert lost > 0
    assert source.counters() == (3000 - lost, lost)
    assert count(items) == 3000 - lost
    source.close()


@needs_network
def test_a_program_that_is_killed_is_told_of(wire: Cable, program: str) -> None:
    source = ProgramSource(program, wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    os.kill(source.process, signal.SIGKILL)
    ends = time.monotonic() + 3
    while source.ended() is None and time.monotonic() < ends:
        source.read()
        time.sleep(0.01)
    assert source.ended() == f"{wire.there}: {program} was ended by signal 9"
    source.close()


@needs_network
def test_a_program_that_does_not_obey_is_killed(wire: Cable, program: str) -> None:
    source = ProgramSource(program, wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    os.kill(source.process, signal.SIGSTOP)
    process = source.process
    source.close()
    assert not Path(f"/proc/{process}").exists()


@needs_network
def test_the_interface_is_taken_away(wire: Cable, program: str) -> None:
    source = ProgramSource(program, wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
    wire.cut()
    ends = time.monotonic() + 4
    while source.ended() is None and time.monotonic() < ends:
        source.read()
        source.tick(1)
        time.sleep(0.02)
    assert source.ended() == f"{wire.there}: the interface is gone"
    source.close()


@needs_network
def test_no_such_interface_is_one_clear_line(program: str) -> None:
    with pytest.raises(SourceError, match=r"^nosuch0: there is no such interface \(fieldkit doctor lists them\)$"):
        ProgramSource(program, "nosuch0", CaptureFilter(), FrameNumbers())


@needs_network
@needs_nobody
def test_no_right_is_one_clear_line(program: str) -> None:
    said = as_nobody(
        "-c",
        "from fieldkit.sources.program import *\n"
        f"try: ProgramSource('{program}', 'lo', CaptureFilter(), FrameNumbers())\n"
        "except SourceError as error: print(error)",
    )
    assert said.stdout == (
        f"lo: {program} may not capture for you (fieldkit doctor says how to let it, or use sudo)\n"
    ), said.stderr


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("fieldkit.sources.program._SBIN", ("/nonexistent",))
    with pytest.raises(SourceError, match="dumpcap: it is not installed"):
        ProgramSource("dumpcap", "lo", CaptureFilter(), FrameNumbers())


@pytest.mark.parametrize(
    "kind, said, status, line",
    [
        ("tcpdump", ["tcpdump: eth0: That device is not up"], 1, "lo: tcpdump says: eth0: That device is not up"),
        ("dumpcap", ["Capturing on 'eth0'", 'dumpcap: Invalid capture filter "x"!'], 1,
            'lo: dumpcap says: Invalid capture filter "x"!'),
        ("tcpdump", ["3 packets captured", "0 packets dropped by kernel"], 0, ""),
        ("tcpdump", ["tcpdump: 3 packets captured, 3 packets received by filter"], -9,
            "lo: tcpdump was ended by signal 9"),
        ("tcpdump", [], 3, "lo: tcpdump ended with status 3"),
        ("tcpdump", ["tcpdump: en0: You don't have permission to capture on that device", "((cannot open BPF device) …)"], 1,
            "lo: tcpdump may not capture for you (fieldkit doctor says how to let it, or use sudo)"),
    ],
)  # fmt: skip
def test_what_they_say_becomes_one_line(kind: str, said: list[str], status: int, line: str) -> None:
    assert explained(kind, "lo", said, status) == line
