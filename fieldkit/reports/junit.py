"""The report as JUnit XML, for acceptance tests: a test case for each kind of finding, failed where it was found.

That a capture shows no fault is worth nothing when it shows no OCPP, or lacks data: these are test cases, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from fieldkit.checks.finding import SEVERITIES, Kind
from fieldkit.checks.runner import known_checks
from fieldkit.reports import plainwords as words
from fieldkit.reports.document import FindingEntry, Report
from fieldkit.safetext import shorten, terminal

MAX_OCCURRENCES: Final = 20
"""Findings of one kind told in a test case."""
MAX_EVIDENCE: Final = 3
_LONGEST: Final = 2000


def render(report: Report, *, fail_on: str = "critical") -> str:
    """The whole suite; findings at or above ``fail_on`` ("never": none) are failures, the others are told beside."""
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on in SEVERITIES else ()
    found: dict[str, list[FindingEntry]] = {}
    for finding in report["findings"]:
        found.setdefault(finding["id"], []).append(finding)
    cases = _about_the_capture(report, strict=bool(failing))
    titles = {kind.id: kind.title for kind in _kinds()}
    titles |= {id_: findings[0]["title"] for id_, findings in found.items() if id_ not in titles}
    cases += [_case(id_, titles[id_], found.get(id_, []), failing, report) for id_ in sorted(titles)]
    failures = sum("<failure" in case for case in cases)
    errors = sum("<error" in case for case in cases)
    first = report["capture"]["first"] or ""
    counts = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="0"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="fieldkit" {counts}>',
        f'<testsuite name="fieldkit" {counts} time="0"' + (f' timestamp="{first[:19]}"' if first else "") + ">",
        "<properties>",
        _property("verdict", report["summary"]["verdict"]),
        _property("fail-on", fail_on),
        _property("tool", f"{report['tool']['name']} {report['tool']['version']}"),
        *(_property("source", source["name"]) for source in report["sources"]),
        "</properties>",
        *cases,
        "</testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _kinds() -> Iterable[Kind]:
    return (kind for check in known_checks() for kind in check.kinds)


def _about_the_capture(report: Report, *, strict: bool) -> list[str]:
    capture = report["capture"]
    seen = complete = ""
    if strict and not capture["messages"]:
        seen = f"<error message={_attribute('no OCPP was seen: nothing could be judged')}/>"
    if strict and not capture["complete"]:
        why = " ".join(capture["notes"]) or "data is missing"
        complete = f"<error message={_attribute('data is missing that could change the verdict')}>{_text(why)}</error>"
    return [
        _testcase("fieldkit.capture", "capture.ocpp-seen: the capture shows OCPP", seen),
        _testcase("fieldkit.capture", "capture.complete: nothing is missing that could change the verdict", complete),
    ]


def _case(id_: str, title: str, findings: list[FindingEntry], failing: tuple[str, ...], report: Report) -> str:
    failed = [finding for finding in findings if finding["severity"] in failing]
    other = [finding for finding in findings if finding["severity"] not in failing]
    inner = ""
    if failed:
        kind = failed[0]["severity"]
        message = f"{title.rstrip('.')}: {words.place(failed[0]) or 'found'}"
        if len(failed) > 1:
            message += f" and {len(failed) - 1} more"
        inner += (
            f"<failure type={_attribute(kind)} message={_attribute(message)}>{_text(_told(failed, report))}</failure>"
        )
    if other:
        inner += f"<system-out>{_text(_told(other, report))}</system-out>"
    return _testcase(f"fieldkit.{id_.partition('.')[0]}", f"{id_}: {title.rstrip('.')}", inner)


def _testcase(family: str, name: str, inner: str) -> str:
    head = f'<testcase classname={_attribute(family)} name={_attribute(name)} time="0"'
    return f"{head}>{inner}</testcase>" if inner else f"{head}/>"


def _told(findings: list[FindingEntry], report: Report) -> str:
    lines: list[str] = []
    for finding in findings[:MAX_OCCURRENCES]:
        lines.append(f"{finding['severity']}: {words.place(finding) or 'site'}, {words.occurrences(finding)}")
        lines.append(f"  {finding['explanation']}")
        if finding["advice"]:
            lines.append(f"  {words.OWNERS[finding['owner']]}: {words.advice(finding['advice'], finding['owner'])}")
        lines += [f"  {line}" for line in words.evidence(finding["evidence"], MAX_EVIDENCE, report)]
    if len(findings) > MAX_OCCURRENCES:
        lines.append(f"... and {len(findings) - MAX_OCCURRENCES} more")
    # Line by line: ours are the only line breaks.
    return "\n".join(terminal(line, _LONGEST) for line in lines)


def _property(name: str, value: str) -> str:
    return f"<property name={_attribute(name)} value={_attribute(value)}/>"


def _attribute(text: str) -> str:
    # ``terminal`` leaves no character that XML 1.0 §2.2 forbids: none of them is printable.
    return quoteattr(terminal(shorten(text, _LONGEST)))


def _text(text: str) -> str:
    return escape("\n".join(terminal(line) for line in text.split("\n")))
