"""What is wrong with certificates and requests inside of messages: dates, keys, names, uses, order, signatures, sizes,
and whether they belong together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from fieldkit.checks.certificatecheck import CLOCKS, DAY, CertificateCheck, earliest_and_latest, named
from fieldkit.checks.certificatekinds import REQUEST_UNSIGNED, WEAK_REQUEST
from fieldkit.checks.certificatemessagekinds import (
    BROKEN_CHAIN,
    ENDS_SOON,
    EXPIRED,
    NOT_YET,
    OTHER_NAME,
    PRIVATE_KEY,
    REQUEST_NAME,
    REQUEST_OWNER,
    SIGNATURE_WRONG,
    TOO_LONG,
    UNREADABLE,
    V2G_PROFILE,
    WEAK,
    WRONG_KEY,
    WRONG_USE,
)
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import shown
from fieldkit.checks.words import clock, duration
from fieldkit.events import OcppMessage
from fieldkit.site.certificateread import CUT_OFF
from fieldkit.site.certificates import STATION, Certificate, Seen
from fieldkit.site.picture import Picture
from fieldkit.site.plugandcharge import ACTION as DATA_TRANSFER
from fieldkit.site.reading import whole
from fieldkit.site.station import Station
from fieldkit.trust import oids
from fieldkit.trust.iso15118 import ROLES, judge_v2g
from fieldkit.trust.request import Request

SOON: Final = 30 * DAY
"""A station starts renewing a month before its certificate ends (2.x Part 2 A03)."""
_ROOM: Final = {"SignCertificate": 5500, "CertificateSigned": 10_000, "InstallCertificate": 5500}
_ROOM_21: Final = {**_ROOM, "InstallCertificate": 10_000}
"""Characters that the schemas have room for; of OCPP 2.1."""
_CHAIN_SIZE: Final = ("CertificateSignedMaxChainSize", "SecurityCtrlr.MaxCertificateChainSize")
_OWNER: Final = ("CpoName", "SecurityCtrlr.OrganizationName", "ISO15118Ctrlr.OrganizationName")
"""Settings that say whose station it is (A02.FR.13)."""
_DELIVERED: Final = frozenset({"CertificateSigned", "InstallCertificate"})

_Fault = tuple[Kind, dict[str, object]]


class CertificateContentCheck(CertificateCheck):
    """Certificates and requests themselves."""

    kinds = (
        EXPIRED, NOT_YET, ENDS_SOON, WEAK, WRONG_USE, WRONG_KEY, BROKEN_CHAIN, SIGNATURE_WRONG, PRIVATE_KEY, OTHER_NAME,
        REQUEST_NAME, REQUEST_OWNER, REQUEST_UNSIGNED, WEAK_REQUEST, TOO_LONG, V2G_PROFILE, UNREADABLE,
    )  # fmt: skip
    actions = frozenset(
        {"SignCertificate", "CertificateSigned", "InstallCertificate", "SignedUpdateFirmware", "UpdateFirmware",
         DATA_TRANSFER}
    )  # fmt: skip

    def asked(self, message: OcppMessage, station: Station, picture: Picture) -> Iterable[Finding]:
        """All of them are carried by CALLs."""
        seen = station.certificates.latest
        return self._judged(message, seen, station) if seen is not None else ()

    def _judged(self, message: OcppMessage, seen: Seen, station: Station) -> Iterator[Finding]:
        name, now = message.channel.station, message.time
        if seen.private_key:
            yield Finding(PRIVATE_KEY, now, name, (message,), {"action": message.action}, group=message.action)
        if seen.unread.startswith(CUT_OFF):
            values: dict[str, object] = {"action": message.action, "use": _use(seen), "why": seen.unread}
            yield Finding(UNREADABLE, now, name, (message,), values, group=message.action)
        for kind, values in _sizes(message, seen, station):
            yield Finding(kind, now, name, (message,), values, group=message.action)
        if seen.request is not None:
            for kind, values in _of_request(seen.request, station):
                yield Finding(kind, now, name, (message,), values, group=seen.use)
        if message.action not in _DELIVERED or not seen.chain:
            return
        if message.action == "CertificateSigned":
            yield from _against_request(message, seen, station)
        for position, certificate in enumerate(seen.chain):
            for kind, values in _of_certificate(certificate, position, seen, message, station):
                values = {"use": _use(seen), "subject": named(certificate, seen), **values}
                yield Finding(kind, now, name, (message,), values, group=certificate.fingerprint)
        for certificate, kind, values in _links(seen, station):
            values = {"use": _use(seen), "subject": named(certificate, seen), **values}
            yield Finding(kind, now, name, (message,), values, group=certificate.fingerprint)


def _use(seen: Seen) -> str:
    return shown(seen.use) or "without a type"


# ------------------------------------------------------------------------------------------------------------- messages


def _sizes(message: OcppMessage, seen: Seen, station: Station) -> Iterator[_Fault]:
    version = message.channel.version
    room = (_ROOM_21 if version == "2.1" else _ROOM).get(message.action)
    limit = f"OCPP {version or '1.6 and 2.0.1'} has room for {room:,}" if room is not None else ""
    if message.action == "CertificateSigned":
        for name in _CHAIN_SIZE:
            setting = station.about.setting(name)
            said = setting.value if setting is not None else None
            if said and said.isascii() and said.isdigit() and 0 < int(said[:9]) < (room or 0):
                room, limit = int(said[:9]), f"the station says that it takes {int(said[:9]):,} ({name})"
    if room is not None and seen.size > room:
        yield TOO_LONG, {"action": message.action, "use": _use(seen), "size": f"{seen.size:,}", "limit": limit}


def _of_request(request: Request, station: Station) -> Iterator[_Fault]:
    values: dict[str, object] = {"subject": shown(str(request.subject)), "at": " that the station sent"}
    checked = request.verified()
    if checked.outcome == "wrong":
        yield REQUEST_UNSIGNED, {**values, "why": checked.why}
    if request.key.too_short:
        yield WEAK_REQUEST, {**values, "key": f"a key of {request.key.bits} bits ({request.key})"}
    common, serial = request.subject.common, station.about.serial
    known = [one.casefold() for one in (serial, station.identity) if one]
    if common and serial and not any(one in common.casefold() or common.casefold() in one for one in known):
        yield REQUEST_NAME, {"asked": f'"{shown(common)}"', "serial": f'"{shown(serial)}"'}
    for name in _OWNER:
        setting = station.about.setting(name)
        wanted = setting.value.strip() if setting is not None and setting.value else ""
        given = request.subject.all(oids.ORGANIZATION)
        if wanted and given and not any(one.strip().casefold() == wanted.casefold() for one in given):
            asked = ", ".join(f'"{shown(one)}"' for one in given[:3])
            yield REQUEST_OWNER, {"asked": asked, "setting": name, "wanted": f'"{shown(wanted)}"'}
            break


def _against_request(message: OcppMessage, seen: Seen, station: Station) -> Iterator[Finding]:
    """Compare with the request that it answers, where both could be read."""
    asked = _request_for(message, seen, station)
    if asked is None or asked.request is None:
        return
    name, evidence = message.channel.station, (asked.message, message)
    leaf, request = seen.chain[0], asked.request
    if not any(request.answered_by(one) for one in seen.chain):
        values: dict[str, object] = {"use": _use(seen), "subject": named(leaf, seen)}
        yield Finding(WRONG_KEY, message.time, name, evidence, values, group=seen.use)
    elif request.subject.common and leaf.common_name and not _same(request.subject.common, leaf.common_name):
        values = {
            "use": _use(seen),
            "asked": f'"{shown(request.subject.common)}"',
            "given": f'"{shown(leaf.common_name)}"',
        }
        yield Finding(OTHER_NAME, message.time, name, evidence, values, group=seen.use)


def _request_for(message: OcppMessage, seen: Seen, station: Station) -> Seen | None:
    requests = [one for one in station.certificates.seen if one.action == "SignCertificate"]
    number = whole(message.payload, "requestId")  # 2.1 names the request
    if number is not None:
        for one in reversed(requests):
            if whole(one.message.payload, "requestId") == number:
                return one
        return None
    return next((one for one in reversed(requests) if one.use == seen.use), None)


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


# --------------------------------------------------------------------------------------------------------- certificates


def _of_certificate(
    certificate: Certificate, position: int, seen: Seen, message: OcppMessage, station: Station
) -> Iterator[_Fault]:
    now = message.time
    earliest, latest = earliest_and_latest(message, station)
    begin, end = certificate.not_before, certificate.not_after
    if end < earliest:
        yield EXPIRED, {"end": clock(end), "ago": duration(now - end)}
    elif begin > latest + CLOCKS:
        yield NOT_YET, {"begin": clock(begin), "ahead": duration(begin - now)}
    elif now < end < now + SOON and position == 0:
        yield ENDS_SOON, {"end": clock(end), "left": duration(end - now)}
    if certificate.key.too_short:
        yield WEAK, {"key": str(certificate.key)}
    if position:
        return
    fault = _unfit(certificate, seen)
    if fault is not None:
        yield WRONG_USE, {"fault": fault[0], "wanted": fault[1]}
        return
    yield from _v2g(certificate, seen)


def _unfit(certificate: Certificate, seen: Seen) -> tuple[str, str] | None:
    """What is wrong with it as what it was sent for, and what would be right."""
    if seen.action == "CertificateSigned":
        if certificate.extensions.is_ca:
            wanted = "the station's own certificate comes first in the chain, its issuers behind it"
            return "it is that of a certificate authority", wanted
        if seen.use == STATION and not certificate.serves(oids.CLIENT_AUTH):
            wanted = "one whose extended key usage holds clientAuth, or that has none"
            return "its extended key usage does not allow TLS clients", wanted
        return None
    wanted = "the root of the authority, not a certificate that it has issued"
    if certificate.extensions.is_ca is False:
        return "it is not that of a certificate authority", wanted
    if not certificate.self_issued:
        return f"it is no root, but was issued by {shown(str(certificate.issuer))}", wanted
    if len(seen.chain) > 1:
        return f"it comes with {len(seen.chain) - 1} more in one message", "one root in each message"
    return None


def _v2g(certificate: Certificate, seen: Seen) -> Iterator[_Fault]:
    """ISO 15118's profiles, of certificates that are sent as such."""
    if seen.use in ("V2GCertificate", "V2G20Certificate"):
        part = "secc"
    elif seen.use == "V2GRootCertificate":
        part = "v2g-root"
    else:
        return
    twenty = seen.use == "V2G20Certificate" or str(certificate.key) in ("EC secp521r1", "Ed448")
    role = ROLES[f"15118-20-{part}" if twenty else f"15118-{part}"]
    failed = [one for one in judge_v2g(certificate, role) if one.result == "fail" and one.level == "shall"]
    if failed:
        reasons = "; ".join(f"{one.title} ({one.why})" for one in failed[:4])
        yield V2G_PROFILE, {"role": f"the {role.name} certificate", "edition": role.edition, "reasons": reasons}


def _links(seen: Seen, station: Station) -> Iterator[tuple[Certificate, Kind, dict[str, object]]]:
    """Whether each is issued by the one behind it, and the last by the root of its issuer's name, if that is known."""
    chain = seen.chain if seen.action == "CertificateSigned" else seen.chain[:1]
    for lower, upper in pairwise(chain):
        if not lower.issuer.same(upper.subject):
            told: dict[str, object] = {"issuer": shown(str(lower.issuer)), "next": shown(str(upper.subject))}
            yield lower, BROKEN_CHAIN, told
            return
        if lower.issued_by(upper).outcome == "wrong":
            yield lower, SIGNATURE_WRONG, {"issuer": shown(str(upper.subject))}
            return
    last = chain[-1]
    if last.self_issued:
        issuers = [last]
    else:
        issuers = [root for root, _, _ in station.certificates.roots.values() if root.subject.same(last.issuer)]
    if issuers and all(last.issued_by(one).outcome == "wrong" for one in issuers[:5]):
        yield last, SIGNATURE_WRONG, {"issuer": shown(str(last.issuer))}
