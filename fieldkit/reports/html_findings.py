"""Findings as the page tells them: the same fault at many stations is told once, with a table of where else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fieldkit.checks.finding import SEVERITIES, Severity
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
    """Without repetitions, in the order of time."""
    in_full: bool

    @property
    def shown_by(self) -> str:
        """Anchor of what shows it best, else its own."""
        first_of_all = self.entry["evidence"][0] if self.entry["evidence"] else None
        for number, proof in enumerate(self.evidence.rows, 1):
            if self.in_full and proof is first_of_all:
                return f"{self.anchor}-e{number}"
        return self.anchor


@dataclass(slots=True)
class FindingGroup:
    """All findings with one id and severity."""

    id: str
    severity: Severity
    full: list[FindingView] = field(default_factory=list)
    brief: list[FindingView] = field(default_factory=list)
    left_out: int = 0

    @property
    def explanation(self) -> str:
        """Of the one told last in full: what reads the same need not be read again."""
        return self.full[-1].entry["explanation"]

    @property
    def located(self) -> bool:
        """Some of them are of a connector or a transaction."""
        return any(view.entry["connector"] or view.entry["transaction"] for view in self.brief)

    @property
    def elsewhere(self) -> bool:
        """Some of them are of another station than the first."""
        return any(view.entry["station"] != self.full[0].entry["station"] for view in self.brief)


@dataclass(slots=True)
class Findings:
    """All of them, the worst first."""

    groups: list[FindingGroup]
    """Those that somebody should act on."""
    notes: list[FindingGroup]
    """The others."""
    by_station: dict[str, list[FindingView]]
    left_out: int = 0

    def anchor(self, id_: str, station: str) -> str:
        """Where a step's finding is told; empty when it is not."""
        views = [
            view for group in (*self.groups, *self.notes) if group.id == id_ for view in (*group.full, *group.brief)
        ]
        return next(
            (view.anchor for view in views if view.entry["station"] == station), views[0].anchor if views else ""
        )


def arrange(findings: list[FindingEntry], detail: Detail) -> Findings:
    """Group them by id, the worst first; each gets its anchor."""
    groups: dict[tuple[str, Severity], FindingGroup] = {}
    by_station: dict[str, list[FindingView]] = {}
    left_out = 0
    ranks = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    ordered = sorted(findings, key=lambda finding: ranks.get(finding["severity"], len(ranks)))
    for number, entry in enumerate(ordered, 1):
        key = (entry["id"], entry["severity"])
        group = groups.get(key)
        if group is None:
            if len(groups) >= MOST_KINDS:
                left_out += 1
                continue
            group = groups[key] = FindingGroup(*key)
        in_full = len(group.full) < (1 if entry["severity"] == "info" else detail.full_findings)
        view = FindingView(f"f{number}", entry, _evidence(entry["evidence"], detail.evidence), in_full)
        if in_full:
            group.full.append(view)
        elif len(group.brief) < detail.brief_findings:
            group.brief.append(view)
        else:
            group.left_out += 1
            continue
        by_station.setdefault(entry["station"], []).append(view)
    return Findings(
        [group for group in groups.values() if group.severity != "info"],
        [group for group in groups.values() if group.severity == "info"],
        by_station,
        left_out,
    )


def _evidence(evidence: list[Evidence], limit: int) -> Cut[Evidence]:
    distinct: dict[tuple[object, ...], Evidence] = {}
    for proof in evidence:
        distinct.setdefault((proof["source"], proof["frame"], proof["message_id"], proof["text"]), proof)
    # A check names what shows its finding best first, so that is what stays when there are too many.
    cut = first(list(distinct.values()), limit)
    return Cut(sorted(cut.rows, key=lambda proof: proof["time"]), cut.left_out)
