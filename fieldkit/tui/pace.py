"""Events at the pace they had when they happened, or ten or a hundred times as fast; with a pause."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from threading import Condition
from typing import Final

from fieldkit.events import Event

SPEEDS: Final = (1, 10, 100)
"""What a replay can be asked for."""
_LOOK: Final = 0.05
"""Seconds between two looks at whether there is something to hand on: finer than the eye."""
_BEHIND: Final = 1.0
"""Seconds that a replay may lag behind its clock."""
_S: Final = 1_000_000_000


class Pace:
    """The clock of a replay. Whoever replays calls ``events``; others may pause, hurry and stop it meanwhile."""

    def __init__(self, speed: float = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = Condition()
        self._speed = speed
        self._paused = False
        self._began = clock()
        self._at = 0
        """Capture time that it was at when ``_began`` was taken; 0 before the first event."""
        self._last = 0
        """Capture time of the event that was handed on last."""
        self._jumped = 0
        """Capture time that a jump led to: until there events come at once."""

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def now(self) -> int:
        """The capture time that it is at."""
        if self._paused or not self._at:
            return self._at
        return self._at + int((self._clock() - self._began) * self._speed * _S)

    def set(self, *, speed: float | None = None, paused: bool | None = None) -> None:
        """Faster, slower, on or off, from now on."""
        with self._changed:
            at = self.now
            self._began, self._at = self._clock(), at
            self._speed = self._speed if speed is None else speed
            self._paused = self._paused if paused is None else paused
            self._changed.notify_all()

    def jump(self, to: int) -> None:
        """On to a later time: what lies between is handed on at once."""
        with self._changed:
            self._began, self._at = self._clock(), max(to, self.now)
            self._jumped = self._at
            self._changed.notify_all()

    def events(self, batches: Iterable[list[Event]], stop: Callable[[], bool]) -> Iterator[list[Event]]:
        """The same events in the same order, each when it is due."""
        due: list[Event] = []
        for events in batches:
            for event in events:
                if event.time > 0:
                    if not self._at:
                        with self._changed:
                            self._began, self._at = self._clock(), event.time
                    if event.time > self.now:
                        if due:
                            yield due
                            due = []
                        if not self._wait(event.time, stop):
                            return
                    self._last = event.time
                due.append(event)
            if due:
                # Not only when the next one is not due yet: who cannot keep up would gather events without end.
                yield due
                due = []
                self._keep_up()
            if stop():
                return

    def _keep_up(self) -> None:
        """What cannot be read as fast as it is to be shown is shown as fast as it can be read: the clock waits, so
        that it tells no time of which nothing was shown, and does not race when there is less to read again."""
        with self._changed:
            if self._last >= self._jumped and self.now - self._last > _BEHIND * self._speed * _S:
                self._began, self._at = self._clock(), self._last

    def _wait(self, until: int, stop: Callable[[], bool]) -> bool:
        """Until it is that time; False when it is not to go on."""
        while not stop():
            with self._changed:
                left = (until - self.now) / _S / self._speed
                if left <= 0 and not self._paused:
                    return True
                # A pause may be ended and a speed changed, and then this wakes up; a stop is looked for.
                self._changed.wait(_LOOK if self._paused else max(min(left, _LOOK), 0.001))
        return False
