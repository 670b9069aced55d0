"""Both sides of a TLS connection, with the secrets. Pieces are segments of one side or the other, holes in them, and
lines of a key log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.fuzz.harness import Piece, fuzz, instrumented, join_pieces, mutate_pieces, saved_seeds, split_pieces

with instrumented(__name__):
    from fieldkit.events import (
        Connection,
        DecodeError,
        Endpoint,
        Event,
        TlsAlert,
        TlsCertificates,
        TlsHello,
        TlsOpaque,
    )
    from fieldkit.wire.budget import Budget
    from fieldkit.wire.tls import TlsLayer
    from fieldkit.wire.tlskeys import KeyLog
    from tests.fuzz.overheard import SERVER, key_log, overheard
    from tests.fuzz.promises import check_error, forget_evidence, in_blocks

SECRETS, CLIENT_HOLE, SERVER_HOLE = 5, 6, 7
MIDSTREAM = 8
"""Flag in the kind of the first piece: the connection was joined midway."""
OPTIONS = 16
"""Flag in the kind of the first piece: more secrets may come."""

Cut = Callable[[bytes], list[bytes]]


def one_input(data: bytes) -> None:
    pieces = list(split_pieces(data))
    events, plain, gaps, boring = decode(pieces, lambda part: [part])
    assert all(missing > 0 for _, missing, _ in gaps), gaps
    fed = {side: sum(len(part) for kind, part in pieces if kind & 7 == side) for side in range(8)}
    for from_client in (True, False):
        fed_here = sum(fed[kind] for kind in range(SECRETS) if (kind & SERVER) != from_client)
        assert len(plain[from_client]) <= fed_here, "more was decrypted than was encrypted"
    opaque = 0
    for event in events:
        assert all(0 <= frame <= len(pieces) for frame in event.frames), event
        match event:
            case DecodeError():
                check_error(event)
            case TlsCertificates():
                assert sum(map(len, event.chain)) <= len(data), event
            case TlsHello():
                assert len(event.server_name) <= len(data), event
            case TlsAlert():
                assert event.name.isprintable(), event
            case TlsOpaque():
                opaque += 1
                assert event.reason.isprintable(), event
            case _:
                raise AssertionError(event)
    assert opaque <= 1, "it is to be told once"
    if any(kind & 7 in (CLIENT_HOLE, SERVER_HOLE) for kind, _ in pieces):
        return  # with each block the key log is asked again, and behind a hole the answer may be final
    other_events, other_plain, _, other_boring = decode(pieces, in_blocks)
    assert other_plain == plain, "the pieces it came in make a difference"
    assert other_boring == boring
    assert [forget_evidence(event) for event in other_events] == [forget_evidence(event) for event in events]


def decode(pieces: Sequence[Piece], cut: Cut) -> tuple[list[Event], dict[bool, bytes], list[Any], bool]:
    events: list[Event] = []
    plain = {True: b"", False: b""}
    gaps: list[Any] = []
    options = pieces[0][0] if pieces else 0
    keys = KeyLog(expecting=bool(options & OPTIONS))
    connection = Connection(
        1, Endpoint("10.0.0.2", 40_000), Endpoint("10.0.0.1", 443), 0, bool(options & MIDSTREAM), "fuzz"
    )

    def on_plain(from_client: bool, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        assert data
        plain[from_client] += data

    def on_gap(from_client: bool, missing: int, time: int, frames: tuple[int, ...]) -> None:
        gaps.append((from_client, missing, len(plain[from_client])))

    budget = Budget(20_000)
    layer = TlsLayer(connection, events.append, keys, on_plain, budget=budget, plain_gap=on_gap)
    for number, (kind, part) in enumerate(pieces):
        kind &= 7
        if kind == SECRETS:
            keys.add(part.decode("utf-8", "replace"))
        elif kind in (CLIENT_HOLE, SERVER_HOLE):
            layer.gap(kind == CLIENT_HOLE, int.from_bytes(part[:2], "big") + 1, number, (number,))
        else:
            for block in cut(part):
                layer.feed(not kind & SERVER, block, number, (number,))
    layer.finish(len(pieces), (len(pieces),))
    assert budget.used == 0, f"{budget.used} bytes are never given back"
    return events, plain, gaps, layer.boring


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_tls")
    secrets = key_log()
    for flights in overheard().tls:
        randoms = {line.split()[1] for line in secrets.splitlines() if bytes.fromhex(line.split()[1]) in flights[0][1]}
        lines = [line for line in secrets.splitlines() if line.split()[1] in randoms]
        secret = (SECRETS, "\n".join(lines).encode())
        some = flights[:16]
        yield join_pieces([secret, *some])
        yield join_pieces([(some[0][0] | OPTIONS, some[0][1]), *some[1:8], secret, *some[8:]])
        yield join_pieces([secret, *some[:8], (CLIENT_HOLE, b"\0\x20"), (SERVER_HOLE, b"\0\x07"), *some[9:]])
        yield join_pieces(some)
        yield join_pieces([(kind | MIDSTREAM, data) for kind, data in some[6:]])


mutate = mutate_pieces

if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
