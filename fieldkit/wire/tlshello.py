"""What TLS says in clear, read without any state: hellos, certificate chains and alerts.

Every function takes the body of one handshake message (without its four-byte header) or a number, and never raises.
A hello that breaks off or contradicts itself is returned as far as it could be read, and ``defect`` says in a few
words what is wrong with it: a station with a broken TLS stack is what a technician is looking for.

Numbers are kept as they stand on the wire and in the order they stand there, reserved GREASE values (RFC 8701)
included, because fingerprints such as JA3 and JA4 are made of exactly that.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from fieldkit.wire.tlsnames import TLS13, alert_name

MAX_CERTIFICATES = 32
"""In one chain. Real ones have two to five; OpenSSL stops verifying at a depth of 100."""

RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""A ServerHello with this in the place of its random is a HelloRetryRequest (RFC 8446 §4.1.3)."""

# ------------------------------------------------------------------------------------------------------------ hellos


@dataclass(slots=True)
class ClientHello:
    """RFC 8446 §4.1.2, RFC 5246 §7.4.1.2. What was not sent, or not readable, is empty."""

    legacy_version: int = 0
    random: bytes = b""
    """32 bytes, or none when the hello is shorter than that: then there is nothing else in it either."""
    session_id: bytes = b""
    suites: tuple[int, ...] = ()
    compressions: tuple[int, ...] = ()
    extensions: tuple[tuple[int, bytes], ...] = ()
    """Type and raw content of each, in the order sent."""
    versions: tuple[int, ...] = ()
    """All that are offered: the supported_versions extension, or else just the legacy version."""
    groups: tuple[int, ...] = ()
    point_formats: tuple[int, ...] = ()
    signature_algorithms: tuple[int, ...] = ()
    server_name: str = ""
    alpn: tuple[str, ...] = ()
    key_shares: tuple[int, ...] = ()
    """The groups for which a key share came along."""
    psk_offered: bool = False
    early_data: bool = False
    defect: str = ""

    @property
    def version(self) -> int:
        """The highest version offered that is one."""
        return max((v for v in self.versions if 0x0300 <= v <= TLS13), default=self.legacy_version)


@dataclass(slots=True)
class ServerHello:
    """RFC 8446 §4.1.3, RFC 5246 §7.4.1.3. What was not sent, or not readable, is empty."""

    legacy_version: int = 0
    random: bytes = b""
    session_id: bytes = b""
    suite: int = 0
    compression: int = 0
    extensions: tuple[tuple[int, bytes], ...] = ()
    version: int = 0
    """The version chosen: the supported_versions extension, or else the legacy version."""
    group: int | None = None
    """The key-share group chosen (TLS 1.3), or asked for by a HelloRetryRequest."""
    point_formats: tuple[int, ...] = ()
    alpn: tuple[str, ...] = ()
    psk: bool = False
    """A pre-shared key was chosen (TLS 1.3): the session is resumed, or the key was agreed beforehand."""
    encrypt_then_mac: bool = False
    """RFC 7366: changes how CBC records are put together."""
    defect: str = ""

    @property
    def retry(self) -> bool:
        """It is a HelloRetryRequest: the client shall say hello again."""
        return self.random == RETRY_RANDOM


class _ShortError(Exception):
    """A field runs over the end of what holds it."""


