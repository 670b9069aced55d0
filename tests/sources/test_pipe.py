"""Captures that are still being written: what has been written is there at once, and nothing waits for more."""

from __future__ import annotations

import gzip
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from struct import pack

import pytest

from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, Event, PacketBatch, TlsSecrets
from fieldkit.pipeline import Pipeline
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.listen import Listener
from fieldkit.sources.pipe import BLOCK, CaptureStream, growing_file, standard_input
from fieldkit.sources.recording import Recording
from tests.traffic.capture import Pcapng, pcap_header, pcap_record, write_pcap
from tests.traffic.decoded import Decoded, decode_files
from tests.traffic.expectations import CAPTURES

SOMETHING = CAPTURES / "made" / "reconnects.pcap"
BEGIN = 1_788_163_200 * 10**9
PACKETS = [(BEGIN + number, bytes((number,)) * 60) for number in range(7)]


@pytest.fixture
def pipe() -> Iterator[tuple[CaptureStream, int]]:
    reading, writing = os.pipe()
    stream = CaptureStream(reading, "here", FrameNumbers())
    yield stream, writing
    stream.close()
    try:
        os.close(writing)
    except OSError:
        return


def packets(items: list[Item]) -> list[bytes]:
    return [
        item.buffer[start:end]
        for item in items
        if isinstance(item, PacketBatch)
        for start, end in zip(item.starts, item.ends, strict=True)
    ]


def numbers(items: list[Item]) -> list[int]:
    return [
        item.first_frame + place for item in items if isinstance(item, PacketBatch) for place in range(len(item.starts))
    ]


def everything(stream: CaptureStream) -> list[Item]:
    items: list[Item] = []
    while stream.ended() is None:
        items += stream.read()
    return items


def readable(stream: CaptureStream) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(stream.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))


# ------------------------------------------------------------------------------------------------------------- pipes


def test_what_has_been_written_is_there_at_once(pipe: tuple[CaptureStream, int]) -> None:
    stream, writing = pipe
    assert stream.read() == []
    os.write(writing, pcap_header())
    assert stream.read() == []
    record = pcap_record(PACKETS[0])
    os.write(writing, record[:30])
    assert stream.read() == []
    os.write(writing, record[30:])
    assert packets(stream.read()) == [PACKETS[0][1]]
    assert not readable(stream)
    os.write(writing, pcap_record(PACKETS[1]) + pcap_record(PACKETS[2])[:20])
    assert readable(stream)
    assert packets(stream.read()) == [PACKETS[1][1]]
    assert stream.ended() is None
    os.write(writing, pcap_record(PACKETS[2])[20:])
    os.close(writing)
    assert packets(stream.read()) == [PACKETS[2][1]]
    assert stream.read() == []
    assert (stream.ended(), stream.fileno()) == ("", -1)
    assert stream.counters() == (3, 0)


def test_times_and_link_type_are_the_captures_own(pipe: tuple[CaptureStream, int]) -> None:
    stream, writing = pipe
    os.write(writing, write_pcap(PACKETS, linktype=113, nanoseconds=True))
    (batch,) = (item for item in stream.read() if isinstance(item, PacketBatch))
    assert batch.linktype == 113
    assert [batch.layout.time(batch.buffer, start) for start in batch.starts] == [time for time, _ in PACKETS]


def test_packets_get_the_numbers_of_the_session() -> None:
    shared = FrameNumbers()
    shared.take(100)
    (one_read, one), (two_read, two) = os.pipe(), os.pipe()
    first, second = CaptureStream(one_read, "a", shared), CaptureStream(two_read, "b", shared)
    for writing in (one, two):
        os.write(writing, write_pcap(PACKETS[:3]))
    assert numbers(first.read()) == [101, 102, 103]
    assert numbers(second.read()) == [104, 105, 106]
    os.write(one, pcap_record(PACKETS[4]))
    assert numbers(first.read()) == [107]
    for writing in (one, two):
        os.close(writing)
    first.close()
    second.close()


