"""The loop over live sources: what comes in is recorded, decoded and handed on, and nothing waits for anything else.

    listener = Listener(sources, pipeline, recording)
    for events in listener.batches(stop=lambda: interrupted):
        session.feed(events)

A batch comes at least once a second, perhaps an empty one, so that whoever listens can show that time passes. With a
recording, frame numbers are those of the file that the packets are in: what is said of a live capture is what is said
of its files afterwards.

Packets are recorded when they come and decoded when there is time: what diagnosing a burst costs is not paid by the
recording. What waits to be decoded is bounded, and what finds no room there is told as skipped. Where nothing is
recorded, the source waits instead: a pipe then delivers a whole capture, however large, and loses nothing.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from fieldkit.events import CaptureDropped, Event, PacketBatch
from fieldkit.pipeline import Pipeline
from fieldkit.sources.file import Item
from fieldkit.sources.live import Distant, LiveSource
from fieldkit.sources.merge import feed
from fieldkit.sources.recording import Recording, RecordingError

_TICK: Final = 1.0
"""Seconds between looks at counters and lost sources."""
_PATIENCE: Final = 0.1
"""Seconds that are waited at most: sources whose descriptor changed are noticed after as much."""
_BREATH: Final = 0.02
"""Seconds of rest after a source said that it had something and had nothing: an interface that is down does."""
_TURN: Final = 0.005
"""Seconds of decoding at a time while more comes in: a ring holds several times as much."""
WAITING: Final = 32 << 20
"""Bytes of packets that may wait to be decoded."""
SKIPPED: Final = "diagnosis"
"""In the place of an interface: packets that were taken (and recorded) but came too fast to be decoded."""
_LINGER: Final = 0.1
"""Seconds that are still listened when it is time to stop: the kernel holds packets back for half as long."""


class Listener:
    """Reads live sources until told to stop, or until none has anything more to give."""

    def __init__(
        self,
        sources: Sequence[LiveSource],
        pipeline: Pipeline | None,
        recording: Recording | None = None,
        *,
        limit: int = 0,
        more: Callable[[], Sequence[LiveSource]] = tuple,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Without a ``pipeline`` nothing is decoded: packets are recorded, and what sources say is handed on.

        ``limit`` is a number of packets (0: none). ``more`` is asked once a second for sources that have come up.
        """
        self.sources = list(sources)
        self.packets = 0
        """That have come."""
        self.bytes = 0
        self.first = 0
        """Time of the first packet …"""
        self.last = 0
        """… and of the latest."""
        self.received = 0
        """What the sources themselves counted: packets that passed the filter …"""
        self.dropped = 0
        """… and of these, packets that were lost."""
        self.skipped = 0
        """Packets that were taken but not decoded: they came too fast."""
        self.recording_failed = ""
        """Why the recording ended early; decoding goes on without it."""
        self.failed: dict[str, str] = {}
        """Sources that ended for a reason, and the reason."""
        self.unreachable: set[str] = set()
        """Of these, those that were not let in where the packets are."""
        self.stillborn: set[str] = set()
        """Of these, those that never gave a packet."""
        self._pipeline = pipeline
        self._recording = recording
        self._limit = limit
        self._more = more
        self._clock = clock
        self._interfaces: dict[tuple[str, int], int] = {}
        self._gone = (0, 0)  # counted by sources that have ended
        self._waiting: deque[tuple[str, Item]] = deque()
        """What is to be decoded, in the order in which it came, packets with the file they are in."""
        self._waiting_bytes = 0
        self._unrecorded = ""  # what evidence is named by when it is in no file any more
        # Asked anew each time: a descriptor that was closed and opened again would be lost to epoll.
        self._selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
        self._registered: set[int] = set()

    @property
    def full(self) -> bool:
        """As many packets have come as were asked for."""
        return 0 < self._limit <= self.packets

    def batches(self, stop: Callable[[], bool]) -> Iterator[list[Event]]:
        """Events as they come; the sources are closed and the pipeline is finished at the end."""
        due = 0.0
        try:
            while self.sources and not self.full and not stop():
                ready = self._wait(0 if self._waiting else _PATIENCE)
                came = self._round()
                now = time.monotonic()
                if now >= due:
                    due = now + _TICK
                    self._tick()
                    yield self._decoded(_TURN)
                elif self._waiting:
                    yield self._decoded(_TURN)
                if ready and not came:
                    if any(source.ended() is not None for source in self.sources):
                        due = 0.0
                    else:
                        time.sleep(_BREATH)
            self._last_words()
            while self._waiting:
                yield self._decoded(_TICK)
            yield self._pipeline.finish() if self._pipeline is not None else []
        finally:
            self.close()

    def close(self) -> None:
        """Stop all sources and end the recording; harmless when done already."""
        for source in self.sources:
            self._count(source)
            source.close()
        self.sources = []
        self._selector.close()
        self._end_recording()

    def record(self, recording: Recording | None) -> None:
        """From now on packets are recorded there; what was recorded so far is ended, and no packet is missed."""
        self._end_recording()
        self._recording = recording
        self.recording_failed = ""
        self._interfaces.clear()

    def decode(self, pipeline: Pipeline) -> None:
        """Begin anew with another pipeline: also for what has come and waits. The one so far is not finished."""
        self._pipeline = pipeline

    # ----------------------------------------------------------------------------------------------------------- loop

    def _wait(self, seconds: float) -> bool:
        """Until a source has something; whether one says so. What there is to wait for may change at any time."""
        wanted = {source.fileno() for source in self.sources} - {-1}
        for number in self._registered - wanted:
            self._selector.unregister(number)
        for number in wanted - self._registered:
            self._selector.register(number, selectors.EVENT_READ)
        self._registered = wanted
        if not wanted:
            time.sleep(seconds)
            return False
        return bool(self._selector.select(seconds))

    def _round(self) -> bool:
        if self._recording is None and self._waiting_bytes > WAITING:
            return True  # nobody records: what is not taken now waits where it is, or is dropped and counted there
        came = False
        for source in self.sources:
            items = source.read()
            came = came or bool(items)
            self._take(source, items)
        return came

    def _tick(self) -> None:
        for source in tuple(self.sources):
            self._take(source, source.tick(self._clock()))
            why = source.ended()
            if why is not None:
                self._take(source, source.read())
                if why:
                    self.failed[source.name] = why
                    if getattr(source, "unreachable", False):
                        self.unreachable.add(source.name)
                self._count(source)
                received, dropped = source.counters()
                if why and not received:
                    self.stillborn.add(source.name)
                self._gone = (self._gone[0] + received, self._gone[1] + dropped)
                source.close()
                self.sources.remove(source)
            else:
                self._count(source)
        self.sources += self._more()
        counts = [self._gone, *(source.counters() for source in self.sources)]
        self.received, self.dropped = sum(one for one, _ in counts), sum(one for _, one in counts)

    def _last_words(self) -> None:
        ends = time.monotonic() + _LINGER
        while self.sources and not self.full and (left := ends - time.monotonic()) > 0:
            self._wait(left)
            self._round()
            time.sleep(min(_BREATH, max(left, 0)))
        for source in self.sources:
            if isinstance(source, Distant) and not self.full:
                self._take(source, source.stop())
        self._tick()

    # ---------------------------------------------------------------------------------------------------------- items

    def _take(self, source: LiveSource, items: Sequence[Item]) -> None:
        """Record what has come, and have it decoded."""
        for item in items:
            if not isinstance(item, PacketBatch):
                self._waiting.append(("", item))
                continue
            batch = self._within_limit(item)
            if not batch.starts:
                continue
            self._note(batch)
            pieces = self._recorded(source, batch)
            if self._pipeline is not None:
                self._waiting += pieces
                self._waiting_bytes += len(batch.buffer) * len(pieces)
        while self._waiting_bytes > WAITING and self._recording is not None:
            self._skip()

    def _skip(self) -> None:
        """Give up the packets that have waited longest: in their place stands that there were some."""
        for place, (_, item) in enumerate(self._waiting):
            if isinstance(item, PacketBatch):
                self._waiting_bytes -= len(item.buffer)
                self.skipped += len(item.starts)
                time_ = item.layout.time(item.buffer, item.starts[0])
                self._waiting[place] = ("", CaptureDropped(time_, (), SKIPPED, len(item.starts)))
                return

    def _decoded(self, seconds: float) -> list[Event]:
        """Events of what has waited longest, for so long."""
        events: list[Event] = []
        ends = time.monotonic() + seconds
        while self._waiting:
            name, item = self._waiting.popleft()
            if self._pipeline is None:
                events.append(item)  # type: ignore[arg-type]  # packets do not wait where nothing is decoded
                continue
            if isinstance(item, PacketBatch):
                self._waiting_bytes -= len(item.buffer)
                if name and name != self._pipeline.source:
                    self._pipeline.rename(name)
            events += feed(self._pipeline, item)
            if time.monotonic() >= ends:
                break
        return events

    def _within_limit(self, batch: PacketBatch) -> PacketBatch:
        left = self._limit - self.packets
        if not self._limit or left >= len(batch.starts):
            return batch
        return replace(batch, starts=batch.starts[:left], ends=batch.ends[:left])

    def _note(self, batch: PacketBatch) -> None:
        self.packets += len(batch.starts)
        self.bytes += sum(batch.ends) - sum(batch.starts)
        self.last = batch.layout.time(batch.buffer, batch.starts[-1])
        if not self.first:
            self.first = batch.layout.time(batch.buffer, batch.starts[0])

    def _recorded(self, source: LiveSource, batch: PacketBatch) -> list[tuple[str, Item]]:
        """The batch as it stands in the files, or as it came."""
        if self._recording is None:
            return [(self._unrecorded, batch)]
        key = (source.name, batch.linktype)
        try:
            if key not in self._interfaces:
                self._interfaces[key] = self._recording.add_interface(source.name, batch.linktype)
            return [(str(path), piece) for path, piece in self._recording.write(batch, self._interfaces[key])]
        except RecordingError as error:
            self._give_up_recording(error)
            return [(self._unrecorded, batch)]

    # ------------------------------------------------------------------------------------------------------ recording

    def _count(self, source: LiveSource) -> None:
        """What was received and dropped goes into the recording too."""
        received, dropped = source.counters()
        for (name, _), number in self._interfaces.items():
            if name == source.name and self._recording is not None:
                try:
                    self._recording.count(number, self._clock(), received, dropped)
                except RecordingError as error:
                    self._give_up_recording(error)

    def _give_up_recording(self, error: RecordingError) -> None:
        self.recording_failed = str(error)
        self._unrecorded = ", ".join(source.name for source in self.sources)
        self._end_recording()

    def _end_recording(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            try:
                recording.close()
            except RecordingError as error:
                self.recording_failed = self.recording_failed or str(error)
