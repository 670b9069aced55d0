"""What the passive eye makes of a chain: faults that a capture can prove, by the same judges as everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from fieldkit.trust import oids
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.chain import build
from fieldkit.trust.fault import Fault
from fieldkit.trust.posture import SOON, Role, leaf_faults

TOLD: Final = frozenset(
    {
        "tls.cert-expired", "tls.cert-not-yet-valid", "tls.cert-expires-soon", "tls.intermediate-expired",
        "tls.intermediate-not-yet-valid", "tls.intermediate-not-ca", "tls.ca-may-not-sign", "tls.path-too-long",
        "tls.name-constraints", "tls.signature-invalid", "tls.key-id-mismatch", "tls.critical-extension",
        "tls.cert-malformed", "tls.chain-order", "tls.chain-extra-cert", "tls.eku-wrong", "tls.sha1-signature",
        "tls.rsa-key-too-short", "tls.ec-key-too-short", "tls.hostname-mismatch", "tls.cert-over-5500",
    }
)  # fmt: skip
"""What an onlooker tells of a server. The rest of what there is to say of a certificate (names that OCPP would like,
revocation, key usage) is a matter of advice: ``fieldkit tls`` and ``fieldkit cert`` have it."""
OF_CLIENTS: Final = TOLD - {"tls.hostname-mismatch", "tls.cert-over-5500"} | {"tls.station-name"}


REMEMBERED: Final = 256
"""Chains that are judged once: a CSMS shows the same one at each connection of each station."""


def server_faults(chain: tuple[Certificate, ...], name: str, at: int) -> Iterator[Fault]:
    """Of the chain that a server showed to a client that called it ``name`` (empty: by no name)."""
    for fault in _faults(chain, name, "csms", at):
        # Right for clients of today, and for OCPP's text in spirit: one certificate for several hosts.
        if fault.id in TOLD and not (fault.id == "tls.hostname-mismatch" and fault.severity == "info"):
            yield fault


def client_faults(chain: tuple[Certificate, ...], at: int) -> Iterator[Fault]:
    """Of the chain that a station showed."""
    return (fault for fault in _faults(chain, "", "station", at) if fault.id in OF_CLIENTS)


def _faults(chain: tuple[Certificate, ...], name: str, role: Role, at: int) -> tuple[Fault, ...]:
    begin, end, faults = _in_their_time(chain, name, role)
    return faults if begin <= at < end else _judged(chain, name, role, at)


@lru_cache(maxsize=REMEMBERED)
def _in_their_time(chain: tuple[Certificate, ...], name: str, role: Role) -> tuple[int, int, tuple[Fault, ...]]:
    """From when to when all of them are valid and none is soon to end; and what is wrong with them all that time."""
    begin = max(one.not_before for one in chain)
    end = min(min(one.not_after, one.not_after - min(SOON, (one.not_after - one.not_before) // 3)) for one in chain)
    return begin, end, _judged(chain, name, role, begin)


def _judged(chain: tuple[Certificate, ...], name: str, role: Role, at: int) -> tuple[Fault, ...]:
    found = build(chain, None, at=at, purpose=oids.SERVER_AUTH if role == "csms" else oids.CLIENT_AUTH)
    return (*found.faults, *leaf_faults(found.leaf, at=at, role=role, host=name))
