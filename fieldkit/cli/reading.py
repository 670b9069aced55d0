"""What stands between the names on a command line and the engine: opened sources, keys, schemas, events, a filter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

import click

from fieldkit.events import DecodeError, Event, LoggedFrame, OcppMessage, PacketBatch
from fieldkit.sources.file import FileSource, Item, SourceError, read_keylog

if TYPE_CHECKING:
    from fieldkit.cli.outcome import Outcome
    from fieldkit.cli.progress import Progress
    from fieldkit.ocpp.schema import Schemas
    from fieldkit.wire.tlskeys import KeyLog

_OWN_REPORT: Final = re.compile(
    rb'\s*(?:\{\s*"schema":\s*\d+,\s*"tool":\s*\{\s*"name":\s*"fieldkit"'
    rb"|<!doctype html>.{0,1500}fieldkit report</title>)",
    re.IGNORECASE | re.DOTALL,
)
"""A report quotes the messages that show its findings: read as a log it would be a strange site."""


class Source(FileSource):
    """A source that remembers what passed."""

    COUNTED: ClassVar = (*FileSource.COUNTED, "first", "last", "packets")
    first = 0
    """Time of its first packet or frame …"""
    last = 0
    """… and of its last."""
    packets = 0
    frames = 0
    """Of a log: what looks like OCPP."""
    among_others = False
    """There are several sources: what is said of this one names it."""

    def __init__(self, name: str, *, utc_offset: int | None = None) -> None:
        super().__init__(name, utc_offset=utc_offset)
        if _OWN_REPORT.match(self._head):
            self.close()
            raise SourceError(f"{self.name} is a report of fieldkit: give the capture or log that it was made from")

    def items(self) -> Iterator[Item]:
        """The same, counted."""
        for item in super().items():
            if isinstance(item, PacketBatch):
                self.packets += len(item.starts)
                self._seen(item.layout.time(item.buffer, item.starts[0]))
                self._seen(item.layout.time(item.buffer, item.starts[-1]))
            elif isinstance(item, LoggedFrame):
                self.frames += 1
                if item.time is not None:
                    self._seen(item.time)
            elif isinstance(item, DecodeError) and self.among_others:
                item = replace(item, reason=f"{self.name}: {item.reason}")
            yield item

    def _seen(self, time: int) -> None:
        if time > 0:
            self.first = min(self.first, time) if self.first else time
            self.last = max(self.last, time)


def opened(names: Sequence[str], utc_offset: int | None, outcome: Outcome) -> list[Source]:
    """Those sources that can be opened; the others are told."""
    found = []
    for name in names:
        try:
            found.append(Source(name, utc_offset=utc_offset))
        except SourceError as error:
            outcome.unusable(str(error))
    for source in found:
        source.among_others = len(names) > 1
    return found


def concluded(sources: Sequence[Source], outcome: Outcome) -> None:
    """When all is read: a text in which no message was found is no source, and is told as one that cannot be used."""
    for source in sources:
        if source.is_log and not source.frames:
            outcome.unusable(f"{source.name}: no OCPP messages were found in this text")


# ---------------------------------------------------------------------------------------------------------- decoding


def keys(names: Sequence[str], sources: Sequence[FileSource]) -> KeyLog:
    """The secrets of all key logs, ready for those that the sources bring along."""
    from fieldkit.wire.tlskeys import KeyLog

    # A pcapng may bring secrets along, somewhere in the middle: until then encrypted records are worth holding back.
    found = KeyLog(expecting=bool(names) or any(source.may_hold_secrets for source in sources))
    number = sum(found.add(read_keylog(name)) for name in names)
    if names and not number:
        raise SourceError(f"{', '.join(names)}: no TLS secrets in it (lines like CLIENT_RANDOM <hex> <hex>)")
    return found


def schemas() -> Schemas:
    """OCPP's, or a word on stderr that there are none."""
    from fieldkit import schemastore
    from fieldkit.ocpp.schema import Schemas

    if not schemastore.available():
        click.echo("fieldkit: the Python package 'ocpp' is not installed: payloads are not validated", err=True)
    return Schemas(schemastore.load)


def events(
    sources: Sequence[FileSource], keys: KeyLog, schemas: Schemas | None, *, full: bool, progress: Progress
) -> Iterator[list[Event]]:
    """What happened in all sources, in the order of time."""
    return _events(sources, keys, schemas, full, progress.step)


def events_ahead(
    sources: Sequence[FileSource], keys: KeyLog, schemas: Schemas | None, *, full: bool, progress: Progress
) -> Iterator[list[Event]]:
    """The same for somebody who takes long over them: of large captures decoded by a second process meanwhile."""
    from fieldkit.sources.ahead import read_ahead, suits

    if not suits(sources):
        return _events(sources, keys, schemas, full, progress.step)
    return read_ahead(partial(_events, sources, keys, schemas, full, lambda: None), sources, progress.step)


def _events(
    sources: Sequence[FileSource], keys: KeyLog, schemas: Schemas | None, full: bool, step: Callable[[], None]
) -> Iterator[list[Event]]:
    from fieldkit.pipeline import Pipeline
    from fieldkit.sources.merge import read_merged, read_one

    if len(sources) == 1:
        pipeline = Pipeline(sources[0].name, keys=keys, schemas=schemas, full=full)
        return read_one(sources[0], pipeline, step)

    def make(name: str, first: int) -> Pipeline:
        return Pipeline(name, keys=keys, schemas=schemas, full=full, first_connection=first)

    return read_merged(list(sources), make, step)


# ----------------------------------------------------------------------------------------------------------- options


def compile_filter(text: str | None, *, utc: bool) -> Callable[[Event], bool] | None:
    """Does the filter let an event through? Only messages are judged; what surrounds them is left out."""
    if text is None or not text.strip():
        return None
    from datetime import datetime

    from fieldkit.query import FilterError
    from fieldkit.query import compile_filter as compiled

    # A clock time in the filter means the clock that the output shows.
    local = datetime.now().astimezone().utcoffset()
    try:
        found = compiled(text, utc_offset_seconds=0 if utc or local is None else int(local.total_seconds()))
    except FilterError as error:
        raise click.UsageError(str(error)) from error
    matches = found.matches
    return lambda event: event.__class__ is OcppMessage and matches(event)


def utc_offset(zone: str | None) -> int | None:
    """``--zone`` in seconds east of UTC."""
    if zone is None:
        return None
    if zone.strip().upper() in ("Z", "UTC"):
        return 0
    match = re.fullmatch(r"([-+−]?)(\d{1,2})(?::?(\d\d))?", zone.strip())
    if match is None or int(match[2]) > 14 or int(match[3] or 0) > 59:
        raise click.UsageError(f"--zone {zone}: give an offset from UTC such as +02:00")
    seconds = int(match[2]) * 3600 + int(match[3] or 0) * 60
    return -seconds if match[1] in ("-", "−") else seconds
