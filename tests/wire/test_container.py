"""CaptureReader: any capture, packed or not; and what it says about files that are none."""

from __future__ import annotations

import gzip
import random
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import TlsSecrets
from fieldkit.wire import records
from fieldkit.wire.container import CaptureReader, is_capture
from fieldkit.wire.pcap import PcapReader
from fieldkit.wire.pcapng import PcapngReader
from fieldkit.wire.records import CaptureItem
from tests.traffic.capture import Packet, Pcapng, Seen, contents, errors, pcap_header, read, write_pcap, write_pcapng

CAPTURES = Path(__file__).parents[2] / "captures"

NOON = 1_760_000_000_123_456_000
"""When the captures of this file were made."""

FIVE: list[Packet] = [(NOON + number * 1_000_000_000, bytes([number]) * (60 + number)) for number in range(5)]
PCAP = write_pcap(FIVE)
PCAPNG = write_pcapng(FIVE, secrets="CLIENT_RANDOM 00 11\n")

cuts = st.lists(st.integers(1, 60), max_size=20)


def noise(length: int) -> bytes:
    return random.Random(1).randbytes(length)


# ------------------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("sizes", [(), (1,), (3, 1), [1] * 600])
def test_pcap_and_pcapng_are_told_apart(sizes: tuple[int, ...]) -> None:
    assert read(CaptureReader(), PCAP, sizes) == read(PcapReader(), PCAP)
    assert read(CaptureReader(), PCAPNG, sizes) == read(PcapngReader(), PCAPNG)


@pytest.mark.parametrize("sizes", [(), (1,), (3, 1), [1] * 600])
def test_either_may_be_packed(sizes: tuple[int, ...]) -> None:
    assert read(CaptureReader(), gzip.compress(PCAP), sizes) == read(PcapReader(), PCAP)
    assert read(CaptureReader(), gzip.compress(PCAPNG), sizes) == read(PcapngReader(), PCAPNG)


def test_key_logs_come_through() -> None:
    assert [item.text for item in read(CaptureReader(), PCAPNG) if isinstance(item, TlsSecrets)] == [
        "CLIENT_RANDOM 00 11\n"
    ]


def test_reader_knows_frames_link_types_and_time() -> None:
    reader = CaptureReader()
    assert (reader.frames, reader.linktypes, reader.time, reader.gave_up) == (0, set(), 0, False)

    read(reader, gzip.compress(PCAP))

    assert (reader.frames, reader.linktypes, reader.time, reader.gave_up) == (5, {1}, FIVE[-1][0], False)


def test_an_empty_capture_is_a_capture() -> None:
    assert read(CaptureReader(), pcap_header()) == []
    assert read(CaptureReader(), gzip.compress(pcap_header())) == []


# ---------------------------------------------------------------------------------------------------------------- gzip


def test_streams_one_behind_the_other_are_one_file() -> None:
    packed = gzip.compress(PCAP[:100]) + gzip.compress(b"") + gzip.compress(PCAP[100:]) + bytes(500)

    assert read(CaptureReader(), packed) == read(PcapReader(), PCAP)


def test_packed_captures_put_together_with_cat_are_read_as_one() -> None:
    assert len(contents(read(CaptureReader(), gzip.compress(PCAP) + gzip.compress(PCAP)))) == 10


def test_a_million_tiny_streams_are_read_in_reasonable_time() -> None:
    """Quadratic, this would take minutes; the test just has to end."""
    packed = gzip.compress(PCAP) + gzip.compress(b"") * 50_000

    assert len(contents(read(CaptureReader(), packed))) == 5


def test_cut_anywhere_gives_a_prefix_and_one_error() -> None:
    packed = gzip.compress(write_pcap([(NOON, noise(100))] * 5))
    whole = read(CaptureReader(), packed)

    for length in range(2, len(packed)):
        *before, error = read(CaptureReader(), packed[:length])

        assert before == whole[: len(before)]
        assert "cut" in error.reason
    assert before == whole, "all that is missing now is the end of the checksum"


def test_damage_keeps_what_was_unpacked_before() -> None:
    """zlib itself would keep it to itself."""
    packer = zlib.compressobj(wbits=31)
    good = packer.compress(PCAP[:-64]) + packer.flush(zlib.Z_FULL_FLUSH)
    reserved = b"\x07"  # RFC 1951 §3.2.3: block type 11

    items = read(CaptureReader(), good + reserved + bytes(999))

    assert contents(items) == [packet[1] for packet in FIVE[:4]]
    assert [(error.layer, error.reason) for error in errors(items)] == [
        ("gzip", "the gzip data is damaged; nothing behind that place can be unpacked"),
        (
            "pcap",
            "the capture was cut in the middle of packet 5: 0 of its 64 bytes are there "
            "(the file was still being written or its transfer was cut)",
        ),
    ]
    assert [error.lost for error in errors(items)] == [1000, 16]


