"""Files that are saved from the screen: what of the run, in which form, and how far it is. No textual here.

Reports are made of what the session knows. Packets, and what the session does not keep, are read from the captures
once more. It runs in a thread of its own, holds the engine's lock for a few rows at a time, and can be stopped; the
file appears when it is whole.
"""

from __future__ import annotations

import os
import secrets
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, Protocol, TypeAlias

from fieldkit.checks.collector import Collected
from fieldkit.events import Event, OcppMessage, Unanswered
from fieldkit.sources.file import SourceError
from fieldkit.tui.feeds import FileFeed
from fieldkit.tui.marks import notebook

if TYPE_CHECKING:
    from fieldkit.reports.document import Report
    from fieldkit.session import Session
    from fieldkit.tui.engine import Engine

_ROWS: Final = 200
"""Rows that are read while the lock is held."""
_SUFFIXES: Final = (".pcapng", ".pcap", ".gz", ".cap", ".jsonl", ".log", ".txt", ".json", ".csv")

Kind: TypeAlias = Literal["report", "evidence", "capture", "trace", "exchanges", "meters", "lines", "anonymous"]


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of file."""

    id: str
    suffix: str
    title: str
    kind: Kind
    render: str = ""
    """Of reports: the module of ``fieldkit.reports`` that writes it."""
    parts: bool = True
    """It can be made of a part of the run."""


FORMS: Final = (
    Form("page", ".html", "Report as a page: what is wrong, who acts, what shows it", "report", "html"),
    Form("evidence", ".pcapng", "Evidence for a vendor: the packets that matter, with comments", "evidence"),
    Form("anonymous", ".pcapng", "… the conversations with names and addresses replaced", "anonymous"),
    Form("capture", ".pcapng", "The whole capture with marks and notes (passwords too!)", "capture", parts=False),
    Form("trace", ".jsonl", "Messages, a JSON a line (Open OCPP Trace)", "trace"),
    Form("anonymous-trace", ".jsonl", "… with names and addresses replaced", "anonymous"),
    Form("lines", ".txt", "Messages as lines of text", "lines"),
    Form("text", ".txt", "Report as text", "report", "text"),
    Form("markdown", ".md", "Report in Markdown, for a ticket", "report", "markdown"),
    Form("json", ".json", "Report as JSON, for programs", "report", "jsonreport"),
    Form("junit", ".xml", "Report as JUnit, for CI", "report", "junit"),
    Form("exchanges", ".csv", "Table of requests and answers", "exchanges"),
    Form("transactions", ".csv", "Table of transactions", "report", "transactions"),
    Form("meters", ".csv", "Table of meter values", "meters", parts=False),
)


@dataclass(slots=True)
class Part:
    """What of the run is meant."""

    title: str
    rows: array[int] | None = None
    """These rows; None for all."""
    findings: Sequence[Collected] | None = None
    """These findings; None for all, or for those that the rows show."""

    @property
    def whole(self) -> bool:
        """All of it."""
        return self.rows is None and self.findings is None


class ExportError(Exception):
    """It cannot be; the text says why and what to do."""


class _StoppedError(Exception):
    """The user does not want it any more."""


class _Watcher(Protocol):
    @property
    def wants(self) -> frozenset[type[Event]]: ...

    def see(self, event: Any, picture: Any) -> object: ...


def stem_of(engine: Engine) -> str:
    """What files are named after: the capture without its suffix."""
    feed = engine.feed
    name = str(feed.recorded) if feed.recorded is not None else feed.sources[0].name if feed.sources else "fieldkit"
    stem = Path(name).name
    while (suffix := Path(stem).suffix).lower() in _SUFFIXES:
        stem = stem.removesuffix(suffix)
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in stem).strip("-.")
    return safe[:80] or "fieldkit"


def proposal(engine: Engine, form: Form, folder: Path) -> Path:
    """A name that nothing has yet."""
    base = f"{stem_of(engine)}-{'report' if form.kind == 'report' and form.id != 'transactions' else form.id}"
    path = folder / f"{base}{form.suffix}"
    number = 2
    while path.exists():
        path = folder / f"{base}-{number}{form.suffix}"
        number += 1
    return path


def form_of(form: Form, target: Path) -> Form:
    """The form that was chosen, or that of the file's suffix where that is another one. ExportError without one."""
    suffix = target.suffix.lower()
    if suffix == form.suffix:
        return form
    for other in FORMS:
        if other.suffix == suffix:
            return other
    known = " ".join(dict.fromkeys(other.suffix for other in FORMS))
    raise ExportError(f"the suffix says what to write: one of {known}")


