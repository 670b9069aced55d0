"""What a source is to the engine: batches of events until there are no more, and what it knows of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fieldkit.events import Event, LoggedFrame, PacketBatch
from fieldkit.sources.file import FileSource, Item, SourceError

if TYPE_CHECKING:
    from fieldkit.ocpp.schema import Schemas
    from fieldkit.pipeline import Pipeline
    from fieldkit.reports.model import SourceRead
    from fieldkit.sources.listen import Listener
    from fieldkit.sources.recording import Recording
    from fieldkit.wire.tlskeys import KeyLog

DEMO = "demo"
"""Names the recorded site that comes with fieldkit."""


class Feed(Protocol):
    """Where events come from."""

    name: str
    """As the status line has it."""
    live: bool
    """It happens now, and goes on until it is stopped."""

    @property
    def packets(self) -> int: ...

    @property
    def dropped(self) -> int:
        """Packets that came and could not be taken."""

    @property
    def progress(self) -> float | None:
        """How much is read, from 0 to 1; None where nobody knows how much there is."""

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong so far, in sentences."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how it runs."""

    @property
    def sources(self) -> Sequence[SourceRead]:
        """For a report."""

    @property
    def recorded(self) -> Path | None:
        """The file that packets are being saved to."""

    def batches(self, keys: KeyLog, schemas: Schemas | None, stop: Callable[[], bool]) -> Iterator[list[Event]]:
        """The events; ends early when ``stop`` says so."""

    def close(self) -> None:
        """Let go of everything; harmless when done already."""


class CountedSource(FileSource):
    """A file that remembers what passed."""

    def __init__(self, name: str, *, utc_offset: int | None = None) -> None:
        self.first = 0
        """Time of its first packet or frame …"""
        self.last = 0
        """… and of its last."""
        self.packets = 0
        super().__init__(name, utc_offset=utc_offset)

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


class FileFeed:
    """Captures and logs, merged by time."""

    live = False
    dropped = 0
    notes: tuple[str, ...] = ()
    recorded: Path | None = None

    def __init__(self, names: Sequence[str], *, utc_offset: int | None = None) -> None:
        """Those that cannot be opened are ``failures``; SourceError when that goes for all of them."""
        self.names = tuple(names)
        self.utc_offset = utc_offset
        """What it was opened with, to open it again."""
        self.sources: list[CountedSource] = []
        self._failures: list[str] = []
        for name in names:
            try:
                self.sources.append(_opened(name, utc_offset))
            except SourceError as error:
                self._failures.append(str(error))
        if not self.sources:
            raise SourceError("; ".join(self._failures) or "name a capture, a log or an interface")
        shown = [Path(source.name).name for source in self.sources]
        self.name = shown[0] if len(shown) == 1 else f"{shown[0]} +{len(shown) - 1}"

    @property
    def packets(self) -> int:
        return sum(source.packets for source in self.sources)

    @property
    def progress(self) -> float | None:
        size = sum(source.size for source in self.sources)
        if not all(source.size for source in self.sources):
            return None
        return min(sum(source.read for source in self.sources) / size, 1.0)

    @property
    def failures(self) -> tuple[str, ...]:
        return tuple(self._failures)

    def batches(self, keys: KeyLog, schemas: Schemas | None, stop: Callable[[], bool]) -> Iterator[list[Event]]:
        from fieldkit.pipeline import Pipeline
        from fieldkit.sources.merge import read_merged, read_one

        def make(name: str, first: int) -> Pipeline:
            return Pipeline(name, keys=keys, schemas=schemas, full=False, first_connection=first)

        if len(self.sources) == 1:
            found = read_one(self.sources[0], make(self.sources[0].name, 1), lambda: None)
        else:
            found = read_merged([*self.sources], make, lambda: None)
        try:
            for events in found:
                if stop():
                    return
                yield events
        except SourceError as error:
            self._failures.append(str(error))

    def close(self) -> None:
        for source in self.sources:
            source.close()


