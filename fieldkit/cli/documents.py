"""The documents that a run writes: the suffix of a file's name says which it is.

Some are made of the finished report; those that hold what a session does not keep (exchanges, meter values, traces)
are written while it runs; the annotated capture is written afterwards from a second look at the captures.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from fieldkit.cli import output

if TYPE_CHECKING:
    from fieldkit.cli.diagnosis import Sources
    from fieldkit.events import Event
    from fieldkit.reports.annotated import Beginnings
    from fieldkit.reports.document import Report
    from fieldkit.session import Session, Watcher
    from fieldkit.site.picture import Picture

FORMATS: Final = {
    ".html": "html",
    ".htm": "html",
    ".json": "jsonreport",
    ".txt": "text",
    ".md": "markdown",
    ".csv": "csv",
    ".xml": "junit",
    ".pcapng": "annotated",
    ".jsonl": "trace",
}
"""By suffix. Those that are rendered from the report bear the name of their module."""

KNOWN: Final = ".html .json .txt .md .csv .xml .pcapng .jsonl"
ANONYMOUS: Final = (".jsonl", ".pcapng")


class _Streamed(Protocol):
    """A document that is written while events pass by: a watcher with an end."""

    @property
    def wants(self) -> frozenset[type[Event]]: ...

    def see(self, event: Event, picture: Picture) -> object: ...

    def finish(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user said about documents."""

    show_ids: bool = False
    include_secrets: bool = False
    fail_on: str = "critical"
    color: bool = False


def check(names: Sequence[str], anonymize: Sequence[str], sources: Sequence[str]) -> None:
    """Refuse what cannot be done before anything is read."""
    for name in names:
        suffix = Path(name).suffix.lower()
        if suffix not in FORMATS:
            hint = " (name .pcapng: packets with comments need it)" if suffix in (".pcap", ".cap") else ""
            raise click.UsageError(f"{name}: the suffix says what to write, one of {KNOWN}{hint}")
        if FORMATS[suffix] == "html":
            _check_package("jinja2", name)
        if FORMATS[suffix] == "annotated" and sources and set(sources) == {"-"}:
            raise click.UsageError(
                f"{name}: an annotated capture needs a second look at the packets, which standard input does not give; "
                "save the capture first (tcpdump -w FILE)"
            )
    for name in anonymize:
        if Path(name).suffix.lower() not in ANONYMOUS:
            raise click.UsageError(f"--anonymize {name}: give it the suffix {' or '.join(ANONYMOUS)}")
    written = [*names, *anonymize]
    for name in written:
        if written.count(name) > 1:
            raise click.UsageError(f"{name} is to be written twice")
        output.check(name, sources)


def check_json(name: str, others: Sequence[str], sources: Sequence[str]) -> None:
    """The same for the document of ``--json``, whose name says nothing of its format."""
    if name in others:
        raise click.UsageError(f"{name} is to be written twice")
    output.check(name, sources)


def _check_package(package: str, name: str) -> None:
    """Routers may lack what is not needed for everything; that is told before anything is read."""
    try:
        import_module(package)
    except ImportError as error:
        raise click.UsageError(f"{name} needs the Python package {package}: pip install {package}") from error


