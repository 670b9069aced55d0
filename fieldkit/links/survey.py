"""Asks all adapters about one router, lets none of them hurt the others, and puts together what they say."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, TypeVar

from fieldkit.links.adapter import RouterAdapter
from fieldkit.links.changes import changes
from fieldkit.links.guard import TimeIsUp, timed
from fieldkit.links.merge import merged
from fieldkit.links.reading import mapping, number, text
from fieldkit.links.runner import CutOff, Limited, Runner, RunnerError, Unreachable
from fieldkit.links.uplink import MAX_UPLINKS, LinkEvent, Uplink
from fieldkit.safetext import shorten

PROBE: Final = 10.0
"""Seconds an adapter has to say whether it knows the router: more than a question may take (``runner.PATIENCE``) …"""
SNAPSHOT: Final = 20.0
"""… and to say what it knows: a dozen questions to a modem that is busy."""
GRACE: Final = 1.0
"""Seconds by which its questions are cut off before it is itself."""
MAX_EVENTS: Final = 10_000
"""Events that wait to be taken; what comes beyond is counted."""
REBOOT: Final = 5.0
"""Seconds by which a router's uptime must lag behind the clock before it is taken to have started anew."""

HALF: Final = 0.5
"""Seconds: what a clock that shows whole seconds hides on average."""

MAX_CUT: Final = 3
"""Times in a row that an adapter may get no answer in its time: each of them holds up all the others."""

State: TypeAlias = Literal["ok", "not-here", "failed", "quarantined"]
T = TypeVar("T")


@dataclass(slots=True)
class Asked:
    """One adapter, and how it fares with this router."""

    name: str
    plugin: str
    """That it comes from; empty: fieldkit itself."""
    make: Callable[[], RouterAdapter]
    may: Callable[[str], bool] = lambda capability: True
    probe_seconds: float = PROBE
    snapshot_seconds: float = SNAPSHOT
    state: State = "ok"
    why: str = ""
    confidence: float = 0.0
    adapter: RouterAdapter | None = None
    listening: bool = False
    cut: int = 0
    """Times in a row that it got no answer in its time."""


@dataclass(frozen=True, slots=True)
class Look:
    """The router at one moment."""

    time: int
    uplinks: tuple[Uplink, ...]
    uptime: float | None = None
    """Seconds since the router started."""
    failed: tuple[str, ...] = ()
    """Adapters that gave no answer this time, with the reason."""
    clock_ahead: float | None = None
    """Seconds by which the router's clock, whose times its own events bear, is ahead of ours; None: not known."""


