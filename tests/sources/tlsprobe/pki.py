"""Certificates with chosen defects, made on the spot."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)


@dataclass
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def files(self, folder: Path, name: str, *chain: Made) -> tuple[str, str]:
        """Certificate (with more behind it) and key as files."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(b"".join([self.pem, *(one.pem for one in chain)]))
        key.write_bytes(self.key_pem)
        return str(certificate), str(key)


@cache
def key(kind: str, number: int = 0) -> Any:
    """Keys take long to make: each once. ``number`` tells several of a kind apart."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:] or 2048))
    if kind.startswith("ed"):
        return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(getattr(ec, {"ec": "SECP256R1"}.get(kind, kind))())


def make(
    cn: str | None = "localhost",
    issuer: Made | None = None,
    *,
    kind: str = "ec",
    number: int = 0,
    ca: bool = False,
    organization: str | None = "CPO",
    names: tuple[str, ...] | None = ("localhost", "127.0.0.1"),
    begin: dt.timedelta = -DAY,
    end: dt.timedelta = 200 * DAY,
    purposes: tuple[Any, ...] | None = (ExtendedKeyUsageOID.SERVER_AUTH,),
    usage: bool = True,
    status: bool = True,
    ocsp_url: str = "http://127.0.0.1:9/",
    issuer_url: str = "",
    padding: int = 0,
) -> Made:
    """One certificate; by itself it is signed by itself."""
    own = key(kind, number)
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    attributes += [x509.NameAttribute(NameOID.COMMON_NAME, cn)] if cn else []
    subject = x509.Name(attributes)
    signer = issuer or Made(None, own)  # type: ignore[arg-type]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begin)
        .not_valid_after(NOW + end)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
    )
    if usage:
        builder = builder.add_extension(
            x509.KeyUsage(not ca, False, not ca and kind.startswith("rsa"), False, False, ca, ca, False, False),
            critical=True,
        )
    if not ca:
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_name, names))), critical=False)
        if purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
        access = []
        if status:
            access.append((AuthorityInformationAccessOID.OCSP, ocsp_url))
        if issuer_url:
            access.append((AuthorityInformationAccessOID.CA_ISSUERS, issuer_url))
        if access:
            builder = builder.add_extension(
                x509.AuthorityInformationAccess(
                    [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in access]
                ),
                critical=False,
            )
    if padding:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x04" + b"x" * padding),
            critical=False,
        )
    return Made(builder.sign(signer.key, hashes.SHA256()), own)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def staple(leaf: Made, issuer: Made, *, revoked: bool = False, age: dt.timedelta = dt.timedelta(hours=1)) -> bytes:
    """An OCSP response that is good for a day from its making."""
    made = NOW - age
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf.certificate, issuer.certificate, hashes.SHA1(),
        ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
        made, made + DAY, made if revoked else None,
        x509.ReasonFlags.key_compromise if revoked else None,
    )  # fmt: skip
    response = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate).sign(
        issuer.key, hashes.SHA256()
    )
    return response.public_bytes(serialization.Encoding.DER)


@cache
def root() -> Made:
    return make("Test Root", kind="ec", number=100, ca=True, organization="Test", end=3650 * DAY)


@cache
def intermediate() -> Made:
    return make("Test Sub", root(), kind="ec", number=101, ca=True, organization="Test", end=1000 * DAY)


def sha1_signed(folder: Path) -> bytes:
    """Made by OpenSSL's program, as the library refuses to sign with SHA-1."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    sub = intermediate()
    certificate, own = sub.files(folder, "sha1-issuer")
    request = folder / "request.pem"
    made = folder / "sha1.der"
    commands = (
        ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "sha1.key"), "-subj", "/O=CPO/CN=localhost",
         "-out", str(request)],
        ["x509", "-req", "-sha1", "-in", str(request), "-CA", certificate, "-CAkey", own, "-days", "100", "-set_serial", "7",
         "-outform", "DER", "-out", str(made)],
    )  # fmt: skip
    for command in commands:
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return made.read_bytes()
