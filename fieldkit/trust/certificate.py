"""One certificate as plain values (RFC 5280 §4.1)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from fieldkit.trust import der, oids
from fieldkit.trust.der import DerError, Node
from fieldkit.trust.distinguished import Name, read_name
from fieldkit.trust.extensions import Extensions, read_extensions
from fieldkit.trust.keys import PublicKey, read_key
from fieldkit.trust.signatures import Algorithm, Verified, read_algorithm, verify

MAX_SIZE: Final = 64 << 10
"""Bytes of a certificate that is read: OCPP takes 5,500 or 10,000 characters of PEM, others hardly ever more."""
_LINE: Final = 64
"""Characters of a line of PEM (RFC 7468 §2)."""


@dataclass(frozen=True)
class Certificate:
    """A certificate. Two are equal when their bytes are."""

    der: bytes
    version: int
    """1 to 3."""
    serial: int
    subject: Name
    issuer: Name
    not_before: int
    not_after: int
    """ns since the epoch."""
    key: PublicKey
    algorithm: Algorithm
    """What the signature claims to be made with."""
    signed: bytes
    """What the signature is over."""
    signature: bytes
    extensions: Extensions
    oddities: tuple[str, ...]
    """What RFC 5280 forbids and a strict parser would stop at."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all of it, in hex."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def serial_hex(self) -> str:
        """As OCPP spells it: lower case, without leading zeroes."""
        return f"{self.serial:x}"

    @property
    def label(self) -> str:
        """What it is called in a sentence."""
        if not self.subject.attributes and self.extensions.alt_names is not None:
            names = (*self.extensions.alt_names.dns, *self.extensions.alt_names.shown_addresses)
            if names:
                return names[0]
        return self.subject.label

    @property
    def common_name(self) -> str:
        return self.subject.common

    @property
    def pem(self) -> str:
        """In PEM, with lines as OpenSSL writes them."""
        return pem("CERTIFICATE", self.der)

    @property
    def self_issued(self) -> bool:
        """Subject and issuer have the same name; it may still be signed with another key."""
        return self.subject.same(self.issuer)

    @cached_property
    def self_signed(self) -> bool:
        """Signed with its own key. Where that cannot be computed, names and key identifiers tell."""
        if not self.self_issued:
            return False
        checked = self.issued_by(self)
        if checked.outcome == "unknown":
            ids = self.extensions
            return not ids.authority_key_id or ids.authority_key_id == (ids.subject_key_id or self.key.key_id)
        return bool(checked)

    @property
    def is_ca(self) -> bool:
        """It may issue certificates; so may roots of the time before version 3, which had no way to say so."""
        return self.extensions.is_ca is True or (self.version < 3 and self.self_issued)

    def valid_at(self, time: int) -> bool:
        return self.not_before <= time <= self.not_after

    def issued_by(self, issuer: Certificate) -> Verified:
        """Verify the signature with the key of ``issuer``; names are not looked at."""
        return verify(issuer.key, self.algorithm, self.signature, self.signed)

    def may(self, usage: str) -> bool:
        """By keyUsage; without that extension everything is allowed (RFC 5280 §4.2.1.3)."""
        return self.extensions.key_usage is None or usage in self.extensions.key_usage

    def serves(self, purpose: str) -> bool:
        """By extended key usage; without that extension it serves everything (RFC 5280 §4.2.1.12)."""
        purposes = self.extensions.purposes
        return purposes is None or purpose in purposes or oids.ANY_USAGE in purposes


def pem(kind: str, content: bytes) -> str:
    """RFC 7468."""
    text = base64.b64encode(content).decode()
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])


def read_certificate(data: bytes) -> Certificate:
    """Read DER; ``DerError`` says in words what hinders."""
    if len(data) > MAX_SIZE:
        raise DerError(f"it has {len(data):,} bytes, more than any certificate")
    try:
        return _read(data)
    except (IndexError, OverflowError) as error:
        raise DerError("something is missing in it") from error


def _read(data: bytes) -> Certificate:
    whole = der.read(data).expect(der.SEQUENCE, "a certificate").children()
    if len(whole) != 3:
        raise DerError(f"a certificate has three parts, this has {len(whole)}")
    body = whole[0].expect(der.SEQUENCE, "the body of a certificate").children()
    oddities: list[str] = []
    version = 1
    if body[0].context == 0:
        version = der.integer(body.pop(0).children()[0]) + 1
    serial = der.integer(body[0].expect(der.INTEGER, "the serial number"))
    inner, outer = read_algorithm(body[1]), read_algorithm(whole[1])
    if inner.raw != outer.raw:
        oddities.append(f"it names two signature algorithms, {inner.label} and {outer.label}")
    dates = body[3].expect(der.SEQUENCE, "the validity").children()
    extensions = _extensions(body[6:])
    certificate = Certificate(
        der=data,
        version=version,
        serial=serial,
        subject=read_name(body[4]),
        issuer=read_name(body[2]),
        not_before=der.moment(dates[0]),
        not_after=der.moment(dates[1]),
        key=read_key(body[5]),
        algorithm=outer,
        signed=whole[0].raw,
        signature=der.bits(whole[2]),
        extensions=extensions,
        oddities=(),
    )
    oddities += _oddities(certificate)
    object.__setattr__(certificate, "oddities", tuple(oddities))
    return certificate


def _extensions(rest: list[Node]) -> Extensions:
    for part in rest:
        if part.context == 3:
            return read_extensions(part.children()[0])
    return Extensions()


def _oddities(certificate: Certificate) -> list[str]:
    extensions = certificate.extensions
    found = []
    if certificate.version not in (1, 2, 3):
        found.append(f"its version is {certificate.version}, which there is not")
    elif extensions.present and certificate.version != 3:
        found.append(f"it has extensions and says that it is of version {certificate.version}")
    if certificate.serial < 0 or (certificate.serial == 0 and not certificate.self_issued):  # roots are known to have 0
        found.append(f"its serial number is {certificate.serial}, and must be above zero")
    elif certificate.serial.bit_length() > 160:
        found.append("its serial number has more than 20 bytes")
    if certificate.not_after < certificate.not_before:
        found.append("it ends before it begins")
    for number, why in extensions.broken.items():
        found.append(f"its extension {oids.EXTENSIONS.get(number, number)} cannot be read ({why})")
    for number in extensions.twice:
        found.append(f"its extension {oids.EXTENSIONS.get(number, number)} is there twice")
    if certificate.key.curve == "explicit":
        found.append("its key spells a curve out instead of naming one")
    return found