class LiveFeed:
    """Interfaces, routers, mirrored packets: as they come, recorded if a file is given."""

    live = True
    progress = None

    def __init__(self, names: Sequence[str], *, record: Path | None = None) -> None:
        """SourceError when one of them cannot be captured."""
        from fieldkit.sources.afpacket import FrameNumbers
        from fieldkit.sources.opening import Wishes, open_sources
        from fieldkit.sources.recording import Recording, RecordingError

        self._opened = open_sources(names, Wishes(), FrameNumbers())
        self._names = [source.name for source in self._opened.sources]
        self.name = ", ".join(self._names)
        self.recorded = record
        self._recording: Recording | None = None
        if record is not None:
            try:
                record.parent.mkdir(parents=True, exist_ok=True)
                self._recording = Recording(record)
            except (RecordingError, OSError) as error:
                self._opened.close()
                raise SourceError(f"{record}: it cannot be written: {error}") from error
        self._listener: Listener | None = None

    @property
    def packets(self) -> int:
        return self._listener.packets if self._listener is not None else 0

    @property
    def dropped(self) -> int:
        return self._listener.dropped if self._listener is not None else 0

    @property
    def failures(self) -> tuple[str, ...]:
        listener = self._listener
        if listener is None:
            return ()
        failed = [why if why.startswith(name) else f"{name}: {why}" for name, why in listener.failed.items()]
        return (*failed, *filter(None, (listener.recording_failed,)))

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._opened.notes)

    @property
    def sources(self) -> Sequence[SourceRead]:
        return [_Heard(name, self) for name in self._names]

    @property
    def bytes(self) -> int:
        """That have come."""
        return self._listener.bytes if self._listener is not None else 0

    def batches(self, keys: KeyLog, schemas: Schemas | None, stop: Callable[[], bool]) -> Iterator[list[Event]]:
        from fieldkit.pipeline import Pipeline
        from fieldkit.sources.listen import Listener

        name = str(self.recorded) if self.recorded is not None else self.name
        pipeline = Pipeline(name, keys=keys, schemas=schemas, full=False)
        self._listener = Listener(self._opened.sources, pipeline, self._recording, more=self._opened.more)
        yield from self._listener.batches(stop)

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._opened.close()


class _Heard:
    """What a report says of a source that was listened to."""

    is_log = False

    def __init__(self, name: str, feed: LiveFeed) -> None:
        self.name = name
        self._feed = feed

    @property
    def read(self) -> int:
        return self._feed.bytes


def open_feed(names: Sequence[str], *, utc_offset: int | None = None, record: Path | None = None) -> Feed:
    """What the user named: files, or live sources. SourceError when it is neither, or cannot be used."""
    live = [name for name in names if is_live(name)]
    if live and len(live) < len(names):
        raise SourceError(f"{live[0]} is live and the others are files: watch one kind at a time")
    if any(name.startswith("proxy://") for name in live):
        from fieldkit.tui.proxyfeed import ProxyFeed

        if len(live) > 1:
            raise SourceError("a proxy is watched alone")
        return ProxyFeed(live[0], record=record)
    return LiveFeed(names, record=record) if live else FileFeed(names, utc_offset=utc_offset)


def is_live(name: str) -> bool:
    """Whether a source is something to listen to, and not a file."""
    if name == DEMO or Path(name).exists():
        return False
    if "://" in name or name == "any":
        return True
    from fieldkit.sources.interface import interfaces

    return name in interfaces()


def _opened(name: str, utc_offset: int | None) -> CountedSource:
    if name != DEMO or Path(name).exists():
        return CountedSource(name, utc_offset=utc_offset)
    from importlib.resources import as_file, files

    with as_file(files("fieldkit") / "demo" / "site.pcapng.gz") as path:
        source = CountedSource(str(path))
    source.name = "the recorded site"
    return source
