"""The outages of a session, as they are judged: what is made of a loss, of a return, of a path that has changed."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from typing import Final

from fieldkit.events import StrayReset
from fieldkit.site.outage import Outage
from fieldkit.site.outagecause import FLAPPING_NS, RESTARTED, TOGETHER_NS, flaps, judge
from fieldkit.site.outagelegs import blame, build
from fieldkit.site.outageloss import SECOND, Break, UplinkEvent, Verdict
from fieldkit.site.pathkind import guess
from fieldkit.site.pathseen import PathSeen, Step

MAX_OUTAGES: Final = 1_000
"""Of all stations, the latest."""
MAX_PER_STATION: Final = 20
"""Outages of one station that later ones are compared with."""
MAX_TOLD: Final = 5_000
"""Words of the router that are remembered."""
LEFT_NS: Final = 30 * SECOND
"""So long before the end of the capture a connection must have ended in good order to be missed."""
BEFORE_NS: Final = 3 * SECOND
"""What the router said so shortly before the last sign of life may have to do with the loss."""
RESTART_NS: Final = 180 * SECOND
"""A station that the CSMS told to restart does so within this time."""
MAX_ENDS: Final = 200
"""Losses that others are compared with: those of the same seconds."""


@dataclass(slots=True)
class Line:
    """One station."""

    station: str
    inside: bool
    """Seen on the site's own side of its router; the same station seen from outside is another line."""
    path: PathSeen | None = None
    lost: PathSeen | None = None
    """What was lost, while the station is not back."""
    failed: list[PathSeen] = field(default_factory=list)
    address: str = ""
    addresses: list[str] = field(default_factory=list)
    server: str = ""
    port: int = 0
    waits: list[int] = field(default_factory=list)
    survived: int = 0
    kills: int = 0
    reset_at: int = 0
    outages: deque[Outage] = field(default_factory=lambda: deque(maxlen=MAX_PER_STATION))
    calls: OrderedDict[str, tuple[int, bool]] = field(default_factory=OrderedDict)
    """Message id → hash of the message and whether it was answered, of the latest CALLs of the station."""
    queued: int = 0
    duplicates: int = 0
    two_uplinks: bool = False
    """Two different paths have served it."""


@dataclass(slots=True)
class Return:
    """A station that is back; judged when ``due``."""

    due: int
    line: Line
    old: PathSeen
    new: PathSeen | None
    failed: list[PathSeen]


class Book:
    """All outages, and what is needed to judge the next."""

    def __init__(self) -> None:
        self.all: deque[Outage] = deque(maxlen=MAX_OUTAGES)
        self.judged = 0
        self.told: deque[UplinkEvent] = deque(maxlen=MAX_TOLD)
        self._ends: deque[tuple[int, str, str]] = deque(maxlen=MAX_ENDS)
        """(time, station, server) of losses."""

    def tell(self, event: UplinkEvent) -> None:
        """What a router says; in the order of time, or late."""
        if self.told and event.time < self.told[-1].time:
            at = bisect_left(self.told, event.time, key=lambda one: one.time)
            if len(self.told) == MAX_TOLD:
                self.told.popleft()
                at = max(0, at - 1)
            self.told.insert(at, event)
        else:
            self.told.append(event)

    def lost(self, line: Line, time: int) -> None:
        """A station lost its connection."""
        self._ends.append((time, line.station, line.server))

    def add(self, line: Line, outage: Outage) -> None:
        """One more."""
        self.judged += 1
        self.all.append(outage)
        line.outages.append(outage)

    def judge(self, line: Line, loss: Break, now: int) -> None:
        """Name the cause of a loss and put its outage down. ``now``: how far the capture has come."""
        old, new = loss.old, loss.new
        since, until = loss.lost_between
        back = (new.upgraded or new.connection.opened) if new is not None else now
        loss.told = [event for event in self.told if since - BEFORE_NS <= event.time <= back + SECOND]
        loss.survived, loss.kills = line.survived, line.kills
        end = old.ended or until
        near = {
            station
            for time, station, server in self._ends
            if abs(time - end) <= TOGETHER_NS and station != line.station and server == old.connection.server.address
        }
        loss.together = len(near)
        loss.reset_asked = bool(line.reset_at) and 0 <= end - line.reset_at <= RESTART_NS
        loss.earlier, loss.two_uplinks = tuple(line.outages), line.two_uplinks
        verdict = judge(loss)
        if loss.stepped:
            line.two_uplinks = True
        if verdict.cause == "nat-idle-kill":
            line.kills += 1
        outage = build(loss, verdict, line.waits)
        outage = replace(
            outage,
            before=guess(old.way),
            after=guess(new.way) if new is not None else outage.after,
            queued=line.queued,
            duplicates=line.duplicates,
            clock_step=_clock_step(old, new),
        )
        if flaps(line.outages, verdict, outage.start):
            outage = self._flapping(line, outage, verdict)
        self.add(line, outage)

    def _flapping(self, line: Line, outage: Outage, verdict: Verdict) -> Outage:
        """It and the switches before it are one unrest."""
        recent = [
            one
            for one in line.outages
            if one.cause in ("switch-flows-flushed", "switch-flows-stranded")
            and outage.start - one.start <= FLAPPING_NS
        ]
        number = sum(one.cause == "flapping" for one in line.outages) + len(recent) + 1
        words = f"It is switch number {number} within a few minutes: the router moves back and forth."
        sure = min(0.9, 0.6 + 0.1 * (number - 2))
        for one in recent:
            changed = replace(one, cause="flapping", confidence=sure, reasons=(words, *one.reasons))
            for kept in (line.outages, self.all):
                for place, other in enumerate(kept):
                    if other is one:
                        kept[place] = changed
        return replace(outage, cause="flapping", confidence=sure, reasons=(words, *verdict.reasons))


