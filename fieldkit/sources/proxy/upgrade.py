"""The one thing that the proxy rewrites: where a request goes. All else of a head stays as the station wrote it.

A station asks the proxy for ``/CP_7``; the CSMS may live under ``/ocpp/tenant7`` and under another name. So the path is
put behind that of the upstream, and ``Host`` names the upstream (RFC 9110 §7.2: web servers choose the site by it),
unless the user wants it otherwise. Order, case and spelling of everything else are kept, credentials included.

Reading follows HTTP/1.1 only as far as it has to: where heads end and how long bodies are. Whatever is no HTTP passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from fieldkit.ocpp.identity import identity_of
from fieldkit.sources.proxy.settings import Upstream

MAX_HEAD: Final = 64 << 10
"""Bytes of a head. Servers answer 431 at 8 to 16 KiB; what is longer passes unread and unchanged."""
MAX_WAITING: Final = 256 << 10
"""Bytes that a station may say behind its upgrade request before it is answered; they wait for the answer."""

_METHOD: Final = re.compile(rb"[A-Z]{3,20} ")
_REQUEST: Final = re.compile(rb"([A-Z]{3,20}) +(\S(?:[^\r\n]*\S)?) +HTTP/1\.[01]")
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_HOST: Final = re.compile(rb"(?im)^(host[ \t]*:[ \t]*)([^\r\n]*?)([ \t]*\r?)$")
_EXTENSIONS: Final = re.compile(rb"(?im)^sec-websocket-extensions[ \t]*:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*")
_LENGTH: Final = re.compile(rb"(?im)^content-length[ \t]*:[ \t]*(\d{1,15})[ \t]*\r?$")
_CHUNKED: Final = re.compile(rb"(?im)^transfer-encoding[ \t]*:[^\r\n]*chunked")
_UPGRADE: Final = re.compile(rb"(?im)^upgrade[ \t]*:[^\r\n]*websocket")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,12})[^\r\n]*\r?\n")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d\d\d)")


@dataclass(frozen=True, slots=True)
class Head:
    """One request."""

    original: bytes
    target: str
    station: str
    """The identity: the last segment of the path (OCPP-J 1.6 §3.1.1)."""
    upgrade: bool


Step: TypeAlias = Head | bytes


class RequestReader:
    """What a station says: heads, which can be rewritten, and all else, which passes."""

    def __init__(self) -> None:
        self.raw = False
        """From here on nothing is read any more: WebSocket, or no HTTP at all."""
        self.waiting = False
        """An upgrade was asked for: what comes behind it waits for ``answered``."""
        self._buffer = bytearray()
        self._body = 0  # bytes of a body still to come
        self._chunked = False
        self._trailer = False

    @property
    def held(self) -> int:
        """Bytes that wait."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Step]:
        """The next bytes."""
        if self.raw:
            return [data]
        self._buffer += data
        return self._read()

    def answered(self, upgraded: bool) -> list[Step]:
        """The answer to an upgrade request has come."""
        self.waiting = False
        self.raw = self.raw or upgraded
        return self._read()

    def rest(self) -> bytes:
        """What was never read to its end: it passes as it is when the station has said its last."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _read(self) -> list[Step]:
        steps: list[Step] = []
        buffer = self._buffer
        while buffer and not self.waiting:
            if self.raw:
                steps.append(self.rest())
            elif self._body:
                piece = bytes(buffer[: self._body])
                del buffer[: len(piece)]
                self._body -= len(piece)
                steps.append(piece)
            elif self._chunked:
                if not self._read_chunk(steps):
                    break
            elif not self._read_head(steps):
                break
        return steps

    def _read_head(self, steps: list[Step]) -> bool:
        buffer = self._buffer
        # RFC 9112 §2.2: empty lines before a request are ignored.
        begin = len(buffer) - len(buffer.lstrip(b"\r\n"))
        if _METHOD.match(buffer, begin) is None and len(buffer) - begin >= 21:
            self.raw = True
            return True
        if buffer[begin : begin + 1] and not 0x41 <= buffer[begin] <= 0x5A:
            self.raw = True
            return True
        end = _HEAD_END.search(buffer)
        if end is None:
            self.raw = len(buffer) > MAX_HEAD
            return self.raw
        head = bytes(buffer[: end.end()])
        line = _REQUEST.match(head, begin)
        if line is None:
            self.raw = True
            return True
        del buffer[: end.end()]
        target = line[2].decode("utf-8", "replace")
        upgrade = _UPGRADE.search(head) is not None
        steps.append(Head(head, target, identity_of(target), upgrade))
        length = _LENGTH.search(head)
        self._chunked = _CHUNKED.search(head) is not None
        self._body = int(length[1]) if length is not None and not self._chunked else 0
        self.waiting = upgrade
        return True

    def _read_chunk(self, steps: list[Step]) -> bool:
        """RFC 9112 §7.1: the size line and its chunk with the line end behind it, or the trailer."""
        buffer = self._buffer
        if self._trailer:
            end = buffer.find(b"\n") + 1
            if not end:
                self.raw = len(buffer) > MAX_HEAD
                return self.raw
            line = bytes(buffer[:end])
            del buffer[:end]
            steps.append(line)
            if not line.strip():
                self._trailer = self._chunked = False
            return True
        size = _CHUNK_SIZE.match(buffer)
        if size is None:
            self.raw = len(buffer) > 1024 or b"\n" in buffer
            return self.raw
        length = int(size[1], 16)
        line = bytes(buffer[: size.end()])
        del buffer[: size.end()]
        steps.append(line)
        if length:
            self._body = length + 2
        else:
            self._trailer = True
        return True


class AnswerWatcher:
    """Looks at the head of the answer to an upgrade request as it passes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> tuple[int, int] | None:
        """Status and how many bytes of ``data`` belong to its head; None while it is incomplete.

        Status 0: this is no HTTP.
        """
        before = len(self._buffer)
        self._buffer += data
        while True:
            end = _HEAD_END.search(self._buffer)
            if end is None:
                if len(self._buffer) > MAX_HEAD or (len(self._buffer) >= 5 and self._buffer[:5] != b"HTTP/"):
                    return 0, 0
                return None
            status = _STATUS.match(self._buffer)
            if status is None:
                return 0, 0
            code = int(status[1])
            if code == 101 or code >= 200:
                return code, max(end.end() - before, 0)
            # RFC 9110 §15.2: interim answers come before the one that counts.
            del self._buffer[: end.end()]
            before -= end.end()


def rewrite(head: Head, upstream: Upstream, host: str, *, without_extensions: bool = False) -> bytes:
    """The head as it goes to the CSMS; ``host`` is "keep", "" (that of the upstream) or what ``Host`` shall say."""
    data = head.original
    if upstream.prefix and head.target.startswith("/"):
        at = data.index(b" ") + 1
        at += len(data[at:]) - len(data[at:].lstrip(b" "))
        data = data[:at] + upstream.prefix.encode("ascii") + data[at:]
    if host != "keep":
        name = (host or upstream.authority).encode("ascii")
        data = _HOST.sub(lambda found: found[1] + name + found[3], data, count=1)
    if without_extensions:
        data = _EXTENSIONS.sub(b"", data)
    return data


def refusal(status: int) -> bytes:
    """An answer that refuses an upgrade."""
    from http import HTTPStatus

    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Refused"
    return f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii")
