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

from fieldkit.events import DecodeError, PacketBatch
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
    recording.statistics(number, 1_788_163_200_000_000_000, 512, 3)
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
    recording.statistics(number, 1_788_163_200_000_000_000, 512, 3)
    recording.close()
    told = subprocess.run(["capinfos", str(recording.path)], check=True, capture_output=True, text=True).stdout
    for fact in ("Wireshark/... - pcapng", "fieldkit", "on site", "Name = eth0", "Encapsulation = Ethernet"):
        assert fact in told


def test_a_ring_bounds_what_is_kept(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng", Ring(3, 1 << 16))
    number = recording.add_interface("eth0", 1)
    whole = write_pcap([(second * 10**9, bytes([second]) * 1000) for second in range(200)])
    for _ in range(10):
        for batch in batches(whole):
            for place in range(0, len(batch.starts), 20):
                starts, ends = batch.starts[place : place + 20], batch.ends[place : place + 20]
                piece = PacketBatch(batch.buffer, starts, ends, 1, place + 1, batch.layout)
                recording.write(piece, number)
    recording.close()
    there = sorted(tmp_path.iterdir())
    assert there == recording.files
    assert len(there) == 3
    assert all(path.stat().st_size < (1 << 16) + 25_000 for path in there)
    assert recording.packets == 2000
    assert [packets(path.read_bytes())[0][1][:1] for path in there], "every file begins with its own headers"


@pytest.mark.parametrize(
    "text, ring",
    [
        ("10x20MB", Ring(10, 20_000_000)),
        ("2x64KiB", Ring(2, 65_536)),
        ("5x1.5gb", Ring(5, 1_500_000_000)),
        ("3x100000", Ring(3, 100_000)),
    ],
)
def test_a_ring_is_files_times_size(text: str, ring: Ring) -> None:
    assert parse_ring(text) == ring


@pytest.mark.parametrize("text", ["", "10", "x", "1x20MB", "10x20TB", "10x1kB", "-3x20MB", "10xnanMB", "10x1e999"])
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
    assert len(kept) == recording.packets > 20


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
