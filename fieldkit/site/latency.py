"""How long answers take, by action and by the side that answers."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fieldkit.events import MessageType, OcppMessage, Sender, Unanswered
from fieldkit.ocpp.exchange import OTHER, latency
from fieldkit.site.room import Room

MAX_SAMPLES: Final = 1024
"""Latencies kept of one action, as long as the site has room: beyond it every second one is thrown away, which keeps
percentiles honest."""
LEAST_SAMPLES: Final = 128
"""What every station may keep, however many there are."""
MAX_ACTIONS: Final = 400
"""Pairs of side and action of one station; OCPP has 90 actions, a hostile station invents more."""
MAX_ACTION_LENGTH: Final = 50
"""Longer names are no actions of OCPP: they are counted under their beginning."""
_WEIGHED: Final = 128
"""Samples of each action that the median over all actions is made of: a list of a thousand stations shows it."""
_MOST: Final = 2**62
"""A capture may claim any time; what is kept must fit into 64 bits."""


@dataclass(slots=True)
class Percentiles:
    """Of one action, answered by one side; nanoseconds."""

    side: Sender
    """Who answers."""
    action: str
    count: int
    p50: int
    p90: int
    p99: int
    longest: int
    unanswered: int
    """CALLs that this side demonstrably left without an answer."""
    errors: int
    """Answered by a CALLERROR."""


class _Series:
    """The latencies of one action, thinned out evenly."""

    __slots__ = ("count", "errors", "longest", "samples", "skipped", "step", "unanswered")

    def __init__(self) -> None:
        self.count = 0
        self.errors = 0
        self.unanswered = 0
        self.longest = 0
        self.samples = array("q")
        self.step = 1
        """Every how manieth latency is kept."""
        self.skipped = 0

    def add(self, nanoseconds: int, most: int) -> None:
        """``most``: samples that there is room for."""
        self.count += 1
        if nanoseconds > self.longest:
            self.longest = nanoseconds
        self.skipped += 1
        if self.skipped < self.step:
            return
        self.skipped = 0
        self.samples.append(nanoseconds)
        while len(self.samples) > most:
            self.samples = self.samples[::2]
            self.step *= 2


class Latencies:
    """All actions of one station."""

    def __init__(self, room: Room | None = None) -> None:
        self._room = room if room is not None else Room()
        self._series: dict[tuple[Sender, str], _Series] = {}

    def feed(self, message: OcppMessage) -> None:
        """Take in an answer."""
        if message.type is not MessageType.CALLRESULT and message.type is not MessageType.CALLERROR:
            return
        series = self._of(message.sender, message.action)
        if series is None:
            return
        if message.error is not None:
            series.errors += 1
        took = latency(message)
        # Logs that were merged from several writers may have the answer first.
        if took is not None and 0 <= took < _MOST:
            series.add(took, self._room.samples(MAX_SAMPLES, LEAST_SAMPLES))

    def unanswered(self, event: Unanswered) -> None:
        """Count a CALL that got none."""
        if event.why != "connection-closed":
            return
        series = self._of(OTHER[event.call.sender], event.call.action)
        if series is not None:
            series.unanswered += 1

    def summary(self) -> list[Percentiles]:
        """One entry for each side and action that was asked, most frequent first."""
        entries = [_percentiles(side, action, series) for (side, action), series in self._series.items()]
        return sorted(entries, key=lambda entry: (-entry.count - entry.unanswered, entry.action, entry.side))

    def overall(self) -> tuple[int, int] | None:
        """Median and longest of all answers, of all actions and both sides; None before there is one."""
        weighed: list[tuple[int, float]] = []
        for series in self._series.values():
            samples = series.samples[:: len(series.samples) // _WEIGHED + 1]
            weighed += [(sample, series.count / len(samples)) for sample in samples]
        if not weighed:
            return None
        weighed.sort()
        half = sum(weight for _, weight in weighed) / 2
        longest = max(series.longest for series in self._series.values())
        for sample, weight in weighed:
            half -= weight
            if half <= 1e-9:
                return sample, longest
        return weighed[-1][0], longest

    def _of(self, side: Sender, action: str) -> _Series | None:
        key = (side, action)
        series = self._series.get(key)
        if series is None:
            if len(action) > MAX_ACTION_LENGTH:
                return self._of(side, action[:MAX_ACTION_LENGTH])
            if len(self._series) >= MAX_ACTIONS:
                return None
            series = self._series[key] = _Series()
        return series


def _percentiles(side: Sender, action: str, series: _Series) -> Percentiles:
    ordered = sorted(series.samples)
    return Percentiles(
        side,
        action,
        series.count,
        _at(ordered, 50),
        _at(ordered, 90),
        _at(ordered, 99),
        series.longest,
        series.unanswered,
        series.errors,
    )


def _at(ordered: Sequence[int], percent: int) -> int:
    """The nearest rank: a latency that did occur, so that small numbers are not averaged into fiction."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0
