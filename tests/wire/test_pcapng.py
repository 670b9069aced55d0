"""PcapngReader: every block it knows, in file order; cut anywhere, damaged anywhere."""

from __future__ import annotations

from struct import pack_into, unpack_from

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, PacketBatch, TlsSecrets
from fieldkit.wire import records
from fieldkit.wire.pcapng import MAX_INTERFACES, PcapngReader
from fieldkit.wire.pcapngblocks import MAX_BLOCK_BYTES
from tests.traffic.capture import Packet, Pcapng, Seen, contents, errors, read, write_pcapng

NOON = 1_760_000_000_123_456_000
"""When the captures of this file were made."""

SECOND = 1_000_000_000
KEYS = "CLIENT_RANDOM " + "ab" * 32 + " " + "cd" * 48 + "\n"
FIVE: list[Packet] = [(NOON + number * SECOND, bytes([number]) * (60 + number)) for number in range(5)]


def a_section() -> Pcapng:
    """A section with one Ethernet interface."""
    return Pcapng().section().interface()


def of_everything(*, big_endian: bool = False) -> Pcapng:
    """A capture with every kind of block in it."""
    return (
        Pcapng(big_endian=big_endian)
        .section(comments=["Site 12, cabinet B"])
        .interface(name="eth0")
        .interface(name="wwan0", linktype=101, tsresol=9, comments=["SIM 2"])
        .packet(FIVE[0])
        .secrets(KEYS)
        .packet(FIVE[1], interface=1, flags=1)
        .packet(FIVE[2], comments=["here it stops", "again"])
        .block(4, b"names of hosts" + bytes(10))
        .block(0x1234, b"whatever")
        .simple(FIVE[3][1])
        .obsolete(FIVE[4], interface=1, dropped=3)
        .packet(FIVE[0], dropped=2)
        .statistics(0, dropped=5, dropped_by_os=1)
    )


# ------------------------------------------------------------------------------------------------------------- blocks


