"""Where captures and logs come from: files, pipes, and what is neither."""

from __future__ import annotations

import gzip
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random

import pytest

from fieldkit.events import DecodeError, LoggedFrame, OcppMessage, PacketBatch
from fieldkit.logs.reader import LogReader
from fieldkit.pipeline import Pipeline
from fieldkit.sources import file as file_module
from fieldkit.sources.file import FileSource, Item, Pause, SourceError, read_keylog
from fieldkit.sources.merge import feed
from fieldkit.wire.container import CaptureReader
from fieldkit.wire.records import MAX_PACKET_BYTES, CaptureItem
from tests.traffic.capture import write_pcap, write_pcapng
from tests.traffic.conversation import Session
from tests.traffic.segments import Segment
from tests.traffic.taps import Tap

LOG = b'2026-08-31T08:00:00Z CP_7 received [2,"1","Heartbeat",{}]\n2026-08-31T08:00:01Z CP_7 sent [3,"1",{}]\n'


@cache
def segments() -> list[Segment]:
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    for _ in range(2):
        session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    return session.segments


PACKETS = len(segments())


def capture() -> bytes:
    return write_pcap(Tap().packets(segments()))


def read(name: Path | str, **options: int) -> list[Item]:
    with closing(FileSource(str(name), **options)) as source:
        return list(source.items())


def packets(items: list[Item]) -> int:
    return sum(len(item.starts) for item in items if isinstance(item, PacketBatch))


@pytest.fixture
def stdin() -> Iterator[Callable[[], int]]:
    """Puts a pipe in the place of standard input and returns its writing end."""
    saved, opened = os.dup(0), []

    def replace() -> int:
        reading, writing = os.pipe()
        os.dup2(reading, 0)
        os.close(reading)
        opened.append(writing)
        return writing

    yield replace
    os.dup2(saved, 0)
    os.close(saved)


# ------------------------------------------------------------------------------------------------------------- files


def test_a_capture_file(tmp_path: Path) -> None:
    file = tmp_path / "site.pcap"
    file.write_bytes(capture())
    with closing(FileSource(str(file))) as source:
        assert (source.name, source.size, source.read) == (str(file), len(capture()), 0)
        assert packets(list(source.items())) == PACKETS
        assert source.read == source.size
        assert not source.is_log


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_log_file(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "steve.log"
    file.write_bytes(compress(LOG))
    with closing(FileSource(str(file))) as source:
        frames = [item for item in source.items() if isinstance(item, LoggedFrame)]
        assert [frame.text for frame in frames] == ['[2,"1","Heartbeat",{}]', '[3,"1",{}]']
        assert source.is_log
        assert source.read == source.size


def test_a_gzipped_capture_is_a_capture(tmp_path: Path) -> None:
    file = tmp_path / "site.pcap.gz"
    file.write_bytes(gzip.compress(capture()))
    with closing(FileSource(str(file))) as source:
        assert packets(list(source.items())) == PACKETS
        assert not source.is_log


def test_blocks_cut_packets_anywhere_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_module, "BLOCK", 37)
    monkeypatch.setattr(file_module, "_HEAD", 25)
    for name, data in (("a.pcap", capture()), ("b.pcap.gz", gzip.compress(capture()))):
        (tmp_path / name).write_bytes(data)
        assert packets(read(tmp_path / name)) == PACKETS