class Documents:
    """The files of one run; a context manager that leaves nothing half-written behind."""

    def __init__(self, names: Sequence[str], anonymize: Sequence[str], wishes: Wishes) -> None:
        self.watchers: list[Watcher] = []
        """Who must see the events."""
        self.notes: list[str] = []
        """What the user should know of what was written."""
        self._wishes = wishes
        self._names = [name for name in names if not self._is_streamed(name)]
        self.beginnings: Beginnings | None = None
        """Of the watchers the one that must see everything, so that it knows what is secret."""
        self._streamed: list[tuple[str, _Streamed]] = []
        self._stack = ExitStack()
        self._whole = False
        self._streams: list[tuple[str, Callable[[Callable[[bytes], object]], Any]]] = [
            *((name, self._maker(name)) for name in names if self._is_streamed(name)),
            *((name, _anonymous(name)) for name in anonymize),
        ]
        if any(FORMATS[Path(name).suffix.lower()] == "annotated" for name in self._names):
            from fieldkit.reports.annotated import Beginnings

            self.beginnings = Beginnings()
            self.watchers.append(self.beginnings)

    def __enter__(self) -> Documents:
        with ExitStack() as stack:
            for name, make in self._streams:
                document = make(stack.enter_context(output.Output(name)).write)
                self._streamed.append((name, document))
                self.watchers.append(document)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._whole:
            kind, error = _NotWrittenError, _NotWrittenError()
        self._stack.__exit__(kind, error, trace)

    def finish(self, session: Session, report: Report, sources: Sources) -> list[str]:
        """Write what is left; returns the names of all files."""
        written = []
        for name in self._names:
            if FORMATS[Path(name).suffix.lower()] == "annotated":
                if self._annotate(name, session, report, sources):
                    written.append(name)
            else:
                output.save(name, self._rendered(name, report).encode("utf-8", "replace"))
                written.append(name)
        for name, document in self._streamed:
            document.finish()
            written.append(name)
            left_out = getattr(document, "left_out", 0)
            if left_out:
                self.notes.append(
                    f"{name}: {left_out:,} messages are not in it, because a log has no packets; "
                    "--anonymize FILE.jsonl takes them all"
                )
        self._whole = True
        return written

    # ------------------------------------------------------------------------------------------------------- formats

    @staticmethod
    def _is_streamed(name: str) -> bool:
        form = FORMATS[Path(name).suffix.lower()]
        if form == "csv":
            from fieldkit.reports.tables import table_of

            return table_of(Path(name).name) != "transactions"
        return form == "trace"

    def _maker(self, name: str) -> Callable[[Callable[[bytes], object]], Any]:
        if FORMATS[Path(name).suffix.lower()] == "trace":
            return _trace
        from fieldkit.reports.tables import ExchangeTable, MeterTable, table_of

        if table_of(Path(name).name) == "meters":
            return MeterTable
        return lambda write: ExchangeTable(write, show_ids=self._wishes.show_ids)

    def _rendered(self, name: str, report: Report) -> str:
        form = FORMATS[Path(name).suffix.lower()]
        if form == "csv":
            from fieldkit.reports.tables import transactions

            return transactions(report)
        return render(form, report, self._wishes)

    def _annotate(self, name: str, session: Session, report: Report, sources: Sources) -> bool:
        from fieldkit.reports.annotated import annotate

        assert self.beginnings is not None
        if all(source.is_log or source.name == "stdin" for source in sources.opened):
            self.notes.append(f"{name} is not written: there are no packets in a log")
            return False
        with output.Output(name) as file:
            count = annotate(
                file.write,
                session.findings,
                self.beginnings,
                sources.again,
                verdict=report["summary"]["verdict"],
                locate=sources.locate,
                show_ids=self._wishes.show_ids,
                include_secrets=self._wishes.include_secrets,
            )
        if not count:
            self.notes.append(f"{name}: no packet shows a finding, so there is none in it")
        return True


class _NotWrittenError(Exception):
    """Nothing came of the run: what was begun is discarded."""


def render(form: str, report: Report, wishes: Wishes) -> str:
    """A report as text of some format: "text", "jsonreport", "html", "markdown", "junit"."""
    module = import_module(f"fieldkit.reports.{form}")
    if form == "text":
        return str(module.render(report, color=wishes.color))
    if form == "junit":
        return str(module.render(report, fail_on=wishes.fail_on))
    return str(module.render(report))


def show(text: str) -> None:
    """A document on standard output, as whole lines."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def _trace(write: Callable[[bytes], object]) -> Any:
    from fieldkit.reports.trace import TraceWriter

    class WatchingTrace:
        """The writer of ``decode --format trace``, fed by a session."""

        wants = TraceWriter.wants

        def __init__(self) -> None:
            writer = TraceWriter(write)
            self.finish = writer.finish
            self._event = writer.event

        def see(self, event: Any, picture: object) -> None:
            self._event(event)

    return WatchingTrace()


def _anonymous(name: str) -> Callable[[Callable[[bytes], object]], Any]:
    key = secrets.token_bytes(32)
    if Path(name).suffix.lower() == ".pcapng":
        from fieldkit.reports.rebuilt import RebuiltCapture

        return lambda write: RebuiltCapture(write, key)
    from fieldkit.reports.anonymize import AnonymousTrace

    return lambda write: AnonymousTrace(write, key)