@pytest.mark.parametrize("nanoseconds", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
def test_reads_what_was_written(big_endian: bool, nanoseconds: bool) -> None:
    data = write_pcapng(FIVE, linktype=113, big_endian=big_endian, nanoseconds=nanoseconds)

    assert read(PcapngReader(), data) == [
        Seen(number, time, 113, 0, content) for number, (time, content, *_) in enumerate(FIVE, 1)
    ]


@pytest.mark.parametrize("big_endian", [False, True])
def test_everything_comes_in_file_order(big_endian: bool) -> None:
    times = [packet[0] for packet in FIVE]
    data = [packet[1] for packet in FIVE]

    assert read(PcapngReader(), bytes(of_everything(big_endian=big_endian))) == [
        CaptureComment(0, (), "Site 12, cabinet B"),
        CaptureComment(0, (), "SIM 2"),
        Seen(1, times[0], 1, 0, data[0]),
        TlsSecrets(times[0], (), KEYS),
        Seen(2, times[1], 101, 1, data[1]),
        Seen(3, times[2], 1, 0, data[2]),
        CaptureComment(times[2], (3,), "here it stops"),
        CaptureComment(times[2], (3,), "again"),
        Seen(4, times[2], 1, 0, data[3]),  # a simple packet has no time: that of the one before
        Seen(5, times[4], 101, 1, data[4]),
        CaptureDropped(times[4], (5,), "wwan0", 3),
        Seen(6, times[0], 1, 0, data[0]),
        CaptureDropped(times[0], (6,), "eth0", 2),
        CaptureDropped(times[0], (), "eth0", 4),  # six in all, two were known
    ]


@pytest.mark.parametrize(
    ("tsresol", "tick"), [(None, 1000), (0, SECOND), (3, 1_000_000), (9, 1), (0x80 | 20, 954), (0x80 | 32, 1)]
)
def test_time_comes_in_any_resolution(tsresol: int | None, tick: int) -> None:
    time = NOON + 789_012
    writer = Pcapng().section().interface(tsresol=tsresol).packet((time, b"x"))

    (seen,) = read(PcapngReader(), bytes(writer))

    if tsresol is not None and tsresol & 0x80:
        # A binary fraction of a second is rounded twice: when it was written and when it is read.
        assert 0 <= time - seen.time <= tick
    else:
        assert seen.time == time // tick * tick


@pytest.mark.parametrize("tsresol", [6, 9, 12])
def test_time_may_count_from_another_epoch(tsresol: int) -> None:
    """For picoseconds it has to: since 1970 there have been more of them than sixty-four bits can count."""
    writer = Pcapng().section().interface(tsresol=tsresol, tsoffset=1_759_999_000).packet((NOON, b"x"))

    (seen,) = read(PcapngReader(), bytes(writer))

    assert seen.time == NOON


@pytest.mark.parametrize("tsresol", [0x7F, 0xFF])
def test_an_absurd_resolution_is_calculated_all_the_same(tsresol: int) -> None:
    """The longest time that can be told is then far less than a nanosecond."""
    writer = Pcapng().section().interface(tsresol=tsresol).packet((0, b"x"))
    writer.data[-24:-16] = b"\xff" * 8

    (seen,) = read(PcapngReader(), bytes(writer))

    assert seen.time == 0


def test_alternating_interfaces_of_one_kind_share_batches() -> None:
    writer = Pcapng().section().interface(name="eth0").interface(name="eth1")
    for number, packet in enumerate(FIVE):
        writer.packet(packet, interface=number % 2)
    data = bytes(writer)

    batches = PcapngReader().feed(data)

    assert [len(batch.starts) for batch in batches if isinstance(batch, PacketBatch)] == [5]
    assert [seen.interface for seen in read(PcapngReader(), data)] == [0, 1, 0, 1, 0]


def test_different_interfaces_do_not_share_batches() -> None:
    writer = Pcapng().section().interface().interface(linktype=101).interface(tsresol=9).interface(tsoffset=5)
    for number in (0, 0, 1, 2, 2, 3):
        writer.packet(FIVE[0], interface=number)

    items = read(PcapngReader(), bytes(writer))

    assert [(seen.interface, seen.linktype, seen.time) for seen in items] == [
        (0, 1, NOON),
        (0, 1, NOON),
        (1, 101, NOON),
        (2, 1, NOON),
        (2, 1, NOON),
        (3, 1, NOON),
    ]


def test_sections_have_their_own_byte_order_and_interfaces() -> None:
    writer = a_section().interface().packet(FIVE[0], interface=1)
    writer.section(big_endian=True, length=1000).interface(linktype=276, tsresol=9).packet(FIVE[1]).simple(b"bare")
    writer.section(big_endian=False, version=(1, 2)).interface(linktype=113).simple(b"bare").packet(FIVE[2])

    assert read(PcapngReader(), bytes(writer)) == [
        Seen(1, FIVE[0][0], 1, 1, FIVE[0][1]),
        Seen(2, FIVE[1][0], 276, 2, FIVE[1][1]),
        Seen(3, FIVE[1][0], 276, 2, b"bare"),
        Seen(4, 0, 113, 3, b"bare"),  # nothing in this section has told the time yet
        Seen(5, FIVE[2][0], 113, 3, FIVE[2][1]),
    ]


def test_a_simple_packet_is_cut_at_the_snap_length() -> None:
    writer = Pcapng().section().interface(snaplen=10).simple(b"0123456789", 1500).simple(b"01234", 5)
    writer.section().interface().simple(b"0123", 5_000_000)

    assert contents(read(PcapngReader(), bytes(writer))) == [b"0123456789", b"01234", b"0123"]


def test_drops_are_told_once() -> None:
    """Statistics count from the beginning of the capture, however often they come."""
    writer = a_section().interface(name="eth1")
    writer.statistics(0, dropped=0).packet(FIVE[0])
    writer.statistics(0, dropped=10).statistics(1, dropped_by_os=7).statistics(0, dropped=10)
    writer.statistics(0, dropped=15, dropped_by_os=2).statistics(0, dropped=(1 << 64) - 1).statistics(9, dropped=1)

    _, *drops = read(PcapngReader(), bytes(writer))

    assert drops == [
        CaptureDropped(NOON, (), "interface 0", 10),
        CaptureDropped(NOON, (), "eth1", 7),
        CaptureDropped(NOON, (), "interface 0", 7),
    ]


def test_only_tls_secrets_are_handed_on() -> None:
    writer = a_section().secrets("wireguard", kind=0x57474B4C).secrets("")

    assert read(PcapngReader(), bytes(writer)) == [TlsSecrets(0, (), "")]


def test_secrets_need_not_be_text() -> None:
    writer = a_section().block(10, b"\x4b\x53\x4c\x54" + b"\x03\0\0\0" + b"a\xffb")

    assert read(PcapngReader(), bytes(writer)) == [TlsSecrets(0, (), "a\N{REPLACEMENT CHARACTER}b")]


def test_blocks_that_wireshark_numbers_are_numbered() -> None:
    writer = a_section().packet(FIVE[0]).block(0x0BAD, bytes(8)).block(0x40000BAD, bytes(8)).block(9, b"A=B\n")
    writer.block(0x0000_1234, bytes(8)).packet(FIVE[1])

    assert [seen.frame for seen in read(PcapngReader(), bytes(writer))] == [1, 5]


def test_packets_with_options_stay_in_the_batch() -> None:
    writer = a_section()
    for packet in FIVE:
        writer.packet(packet, flags=2)

    (batch,) = PcapngReader().feed(bytes(writer))

    assert isinstance(batch, PacketBatch)
    assert len(batch.starts) == 5


def test_empty_packets_are_packets() -> None:
    assert contents(read(PcapngReader(), write_pcapng([(NOON, b""), (NOON, b"", 1500)]))) == [b"", b""]


def test_reader_knows_frames_link_types_and_time() -> None:
    reader = PcapngReader()

    read(reader, bytes(of_everything()))

    assert (reader.frames, reader.linktypes, reader.time) == (6, {1, 101}, NOON)


# ---------------------------------------------------------------------------------------------------------------- cut


@pytest.mark.parametrize("big_endian", [False, True])
def test_cut_anywhere_gives_what_was_before_and_one_error(big_endian: bool) -> None:
    data = bytes(of_everything(big_endian=big_endian))
    whole = read(PcapngReader(), data)
    ends = [0]
    while ends[-1] < len(data):
        ends.append(ends[-1] + unpack_from(">I" if big_endian else "<I", data, ends[-1] + 4)[0])

    for length in range(len(data)):
        items = read(PcapngReader(), data[:length])
        if length and length in ends:
            assert items == whole[: len(items)]
        else:
            *before, error = items
            assert before == whole[: len(before)]
            assert isinstance(error, DecodeError)
            assert "cut" in error.reason
            assert error.lost == length - max(end for end in ends if end <= length)


def test_the_error_says_in_which_packet_and_why() -> None:
    *_, error = read(PcapngReader(), write_pcapng(FIVE)[:-10])

    assert error.layer == "pcapng"
    assert error.frames == (5,)
    assert error.time == FIVE[3][0]
    assert error.reason == (
        "the capture was cut in the middle of packet 5: 86 of 96 bytes are there "
        "(the file was still being written or its transfer was cut)"
    )


# ------------------------------------------------------------------------------------------------------------- damage


def damaged_packet(at: int, change: bytes) -> Pcapng:
    """Five packets; in the second one some bytes of its block are not what they should be."""
    writer = a_section()
    for number, packet in enumerate(FIVE):
        begin = len(writer.data)
        writer.packet(packet)
        if number == 1:
            writer.data[begin + at : begin + at + len(change)] = change
    return writer


@pytest.mark.parametrize(
    ("at", "change"),
    [(4, b"\xff\xff\xff\xff"), (4, b"\x0a\0\0\0"), (4, b"\x61\0\0\0"), (4, b"\x80\0\0\0"), (6, b"\x02\0")],
    ids=["too large", "too small", "no multiple of four", "too long", "behind the end"],
)
def test_a_wrong_block_length_costs_one_packet(at: int, change: bytes) -> None:
    items = read(PcapngReader(), bytes(damaged_packet(at, change)))

    assert contents(items) == [FIVE[number][1] for number in (0, 2, 3, 4)]
    assert [error.lost for error in errors(items)] == [96]


def test_a_length_behind_the_block_may_be_wrong_when_the_packet_says_the_same_as_the_block() -> None:
    items = read(PcapngReader(), bytes(damaged_packet(92, b"\xff")))

    assert contents(items) == [packet[1] for packet in FIVE]


def test_contradicting_lengths_cost_the_block() -> None:
    writer = a_section().packet(FIVE[0])
    writer.block(4, bytes(40), behind=48).packet(FIVE[1])

    items = read(PcapngReader(), bytes(writer))

    assert contents(items) == [FIVE[0][1], FIVE[1][1]]
    assert [error.reason for error in errors(items)] == [
        "the two lengths of a block contradict each other; 52 bytes were skipped"
    ]


def test_a_packet_longer_than_its_block_is_lost_but_counted() -> None:
    items = read(PcapngReader(), bytes(damaged_packet(20, b"\xff\xff\xff\xff")))

    assert [seen.frame for seen in items if isinstance(seen, Seen)] == [1, 3, 4, 5]
    (error,) = errors(items)
    assert error.frames == (2,)
    assert error.lost == 96
    assert error.reason == "packet 2 claims 4294967295 bytes, which its block does not hold"


def test_packets_of_unknown_interfaces_are_counted_per_section() -> None:
    writer = a_section()
    for number in (0, 5, 5, 0, 6):
        writer.packet(FIVE[0], interface=number)
    writer.section().simple(b"bare").packet(FIVE[1])

    items = read(PcapngReader(), bytes(writer))

    assert [item.frame if isinstance(item, Seen) else item.frames for item in items] == [1, 4, (2,), (6,)]
    assert [error.reason for error in errors(items)] == [
        "3 packets, from packet 2 on, name interfaces that the capture does not describe, such as number 5: "
        "what they hold cannot be known",
        "2 packets, from packet 6 on, name interfaces that the capture does not describe, such as number 0: "
        "what they hold cannot be known",
    ]
    assert [error.lost for error in errors(items)] == [180, 4 + 61]


def test_a_damaged_section_header_costs_itself() -> None:
    data = bytearray(write_pcapng(FIVE))
    data[8] ^= 0xFF

    items = read(PcapngReader(), bytes(data))

    assert contents(items) == [packet[1] for packet in FIVE]
    assert [error.reason for error in errors(items)] == ["a section header names no byte order; 28 bytes were skipped"]


def test_a_missing_section_header_is_missed() -> None:
    items = read(PcapngReader(), write_pcapng(FIVE)[28:])

    assert errors(items)[0].reason.startswith("this does not begin with a section header")


def test_an_unknown_version_is_named() -> None:
    items = read(PcapngReader(), bytes(Pcapng().section(version=(2, 0)).interface().packet(FIVE[0])))

    assert contents(items) == [FIVE[0][1]]
    assert [error.reason for error in errors(items)] == [
        "this is pcapng version 2, which is not known; it is read as version 1"
    ]


def test_options_that_are_too_long_end_there() -> None:
    writer = a_section()
    body = writer.options([(2, b"\0\0\0\0")])[:8] + b"\x01\0\xff\xff"
    writer.block(6, bytes(20) + body).packet(FIVE[0])

    items = read(PcapngReader(), bytes(writer))

    assert contents(items) == [b"", FIVE[0][1]]
    assert [error.reason for error in errors(items)] == ["an option is longer than its block"]


def test_secrets_that_are_too_long_end_with_their_block() -> None:
    writer = a_section().block(10, b"\x4b\x53\x4c\x54" + b"\xff\xff\xff\xff" + b"rest").packet(FIVE[0])

    error, secrets, seen = read(PcapngReader(), bytes(writer))

    assert "longer than the block" in error.reason
    assert secrets.text == "rest"
    assert seen.data == FIVE[0][1]


def test_noise_between_blocks_is_skipped_and_counted() -> None:
    writer = a_section().packet(FIVE[0])
    writer.data += b"\x06\0\0\0" * 400 + bytes(2001)
    writer.packet(FIVE[1]).section(big_endian=True).interface().packet(FIVE[2])

    items = read(PcapngReader(), bytes(writer))

    assert contents(items) == [packet[1] for packet in FIVE[:3]]
    assert [error.lost for error in errors(items)] == [3601]


def test_a_section_of_the_other_byte_order_is_found() -> None:
    for order in (False, True):
        writer = Pcapng(big_endian=order).section().interface().packet(FIVE[0])
        writer.data += b"\xfe" * 1001
        writer.section(big_endian=not order).interface().packet(FIVE[1])

        assert contents(read(PcapngReader(), bytes(writer))) == [FIVE[0][1], FIVE[1][1]]


def test_the_largest_block_is_read_and_a_larger_one_is_not_waited_for() -> None:
    largest = a_section().block(0x1234, bytes(MAX_BLOCK_BYTES - 12)).packet(FIVE[0])
    larger = a_section().packet((NOON, bytes(MAX_BLOCK_BYTES))).packet(FIVE[0])

    assert contents(read(PcapngReader(), bytes(largest))) == [FIVE[0][1]]
    assert len(errors(read(PcapngReader(), bytes(larger)))) == 1
    assert errors(read(PcapngReader(), bytes(larger)))[0].reason.startswith("a block claims to be 16777248 bytes long")


def test_lengths_that_are_waited_for_in_vain_do_not_go_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "SEARCH_EFFORT", 1 << 20)
    writer = a_section()
    for _ in range(200):
        begin = len(writer.data)
        writer.packet(FIVE[0])
        pack_into("<I", writer.data, begin + 4, 12_000)
        writer.packet(FIVE[1])
    reader = PcapngReader()

    items = read(reader, bytes(writer))

    assert reader.gave_up
    assert 50 < reader.frames < 150
    assert "too much damage" in errors(items)[-1].reason


