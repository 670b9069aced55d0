"""The document of ``fieldkit tls`` for a terminal: verdict, what to do, requirements, certificates, suites.

Everything that came off the wire goes through ``safetext.terminal`` at the one place where lines are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fieldkit.checks.words import counted
from fieldkit.reports.page import BOLD, CYAN, DIM, RED, RESET, YELLOW
from fieldkit.reports.plainwords import OWNERS, advice, clock
from fieldkit.reports.text import wrapped
from fieldkit.reports.tlsreport import ChainEntry, FindingEntry, RequirementEntry, TargetEntry, TlsReport
from fieldkit.safetext import display_width, shorten, terminal

WIDTH: Final = 80
"""Of a router's console; wider terminals lose nothing."""
MAX_FINDINGS: Final = 200
_LONGEST: Final = 1500
_STYLES: Final = {"critical": RED, "warning": YELLOW, "info": CYAN, "ok": "", "unreachable": RED}
_SIGNS: Final = {"critical": "CRITICAL", "warning": "WARNING", "info": "info"}
_RESULTS: Final = {"pass": "pass", "fail": "FAIL", "not applicable": "n/a", "cannot tell": "?"}
_ADVICE: Final = "advice"
"""What is only recommended ("should") and is not so."""
_RANKS: Final = {"fail": 0, "pass": 2, "cannot tell": 3, "not applicable": 4}
_RESULT_STYLES: Final = {"pass": "", "fail": RED, "not applicable": DIM, "cannot tell": DIM}
_INDENT: Final = 10


class _Page:
    def __init__(self, *, color: bool, width: int) -> None:
        self.lines: list[str] = []
        self._color = color
        self._width = width

    def put(self, text: str, *, head: str = "", style: str = "") -> None:
        """``head`` and behind it ``text``, which goes on below where it began."""
        head = terminal(head)
        column = display_width(head)
        room = max(self._width - column, 20)
        for number, part in enumerate(list(wrapped(terminal(text, _LONGEST), room, room)) or [""]):
            line = ((" " * column if number else head) + part).rstrip()
            self.lines.append(f"{style}{line}{RESET}" if self._color and style and line else line)

    def title(self, text: str) -> None:
        text = terminal(shorten(text, self._width - 4))
        line = f"-- {text} " + "-" * max(self._width - display_width(text) - 4, 0)
        self.lines += ["", f"{BOLD}{line}{RESET}" if self._color else line]


def render(report: TlsReport, *, color: bool = False, width: int = WIDTH) -> str:
    """The whole document."""
    page = _Page(color=color, width=width)
    summary, tool = report["summary"], report["tool"]
    page.put(summary["verdict"], style=BOLD + _STYLES[summary["severity"]])
    page.put(f"{tool['name']} {tool['version']}, {clock(report['time'])}, certificates held against {report['trust']}",
             style=DIM)  # fmt: skip
    _findings(page, report["findings"])
    for target in report["targets"]:
        _target(page, target)
    return "\n".join(page.lines) + "\n"


def _findings(page: _Page, findings: list[FindingEntry]) -> None:
    if not findings:
        return
    page.title("Findings")
    several = len({finding["target"] for finding in findings}) > 1
    for number, finding in enumerate(findings[:MAX_FINDINGS]):
        if number:
            page.lines.append("")
        head = _SIGNS[finding["severity"]].ljust(_INDENT)
        where = f" ({finding['target']})" if several else ""
        probably = "Probably: " if finding["inferred"] else ""
        page.put(f"{probably}{finding['title']}{where}  {finding['id']}", head=head, style=_STYLES[finding["severity"]])
        page.put(finding["explanation"], head=" " * _INDENT)
        if finding["advice"]:
            owner = finding["owner"]
            todo = advice(finding["advice"], owner)  # type: ignore[arg-type]
            page.put(f"[{OWNERS[owner]}] {todo}", head=" " * (_INDENT - 3) + "-> ")  # type: ignore[index]
        if finding["reference"]:
            page.put(f"see {finding['reference']}", head=" " * _INDENT, style=DIM)
    if len(findings) > MAX_FINDINGS:
        page.put(f"... and {len(findings) - MAX_FINDINGS} more")


def _target(page: _Page, target: TargetEntry) -> None:
    via = f" through {target['interface']}" if target["interface"] else ""
    via += f" from {target['source']}" if target["source"] else ""
    address = target["address"] if target["address"] != target["host"] else ""
    page.title(f"{target['host']}:{target['port']}" + (f" at {address}" if address else "") + via)
    if not target["reachable"]:
        page.put(f"cannot be reached: {target['error']}", head="  ", style=RED)
        return
    if target["speaks"] != "tls":
        page.put(f"speaks {target['speaks']}" + (f": {target['banner']}" if target["banner"] else ""), head="  ")
    for name, text in facts(target):
        page.put(text, head=f"  {name:<15} ")
    for chain in target["certificates"]:
        _chain(page, chain)
    _requirements(page, target["requirements"])
    if target["left_out"]:
        page.put("; ".join(target["left_out"]), head="  not looked at: ", style=DIM)


