"""How long the CSMS takes to answer, by each station's own measure: whether answers take longer or have become quick
all at once, and whether those of the other stations have as well."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import exp, log
from typing import ClassVar, Final

from fieldkit.checks.words import SECOND, duration
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.detect.symptom import SITE
from fieldkit.detect.usual import Cusum, Usual, smooth
from fieldkit.events import Event, MessageType, OcppMessage, WsControl
from fieldkit.ocpp.exchange import latency

LATENCY_FLOOR: Final = 0.18
"""Spread of the logarithm of a latency that is never thought smaller: 20 %."""
LATENCY_KNOWN: Final = 24
"""Answers before it is known how long they take."""
STEP: Final = 0.06
"""Seconds that answers must take longer for anybody to care."""
STEP_FACTOR: Final = 1.5
AFTER_BREAK: Final = 240 * SECOND
"""So long after a break the answers' times are compared with those before."""


@dataclass(slots=True)
class _Line:
    """One station's latencies."""

    usual: Usual = field(default_factory=lambda: Usual(LATENCY_FLOOR))
    longer: Cusum = field(default_factory=lambda: Cusum(1.0, 13.0))
    mean: float = 0.0
    last: int = 0
    told: bool = False


class Latency(Tracker):
    """How long the CSMS takes to answer, the way there and back included."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage, WsControl})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.lines: dict[str, _Line] = {}
        self._site = Cusum(1.0, 14.0)
        self._faster = Cusum(1.0, 14.0)
        self._since: list[float] = []
        """Scores since the stations lost their connections together, as long as that is to be judged."""
        self._judged = 0
        self._evidence: deque[OcppMessage] = deque(maxlen=4)
        self._pings: dict[int, int] = {}
        self._told = False

    def see(self, event: Event) -> None:
        if isinstance(event, OcppMessage):
            if event.sender == "csms" and event.call is not None and event.type is MessageType.CALLRESULT:
                took = latency(event)
                if took is not None and 0 < took < 60 * SECOND:
                    self._took(event.channel.station, took / SECOND, event)
        elif isinstance(event, WsControl):
            self._control(event)

    def _control(self, event: WsControl) -> None:
        number = event.connection.number
        if event.kind == "ping" and event.from_client:
            if len(self._pings) >= 5000:
                del self._pings[next(iter(self._pings))]
            self._pings[number] = event.time
        elif event.kind == "pong" and not event.from_client:
            sent = self._pings.pop(number, 0)
            link = self.context.picture.links.get(event.connection)
            if sent and link is not None and link.station and 0 < event.time - sent < 60 * SECOND:
                self._took(f"{link.station}\nping", (event.time - sent) / SECOND, None)

    def _took(self, name: str, seconds: float, message: OcppMessage | None) -> None:
        line = kept(self.lines, name, _Line)
        value = log(max(seconds, 1e-4))
        score = line.usual.score(value)
        line.mean = smooth(line.mean if line.last else value, value, 0.3)
        line.last = self.context.now
        if message is not None:
            self._evidence.append(message)
        if line.usual.count < LATENCY_KNOWN:
            line.usual.add(value)
            return
        usual, now = exp(line.usual.median), exp(line.mean)
        much = now - usual > STEP and now > STEP_FACTOR * usual
        reached = line.longer.add(score, self.context.now)
        self._other_way(score, value, line, message)
        pooled = self._site.add(score, self.context.now, most=3.0)
        if pooled and much and not self._told and self._others_slow():
            self._told = True
            self.context.tell(
                "satellite-step",
                SITE,
                0.72,
                f"The CSMS takes {_milliseconds(now)} to answer, at all chargers; usually {_milliseconds(usual)}.",
                tuple(self._evidence),
                first=self._site.began,
                layer="statistics",
                sign="latency-site",
            )
        elif reached and much and not line.told and not self._told:
            line.told = True
            alone = not self._others_slow() and len(self._active()) >= 3
            self.context.tell(
                "man-in-the-middle" if alone else "satellite-step",
                name.partition("\n")[0],
                0.45 if alone or now < 2.5 * usual else 0.62,
                f"{name.partition(chr(10))[0]} waits {_milliseconds(now)} for an answer of the CSMS; usually "
                f"{_milliseconds(usual)}"
                + (", and those of the other stations take no longer than before." if alone else "."),
                tuple(self._evidence)[-1:],
                first=line.longer.began,
                layer="statistics",
                sign="latency",
            )
        if not line.longer.sum:
            line.told = False
        if not self._site.sum and not self._faster.sum:
            self._told = False
        # What is being told of is not learnt as usual, unless it stays for hours: then it is the new usual.
        if not (line.told or self._told) or self.context.now - line.longer.began > 6 * 3600 * SECOND:
            if self.context.frozen(name.partition("\n")[0]):
                return
            if line.longer.sum < 4 or self.context.now - line.longer.began > 3600 * SECOND:
                line.usual.add(value)

    def _other_way(self, score: float, value: float, line: _Line, message: OcppMessage | None) -> None:
        """Are the answers' times others since the connections broke (or much shorter all at once)?"""
        broken = self.context.broken_off
        if broken and broken != self._judged and self.context.now - broken < AFTER_BREAK:
            self._since.append(max(-6.0, min(score, 6.0)))
            number = len(self._since)
            middle = sorted(self._since)[number // 2]
            if number >= 8 and abs(middle) > 1.6:
                self._judged = broken
                self._switched(
                    line, value, broken, f"since the connections of the site broke together ({number} answers)"
                )
        elif self._since:
            self._since = []
            self._judged = broken
        if self._faster.add(-score, self.context.now) and not self._told:
            self._faster.clear()
            if exp(line.usual.median) - exp(line.mean) > STEP and exp(line.usual.median) > STEP_FACTOR * exp(line.mean):
                self._told = True
                self._switched(line, value, self._faster.began, "all at once")

    def _switched(self, line: _Line, value: float, since: int, when: str) -> None:
        self.context.tell(
            "uplink-switch",
            SITE,
            0.72,
            f"The CSMS has taken {_milliseconds(exp(value))} to answer {when}; before it took "
            f"{_milliseconds(exp(line.usual.median))}. The chargers probably reach it another way now.",
            tuple(self._evidence),
            first=since,
            layer="statistics",
            sign="other-way",
        )

    def _active(self) -> list[_Line]:
        return [line for line in self.lines.values() if self.context.now - line.last < 600 * SECOND]

    def _others_slow(self) -> bool:
        active = [line for line in self._active() if line.usual.known]
        return sum(line.longer.sum > 2 for line in active) >= max(len(active) * 0.6, 1)


def _milliseconds(seconds: float) -> str:
    return duration(seconds * SECOND)
