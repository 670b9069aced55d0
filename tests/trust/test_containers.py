"""Files as they come: all are told apart, and what cannot be read says why."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)

from fieldkit.trust.containers import Contents, read_file
from fieldkit.trust.keys import PublicKey
from fieldkit.trust.ocsp import OcspResponse
from fieldkit.trust.request import Request
from tests.trust.pki import key, name, pki
from tests.trust.test_revocation import crl, response

LEAF, MIDDLE, TOP = pki()
ALL = [LEAF, MIDDLE, TOP]


def kinds(contents: Contents) -> list[str]:
    assert contents.problem == ""
    return [item.kind for item in contents.items]


def request(**more: Any) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("CP-7", "Example CPO"))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("cp-7")]), False)
    return builder.sign(more.get("key") or key("request"), hashes.SHA256())


def private(
    form: PrivateFormat = PrivateFormat.PKCS8, encoding: Encoding = Encoding.PEM, password: bytes = b""
) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return bytes(LEAF.key.private_bytes(encoding, form, encryption))


FILES: dict[str, tuple[bytes, str, list[str]]] = {
    "PEM": (LEAF.pem, "PEM", ["certificate"]),
    "DER": (LEAF.der, "DER", ["certificate"]),
    "chain": (b"".join(one.pem for one in ALL), "PEM", ["certificate"] * 3),
    "chain and key": (LEAF.pem + MIDDLE.pem + private(), "PEM", ["certificate", "certificate", "private key"]),
    "talk between": (b"subject=CN\n" + LEAF.pem + b"\nissuer=...\n" + MIDDLE.pem + b"---\n", "PEM", ["certificate"] * 2),
    "Windows line ends": (LEAF.pem.replace(b"\n", b"\r\n"), "PEM", ["certificate"]),
    "UTF-16": (LEAF.pem.decode().encode("utf-16"), "PEM", ["certificate"]),
    "out of JSON": (b'{"certificate": "' + LEAF.pem.replace(b"\n", b"\\n") + b'"}', "PEM", ["certificate"]),
    "one line": (LEAF.pem.replace(b"\n", b""), "PEM", ["certificate"]),
    "bare base64": (base64.b64encode(LEAF.der), "base64", ["certificate"]),
    "PKCS#7": (pkcs7.serialize_certificates([one.x509 for one in ALL], Encoding.DER), "PKCS#7", ["certificate"] * 3),
    "PKCS#7 PEM": (pkcs7.serialize_certificates([LEAF.x509], Encoding.PEM), "PEM", ["certificate"]),
    "request": (request().public_bytes(Encoding.PEM), "PEM", ["request"]),
    "request DER": (request().public_bytes(Encoding.DER), "DER", ["request"]),
    "request with another label": (request().public_bytes(Encoding.PEM).replace(b"CERT", b"NEW CERT"), "PEM", ["request"]),
    "OCSP response": (response(LEAF, MIDDLE).der, "DER", ["ocsp"]),
    "CRL": (crl(MIDDLE, 1, 2).der, "DER", ["crl"]),
    "empty CRL": (crl(MIDDLE).der, "DER", ["crl"]),
    "PKCS#8 key": (private(encoding=Encoding.DER), "DER", ["private key"]),
    "EC key": (private(PrivateFormat.TraditionalOpenSSL), "PEM", ["private key"]),
    "EC key DER": (private(PrivateFormat.TraditionalOpenSSL, Encoding.DER), "DER", ["private key"]),
    "public key": (LEAF.x509.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "PEM",
                   ["public key"]),
    "public key DER": (LEAF.x509.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "DER",
                       ["public key"]),
    "DER and a line end": (LEAF.der + b"\n", "DER", ["certificate"]),
}  # fmt: skip


@pytest.mark.parametrize("which", FILES)
def test_files(which: str) -> None:
    data, form, expected = FILES[which]
    contents = read_file(data)
    assert contents.form == form
    assert kinds(contents) == expected
    if "certificate" in expected:
        assert LEAF.read in contents.certificates  # PKCS#7 holds a set
    for item in contents.items:
        if item.kind == "private key":
            assert isinstance(item.value, PublicKey)
            assert item.value.spki == LEAF.read.key.spki
            assert item.note == "not encrypted"


def p12(password: bytes | None, **more: Any) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(
        b"csms", more.get("key", LEAF.key), LEAF.x509, [MIDDLE.x509, TOP.x509], encryption
    )


def test_pkcs12() -> None:
    data = p12(b"geheim")
    assert read_file(data).locked == "the PKCS#12 file"
    assert read_file(data).items == []
    wrong = read_file(data, b"other")
    assert wrong.wrong_password
    assert "password is wrong" in wrong.problem
    opened = read_file(data, b"geheim")
    assert kinds(opened) == ["certificate", "certificate", "certificate", "private key"]
    assert kinds(read_file(p12(None))) == ["certificate", "certificate", "certificate", "private key"]


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_encrypted_keys(encoding: Encoding) -> None:
    data = private(encoding=encoding, password=b"geheim")
    assert read_file(data).locked == "the private key"
    assert read_file(data).items[0].note == "encrypted"
    assert read_file(data, b"other").wrong_password
    opened = read_file(data, b"geheim").items[0]
    assert isinstance(opened.value, PublicKey)
    assert opened.value.spki == LEAF.read.key.spki


def test_no_private_number_is_kept() -> None:
    secret = LEAF.key.private_numbers().private_value
    shown = repr(read_file(private())) + repr(read_file(p12(b"geheim"), b"geheim"))
    assert f"{secret:x}" not in shown
    assert str(secret) not in shown
    assert "geheim" not in shown


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"hello", "neither PEM nor DER"),
        (b"\x89PNG\r\n\x1a\n", "neither PEM nor DER"),
        (b"\x30\x82\xff\xff", "looks like DER"),
        (b"\x30\x80\x00\x00", "looks like DER"),
        (b"0" * 100, "looks like DER"),
    ],
)
def test_what_is_nothing_of_the_kind(data: bytes, why: str) -> None:
    assert why in read_file(data).problem


@pytest.mark.parametrize(
    "data, why",
    [
        (LEAF.pem[:-30], "begins and does not end"),
        (LEAF.pem.replace(b"MII", b"M?I", 1), "no base64"),
        (LEAF.pem.replace(b"CERTIFICATE", b"STRANGE THING"), "nothing that is known"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "private key that cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate that cannot be read"),
        (LEAF.der[:-9].replace(b"\x30\x82", b"\x30\x82", 1)[:4] + LEAF.der[4:], ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_parts_that_cannot_be_read_say_why(data: bytes, why: str) -> None:
    contents = read_file(data)
    notes = [item.note for item in contents.items if item.kind == "unreadable"]
    assert why in " ".join(notes)


def test_a_good_part_is_read_beside_a_bad_one() -> None:
    contents = read_file(LEAF.pem.replace(b"MII", b"M?I", 1) + MIDDLE.pem)
    assert [item.kind for item in contents.items] == ["unreadable", "certificate"]
    assert [item.position for item in contents.items] == [1, 2]


def test_requests() -> None:
    (item,) = read_file(request().public_bytes(Encoding.DER)).items
    assert isinstance(item.value, Request)
    assert item.value.label == "CP-7"
    assert item.value.verified()
    assert item.value.extensions.alt_names is not None
    data = bytearray(item.value.der)
    data[data.index(b"CP-7")] ^= 1
    (forged,) = read_file(bytes(data)).items
    assert isinstance(forged.value, Request)
    assert forged.value.verified().outcome == "wrong"
    assert not item.value.answered_by(LEAF.read)


def test_ocsp_responses() -> None:
    (item,) = read_file(response(LEAF, MIDDLE).der).items
    assert isinstance(item.value, OcspResponse)
    assert item.value.singles[0].status == "good"