def test_what_the_capture_says_of_a_packet_follows_its_number(pipe: tuple[CaptureStream, int]) -> None:
    stream, writing = pipe
    stream._numbers.take(40)
    capture = (
        Pcapng()
        .section()
        .interface(name="br-lan")
        .packet(PACKETS[0])
        .packet(PACKETS[1], comments=["look here"], dropped=3)
        .secrets("CLIENT_RANDOM 00 11")
    )
    os.write(writing, bytes(capture))
    items = stream.read()
    assert numbers(items) == [41, 42]
    comments = {item.text: item.frames for item in items if isinstance(item, CaptureComment)}
    assert comments == {"look here": (42,)}
    assert [(item.count, item.frames, item.interface) for item in items if isinstance(item, CaptureDropped)] == [
        (3, (42,), "br-lan")
    ]
    assert [item.text for item in items if isinstance(item, TlsSecrets)] == ["CLIENT_RANDOM 00 11"]
    assert stream.counters() == (2, 3)


def test_a_cut_end_is_said_and_names_no_packet_that_nobody_has(pipe: tuple[CaptureStream, int]) -> None:
    stream, writing = pipe
    os.write(writing, write_pcap(PACKETS)[:-10])
    os.close(writing)
    items = everything(stream)
    assert len(packets(items)) == 6
    (cut,) = (item for item in items if isinstance(item, DecodeError))
    assert "cut in the middle of packet 7" in cut.reason
    assert cut.frames == ()
    assert stream.ended() == ""


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_gzip_is_unpacked(pipe: tuple[CaptureStream, int], size: int) -> None:
    stream, writing = pipe
    packed = gzip.compress(write_pcap(PACKETS))
    items: list[Item] = []
    for at in range(0, len(packed), size):
        os.write(writing, packed[at : at + size])
        items += stream.read()
    os.close(writing)
    items += everything(stream)
    assert packets(items) == [data for _, data in PACKETS]


def test_reads_are_bounded(pipe: tuple[CaptureStream, int]) -> None:
    stream, writing = pipe
    data = write_pcap([(BEGIN, bytes(60_000))] * 40)

    def write() -> None:
        os.write(writing, data)
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    count = 0
    while stream.ended() is None:
        items = stream.read()
        assert sum(len(packet) for packet in packets(items)) <= BLOCK + 60_000
        count += len(packets(items))
    writer.join()
    assert count == 40


@pytest.mark.parametrize(
    "text, why",
    [
        (b"tcpdump: eth9: No such device", "what came is no capture but what tcpdump prints, not what it saves with -w"),
        (b"2026-08-31 12:00:00 [2,\"1\",\"Heartbeat\",{}]\n" * 40, "what came is no capture but text"),
        (b"", "nothing came"),
        (b"\xd4\xc3", "what came ends after 2 bytes, too early to be told from anything else"),
    ],
)  # fmt: skip
def test_what_is_no_capture_ends_with_the_reason(pipe: tuple[CaptureStream, int], text: bytes, why: str) -> None:
    stream, writing = pipe
    os.write(writing, text)
    os.close(writing)
    assert everything(stream) == []
    assert stream.ended() == why


def test_what_is_no_capture_is_told_while_the_pipe_is_still_open(pipe: tuple[CaptureStream, int]) -> None:
    stream, writing = pipe
    os.write(writing, b"hello, world")
    assert stream.read() == stream.tick(0) == []
    assert stream.ended() == "what came is no capture but text"


def test_a_socket_is_as_good_as_a_pipe() -> None:
    ours, theirs = socket.socketpair()
    with closing(CaptureStream(ours.detach(), "helper", FrameNumbers())) as stream:
        assert stream.read() == []
        theirs.sendall(write_pcap(PACKETS))
        assert len(packets(stream.read())) == 7
        theirs.close()
        stream.read()
        assert stream.ended() == ""


def test_nothing_at_all_as_standard_input_ends_at_once() -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    with closing(CaptureStream(fd, "stdin", FrameNumbers())) as stream:
        Listener([stream], Pipeline("x")).close()
        stream = CaptureStream(os.open(os.devnull, os.O_RDONLY), "stdin", FrameNumbers())
        for _ in Listener([stream], Pipeline("x")).batches(lambda: False):
            assert stream.ended() in ("nothing came", None)