def facts(target: TargetEntry) -> Iterator[tuple[str, str]]:
    """Name and value of what there is to say in a line."""
    versions = [
        f"{one['name']} {'yes' if one['accepted'] else '?' if one['accepted'] is None else 'no'}"
        for one in target["versions"]
    ]
    if versions:
        yield "versions", ", ".join(versions)
    for version in dict.fromkeys(one["version"] for one in target["suites"]):
        names = [one["name"].removeprefix("TLS_") for one in target["suites"] if one["version"] == version]
        yield f"suites {version.removeprefix('TLS ')}", ", ".join(names)
    if target["suites_open"]:
        yield "", f"{counted(len(target['suites_open']), 'other suite')} not told apart (--all-suites)"
    features = target["features"]
    if features["groups"]:
        yield "curves", ", ".join(features["groups"])
    told = [
        f"{name} {'yes' if value else 'no'}"
        for name, value in (
            ("session tickets", features["session_tickets"]), ("resumption", features["resumption"]),
            ("OCSP staple", features["stapling"]), ("compression", features["compression"]),
            ("secure renegotiation", features["secure_renegotiation"]),
            ("renegotiation by clients", features["client_renegotiation"]),
            ("downgrade protection", features["fallback_scsv"]), ("needs SNI", features["needs_server_name"]),
        )
        if value is not None
    ]  # fmt: skip
    told += [f"order of the {features['order']}"] if features["order"] else []
    told += [f"DH of {features['dh_bits']} bits"] if features["dh_bits"] else []
    if told:
        yield "features", ", ".join(told)
    if features["client_certificate"]:
        authorities = f", of {'; '.join(features['client_authorities'][:5])}" if features["client_authorities"] else ""
        sent = any(one["client_certificate_sent"] for one in target["upgrade"])
        asked = {"unknown": "asked for"}.get(features["client_certificate"], features["client_certificate"])
        yield "client cert.", f"{asked}{authorities}" + ("; the given one was sent" if sent else "")
    for one in target["upgrade"]:
        offered = one["subprotocol"] or "no subprotocol"
        answer = f"{one['status']} {one['reason']}".strip() if one["status"] is not None else one["error"]
        chosen = f", chose {one['chosen']}" if one["chosen"] else (", chose none" if one["status"] == 101 else "")
        made = f"{one['version']}{', resumed' if one['resumed'] else ''}"
        if answer:
            yield "upgrade", f"{offered}: {answer}{chosen}" + (f" ({made})" if one["version"] else "")
        elif one["version"]:
            yield "handshake", made  # nothing was said inside
    timing, cost = target["timing"], target["cost"]
    if timing["connect_ms"] is not None:
        hello = f", hello answered in {timing['hello_ms']} ms" if timing["hello_ms"] is not None else ""
        size = f"{cost['sent'] / 1000:.1f} kB up, {cost['received'] / 1000:.1f} kB down"
        number = counted(cost["connections"], "connection")
        line = f"connected in {timing['connect_ms']} ms{hello}; {number} in {timing['total_ms'] / 1000:.2f} s, {size}"
        yield "times", line


def _chain(page: _Page, chain: ChainEntry) -> None:
    trusted = {True: f"trusted ({chain['anchor']})", False: "NOT trusted", None: "trust not judged"}[chain["trusted"]]
    status = [f"staple {chain['staple']}"] if chain["staple"] else []
    status += [f"revocation {chain['revocation']}"] if chain["revocation"] else []
    page.put(", ".join([f"certificates ({chain['when']}): {trusted}", *status]), head="  ")
    for number, one in enumerate(chain["certificates"]):
        text = f"{one['subject']}; {one['key']}, until {clock(one['not_after'])}"
        if number == 0 and one["names"]:
            text += f"; for {', '.join(one['names'][:6])}"
        if number == len(chain["certificates"]) - 1:
            text += f"; issued by {one['issuer']}"
        wrong = f"  <- {', '.join(one['findings'])}" if one["findings"] else ""
        page.put(text + wrong, head=f"    {number + 1}. ", style=YELLOW if one["findings"] else "")
    for note in chain["notes"]:
        page.put(note, head="    ", style=DIM)


def _requirements(page: _Page, entries: list[RequirementEntry]) -> None:
    """One line for what the editions say alike."""
    if not entries:
        return
    editions = list(dict.fromkeys(one["edition"] for one in entries))
    page.put(f"OCPP security profile {entries[0]['profile']} ({', '.join(editions)}):", head="  ", style=BOLD)
    for ids, one in grouped(entries):
        mild = one["level"] == "should" and one["result"] == "fail"
        style = YELLOW if mild else _RESULT_STYLES[one["result"]]
        head = f"    {result_word(one):<7}{ids:<12} "
        page.put(f"{one['title']}: {one['why']}", head=head, style=style)


def result_word(one: RequirementEntry) -> str:
    """As in "FAIL"; what is only recommended does not fail."""
    return _ADVICE if one["level"] == "should" and one["result"] == "fail" else _RESULTS[one["result"]]


def grouped(entries: list[RequirementEntry]) -> Iterator[tuple[str, RequirementEntry]]:
    """Requirements that differ in nothing but their number, with all the numbers ("312/313"); what fails first."""
    rows: dict[tuple[str, str, str], list[RequirementEntry]] = {}
    for one in entries:
        rows.setdefault((one["title"], one["result"], one["why"]), []).append(one)
    for some in sorted(rows.values(), key=lambda some: _rank(some[0])):
        ids = list(dict.fromkeys(one["id"].removeprefix("A00.FR.") for one in some))
        yield "/".join(ids), some[0]


def _rank(one: RequirementEntry) -> int:
    return 1 if one["level"] == "should" and one["result"] == "fail" else _RANKS[one["result"]]
