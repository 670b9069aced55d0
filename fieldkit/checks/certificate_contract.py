"""Plug & Charge: contract certificates against who is to pay, and what a CSMS makes of them (2.x Part 2 C07, M01)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fieldkit.checks.certificatecheck import CLOCKS, CertificateCheck, earliest_and_latest
from fieldkit.checks.certificatemessagekinds import (
    CONTRACT_EXPIRED,
    CONTRACT_NAME,
    CONTRACT_STATUS,
    EXI_BROKEN,
    EXI_LONG,
)
from fieldkit.checks.finding import Finding, Identity
from fieldkit.checks.patience import shown
from fieldkit.checks.words import clock
from fieldkit.events import OcppMessage
from fieldkit.site.certificateread import from_exi
from fieldkit.site.certificates import Certificate
from fieldkit.site.kept import same
from fieldkit.site.picture import Picture
from fieldkit.site.plugandcharge import ACTION as DATA_TRANSFER
from fieldkit.site.reading import member, text
from fieldkit.site.station import Station

_ROOM: Final = {"exiRequest": (5600, 11_000), "exiResponse": (7500, 17_000)}
"""Characters of EXI that OCPP 2.0.1 and 2.1 have room for (M01; 1.6 as 2.0.1)."""
_LONGEST_EMAID: Final = 15
"""Country, provider, instance and check digit, without dashes (ISO 15118-2 H.1)."""


class ContractCheck(CertificateCheck):
    """Contracts."""

    kinds = (CONTRACT_NAME, CONTRACT_EXPIRED, CONTRACT_STATUS, EXI_BROKEN, EXI_LONG)
    actions = frozenset({"Authorize", "Get15118EVCertificate", DATA_TRANSFER})

    def asked(self, message: OcppMessage, station: Station, picture: Picture) -> Iterable[Finding]:
        """A vehicle shows its contract, or wants one."""
        if message.action == "Get15118EVCertificate":
            return _exi(message, "exiRequest", (message,))
        seen = station.certificates.latest
        if message.action != "Authorize" or seen is None or not seen.chain:
            return ()
        return _shown(message, seen.chain[0], station)

    def answered(
        self, message: OcppMessage, call: OcppMessage, station: Station, picture: Picture
    ) -> Iterable[Finding]:
        """What the CSMS makes of it."""
        if call.action == "Get15118EVCertificate":
            if text(message.payload, "status") == "Accepted":
                return _exi(message, "exiResponse", (call, message))
            return ()
        if call.action != "Authorize" or member(call.payload, "certificate") is None:
            return ()
        seen = next((one for one in reversed(station.certificates.seen) if same(one.message, call)), None)
        if seen is None or not seen.chain:
            return ()
        return _status(message, call, seen.chain[0], station)


def _contract(certificate: Certificate) -> Identity:
    return Identity(shown(certificate.common_name or str(certificate.subject)))


def _dates(certificate: Certificate) -> dict[str, object]:
    return {"begin": clock(certificate.not_before), "end": clock(certificate.not_after)}


def _shown(message: OcppMessage, certificate: Certificate, station: Station) -> Iterator[Finding]:
    name = message.channel.station
    token = text(message.payload, "idToken", "idToken") or ""
    kind = text(message.payload, "idToken", "type") or ""
    if kind.casefold() == "emaid" and token and certificate.common_name and not _fits(token, certificate.common_name):
        values: dict[str, object] = {"token": Identity(shown(token)), "contract": _contract(certificate)}
        yield Finding(CONTRACT_NAME, message.time, name, (message,), values)
    earliest, latest = earliest_and_latest(message, station)
    if certificate.not_after < earliest or certificate.not_before > latest + CLOCKS:
        values = {"contract": _contract(certificate), **_dates(certificate)}
        yield Finding(CONTRACT_EXPIRED, message.time, name, (message,), values, group=certificate.fingerprint)


def _fits(token: str, common: str) -> bool:
    """The same contract: dashes and letter case do not count, nor does the check digit, which may be left out."""
    one, other = (value.replace("-", "").strip().casefold() for value in (token, common))
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return len(long) == _LONGEST_EMAID and long[:-1] == short


def _status(message: OcppMessage, call: OcppMessage, certificate: Certificate, station: Station) -> Iterator[Finding]:
    status = text(message.payload, "certificateStatus") or ""
    earliest, latest = earliest_and_latest(message, station)
    ended = certificate.not_after + CLOCKS < earliest
    valid = certificate.not_before < earliest and latest < certificate.not_after
    if (status == "CertificateExpired" and valid) or (status == "Accepted" and ended):
        values: dict[str, object] = {
            "contract": _contract(certificate),
            **_dates(certificate),
            "status": status,
            "now": clock(message.time),
        }
        yield Finding(CONTRACT_STATUS, message.time, message.channel.station, (call, message), values, group=status)


def _exi(message: OcppMessage, part: str, evidence: tuple[OcppMessage, ...]) -> Iterator[Finding]:
    said = member(message.payload, part)
    if not isinstance(said, str) or not said:
        return
    name, version = message.channel.station, message.channel.version
    action = f"Get15118EVCertificate{'Request' if part == 'exiRequest' else 'Response'}"
    room = _ROOM[part][version == "2.1"]
    if len(said) > room:
        values: dict[str, object] = {
            "action": action, "member": part, "size": f"{len(said):,}", "version": version or "2.0.1",
            "limit": f"{room:,}",
        }  # fmt: skip
        yield Finding(EXI_LONG, message.time, name, evidence, values, group=part)
    elif (why := from_exi(said)[1]) and "0x" in why and len(said) > 40:
        # Test stations send "AA==" and the like; what is long and no EXI was meant for a vehicle.
        yield Finding(EXI_BROKEN, message.time, name, evidence, {"action": action, "member": part, "why": why})