def test_a_gzipped_capture_is_read_in_blocks_that_stay_small_when_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a block holds is in memory at once, and DEFLATE makes of a byte up to 1032."""
    fed: list[int] = []
    feed = CaptureReader.feed

    def measured(self: CaptureReader, block: bytes) -> list[CaptureItem]:
        if not self._inside_gzip:
            fed.append(len(block))
        return feed(self, block)

    monkeypatch.setattr(CaptureReader, "feed", measured)
    noise = Random(7).randbytes(60_000)  # does not compress, so that there are many blocks
    packed = gzip.compress(write_pcap([(number, noise) for number in range(15)]), compresslevel=0)
    file = tmp_path / "large.pcap.gz"
    file.write_bytes(packed)
    assert packets(read(file)) == 15
    assert sum(fed) == len(packed)
    assert max(fed) * 1032 < 65 << 20, "half of the smallest router we run on"


def test_what_is_packed_a_thousandfold_comes_in_bounded_batches(tmp_path: Path) -> None:
    """What is compressed in the packets may become ``MAX_INFLATED`` for each of them."""
    zeros = bytes(200_000)
    file = tmp_path / "bomb.pcap.gz"
    file.write_bytes(gzip.compress(write_pcap([(number, zeros) for number in range(60)]), compresslevel=1))
    assert file.stat().st_size < 1 << 16, "all of it is in one block"
    batches = [item for item in read(file) if isinstance(item, PacketBatch)]
    assert packets([*batches]) == 60
    assert max(len(batch.buffer) for batch in batches) <= (1 << 20) + MAX_PACKET_BYTES


def test_a_gzipped_log_is_unpacked_a_piece_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[int] = []

    def measured(self: LogReader, block: bytes) -> list[LoggedFrame | DecodeError]:
        pieces.append(len(block))
        return []

    monkeypatch.setattr(LogReader, "feed", measured)
    log = LOG + b"x" * (16 << 20)
    file = tmp_path / "bomb.log.gz"
    file.write_bytes(gzip.compress(log))
    read(file)
    assert sum(pieces) == len(log)
    assert max(pieces) <= file_module.BLOCK <= 1 << 19


def test_several_gzip_members_are_one_log(tmp_path: Path) -> None:
    """As log rotation appends them."""
    first, second = LOG.splitlines(keepends=True)
    file = tmp_path / "steve.log.gz"
    file.write_bytes(gzip.compress(first * 50) + gzip.compress(second) + bytes(512))
    items = read(file)
    assert sum(isinstance(item, LoggedFrame) for item in items) == 51
    assert not [item for item in items if isinstance(item, DecodeError)], "zeros at the end are a tape's habit"


@pytest.mark.parametrize("damage", ["cut", "garbled"])
def test_a_damaged_gzip_log_yields_what_it_can_and_says_so(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(b"".join(LOG.replace(b'"1"', b'"%d"' % number) for number in range(3000)))
    half = len(whole) // 2
    file = tmp_path / "steve.log.gz"
    file.write_bytes(whole[:half] if damage == "cut" else whole[:half] + b"\xff" * 200 + whole[half + 200 :])
    items = read(file)
    assert sum(isinstance(item, LoggedFrame) for item in items) > 1000
    errors = [item for item in items if isinstance(item, DecodeError) and item.layer == "gzip"]
    assert len(errors) == 1


def test_an_empty_file_is_no_capture_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "empty.pcap"
    file.touch()
    items = read(file)
    assert [type(item) for item in items] == [DecodeError]


@pytest.mark.parametrize("size", [1, 3, 4, 23, 24, 30])
def test_a_capture_that_was_cut_at_its_very_beginning_is_no_reason_to_fail(tmp_path: Path, size: int) -> None:
    file = tmp_path / "cut.pcap"
    file.write_bytes(capture()[:size])
    assert read(file) is not None


def test_what_kind_of_file_it_is(tmp_path: Path) -> None:
    for name, data, plain, secrets in (
        ("a.pcap", capture(), True, False),
        ("b.pcapng", write_pcapng([]), True, True),
        ("c.pcap.gz", gzip.compress(capture()), False, True),
        ("d.log", LOG, False, True),
    ):
        (tmp_path / name).write_bytes(data)
        with closing(FileSource(str(tmp_path / name))) as source:
            assert (source.is_plain_capture, source.may_hold_secrets) == (plain, secrets), name


def test_the_time_zone_of_a_log_is_assumed_only_where_it_does_not_say(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    for log, assumed in ((LOG, False), (LOG.replace(b"Z ", b" "), True)):
        file.write_bytes(log)
        with closing(FileSource(str(file))) as source:
            assert list(source.items())
            assert source.zone_assumed is assumed
    times = [
        next(item.time for item in items if isinstance(item, LoggedFrame) and item.time)
        for items in (read(file), read(file, utc_offset=7200))
    ]
    assert times[0] - times[1] == 7200 * 10**9


def test_a_file_that_was_read_can_be_closed(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(LOG)
    source = FileSource(str(file))
    source.close()
    with pytest.raises(ValueError):
        list(source.items())


# ------------------------------------------------------------------------------------------------ what is no source


def test_what_does_not_exist() -> None:
    with pytest.raises(SourceError, match=r"^nowhere\.pcap: there is no such file$"):
        FileSource("nowhere.pcap")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a directory: name the files in it"):
        FileSource(str(tmp_path))


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.pcap"
    file.write_bytes(capture())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")  # what root never gets to see

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match="you may not read it"):
        FileSource(str(file))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_truly_may_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "secret.pcap"
    file.write_bytes(capture())
    file.chmod(0)
    with pytest.raises(SourceError, match="you may not read it"):
        FileSource(str(file))


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(SourceError, match=r"^s: "):
            FileSource("s")


def test_a_disk_that_fails_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(capture())
    source = FileSource(str(file))

    class Failing:
        def read(self, size: int) -> bytes:
            raise OSError(5, "Input/output error")

    with closing(source._file):
        monkeypatch.setattr(source, "_file", Failing())
        with pytest.raises(SourceError, match=r"a\.pcap: Input/output error"):
            list(source.items())


# ------------------------------------------------------------------------------------------------------------- pipes


def test_standard_input(stdin: Callable[[], int]) -> None:
    writing = stdin()
    os.write(writing, capture())
    os.close(writing)
    with closing(FileSource("-")) as source:
        assert (source.name, source.size) == ("stdin", 0)
        assert packets(list(source.items())) == PACKETS
        assert source.read == len(capture())


def test_a_live_capture_is_handed_over_as_it_comes(stdin: Callable[[], int]) -> None:
    """The writer goes on only when the packets before have been seen."""
    writing, data = stdin(), capture()
    seen = threading.Event()
    first = 24 + 16 + int.from_bytes(data[32:36], "little")

    def write() -> None:
        for piece in (data[:10], data[10:24], data[24 : first - 5], data[first - 5 : first]):
            os.write(writing, piece)
        waited.append(seen.wait(5))
        os.write(writing, data[first:])
        os.close(writing)

    waited: list[bool] = []
    writer = threading.Thread(target=write)
    writer.start()
    total = 0
    with closing(FileSource("-")) as source:
        for item in source.items():
            total += packets([item])
            seen.set()
    writer.join()
    assert waited == [True]
    assert total == PACKETS


def test_a_live_log_is_handed_over_line_by_line(stdin: Callable[[], int]) -> None:
    writing = stdin()
    lines = [LOG.splitlines(keepends=True)[0].replace(b'"1"', b'"%d"' % number) for number in range(400)]
    seen, waited = threading.Event(), []

    def write() -> None:
        for line in lines[:-1]:
            os.write(writing, line)
        waited.append(seen.wait(5))
        os.write(writing, lines[-1])
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    frames = 0
    with closing(FileSource("-")) as source:
        for item in source.items():
            frames += isinstance(item, LoggedFrame)
            seen.set()
    writer.join()
    assert waited == [True]
    assert frames == 400


def test_a_quiet_log_is_not_kept_waiting(stdin: Callable[[], int]) -> None:
    """As from ``tail -f``: one line, and nothing for a while. It is shown within a second, then the next one is."""
    writing = stdin()
    os.write(writing, b"08:00:00 CP_7 received " + LOG.splitlines()[0].partition(b"received ")[2] + b"\n")
    with closing(FileSource("-")) as source:
        items = source.items()
        for number in range(2):
            began = time.monotonic()
            frame = next(item for item in items if isinstance(item, LoggedFrame))
            assert time.monotonic() - began < 1
            assert isinstance(next(items), Pause)
            assert frame.time is not None
            assert abs(frame.time - time.time_ns()) < 2 * 86_400 * 10**9, "its date is that of today"
            os.write(writing, b'08:00:0%d CP_7 received [2,"%d","Heartbeat",{}]\n' % (number + 1, number + 2))
        os.close(writing)
        assert sum(isinstance(item, LoggedFrame) for item in items) == 1


def test_in_a_pause_nothing_is_held_back_on_the_way_either() -> None:
    """A CALL that does not name its station waits for its answer, which may; but not when nothing comes."""
    call = LoggedFrame(1, (1,), "log", "", None, "in", "", "json", '[2,"1","Heartbeat",{}]', ())
    pipeline = Pipeline("log")
    assert feed(pipeline, call) == []
    (message,) = (event for event in feed(pipeline, Pause()) if isinstance(event, OcppMessage))
    assert (message.action, message.sender) == ("Heartbeat", "station")


def test_a_log_that_never_stops_is_not_kept_waiting(stdin: Callable[[], int]) -> None:
    writing, stop = stdin(), threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.1):
            number += 1
            os.write(writing, LOG.splitlines(keepends=True)[0].replace(b'"1"', b'"%d"' % number))
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    began = time.monotonic()
    with closing(FileSource("-")) as source:
        items = source.items()
        next(item for item in items if isinstance(item, LoggedFrame))
        assert time.monotonic() - began < 1.5
        stop.set()
        assert all(isinstance(item, LoggedFrame | Pause) for item in items)
    writer.join()


def test_a_pause_changes_nothing_in_a_capture(stdin: Callable[[], int]) -> None:
    writing, data = stdin(), capture()

    def write() -> None:
        os.write(writing, data[:100])
        time.sleep(0.5)
        os.write(writing, data[100:])
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    items = read("-")
    writer.join()
    assert packets(items) == PACKETS
    assert not [item for item in items if isinstance(item, Pause)]


def test_a_named_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(capture()))
    writer.start()
    with closing(FileSource(str(fifo))) as source:
        assert source.size == 0
        assert packets(list(source.items())) == PACKETS
    writer.join()


def test_nothing_at_all_through_a_pipe(stdin: Callable[[], int]) -> None:
    os.close(stdin())
    assert [type(item) for item in read("-")] == [DecodeError]


def test_a_terminal_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    with pytest.raises(SourceError, match="stdin is a terminal"):
        FileSource("-")


def test_a_process_without_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match="no standard input"):
        FileSource("-")


# ---------------------------------------------------------------------------------------------------------- key logs


def test_a_key_log(tmp_path: Path) -> None:
    file = tmp_path / "keys.log"
    file.write_bytes(b"CLIENT_RANDOM 00 11\n\xff\n")
    assert read_keylog(str(file)) == "CLIENT_RANDOM 00 11\n�\n"


@pytest.mark.parametrize("name", ["nowhere", ""])
def test_a_key_log_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=str(tmp_path)):
        read_keylog(str(tmp_path / name))


def test_a_key_log_that_cannot_be_one(tmp_path: Path) -> None:
    file = tmp_path / "huge"
    with file.open("wb") as out:
        out.truncate((256 << 20) + 1)
    with pytest.raises(SourceError, match="too large"):
        read_keylog(str(file))
