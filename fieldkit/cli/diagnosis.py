"""From opened sources to a finished session: the run that ``report`` and ``demo`` share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fieldkit.cli.decode import _events, _keys, _schemas
from fieldkit.cli.outcome import Outcome
from fieldkit.cli.progress import Progress
from fieldkit.events import DecodeError, Event, LoggedFrame, OcppMessage, PacketBatch
from fieldkit.reports.annotated import source_of
from fieldkit.sources.file import FileSource, Item, SourceError

if TYPE_CHECKING:
    from fieldkit.session import Session


class Source(FileSource):
    """A source that remembers what passed."""

    first = 0
    """Time of its first packet or frame …"""
    last = 0
    """… and of its last."""
    packets = 0

    def items(self) -> Iterator[Item]:
        """The same, counted."""
        for item in super().items():
            if isinstance(item, PacketBatch):
                self.packets += len(item.starts)
                self._seen(item.layout.time(item.buffer, item.starts[0]))
                self._seen(item.layout.time(item.buffer, item.starts[-1]))
            elif isinstance(item, LoggedFrame) and item.time is not None:
                self._seen(item.time)
            yield item

    def _seen(self, time: int) -> None:
        if time > 0:
            self.first = min(self.first, time) if self.first else time
            self.last = max(self.last, time)


class VisibleProgress(Progress):
    """A report comes when all is read: until then the terminal is free, whatever standard output is."""

    def __init__(self, sources: list[FileSource], *, quiet: bool) -> None:
        super().__init__(sources)
        self._active = sys.stderr.isatty() and not quiet


class Sources:
    """The sources of one run."""

    def __init__(self, names: tuple[str, ...], *, utc_offset: int | None, outcome: Outcome) -> None:
        self.opened: list[Source] = []
        self.names: tuple[str, ...] = names
        for name in names:
            try:
                self.opened.append(Source(name, utc_offset=utc_offset))
            except SourceError as error:
                outcome.unusable(str(error))

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
    sources: Sources, session: Session, outcome: Outcome, *, keylog: tuple[str, ...], quiet: bool, validate: bool = True
) -> None:
    """Read it all; afterwards the session is finished."""
    outcome.tally = session.tally
    opened: list[FileSource] = [*sources.opened]
    live = any(not source.size for source in opened)
    try:
        keys = _keys(keylog, opened)
        schemas = _schemas() if validate else None
        with VisibleProgress(opened, quiet=quiet) as progress:
            for events in _events(opened, keys, schemas, full=False, progress=progress):
                session.feed(events)
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
