"""Reads a device by its profile, whatever happens on the line; without doing any of it itself.

The caller asks what to do (``poll``), does it, and says what came (``feed``). The order of the requests follows from
what may still come of earlier ones: where the next request looks like one without an answer, only a part of it is asked
for, which looks different and, once answered, settles all before it; or another one is asked for first; or, where
neither helps, nothing is, until the old answer has had its time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from fieldkit.devices.modbus.exchange import Cause, Exchange, Outcome
from fieldkit.devices.modbus.line import Line
from fieldkit.devices.modbus.profile import Profile, Register
from fieldkit.devices.modbus.readplan import Block, plan
from fieldkit.devices.modbus.reads import ReadRequest
from fieldkit.events import DeviceReading

RETRIES: Final = 1
"""Reading once more is harmless; more often only delays the news that nobody answers."""

_AGAIN: Final = frozenset((Cause.SILENCE, Cause.LATE, Cause.CHECKSUM, Cause.TRUNCATED, Cause.NOISE, Cause.WRONG_UNIT))
_BUSY: Final = frozenset((5, 6))
"""Exceptions that mean "later" (Application Protocol §7)."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes now."""

    data: bytes
    request: ReadRequest


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Hand over what is heard; ask again at this time at the latest."""

    time: int


@dataclass(frozen=True, slots=True)
class Done:
    """Everything was asked for."""


Step: TypeAlias = Send | WaitUntil | Done


@dataclass(slots=True)
class Attempt:
    """A request that was sent, and how it ended."""

    request: ReadRequest
    outcome: Outcome
    at: int


@dataclass(slots=True)
class _Task:
    block: Block
    tries: int = 0
    fence: bool = False
    """Asked for only because it looks different from what may still come; nobody wants its values."""


@dataclass(slots=True)
class Reading:
    """One pass over a device."""

    profile: Profile
    line: Line
    port: str = ""
    unit: int = 0
    names: Iterable[str] = ()
    """Of the registers wanted; empty for all."""
    retries: int = RETRIES
    readings: list[DeviceReading] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    failed: list[tuple[Register, Outcome]] = field(default_factory=list)
    """Registers without a value, and why."""
    _tasks: deque[_Task] = field(default_factory=deque)
    _task: _Task | None = None
    _exchange: Exchange | None = None
    _waking: bool = False

    def __post_init__(self) -> None:
        self.unit = self.unit or self.profile.unit
        wanted = set(self.names)
        registers = [register for register in self.profile.registers if not wanted or register.name in wanted]
        self._tasks.extend(_Task(block) for block in plan(registers, self.profile.limits))
        self._waking = self.profile.wake

    def poll(self, now: int) -> Step:
        """What to do next."""
        self._settle(self.line.tick(now), now)
        if self._exchange is not None:
            return WaitUntil(self._exchange.deadline)
        if not self._tasks:
            return Done()
        if now < self.line.ready:
            return WaitUntil(self.line.ready)
        task = self._choose(now)
        if task is None:
            return WaitUntil(max(now + 1, self.line.settled_at(now)))
        request = task.block.request(self.unit)
        self._task = task
        self._exchange = self.line.begin(request, now)
        return Send(self._exchange.data, request)

    def feed(self, data: bytes, time: int) -> None:
        """What was heard; ``time``: of its last byte."""
        self._settle(self.line.feed(data, time), time)

    # --------------------------------------------------------------------------------------------------------- choosing

    def _choose(self, now: int) -> _Task | None:
        """A task whose answer could be told from all that may still come."""
        for _ in range(len(self._tasks)):
            task = self._tasks[0]
            if self.line.fits(task.block.request(self.unit), now):
                return self._tasks.popleft()
            for first, second in task.block.cuts():
                if self.line.fits(first.request(self.unit), now):
                    self._tasks[0] = _Task(second, task.tries)
                    return _Task(first, task.tries)
            self._tasks.rotate(-1)
        return self._fence(now)

    def _fence(self, now: int) -> _Task | None:
        """Anything of this device that looks different. It is known by its profile, so reading it is harmless."""
        for block in plan(self.profile.registers, self.profile.limits):
            for candidate in (block, *(first for first, _ in block.cuts())):
                if self.line.fits(candidate.request(self.unit), now):
                    return _Task(candidate, fence=True)
        return None

    def _settle(self, outcome: Outcome | None, now: int) -> None:
        task, exchange = self._task, self._exchange
        if outcome is None or task is None or exchange is None:
            return
        self._task = self._exchange = None
        request = task.block.request(self.unit)
        self.attempts.append(Attempt(request, outcome, now))
        if task.fence:
            return
        if outcome.cause is Cause.ANSWERED:
            self._waking = False
            self._decode(task.block, outcome.pdu[2:], now)
            return
        if self._waking and outcome.cause is Cause.SILENCE:
            # What only wakes the device is no try of this request.
            self._waking = False
            self._tasks.appendleft(task)
            return
        again = outcome.cause in _AGAIN or outcome.code in _BUSY
        if again and task.tries < self.retries:
            task.tries += 1
            self._tasks.appendleft(task)
        elif outcome.cause is Cause.EXCEPTION and outcome.code in (2, 3) and len(task.block.registers) > 1:
            # One register that this model does not have spoils the whole request: ask for the halves.
            cuts = list(task.block.cuts())
            if cuts:
                first, second = cuts[len(cuts) // 2]
                self._tasks.extendleft((_Task(second), _Task(first)))
                return
            self.failed += [(register, outcome) for register in task.block.registers]
        else:
            self.failed += [(register, outcome) for register in task.block.registers]

    def _decode(self, block: Block, data: bytes, time: int) -> None:
        device = f"{self.profile.id}/{self.unit}"
        for register, part in block.values(data):
            value = register.decode(part)
            if value.doubt:
                self.doubts.append(f"{register.name}: {value.doubt}")
            self.readings.append(reading(self.port, device, register, value.value, part, time))


def reading(
    port: str, device: str, register: Register, value: float | str | None, raw: bytes, time: int
) -> DeviceReading:
    """A register's value as an event."""
    return DeviceReading(
        time,
        (),
        port,
        "modbus",
        device,
        register.name,
        value,
        register.unit,
        register.measurand,
        register.phase,
        raw.hex(),
        register.verified,
    )
