"""One write to a Modbus device: what it would do, what speaks against it, the write itself, and what came of it.

Nothing is written here without a ``Permit``; nothing is tried again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import pack
from typing import Any, Final

from fieldkit.devices.modbus.framing import ascii_frame, rtu_frame
from fieldkit.devices.modbus.pdu import Function
from fieldkit.devices.modbus.profile import Profile, Writable
from fieldkit.devices.modbus.values import SIZES
from fieldkit.devices.modbus.writes import WriteIntent, preview
from fieldkit.events import DeviceReading
from fieldkit.sources.serial.trouble import RefusedError

EEPROM_PAUSE: Final = 60
"""Seconds between two writes to a register that is stored: a loop by mistake wears it out within days."""
EEPROM_LIFETIME: Final = 1000
"""Writes to one such register of one device that this machine makes at most; cheap controllers stand 10,000."""
_FORMATS: Final = {
    "u16": ">H",
    "i16": ">h",
    "u32": ">I",
    "i32": ">i",
    "u64": ">Q",
    "i64": ">q",
    "f32": ">f",
    "f64": ">d",
}
_CHARGING: Final = frozenset({"C", "C1", "C2", "D", "D1", "D2"})
"""IEC 61851-1: a vehicle that draws current."""
_IDLE: Final = frozenset({"A", "A1", "A2", "B", "B1", "B2", "E", "F"})
"""Those in which none does. What a profile calls otherwise ("derating", a number) may be charging."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A write before anybody was asked."""

    profile: Profile
    unit: int
    writable: Writable
    value: float
    intent: WriteIntent

    @property
    def device(self) -> str:
        return f"{self.profile.id}/{self.unit}"

    @property
    def data(self) -> bytes:
        """The bytes that would be sent."""
        framed = ascii_frame if self.profile.mode == "ascii" else rtu_frame
        return framed(self.unit, preview(self.intent))

    def shown(self, value: float | str | None) -> str:
        """A value of this register, for people."""
        if value is None:
            return "unknown"
        return f"{value:.10g} {self.writable.unit}".strip() if isinstance(value, int | float) else value

    def phrase(self, old: float | str | None) -> str:
        """What the operator has to say to allow it: device, register, old and new value."""
        return f"{self.device} {self.writable.name} {self.shown(old)} -> {self.shown(self.value)}"

    def explained(self, old: float | str | None) -> list[str]:
        """What it would do, in lines."""
        writable = self.writable
        stored = {
            "ram": "until the device restarts (RAM)",
            "eeprom": "for good (EEPROM: every write wears it)",
            "unknown": "perhaps for good (nobody says whether it is stored)",
        }[writable.memory]
        lines = [
            f"device:     {self.device} ({self.profile.title})",
            f"register:   {writable.name}, address {writable.address} (0x{writable.address:04X})",
            f"change:     {self.shown(old)} -> {self.shown(self.value)}",
            f"lasts:      {stored}",
            f"reversible: {'yes, by writing the old value' if writable.reversible else 'NO'}",
            f"effect:     {writable.effect}",
            f"bytes:      {self.data.hex(' ')}",
        ]
        if not writable.verified:
            lines.append("doubt:      the meaning of this register rests on a single source")
        return lines


def plan(profile: Profile, unit: int, name: str, text: str) -> Plan:
    """A write by its name and value; ValueError says what is wrong with them, ``RefusedError`` what is never done."""
    writable = next((one for one in profile.writables if one.name == name), None)
    if writable is None:
        known = ", ".join(one.name for one in profile.writables) or "nothing"
        raise ValueError(f"{profile.id} has no {name!r} that can be written; there is {known}")
    if writable.danger:
        raise RefusedError(f"{name} is never written by fieldkit: {writable.effect}")
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name}={text}: a number is expected") from None
    if not math.isfinite(value) or not writable.low <= value <= writable.high:
        raise ValueError(f"{name}={text}: allowed is {writable.low:g} to {writable.high:g} {writable.unit}".rstrip())
    values = _registers(profile, writable, value)
    return Plan(profile, unit, writable, value, WriteIntent(unit, writable.function, writable.address, values))


