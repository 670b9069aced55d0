"""What becomes of certificates inside OCPP: requested and never signed, refused, deleted by mistake.

"Improved security for OCPP 1.6-J" §2 and §5.1, 2.x Part 2 A02 (renewal), M03 to M06 (installing and deleting). What is
wrong with the certificates themselves is for ``certificate_content`` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.checks.certificatecheck import named, told
from fieldkit.checks.certificatemessagekinds import (
    CONTRACT_FAILED,
    DELETE_FAILED,
    INSTALL_FAILED,
    NEVER_SIGNED,
    OCSP_FAILED,
    OWN_DELETED,
    REJECTED,
    SIGN_REFUSED,
)
from fieldkit.checks.finding import Finding
from fieldkit.checks.patience import PULSE, Owed, PatientCheck, reason_given, shown
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.certificates import Seen, pointed_at, read_hash
from fieldkit.site.picture import Picture
from fieldkit.site.plugandcharge import ACTION as DATA_TRANSFER
from fieldkit.site.reading import member, text
from fieldkit.site.station import Station

PATIENCE: Final = 3600 * SECOND
"""For a certificate authority to sign. Stations ask again after CertSigningWaitMinimum (a minute, as a rule), which
starts the time anew."""


class CertificateFlowCheck(PatientCheck):
    """What becomes of certificates inside OCPP."""

    kinds = (
        SIGN_REFUSED,
        NEVER_SIGNED,
        REJECTED,
        INSTALL_FAILED,
        OWN_DELETED,
        DELETE_FAILED,
        CONTRACT_FAILED,
        OCSP_FAILED,
    )
    actions = PULSE | {
        "SignCertificate",
        "CertificateSigned",
        "InstallCertificate",
        "DeleteCertificate",
        "Get15118EVCertificate",
        "GetCertificateStatus",
        DATA_TRANSFER,
    }

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Requests, deliveries and what was answered."""
        station = picture.stations.get(message.channel.station)
        if station is None or message.action in PULSE:
            return ()
        inside = told(message)
        if inside is None:
            return ()
        message, seen = inside, station.certificates.latest
        if message.type is MessageType.CALL:
            if seen is not None:
                self._carried(message, seen)
            return ()
        if message.type is MessageType.CALLRESULT and message.call is not None:
            return self._answered(message, message.call, seen, station)
        return ()

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """No certificate came."""
        values = {"use": owed.thing, "waited": duration(PATIENCE)}
        yield Finding(NEVER_SIGNED, owed.deadline, station, owed.evidence, values, group=owed.thing)

    def _carried(self, message: OcppMessage, seen: Seen) -> None:
        """A new request starts the time anew; a certificate ends it."""
        if message.action in ("SignCertificate", "CertificateSigned"):
            self.settle(message, seen.use)

    # ----------------------------------------------------------------------------------------------- what is answered

    def _answered(
        self, message: OcppMessage, call: OcppMessage, seen: Seen | None, station: Station
    ) -> Iterator[Finding]:
        name, status = message.channel.station, text(message.payload, "status") or ""
        evidence = (call, message)
        values: dict[str, object] = {"status": shown(status, 50), "reason": reason_given(message)}
        if seen is not None:
            values["use"] = shown(seen.use) or "without a type"
            values["subject"] = named(seen.chain[0], seen) if seen.chain else "an unknown subject"
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
    hashed = read_hash(member(call.payload, "certificateHashData"))
    if hashed is None:
        return
    name = message.channel.station
    if status == "Failed":
        values["serial"] = shown(hashed.serial, 40)
        if not any(pointed_at(hashed, own) for own in station.certificates.own.values()):
            yield Finding(DELETE_FAILED, message.time, name, (call, message), values, group=hashed.serial)
    elif status == "Accepted":
        for use, own in station.certificates.own.items():
            if pointed_at(hashed, own):
                values = {"subject": named(own), "use": use}
                yield Finding(OWN_DELETED, message.time, name, (call, message), values, group=use)
