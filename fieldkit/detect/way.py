"""The way to the CSMS, by what TCP itself shows: how long a round trip takes, and how many routers are on it.

Both are seen without reading a word, so also of encrypted connections, and both without what the CSMS thinks about its
answers. Every uplink has its outliers, mobile ones many: how odd a round trip is follows from how often such a one was
seen at this site (the share of those that were no shorter), and several of them must come in a row. A time to live
that is another one at all stations, after their connections broke together, is another way too (a packet's time to live
falls by one with every router, RFC 791 §3.2); one that is another at a single station means somebody in between there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import dataclass, field
from math import exp, log
from typing import ClassVar, Final

from fieldkit.checks.words import SECOND, counted, duration
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.detect.symptom import SITE
from fieldkit.detect.usual import Cusum, Usual
from fieldkit.events import Event, PathSample

FLOOR: Final = 0.1
"""Spread of the logarithm of a round trip that is never thought smaller: 10 %."""
KNOWN: Final = 6
"""Round trips of one station before its own are usual …"""
JUDGED: Final = 40
"""… and of all stations before it is known what outliers there are."""
REMEMBERED: Final = 1200
SLACK: Final = 2.0
LIMIT: Final = 16.0
"""What a round trip is worth is the negative logarithm of the share of those that were as far off, which of ordinary
ones is 1 on average. With this slack and limit chance alone gets there about once in half a million round trips."""
LIMIT_BROKEN: Final = 10.0
"""Where all connections have just broken another way is likely anyway."""
MOST: Final = 8.0
FACTOR: Final = 1.5
STEP: Final = 0.02
"""Round trips that are so many times and so many seconds longer (or shorter) are worth a word; less becomes usual."""
FACTOR_BROKEN: Final = 1.25
STEP_BROKEN: Final = 0.006
"""The same where all connections have just broken: then the question is only whether it is the old way."""
BREAK: Final = 240 * SECOND
"""Connections that were made within this time before are part of it."""
FIRST: Final = 30 * SECOND
"""Another way shows from the first packets on; what becomes odd later than this has nothing to do with the break."""
ACTIVE: Final = 1800 * SECOND
"""A station whose last round trip is older says nothing of now."""
STEADY: Final = 5
"""Times to live in a row that are the same before another one is odd: some balancers have several ways by nature."""
TOGETHER: Final = 0.6
"""Share of the stations measured since that must have it."""
DAY: Final = 24 * 3600 * SECOND
"""What has been another way for so long is the way."""
MAX_LINES: Final = 4000


@dataclass(slots=True)
class _Line:
    """One station's way to one address."""

    name: str
    usual: Usual = field(default_factory=lambda: Usual(FLOOR, size=96))
    longer: Cusum = field(default_factory=lambda: Cusum(SLACK, LIMIT))
    connected: int = 0
    """Latest handshake."""
    last: int = 0
    waiting: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=32))
    """Round trips that are not learnt yet: their logarithms, and how far they are off."""
    ttl: int = 0
    alike: int = 0
    """Times that it was the same in a row."""
    other: int = 0
    """Another one, since when …"""
    other_ttl: int = 0
    others: int = 0
    """… and how often in a row."""
    home: int = 0
    """The one before the way became another one; 0: it is the one it was."""


