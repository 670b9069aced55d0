"""The document of ``fieldkit tls`` as JUnit XML: a test case for each target, each finding and each requirement.

Requirements that are a recommendation, that do not apply or that cannot be told are skipped, with the reason.
"""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from fieldkit.checks.finding import SEVERITIES
from fieldkit.reports.tlsreport import FindingEntry, RequirementEntry, TargetEntry, TlsReport
from fieldkit.safetext import shorten, terminal

_LONGEST: Final = 2000


def render(report: TlsReport, *, fail_on: str = "critical") -> str:
    """Findings at or above ``fail_on`` ("never": none) are failures."""
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on in SEVERITIES else ()
    cases = [_reached(target, strict=bool(failing)) for target in report["targets"]]
    cases += [_finding(finding, failing) for finding in report["findings"]]
    for target in report["targets"]:
        cases += [_requirement(target, one) for one in target["requirements"]]
    counts = (
        f'tests="{len(cases)}" failures="{sum("<failure" in case for case in cases)}" '
        f'errors="{sum("<error" in case for case in cases)}" skipped="{sum("<skipped" in case for case in cases)}"'
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="fieldkit tls" {counts}>',
        f'<testsuite name="fieldkit tls" {counts} time="0" timestamp={_attribute(report["time"][:19])}>',
        f'<properties><property name="verdict" value={_attribute(report["summary"]["verdict"])}/></properties>',
        *cases,
        "</testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _reached(target: TargetEntry, *, strict: bool) -> str:
    inner = ""
    if strict and not target["reachable"]:
        inner = f"<error message={_attribute(target['error'])}/>"
    elif strict and not target["complete"]:
        inner = f"<error message={_attribute('not looked at: ' + '; '.join(target['left_out']))}/>"
    return _case(target["target"], f"{target['address'] or target['host']} is reached and looked at", inner)


def _finding(finding: FindingEntry, failing: tuple[str, ...]) -> str:
    told = escape(terminal(f"{finding['explanation']} {finding['advice']}", _LONGEST))
    if finding["severity"] in failing:
        inner = (
            f"<failure type={_attribute(finding['severity'])} message={_attribute(finding['title'])}>{told}</failure>"
        )
    else:
        inner = f"<system-out>{told}</system-out>"
    return _case(finding["target"], f"{finding['id']}: {finding['title']}", inner)


def _requirement(target: TargetEntry, one: RequirementEntry) -> str:
    if one["result"] == "pass":
        inner = ""
    elif one["result"] == "fail" and one["level"] == "shall":
        inner = f"<system-out>{escape(terminal('fail: ' + one['why'], _LONGEST))}</system-out>"
    else:
        inner = f"<skipped message={_attribute(one['result'] + ': ' + one['why'])}/>"
    return _case(target["target"], f"{one['id']} ({one['edition']}): {one['title']}", inner)


def _case(group: str, name: str, inner: str) -> str:
    head = f'<testcase classname={_attribute(group)} name={_attribute(name)} time="0"'
    return f"{head}>{inner}</testcase>" if inner else f"{head}/>"


def _attribute(text: str) -> str:
    return quoteattr(terminal(shorten(text, _LONGEST)))
