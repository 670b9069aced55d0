"""The sources at work in a thread: events into the session and the history, and what there is to say of the run.

Whoever draws pulls: ``engine.state`` at any time; what is in the session and the history under ``engine.lock``, a few
rows at a time. The engine holds the lock for some milliseconds at a time and hands it on in turn. No widget is known
here: it is tested, and could be used, without a screen.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from fieldkit.events import Event
from fieldkit.history import History, Judged
from fieldkit.sources.file import SourceError, read_keylog
from fieldkit.tui.fairlock import FairLock
from fieldkit.tui.feeds import Feed
from fieldkit.tui.pace import Pace

if TYPE_CHECKING:
    from fieldkit.checks.check import Check
    from fieldkit.checks.collector import Collected
    from fieldkit.checks.policy import Policy
    from fieldkit.events import PluginFailed
    from fieldkit.links.uplink import LinkEvent
    from fieldkit.models.opening import Site
    from fieldkit.plugins.decoding import Decoding
    from fieldkit.reports.document import Report
    from fieldkit.session import Session
    from fieldkit.tui.routers import Routers

_CHUNK: Final = 128
"""Events fed while the lock is held: about five milliseconds of work."""
_JUDGE_EVERY: Final = 1.0
"""Seconds between two looks at which findings there are: to put them in order takes milliseconds."""

Phase: TypeAlias = Literal["starting", "loading", "live", "replaying", "done", "stopped", "failed"]
"""done: all was read. stopped: the user did not want to wait for the rest. failed: nothing can be read."""


@dataclass(frozen=True, slots=True)
class State:
    """What a status line says."""

    phase: Phase
    name: str
    """Of the sources."""
    progress: float | None
    """Of a file: how much of it is read, from 0 to 1."""
    packets: int
    dropped: int
    messages: int
    """That have passed, whether or not they are still kept."""
    left: int
    """Rows that are not kept any more."""
    time: int
    """Capture time of the latest event; of a replay, where it is."""
    paused: bool
    speed: float
    """0 when it is no replay."""
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    critical: int
    warning: int
    """Findings there are."""
    recorded: Path | None

    @property
    def running(self) -> bool:
        """More may come."""
        return self.phase in ("starting", "loading", "live", "replaying")


def usual_detector(state: str | None = None) -> Site:
    """Loaded by the engine's thread, not while somebody waits for the first screen. ``state``: a calibration file."""
    from fieldkit.models.opening import Site
    from fieldkit.models.runtimes import INLINE

    return Site(state=state, runtime=INLINE)