@dataclass(slots=True)
class Survey:
    """One router, all adapters."""

    runner: Runner
    adapters: Sequence[Asked]
    on_failure: Callable[[Asked, str], object] = lambda asked, why: None
    """Called when an adapter is quarantined."""
    events: queue.Queue[LinkEvent] = field(default_factory=lambda: queue.Queue(MAX_EVENTS))
    """What adapters that listen have told."""
    lost: int = 0
    """Events that found no room there."""
    _last: Look | None = None

    def probe(self) -> list[Asked]:
        """Who knows this router, the surest first. Unreachable when there is nobody to ask."""
        self.runner.reach()
        for asked in self.adapters:
            try:
                asked.confidence = self._asked(
                    asked, lambda adapter, runner: adapter.probe(runner), asked.probe_seconds
                )
            except Unreachable:
                raise
            except RunnerError as error:
                asked.state, asked.why = "not-here", str(error)
                continue
            except _Quarantined:
                continue
            if isinstance(asked.confidence, bool) or not isinstance(asked.confidence, int | float):
                self._quarantine(asked, f"probe() gave {type(asked.confidence).__name__} and no number")
            elif not asked.confidence > 0:
                asked.state = "not-here"
        return self.present

    @property
    def present(self) -> list[Asked]:
        """Those that know it, the surest first."""
        return sorted(
            (asked for asked in self.adapters if asked.state in ("ok", "failed")), key=lambda a: -a.confidence
        )

    def look(self) -> Look:
        """The uplinks now. Unreachable when the router does not answer."""
        self.runner.reach()
        told: list[list[Uplink]] = []
        failed: list[str] = []
        for asked in self.present:
            try:
                uplinks = self._asked(asked, _snapshot, asked.snapshot_seconds)
            except Unreachable:
                raise
            except RunnerError as error:
                asked.state, asked.why = "failed", str(error)
                failed.append(f"{asked.name}: {error}")
                asked.cut = asked.cut + 1 if isinstance(error, CutOff) else 0
                if asked.cut >= MAX_CUT:
                    self._quarantine(asked, f"{error}, {asked.cut} times in a row")
                continue
            except _Quarantined:
                failed.append(f"{asked.name}: {asked.why}")
                continue
            asked.state, asked.why, asked.cut = "ok", "", 0
            told.append([_named(uplink, asked.name) for uplink in uplinks])
        return Look(self.runner.now(), tuple(merged(told)), self._uptime(), tuple(failed), self._clock_ahead())

    def news(self) -> tuple[Look, list[LinkEvent]]:
        """The uplinks now, and what has changed since they were last looked at."""
        look, last = self.look(), self._last
        self._last = look
        if last is None:
            return look, []
        found = changes(last.uplinks, look.uplinks, look.time)
        if last.uptime is not None and look.uptime is not None:
            passed = (look.time - last.time) / 1e9
            if look.uptime + REBOOT < last.uptime + passed and look.uptime < last.uptime:
                why = f"the router has started anew, {look.uptime:.0f} s ago"
                found.insert(0, LinkEvent(look.time, "uptime", "reboot", "", why))
        return look, found

    def listen(self) -> None:
        """Have those adapters listen that can; what they tell comes into ``events``. Not twice."""
        for asked in self.present:
            if not asked.listening:
                asked.listening = True
                threading.Thread(target=self._listen, args=(asked,), name=asked.name, daemon=True).start()

    def close(self) -> None:
        """End everything that is under way."""
        self.runner.close()

    # ------------------------------------------------------------------------------------------------ one adapter

    def _asked(self, asked: Asked, question: Callable[[RouterAdapter, Runner], T], seconds: float) -> T:
        limited = Limited(self.runner, asked.may, max(seconds - GRACE, seconds / 2))

        def work() -> T:
            if asked.adapter is None:
                asked.adapter = asked.make()
            return question(asked.adapter, limited)

        try:
            return timed(work, seconds, asked.name)
        except RunnerError:
            raise
        except TimeIsUp as error:
            limited.close()
            self._quarantine(asked, str(error))
        except (Exception, SystemExit) as error:
            self._quarantine(asked, f"{type(error).__name__}: {error}")
        raise _Quarantined

    def _listen(self, asked: Asked) -> None:
        limited = Limited(self.runner, asked.may, float("inf"))
        try:
            assert asked.adapter is not None
            for event in asked.adapter.events(limited):
                if not isinstance(event, LinkEvent):
                    raise TypeError(f"events() gave {type(event).__name__}")
                self._put(replace(event, adapter=asked.name))
        except RunnerError as error:
            asked.why = f"it cannot listen here, changes are found by looking: {error}"
        except Exception as error:
            self._quarantine(asked, f"{type(error).__name__}: {error}")
        finally:
            asked.listening = False

    def _put(self, event: LinkEvent) -> None:
        try:
            self.events.put_nowait(event)
        except queue.Full:
            self.lost += 1

    def _quarantine(self, asked: Asked, why: str) -> None:
        asked.state, asked.why = "quarantined", shorten(why, 300)
        self.on_failure(asked, asked.why)

    def _clock_ahead(self) -> float | None:
        """Where the router can be asked for seconds since 1970, which know no zone."""
        try:
            told = number(self.runner.run("date", "+%s").strip(), 0)
        except RunnerError:
            return None
        return None if told is None else told + HALF - self.runner.now() / 1e9

    def _uptime(self) -> float | None:
        """Where it can be asked for nothing."""
        try:
            return number(mapping(self.runner.ubus("system", "info")).get("uptime"), 0)
        except RunnerError:
            try:
                return number(text(self.runner.read("/proc/uptime").split(" ")[0]), 0)
            except RunnerError:
                return None


class _Quarantined(Exception):  # noqa: N818
    """The adapter is out."""


def _snapshot(adapter: RouterAdapter, runner: Runner) -> list[Uplink]:
    found: list[Uplink] = []
    for uplink in adapter.snapshot(runner):
        if not isinstance(uplink, Uplink):
            raise TypeError(f"snapshot() gave {type(uplink).__name__}")
        if len(found) < MAX_UPLINKS:
            found.append(uplink)
    return found


def _named(uplink: Uplink, name: str) -> Uplink:
    return replace(uplink, adapters=uplink.adapters or (name,))


def builtin() -> list[Asked]:
    """The adapters that fieldkit brings itself: what every Linux can tell."""
    from fieldkit.links import conntrack, linux

    return [
        Asked("linux", "", linux.LinuxAdapter, _declared(linux.CAPABILITIES, ("exec:date",))),
        Asked("conntrack", "", conntrack.ConntrackAdapter, _declared(conntrack.CAPABILITIES)),
    ]


def _declared(*capabilities: Iterable[str]) -> Callable[[str], bool]:
    known = {one for some in capabilities for one in some}
    return known.__contains__
