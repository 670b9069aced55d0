"""Other commands of fieldkit as children: uplinks, TLS posture, serial devices.

What they take in memory goes when they end, what they do wrong hurts nobody here, and what they say is what the command
line says. They are started before the agent gives up its rights, as a modem or a serial port may need them; a child
that is started again later has none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from fieldkit.links.process import Programs, buffered, gathered
from fieldkit.links.runner import MAX_ANSWER, RunnerError
from fieldkit.safetext import terminal

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 600.0
"""Seconds until a child that has ended is started again: doubled each time."""
STEADY: Final = 120.0
"""Seconds that it must have lived for the pauses to be short again."""
MAX_SAID: Final = 4096
"""Bytes of what a child says on standard error that are kept."""
POSTURE_TIME: Final = 90.0
"""Seconds that a look at an endpoint may take."""

Tell = Callable[..., object]
"""Called with the name of a health finding and its values."""


def fieldkit(*arguments: str) -> list[str]:
    """A command line of this very fieldkit."""
    return [sys.executable, "-m", "fieldkit", *arguments]


class Helper(threading.Thread):
    """A child that goes on, and writes a JSON object a line."""

    def __init__(self, name: str, arguments: Sequence[str], take: Callable[[dict[str, Any]], None], tell: Tell) -> None:
        """``take`` gets each object, on this thread."""
        super().__init__(name=name, daemon=True)
        self._arguments = tuple(arguments)
        self._take = take
        self._tell = tell
        self._programs = Programs()
        self._first: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()

    def prepare(self) -> None:
        """Start the child now, while there are rights; ``start`` then listens to it."""
        with suppress(RunnerError):
            self._first = self._programs.start(fieldkit(*self._arguments))

    def run(self) -> None:
        """Until ``end``: listen, and start it again when it ends."""
        pause = FIRST_PAUSE
        while not self._ending.is_set():
            begun = time.monotonic()
            why = self._listen()
            if self._ending.is_set():
                return
            pause = FIRST_PAUSE if time.monotonic() - begun > STEADY else min(pause * 2, LONGEST_PAUSE)
            self._tell("helper-failed", group=self.name, what=f"fieldkit {' '.join(self._arguments)}", why=why)
            self._ending.wait(pause)

    def end(self) -> None:
        """With its child."""
        self._ending.set()
        self._programs.close()

    def _listen(self) -> str:
        """Why it ended."""
        process, self._first = self._first, None
        try:
            process = process or self._programs.start(fieldkit(*self._arguments))
        except RunnerError as error:
            return str(error)
        said: list[str] = []
        out, err = process.stdout, process.stderr
        assert out is not None
        assert err is not None

        def hear() -> None:
            for line in buffered(err):
                said.append(line)
                del said[:-5]

        hearing = threading.Thread(target=hear, daemon=True)
        hearing.start()
        try:
            for line in buffered(out):
                with suppress(ValueError):
                    told = json.loads(line)
                    if isinstance(told, dict):
                        self._take(told)
        finally:
            self._programs.end(process, hearing)
        return terminal(said[-1], 300) if said else f"it ended with status {process.returncode}"


class Periodic(threading.Thread):
    """A child that answers once, asked again and again."""

    def __init__(
        self, name: str, arguments: Sequence[str], every: float, take: Callable[[dict[str, Any]], None], tell: Tell
    ) -> None:
        """``take`` gets its document, on this thread."""
        super().__init__(name=name, daemon=True)
        self._arguments = tuple(arguments)
        self._every = every
        self._take = take
        self._tell = tell
        self._programs = Programs()
        self._ending = threading.Event()

    def prepare(self) -> None:
        """Nothing: it needs no rights."""

    def run(self) -> None:
        """Until ``end``."""
        while not self._ending.is_set():
            try:
                self._take(self._asked())
            except (RunnerError, ValueError) as error:
                self._failed(str(error))
            self._ending.wait(self._every)

    def end(self) -> None:
        """With its child."""
        self._ending.set()
        self._programs.close()

    def _asked(self) -> dict[str, Any]:
        """Its document, whatever its exit status: that says what is in it. ValueError with what it says instead."""
        process = self._programs.start(fieldkit(*self._arguments))
        out, err = process.stdout, process.stderr
        assert out is not None
        assert err is not None
        try:
            data, said = gathered({out: MAX_ANSWER, err: MAX_SAID}, POSTURE_TIME, "fieldkit")
        finally:
            self._programs.end(process)
        try:
            told = json.loads(data)
        except ValueError:
            lines = said.decode("utf-8", "replace").strip().splitlines()
            raise ValueError(terminal(lines[-1], 300) if lines else "no answer") from None
        if not isinstance(told, dict):
            raise ValueError("an answer of another kind")
        return told

    def _failed(self, why: str) -> None:
        if not self._ending.is_set():
            self._tell("helper-failed", group=self.name, what=self.name, why=why)