@dataclass
class Export:
    """One file to be written: ``run`` it in a thread, look at ``progress`` and ``told`` meanwhile."""

    engine: Engine
    form: Form
    part: Part
    target: Path
    show_ids: bool = False
    utc: bool = False
    progress: float | None = None
    """From 0 to 1; None while nobody knows."""
    done: bool = False
    trouble: str = ""
    """Why it was not written; empty when it was."""
    notes: list[str] = field(default_factory=list)
    """What the user should know of it."""
    size: int = 0
    _stopped: bool = False
    _feed: FileFeed | None = None

    def stop(self) -> None:
        """Not any more."""
        self._stopped = True

    def run(self) -> None:
        """Write it; never raises."""
        try:
            self._check()
            with _Draft(self.target) as draft:
                self._write(draft.write)
                if self._stopped:
                    raise _StoppedError
                self.size = draft.size
        except _StoppedError:
            self.trouble = "stopped: nothing was written"
        except (ExportError, SourceError) as error:
            self.trouble = str(error)
        except OSError as error:
            self.trouble = f"{self.target}: {error.strerror or error}"
        except ImportError as error:
            self.trouble = f"it needs a Python package that is not installed: {error.name}"
        except Exception as error:  # a defect of fieldkit: the screen must survive it
            self.trouble = f"fieldkit failed: {error.__class__.__name__}: {error}"
        finally:
            self.done = True

    def _check(self) -> None:
        target = self.target
        if target.is_dir():
            raise ExportError(f"{target} is a folder: name a file in it")
        if not target.parent.is_dir():
            raise ExportError(f"there is no folder {target.parent}")
        for name in self._names(required=False):
            if target.exists() and Path(name).exists() and target.samefile(name):
                raise ExportError(f"{target} is what is being read: choose another name")

    def _write(self, write: Callable[[bytes], object]) -> None:
        match self.form.kind:
            case "report":
                self._report(write)
            case "evidence":
                self._evidence(write)
            case "capture":
                self._capture(write)
            case "trace" | "exchanges" | "lines":
                self._messages(write)
            case "meters" | "anonymous":
                self._again(write)

    # --------------------------------------------------------------------------------------------------------- reports

    def _report(self, write: Callable[[bytes], object]) -> None:
        report = self.report()
        if self.form.render == "transactions":
            from fieldkit.reports.tables import transactions

            text = transactions(report)
        else:
            render: Callable[..., object] = import_module(f"fieldkit.reports.{self.form.render}").render
            text = str(render(report, fail_on="critical") if self.form.render == "junit" else render(report))
        write((text if text.endswith("\n") else text + "\n").encode("utf-8", "replace"))

    def report(self) -> Report:
        """Of the whole run, or of what concerns its part."""
        if self.part.whole:
            return self.engine.report(show_ids=self.show_ids)
        from fieldkit.reports.model import build

        findings, stations = self._concerned()
        engine = self.engine
        with engine.lock:
            chosen: Any = _Chosen(engine.session, findings)
            report = build(chosen, sources=engine.feed.sources, show_ids=self.show_ids)
        stations |= {finding.first_seen.station for finding in findings}
        report["stations"] = [entry for entry in report["stations"] if entry["station"] in stations]
        report["connections"] = [entry for entry in report["connections"] if entry["station"] in stations]
        report["transactions"] = [entry for entry in report["transactions"] if entry["station"] in stations]
        report["devices"] = [entry for entry in report["devices"] if entry["station"] in stations]
        report["summary"]["stations"] = len(report["stations"])
        report["summary"]["outcomes"] = None  # they are counted over the whole site
        report["capture"]["notes"].insert(0, f"This report is about a part of the capture: {self.part.title}.")
        return report

    def _concerned(self) -> tuple[list[Collected], set[str]]:
        """Findings that are shown by something in the part, and the stations of its rows."""
        engine = self.engine
        if self.part.findings is not None:
            return list(self.part.findings), set()
        frames: set[tuple[str, int]] = set()
        stations: set[str] = set()
        for rows in self._slices():
            with engine.lock:
                for number in rows:
                    if number >= engine.history.first:
                        row = engine.history.row(number)
                        frames.add((row.source, row.frame))
                        stations.add(row.station)
        from fieldkit.reports.annotated import source_of

        with engine.lock:
            findings = [
                finding
                for finding in engine.session.findings
                if any(
                    (source_of(event), frame) in frames
                    for event in (*finding.evidence, *finding.latest)
                    for frame in event.frames
                )
            ]
        return findings, stations

    # -------------------------------------------------------------------------------------------------------- messages

    def _slices(self) -> Iterator[Sequence[int]]:
        """The rows, some at a time."""
        history = self.engine.history
        rows: Sequence[int] = range(history.first, history.end) if self.part.rows is None else self.part.rows
        for begin in range(0, len(rows), _ROWS):
            if self._stopped:
                raise _StoppedError
            self.progress = begin / len(rows)
            yield rows[begin : begin + _ROWS]

    def _events(self) -> Iterator[list[Event]]:
        """The events of the rows."""
        engine = self.engine
        history = engine.history
        if history.left and self.part.rows is None:
            self.notes.append(f"the oldest {history.left:,} lines are not kept any more, and not in it")
        for rows in self._slices():
            with engine.lock:
                events: list[Event] = []
                for number in rows:
                    if number < history.first:
                        continue
                    event = history.event(number)
                    events.append(event)
                    why = history.row(number).unanswered
                    if why is not None and isinstance(event, OcppMessage):
                        events.append(Unanswered(event.time, event.frames, event, why))
            yield events

    def _messages(self, write: Callable[[bytes], object]) -> None:
        see: Callable[[Event], object]
        if self.form.kind == "trace":
            from fieldkit.reports.trace import TraceWriter

            trace = TraceWriter(write)
            see, finish = trace.event, trace.finish
        elif self.form.kind == "lines":
            from fieldkit.reports.lines import LineWriter

            lines = LineWriter(
                lambda text: write(text.encode("utf-8", "replace")), utc=self.utc, show_ids=self.show_ids
            )
            see, finish = lines.event, lines.finish
        else:
            from fieldkit.reports.tables import ExchangeTable

            table = ExchangeTable(write, show_ids=self.show_ids)
            picture: Any = None
            see, finish = (lambda event: table.see(event, picture)), table.finish
        for events in self._events():
            for event in events:
                see(event)
        finish()

    # --------------------------------------------------------------------------------------------------------- packets

    def _names(self, *, required: bool = True) -> tuple[str, ...]:
        """The files that the packets are in."""
        feed = self.engine.feed
        if feed.recorded is not None:
            return (str(feed.recorded),)
        names: tuple[str, ...] = getattr(feed, "names", ())
        if not required:
            return names
        if not names:
            raise ExportError("the packets were not saved: begin with `fieldkit watch … -w FILE`")
        if any(name.startswith("/dev/fd/") for name in names):
            raise ExportError("what came through a pipe cannot be read again: save the capture first")
        return names

    def _evidence(self, write: Callable[[bytes], object]) -> None:
        from fieldkit.reports.annotated import Beginnings, annotate, connection_of, source_of

        engine = self.engine
        self._want_packets()
        beginnings = Beginnings()
        for _ in self._read([beginnings]):
            pass
        findings = list(self.part.findings) if self.part.findings is not None else list(engine.findings)
        with engine.lock:
            remarks = notebook(engine).comments()
        if self.part.rows is not None:
            findings, _ = self._concerned()
            for events in self._events():
                for event in events:
                    connection = connection_of(event)
                    for begun in beginnings.of(connection) if connection is not None else ():
                        for frame in begun.frames:
                            remarks.setdefault((source_of(begun), frame), [])
                    for frame in event.frames:
                        remarks.setdefault((source_of(event), frame), [])
        elif self.part.findings is not None:
            remarks = {}
        report = self.report()
        count = annotate(
            write,
            findings,
            beginnings,
            lambda: iter(self._opened()),
            verdict=report["summary"]["verdict"],
            show_ids=self.show_ids,
            remarks=remarks,
        )
        if not count:
            raise ExportError("no packet shows a finding, and nothing is marked: there is nothing to save")
        self.notes.append(f"{count:,} packets; passwords and keys are left out")

    def _capture(self, write: Callable[[bytes], object]) -> None:
        from fieldkit.reports.commented import write_commented

        with self.engine.lock:
            comments = notebook(self.engine).comments()
        self._want_packets()
        count = write_commented(write, self._opened(), comments, stop=lambda: self._stopped)
        self.notes.append(f"{count:,} packets as they were captured, passwords included")

    def _want_packets(self) -> None:
        sources = self.engine.feed.sources
        if sources and all(source.is_log for source in sources):
            raise ExportError("there are no packets in a log: .jsonl and .html can be saved")

    def _opened(self) -> list[Any]:
        feed = self._feed = FileFeed(self._names(), utc_offset=getattr(self.engine.feed, "utc_offset", None))
        # In the order of their packets, which is known as they have been read before.
        begins = {source.name: getattr(source, "first", 0) for source in self.engine.feed.sources}
        return sorted(feed.sources, key=lambda source: begins.get(source.name, 0))

    def _again(self, write: Callable[[bytes], object]) -> None:
        """What needs everything once more, in the order in which it happened."""
        key = secrets.token_bytes(32)
        watcher: Any
        if self.form.kind == "meters":
            from fieldkit.reports.tables import MeterTable

            watcher = MeterTable(write)
        elif self.form.suffix == ".pcapng":
            from fieldkit.reports.rebuilt import RebuiltCapture

            watcher = RebuiltCapture(write, key)
        else:
            from fieldkit.reports.anonymize import AnonymousTrace

            watcher = AnonymousTrace(write, key)
        wanted = self._wanted()
        watching: _Watcher = watcher if wanted is None else _Some(watcher, wanted)
        for _ in self._read([watching]):
            pass
        watcher.finish()
        left_out = getattr(watcher, "left_out", 0)
        if left_out:
            self.notes.append(
                f"{left_out:,} messages are not in it, because a log has no packets; .jsonl takes them all"
            )

    def _wanted(self) -> set[tuple[int, str, str]] | None:
        """The messages of the part; None for all."""
        if self.part.whole:
            return None
        wanted: set[tuple[int, str, str]] = set()
        if self.part.findings is not None:
            for finding in self.part.findings:
                for event in (*finding.evidence, *finding.latest):
                    for message in (event, getattr(event, "call", None), getattr(event, "answer", None)):
                        if isinstance(message, OcppMessage):
                            wanted.add(_key(message))
            return wanted
        for events in self._events():
            wanted.update(_key(event) for event in events if isinstance(event, OcppMessage))
        return wanted

    def _read(self, watchers: Sequence[_Watcher]) -> Iterator[None]:
        """The captures once more, past those who want to see them."""
        from fieldkit.site.picture import Picture
        from fieldkit.sources.file import read_keylog
        from fieldkit.wire.tlskeys import KeyLog

        keys = KeyLog(expecting=True)
        for name in self.engine.wishes["keylogs"]:
            keys.add(read_keylog(name))
        feed = self._feed = FileFeed(self._names(), utc_offset=getattr(self.engine.feed, "utc_offset", None))
        picture = Picture()
        by_kind: dict[type[Event], list[Callable[[Any, Any], object]]] = {}
        for watcher in watchers:
            for kind in watcher.wants:
                by_kind.setdefault(kind, []).append(watcher.see)
        try:
            for events in feed.batches(keys, None, lambda: self._stopped):
                self.progress = feed.progress
                for event in events:
                    picture.feed(event)
                    for see in by_kind.get(event.__class__, ()):
                        see(event, picture)
                yield
            if self._stopped:
                raise _StoppedError
        finally:
            feed.close()


