"""Outages in words: what text, page and screen call a cause and a leg, and the timeline in lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from fieldkit.checks.words import SECOND, counted, duration
from fieldkit.reports.document import LegEntry, LinkEntry, OutageEntry, PathEntry
from fieldkit.reports.html_words import OWNERS

CAUSES: Final = {
    "switch-flows-flushed": "router changed its uplink, connections dropped",
    "switch-flows-stranded": "router changed its uplink, connections left behind",
    "blackhole": "uplink carried nothing",
    "satellite-step": "path became slow (satellite)",
    "sim-change": "uplink came back with another address (SIM change)",
    "flapping": "router changes back and forth",
    "backup-cannot-reach-csms": "backup uplink does not carry the CSMS",
    "nat-idle-kill": "NAT forgot the silent connection",
    "csms-restart": "CSMS went away",
    "station-restart": "station started anew",
    "power-cut": "power cut",
    "router-restart": "router started anew",
    "unknown": "not clear why",
}
LEGS: Final = {
    "path_lost": "path lost",
    "detected": "noticed",
    "first_syn": "dialled",
    "handshake": "TCP connected",
    "upgrade": "WebSocket agreed",
    "boot": "boot accepted",
    "first_message": "first message",
}
PATHS: Final = {
    "broadband": "broadband",
    "cellular": "mobile (LTE, 5G)",
    "geo-satellite": "geostationary satellite",
    "leo-satellite": "low satellite",
    "local": "local network",
    "unknown": "unknown",
}
_WIDTH: Final = 16


def sure(confidence: float) -> str:
    """As in "90 % sure"."""
    return f"{confidence * 100:.0f} % sure"


def path(entry: PathEntry) -> str:
    """As in "probably mobile (LTE, 5G), round trips of 92 ms"."""
    rtt = f"round trips of {entry['rtt_ms']:.0f} ms" if entry["rtt_ms"] is not None else ""
    kind = f"probably {PATHS[entry['kind']]}" if entry["kind"] != "unknown" else ""
    return ", ".join(part for part in (kind, rtt) if part)


def lasted(outage: OutageEntry) -> str:
    """How long it was."""
    if outage["end"] is None:
        return f"not over after {duration(outage['seconds'] * SECOND)}" if outage["seconds"] else "not over"
    if not outage["broken"]:
        return "the connection lived on"
    return duration(outage["seconds"] * SECOND)


def offsets(legs: Sequence[LegEntry]) -> Iterator[tuple[LegEntry, float]]:
    """Each leg with the seconds from the first moment known to its own."""
    passed = 0.0
    for leg in legs:
        passed += leg["seconds"]
        yield leg, passed


def lines(links: Sequence[LinkEntry]) -> Iterator[str]:
    """The timeline of all stations, as text. What stations say is in it as it was sent."""
    several = len({(link["station"], link["seen_from"]) for link in links}) > len({link["station"] for link in links})
    for number, link in enumerate(links):
        if number:
            yield ""
        where = f", seen {'on the site' if link['seen_from'] == 'site' else 'outside of its router'}" if several else ""
        known = [path(link["path"]), counted(link["connections"], "connection")]
        if link["retransmissions"]:
            known.append(counted(link["retransmissions"], "retransmission"))
        if link["unreachable"]:
            known.append(f"{link['unreachable']} × unreachable (ICMP)")
        if link["ping_interval_s"]:
            known.append(f"pings every {duration(link['ping_interval_s'] * SECOND)}")
        yield f"{link['station']}{where}: {', '.join(part for part in known if part)}"
        if not link["outages"]:
            yield "  no outage"
        for outage in link["outages"]:
            yield from _outage(outage)


def _outage(outage: OutageEntry) -> Iterator[str]:
    yield ""
    head = f"{outage['start'].replace('T', ' ')}  {CAUSES[outage['cause']]} ({sure(outage['confidence'])})"
    yield f"  {head}: {lasted(outage)}"
    for leg, passed in offsets(outage["legs"]):
        share = f"+{passed:.1f} s"
        whose = f"{OWNERS[leg['owner']]}: {leg['why']}" if leg["why"] else ""
        yield f"    {share:>10}  {LEGS[leg['leg']]:<{_WIDTH}}  {whose}".rstrip()
    for words in remarks(outage):
        yield f"    {words}"


def remarks(outage: OutageEntry) -> Iterator[str]:
    """What is to be said of it besides its legs, a line each."""
    before, after = outage["before"], outage["after"]
    if before["rtt_ms"] is not None and after["rtt_ms"] is not None:
        yield f"before: {path(before)}; after: {path(after)}"
    if outage["address_before"] and outage["address_after"]:
        yield f"left as {outage['address_before']}, then as {outage['address_after']}"
    if outage["switched"]:
        yield f"the router moved at {outage['switched'].replace('T', ' ')}"
    told = []
    if outage["attempts"] > 1:
        told.append(counted(outage["attempts"], "attempt"))
    if outage["queued"]:
        told.append(f"{counted(outage['queued'], 'message')} from before delivered late")
    if outage["duplicates"]:
        told.append(f"{outage['duplicates']} delivered twice")
    if told:
        yield ", ".join(told)
    for reason in outage["reasons"]:
        yield f"because: {reason}"
