"""Certificates that travel inside OCPP: requested and never signed, refused, unfit for their use, deleted by mistake.

"Improved security for OCPP 1.6-J" §2 and §5.1, 2.x Part 2 A02 (renewal), M03 to M06 (installing and deleting).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import PULSE, Owed, PatientCheck, reason_given, shown
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.certificates import Certificate, Certificates, HashData, Seen
from fieldkit.site.picture import Picture
from fieldkit.site.reading import member, text
from fieldkit.site.station import Station

PATIENCE: Final = 3600 * SECOND
"""For a certificate authority to sign. Stations ask again after CertSigningWaitMinimum (a minute, as a rule), which
starts the time anew."""
SOON: Final = 30 * 86_400 * SECOND
"""A station starts renewing a month before its certificate ends (2.x Part 2 A03)."""
CLOCKS: Final = 300 * SECOND
"""A certificate that is issued this moment may begin in the future of a clock that is a little slow."""
MIN_RSA: Final = 2048
MIN_EC: Final = 224
"""Bits: 112 bits of strength, good until 2030 (A00.FR.501 and following)."""
_CLIENT_AUTH: Final = "1.3.6.1.5.5.7.3.2"
_ANY_USE: Final = "2.5.29.37.0"

SIGN_REFUSED = Kind(
    "certificate.request-refused",
    "warning",
    "csms",
    "The CSMS refuses to have a certificate signed",
    "The station asked for a new certificate ({use}), and the CSMS answered {status}{reason}.",
    "Have the CSMS operator check whether a certificate authority is set up for this station and whether name and"
    " organisation in the request are what it expects{subject}.",
    "OCPP 2.0.1 Part 2 A02; Improved security for OCPP 1.6-J §5.1",
)
NEVER_SIGNED = Kind(
    "certificate.never-signed",
    "warning",
    "csms",
    "A certificate was promised and never came",
    "The CSMS accepted the station's request for a certificate ({use}), and sent none within {waited}.",
    "Ask the CSMS operator what became of the request at the certificate authority. The station goes on with its old"
    " certificate until that ends.",
    "OCPP 2.0.1 Part 2 A02.FR.17; Improved security for OCPP 1.6-J §5.1",
    inferred=True,
)
REJECTED = Kind(
    "certificate.rejected-by-station",
    "warning",
    "csms",
    "The station rejects its new certificate",
    "The CSMS delivered a certificate ({use}) for {subject}, and the station answered Rejected{reason}.",
    "Compare it with the station's request: the same public key, the whole chain in order, issued by a root that is"
    " installed in the station, valid now by the station's clock.",
    "OCPP 2.0.1 Part 2 A02; Improved security for OCPP 1.6-J §5.1",
)
INSTALL_FAILED = Kind(
    "certificate.install-failed",
    "warning",
    "operator",
    "A root certificate could not be installed",
    "The CSMS sent a certificate ({use}) for {subject}, and the station answered {status}{reason}.",
    "Rejected: the certificate does not pass the station's checks (with AdditionalRootCertificateCheck it must be"
    " signed by the present root), or there is no room (CertificateStoreMaxLength). Failed: try again, then ask the"
    " manufacturer.",
    "OCPP 2.0.1 Part 2 M05; Improved security for OCPP 1.6-J §5.1",
)
EXPIRED = Kind(
    "certificate.delivered-expired",
    "warning",
    "pki",
    "A certificate that was delivered has expired",
    "The certificate ({use}) for {subject} that was sent to the station ended on {end}, {ago} before.",
    "Have a new one issued. If the dates look right, check the clock of the machine that captured this.",
    "OCPP 2.0.1 Part 2 A02, M05; RFC 5280 §4.1.2.5",
)
NOT_YET = Kind(
    "certificate.delivered-too-early",
    "warning",
    "pki",
    "A certificate that was delivered is not valid yet",
    "The certificate ({use}) for {subject} that was sent to the station is valid from {begin} on, {ahead} later.",
    "A station must refuse it until then. Have it issued with a begin in the past, and check the clock of the"
    " certificate authority.",
    "OCPP 2.0.1 Part 2 A02 (errata 2025-01: A02.FR.28); RFC 5280 §4.1.2.5",
)
ENDS_SOON = Kind(
    "certificate.delivered-short-lived",
    "info",
    "pki",
    "A certificate that was delivered ends soon",
    "The certificate ({use}) for {subject} that was sent to the station ends on {end}, in {left}.",
    "Nothing is wrong if certificates are renewed automatically at short intervals. Otherwise note the date.",
    "OCPP 2.0.1 Part 2 A03",
)
WEAK = Kind(
    "certificate.key-too-short",
    "warning",
    "pki",
    "A certificate's key is too short",
    "The certificate ({use}) for {subject} has a key of {key}. OCPP wants RSA keys of 2048 bits or more, or elliptic"
    " curves of 224.",
    "Have the certificate authority issue a new one; for a station's own certificate, set the key length in the station"
    " before it asks again.",
    "OCPP 2.0.1 Part 2 A00.FR.501 to 506; Improved security for OCPP 1.6-J §3",
)
WRONG_USE = Kind(
    "certificate.wrong-usage",
    "warning",
    "pki",
    "A certificate is unfit for what it was sent for",
    "The certificate for {subject} was sent as {use}, and {fault}.",
    "Have the right certificate sent: {wanted}.",
    "OCPP 2.0.1 Part 2 A00.FR.512 to 514, M05; RFC 5280 §4.2.1",
)
WRONG_KEY = Kind(
    "certificate.for-another-key",
    "warning",
    "csms",
    "A certificate does not belong to the station's request",
    "The certificate ({use}) for {subject} that was delivered holds another public key than the station's last request:"
    " the station cannot use it.",
    "Have the CSMS operator check which request was signed: one of another station, or an older one of this station.",
    "OCPP 2.0.1 Part 2 A02",
)
BROKEN_CHAIN = Kind(
    "certificate.chain-broken",
    "warning",
    "pki",
    "A certificate chain does not hold together",
    "In the chain that was sent as {use}, “{subject}” is said to be issued by “{issuer}”, but the certificate behind"
    " it is “{next}”.",
    "Put the chain in order: first the station's certificate, then each issuer behind what it has issued; leave out"
    " what does not belong to it.",
    "OCPP 2.0.1 Part 2 CertificateSignedRequest; RFC 8446 §4.4.2",
)
PRIVATE_KEY = Kind(
    "certificate.private-key-sent",
    "critical",
    "csms",
    "A private key was sent over OCPP",
    "{action} carries a private key. A private key never leaves the device that made it: this one is no longer secret.",
    "Revoke the certificate that belongs to it and have a new one made. Find out who put the key into the message."
    " Treat this capture as confidential.",
    "OCPP 2.0.1 Part 2 A02; Improved security for OCPP 1.6-J §5.1",
)
OWN_DELETED = Kind(
    "certificate.own-deleted",
    "warning",
    "station",
    "The station deleted its own certificate",
    "The CSMS had the certificate for {subject} deleted, which the station itself had been given ({use}), and the"
    " station accepted. It may not be able to connect again.",
    "Have a new certificate signed before the connection is lost (TriggerMessage SignChargingStationCertificate)."
    " Report it to the manufacturer: a station shall refuse to delete its own certificate.",
    "OCPP 2.0.1 Part 2 M04.FR.06",
)
DELETE_FAILED = Kind(
    "certificate.delete-failed",
    "warning",
    "station",
    "A certificate could not be deleted",
    "The CSMS wanted certificate {serial} deleted, and the station answered Failed{reason}.",
    "Failed is right for the station's own certificate. For any other one, try again and then ask the manufacturer.",
    "OCPP 2.0.1 Part 2 M04",
)
CONTRACT_FAILED = Kind(
    "certificate.contract-failed",
    "warning",
    "pki",
    "The vehicle got no contract certificate",
    "The station asked for a contract certificate for the vehicle ({what}), and the CSMS answered Failed{reason}.",
    "The driver needs a Plug & Charge contract that the certificate pool knows for this vehicle; charging with card"
    " or app works meanwhile. Ask the CSMS operator which pool was asked.",
    "OCPP 2.0.1 Part 2 M01, M02",
)
OCSP_FAILED = Kind(
    "certificate.status-failed",
    "warning",
    "csms",
    "The CSMS could not tell whether a certificate is revoked",
    "The station asked for the OCSP status of certificate {serial}, and the CSMS answered Failed{reason}.",
    "Have the CSMS operator check that the OCSP responder that the station names can be reached. Without a status"
    " vehicles may refuse Plug & Charge.",
    "OCPP 2.0.1 Part 2 M06",
)


class CertificateFlowCheck(PatientCheck):
    """What becomes of certificates inside OCPP."""

    kinds = (
        SIGN_REFUSED,
        NEVER_SIGNED,
        REJECTED,
        INSTALL_FAILED,
        EXPIRED,
        NOT_YET,
        ENDS_SOON,
        WEAK,
        WRONG_USE,
        WRONG_KEY,
        BROKEN_CHAIN,
        PRIVATE_KEY,
        OWN_DELETED,
        DELETE_FAILED,
        CONTRACT_FAILED,
        OCSP_FAILED,
    )
    actions = PULSE | Certificates.ACTIONS

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Requests, deliveries and what was answered."""
        station = picture.stations.get(message.channel.station)
        if station is None or message.action in PULSE:
            return ()
        seen = station.certificates.latest
        if message.type is MessageType.CALL:
            return self._carried(message, seen, station) if seen is not None else ()
        if message.type is MessageType.CALLRESULT and message.call is not None:
            return self._answered(message, message.call, seen, station)
        return ()

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """No certificate came."""
        values = {"use": owed.thing, "waited": duration(PATIENCE)}
        yield Finding(NEVER_SIGNED, owed.deadline, station, owed.evidence, values, group=owed.thing)

    # ------------------------------------------------------------------------------------------- what a message holds

    def _carried(self, message: OcppMessage, seen: Seen, station: Station) -> Iterator[Finding]:
        name = message.channel.station
        if seen.private_key:
            yield Finding(PRIVATE_KEY, message.time, name, (message,), {"action": message.action}, group=message.action)
        if message.action == "SignCertificate":
            self.settle(message, seen.use)
            return
        use = shown(seen.use) or "without a type"
        if message.action == "CertificateSigned":
            self.settle(message, seen.use)
            yield from _against_request(message, seen, station)
        now = message.time
        for position, certificate in enumerate(seen.chain):
            for kind, values in _faults(certificate, seen, position, now, station):
                values = {"use": use, "subject": shown(certificate.subject), **values}
                yield Finding(kind, now, name, (message,), values, group=certificate.fingerprint)
        for issued, issuer in zip(seen.chain, seen.chain[1:], strict=False):
            if issued.issuer != issuer.subject:
                told = {
                    "use": use,
                    "subject": shown(issued.subject),
                    "issuer": shown(issued.issuer),
                    "next": shown(issuer.subject),
                }
                yield Finding(BROKEN_CHAIN, now, name, (message,), told, group=issued.fingerprint)
                break

    # ----------------------------------------------------------------------------------------------- what is answered

    def _answered(
        self, message: OcppMessage, call: OcppMessage, seen: Seen | None, station: Station
    ) -> Iterator[Finding]:
        name, status = message.channel.station, text(message.payload, "status") or ""
        evidence = (call, message)
        values: dict[str, object] = {"status": shown(status, 50), "reason": reason_given(message)}
        if seen is not None:
            values["use"] = shown(seen.use) or "without a type"
            values["subject"] = shown(seen.chain[0].subject) if seen.chain else "an unknown subject"
        action = call.action
        if action == "SignCertificate" and seen is not None:
            values["subject"] = f": {shown(seen.csr_subject)}" if seen.csr_subject else ""
            if status == "Rejected":
                yield Finding(SIGN_REFUSED, message.time, name, evidence, values, group=seen.use)
            elif status == "Accepted" and not _delivered(station, seen):
                self.expect(message, seen.use, message.time + PATIENCE, evidence, shown(seen.use))
        elif action == "CertificateSigned" and status == "Rejected" and seen is not None:
            yield Finding(REJECTED, message.time, name, evidence, values, group=seen.use)
        elif action == "InstallCertificate" and status in ("Failed", "Rejected") and seen is not None:
            yield Finding(INSTALL_FAILED, message.time, name, evidence, values, group=f"{seen.use} {status}")
        elif action == "DeleteCertificate":
            yield from _deleted(message, call, status, station, values)
        elif action == "Get15118EVCertificate" and status == "Failed":
            values["what"] = shown(text(call.payload, "action") or "Install", 20)
            yield Finding(CONTRACT_FAILED, message.time, name, evidence, values)
        elif action == "GetCertificateStatus" and status == "Failed":
            values["serial"] = shown(text(call.payload, "ocspRequestData", "serialNumber") or "without a number", 40)
            yield Finding(OCSP_FAILED, message.time, name, evidence, values)


