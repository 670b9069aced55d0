"""The agent: a loop that takes packets, finds, and hands on; everything that may wait for something has a thread.

agent = Agent(load(path), say=print)
status = agent.run()
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from fieldkit.agent import captures, sinks
from fieldkit.agent.clock import Clock
from fieldkit.agent.control import Control
from fieldkit.agent.couriers import Courier
from fieldkit.agent.diagnosis import LEARNT_EVERY, Diagnosis
from fieldkit.agent.health import Health, resident
from fieldkit.agent.intake import Bell, Intake
from fieldkit.agent.notify import Notifier
from fieldkit.agent.outbox import Outbox
from fieldkit.agent.outlook import Outlook
from fieldkit.agent.pace import Pace
from fieldkit.agent.records import LOWEST, PRIORITIES
from fieldkit.agent.settings import ConfigError, SerialSettings, Settings, load
from fieldkit.agent.sinks.shared import SinkError, SinkSettings
from fieldkit.agent.tap import Hub
from fieldkit.agent.told import Telling, Writer, corrected
from fieldkit.agent.uplinks import Meter
from fieldkit.checks.collector import Collected
from fieldkit.events import Event
from fieldkit.sources.listen import Listener
from fieldkit.sources.privileges import Opener

if TYPE_CHECKING:  # what few agents have: each of these brings modules that the others need not keep in memory
    from fieldkit.agent.devices import DeviceLane
    from fieldkit.agent.helpers import Helper, Periodic
    from fieldkit.agent.shipping import Shipper

ENDING: Final = 5.0
"""Seconds that what is under way may take when the agent ends."""
FAILING: Final = 600.0
"""Seconds without a delivery after which a sink is told of."""
MEMORY_EVERY: Final = 10.0
REMEMBER: Final = 300.0
"""Seconds between two notes of the time and of what was spent: each is a write to flash."""


class Agent:
    """One of them; ``run`` in the main thread."""

    def __init__(self, settings: Settings, *, say: Callable[[str], object]) -> None:
        """``say`` takes a line for the log. Rights are still there: sinks read their secrets here."""
        self.settings = settings
        self._say = say
        self._stop = self._reload = False
        self._bell = Bell()
        self._hub = Hub()
        self._notifier = Notifier()
        self._news = threading.Lock()
        self._waiting_tells: list[tuple[str, dict[str, Any]]] = []
        self._sinks = {one.name: (one, self._sink(one)) for one in settings.sinks}
        self._helpers: list[Helper | Periodic] = []
        self._outlook = Outlook(settings, self.tell, self._bell.ring)
        self._prepare_helpers()

    def _sink(self, settings: SinkSettings) -> Any:
        who = (self.settings.site, self.settings.name)
        return sinks.open_sink(settings, who, lambda: self._health.metrics({"site": who[0], "agent": who[1]}))

    def _prepare_helpers(self) -> None:
        """Children that may need rights are started while there are some."""
        self._devices = [self._device(one) for one in self.settings.serial]
        self._helpers = [*self._outlook.helpers(), *(lane.helper for lane in self._devices)]
        for helper in self._helpers:
            helper.prepare()

    def _device(self, settings: SerialSettings) -> DeviceLane:
        from fieldkit.agent.devices import DeviceLane

        return DeviceLane(settings, self._bell.ring, self.tell)

    # ------------------------------------------------------------------------------------------------------------ run

    def run(self, opener: Opener | None = None) -> str:
        """Until told to end; why. Rights have been given up by now. OutboxBusy, ControlError when it cannot begin."""
        settings = self.settings
        stage = settings.run / "stage" if settings.stage else None
        self._outbox = Outbox(settings.state / "outbox", stage, list(self._sinks), settings.limits)
        known = self._outbox.note("time", "0")
        self._clock = Clock(int(known) if known.isdigit() else 0)
        self._meter = Meter(settings.budgets, settings.assume, self._outbox.note("spent"))
        self._writer = Writer(
            settings.site, settings.name, self._outbox.put, now=time.time_ns, mark=lambda: self._clock.mark
        )
        self._health = Health(time.time_ns)
        self._telling = Telling(self._writer)
        self._pace = Pace(settings.cpu)
        self._diagnosis = Diagnosis(settings, self._writer, self._schemas())
        self._intake = Intake(settings.capture, self._hub, opener, self._source_failed)
        self._ring = captures.Ring(settings.ring) if settings.ring is not None else None
        self._outlook.use(self._meter, self._writer)
        self._listener = Listener(
            [self._bell],
            self._diagnosis.pipeline,
            self._ring.begin() if self._ring is not None else None,
            more=self._intake.news,
        )
        control = Control(settings.run, self._answers(), {"pull": self._pull, "packets": self._packets})
        control.open()
        self._couriers: dict[str, Courier] = {}
        self._shipper: Shipper | None = None
        try:
            self._start_threads()
            return self._loop()
        finally:
            self._notifier.stopping()
            control.close()
            self._end()

    def _schemas(self) -> Any:
        if not self.settings.validate:
            return None
        from fieldkit import schemastore
        from fieldkit.ocpp.schema import Schemas

        if not schemastore.available():
            self.tell("missing", group="schemas", what="payloads are not held against the schemas: the package ocpp is "
                      "not there (checks.validate = false ends this note)")  # fmt: skip
            return None
        return Schemas(schemastore.load)

    def _start_threads(self) -> None:
        for name, (settings, sink) in self._sinks.items():
            self._couriers[name] = Courier(settings, sink, self._outbox, self._meter, self.tell)
            self._couriers[name].start()
        self._start_shipper()
        for helper in self._helpers:
            helper.start()

    def _start_shipper(self) -> None:
        settings = self.settings
        if settings.upload is None or settings.ring is None:
            return
        from fieldkit.agent.shipping import Shipper  # brings HTTP, which few need

        label = f"{settings.site}-{settings.name}"
        try:
            self._shipper = Shipper(
                settings.upload, settings.ring.folder, settings.state / "spool", label, self._meter, self.tell
            )
            self._shipper.start()
        except SinkError as error:
            self.tell("upload-failed", why=str(error))

    def _loop(self) -> str:
        self._install_signals()
        second, memory, remember, health = (Every(1.0), Every(MEMORY_EVERY), Every(REMEMBER), Every(0, now=True))
        learnt = Every(LEARNT_EVERY)
        gc.collect()
        gc.freeze()
        self._schedule()
        self._listener.sources += self._intake.news()
        self._count()  # whoever asks now is to see all numbers, though they are naught
        listening = ", ".join(self._intake.listening) or "nothing yet"
        self._say(f"listening on {listening}; sinks: {', '.join(self._couriers)}")
        self._notifier.ready(f"listening on {listening}")
        for events in self._listener.batches(lambda: self._stop):
            self._notifier.alive()
            self._look_at_clock()
            if events:
                self._take(events)
            for lane in self._devices:
                self._take(lane.taken())
            self._settle_tells()
            if self._reload:
                self._reload = False
                self._take_configuration()
            if second():
                self._tick()
            if memory():
                self._look_at_memory()
            if remember():
                self._remember()
            if learnt():
                self._diagnosis.learn()
            if health(self.settings.health):
                self._write_health()
            self._pace.rest()
        return "told to end"

    def _take(self, events: list[Event]) -> None:
        if events:
            self._note(self._diagnosis.feed(events, time.monotonic()))
            self._diagnosis.session.packets = self._listener.packets

    def _note(self, new: list[Collected]) -> None:
        for finding in new:
            self._say(
                f"{finding.severity} {finding.first_seen.station or '-'}: {finding.kind.title} ({finding.kind.id})"
            )
            ring = self._ring
            if ring is not None and ring.keeps(finding.severity):
                ring.incident()

    def _tick(self) -> None:
        now = time.monotonic()
        self._diagnosis.tick(now)
        self._telling.update(now)
        self._outbox.tick()
        self._schedule()
        self._intake.review(self._listener.sources, self._listener.failed)
        self._look_at_ring()
        self._look_at_outbox()
        self._look_at_sinks()
        if self._outlook.changed():
            for courier in self._couriers.values():
                courier.nudge()
        self._count()

    def _schedule(self) -> None:
        settings = self.settings
        wanted = settings.schedule.listens(datetime.now(), self._outlook.since_event())
        if wanted != self._intake.wanted:
            self._intake.wanted = wanted
            if not wanted:
                self._intake.unwanted(self._listener.sources)
            if settings.schedule.when != "always":
                self._say("the schedule begins" if wanted else "the schedule pauses")

    # ---------------------------------------------------------------------------------------------------- looking after

    def tell(self, name: str, **values: Any) -> None:
        """Something about the agent itself; from any thread."""
        with self._news:
            self._waiting_tells.append((name, values))
        self._bell.ring()

    def _settle_tells(self) -> None:
        if not self._waiting_tells:
            return
        with self._news:
            waiting, self._waiting_tells = self._waiting_tells, []
        for name, values in waiting:
            new = self._health.raise_(name, **values)
            for finding in new:
                self._say(f"{finding.severity}: {finding.explanation()}")
            self._telling.add(new, time.monotonic())

    def _source_failed(self, spec: str, why: str) -> None:
        self.tell("source-lost", group=spec, what=spec, why=why.removeprefix(f"{spec}: "))

    def _look_at_clock(self) -> None:
        step = self._clock.look()
        if step is None:
            return
        if step.by:
            # What is under way was timed by two clocks: nothing that was measured across the step would be true.
            self._listener.decode(self._diagnosis.restart())
        number = 0
        if step.mark:
            number = self._outbox.rewrite(step.mark, corrected(step.by)) if step.by else 0
            number = max(number, self._writer.correct(step.mark, step.by))
        if step.by:
            how = f"{abs(step.by) / 1e9:,.0f} s {'forward' if step.by > 0 else 'back'}"
            told = f"Times of {number} findings from before were corrected." if step.mark else "Nothing was corrected."
            self.tell("clock-stepped", by=how, corrected=told)

    def _look_at_memory(self) -> None:
        size, limit = resident(), self.settings.memory_limit
        if size > limit and self._diagnosis.session.packets:
            self._listener.decode(self._diagnosis.restart())
            gc.unfreeze()
            gc.collect()
            self.tell("memory", size=size // 1_000_000, limit=limit // 1_000_000)

    def _look_at_ring(self) -> None:
        ring = self._ring
        if ring is None:
            return
        if self._listener.recording_failed and ring.recording is not None:
            ring.lost(self._listener.recording_failed)
            self.tell("recording-failed", why=ring.failed)
        if ring.wants_to_begin:
            failed = ring.failed
            recording = ring.begin()
            if recording is not None:
                self._listener.record(recording)
            elif not failed:
                self.tell("recording-failed", why=ring.failed)
        ring.tick()

    def _look_at_outbox(self) -> None:
        names = {"damaged": "outbox-damaged", "unusable": "outbox-unusable", "full": "outbox-unusable"}
        given_up = False
        while self._outbox.troubles:
            what, why = self._outbox.troubles.popleft()
            if what in names:
                self.tell(names[what], group=what, what=why)
            elif what == "given-up":
                given_up = True
            else:
                self._say(why)
        if given_up:
            words = {0: "critical", 1: "warning", 2: "info", 3: "health"}
            told = ", ".join(f"{number} {words[p]}" for p, number in sorted(self._outbox.given_up.items()))
            self.tell("outbox-full", what=told)

    def _look_at_sinks(self) -> None:
        now = time.monotonic()
        for name, courier in self._couriers.items():
            if courier.why and now - courier.since > FAILING:
                self.tell("sink-failing", group=name, what=name, why=courier.why,
                          how_long=f"{(now - courier.since) / 60:.0f} minutes")  # fmt: skip
                courier.since = now
        for failure in self._diagnosis.session.failed_checks:
            self.tell("check-failed", group=failure, what=failure)
        if self._diagnosis.note:
            self.tell("missing", group="detector", what=self._diagnosis.note)
            self._diagnosis.note = ""
        lost = self._listener.dropped + self._listener.skipped
        if lost > self._health.numbers.get("packets_lost_total", 0):
            self.tell("packets-lost", what=f"{lost:,} packets since the agent began")

    def _count(self) -> None:
        listener, session = self._listener, self._diagnosis.session
        waiting = self._outbox.waiting
        self._health.numbers.update(
            packets_total=listener.packets, packets_lost_total=listener.dropped + listener.skipped,
            messages=session.tally.messages, stations=len(session.picture.stations),
            findings_total=self._diagnosis.findings, outbox_records=sum(waiting.values()),
            outbox_critical=waiting.get(0, 0), outbox_bytes=self._outbox.bytes,
            outbox_given_up_total=sum(self._outbox.given_up.values()), sources=len(self._intake.listening),
            sources_missing=len(self._intake.troubles), uplink_bytes_today=self._meter.spent,
            clock_sure=float(self._clock.sure), diagnosis_restarts_total=self._diagnosis.anew,
        )  # fmt: skip
        for name, courier in self._couriers.items():
            self._health.sinks[name] = {
                "delivered_total": courier.delivered, "failures_total": courier.failures,
                "well": float(not courier.why),
            }  # fmt: skip

    def _write_health(self) -> None:
        self._count()
        uid = self._writer.uid("health")
        content = {"time": datetime.now().astimezone().isoformat(timespec="seconds"), **self._health.document()}
        self._writer.write(uid, time.time_ns() // 1_000_000, LOWEST, content, "health")

    def _remember(self) -> None:
        if self._clock.sure:
            self._outbox.write_note("time", str(time.time_ns()))
        self._outbox.write_note("spent", self._meter.text())

    # ---------------------------------------------------------------------------------------------------------- reload

    def _take_configuration(self) -> None:
        """What has changed is changed; what has not does not notice."""
        self._notifier.reloading()
        try:
            settings = load(self.settings.path)
            if (settings.site, settings.name, settings.state, settings.run, settings.stage) != (
                self.settings.site, self.settings.name, self.settings.state, self.settings.run, self.settings.stage,
            ):  # fmt: skip
                raise ConfigError(["site, name, state, run and outbox.stage change with a restart only"])
            made = {
                one.name: self._sinks[one.name][1]
                if one.name in self._sinks and self._sinks[one.name][0] == one
                else self._sink(one)
                for one in settings.sinks
            }
        except (ConfigError, SinkError) as error:
            self.tell("reload-failed", why=str(error).replace("\n", "; "))
            self._notifier.ready("running with the configuration from before")
            return
        before, self.settings = self.settings, settings
        self._outbox.serve(list(made))
        self._outbox.limits = settings.limits
        self._change_sinks(settings, made)
        self._intake.change(settings.capture, self._listener.sources)
        self._meter.set(settings.budgets, settings.assume)
        self._pace.percent = settings.cpu
        if self._diagnosis.use(settings):
            self._listener.decode(self._diagnosis.restart())
        if before.ring != settings.ring:
            self._ring = captures.Ring(settings.ring) if settings.ring is not None else None
            self._listener.record(self._ring.begin() if self._ring is not None else None)
        if (before.ring, before.upload) != (settings.ring, settings.upload):
            if self._shipper is not None:
                self._shipper.end()
                self._shipper = None
            self._start_shipper()
        if (before.links, before.posture, before.serial) != (settings.links, settings.posture, settings.serial):
            self._change_helpers()
        self._say("the configuration was read anew")
        self._notifier.ready(f"listening on {', '.join(self._intake.listening)}")

    def _change_sinks(self, settings: Settings, made: Mapping[str, Any]) -> None:
        wanted = {one.name: one for one in settings.sinks}
        for name in list(self._couriers):
            if self._sinks[name][0] != wanted.get(name):
                self._couriers.pop(name).end(ENDING)
                self._health.sinks.pop(name, None)
        self._sinks = {name: (wanted[name], sink) for name, sink in made.items()}
        for name, (own, sink) in self._sinks.items():
            if name not in self._couriers:
                self._couriers[name] = Courier(own, sink, self._outbox, self._meter, self.tell)
                self._couriers[name].start()

    def _change_helpers(self) -> None:
        for helper in self._helpers:
            helper.end()
        self._outlook = Outlook(self.settings, self.tell, self._bell.ring)
        self._outlook.use(self._meter, self._writer)
        self._prepare_helpers()
        for helper in self._helpers:
            helper.start()

    # ------------------------------------------------------------------------------------------------------------- end

    def _end(self) -> None:
        self._diagnosis.finish(time.monotonic())
        self._settle_tells()
        self._telling.finish()
        self._listener.close()
        self._hub.close()
        for helper in self._helpers:
            helper.end()
        if self._shipper is not None:
            self._shipper.end()
        ends = time.monotonic() + ENDING
        for courier in self._couriers.values():
            courier.end(max(ends - time.monotonic(), 0.1))
        self._remember()
        self._outbox.close()

    def _install_signals(self) -> None:
        def on_signal(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGHUP:
                self._reload = True
            elif self._stop:
                os._exit(1)  # the second time: whatever hangs
            else:
                self._stop = True
            self._bell.ring()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, on_signal)

    # -------------------------------------------------------------------------------------------------------- questions

    def _answers(self) -> dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]]:
        return {
            "status": lambda question: self.status(),
            "findings": self._findings,
            "captures": lambda question: {"captures": self._captures()},
            "pull": self._found_capture,
            "packets": lambda question: {"listening": self._intake.listening},
        }

    def status(self) -> dict[str, Any]:
        """What a technician sees first."""
        meter = self._meter
        return {
            "site": self.settings.site,
            "agent": self.settings.name,
            "config": str(self.settings.path),
            **self._health.document(),
            "listening": self._intake.listening,
            "not_listening": dict(self._intake.troubles),
            "schedule": self.settings.schedule.when,
            "clock_sure": self._clock.sure,
            "waiting": {str(priority): number for priority, number in self._outbox.waiting.items()},
            "uplink": {"name": meter.name, "kind": meter.kind, "spent": meter.spent, "budget": meter.budget},
            "uplinks": self._outlook.shown(),
            "sink_troubles": {name: courier.why for name, courier in self._couriers.items() if courier.why},
            "captures": len(self._captures()),
            "detector": self._diagnosis.detector,
            "devices": [
                {"name": one.title, "values_total": one.heard}
                for one in list(self._diagnosis.session.picture.devices.all.values())
            ],
        }

    def _findings(self, question: Mapping[str, Any]) -> dict[str, Any]:
        worst = PRIORITIES.get(str(question.get("severity", "info")), 2)
        station = question.get("station")
        found = [
            {name: value for name, value in one.items() if name != "_clock"}
            for one in list(self._writer.recent.values())
            if PRIORITIES.get(str(one.get("severity")), 2) <= worst and (not station or one.get("station") == station)
        ]
        return {"site": self.settings.site, "agent": self.settings.name, "findings": found}

    def _captures(self) -> list[dict[str, Any]]:
        if self._ring is None:
            return []
        return [
            {"name": one.name, "bytes": one.size, "incident": one.incident, "changed": one.changed}
            for one in self._ring.captures()
        ]

    def _found_capture(self, question: Mapping[str, Any]) -> dict[str, Any]:
        path = self._path(question)
        return {"name": path.name, "bytes": path.stat().st_size}

    def _path(self, question: Mapping[str, Any]) -> Path:
        if self._ring is None:
            raise LookupError("nothing is recorded here: there is no [ring] in the configuration")
        name = str(question.get("name", ""))
        try:
            return captures.found(self._ring.settings.folder, name)
        except FileNotFoundError:
            raise LookupError(f"there is no capture {name!r}") from None

    def _pull(self, way: Any, question: Mapping[str, Any]) -> None:
        with self._path(question).open("rb") as file:
            way.settimeout(None)
            way.sendfile(file)

    def _packets(self, way: Any, question: Mapping[str, Any]) -> None:
        self._hub.serve(way)


class Every:
    """True once in so many seconds."""

    def __init__(self, seconds: float, *, now: bool = False) -> None:
        self._seconds = seconds
        self._last = 0.0 if now else time.monotonic()

    def __call__(self, seconds: float = 0.0) -> bool:
        moment = time.monotonic()
        if self._last and moment - self._last < (seconds or self._seconds):
            return False
        self._last = moment
        return True
