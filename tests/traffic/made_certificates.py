"""Certificates and requests for them, made on the spot: keys are small curves, so that it takes milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tests.traffic.conversation import MONDAY

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
TODAY = datetime.fromtimestamp(MONDAY // 1_000_000_000, UTC)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """One key for each name."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def short_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


def request(name: str = "CP_7") -> str:
    """A certificate signing request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(name))
    return builder.sign(key(name), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def certificate(
    subject: str = "CP_7",
    issuer: str = "Test Root",
    *,
    days: float = 365,
    begins: float = -1,
    ca: bool | None = None,
    uses: Sequence[ObjectIdentifier] = (),
    of: Key | None = None,
) -> x509.Certificate:
    """``days`` from today on, ``begins`` so many days from today."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key((of or key(subject)).public_key())
        .serial_number(0x0A1B2C3D4E5F)
        .not_valid_before(TODAY + timedelta(days=min(begins, days - 1)))
        .not_valid_after(TODAY + timedelta(days=days))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(uses)), critical=False)
    return builder.sign(key(issuer), hashes.SHA256())


def root(subject: str = "Test Root", *, days: float = 3650) -> x509.Certificate:
    return certificate(subject, subject, days=days, ca=True)


def pem(*chain: x509.Certificate) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in chain)


def private_pem(name: str) -> str:
    return key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
