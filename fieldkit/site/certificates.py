"""Certificates inside OCPP messages: requested, signed, installed, deleted ("Improved security for OCPP 1.6-J" §2, §5;
2.x Part 2 A02 and M).

Only what a technician needs is kept of them: names, dates, key, fingerprint. Without the ``cryptography`` package,
which small routers lack, the flows are still seen, and the certificates stay unread.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.kept import same
from fieldkit.site.light import bounded
from fieldkit.site.reading import items, member, objects, text

if TYPE_CHECKING:
    from cryptography import x509

MAX_SEEN: Final = 100
"""Certificates of one station that are kept (the last ones)."""
MAX_INSTALLED: Final = 500
"""Entries of GetInstalledCertificateIds: a station with every V2G root has some dozens."""
MAX_PEM: Final = 40_000
"""Characters of a chain that are read: 2.x allows 10,000 (CertificateSignedRequest), vendors more."""
MAX_CHAIN: Final = 10
"""Certificates of one chain that are read: V2G chains have four."""
MAX_NAME: Final = 200
MAX_OWN: Final = 8
"""Uses of a station's own certificates: 2.1 knows three."""

_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,20000}-----END CERTIFICATE-----")
_BARE: Final = re.compile(r"\s*M[A-Za-z0-9+/=\s]{60,20000}")
"""Base64 without its PEM frame, as some stations and CSMSs send it: DER begins with 0x30, hence with "M"."""
_PRIVATE: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")


@dataclass(frozen=True, slots=True)
class HashData:
    """How OCPP points at a certificate: by hashes of its issuer and its serial number (CertificateHashDataType)."""

    algorithm: str
    issuer_name: str
    issuer_key: str
    serial: str

    @classmethod
    def read(cls, payload: Any) -> HashData | None:
        """None where there is no such thing."""
        serial = text(payload, "serialNumber")
        if serial is None:
            return None
        names = ("hashAlgorithm", "issuerNameHash", "issuerKeyHash")
        algorithm, name, key = ((text(payload, member) or "")[:128].lower() for member in names)
        # "the hexadecimal value of the serial number without the prefix 0x and without leading zeroes"
        return cls(algorithm, name, key, serial[:64].lower().removeprefix("0x").lstrip("0"))


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is kept of one certificate."""

    subject: str
    issuer: str
    serial: str
    """In hex, without leading zeroes."""
    not_before: int
    not_after: int
    """ns since the epoch."""
    key: str
    """As in "RSA 2048", "EC secp256r1"."""
    key_bits: int
    """0 where it is of a kind that has no sizes."""
    elliptic: bool
    is_ca: bool | None
    """By basicConstraints; None without that extension."""
    uses: tuple[str, ...]
    """Extended key usage, as dotted OIDs; empty without the extension."""
    fingerprint: str
    """SHA-256 of the DER, in hex."""
    key_fingerprint: str
    """SHA-256 of the public key, in hex: the same as in the request that it was made for."""
    issuer_hashes: tuple[str, ...]
    """Of the issuer's name, by SHA-256, SHA-384 and SHA-512, as ``HashData.issuer_name`` may have it."""
    pem_length: int

    def is_meant_by(self, hashed: HashData) -> bool:
        """Tell whether it is the one that ``hashed`` points at."""
        return self.serial == hashed.serial and hashed.issuer_name in self.issuer_hashes


@dataclass(slots=True)
class Seen:
    """A certificate (or a request for one) in a message."""

    time: int
    action: str
    use: str
    """certificateType: CSMSRootCertificate, ChargingStationCertificate …; as far as the message tells."""
    chain: tuple[Certificate, ...]
    """The leaf first; empty where none could be read."""
    message: OcppMessage
    private_key: bool = False
    """A private key stands in the message; nothing is kept of it."""
    unread: str = ""
    """Why its content was not read."""
    csr_key: str = ""
    """SignCertificate: SHA-256 of the public key that a certificate is wanted for."""
    csr_subject: str = ""
    status: str = ""
    """What the other side answered."""


