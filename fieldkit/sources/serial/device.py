"""A device to ask: which dialect, which line settings, and one pass over all that it tells.

``modbus:sdm630@1``, ``modbus:my-meter.toml``, ``rapi``, ``at``, ``sml``, ``iec62056``, ``iec62056:ADDRESS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fieldkit.devices import iec62056, sml
from fieldkit.devices.at.commands import USUAL as AT_USUAL
from fieldkit.devices.at.session import AtCause, AtSession
from fieldkit.devices.modbus.exchange import Cause, Outcome
from fieldkit.devices.modbus.line import Line
from fieldkit.devices.modbus.pdu import FIRST_UNIT, LAST_UNIT
from fieldkit.devices.modbus.profile import Profile
from fieldkit.devices.modbus.session import Reading
from fieldkit.devices.modbus.timing import LineSettings, line_settings
from fieldkit.devices.rapi.commands import COMMANDS as RAPI_COMMANDS
from fieldkit.devices.rapi.session import RapiCause, RapiSession
from fieldkit.events import DeviceReading
from fieldkit.sources.serial.exchange import Talk
from fieldkit.sources.serial.overhearing import Expected
from fieldkit.sources.serial.readsets import READ_SETS, ReadSet

_SPEC: Final = re.compile(r"(modbus|rapi|at|sml|iec62056)(?::([^@]*))?(?:@([0-9]{1,3}))?")
_LINES: Final = {
    "rapi": line_settings(115_200),
    "at": line_settings(115_200),
    "sml": line_settings(9600),
    "iec62056": line_settings(300, "7E1"),
}
PUSH_TIME: Final = 12.0
"""Seconds for a meter that talks by itself: most do every one to four seconds, some every ten."""
_PRINTED: Final = frozenset((*range(0x20, 0x7F), 0x02, 0x03, 0x06, 0x09, 0x0A, 0x0D))
_SOME: Final = 8
"""Bytes that are no mere glitch of a line that is switched on."""
_CONSOLE: Final = re.compile(
    rb"login:|assword:|U-Boot|BusyBox|Linux version|\[ *[0-9]{1,6}\.[0-9]{6}\]|\[  OK  \]|"
    rb"(?:^|[\r\n])[^\r\n]{0,40}[#$] $|[IWE] \([0-9]+\) [a-zA-Z_]+:"
)


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """What was asked for."""

    dialect: str
    profile: Profile | None = None
    unit: int = 0
    address: str = ""
    text: str = ""
    """As it was written."""

    @property
    def expected(self) -> Expected:
        """What to listen for. A unit is one of several only where it was named."""
        return Expected(self.dialect, self.profile, self.unit if "@" in self.text else 0)

    @property
    def line(self) -> LineSettings:
        """What such a device usually runs at."""
        return self.profile.settings if self.profile is not None else _LINES[self.dialect]

    @property
    def lines(self) -> list[LineSettings]:
        """All that its profile knows, the usual one first."""
        if self.profile is None:
            return [self.line]
        return [line_settings(speed, form) for speed in self.profile.speeds for form in self.profile.formats]

    @property
    def asking(self) -> ReadSet | None:
        """What may be sent to it; None for those that talk by themselves."""
        name = "modbus-ascii" if self.profile is not None and self.profile.mode == "ascii" else self.dialect
        return READ_SETS.get(name)

    def __str__(self) -> str:
        if self.profile is not None:
            return f"{self.profile.id}/{self.unit}"
        return self.dialect


def parse_device(text: str, find: Callable[[str], Profile]) -> DeviceSpec:
    """ValueError (``ProfileError`` is one) says what is wrong."""
    found = _SPEC.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no device: write modbus:PROFILE@UNIT, rapi, at, sml or iec62056")
    dialect, more, unit = found[1], found[2] or "", found[3]
    if dialect != "modbus":
        if unit or (more and dialect != "iec62056"):
            raise ValueError(f"{text!r}: {dialect} has no profiles and no units")
        if more:
            iec62056.sign_on(more)
        return DeviceSpec(dialect, address=more, text=text)
    if not more:
        raise ValueError("which Modbus device? Write modbus:PROFILE@UNIT, for instance modbus:sdm630@1")
    profile = find(more)
    number = int(unit) if unit else profile.unit
    if not FIRST_UNIT <= number <= LAST_UNIT:
        raise ValueError(f"unit {number}: a Modbus unit is {FIRST_UNIT} to {LAST_UNIT}")
    return DeviceSpec("modbus", profile, number, text=text)


@dataclass(slots=True)
class Pass:
    """What came of asking a device for everything once."""

    readings: list[DeviceReading] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What could not be read and why, and values that cannot be right."""
    failed: int = 0
    """Questions without an answer that counts."""
    answered: int = 0
    refused: int = 0
    """What this model or version does not have."""

    @property
    def silent(self) -> bool:
        """It said nothing that counts at all."""
        return not self.answered and not self.refused and not self.readings


