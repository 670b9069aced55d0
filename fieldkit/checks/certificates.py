"""What checks want to know of a certificate: read from DER by ``cryptography``, which is loaded when first needed.

Small routers do without it: then nothing is known, and nothing is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.x509 import Certificate as Parsed

MAX_NAMES: Final = 100
MAX_TEXT: Final = 200
_CACHED: Final = 128
"""Chains remembered: a station shows the same one at each connection."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate."""

    subject: str
    """Its common name, else all of its name."""
    issuer: str
    subject_der: bytes
    issuer_der: bytes
    begin: int
    end: int
    """Nanoseconds since the epoch."""
    names: tuple[str, ...]
    """dNSNames and IP addresses; without any, the common name, as OCPP has it."""
    key_kind: str
    """"RSA", "EC", "" for others."""
    key_bits: int
    hash_name: str
    names_issuer_url: bool
    """It says where the certificate of its issuer is to be had, as those of public authorities do."""

    @property
    def self_issued(self) -> bool:
        """Subject and issuer are the same."""
        return self.subject_der == self.issuer_der


@lru_cache(maxsize=_CACHED)
def read_chain(chain: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    """All certificates of a chain; nothing when one of them cannot be read, or ``cryptography`` is missing."""
    try:
        from cryptography.x509 import load_der_x509_certificate
    except ImportError:
        return ()
    try:
        return tuple(_read(load_der_x509_certificate(der)) for der in chain)
    except Exception:  # bytes from the wire: OpenSSL and its binding raise whatever they like
        return ()


def _read(parsed: Parsed) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

    names: list[str] = []
    issuer_url = False
    for extension in parsed.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            names = value.get_values_for_type(x509.DNSName)[:MAX_NAMES]
            names += [str(address) for address in value.get_values_for_type(x509.IPAddress)[:MAX_NAMES]]
        elif isinstance(value, x509.AuthorityInformationAccess):
            issuer_url = any(one.access_method == AuthorityInformationAccessOID.CA_ISSUERS for one in value)
    common = [str(one.value)[:MAX_TEXT] for one in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    key = parsed.public_key()
    kind, bits = "", 0
    if isinstance(key, rsa.RSAPublicKey):
        kind, bits = "RSA", key.key_size
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind, bits = "EC", key.key_size
    algorithm = parsed.signature_hash_algorithm
    return Certificate(
        subject=_name(parsed.subject),
        issuer=_name(parsed.issuer),
        subject_der=parsed.subject.public_bytes(),
        issuer_der=parsed.issuer.public_bytes(),
        begin=_nanoseconds(parsed.not_valid_before_utc),
        end=_nanoseconds(parsed.not_valid_after_utc),
        names=tuple(names or common),
        key_kind=kind,
        key_bits=bits,
        hash_name=algorithm.name if algorithm is not None else "",
        names_issuer_url=issuer_url,
    )


def _name(name: object) -> str:
    from cryptography.x509 import Name
    from cryptography.x509.oid import NameOID

    if not isinstance(name, Name):
        return ""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return (str(common[0].value) if common else name.rfc4514_string())[:MAX_TEXT]


def _nanoseconds(moment: datetime) -> int:
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000


def matches(pattern: str, name: str) -> bool:
    """RFC 9525 §6.3: names are compared without case; "*" stands for exactly the first label."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name
