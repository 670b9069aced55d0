"""From opened sources to a finished session: the run that ``report`` and ``demo`` share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from fieldkit.cli import reading
from fieldkit.cli.outcome import Outcome
from fieldkit.cli.progress import Progress
from fieldkit.cli.reading import Source as Source
from fieldkit.events import DecodeError, Event, OcppMessage
from fieldkit.reports.annotated import source_of
from fieldkit.sources.file import FileSource, SourceError

if TYPE_CHECKING:
    from fieldkit.plugins.decoding import Decoding
    from fieldkit.session import Session


class VisibleProgress(Progress):
    """A report comes when all is read: until then the terminal is free, whatever standard output is."""

    def __init__(self, sources: Sequence[FileSource], *, quiet: bool) -> None:
        super().__init__(sources)
        self._active = sys.stderr.isatty() and not quiet


class Sources:
    """The sources of one run."""

    def __init__(self, names: tuple[str, ...], *, utc_offset: int | None, outcome: Outcome) -> None:
        self.opened: list[Source] = reading.opened(names, utc_offset, outcome)
        self.names: tuple[str, ...] = names

    def close(self) -> None:
        for source in self.opened:
            source.close()

    def again(self) -> Iterator[FileSource]:
        """The captures among them, opened once more and in the order of their packets."""
        for source in sorted(self.opened, key=lambda source: source.first):
            if not source.is_log and source.name != "stdin":
                yield FileSource(source.name)

    def locate(self, event: Event) -> str:
        """The source that an event's frames are in.

        A connection goes on in the next file of a ring and still says in which it began; then time tells.
        """
        name = source_of(event)
        if len(self.opened) < 2 or isinstance(event, OcppMessage) or hasattr(event, "call") or hasattr(event, "answer"):
            return name
        known = next((source for source in self.opened if source.name == name), None)
        if known is not None and known.first <= event.time <= known.last:
            return name
        holding = (source.name for source in self.opened if source.first <= event.time <= source.last)
        return next(holding, name)


def run(
    sources: Sources,
    session: Session,
    outcome: Outcome,
    *,
    keylog: tuple[str, ...],
    quiet: bool,
    validate: bool = True,
    decoding: Decoding | None = None,
    beside: Callable[[Iterator[list[Event]]], Iterator[list[Event]]] | None = None,
) -> None:
    """Read it all; afterwards the session is finished. ``decoding``: by plugins, besides. ``beside``: puts what was
    recorded elsewhere between the events."""
    outcome.tally = session.tally
    opened = sources.opened
    live = any(not source.size for source in opened)
    try:
        keys = reading.keys(keylog, opened)
        schemas = reading.schemas() if validate else None
        with VisibleProgress(opened, quiet=quiet) as progress:
            found = reading.events_ahead(opened, keys, schemas, full=False, progress=progress)
            for events in beside(found) if beside else found:
                session.feed(decoding.through(events) if decoding else events)
    except SourceError as error:
        outcome.unusable(str(error))
    except KeyboardInterrupt:
        if not live:
            raise
        # Ctrl-C is how one ends `tcpdump … | fieldkit report -`: what has come so far is the capture.
        reason = "reading was interrupted: what came later is not in the report"
        session.feed([DecodeError(session.picture.time, (), None, "source", reason, b"", 0)])
    session.packets = sum(source.packets for source in sources.opened)
    session.finish()
    reading.concluded(sources.opened, outcome)
    if session.tally.nothing and not session.packets and not session.tally.damaged:
        for source in sources.opened:
            if not source.is_log:
                outcome.unusable(f"{source.name}: there are no packets in this capture")
