"""TLS bytes → records: cutting one side's stream where RFC 8446 §5.1 says, and finding the place again.

As long as nothing is missing, the length in each record header leads to the next one. Behind a hole in the capture, or
behind bytes that are no record, the next believable record header is searched; what is passed over is told.
"""

from __future__ import annotations

import re
from typing import Protocol, TypeAlias

from fieldkit.wire.tlsnames import TLS12, TLS13

Frames: TypeAlias = tuple[int, ...]

RECORD_HEADER = 5
"""Bytes: content type, version, length."""

MAX_FRAGMENT = 16384 + 2048
"""Longest content of a record (RFC 5246 §6.2.3; RFC 8446 §5.2 allows less)."""

MAX_SEEK_BYTES = 2 * (RECORD_HEADER + MAX_FRAGMENT)
"""How far the next record header is searched: a hole may end at the beginning of the longest record."""

SHOWN = 64
"""Bytes of what was malformed that its event shows."""

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = range(20, 25)
"""Content types (RFC 8446 §5.1, RFC 6520 §3)."""

_BELIEVABLE = re.compile(rb"[\x14-\x17]\x03[\x00-\x04][\x00-\x48].", re.DOTALL)
"""Where a record header can be: content type, version 3.x, a length below ``MAX_FRAGMENT``."""


class Owner(Protocol):
    """Whom a ``RecordReader`` hands its finds to."""

    def record(self, header: bytes, fragment: bytes, time: int, frames: Frames) -> None:
        """The next record."""

    def hole(self, lost: int, time: int, frames: Frames) -> None:
        """``lost`` bytes of records will not come: whole ones, as far as is known."""

    def foreign(self, head: bytes, time: int, frames: Frames) -> int:
        """Something else stands where a record should begin: how many bytes of it are to be skipped (0: not known)."""

    def out_of_step(self, time: int, frames: Frames) -> None:
        """No record is found any more."""

    def complain(self, reason: str, time: int, frames: Frames, data: bytes, lost: int | None = None) -> None:
        """``data`` could not be read, or ``lost`` bytes that begin with it."""


