"""HTTP/1.x as an onlooker sees it: the bytes of both sides → requests, responses, and the upgrade to WebSocket.

What cannot be read becomes a ``DecodeError``, and reading goes on at the next start line. Bodies that cannot be SOAP
are counted down in ``feed`` without looking at them: a firmware download may pass here. Interim answers (100, 102, 103)
say nothing about a charging station and are passed over.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from fieldkit.events import Connection, DecodeError, Emit, HttpRequest, HttpResponse, event
from fieldkit.wire.budget import Budget
from fieldkit.wire.httpbody import Body, may_be_soap, request_framing, response_framing
from fieldkit.wire.httphead import (
    Fields,
    RequestLine,
    StatusLine,
    parse_fields,
    parse_request_line,
    parse_status_line,
)
from fieldkit.wire.httpside import MAX_LINE_BYTES, Chunk, EndedError, GapError, LostError, Side, Steps
from fieldkit.wire.sniff import find_frame

MAX_HELD_BYTES: Final = 64 << 10
"""What a client may say behind an upgrade request until the answer, which never comes, no longer matters."""
MAX_PIPELINED: Final = 16
"""Requests waiting for their response. Nobody pipelines today; in a one-sided capture they all wait."""
MAX_RESYNC_BYTES: Final = 1 << 20
"""Bytes without a start line among them after which this is no conversation to follow."""
BORING_AFTER: Final = 32
"""Exchanges in a row with neither an upgrade nor SOAP: a web interface, a download, a cloud API."""

_MAX_DATA: Final = 64
_REQUEST_LINE: Final = re.compile(
    rb"(?:GET|POST|PUT|HEAD|OPTIONS|DELETE|PATCH|CONNECT|PROPFIND) [^\s]{1,8000} HTTP/1\.[01]\r?\n"
)
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] [1-5]\d\d(?: [^\r\n]{0,1000})?\r?\n")
_LINE_END: Final = re.compile(rb"\n")
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_FRAME_STARTS: Final = frozenset({0x01, 0x02, 0x41, 0x42, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1, 0xC2})
"""First bytes that a WebSocket message or control frame can have (RFC 6455 §5.2, RFC 7692 §6)."""

_T = TypeVar("_T")


@event
class Upgrade:
    """The end of HTTP on this connection: what follows belongs to another protocol (RFC 9110 §7.8)."""

    request: HttpRequest | None
    """None when the capture begins behind it."""
    response: HttpResponse | None
    """None when it is not in the capture, but the bytes behind it show that it must have been a 101."""


class _Exchange:
    """A request and what its response must know of it."""

    __slots__ = ("answered", "event", "late", "method")

    def __init__(self, method: str) -> None:
        self.method = method
        self.event: HttpRequest | None = None
        """None while its body is still coming."""
        self.answered = False
        self.late: Callable[[], None] | None = None
        """Emits the response, where that came before the end of the request."""


class _Loss:
    """Bytes being passed over in search of a start line: told in one complaint before the next event."""

    __slots__ = ("count", "data", "frames", "reason", "time")

    def __init__(self, side: Side, lost: LostError) -> None:
        self.time, self.frames = side.time, side.frames
        self.reason = lost.reason
        self.data = b""
        self.count = lost.spent


class HttpLayer:
    """Both sides of one HTTP/1.x connection."""

    def __init__(self, connection: Connection, emit: Emit, budget: Budget | None = None) -> None:
        """``budget`` is charged for bodies while they are being kept."""
        self.upgrade: Upgrade | None = None
        """Set once HTTP has ended here; ``take_rest`` then has the bytes behind it."""
        self.tunnel = False
        """True after a successful CONNECT: the bytes behind it (``take_rest``) may be anything."""
        self.boring = False
        """True when nothing of interest is to be expected of this connection any more."""
        self._connection = connection
        self._emit = emit
        self._budget = budget
        self._pending: deque[_Exchange] = deque()
        self._holding: _Exchange | None = None  # asked for an upgrade; what the client says meanwhile stays unread
        self._dull = 0
        self._client = Side(True)
        self._server = Side(False)
        self._losses: dict[Side, _Loss] = {}
        self._bodies: dict[Side, Body] = {}
        self._client.steps = self._listen(self._client, self._request)
        self._server.steps = self._listen(self._server, self._response)
        self._client.run()
        self._server.run()

    # ------------------------------------------------------------------------------------------------- bytes in

    def feed(self, from_client: bool, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        """The next bytes of one side."""
        side = self._client if from_client else self._server
        skip = side.skip
        if skip:
            if len(data) <= skip:
                side.skip = skip - len(data)
                if not side.skip and not self.boring:
                    side.run()  # on to the next message: what is missing from here on is not of this one
                return
            data = data[skip:]
            side.skip = 0
        if self.upgrade is not None or self.tunnel:
            side.append(data, time, frames)
        elif not self.boring:
            side.append(data, time, frames)
            side.run()

    def gap(self, from_client: bool, missing: int, time: int, frames: tuple[int, ...]) -> None:
        """``missing`` bytes of one side will never come."""
        side = self._client if from_client else self._server
        if missing <= side.skip:
            side.skip -= missing
            if not side.skip and not self.boring:
                side.run()
        elif not self.boring and self.upgrade is None:
            missing -= side.skip
            side.skip = 0
            side.lose(missing, time, frames)

    def finish(self, time: int, frames: tuple[int, ...]) -> None:
        """Both sides are at their end."""
        for side in (self._client, self._server):
            if self.upgrade is None and not self.boring:
                side.end(time, frames)
                self._report(side, over=True)
        self._let_go()

    def take_rest(self, from_client: bool) -> list[Chunk]:
        """Hand over what came behind the last head of one side, in the pieces in which it came."""
        self._let_go()  # a body whose end will not be read as HTTP
        return (self._client if from_client else self._server).rest()

    # ---------------------------------------------------------------------------------------------- the two sides

    def _listen(self, side: Side, message: Callable[[Side], Steps[None]]) -> Steps[None]:
        try:
            while self.upgrade is None and not self.boring:
                try:
                    yield from message(side)
                except LostError as lost:
                    yield from self._resynchronise(side, lost)
        except EndedError:
            return

    def _request(self, side: Side) -> Steps[None]:
        line, fields = yield from self._head(side, parse_request_line)
        headers = fields.headers
        exchange = _Exchange(line.method)
        self._pending.append(exchange)
        if len(self._pending) > MAX_PIPELINED:
            self._pending.popleft()
        # Proxies are known to strip Upgrade and to leave the key: such a request was meant as an upgrade all the same.
        upgrading = "websocket" in headers.get("upgrade", "").lower() or "sec-websocket-key" in headers
        if not fields.complete and line.method == "GET":
            upgrading = True  # the fields that would say so may be the missing ones; the answer tells
        body = self._body(side, headers, line.method, partial(self._emit_request, exchange, line, fields, upgrading))
        if not fields.complete:
            body.deliver(b"")
            if not upgrading:
                raise LostError("the body behind a head that the capture cuts")
            yield from self._hold(side, exchange)
            return
        withheld = partial(_withheld, side, exchange) if "expect" in headers else None
        yield from body.read(side, request_framing(headers), withheld)
        if upgrading:
            yield from self._hold(side, exchange)

    def _response(self, side: Side) -> Steps[None]:
        line, fields = yield from self._head(side, parse_status_line)
        exchange = self._pending[0] if self._pending else None
        method = exchange.method if exchange is not None else ""
        if line.status == 101:
            # RFC 9110 §15.2.2: from here on both sides speak another protocol
            response = self._response_event(side.evidence(), exchange, line, fields, b"")
            self._emit(response)
            self.upgrade = Upgrade(response.request, response)
            return
        if line.status < 200:
            return
        if exchange is not None:
            self._pending.popleft()
        body = self._body(side, fields.headers, method, partial(self._emit_response, exchange, line, fields))
        if method == "CONNECT" and line.status < 300:
            # RFC 9112 §6.3, item 2: behind this head the connection is a tunnel
            body.deliver(b"")
            self.tunnel = self.boring = True
            return
        if not fields.complete:
            body.deliver(b"")
            raise LostError("the body behind a head that the capture cuts")
        yield from body.read(side, response_framing(fields.headers, line.status, method))

    def _hold(self, side: Side, exchange: _Exchange) -> Steps[None]:
        """Behind an upgrade request come WebSocket frames or HTTP: the answer decides."""
        self._holding = exchange
        while not exchange.answered:
            enough = side.ended or len(side.buffer) > MAX_HELD_BYTES
            if (enough or self._server in self._losses) and _looks_framed(side.buffer, masked=True):
                self._upgraded_unseen(exchange)
                return
            if enough:
                break
            try:
                yield from side.more()
            except GapError as gap:
                if side.buffer:
                    self._complain(side, gap.reason, lost=len(side.buffer))
                side.drop(len(side.buffer))
        self._holding = None

    def _upgraded_unseen(self, exchange: _Exchange) -> None:
        """The 101 is not in the capture, but what must come behind it is."""
        server = self._server
        if server.buffer:
            at = find_frame(bytes(server.buffer), False)
            server.drop(at if at >= 0 else len(server.buffer))
        self._holding = None
        self.upgrade = Upgrade(exchange.event, None)

    # ------------------------------------------------------------------------------------------------------ heads

    def _head(self, side: Side, parse: Callable[[bytes], _T | None]) -> Steps[tuple[_T, Fields]]:
        """Read start line and fields."""
        buffer = side.buffer
        try:
            while not buffer or buffer[0] in b"\r\n":
                # RFC 9112 §2.2: empty lines before a start line are ignored
                side.drop(len(buffer) - len(buffer.lstrip(b"\r\n")))
                if not buffer:
                    yield from side.more()
            side.begin()
            first = not side.known and not self._connection.joined_midstream
            if first and not 0x41 <= buffer[0] <= 0x7A:  # methods and "HTTP" begin with a letter
                yield from self._not_http(side)
            end = yield from side.upto(_LINE_END, 0)
            start = parse(bytes(buffer[:end]))
            if start is None:
                # A client's first line may just be wrong; the answer to it is still of interest.
                if first and (not side.from_client or buffer.startswith(b"PRI ")):
                    yield from self._not_http(side)
                raise LostError("something that is not an HTTP start line where one must be", unread=1)
            whole = yield from side.upto(_HEAD_END, end - 1)
        except GapError as gap:
            cut = self._cut_head(side, parse, gap)
            if cut is not None:
                return cut
            gap.unread = len(buffer)
            if not buffer:
                gap.reason = ""  # it was between two messages
            raise
        except EndedError:
            if buffer and self.upgrade is None:
                self._complain(side, "the connection ends in the middle of an HTTP head", lost=len(buffer))
            raise
        side.known = True
        fields = parse_fields(side.take(whole)[end:])
        for complaint in fields.complaints:
            self._complain(side, complaint)
        return start, fields

    def _cut_head(self, side: Side, parse: Callable[[bytes], _T | None], gap: GapError) -> tuple[_T, Fields] | None:
        """What there is of a head whose end is missing, if only its start line is whole.

        Captures with a short snap length (96 bytes were a default once) show just so much of every head, and it names
        the station.
        """
        buffer = side.buffer
        end = buffer.find(b"\n") + 1
        start = parse(bytes(buffer[:end])) if end else None
        if start is None:
            return None
        fields = parse_fields(bytes(buffer[end : buffer.rfind(b"\n") + 1]))
        side.drop(len(buffer))
        self._complain(side, f"{gap.missing} bytes of an HTTP head are missing", lost=gap.missing)
        side.known = True
        return start, fields._replace(complete=False)

    def _not_http(self, side: Side) -> Steps[None]:
        """The very first bytes of a side are something else: look at enough of them to say what."""
        buffer = side.buffer
        while len(buffer) < _MAX_DATA:
            try:
                yield from side.more()
            except (EndedError, GapError):
                break
        if not side.from_client and self._holding is not None and _looks_framed(buffer, masked=False):
            self._upgraded_unseen(self._holding)
        else:
            self._give_up()
            self._complain(side, _what_instead(side), bytes(buffer[:_MAX_DATA]), min(len(buffer), _MAX_DATA))
            side.drop(len(buffer))
        raise EndedError

    def _resynchronise(self, side: Side, lost: LostError) -> Steps[None]:
        """Find the next start line."""
        buffer = side.buffer
        pattern = _REQUEST_LINE if side.from_client else _STATUS_LINE
        loss = self._losses[side] = _Loss(side, lost)
        if lost.unread == 1 and not side.known and not self._connection.joined_midstream:
            loss.data = bytes(buffer[:_MAX_DATA]).partition(b"\n")[0].rpartition(b"@")[2]
        useless, scanned = lost.unread, 0
        while True:
            side.drop(useless)
            loss.count += useless
            useless = 0
            end = buffer.find(b"\n", scanned) + 1
            if end:
                match = pattern.search(buffer, max(0, end - 1 - MAX_LINE_BYTES), end)
                if match is not None:
                    loss.count += match.start()
                    side.drop(match.start())
                    break
                useless, scanned = end, 0
                continue
            if loss.count > MAX_RESYNC_BYTES:
                self._report(side, over=True)
                self._give_up()
                return
            if self._shows_frames():
                return
            useless = max(0, len(buffer) - MAX_LINE_BYTES)
            scanned = len(buffer) - useless
            if useless:
                continue
            try:
                yield from side.more()
            except GapError:
                useless, scanned = len(buffer), 0
            except EndedError:
                loss.count += len(buffer)
                side.drop(len(buffer))
                raise
        self._report(side, over=True)
        if not side.from_client:
            # Which responses were lost is not known. Without pipelining, the next one answers the latest request.
            while len(self._pending) > 1:
                self._pending.popleft()

    def _shows_frames(self) -> bool:
        """The server's side is lost while an upgrade is asked for: do we see what comes behind the 101?"""
        if self._holding is None or self._server not in self._losses:
            return False
        if not _looks_framed(self._client.buffer, masked=True) and find_frame(bytes(self._server.buffer), False) < 0:
            return False
        self._report(self._server, over=True)
        self._upgraded_unseen(self._holding)
        return True

    # ----------------------------------------------------------------------------------------------------- events

    def _body(self, side: Side, headers: dict[str, str], method: str, deliver: Callable[[Side, bytes], None]) -> Body:
        body = self._bodies[side] = Body(
            headers,
            may_be_soap(headers, method),
            partial(deliver, side),
            lambda reason, lost: self._complain(side, reason, lost=lost),
            self._budget,
        )
        return body

    def _emit_request(
        self, exchange: _Exchange, line: RequestLine, fields: Fields, upgrading: bool, side: Side, body: bytes
    ) -> None:
        self._report(self._server)
        time, frames = side.evidence()
        exchange.event = HttpRequest(
            time, frames, self._connection, True, line.method, line.target, fields.headers, fields.credentials, body,
            fields.complete,
        )  # fmt: skip
        self._emit(exchange.event)
        if exchange.late is not None:
            exchange.late()
        self._note(upgrading or bool(body) or self._bodies[side].starved)

    def _emit_response(
        self, exchange: _Exchange | None, line: StatusLine, fields: Fields, side: Side, body: bytes
    ) -> None:
        self._report(self._client)
        build = partial(self._response_event, side.evidence(), exchange, line, fields, body)
        if exchange is None:
            self._emit(build())
            self._note(bool(body) or self._bodies[side].starved)
            return
        exchange.answered = True
        if exchange.event is None:
            # The answer came before the end of the request: it waits, so that it can name what it answers.
            exchange.late = lambda: self._emit(build())
            return
        self._emit(build())
        if self._holding is exchange:
            # The upgrade was refused: what the client said behind it is HTTP after all.
            self._holding = None
            self._client.run()

    def _response_event(
        self,
        evidence: tuple[int, tuple[int, ...]],
        exchange: _Exchange | None,
        line: StatusLine,
        fields: Fields,
        body: bytes,
    ) -> HttpResponse:
        request = exchange.event if exchange is not None else None
        return HttpResponse(
            *evidence, self._connection, False, line.status, line.reason, fields.headers, request, body, fields.complete
        )

    def _complain(self, side: Side, reason: str, data: bytes = b"", lost: int = 0) -> None:
        """Heads hold passwords, and a lost reader may stand anywhere in one: offending bytes are shown only of the very
        first line of a side."""
        self._emit(DecodeError(side.time, side.frames, self._connection, "http", reason, data, lost))

    def _report(self, side: Side, *, over: bool = False) -> None:
        """Tell what was lost on one side and not told yet; ``over``: its end has been found."""
        loss = self._losses.get(side)
        if loss is None:
            return
        if over:
            del self._losses[side]
        if not side.known and self._connection.joined_midstream and loss.count <= MAX_RESYNC_BYTES:
            return  # A capture that begins midway owes us no beginning.
        if loss.reason or loss.count:
            reason = loss.reason or "bytes that belong to no HTTP message whose beginning was seen"
            self._emit(DecodeError(loss.time, loss.frames, self._connection, "http", reason, loss.data, loss.count))
            loss.reason, loss.data, loss.count = "", b"", 0

    def _note(self, interesting: bool) -> None:
        self._dull = 0 if interesting else self._dull + 1
        if self._dull > BORING_AFTER:
            self._give_up()

    def _give_up(self) -> None:
        self.boring = True
        self._let_go()

    def _let_go(self) -> None:
        for body in self._bodies.values():
            body.release()


def _withheld(side: Side, exchange: _Exchange) -> bool:
    """RFC 9110 §10.1.1: a client that announced its body with "Expect: 100-continue" and was refused does not send it.
    Its next byte then begins a request line; no XML begins with a letter."""
    return exchange.answered and 0x41 <= side.buffer[0] <= 0x5A


def _looks_framed(data: bytearray, *, masked: bool) -> bool:
    """Can this be the beginning of a WebSocket frame? Asked only where it must be that or HTTP."""
    return len(data) > 1 and data[0] in _FRAME_STARTS and (data[1] > 127) is masked


def _what_instead(side: Side) -> str:
    who = "client" if side.from_client else "server"
    if side.buffer.startswith(b"PRI * HTTP/2"):
        return "HTTP/2, which OCPP does not use and which is not read here"  # RFC 9113 §3.4
    if side.buffer[0] in (0x15, 0x16) and side.buffer[1:2] == b"\x03":
        # a TLS record (RFC 8446 §5.1), as a port for wss:// answers to ws://
        return f"the {who} speaks TLS on a connection that began with plain HTTP"
    return f"the {who} does not speak HTTP/1.x on a connection that looked like it"
