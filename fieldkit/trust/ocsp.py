"""OCSP responses: what they say, who signed them, whether they are still good (RFC 6960); and requests for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from fieldkit.trust import der, oids
from fieldkit.trust.certificate import Certificate, read_certificate
from fieldkit.trust.der import DerError, Node
from fieldkit.trust.distinguished import Name, read_name
from fieldkit.trust.hashdata import HashData, hash_data, means
from fieldkit.trust.signatures import Algorithm, read_algorithm, verify
from fieldkit.trust.words import DAY, SECOND, date, quoted

MAX_SIZE: Final = 256 << 10
"""Bytes: GetCertificateStatus carries up to 18,000 characters, staples are of a few kilobytes."""
MAX_SINGLES: Final = 100
CLOCKS: Final = 300 * SECOND
"""By how much clocks may differ."""
MAX_AGE: Final = 7 * DAY
"""Of an answer that does not say when the next one comes (ISO 15118-20 and browsers have a week)."""

Status: TypeAlias = Literal["good", "revoked", "unknown"]
_STATUSES: Final[dict[int, Status]] = {0: "good", 1: "revoked", 2: "unknown"}
_FAILURES: Final = {
    1: "the request was malformed", 2: "the responder has an internal error", 3: "the responder is busy: try later",
    5: "the responder wants signed requests", 6: "the responder does not serve who asks",
}  # fmt: skip
REASONS: Final = {
    0: "", 1: "the key was compromised", 2: "the authority was compromised", 3: "the holder's affiliation changed",
    4: "it was superseded", 5: "it is no longer used", 6: "it is on hold", 8: "it was taken off the list",
    9: "a privilege was withdrawn", 10: "an attribute authority was compromised",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Single:
    """The answer for one certificate."""

    hashed: HashData
    status: Status
    revoked_at: int | None
    reason: str
    this_update: int
    next_update: int | None


@dataclass(frozen=True, slots=True)
class OcspResponse:
    """A response; ``failure`` says why there is nothing in it."""

    der: bytes
    failure: str
    produced: int | None = None
    responder: Name | None = None
    responder_key: bytes = b""
    """SHA-1 of the responder's key, where it is named by that."""
    singles: tuple[Single, ...] = ()
    algorithm: Algorithm | None = None
    signed: bytes = b""
    signature: bytes = b""
    certificates: tuple[Certificate, ...] = ()
    nonce: bytes = b""


@dataclass(frozen=True, slots=True)
class Revocation:
    """What a response or a list is worth for one certificate."""

    status: Literal["good", "revoked", "unknown", "unusable"]
    why: str
    """A sentence."""
    expired: bool = False
    """It was good once."""
    revoked_at: int | None = None
    reason: str = ""


def read_response(data: bytes) -> OcspResponse:
    """OCSPResponse in DER."""
    if len(data) > MAX_SIZE:
        raise DerError(f"it has {len(data):,} bytes, more than any OCSP response")
    try:
        return _read(data)
    except (IndexError, OverflowError) as error:
        raise DerError("something is missing in it") from error


def _read(data: bytes) -> OcspResponse:
    parts = der.read(data).expect(der.SEQUENCE, "an OCSP response").children()
    status = der.integer(parts[0].expect(der.ENUMERATED, "the status of an OCSP response"))
    if status:
        return OcspResponse(data, _FAILURES.get(status, f"its status is {status}, which there is not"))
    kind, content = parts[1].children()[0].children()[:2]
    if der.oid(kind) != oids.OCSP_BASIC:
        return OcspResponse(data, f"it is of the unknown kind {der.oid(kind)}")
    basic = der.read(content.expect(der.OCTET_STRING, "the content of an OCSP response").content).children()
    certificates: list[Certificate] = []
    if len(basic) > 3 and basic[3].context == 0:
        certificates = [read_certificate(one.raw) for one in basic[3].children()[0].children()[:10]]
    body = basic[0].expect(der.SEQUENCE, "the body of an OCSP response").children()
    if body[0].context == 0:
        body.pop(0)  # version
    responder, responder_key = None, b""
    if body[0].context == 1:
        responder = read_name(body[0].children()[0])
    else:
        responder_key = body[0].children()[0].content[:64]
    nonce = _nonce(body[3].children()[0]) if len(body) > 3 and body[3].context == 1 else b""
    return OcspResponse(
        data,
        "",
        der.moment(body[1]),
        responder,
        responder_key,
        tuple(_single(one) for one in body[2].children()[:MAX_SINGLES]),
        read_algorithm(basic[1]),
        basic[0].raw,
        der.bits(basic[2]),
        tuple(certificates),
        nonce,
    )


def _single(node: Node) -> Single:
    parts = node.children()
    status = parts[1]
    revoked_at, reason = None, ""
    if status.context == 1:
        told = status.children()
        revoked_at = der.moment(told[0])
        if len(told) > 1:
            number = der.integer(told[1].children()[0])
            reason = REASONS.get(number, f"reason {number}")
    next_update = next((der.moment(one.children()[0]) for one in parts[3:] if one.tag == 0xA0), None)
    known = _STATUSES.get(status.context, "unknown")
    return Single(read_cert_id(parts[0]), known, revoked_at, reason, der.moment(parts[2]), next_update)


def read_cert_id(node: Node) -> HashData:
    """CertID: the same as OCPP's hash data."""
    algorithm, name, key, serial = node.children()[:4]
    label = oids.HASHES.get(der.oid(algorithm.children()[0]), "")
    return HashData(label, name.content.hex(), key.content.hex(), f"{der.integer(serial):x}")


