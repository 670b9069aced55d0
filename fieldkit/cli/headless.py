"""A run on live traffic without a screen: what is told while it lasts, and the documents it leaves behind."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import click

from fieldkit.checks.words import counted, duration
from fieldkit.cli import diagnosis, documents, output
from fieldkit.cli.outcome import Outcome
from fieldkit.cli.output import OutputError
from fieldkit.cli.stopping import Every
from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, Event
from fieldkit.reports.follow import Follower, short
from fieldkit.safetext import terminal
from fieldkit.sources.file import SourceError
from fieldkit.sources.listen import SKIPPED

if TYPE_CHECKING:
    from fieldkit.checks.collector import Collected
    from fieldkit.reports.document import Report
    from fieldkit.session import Session, Watcher
    from fieldkit.site.picture import Picture
    from fieldkit.sources.listen import Listener
    from fieldkit.sources.recording import Recording

_STATUS: Final = 1.0
_STATUS_LOG: Final = 60.0
"""Seconds between two looks at the numbers: on a terminal, and with -v in a log."""
_DROPS: Final = 10.0
"""Seconds between two lines that tell of dropped packets."""
MAX_COMMENTS: Final = 200
"""Lines that tell what a source has to say; an interface may come and go for days."""
_SECOND: Final = 1_000_000_000


class Measured(Protocol):
    """What knows how much was heard, and when: a listener, or what a proxy overhears."""

    bytes: int
    first: int
    last: int


class Heard:
    """What a report says of a source that was listened to."""

    is_log = False
    zone_assumed = False
    date_assumed = False

    def __init__(self, name: str, measured: Measured) -> None:
        self.name = name
        self._measured = measured

    @property
    def read(self) -> int:
        """Bytes."""
        return self._measured.bytes

    @property
    def first(self) -> int:
        return self._measured.first

    @property
    def last(self) -> int:
        return self._measured.last


class Recorded(diagnosis.Sources):
    """The files of a recording, as the sources of a report that is written afterwards."""

    def __init__(self, recording: Recording) -> None:
        self.opened = []
        for path, first, last in recording.spans:
            try:
                source = diagnosis.Source(str(path))
            except SourceError:
                continue  # somebody has moved it away: evidence still names it
            source.read, source.first, source.last = source.size, first, last
            self.opened.append(source)
        self.names = tuple(source.name for source in self.opened)


def nothing() -> diagnosis.Sources:
    """Where no packet was kept there is none to be looked at again."""
    return diagnosis.Sources((), utc_offset=None, outcome=Outcome(quiet=True))


def hand_over(
    session: Session,
    report: Report,
    written: documents.Documents,
    sources: diagnosis.Sources,
    *,
    wishes: documents.Wishes,
    text: bool,
    json_to: str,
    names: list[str],
) -> None:
    """All documents of a run that has ended; what was written is put into ``names``. OutputError."""
    if text:
        documents.show(documents.render("text", report, wishes))
    if json_to:
        document = documents.render("jsonreport", report, wishes)
        if json_to == "-":
            documents.show(document)
        else:
            output.save(json_to, document.encode("utf-8", "replace"))
            names.append(json_to)
    names[:0] = written.finish(session, report, sources)


class Careful:
    """A document that is written while events pass by, whose troubles are kept from the capture."""

    def __init__(self, watcher: Watcher, say: Callable[[str], None]) -> None:
        self.wants = watcher.wants
        self._see = watcher.see
        self._say = say
        self._failed = False

    def see(self, event: Event, picture: Picture) -> None:
        """An event of the session."""
        if self._failed:
            return
        try:
            self._see(event, picture)
        except OutputError as error:
            self._failed = True  # a full disk must not end the diagnosis
            self._say(f"{error.message}; it is given up, the capture goes on")


class Voice:
    """Everything that is said on stderr while a capture runs; a terminal also gets a line of numbers at the bottom."""

    def __init__(self, *, quiet: bool, verbose: bool, utc: bool, findings: bool, color: bool) -> None:
        """``findings``: tell of them in words (nobody follows them on standard output)."""
        self._quiet = quiet
        self._utc = utc
        self._findings = findings
        self._color = color
        self._live = sys.stderr.isatty() and not quiet
        self._status = Every(_STATUS if self._live else _STATUS_LOG if verbose and not quiet else 0)
        self._shown = False
        self._begun = time.monotonic()
        self._before = (self._begun, 0)
        self._comments = 0
        self._dropped: dict[str, int] = {}
        self._drops = Every(_DROPS)
        self._first_drop = True

    def say(self, text: str) -> None:
        """One line of talk."""
        if not self._quiet:
            self.complain(text)

    def complain(self, text: str) -> None:
        """One line that is said in any case."""
        self.clear()
        click.echo(f"fieldkit: {terminal(text)}", err=True)

    def found(self, new: Sequence[Collected]) -> None:
        """Findings that were not there before."""
        if self._findings and not self._quiet:
            for finding in new:
                self.clear()
                click.echo(short(finding, utc=self._utc, color=self._color), err=True)

    def heard(self, events: Sequence[Event]) -> None:
        """What sources say of themselves."""
        for event in events:
            kind = event.__class__
            if kind is CaptureDropped:
                assert isinstance(event, CaptureDropped)
                self._dropped[event.interface] = self._dropped.get(event.interface, 0) + event.count
            elif isinstance(event, CaptureComment):
                self._remark(event.text)
            elif isinstance(event, DecodeError) and event.layer == "live":
                self._remark(event.reason)
        if self._dropped and (self._first_drop or self._drops()):
            self._first_drop = False
            for name, number in self._dropped.items():
                if name == SKIPPED:
                    self.say(f"{counted(number, 'packet')} came too fast to be diagnosed; a recording has them")
                else:
                    self.say(f"{name}: {counted(number, 'packet')} dropped, they came faster than they were taken")
            self._dropped.clear()

    def _remark(self, text: str) -> None:
        self._comments += 1
        if self._comments <= MAX_COMMENTS:
            self.say(text)

    def status(self, listener: Listener, session: Session | None) -> None:
        """The numbers, when it is time for them."""
        if not self._status():
            return
        now = time.monotonic()
        since, packets = self._before
        rate = (listener.packets - packets) / max(now - since, 0.001)
        self._before = (now, listener.packets)
        ran = int(now - self._begun)
        parts = [
            f"{ran // 3600:02}:{ran // 60 % 60:02}:{ran % 60:02}",
            f"{counted(listener.packets, 'packet')} ({rate:,.0f}/s)",
            f"{listener.dropped:,} dropped",
        ]
        if session is not None:
            parts += [
                counted(session.tally.messages, "message"),
                counted(len(session.picture.stations), "station"),
                counted(len(session.findings), "finding"),
            ]
        line = " · ".join(parts)
        if self._live:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            self._shown = True
        else:
            self.say(line)

    def clear(self) -> None:
        """Make room for a line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False

    def ended(self, why: str, listener: Listener, session: Session | None, recording: Recording | None) -> None:
        """The closing sentence."""
        ran = duration(int((time.monotonic() - self._begun) * _SECOND))
        told = f"ended after {ran} ({why}): {counted(listener.packets, 'packet')}"
        if session is not None:
            told += f", {counted(session.tally.messages, 'message')}"
        if listener.dropped:
            told += f", {listener.dropped:,} dropped"
        if listener.skipped:
            told += f", {listener.skipped:,} not diagnosed"
        self.say(told)
        if recording is not None and recording.files:
            files = recording.files
            names = str(files[0]) if len(files) == 1 else f"{files[0]} … {files[-1].name} ({len(files)} files)"
            size = recording.bytes
            self.say(
                f"recorded: {names}, {size / 1e6:,.1f} MB" if size >= 1e5 else f"recorded: {names}, {size:,} bytes"
            )


