"""Probes for people, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from fieldkit.links.probes.budget import DAY, Budget
from fieldkit.links.probes.probe import Probe, Verdict
from fieldkit.links.words import SECOND, iso

_SAID: Final[dict[Verdict, str]] = {
    "carries": "carries this CSMS",
    "no-dns": "does not find the CSMS",
    "blocked": "does NOT reach this CSMS",
    "captive-portal": "does NOT reach this CSMS, but a captive portal",
    "intercepted": "is intercepted",
    "tls-fails": "does NOT carry TLS to this CSMS",
    "no-upgrade": "does NOT carry WebSockets to this CSMS",
    "answers-otherwise": "gets another answer than the others",
    "skipped": "was not probed",
    "unknown": "is not known to carry this CSMS",
}


def headline(probe: Probe) -> str:
    """The verdict in one sentence."""
    said = _SAID[probe.verdict] if probe.sure else f"probably {_SAID[probe.verdict]}"
    return f"{said}: {probe.why}" if probe.why else said


def described(probe: Probe, budget: Budget) -> list[tuple[str, str]]:
    """Under short names."""
    told = [("probe", headline(probe))]
    for named in probe.names:
        answer = ", ".join(named.addresses) or named.error
        took = f" in {named.ms:.0f} ms" if named.ms is not None else ""
        told.append(("DNS", f"{answer} from {named.server}{took}"))
    steps = []
    if probe.echo_ms is not None:
        steps.append(f"ping {probe.echo_ms:.0f} ms" + (f", {probe.echo_lost:.0%} lost" if probe.echo_lost else ""))
    elif probe.echo_lost:
        steps.append("no ping answered")
    if probe.connect_ms is not None:
        steps.append(f"TCP {probe.connect_ms:.0f} ms")
    if probe.tls:
        verified = {True: ", certificate verified", False: ", certificate NOT verified", None: ""}[probe.trusted]
        steps.append(probe.tls + verified)
    if probe.status is not None:
        steps.append(f"upgrade {probe.status}" + (f" {probe.chosen}" if probe.chosen else ""))
    if steps:
        told.append(("steps", f"{probe.address}: {'; '.join(steps)}"))
    if probe.certificate and not probe.trusted:
        told.append(("shows", f"{probe.subject}, issued by {probe.issuer}"))
    told += [("note", note) for note in dict.fromkeys(probe.notes)]
    if probe.bytes:
        told.append(("cost", cost(probe, budget)))
    return told


def cost(probe: Probe, budget: Budget) -> str:
    """As in "6.2 kB; 24.8 kB this hour, 103.0 kB of 1,000 kB in 24 h"."""
    now = probe.time / SECOND
    hour, day = budget.spent(probe.uplink, now, 0), budget.spent(probe.uplink, now, DAY)
    cap, free = (f" of {budget.limit / 1e3:,.0f} kB", "") if probe.metered else ("", " (not metered: no limit)")
    return f"{probe.bytes / 1e3:.1f} kB; {hour / 1e3:,.1f} kB this hour, {day / 1e3:,.1f} kB{cap} in 24 h{free}"


def probe_json(probe: Probe, budget: Budget) -> dict[str, Any]:
    """All of it."""
    now = probe.time / SECOND
    return {
        **asdict(probe),
        "time": iso(probe.time),
        "usable": probe.usable,
        "bytes_hour": budget.spent(probe.uplink, now, 0),
        "bytes_day": budget.spent(probe.uplink, now, DAY),
        "bytes_day_limit": budget.limit if probe.metered else None,
    }