class _Chosen:
    """A session with some of its findings, as ``model.build`` asks for them."""

    def __init__(self, session: Session, findings: list[Collected]) -> None:
        self._session = session
        self.findings = findings

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)


class _Some:
    """Hands on some messages, and all that is no message."""

    def __init__(self, watcher: _Watcher, wanted: set[tuple[int, str, str]]) -> None:
        self.wants = watcher.wants
        self._see = watcher.see
        self._wanted = wanted

    def see(self, event: Any, picture: Any) -> None:
        message = event if isinstance(event, OcppMessage) else getattr(event, "call", None)
        if not isinstance(message, OcppMessage) or _key(message) in self._wanted:
            self._see(event, picture)


def _key(message: OcppMessage) -> tuple[int, str, str]:
    return message.time, message.id, message.sender


class _Draft:
    """The file under another name, until it is whole."""

    def __init__(self, target: Path) -> None:
        self.size = 0
        self._target = Path(os.path.realpath(target))
        self._draft = self._target.with_name(f".{self._target.name}.{secrets.token_hex(4)}.part")
        self._file: BinaryIO | None = None

    def __enter__(self) -> _Draft:
        self._file = self._draft.open("xb", 1 << 18)
        return self

    def write(self, data: bytes) -> None:
        """Append."""
        assert self._file is not None
        self._file.write(data)
        self.size += len(data)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._file is not None
        try:
            self._file.close()
            if kind is None:
                self._draft.replace(self._target)
        finally:
            self._draft.unlink(missing_ok=True)


def keep_in_recording(engine: Engine) -> str:
    """Put marks and notes into the file that a live capture was recorded to, once it has ended; says what was done."""
    path = engine.feed.recorded
    if path is None or not engine.ready or not notebook(engine).any or not path.exists():
        return ""
    form = next(form for form in FORMS if form.kind == "capture")
    export = Export(engine, form, Part("all"), path.with_name(f".{path.name}.notes.pcapng"))
    export.run()
    if export.trouble:
        return f"marks and notes are not in {path}: {export.trouble}"
    export.target.replace(path)
    return f"marks and notes are in {path}"


def kinds(part: Part) -> Iterable[Form]:
    """The forms that such a part can be saved in."""
    return [form for form in FORMS if part.whole or form.parts]
