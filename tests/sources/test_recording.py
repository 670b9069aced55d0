"""Recordings can be opened at any instant; Wireshark's capinfos and our own reader say so."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit.events import CaptureDropped, DecodeError, PacketBatch
from fieldkit.sources import recording as module
from fieldkit.sources.recording import Recording, RecordingError, Ring, parse_ring
from fieldkit.wire.container import CaptureReader
from tests.traffic.capture import write_pcap
from tests.traffic.decoded import decode_files
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import needs_root
from tests.traffic.tshark import TSHARK

SOMETHING = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


def batches(data: bytes) -> list[PacketBatch]:
    reader = CaptureReader()
    found = [*reader.feed(data), *reader.finish()]
    assert not any(isinstance(item, DecodeError) for item in found)
    return [item for item in found if isinstance(item, PacketBatch)]


def packets(data: bytes) -> list[tuple[int, bytes]]:
    """Time and bytes of every packet."""
    return [
        (batch.layout.time(batch.buffer, start), batch.buffer[start:end])
        for batch in batches(data)
        for start, end in zip(batch.starts, batch.ends, strict=True)
    ]


def test_what_is_recorded_is_what_was_captured(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng", comment="on site")
    number = recording.add_interface("eth0", 1, "towards the modem")
    original = SOMETHING.read_bytes()
    for batch in batches(original):
        recording.write(batch, number)
    recording.count(number, 1_788_163_200_000_000_000, 512, 3)
    recording.close()
    assert packets(recording.path.read_bytes()) == packets(original)
    assert recording.packets == len(packets(original))
    assert decode_files(recording.path).lines == decode_files(SOMETHING).lines


@pytest.mark.skipif(TSHARK is None, reason="needs tshark")
def test_wireshark_reads_it_and_shows_who_made_it(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng", comment="on site")
    number = recording.add_interface("eth0", 1)
    for batch in batches(SOMETHING.read_bytes()):
        recording.write(batch, number)
    recording.count(number, 1_788_163_200_000_000_000, 512, 3)
    recording.close()
    told = subprocess.run(["capinfos", str(recording.path)], check=True, capture_output=True, text=True).stdout
    for fact in ("Wireshark/... - pcapng", "fieldkit", "on site", "Name = eth0", "Encapsulation = Ethernet"):
        assert fact in told


def pour(recording: Recording, number: int, *, packets: int = 4000, size: int = 1000, at_once: int = 500) -> None:
    """Packets of so many bytes, at most ``at_once`` in a batch; the first byte counts the batches."""
    for turn in range(packets // at_once):
        whole = write_pcap([(turn * 10**9 + place, bytes([turn]) * size) for place in range(at_once)], nanoseconds=True)
        for batch in batches(whole):
            recording.write(batch, number)


MIB = 1 << 20


def test_a_ring_never_takes_more_than_was_said(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng", Ring(3, MIB))
    number = recording.add_interface("eth0", 1)
    for received in range(8):
        pour(recording, number)
        recording.count(number, received, 500 * received, received)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) == recording.size <= 3 * MIB
    recording.close()
    there = sorted(tmp_path.iterdir())
    assert there == recording.files
    assert len(there) == 3
    assert all(0.9 * MIB < path.stat().st_size <= MIB for path in there[:-1])
    assert recording.packets == 32_000
    assert recording.given_up > 20
    kept = [packets(path.read_bytes()) for path in there]
    assert all(kept), "every file begins with its own headers"
    times = [time for file in kept for time, _ in file]
    assert len(times) == len(set(times)) > 2000


def test_packets_are_told_with_the_file_and_the_number_that_they_have_there(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng", Ring(9, MIB))
    number = recording.add_interface("eth0", 1)
    told = {}
    for batch in batches(write_pcap([(time, b"%06d" % time * 100) for time in range(1, 3001)], nanoseconds=True)):
        for path, piece in recording.write(batch, number):
            for place, start in enumerate(piece.starts):
                told[path, piece.first_frame + place] = piece.buffer[start : piece.ends[place]]
    recording.close()
    assert len(told) == 3000
    assert {path for path, _ in told} == set(recording.files)
    for path in recording.files:
        for frame, (_, data) in enumerate(packets(path.read_bytes()), 1):
            assert told[path, frame] == data
    assert [path for path, _, _ in recording.spans] == recording.files
    assert recording.spans[0][1:] < recording.spans[1][1:]


def test_what_an_earlier_run_left_of_a_ring_counts_and_goes_first(tmp_path: Path) -> None:
    ring = Ring(3, MIB)
    for _ in range(2):
        earlier = Recording(tmp_path / "out.pcapng", ring)
        pour(earlier, earlier.add_interface("eth0", 1), packets=500)
        earlier.close()
    stranger = tmp_path / "out_of_office.pcapng"
    stranger.write_bytes(b"not of this ring")
    left = sorted(tmp_path.glob("out_0*"))
    recording = Recording(tmp_path / "out.pcapng", ring)
    assert recording.adopted == left
    assert len(left) == 2
    assert recording.files[0].name.startswith("out_00003_"), "numbers go on, so that names sort by age"
    pour(recording, recording.add_interface("eth0", 1))
    recording.close()
    assert not any(path.exists() for path in left)
    assert recording.adopted == []
    assert sum(path.stat().st_size for path in tmp_path.glob("out_0*")) <= 3 * MIB
    assert stranger.read_bytes() == b"not of this ring"


def test_a_smaller_ring_than_before_makes_room_before_it_begins(tmp_path: Path) -> None:
    earlier = Recording(tmp_path / "out.pcapng", Ring(8, MIB))
    pour(earlier, earlier.add_interface("eth0", 1), packets=6000)
    earlier.close()
    assert earlier.size > 5 * MIB
    recording = Recording(tmp_path / "out.pcapng", Ring(2, MIB))
    assert recording.size <= MIB
    recording.close()


def dropped(data: bytes) -> list[int]:
    """As our own reader tells of it."""
    reader = CaptureReader()
    return [item.count for item in [*reader.feed(data), *reader.finish()] if isinstance(item, CaptureDropped)]


def test_every_file_of_a_ring_tells_what_was_dropped_while_it_was_written(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng", Ring(9, MIB))
    number = recording.add_interface("eth0", 1)
    for lost in (3, 10, 10, 25):
        pour(recording, number, packets=1000)
        recording.count(number, 1, 100_000, lost)
    recording.close()
    each = [dropped(path.read_bytes()) for path in recording.files]
    assert sum(map(sum, each)) == 25
    assert sum(map(bool, each)) > 1


def test_drops_are_written_down_when_they_happen(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng")
    number = recording.add_interface("eth0", 1)
    recording.count(number, 1, 10, 0)
    before = recording.bytes
    recording.count(number, 2, 20, 0)
    assert recording.bytes == before, "that all is well can wait until the end"
    recording.count(number, 3, 30, 7)
    assert dropped(recording.path.read_bytes()) == [7]
    recording.close()


def test_packets_through_a_pipe_are_a_capture_too() -> None:
    reading, writing = os.pipe()
    recording = Recording(writing)
    number = recording.add_interface("eth0", 1)
    for batch in batches(write_pcap([(1, b"x" * 60), (2, b"y" * 61)])):
        recording.write(batch, number)
    recording.close()
    os.close(writing)
    assert recording.files == []
    with os.fdopen(reading, "rb") as file:
        assert [data for _, data in packets(file.read())] == [b"x" * 60, b"y" * 61]


def test_a_reader_that_has_gone_ends_the_recording_in_words() -> None:
    reading, writing = os.pipe()
    recording = Recording(writing)
    os.close(reading)
    with pytest.raises(RecordingError, match="has gone"):
        recording.add_interface("eth0", 1)
    os.close(writing)


def test_a_file_that_waits_to_be_sent_under_another_name_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "out.pcapng").write_bytes(b"yesterday")
    (tmp_path / "waiting").hardlink_to(tmp_path / "out.pcapng")
    Recording(tmp_path / "out.pcapng").close()
    assert (tmp_path / "waiting").read_bytes() == b"yesterday"
    assert packets((tmp_path / "out.pcapng").read_bytes()) == []


@pytest.mark.parametrize(
    "text, ring",
    [
        ("10x20MB", Ring(10, 20_000_000)),
        ("2x1MiB", Ring(2, MIB)),
        ("5x1.5gb", Ring(5, 1_500_000_000)),
        ("3x2000000", Ring(3, 2_000_000)),
    ],
)
def test_a_ring_is_files_times_size(text: str, ring: Ring) -> None:
    assert parse_ring(text) == ring


@pytest.mark.parametrize(
    "text", ["", "10", "x", "1x20MB", "10x20TB", "10x1kB", "10x64KiB", "-3x20MB", "10xnanMB", "10x1e999"]
)
def test_no_ring_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="ring"):
        parse_ring(text)


def test_a_file_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file or directory"):
        Recording(tmp_path / "nowhere" / "out.pcapng")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@needs_root
def test_on_a_full_disk_all_packets_up_to_then_are_there(small_disk: Path) -> None:
    recording = Recording(small_disk / "out.pcapng")
    number = recording.add_interface("eth0", 1)
    batch = batches(write_pcap([(1, b"x" * 5000)] * 10))[0]

    def write_and_write() -> None:
        for _ in range(100):
            recording.write(batch, number)

    with pytest.raises(RecordingError, match="the disk is full"):
        write_and_write()
    recording.close()
    kept = packets(recording.path.read_bytes())
    assert len(kept) - 10 < recording.packets <= len(kept) > 45, "to the last that has room"


@needs_root
def test_on_a_full_disk_a_ring_lives_on_what_it_has(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=True)
    try:
        recording = Recording(disk / "out.pcapng", Ring(10, MIB))
        number = recording.add_interface("eth0", 1)
        pour(recording, number, packets=20_000)
        recording.close()
        assert len(recording.files) < 5
        assert recording.packets == 20_000
        kept = [packets(path.read_bytes()) for path in recording.files]
        assert kept[-1][-1][0] == 39 * 10**9 + 499, "the newest packets are there"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_what_a_killed_process_leaves_behind_opens(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    program = f"""
