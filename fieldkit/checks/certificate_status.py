"""Revocation states that a CSMS passes on: decoded, for the right certificate, signed, fresh (2.x Part 2 M06)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from fieldkit.checks.certificatecheck import CLOCKS, CertificateCheck, earliest_and_latest
from fieldkit.checks.certificatemessagekinds import NO_RESPONDER, STATUS_REVOKED, STATUS_STALE, STATUS_USELESS
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import shown
from fieldkit.events import OcppMessage
from fieldkit.site.certificateread import from_base64
from fieldkit.site.certificates import Certificate, HashData, read_hash
from fieldkit.site.picture import Picture
from fieldkit.site.plugandcharge import ACTION as DATA_TRANSFER
from fieldkit.site.reading import items, member, moment, objects, text
from fieldkit.site.station import Station
from fieldkit.trust.der import DerError
from fieldkit.trust.hashdata import ALGORITHMS, means
from fieldkit.trust.ocsp import MAX_AGE, OcspResponse, Single, judge_response, read_response
from fieldkit.trust.words import date

MAX_RESULT: Final = 40_000
"""Characters of an OCSP response that are read: 2.1 has room for 18,000."""
_REMEMBERED: Final = 32


class CertificateStatusCheck(CertificateCheck):
    """GetCertificateStatus, and GetCertificateChainStatus of 2.1."""

    kinds = (STATUS_REVOKED, STATUS_STALE, STATUS_USELESS, NO_RESPONDER)
    actions = frozenset({"GetCertificateStatus", "GetCertificateChainStatus", DATA_TRANSFER})

    def asked(self, message: OcppMessage, station: Station, picture: Picture) -> Iterable[Finding]:
        """A question without an address."""
        if message.action != "GetCertificateStatus":
            return
        asked = member(message.payload, "ocspRequestData")
        url = text(asked, "responderURL")
        if asked is not None and url is not None and not url.strip():
            values: dict[str, object] = {"serial": shown(text(asked, "serialNumber") or "without a number", 40)}
            yield Finding(NO_RESPONDER, message.time, message.channel.station, (message,), values)

    def answered(
        self, message: OcppMessage, call: OcppMessage, station: Station, picture: Picture
    ) -> Iterable[Finding]:
        """What the CSMS says."""
        if call.action == "GetCertificateChainStatus":
            yield from _of_chain(message, call)
        elif call.action == "GetCertificateStatus" and text(message.payload, "status") == "Accepted":
            hashed = read_hash(member(call.payload, "ocspRequestData"))
            result = member(message.payload, "ocspResult")
            if hashed is not None and isinstance(result, str) and result.strip():
                found = _judged(result, hashed, message, station)
                if found is not None:
                    kind, why = found
                    values: dict[str, object] = {"serial": shown(hashed.serial, 40), "why": why}
                    evidence = (call, message)
                    yield Finding(kind, message.time, message.channel.station, evidence, values, group=hashed.serial)


@lru_cache(maxsize=_REMEMBERED)
def _read(data: bytes) -> OcspResponse | str:
    try:
        return read_response(data)
    except DerError as error:
        return str(error)


def _judged(result: str, hashed: HashData, message: OcppMessage, station: Station) -> tuple[Kind, str] | None:
    data = from_base64(result) if len(result) <= MAX_RESULT else b""
    if not data:
        why = "is too long" if len(result) > MAX_RESULT else "is no base64"
        return STATUS_USELESS, f"It {why}."
    if data[:1] != b"\x30":
        return None  # an anonymised log keeps the form of what it hides, and no more
    response = _read(data)
    if isinstance(response, str):
        return STATUS_USELESS, f"It is no OCSP response: {response}."
    if response.failure:
        return STATUS_USELESS, f"It holds no answer: {response.failure}."
    single = next((one for one in response.singles if _same(one.hashed, hashed, station)), None)
    if single is None:
        about = ", ".join(shown(one.hashed.serial, 40) for one in response.singles[:3]) or "nothing"
        return STATUS_USELESS, f"It is about another certificate ({about})."
    certificates = _certificates(hashed, station)
    earliest, latest = earliest_and_latest(message, station)
    if certificates is not None:
        certificate, issuer = certificates
        judged = judge_response(response, certificate, issuer, at=message.time)
        if judged.status == "unusable" and not judged.expired and "still to come" not in judged.why:
            return STATUS_USELESS, judged.why
    return _fresh(single, earliest, latest)


def _fresh(single: Single, earliest: int, latest: int) -> tuple[Kind, str] | None:
    if single.this_update > latest + CLOCKS:
        return STATUS_STALE, f"It is from {date(single.this_update)}, which is still to come."
    if single.status == "revoked":
        when = f" on {date(single.revoked_at)}" if single.revoked_at is not None else ""
        return STATUS_REVOKED, f"it was revoked{when}" + (f": {single.reason}." if single.reason else ".")
    until = single.next_update if single.next_update is not None else single.this_update + MAX_AGE
    if earliest > until + CLOCKS:
        return STATUS_STALE, f"It was good until {date(until)} only."
    if single.status == "unknown":
        return STATUS_USELESS, "The responder says that it does not know the certificate."
    return None


def _same(told: HashData, asked: HashData, station: Station) -> bool:
    """The same certificate. A responder may answer with the hashes of another algorithm than the station asked with."""
    if told.serial != asked.serial:
        return False
    if told.algorithm == asked.algorithm:
        return told.issuer_name == asked.issuer_name and told.issuer_key == asked.issuer_key
    return True


def _certificates(hashed: HashData, station: Station) -> tuple[Certificate, Certificate] | None:
    """The certificate that is asked about and its issuer, if both were seen in messages."""
    if hashed.algorithm not in ALGORITHMS:
        return None
    known = station.certificates.known()
    for one in known:
        if one.serial_hex == hashed.serial:
            for issuer in known:
                if issuer.subject.same(one.issuer) and means(hashed, one, issuer):
                    return one, issuer
    return None


def _of_chain(message: OcppMessage, call: OcppMessage) -> Iterator[Finding]:
    """2.1 passes on a word for each certificate instead of what the authority signed."""
    for entry in list(objects(message.payload, "certificateStatus"))[:4]:
        serial = text(entry, "certificateHashData", "serialNumber") or "without a number"
        until = moment(entry, "nextUpdate")
        status = text(entry, "status")
        values: dict[str, object] = {"serial": shown(serial, 40)}
        name, evidence = message.channel.station, (call, message)
        if status == "Revoked":
            values["why"] = "it was revoked."
            yield Finding(STATUS_REVOKED, message.time, name, evidence, values, group=serial)
        elif status == "Good" and until is not None and until + CLOCKS < message.time:
            values["why"] = f"It was good until {date(until)} only."
            yield Finding(STATUS_STALE, message.time, name, evidence, values, group=serial)
    for asked in list(items(call.payload, "certificateStatusRequests"))[:4]:
        urls = member(asked, "urls")
        if isinstance(urls, list) and not any(isinstance(url, str) and url.strip() for url in urls):
            serial = text(asked, "certificateHashData", "serialNumber") or "without a number"
            values = {"serial": shown(serial, 40)}
            yield Finding(NO_RESPONDER, call.time, message.channel.station, (call,), values)
