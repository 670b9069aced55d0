"""What is wrong with a leaf by itself: names, dates to come, size, usage (OCPP A00.FR.5xx and 7xx).

What breaks a chain is judged with the chain (``pathfaults.py``); this is about what stations and CSMSs stumble over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from fieldkit.trust.certificate import Certificate
from fieldkit.trust.fault import Fault, Severity
from fieldkit.trust.names import by_clients, by_ocpp, is_host_name, packed_address
from fieldkit.trust.pathfaults import described
from fieldkit.trust.words import DAY, listed, quoted, span

Role: TypeAlias = Literal["csms", "station", ""]
"""Whose certificate it is; empty where that is not known."""

SOON: Final = 30 * DAY
"""A station renews a month before the end (OCPP 2.x A03)."""
URGENT: Final = 7 * DAY
TOO_LONG: Final = 1194 * DAY
"""39 months and a little: what public authorities once had as their limit. OCPP would have a day (A00.FR.701)."""
MAX_PEM: Final = 5500
"""Characters of one certificate in OCPP 1.6 and 2.0.1 …"""
MAX_PEM_21: Final = 10_000
"""… in 2.1, and of a chain in all of them (CertificateSigned)."""
_ENDS: Final = "A client that compares the names must end the connection."
_BY_TEXT: Final = (
    "Today's clients are content with that; a station that goes by OCPP's text, and by the common name, is not."
)
_USUAL: Final = ("secp256r1", "secp384r1")


def leaf_faults(
    certificate: Certificate, *, at: int, role: Role = "csms", host: str = "", pem_limit: int = MAX_PEM
) -> tuple[Fault, ...]:
    """All there is to say; ``host`` is the name that a client calls the server by, if known."""
    found = [
        *_soon(certificate, at),
        *_names(certificate, role, host),
        *_usage(certificate),
        *_size(certificate, pem_limit),
        *_revocable(certificate),
    ]
    return tuple(found)


def chain_size(chain: list[Certificate] | tuple[Certificate, ...]) -> int:
    """Characters of the chain in PEM, as CertificateSigned would carry it."""
    return sum(len(one.pem) for one in chain)


def _fault(certificate: Certificate, id_: str, severity: Severity | None = None, **values: str) -> Fault:
    return Fault(id_, {**described(certificate), **values}, certificate.fingerprint, severity)


def _soon(certificate: Certificate, at: int) -> Iterator[Fault]:
    left, life = certificate.not_after - at, certificate.not_after - certificate.not_before
    # What is issued for a day or a month is renewed when a third of it is left.
    if at >= certificate.not_before and 0 <= left < min(SOON, life // 3):
        severity: Severity | None = "warning" if left < URGENT and life > SOON else None
        yield _fault(certificate, "tls.cert-expires-soon", severity, left=span(left))
    if life > TOO_LONG and not certificate.is_ca:
        yield _fault(certificate, "tls.validity-too-long", life=span(life))


def _names(certificate: Certificate, role: Role, host: str) -> Iterator[Fault]:
    common = certificate.subject.all("2.5.4.3")
    if role and not common:
        yield _fault(certificate, "tls.cn-missing", wanted=_wanted_name(role))
    if role and not any(value.strip() for value in certificate.subject.all("2.5.4.10")):
        # The CSMS looks for the operator's name in it (A00.FR.404); stations look at no O.
        yield _fault(certificate, "tls.o-missing", "warning" if role == "station" else None)
    if role == "csms":
        yield from _server_names(certificate, host)
    elif role == "station" and common and (packed_address(common[-1]) or "://" in common[-1]):
        yield _fault(certificate, "tls.station-name", name=quoted(common[-1]))


def _wanted_name(role: Role) -> str:
    return "the serial number of the station" if role == "station" else "the full host name of the CSMS"


def _server_names(certificate: Certificate, host: str) -> Iterator[Fault]:
    names = certificate.extensions.alt_names
    bare = names is None or not (names.dns or names.addresses)
    common = certificate.subject.all("2.5.4.3")
    if bare:
        fits = not host or by_ocpp(certificate, host).fits
        if fits:
            yield _fault(certificate, "tls.san-missing", names=listed([quoted(name) for name in common]) or "none")
    if not host:
        return
    ocpp, clients = by_ocpp(certificate, host), by_clients(certificate, host)
    if not ocpp.fits and not clients.fits:
        why = ocpp.why if bare else clients.why
        yield _fault(certificate, "tls.hostname-mismatch", "critical", name=quoted(host), why=why, effect=_ENDS)
    elif clients.fits and common and not any(_covers(name, host) for name in common):
        why = f"the common name is {listed([quoted(name) for name in common])}; the alternative names are right"
        yield _fault(certificate, "tls.hostname-mismatch", "info", name=quoted(host), why=why, effect=_BY_TEXT)


def _covers(common: str, host: str) -> bool:
    from fieldkit.trust.names import matches

    if packed_address(host):
        return packed_address(common) == packed_address(host)
    # One certificate for several hosts has one of them as its common name, which is what A00.FR.511's note allows.
    return matches(common, host) or is_host_name(common.removeprefix("*."))


def _usage(certificate: Certificate) -> Iterator[Fault]:
    key = certificate.key
    if not key.is_rsa and not key.too_short and key.curve not in _USUAL:
        yield _fault(certificate, "tls.key-type-unusual", key=str(key))
    if certificate.extensions.key_usage is None:
        yield _fault(certificate, "tls.key-usage-missing")


def _size(certificate: Certificate, limit: int) -> Iterator[Fault]:
    size = len(certificate.pem)
    if size > limit:
        yield _fault(certificate, "tls.cert-over-5500", size=f"{size:,}", limit=f"{limit:,}")


def _revocable(certificate: Certificate) -> Iterator[Fault]:
    extensions = certificate.extensions
    short = certificate.not_after - certificate.not_before <= 10 * DAY  # those need not be revoked (RFC 9608)
    if not (extensions.ocsp or extensions.crls or short or certificate.self_issued):
        yield _fault(certificate, "tls.no-ocsp-no-crl")
