"""``fieldkit decode``: from captures and logs to OCPP messages on standard output."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from typing import TYPE_CHECKING, Protocol

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.outcome import Outcome
from fieldkit.cli.progress import Progress
from fieldkit.tally import FAILED, Tally

if TYPE_CHECKING:
    from fieldkit.events import Event, OcppMessage
    from fieldkit.ocpp.schema import Schemas
    from fieldkit.query import Filter
    from fieldkit.sources.file import FileSource
    from fieldkit.wire.tlskeys import KeyLog

_EXAMPLES = """
\b
Examples:
  fieldkit decode site.pcapng
  fieldkit decode --filter 'station = CP_7 and (error or latency > 5s)' ring_*.pcapng
  fieldkit decode --keylog keys.log --format trace wss.pcap > wss.jsonl
  ssh router tcpdump -i any -U -w - tcp | fieldkit decode -
  fieldkit decode steve.log
"""


class _Writer(Protocol):
    @property
    def wants(self) -> frozenset[type[Event]] | None: ...

    def event(self, event: Event) -> None: ...

    def flush(self) -> None: ...

    def finish(self) -> None: ...


@click.command(name="decode", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "trace", "events"]),
    default="text",
    show_default=True,
    help="text: a line a message; trace: Open OCPP Trace 1.1 (JSONL); events: everything that was seen (NDJSON).",
)
@click.option(
    "--filter", "filter_text", metavar="EXPR", help="Only messages that match (docs/filter.md has the grammar)."
)
@click.option("--keylog", metavar="FILE", multiple=True, help="TLS secrets in NSS key log format (SSLKEYLOGFILE).")
@click.option("--validate/--no-validate", default=True, help="Hold payloads against the OCPP schemas (default: yes).")
@click.option("--zone", metavar="±HH:MM", help="Time zone of log lines that do not name theirs (default: UTC).")
@click.option("--utc", is_flag=True, help="Show times in UTC instead of local time.")
@click.option("--show-ids", is_flag=True, help="Show id tokens in full (text; they are masked otherwise).")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Processes for a large capture (trace only; default: one a core).",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show more: pings, retransmissions, connections that are not OCPP.")
def command(
    sources: tuple[str, ...],
    form: str,
    filter_text: str | None,
    keylog: tuple[str, ...],
    validate: bool,
    zone: str | None,
    utc: bool,
    show_ids: bool,
    color: str,
    quiet: bool,
    verbose: bool,
    jobs: int | None,
) -> ExitCode:
    """Show the OCPP messages in captures and logs.

    SOURCE is a pcap or pcapng file (also gzipped), a log or export with OCPP messages in it (Open OCPP Trace, JSON,
    CSV, text), or - for standard input. Several sources are merged by time.
    """
    from fieldkit.sources.file import FileSource, SourceError

    chosen = _compile_filter(filter_text, utc=utc)
    offset = _utc_offset(zone)
    # Decoding makes many small objects and hardly any cycles: let the collector look less often.
    gc.set_threshold(100_000, 50, 50)
    outcome = Outcome(quiet=quiet)
    opened: list[FileSource] = []
    for name in sources:
        try:
            opened.append(FileSource(name, utc_offset=offset))
        except SourceError as error:
            outcome.unusable(str(error))
    if not opened:
        return outcome.exit_code()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an arrow is no reason to give up on a terminal that has none
    try:
        keys = _keys(keylog, opened)
        workers = _workers(opened, form, jobs)
        with Progress(opened) as progress:
            if workers > 1:
                _decode_parallel(opened[0], workers, keys, validate, chosen, outcome, progress)
            else:
                writer = _writer(form, utc=utc, show_ids=show_ids, color=color, verbose=verbose)
                schemas = _schemas() if validate else None
                events = _events(opened, keys, schemas, full=form == "events", progress=progress)
                _write(events, writer, chosen, outcome, live=any(not source.size for source in opened))
    except SourceError as error:
        outcome.unusable(str(error))
    finally:
        for source in opened:
            source.close()
    sys.stdout.flush()
    outcome.conclude(opened)
    return outcome.exit_code()


def _write(
    batches: Iterator[list[Event]],
    writer: _Writer,
    chosen: Callable[[Event], bool] | None,
    outcome: Outcome,
    *,
    live: bool,
) -> None:
    """The loop that every event passes. ``live``: somebody may be waiting for what comes through a pipe."""
    note, concerns = outcome.note, Tally.CONCERNS
    write, flush, wants = writer.event, writer.flush, writer.wants
    try:
        for events in batches:
            for event in events:
                kind = event.__class__
                if kind in concerns:
                    note(event)
                if (wants is None or kind in wants) and (chosen is None or chosen(event)):
                    write(event)
            flush()
            if live:
                sys.stdout.flush()
    finally:
        writer.finish()


def _events(
    sources: list[FileSource], keys: KeyLog, schemas: Schemas | None, *, full: bool, progress: Progress
) -> Iterator[list[Event]]:
    from fieldkit.pipeline import Pipeline
    from fieldkit.sources.merge import read_merged, read_one

    if len(sources) == 1:
        pipeline = Pipeline(sources[0].name, keys=keys, schemas=schemas, full=full)
        return read_one(sources[0], pipeline, progress.step)

    def make(name: str, first: int) -> Pipeline:
        return Pipeline(name, keys=keys, schemas=schemas, full=full, first_connection=first)

    return read_merged(sources, make, progress.step)


def _keys(names: tuple[str, ...], sources: list[FileSource]) -> KeyLog:
    from fieldkit.sources.file import SourceError, read_keylog
    from fieldkit.wire.tlskeys import KeyLog

    # A pcapng may bring secrets along, somewhere in the middle: until then encrypted records are worth holding back.
    keys = KeyLog(expecting=bool(names) or any(source.may_hold_secrets for source in sources))
    found = sum(keys.add(read_keylog(name)) for name in names)
    if names and not found:
        raise SourceError(f"{', '.join(names)}: no TLS secrets in it (lines like CLIENT_RANDOM <hex> <hex>)")
    return keys


# -------------------------------------------------------------------------------------------------------- several cores


def _workers(sources: list[FileSource], form: str, jobs: int | None) -> int:
    if form != "trace" or len(sources) != 1 or jobs == 1:
        return 1
    from fieldkit.sources.parallel import suits

    return suits(sources[0], jobs)


class _TraceWorker:
    """What a worker process does: its share of the connections, as trace records."""

    def __init__(
        self, share: tuple[int, int], source: str, keys: KeyLog, validate: bool, chosen: Callable[[Event], bool] | None
    ) -> None:
        from fieldkit.events import OcppMessage
        from fieldkit.pipeline import Pipeline
        from fieldkit.reports.trace import TraceWriter

        self.pipeline = Pipeline(source, keys=keys, schemas=_schemas() if validate else None, full=False, share=share)
        self._first = share[0] == 0
        self._chosen = chosen
        self._outcome = Outcome(quiet=True)
        self._message = OcppMessage
        self._concerns = Tally.CONCERNS - {OcppMessage}
        self._lines = TraceWriter(sys.stdout.buffer.write).lines

    def records(self, events: list[Event]) -> tuple[list[OcppMessage], list[bytes]]:
        chosen, kind, outcome = self._chosen, self._message, self._outcome
        messages = [event for event in events if event.__class__ is kind]
        outcome.tally.messages += len(messages)
        for event in events:
            # What belongs to no connection, or to one on which nothing was said, is seen by all workers; one tells.
            if event.__class__ in self._concerns and (
                self._first
                or (getattr(event, "connection", None) is not None and getattr(event, "how", "") not in FAILED)
            ):
                outcome.note(event)
        if chosen is not None:
            messages = [message for message in messages if chosen(message)]
        return messages, [line.encode("utf-8", "replace") for line in self._lines(messages)]

    def report(self) -> Tally:
        return self._outcome.tally


def _decode_parallel(
    source: FileSource,
    workers: int,
    keys: KeyLog,
    validate: bool,
    chosen: Callable[[Event], bool] | None,
    outcome: Outcome,
    progress: Progress,
) -> None:
    from fieldkit.sources.parallel import decode_parallel

    def make(number: int) -> _TraceWorker:
        return _TraceWorker((number, workers), source.name, keys, validate, chosen)

    write = sys.stdout.buffer.write
    for tally in decode_parallel(source, workers, make, write, progress.step):
        outcome.tally.add(tally)


# ------------------------------------------------------------------------------------------------------------ options


def _schemas() -> Schemas:
    from fieldkit import schemastore
    from fieldkit.ocpp.schema import Schemas

    if not schemastore.available():
        click.echo("fieldkit: the Python package 'ocpp' is not installed: payloads are not validated", err=True)
    return Schemas(schemastore.load)


def _writer(form: str, *, utc: bool, show_ids: bool, color: str, verbose: bool) -> _Writer:
    if form == "text":
        from fieldkit.cli.terminal import wants_color
        from fieldkit.reports.lines import LineWriter

        return LineWriter(
            sys.stdout.write, utc=utc, color=wants_color(color, sys.stdout), show_ids=show_ids, verbose=verbose
        )
    if form == "trace":
        from fieldkit.reports.trace import TraceWriter

        return TraceWriter(sys.stdout.buffer.write)
    from fieldkit.reports.eventlog import EventWriter

    return EventWriter(sys.stdout.buffer.write)


def _compile_filter(text: str | None, *, utc: bool) -> Callable[[Event], bool] | None:
    """Does the filter let an event through? Only messages are judged; what surrounds them is left out."""
    if not text:
        return None
    from datetime import datetime

    from fieldkit.events import OcppMessage
    from fieldkit.query import FilterError, compile_filter

    # A clock time in the filter means the clock that the output shows.
    local = datetime.now().astimezone().utcoffset()
    try:
        found: Filter = compile_filter(
            text, utc_offset_seconds=0 if utc or local is None else int(local.total_seconds())
        )
    except FilterError as error:
        raise click.UsageError(str(error)) from error
    matches = found.matches
    return lambda event: event.__class__ is OcppMessage and matches(event)


def _utc_offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    import re

    match = re.fullmatch(r"([-+−]?)(\d{1,2})(?::?(\d\d))?", zone.strip())
    if zone.strip().upper() in ("Z", "UTC"):
        return 0
    if match is None or int(match[2]) > 14 or int(match[3] or 0) > 59:
        raise click.UsageError(f"--zone {zone}: give an offset from UTC such as +02:00")
    seconds = int(match[2]) * 3600 + int(match[3] or 0) * 60
    return -seconds if match[1] in ("-", "−") else seconds