class _Cursor:
    """Reads the vectors of RFC 8446 §3.4 out of a byte string."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise _ShortError
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """A byte string that is preceded by its length in ``size`` bytes."""
        return self.take(self.number(size))

    def more(self) -> bool:
        return self.at < len(self.data)

    def end(self) -> None:
        """Nothing may follow."""
        if self.more():
            raise _ShortError


def parse_client_hello(body: bytes) -> ClientHello:
    """Read a ClientHello, as far as it can be read."""
    cursor = _Cursor(body)
    found: dict[str, Any] = {}
    part = "version and random"
    try:
        found["legacy_version"] = cursor.number(2)
        found["versions"] = (found["legacy_version"],)
        found["random"] = cursor.take(32)
        part = "session id"
        found["session_id"] = cursor.vector(1)
        part = "cipher suites"
        found["suites"] = _numbers(cursor.vector(2))
        part = "compression methods"
        found["compressions"] = tuple(cursor.vector(1))
        part = "extensions"
        defect = _extensions(cursor, found, _CLIENT_EXTENSIONS)
    except _ShortError:
        defect = f"its {part} cannot be read"
    return ClientHello(**found, defect=defect)


def parse_server_hello(body: bytes) -> ServerHello:
    """Read a ServerHello or HelloRetryRequest, as far as it can be read."""
    cursor = _Cursor(body)
    found: dict[str, Any] = {}
    part = "version and random"
    try:
        found["legacy_version"] = found["version"] = cursor.number(2)
        found["random"] = cursor.take(32)
        part = "session id"
        found["session_id"] = cursor.vector(1)
        part = "cipher suite"
        found["suite"] = cursor.number(2)
        part = "compression method"
        found["compression"] = cursor.number(1)
        part = "extensions"
        defect = _extensions(cursor, found, _SERVER_EXTENSIONS)
    except _ShortError:
        defect = f"its {part} cannot be read"
    return ServerHello(**found, defect=defect)


def parse_encrypted_extensions(body: bytes) -> tuple[tuple[int, bytes], ...]:
    """The extensions that a TLS 1.3 server answers under encryption (RFC 8446 §4.3.1); empty when unreadable."""
    found: dict[str, Any] = {"extensions": ()}
    with suppress(_ShortError):
        _extensions(_Cursor(body), found, {})
    extensions: tuple[tuple[int, bytes], ...] = found["extensions"]
    return extensions


def parse_certificates(body: bytes, tls13: bool) -> tuple[tuple[bytes, ...], str]:
    """The DER certificates of a Certificate message in the order sent, and what is wrong with it ("" if nothing).

    TLS 1.3 puts a context in front and extensions behind each one (RFC 8446 §4.4.2).
    """
    chain: list[bytes] = []
    try:
        cursor = _Cursor(body)
        if tls13:
            cursor.vector(1)
        entries = _Cursor(cursor.vector(3))
        cursor.end()
        while entries.more():
            if len(chain) == MAX_CERTIFICATES:
                return tuple(chain), f"it has more than {MAX_CERTIFICATES} certificates"
            chain.append(entries.vector(3))
            if tls13:
                entries.vector(2)
    except _ShortError:
        return tuple(chain), f"it cannot be read behind certificate {len(chain)}"
    return tuple(chain), ""


def parse_alert(level: int, description: int, version: int) -> tuple[bool, str]:
    """Whether an alert is fatal, and its name. In TLS 1.3 all but two are, whatever level they state (RFC 8446 §6)."""
    fatal = description not in (0, 90) if version == TLS13 else level == 2
    return fatal, alert_name(description)


# -------------------------------------------------------------------------------------------------------- extensions


def _numbers(data: bytes) -> tuple[int, ...]:
    if len(data) & 1:
        raise _ShortError
    return struct.unpack(f">{len(data) >> 1}H", data)


def _text(data: bytes) -> str:
    """Names on the wire are ASCII; whatever else comes must still be seen, and be told apart."""
    return data.decode("ascii", "backslashreplace")


def _server_name(cursor: _Cursor) -> str:
    names = _Cursor(cursor.vector(2))  # RFC 6066 §3: a list, but with one entry of type host_name
    while names.more():
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return _text(name)
    return ""


def _alpn(cursor: _Cursor) -> tuple[str, ...]:
    names = _Cursor(cursor.vector(2))  # RFC 7301 §3.1
    found = []
    while names.more():
        found.append(_text(names.vector(1)))
    return tuple(found)


def _key_shares(cursor: _Cursor) -> tuple[int, ...]:
    shares = _Cursor(cursor.vector(2))  # RFC 8446 §4.2.8
    found = []
    while shares.more():
        found.append(shares.number(2))
        shares.vector(2)
    return tuple(found)


def _chosen_group(cursor: _Cursor) -> int:
    group = cursor.number(2)
    if cursor.more():  # a HelloRetryRequest names the group without a share
        cursor.vector(2)
    return group


def _present(cursor: _Cursor) -> bool:
    cursor.at = len(cursor.data)
    return True


_Extensions = dict[int, tuple[str, Callable[[_Cursor], object]]]
"""Extension type → the field it fills and how its content is read."""

_CLIENT_EXTENSIONS: Final[_Extensions] = {
    0: ("server_name", _server_name),
    10: ("groups", lambda cursor: _numbers(cursor.vector(2))),
    11: ("point_formats", lambda cursor: tuple(cursor.vector(1))),
    13: ("signature_algorithms", lambda cursor: _numbers(cursor.vector(2))),
    16: ("alpn", _alpn),
    41: ("psk_offered", _present),
    42: ("early_data", _present),
    43: ("versions", lambda cursor: _numbers(cursor.vector(1))),
    51: ("key_shares", _key_shares),
}

_SERVER_EXTENSIONS: Final[_Extensions] = {
    11: ("point_formats", lambda cursor: tuple(cursor.vector(1))),
    16: ("alpn", _alpn),
    22: ("encrypt_then_mac", _present),
    41: ("psk", _present),
    43: ("version", lambda cursor: cursor.number(2)),
    51: ("group", _chosen_group),
}


def _extensions(cursor: _Cursor, found: dict[str, Any], readers: _Extensions) -> str:
    """Read the block of extensions that ends a hello into ``found``; return what is wrong with it."""
    if not cursor.more():
        return ""  # TLS 1.2 and older may do without
    block = _Cursor(cursor.vector(2))
    extensions: list[tuple[int, bytes]] = []
    seen: set[int] = set()
    defect = f"{len(cursor.data) - cursor.at} bytes follow its extensions" if cursor.more() else ""
    while block.more():
        try:
            kind, content = block.number(2), block.vector(2)
        except _ShortError:
            defect = defect or f"it breaks off behind extension {len(extensions)}"
            break
        extensions.append((kind, content))
        if kind in seen:
            defect = defect or f"it has extension {kind} twice"
            continue
        seen.add(kind)
        if kind not in readers:
            continue
        name, read = readers[kind]
        inner = _Cursor(content)
        try:
            value = read(inner)
            inner.end()
        except _ShortError:
            defect = defect or f"its extension {kind} ({name}) cannot be read"
        else:
            found[name] = value
    found["extensions"] = tuple(extensions)
    return defect