def test_a_terminal_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    with pytest.raises(SourceError, match="stdin is a terminal"):
        standard_input(FrameNumbers())


# ------------------------------------------------------------------------------------------------- files that grow


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(write_pcap(PACKETS))
    stream = CaptureStream(os.open(file, os.O_RDONLY), "a.pcap", FrameNumbers())
    assert readable(stream)
    assert len(packets(everything(stream))) == 7
    assert stream.ended() == ""
    stream.close()


def test_a_file_that_grows_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(pcap_header() + pcap_record(PACKETS[0]) + pcap_record(PACKETS[1])[:11])
    with closing(growing_file(file, FrameNumbers())) as stream, file.open("ab", buffering=0) as out:
        assert packets(stream.read()) == [PACKETS[0][1]]
        assert stream.read() == []
        assert (stream.fileno(), stream.ended()) == (-1, None), "no selector waits for a file"
        out.write(pcap_record(PACKETS[1])[11:])
        assert packets(stream.read()) == [PACKETS[1][1]]
        assert readable(stream)
        assert stream.read() == []
        assert stream.ended() is None


@pytest.mark.parametrize("how", ["cut back", "replaced"])
def test_a_file_that_is_begun_anew_is_read_anew(tmp_path: Path, how: str) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(write_pcap(PACKETS))
    with closing(growing_file(file, FrameNumbers())) as stream:
        assert len(packets(stream.read())) == 7
        assert stream.read() == []
        if how == "replaced":
            file.rename(tmp_path / "a.pcap.1")
            assert stream.read() == []
        file.write_bytes(write_pcap(PACKETS[:2]))
        items = stream.read() + stream.read()
        assert numbers(items) == [8, 9]
        assert [item.time for item in items if isinstance(item, CaptureComment)] == [PACKETS[-1][0] // 1000 * 1000]
        assert stream.ended() is None


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(SourceError, match=r"^nowhere\.pcap: No such file"):
        growing_file(Path("nowhere.pcap"), FrameNumbers())


# ---------------------------------------------------------------------------------------------------------- as a whole


def test_through_a_slow_pipe_the_same_is_decoded_and_recorded(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    data = SOMETHING.read_bytes()

    def write() -> None:
        for at in range(0, len(data), 5000):
            os.write(writing, data[at : at + 5000])
            time.sleep(0.001)
        os.close(writing)

    recording = Recording(tmp_path / "out.pcapng")
    stream = CaptureStream(reading, "stdin", FrameNumbers())
    events = run(stream, recording, write)
    live, recorded = Decoded(events), decode_files(recording.path, validate=False)
    assert live.lines == recorded.lines == decode_files(SOMETHING).lines
    assert [message.frames for message in live.messages] == [message.frames for message in recorded.messages]


def run(stream: CaptureStream, recording: Recording, write: Callable[[], None]) -> list[Event]:
    writer = threading.Thread(target=write)
    writer.start()
    listener = Listener([stream], Pipeline("out.pcapng"), recording)
    events = [event for batch in listener.batches(lambda: False) for event in batch]
    writer.join()
    assert listener.failed == {}
    return events


def test_pcapng_in_big_endian_with_nanoseconds(pipe: tuple[CaptureStream, int]) -> None:
    stream, writing = pipe
    os.write(writing, bytes(Pcapng(big_endian=True).section().interface(tsresol=9).packet(PACKETS[0])))
    (batch,) = (item for item in stream.read() if isinstance(item, PacketBatch))
    assert batch.layout.time(batch.buffer, batch.starts[0]) == PACKETS[0][0]


def test_a_journal_block_shifts_no_number(pipe: tuple[CaptureStream, int]) -> None:
    """Wireshark counts it; the session's recording does not have it."""
    stream, writing = pipe
    capture = Pcapng().section().interface().packet(PACKETS[0])
    capture.data += pack("<III", 9, 16, 0) + pack("<I", 16)
    capture.packet(PACKETS[1])
    os.write(writing, bytes(capture))
    assert numbers(stream.read()) == [1, 2]
