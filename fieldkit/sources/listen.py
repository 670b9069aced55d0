"""The loop over live sources: what comes in is recorded, decoded and handed on, and nothing waits for anything else.

    listener = Listener(sources, pipeline, recording)
    for events in listener.batches(stop=lambda: interrupted):
        session.feed(events)

A batch comes at least once a second, perhaps an empty one, so that whoever listens can show that time passes.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from fieldkit.events import Event, PacketBatch
from fieldkit.pipeline import Pipeline
from fieldkit.sources.file import Item
from fieldkit.sources.live import LiveSource
from fieldkit.sources.merge import feed
from fieldkit.sources.recording import Recording, RecordingError

_TICK: Final = 1.0
"""Seconds between looks at counters and lost sources."""
_PATIENCE: Final = 0.1
"""Seconds that are waited at most: sources whose descriptor changed are noticed after as much."""


class Listener:
    """Reads live sources until told to stop, or until none has anything more to give."""

    def __init__(
        self,
        sources: Sequence[LiveSource],
        pipeline: Pipeline,
        recording: Recording | None = None,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.sources = list(sources)
        self.recording_failed = ""
        """Why the recording ended early; decoding goes on without it."""
        self.failed: dict[str, str] = {}
        """Sources that ended for a reason, and the reason."""
        self._pipeline = pipeline
        self._recording = recording
        self._clock = clock
        self._interfaces: dict[tuple[str, int], int] = {}
        self._selector = selectors.DefaultSelector()
        self._registered: dict[int, LiveSource] = {}

    def batches(self, stop: Callable[[], bool]) -> Iterator[list[Event]]:
        """Events as they come; the sources are closed and the pipeline is finished at the end."""
        due = 0.0
        try:
            while self.sources and not stop():
                self._watch()
                self._selector.select(_PATIENCE)
                events: list[Event] = []
                for source in self.sources:
                    events += self._take(source, source.read())
                now = time.monotonic()
                if now >= due:
                    due = now + _TICK
                    events += self._tick()
                    yield events
                elif events:
                    yield events
            final: list[Event] = []
            for source in self.sources:
                final += self._take(source, [*source.read(), *source.tick(self._clock())])
            yield final + self._pipeline.finish()
        finally:
            self.close()

    def close(self) -> None:
        """Stop all sources and end the recording; harmless when done already."""
        for source in self.sources:
            self._count(source)
            source.close()
        self.sources = []
        self._selector.close()
        if self._recording is not None:
            self._recording.close()
            self._recording = None

    def _watch(self) -> None:
        """Sources may change what they are waited for by: a lost connection, a new ring."""
        wanted = {source.fileno(): source for source in self.sources if source.fileno() >= 0}
        for number in self._registered.keys() - wanted.keys():
            self._selector.unregister(number)
        for number in wanted.keys() - self._registered.keys():
            self._selector.register(number, selectors.EVENT_READ)
        self._registered = wanted

    def _tick(self) -> list[Event]:
        events: list[Event] = []
        for source in tuple(self.sources):
            events += self._take(source, source.tick(self._clock()))
            why = source.ended()
            if why is not None:
                events += self._take(source, source.read())
                if why:
                    self.failed[source.name] = why
                self._count(source)
                source.close()
                self.sources.remove(source)
        return events

    def _take(self, source: LiveSource, items: Sequence[Item]) -> list[Event]:
        events: list[Event] = []
        for item in items:
            if isinstance(item, PacketBatch) and self._recording is not None:
                self._record(source, item)
            events += feed(self._pipeline, item)
        return events

    def _record(self, source: LiveSource, batch: PacketBatch) -> None:
        assert self._recording is not None
        key = (source.name, batch.linktype)
        try:
            if key not in self._interfaces:
                self._interfaces[key] = self._recording.add_interface(source.name, batch.linktype)
            self._recording.write(batch, self._interfaces[key])
        except RecordingError as error:
            self._give_up_recording(error)

    def _count(self, source: LiveSource) -> None:
        """The closing statistics of a source, which capinfos and Wireshark show."""
        if self._recording is None:
            return
        received, dropped = source.counters()
        for (name, _), number in self._interfaces.items():
            if name == source.name and self._recording is not None:
                try:
                    self._recording.statistics(number, self._clock(), received, dropped)
                except RecordingError as error:
                    self._give_up_recording(error)

    def _give_up_recording(self, error: RecordingError) -> None:
        self.recording_failed = str(error)
        if self._recording is not None:
            self._recording.close()
            self._recording = None
