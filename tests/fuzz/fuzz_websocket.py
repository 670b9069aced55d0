"""One side of a WebSocket connection: frames, fragments, compression, joined midway, with holes.

An input begins with how the reader is set up; its pieces are segments, or holes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from tests.fuzz.harness import (
    Piece,
    Scramble,
    fuzz,
    instrumented,
    join_pieces,
    mutate_pieces,
    saved_seeds,
    split_pieces,
)

with instrumented(__name__):
    from fieldkit.events import Connection, DecodeError, Endpoint, Event, WsControl, WsMessage
    from fieldkit.wire.budget import Budget
    from fieldkit.wire.deflate import Inflater
    from fieldkit.wire.websocket import MAX_MESSAGE_BYTES, WebSocketReader
    from tests.fuzz.overheard import overheard
    from tests.fuzz.promises import EXPANSION, check_error, forget_evidence, in_blocks

FROM_CLIENT, ALIGNED, HANDSHAKE, DEFLATE, NO_TAKEOVER, MIDWAY, POOR = (1 << bit for bit in range(7))
HOLE = 7
"""Pieces of the kinds below are bytes."""


def one_input(data: bytes) -> None:
    options = data[0] if data else 0
    pieces = list(split_pieces(data[1:]))
    events = decode(options, pieces)
    size = len(data)
    total = 0
    for event in events:
        assert event.frames, event
        assert all(1 <= frame <= len(pieces) + 1 for frame in event.frames), event
        assert len(set(event.frames)) == len(event.frames), event
        match event:
            case DecodeError():
                check_error(event)
            case WsMessage():
                total += len(event.data)
                assert len(event.data) <= MAX_MESSAGE_BYTES, event
                assert event.missing <= len(event.data), event
            case WsControl():
                assert len(event.payload) <= 125, event
                assert (event.code is None) == (event.kind != "close" or len(event.payload) < 2), event
            case _:
                raise AssertionError(event)
    assert total <= EXPANSION * size, f"{total} bytes from {size}"
    if any(kind & 7 == HOLE for kind, _ in pieces) or options & POOR or not options & ALIGNED:
        return  # where the reader finds its way back, and what it can hold, depends on where segments begin
    whole = b"".join(part for _, part in pieces)
    at_once = decode(options, [(0, whole)])
    cut = decode(options, [(0, block) for block in in_blocks(whole)])
    if not any(isinstance(event, DecodeError) for event in at_once):
        assert [forget_evidence(event) for event in cut] == [forget_evidence(event) for event in at_once]


def decode(options: int, pieces: Sequence[Piece]) -> list[Event]:
    events: list[Event] = []
    budget = Budget(500) if options & POOR else Budget()
    connection = Connection(1, Endpoint("10.0.0.2", 40_000), Endpoint("10.0.0.1", 9000), 0, False, "fuzz")
    inflater = Inflater(takeover=not options & NO_TAKEOVER, known=not options & MIDWAY) if options & DEFLATE else None
    reader = WebSocketReader(
        connection,
        bool(options & FROM_CLIENT),
        events.append,
        budget,
        inflater=inflater,
        handshake_seen=bool(options & HANDSHAKE),
        aligned=bool(options & ALIGNED),
    )
    for frame, (kind, part) in enumerate(pieces, 1):
        if kind & 7 == HOLE:
            reader.gap(int.from_bytes(part[:3], "big") + 1, frame, (frame,))
        elif part:
            reader.feed(part, frame, (frame,))
        assert 0 <= budget.used <= budget.limit, budget.used
    reader.finish(len(pieces) + 1, (len(pieces) + 1,))
    assert budget.used == 0, f"{budget.used} bytes are never given back"
    return events


def mutate(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    if not data or random.random() < 0.05:
        return bytes((random.randrange(128),)) + data[1:]
    return data[:1] + mutate_pieces(data[1:], most - 1, random, scramble)


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_websocket")
    for from_client, compressed, segments in overheard().websocket:
        options = (FROM_CLIENT if from_client else 0) | (DEFLATE if compressed else 0)
        for setting in (ALIGNED | HANDSHAKE, 0, MIDWAY | POOR):
            some = segments if setting else segments[len(segments) // 2 :]
            yield bytes((options | setting,)) + join_pieces((0, segment) for segment in some[:12])
    hole = (HOLE, b"\0\0\x10")
    fragments = b'\x01\x03[2,\x89\x01!\x80\x04"1"]\x81\x7e\x00\x7e' + b"x" * 126
    yield bytes((ALIGNED | HANDSHAKE,)) + join_pieces([(0, fragments)])
    yield bytes((ALIGNED | HANDSHAKE,)) + join_pieces([(0, fragments[:9]), hole, (0, fragments)])
    yield bytes((ALIGNED,)) + join_pieces([(0, b"\x82\x7f" + (1 << 40).to_bytes(8, "big")), (0, fragments)])


if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
