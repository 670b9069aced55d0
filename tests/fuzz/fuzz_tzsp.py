"""One datagram of mirrored packets, as anybody may send it to the port."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from struct import pack

from tests.fuzz.harness import Scramble, fuzz, instrumented, saved_seeds

with instrumented(__name__):
    from fieldkit.wire.link import network_layer
    from fieldkit.wire.tzsp import LINKTYPES, unwrap


def one_input(data: bytes) -> None:
    said = unwrap(data)
    if isinstance(said, str):
        assert said.isascii()
        return
    assert 4 <= said.start <= len(data), said
    assert said.sensor in data, said
    assert said.sequence is None or 0 <= said.sequence < 1 << 32, said
    assert not said.linktype or network_layer(said.linktype) is not None, said


def mutate(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    return scramble(data, most)


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_tzsp")
    fields = b"\x0a\x01\xc4\0\x28\x04\0\0\0\x07\x3c\x06\x02\0\0\0\0\x09\x11\x01\x01\x01"
    headers = {119: pack("<II", 0x44, 144) + bytes(136), 127: b"\x80\x21\x10\x01" + pack("!I", 64) + bytes(56)}
    for inside in LINKTYPES:
        for tags in (b"\x01", fields):
            yield pack("!BBH", 1, 0, inside) + tags + headers.get(inside, b"") + b"\x08\x00" + bytes(40)
    yield pack("!BBH", 1, 4, 0)


if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