def test_a_wrong_checksum_costs_nothing_but_trust() -> None:
    packed = bytearray(gzip.compress(PCAP))
    packed[-3] ^= 0xFF

    items = read(CaptureReader(), bytes(packed))

    assert len(contents(items)) == 5
    assert [error.reason for error in errors(items)] == [
        "the checksum of the gzip data is wrong: some of the packets may be damaged"
    ]


def test_damage_is_counted_in_bytes_of_the_file() -> None:
    packed = gzip.compress(PCAP) + b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + b"\xff" * 1000

    damage, *_ = errors(read(CaptureReader(), packed))

    assert damage.layer == "gzip"
    assert damage.reason == "the gzip data is damaged; nothing behind that place can be unpacked"
    assert damage.lost == 1000
    assert damage.data == b"\xff" * 64


def test_something_behind_the_gzip_data_is_not_passed_over() -> None:
    items = read(CaptureReader(), gzip.compress(PCAP) + b"<html>")

    assert len(contents(items)) == 5
    (error,) = errors(items)
    assert error.reason == "there is something else behind the end of the gzip data"
    assert (error.data, error.lost) == (b"<html>", 6)


def test_a_bomb_is_unpacked_a_piece_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = []
    feed = PcapReader.feed

    def measured(self: PcapReader, block: bytes) -> list[CaptureItem]:
        pieces.append(len(block))
        return feed(self, block)

    monkeypatch.setattr(PcapReader, "feed", measured)
    monkeypatch.setattr(records, "SEARCH_EFFORT", 4 << 20)
    reader = CaptureReader()

    items = read(reader, gzip.compress(PCAP + bytes(32 << 20), compresslevel=1))

    assert len(contents(items)) == 5
    assert max(pieces) <= 1 << 20
    assert sum(pieces) < 10 << 20, "once the reader has given up, nothing more is unpacked"
    assert reader.gave_up
    assert "too much damage" in errors(items)[-1].reason


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=5),
    st.booleans(),
    cuts,
)
@settings(max_examples=150)
def test_damage_never_raises_and_never_depends_on_the_blocks(
    changes: list[tuple[int, int]], stored: bool, sizes: list[int]
) -> None:
    data = write_pcap([(NOON, noise(20)), (NOON, b"abc" * 30), (NOON, noise(60))])
    packed = bytearray(gzip.compress(data, compresslevel=0 if stored else 9))
    for at, value in changes:
        packed[at % len(packed)] = value

    whole = read(CaptureReader(), bytes(packed))

    assert read(CaptureReader(), bytes(packed), sizes) == whole
    assert read(CaptureReader(), bytes(packed), [1] * len(packed)) == whole


# ---------------------------------------------------------------------------------------------------------- no capture


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04" + bytes(200), "a ZIP archive; unpack it first"),
        (b"  <!DOCTYPE html><html>", "an HTML page, perhaps the login page of a server"),
        (b"<html lang=en>", "an HTML page, perhaps the login page of a server"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "an XML document"),
        (b'[2,"1","Heartbeat",{}]\n', "JSON text"),
        (b"2026-11-21 10:00:00 charger started \xe2\x80\xa6", "text"),
        ("Zeit;Text\n".encode("utf-16"), "text"),
        (
            b"12:00:01.123456 IP 10.0.0.1.4711 > 10.0.0.2.80: Flags [S]",
            "what tcpdump prints, not what it saves with -w",
        ),
        (b"snoop\0\0\0\0\0\0\2", "a snoop capture; convert it with editcap -F pcapng"),
        (b"GMBU\0\2", "a Microsoft Network Monitor capture; convert it with editcap -F pcapng"),
        (b"BZh91AY&SY", "packed with bzip2; unpack it first"),
        (b"site/12.pcap" + bytes(245) + b"ustar\x0000" + bytes(300), "a tar archive; unpack it first"),
        (bytes(5000), "nothing but zeros; its transfer or its storage failed"),
        (b"\x00\x01\x02\x03\xff\xfe", "something unknown"),
    ],
)
def test_what_is_no_capture_is_named(data: bytes, what: str) -> None:
    (error,) = read(CaptureReader(), data)
    (packed,) = read(CaptureReader(), gzip.compress(data), [20])

    assert error.layer == "container"
    assert error.reason == f"this file is no capture but {what}"
    assert error.data == data[:64]
    assert error.lost == len(data)
    assert packed.reason == f"what is packed in this file is no capture but {what}"
    assert packed.lost == len(gzip.compress(data))
    assert read(CaptureReader(), data, [1] * len(data)) == [error]


def test_gzip_in_gzip_is_not_unpacked_for_ever() -> None:
    (error,) = read(CaptureReader(), gzip.compress(gzip.compress(PCAP)))

    assert (
        error.reason == "what is packed in this file is no capture but packed with gzip a second time; unpack it first"
    )


def test_an_empty_file_is_called_empty() -> None:
    assert [error.reason for error in read(CaptureReader(), b"")] == ["this file is empty"]
    assert [error.reason for error in read(CaptureReader(), gzip.compress(b""))] == [
        "what is packed in this file is empty"
    ]


