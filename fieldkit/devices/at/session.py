"""Asks a modem for what can be read, one command at a time, and hears what it says meanwhile.

Answers have no numbers. What keeps an old one from being taken for a new one: it has to begin as the command's answers
do; where the modem repeats commands, it has to come behind the repetition; and after a command without an answer the
modem is left alone until it has been quiet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from fieldkit.devices.at.answers import AtValue, plain_values, values
from fieldkit.devices.at.commands import COMMANDS, AtCommand, read_command
from fieldkit.devices.at.lines import LineSplitter, error_words, role
from fieldkit.events import DeviceReading

_MS: Final = 1_000_000
QUIET: Final = 1000 * _MS
MOST_LINES: Final = 64
"""Of one answer."""


class AtCause(StrEnum):
    """What became of a command."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """ERROR, +CME ERROR …"""
    INCOMPLETE = "incomplete"
    """The end of an answer came, but not the answer."""
    SILENCE = "silence"
    ECHO = "echo-only"


class AtOutcome(NamedTuple):
    """How a command ended."""

    line: str
    cause: AtCause
    text: str
    """The answer's lines, identities masked; of a refusal, its reason in words. Not yet safe to show."""
    latency: int


class AtSession:
    """See the module."""

    def __init__(self, lines: Iterable[str], port: str = "") -> None:
        self.port = port
        self.outcomes: list[AtOutcome] = []
        self.readings: list[DeviceReading] = []
        self.own: deque[str] = deque(maxlen=256)
        """The last lines that the modem said on its own."""
        self._commands = deque(COMMANDS[line] for line in lines)
        self._splitter = LineSplitter()
        self._asked: AtCommand | None = None
        self._sent = 0
        self._answer: list[str] = []
        self._echoed = False
        self._echoes = False
        self._ready = 0

    @property
    def done(self) -> bool:
        return self._asked is None and not self._commands

    @property
    def deadline(self) -> int:
        """When ``poll`` is wanted, if nothing comes before."""
        return self._sent + self._asked.timeout if self._asked is not None else self._ready

    def poll(self, now: int) -> bytes:
        """What to send now; empty for nothing."""
        if self._asked is not None:
            if now < self.deadline:
                return b""
            cause = AtCause.ECHO if self._echoed else AtCause.SILENCE
            self._end(cause, "the modem did not answer", now)
            self._ready = now + QUIET
        if not self._commands or now < self._ready:
            return b""
        self._asked = self._commands.popleft()
        self._sent = now
        self._answer, self._echoed = [], False
        return read_command(self._asked.line)

    def feed(self, data: bytes, time: int) -> None:
        """What was heard."""
        if self._asked is None and data:
            self._ready = max(self._ready, time + QUIET) if self._ready > self._sent else self._ready
        for text in self._splitter.feed(data):
            self._line(text, time)

    def _line(self, text: str, time: int) -> None:
        asked = self._asked
        kind = role(text, asked, len(self._answer))
        if kind == "echo":
            self._echoed = self._echoes = True
            self._answer.clear()
        elif kind == "own" or asked is None:
            self.own.append(text)
            self.readings += readings(self.port, values(text), time)
        elif self._echoes and not self._echoed:
            return  # this modem repeats commands, and has not repeated this one yet: an old answer
        elif kind == "answer":
            if len(self._answer) < MOST_LINES:
                self._answer.append(text)
        elif error_words(text):
            self._end(AtCause.REFUSED, error_words(text), time)
        elif asked.prefix and not self._answer:
            self._end(AtCause.INCOMPLETE, "the answer's end came without the answer", time)
        else:
            found = [value for line in self._answer for value in _values(asked, line)]
            self.readings += readings(self.port, found, time)
            shown = ", ".join(value.raw for value in found) if asked.secret else "\n".join(self._answer)
            self._end(AtCause.ANSWERED, shown, time)

    def _end(self, cause: AtCause, text: str, time: int) -> None:
        assert self._asked is not None
        latency = time - self._sent if cause in (AtCause.ANSWERED, AtCause.REFUSED) else -1
        self.outcomes.append(AtOutcome(self._asked.line, cause, text, latency))
        self._asked = None


class AtListener:
    """Passive: what a modem and whoever talks to it say."""

    def __init__(self, port: str = "") -> None:
        self.port = port
        self._splitter = LineSplitter()
        self._asked: AtCommand | None = None

    def feed(self, data: bytes, time: int) -> list[DeviceReading]:
        found: list[DeviceReading] = []
        for text in self._splitter.feed(data):
            if text in COMMANDS:
                self._asked = COMMANDS[text]
                continue
            kind = role(text, self._asked, 0)
            if kind == "final":
                self._asked = None
            elif kind == "answer" and self._asked is not None:
                found += readings(self.port, _values(self._asked, text), time)
            else:
                found += readings(self.port, values(text), time)
        return found


def _values(asked: AtCommand, line: str) -> Iterable[AtValue]:
    return values(line) if asked.prefix and line.startswith(asked.prefix) else plain_values(asked.line, line)


def readings(port: str, found: Iterable[AtValue], time: int) -> list[DeviceReading]:
    """Values as events."""
    return [
        DeviceReading(time, (), port, "at", "modem", value.name, value.value, value.unit, "", "", value.raw, True)
        for value in found
    ]