def worth_telling(line: Line, old: PathSeen, new: PathSeen | None, failed: list[PathSeen], now: int) -> bool:
    """An orderly end, and a station that comes back when it likes, are no outage; nor is what never worked."""
    if old.upgraded is not None and old.first_message is None and old.boot is None:
        return False
    if failed or old.errors or old.moved or old.repeats or old.echoes >= 2:
        return True
    end = min((time for time in (old.ended, old.closing) if time), default=now)
    if new is None and now - end < LEFT_NS:
        return False  # the capture ends: it may be back in a moment
    if new is not None and new.boot is not None and line.reset_at and 0 <= end - line.reset_at < RESTART_NS:
        return True
    if old.closing is not None:
        return old.closing_by_client is False and old.close_code in RESTARTED
    if old.how == "left":
        # Where only a router's outside was captured, the connection may have left for another uplink.
        return new is not None and not old.inside
    return old.how == "rst" and old.by_client is False


def recovered(
    line: Line, path: PathSeen, before: int, pending: int, time: int, repeats: int, frames: tuple[int, ...]
) -> Outage:
    """The path was away and the connection outlived it. ``before``: the last sign of life, 0 where there was none."""
    words = f"{repeats} repeats went unanswered for {(time - pending) / SECOND:.1f} s; the connection outlived it."
    return Outage(
        line.station,
        "blackhole",
        0.8,
        (words,),
        path_lost=(before + pending) // 2 if before else pending,
        lost_between=(before, pending) if before else None,
        attributed={"path_lost": blame("blackhole", 0.8)},
        broken=False,
        first_message=time,
        rtt_before=path.rtt,
        connections=(path.connection.number,),
        frames=frames,
        source=path.connection.source,
        repeats=repeats,
    )


def stepped(line: Line, path: PathSeen, step: Step) -> Outage:
    """The path has become another one under the connection."""
    found = guess(path.trips)
    sure = 0.85 if found.kind == "geo-satellite" else 0.6
    words = (
        f"Round trips rose from {step.before / 1e6:.0f} to {step.after / 1e6:.0f} ms within the connection, which"
        " lived on: the path is another one."
    )
    return Outage(
        line.station,
        "satellite-step",
        sure,
        (words, f"It is probably {found.kind}: {found.reason}."),
        path_lost=(step.fast + step.slow) // 2 if step.fast else step.slow,
        lost_between=(step.fast, step.slow) if step.fast else None,
        attributed={"path_lost": blame("satellite-step", sure)},
        broken=False,
        before=guess(step.earlier),
        after=found,
        rtt_before=step.before,
        rtt_after=step.after,
        connections=(path.connection.number,),
        source=path.connection.source,
        repeats=path.repeats_all,
    )


def taken_over(line: Line, path: PathSeen, stray: StrayReset) -> Outage:
    """Only the uplink that a station was moved to was captured: its old connection was reset there before this one."""
    return Outage(
        line.station,
        "switch-flows-stranded",
        0.5,
        (
            f"A connection from port {stray.client.port} turned up here in its middle and was reset: the router had"
            " moved it from another uplink. Whether it had kept or flushed its tracked connections is not to be"
            " seen here.",
        ),
        detected=stray.time,
        first_syn=path.connection.opened,
        handshake=path.established,
        upgrade=path.upgraded,
        switched=stray.time - stray.after,
        rtt_after=path.rtt,
        address_after=stray.client.address,
        connections=(path.connection.number,),
        frames=stray.frames,
        source=stray.source,
        attempts=1,
    )


def _clock_step(old: PathSeen, new: PathSeen | None) -> int | None:
    before, after = old.clock, new.clock if new is not None else None
    return after - before if before is not None and after is not None else None
