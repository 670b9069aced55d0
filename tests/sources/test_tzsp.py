"""Mirrored packets over UDP: real sockets, real overflows, several senders, and strangers."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from struct import pack

import pytest

from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, PacketBatch
from fieldkit.pipeline import Pipeline
from fieldkit.sources import tzsp as tzsp_module
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import FileSource, Item, SourceError
from fieldkit.sources.listen import Listener
from fieldkit.sources.recording import Recording
from fieldkit.sources.tzsp import TzspListener, parse
from tests.traffic.decoded import Decoded, decode_files
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import needs_root, run
from tests.traffic.packets import ethernet, ipv4, packet

SOMETHING = CAPTURES / "made" / "reconnects.pcap"
FRAME = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"hello"))
MIKROTIK = b"\x01\x00\x00\x01\x01"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mirror:
    """A router that mirrors to a listener."""

    def __init__(self, address: str = "", here: str = "127.0.0.1") -> None:
        self.port = free_port()
        self.listener = TzspListener(f"tzsp://{address}:{self.port}", FrameNumbers())
        self.here = here

    def send(self, *datagrams: bytes, source: str = "") -> None:
        family = socket.AF_INET6 if ":" in self.here else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            if source:
                sender.bind((source, 0))
            for datagram in datagrams:
                sender.sendto(datagram, (self.here, self.port))


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    made = Mirror()
    yield made
    made.listener.close()


def batches(items: list[Item]) -> list[PacketBatch]:
    return [item for item in items if isinstance(item, PacketBatch)]


def packets(items: list[Item]) -> list[bytes]:
    return [
        batch.buffer[start:end] for batch in batches(items) for start, end in zip(batch.starts, batch.ends, strict=True)
    ]


def told(items: list[Item]) -> list[str]:
    return [item.text for item in items if isinstance(item, CaptureComment)]


def numbered(*numbers: int, sensor: bytes = b"") -> list[bytes]:
    fields = b"\x3c" + bytes((len(sensor),)) + sensor if sensor else b""
    return [b"\x01\x00\x00\x01\x28\x04" + pack("!I", number) + fields + b"\x01" + FRAME for number in numbers]


# -------------------------------------------------------------------------------------------------------------- packets


def test_packets_come_with_the_time_of_their_arrival(mirror: Mirror) -> None:
    assert mirror.listener.read() == []
    time.sleep(0.1)  # it takes the kernel a moment to begin to stamp
    before = time.time_ns()
    mirror.send(MIKROTIK + FRAME, MIKROTIK + FRAME)
    after = time.time_ns()
    time.sleep(0.2)  # the time is the kernel's, not that of reading
    items = mirror.listener.read()
    (batch,) = batches(items)
    assert packets(items) == [FRAME, FRAME]
    assert (batch.linktype, batch.first_frame, batch.layout.interface(batch.buffer, 8)) == (1, 1, 0)
    times = [batch.layout.time(batch.buffer, start) for start in batch.starts]
    assert before <= times[0] <= times[1] <= after
    mirror.send(MIKROTIK + FRAME)
    assert batches(mirror.listener.read())[0].first_frame == 3
    assert mirror.listener.counters() == (3, 0)


def test_link_types_do_not_share_a_batch_and_keep_their_order(mirror: Mirror) -> None:
    raw = b"\x01\x00\x00\x07\x01" + FRAME[14:]
    mirror.send(MIKROTIK + FRAME, raw, raw, MIKROTIK + FRAME)
    assert [(batch.linktype, len(batch.starts), batch.first_frame) for batch in batches(mirror.listener.read())] == [
        (1, 1, 1),
        (101, 2, 2),
        (1, 1, 4),
    ]


@pytest.mark.parametrize(
    "address, here", [("", "127.0.0.1"), ("", "::1"), ("[::1]", "::1"), ("127.0.0.1", "127.0.0.1")]
)
def test_where_it_listens(address: str, here: str) -> None:
    if ":" in here and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    made = Mirror(address, here)
    with closing(made.listener) as listener:
        made.send(MIKROTIK + FRAME)
        items = listener.read()
        assert packets(items) == [FRAME]
        assert told(items) == [f"{here} mirrors packets to {listener.name}"]


def test_a_replayed_site_is_decoded_and_recorded(mirror: Mirror, tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng")
    with closing(FileSource(str(SOMETHING))) as source:
        frames = packets(list(source.items()))
    mirror.send(*(MIKROTIK + frame for frame in frames))
    began = time.monotonic()
    listener = Listener([mirror.listener], Pipeline("out.pcapng"), recording)
    events = [event for batch in listener.batches(lambda: time.monotonic() > began + 0.5) for event in batch]
    live, recorded = Decoded(events), decode_files(recording.path, validate=False)
    assert live.lines == recorded.lines
    expected = decode_files(SOMETHING)
    assert [message.raw for message in live.messages] == [message.raw for message in expected.messages]
    assert [message.frames for message in live.messages] == [message.frames for message in expected.messages]


# --------------------------------------------------------------------------------------------------------------- losses


def test_missing_numbers_are_lost_datagrams(mirror: Mirror) -> None:
    mirror.send(*numbered(7, 8, 12, 13, 13, 11, 14))
    mirror.listener.read()
    (lost,) = (item for item in mirror.listener.tick(5) if isinstance(item, CaptureDropped))
    assert (lost.count, lost.time, lost.interface) == (3, 5, f"{mirror.listener.name} from 127.0.0.1")
    assert mirror.listener.counters() == (7, 3)
    assert mirror.listener.tick(6) == []


def test_each_sender_and_each_radio_counts_for_itself(mirror: Mirror) -> None:
    mirror.send(*numbered(1, 2, 3))
    mirror.send(*numbered(901, 902), source="127.0.0.2")
    mirror.send(*numbered(1, 2, sensor=b"\x02\0\0\0\0\x09"))
    mirror.send(*numbered(4, 5))
    mirror.send(*numbered(904), source="127.0.0.2")
    items = mirror.listener.read()
    assert told(items) == [
        f"{sender} mirrors packets to {mirror.listener.name}" for sender in ("127.0.0.1", "127.0.0.2")
    ]
    lost = [(item.interface, item.count) for item in mirror.listener.tick(1) if isinstance(item, CaptureDropped)]
    assert lost == [(f"{mirror.listener.name} from 127.0.0.2", 1)]


def test_numbers_that_begin_anew_or_come_round_are_no_loss(mirror: Mirror) -> None:
    mirror.send(*numbered(0xFFFF_FFFE, 0xFFFF_FFFF, 0, 1, 3_000_000_000, 3_000_000_001, 5))
    mirror.listener.read()
    assert mirror.listener.tick(1) == []


def test_what_finds_no_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tzsp_module, "BUFFER", 1 << 16)
    made = Mirror()
    with closing(made.listener) as listener:
        made.send(*[MIKROTIK + FRAME] * 2000)
        came = 0
        while some := len(packets(listener.read())):
            came += some
        (lost,) = (item for item in listener.tick(5) if isinstance(item, CaptureDropped))
        assert lost.count == 2000 - came > 0
        assert listener.counters() == (came, lost.count)
        assert not listener.tick(6)


# ------------------------------------------------------------------------------------------------------------ strangers


def test_what_is_no_tzsp_is_told_once_a_second_and_in_one_line(mirror: Mirror) -> None:
    mirror.send(*[b"M-SEARCH * HTTP/1.1\r\n\x1b[31m"] * 500, MIKROTIK + FRAME, b"\x01\x00\x00\x01\x28")
    mirror.send(b"?" * 30, source="127.0.0.2")
    assert len(packets(mirror.listener.read())) == 1
    errors = [item for item in mirror.listener.tick(9) if isinstance(item, DecodeError)]
    assert [error.reason for error in errors] == [
        f"501 datagrams from 127.0.0.1 and others to {mirror.listener.name} were no TZSP of version 1",
        f"1 datagrams from 127.0.0.1 to {mirror.listener.name} were TZSP with a field that is longer than what was sent",
    ]
    assert (errors[0].layer, errors[0].time, errors[0].lost) == ("tzsp", 9, 500 * 26 + 30)
    assert len(errors[0].data) <= 64
    assert not mirror.listener.tick(10)


def test_keepalives_and_damaged_frames_are_no_packets(mirror: Mirror) -> None:
    beacon = b"\x80\x00" + bytes(34)
    mirror.send(b"\x01\x04\x00\x00", b"\x01\x05\x00\x00", b"\x01\x00\x00\x12\x11\x01\x01\x01" + beacon)
    assert packets(mirror.listener.read()) == []
    (error,) = mirror.listener.tick(1)
    assert isinstance(error, DecodeError)
    assert "damaged on the radio link" in error.reason


def test_a_mirror_in_the_mirror_is_left_out_and_told(mirror: Mirror) -> None:
    ours = pack("!4H", 5000, mirror.port, 8 + 70, 0) + MIKROTIK + FRAME
    mirror.send(MIKROTIK + ethernet(ipv4("10.1.0.1", "10.1.0.2", ours, 17)), MIKROTIK + FRAME)
    assert packets(mirror.listener.read()) == [FRAME]
    (error,) = mirror.listener.tick(1)
    assert isinstance(error, DecodeError)
    assert "leave UDP to this port out of what is mirrored" in error.reason


def test_many_strangers_take_no_memory(mirror: Mirror) -> None:
    items: list[Item] = []
    for number in range(200):
        mirror.listener._take(numbered(1)[0], number, f"10.0.0.{number}", items)
    mirror.listener._flush(items)
    assert len(mirror.listener._senders) == len(told(items)) == tzsp_module.MAX_SENDERS + 1
    assert len(mirror.listener._sequences) == tzsp_module.MAX_SENDERS
    assert mirror.listener.packets == 200


def test_silence_is_told_once(mirror: Mirror) -> None:
    second = 10**9
    assert mirror.listener.tick(100 * second) == mirror.listener.tick(105 * second) == []
    (comment,) = mirror.listener.tick(111 * second)
    assert isinstance(comment, CaptureComment)
    assert "nothing has been sent to" in comment.text
    assert mirror.listener.tick(130 * second) == []


# ----------------------------------------------------------------------------------------------------------- addresses


def test_urls() -> None:
    assert parse("tzsp://") == ("", 37008)
    assert parse("tzsp://:5555") == ("", 5555)
    assert parse("tzsp://192.168.88.2") == ("192.168.88.2", 37008)
    assert parse("tzsp://[fe80::1%eth0]:37009/") == ("fe80::1%eth0", 37009)


@pytest.mark.parametrize(
    "url", ["tzsp://:0", "tzsp://:99999", "tzsp://a:b", "tzsp://a/b", "tzsp://fe80::1:2", "tzsp:/x"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(SourceError, match=r"give tzsp://\[ADDRESS\]"):
        parse(url)


def test_a_port_that_is_taken(mirror: Mirror) -> None:
    with pytest.raises(SourceError, match=f"another program listens on UDP port {mirror.port} already"):
        TzspListener(f"tzsp://:{mirror.port}", FrameNumbers())


@pytest.mark.parametrize("address", ["203.0.113.77", "nosuchhost.invalid", "[2001:db8::77]", "x" * 300])
def test_an_address_of_somebody_else(address: str) -> None:
    with pytest.raises(SourceError, match="is no address of this machine"):
        TzspListener(f"tzsp://{address}:{free_port()}", FrameNumbers())


@needs_root
def test_the_rights_of_root_are_not_needed() -> None:
    """Without CAP_NET_ADMIN there is less room, and that is all."""
    code = (
        "import encodings.idna, os\n"
        "from fieldkit.sources.tzsp import TzspListener\n"
        "from fieldkit.sources.afpacket import FrameNumbers\n"
        "os.setgid(65534); os.setuid(65534)\n"
        f"print(TzspListener('tzsp://127.0.0.1:{free_port()}', FrameNumbers()).read())"
    )
    assert run(sys.executable, "-c", code).strip() == "[]"
