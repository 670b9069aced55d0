"""``fieldkit decode``: from captures and logs to OCPP messages on standard output."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, Protocol

import click

from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.outcome import Outcome
from fieldkit.cli.progress import Progress
from fieldkit.tally import FAILED, Tally

if TYPE_CHECKING:
    from fieldkit.events import Event, OcppMessage, PluginFailed
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
@options.expression("Only messages that match")
@options.keylog
@options.validate
@options.zone
@options.plugin
@click.option("--utc", is_flag=True, help="Show times in UTC instead of local time.")
@click.option("--show-ids", is_flag=True, help="Show id tokens in full (text; they are masked otherwise).")
@options.color
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Processes for a large capture (trace only; default: one a core).",
)
@options.configured
@options.quiet
@click.option("-v", "--verbose", is_flag=True, help="Show more: pings, retransmissions, connections that are not OCPP.")
def command(
    sources: tuple[str, ...],
    form: str,
    filter_text: str | None,
    keylog: tuple[str, ...],
    validate: bool,
    zone: str | None,
    plugins: tuple[str, ...],
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
    from fieldkit.cli import reading
    from fieldkit.sources.file import SourceError

    chosen = reading.compile_filter(filter_text, utc=utc)
    offset = reading.utc_offset(zone)
    # Decoding makes many small objects and hardly any cycles: let the collector look less often.
    gc.set_threshold(100_000, 50, 50)
    outcome = Outcome(quiet=quiet)
    decoders = _Decoders(plugins, form) if plugins else None
    opened = reading.opened(sources, offset, outcome)
    if not opened:
        return outcome.exit_code()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an arrow is no reason to give up on a terminal that has none
    try:
        keys = reading.keys(keylog, opened)
        workers = _workers(opened, form, 1 if decoders else jobs)
        with Progress(opened) as progress:
            if workers > 1:
                _decode_parallel(opened[0], workers, keys, validate, chosen, outcome, progress)
            else:
                writer = _writer(form, utc=utc, show_ids=show_ids, color=color, verbose=verbose)
                schemas = reading.schemas() if validate else None
                events = reading.events(opened, keys, schemas, full=form == "events", progress=progress)
                if decoders is not None:
                    events = decoders.through(events)
                _write(events, writer, chosen, outcome, live=any(not source.size for source in opened))
    except SourceError as error:
        outcome.unusable(str(error))
    finally:
        for source in opened:
            source.close()
    sys.stdout.flush()
    reading.concluded(opened, outcome)
    outcome.conclude(opened)
    status = outcome.exit_code()
    return ExitCode.INCOMPLETE if decoders is not None and decoders.failed and status is ExitCode.OK else status


class _Decoders:
    """Those of plugins, and what became of them."""

    def __init__(self, plugins: tuple[str, ...], form: str) -> None:
        from fieldkit.cli.plugged import Plugged

        started: list[PluginFailed] = []
        self.failed: set[str] = set()
        self._decoding = Plugged(plugins, ()).begin(started)
        if not self._decoding and not started:
            raise click.UsageError("--plugin: none of them is a decoder; the other kinds go with fieldkit report")
        self._tell(started)
        if form != "events":
            click.echo("fieldkit: what plugins read is shown with --format events", err=True)

    def through(self, batches: Iterable[list[Event]]) -> Iterator[list[Event]]:
        """With what they read where they read it."""
        from fieldkit.events import PluginFailed

        for events in batches:
            found = self._decoding.through(events)
            if len(found) != len(events):
                self._tell([event for event in found if isinstance(event, PluginFailed)])
            yield found

    def _tell(self, failed: list[PluginFailed]) -> None:
        from fieldkit.safetext import terminal

        for one in failed:
            if one.plugin not in self.failed:
                self.failed.add(one.plugin)
                click.echo(f"fieldkit: plugin {terminal(one.plugin)}: {terminal(one.reason, 300)}", err=True)


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


# -------------------------------------------------------------------------------------------------------- several cores


def _workers(sources: Sequence[FileSource], form: str, jobs: int | None) -> int:
    if form != "trace" or len(sources) != 1 or jobs == 1:
        return 1
    from fieldkit.sources.parallel import suits

    return suits(sources[0], jobs)


class _TraceWorker:
    """What a worker process does: its share of the connections, as trace records."""

    def __init__(
        self, share: tuple[int, int], source: str, keys: KeyLog, validate: bool, chosen: Callable[[Event], bool] | None
    ) -> None:
        from fieldkit.cli import reading
        from fieldkit.events import OcppMessage
        from fieldkit.pipeline import Pipeline
        from fieldkit.reports.trace import TraceWriter

        self.pipeline = Pipeline(
            source, keys=keys, schemas=reading.schemas() if validate else None, full=False, share=share
        )
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
