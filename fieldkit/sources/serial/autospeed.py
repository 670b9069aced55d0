"""Finds a port's speed and format by listening: one after the other, until what is heard makes sense.

Nothing is sent. A device that says nothing has no speed that could be found like this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fieldkit.devices.detect import MOST_HEARD, SPEEDS, Judgement, best, judge
from fieldkit.devices.modbus.timing import SECOND, LineSettings, line_settings
from fieldkit.sources.serial.port import SerialPort
from fieldkit.sources.serial.trouble import PortError

CANDIDATES: Final = tuple(line_settings(speed, form) for form in ("8N1", "8E1") for speed in SPEEDS)
"""8N2 is heard as 8N1, 7E1 as 8N1 with a bit too many; both are good enough to tell what it is."""
_PLENTY: Final = 512
_SOME: Final = 48
_SOON: Final = 3 * SECOND // 2
_LATE: Final = 3 * SECOND
_SETTLING: Final = SECOND // 10
"""So long after a change what arrives may still have been heard at the setting before."""
_SURE: Final = 0.85


class AutoSpeed:
    """Drives one port from one setting to the next; fed with what it hears."""

    def __init__(self, port: SerialPort, candidates: Sequence[LineSettings] = CANDIDATES) -> None:
        self.settled: Judgement | None = None
        """What it was, once that is found."""
        self.rounds = 0
        """How often all were tried in vain."""
        self._port = port
        self._candidates = candidates
        self._at = 0
        self._heard = bytearray()
        self._since = 0
        self._judged: list[tuple[Judgement, LineSettings]] = []

    def begin(self, now: int) -> None:
        self._use(self._candidates[0], now)

    def feed(self, data: bytes, now: int) -> None:
        """Bytes that were heard."""
        if self.settled is not None or now < self._since + _SETTLING:
            return
        if len(self._heard) < MOST_HEARD:
            self._heard += data
        self.tick(now)

    def tick(self, now: int) -> None:
        """Whether it is time to judge, and to go on."""
        if self.settled is not None:
            return
        age, size = now - self._since, len(self._heard)
        if not (size >= _PLENTY or (size >= _SOME and age > _SOON) or age > _LATE):
            return
        line = self._candidates[self._at]
        judged = judge(bytes(self._heard), line.speed)
        if judged.dialect is not None and judged.confidence >= _SURE:
            self._settle(judged, line)
            return
        self._judged.append((judged, line))
        self._at += 1
        if self._at == len(self._candidates):
            winner = best(judgement for judgement, _ in self._judged)
            if winner is not None:
                self._settle(winner, next(line for judgement, line in self._judged if judgement is winner))
                return
            self._at, self._judged = 0, []
            self.rounds += 1
        self._use(self._candidates[self._at], now)

    def _use(self, line: LineSettings, now: int) -> None:
        self._heard.clear()
        self._since = now
        try:
            self._port.apply(self._port.settings.at(line), "scan")
        except PortError:
            # This port cannot do that; nothing will be heard, and the next one is tried when its time is up.
            return

    def _settle(self, judged: Judgement, line: LineSettings) -> None:
        self.settled = judged
        self._port.apply(self._port.settings.at(line), "settings")
