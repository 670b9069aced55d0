"""PcapReader: every variant of the format, cut anywhere, damaged anywhere."""

from __future__ import annotations

from struct import pack, pack_into

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import PacketBatch
from fieldkit.wire import records
from fieldkit.wire.pcap import PcapReader
from fieldkit.wire.records import MAX_PACKET_BYTES, SEARCH_BYTES
from tests.traffic.capture import Packet, Seen, contents, errors, pcap_header, pcap_record, read, write_pcap

NOON = 1_760_000_000_123_456_000
"""When the captures of this file were made."""

FIVE: list[Packet] = [(NOON + number * 1_000_000_000, bytes([number]) * (60 + number)) for number in range(5)]

packets = st.lists(
    st.tuples(st.integers(0, 10**12).map(lambda offset: NOON + offset // 1000 * 1000), st.binary(max_size=90)),
    max_size=12,
)
cuts = st.lists(st.integers(1, 120), max_size=40)


def captured(*records: bytes) -> bytes:
    return pcap_header() + b"".join(records)


def with_length(record: bytes, length: int) -> bytes:
    """The record, but its header claims another captured length."""
    changed = bytearray(record)
    pack_into("<I", changed, 8, length)
    return bytes(changed)


# ----------------------------------------------------------------------------------------------------------- variants


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("variant", ["microseconds", "nanoseconds", "modified"])
def test_reads_what_was_written(variant: str, big_endian: bool) -> None:
    data = write_pcap(
        FIVE,
        linktype=113,
        nanoseconds=variant == "nanoseconds",
        modified=variant == "modified",
        big_endian=big_endian,
    )

    assert read(PcapReader(), data) == [
        Seen(number, time, 113, 0, content) for number, (time, content, *_) in enumerate(FIVE, 1)
    ]


def test_nanoseconds_are_kept() -> None:
    (seen,) = read(PcapReader(), write_pcap([(NOON + 789, b"x")], nanoseconds=True))

    assert seen.time == NOON + 789


def test_the_modified_format_names_the_interface() -> None:
    data = pcap_header(modified=True) + pcap_record(FIVE[0], modified=True, interface=7)

    (seen,) = read(PcapReader(), data)

    assert seen.interface == 7


def test_a_note_on_check_sequences_is_no_part_of_the_link_type() -> None:
    """Upper half of the word: packets end in a frame check sequence of four bytes."""
    (seen,) = read(PcapReader(), write_pcap([(NOON, b"x")], linktype=0x4400_0001))

    assert seen.linktype == 1


def test_the_snap_length_of_the_header_is_not_believed() -> None:
    data = bytearray(write_pcap(FIVE))
    pack_into("<I", data, 16, 10)

    assert len(contents(read(PcapReader(), bytes(data)))) == 5


def test_empty_packets_are_packets() -> None:
    items = read(PcapReader(), write_pcap([(NOON, b""), (NOON, b"x"), (NOON, b""), (NOON, b"", 60)]))

    assert contents(items) == [b"", b"x", b"", b""]
    assert not errors(items)


def test_packets_of_one_block_make_one_batch_in_that_block() -> None:
    data = write_pcap(FIVE)

    (batch,) = PcapReader().feed(data)

    assert isinstance(batch, PacketBatch)
    assert batch.buffer is data
    assert batch.first_frame == 1


def test_only_the_packet_that_a_block_cuts_is_copied() -> None:
    reader = PcapReader()
    first, second = write_pcap(FIVE)[:250], write_pcap(FIVE)[250:]

    batches = [item for block in (first, second) for item in reader.feed(block) if isinstance(item, PacketBatch)]

    assert [(batch.first_frame, len(batch.starts)) for batch in batches] == [(1, 2), (3, 1), (4, 2)]
    assert batches[0].buffer is first
    assert batches[1].buffer == write_pcap(FIVE)[24 + 76 + 77 :][: 16 + 62]
    assert batches[2].buffer is second
    assert reader.frames == 5


def test_captures_put_together_with_cat_are_read_as_one() -> None:
    data = write_pcap(FIVE[:2]) + write_pcap(FIVE[2:], linktype=101, nanoseconds=True, big_endian=True) + write_pcap([])

    items = read(PcapReader(), data)

    assert [(seen.frame, seen.linktype, seen.time) for seen in items] == [
        (number, 1 if number <= 2 else 101, time) for number, (time, *_) in enumerate(FIVE, 1)
    ]


def test_reader_knows_frames_link_types_and_time() -> None:
    reader = PcapReader()

    read(reader, write_pcap(FIVE, linktype=276))

    assert (reader.frames, reader.linktypes, reader.time) == (5, {276}, FIVE[-1][0])


# ---------------------------------------------------------------------------------------------------------------- cut


@pytest.mark.parametrize("variant", [{}, {"nanoseconds": True}, {"big_endian": True}, {"modified": True}])
def test_cut_anywhere_gives_the_packets_before_and_one_error(variant: dict[str, bool]) -> None:
    data = write_pcap(FIVE, **variant)
    whole = read(PcapReader(), data)
    header = 24 if variant.get("modified") else 16
    ends = [24]
    for packet in FIVE:
        ends.append(ends[-1] + header + len(packet[1]))

    for length in range(len(data)):
        items = read(PcapReader(), data[:length])
        complete = max((number for number, end in enumerate(ends) if end <= length), default=0)

        assert items[:complete] == whole[:complete]
        if length in ends:
            assert len(items) == complete
        else:
            (error,) = items[complete:]
            assert "cut" in error.reason
            assert error.lost == length - (ends[complete] if length >= 24 else 0)
            assert error.frames == ((complete + 1,) if length > 24 else ())


def test_the_error_says_in_which_packet_and_why() -> None:
    *_, error = read(PcapReader(), write_pcap(FIVE)[:-10])

    assert error.layer == "pcap"
    assert error.reason == (
        "the capture was cut in the middle of packet 5: 54 of its 64 bytes are there "
        "(the file was still being written or its transfer was cut)"
    )
    assert error.time == FIVE[3][0]
    assert len(error.data) == 64


def test_what_is_no_pcap_is_no_pcap() -> None:
    (error,) = read(PcapReader(), b"GET / HTTP/1.1\r\n" * 10, [5] * 10)

    assert error.reason == "this does not begin like a pcap file"
    assert error.lost == 160


# ------------------------------------------------------------------------------------------------------------- damage


def test_a_length_that_cannot_be_costs_one_packet() -> None:
    records = [pcap_record(packet) for packet in FIVE]
    records[2] = with_length(records[2], 0xFFFF_FFFF)

    items = read(PcapReader(), captured(*records))

    assert contents(items) == [FIVE[number][1] for number in (0, 1, 3, 4)]
    (error,) = errors(items)
    assert items.index(error) == 2
    assert error.lost == len(records[2])
    assert error.data == records[2][:64]
    assert error.reason == "packet 3 claims to be 4294967295 bytes long; 78 bytes were skipped"


@pytest.mark.parametrize("variant", [{"nanoseconds": True}, {"big_endian": True}, {"modified": True}])
def test_every_variant_recovers(variant: dict[str, bool]) -> None:
    data = bytearray(write_pcap(FIVE, **variant))
    at = 24 + (24 if variant.get("modified") else 16) + 60
    data[at + 8 : at + 12] = b"\xff\xff\xff\xff"

    items = read(PcapReader(), bytes(data))

    assert contents(items) == [FIVE[number][1] for number in (0, 2, 3, 4)]


def test_a_damaged_length_that_reaches_behind_the_end_is_told_from_a_cut() -> None:
    records = [pcap_record(packet) for packet in FIVE]
    records[1] = with_length(records[1], 61 | 0x10000)

    items = read(PcapReader(), captured(*records))

    assert contents(items) == [FIVE[number][1] for number in (0, 2, 3, 4)]
    (error,) = errors(items)
    assert error.reason == "a length is damaged; 77 bytes were skipped before packet 2"


def test_noise_between_records_is_skipped_and_counted() -> None:
    noise = b"\xfe" * 5000
    items = read(PcapReader(), captured(*map(pcap_record, FIVE[:2]), noise, *map(pcap_record, FIVE[2:])))

    assert contents(items) == [packet[1] for packet in FIVE]
    assert [error.lost for error in errors(items)] == [5000]


def test_the_last_record_is_found_where_it_ends_with_the_capture() -> None:
    items = read(PcapReader(), captured(pcap_record(FIVE[0]), b"\xfe" * 100, pcap_record(FIVE[1])))

    assert contents(items) == [FIVE[0][1], FIVE[1][1]]


def test_a_hole_of_zeros_is_not_taken_for_empty_packets() -> None:
    """Longer than what is searched in one go."""
    hole = bytes(SEARCH_BYTES + SEARCH_BYTES // 2)
    items = read(PcapReader(), captured(*map(pcap_record, FIVE[:2]), hole, *map(pcap_record, FIVE[2:])))

    assert contents(items) == [packet[1] for packet in FIVE]
    (error,) = errors(items)
    assert error.lost == len(hole)
    assert error.reason.startswith("the file has a hole of zeros where packet 3 should be")


def test_zeros_to_the_end_are_lost() -> None:
    items = read(PcapReader(), write_pcap(FIVE) + bytes(10_000))

    assert contents(items) == [packet[1] for packet in FIVE]
    (error,) = errors(items)
    assert error.lost == 10_000
    assert "no packet is found behind it" in error.reason


def test_records_of_another_day_are_believed_only_when_there_are_no_better() -> None:
    def others(time: int) -> list[bytes]:
        return [pcap_record((time + number, b"other day")) for number in range(5)]

    noise = b"\xfe" * 100
    month = 30 * 86_400 * 1_000_000_000
    before, after = map(pcap_record, FIVE[:2])

    better = read(PcapReader(), captured(before, noise, *others(NOON - month), noise, after, after, after, after))
    none_better = read(PcapReader(), captured(before, noise, *others(NOON + month)))

    assert b"other day" not in contents(better)
    assert contents(better)[1:] == [FIVE[1][1]] * 4
    assert contents(none_better)[1:] == [b"other day"] * 5


def test_a_capture_full_of_damage_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "SEARCH_EFFORT", 10_000)
    damaged = with_length(pcap_record(FIVE[0]), 0xFFFF_FFFF)
    data = captured(*[damaged + pcap_record(FIVE[1]) * 4] * 1000)
    reader = PcapReader()

    items = read(reader, data)

    assert reader.gave_up
    assert 200 < len(contents(items)) < 1000
    assert "too much damage" in errors(items)[-1].reason
    unread = len(data) - 24 - len(contents(items)) * len(pcap_record(FIVE[1]))
    assert sum(error.lost for error in errors(items)) == unread


def test_the_largest_packet_is_read_and_a_larger_one_is_damage() -> None:
    largest = pcap_record((NOON, bytes(MAX_PACKET_BYTES)))
    larger = pcap_record((NOON, bytes(MAX_PACKET_BYTES + 1)))

    items = read(PcapReader(), captured(largest, larger, *map(pcap_record, FIVE)), [100_000] * 6)

    assert [len(content) for content in contents(items)] == [MAX_PACKET_BYTES, 60, 61, 62, 63, 64]
    assert [error.lost for error in errors(items)] == [len(larger)]


def test_a_large_packet_may_come_byte_by_byte() -> None:
    data = captured(pcap_record((NOON, bytes(100_000))))

    assert len(contents(read(PcapReader(), data, [1] * len(data)))) == 1


# --------------------------------------------------------------------------------------------------------- properties


@given(packets, st.booleans(), st.booleans(), cuts)
@settings(max_examples=60)
def test_however_it_is_fed_it_is_the_same(
    given_packets: list[Packet], nanoseconds: bool, big_endian: bool, sizes: list[int]
) -> None:
    data = write_pcap(given_packets, nanoseconds=nanoseconds, big_endian=big_endian)
    whole = read(PcapReader(), data)

    assert [(seen.time, seen.data) for seen in whole] == given_packets
    assert read(PcapReader(), data, sizes) == whole
    assert read(PcapReader(), data, [1] * len(data)) == whole


@given(
    packets,
    st.lists(st.tuples(st.integers(0, 1500), st.sampled_from([0, 0, 1, 4, 0xFF]) | st.integers(0, 255)), max_size=8),
    cuts,
)
@settings(max_examples=150)
def test_damage_never_raises_and_never_depends_on_the_blocks(
    given_packets: list[Packet], changes: list[tuple[int, int]], sizes: list[int]
) -> None:
    data = bytearray(write_pcap(given_packets))
    for at, value in changes:
        data[at % len(data)] = value
    reader = PcapReader()

    whole = read(reader, bytes(data))

    assert reader.frames == len(contents(whole)) <= len(data) // 16
    assert sum(map(len, contents(whole))) + sum(error.lost for error in errors(whole)) <= len(data)
    assert all(len(error.data) <= 64 for error in errors(whole))
    assert read(PcapReader(), bytes(data), sizes) == whole
    assert read(PcapReader(), bytes(data), [1] * len(data)) == whole


@given(st.binary(max_size=400), cuts)
@settings(max_examples=60)
def test_noise_never_raises(noise: bytes, sizes: list[int]) -> None:
    for data in (noise, pcap_header() + noise, captured(pcap_record(FIVE[0])) + noise):
        assert read(PcapReader(), data, sizes) == read(PcapReader(), data)


def test_hostile_lengths_are_counted_not_believed() -> None:
    """Four gigabytes in a file of forty bytes."""
    data = pcap_header() + pack("<IIII", 1, 1, 0xFFFF_FFFF, 0xFFFF_FFFF)

    (error,) = read(PcapReader(), data)

    assert error.lost == 16
