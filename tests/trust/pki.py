"""A certificate authority for tests: every kind of certificate, right or with one thing wrong. Keys are made once."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from fieldkit.trust.certificate import Certificate, read_certificate

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp()) * 1_000_000_000
DAY = 86_400 * 1_000_000_000
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_CURVES: dict[str, Any] = {
    "p192": ec.SECP192R1, "p224": ec.SECP224R1, "p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1,
    "k1": ec.SECP256K1, "bp256": ec.BrainpoolP256R1,
}  # fmt: skip


@cache
def key(name: str, kind: str = "p256") -> Any:
    """One private key for each name and kind."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    if kind == "dsa":
        return dsa.generate_private_key(2048)
    return rsa.generate_private_key(65_537, int(kind.removeprefix("rsa") or 2048))


@dataclass(frozen=True)
class Made:
    """A certificate with its private key."""

    x509: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.x509.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.x509.public_bytes(Encoding.PEM)

    @property
    def read(self) -> Certificate:
        return read_certificate(self.der)

    @property
    def key_pem(self) -> bytes:
        return bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def name(common: str = "", o: str = "", dc: str = "", c: str = "") -> x509.Name:
    """A distinguished name of what is given."""
    parts = [(NameOID.DOMAIN_COMPONENT, dc), (NameOID.COUNTRY_NAME, c), (NameOID.ORGANIZATION_NAME, o)]
    parts.append((NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(type_, value) for type_, value in parts if value])


def usage(*names: str) -> x509.KeyUsage:
    """keyUsage with these bits."""
    known = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{one: one in names for one in known})


def issue(
    subject: x509.Name | str,
    by: Made | None = None,
    *,
    kind: str = "p256",
    days: tuple[float, float] = (-30, 300),
    ca: bool | None = False,
    length: int | None = None,
    hosts: Sequence[str] | None = None,
    uses: Sequence[x509.ObjectIdentifier] | None = None,
    usages: x509.KeyUsage | str | None = "",
    usages_critical: bool = True,
    hash_: Any = None,
    pss: bool = False,
    signer: Any = None,
    issuer_name: x509.Name | None = None,
    ids: bool = True,
    aki: x509.AuthorityKeyIdentifier | None = None,
    ocsp: str = "http://ocsp.example/",
    crl: str = "http://ca.example/ca.crl",
    issuers: str = "",
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    serial: int | None = None,
    basic_critical: bool = True,
    key_name: str = "",
) -> Made:
    """A certificate by ``by`` (by itself where there is nobody); ``days`` from NOW on."""
    subject = name(subject) if isinstance(subject, str) else subject
    common = key_name or subject.rfc4514_string()
    own = key(common, kind)
    signing = signer if signer is not None else by.key if by is not None else own
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name or (by.x509.subject if by is not None else subject))
        .public_key(own.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, length if ca else None), basic_critical)
    if usages == "":
        usages = usage("key_cert_sign", "crl_sign") if ca else usage("digital_signature")
    if isinstance(usages, x509.KeyUsage):
        builder = builder.add_extension(usages, usages_critical)
    if uses is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(uses)), False)
    if hosts is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), False)
    if ids:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False)
        if by is not None and aki is None:
            aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
    if aki is not None:
        builder = builder.add_extension(aki, False)
    if ocsp or issuers:
        entries = [(AuthorityInformationAccessOID.OCSP, ocsp), (AuthorityInformationAccessOID.CA_ISSUERS, issuers)]
        access = [x509.AccessDescription(m, x509.UniformResourceIdentifier(url)) for m, url in entries if url]
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), False)
    if crl:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical)
    edwards = isinstance(signing, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    algorithm = None if edwards else hash_ or hashes.SHA256()
    scheme = padding.PSS(padding.MGF1(algorithm or hashes.SHA256()), 32) if pss else None
    return Made(builder.sign(signing, algorithm, rsa_padding=scheme), own)


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def root(common: x509.Name | str = "Test Root", **more: Any) -> Made:
    """A root."""
    more = {"days": (-3000, 3000), "ca": True, "ocsp": "", "crl": "", **more}
    return issue(name(common, "Test PKI") if isinstance(common, str) else common, **more)


def sub(by: Made, common: str = "Test Sub", **more: Any) -> Made:
    """An intermediate certificate."""
    more = {"days": (-1000, 1000), "ca": True, "length": 0, **more}
    return issue(name(common, "Test PKI"), by, **more)


def server(by: Made, host: str = "csms.example", **more: Any) -> Made:
    """A good certificate of a CSMS."""
    more = {"hosts": [host], "uses": [SERVER], **more}
    return issue(name(host, "Example CPO"), by, **more)


@cache
def pki() -> tuple[Made, Made, Made]:
    """A good chain: leaf, intermediate, root."""
    top = root()
    middle = sub(top)
    return server(middle), middle, top
