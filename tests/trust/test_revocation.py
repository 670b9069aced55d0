"""OCSP responses and revocation lists: what they say, and whether it counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from fieldkit.trust.crl import Crl, in_crl, judge_crl, read_crl
from fieldkit.trust.der import DerError
from fieldkit.trust.ocsp import OcspResponse, build_request, judge_response, read_response
from tests.trust.pki import AT, DAY, NOW, Made, issue, name, pki, root, server, sub, usage

OCSP_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.9")


def response(
    certificate: Made,
    issuer: Made,
    *,
    signer: Made | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    days: tuple[float, float | None] = (-1, 6),
    by_hash: bool = False,
    nonce: bytes = b"",
    certificates: list[Made] | None = None,
    algorithm: Any = None,
) -> OcspResponse:
    who = signer or issuer
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=certificate.x509,
        issuer=issuer.x509,
        algorithm=algorithm or hashes.SHA1(),
        cert_status=status,
        this_update=NOW + timedelta(days=days[0]),
        next_update=None if days[1] is None else NOW + timedelta(days=days[1]),
        revocation_time=NOW - timedelta(days=3) if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH if by_hash else ocsp.OCSPResponderEncoding.NAME,
                                   who.x509)  # fmt: skip
    if certificates or signer:
        builder = builder.certificates([one.x509 for one in certificates or [who]])
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(nonce), False)
    return read_response(builder.sign(who.key, hashes.SHA256()).public_bytes(Encoding.DER))


def judged(
    found: OcspResponse, certificate: Made | None = None, issuer: Made | None = None, **more: Any
) -> tuple[str, str]:
    leaf, middle, _ = pki()
    verdict = judge_response(found, (certificate or leaf).read, (issuer or middle).read, at=more.pop("at", AT), **more)
    assert verdict.why.endswith(".")
    return verdict.status, verdict.why


@pytest.mark.parametrize("by_hash", [False, True])
@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256(), hashes.SHA512()])
def test_good(by_hash: bool, algorithm: Any) -> None:
    leaf, middle, _ = pki()
    assert judged(response(leaf, middle, by_hash=by_hash, algorithm=algorithm))[0] == "good"


def test_revoked() -> None:
    leaf, middle, _ = pki()
    verdict = judge_response(response(leaf, middle, status=ocsp.OCSPCertStatus.REVOKED), leaf.read, middle.read, at=AT)
    assert verdict.status == "revoked"
    assert verdict.revoked_at == AT - 3 * DAY
    assert verdict.reason == "the key was compromised"
    # What is revoked stays so, whatever became of the response.
    late = response(leaf, middle, status=ocsp.OCSPCertStatus.REVOKED)
    assert judged(late, at=AT + 100 * DAY)[0] == "revoked"


def test_unknown() -> None:
    leaf, middle, _ = pki()
    assert judged(response(leaf, middle, status=ocsp.OCSPCertStatus.UNKNOWN))[0] == "unknown"


@pytest.mark.parametrize("days, at, status", [
    ((-1, 6), 5.9, "good"), ((-1, 6), 6.1, "unusable"), ((-1, None), 5.9, "good"), ((-1, None), 6.1, "unusable"),
    ((1, 6), 0, "unusable"), ((0.002, 6), 0, "good"),
])  # fmt: skip
def test_fresh_or_not(days: tuple[float, float | None], at: float, status: str) -> None:
    leaf, middle, _ = pki()
    assert judged(response(leaf, middle, days=days), at=AT + int(at * DAY))[0] == status


def test_an_old_one_is_said_to_have_been_good_once() -> None:
    leaf, middle, _ = pki()
    verdict = judge_response(response(leaf, middle), leaf.read, middle.read, at=AT + 30 * DAY)
    assert (verdict.status, verdict.expired) == ("unusable", True)


def delegate(by: Made | None = None, **more: Any) -> Made:
    more = {"uses": [OCSP_SIGNING], "ocsp": "", "crl": "", **more}
    return issue(name("OCSP Responder", "Test PKI"), by or pki()[1], **more)


def test_who_may_sign() -> None:
    leaf, middle, top = pki()
    assert judged(response(leaf, middle, signer=delegate()))[0] == "good"
    status, why = judged(response(leaf, middle, signer=delegate(uses=None)))
    assert (status, "not for signing OCSP" in why) == ("unusable", True)
    status, why = judged(response(leaf, middle, signer=delegate(top)))
    assert (status, "did not authorise" in why) == ("unusable", True)
    status, why = judged(response(leaf, middle, signer=delegate(days=(-30, -1))))
    assert (status, "valid until" in why) == ("unusable", True)
    status, why = judged(response(leaf, middle, signer=delegate(), certificates=[top]))
    assert (status, "is not there" in why) == ("unusable", True)
    status, why = judged(response(leaf, middle, signer=server(pki()[1], "evil.example")))
    assert status == "unusable"


def test_the_signature_counts() -> None:
    leaf, middle, _ = pki()
    good = response(leaf, middle)
    data = bytearray(good.der)
    data[-1] ^= 1
    status, why = judged(read_response(bytes(data)))
    assert (status, why) == ("unusable", "Its signature is wrong.")


def test_it_must_be_about_this_certificate() -> None:
    leaf, middle, _ = pki()
    other = server(middle, "b.example")
    assert "says nothing" in judged(response(other, middle))[1]
    assert "says nothing" in judged(response(leaf, sub(root("R2"), "Test Sub", key_name="another")))[1]


def test_nonces() -> None:
    leaf, middle, _ = pki()
    found = response(leaf, middle, nonce=b"0123456789abcdef")
    assert found.nonce == b"0123456789abcdef"
    assert judged(found, nonce=b"0123456789abcdef")[0] == "good"
    assert judged(found, nonce=b"another one")[0] == "unusable"
    assert judged(response(leaf, middle), nonce=b"x")[0] == "good"  # most responders send none back (RFC 5019)


def test_a_responder_that_refuses() -> None:
    made = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    found = read_response(made.public_bytes(Encoding.DER))
    assert "busy" in found.failure
    assert judged(found)[0] == "unusable"


def test_the_request_is_one() -> None:
    leaf, middle, _ = pki()
    theirs = ocsp.OCSPRequestBuilder().add_certificate(leaf.x509, middle.x509, hashes.SHA1()).build()
    assert build_request(leaf.read, middle.read) == theirs.public_bytes(Encoding.DER)
    with_nonce = ocsp.load_der_ocsp_request(build_request(leaf.read, middle.read, nonce=b"12345678"))
    assert with_nonce.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"12345678"
    assert with_nonce.serial_number == leaf.x509.serial_number


# ------------------------------------------------------------------------------------------------------------- lists


def crl(issuer: Made, *revoked: int, days: tuple[float, float] = (-1, 6), signer: Made | None = None,
        more: list[tuple[x509.ExtensionType, bool]] | None = None) -> Crl:  # fmt: skip
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.x509.subject)
        .last_update(NOW + timedelta(days=days[0]))
        .next_update(NOW + timedelta(days=days[1]))
        .add_extension(x509.CRLNumber(7), False)
    )
    for extension, critical in more or []:
        builder = builder.add_extension(extension, critical)
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - timedelta(days=2))
        entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.superseded), False)
        builder = builder.add_revoked_certificate(entry.build())
    return read_crl(builder.sign((signer or issuer).key, hashes.SHA256()).public_bytes(Encoding.DER))


def test_lists() -> None:
    leaf, middle, top = pki()
    at = {"at": AT}
    good = crl(middle, 1, 2, 3)
    assert (len(good), good.number) == (3, 7)
    assert judge_crl(good, leaf.read, middle.read, **at).status == "good"
    assert judge_crl(crl(middle), leaf.read, middle.read, **at).status == "good"
    revoked = judge_crl(crl(middle, 5, leaf.x509.serial_number), leaf.read, middle.read, **at)
    assert (revoked.status, revoked.reason, revoked.revoked_at) == ("revoked", "it was superseded", AT - 2 * DAY)
    assert judge_crl(crl(top), leaf.read, middle.read, **at).status == "unusable"
    assert judge_crl(crl(middle, signer=top), leaf.read, middle.read, **at).status == "unusable"
    old = judge_crl(crl(middle, days=(-9, -2)), leaf.read, middle.read, **at)
    assert (old.status, old.expired) == ("unusable", True)
    assert judge_crl(crl(middle, days=(1, 2)), leaf.read, middle.read, **at).status == "unusable"
    delta = crl(middle, more=[(x509.DeltaCRLIndicator(3), True)])
    assert judge_crl(delta, leaf.read, middle.read, **at).status == "unknown"


def test_who_may_sign_lists() -> None:
    middle = sub(pki()[2], "No Lists", usages=usage("key_cert_sign"))
    leaf = server(middle)
    verdict = judge_crl(crl(middle), leaf.read, middle.read, at=AT)
    assert (verdict.status, "may not sign" in verdict.why) == ("unusable", True)


def test_a_list_is_told_from_a_certificate() -> None:
    leaf, middle, _ = pki()
    assert in_crl(crl(middle).der)
    assert not in_crl(leaf.der)
    with pytest.raises(DerError):
        read_crl(leaf.der)
