"""Asks an OpenEVSE controller for what can be read, and sorts what it says: answers, notifications, echoes, noise.

Each command has a sequence number, which the firmware repeats (since version 3 of the protocol): an answer that comes
too late has the number of the command it belongs to. What answers without a number is believed only as long as no
earlier command is without its answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from fieldkit.devices.rapi.commands import COMMANDS, read_command
from fieldkit.devices.rapi.frames import Framer, Message
from fieldkit.devices.rapi.readings import NOTIFICATIONS, RapiValue, answer_values, notification_values
from fieldkit.events import DeviceReading

_MS: Final = 1_000_000
TIMEOUT: Final = 500 * _MS
"""As the firmware's own partner waits (RapiSender)."""
QUIET: Final = 200 * _MS
"""Kept after a command without answer; the controller answers within a millisecond or not at all."""


LONG_QUIET: Final = 2000 * _MS
"""The same where answers have no numbers: until then, a late one could be anybody's."""

GLITCH: Final = 2
"""Bytes that a line which is not terminated makes by itself."""
MOST_ASKED: Final = 16
FORGOTTEN: Final = 1_000 * _MS
"""An answer comes within half a second, for so long do OpenEVSE's own partners wait, or not at all."""


class RapiCause(StrEnum):
    """What became of a command."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """``$NK``: this version does not know it, it was not compiled in, or it came damaged."""
    SILENCE = "silence"
    CHECKSUM = "checksum"
    """Something like an answer came, with a wrong check or none."""
    ECHO = "echo-only"
    """Only the command itself came back."""
    UNREADABLE = "unreadable"
    """Bytes came, and they are no message: another speed, another device, or an answer that was cut off."""


class RapiOutcome(NamedTuple):
    """How a command ended."""

    word: str
    cause: RapiCause
    values: tuple[RapiValue, ...]
    latency: int
    raw: bytes


class RapiListener:
    """Passive: readings out of what a controller and its partner say to each other, nothing sent."""

    def __init__(self, port: str = "") -> None:
        self.port = port
        self.messages = 0
        self.damaged = 0
        self._framer = Framer()
        self._asked: deque[Message] = deque(maxlen=MOST_ASKED)
        """Commands without an answer, the oldest first; those that write among them."""
        self._numbered = False
        """This firmware repeats sequence numbers."""

    @property
    def garbage(self) -> int:
        return self._framer.garbage

    def feed(self, data: bytes, time: int) -> list[DeviceReading]:
        found: list[DeviceReading] = []
        for message in self._framer.feed(data, time):
            self.messages += 1
            self.damaged += message.check == "wrong"
            if message.word in ("OK", "NK"):
                asked = self._answered(message)
                if asked is not None and asked.word in COMMANDS:
                    found += readings(self.port, answer_values(asked.word, message), time)
            elif message.word in NOTIFICATIONS:
                found += readings(self.port, notification_values(message), time)
            elif message.check != "wrong":
                self._asked.append(message)
        return found

    def _answered(self, answer: Message) -> Message | None:
        """The command that this answers, where that is certain: with one behind it, it may be the late answer of
        either, unless both have numbers."""
        while self._asked and answer.time - self._asked[0].time > FORGOTTEN:
            self._asked.popleft()
        if answer.sequence:
            self._numbered = True
            asked = next((one for one in self._asked if one.sequence == answer.sequence), None)
            while asked is not None and self._asked[0] is not asked:
                self._asked.popleft()
        else:
            sure = len(self._asked) == 1 and not (self._numbered and self._asked[0].sequence)
            asked = self._asked[0] if sure else None
        if self._asked and (asked is not None or not answer.sequence):
            self._asked.popleft()
        return asked


class RapiSession:
    """Active, and only with commands that read."""

    def __init__(self, words: Iterable[str], port: str = "", timeout: int = TIMEOUT) -> None:
        self.port = port
        self.outcomes: list[RapiOutcome] = []
        self.readings: list[DeviceReading] = []
        self.stale = 0
        """Answers to earlier commands."""
        self._words = deque(words)
        self._timeout = timeout
        self._framer = Framer()
        self._sequence = 0
        self._word = ""
        self._sent = 0
        self._command = b""
        self._near: Message | None = None
        self._echoed = False
        self._strange = 0
        """Bytes of no message before the command was sent."""
        self._ready = 0
        self._numbered = False
        """This firmware repeats sequence numbers."""

    @property
    def done(self) -> bool:
        return not self._word and not self._words

    @property
    def deadline(self) -> int:
        """When ``poll`` is wanted, if nothing comes before."""
        return self._sent + self._timeout if self._word else self._ready

    def poll(self, now: int) -> bytes:
        """What to send now; empty for nothing."""
        if self._word:
            if now < self.deadline:
                return b""
            self._give_up(now)
        if not self._words or now < self._ready:
            return b""
        self._word = self._words.popleft()
        self._sequence = self._sequence % 0xFF + 1
        self._command = read_command(self._word, self._sequence)
        self._sent = now
        self._near, self._echoed = None, False
        self._strange = self._framer.garbage + self._framer.pending
        return self._command

    def feed(self, data: bytes, time: int) -> None:
        """What was heard."""
        for message in self._framer.feed(data, time):
            if message.word in NOTIFICATIONS:
                self.readings += readings(self.port, notification_values(message), time)
            elif message.word in ("OK", "NK"):
                self._answer(message, time)
            elif message.raw + b"\r" == self._command:
                self._echoed = True

    def _answer(self, message: Message, time: int) -> None:
        if not self._word:
            self.stale += 1
        elif not message.intact:
            self._near = message
        elif message.sequence != self._sequence and (message.sequence or self._doubtful(message)):
            # Another command's, or nobody knows whose.
            self.stale += 1
        else:
            self._numbered = self._numbered or bool(message.sequence)
            values = tuple(answer_values(self._word, message))
            cause = RapiCause.ANSWERED if message.word == "OK" else RapiCause.REFUSED
            self.outcomes.append(RapiOutcome(self._word, cause, values, time - self._sent, message.raw))
            self.readings += readings(self.port, values, time)
            self._word = ""

    def _doubtful(self, message: Message) -> bool:
        """An answer without a number where numbers are repeated; only damaged commands are refused like that."""
        return self._numbered and message.word != "NK"

    def _give_up(self, now: int) -> None:
        if self._near is not None:
            cause, raw = RapiCause.CHECKSUM, self._near.raw
        elif self._echoed:
            cause, raw = RapiCause.ECHO, self._command
        elif self._framer.garbage + self._framer.pending - self._strange > GLITCH:
            cause, raw = RapiCause.UNREADABLE, b""
        else:
            cause, raw = RapiCause.SILENCE, b""
        self.outcomes.append(RapiOutcome(self._word, cause, (), -1, raw))
        self._word = ""
        self._ready = now + (QUIET if self._numbered else LONG_QUIET)


def readings(port: str, values: Iterable[RapiValue], time: int) -> list[DeviceReading]:
    """Values as events."""
    return [
        DeviceReading(
            time,
            (),
            port,
            "rapi",
            "openevse",
            value.name,
            value.value,
            value.unit,
            value.measurand,
            "",
            value.raw,
            True,
        )
        for value in values
    ]
