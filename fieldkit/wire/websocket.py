"""One side of a WebSocket connection (RFC 6455): bytes → messages and control frames.

A reader serves an onlooker, not an endpoint: where the RFC says "fail the connection" it notes a ``DecodeError`` and
looks for the next frame. It starts aligned (the handshake was seen) or lost (joined mid-stream, after a gap, after
nonsense); while lost it waits for bytes that can only be the beginning of a frame, see ``sniff``.
"""

from __future__ import annotations

from fieldkit.events import Connection, DecodeError, Emit, WsControl, WsMessage
from fieldkit.wire.budget import Budget
from fieldkit.wire.deflate import Inflater
from fieldkit.wire.reasons import MASKED_WRONGLY, NOT_DEFLATE, NOT_NEGOTIATED, TOO_LONG
from fieldkit.wire.sniff import find_frame

MAX_MESSAGE_BYTES = 4 << 20
"""OCPP-J messages are kilobytes; the largest seen in the field (a local list of 20,000 tags) is about 2 MiB."""
MAX_FRAGMENTS = 4096

_CONTROL = {8: "close", 9: "ping", 10: "pong"}


def _unmask(payload: bytes, key: bytes) -> bytes:
    """RFC 6455 §5.3 without a loop: both as one big number, XORed once (0.4 µs for a usual message). The C routine in
    ``websockets`` is faster still, but importing it costs more than it saves on 300,000 messages."""
    size = len(payload)
    pad = (key * ((size + 3) >> 2))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(pad, "little")).to_bytes(size, "little")


_ONCE = {
    "mask": MASKED_WRONGLY,
    "rsv1": NOT_NEGOTIATED,
}


def _goes_on(data: bytes, at: int, masked: bool) -> bool:
    """Whether ``data`` ends, or another frame plainly begins, at ``at``."""
    return at == len(data) or find_frame(data[at : at + 64], masked) == 0


def _fault_of(first: int) -> str:
    """Why a frame that begins so breaks RFC 6455: reserved bits and opcodes (§5.2), control frames (§5.5)."""
    if first & 0x30:
        return "a frame has a reserved bit set (RSV2 or RSV3), for which no extension was negotiated"
    if first & 0x0F not in (0, 1, 2, 8, 9, 10):
        return f"a frame has opcode {first & 0x0F}, which is reserved"
    return "a control frame is fragmented or marked as compressed"


