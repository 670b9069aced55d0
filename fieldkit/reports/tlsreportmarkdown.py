"""The document of ``fieldkit tls`` as Markdown, for tickets and chats; nothing off the wire keeps a meaning in it."""

from __future__ import annotations

from fieldkit.reports.markdown import safe
from fieldkit.reports.plainwords import OWNERS, advice, clock
from fieldkit.reports.tlsreport import TargetEntry, TlsReport
from fieldkit.reports.tlsreporttext import facts, grouped, result_word

_CELL = 300


def render(report: TlsReport) -> str:
    """The whole document."""
    tool = report["tool"]
    lines = [f"# {safe(report['summary']['verdict'])}", ""]
    lines += [f"{safe(clock(report['time']))}; certificates held against {safe(report['trust'])}.", ""]
    if report["findings"]:
        lines += ["## Findings", ""]
    for finding in report["findings"]:
        probably = "Probably: " if finding["inferred"] else ""
        lines += [
            f"### {finding['severity']}: {probably}{safe(finding['title'])} ({safe(finding['target'], _CELL)})",
            "",
        ]
        lines += [safe(finding["explanation"]), ""]
        if finding["advice"]:
            owner = finding["owner"]
            lines += [f"**{OWNERS[owner]}**: {safe(advice(finding['advice'], owner))}", ""]  # type: ignore[index, arg-type]
        lines += [f"`{finding['id']}`" + (f", see {safe(finding['reference'])}" if finding["reference"] else ""), ""]
    for target in report["targets"]:
        lines += _target(target)
    lines.append(f"{tool['name']} {safe(tool['version'])}")
    return "\n".join(lines) + "\n"


def _target(target: TargetEntry) -> list[str]:
    via = f" through {target['interface']}" if target["interface"] else ""
    via += f" from {target['source']}" if target["source"] else ""
    where = f"{target['host']}:{target['port']} at {target['address']}{via}"
    lines = [f"## {safe(where)}", ""]
    if not target["reachable"]:
        return [*lines, f"Cannot be reached: {safe(target['error'])}", ""]
    lines += [f"- {name}: {safe(text)}" if name else f"- {safe(text)}" for name, text in facts(target)]
    lines.append("")
    for chain in target["certificates"]:
        trusted = {True: f"trusted ({chain['anchor']})", False: "not trusted", None: "trust not judged"}
        lines += [f"Certificates ({safe(chain['when'])}): {safe(trusted[chain['trusted']])}", ""]
        for number, link in enumerate(chain["certificates"], 1):
            until = safe(clock(link["not_after"]))
            lines.append(f"{number}. {safe(link['subject'])}; {safe(link['key'])}, until {until}")
        lines.append("")
    if target["requirements"]:
        lines += [f"Security profile {target['requirements'][0]['profile']}:", ""]
        lines += ["| result | id | requirement | why |", "|---|---|---|---|"]
        for ids, one in grouped(target["requirements"]):
            why = safe(one["why"], _CELL)
            lines.append(f"| {safe(result_word(one))} | {safe(ids)} | {safe(one['title'])} | {why} |")
        lines.append("")
    if target["left_out"]:
        lines += [f"Not looked at: {safe('; '.join(target['left_out']))}", ""]
    return lines