class Certificates:
    """What one station and its CSMS said of certificates."""

    ACTIONS: Final = frozenset(
        {
            "InstallCertificate",
            "CertificateSigned",
            "SignCertificate",
            "GetInstalledCertificateIds",
            "DeleteCertificate",
            "Get15118EVCertificate",
            "GetCertificateStatus",
        }
    )

    def __init__(self) -> None:
        self.seen: deque[Seen] = deque(maxlen=MAX_SEEN)
        self.latest: Seen | None = None
        """Of the message fed last: the one that it carries or answers."""
        self.installed: dict[HashData, str] = {}
        """What the station said it has, and for which use …"""
        self.installed_told: int | None = None
        """… and when it said so."""
        self.own: dict[str, Certificate] = {}
        """By use, the station's own certificates as far as it accepted them in sight."""
        self.counts: dict[str, int] = {}
        """CALLs by action."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.latest = None
        if message.type is MessageType.CALL:
            self.counts[message.action] = self.counts.get(message.action, 0) + 1
            if message.action == "SignCertificate":
                self._keep(_request(message))
            elif message.action in ("InstallCertificate", "CertificateSigned"):
                self._keep(_sent(message))
        elif message.call is not None and message.type is MessageType.CALLRESULT:
            self._answered(message, message.call)

    def _keep(self, seen: Seen) -> None:
        self.seen.append(seen)
        self.latest = seen

    def _answered(self, message: OcppMessage, call: OcppMessage) -> None:
        status = (text(message.payload, "status") or "")[:50]
        if call.action == "GetInstalledCertificateIds":
            self._lists(message)
        elif call.action == "DeleteCertificate" and status == "Accepted":
            hashed = HashData.read(member(call.payload, "certificateHashData"))
            if hashed is not None:
                self.installed.pop(hashed, None)
        seen = next((seen for seen in reversed(self.seen) if same(seen.message, call)), None)
        if seen is None:
            return
        self.latest = seen
        seen.status = status
        installed = call.action == "CertificateSigned" and status == "Accepted" and seen.chain
        if installed and (len(self.own) < MAX_OWN or seen.use in self.own):
            self.own[seen.use] = seen.chain[0]

    def _lists(self, message: OcppMessage) -> None:
        self.installed_told = message.time
        self.installed.clear()
        for entry in items(message.payload, "certificateHashData"):  # 1.6
            self._lists_one(entry, "")
        for entry in objects(message.payload, "certificateHashDataChain"):
            use = (text(entry, "certificateType") or "")[:50]
            self._lists_one(member(entry, "certificateHashData"), use)

    def _lists_one(self, entry: Any, use: str) -> None:
        hashed = HashData.read(entry)
        if hashed is not None and len(self.installed) < MAX_INSTALLED:
            self.installed[hashed] = use


def _sent(message: OcppMessage) -> Seen:
    payload = message.payload
    pem = member(payload, "certificateChain")
    pem = member(payload, "certificate") if pem is None else pem
    use = (text(payload, "certificateType") or "")[:50]
    if not use and message.action == "CertificateSigned":
        use = "ChargingStationCertificate"  # 1.6 knows no other, 2.x means it when the member is missing (A02)
    seen = Seen(message.time, message.action, use, (), bounded(message))
    if not isinstance(pem, str):
        seen.unread = "the message holds no certificate"
    elif len(pem) > MAX_PEM:
        seen.unread = f"it has {len(pem)} characters"
    elif _PRIVATE.search(pem):
        seen.private_key = True
        seen.chain, seen.unread = _read_chain(pem)
    else:
        seen.chain, seen.unread = _read_chain(pem)
    return seen


def _request(message: OcppMessage) -> Seen:
    use = (text(message.payload, "certificateType") or "ChargingStationCertificate")[:50]
    seen = Seen(message.time, message.action, use, (), bounded(message))
    pem = member(message.payload, "csr")
    if not isinstance(pem, str) or len(pem) > MAX_PEM:
        seen.unread = "the message holds no request that could be read"
        return seen
    seen.private_key = _PRIVATE.search(pem) is not None
    try:
        # Loading it takes 30 ms, and most captures hold no certificate; small routers have no such package.
        from cryptography import x509
    except ImportError:
        seen.unread = _NO_PACKAGE
        return seen
    try:
        request = x509.load_pem_x509_csr(pem.encode("ascii", "replace"))
        seen.csr_key = _key_fingerprint(request.public_key())
        seen.csr_subject = request.subject.rfc4514_string()[:MAX_NAME]
    except Exception as error:
        # Whatever the parser makes of hostile bytes (ValueError, UnsupportedAlgorithm, a panic of its Rust part …).
        seen.unread = f"it cannot be parsed ({error.__class__.__name__})"
    return seen


_NO_PACKAGE: Final = "the cryptography package is not installed"


def _read_chain(pem: str) -> tuple[tuple[Certificate, ...], str]:
    try:
        from cryptography import x509
    except ImportError:
        return (), _NO_PACKAGE
    found = [match.group() for match in _CERTIFICATE.finditer(pem)][:MAX_CHAIN]
    if not found and _BARE.fullmatch(pem):
        found = [f"-----BEGIN CERTIFICATE-----\n{pem.strip()}\n-----END CERTIFICATE-----"]
    chain = []
    for one in found:
        try:
            chain.append(_described(x509.load_pem_x509_certificate(one.encode("ascii")), len(one)))
        except Exception as error:
            return tuple(chain), f"it cannot be parsed ({error.__class__.__name__})"
    return tuple(chain), "" if chain else "it is no PEM"


def _described(certificate: x509.Certificate, pem_length: int) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key = certificate.public_key()
    bits, name = 0, key.__class__.__name__.strip("_").removesuffix("PublicKey")
    if isinstance(key, rsa.RSAPublicKey):
        bits, name = key.key_size, f"RSA {key.key_size}"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        bits, name = key.curve.key_size, f"EC {key.curve.name}"
    is_ca: bool | None = None
    uses: tuple[str, ...] = ()
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = None
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        uses = tuple(use.dotted_string for use in usage)[:20]
    except x509.ExtensionNotFound:
        uses = ()
    issuer = certificate.issuer.public_bytes()
    return Certificate(
        subject=certificate.subject.rfc4514_string()[:MAX_NAME],
        issuer=certificate.issuer.rfc4514_string()[:MAX_NAME],
        serial=f"{certificate.serial_number:x}"[:64],
        not_before=int(certificate.not_valid_before_utc.timestamp()) * 1_000_000_000,
        not_after=int(certificate.not_valid_after_utc.timestamp()) * 1_000_000_000,
        key=name[:40],
        key_bits=bits,
        elliptic=isinstance(key, ec.EllipticCurvePublicKey),
        is_ca=is_ca,
        uses=uses,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        key_fingerprint=_key_fingerprint(key),
        issuer_hashes=tuple(hashlib.new(name, issuer).hexdigest() for name in ("sha256", "sha384", "sha512")),
        pem_length=pem_length,
    )


def _key_fingerprint(key: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
