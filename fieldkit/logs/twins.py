"""The same frame, logged twice: by the WebSocket library and by the application, or on both sides of a relay.

A frame is dropped as the twin of another when both have the same text, stand within a few lines and one second, do
not contradict each other, and were written by different loggers. The same logger writing the same frame twice is no
twin: that is a station repeating itself, which is worth knowing. What only the twin says is taken over.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from fieldkit.logs.alike import named_alike, shape
from fieldkit.logs.frametext import CUT, ELIDED
from fieldkit.logs.sighting import Sighting
from fieldkit.logs.times import DAY, SECOND

WINDOW: Final = 8
"""Lines between twins: other threads write in between."""
_MAX_HELD: Final = 16
"""Frames held back until no twin can follow."""
_NEAR: Final = SECOND

_RELAYED: Final = re.compile(r'\[\s*(?:2\s*,\s*"[^"]{0,64}"\s*,\s*"(?!DataTransfer")|[2-6]\s*,\s*"[^"]{8})')
"""A CALL that only one side may send, or any frame whose id is no small number."""
_NUMBERS: Final = re.compile(r"[0-9a-f]{8,}|\d+")


class Twins:
    """Holds frames back for a few lines, and drops those that were there already."""

    def __init__(self) -> None:
        self.dropped = 0
        self._held: deque[Sighting] = deque()

    def feed(self, sighting: Sighting) -> list[Sighting]:
        """What is ready to be handed on now that this one has come."""
        held = self._held
        if sighting.lead is None:
            ready = self.finish()
            ready.append(sighting)
            return ready
        ready = []
        while held and (held[0].last_line + WINDOW < sighting.line or len(held) >= _MAX_HELD):
            ready.append(held.popleft())
        for earlier in held:
            if _are_twins(earlier, sighting):
                _take_over(earlier, sighting)
                self.dropped += 1
                return ready
        held.append(sighting)
        return ready

    def finish(self) -> list[Sighting]:
        """All that is held back."""
        ready = list(self._held)
        self._held.clear()
        return ready


def _are_twins(earlier: Sighting, later: Sighting) -> bool:
    if earlier.text != later.text and not (_is_part(earlier, later) or _is_part(later, earlier)):
        return False
    if earlier.station != later.station:
        station = earlier.station or later.station
        if earlier.station and later.station:
            return False
        # What a line does not announce as a station may be one: then it is another's frame.
        nameless = later if earlier.station else earlier
        if shape(station) and named_alike(nameless.lead or "", (shape(station),)) not in ("", station):
            return False
    if earlier.sender and later.sender and earlier.sender != later.sender:
        return False
    if earlier.last_line == later.line:
        return False
    if earlier.relative and later.relative and earlier.relative != later.relative and not _RELAYED.match(earlier.text):
        # A relay logs a frame as received and as sent. But an answer like [3,"1",{}] may well go both ways in one
        # second, each side counting its own ids.
        return False
    first, second = earlier.stamp, later.stamp
    if first is not None and second is not None and first.kind == second.kind and first.zoned == second.zoned:
        apart = abs(first.ns - second.ns)
        if min(apart, abs(DAY - apart)) > _NEAR:
            return False
    return _logger(earlier.lead or "") != _logger(later.lead or "")


def _is_part(part: Sighting, whole: Sighting) -> bool:
    """One logger cut the frame short, or left its middle out; the other has it whole."""
    if whole.problems or len(part.text) < 24:
        return False
    if part.problems == CUT:
        return whole.text.startswith(part.text)
    if part.problems == ELIDED:
        head, dots, tail = part.text.partition("...")
        return bool(dots) and len(head) > 8 and whole.text.startswith(head) and whole.text.endswith(tail)
    return False


def _logger(lead: str) -> str:
    """What a logger's lines have in common: their beginning without numbers."""
    return _NUMBERS.sub("0", lead.strip()[:400].lower())


def _take_over(kept: Sighting, twin: Sighting) -> None:
    if kept.problems and not twin.problems:
        kept.text, kept.problems = twin.text, ()
    kept.stamp = kept.stamp or twin.stamp
    kept.station = kept.station or twin.station
    if kept.sender is None and kept.relative is None:
        kept.sender, kept.relative = twin.sender, twin.relative
    kept.version = kept.version or twin.version
