"""What a device's registers mean: line, limits, what may be read, what could be written.

A profile is data, one TOML file a family of devices (``profileload`` reads it, docs/serial-devices.md explains it). A
row whose meaning rests on fewer than two independent sources says ``verified = false``, and so does each reading of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fieldkit.devices.modbus.line import Patience, patience
from fieldkit.devices.modbus.timing import MILLISECOND, LineSettings, line_settings
from fieldkit.devices.modbus.values import WordOrder, absent, number, text

Kind: TypeAlias = Literal["charger", "meter"]
Mode: TypeAlias = Literal["rtu", "ascii"]
Memory: TypeAlias = Literal["ram", "eeprom", "unknown"]


@dataclass(frozen=True, slots=True)
class Register:
    """A value that can be read."""

    name: str
    function: int
    address: int
    type: str
    count: int
    """Registers that it takes (of coils and discrete inputs: bits)."""
    words: WordOrder = "big"
    scale: float = 1.0
    unit: str = ""
    measurand: str = ""
    phase: str = ""
    mask: int = 0
    """Of the number, the bits that count; 0: all."""
    shift: int = 0
    """Places by which these are shifted down."""
    states: Mapping[int, str] | None = None
    flags: Mapping[int, str] | None = None
    """By bit number: what is the matter when it is set."""
    pilot: bool = False
    """Its states are those of the control pilot (IEC 61851-1): A to F, 1 without and 2 with PWM."""
    absent: tuple[int, ...] = ()
    """Numbers that mean "no value"; besides, where ``may_be_absent``, the usual ones of its type."""
    may_be_absent: bool = False
    fine_from: int = 0
    """From this number on the device counts in steps of ``fine_scale``, as it could not mean it otherwise; 0: never."""
    fine_scale: float = 1.0
    low: float | None = None
    high: float | None = None
    """In ``unit``: beyond them the profile, the scale or the wiring is wrong."""
    memory: Memory = "unknown"
    verified: bool = False
    sources: tuple[str, ...] = ()
    note: str = ""

    @property
    def end(self) -> int:
        return self.address + self.count

    def decode(self, data: bytes) -> Value:
        """What the bytes of its registers say."""
        if self.type == "ascii":
            return Value(text(data, self.words), "", data)
        if self.type == "hex":
            return Value(data.hex(), "", data)
        value: int | float | None
        value = data[0] & 1 if self.type == "bit" and data else number(data, self.type, self.words)
        if value is None or value in self.absent or (self.may_be_absent and absent(data, self.type)):
            return Value(None, "", data)
        if isinstance(value, int):
            value = (value & self.mask if self.mask else value) >> self.shift
            if self.states is not None:
                return Value(self.states.get(value, f"unknown ({value})"), "", data)
            if self.flags is not None:
                named = [name for bit, name in self.flags.items() if value >> bit & 1]
                others = value & ~sum(1 << bit for bit in self.flags)
                if others:
                    named.append(f"bits 0x{others:x}")
                return Value(", ".join(named) or "none", "", data)
        scale = self.fine_scale if self.fine_from and value >= self.fine_from else self.scale
        scaled = value if scale == 1.0 else float(f"{value * scale:.12g}")
        if (self.low is not None and scaled < self.low) or (self.high is not None and scaled > self.high):
            return Value(scaled, f"{self._shown(scaled)} is {self._bounds}: wrong profile, scale or wiring", data)
        return Value(scaled, "", data)

    def _shown(self, value: float) -> str:
        return f"{value:g} {self.unit}".strip()

    @property
    def _bounds(self) -> str:
        if self.high is None:
            return f"less than {self.low:g}"
        return f"more than {self.high:g}" if self.low is None else f"not between {self.low:g} and {self.high:g}"


@dataclass(frozen=True, slots=True)
class Value:
    """A decoded value, and what makes it doubtful."""

    value: float | str | None
    doubt: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Writable:
    """What could be written, and what that would do. Only for showing and for the guard of writes."""

    name: str
    function: int
    address: int
    type: str
    scale: float
    unit: str
    low: float
    high: float
    memory: Memory
    reversible: bool
    effect: str
    """In words: what it does to a car that charges, to safety, to the next start."""
    danger: bool
    """It switches safety off, raises a current above the wiring, or takes the device off the bus."""
    readback: str
    """Name of the register that shows the result; empty where none does."""
    unless: tuple[str, str]
    """Register and flag: while that is set, the number would mean something else. Empty where there is none."""
    verified: bool
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may ask for."""

    registers: int = 125
    gap: int = 0
    """Registers that may be read although nobody wants them, to save a request."""
    even: bool = False
    """Addresses and counts are even (every value takes two registers)."""
    holes: tuple[tuple[int, int], ...] = ()
    """First and last register of ranges that are never read: they answer with an exception, or worse."""


@dataclass(frozen=True, slots=True)
class Profile:
    """See the module."""

    id: str
    title: str
    kind: Kind
    mode: Mode
    speeds: tuple[int, ...]
    """The first is what it leaves the factory with."""
    formats: tuple[str, ...]
    unit: int
    line_verified: bool
    turnaround: int
    """Nanoseconds that it may take to begin an answer."""
    delay: int
    """Nanoseconds between an answer and the next request."""
    wake: bool
    """The first request after a pause only wakes it, and gets no answer."""
    limits: Limits
    registers: tuple[Register, ...]
    writables: tuple[Writable, ...]
    sources: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def settings(self) -> LineSettings:
        return line_settings(self.speeds[0], self.formats[0])

    def patience(self, settings: LineSettings | None = None) -> Patience:
        return patience(
            settings or self.settings,
            turnaround=self.turnaround or 100 * MILLISECOND,
            delay=self.delay,
            registers=self.limits.registers,
        )

    def register(self, name: str) -> Register:
        for register in self.registers:
            if register.name == name:
                return register
        raise KeyError(f"{self.id} has no register {name!r}")
