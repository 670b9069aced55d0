"""From faults to findings: one table of kinds for captures, the active prober and ``fieldkit cert``."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from typing import Any, Final

from fieldkit.checks.certificatekinds import CERTIFICATE_KINDS
from fieldkit.checks.endpointkinds import ENDPOINT_KINDS
from fieldkit.checks.finding import SEVERITIES, Finding, Kind
from fieldkit.trust.fault import Fault

POSTURE_KINDS: Final[dict[str, Kind]] = {kind.id: kind for kind in (*CERTIFICATE_KINDS, *ENDPOINT_KINDS)}
"""By id."""

OWNER_WORDS: Final = {"csms": "CSMS operator", "station": "Operator of the station", "": "Its owner"}
"""Who has to act, by whose certificate it is."""


def findings(
    faults: Iterable[Fault],
    *,
    time: int,
    at: str = "",
    role: str = "",
    station: str = "",
    group: str = "",
    kinds: Mapping[str, Kind] = POSTURE_KINDS,
) -> list[Finding]:
    """The worst first. ``at`` as in " of 203.0.113.5:443"; ``group`` is the target that they belong to."""
    found = []
    for fault in faults:
        owner_word = OWNER_WORDS.get(role, OWNER_WORDS[""])
        values: dict[str, object] = {"at": at, "owner_word": owner_word, "public": "", **fault.values}
        found.append(Finding(kinds[fault.id], time, station, (), values, group=group, severity=fault.severity))
    return sorted(found, key=lambda one: SEVERITIES.index(one.severity or one.kind.severity))


def filled(template: str, values: Mapping[str, object]) -> str:
    """A text with the values in it."""
    return template.format(**values)


def entry(finding: Finding, when: str, target: str) -> dict[str, Any]:
    """As documents have it: the finding of a report, with the target (file, endpoint) that it is about."""
    kind = finding.kind
    return {
        "id": kind.id,
        "severity": finding.severity or kind.severity,
        "title": kind.title,
        "explanation": filled(kind.explanation, finding.values),
        "advice": filled(kind.advice, finding.values),
        "owner": finding.owner or kind.owner,
        "station": finding.station,
        "connector": "",
        "transaction": "",
        "first": when,
        "last": when,
        "count": 1,
        "inferred": kind.inferred,
        "evidence": [],
        "reference": kind.reference,
        "target": target,
    }


def fields_of(kind: Kind) -> set[str]:
    """Names of the values that its texts need."""
    texts = (kind.explanation, kind.advice)
    return {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}
