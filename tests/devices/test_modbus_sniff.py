"""Somebody else's bus: everything is understood however it arrives, and nothing is made up."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.devices.modbus.framing import rtu_frame
from fieldkit.devices.modbus.reads import ReadRequest
from fieldkit.devices.modbus.sniff import Overheard, Sniffer
from fieldkit.devices.modbus.timing import MILLISECOND, line_settings
from fieldkit.devices.modbus.writes import WriteIntent, preview

LINE = line_settings(9600)


def conversation(random: Random, exchanges: int) -> tuple[list[tuple[int, bytes]], list[tuple[int, int, int, bytes]]]:
    """Frames with their times, and (unit, function, address, data) of each exchange."""
    frames: list[tuple[int, bytes]] = []
    truth: list[tuple[int, int, int, bytes]] = []
    now = 10**18
    for _ in range(exchanges):
        unit, function, address = (
            random.randrange(1, 6),
            random.choice((1, 2, 3, 4, 6, 16)),
            random.randrange(0, 0x6000),
        )
        if function in (1, 2):
            count = random.randrange(1, 100)
            request = ReadRequest(unit, function, address, count).pdu
            data = random.randbytes((count + 7) // 8)
            answer = bytes((function, len(data))) + data
        elif function in (3, 4):
            count = random.randrange(1, 40)
            request = ReadRequest(unit, function, address, count).pdu
            data = random.randbytes(2 * count)
            answer = bytes((function, len(data))) + data
        else:
            values = (random.randrange(0x10000),) * (1 if function == 6 else random.randrange(1, 9))
            request = preview(WriteIntent(unit, function, address, values))
            data, answer = b"", request[:5]
        if random.random() < 0.1:
            data, answer = b"", bytes((function | 0x80, 2))
        for pdu in (request, answer):
            now += LINE.frame_gap + 20 * MILLISECOND + LINE.wire_time(len(pdu) + 3)
            frames.append((now, rtu_frame(unit, pdu)))
        truth.append((unit, function, address, data))
    return frames, truth


def seen(overheard: Overheard) -> tuple[int, int, int, bytes]:
    return overheard.unit, overheard.function, overheard.address, overheard.data


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 61, 10**6])
def test_a_bus_is_understood_in_pieces_of_any_size(size: int) -> None:
    frames, truth = conversation(Random(1), 400)
    data, sniffer = b"".join(frame for _, frame in frames), Sniffer(LINE)
    for at in range(0, len(data), size):
        sniffer.feed(data[at : at + size], 10**18)
    sniffer.finish()
    assert [seen(overheard) for overheard in sniffer.overheard] == truth
    assert (sniffer.garbage, sniffer.strays) == (0, 0)
    assert sorted(sniffer.units) == [1, 2, 3, 4, 5]
    assert sniffer.master_heard


def test_times_and_latencies() -> None:
    frames, truth = conversation(Random(2), 50)
    sniffer = Sniffer(LINE)
    for time, frame in frames:
        sniffer.feed(frame, time)
    sniffer.finish()
    assert [seen(overheard) for overheard in sniffer.overheard] == truth
    assert all(overheard.latency > 20 * MILLISECOND for overheard in sniffer.overheard)
    assert sum(traffic.writes for traffic in sniffer.units.values()) == sum(
        function in (6, 16) for _, function, _, _ in truth
    )


def test_damage_costs_only_what_is_damaged() -> None:
    random = Random(3)
    frames, truth = conversation(random, 600)
    known = set(truth)
    sniffer = Sniffer(LINE)
    for time, frame in frames:
        match random.randrange(20):
            case 0:
                damaged = bytearray(frame)
                damaged[random.randrange(len(frame))] ^= random.randrange(1, 256)
                frame = bytes(damaged)
            case 1:
                frame = frame[: random.randrange(len(frame))]
            case 2:
                frame = random.randbytes(random.randrange(1, 20)) + frame
        sniffer.feed(frame, time)
    sniffer.finish()
    whole = [overheard for overheard in sniffer.overheard if overheard.answer is not None]
    assert all(seen(overheard) in known for overheard in whole)
    assert len(whole) > 460
    assert sniffer.garbage > 100


def test_a_unit_that_does_not_answer() -> None:
    sniffer = Sniffer(LINE)
    for at in range(3):
        sniffer.feed(rtu_frame(9, ReadRequest(9, 3, 0, 1).pdu), 10**18 + at * 10**9)
    sniffer.finish()
    assert [overheard.answer for overheard in sniffer.overheard] == [None, None, None]
    assert sniffer.units[9].unanswered == 2


def test_an_answer_to_nobodys_question() -> None:
    sniffer = Sniffer(LINE)
    sniffer.feed(rtu_frame(9, b"\x03\x02\x00\x05"), 0)
    sniffer.finish()
    assert (sniffer.strays, list(sniffer.overheard), sniffer.master_heard) == (1, [], False)


@given(st.binary(max_size=600), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_noise_is_counted_and_nothing_else(data: bytes, size: int) -> None:
    sniffer = Sniffer()
    for at in range(0, len(data), size):
        sniffer.feed(data[at : at + size], at)
    sniffer.finish()
    assert sniffer.garbage <= len(data)
    if not sniffer.frames:
        assert sniffer.garbage == len(data)


def _exchange(sniffer: Sniffer, now: int, address: int, answer: int | None, *, unit: int = 1, count: int = 1) -> None:
    sniffer.feed(rtu_frame(unit, ReadRequest(unit, 4, address, count).pdu), now)
    if answer is not None:
        data = answer.to_bytes(2, "big") * count
        sniffer.feed(rtu_frame(unit, bytes((4, len(data))) + data), now + 60 * MILLISECOND)


def test_an_answer_that_may_belong_to_an_earlier_request_is_doubted() -> None:
    """A master gives up after 300 ms and asks for the next register; then the first one's answer comes."""
    sniffer, second = Sniffer(LINE), 1000 * MILLISECOND
    _exchange(sniffer, 0, 0, None)
    _exchange(sniffer, second, 6, 230)
    _exchange(sniffer, 2 * second, 0, 16, unit=2)  # another unit owes nothing
    _exchange(sniffer, 3 * second, 8, 16)  # may still be one behind
    _exchange(sniffer, 4 * second, 20, 16, count=2)  # looks different: units answer in order, so that settles it
    _exchange(sniffer, 5 * second, 6, 16)
    sniffer.finish()
    assert [(pair.unit, pair.address, pair.doubtful) for pair in sniffer.overheard if pair.answer is not None] == [
        (1, 6, True),
        (2, 0, False),
        (1, 8, True),
        (1, 20, False),
        (1, 6, False),
    ]


def test_after_long_silence_an_old_answer_comes_no_more() -> None:
    sniffer, second = Sniffer(LINE), 1000 * MILLISECOND
    _exchange(sniffer, 0, 0, None)
    _exchange(sniffer, 12 * second, 6, 230)
    assert [pair.doubtful for pair in sniffer.overheard if pair.answer is not None] == [False]
