"""Several sources, one story: their events in the order of time.

Sources that follow one another are pieces of one capture (a ring of files): the second takes over the first one's
pipeline, so that connections go on across the cut. Sources that overlap were taken at different places: each has its
own pipeline, and their events are merged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from fieldkit.events import Event, LoggedFrame, PacketBatch
from fieldkit.pipeline import Pipeline
from fieldkit.sources.file import FileSource, Item, Pause

_NEVER: Final = 1 << 80
MAX_OPENING: Final = 1024
"""Comments and key logs read ahead of the first packet."""
CONNECTIONS_PER_LANE: Final = 1_000_000
"""Connection numbers of overlapping sources must not collide."""


class _Lane:
    """One source being decoded, some way ahead of what was handed out."""

    def __init__(self, source: FileSource) -> None:
        self.source = source
        self.items = source.items()
        self.waiting: deque[Event] = deque()
        self.opening: deque[Item] = deque()
        """Read ahead to learn when the source begins: what stands before its first packet, and that packet."""
        self.begins = 0
        self.is_capture = False
        for item in islice(self.items, MAX_OPENING):
            self.opening.append(item)
            if isinstance(item, PacketBatch | LoggedFrame):
                self.begins, self.is_capture = _time_of(item), isinstance(item, PacketBatch)
                break
        self.pipeline: Pipeline | None = None
        self.last_time = 0
        self.exhausted = False

    @property
    def head(self) -> int:
        return self.waiting[0].time if self.waiting else _NEVER

    def advance(self) -> None:
        """Decode on until there is an event to hand out, or no more input."""
        while not self.waiting and not self.exhausted:
            item = self.opening.popleft() if self.opening else next(self.items, None)
            if item is None:
                self.exhausted = True
                return
            assert self.pipeline is not None
            self.last_time = max(self.last_time, _last_time_of(item))
            self.waiting.extend(feed(self.pipeline, item))

    def is_done(self) -> bool:
        """All its input is decoded and all events are handed out."""
        return self.exhausted and not self.waiting

    def take_over(self, earlier: _Lane) -> None:
        """Go on where an earlier piece of the same capture ended."""
        assert earlier.pipeline is not None
        self.pipeline, earlier.pipeline = earlier.pipeline, None
        self.pipeline.rename(self.source.name)
        self.advance()

    def finish(self) -> None:
        assert self.pipeline is not None
        self.waiting.extend(self.pipeline.finish())
        self.pipeline = None


def feed(pipeline: Pipeline, item: Item) -> list[Event]:
    """Hand one item to the entry of the pipeline that it belongs to."""
    if isinstance(item, LoggedFrame):
        return pipeline.feed_logged(item)
    if isinstance(item, Pause):
        return pipeline.pause()
    return pipeline.feed_packets(item)


def _time_of(item: Item) -> int:
    if isinstance(item, PacketBatch):
        return item.layout.time(item.buffer, item.starts[0]) if item.starts else 0
    return item.time or 0


def _last_time_of(item: Item) -> int:
    if isinstance(item, PacketBatch):
        return item.layout.time(item.buffer, item.starts[-1]) if item.starts else 0
    return item.time or 0


def read_one(source: FileSource, pipeline: Pipeline, progress: Callable[[], None]) -> Iterator[list[Event]]:
    """The events of a single source."""
    for item in source.items():
        yield feed(pipeline, item)
        progress()
    yield pipeline.finish()


def read_merged(
    sources: list[FileSource], make_pipeline: Callable[[str, int], Pipeline], progress: Callable[[], None]
) -> Iterator[list[Event]]:
    """The events of several sources. ``make_pipeline`` takes a source's name and its first connection number."""
    ahead = deque(sorted((_Lane(source) for source in sources), key=lambda lane: lane.begins))
    active: list[_Lane] = []
    lanes = 0
    while ahead or active:
        progress()
        for lane in list(active):
            lane.advance()
            if lane.is_done() and len(active) == 1:
                # Pieces of one capture; some may have nothing to tell.
                while lane.is_done() and ahead and _continues(lane, ahead[0]):
                    successor = ahead.popleft()
                    successor.take_over(lane)
                    active[0] = lane = successor
            if lane.is_done() and lane.pipeline is not None:
                lane.finish()
            if lane.is_done():
                active.remove(lane)
        earliest = min((lane.head for lane in active), default=_NEVER)
        if ahead and (not active or ahead[0].begins < earliest):
            lane = ahead.popleft()
            lane.pipeline = make_pipeline(lane.source.name, lanes * CONNECTIONS_PER_LANE + 1)
            lanes += 1
            active.append(lane)
            continue
        if active and earliest < _NEVER:
            yield _take(active, ahead[0].begins if ahead else _NEVER)


def _continues(lane: _Lane, successor: _Lane) -> bool:
    """Is this the next piece of the same capture? Two captures, one beginning where the other ends."""
    return not lane.source.is_log and successor.is_capture and successor.begins >= lane.last_time


def _take(active: list[_Lane], until: int) -> list[Event]:
    """The events that come next, up to where a lane must decode on or another source begins."""
    taken: list[Event] = []
    while True:
        lane = min(active, key=lambda lane: lane.head)
        if not lane.waiting:
            return taken
        if taken and lane.head >= until:
            return taken
        taken.append(lane.waiting.popleft())
        if not lane.waiting:
            return taken
