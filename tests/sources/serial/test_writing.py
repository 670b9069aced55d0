"""What a write would be, and what speaks against it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fieldkit import profilestore
from fieldkit.devices.modbus.framing import ascii_frame, rtu_frame
from fieldkit.events import DeviceReading
from fieldkit.sources.serial.trouble import RefusedError
from fieldkit.sources.serial.writing import EEPROM_LIFETIME, names_before, objection, plan, same, value_of, worn

NOW = datetime(2026, 8, 31, 12, 0, tzinfo=UTC)


def _reading(name: str, value: float | str | None, raw: str = "") -> DeviceReading:
    return DeviceReading(1, (), "p", "modbus", "d", name, value, "", "", "", raw, True)


def test_the_bytes_of_a_write() -> None:
    box = plan(profilestore.find("heidelberg-ec"), 1, "current_set", "10")
    assert box.data == rtu_frame(1, bytes.fromhex("10 0105 0001 02 0064"))
    assert box.phrase(16.0) == "heidelberg-ec/1 current_set 16 A -> 10 A"
    assert names_before(box) == ["current_set", "charging_state"]
    abl = profilestore.find("abl-emh1")
    for writable in abl.writables:
        if not writable.danger:
            assert plan(abl, 1, writable.name, f"{writable.high:g}").data.startswith(ascii_frame(1, b"\x10")[:3])


def test_every_profile_can_be_planned_and_nothing_dangerous_is() -> None:
    """Within its limits each writable makes a request to one unit; the dangerous ones make none."""
    dangerous = 0
    for profile in profilestore.shipped().values():
        for writable in profile.writables:
            if writable.danger:
                dangerous += 1
                with pytest.raises(RefusedError, match="never written"):
                    plan(profile, profile.unit, writable.name, f"{writable.low:g}")
                continue
            made = plan(profile, profile.unit, writable.name, f"{writable.high:g}")
            assert made.intent.address == writable.address
            assert any(writable.effect in line for line in made.explained(None))
            for value in (writable.low - 1, writable.high + 1, float("nan"), float("inf")):
                with pytest.raises(ValueError):
                    plan(profile, profile.unit, writable.name, str(value))
    assert dangerous
    for wrong in ("0.05", "x", ""):
        with pytest.raises(ValueError):
            plan(profilestore.find("heidelberg-ec"), 1, "current_set", wrong)


def test_a_vehicle_that_charges_and_a_value_nobody_knows() -> None:
    box = plan(profilestore.find("heidelberg-ec"), 1, "current_set", "10")
    before = _reading("current_set", 16.0)
    assert objection(box, [before, _reading("charging_state", "B1")], while_charging=False) == ""
    assert "charging (state C2)" in objection(box, [before, _reading("charging_state", "C2")], while_charging=False)
    assert objection(box, [before, _reading("charging_state", "C2")], while_charging=True) == ""
    # "Derating" is a vehicle that charges with less; a number that nobody knows may be one.
    for state in ("derating", "unknown (77)", "error"):
        assert "may be charging" in objection(box, [before, _reading("charging_state", state)], while_charging=False)
        assert objection(box, [before, _reading("charging_state", state)], while_charging=True) == ""
    assert "is a vehicle charging?" in objection(box, [before], while_charging=True)
    assert "nobody knows" in objection(box, [_reading("charging_state", "B1")], while_charging=True)


def test_a_number_that_would_mean_something_else() -> None:
    """A controller set to steps of 0.01 A takes 10 for 0.1 A."""
    box = plan(profilestore.find("evse-din"), 1, "current", "10")
    assert set(names_before(box)) == {"current_set", "configuration", "vehicle_state"}
    usual = [_reading("current_set", 16.0), _reading("vehicle_state", "B")]
    assert objection(box, [*usual, _reading("configuration", "none")], while_charging=False) == ""
    fine = _reading("configuration", "current in steps of 0.01 A, disabled")
    assert "would mean something else" in objection(box, [*usual, fine], while_charging=True)
    assert "nobody knows what the number" in objection(box, usual, while_charging=True)


def test_a_stored_register_is_spared() -> None:
    stored = plan(profilestore.find("evse-din"), 1, "current_after_boot", "16")
    entry = {
        "what": "write",
        "device": stored.device,
        "intent": "current_after_boot: x",
        "time": (NOW - timedelta(seconds=20)).isoformat(),
    }
    assert worn(stored, [], NOW) == ""
    assert "wait 40 s" in worn(stored, [entry], NOW)
    old = {**entry, "time": (NOW - timedelta(days=1)).isoformat()}
    assert worn(stored, [old], NOW) == ""
    assert "wears out" in worn(stored, [old] * EEPROM_LIFETIME, NOW)
    assert worn(stored, [{**entry, "device": "evse-din/2"}, {**entry, "intent": "current: x"}], NOW) == ""
    volatile = plan(profilestore.find("evse-din"), 1, "current", "16")
    assert volatile.writable.memory == "ram"
    assert worn(volatile, [{**entry, "intent": "current: x"}], NOW) == ""


def test_whether_it_took_effect() -> None:
    box = plan(profilestore.find("heidelberg-ec"), 1, "current_set", "10")
    assert same(box, [_reading("current_set", 10.0)])
    assert same(box, [_reading("current_set", "ten", "0064")])
    assert not same(box, [_reading("current_set", 9.9)])
    assert not same(box, [_reading("current_set", "ten", "0063")])
    assert not same(box, [])
    assert value_of([_reading("a", 1.0), _reading("a", 2.0)], "a") == 2.0
