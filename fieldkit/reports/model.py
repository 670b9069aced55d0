"""A session → the document. Nothing is concluded here: what the checks found and the picture knows is put in order.

Every list is bounded, so that a document of any site can be mailed; what has no room is told in ``capture.notes``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from fieldkit import __version__
from fieldkit.checks.collector import Collected
from fieldkit.checks.finding import SEVERITIES, Severity
from fieldkit.checks.words import counted
from fieldkit.reports import incidents, model_devices, model_links, model_outages, model_station, verdict
from fieldkit.reports.document import (
    SCHEMA,
    Capture,
    Outcomes,
    Report,
    Source,
    StationEntry,
    TransactionEntry,
)
from fieldkit.reports.model_findings import MAX_NAME, MAX_TEXT, entries
from fieldkit.reports.model_station import Room, rate
from fieldkit.reports.moments import iso_or_none, seconds
from fieldkit.safetext import mask, shorten
from fieldkit.session import Session
from fieldkit.site.hosts import Host
from fieldkit.site.link import Link
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction
from fieldkit.tally import Tally

MAX_STATIONS: Final = 500
"""Stations with an entry, those with the worst findings first; their findings are told in any case."""
MAX_TRANSACTIONS: Final = 500
"""The latest."""
MAX_FINDINGS: Final = 200
"""The worst of each kind; ``summary.findings`` counts all."""
MAX_HOSTS: Final = 50


class SourceRead(Protocol):
    """What the document says of a source; ``sources.file.FileSource`` knows it."""

    @property
    def name(self) -> str: ...

    @property
    def read(self) -> int:
        """Bytes."""

    @property
    def is_log(self) -> bool: ...


def build(session: Session, *, sources: Sequence[SourceRead], show_ids: bool = False) -> Report:
    """The document of a session that has come to its end."""
    collected = session.findings
    counts: dict[Severity, int] = dict.fromkeys(SEVERITIES, 0)
    for finding in collected:
        counts[finding.severity] += 1
    findings = entries(_chosen(collected), show_ids=show_ids)
    headlines = _headlines(collected, show_ids)
    links = session.picture.links.all.values()
    connections, connections_left = model_links.listed(links)
    stations, stations_left = _stations(session, collected, show_ids)
    transactions, transactions_left = _transactions(session, show_ids)
    left = [
        (connections_left + session.picture.links.forgotten, "connection"),
        (stations_left, "station"),
        (transactions_left, "transaction"),
        (len(collected) - len(findings), "finding"),
    ]
    capture = _capture(session, sources, left)
    total = len(session.picture.stations)
    return {
        "schema": SCHEMA,
        "tool": {"name": "fieldkit", "version": __version__},
        "sources": [_source(session, source) for source in sources],
        "capture": capture,
        "summary": {
            "verdict": verdict.verdict(headlines, counts, total, capture),
            "severity": verdict.severity(counts, capture),
            "findings": counts,
            "next": verdict.next_steps(headlines, capture),
            "stations": total,
            "outcomes": _outcomes(session),
        },
        "stations": stations,
        "connections": connections,
        "transactions": transactions,
        "links": model_outages.entries(session.picture.outages),
        "tls": model_links.tls_entries(links),
        "devices": model_devices.entries(session.picture),
        "findings": findings,
        "detector": incidents.section(session.detector, show_ids=show_ids) if session.detector else None,
    }


# ------------------------------------------------------------------------------------------------------ what was read


def _source(session: Session, source: SourceRead) -> Source:
    # Some sources know when their first and last packet came; otherwise it is the first and last of what mattered.
    span = (getattr(source, "first", 0), getattr(source, "last", 0))
    first, last = span if any(span) else session.picture.spans.get(source.name, (0, 0))
    return {
        "name": source.name,
        "kind": "log" if source.is_log else "capture",
        "bytes": source.read,
        "first": iso_or_none(first),
        "last": iso_or_none(last),
    }


def _capture(session: Session, sources: Sequence[SourceRead], left: list[tuple[int, str]]) -> Capture:
    tally, picture = session.tally, session.picture
    first, last = session.begin, picture.time
    return {
        "first": iso_or_none(first),
        "last": iso_or_none(last),
        "duration_s": seconds(last - first) if 0 < first <= last else 0.0,
        "packets": session.packets,
        "messages": tally.messages,
        "connections": {name: number for name, number in tally.connections.most_common() if number > 0},
        "hosts": [_host(host) for host in picture.hosts.busiest()[:MAX_HOSTS]],
        "gaps": tally.gaps,
        "missing_bytes": tally.missing,
        "snapped_bytes": tally.snapped,
        "dropped_packets": tally.dropped,
        "undecoded": tally.undecoded,
        "damage": [shorten(reason, MAX_TEXT) for reason in tally.damage],
        "opaque": tally.opaque,
        "complete": not tally.incomplete and not session.failed_checks,
        "notes": [*_notes(tally), *_assumed(sources), *_left_out(left, picture.crowded_out), *_failed(session)],
    }


def _host(host: Host) -> str:
    names = [shorten(name, 80) for name in list(host.names)[:2]]
    # Every WebSocket begins as HTTP.
    protocols = [name for name in host.protocols if name != "http" or "websocket" not in host.protocols]
    known = [*names, *protocols, counted(host.connections, "connection")]
    return f"{model_links.endpoint(host.endpoint)} ({', '.join(known)})"


def _notes(tally: Tally) -> list[str]:
    notes = []
    if tally.damaged:
        notes.append(f"The capture is damaged in {counted(tally.damaged, 'place')}: {shorten(tally.damage[0], 300)}.")
    if tally.gaps:
        notes.append(
            f"{counted(tally.missing, 'byte')} of WebSocket connections are missing in the capture, in "
            f"{counted(tally.gaps, 'gap')}: messages may be lacking."
        )
    if tally.undecoded_first is not None:
        notes.append(
            f"{counted(tally.undecoded, 'piece')} of traffic ({counted(tally.lost, 'byte')}) could not be decoded; "
            f"the first: {shorten(tally.undecoded_first[1], 300)}."
        )
    if tally.snapped:
        notes.append(
            f"The capture keeps only the beginning of long packets ({counted(tally.snapped, 'byte')} are cut off): "
            "record it again with a snap length of 0 (tcpdump -s 0)."
        )
    if tally.dropped:
        notes.append(f"The capture says that {counted(tally.dropped, 'packet')} were dropped while it was taken.")
    if tally.opaque:
        notes.append(
            f"{counted(tally.opaque, 'connection')} stayed encrypted: what was said on them is unknown "
            "(--keylog FILE decrypts TLS)."
        )
    return notes


def _assumed(sources: Iterable[SourceRead]) -> list[str]:
    notes = []
    for source in sources:
        if getattr(source, "zone_assumed", False):
            notes.append(f"{source.name}: its times name no zone and were read as UTC (--zone says otherwise).")
        if getattr(source, "date_assumed", False):
            notes.append(f"{source.name}: its times name no full date; the rest was taken from messages or the file.")
    return notes


def _left_out(left: list[tuple[int, str]], crowded_out: int) -> list[str]:
    notes = [f"{counted(number, name)} more than this document has room for." for number, name in left if number > 0]
    if crowded_out:
        notes.append(f"{counted(crowded_out, 'message')} of too many stations were not looked into.")
    return notes


def _failed(session: Session) -> list[str]:
    plugins = [
        f"The plugin {event.plugin} failed and was switched off: {shorten(event.reason, 300)}."
        for event in session.failed_plugins
    ]
    checks = [f"A check of fieldkit failed and was switched off: {shorten(why, 300)}." for why in session.failed_checks]
    return plugins + checks


# ------------------------------------------------------------------------------------------------------------ findings


def _chosen(collected: Sequence[Collected]) -> list[Collected]:
    """So many as there is room for, in their order: of each kind the worst, so that none is missing altogether."""
    if len(collected) <= MAX_FINDINGS:
        return list(collected)
    seen: Counter[str] = Counter()
    ranked: list[tuple[int, int]] = []
    for number, finding in enumerate(collected):
        ranked.append((seen[finding.kind.id], number))
        seen[finding.kind.id] += 1
    return [collected[number] for number in sorted(number for _, number in sorted(ranked)[:MAX_FINDINGS])]


def _headlines(collected: Sequence[Collected], show_ids: bool) -> list[verdict.Headline]:
    return [
        {
            "id": finding.kind.id,
            "severity": finding.severity,
            "title": finding.kind.title,
            "advice": finding.advice(show_ids=show_ids),
            "owner": finding.owner,
            "station": finding.first_seen.station,
            "inferred": finding.kind.inferred,
        }
        for finding in collected
    ]


# ------------------------------------------------------------------------------------------------ stations and the rest


def _stations(session: Session, collected: Sequence[Collected], show_ids: bool) -> tuple[list[StationEntry], int]:
    picture = session.picture
    chosen: list[Station] = list(picture.stations.values())
    if len(chosen) > MAX_STATIONS:
        rank: dict[str, int] = {}
        for finding in collected:  # the worst first
            rank.setdefault(finding.first_seen.station, len(rank))
        chosen.sort(key=lambda station: rank.get(station.identity, len(rank)))
        chosen = chosen[:MAX_STATIONS]
    links: dict[str, list[Link]] = {}
    for link in picture.links.all.values():
        if link.station:
            links.setdefault(link.station, []).append(link)
    room = Room.among(len(chosen), sum(len(station.connectors.all) for station in chosen))
    entries = [
        model_station.entry(
            station,
            links.get(station.identity, []),
            picture.outcomes,
            picture.errors.get(station.identity),
            picture.time,
            room,
            show_ids,
        )
        for station in chosen
    ]
    return entries, len(picture.stations) - len(entries)


def _transactions(session: Session, show_ids: bool) -> tuple[list[TransactionEntry], int]:
    made: list[Transaction] = []
    count = 0
    for station in session.picture.stations.values():
        ledger = station.transactions
        made += ledger.closed
        made += ledger.open.values()
        count += ledger.count
    made.sort(key=lambda one: one.first_time or one.last_time)
    chosen = made[-MAX_TRANSACTIONS:]
    return [_transaction(one, show_ids) for one in chosen], max(count, len(made)) - len(chosen)


def _transaction(made: Transaction, show_ids: bool) -> TransactionEntry:
    energy = made.energy_wh
    if energy is not None and energy < 0:
        energy = None
    return {
        "station": shorten(made.station, MAX_NAME),
        "id": shorten(made.id, MAX_NAME),
        "version": made.version,
        "connector": made.connector,
        "start": iso_or_none(made.started) if made.begin is not None else None,
        "stop": iso_or_none(made.stopped) if made.end is not None else None,
        "energy_wh": None if energy is None else round(energy, 3),
        "stop_reason": shorten(made.stop_reason, MAX_NAME) if made.end is not None else "",
        "reason_sent": made.reason_sent,
        "id_token": shorten(made.id_token if show_ids else mask(made.id_token), MAX_NAME),
        "complete": made.complete,
        "authorized": shorten(made.authorized, MAX_NAME),
        "offline": made.offline,
        "events": made.events,
    }


def _outcomes(session: Session) -> Outcomes | None:
    """None where there was neither an attempt nor a connector whose state is known."""
    picture = session.picture
    numbers = picture.outcomes.numbers(picture.time)
    up, observed = picture.outcomes.uptime.total(picture.time)
    if not (numbers.attempts or numbers.charge_end.of or observed):
        return None
    times = sorted(numbers.start_times)
    start, end, session_ = numbers.charge_start, numbers.charge_end, numbers.session
    return {
        "charge_start_success": rate(start.good, start.of),
        "charge_end_success": rate(end.good, end.of),
        "session_success": rate(session_.good, session_.of),
        "visits": numbers.visits,
        "first_attempt_success": rate(numbers.first_attempt.good, numbers.first_attempt.of),
        "start_time_s": {
            "p50": seconds(times[(len(times) - 1) // 2]),
            "p90": seconds(times[-(-len(times) * 9 // 10) - 1]),
            "longest": seconds(times[-1]),
        }
        if times
        else None,
        "uptime": rate(up // 1_000_000_000, observed // 1_000_000_000),
        "offline_at_end": picture.outcomes.uptime.gone(picture.time),
        "method": picture.outcomes.method(),
    }
