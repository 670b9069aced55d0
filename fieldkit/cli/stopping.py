"""When a run that could go on for ever ends: a signal, a limit, a reader that has gone."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType, TracebackType
from typing import Any, Final

_SIGNALS: Final = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "the terminal was closed"}


class Stop:
    """A context in which the first signal asks for an end and the second one makes it."""

    def __init__(self, *, seconds: float = 0, until: datetime | None = None) -> None:
        self.why = ""
        """Empty until there is a reason."""
        self.immediate = False
        """From now on a single signal ends everything: there is nothing left that would have to be finished."""
        self._seconds = seconds
        self._until = until
        self._ends = 0.0
        self._before: dict[int, Any] = {}
        self._signalled = False

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                    self._before[number] = signal.signal(number, self._on_signal)
        self.begin()
        return self

    def begin(self) -> None:
        """Durations count from here."""
        self._ends = time.monotonic() + self._seconds if self._seconds else 0.0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Whether it is time to end."""
        if not self.why:
            if self._ends and time.monotonic() >= self._ends:
                self.why = "the time is over"
            elif self._until is not None and datetime.now(UTC) >= self._until:
                self.why = "the time has come"
        return bool(self.why)

    def ask(self, why: str) -> None:
        """End for another reason."""
        self.why = self.why or why

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._signalled or self.immediate:
            raise KeyboardInterrupt
        self._signalled = True
        self.ask(_SIGNALS[signal.Signals(number).name])


class Every:
    """True once in so many seconds, the first time after as many."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._due = clock() + seconds if seconds else float("inf")

    def __call__(self) -> bool:
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + self._seconds
        return True
