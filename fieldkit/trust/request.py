"""Certificate signing requests (RFC 2986): who wants a certificate, for which key, with which extensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fieldkit.trust import der, oids
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.der import DerError, Node
from fieldkit.trust.distinguished import Name, read_name
from fieldkit.trust.extensions import Extensions, read_extensions
from fieldkit.trust.keys import PublicKey, read_key
from fieldkit.trust.signatures import Algorithm, Verified, read_algorithm, verify

MAX_SIZE: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Request:
    """A request."""

    der: bytes
    subject: Name
    key: PublicKey
    extensions: Extensions
    algorithm: Algorithm
    signed: bytes
    signature: bytes

    @property
    def label(self) -> str:
        return self.subject.label

    def verified(self) -> Verified:
        """It is signed with the key that it is for: whoever made it has the private one."""
        return verify(self.key, self.algorithm, self.signature, self.signed)

    def answered_by(self, certificate: Certificate) -> bool:
        """Whether a certificate is for the same key."""
        return certificate.key.spki == self.key.spki


def read_request(data: bytes) -> Request:
    """CertificationRequest in DER."""
    if len(data) > MAX_SIZE:
        raise DerError(f"it has {len(data):,} bytes, more than any request")
    try:
        whole = der.read(data).expect(der.SEQUENCE, "a certificate request").children()
        body = whole[0].expect(der.SEQUENCE, "the body of a certificate request").children()
        der.integer(body[0].expect(der.INTEGER, "the version of a certificate request"))
        return Request(
            data,
            read_name(body[1]),
            read_key(body[2]),
            _extensions(body[3:]),
            read_algorithm(whole[1]),
            whole[0].raw,
            der.bits(whole[2]),
        )
    except (IndexError, OverflowError) as error:
        raise DerError("something is missing in it") from error


def _extensions(rest: list[Node]) -> Extensions:
    for attributes in rest:
        if attributes.context == 0:
            for attribute in attributes.children():
                parts = attribute.children()
                if der.oid(parts[0]) == oids.EXTENSION_REQUEST:
                    return read_extensions(parts[1].children()[0])
    return Extensions()
