"""Findings as documents have them. Whoever sends findings alone, as a small router does, loads nothing of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fieldkit.checks.collector import Collected
from fieldkit.reports.model_evidence import EvidenceWriter
from fieldkit.reports.moments import iso
from fieldkit.safetext import shorten

if TYPE_CHECKING:
    from fieldkit.reports.document import FindingEntry

MAX_TEXT: Final = 2000
"""Characters of an explanation: three sentences have some hundred."""
MAX_NAME: Final = 200


def entries(collected: Sequence[Collected], *, show_ids: bool) -> list[FindingEntry]:
    """Findings as they stand in documents."""
    evidence = EvidenceWriter(show_ids=show_ids)
    found: list[FindingEntry] = []
    for finding in collected:
        kind, first = finding.kind, finding.first_seen
        found.append(
            {
                "id": kind.id,
                "severity": finding.severity,
                "title": kind.title,
                "explanation": shorten(finding.explanation(show_ids=show_ids), MAX_TEXT),
                "advice": shorten(finding.advice(show_ids=show_ids), MAX_TEXT),
                "owner": finding.owner,
                "station": shorten(first.station, MAX_NAME),
                "connector": "" if finding.merged else shorten(first.connector, MAX_NAME),
                "transaction": "" if finding.merged else shorten(first.transaction, MAX_NAME),
                "first": iso(finding.first),
                "last": iso(finding.last),
                "count": finding.count,
                "inferred": kind.inferred,
                "evidence": evidence.all([*finding.evidence, *finding.latest]),
                "reference": kind.reference,
            }
        )
    return found
