"""Everything together: a capture in, three kinds of output out. An input is a file, as ``fieldkit decode`` takes it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.capturemutation import is_plain, mutate_capture, records_of
from tests.fuzz.harness import fuzz, instrumented, saved_seeds

with instrumented(__name__):
    from fieldkit import schemastore
    from fieldkit.events import Event, PacketBatch, TlsSecrets
    from fieldkit.ocpp.schema import Schemas
    from fieldkit.pipeline import Pipeline
    from fieldkit.wire.container import CaptureReader
    from fieldkit.wire.tlskeys import KeyLog
    from tests.fuzz.overheard import capture_files, key_log
    from tests.fuzz.promises import EXPANSION, check_events, check_lives, check_writers

LARGEST_SEED = 3500
LARGEST = 8192

_schemas = Schemas(schemastore.load)


def one_input(data: bytes) -> None:
    keys = KeyLog()
    keys.add(key_log())
    pipeline = Pipeline("fuzz", keys=keys, schemas=_schemas)
    reader = CaptureReader()
    events: list[Event] = []
    size = len(data)
    for item in (*reader.feed(data), *reader.finish()):
        if isinstance(item, PacketBatch):
            size += sum(item.ends) - sum(item.starts)
        elif isinstance(item, TlsSecrets):
            size += len(item.text)
        events += pipeline.feed_packets(item)
    events += pipeline.finish()
    assert pipeline._flows._budget.used == 0, f"{pipeline._flows._budget.used} bytes are never given back"
    # A packet that is cut off has a number too.
    check_events(events, reader.frames + 1, size * EXPANSION if b"deflate" in data else size)
    check_lives(events)
    check_writers(events)


def seeds() -> Iterator[bytes]:
    """The beginning of each capture, and as much from its middle: then the connections are joined midway."""
    yield from saved_seeds("fuzz_pipeline")
    for path in capture_files():
        data = path.read_bytes()
        if not is_plain(data):
            yield data[:LARGEST]
            continue
        header, records = data[:24], records_of(data)
        for first in (0, len(records) // 2):
            some: list[bytes] = []
            for record in records[first:]:
                if some and sum(map(len, some)) + len(record) > LARGEST_SEED:
                    break
                some.append(record)
            yield header + b"".join(some)


mutate = mutate_capture

if __name__ == "__main__":
    fuzz(one_input, seeds, mutate, largest=LARGEST)
