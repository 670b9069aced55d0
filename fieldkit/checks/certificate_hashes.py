"""How OCPP points at certificates: hashes recomputed, lists compared with what was installed and deleted.

2.x Part 2 CertificateHashDataType, M03, M04; "Improved security for OCPP 1.6-J" §5.1. A hash is judged only where the
certificate that it means was seen in the same session.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.checks.certificatecheck import CertificateCheck, earliest_and_latest, named
from fieldkit.checks.certificatemessagekinds import HASH_FORM, HASH_WRONG, NOT_FOUND, NOT_LISTED, ROOT_EXPIRED
from fieldkit.checks.finding import Finding, Owner
from fieldkit.checks.patience import shown
from fieldkit.checks.words import clock, counted
from fieldkit.events import OcppMessage
from fieldkit.site.certificates import Certificate, read_hash
from fieldkit.site.picture import Picture
from fieldkit.site.plugandcharge import ACTION as DATA_TRANSFER
from fieldkit.site.reading import items, member, objects, text
from fieldkit.site.station import Station
from fieldkit.trust.hashdata import ALGORITHMS, HashData, means

MAX_ENTRIES: Final = 50
"""Entries of one list that are held against the certificates at hand."""
MIN_SERIAL: Final = 16
"""Digits of a serial number by which alone a certificate is known: 64 bits, as authorities draw them. Short ones are
used by every authority."""
_HEX: Final = re.compile(r"[0-9a-fA-F]*")
_LENGTHS: Final = {"SHA256": 64, "SHA384": 96, "SHA512": 128}
_SIDES: Final[dict[str, tuple[str, str, Owner]]] = {
    "station": ("The station", "Station manufacturer", "station"),
    "csms": ("The CSMS", "CSMS operator", "csms"),
}


class CertificateHashCheck(CertificateCheck):
    """CertificateHashData, wherever it stands."""

    kinds = (HASH_WRONG, HASH_FORM, NOT_LISTED, NOT_FOUND, ROOT_EXPIRED)
    actions = frozenset(
        {"GetInstalledCertificateIds", "DeleteCertificate", "GetCertificateStatus", "Authorize", DATA_TRANSFER}
    )

    def asked(self, message: OcppMessage, station: Station, picture: Picture) -> Iterable[Finding]:
        """Hashes in questions."""
        payload = message.payload
        if message.action == "DeleteCertificate":
            return self._entries(message, [member(payload, "certificateHashData")], station)
        if message.action == "GetCertificateStatus":
            return self._entries(message, [member(payload, "ocspRequestData")], station)
        if message.action == "Authorize" and member(payload, "iso15118CertificateHashData") is not None:
            return self._entries(message, list(items(payload, "iso15118CertificateHashData")), station)
        return ()

    def answered(
        self, message: OcppMessage, call: OcppMessage, station: Station, picture: Picture
    ) -> Iterable[Finding]:
        """Lists, and what came of deleting."""
        if call.action == "GetInstalledCertificateIds":
            return self._listed(message, station)
        if call.action == "DeleteCertificate" and text(message.payload, "status") == "NotFound":
            return _not_found(message, call, station)
        return ()

    def _listed(self, message: OcppMessage, station: Station) -> Iterator[Finding]:
        chains = list(objects(message.payload, "certificateHashDataChain"))
        entries: list[Any] = list(items(message.payload, "certificateHashData"))
        for chain in chains[:MAX_ENTRIES]:
            entries.append(member(chain, "certificateHashData"))
            entries += list(items(chain, "childCertificateHashData"))[:4]
        yield from self._entries(message, entries, station)
        if text(message.payload, "status") in ("Accepted", "NotFound"):
            yield from _against_installed(message, station)

    def _entries(self, message: OcppMessage, entries: list[Any], station: Station) -> Iterator[Finding]:
        name = message.channel.station
        who, who_acts, owner = _SIDES["station" if message.sender == "station" else "csms"]
        known = station.certificates.known()
        for entry in entries[:MAX_ENTRIES]:
            hashed = read_hash(entry)
            if hashed is None:
                continue
            values: dict[str, object] = {"who": who, "who_acts": who_acts, "serial": shown(hashed.serial, 40)}
            what = _odd_form(entry)
            if what:
                odd = {**values, "what": what}
                yield Finding(HASH_FORM, message.time, name, (message,), odd, group=f"{who} {what[:40]}", owner=owner)
            certificate, fault, guess = _wrong(hashed, known)
            if certificate is not None:
                values |= {"subject": named(certificate), "member": fault, "guess": guess}
                values["algorithm"] = hashed.algorithm.upper() or "the algorithm named"
                yield Finding(HASH_WRONG, message.time, name, (message,), values, group=hashed.serial, owner=owner)


def _odd_form(entry: Any) -> str:
    """How it is spelled otherwise than the standard has it; empty where it is right."""
    algorithm = text(entry, "hashAlgorithm") or ""
    length = _LENGTHS.get(algorithm)
    for name in ("issuerNameHash", "issuerKeyHash"):
        said = text(entry, name) or ""
        if said and _HEX.fullmatch(said) is None:
            return f"{name} is no hexadecimal"
        if length is not None and said and len(said) != length:
            return f"{name} has {len(said)} digits, and {algorithm} has {length}"
    serial = text(entry, "serialNumber") or ""
    if serial[:2].lower() == "0x":
        return 'serialNumber begins with "0x"'
    if len(serial) > 1 and serial.startswith("0"):
        return "serialNumber begins with a zero"
    return ""


def _wrong(hashed: HashData, known: list[Certificate]) -> tuple[Certificate | None, str, str]:
    """The certificate with this serial number that the hashes do not fit, which of them, and what they may be of."""
    if hashed.algorithm not in ALGORITHMS or not (hashed.issuer_name or hashed.issuer_key):
        return None, "", ""
    same = [one for one in known if one.serial_hex == hashed.serial]
    verdicts = [(one, _verdict(hashed, one, known)) for one in same]
    if not verdicts or any(verdict[0] == "" for _, verdict in verdicts):
        return None, "", ""  # one with this number fits
    certificate, (fault, guess) = verdicts[0]
    if not guess and len(hashed.serial) < MIN_SERIAL:
        return None, "", ""
    return certificate, fault, guess


def _verdict(hashed: HashData, certificate: Certificate, known: list[Certificate]) -> tuple[str, str]:
    """The member that does not fit, and a guess; both empty where all fits, or cannot be told."""
    algorithm = ALGORITHMS[hashed.algorithm]

    def digest(data: bytes) -> str:
        return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()

    if hashed.issuer_name and digest(certificate.issuer.der) != hashed.issuer_name:
        guess = ""
        if hashed.issuer_name == digest(certificate.subject.der):
            guess = " (it is the hash of the subject's name)"
        elif hashed.issuer_name in (
            digest(str(certificate.issuer).encode()),
            digest(certificate.issuer.label.encode()),
        ):
            guess = " (it is the hash of the name as text)"
        return "issuerNameHash", guess
    issuers = [certificate] if certificate.self_issued else []
    issuers += [one for one in known if one != certificate and one.subject.same(certificate.issuer)]
    if not issuers or not hashed.issuer_key or any(means(hashed, certificate, one) for one in issuers):
        return "", ""
    signed = [one for one in issuers if certificate.issued_by(one).outcome == "right"]
    if not signed:
        return "", ""  # the issuer may have several keys, and this one is not at hand
    issuer = signed[0]
    if hashed.issuer_key == digest(issuer.key.spki):
        return "issuerKeyHash", " (it is the hash of the key together with its algorithm)"
    if hashed.issuer_key == digest(certificate.key.bitstring):
        return "issuerKeyHash", " (it is the hash of the certificate's own key)"
    return "issuerKeyHash", ""


def _against_installed(message: OcppMessage, station: Station) -> Iterator[Finding]:
    """What was accepted in sight must be listed; what is listed must not have ended."""
    certificates, name = station.certificates, message.channel.station
    latest: dict[str, tuple[Certificate, int]] = {}
    for root, use, since in certificates.roots.values():
        if use and certificates.told_of(use) == message.time:
            latest[use] = (root, since)  # a station may keep one root and drop the one before (M05)
    for use, (root, since) in latest.items():
        if not any(hashed.serial == root.serial_hex for hashed in certificates.installed):
            values: dict[str, object] = {
                "subject": named(root),
                "use": shown(use),
                "since": clock(since),
                "count": counted(len(certificates.installed), "certificate"),
            }
            yield Finding(NOT_LISTED, message.time, name, (message,), values, group=root.fingerprint)
    earliest, _ = earliest_and_latest(message, station)
    known = certificates.known()
    for hashed, use in list(certificates.installed.items())[:MAX_ENTRIES]:
        for one in known:
            if one.not_after < earliest and one.self_issued and means(hashed, one):
                values = {"subject": named(one), "use": shown(use) or "without a type", "end": clock(one.not_after)}
                yield Finding(ROOT_EXPIRED, message.time, name, (message,), values, group=one.fingerprint)


def _not_found(message: OcppMessage, call: OcppMessage, station: Station) -> Iterator[Finding]:
    hashed = read_hash(member(call.payload, "certificateHashData"))
    certificates = station.certificates
    if hashed is None or hashed not in certificates.installed or certificates.installed_told is None:
        return
    values: dict[str, object] = {"serial": shown(hashed.serial, 40), "since": clock(certificates.installed_told)}
    yield Finding(NOT_FOUND, message.time, message.channel.station, (call, message), values, group=hashed.serial)
