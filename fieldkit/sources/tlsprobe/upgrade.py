"""The WebSocket upgrade: its request, and what the answer says (RFC 6455 §4, OCPP-J 1.6 §3.1, OCPP 2.x Part 4 §3)."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import Final

from fieldkit import __version__
from fieldkit.safetext import terminal
from fieldkit.sources.tlsprobe.conversation import MODEST, Traffic
from fieldkit.sources.tlsprobe.posture import Spoken
from fieldkit.sources.tlsprobe.targets import Target
from fieldkit.wire.httphead import parse_fields, parse_status_line

SUBPROTOCOLS: Final = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
"""Offered one by one when nothing else is asked for."""
MAX_HEAD: Final = 16 << 10
MAX_BODY: Final = 512
"""Bytes of a refusal's body that are looked at."""
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_NORMAL_CLOSURE: Final = 1000
_CLOSE: Final = 8


@dataclass(frozen=True, slots=True)
class Credentials:
    """For HTTP Basic (RFC 7617). The password is shown to nobody, not even to a debugger."""

    user: str
    password: bytes = field(repr=False)

    @property
    def header(self) -> str:
        return "Basic " + base64.b64encode(self.user.encode() + b":" + self.password).decode("ascii")

    def values(self) -> dict[str, str]:
        """What a text may say of them."""
        hint = ""
        if 32 <= len(self.password) <= 40 and re.fullmatch(rb"[0-9A-Fa-f]+", self.password):
            hint = " It looks like the hexadecimal AuthorizationKey of OCPP 1.6, which is sent decoded: --password-hex."
        return {"user": terminal(self.user, 100), "length": str(len(self.password)), "hint": hint}


class Upgrade:
    """One request for an upgrade and its answer, over whatever carries bytes."""

    def __init__(self, target: Target, subprotocol: str, credentials: Credentials | None, spoken: Spoken) -> None:
        self.spoken = spoken
        self.done = False
        self._target = target
        self._subprotocol = subprotocol
        self._credentials = credentials
        self._key = base64.b64encode(os.urandom(16))
        self._data = b""
        self._body = False

    def request(self) -> bytes:
        """What is sent."""
        target = self._target
        host = f"[{target.name}]" if ":" in target.name else target.name
        if target.port != (443 if target.tls else 80):
            host += f":{target.port}"
        lines = [
            f"GET {target.path or '/'} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {self._key.decode('ascii')}",
            "Sec-WebSocket-Version: 13",
            f"User-Agent: fieldkit/{__version__}",
        ]
        if self._subprotocol:
            lines.append(f"Sec-WebSocket-Protocol: {self._subprotocol}")
        if self._credentials is not None:
            lines.append(f"Authorization: {self._credentials.header}")
            self.spoken.password_sent = True
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")

    def feed(self, data: bytes) -> bytes:
        """Take in some of the answer; returns what to send."""
        if self.done:
            return b""
        self._data += data
        if self._body:
            return self._take_body()
        found = _HEAD_END.search(self._data)
        if found is None:
            if len(self._data) > MAX_HEAD or not self._plausible():
                self.done = True
                self.spoken.error = "what answers is no HTTP"
            return b""
        head, self._data = self._data[: found.start()], self._data[found.end() :]
        line, _, block = head.partition(b"\n")
        status = parse_status_line(line)
        if status is None:
            self.done = True
            self.spoken.error = "what answers is no HTTP"
            return b""
        spoken = self.spoken
        spoken.status, spoken.reason = status.status, status.reason
        spoken.headers = parse_fields(block).headers
        if status.status == 101:
            return self._upgraded()
        self._body = True
        return self._take_body()

    def finish(self) -> None:
        """Nothing more comes."""
        if self._body:
            self._keep_body()

    def _plausible(self) -> bool:
        beginning = self._data[:5]
        return b"HTTP/"[: len(beginning)] == beginning

    def _upgraded(self) -> bytes:
        self.done = True
        headers = self.spoken.headers
        expected = base64.b64encode(hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest()).decode("ascii")
        self.spoken.accept_wrong = headers.get("sec-websocket-accept", "").strip() != expected
        self.spoken.chosen = headers.get("sec-websocket-protocol", "").strip()
        if len(self._data) >= 4 and self._data[0] & 15 == _CLOSE:
            self.spoken.close_code = int.from_bytes(self._data[2:4], "big")
        # RFC 6455 §5.5.1 and §5.3: said goodbye, masked as all that a client sends.
        mask = os.urandom(4)
        code = _NORMAL_CLOSURE.to_bytes(2, "big")
        return b"\x88\x82" + mask + bytes(byte ^ key for byte, key in zip(code, mask, strict=False))

    def _take_body(self) -> bytes:
        length = self.spoken.headers.get("content-length", "")
        wanted = min(int(length), MAX_BODY) if length.isascii() and length.isdigit() and len(length) < 9 else MAX_BODY
        if len(self._data) >= wanted:
            self.done = True
            self._keep_body()
        return b""

    def _keep_body(self) -> None:
        self.spoken.body = self._data[:MAX_BODY].decode("utf-8", "replace")


class PlainUpgrade:
    """The upgrade without TLS, as a conversation. A password is sent only where the user named ws:// himself."""

    window = MODEST

    def __init__(
        self, target: Target, *, patience: float, subprotocol: str = "ocpp1.6", credentials: Credentials | None = None
    ) -> None:
        self.patience = patience
        self._settings = (target, subprotocol, credentials)
        self.again()

    def again(self) -> None:
        """Nothing was said, nothing came."""
        target, subprotocol, credentials = self._settings
        self.traffic = Traffic()
        self.spoken = Spoken(subprotocol)
        self.done = False
        self._upgrade = Upgrade(target, subprotocol, credentials, self.spoken)

    def begin(self) -> bytes:
        """The request."""
        return self._upgrade.request()

    def feed(self, data: bytes) -> bytes:
        """Some of the answer."""
        reply = self._upgrade.feed(data)
        self.done = self._upgrade.done
        return reply

    def finish(self) -> None:
        """The connection is over."""
        self._upgrade.finish()
        self.spoken.elapsed_s = self.traffic.total_s