class Asker:
    """Asks one device, pass by pass; keeps what the line remembers between them."""

    def __init__(self, talk: Talk, spec: DeviceSpec, line: LineSettings, port: str, names: Sequence[str] = ()) -> None:
        self._talk = talk
        self._spec = spec
        self._settings = line
        self._port = port
        self._names = tuple(names)
        self._line: Line | None = None
        self._met = False
        """It has answered before, so it is asked for everything at once."""
        self.use(line)

    def use(self, line: LineSettings) -> None:
        """Another speed or format: what may still come of earlier requests came at the other one."""
        self._settings = line
        profile = self._spec.profile
        if profile is not None:
            self._line = Line(line, profile.patience(line), ascii=profile.mode == "ascii")

    @property
    def line(self) -> Line:
        """The bus, of a Modbus device."""
        assert self._line is not None
        return self._line

    def answers(self) -> Outcome | None:
        """Whether a Modbus device is there: one question, once. None where it answers, refusing included.

        On a line without an answer a whole pass takes a minute: nothing may be taken for what it is not, so every
        question is left its time.
        """
        profile = self._spec.profile
        assert profile is not None
        line = Line(self._settings, profile.patience(self._settings), ascii=profile.mode == "ascii")
        reading = Reading(profile, line, self._port, self._spec.unit, (profile.registers[0].name,), 0)
        self._talk.modbus(reading)
        there = (Cause.ANSWERED, Cause.EXCEPTION, Cause.LATE)
        if not reading.attempts or any(attempt.outcome.cause in there for attempt in reading.attempts):
            return None
        return reading.attempts[-1].outcome

    def once(self) -> Pass:
        """Everything, once."""
        if self._spec.profile is not None and not self._met:
            outcome = self.answers()
            if outcome is not None and outcome.cause is Cause.SILENCE:
                return Pass(problems=[f"{self._spec}: {outcome.text}"], failed=1)
            self._met = True
        match self._spec.dialect:
            case "modbus":
                return self._modbus()
            case "rapi":
                return self._rapi()
            case "at":
                return self._at()
            case "sml":
                return self._sml()
            case _:
                return self._iec62056()

    def _modbus(self) -> Pass:
        profile, line = self._spec.profile, self._line
        assert profile is not None
        assert line is not None
        reading = Reading(profile, line, self._port, self._spec.unit, self._names)
        self._talk.modbus(reading)
        done = Pass(reading.readings, list(reading.doubts))
        for register, outcome in reading.failed:
            done.problems.append(f"{register.name}: {outcome.text}")
        for attempt in reading.attempts:
            done.answered += attempt.outcome.cause is Cause.ANSWERED
            done.refused += attempt.outcome.cause is Cause.EXCEPTION
        done.failed = len(reading.failed)
        return done

    def _rapi(self) -> Pass:
        session = RapiSession(self._names or tuple(RAPI_COMMANDS), self._port)
        self._talk.steps(session)
        done = Pass(session.readings)
        for outcome in session.outcomes:
            refused = outcome.cause is RapiCause.REFUSED
            trouble = "this firmware does not have it" if refused else _RAPI_WORDS.get(outcome.cause, "")
            _count(done, f"${outcome.word}", outcome.cause is RapiCause.ANSWERED, refused, trouble)
        return done

    def _at(self) -> Pass:
        session = AtSession(self._names or AT_USUAL, self._port)
        self._talk.steps(session)
        done = Pass(session.readings)
        for outcome in session.outcomes:
            refused = outcome.cause is AtCause.REFUSED
            trouble = outcome.text if refused else outcome.text or outcome.cause.value
            _count(done, outcome.line, outcome.cause is AtCause.ANSWERED, refused, trouble)
        return done

    def _sml(self) -> Pass:
        framer = _SmlPass(self._port)
        self._talk.listen(PUSH_TIME, framer, lambda: bool(framer.readings))
        done = Pass(framer.readings, answered=framer.intact, failed=framer.damaged)
        if framer.damaged:
            done.problems.append(f"{framer.damaged} telegrams came damaged: align the optical head")
        if framer.intact and not framer.readings:
            missing = "" if sml.library() is not None else " (pip install smllib)"
            done.problems.append(f"telegrams came, but none with values that are known{missing}")
        elif not framer.intact:
            done.problems.append("no telegram came: is the head on the meter, and does this meter talk by itself?")
            done.failed += 1
        return done

    def _iec62056(self) -> Pass:
        readout = iec62056.Readout(self._spec.address)
        self._talk.readout(readout, self._settings)
        done = Pass()
        if readout.data is not None:
            done.readings = list(iec62056.readings(readout.data, self._port))
        if readout.cause is iec62056.ReadoutCause.ANSWERED:
            done.answered = 1
        else:
            done.failed = 1
            named = readout.identification is not None and readout.cause is iec62056.ReadoutCause.SILENCE
            words = _NAMED_ONLY if named else _READOUT_WORDS[readout.cause or iec62056.ReadoutCause.SILENCE]
            done.problems.append(words)
        return done