import itertools, sys
from pathlib import Path
sys.path.insert(0, {str(Path(module.__file__).parents[2])!r})
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.sources.test_recording import batches
from tests.traffic.capture import write_pcap
from fieldkit.sources.recording import Recording
recording = Recording(Path({str(path)!r}))
number = recording.add_interface("eth0", 1)
batch = batches(write_pcap([(1, b"x" * 777)] * 50))[0]
for turn in itertools.count():
    recording.write(batch, number)
    if turn == 20:
        print("ready", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
    reader = CaptureReader()
    items = [*reader.feed(path.read_bytes()), *reader.finish()]
    left = [item for item in items if isinstance(item, PacketBatch)]
    ends = [item.reason for item in items if isinstance(item, DecodeError)]
    # The kernel may have been in the middle of a write: then its last block is cut, and no other.
    assert len(ends) <= 1
    assert all("cut" in reason for reason in ends)
    assert sum(len(batch.starts) for batch in left) >= 20 * 50
    assert {end - start for batch in left for start, end in zip(batch.starts, batch.ends, strict=True)} == {777}


def test_times_are_kept_to_the_nanosecond(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng")
    number = recording.add_interface("eth0", 1)
    time = 1_788_163_200_123_456_789
    for batch in batches(write_pcap([(time, b"x" * 60)], nanoseconds=True)):
        recording.write(batch, number)
    recording.close()
    data = recording.path.read_bytes()
    assert packets(data) == [(time, b"x" * 60)]
    assert struct.pack("=II", time >> 32, time & 0xFFFFFFFF) in data
