"""WebSocket as a sender sees it (RFC 6455, RFC 7692): messages → frames."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from struct import pack

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes = b"", *, mask: bytes = b"", fin: bool = True, compressed: bool = False) -> bytes:
    """One frame; ``mask`` is the masking key that a client must use."""
    size = len(payload)
    bit = 0x80 if mask else 0
    head = bytes([fin << 7 | compressed << 6 | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += pack("!BH", bit | 126, size)
    else:
        head += pack("!BQ", bit | 127, size)
    if not mask:
        return head + payload
    return head + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))


def accept_key(key: str) -> str:
    """What the server answers to ``Sec-WebSocket-Key`` (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


class FrameSender:
    """One side's frames: masks if it is the client, compresses if that was agreed on."""

    def __init__(self, *, from_client: bool, random: Random, deflate: bool = False, takeover: bool = True) -> None:
        """``takeover``: messages share a compression context."""
        self._from_client = from_client
        self._random = random
        self._takeover = takeover
        self._deflate = deflate
        self._z = zlib.compressobj(wbits=-15)

    def message(self, payload: bytes, *, binary: bool = False, cuts: Sequence[int] = ()) -> list[bytes]:
        """The frames of a message, cut where ``cuts`` say (positions in what goes over the wire)."""
        if self._deflate:
            payload = self._deflated(payload)
        places = [0, *sorted({min(cut, len(payload)) for cut in cuts}), len(payload)]
        pieces = [payload[begin:end] for begin, end in pairwise(places)]
        last = len(pieces) - 1
        return [
            frame(
                (BINARY if binary else TEXT) if number == 0 else CONTINUATION,
                piece,
                mask=self._mask(),
                fin=number == last,
                compressed=self._deflate and number == 0,
            )
            for number, piece in enumerate(pieces)
        ]

    def control(self, opcode: int, payload: bytes = b"") -> bytes:
        return frame(opcode, payload, mask=self._mask())

    def _mask(self) -> bytes:
        return self._random.randbytes(4) if self._from_client else b""

    def _deflated(self, payload: bytes) -> bytes:
        data = self._z.compress(payload) + self._z.flush(zlib.Z_SYNC_FLUSH)
        if not self._takeover:
            self._z = zlib.compressobj(wbits=-15)
        # RFC 7692 §7.2.1: the empty block at the end goes without saying
        return data.removesuffix(b"\x00\x00\xff\xff")
