"""HTTP/1.x bodies: how long they are, whether they may be SOAP, and how they were packed (RFC 9110, RFC 9112).

Only what may be SOAP is kept, up to a limit. Everything else is passed over.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final

from fieldkit.wire.budget import Budget
from fieldkit.wire.httpside import MAX_HEAD_BYTES, EndedError, GapError, LostError, Side, Steps

MAX_BODY_BYTES: Final = 1 << 20
"""A SOAP envelope that is kept, before and after inflating: twice the largest that OCPP sends, a long local list."""

CHUNKED: Final = -1
"""Framing: the body comes in chunks (RFC 9112 §7.1)."""
UNTIL_CLOSE: Final = -2
"""Framing: the body ends where the connection ends (RFC 9112 §6.3, item 8)."""

_ENDLESS: Final = 1 << 62
_SHARED: Final = ", which is all that is left for this block of the capture"
_PEEK: Final = 64
"""Bytes in which a body without media type must show its first character."""


# ------------------------------------------------------------------------------------------- what the head says of it


def request_framing(headers: Mapping[str, str]) -> int | None:
    """Length of a request's body, or ``CHUNKED``; None when the head does not say it in a way that can be read."""
    coding = _transfer_coding(headers)
    if coding:
        # RFC 9112 §6.3, item 4: a request whose last coding is not chunked has no end that could be found.
        return CHUNKED if coding == "chunked" else None
    return _content_length(headers) if "content-length" in headers else 0


def response_framing(headers: Mapping[str, str], status: int, method: str) -> int | None:
    """Length of a response's body, ``CHUNKED`` or ``UNTIL_CLOSE``; ``method`` is that of the request, "" if unknown."""
    if method == "HEAD" or status in (204, 304) or status < 200:
        return 0
    coding = _transfer_coding(headers)
    if coding:
        return CHUNKED if coding == "chunked" else UNTIL_CLOSE
    return _content_length(headers) if "content-length" in headers else UNTIL_CLOSE


def _transfer_coding(headers: Mapping[str, str]) -> str:
    """Name the last transfer coding, the one that frames. It overrides Content-Length (RFC 9112 §6.3, item 3)."""
    last = headers.get("transfer-encoding", "").rpartition(",")[2].strip().lower()
    return "" if last == "identity" else last


def _content_length(headers: Mapping[str, str]) -> int | None:
    # RFC 9110 §8.6: a list of equal numbers, which proxies make of a repeated field, stands for the number.
    values = {value.strip() for value in headers["content-length"].split(",")}
    value = values.pop()
    if values or not value.isascii() or not value.isdigit() or len(value) > 18:
        return None
    return int(value)


def may_be_soap(headers: Mapping[str, str], method: str) -> bool | None:
    """Tell whether a body is worth keeping by its media type; None: its first byte must decide."""
    media = headers.get("content-type")
    if media is None:
        return None if method == "POST" else False
    media = media.lower()
    return ("xml" in media or "soap" in media) and "html" not in media and "svg" not in media


def content_codings(headers: Mapping[str, str]) -> list[str]:
    """The compressions to undo, in the order in which they must be undone (RFC 9110 §8.4, RFC 9112 §7.2)."""
    named = f"{headers.get('content-encoding', '')},{headers.get('transfer-encoding', '')}".lower().split(",")
    codings = [coding.strip() for coding in named]
    return [coding for coding in reversed(codings) if coding not in ("", "identity", "chunked", "none")]


def inflate(data: bytes, coding: str, limit: int) -> tuple[bytes, str]:
    """Undo one content coding; returns the plain bytes (none if more than ``limit``) and a complaint or ""."""
    if coding in ("gzip", "x-gzip"):
        windows: tuple[int, ...] = (31,)
    elif coding == "deflate":
        windows = (15, -15)  # RFC 9110 §8.4.1.2 says zlib; many send the bare deflate stream
    elif data.lstrip()[:1] == b"<":
        return data, ""  # seen: "Content-Encoding: utf-8"
    else:
        return b"", f"an HTTP body in a content coding that is not read here ({coding[:20]!r})"
    for window in windows:
        inflater = zlib.decompressobj(window)
        try:
            plain = inflater.decompress(data, limit + 1)
        except zlib.error:
            continue
        if len(plain) > limit:
            why = _SHARED if limit < MAX_BODY_BYTES else ""
            return b"", f"an HTTP body that inflates to more than {limit} bytes{why}"
        return plain, "" if inflater.eof else "a compressed HTTP body that ends too early"
    if data.lstrip()[:1] == b"<":
        return data, f"an HTTP body that is announced as {coding} but is plain"
    return b"", f"an HTTP body that is announced as {coding} but is not"


# ------------------------------------------------------------------------------------------------------- reading it


