"""What devices on serial ports told: the latest of each, and a little history to hold messages of a station against.

A meter's register, the pilot state of a charge controller, a modem's registration: beside the traffic of the station
they tell which of two sides is wrong. Their times are those of the machine that reads the port.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fieldkit.events import ConsoleLine, ConsoleSighting, DeviceReading, Event
from fieldkit.site.deviceowner import Key, Owners
from fieldkit.site.units import natural_unit, unit

MAX_DEVICES: Final = 64
"""A bus has up to 247 units, a cabinet with a laptop beside it a handful; those beyond are counted, no more."""
MAX_NAMES: Final = 300
"""Different values of one device: the longest profile has 90."""
MAX_HISTORY: Final = 256
"""Readings kept of one quantity (the last ones): four minutes at one a second, hours at one a minute."""
MAX_STATES: Final = 64
"""Changes kept of one state (the last ones)."""
_LARGEST: Final = 1e15
"""Of a number that is believed, in base units; neither infinity nor "not a number" is."""
PILOT_NAMES: Final = ("pilot_state", "vehicle_state", "charging_state", "evse_state", "status", "state")
"""Values that may be a state of IEC 61851-1, the most direct first: what the profiles and RAPI call it."""
_PILOT: Final = {letter + suffix for letter in "ABCD" for suffix in ("", "1", "2")} | {"E", "F"}
PILOT_CHANGE: Final = "pilot.change"
"""What a console's line about it is called."""
UNREGISTERED: Final = frozenset({"not registered, not searching", "searching", "denied", "emergency only"})
REGISTERED: Final = frozenset({"registered, home", "registered, roaming"})
DATA_REGISTRATIONS: Final = ("registration_eps", "registration_ps", "registration_5gs")
"""Any one of them is enough for data; that of voice calls is not among them."""


class Measured(NamedTuple):
    """One reading of a quantity that OCPP has a name for."""

    time: int
    value: float
    """In base units, as ``Sample`` has it: Wh, W, A, V."""
    reading: DeviceReading


@dataclass(slots=True)
class Held:
    """A state that a device was in."""

    state: str
    since: int
    """When it was first told."""
    until: int
    """When it was last told, or the next one was."""
    told: Event


