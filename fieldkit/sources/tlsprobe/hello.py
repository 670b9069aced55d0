"""ClientHellos of our own making: any version from SSL 3.0 to TLS 1.3, any suites, groups and extensions.

A hello is what a client says it can do; nothing obliges it to really do it. That is how old versions and broken suites
are asked for that no library speaks any more.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fieldkit.sources.tlsprobe import suites
from fieldkit.wire.tlsnames import TLS12, TLS13

SSL3: Final = 0x0300
TLS10: Final = 0x0301
TLS11: Final = 0x0302

X25519: Final = 29
P256: Final = 23
P384: Final = 24
P521: Final = 25
X448: Final = 30
GROUPS: Final = (X25519, P256, P384, P521, X448)
"""Elliptic curves that somebody still uses (RFC 8446 §4.2.7, RFC 8422 §5.1.1)."""
OLD_GROUPS: Final = (*GROUPS, 22, 21, 19, 26, 27, 28)
"""With secp256k1, secp224r1, secp192r1 and brainpool's (RFC 7027; Germany's metering has them): certificates with such
keys exist, and a TLS 1.2 server shows one only to clients that know its curve."""

SIGNATURES: Final = (
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401, 0x0501, 0x0601,
    0x0303, 0x0301, 0x0203, 0x0201, 0x0202,
)  # fmt: skip
"""Also SHA-1, SHA-224 and DSA: a server whose certificate is signed with one must not hide it from us."""
RSA_SIGNATURES: Final = tuple(one for one in SIGNATURES if one in range(0x0804, 0x080C) or one & 0xFF == 1)
ECDSA_SIGNATURES: Final = tuple(one for one in SIGNATURES if one not in RSA_SIGNATURES)

_CLIENT_HELLO: Final = b"\x01"
_OCSP_REQUEST: Final = b"\x01\x00\x00\x00\x00"
"""status_type ocsp, no responders, no extensions (RFC 6066 §8)."""


@dataclass(frozen=True)
class Hello:
    """What is offered."""

    version: int = TLS12
    """The highest."""
    suites: Sequence[int] = ()
    server_name: str = ""
    compressions: bytes = b"\x00"
    groups: Sequence[int] = OLD_GROUPS
    signatures: Sequence[int] = SIGNATURES
    staple: bool = False
    """Ask for the certificate's status."""
    ticket: bytes | None = None
    """A session ticket; b"" asks for a new one (RFC 5077 §3.2)."""
    session_id: bytes | None = None
    key_shares: Sequence[tuple[int, bytes]] = ()
    """TLS 1.3; none asks the server to name a group (RFC 8446 §4.2.8)."""
    cookie: bytes = b""
    """Of a HelloRetryRequest, to be given back."""
    bare: bool = False
    """As short as it can be: for peers that choke on long ones."""
    renegotiation: bytes = b""
    """The verify_data of the handshake before this one on the same connection (RFC 5746 §3.5)."""
    scsv: bool = False
    """It claims to be a second try at an older version (RFC 7507)."""

    def message(self, random: bytes | None = None) -> bytes:
        """The handshake message."""
        modern = self.version == TLS13
        session_id = self.session_id
        if session_id is None:
            # RFC 8446 §D.4: middleboxes let it pass more readily when it looks like a resumption.
            session_id = os.urandom(32) if modern and not self.bare else b""
        numbers = [*self.suites, *((suites.FALLBACK_SCSV,) if self.scsv else ())]
        extensions = self._extensions(modern) if self.version > SSL3 else b""
        body = (
            struct.pack(">H", min(self.version, TLS12))
            + (random or os.urandom(32))
            + _short(session_id)
            + _numbers(numbers)
            + _short(self.compressions)
            + (_long(extensions) if extensions else b"")
        )
        return _CLIENT_HELLO + len(body).to_bytes(3, "big") + body

    def _extensions(self, modern: bool) -> bytes:
        made = []
        if self.server_name:
            made.append(_extension(0, _long(b"\x00" + _long(self.server_name.encode("ascii", "replace")))))
        if self.groups:
            made.append(_extension(10, _numbers(self.groups)))
            if not modern:
                made.append(_extension(11, _short(b"\x00")))
        if self.version >= TLS12:
            made.append(_extension(13, _numbers(self.signatures)))
        if self.staple:
            made.append(_extension(5, _OCSP_REQUEST))
        if self.ticket is not None:
            made.append(_extension(35, self.ticket))
        if modern:
            made.append(_extension(43, _short(struct.pack(">H", TLS13))))
            shares = b"".join(struct.pack(">H", group) + _long(share) for group, share in self.key_shares)
            made.append(_extension(51, _long(shares)))
            made.append(_extension(45, b"\x01\x01"))
            if self.cookie:
                made.append(_extension(44, _long(self.cookie)))
        elif not self.bare:
            made.append(_extension(23, b""))
        if not modern:
            made.append(_extension(0xFF01, _short(self.renegotiation)))
        return b"".join(made)


def record(message: bytes, version: int) -> bytes:
    """A handshake message in a record (RFC 8446 §5.1: the first of a connection says TLS 1.0)."""
    return b"\x16" + struct.pack(">H", SSL3 if version == SSL3 else TLS10) + _long(message)


def _extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">HH", kind, len(content)) + content


def _short(content: bytes) -> bytes:
    return bytes((len(content),)) + content


def _long(content: bytes) -> bytes:
    return struct.pack(">H", len(content)) + content


def _numbers(numbers: Sequence[int]) -> bytes:
    return struct.pack(f">H{len(numbers)}H", 2 * len(numbers), *numbers)
