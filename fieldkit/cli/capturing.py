"""One capture from its plan to its exit code: what is opened, the loop, and what is left behind."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fieldkit.checks.words import counted
from fieldkit.cli import chosen, diagnosis, documents, headless, output, reading
from fieldkit.cli.captureplan import Plan
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.outcome import Outcome
from fieldkit.cli.report import verdict
from fieldkit.cli.stopping import Every, Stop
from fieldkit.cli.terminal import wants_color
from fieldkit.sources import opening
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import SourceError
from fieldkit.sources.listen import Listener
from fieldkit.sources.recording import Recording, RecordingError

if TYPE_CHECKING:
    from fieldkit.cli.delivery import Delivery
    from fieldkit.pipeline import Pipeline
    from fieldkit.plugins.decoding import Decoding
    from fieldkit.reports.document import Report
    from fieldkit.session import Session
    from fieldkit.sources.privileges import Opener


class Run:
    """What ``fieldkit capture`` does."""

    def __init__(self, plan: Plan) -> None:
        options = plan.options
        self._plan = plan
        self._options = options
        self._stop = Stop(seconds=plan.seconds, until=plan.until)
        self._outcome = Outcome(quiet=options.quiet)
        self._voice = headless.Voice(
            quiet=options.quiet,
            verbose=options.verbose,
            utc=options.utc,
            findings=not options.follow and not options.record_only,
            color=wants_color(options.color, sys.stderr),
        )
        self._failed = ExitCode.OK
        """Troubles that are not in the tally: a recording or a document that could not be written."""
        self._told_failed: set[str] = set()
        """Sources of which it was said that they give no more."""
        self._written: list[str] = []
        self._keylogs: list[headless.GrowingKeyLog] = []
        self._decoding: Decoding | None = None
        """By plugins."""

    def result(self, delivery: Delivery | None) -> ExitCode:
        """Capture, report, send; returns what the process ends with."""
        # Decoding makes many small objects and hardly any cycles: let the collector look less often.
        gc.set_threshold(100_000, 50, 50)
        with self._stop:
            try:
                if not self._options.program:
                    opening.check(self._plan.specs)
                status, recording = self._captured(self._separated(delivery))
            except SourceError as error:
                self._outcome.unusable(str(error))
                return ExitCode.SOURCE
            except RecordingError as error:
                self._voice.complain(str(error))
                return ExitCode.INCOMPLETE
            if delivery is not None:
                self._stop.immediate = True
                files = [*(map(str, recording.files) if recording is not None else ()), *self._written]
                sent = delivery.send(files)
                status = sent if status is ExitCode.OK else status
        return status

    def _separated(self, delivery: Delivery | None) -> Opener | None:
        """Give up all rights but that of a small process to open sockets: packets are written by strangers."""
        from fieldkit.sources.privileges import separate
        from fieldkit.sources.rights import RightsError

        plan, options = self._plan, self._options
        specs = plan.specs
        if options.program or (specs and all(map(opening.is_elsewhere, specs))):
            return None  # nothing here needs a right, or the program that captures needs it
        outputs = [Path(name) for name in plan.files]
        if delivery is not None:
            outputs += delivery.claim()
        try:
            opener = separate(outputs=outputs, keep_root=options.keep_root)
        except RightsError as error:
            raise SourceError(f"{error}; --keep-root goes on all the same") from error
        if opener is not None and opener.note:
            self._voice.say(opener.note)
        return opener

    def _recording(self) -> Recording | None:
        plan = self._plan
        if plan.recording is None:
            return Recording(sys.stdout.fileno()) if self._options.write_to == "-" else None
        recording = Recording(plan.recording, plan.ring)
        if plan.ring is not None:
            if recording.adopted:
                self._voice.say(
                    f"{counted(len(recording.adopted), 'file')} of an earlier run in this ring, the first is "
                    f"{recording.adopted[0].name}: the oldest make room first"
                )
            free = _free(plan.recording.parent)
            if free < plan.ring.bytes - recording.size:
                self._voice.say(
                    f"the ring may take {plan.ring.bytes / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free: when the "
                    "disk is full, its oldest files go earlier"
                )
        return recording

    def _captured(self, opener: Opener | None) -> tuple[ExitCode, Recording | None]:
        options, plan, voice = self._options, self._plan, self._voice
        with ExitStack() as stack:
            session, pipeline, written = None, None, None
            if not options.record_only:
                # Before anything is listened to: it takes a second to load, and packets would be dropped meanwhile.
                wishes = documents.Wishes(show_ids=options.show_ids, fail_on=options.fail_on)
                written = stack.enter_context(documents.Documents(plan.documents, (), wishes))
                session, pipeline = self._engine(written)
            opened = opening.open_sources(plan.specs, plan.wishes, FrameNumbers(), opener=opener)
            stack.callback(opened.close)
            recording = self._recording()
            on_disk = recording if recording is not None and recording.files else None
            for note in opened.notes:
                voice.say(note)
            if pipeline is not None:
                names = ", ".join(source.name for source in opened.sources)
                pipeline.rename(str(on_disk.path) if on_disk is not None else names)
            listener = Listener(opened.sources, pipeline, recording, limit=options.packets or 0, more=opened.more)
            heard = [headless.Heard(source.name, listener) for source in opened.sources]
            self._listen(listener, session, pipeline, heard)
            voice.clear()
            return self._concluded(listener, session, written, on_disk, heard), recording

    def _engine(self, written: documents.Documents) -> tuple[Session, Pipeline]:
        from fieldkit.checks.policy import Policy
        from fieldkit.pipeline import Pipeline
        from fieldkit.wire.tlskeys import KeyLog

        options, plan = self._options, self._plan
        pipeline = Pipeline(
            "",
            keys=KeyLog(expecting=True),
            schemas=reading.schemas() if options.validate else None,
            full=False,
        )
        self._keylogs = [headless.GrowingKeyLog(path, pipeline.keys.add) for path in options.keylog]
        for keylog in self._keylogs:
            trouble = keylog.look()
            if trouble:
                self._voice.say(f"{keylog.name}: {trouble}; it is looked at again every second")
        written.watchers[:] = [
            one if one is written.beginnings else headless.Careful(one, self._voice.complain)
            for one in written.watchers
        ]
        checks = plan.plugged.checks if plan.plugged is not None else ()
        session = chosen.session_for(Policy(security_profile=options.min_profile), written, plan.matching, checks)
        if plan.plugged is not None:
            self._decoding = plan.plugged.begin(session.failed_plugins)
        self._outcome.tally = session.tally
        return session, pipeline

    # ----------------------------------------------------------------------------------------------------------- loop

    def _listen(
        self, listener: Listener, session: Session | None, pipeline: Pipeline | None, heard: list[headless.Heard]
    ) -> None:
        """Until it is time to end."""
        options, voice, stop = self._options, self._voice, self._stop
        teller = headless.Teller(voice, self._stdout_gone, follow=options.follow, show_ids=options.show_ids)
        second, every = Every(1.0), Every(self._plan.every)
        failed = ""
        # What was set up for good need not be looked through by the collector again and again.
        gc.collect()
        gc.freeze()
        stop.begin()
        limited = bool(self._plan.seconds or self._plan.until or options.packets)
        voice.say(f"listening on {', '.join(one.name for one in heard)}{'' if limited else '; Ctrl-C ends it'}")
        for events in listener.batches(stop):
            voice.heard(events)
            if listener.recording_failed != failed:
                failed = listener.recording_failed
                self._recording_failed(failed)
            if len(self._told_failed) < len(listener.failed):
                self._sources_failed(listener)
            if session is not None and pipeline is not None:
                teller.tell(session.feed(self._decoding.through(events) if self._decoding else events))
                session.packets = pipeline.packets
                if second():
                    for keylog in self._keylogs:
                        keylog.look()
                    teller.tick()
                if every():
                    self._write_early(session, heard)
            voice.status(listener, session)
        if session is not None:
            teller.tell(session.finish())
            teller.finish()
        gc.unfreeze()
        stop.ask("so many packets were asked for" if listener.full else "nothing more will come")

    def _sources_failed(self, listener: Listener) -> None:
        """Some give no more. One that never gave anything ends the capture: days later it would be missed."""
        for name, why in listener.failed.items():
            if name not in self._told_failed:
                self._told_failed.add(name)
                self._outcome.unusable(why if why.startswith(name) else f"{name}: {why}")
                if name in listener.stillborn:
                    self._failed = ExitCode.UNREACHABLE if name in listener.unreachable else ExitCode.SOURCE
                    self._stop.ask(f"{name} cannot be captured")

    def _stdout_gone(self) -> None:
        """Whoever read standard output has had enough: an orderly end, as with Ctrl-C."""
        from fieldkit.cli import give_up_stdout

        give_up_stdout()
        self._stop.ask("nobody reads standard output any more")

    def _recording_failed(self, why: str) -> None:
        if self._options.write_to == "-":
            self._stdout_gone()
            return
        self._failed = ExitCode.INCOMPLETE
        if self._options.record_only:
            self._voice.complain(why)
            self._stop.ask("the recording cannot go on")
        else:
            self._voice.complain(f"{why}; the diagnosis goes on")

    def _write_early(self, session: Session, heard: list[headless.Heard]) -> None:
        """The documents as they would be if it ended now. Those that grow with the events come at the end."""
        from fieldkit.reports.model import build

        options, plan = self._options, self._plan
        report = build(session, sources=heard, show_ids=options.show_ids)
        if plan.matching is not None:
            plan.matching.narrow(report)
        wishes = documents.Wishes(show_ids=options.show_ids, fail_on=options.fail_on)
        names = [(name, documents.FORMATS[Path(name).suffix.lower()]) for name in plan.documents]
        names += [(plan.json_file, "jsonreport")] if plan.json_file else []
        for name, form in names:
            if form in ("annotated", "trace", "csv"):
                continue
            try:
                output.save(name, documents.render(form, report, wishes).encode("utf-8", "replace"))
            except output.OutputError as error:
                self._voice.complain(f"{error.message}; it is tried again in a while")

    # ------------------------------------------------------------------------------------------------------- the end

    def _concluded(
        self,
        listener: Listener,
        session: Session | None,
        written: documents.Documents | None,
        recording: Recording | None,
        heard: list[headless.Heard],
    ) -> ExitCode:
        self._sources_failed(listener)
        self._voice.ended(self._stop.why, listener, session, recording)
        if self._failed in (ExitCode.SOURCE, ExitCode.UNREACHABLE):
            return self._failed  # what was asked for was not captured: a report would say otherwise
        if session is None or written is None:
            lost = ExitCode.INCOMPLETE if listener.dropped or listener.recording_failed else ExitCode.OK
            return self._failed or lost
        sources = headless.Recorded(recording) if recording is not None else headless.nothing()
        try:
            report = self._report(session, sources, heard, recording)
            self._write(session, report, written, sources)
        finally:
            sources.close()
        told = self._outcome.exit_code()
        if told is ExitCode.SOURCE and listener.packets:
            told = ExitCode.INCOMPLETE  # one source of several, or one that went on for a while
        status = verdict(told, report, session, self._options.fail_on)
        return self._failed if self._failed and status is not ExitCode.FINDINGS else status

    def _report(
        self,
        session: Session,
        sources: diagnosis.Sources,
        heard: list[headless.Heard],
        recording: Recording | None,
    ) -> Report:
        from fieldkit.reports.model import build

        report = build(session, sources=sources.opened or heard, show_ids=self._options.show_ids)
        if self._plan.matching is not None:
            self._plan.matching.narrow(report)
        if recording is not None and recording.given_up:
            report["capture"]["notes"].append(
                f"The ring has given up {counted(recording.given_up, 'file')} since: of evidence in them there is only "
                "what is told here."
            )
        return report

    def _write(
        self, session: Session, report: Report, written: documents.Documents, sources: diagnosis.Sources
    ) -> None:
        options, plan, voice = self._options, self._plan, self._voice
        wishes = documents.Wishes(show_ids=options.show_ids, color=wants_color(options.color, sys.stdout))
        try:
            headless.hand_over(
                session, report, written, sources,
                wishes=wishes, text=plan.text_wanted, json_to=options.json_to or "", names=self._written,
            )  # fmt: skip
        except output.OutputError as error:
            voice.complain(error.message)
            self._failed = ExitCode.INCOMPLETE
        if plan.plugged is not None:
            self._written += plan.plugged.finish(report)
            if plan.plugged.failed:
                self._failed = self._failed or ExitCode.INCOMPLETE
        if not plan.text_wanted:
            self._outcome.conclude([])
            voice.say(report["summary"]["verdict"])
        if self._written:
            voice.say(f"written: {', '.join(self._written)}")
        for note in written.notes:
            voice.say(note)


def _free(folder: Path) -> int:
    """Bytes that are free on its disk; many where nobody can tell."""
    try:
        status = os.statvfs(folder)
    except (OSError, AttributeError):
        return 1 << 62
    return status.f_bavail * status.f_frsize
