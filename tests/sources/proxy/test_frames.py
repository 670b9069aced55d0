"""However a stream of frames is cut, the pieces are the stream, and every message begins and ends once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.sources.proxy.frames import BEGINNING, MessageCutter, close_frame, unmasked
from tests.traffic.proxylab import frame

payloads = st.binary(max_size=400) | st.integers(0, 70_000).map(lambda size: b"x" * size)
messages = st.lists(st.tuples(st.lists(payloads, min_size=1, max_size=4), st.booleans(), st.booleans()), max_size=6)


@settings(max_examples=60, deadline=None)
@given(messages, st.integers(1, 5000))
def test_pieces_are_the_stream(said: list[tuple[list[bytes], bool, bool]], step: int) -> None:
    stream, beginnings = b"", []
    for parts, masked, pinged in said:
        for at, part in enumerate(parts):
            stream += frame(part, 1 if not at else 0, masked=masked, fin=at == len(parts) - 1)
            if pinged:
                stream += frame(b"ping", 9, masked=masked)
        beginnings.append(b"".join(parts)[:BEGINNING])
    cutter = MessageCutter()
    pieces = [piece for at in range(0, len(stream), step) for piece in cutter.feed(stream[at : at + step])]
    assert b"".join(piece.data for piece in pieces) == stream
    assert cutter.between
    assert sum(piece.kind == "begin" for piece in pieces) == len(said) == sum(piece.last for piece in pieces)
    for piece, expected in zip((piece for piece in pieces if piece.kind == "begin"), beginnings, strict=True):
        assert piece.beginning == expected[: len(piece.beginning)]
        assert len(piece.beginning) == len(expected) or any(len(part) < 3 for parts, _, _ in said for part in parts)
    for piece in pieces:
        if piece.kind == "control":
            assert piece.opcode == 9


@given(st.binary(max_size=3000), st.integers(1, 700))
@settings(max_examples=100, deadline=None)
def test_nonsense_passes_unchanged_or_waits(noise: bytes, step: int) -> None:
    cutter = MessageCutter()
    out = b"".join(piece.data for at in range(0, len(noise), step) for piece in cutter.feed(noise[at : at + step]))
    assert noise.startswith(out)
    assert len(noise) - len(out) < 20_000


@given(st.binary(max_size=50), st.binary(min_size=4, max_size=4), st.integers(0, 9))
def test_unmasking_is_masking(data: bytes, key: bytes, at: int) -> None:
    assert unmasked(data, key, at) == bytes(byte ^ key[at + n & 3] for n, byte in enumerate(data))


def test_close_frames() -> None:
    assert close_frame(1001, "", masked=False) == b"\x88\x02\x03\xe9"
    masked = close_frame(1000, "bye", masked=True)
    assert masked[:2] == b"\x88\x85"
    assert unmasked(masked[6:], masked[2:6]) == b"\x03\xe8bye"