def test_interfaces_beyond_the_limit_are_not_kept() -> None:
    writer = Pcapng().section()
    for _ in range(MAX_INTERFACES + 5):
        writer.interface()
    writer.packet(FIVE[0], interface=MAX_INTERFACES - 1).packet(FIVE[0], interface=MAX_INTERFACES)

    items = read(PcapngReader(), bytes(writer))

    assert len(contents(items)) == 1
    assert len(errors(items)) == 2


# --------------------------------------------------------------------------------------------------------- properties

cuts = st.lists(st.integers(1, 150), max_size=30)
payloads = st.binary(max_size=50)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("packet"), payloads, st.integers(0, 3)),
        st.tuples(st.just("comment"), payloads, st.integers(0, 2)),
        st.tuples(st.just("simple"), payloads, st.just(0)),
        st.tuples(st.just("obsolete"), payloads, st.integers(0, 2)),
        st.tuples(st.just("secrets"), st.just(b""), st.just(0)),
        st.tuples(st.just("section"), st.just(b""), st.integers(0, 1)),
        st.tuples(st.just("statistics"), st.just(b""), st.integers(0, 3)),
    ),
    max_size=12,
)


def build(script: list[tuple[str, bytes, int]]) -> bytes:
    writer = Pcapng()

    def section(big_endian: bool) -> None:
        writer.section(big_endian=big_endian).interface().interface(tsresol=9).interface(linktype=101)

    section(False)
    for at, (step, payload, number) in enumerate(script):
        packet = (NOON + at * SECOND, payload)
        if step == "packet":
            writer.packet(packet, interface=number)
        elif step == "comment":
            writer.packet(packet, interface=number, comments=["see here"], dropped=1)
        elif step == "simple":
            writer.simple(payload)
        elif step == "obsolete":
            writer.obsolete(packet, interface=number, dropped=number)
        elif step == "secrets":
            writer.secrets(KEYS)
        elif step == "section":
            section(bool(number))
        else:
            writer.statistics(number, dropped=at)
    return bytes(writer)