class Engine:
    """One run over one feed. ``start`` it, and ``close`` it in the end."""

    def __init__(
        self,
        feed: Feed,
        *,
        keylogs: Sequence[str] = (),
        validate: bool = True,
        policy: Policy | None = None,
        speed: float = 0,
        history: History | None = None,
        clock: Callable[[], float] = time.monotonic,
        detector: Callable[[], Site] | None = None,
        routers: Routers | None = None,
        checks: Iterable[type[Check]] = (),
        decoding: Callable[[list[PluginFailed]], Decoding] | None = None,
    ) -> None:
        """``speed``: replay at so many times the pace of the recording; 0 reads it as fast as it goes. ``detector``
        makes one: its incidents are shown as findings are. ``routers``: what routers told or are asked for. ``checks``
        and ``decoding`` are those of plugins; the latter makes decoders for this run."""
        self.feed = feed
        self.history = history if history is not None else History()
        self.judged = Judged(self.history)
        self.lock = FairLock()
        self.findings: list[Collected] = []
        """The worst first; brought up to date once a second and at the end."""
        self.pace = Pace(speed, clock) if speed and not feed.live else None
        self._keylogs = keylogs
        self._validate = validate
        self._policy = policy
        self._detector = detector
        self._routers = routers
        self._checks = tuple(checks)
        self._decoding = decoding
        self.site: Site | None = None
        """The detector with what it has learnt; None where there is none, or not yet."""
        self._session: Session | None = None
        self._phase: Phase = "starting"
        self._failures: list[str] = []
        self._notes: list[str] = []
        self._counts = (0, 0)
        self._stop = Flag()
        self._ended = Flag()
        self._judge_at = 0.0
        self._thread = Thread(target=self._run, name="engine", daemon=True)

    # -------------------------------------------------------------------------------------------------- for the user

    def start(self) -> Engine:
        """Begin; returns itself."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """No more is to be read; what has come is kept and judged. Returns at once."""
        self._stop.set()
        if self.pace is not None:
            self.pace.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Until it has ended, or so long; whether it has."""
        return self._ended.wait(seconds)

    def close(self) -> None:
        """Stop, and wait until everything is put away: a recording is whole afterwards."""
        self.stop()
        if self._routers is not None:
            self._routers.close()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        if self.site is not None:
            self.site.close()

    @property
    def wishes(self) -> dict[str, Any]:
        """What it was made with beside its feed, to make another one like it."""
        routers = self._routers.again() if self._routers is not None else None
        return {"keylogs": self._keylogs, "validate": self._validate, "policy": self._policy,
                "detector": self._detector, "routers": routers, "checks": self._checks,
                "decoding": self._decoding}  # fmt: skip

    @property
    def routers(self) -> Routers:
        """Those that the user has named: asked, or whose words are in files."""
        if self._routers is None:
            from fieldkit.tui.routers import Routers

            self._routers = Routers()
            self._routers.listened_by(self._told)
        return self._routers

    @property
    def ready(self) -> bool:
        """There is a session to look at."""
        return self._session is not None

    @property
    def session(self) -> Session:
        """Picture, tally and findings; only when ``ready``."""
        assert self._session is not None, "ask engine.ready first"
        return self._session

    @property
    def state(self) -> State:
        """How things stand, without waiting for anything."""
        feed, session, pace = self.feed, self._session, self.pace
        at = session.picture.time if session is not None else 0
        return State(
            phase=self._phase,
            name=feed.name,
            progress=feed.progress,
            packets=feed.packets,
            dropped=feed.dropped,
            messages=self.history.messages,
            left=self.history.left,
            time=max(at, pace.now) if pace is not None and self._phase == "replaying" else at,
            paused=pace.paused if pace is not None else False,
            speed=pace.speed if pace is not None else 0,
            failures=(*feed.failures, *self._failures, *_failed_plugins(session)),
            notes=(*feed.notes, *self._notes),
            critical=self._counts[0],
            warning=self._counts[1],
            recorded=feed.recorded,
        )

    def take(self, events: Sequence[Event]) -> None:
        """Events of another source on the same timeline, as a device on a serial port. Only while this one is live:
        what a device says now has nothing to do with an old capture."""
        session = self._session
        if session is None or self._phase != "live" or not events:
            return
        with self.lock:
            session.feed(events)
            self._judge(session)

    def _told(self, events: Sequence[LinkEvent]) -> None:
        """A router that is asked says what has happened to its uplinks. Of the present: an old capture knows better."""
        session = self._session
        if session is None or self._phase != "live":
            return
        with self.lock:
            for event in events:
                session.picture.outages.uplink(event)

    def report(self, *, show_ids: bool = False) -> Report:
        """The document of what has come so far. Takes the lock, and a second for a large site."""
        from fieldkit.reports.model import build

        with self.lock:
            return build(self.session, sources=self.feed.sources, show_ids=show_ids)

    # ------------------------------------------------------------------------------------------------- in the thread

    def _run(self) -> None:
        try:
            self._work()
        except SourceError as error:
            self._failures.append(str(error))
            self._phase = "failed"
        except Exception as error:  # a defect of fieldkit: what was seen so far stays on the screen, and this beside it
            self._failures.append(f"fieldkit failed: {error.__class__.__name__}: {error}")
            self._phase = "failed"
        finally:
            self.feed.close()
            self._ended.set()

    def _work(self) -> None:
        from fieldkit import schemastore
        from fieldkit.ocpp.schema import Schemas
        from fieldkit.session import Session
        from fieldkit.wire.tlskeys import KeyLog

        # Decoding makes many small objects and hardly any cycles: let the collector look less often.
        gc.set_threshold(100_000, 50, 50)
        keys = KeyLog(expecting=True)
        for name in self._keylogs:
            if not keys.add(read_keylog(name)):
                self._failures.append(f"{name}: no TLS secrets in it (lines like CLIENT_RANDOM <hex> <hex>)")
        schemas = Schemas(schemastore.load) if self._validate else None
        if self._validate and not schemastore.available():
            self._notes.append("the Python package 'ocpp' is not installed: payloads are not validated")
        self.site = self._watching()
        detector = self.site.detector if self.site is not None else None
        session = Session(self._policy, [self.history], checks=self._checks, detector=detector)
        session.show_incidents()
        decoding = self._decoding(session.failed_plugins) if self._decoding is not None else None
        if self._routers is not None:
            for event in self._routers.events:
                session.picture.outages.uplink(event)
            self._routers.listened_by(self._told)
        self._session = session
        self._phase = "live" if self.feed.live else "replaying" if self.pace is not None else "loading"
        for read in self._batches(keys, schemas):
            events = decoding.through(read) if decoding else read
            for begin in range(0, len(events), _CHUNK):
                with self.lock:
                    session.feed(events[begin : begin + _CHUNK])
                    session.packets = self.feed.packets
                    self._judge(session)
        with self.lock:
            session.finish()
            session.packets = self.feed.packets
            self._judge_at = 0.0
            self._judge(session)
        self._phase = "stopped" if self._stop.is_set() and not self.feed.live else "done"

    def _watching(self) -> Site | None:
        """The detector, if one is wanted and it is there: an installation may be without, and goes on without."""
        if self._detector is None:
            return None
        try:
            return self._detector()
        except ModuleNotFoundError as error:
            self._notes.append(f"the detector is off: {error.name or 'a part of it'} is not installed")
        return None

    def _batches(self, keys: object, schemas: object) -> Iterator[list[Event]]:
        batches = self.feed.batches(keys, schemas, self._stop.is_set)  # type: ignore[arg-type]
        return batches if self.pace is None else self.pace.events(batches, self._stop.is_set)

    def _judge(self, session: Session) -> None:
        now = time.monotonic()
        if now < self._judge_at:
            return
        self._judge_at = now + _JUDGE_EVERY
        found = session.findings
        self.judged.update(found)
        self._counts = (
            sum(finding.severity == "critical" for finding in found),
            sum(finding.severity == "warning" for finding in found),
        )
        self.findings = found


def _failed_plugins(session: Session | None) -> tuple[str, ...]:
    """Each once."""
    failed = session.failed_plugins if session is not None else ()
    return tuple({one.plugin: f"plugin {one.plugin}: {one.reason}" for one in failed}.values())
