"""How OCPP points at a certificate: hashes of its issuer and its serial number (CertificateHashDataType, RFC 6960
CertID)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fieldkit.trust.certificate import Certificate

ALGORITHMS: Final = {"sha1": "sha1", "sha224": "sha224", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
"""OCPP has SHA256, SHA384 and SHA512, OCSP mostly SHA-1."""
MAX_TEXT: Final = 128
"""Characters of a hash (OCPP CertificateHashDataType)."""


@dataclass(frozen=True, slots=True)
class HashData:
    """As a station sends it, in lower case."""

    algorithm: str
    """"sha256"."""
    issuer_name: str
    issuer_key: str
    serial: str
    """In hex, without leading zeroes."""

    @classmethod
    def of(cls, algorithm: str, issuer_name: str, issuer_key: str, serial: str) -> HashData:
        """From what a message says: forgiving of letter case, of "SHA-256" and of leading zeroes."""
        clean = algorithm[:16].lower().replace("-", "")
        number = serial[:64].lower().removeprefix("0x").lstrip("0") or "0"
        return cls(clean, issuer_name[:MAX_TEXT].lower(), issuer_key[:MAX_TEXT].lower(), number)


def hash_data(certificate: Certificate, issuer: Certificate, algorithm: str = "sha256") -> HashData | None:
    """Of ``certificate``, whose issuer is ``issuer`` (a root is its own); None for an unknown algorithm."""
    name = ALGORITHMS.get(algorithm)
    if name is None:
        return None
    return HashData(
        name,
        _digest(name, certificate.issuer.der),
        _digest(name, issuer.key.bitstring),
        certificate.serial_hex,
    )


def means(hashed: HashData, certificate: Certificate, issuer: Certificate | None = None) -> bool | None:
    """Whether ``hashed`` points at ``certificate``. None where it seems so and the key of the issuer, which is not at
    hand, would have to be compared too."""
    name = ALGORITHMS.get(hashed.algorithm)
    if name is None or certificate.serial_hex != hashed.serial:
        return False
    if _digest(name, certificate.issuer.der) != hashed.issuer_name:
        return False
    issuer = certificate if issuer is None and certificate.self_issued else issuer
    return None if issuer is None else _digest(name, issuer.key.bitstring) == hashed.issuer_key


def issued_by_one_of(certificate: Certificate, roots: Iterable[HashData]) -> HashData | None:
    """The root among those pointed at whose name is that of the issuer of ``certificate``. Its key is not known, so
    that nothing is proven by it."""
    digests = {name: _digest(name, certificate.issuer.der) for name in ALGORITHMS}
    return next((root for root in roots if digests.get(root.algorithm) == root.issuer_name), None)


def _digest(algorithm: str, data: bytes) -> str:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
