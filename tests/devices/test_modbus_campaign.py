"""Ten thousand exchanges on a bad line: no wrong value, and the cause of what failed named right."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from fieldkit.devices.modbus.exchange import Cause, Exchange
from fieldkit.devices.modbus.line import Line, Patience
from fieldkit.devices.modbus.reads import ReadRequest
from fieldkit.devices.modbus.timing import MILLISECOND, line_settings
from tests.devices.emulated import Device

SETTINGS = line_settings(9600, "8N1")
CAUSES = {
    "": Cause.ANSWERED,
    "late": Cause.LATE,
    "corrupted": Cause.CHECKSUM,
    "truncated": Cause.TRUNCATED,
    "foreign": Cause.WRONG_UNIT,
    "silent": Cause.SILENCE,
    "exception": Cause.EXCEPTION,
}


def deliver(device: Device, line: Line, now: int) -> int:
    """Hand over what is heard until the exchange is over; the time at which it is."""
    exchange = line.exchange
    assert exchange is not None
    while not exchange.done:
        if device.line and device.line[0][0] <= exchange.deadline:
            now, data = device.line.popleft()
            line.feed(data, now)
        else:
            now = exchange.deadline
            line.tick(now)
    return now


def pass_time(device: Device, line: Line, until: int) -> None:
    while device.line and device.line[0][0] <= until:
        time, data = device.line.popleft()
        line.feed(data, time)


def wrong(exchange: Exchange, request: ReadRequest, values: dict[int, int]) -> bool:
    assert exchange.outcome is not None
    pdu = exchange.outcome.pdu
    return bool(pdu) and pdu[2:] != b"".join(
        values[at].to_bytes(2, "big") for at in range(request.address, request.address + request.count)
    )


@pytest.mark.parametrize("spread", [0, 2500], ids=["late within the drain", "later than that, too"])
def test_ten_thousand_exchanges_on_a_bad_line(spread: int) -> None:
    """Voltages and currents are read in turn, at equal lengths: the case in which libraries mix them up."""
    random = Random(spread)
    values = {at: (at * 2654435761) >> 7 & 0xFFFF for at in range(400)}
    device = Device(
        SETTINGS,
        random,
        values=values,
        faults=("late", "corrupted", "truncated", "foreign", "silent", "exception"),
        rate=0.15,
        late=(400 * MILLISECOND, (1200 + spread) * MILLISECOND),
    )
    line = Line(SETTINGS, Patience(timeout=300 * MILLISECOND, drain=1000 * MILLISECOND))
    now, mistakes, named, faulty = 10**18, 0, 0, 0
    confused: Counter[tuple[str, str]] = Counter()
    verdicts: dict[int, tuple[str, Cause]] = {}
    exchanges = 0
    while exchanges < 10_000:
        wanted = ReadRequest(1, 4, random.choice((0, 12, 52)), 6)
        pass_time(device, line, now)
        now = max(now, line.ready)
        request = wanted
        while not line.fits(request, now):
            request = ReadRequest(1, random.choice((3, 4)), wanted.address, random.randrange(1, 40))
        exchange = line.begin(request, now)
        device.hear(exchange.data, exchange.sent)
        now = deliver(device, line, now)
        exchanges += 1
        outcome = exchange.outcome
        assert outcome is not None
        mistakes += wrong(exchange, request, values)
        truth = device.drawn[-1]
        # A request behind one that is still being answered is late, too, whatever else becomes of it.
        if truth:
            faulty += 1
            verdicts[exchange.sent] = (truth, outcome.cause)
            if outcome.cause is CAUSES[truth]:
                named += 1
            else:
                confused[truth, outcome.cause.value] += 1
    assert mistakes == 0
    assert faulty > 1300
    # What came later than anybody waits is named when it comes.
    for late in line.late:
        truth, cause = verdicts.get(late.sent, ("", Cause.LATE))
        if truth == "late" and cause is Cause.SILENCE:
            verdicts[late.sent] = (truth, Cause.LATE)
            named += 1
    assert named / faulty >= 0.95, confused
    if not spread:
        assert named == faulty, confused


def test_a_meter_is_read_as_fast_as_its_line_allows() -> None:
    """18 registers at 9600 8N1: nothing is added to the bytes, the meter's own time and the silence between frames."""
    device = Device(SETTINGS, Random(1), values={at: at for at in range(18)})
    line = Line(SETTINGS)
    begin = now = 10**18
    request = ReadRequest(1, 4, 0, 18)
    for _ in range(200):
        now = max(now, line.ready)
        exchange = line.begin(request, now)
        device.hear(exchange.data, exchange.sent)
        now = deliver(device, line, now)
        assert exchange.outcome is not None
        assert exchange.outcome.cause is Cause.ANSWERED
    limit = 200 * (SETTINGS.wire_time(8) + device.turnaround + SETTINGS.wire_time(41) + SETTINGS.frame_gap)
    assert (now - begin) / limit < 1.01
