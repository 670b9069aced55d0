"""The decoding process of ``fieldkit proxy``: it records and diagnoses what the relaying process tells it.

It lives and fails on its own: while it is slow or gone the traffic flows all the same. It ends when the relay does.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldkit.cli import documents, headless
    from fieldkit.events import Event
    from fieldkit.session import Session
    from fieldkit.site.picture import Picture
    from fieldkit.sources.proxy.overheard import Overheard
    from fieldkit.sources.recording import Recording, Ring

_BLOCK: Final = 1 << 18
"""Bytes taken from the relay at a time."""
_PATIENCE: Final = 0.5
"""Seconds without anything after which it is seen to what waits."""
_NICE: Final = 10
"""Politeness where the system has no better way to say that the relay goes first."""
_SMALL: Final = 16 << 10
_PAUSE: Final = 0.01
"""Behind a block smaller than this, so many seconds of rest: many messages at once cost less than one at a time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of the traffic."""

    name: str
    listens_with_tls: bool
    upstream: str
    pcapng: str
    trace: str
    ring: Ring | None
    documents: tuple[str, ...]
    json_to: str
    text: bool
    follow: bool
    validate: bool
    fail_on: str
    min_profile: int | None
    show_ids: bool
    include_secrets: bool
    utc: bool
    color: str
    quiet: bool
    verbose: bool
    announcements: tuple[str, ...]
    """To be told in the recording and in every report."""


def decode(tap: socket.socket, not_ours: socket.socket | None, wanted: Wanted) -> None:
    """The process's main function."""
    if not_ours is not None:
        not_ours.close()  # the relay's end, which fork has copied: it must be able to close
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)  # the relay gets them too, and says when it is over
    _step_back()
    try:
        status = _Run(tap, wanted).result()
    except click.ClickException as error:
        error.show()
        status = ExitCode(getattr(error, "exit_code", ExitCode.INCOMPLETE))
    except BrokenPipeError:
        from fieldkit.cli import give_up_stdout

        give_up_stdout()
        status = ExitCode.OK
    except OSError as error:
        click.echo(f"fieldkit: the output cannot be written: {error.strerror or error}", err=True)
        status = ExitCode.INCOMPLETE
    sys.stdout.flush()
    sys.exit(int(status))


def _step_back() -> None:
    """The relay goes first.

    A turn of the scheduler lasts for milliseconds, and with few processors the relay would wait for ours to end: 3.5 ms
    instead of 0.9 ms at the 99th percentile (measured on two cores, one of them busy otherwise).
    """
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # not Linux, or not allowed here
        if hasattr(os, "nice"):
            os.nice(_NICE)


def _step_forward() -> None:
    """The relay has ended: now somebody waits for us."""
    try:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except (AttributeError, OSError):
        return  # then it takes longer


class _Trace:
    """Open OCPP Trace that is on the disk as soon as a message is decoded."""

    def __init__(self, name: str, complain: Callable[[str], None]) -> None:
        from fieldkit.reports.trace import TraceWriter

        self.name = name
        self.failed = False
        self._complain = complain
        self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        self._writer = TraceWriter(self._write)
        self.wants = TraceWriter.wants

    def see(self, event: Event, picture: Picture) -> None:
        """An event of the session."""
        if not self.failed:
            self._writer.event(event)

    def flush(self) -> None:
        """What was seen so far is to be found in the file."""
        if not self.failed:
            self._writer.flush()

    def _write(self, lines: bytes) -> None:
        try:
            done = 0
            while done < len(lines):
                done += os.write(self._file, lines[done:])
        except OSError as error:
            self.failed = True
            self._complain(f"{self.name}: {error.strerror or error}; it is given up, all else goes on")


