"""Values of the document in the words of the plain reports: text, Markdown, JUnit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fieldkit.checks.finding import Owner
from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.reports.document import (
    Capture,
    CertificateEntry,
    ConnectionEntry,
    ErrorCodeEntry,
    Evidence,
    FindingEntry,
    Outcomes,
    Rate,
    Report,
    StationEntry,
    TlsEntry,
    TransactionEntry,
)
from fieldkit.reports.moments import CLOCK_TOLERANCE
from fieldkit.safetext import shorten

MAX_CLIENTS: Final = 8
"""Fingerprints of one TLS server that are told."""
OWNERS: Final[dict[Owner, str]] = {
    "station": "charging station",
    "csms": "CSMS",
    "site-network": "site network",
    "uplink": "uplink (mobile or satellite link)",
    "pki": "certificate authority",
    "vehicle": "vehicle",
    "operator": "operator",
    "unknown": "not clear who",
}


_ADDRESSEES: Final[dict[Owner, str]] = {"operator": "Operator: ", "csms": "CSMS: ", "station": "Station: "}
"""How an advice begins that addresses its owner, who is named beside it anyway."""


def advice(text: str, owner: Owner) -> str:
    """What to do, without naming twice who is to do it."""
    prefix = _ADDRESSEES.get(owner, "")
    if not prefix or not text.startswith(prefix):
        return text
    rest = text.removeprefix(prefix)
    return rest[:1].upper() + rest[1:]


def base_names(names: Sequence[str]) -> list[str]:
    """Files without their folders, which concern nobody who is handed a report; whole where two would be equal."""
    short = [name.replace("\\", "/").rstrip("/").rpartition("/")[2] or name for name in names]
    return short if len(set(short)) == len(set(names)) else list(names)


def stop_reason(made: TransactionEntry) -> str:
    """Why it ended, and whether the station said so."""
    reason = made["stop_reason"]
    return f"{reason} (none sent)" if reason and not made["reason_sent"] else reason


def clock(time: str | None) -> str:
    """As in "2026-08-31 08:00:05Z"; "?" where there is no time."""
    return f"{time[:10]} {time[11:19]}Z" if time else "?"


def time_of_day(time: str | None) -> str:
    """As in "08:00:05.123Z"."""
    return time[11:] if time else "?"


def percent(rate: Rate) -> str:
    """As in "95.2 % (20 of 21)"; "nothing to count" where there was nothing."""
    if rate["share"] is None:
        return "nothing to count"
    return f"{_short(100 * rate['share'])} % ({rate['good']:,} of {rate['of']:,})"


def uptime(rate: Rate) -> str:
    """As in "99.1 % of 2 h"."""
    return "unknown" if rate["share"] is None else f"{_short(100 * rate['share'])} % of {duration(rate['of'] * SECOND)}"


def _short(value: float) -> str:
    # 99.96 must not read as 100: that it was not all is what matters.
    rounded = f"{value:.1f}"
    return ("99.9" if rounded == "100.0" and value < 100 else rounded).removesuffix(".0")


def energy(watt_hours: float | None) -> str:
    """As in "12.34 kWh", "0.34 Wh"; "?" where it is unknown."""
    if watt_hours is None:
        return "?"
    return f"{watt_hours / 1000:.2f} kWh" if abs(watt_hours) >= 100 else f"{watt_hours:.3g} Wh"


def place(finding: FindingEntry) -> str:
    """Where a finding belongs: "CP_7, connector 1, transaction 4711"."""
    parts = [finding["station"]]
    parts += [f"connector {finding['connector']}"] if finding["connector"] else []
    parts += [f"transaction {finding['transaction']}"] if finding["transaction"] else []
    return ", ".join(filter(None, parts))


def occurrences(finding: FindingEntry) -> str:
    """When and how often."""
    if finding["count"] == 1:
        return f"seen at {clock(finding['first'])}" if finding["first"] else "seen once"
    often = f"seen {finding['count']:,} times"
    return f"{often}, {clock(finding['first'])} to {clock(finding['last'])}" if finding["first"] else often


def evidence(pieces: list[Evidence], most: int, report: Report) -> list[str]:
    """Where to look: "frame 12 of site.pcap, 08:00:12.345Z: station sends BootNotification: …"."""
    sources = {source["name"]: source["kind"] for source in report["sources"]}
    lines = []
    for piece in pieces[:most]:
        unit = "line" if sources.get(piece["source"]) == "log" else "frame"
        where = f"{unit} {piece['frame']}" if piece["frame"] is not None else ""
        if len(sources) > 1 and piece["source"]:
            where += f" of {piece['source']}" if where else piece["source"]
        lines.append(", ".join(filter(None, (where, time_of_day(piece["time"])))) + f": {piece['text']}")
    return lines


def station_line(station: StationEntry) -> str:
    """Who it is, in a line."""
    made = " ".join(filter(None, (station["vendor"], station["model"])))
    parts = [
        made,
        f"firmware {station['firmware']}" if station["firmware"] else "",
        f"serial {station['serial']}" if station["serial"] else "",
        "OCPP " + ", ".join(station["versions"]) if station["versions"] else "",
        "SOAP" if "soap" in station["transports"] else "",
        counted(station["messages"], "message"),
    ]
    return ", ".join(filter(None, parts))


def station_facts(station: StationEntry) -> list[str]:
    """What else is known, a sentence each."""
    facts = []
    if station["inferred"]:
        facts.append("nothing in the capture names it: this is its address")
    if station["boot_count"]:
        last = station["boots"][-1] if station["boots"] else None
        status = f", the last one {last['status'] or 'without a status in sight'}" if last else ""
        facts.append(f"{counted(station['boot_count'], 'boot')}{status}")
    if station["heartbeat_interval_s"]:
        seen = counted(station["heartbeats"], "heartbeat")
        facts.append(f"heartbeat due every {station['heartbeat_interval_s']} s, {seen} seen")
    offset = station["clock_offset_s"]
    if offset is not None and abs(offset) >= CLOCK_TOLERANCE:
        facts.append(f"its clock is {duration(offset * SECOND)} {'ahead' if offset > 0 else 'behind'}")
    for side, whose in (("csms", "its calls"), ("station", "the CSMS's calls")):
        silent = sum(row["unanswered"] for row in station["latency"] if row["side"] == side)
        if silent:
            facts.append(f"{silent:,} of {whose} got no answer that was captured")
    if station["security_profile"] is not None:
        facts.append(f"security profile {station['security_profile']}")
    return facts


def error_line(error: ErrorCodeEntry) -> str:
    """An error that it told."""
    known = f" = {error['mrec']}" if error["mrec"] and error["mrec"] != error["code"] else ""
    where = f"connector {error['connector']}" if error["connector"] else "station"
    meaning = error["meaning"] or (
        f"a code of {error['vendor']}" if error["vendor"] else "no public list has this code"
    )
    often = f", {error['count']:,} times" if error["count"] > 1 else ""
    return f"{where}: {error['code']}{known}, {meaning} ({clock(error['time'])}{often})"


def connection_line(connection: ConnectionEntry) -> str:
    """A connection."""
    kind = connection["protocol"] if connection["protocol"] != "tls" or not connection["tls"] else ""
    kind = " over ".join(filter(None, (kind, connection["tls"])))
    parts = [
        f"{connection['client']} to {connection['server']}",
        kind,
        f"OCPP {connection['version']}" if connection["version"] else "",
        counted(connection["messages"], "message") if connection["messages"] else "",
        "begun before the capture" if connection["joined_midstream"] else "",
        connection["close"],
    ]
    return ", ".join(filter(None, parts))


def outcome_lines(outcomes: Outcomes) -> list[tuple[str, str]]:
    """The indicators: name and value."""
    times = outcomes["start_time_s"]
    lines = [
        ("Charge start success", percent(outcomes["charge_start_success"])),
        ("Charge end success", percent(outcomes["charge_end_success"])),
        ("Session success", percent(outcomes["session_success"])),
        (
            "First attempt success",
            f"{percent(outcomes['first_attempt_success'])}; {counted(outcomes['visits'], 'visit')}",
        ),
        ("Uptime of connectors", uptime(outcomes["uptime"]) + offline_at_end(outcomes)),
    ]
    if times is not None:
        shown = {name: duration(value * SECOND) for name, value in times.items()}
        lines.append(("Time to start", f"{shown['p50']} (median), {shown['p90']} (90 %), {shown['longest']} (longest)"))
    return lines


def offline_at_end(outcomes: Outcomes) -> str:
    """What the uptime leaves out."""
    gone = outcomes["offline_at_end"]
    if not gone:
        return ""
    return f"; {counted(gone, 'connector')} offline at the end, which is not counted"


def read_line(capture: Capture) -> str:
    """What was read."""
    kinds = [f"{number:,} {name}" for name, number in capture["connections"].items()]
    parts = [
        counted(capture["packets"], "packet") if capture["packets"] else "",
        counted(capture["messages"], "OCPP message"),
        f"connections: {listed(kinds, 8)}" if kinds else "",
    ]
    return ", ".join(filter(None, parts))


def span(capture: Capture) -> str:
    """From when to when."""
    if not capture["first"]:
        return "no times"
    return f"{clock(capture['first'])} to {clock(capture['last'])}, {duration(capture['duration_s'] * SECOND)}"


def tls_name(tls: TlsEntry) -> str:
    """As in "203.0.113.5:443 (csms.example)"."""
    return tls["server"] + (f" ({shorten(tls['server_name'], 60)})" if tls["server_name"] else "")


def tls_line(tls: TlsEntry) -> str:
    """What was agreed, how often, and how it went."""
    counts = [counted(tls["connections"], "connection")]
    counts += [f"{tls['resumed']:,} resumed"] if tls["resumed"] else []
    counts += [f"{tls['failed']:,} failed"] if tls["failed"] else []
    facts = [tls["version"] or "no answer seen", tls["suite"], tls["alpn"], *counts, *tls["alerts"], tls["opaque"]]
    return ", ".join(filter(None, facts))


def tls_details(tls: TlsEntry) -> list[str]:
    """Certificates of both sides, fingerprints, and what could not be seen; a line each."""
    lines = []
    for number, one in enumerate(tls["chain"]):
        lines.append(f"{'issuer' if number else 'certificate'}: {certificate_line(one)}")
    for one in tls["client_chain"][:1]:
        lines.append(f"client certificate: {certificate_line(one)}")
    for client in tls["clients"][:MAX_CLIENTS]:
        times = counted(client["connections"], "connection")
        lines.append(f"client {shorten(client['client'], 60)}: JA4 {client['ja4']}, JA3 {client['ja3']}, {times}")
    if len(tls["clients"]) > MAX_CLIENTS:
        lines.append(f"... and {counted(len(tls['clients']) - MAX_CLIENTS, 'more fingerprint')}")
    if tls["unseen"]:
        lines.append(tls["unseen"])
    return lines


def certificate_line(one: CertificateEntry) -> str:
    """Who, by whom, until when."""
    if not one["subject"]:
        return f"cannot be read (SHA-256 {one['fingerprint'][:16]}...)"
    by = "itself" if one["subject"] == one["issuer"] else one["issuer"]
    dates = f"{(one['not_before'] or '?')[:10]} to {(one['not_after'] or '?')[:10]}"
    names = f", for {', '.join(one['names'][:4])}" if one["names"] else ""
    return f"{one['subject']} by {by}, valid {dates}, {one['key']}{names}"