@given(steps, cuts)
@settings(max_examples=60)
def test_however_it_is_fed_it_is_the_same(script: list[tuple[str, bytes, int]], sizes: list[int]) -> None:
    data = build(script)
    whole = read(PcapngReader(), data)

    packets = ("packet", "comment", "simple", "obsolete")
    assert contents(whole) == [payload for step, payload, number in script if step in packets and number < 3]
    assert read(PcapngReader(), data, sizes) == whole
    assert read(PcapngReader(), data, [1] * len(data)) == whole


@given(
    steps,
    st.lists(st.tuples(st.integers(0, 1500), st.sampled_from([0, 4, 6, 0xFF]) | st.integers(0, 255)), max_size=8),
    cuts,
)
@settings(max_examples=150)
def test_damage_never_raises_and_never_depends_on_the_blocks(
    script: list[tuple[str, bytes, int]], changes: list[tuple[int, int]], sizes: list[int]
) -> None:
    data = bytearray(build(script))
    for at, value in changes:
        data[at % len(data)] = value
    reader = PcapngReader()

    whole = read(reader, bytes(data))

    assert len(contents(whole)) <= reader.frames <= len(data) // 12
    assert sum(map(len, contents(whole))) <= len(data)
    assert all(len(error.data) <= 64 for error in errors(whole))
    assert read(PcapngReader(), bytes(data), sizes) == whole
    assert read(PcapngReader(), bytes(data), [1] * len(data)) == whole


@given(st.binary(max_size=300), cuts)
@settings(max_examples=60)
def test_noise_never_raises(noise: bytes, sizes: list[int]) -> None:
    for data in (noise, bytes(a_section()) + noise, bytes(a_section().packet(FIVE[0])) + noise):
        assert read(PcapngReader(), data, sizes) == read(PcapngReader(), data)
