"""What fieldkit makes of a capture or log: the engine run in one go, its events sorted by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from fieldkit import schemastore
from fieldkit.events import Event, MessageType, OcppMessage, Sender
from fieldkit.ocpp.schema import Schemas
from fieldkit.pipeline import Pipeline
from fieldkit.sources.file import FileSource, read_keylog
from fieldkit.sources.merge import read_merged, read_one
from fieldkit.wire.container import CaptureReader
from fieldkit.wire.tlskeys import KeyLog
from tests.traffic.conversation import Said

_Kind = TypeVar("_Kind")

NAMES: Mapping[MessageType | None, str] = {None: "unreadable", **{type_: type_.name for type_ in MessageType}}


class Line(NamedTuple):
    """A message as far as a conversation is concerned."""

    station: str
    sender: Sender
    type: MessageType | None
    id: str
    action: str
    text: str

    def __str__(self) -> str:
        return f"{self.station} {self.sender} {NAMES[self.type]} {self.action}".rstrip()


def as_lines(said: Iterable[Said]) -> list[Line]:
    return [Line(*message[:6]) for message in said]


class Decoded:
    """The events of a run."""

    def __init__(self, events: Iterable[Event], packets: int = 0) -> None:
        self.events = list(events)
        self.packets = packets

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def messages(self) -> list[OcppMessage]:
        return self.of(OcppMessage)

    @property
    def lines(self) -> list[Line]:
        return [
            Line(message.channel.station, message.sender, message.type, message.id, message.action, message.raw)
            for message in self.messages
        ]

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def problems(self) -> Counter[str]:
        """How often each rule was broken."""
        return Counter(problem.rule for message in self.messages for problem in message.problems)


@cache
def schemas() -> Schemas:
    """Compiling one takes a while; all tests share them."""
    return Schemas(schemastore.load)


def decode_files(*paths: Path, keylog: Path | None = None, validate: bool = True) -> Decoded:
    """As ``fieldkit decode`` reads them."""
    keys = KeyLog()
    if keylog is not None:
        keys.add(read_keylog(str(keylog)))
    known = schemas() if validate else None

    pipelines: list[Pipeline] = []

    def pipeline(name: str, first: int = 1) -> Pipeline:
        pipelines.append(Pipeline(name, keys=keys, schemas=known, first_connection=first))
        return pipelines[-1]

    sources = [FileSource(str(path)) for path in paths]
    try:
        if len(sources) == 1:
            batches = list(read_one(sources[0], pipeline(sources[0].name), lambda: None))
        else:
            batches = list(read_merged(sources, pipeline, lambda: None))
    finally:
        for source in sources:
            source.close()
    return Decoded((event for batch in batches for event in batch), sum(made.packets for made in pipelines))


def decode(capture: bytes, sizes: Sequence[int] = (), *, validate: bool = False) -> Decoded:
    """A capture in memory, fed in blocks of these sizes and what is left in one."""
    reader, pipeline = CaptureReader(), Pipeline("memory", schemas=schemas() if validate else None)
    events: list[Event] = []
    at = 0
    for size in (*sizes, len(capture)):
        for item in reader.feed(capture[at : at + size]):
            events += pipeline.feed_packets(item)
        at += size
    for item in reader.finish():
        events += pipeline.feed_packets(item)
    events += pipeline.finish()
    return Decoded(events, pipeline.packets)