def _nonce(extensions: Node) -> bytes:
    for extension in extensions.children():
        parts = extension.children()
        if der.oid(parts[0]) == oids.OCSP_NONCE:
            content = parts[-1].content
            # RFC 8954 wraps the nonce in an OCTET STRING of its own; some responders do not.
            return content[2:] if content[:1] == b"\x04" and len(content) == content[1] + 2 else content
    return b""


def build_request(certificate: Certificate, issuer: Certificate, *, nonce: bytes = b"") -> bytes:
    """OCSPRequest for one certificate, with SHA-1 as all responders know it (RFC 5019 §2.1.1)."""
    hashed = hash_data(certificate, issuer, "sha1")
    assert hashed is not None
    algorithm = der.write(der.SEQUENCE, der.write_oid(oids.HASH_OIDS["sha1"]), der.write(der.NULL))
    name = der.write(der.OCTET_STRING, bytes.fromhex(hashed.issuer_name))
    key = der.write(der.OCTET_STRING, bytes.fromhex(hashed.issuer_key))
    cert_id = der.write(der.SEQUENCE, algorithm, name, key, der.write_integer(certificate.serial))
    body = der.write(der.SEQUENCE, der.write(der.SEQUENCE, cert_id))
    extensions = b""
    if nonce:
        content = der.write(der.OCTET_STRING, der.write(der.OCTET_STRING, nonce))
        entry = der.write(der.SEQUENCE, der.write_oid(oids.OCSP_NONCE), content)
        extensions = der.write(0xA2, der.write(der.SEQUENCE, entry))
    return der.write(der.SEQUENCE, der.write(der.SEQUENCE, body, extensions))


def judge_bytes(data: bytes, certificate: Certificate, issuer: Certificate, *, at: int) -> Revocation:
    """What a server or a responder sent, which need not be a response at all."""
    try:
        response = read_response(data)
    except DerError as error:
        return Revocation("unusable", f"The answer is no OCSP response: {error}.")
    return judge_response(response, certificate, issuer, at=at)


def judge_response(
    response: OcspResponse, certificate: Certificate, issuer: Certificate, *, at: int, nonce: bytes = b""
) -> Revocation:
    """What it is worth for ``certificate`` at a time. ``nonce``: the one that was sent, if it has to come back."""
    if response.failure:
        return Revocation("unusable", f"It holds no answer: {response.failure}.")
    single = next((one for one in response.singles if means(one.hashed, certificate, issuer)), None)
    if single is None:
        return Revocation("unusable", f"It says nothing on the certificate for {quoted(certificate.label)}.")
    problem = _signer_problem(response, issuer, at)
    if problem:
        return Revocation("unusable", problem)
    if nonce and response.nonce and response.nonce != nonce:
        return Revocation("unusable", "It answers another request: its nonce is not the one that was sent.")
    if single.this_update > at + CLOCKS:
        return Revocation("unusable", f"It is from {date(single.this_update)}, which is still to come.")
    if single.status == "revoked":
        when = date(single.revoked_at) if single.revoked_at is not None else "an unknown time"
        why = f"It was revoked on {when}" + (f": {single.reason}." if single.reason else ".")
        return Revocation("revoked", why, revoked_at=single.revoked_at, reason=single.reason)
    until = single.next_update if single.next_update is not None else single.this_update + MAX_AGE
    if at > until + CLOCKS:
        return Revocation("unusable", f"It was good until {date(until)} only.", expired=True)
    if single.status == "unknown":
        return Revocation("unknown", "The responder does not know the certificate.")
    return Revocation("good", f"It says on {date(single.this_update)} that the certificate is not revoked.")


def _signer_problem(response: OcspResponse, issuer: Certificate, at: int) -> str:
    """Why its signature proves nothing (RFC 6960 §4.2.2.2): the authority signs, or whom it has authorised."""
    assert response.algorithm is not None
    best = ""
    for signer in [issuer, *response.certificates]:
        if not _is_responder(response, signer):
            continue
        checked = verify(signer.key, response.algorithm, response.signature, response.signed)
        if checked.outcome == "unknown":
            return f"Its signature could not be verified: {checked.why}."
        best = _unauthorised(signer, issuer, at) if checked else "Its signature is wrong."
        if not best:
            return ""
    return best or "The certificate of the responder that signed it is not there."


def _is_responder(response: OcspResponse, signer: Certificate) -> bool:
    if response.responder is not None:
        return signer.subject.same(response.responder)
    return signer.key.key_id == response.responder_key


def _unauthorised(signer: Certificate, issuer: Certificate, at: int) -> str:
    if signer == issuer or (signer.key == issuer.key and signer.subject.same(issuer.subject)):
        return ""
    who = quoted(signer.label)
    if not signer.issuer.same(issuer.subject) or signer.issued_by(issuer).outcome == "wrong":
        return f"It is signed by {who}, whom the authority did not authorise."
    if not _signs_ocsp(signer):
        return f"It is signed by {who}, whose certificate is not for signing OCSP responses."
    if not signer.valid_at(at):
        return f"It is signed by {who}, whose certificate is valid until {date(signer.not_after)} only."
    return ""


def _signs_ocsp(signer: Certificate) -> bool:
    # RFC 6960 §4.2.2.2: must be there by name, "anything" does not do.
    return oids.OCSP_SIGNING in (signer.extensions.purposes or ())
