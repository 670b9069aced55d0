"""The report as Markdown (GitHub's kind), for tickets and chats.

Text from the wire is made safe for a terminal first and then loses every meaning that Markdown or HTML would give it:
what is punctuation to either is escaped, and addresses do not become links.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fieldkit.checks.words import counted
from fieldkit.reports import plainwords as words
from fieldkit.reports.document import FindingEntry, Report
from fieldkit.safetext import terminal

MAX_FINDINGS: Final = 200
MAX_EVIDENCE: Final = 5
MAX_ROWS: Final = 100
"""Of a table, the latest."""
_LONGEST: Final = 1500
_CELL: Final = 120

_SPECIAL: Final = re.compile(r"[\\`*_\[\]|~$>]")
_AT_BEGIN: Final = re.compile(r"^(\s*)([#+\-=]|[0-9]+(?=[.)](?:\s|$)))")
"""What begins a heading, a list or a rule."""
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", "@": "&#64;", "://": "&#58;//"}
_ENTITY: Final = re.compile("[&<@]|://")
_WWW: Final = re.compile(r"\bwww(?=\.)", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"https://[A-Za-z0-9._/#?=&%-]{1,300}")
_SIGNS: Final = {"critical": "CRITICAL", "warning": "WARNING", "info": "info"}


def safe(text: str, limit: int = _LONGEST) -> str:
    """Any text as nothing but text: no markup, no HTML, no link, no mention."""
    shown = _SPECIAL.sub(r"\\\g<0>", terminal(text, limit))
    shown = _ENTITY.sub(lambda found: _ENTITIES[found[0]], shown)
    shown = _WWW.sub("ww&#119;", shown)
    found = _AT_BEGIN.match(shown)
    if found is None:
        return shown
    # A number stays one: the dot behind it is what makes the list.
    at = found.end() if found[2].isdecimal() else found.start(2)
    return f"{shown[:at]}\\{shown[at:]}"


def render(report: Report) -> str:
    """The whole report."""
    summary, capture = report["summary"], report["capture"]
    lines = [f"# {safe(summary['verdict'])}", ""]
    lines += [f"{safe(words.span(capture))}; {safe(words.read_line(capture))}.", ""]
    lines += [f"- {safe(source['name'])} ({source['kind']}, {source['bytes']:,} bytes)" for source in report["sources"]]
    lines.append("")
    if summary["next"]:
        lines += ["## What to do next", ""]
        for number, step in enumerate(summary["next"], 1):
            station = f" ({safe(step['station'])})" if step["station"] else ""
            todo = safe(words.advice(step["text"], step["owner"]))
            lines.append(f"{number}. **{words.OWNERS[step['owner']]}**: {todo}{station}")
        lines.append("")
    if report["findings"]:
        lines += ["## Findings", ""]
        for finding in report["findings"][:MAX_FINDINGS]:
            lines += _finding(finding, report)
        _more(lines, sum(summary["findings"].values()) - len(report["findings"][:MAX_FINDINGS]), "more finding")
    lines += _outcomes(report)
    lines += _stations(report)
    lines += _tables(report)
    if capture["notes"]:
        lines += ["## About the capture", "", *(f"- {safe(note)}" for note in capture["notes"]), ""]
    tool = report["tool"]
    lines.append(f"{tool['name']} {safe(tool['version'])}")
    return "\n".join(lines) + "\n"


def _finding(finding: FindingEntry, report: Report) -> list[str]:
    probably = "Probably: " if finding["inferred"] else ""
    place = words.place(finding)
    lines = [
        f"### {_SIGNS[finding['severity']]}: {probably}{safe(finding['title'].rstrip('.'))}"
        + (f" ({safe(place, _CELL)})" if place else ""),
        "",
        safe(finding["explanation"]),
        "",
    ]
    if finding["advice"]:
        lines += [
            f"**{words.OWNERS[finding['owner']]}**: {safe(words.advice(finding['advice'], finding['owner']))}",
            "",
        ]
    lines += [f"- {safe(line)}" for line in words.evidence(finding["evidence"], MAX_EVIDENCE, report)]
    about = [f"`{finding['id']}`", safe(words.occurrences(finding))]
    if finding["reference"]:
        # Ours, not the wire's: a link is welcome where it is one.
        reference = finding["reference"]
        about.append(f"<{reference}>" if _ADDRESS.fullmatch(reference) else safe(reference))
    return [*lines, f"- {', '.join(about)}", ""]


def _outcomes(report: Report) -> list[str]:
    outcomes = report["summary"]["outcomes"]
    if outcomes is None:
        return []
    rows = [(name, safe(value)) for name, value in words.outcome_lines(outcomes)]
    method = [f"- {safe(sentence)}" for sentence in outcomes["method"]]
    return ["## Outcomes for customers", "", *_table(("Indicator", "Value"), rows), "", *method, ""]


def _stations(report: Report) -> list[str]:
    if not report["stations"]:
        return []
    lines = ["## Stations", ""]
    for station in report["stations"][:MAX_ROWS]:
        lines.append(f"- **{safe(station['station'], _CELL)}**: {safe(words.station_line(station))}")
        facts = words.station_facts(station)
        if facts:
            lines.append(f"  - {safe('; '.join(facts))}")
        for connector in station["connectors"][:MAX_ROWS]:
            name = f"connector {connector['connector']}" if connector["connector"] else "station as a whole"
            up = f", up {words.uptime(connector['uptime'])}" if connector["uptime"]["of"] else ""
            status = f"{name}: {connector['status']} since {words.clock(connector['since'])}{up}"
            lines.append(f"  - {safe(status)}")
        lines += [f"  - error at {safe(words.error_line(error))}" for error in station["errors"]]
    _more(lines, len(report["stations"]) - MAX_ROWS, "more station")
    return [*lines, ""]


def _tables(report: Report) -> list[str]:
    lines: list[str] = []
    if report["transactions"]:
        rows = [
            (
                safe(made["station"], _CELL),
                safe(made["connector"], _CELL),
                safe(made["id"], _CELL),
                safe(words.clock(made["start"])),
                safe(words.clock(made["stop"])),
                safe(words.energy(made["energy_wh"])),
                safe(words.stop_reason(made), _CELL),
                safe(made["id_token"], _CELL),
            )
            for made in report["transactions"][-MAX_ROWS:]
        ]
        head = ("Station", "Connector", "Transaction", "Start", "Stop", "Energy", "Reason", "Token")
        lines += ["## Transactions", "", *_table(head, rows), ""]
        _more(lines, len(report["transactions"]) - MAX_ROWS, "earlier transaction")
    if report["connections"]:
        lines += ["## Connections", ""]
        for connection in report["connections"][-MAX_ROWS:]:
            name = safe(connection["station"], _CELL) or "?"
            lines.append(f"- {name}: {safe(words.connection_line(connection))}")
        _more(lines, len(report["connections"]) - MAX_ROWS, "earlier connection")
        lines.append("")
    if report["tls"]:
        lines += ["## TLS", ""]
        for tls in report["tls"][:MAX_ROWS]:
            lines.append(f"- **{safe(words.tls_name(tls), _CELL)}**: {safe(words.tls_line(tls))}")
            lines += [f"  - {safe(line)}" for line in words.tls_details(tls)]
        _more(lines, len(report["tls"]) - MAX_ROWS, "more server")
        lines.append("")
    if not report["capture"]["messages"] and report["capture"]["hosts"]:
        lines += ["## Hosts in this capture", "", *(f"- {safe(host)}" for host in report["capture"]["hosts"]), ""]
    return lines


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(cell or ' ' for cell in row)} |" for row in rows),
    ]


def _more(lines: list[str], number: int, what: str) -> None:
    if number > 0:
        lines += ["", f"... and {counted(number, what)}.", ""]