class Body:
    """A body on its way: what is kept of it, and who gets it.

    It is delivered once, as early as possible: at once where it is not wanted, at its end where it is.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        wanted: bool | None,
        deliver: Callable[[bytes], None],
        complain: Callable[[str, int], None],
        budget: Budget | None,
    ) -> None:
        """``complain`` takes a reason and the number of bytes that are lost; ``budget`` is charged for what is kept."""
        self._headers = headers
        self._wanted = wanted
        self._handler = deliver
        self._complain = complain
        self._budget = budget
        self._delivered = False
        self._data = bytearray()
        self.starved = False
        """Given up for what others took: whether it was SOAP is not known."""

    def read(self, side: Side, framing: int | None, withheld: Callable[[], bool] | None = None) -> Steps[None]:
        """Read to the end of the body. ``withheld`` tells, with a byte in sight, that it will not be sent after all."""
        try:
            if framing is None:
                raise LostError("an HTTP message whose head does not say in a readable way how long its body is")
            if self._wanted is False or not framing:
                self.deliver(b"")
            elif framing > MAX_BODY_BYTES:
                self._refuse(framing)
            while withheld is not None and framing and not side.buffer:
                yield from side.more()
            if withheld is not None and framing and withheld():
                pass
            elif framing == CHUNKED:
                yield from self._chunks(side)
            else:
                yield from self._bytes(side, _ENDLESS if framing == UNTIL_CLOSE else framing)
        except LostError as lost:
            lost.spent = len(self._data)
            self.deliver(b"")
            raise
        except EndedError:
            if framing != UNTIL_CLOSE and not self._delivered:
                self._complain("the connection ends in the middle of an HTTP body", 0)
            self.deliver(self._plain())
            raise
        self.deliver(self._plain())

    def deliver(self, data: bytes) -> None:
        """Hand the body over, unless that is done."""
        if not self._delivered:
            self._delivered = True
            self.release()
            self._handler(data)

    def release(self) -> None:
        """Let go of what was kept."""
        if self._budget is not None:
            self._budget.give(len(self._data))
        self._data = bytearray()

    def _chunks(self, side: Side) -> Steps[None]:
        """RFC 9112 §7.1: size, data, CRLF, …, 0, trailers, empty line."""
        while True:
            line = yield from side.line()
            digits = line.partition(b";")[0].strip()
            try:
                # int() would also take a sign and underscores; 15 digits are a petabyte
                size = int(digits, 16) if digits.isalnum() and len(digits) <= 15 else -1
            except ValueError:
                size = -1
            if size < 0:
                raise LostError("a chunked HTTP body with something else where the size of a chunk must be")
            if not size:
                break
            yield from self._bytes(side, size)
            line = yield from side.line()
            if line:
                raise LostError("a chunked HTTP body with a chunk that is longer than its size says")
        room = MAX_HEAD_BYTES
        while line := (yield from side.line()):
            room -= len(line)
            if room < 0:
                raise LostError(f"a chunked HTTP body with more than {MAX_HEAD_BYTES} bytes of trailers")

    def _bytes(self, side: Side, count: int) -> Steps[None]:
        """``count`` bytes in one piece; a hole inside them does not cost us our place."""
        while count:
            if self._delivered:
                yield from side.pass_over(count)
                return
            data = side.take(min(count, len(side.buffer), MAX_BODY_BYTES + 1 - len(self._data)))
            count -= len(data)
            if data:
                self._keep(data)
                continue
            try:
                yield from side.more()
            except GapError as gap:
                if gap.missing > count:
                    raise
                count -= gap.missing
                self._complain(f"{gap.missing} bytes are missing in the middle of an HTTP body", len(self._data))
                self.deliver(b"")

    def _keep(self, data: bytes) -> None:
        if self._budget is not None and not self._budget.take(len(data)):
            self.starved = True
            self._complain("an HTTP body was given up: too many bytes wait in too many connections", len(self._data))
            self.deliver(b"")
            return
        self._data += data
        if self._wanted is None:
            # No media type: what begins as XML does, or with a byte order mark, is kept.
            head = bytes(self._data[:_PEEK])
            first = head.lstrip()[:1]
            if first:
                self._wanted = first in b"<\xef\xfe\xff"
            elif len(head) == _PEEK:
                self._wanted = False
            if self._wanted is False:
                self.deliver(b"")
                return
        if len(self._data) > MAX_BODY_BYTES:
            self._refuse(len(self._data))

    def _refuse(self, size: int) -> None:
        self._complain(f"an HTTP body of more than {MAX_BODY_BYTES} bytes that may be SOAP", size)
        self.deliver(b"")

    def _plain(self) -> bytes:
        """What was kept, as it was before it was compressed."""
        data = bytes(self._data)
        if data:
            for coding in content_codings(self._headers)[:2]:
                most = MAX_BODY_BYTES
                if self._budget is not None:
                    most = min(most, max(self._budget.inflatable, 0))
                data, complaint = inflate(data, coding, most)
                if self._budget is not None:
                    self._budget.inflatable -= len(data)
                if complaint:
                    self.starved = not data and most < MAX_BODY_BYTES
                    self._complain(complaint, 0 if data else len(self._data))
                if not data:
                    break
        return data
