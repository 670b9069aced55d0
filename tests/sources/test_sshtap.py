"""A router over ssh: a real ssh server, the real tcpdump, and everything that can go wrong on the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, Event, PacketBatch, StreamGap
from fieldkit.pipeline import Pipeline
from fieldkit.sources import sshtap as sshtap_module
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter, host
from fieldkit.sources.listen import Listener
from fieldkit.sources.recording import Recording
from fieldkit.sources.sshtap import SshTap
from fieldkit.tally import Tally
from tests.traffic.conversation import Session
from tests.traffic.decoded import Decoded, decode_files
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import Cable, cable, needs_network, needs_tcpreplay
from tests.traffic.packets import ethernet, packet
from tests.traffic.sshlab import Router, Tapped, children, kill, needs_sshd, router, running, tap, wait_for
from tests.traffic.taps import Tap

pytestmark = [needs_sshd, needs_network]

SOMETHING = CAPTURES / "made" / "reconnects.pcap"


def segment(number: int, data: bytes = b"hello") -> bytes:
    return ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1 + number * len(data), 1, "PA", data))


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fks") as laid:
        yield laid


@pytest.fixture(scope="module")
def routers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    with router(tmp_path_factory.mktemp("router")) as made:
        yield made


# ------------------------------------------------------------------------------------------------------------ as it should


@needs_tcpreplay
def test_what_passes_the_router_is_decoded_and_recorded(routers: Router, wire: Cable, tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng")
    source = SshTap(routers.url(wire.there), CaptureFilter(), FrameNumbers(), ssh=routers.ssh)
    listener = Listener([source], Pipeline("out.pcapng"), recording)
    begun: list[float] = []

    def stop() -> bool:
        if not begun and source._session is not None and source._session.capturing:
            subprocess.run(["tcpreplay", "-q", "--topspeed", "-i", wire.here, str(SOMETHING)], stdout=-3, check=True)
            begun.append(time.monotonic())
        return bool(begun) and time.monotonic() > begun[0] + 1.6

    events = [event for batch in listener.batches(stop) for event in batch]
    live, recorded = Decoded(events), decode_files(recording.path, validate=False)
    assert live.lines == recorded.lines == decode_files(SOMETHING).lines
    assert [message.frames for message in live.messages] == [message.frames for message in recorded.messages]
    assert (listener.received, listener.dropped, listener.failed) == (77, 0, {})
    assert not [event for event in events if isinstance(event, CaptureComment)], "nothing to say: same clock"


def test_what_is_under_way_when_it_is_stopped_still_comes(routers: Router, wire: Cable) -> None:
    """libpcap keeps a few packets back for up to a second."""
    tapped = tap(routers, wire.there)
    tapped.begin()
    wire.send(*map(segment, range(3)))
    tapped.items += tapped.tap.stop()
    assert tapped.packets == [segment(number).ljust(60, b"\0") for number in range(3)]
    assert tapped.tap.counters() == (3, 0)
    assert tapped.tap.ended() == ""
    assert tapped.tap.fileno() == -1
    assert not running("tcpdump", wire.there)
    assert not running(*routers.ssh)
    tapped.tap.close()


def test_closing_ends_tcpdump_at_once(routers: Router, wire: Cable) -> None:
    tapped = tap(routers, wire.there)
    tapped.begin()
    assert running("tcpdump", wire.there)
    began = time.monotonic()
    tapped.tap.close()
    assert time.monotonic() - began < 1
    wait_for(lambda: not running("tcpdump", wire.there), 1)
    assert not running(*routers.ssh)


def test_the_session_itself_is_not_captured(routers: Router) -> None:
    """On the interface that ssh goes through, each packet would make another one."""
    both = [tap(routers, "lo", wanted) for wanted in (CaptureFilter(), CaptureFilter(everything=True))]
    for tapped in both:
        tapped.begin()
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
        port = server.getsockname()[1].to_bytes(2, "big")
    for tapped in both:
        wait_for_packet(tapped, port)
    time.sleep(1)  # what the first packets made would come now
    ssh = routers.port.to_bytes(2, "big")
    for tapped in both:
        tapped.turn()
        assert not [packet for packet in tapped.packets if ssh in (packet[34:36], packet[36:38])]
        tapped.tap.close()


def wait_for_packet(tapped: Tapped, part: bytes) -> None:
    tapped.until(lambda: any(part in packet for packet in tapped.packets))


def test_the_filter_is_applied_there(routers: Router, wire: Cable) -> None:
    plain = segment(0)
    sent = [
        plain,
        ethernet(packet("10.2.0.7", "203.0.113.5", 40_000, 80, 1, 1, "PA", b"hello")),
        plain[:12] + b"\x81\x00\x00\x07" + plain[12:],
        plain[:12] + b"\x88\xcc" + bytes(50),
    ]
    filters = (
        (CaptureFilter(), [0, 1, 2]),
        (CaptureFilter(ports=(9000,)), [0, 2]),
        (CaptureFilter(hosts=(host("10.2.0.0/16"),)), [1]),
        (CaptureFilter(vlan=7), [2]),
        (CaptureFilter(everything=True), [0, 1, 2, 3]),
    )
    taps = [tap(routers, wire.there, wanted) for wanted, _ in filters]
    for tapped in taps:
        tapped.begin()
    wire.send(*sent)
    time.sleep(1.2)
    for tapped, (wanted, kept) in zip(taps, filters, strict=True):
        tapped.turn()
        assert tapped.packets == [sent[place].ljust(60, b"\0") for place in kept], wanted
        tapped.tap.close()


def test_any_interface(routers: Router, wire: Cable) -> None:
    """Where VLAN tags cannot be looked behind, tcpdump refuses the filter that does, and gets another."""
    tapped = tap(routers, "any", CaptureFilter(ports=(9000,)))
    tapped.begin()
    wire.send(segment(0))
    tapped.items += tapped.tap.stop()
    assert sum(b"hello" in packet for packet in tapped.packets) >= 1
    assert {item.linktype for item in tapped.items if isinstance(item, PacketBatch)} <= {113, 276}


def test_drops_are_told_while_it_runs(routers: Router, wire: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldkit.sources.sshsession.BEAT", 0.1)
    tapped = tap(routers, wire.there)
    tapped.begin()
    (tcpdump,) = running("tcpdump", wire.there)
    os.kill(tcpdump, signal.SIGSTOP)
    big = segment(0, b"x" * 1400)
    wire.send(*[big] * 3000)
    os.kill(tcpdump, signal.SIGCONT)
    tapped.until(lambda: any(isinstance(item, CaptureDropped) for item in tapped.items))
    (lost,) = (item for item in tapped.items if isinstance(item, CaptureDropped))
    assert (lost.interface, lost.count) == (tapped.tap.name, tapped.tap.counters()[1])
    assert lost.count > 0
    tapped.items += tapped.tap.stop()
    received, dropped = tapped.tap.counters()
    assert received >= 3000
    assert len(tapped.packets) == received - dropped


# ------------------------------------------------------------------------------------------------------ when it is cut off


def test_a_session_that_is_dropped_is_taken_up_again(
    routers: Router, wire: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshtap_module, "FIRST_PAUSE", 0.3)
    tapped = tap(routers, wire.there)
    tapped.begin()
    frames = conversation()
    part = len(frames) - 7
    wire.send(*frames[:part])
    tapped.until(lambda: len(tapped.packets) == part)
    routers.drop()
    tapped.until(lambda: tapped.tap.fileno() == -1)
    assert tapped.tap.ended() is None
    wait_for(lambda: not running("tcpdump", wire.there), 5)  # the one before is gone
    wire.send(*frames[part : part + 3])
    tapped.until(lambda: tapped.tap.fileno() >= 0)
    tapped.begin()
    wire.send(*frames[part + 3 :])
    tapped.until(lambda: len(tapped.packets) == part + 4)
    assert tapped.numbers == [*range(1, part + 5)]
    assert [text.partition(" (")[0] for text in tapped.told] == [
        f"the capture on {tapped.tap.name} was interrupted",
        f"capturing again on {tapped.tap.name}",
    ]
    (hole,) = (item for item in tapped.items if isinstance(item, DecodeError))
    assert hole.layer == "live"
    assert hole.reason.startswith("nothing was captured for ")
    assert tapped.tap.counters()[0] == part + 4
    pipeline = Pipeline("x")
    events: list[Event] = []
    for item in tapped.items:
        events += pipeline.feed_packets(item)  # type: ignore[arg-type]
    events += pipeline.finish()
    assert [event for event in events if isinstance(event, StreamGap)], "the connection shows what it lacks"
    tally = Tally()
    for event in events:
        tally.note(event)
    assert tally.incomplete
    assert tally.damage == [hole.reason]
    tapped.tap.close()


def conversation() -> list[bytes]:
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    for _ in range(6):
        session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    return [packet[1] for packet in Tap().packets(session.segments)]


def test_a_router_that_is_away_for_a_while(tmp_path: Path, wire: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshtap_module, "FIRST_PAUSE", 0.2)
    with router(tmp_path) as made:
        tapped = tap(made, wire.there)
        tapped.begin()
        made.stop()
        tapped.until(lambda: len(tapped.told) == 1)
        time.sleep(0.8)  # it calls again, and nobody is there
        tapped.turn()
        assert tapped.tap.ended() is None
        made.start()
        tapped.until(lambda: len(tapped.told) == 2)
        assert running("tcpdump", wire.there)
        tapped.tap.close()


def test_a_router_with_another_key_is_not_called_again(
    tmp_path: Path, wire: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshtap_module, "FIRST_PAUSE", 0.2)
    with router(tmp_path) as made:
        tapped = tap(made, wire.there)
        tapped.begin()
        made.stop()
        made.make_key("host_key")
        made.start()
        assert "the ssh key of 127.0.0.1 has changed" in tapped.end()


def test_an_interface_that_goes_and_comes_back(routers: Router, wire: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshtap_module, "FIRST_PAUSE", 0.2)
    tapped = tap(routers, wire.there)
    tapped.begin()
    wire.cut()
    tapped.until(lambda: len(tapped.told) == 1)
    assert "interface" in tapped.told[0]
    wire.lay()
    tapped.until(lambda: len(tapped.told) == 2)
    wire.send(segment(0))
    tapped.items += tapped.tap.stop()
    assert len(tapped.packets) == 1


# ------------------------------------------------------------------------------------------------------- nothing stays behind


def test_nothing_stays_behind_when_we_are_killed(routers: Router, wire: Cable) -> None:
    code = (
        "import sys, time\n"
        "from fieldkit.sources.afpacket import FrameNumbers\n"
        "from fieldkit.sources.bpf import CaptureFilter\n"
        "from fieldkit.sources.sshtap import SshTap\n"
        "tap = SshTap(sys.argv[1], CaptureFilter(), FrameNumbers(), ssh=sys.argv[2:])\n"
        "while True:\n    tap.read(); tap.tick(0); time.sleep(0.05)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ours = subprocess.Popen([sys.executable, "-c", code, routers.url(wire.there), *routers.ssh], env=environment)
    wait_for(lambda: running("tcpdump", wire.there, "-w"))
    ours.kill()
    ours.wait()
    wait_for(lambda: not running("tcpdump", wire.there), 2)
    wait_for(lambda: not running(*routers.ssh), 2)
    wait_for(lambda: not routers.sessions(), 2)


def test_nothing_stays_behind_when_ssh_is_killed(routers: Router, wire: Cable) -> None:
    tapped = tap(routers, wire.there)
    tapped.begin()
    for process in running(*routers.ssh):
        kill(process)
    wait_for(lambda: not running("tcpdump", wire.there), 2)
    tapped.tap.close()


def test_no_password_is_on_any_command_line(routers: Router, wire: Cable) -> None:
    tapped = tap(routers, wire.there)
    tapped.begin()
    ours = children(os.getpid())
    lines = [Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0") for process in ours]
    (line,) = (line for line in lines if line[0] == b"ssh")
    assert b"BatchMode=yes" in line
    assert b"ControlMaster=no" in line
    assert line[line.index(b"--") + 1] == b"127.0.0.1"
    assert not [word for word in line if b"pass" in word.lower()]
    tapped.tap.close()
