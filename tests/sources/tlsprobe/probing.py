"""Probe a port of this machine and give back what was found."""

from __future__ import annotations

from fieldkit.sources.tlsprobe import roots, targets
from fieldkit.sources.tlsprobe.plan import Limits
from fieldkit.sources.tlsprobe.run import Order, Result, probe
from fieldkit.sources.tlsprobe.session import Wishes
from fieldkit.sources.tlsprobe.upgrade import Credentials


def look(
    port: int,
    *,
    ca: str = "",
    host: str = "localhost",
    path: str = "",
    scheme: str = "wss",
    speak: bool = True,
    fetch: bool = False,
    revocation: bool = False,
    limits: Limits | None = None,
    credentials: Credentials | None = None,
    **wishes: object,
) -> Result:
    """One target, IPv4 only."""
    order = Order(
        [targets.parse(f"{scheme}://{host}:{port}{path}")],
        limits or Limits(),
        Wishes(credentials=credentials, authorities=ca, **wishes) if speak else None,  # type: ignore[arg-type]
        roots.from_file(ca) if ca else None,
        family=2,
        fetch_issuers=fetch,
        fetch_revocation=revocation,
    )
    result = probe(order, lambda text: None)[0]
    assert result.postures, result.error
    return result


def ids(result: Result) -> set[str]:
    """Of all findings."""
    return {fault.id for judged in result.judged for fault in judged.faults} | {fault.id for fault in result.faults}


HARMLESS = {
    "tls.tls1.3-missing", "tls.cbc-suite", "tls.root-sent", "tls.client-cert-required", "tls.client-cert-optional",
    "tls.no-ocsp-no-crl", "tls.key-type-unusual",
}  # fmt: skip
"""Said for information; beside these a server is called good."""
