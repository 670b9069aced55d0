"""Probe a port of this machine and give back what was found, which can always be put into words."""

from __future__ import annotations

import time

from fieldkit.reports.tlsreport import build
from fieldkit.reports.tlsreporttext import render
from fieldkit.sources.tlsprobe import roots, targets
from fieldkit.sources.tlsprobe.plan import Limits
from fieldkit.sources.tlsprobe.run import Order, Result, probe
from fieldkit.sources.tlsprobe.session import Wishes
from fieldkit.sources.tlsprobe.upgrade import Credentials

NOW = time.time_ns()


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
    report = build([result], at=NOW, trust="", editions=("1.6", "2.0.1", "2.1"))
    for finding in report["findings"]:
        assert "{" not in finding["explanation"] + finding["advice"]
    assert len(max(render(report).splitlines(), key=len)) <= 80
    return result


def ids(result: Result) -> set[str]:
    """Of all findings."""
    return {fault.id for judged in result.judged for fault in judged.faults} | {fault.id for fault in result.faults}


HARMLESS = {
    "tls.tls1.3-missing", "tls.cbc-suite", "tls.root-sent", "tls.client-cert-required", "tls.client-cert-optional",
    "tls.no-ocsp-no-crl", "tls.key-type-unusual",
}  # fmt: skip
"""Said for information; beside these a server is called good."""
