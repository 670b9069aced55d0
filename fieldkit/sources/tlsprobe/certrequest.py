"""What a server wants of a client's certificate: the CertificateRequest of TLS 1.2 and older, and that of TLS 1.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fieldkit.wire.tlshello import parse_encrypted_extensions
from fieldkit.wire.tlsnames import TLS12

MAX_NAMES: Final = 50
"""Names of authorities that are kept; public-PKI servers send hundreds."""
_AUTHORITIES: Final = 47
_SIGNATURE_ALGORITHMS: Final = 13


@dataclass
class CertificateRequest:
    """What the server wants of a client's certificate (RFC 5246 §7.4.4, RFC 8446 §4.3.2)."""

    authorities: tuple[bytes, ...] = ()
    """DER names, at most ``MAX_NAMES``; none: any."""
    more: int = 0
    """How many others there were."""
    signatures: tuple[int, ...] = ()


def request12(body: bytes, version: int) -> CertificateRequest:
    """RFC 5246 §7.4.4; older versions have no list of signature algorithms."""
    found = CertificateRequest()
    at = 1 + body[0] if body else 0
    if version >= TLS12:
        size = int.from_bytes(body[at : at + 2], "big")
        found.signatures = _pairs(body[at + 2 : at + 2 + size])
        at += 2 + size
    _authorities(body[at:], found)
    return found


def request13(body: bytes) -> CertificateRequest:
    """RFC 8446 §4.3.2: everything is an extension."""
    found = CertificateRequest()
    for kind, content in parse_encrypted_extensions(body[1 + body[0] :] if body else b""):
        if kind == _SIGNATURE_ALGORITHMS:
            found.signatures = _pairs(content[2:])
        elif kind == _AUTHORITIES:
            _authorities(content, found)
    return found


def _authorities(block: bytes, found: CertificateRequest) -> None:
    end = min(2 + int.from_bytes(block[:2], "big"), len(block))
    names: list[bytes] = []
    at = 2
    while at + 2 <= end:
        size = int.from_bytes(block[at : at + 2], "big")
        if at + 2 + size > end or not size:
            break
        if len(names) < MAX_NAMES:
            names.append(block[at + 2 : at + 2 + size])
        else:
            found.more += 1
        at += 2 + size
    found.authorities = tuple(names)


def _pairs(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))