def test_a_few_bytes_are_no_file() -> None:
    (error,) = read(CaptureReader(), PCAP[:3])

    assert error.reason == "this file ends after 3 bytes, too early to be told from anything else"


@given(st.binary(max_size=700), cuts)
@settings(max_examples=80)
def test_noise_never_raises(data: bytes, sizes: list[int]) -> None:
    for file in (data, b"\x1f\x8b" + data, b"\x1f\x8b\x08\0\0\0\0\0\0\0" + data):
        assert read(CaptureReader(), file, sizes) == read(CaptureReader(), file)


# ---------------------------------------------------------------------------------------------------------- is_capture


@pytest.mark.parametrize("variant", [{}, {"big_endian": True}, {"nanoseconds": True}, {"modified": True}])
def test_captures_are_recognised_by_their_head(variant: dict[str, bool]) -> None:
    data = write_pcap(FIVE, **variant)

    assert is_capture(data)
    assert is_capture(data[:4])
    assert is_capture(gzip.compress(data))


def test_pcapng_is_recognised_by_its_head() -> None:
    assert is_capture(PCAPNG[:4])
    assert is_capture(gzip.compress(PCAPNG)[:512])


@pytest.mark.parametrize("log", [b"", b"\n", b'[2,"1","Heartbeat",{}]\n' * 100, noise(500), b"\x1f", b"\x1f\x8b"])
def test_a_log_is_no_capture(log: bytes) -> None:
    assert not is_capture(log)
    assert not is_capture(gzip.compress(log))


def test_a_packed_log_is_no_capture_even_if_its_head_is_damaged() -> None:
    assert not is_capture(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff")


# ----------------------------------------------------------------------------------------------------- held to tshark

needs_tshark = pytest.mark.skipif(
    not all(map(shutil.which, ("tshark", "editcap", "mergecap"))),
    reason="tshark, editcap and mergecap are not installed",
)


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def as_tshark_reads(file: Path) -> list[tuple[int, int, int]]:
    """Number, time and captured length of every packet. (It shows other things as frames, too; they have no time.)"""
    fields = ("frame.number", "frame.time_epoch", "frame.cap_len")
    table = run("tshark", "-n", "-r", file, "-T", "fields", *(word for field in fields for word in ("-e", field)))
    rows = (line.split("\t") for line in table.splitlines())
    return [(int(number), int(time.replace(".", "")), int(length)) for number, time, length in rows if time]


def as_we_read(file: Path) -> list[tuple[int, int, int]]:
    items = read(CaptureReader(), file.read_bytes(), [1000] * 20)
    assert not errors(items)
    return [(seen.frame, seen.time, len(seen.data)) for seen in items if isinstance(seen, Seen)]


@needs_tshark
def test_tshark_reads_the_same_in_what_its_own_tools_write(tmp_path: Path) -> None:
    captures = sorted(CAPTURES.glob("*.pcap"))
    if not captures:
        pytest.skip("there are no captures beside the tests")
    merged, one_behind_the_other, nanoseconds, packed = (
        tmp_path / name for name in ("merged.pcapng", "appended.pcapng", "nano.pcap", "modified.pcap.gz")
    )
    run("mergecap", "-F", "pcapng", "-I", "none", "-w", merged, *captures)
    run("mergecap", "-F", "pcapng", "-a", "-w", one_behind_the_other, *captures)
    run("editcap", "-F", "nsecpcap", captures[-1], nanoseconds)
    run("editcap", "-F", "modpcap", captures[0], tmp_path / "modified.pcap")
    packed.write_bytes(gzip.compress((tmp_path / "modified.pcap").read_bytes()))

    for file in (merged, one_behind_the_other, nanoseconds, packed):
        seen = as_we_read(file)
        assert seen
        assert seen == as_tshark_reads(file)


@needs_tshark
def test_tshark_reads_the_same_in_what_we_write(tmp_path: Path) -> None:
    """Which also holds the writer that these tests rely on against an independent reader."""
    file = tmp_path / "everything.pcapng"
    writer = Pcapng().section(comments=["one"]).interface().interface(linktype=101, tsresol=9, comments=["two"])
    writer.packet(FIVE[0], comments=["three"], flags=1).packet((NOON + 789, FIVE[1][1]), interface=1).secrets("")
    writer.obsolete(FIVE[2], interface=1).statistics(0, dropped=5).block(0x1234, bytes(4)).packet(FIVE[3], dropped=2)
    writer.block(0x0BAD, bytes(4)).block(0x40000BAD, bytes(8)).packet(FIVE[0])
    writer.section(big_endian=True).interface(tsresol=0x80 | 20, tsoffset=1_700_000_000).packet(FIVE[4])
    file.write_bytes(bytes(writer))

    seen = as_we_read(file)

    assert [number for number, *_ in seen] == [1, 2, 3, 4, 7, 8]
    assert seen == as_tshark_reads(file)