class _Run:
    def __init__(self, tap: socket.socket, wanted: Wanted) -> None:
        from fieldkit.cli import headless
        from fieldkit.cli.terminal import wants_color
        from fieldkit.sources.proxy.tap import TapReader

        self._tap = tap
        self._wanted = wanted
        self._reader = TapReader()
        self._session_failed = ""
        self._voice = headless.Voice(
            quiet=wanted.quiet,
            verbose=wanted.verbose,
            utc=wanted.utc,
            findings=not wanted.follow,
            color=wants_color(wanted.color, sys.stderr),
        )

    def result(self) -> ExitCode:
        """Wait until the relay is about to serve; then open what is to be written, and go on to the end."""
        from fieldkit.sources.recording import RecordingError

        # Decoding makes many small objects and hardly any cycles: let the collector look less often.
        gc.set_threshold(100_000, 50, 50)
        if not self._tap.recv(_BLOCK):
            return ExitCode.OK  # the relay could not begin, and has said why
        try:
            recording = self._recording()
            trace = _Trace(self._wanted.trace, self._voice.complain) if self._wanted.trace else None
        except RecordingError as error:
            self._voice.complain(str(error))
            return ExitCode.INCOMPLETE
        except OSError as error:
            self._voice.complain(f"{self._wanted.trace}: {error.strerror or error}")
            return ExitCode.INCOMPLETE
        with ExitStack() as stack:
            return self._run(stack, recording, trace)

    def _recording(self) -> Recording | None:
        from fieldkit.pipeline import TLS_TAKEN_OFF
        from fieldkit.sources.recording import Recording

        wanted = self._wanted
        if not wanted.pcapng:
            return None
        told = [f"fieldkit {wanted.name} -> {wanted.upstream}: the station's leg, in packets made by the proxy"]
        if wanted.listens_with_tls:
            told.append(TLS_TAKEN_OFF)
        if not wanted.include_secrets:
            told.append("passwords are overwritten")
        return Recording(Path(wanted.pcapng), wanted.ring, "; ".join([*told, *wanted.announcements]))

    def _run(self, stack: ExitStack, recording: Recording | None, trace: _Trace | None) -> ExitCode:
        from fieldkit.checks.policy import Policy
        from fieldkit.cli import documents, headless, reading
        from fieldkit.pipeline import Pipeline
        from fieldkit.session import Session
        from fieldkit.sources.proxy.overheard import Overheard
        from fieldkit.sources.proxy.tap import READY

        wanted, voice = self._wanted, self._voice
        wishes = documents.Wishes(
            show_ids=wanted.show_ids, include_secrets=wanted.include_secrets, fail_on=wanted.fail_on
        )
        written = stack.enter_context(documents.Documents(wanted.documents, (), wishes))
        name = str(recording.path) if recording is not None else wanted.name
        pipeline = Pipeline(name, schemas=reading.schemas() if wanted.validate else None, full=False)
        watchers = [headless.Careful(one, voice.complain) for one in written.watchers]
        session = Session(Policy(security_profile=wanted.min_profile), [*watchers, *([trace] if trace else [])])
        overheard = Overheard(
            pipeline,
            recording,
            name=wanted.name,
            description=f"the station's leg of a proxy to {wanted.upstream}"
            + (", without its TLS" if wanted.listens_with_tls else ""),
            include_secrets=wanted.include_secrets,
        )
        teller = headless.Teller(voice, self._ask_for_end, follow=wanted.follow, show_ids=wanted.show_ids)
        self._tap.sendall(READY)
        orderly = self._listen(overheard, session, teller, trace)
        if self._session_failed or overheard.decoding_failed:
            voice.complain(f"decoding failed: {self._session_failed or overheard.decoding_failed}")
        session.packets = overheard.packets
        teller.finish()
        return self._concluded(session, overheard, written, recording, trace, orderly)

    # ----------------------------------------------------------------------------------------------------------- loop

    def _listen(self, overheard: Overheard, session: Session, teller: headless.Teller, trace: _Trace | None) -> bool:
        """Until the relay has ended; whether it did so in order."""
        from fieldkit.cli.stopping import Every

        second = Every(1.0)
        gc.collect()
        gc.freeze()
        told = ""
        while True:
            ready, _, _ = select.select([self._tap], [], [], _PATIENCE)
            block = self._tap.recv(_BLOCK) if ready else None
            events: list[Event] = []
            if block:
                for record in self._reader.feed(block):
                    self._take(session, overheard.feed(record), teller)
            if block == b"" or overheard.ended is not None:
                _step_forward()
                events += overheard.finish(time.time_ns())
            elif not block or second():
                events += overheard.tick(time.time_ns())
                teller.tick()
            self._take(session, events, teller)
            if trace is not None:
                trace.flush()
            if block and len(block) < _SMALL:
                time.sleep(_PAUSE)
            if overheard.recording_failed and overheard.recording_failed != told:
                told = overheard.recording_failed
                self._voice.complain(f"{told}; all else goes on")
            if block == b"" or overheard.ended is not None:
                break
        if not self._session_failed:
            teller.tell(session.finish())
        gc.unfreeze()
        return overheard.ended is not None

    def _take(self, session: Session, events: list[Event], teller: headless.Teller) -> None:
        if not events or self._session_failed:
            return
        try:
            teller.tell(session.feed(events))
        except OSError:
            raise
        except Exception as error:  # a diagnosis that fails must not take the recording with it
            self._session_failed = f"{type(error).__name__}: {error}"

    def _ask_for_end(self) -> None:
        """Nobody reads standard output any more."""
        from fieldkit.cli import give_up_stdout
        from fieldkit.sources.proxy.tap import STOP

        give_up_stdout()
        self._tap.sendall(STOP)

    # ------------------------------------------------------------------------------------------------------------ end

    def _concluded(
        self,
        session: Session,
        overheard: Overheard,
        written: documents.Documents,
        recording: Recording | None,
        trace: _Trace | None,
        orderly: bool,
    ) -> ExitCode:
        from fieldkit.cli import documents, headless, output
        from fieldkit.cli.report import verdict
        from fieldkit.cli.terminal import wants_color
        from fieldkit.reports.model import build

        wanted, voice = self._wanted, self._voice
        voice.clear()
        sources = headless.Recorded(recording) if recording is not None else headless.nothing()
        names: list[str] = []
        failed = not orderly or bool(
            overheard.recording_failed or overheard.decoding_failed or self._session_failed
            or (trace is not None and trace.failed)
        )  # fmt: skip
        try:
            heard = [headless.Heard(wanted.name, overheard)]
            report = build(session, sources=sources.opened or heard, show_ids=wanted.show_ids)
            report["capture"]["notes"] += self._notes(overheard, orderly)
            wishes = documents.Wishes(show_ids=wanted.show_ids, color=wants_color(wanted.color, sys.stdout))
            try:
                headless.hand_over(
                    session, report, written, sources,
                    wishes=wishes, text=wanted.text, json_to=wanted.json_to, names=names,
                )  # fmt: skip
            except output.OutputError as error:
                voice.complain(error.message)
                failed = True
        finally:
            sources.close()
        if not wanted.text:
            voice.say(report["summary"]["verdict"])
        for name in (wanted.trace, *(map(str, recording.files) if recording is not None else ())):
            names += [name] if name else []
        if names:
            voice.say(f"written: {', '.join(names)}")
        for note in written.notes:
            voice.say(note)
        told = ExitCode.INCOMPLETE if session.tally.incomplete else ExitCode.OK
        status = verdict(told, report, session, wanted.fail_on)
        if status is ExitCode.FINDINGS:
            return status
        counted = overheard.ended or {}
        if counted.get("unreached") and not counted.get("reached"):
            return ExitCode.UNREACHABLE
        return ExitCode.INCOMPLETE if failed else status

    def _notes(self, overheard: Overheard, orderly: bool) -> list[str]:
        """What a reader of the report must know of how it came about."""
        notes = [f"{line[:1].upper()}{line[1:]}." for line in self._wanted.announcements]
        for text, times in overheard.notes.items():
            again = f" ({times} times)" if times > 1 else ""
            notes.append(f"{text[:1].upper()}{text[1:]}{again}.")
        if overheard.decoding_failed or self._session_failed:
            notes.append(f"Decoding failed: {overheard.decoding_failed or self._session_failed}.")
        if overheard.recording_failed:
            notes.append(f"{overheard.recording_failed}.")
        if not orderly:
            notes.append("The proxy ended without a word: what came last may be missing.")
        return notes