@dataclass(slots=True)
class Device:
    """One device: what stands behind a port, dialect and name."""

    port: str
    dialect: str
    name: str
    """"sdm630/1"; empty for the console of a charger."""
    latest: dict[str, DeviceReading] = field(default_factory=dict)
    """By name of the value."""
    measured: dict[tuple[str, str], deque[Measured]] = field(default_factory=dict)
    """By measurand and phase, oldest first; of values that the profile is sure of."""
    pilot: deque[Held] = field(default_factory=lambda: deque(maxlen=MAX_STATES))
    """States of the control pilot, oldest first."""
    network: deque[Held] = field(default_factory=lambda: deque(maxlen=MAX_STATES))
    """"registered" or what a modem is instead, oldest first."""
    heard: int = 0
    """When it last said anything."""

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.port, self.dialect, self.name

    @property
    def title(self) -> str:
        """As in "sdm630/1 on ttyUSB0"."""
        port = self.port.rsplit("/", 1)[-1][:60]
        return f"{self.name[:60] or 'console'} on {port}"

    def take(self, reading: DeviceReading) -> None:
        """Take in a value."""
        self.heard = max(self.heard, reading.time)
        if reading.name in self.latest or len(self.latest) < MAX_NAMES:
            self.latest[reading.name] = reading
        if reading.measurand and reading.verified and reading.value.__class__ in (int, float):
            self._measure(reading)
        if reading.value.__class__ is not str:
            return
        if reading.name in DATA_REGISTRATIONS:
            self._register(reading)
        elif self._pilot_name == reading.name and str(reading.value) in _PILOT:
            held(self.pilot, str(reading.value), reading.time, reading)
        elif self.pilot and getattr(self.pilot[-1].told, "name", "") == reading.name:
            held(self.pilot, "", reading.time, reading)  # "sleeping", a number nobody knows: none of the six states

    @property
    def _pilot_name(self) -> str:
        """Which of its values is the pilot's: RAPI tells the state of the controller and that of the pilot."""
        for name in PILOT_NAMES:
            known = self.latest.get(name)
            if known is not None and known.value in _PILOT:
                return name
        return ""

    def _measure(self, reading: DeviceReading) -> None:
        known = unit(reading.unit) if reading.unit else None
        value = float(reading.value)  # type: ignore[arg-type]
        base = natural_unit(reading.measurand)
        if known is not None:
            value, base = value * known.factor + known.offset, known.base
        if base != natural_unit(reading.measurand):
            return
        if not abs(value) < _LARGEST:
            return
        key = (reading.measurand, reading.phase)
        kept = self.measured.get(key)
        if kept is None:
            if len(self.measured) >= MAX_NAMES:
                return
            kept = self.measured[key] = deque(maxlen=MAX_HISTORY)
        if kept and kept[-1].reading.name != reading.name:
            return  # two registers for one quantity (a total and a sum): only the first is followed
        if not kept or reading.time >= kept[-1].time:
            kept.append(Measured(reading.time, value, reading))

    def _register(self, reading: DeviceReading) -> None:
        states = [str(told.value) for name in DATA_REGISTRATIONS if (told := self.latest.get(name)) is not None]
        if any(state in REGISTERED for state in states):
            held(self.network, "registered", reading.time, reading)
        elif all(state in UNREGISTERED for state in states):
            held(self.network, str(reading.value), reading.time, reading)
        # "unknown" says nothing: what was known before may still hold

    def around(self, measurand: str, phase: str, time: int, apart: int) -> tuple[Measured, Measured] | None:
        """The last reading before a time and the first one after it, both within ``apart`` of it."""
        kept = self.measured.get((measurand, phase))
        if not kept:
            return None
        before = after = None
        for one in reversed(kept):
            if one.time > time:
                after = one
            else:
                before = one
                break
        if before is None or after is None or time - before.time > apart or after.time - time > apart:
            return None
        return before, after

    def pilot_at(self, time: int) -> Held | None:
        """The state that it was in."""
        return next((state for state in reversed(self.pilot) if state.since <= time), None)


def held(states: deque[Held], state: str, time: int, told: Event) -> None:
    """A state was told: the one before goes on, or ends."""
    if states:
        last = states[-1]
        if time < last.until:
            return
        last.until = time
        if last.state == state:
            return
    states.append(Held(state, time, time, told))


class Devices:
    """All devices of a session."""

    WANTS: Final = frozenset[type[Event]]({DeviceReading, ConsoleSighting, ConsoleLine})

    def __init__(self) -> None:
        self.all: dict[Key, Device] = {}
        """By port, dialect and name."""
        self.owners = Owners()
        """Whose they are."""
        self.crowded_out = 0
        """Events of devices beyond ``MAX_DEVICES``."""

    def feed(self, event: Event) -> None:
        """Take in an event of ``WANTS``."""
        if isinstance(event, DeviceReading):
            device = self._device(event.port, event.dialect, event.device)
            if device is not None:
                device.take(event)
                self.owners.told(event, device.key)
        elif isinstance(event, ConsoleSighting):
            device = self._device(event.port, "console", "")
            if device is not None:
                device.heard = max(device.heard, event.time)
                to = event.values.get("to", "") if event.kind == PILOT_CHANGE else ""
                if to in _PILOT:
                    held(device.pilot, to, event.time, event)
        elif isinstance(event, ConsoleLine):
            known = self.all.get((event.port, "console", ""))
            if known is not None:
                known.heard = max(known.heard, event.time)
            self.owners.told(event, (event.port, "console", ""))

    def of(self, event: Event) -> Device | None:
        """The device that an event is of."""
        if isinstance(event, DeviceReading):
            return self.all.get((event.port, event.dialect, event.device))
        if isinstance(event, ConsoleSighting | ConsoleLine):
            return self.all.get((event.port, "console", ""))
        return None

    def _device(self, port: str, dialect: str, name: str) -> Device | None:
        key = (port, dialect, name)
        found = self.all.get(key)
        if found is None:
            if len(self.all) >= MAX_DEVICES:
                self.crowded_out += 1
                return None
            found = self.all[key] = Device(*key)
        return found