class WebSocketReader:
    """Frames of one direction."""

    def __init__(
        self,
        connection: Connection,
        from_client: bool,
        emit: Emit,
        budget: Budget,
        *,
        inflater: Inflater | None = None,
        handshake_seen: bool = True,
        aligned: bool = True,
    ) -> None:
        """``inflater``: what the handshake agreed on; None when compression was not negotiated, or when it is not
        known because the handshake was not seen. ``aligned``: the first byte fed begins a frame."""
        self._connection = connection
        self._from_client = from_client
        self._emit = emit
        self._budget = budget
        self._inflater = inflater
        self._handshake_seen = handshake_seen
        self._from_start = aligned
        self._lost = not aligned

        self._held: list[bytes] = []  # chunks of a frame that is not complete yet …
        self._held_size = 0
        self._held_frames: list[tuple[int, tuple[int, ...]]] = []  # … and where in them each capture frame begins
        self._need = 0  # size of the frame held, 0 while even its header is incomplete
        self._skip = 0  # bytes of an oversized or damaged frame still to pass over

        self._fragments: list[bytes] = []  # payloads of an unfinished message (RFC 6455 §5.4)
        self._fragments_size = 0
        self._fragments_first = 0  # first byte of its first frame: opcode and RSV1
        self._fragments_frames: tuple[int, ...] = ()

        self._busy = self._lost
        """Something is held, skipped or sought: the next segment is not just the next frame."""
        self._said: set[str] = set()  # complaints made once a connection

    # ------------------------------------------------------------------------------------------------- bytes in

    def feed(self, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        """The next bytes of this direction, which came with capture frames ``frames``."""
        if self._busy:
            self._feed_slowly(data, time, frames)
            return
        if len(data) > 8 and data[0] == 0x81:
            # Nine in ten segments are one whole text message (FIN, no extension, 7 or 16 bit length).
            second = data[1]
            length = second & 0x7F
            body = 2
            if length == 126:
                length = data[2] << 8 | data[3]
                body = 4
            if second > 127:
                if length + body + 4 == len(data) and self._from_client:
                    key, payload = data[body : body + 4], data[body + 4 :]
                    self._emit(WsMessage(time, frames, self._connection, True, True, False, _unmask(payload, key), 0))
                    return
            elif length + body == len(data) and not self._from_client:
                self._emit(WsMessage(time, frames, self._connection, False, True, False, data[body:], 0))
                return
        self._parse(data, time, frames, None)
        self._busy = bool(self._held_size or self._skip or self._lost or self._fragments)

    def _feed_slowly(self, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        self._feed_unsettled(data, time, frames)
        self._busy = bool(self._held_size or self._skip or self._lost or self._fragments)

    def _feed_unsettled(self, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        if self._skip:
            if self._resumes(data):
                self._skip = 0
            elif len(data) <= self._skip:
                self._skip -= len(data)
                return
            else:
                data = data[self._skip :]
                self._skip = 0
        if self._lost:
            at = find_frame(data, self._from_client)
            if at < 0:
                return
            self._lost = False
            data = data[at:]
        if not self._held_size:
            self._parse(data, time, frames, None)
            return
        if not self._hold(data, time, frames):
            return
        if self._held_size >= self._need:
            whole = b"".join(self._held)
            pieces = self._held_frames
            self._let_go()
            self._parse(whole, time, frames, pieces)

    def _resumes(self, data: bytes) -> bool:
        """While passing over a huge frame: does this segment plainly start a frame of its own? A length field that
        was corrupted (or lies) would otherwise silence the connection."""
        return self._skip > MAX_MESSAGE_BYTES and find_frame(data, self._from_client) == 0

    def _hold(self, data: bytes, time: int, frames: tuple[int, ...]) -> bool:
        if not self._budget.take(len(data)):
            lost = self._held_size + len(data)
            self._let_go()
            self._drop_fragments()
            self._get_lost()
            self._complain(
                "too much unfinished data is waiting on all connections; this frame was let go",
                time,
                frames,
                data,
                lost,
            )
            return False
        self._held_frames.append((self._held_size, frames))
        self._held.append(data)
        self._held_size += len(data)
        return True

    def _let_go(self) -> None:
        self._budget.give(self._held_size)
        self._held, self._held_frames, self._held_size, self._need = [], [], 0, 0

    def gap(self, missing: int, time: int, frames: tuple[int, ...]) -> None:
        """``missing`` bytes of this direction are not in the capture."""
        lost = self._held_size + self._fragments_size
        remaining = self._skip or (self._need - self._held_size if self._held_size and self._need else 0)
        self._let_go()
        self._drop_fragments()
        self._lose_context()
        if remaining >= missing:
            # The hole lies inside a frame whose length we know: the next frame's place is certain.
            self._skip = remaining - missing
        else:
            self._skip = 0
            self._lost = True
        self._busy = True
        self._complain("bytes of this message are missing in the capture", time, frames, b"", lost)

    def finish(self, time: int, frames: tuple[int, ...]) -> None:
        """The connection, or the capture, ended."""
        if self._held_size or self._fragments:
            head = b"".join(self._held)[:64] or b"".join(self._fragments)[:64]
            lost = self._held_size + self._fragments_size
            last = self._held_frames[-1][1] if self._held_frames else self._fragments_frames
            self._let_go()
            self._drop_fragments()
            self._complain("the connection ended in the middle of a message", time, last or frames, head, lost)

    # --------------------------------------------------------------------------------------------------- frames

    def _parse(
        self, data: bytes, time: int, frames: tuple[int, ...], pieces: list[tuple[int, tuple[int, ...]]] | None
    ) -> None:
        """Take every whole frame out of ``data`` and hold the rest. ``pieces`` tells which bytes came with which
        capture frames when they came with more than one."""
        at = 0
        size = len(data)
        masked_side = self._from_client
        self._need = 0
        while size - at >= 2:
            first = data[at]
            second = data[at + 1]
            length = second & 0x7F
            body = at + 2
            if length > 125:
                # 5.2: 126 and 127 announce a 16 or 64 bit length
                wide = 2 if length == 126 else 8
                if size < body + wide:
                    break
                length = int.from_bytes(data[body : body + wide], "big")
                body += wide
            masked = second > 127
            end = body + length + 4 if masked else body + length
            if end > size:
                if self._is_nonsense(first, length, body - at):
                    self._refuse(data, at, time, self._covering(pieces, at, size) or frames)
                    return
                if length > MAX_MESSAGE_BYTES:
                    self._pass_over(data, at, end, time, frames)
                    return
                self._need = end - at
                break
            payload = _unmask(data[body + 4 : end], data[body : body + 4]) if masked else data[body:end]
            seen = frames if pieces is None else self._covering(pieces, at, end)
            if masked is not masked_side:
                self._once("mask", time, seen, data[at : at + 14])
            if first == 0x81:  # FIN, text: nearly all of them
                if self._fragments:
                    self._abandon_fragments(time, seen)
                self._emit(WsMessage(time, seen, self._connection, masked_side, True, False, payload, 0))
            elif self._is_nonsense(first, length, body - at):
                if length > 125 or not _goes_on(data, end, masked_side):
                    self._refuse(data, at, time, seen)
                    return
                # What follows is in order, so this was a frame all the same: one that breaks the rules.
                self._drop_fragments()
                self._complain(_fault_of(first), time, seen, data[at:end], end - at)
            else:
                self._frame(first, payload, time, seen)
            at = end
        if at < size:
            rest = data[at:] if at else data
            if pieces is None:
                self._hold(rest, time, frames)
            else:
                self._hold_pieces(rest, at, pieces, time)

    def _hold_pieces(self, rest: bytes, at: int, pieces: list[tuple[int, tuple[int, ...]]], time: int) -> None:
        inside = [(max(begin - at, 0), frames) for begin, frames in pieces if begin >= at]
        before = [frames for begin, frames in pieces if begin < at]
        if before and (not inside or inside[0][0] > 0):
            inside.insert(0, (0, before[-1]))
        if self._hold(rest, time, inside[0][1]):
            self._held_frames = inside

    @staticmethod
    def _covering(pieces: list[tuple[int, tuple[int, ...]]] | None, begin: int, end: int) -> tuple[int, ...]:
        """The capture frames that carried ``begin`` to ``end``."""
        if pieces is None:
            return ()
        found: dict[int, None] = {}  # a message may come in a million pieces
        for number, (start, frames) in enumerate(pieces):
            stop = pieces[number + 1][0] if number + 1 < len(pieces) else end + 1
            if start < end and stop > begin:
                found.update(dict.fromkeys(frames))
        return tuple(found)

    def _is_nonsense(self, first: int, length: int, header: int) -> bool:
        """Not a frame that anybody would send: RSV2/RSV3 or an opcode without meaning (§5.2), a fragmented or long
        control frame (§5.5), a 64 bit length with its top bit set."""
        opcode = first & 0x0F
        if first & 0x30 or opcode not in (0, 1, 2, 8, 9, 10):
            return True
        if opcode & 8:
            return length > 125 or not first & 0x80 or bool(first & 0x40)
        return header == 10 and length >> 63 == 1

    def _frame(self, first: int, payload: bytes, time: int, frames: tuple[int, ...]) -> None:
        """Any frame but the unfragmented, uncompressed text message."""
        opcode = first & 0x0F
        if opcode & 8:
            self._control(opcode, payload, time, frames)
            return
        if opcode:
            if self._fragments:
                self._abandon_fragments(time, frames)
            if first & 0x80:
                self._message(first, payload, time, frames)
                return
            self._fragments_first = first
            self._fragments_frames = ()
        elif not self._fragments_first:
            self._complain("a continuation frame without a beginning", time, frames, payload, len(payload))
            return
        if (
            self._fragments_size + len(payload) > MAX_MESSAGE_BYTES
            or len(self._fragments) >= MAX_FRAGMENTS
            or not self._budget.take(len(payload))
        ):
            lost = self._fragments_size + len(payload)
            self._drop_fragments()
            self._complain("a fragmented message grew too large and was let go", time, frames, payload, lost)
            return
        self._fragments.append(payload)
        self._fragments_size += len(payload)
        self._fragments_frames += tuple(frame for frame in frames if frame not in self._fragments_frames)
        if first & 0x80:
            whole, begun, seen = b"".join(self._fragments), self._fragments_first, self._fragments_frames
            self._drop_fragments()
            self._message(begun, whole, time, seen)

    def _message(self, first: int, payload: bytes, time: int, frames: tuple[int, ...]) -> None:
        text = first & 0x0F == 1
        compressed = bool(first & 0x40)
        missing = 0
        if compressed:
            if self._inflater is None:
                # RSV1 although nothing was negotiated in sight: either the handshake was not seen, or the sender
                # compresses without leave. The bytes tell.
                if self._handshake_seen:
                    self._once("rsv1", time, frames, payload)
                self._inflater = Inflater(known=self._from_start)
            context_known = self._inflater.known
            inflated = self._inflater.inflate(payload, min(MAX_MESSAGE_BYTES, max(self._budget.inflatable, 1)))
            if inflated is None:
                missing = -1
                if context_known:
                    reason = TOO_LONG if self._inflater.exceeded else NOT_DEFLATE
                    self._complain(reason, time, frames, payload, len(payload))
                    return
            else:
                payload, missing = inflated
                self._budget.inflatable -= len(payload)
        self._emit(WsMessage(time, frames, self._connection, self._from_client, text, compressed, payload, missing))

    def _control(self, opcode: int, payload: bytes, time: int, frames: tuple[int, ...]) -> None:
        code: int | None = None
        reason = ""
        if opcode == 8 and len(payload) >= 2:
            code = payload[0] << 8 | payload[1]
            reason = payload[2:].decode("utf-8", "replace")
        kind = _CONTROL[opcode]
        self._emit(WsControl(time, frames, self._connection, self._from_client, kind, payload, code, reason))  # type: ignore[arg-type]

    # -------------------------------------------------------------------------------------------------- trouble

    def _refuse(self, data: bytes, at: int, time: int, frames: tuple[int, ...]) -> None:
        """Bytes that are no frame: say so, and look for the next one behind them."""
        self._drop_fragments()
        self._get_lost()
        found = find_frame(data[at + 1 :], self._from_client)
        lost = found + 1 if found >= 0 else len(data) - at
        self._complain(
            f"no WebSocket frame begins with these bytes (first 0x{data[at]:02x})", time, frames, data[at:], lost
        )
        if found >= 0:
            self._lost = False
            self._parse(data[at + 1 + found :], time, frames, None)

    def _pass_over(self, data: bytes, at: int, end: int, time: int, frames: tuple[int, ...]) -> None:
        self._drop_fragments()
        self._lose_context()
        self._complain(
            f"a frame announces {end - at:,} bytes; fieldkit passes over frames above {MAX_MESSAGE_BYTES:,}",
            time, frames, data[at:], end - at,
        )  # fmt: skip
        self._skip = end - len(data)

    def _get_lost(self) -> None:
        self._lost = True
        self._lose_context()

    def _lose_context(self) -> None:
        self._from_start = False
        if self._inflater is not None:
            self._inflater.lose_context()

    def _abandon_fragments(self, time: int, frames: tuple[int, ...]) -> None:
        lost = self._fragments_size
        head = b"".join(self._fragments)[:64]
        self._drop_fragments()
        self._complain("a new message began inside a fragmented one", time, frames, head, lost)

    def _drop_fragments(self) -> None:
        self._budget.give(self._fragments_size)
        self._fragments, self._fragments_size, self._fragments_first, self._fragments_frames = [], 0, 0, ()

    def _once(self, what: str, time: int, frames: tuple[int, ...], data: bytes) -> None:
        if what not in self._said:
            self._said.add(what)
            self._complain(_ONCE[what], time, frames, data, 0)

    def _complain(self, reason: str, time: int, frames: tuple[int, ...], data: bytes, lost: int) -> None:
        self._emit(DecodeError(time, frames, self._connection, "websocket", reason, bytes(data[:64]), lost))
