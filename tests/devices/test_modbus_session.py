"""Reading a device by its profile on a good line, a bad one, and none."""

from __future__ import annotations

from random import Random
from struct import pack

import pytest

from fieldkit.devices.modbus.exchange import Cause
from fieldkit.devices.modbus.line import Line, Patience
from fieldkit.devices.modbus.profileload import parse_profile
from fieldkit.devices.modbus.session import Done, Reading, Send, WaitUntil
from fieldkit.devices.modbus.timing import MILLISECOND, SECOND, line_settings
from fieldkit.profilestore import find
from tests.devices.emulated import Device

NOW = 10**18
SETTINGS = line_settings(9600)


def meter() -> dict[int, int]:
    """An SDM630 with a number of its own in each register."""
    values: dict[int, int] = {}
    for address in range(0, 0x180, 2):
        high, low = _words(float(address) + 0.5)
        values[address], values[address + 1] = high, low
    return values


def _words(value: float) -> tuple[int, int]:
    data = pack(">f", value)
    return int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")


def run(reading: Reading, device: Device, now: int = NOW) -> int:
    """Do what it asks for until it is done; the time then."""
    for _ in range(20_000):
        step = reading.poll(now)
        if isinstance(step, Done):
            return now
        if isinstance(step, Send):
            device.hear(step.data, now + SETTINGS.wire_time(len(step.data)))
            continue
        assert isinstance(step, WaitUntil)
        if device.line and device.line[0][0] <= step.time:
            now, data = device.line.popleft()
            reading.feed(data, now)
        else:
            now = max(now + 1, step.time)
    raise AssertionError("does not end")


def check(reading: Reading) -> None:
    """Each value is the number of its own register."""
    for event in reading.readings:
        register = reading.profile.register(event.name)
        assert event.value == pytest.approx(register.address + 0.5), event


def test_a_good_line() -> None:
    device = Device(SETTINGS, Random(1), values=meter())
    reading = Reading(find("sdm630"), Line(SETTINGS, Patience(timeout=300 * MILLISECOND)), port="p")
    run(reading, device)
    assert len(reading.readings) == 27
    assert len(reading.attempts) == 2
    assert not reading.failed
    assert reading.readings[0].device == "sdm630/1"
    assert {event.measurand for event in reading.readings} >= {"Voltage", "Energy.Active.Import.Register"}
    check(reading)


def test_only_what_is_wanted() -> None:
    device = Device(SETTINGS, Random(1), values=meter())
    reading = Reading(find("sdm630"), Line(SETTINGS), names=("frequency",))
    run(reading, device)
    assert [(event.name, event.value) for event in reading.readings] == [("frequency", 70.5)]


def test_nobody_there() -> None:
    device = Device(SETTINGS, Random(1), unit=7)
    reading = Reading(find("sdm630"), Line(SETTINGS, Patience(timeout=300 * MILLISECOND)))
    run(reading, device)
    assert not reading.readings
    assert {outcome.cause for _, outcome in reading.failed} == {Cause.SILENCE}
    assert len(reading.failed) == 27


def test_bad_lines_show_no_wrong_value() -> None:
    """Five hundred passes with 15 % of the answers late, damaged, cut, foreign or missing."""
    line = Line(SETTINGS, Patience(timeout=300 * MILLISECOND))
    device = Device(
        SETTINGS, Random(5), values=meter(), rate=0.15, faults=("late", "corrupted", "truncated", "foreign", "silent"),
        late=(300 * MILLISECOND, 4 * SECOND),
    )  # fmt: skip
    now, read = NOW, 0
    for _ in range(500):
        reading = Reading(find("sdm630"), line)
        now = run(reading, device, now)
        check(reading)
        read += len(reading.readings)
    assert read > 500 * 27 * 0.9
    assert device.drawn.count("late") > 30


def test_a_single_register_is_read_past_a_stale_answer() -> None:
    """Nothing of it can be left out, so something else of the same device is asked for first."""
    values = {1000 + at: at for at in range(8)} | {2000 + at: at for at in range(6)}
    device = Device(SETTINGS, Random(2), values=values, rate=1.0, faults=("silent",))
    line = Line(SETTINGS, Patience(timeout=300 * MILLISECOND))
    reading = Reading(find("evse-din"), line, names=("vehicle_state",))
    step = reading.poll(NOW)
    assert isinstance(step, Send)
    device.hear(step.data, NOW)
    device.rate = 0.0
    end = run(reading, device)
    assert [(event.name, event.value) for event in reading.readings] == [("vehicle_state", "B")]
    assert end - NOW < 3 * SECOND


def test_a_register_that_this_model_lacks_does_not_spoil_its_neighbours() -> None:
    values = meter()
    del values[0x46], values[0x47]
    device = Device(SETTINGS, Random(1), values=values)
    reading = Reading(find("sdm630"), Line(SETTINGS))
    run(reading, device)
    assert [register.name for register, _ in reading.failed] == ["frequency"]
    assert len(reading.readings) == 26
    check(reading)


def test_a_device_that_has_to_be_woken() -> None:
    profile = parse_profile(
        'schema = 1\nid = "sleepy"\ntitle = "Sleepy"\nkind = "meter"\n[line]\nspeeds = [9600]\nformats = ["8N1"]\nunit = 1\n'
        'verified = false\nwake = true\n[sources]\na = "x"\n[[register]]\nname = "one"\nfunction = 3\naddress = 0\ntype = "u16"\n'
        'sources = ["a"]\nverified = false\n[[register]]\nname = "two"\nfunction = 3\naddress = 1\ntype = "u16"\nsources = ["a"]\nverified = false\n',
        "sleepy.toml",
    )
    device = Device(SETTINGS, Random(1), values={0: 5, 1: 6}, rate=1.0, faults=("silent",))
    reading = Reading(profile, Line(SETTINGS), retries=0)
    step = reading.poll(NOW)
    assert isinstance(step, Send)
    device.hear(step.data, NOW)
    device.rate = 0.0
    run(reading, device)
    assert [event.value for event in reading.readings] == [5.0, 6.0]
    assert not reading.failed