def _delivered(station: Station, request: Seen) -> bool:
    """Whether the certificate came even before the request for it was answered."""
    later = (one for one in station.certificates.seen if one.time >= request.time)
    return any(one.action == "CertificateSigned" and one.use == request.use for one in later)


def _deleted(
    message: OcppMessage, call: OcppMessage, status: str, station: Station, values: dict[str, object]
) -> Iterator[Finding]:
    hashed = HashData.read(member(call.payload, "certificateHashData"))
    if hashed is None:
        return
    name = message.channel.station
    if status == "Failed":
        values["serial"] = shown(hashed.serial, 40)
        if not any(own.is_meant_by(hashed) for own in station.certificates.own.values()):
            yield Finding(DELETE_FAILED, message.time, name, (call, message), values, group=hashed.serial)
    elif status == "Accepted":
        for use, own in station.certificates.own.items():
            if own.is_meant_by(hashed):
                values = {"subject": shown(own.subject), "use": use}
                yield Finding(OWN_DELETED, message.time, name, (call, message), values, group=use)


def _against_request(message: OcppMessage, seen: Seen, station: Station) -> Iterator[Finding]:
    """Compare with the latest request for this use, where both could be read."""
    request = next(
        (one for one in reversed(station.certificates.seen) if one.action == "SignCertificate" and one.use == seen.use),
        None,
    )
    if request is None or not request.csr_key or not seen.chain:
        return
    if any(one.key_fingerprint == request.csr_key for one in seen.chain):
        return
    values = {"use": shown(seen.use), "subject": shown(seen.chain[0].subject)}
    evidence = (request.message, message)
    yield Finding(WRONG_KEY, message.time, message.channel.station, evidence, values, group=seen.use)


