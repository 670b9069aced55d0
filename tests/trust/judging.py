"""Bytes through every reader of certificates and their kin, and what these make of them through every judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from fieldkit.trust.anchors import Anchors
from fieldkit.trust.bag import Laid, Wishes, judge_bag
from fieldkit.trust.certificate import Certificate, read_certificate
from fieldkit.trust.chain import build
from fieldkit.trust.containers import read_file
from fieldkit.trust.crl import Crl, judge_crl, read_crl
from fieldkit.trust.der import DerError
from fieldkit.trust.ocsp import OcspResponse, judge_response, read_response
from fieldkit.trust.posture import leaf_faults
from fieldkit.trust.purpose import PURPOSES, judge_fit
from fieldkit.trust.request import read_request
from tests.trust.pki import AT, issue, name, pki
from tests.trust.telling import told
from tests.trust.test_containers import request
from tests.trust.test_revocation import crl, response

LEAF, MIDDLE, TOP = pki()


def samples() -> dict[str, bytes]:
    """One of each kind, with keys that take no time to make."""
    rich = issue(
        name("rich", "Example", "CPO", "DE"), MIDDLE, hosts=["a.example", "192.0.2.1"], uses=[], issuers="http://x/",
        more=[(x509.NameConstraints([x509.DNSName("a")], [x509.DNSName("b")]), True), (x509.OCSPNoCheck(), False),
              (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2"), None)]), False),
              (x509.TLSFeature([x509.TLSFeatureType.status_request]), False)],
    )  # fmt: skip
    return {
        "leaf": LEAF.der,
        "rich": rich.der,
        "request": request().public_bytes(Encoding.DER),
        "ocsp": response(LEAF, MIDDLE, nonce=b"12345678").der,
        "crl": crl(MIDDLE, 1, 2, LEAF.x509.serial_number).der,
        "pkcs7": pkcs7.serialize_certificates([LEAF.x509, MIDDLE.x509], Encoding.DER),
    }


def everything(data: bytes) -> None:
    """Each reader, and each judge of what it makes of the bytes."""
    leaf, middle, top = LEAF.read, MIDDLE.read, TOP.read
    readers: list[Callable[[bytes], Any]] = [read_certificate, read_request, read_response, read_crl]
    for reader in readers:
        try:
            found = reader(data)
        except DerError:
            continue
        if isinstance(found, Certificate):
            judge_certificate(found)
        elif isinstance(found, OcspResponse):
            judge_response(found, leaf, middle, at=AT)
        elif isinstance(found, Crl):
            judge_crl(found, leaf, middle, at=AT)
        else:
            found.verified()
    contents = read_file(data)
    judge_bag([Laid("x", contents), Laid("good", read_file(LEAF.pem + MIDDLE.pem))],
              Wishes(AT, Anchors("x", (top,)), "csms"))  # fmt: skip


def judge_certificate(found: Certificate) -> None:
    chain = build([found, MIDDLE.read], Anchors("x", (TOP.read,)), at=AT)
    told(chain.faults)
    told(build([LEAF.read, found], Anchors("x", (TOP.read,)), at=AT).faults)
    told(build([found], Anchors("x", (found,)), at=AT).faults)
    for role in ("csms", "station", ""):
        told(leaf_faults(found, at=AT, role=role, host="a.example"))
    for purpose in PURPOSES:
        judge_fit(found, purpose, at=AT, host="a.example", serial="1", operator="x")
    assert found.label is not None
    assert str(found.subject)
    assert found.pem
