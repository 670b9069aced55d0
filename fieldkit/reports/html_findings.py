"""Findings as the page tells them: the same fault at many stations is told once, with a table of where else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fieldkit.checks.finding import SEVERITIES
from fieldkit.reports.document import Evidence, FindingEntry
from fieldkit.reports.html_detail import Cut, Detail, first

MOST_KINDS: Final = 250
"""Different ids on a page; the catalogue has fewer."""


@dataclass(slots=True)
class FindingView:
    """One finding and where it stands on the page."""

    anchor: str
    entry: FindingEntry
    evidence: Cut[Evidence]
    in_full: bool

    @property
    def shown_by(self) -> str:
        """Anchor of its first evidence, else its own."""
        return f"{self.anchor}-e1" if self.in_full and self.evidence.rows else self.anchor


@dataclass(slots=True)
class FindingGroup:
    """All findings with one id."""

    id: str
    full: list[FindingView] = field(default_factory=list)
    brief: list[FindingView] = field(default_factory=list)
    left_out: int = 0


@dataclass(slots=True)
class Findings:
    """All of them, the worst first."""

    groups: list[FindingGroup]
    by_station: dict[str, list[FindingView]]
    left_out: int = 0

    def anchor(self, id_: str, station: str) -> str:
        """Where a step's finding is told; empty when it is not."""
        group = next((group for group in self.groups if group.id == id_), None)
        if group is None:
            return ""
        views = [*group.full, *group.brief]
        return next((view.anchor for view in views if view.entry["station"] == station), views[0].anchor)


def arrange(findings: list[FindingEntry], detail: Detail) -> Findings:
    """Group them by id, the worst first; each gets its anchor."""
    groups: dict[str, FindingGroup] = {}
    by_station: dict[str, list[FindingView]] = {}
    left_out = 0
    ranks = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    ordered = sorted(findings, key=lambda finding: ranks.get(finding["severity"], len(ranks)))
    for number, entry in enumerate(ordered, 1):
        group = groups.get(entry["id"])
        if group is None:
            if len(groups) >= MOST_KINDS:
                left_out += 1
                continue
            group = groups[entry["id"]] = FindingGroup(entry["id"])
        in_full = len(group.full) < detail.full_findings
        view = FindingView(f"f{number}", entry, first(entry["evidence"], detail.evidence), in_full)
        if in_full:
            group.full.append(view)
        elif len(group.brief) < detail.brief_findings:
            group.brief.append(view)
        else:
            group.left_out += 1
            continue
        by_station.setdefault(entry["station"], []).append(view)
    return Findings(list(groups.values()), by_station, left_out)