def _faults(
    certificate: Certificate, seen: Seen, position: int, now: int, station: Station
) -> Iterator[tuple[Kind, dict[str, object]]]:
    # Dates are held against the capture's clock and the CSMS's: the capture may come from a laptop that is years off.
    other = now + (station.clock.csms_offset or 0)
    if certificate.not_after < min(now, other):
        yield EXPIRED, {"end": clock(certificate.not_after), "ago": duration(now - certificate.not_after)}
    elif certificate.not_before > max(now, other) + CLOCKS:
        yield NOT_YET, {"begin": clock(certificate.not_before), "ahead": duration(certificate.not_before - now)}
    elif now < certificate.not_after < now + SOON and position == 0:
        yield ENDS_SOON, {"end": clock(certificate.not_after), "left": duration(certificate.not_after - now)}
    if certificate.key_bits and certificate.key_bits < (MIN_EC if certificate.elliptic else MIN_RSA):
        yield WEAK, {"key": certificate.key}
    if position:
        return
    own = seen.action == "CertificateSigned"
    if own and certificate.is_ca:
        wanted = "the station's own certificate comes first in the chain, its issuers behind it"
        yield WRONG_USE, {"fault": "it is that of a certificate authority", "wanted": wanted}
    elif own and seen.use == "ChargingStationCertificate" and certificate.uses:
        if _CLIENT_AUTH not in certificate.uses and _ANY_USE not in certificate.uses:
            wanted = "one whose extended key usage holds clientAuth, or that has none"
            yield WRONG_USE, {"fault": "its extended key usage does not allow TLS clients", "wanted": wanted}
    elif seen.action == "InstallCertificate" and certificate.is_ca is False:
        wanted = "the root of the authority, not a certificate that it has issued"
        yield WRONG_USE, {"fault": "it is not that of a certificate authority", "wanted": wanted}