class RecordReader:
    """Cuts the records out of one side's bytes (RFC 8446 §5.1)."""

    __slots__ = (
        "_frames",
        "_junk",
        "_junk_frames",
        "_junk_reason",
        "_junk_size",
        "_junk_time",
        "_need",
        "_owner",
        "_pending",
        "_seeking",
        "_skip",
        "_stopped",
        "holed",
        "sealed_version",
        "started",
    )

    def __init__(self, owner: Owner) -> None:
        self.started = False
        """There has been a record, or a hole."""
        self.holed = False
        """There has been a hole."""
        self.sealed_version = 0
        """The TLS version once this side encrypts: narrows down what is believed to be a header while seeking."""
        self._owner = owner
        self._stopped = False
        self._pending = bytearray()
        """An unfinished record, from its first byte."""
        self._frames: list[int] = []
        self._need = 0
        """How long ``_pending`` must get before looking at it is worth while."""
        self._skip = 0
        """Bytes still to come of a record that is lost."""
        self._seeking = False
        self._junk = b""
        """The beginning of what is passed over while seeking."""
        self._junk_size = 0
        self._junk_reason = ""
        self._junk_time = 0
        self._junk_frames: Frames = ()

    def feed(self, data: bytes, time: int, frames: Frames) -> None:
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        pending = self._pending
        if not pending:
            self._cut(data, 0, time, frames, frames)
            return
        carried = len(pending)
        pending += data
        self._frames += frames
        if len(pending) >= self._need:
            whole, every = bytes(pending), tuple(dict.fromkeys(self._frames))
            self._clear()
            self._cut(whole, carried, time, frames, every)

    def gap(self, missing: int, time: int, frames: Frames) -> None:
        self.started = self.holed = True
        torn, rest, skip = bytes(self._pending), self._need - len(self._pending), self._skip
        self._clear()
        if skip:
            # The hole begins in a record that was lost before.
            self._skip = max(skip - missing, 0)
            if skip >= missing:
                return
            self._owner.hole(missing - skip, time, frames)
        elif self._seeking:
            self._pass_over(torn)
            self._owner.hole(missing, time, frames)
            return
        elif len(torn) >= RECORD_HEADER and rest >= missing:
            # The hole lies inside a record whose length is known: the place of the next one is certain.
            self._skip = rest - missing
            self._complain_of_tear(torn, self._skip, time, frames)
            self._owner.hole(len(torn) + rest, time, frames)
            return
        else:
            if torn:
                self._complain_of_tear(torn, 0, time, frames)
            self._owner.hole(len(torn) + missing, time, frames)
        self._seek("the rest of a TLS record whose beginning is missing in the capture", time, frames)

    def finish(self, time: int, frames: Frames) -> None:
        """No more bytes will come."""
        if self._seeking:
            self._pass_over(bytes(self._pending))
            self._found(time, frames)
        elif self._pending:
            reason = "the connection ended in the middle of a TLS record"
            every = tuple(dict.fromkeys(self._frames))
            self._owner.complain(reason, time, every, bytes(self._pending))
        self._clear()

    def stop(self) -> None:
        """Nobody wants any more records."""
        self._stopped = True
        self._clear()

    def _clear(self) -> None:
        self._pending.clear()
        self._frames.clear()
        self._need = 0

    def _complain_of_tear(self, torn: bytes, rest: int, time: int, frames: Frames) -> None:
        reason = "bytes of this TLS record are missing in the capture"
        self._owner.complain(reason, time, frames, torn, len(torn) + rest)

    def _cut(self, data: bytes, carried: int, time: int, frames: Frames, every: Frames) -> None:
        """Take every whole record out of ``data`` and keep the rest. Its first ``carried`` bytes came earlier: what
        begins in them was brought by ``every`` frame."""
        record = self._owner.record
        at, end = 0, len(data)
        self._need = RECORD_HEADER
        while end - at >= RECORD_HEADER:
            kind, length = data[at], data[at + 3] << 8 | data[at + 4]
            if self._seeking or not 20 <= kind <= 24 or data[at + 1] != 3 or data[at + 2] > 4 or length > MAX_FRAGMENT:
                at = self._search(data, at, time, every if at < carried else frames)
                if self._seeking or self._stopped:
                    break
                continue
            body = at + RECORD_HEADER
            stop = body + length
            if stop > end:
                self._need = RECORD_HEADER + length
                break
            self.started = True
            record(data[at:body], data[body:stop], time, every if at < carried else frames)
            if self._stopped:
                return
            at = stop
        if at < end and not self._stopped:
            self._pending += data[at:]
            self._frames += every if at < carried else frames

    # ------------------------------------------------------------------------------------------------------- seeking

    def _seek(self, reason: str, time: int, frames: Frames) -> None:
        """From here on, pass over what is no record header."""
        self._seeking = True
        self._junk_reason, self._junk_time, self._junk_frames = reason, time, frames

    def _search(self, data: bytes, at: int, time: int, frames: Frames) -> int:
        """No record is known to begin at ``at``: find one. Returns how far ``data`` is dealt with; unless
        ``_seeking`` is still set, a header stands there."""
        begin = at
        if not self._seeking:
            head = data[at : at + RECORD_HEADER]
            skip = self._owner.foreign(head, time, frames)
            if self._stopped:
                return at
            if skip:
                here = min(skip, len(data) - at)
                self._skip = skip - here
                return at + here
            self._seek(f"no TLS record begins with {head.hex(' ')}", time, frames)
            at += 1
        found = False
        while not found and (match := _BELIEVABLE.search(data, at)) is not None:
            at = match.start()
            found = self._believable(data, at)
            if not found:
                at += 1
        if not found:
            at = max(at, len(data) - RECORD_HEADER + 1)  # a header may begin in the last four bytes
        self._pass_over(data[begin:at])
        if self._junk_size > MAX_SEEK_BYTES:
            self._junk_size = MAX_SEEK_BYTES
            self._found(time, frames)
            self._owner.out_of_step(time, frames)
        elif found:
            self._found(time, frames)
        return at

    def _believable(self, data: bytes, at: int) -> bool:
        """In the midst of bytes that may be anything, demand of a header all that can be demanded."""
        kind, version, length = data[at], 0x300 | data[at + 2], data[at + 3] << 8 | data[at + 4]
        if not 0 < length <= MAX_FRAGMENT:
            return False
        if not self.sealed_version:
            return length == {CHANGE_CIPHER_SPEC: 1, ALERT: 2}.get(kind, length)
        if self.sealed_version == TLS13:
            # RFC 8446 §5.2: always called application data of TLS 1.2, and never shorter than type and tag
            return kind == APPLICATION_DATA and version == TLS12 and length > 8
        return kind != CHANGE_CIPHER_SPEC and version == self.sealed_version

    def _pass_over(self, data: bytes) -> None:
        self._junk_size += len(data)
        self._junk += data[: SHOWN - len(self._junk)]

    def _found(self, time: int, frames: Frames) -> None:
        """The search is over: say what was passed over."""
        if self._junk_size:
            self._owner.complain(self._junk_reason, self._junk_time, self._junk_frames, self._junk, self._junk_size)
            self._owner.hole(self._junk_size, time, frames)
        self._seeking, self._junk, self._junk_size = False, b"", 0
