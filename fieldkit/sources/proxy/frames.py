"""WebSocket frames (RFC 6455 §5.2) cut out of a stream without changing a byte.

Unlike ``wire.websocket``, which understands what was said, this only says which bytes belong together: a message with
all its frames, a control frame in between. Nothing is kept of a message but its beginning, by which it is judged.
"""

from __future__ import annotations

import os
from typing import Final, Literal

BEGINNING: Final = 256
"""Bytes of a message that are waited for (or its end) before it is handed on: type, id and action are within them."""

_MAX_HELD: Final = 8192
"""Bytes of tiny frames and control frames that may pile up before a message is judged as it is."""


class Piece:
    """Some bytes of the stream."""

    __slots__ = ("beginning", "data", "kind", "last", "opcode")

    def __init__(self, kind: Literal["begin", "more", "control"], data: bytes, *, last: bool, opcode: int = 0) -> None:
        self.kind = kind
        """The beginning of a message, more of the same message, or a whole control frame."""
        self.data = data
        self.last = last
        """The message ends with it."""
        self.opcode = opcode
        """Of the frame; 8 is Close."""
        self.beginning = b""
        """Of a message that begins: its first bytes, unmasked (still compressed if it is)."""


class MessageCutter:
    """One direction of a connection, from its first frame on."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0  # payload bytes of the current frame still to come
        self._in_frame = False
        self._final = False  # the current frame is the last of its message
        self._control = False
        self._in_message = False
        self._key = b""
        self._at = 0  # payload bytes of the current frame seen, for the mask
        self._held: list[Piece] = []  # of a message that is not judged yet
        self._held_size = 0
        self._beginning: bytearray | None = None
        self._control_data = bytearray()

    @property
    def between(self) -> bool:
        """No message and no frame is incomplete."""
        return not (self._in_message or self._in_frame or self._head)

    def feed(self, data: bytes) -> list[Piece]:
        """The next bytes; their pieces, and those that waited for them, in their order."""
        out: list[Piece] = []
        at, size = 0, len(data)
        while at < size or (self._in_frame and not self._left):
            if not self._in_frame:
                at = self._read_head(data, at, out)
                continue
            take = min(self._left, size - at)
            self._payload(data[at : at + take], out)
            at += take
        return out

    def _read_head(self, data: bytes, at: int, out: list[Piece]) -> int:
        head = self._head
        while True:
            need = _head_size(head)
            if len(head) >= need:
                break
            if at >= len(data):
                return at
            piece = data[at : at + need - len(head)]
            head += piece
            at += len(piece)
        self._begin_frame(bytes(head), out)
        head.clear()
        return at

    def _begin_frame(self, head: bytes, out: list[Piece]) -> None:
        first, second = head[0], head[1]
        length = second & 0x7F
        extended = {126: 2, 127: 8}.get(length, 0)
        self._left = int.from_bytes(head[2 : 2 + extended], "big") if extended else length
        self._key = head[2 + extended :] if second & 0x80 else b""
        self._at = 0
        self._in_frame = True
        opcode = first & 0x0F
        self._control = opcode >= 8 and self._left <= 125
        if self._control:
            self._control_data = bytearray(head)
            return
        self._final = bool(first & 0x80)
        if self._in_message:
            self._add(Piece("more", head, last=False), out)
        else:
            self._in_message = True
            self._beginning = bytearray()
            self._held, self._held_size = [], 0
            self._add(Piece("begin", head, last=False, opcode=opcode), out)

    def _payload(self, data: bytes, out: list[Piece]) -> None:
        self._left -= len(data)
        over = not self._left
        if self._control:
            self._control_data += data
            if over:
                self._in_frame = False
                frame = bytes(self._control_data)
                self._add(Piece("control", frame, last=False, opcode=frame[0] & 0x0F), out)
            return
        if self._beginning is not None and len(self._beginning) < BEGINNING:
            self._beginning += unmasked(data[: BEGINNING - len(self._beginning)], self._key, self._at)
        self._at += len(data)
        ends = over and self._final
        if data or ends:
            self._add(Piece("more", data, last=ends), out)
        if over:
            self._in_frame = False
            self._in_message = not self._final

    def _add(self, piece: Piece, out: list[Piece]) -> None:
        beginning = self._beginning
        if beginning is None:
            out.append(piece)
            return
        self._held.append(piece)
        self._held_size += len(piece.data)
        if piece.last or len(beginning) >= BEGINNING or self._held_size > _MAX_HELD:
            self._held[0].beginning = bytes(beginning)
            out += self._held
            self._held, self._beginning = [], None


def _head_size(head: bytearray) -> int:
    """Bytes that a frame's header has, as far as it is known."""
    if len(head) < 2:
        return 2
    length = head[1] & 0x7F
    return 2 + (2 if length == 126 else 8 if length == 127 else 0) + (4 if head[1] & 0x80 else 0)


def unmasked(data: bytes, key: bytes, at: int = 0) -> bytes:
    """RFC 6455 §5.3, from byte ``at`` of the payload on; masking is the same."""
    if not key or not data:
        return data
    turned = key[at & 3 :] + key[: at & 3]
    size = len(data)
    pad = (turned * ((size + 3) >> 2))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(size, "little")


def close_frame(code: int, reason: str, *, masked: bool) -> bytes:
    """A Close frame (RFC 6455 §5.5.1); those of a client are masked."""
    payload = code.to_bytes(2, "big") + reason.encode()[:100]
    if not masked:
        return bytes([0x88, len(payload)]) + payload
    key = os.urandom(4)
    return bytes([0x88, 0x80 | len(payload)]) + key + unmasked(payload, key)
