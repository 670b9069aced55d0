"""Both sides of an HTTP/1.x connection. Pieces are segments of one side or the other, or holes in them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.fuzz.harness import Piece, fuzz, instrumented, join_pieces, mutate_pieces, saved_seeds, split_pieces

with instrumented(__name__):
    from fieldkit.events import Connection, DecodeError, Endpoint, Event, HttpRequest, HttpResponse
    from fieldkit.wire.budget import Budget
    from fieldkit.wire.http import HttpLayer
    from tests.fuzz.overheard import CLIENT, SERVER, overheard
    from tests.fuzz.promises import EXPANSION, check_error, in_blocks

CLIENT_HOLE, SERVER_HOLE = 6, 7
MIDSTREAM = 8
"""Flag in the kind of the first piece: the connection was joined midway."""

Cut = Callable[[bytes], list[bytes]]


def one_input(data: bytes) -> None:
    pieces = list(split_pieces(data))
    whole = decode(pieces, lambda part: [part])
    size = len(data)
    compressed = b"gzip" in data.lower() or b"deflate" in data.lower()
    for event in whole.events:
        assert all(0 <= frame <= len(pieces) for frame in event.frames), event
        match event:
            case DecodeError():
                check_error(event)
            case HttpRequest() | HttpResponse():
                assert len(event.body) <= size * (EXPANSION if compressed else 1), event
                assert event.headers.get("authorization", "(hidden)").endswith("(hidden)"), event
                said = sum(len(name) + len(value) for name, value in event.headers.items())
                assert said <= size + len("(hidden)") * data.count(b"\n"), event
            case _:
                raise AssertionError(event)
    for event in whole.events:
        if isinstance(event, HttpResponse) and event.request is not None:
            assert any(event.request is other for other in whole.events), "answers a request that was not told of"
    cut = decode(pieces, in_blocks)
    if not whole.guessed and not cut.guessed:
        assert cut == whole, "the pieces it came in make a difference"


class Heard(NamedTuple):
    """What came out."""

    events: list[Event]
    upgraded: bool
    guessed: bool
    """That it was upgraded follows from what came behind, of which less had come where the pieces were smaller."""
    tunnel: bool
    boring: bool
    rest: list[bytes]


def decode(pieces: Sequence[Piece], cut: Cut) -> Heard:
    """What comes out; times and frames are those of a piece, also where it is cut further."""
    events: list[Event] = []
    midstream = bool(pieces and pieces[0][0] & MIDSTREAM)
    connection = Connection(1, Endpoint("10.0.0.2", 40_000), Endpoint("10.0.0.1", 80), 0, midstream, "fuzz")
    budget = Budget(4000)
    layer = HttpLayer(connection, events.append, budget)
    for number, (kind, part) in enumerate(pieces):
        kind &= 7
        if kind in (CLIENT_HOLE, SERVER_HOLE):
            layer.gap(kind == CLIENT_HOLE, int.from_bytes(part[:2], "big") + 1, number, (number,))
            continue
        for block in cut(part):
            if block:
                layer.feed(not kind & SERVER, block, number, (number,))
    layer.finish(len(pieces), (len(pieces),))
    assert budget.used == 0, f"{budget.used} bytes are never given back"
    rest = [b"".join(chunk for chunk, _, _ in layer.take_rest(side)) for side in (True, False)]
    upgraded = layer.upgrade is not None
    guessed = layer.upgrade is not None and layer.upgrade.response is None
    return Heard(events, upgraded, guessed, layer.tunnel, layer.boring, rest if upgraded or layer.tunnel else [])


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_http")
    for pieces in overheard().http:
        yield join_pieces(pieces[:12])
    soap = b"<e:Envelope/>"
    packed = gzip.compress(soap, mtime=0)
    for pieces in (
        [
            (CLIENT, b"POST /a HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 13\r\n\r\n" + soap),
            (SERVER, b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (SERVER, b"8;a=b\r\n<e:Envel\r\n5\r\nope/>\r\n0\r\nX: y\r\n\r\n"),
        ],
        [
            (CLIENT, b"POST /a HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Type: application/soap+xml\r\n"),
            (CLIENT, b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(packed)),
            (SERVER, b"HTTP/1.1 100 Continue\r\n\r\n"),
            (CLIENT, packed),
            (SERVER, b"HTTP/1.1 500 No\r\nContent-Type: text/xml\r\n\r\n<e:Fault/>"),
        ],
        [
            (CLIENT | MIDSTREAM, b"rest of it\r\nGET /x HTTP/1.0\nAuthorization: Basic Q1A6c2VjcmV0\n\n"),
            (SERVER_HOLE, b"\0\x20"),
            (SERVER, b"HTTP/1.1 401 No\r\nContent-Length: 3\r\nWWW-Authenticate: Basic\r\n\r\nno!"),
            (CLIENT, b"CONNECT csms:443 HTTP/1.1\r\n\r\n"),
            (SERVER, b"HTTP/1.1 200 Fine\r\n\r\n\x16\x03"),
        ],
        [(CLIENT, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (SERVER, bytes(30))],
    ):
        yield join_pieces(pieces)


mutate = mutate_pieces

if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