def _registers(profile: Profile, writable: Writable, value: float) -> tuple[int, ...]:
    raw = value / writable.scale
    if writable.function in (Function.WRITE_COIL, Function.WRITE_COILS) or writable.type == "bit":
        if value not in (0, 1):
            raise ValueError(f"{writable.name} is 0 or 1")
        return (int(value),)
    if writable.type not in ("f32", "f64"):
        if abs(raw - round(raw)) > 1e-6:
            raise ValueError(f"{writable.name}: steps of {writable.scale:g} {writable.unit}".rstrip())
        data = pack(_FORMATS[writable.type], round(raw))
    else:
        data = pack(_FORMATS[writable.type], raw)
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    if len(words) != SIZES[writable.type]:
        raise ValueError(f"{writable.name}: {writable.type} cannot be written")
    # A device has one order of words; what shows the result tells it.
    if writable.readback and profile.register(writable.readback).words == "little":
        words.reverse()
    return tuple(words)


def names_before(plan: Plan) -> list[str]:
    """What is read before and after: the value itself, what it means now, and whether a vehicle charges."""
    names = [name for name in (plan.writable.readback, plan.writable.unless[0]) if name]
    return names + [register.name for register in plan.profile.registers if register.pilot]


def value_of(readings: Iterable[DeviceReading], name: str) -> float | str | None:
    """The last reading of this name."""
    found: float | str | None = None
    for reading in readings:
        if reading.name == name:
            found = reading.value
    return found


def objection(plan: Plan, readings: Iterable[DeviceReading], *, while_charging: bool) -> str:
    """Why not now; empty where nothing speaks against it."""
    readings = list(readings)
    if plan.writable.readback and value_of(readings, plan.writable.readback) is None:
        return f"{plan.writable.readback} could not be read, so nobody knows what would be overwritten"
    for register in plan.profile.registers:
        if not register.pilot:
            continue
        state = value_of(readings, register.name)
        if state is None:
            return f"{register.name} could not be read: is a vehicle charging?"
        if str(state) not in _IDLE and not while_charging:
            charging = str(state) in _CHARGING
            word = "a vehicle is charging" if charging else "a vehicle may be charging, this state does not say"
            return f"{word} (state {state}): --while-charging writes nevertheless"
    name, flag = plan.writable.unless
    if name:
        flags = value_of(readings, name)
        if flags is None:
            return f"{name} could not be read, so nobody knows what the number would mean"
        if flag in str(flags).split(", "):
            return f"{name} says: {flag}; the number would mean something else"
    return ""


def worn(plan: Plan, entries: Iterable[Mapping[str, Any]], now: datetime | None = None) -> str:
    """Why a stored register is not written again; from the record of all writes."""
    if plan.writable.memory == "ram":
        return ""
    moments: list[str] = [
        str(entry.get("time", ""))
        for entry in entries
        if entry.get("what") == "write"
        and entry.get("device") == plan.device
        and str(entry.get("intent", "")).startswith(f"{plan.writable.name}:")
    ]
    if len(moments) >= EEPROM_LIFETIME:
        return f"{plan.writable.name} was written {len(moments)} times from here: its memory wears out"
    if moments:
        age = ((now or datetime.now(UTC)) - datetime.fromisoformat(moments[-1])).total_seconds()
        if age < EEPROM_PAUSE:
            return f"{plan.writable.name} is stored and was written {age:.0f} s ago: wait {EEPROM_PAUSE - age:.0f} s"
    return ""


def same(plan: Plan, readings: Iterable[DeviceReading]) -> bool:
    """Whether the device now says what was to be written."""
    found = next((reading for reading in readings if reading.name == plan.writable.readback), None)
    if found is None:
        return False
    if found.raw == b"".join(value.to_bytes(2, "big") for value in plan.intent.values).hex():
        return True
    # The register that shows the result may have another type or scale.
    if not isinstance(found.value, int | float):
        return False
    return abs(found.value - plan.value) <= max(abs(plan.writable.scale), 1e-6 * abs(plan.value)) * 0.51