class Teller:
    """Tells of findings while they happen: on standard output as JSON, or in words."""

    def __init__(self, voice: Voice, gone: Callable[[], None], *, follow: bool, show_ids: bool) -> None:
        """``gone`` is called when nobody reads standard output any more."""
        self._voice = voice
        self._gone = gone
        self._follower = Follower(_to_stdout, show_ids=show_ids) if follow else None

    def tell(self, new: Sequence[Collected]) -> None:
        """Findings that were not there before."""
        if not new:
            return
        self._voice.found(new)
        self._with_follower(lambda follower: follower.add(new, time.monotonic()))

    def tick(self) -> None:
        """Findings that have occurred again."""
        self._with_follower(lambda follower: follower.update(time.monotonic()))

    def finish(self) -> None:
        """Their final counts."""
        self._with_follower(Follower.finish)

    def _with_follower(self, do: Callable[[Follower], None]) -> None:
        if self._follower is None:
            return
        try:
            do(self._follower)
        except BrokenPipeError:
            self._follower = None
            self._gone()


def _to_stdout(line: bytes) -> None:
    """At once: somebody is waiting for it."""
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


class GrowingKeyLog:
    """A key log that a program writes while we listen: what is added is taken in."""

    def __init__(self, name: str, add: Callable[[str], object]) -> None:
        self.name = name
        self._add = add
        self._at = 0
        self._rest = b""
        self._inode = 0

    def look(self) -> str:
        """Take in whole lines that have come; returns why that was not possible, which may change."""
        try:
            with Path(self.name).open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._at:
                    self._at, self._rest, self._inode = 0, b"", status.st_ino  # it was begun anew
                file.seek(self._at)
                data = file.read(_KEYLOG_PIECE)
        except OSError as error:
            return error.strerror or str(error)
        self._at += len(data)
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if len(self._rest) > _KEYLOG_PIECE:
            self._rest = b""
        if newline:
            self._add(whole.decode("utf-8", "replace"))
        return ""


_KEYLOG_PIECE: Final = 1 << 20
"""Bytes taken in at a time: several thousand connections a second log less."""