class Way(Tracker):
    """Round trips and times to live of all stations."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({PathSample})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._lines: dict[str, _Line] = {}
        self._seen: deque[float] = deque(maxlen=REMEMBERED)
        self._sorted: list[float] = []
        self._home = 0.0
        """Seconds of a round trip before the way became another one; 0: it is the one it was …"""
        self._away = 0
        """… and since when."""
        self._back = 0
        """When it was last the former one again."""
        self._longer = Cusum(SLACK, LIMIT)
        self._shorter = Cusum(SLACK, LIMIT)
        self._run: deque[tuple[int, str, float, PathSample]] = deque(maxlen=24)
        """Time, line, how far off and evidence of the latest round trips."""

    def see(self, event: Event) -> None:
        if not isinstance(event, PathSample) or not event.from_client or event.kind == "answer":
            return
        link = self.context.picture.links.get(event.connection)
        client, server = event.connection.client.address, event.connection.server.address
        key = f"{client}\n{server}"
        if key not in self._lines and (link is None or not (link.ocpp or (link.tls and client in self.context.names))):
            return  # whatever else a site's devices talk to
        line = kept(self._lines, key, lambda: _Line(client), MAX_LINES)
        line.name = self.context.names.get(client, client)
        if event.kind == "handshake":
            line.connected = event.time
        if event.ttl:
            self._hops(line, event)
        if event.rtt > 0:
            self._took(key, line, event)
        line.last = event.time

    # ---------------------------------------------------------------------------------------------------- round trips

    def _took(self, key: str, line: _Line, event: PathSample) -> None:
        value = log(event.rtt / SECOND)
        if line.usual.count < KNOWN:
            if not self.context.frozen(line.name):
                line.usual.add(value)
            return
        off = value - line.usual.median
        if len(self._seen) < JUDGED:
            self._learn(line, value, off)
            return
        number = len(self._sorted)
        above = (number - bisect_left(self._sorted, off) + 1) / (number + 1)
        below = (bisect_right(self._sorted, off) + 1) / (number + 1)
        self._run.append((event.time, key, off, event))
        longer = self._longer.add(-log(above), event.time, MOST)
        shorter = self._shorter.add(-log(below), event.time, MOST)
        alone = line.longer.add(-log(above), event.time, MOST)
        longer, shorter = longer or self._after_break(self._longer), shorter or self._after_break(self._shorter)
        if (longer or shorter) and self._changed(self._longer if longer else self._shorter, longer):
            return
        if alone:
            self._alone(key, line)
        # An outlier belongs to what is usual if ordinary ones follow: until then it waits.
        line.waiting.append((value, off))
        if max(self._longer.sum, self._shorter.sum, line.longer.sum) < 1.0:
            for one in line.waiting:
                self._learn(line, *one)
            line.waiting.clear()

    def _after_break(self, sum_: Cusum) -> bool:
        return sum_.sum >= LIMIT_BROKEN and self._since_break(sum_.began)

    def _learn(self, line: _Line, value: float, off: float) -> None:
        if self.context.frozen(line.name):
            return
        line.usual.add(value)
        if len(self._seen) == REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._seen[0])]
        self._seen.append(off)
        insort(self._sorted, off)

    def _active(self) -> list[_Line]:
        return [line for line in self._lines.values() if self.context.now - line.last < ACTIVE]

    def _broke(self, since: int) -> int:
        """When the first of most connections was made anew, if that was just now; else 0."""
        active = [line for line in self._active() if line.usual.count >= KNOWN]
        anew = [line.connected for line in active if line.connected >= since - BREAK]
        return min(anew) if anew and len(anew) >= max(min(2, len(active)), 0.5 * len(active)) else 0

    def _since_break(self, since: int) -> bool:
        first = self._broke(since)
        return first > 0 and since <= first + FIRST

    def _changed(self, sum_: Cusum, longer: bool) -> bool:
        """Is it the same with most of those that were measured since? Then it is the way of all."""
        sum_.sum = min(sum_.sum, LIMIT + MOST)
        began, run = sum_.began, [one for one in self._run if one[0] >= sum_.began]
        broke = self._since_break(began)
        factor, step = (FACTOR_BROKEN, STEP_BROKEN) if broke else (FACTOR, STEP)
        by_line: dict[str, list[float]] = {}
        for _, key, off, _ in run:
            by_line.setdefault(key, []).append(off if longer else -off)
        off_now = [key for key, offs in by_line.items() if sorted(offs)[len(offs) // 2] > log(factor) / 2]
        measured = [line for line in self._active() if line.last >= began]
        if len(off_now) < max(min(2, len(self._active())), TOGETHER * len(measured)):
            return False
        offs = sorted(one[2] for one in run if one[1] in off_now)
        usual = exp(sorted(self._lines[key].usual.median for key in off_now)[len(off_now) // 2])
        now = usual * exp(offs[len(offs) // 2])
        self._forget()
        if max(now / usual, usual / now) < factor or abs(now - usual) < step:
            return True  # not worth a word: that is what is usual from now on
        if self._home and self.context.now - self._away < DAY and abs(log(now / self._home)) < log(FACTOR_BROKEN):
            self._home = 0.0
            return True  # the way is the former one again: that ends what was told, and is nothing new
        if not self._home or self.context.now - self._away >= DAY:
            self._home, self._away = usual, self.context.now
        self.context.other_way = self.context.now
        when = "since the connections of the site broke" if broke else "all at once"
        self.context.tell(
            "uplink-switch" if broke or now < usual else "satellite-step",
            SITE,
            0.72,
            f"Packets of {counted(len(off_now), 'charger')} take {duration(now * SECOND)} to the CSMS and back "
            f"{when}; before it was {duration(usual * SECOND)}."
            + (" They probably go another way now." if broke or now < usual else ""),
            tuple(one[3] for one in run[-4:]),
            first=began,
            layer="statistics",
            sign="round-trips",
        )
        return True

    def _alone(self, key: str, line: _Line) -> None:
        """A way that became longer for one station, while others that were measured since have theirs as before."""
        since = line.longer.began
        others = [other for other in self._active() if other is not line and other.last >= since and other.usual.known]
        run = [one for one in self._run if one[1] == key and one[0] >= since]
        off = sorted(one[2] for one in run)[len(run) // 2] if run else 0.0
        usual = exp(line.usual.median)
        now = usual * exp(off)
        line.longer.clear()
        alone = len(others) >= 2 and all(other.longer.sum <= SLACK for other in others)
        factor, step = (FACTOR_BROKEN, STEP_BROKEN) if alone else (FACTOR, STEP)
        if (others and not alone) or now < factor * usual or now - usual < step:
            return
        self.context.tell(
            "man-in-the-middle" if alone else "satellite-step",
            line.name,
            0.45 if alone else 0.62,
            f"A packet of {line.name} takes {duration(now * SECOND)} to the CSMS and back; usually "
            f"{duration(usual * SECOND)}"
            + (", and those of the other stations take no longer than before." if alone else "."),
            tuple(one[3] for one in run[-3:]),
            first=since,
            layer="statistics",
            sign="round-trip-alone" if alone else "round-trip",
        )

    def _forget(self) -> None:
        """What is usual begins anew: on another way other things are."""
        self._longer.clear()
        self._shorter.clear()
        self._seen.clear()
        self._sorted.clear()
        for line in self._lines.values():
            line.usual.forget()
            line.longer.clear()
            line.waiting.clear()

    # ----------------------------------------------------------------------------------------------------------- hops

    def _hops(self, line: _Line, event: PathSample) -> None:
        if event.ttl == line.ttl or not line.ttl:
            line.ttl = event.ttl
            line.alike += 1
            line.others = 0
            return
        if event.ttl == line.other_ttl and line.others:
            line.others += 1
        else:
            line.other, line.other_ttl, line.others = event.time, event.ttl, 1
        if line.others == 2 and line.alike >= STEADY:
            self._other_hops(line, event)
        if line.others >= 2 * STEADY or (line.others >= 2 and line.alike < STEADY):
            line.ttl, line.alike, line.others = line.other_ttl, line.others, 0  # that is the usual one now

    def _other_hops(self, line: _Line, event: PathSample) -> None:
        shift = line.other_ttl - line.ttl
        rest = [one for one in self._active() if one is not line and one.alike >= STEADY]
        fresh = [one for one in rest if one.others and one.other >= line.other - BREAK]
        same = [one for one in fresh if one.other_ttl - one.ttl == shift]
        as_before = [one for one in rest if not one.others and one.last >= line.other]
        if same and not as_before and self._broke(line.other):
            former = line.home == line.other_ttl or line.other - self._back < BREAK
            for one in (line, *same):
                one.home = 0 if former else one.ttl
            if former:
                self._back = line.other
                return  # the former way again
            self.context.other_way = self.context.now
            self.context.tell(
                "uplink-switch",
                SITE,
                0.62,
                f"Packets of the CSMS to {counted(len(same) + 1, 'charger')} pass {_routers(shift)} since the "
                f"connections of the site broke (time to live {line.other_ttl}, before {line.ttl}): they come another "
                "way.",
                (event,),
                first=min(line.other, *(one.other for one in same)),
                layer="statistics",
                sign="hops",
            )
        elif len(as_before) >= 2 and not same:
            self.context.tell(
                "man-in-the-middle",
                line.name,
                0.35,
                f"Packets to {line.name} have passed {_routers(shift)} (time to live {line.other_ttl} instead of "
                f"{line.ttl}); those to {counted(len(as_before), 'other station')} come as before.",
                (event,),
                first=line.other,
                layer="statistics",
                sign="hops-alone",
            )


def _routers(shift: int) -> str:
    if abs(shift) > 24:
        return "another number of routers, or come from another kind of machine"
    return f"{counted(abs(shift), 'router')} {'fewer' if shift > 0 else 'more'}"
