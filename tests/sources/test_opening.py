"""What a user names becomes live sources; what cannot be opened is one clear line."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from fieldkit.sources import opening
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import SourceError
from fieldkit.sources.interface import Interface
from fieldkit.sources.opening import Wishes, choose, open_sources
from tests.traffic.netlab import Cable, cable, needs_network, needs_root
from tests.traffic.packets import ethernet, packet

SMALL = Wishes(buffer=1 << 20)
PACKET = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"hello"))


@pytest.mark.parametrize(
    "gained, masters, chosen",
    [
        ({"eth0": 5, "eth1": 900, "lo": 7}, {}, ["eth1", "eth0"]),
        ({"eth0": 0, "eth1": 0, "lo": 7}, {}, ["lo"]),
        ({"eth0": 0, "eth1": 0, "lo": 0}, {}, ["eth0", "eth1"]),
        ({"lo": 0}, {}, ["lo"]),
        (
            {"br-lan": 90, "lan1": 60, "lan2": 30, "wan": 50},
            {"lan1": "br-lan", "lan2": "br-lan"},
            ["lan1", "wan", "lan2"],
        ),
        ({"br-lan": 90, "lan1": 0}, {"lan1": "br-lan"}, ["br-lan"]),
    ],
)
def test_where_nothing_is_named_the_traffic_decides(
    gained: dict[str, int], masters: dict[str, str], chosen: list[str]
) -> None:
    assert choose(gained, masters) == chosen


@pytest.mark.parametrize(
    "spec, said",
    [
        ("nosuch0", "nosuch0: there is no such interface"),
        ("../../etc", "there is no such interface"),
        ("ftp://router/eth0", "this cannot be captured"),
        ("ssh://", "ssh://"),
        ("tzsp://nowhere.invalid:37008", "nowhere.invalid is no address"),
    ],
)
def test_what_is_no_source_is_refused_in_words(spec: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        open_sources([spec], SMALL, FrameNumbers())


def test_a_terminal_is_no_capture() -> None:
    program = (
        "from fieldkit.sources.opening import *; from fieldkit.sources.afpacket import FrameNumbers\n"
        "try: open_sources(['-'], Wishes(), FrameNumbers())\n"
        "except SourceError as error: print(error)"
    )
    controlling, terminal = pty.openpty()
    ran = subprocess.run([sys.executable, "-c", program], stdin=terminal, capture_output=True, text=True)
    os.close(controlling)
    os.close(terminal)
    assert "stdin is a terminal" in ran.stdout


@needs_root
def test_a_missing_interface_is_told_before_anything_takes_long() -> None:
    with pytest.raises(SourceError, match="nosuch0"):
        opening.check(["any", "-", "ssh://router/eth0", "nosuch0"])


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fko") as laid:
        yield laid


@needs_network
def test_interfaces_by_name(wire: Cable) -> None:
    opened = open_sources([wire.here, wire.there, wire.here], SMALL, FrameNumbers())
    assert [source.name for source in opened.sources] == [wire.here, wire.there]
    assert opened.notes == []
    opened.close()


@needs_network
def test_one_that_is_not_there_closes_the_others(wire: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    close = Interface.close

    def noted(self: Interface) -> None:
        closed.append(self.name)
        close(self)

    monkeypatch.setattr(Interface, "close", noted)
    with pytest.raises(SourceError, match="nosuch0"):
        open_sources([wire.here, "nosuch0"], SMALL, FrameNumbers())
    assert closed == [wire.here]


@needs_network
def test_any_takes_what_is_up_and_what_comes_up(wire: Cable) -> None:
    wire.set("down")
    opened = open_sources(["any"], SMALL, FrameNumbers())
    names = [source.name for source in opened.sources]
    assert wire.here in names
    assert wire.there not in names
    assert "interfaces that come up later" in opened.notes[0]
    assert list(opened.more()) == []
    wire.set("up")
    (late,) = opened.more()
    assert late.name == wire.there
    assert list(opened.more()) == [], "it looks after itself from now on"
    wire.set("down")
    wire.set("up")
    assert list(opened.more()) == []
    late.close()
    opened.close()


@needs_network
def test_without_a_name_the_interface_with_traffic_is_taken_and_told(wire: Cable) -> None:
    with sender(wire) as process:
        opened = open_sources([], SMALL, FrameNumbers())
        process.kill()
    names = [source.name for source in opened.sources]
    opened.close()
    assert {wire.here, wire.there} <= set(names)
    assert f"{wire.there} (" in opened.notes[0]
    assert "packets/s" in opened.notes[0]


def sender(wire: Cable) -> subprocess.Popen[bytes]:
    program = (
        "import socket, time\n"
        "wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)\n"
        f"wire.bind(({wire.here!r}, 0))\n"
        f"while True: wire.send({PACKET!r}.ljust(60)); time.sleep(0.001)\n"
    )
    return subprocess.Popen([sys.executable, "-c", program])


@needs_network
def test_a_filter_is_handed_on(wire: Cable) -> None:
    opened = open_sources([wire.there], Wishes(CaptureFilter(ports=(9001,)), 1 << 20), FrameNumbers())
    (source,) = opened.sources
    other = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9001, 1, 1, "PA", b"hello"))
    wire.send(PACKET, other, PACKET)
    time.sleep(0.15)
    assert sum(len(item.starts) for item in source.read() if hasattr(item, "starts")) == 1
    opened.close()