class _SmlPass:
    """Telegrams until there are values."""

    def __init__(self, port: str) -> None:
        self.readings: list[DeviceReading] = []
        self.intact = 0
        self.damaged = 0
        self._port = port
        self._framer = sml.SmlFramer()

    def feed(self, data: bytes, time: int) -> None:
        for telegram in self._framer.feed(data, time):
            self.intact += telegram.intact
            self.damaged += not telegram.intact
            if not self.readings:
                self.readings = list(sml.readings(telegram, self._port))


def _count(done: Pass, name: str, answered: bool, refused: bool, trouble: str) -> None:
    """One question's end into the sum of the pass; ``trouble`` says what was wrong where it was not answered."""
    if answered:
        done.answered += 1
        return
    if refused:
        done.refused += 1
    else:
        done.failed += 1
    done.problems.append(f"{name}: {trouble}")


_RAPI_WORDS: Final = {
    RapiCause.SILENCE: "no answer: check power, wires and that this is the controller's port",
    RapiCause.CHECKSUM: "the answer came damaged",
    RapiCause.UNREADABLE: "what came is no message: another speed, another device, or an answer that was cut off",
    RapiCause.ECHO: "only the command itself came back: is this a loop, or a console?",
}
_NAMED_ONLY: Final = "the meter said who it is, and nothing after that: can the head do the speed that it asked for?"
_READOUT_WORDS: Final = {
    iec62056.ReadoutCause.SILENCE: "the meter did not answer: move the optical head, or it only talks by itself (sml)",
    iec62056.ReadoutCause.NOT_A_METER: "what came is no meter's identification: wrong speed, or another device",
    iec62056.ReadoutCause.TRUNCATED: "the data set broke off: did the head move? Can it do the meter's speed?",
    iec62056.ReadoutCause.CHECKSUM: "the data set came damaged, and is not shown",
    iec62056.ReadoutCause.ANSWERED: "",
}


def looks_like_console(heard: bytes) -> bool:
    """Whether this was printed by a system, for people: what is sent there is typed into it."""
    return _CONSOLE.search(heard) is not None


def objection(spec: DeviceSpec, heard: bytes) -> str:
    """Why a line on which this was heard should not be asked; empty where it may be."""
    if looks_like_console(heard):
        return "this is a console (it prints text on its own): what is sent there is typed into it"
    if spec.dialect == "modbus" and heard:
        return (
            f"somebody talks on this bus ({len(heard)} bytes that we did not ask for): two masters disturb each other. "
            "Listen instead: fieldkit serial listen"
        )
    if spec.dialect != "modbus" and len(heard) >= _SOME and sum(byte in _PRINTED for byte in heard) < len(heard) / 2:
        return (
            f"what is heard ({len(heard)} bytes) is no text: another speed, or another device, and perhaps one that "
            "boots. Find out first: fieldkit serial listen"
        )
    return ""
