"""A certificate as plain values; ``cryptography`` reads the same."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fieldkit.trust.certificate import Certificate, read_certificate
from fieldkit.trust.containers import read_file
from fieldkit.trust.der import DerError
from tests.trust.pki import Made, issue, name, pki, root, server, sub, usage

STORE = Path(ssl.get_default_verify_paths().openssl_cafile or "")
STORES = [STORE, Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt")]


def public_roots() -> list[Certificate]:
    store = next((one for one in STORES if one.is_file()), None)
    if store is None:
        pytest.skip("this machine has no store of roots")
    return read_file(store.read_bytes()).certificates


def same(ours: Certificate, theirs: x509.Certificate) -> None:
    assert ours.serial == theirs.serial_number
    assert ours.subject.der == theirs.subject.public_bytes()
    assert ours.issuer.der == theirs.issuer.public_bytes()
    assert [value for _, value in ours.subject.attributes] == [str(one.value) for one in theirs.subject]
    assert [type_ for type_, _ in ours.subject.attributes] == [one.oid.dotted_string for one in theirs.subject]
    assert ours.not_before == int(theirs.not_valid_before_utc.timestamp()) * 1_000_000_000
    assert ours.not_after == int(theirs.not_valid_after_utc.timestamp()) * 1_000_000_000
    assert ours.fingerprint == theirs.fingerprint(hashes.SHA256()).hex()
    assert ours.signed == theirs.tbs_certificate_bytes
    assert ours.signature == theirs.signature
    assert ours.algorithm.oid == theirs.signature_algorithm_oid.dotted_string
    public = theirs.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        assert (ours.key.kind, ours.key.bits) == ("RSA", public.key_size)
        assert ours.key.exponent == public.public_numbers().e
    elif isinstance(public, ec.EllipticCurvePublicKey):
        assert (ours.key.kind, ours.key.bits, ours.key.curve) == ("EC", public.key_size, public.curve.name)
    found: dict[str, Any] = {one.oid.dotted_string: one for one in theirs.extensions}
    assert ours.extensions.present == {number: one.critical for number, one in found.items()}
    for number, extension in found.items():
        value = extension.value
        match value:
            case x509.BasicConstraints():
                assert (ours.extensions.is_ca, ours.extensions.path_length) == (value.ca, value.path_length), number
            case x509.SubjectKeyIdentifier():
                assert ours.extensions.subject_key_id == value.digest
            case x509.AuthorityKeyIdentifier():
                assert ours.extensions.authority_key_id == (value.key_identifier or b"")
                assert ours.extensions.authority_serial == value.authority_cert_serial_number
            case x509.ExtendedKeyUsage():
                assert ours.extensions.purposes == tuple(one.dotted_string for one in value)
            case x509.KeyUsage():
                assert ours.extensions.key_usage is not None
                assert ("keyCertSign" in ours.extensions.key_usage) is value.key_cert_sign
                assert ("digitalSignature" in ours.extensions.key_usage) is value.digital_signature
                assert ("nonRepudiation" in ours.extensions.key_usage) is value.content_commitment
            case x509.SubjectAlternativeName():
                assert ours.extensions.alt_names is not None
                assert list(ours.extensions.alt_names.dns) == value.get_values_for_type(x509.DNSName)
            case x509.CertificatePolicies():
                assert ours.extensions.policies == tuple(one.policy_identifier.dotted_string for one in value)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_every_root_of_this_machine_is_read_as_cryptography_reads_it() -> None:
    roots = public_roots()
    assert len(roots) > 20
    for ours in roots:
        same(ours, x509.load_der_x509_certificate(ours.der))
        assert ours.oddities == (), ours.label
        assert ours.self_signed, ours.label


MADE = {
    "leaf": lambda: pki()[0],
    "intermediate": lambda: pki()[1],
    "root": lambda: pki()[2],
    "rsa": lambda: root("R", kind="rsa2048"),
    "pss": lambda: root("P", kind="rsa2048", pss=True),
    "p521": lambda: root("P5", kind="p521", hash_=hashes.SHA512()),
    "ed25519": lambda: root("E", kind="ed25519"),
    "ed448": lambda: root("E4", kind="ed448"),
    "dsa": lambda: root("D", kind="dsa"),
    "brainpool": lambda: root("B", kind="bp256"),
    "many": lambda: issue(
        name("x", "y", "CPO", "DE"),
        pki()[1],
        hosts=["a.example", "*.b.example", "192.0.2.1", "2001:db8::1"],
        usages=usage("digital_signature", "content_commitment", "key_agreement", "decipher_only"),
        more=[(x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]), False),
              (x509.TLSFeature([x509.TLSFeatureType.status_request]), False), (x509.OCSPNoCheck(), False)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", MADE)
def test_made_ones_are_read_as_cryptography_reads_them(which: str) -> None:
    made = MADE[which]()
    same(made.read, made.x509)
    if made.x509.issuer == made.x509.subject:
        assert made.read.self_signed
        assert made.read.issued_by(made.read), made.read.algorithm.label
        assert which == "root" or not made.read.issued_by(pki()[2].read)


def test_what_a_person_reads() -> None:
    read = MADE["many"]().read
    assert str(read.subject) == "CN=x, O=y, DC=CPO, C=DE"
    assert str(read.key) == "EC secp256r1"
    assert read.extensions.features == (5,)
    assert read.extensions.no_check
    assert read.extensions.alt_names is not None
    assert read.extensions.alt_names.shown_addresses == ("192.0.2.1", "2001:db8::1")
    assert read.extensions.ocsp == ("http://ocsp.example/",)
    assert read.extensions.crls == ("http://ca.example/ca.crl",)
    assert str(MADE["pss"]().read.algorithm.label) == "RSA-PSS with SHA-256"
    assert str(MADE["rsa"]().read.key) == "RSA 2048"


def test_a_curve_that_libraries_gave_up_is_read_all_the_same() -> None:
    read = issue("old", pki()[1], kind="p192").read
    assert (read.key.curve, read.key.bits, read.key.too_short) == ("secp192r1", 192, True)
    assert not issue("new", pki()[1], kind="p224").read.key.too_short


def changed(made: Made, old: bytes, new: bytes) -> Certificate:
    assert made.der.count(old) == 1
    assert len(old) == len(new)
    return read_certificate(made.der.replace(old, new))


def test_a_changed_certificate_is_not_signed_by_its_issuer() -> None:
    leaf, middle, _ = pki()
    assert leaf.read.issued_by(middle.read)
    forged = changed(leaf, b"Example CPO", b"Example CPX")
    assert forged.issued_by(middle.read).outcome == "wrong"


def test_a_broken_extension_does_not_hide_the_rest() -> None:
    # keyUsage becomes a sequence that claims to be longer than there are bytes
    leaf = pki()[0]
    at = leaf.der.index(bytes.fromhex("0603551d0f"))
    data = bytearray(leaf.der)
    inner = data.index(b"\x03\x02", at)
    data[inner + 1] = 0x7F
    read = read_certificate(bytes(data))
    assert "2.5.29.15" in read.extensions.broken
    assert read.extensions.alt_names is not None
    assert "keyUsage cannot be read" in read.oddities[0]


@pytest.mark.parametrize("cut", [0, 1, 5, 100, 400])
def test_a_cut_certificate_is_refused_in_words(cut: int) -> None:
    with pytest.raises(DerError):
        read_certificate(pki()[0].der[:cut])


def test_something_much_too_large_is_not_even_looked_at() -> None:
    with pytest.raises(DerError, match="more than any certificate"):
        read_certificate(b"\x30" + bytes(1 << 20))


def test_names_are_compared_without_case_and_blanks() -> None:
    lower = issue(name("Test  ROOT", "test pki"), ca=True, key_name="n1").read
    assert lower.subject.same(root().read.subject)
    assert not lower.subject.same(sub(root()).read.subject)


def test_a_server_and_its_name() -> None:
    read = server(pki()[1]).read
    assert read.label == "csms.example"
    assert pki()[0].read.pem == pki()[0].pem.decode()
