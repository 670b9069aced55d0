"""The report for a terminal: 80 columns, one finding a line, with what it means and what to do below it.

Everything that came off the wire goes through ``safetext.terminal``, at the one place where lines are made. Signs are
plain ASCII, as routers have odd terminals; colour says nothing that words do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fieldkit.checks.words import counted
from fieldkit.reports import plainwords as words
from fieldkit.reports.document import Report, StationEntry, TransactionEntry
from fieldkit.reports.page import BOLD, CYAN, DIM, RED, RESET, YELLOW
from fieldkit.safetext import display_width, shorten, terminal

WIDTH: Final = 80
MAX_FINDINGS: Final = 200
"""Findings told in full; nobody reads more on a terminal."""
MAX_EVIDENCE: Final = 3
"""Pieces of evidence of each."""
MAX_STATIONS: Final = 50
MAX_CONNECTORS: Final = 16
MAX_ROWS: Final = 40
"""Transactions and connections, the latest."""
_LONGEST: Final = 1500
"""Characters of one text."""

_STYLES: Final = {"critical": RED, "warning": YELLOW, "info": CYAN, "ok": "", "nothing": ""}
_SIGNS: Final = {"critical": "CRITICAL", "warning": "WARNING", "info": "info"}
_INDENT: Final = 10
_WIDEST: Final = 14
_LEAST: Final = 20
"""Columns that a text has at least."""


class _Page:
    """Lines of a page, wrapped to its width."""

    def __init__(self, *, color: bool, width: int) -> None:
        self.lines: list[str] = []
        self._color = color
        self._width = width

    def put(self, text: str, *, head: str = "", indent: int | None = None, style: str = "") -> None:
        """``head`` and behind it ``text``, which goes on below where it began (or at ``indent``); safe both."""
        safe_head = terminal(head)
        if indent is not None and display_width(safe_head) > self._width - _LEAST:
            # It takes the line to itself and more: it is text as well.
            safe_head, text = " " * (len(head) - len(head.lstrip())), head.lstrip() + text
        column = display_width(safe_head) if indent is None else indent
        room = max(self._width - column, _LEAST)
        first = max(self._width - display_width(safe_head), _LEAST)
        parts = list(wrapped(terminal(text, _LONGEST), first, room)) or [""]
        for number, part in enumerate(parts):
            line = (" " * column if number else safe_head) + part
            line = line.rstrip()
            self.lines.append(f"{style}{line}{RESET}" if self._color and style and line else line)

    def title(self, text: str) -> None:
        self.lines.append("")
        line = f"-- {shorten(text, self._width - 4)} " + "-" * max(self._width - len(text) - 4, 0)
        self.lines.append(f"{BOLD}{line}{RESET}" if self._color else line)

    def more(self, number: int, what: str) -> None:
        if number > 0:
            self.put(f"... and {counted(number, what)}", head="  ", style=DIM)


def wrapped(text: str, first: int, room: int) -> Iterator[str]:
    """``text`` in lines of at most so many columns; words that are longer than a line are cut."""
    line, width, limit = "", 0, first
    for word in text.split(" "):
        wide = display_width(word)
        if line and width + 1 + wide <= limit:
            line, width = f"{line} {word}", width + 1 + wide
            continue
        if line:
            yield line
            limit = room
        while wide > limit:
            cut = _fitting(word, limit)
            yield word[:cut]
            word = word[cut:]
            wide, limit = display_width(word), room
        line, width = word, wide
    if line:
        yield line


def _fitting(word: str, room: int) -> int:
    """How many characters of a word fit into so many columns; one at least."""
    width = 0
    for position, character in enumerate(word):
        width += display_width(character)
        if width > room:
            return max(position, 1)
    return len(word)


def render(report: Report, *, color: bool = False, width: int = WIDTH) -> str:
    """The whole report."""
    page = _Page(color=color, width=width)
    summary, capture = report["summary"], report["capture"]
    page.put(summary["verdict"], style=BOLD + _STYLES[summary["severity"]])
    page.lines.append("")
    tool = report["tool"]
    page.put(f"{tool['name']} {tool['version']}, {words.span(capture)}", style=DIM)
    page.put(words.read_line(capture), style=DIM)
    for source in report["sources"][:MAX_ROWS]:
        page.put(f"{source['name']} ({source['kind']}, {source['bytes']:,} bytes)", head="  ", style=DIM)
    page.more(len(report["sources"]) - MAX_ROWS, "more source")
    _next(page, report)
    _findings(page, report)
    _incidents(page, report)
    _outcomes(page, report)
    _stations(page, report["stations"])
    _transactions(page, report["transactions"])
    _connections(page, report)
    _notes(page, report)
    return "\n".join(page.lines) + "\n"


def _next(page: _Page, report: Report) -> None:
    steps = report["summary"]["next"]
    if not steps:
        return
    page.title("What to do next")
    for number, step in enumerate(steps, 1):
        station = f" ({step['station']})" if step["station"] else ""
        todo = words.advice(step["text"], step["owner"])
        page.put(f"[{words.OWNERS[step['owner']]}] {todo}{station}", head=f"{number:>2}. ")


def _findings(page: _Page, report: Report) -> None:
    findings = report["findings"]
    if not findings:
        return
    page.title("Findings")
    for finding in findings[:MAX_FINDINGS]:
        style = _STYLES[finding["severity"]]
        place = words.place(finding)
        count = f" {finding['count']:,}x" if finding["count"] > 1 else ""
        probably = "Probably: " if finding["inferred"] else ""
        head = _SIGNS[finding["severity"]].ljust(_INDENT)
        title = f"{probably}{finding['title'].rstrip('.')}" + (f" ({place})" if place else "")
        page.put(f"{title}{count}  {finding['id']}", head=head, style=style)
        page.put(finding["explanation"], head=" " * _INDENT)
        if finding["advice"]:
            todo = words.advice(finding["advice"], finding["owner"])
            page.put(f"[{words.OWNERS[finding['owner']]}] {todo}", head=" " * (_INDENT - 3) + "-> ")
        page.put(words.occurrences(finding), head=" " * _INDENT, style=DIM)
        for line in words.evidence(finding["evidence"], MAX_EVIDENCE, report):
            page.put(line, head=" " * _INDENT + "* ", style=DIM)
        if finding["reference"]:
            page.put(f"see {finding['reference']}", head=" " * _INDENT, style=DIM)
        page.lines.append("")
    if page.lines[-1] == "":
        page.lines.pop()
    page.more(sum(report["summary"]["findings"].values()) - len(findings[:MAX_FINDINGS]), "more finding")


def _incidents(page: _Page, report: Report) -> None:
    """What the detector makes of several signs."""
    found = (report["detector"] or {}).get("incidents") or []
    if not found:
        return
    page.title("What is unusual")
    for incident in found[:MAX_FINDINGS]:
        place = "the whole site" if incident["station"] == "*" else incident["station"]
        head = incident["category"].ljust(_WIDEST)
        page.put(f"{incident['title']} ({place})  {incident['family']}", head=head, style=BOLD)
        page.put(incident["explanation"], head=" " * _INDENT)
        page.put(incident["advice"], head=" " * (_INDENT - 3) + "-> ")
        for line in words.evidence(incident["evidence"], MAX_EVIDENCE, report):
            page.put(line, head=" " * _INDENT + "* ", style=DIM)
    page.more(len(found) - MAX_FINDINGS, "more incident")
    for note in report["detector"]["notes"] if report["detector"] else ():
        page.put(note, head="  - ", style=DIM)


def _outcomes(page: _Page, report: Report) -> None:
    outcomes = report["summary"]["outcomes"]
    if outcomes is None:
        return
    page.title("Outcomes for customers (ChargeX indicators)")
    for name, value in words.outcome_lines(outcomes):
        page.put(value, head=f"  {name:<22} ", indent=_INDENT)
    page.lines.append("")
    page.put("How they are counted:", head="  ", style=DIM)
    for sentence in outcomes["method"]:
        page.put(sentence, head="  - ", style=DIM)


def _stations(page: _Page, stations: list[StationEntry]) -> None:
    if not stations:
        return
    page.title("Stations")
    for station in stations[:MAX_STATIONS]:
        page.put(words.station_line(station), head=f"{shorten(station['station'], 40)}: ", indent=4)
        facts = words.station_facts(station)
        if facts:
            page.put("; ".join(facts), head="    ")
        for connector in station["connectors"][:MAX_CONNECTORS]:
            name = f"connector {connector['connector']}" if connector["connector"] else "station as a whole"
            up = f", up {words.uptime(connector['uptime'])}" if connector["uptime"]["of"] else ""
            page.put(
                f"{name}: {connector['status']} since {words.clock(connector['since'])}, "
                f"{counted(connector['changes'], 'status message')}{up}",
                head="    ",
            )
        page.more(len(station["connectors"]) - MAX_CONNECTORS, "more connector")
        for error in station["errors"][-MAX_CONNECTORS:]:
            page.put(words.error_line(error), head="    error at ")
    page.more(len(stations) - MAX_STATIONS, "more station")


def _transactions(page: _Page, transactions: list[TransactionEntry]) -> None:
    if not transactions:
        return
    page.title("Transactions")
    for made in transactions[-MAX_ROWS:]:
        where = f"{shorten(made['station'], 30)}" + (f" connector {made['connector']}" if made["connector"] else "")
        end = f"to {words.clock(made['stop'])}" if made["stop"] else "no end seen"
        reason = f", {words.stop_reason(made)}" if made["stop_reason"] else ""
        token = f", token {made['id_token']}" if made["id_token"] else ""
        begin = words.clock(made["start"]) if made["start"] else "start not seen"
        page.put(
            f"{begin} {end}, {words.energy(made['energy_wh'])}{reason}{token}",
            head=f"{shorten(made['id'], 20) or '(no id)'} at {where}: ",
            indent=4,
        )
    page.more(len(transactions) - MAX_ROWS, "earlier one")


def _connections(page: _Page, report: Report) -> None:
    connections = report["connections"]
    if connections:
        page.title("Connections")
        for connection in connections[-MAX_ROWS:]:
            name = shorten(connection["station"], 30) or "?"
            page.put(words.connection_line(connection), head=f"{name}: ", indent=4)
        page.more(len(connections) - MAX_ROWS, "earlier one")
    if report["tls"]:
        page.title("TLS")
        for tls in report["tls"][:MAX_ROWS]:
            page.put(words.tls_line(tls), head=f"{words.tls_name(tls)}: ", indent=4)
            for line in words.tls_details(tls):
                page.put(line, head="    ", indent=6)
        page.more(len(report["tls"]) - MAX_ROWS, "more server")
    if not report["capture"]["messages"] and report["capture"]["hosts"]:
        page.title("Hosts in this capture")
        for host in report["capture"]["hosts"]:
            page.put(host, head="  ")


def _notes(page: _Page, report: Report) -> None:
    notes = report["capture"]["notes"]
    if notes:
        page.title("About the capture")
        for note in notes:
            page.put(note, head="  - ")
