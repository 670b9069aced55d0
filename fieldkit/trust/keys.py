"""Public keys: kind, size, curve. Read from SubjectPublicKeyInfo (RFC 3279 §2.3, RFC 5480, RFC 8410)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from fieldkit.trust import der, oids
from fieldkit.trust.der import DerError, Node

MIN_RSA: Final = 2048
"""Bits, also of DSA (A00.FR.502)."""
MIN_EC: Final = 224
"""Bits (A00.FR.503)."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key."""

    kind: str
    """"RSA", "RSA-PSS", "EC", "Ed25519", "DSA" …; the dotted number of what is not known."""
    bits: int
    """0 where it could not be told."""
    curve: str
    """"secp256r1"; the dotted number of an unknown one; "explicit" where the curve is spelled out."""
    exponent: int
    """Of RSA; 0 for others."""
    spki: bytes
    """SubjectPublicKeyInfo: equal for equal keys."""
    bitstring: bytes
    """The key alone: what OCSP and OCPP's issuerKeyHash hash (RFC 6960 §4.1.1)."""

    def __str__(self) -> str:
        """As in "RSA 2048", "EC secp256r1"."""
        if self.kind == "EC":
            return f"EC {self.curve}" if self.curve != "explicit" else f"EC with a curve of its own, {self.bits} bits"
        return f"{self.kind} {self.bits}" if self.is_rsa or self.kind in ("DSA", "DH") else self.kind

    @property
    def is_rsa(self) -> bool:
        return self.kind in ("RSA", "RSA-PSS")

    @property
    def elliptic(self) -> bool:
        return self.kind == "EC" or self.kind in oids.EDWARDS_BITS

    @property
    def too_short(self) -> bool:
        """Less than 112 bits of strength (A00.FR.501); False where the size is not known."""
        if not self.bits:
            return False
        return self.bits < (MIN_EC if self.elliptic else MIN_RSA)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the whole, in hex."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def key_id(self) -> bytes:
        """The usual subjectKeyIdentifier (RFC 5280 §4.2.1.2, method 1)."""
        return hashlib.sha1(self.bitstring, usedforsecurity=False).digest()


def read_key(node: Node) -> PublicKey:
    """SubjectPublicKeyInfo."""
    parts = node.expect(der.SEQUENCE, "the public key").children()
    if len(parts) != 2:
        raise DerError("the public key is broken")
    algorithm = parts[0].expect(der.SEQUENCE, "the kind of the key").children()
    if not algorithm:
        raise DerError("the public key has no kind")
    type_ = der.oid(algorithm[0])
    bitstring = der.bits(parts[1])
    kind = oids.KEY_TYPES.get(type_, type_)
    bits, curve, exponent = oids.EDWARDS_BITS.get(kind, 0), "", 0
    try:
        if kind in ("RSA", "RSA-PSS"):
            modulus, public = (der.integer(one) for one in der.read(bitstring).children()[:2])
            bits, exponent = modulus.bit_length(), public
        elif kind == "EC":
            curve, bits = _curve(algorithm[1]) if len(algorithm) > 1 else ("explicit", 0)
        elif kind in ("DSA", "DH") and len(algorithm) > 1:
            bits = der.integer(algorithm[1].children()[0]).bit_length()
    except (DerError, ValueError, IndexError) as error:
        raise DerError(f"the public key ({kind}) is broken") from error
    return PublicKey(kind, bits, curve, exponent, node.raw, bitstring)


def _curve(node: Node) -> tuple[str, int]:
    if node.tag == der.OID:
        number = der.oid(node)
        return oids.CURVES.get(number, (number, 0))
    # A curve that is spelled out (RFC 5480 §2.1.1 forbids it in certificates): its size is that of its field.
    field = node.children()[1].children()[1]
    return "explicit", der.integer(field).bit_length() if field.tag == der.INTEGER else 0
