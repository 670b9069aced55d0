"""Incidents as findings, for screens that show findings."""

from __future__ import annotations

from typing import Final

from fieldkit.checks.finding import Finding, Kind, Owner
from fieldkit.detect.families import FAMILIES
from fieldkit.detect.incident import Incident
from fieldkit.detect.symptom import SITE, Category

_OWNERS: Final[dict[Category, Owner]] = {
    "intrusion": "operator",
    "fraud": "operator",
    "maintenance": "station",
    "connectivity": "uplink",
    "energy": "csms",
    "benign": "unknown",
}

KINDS: Final[dict[str, Kind]] = {
    family.name: Kind(
        id=f"incident.{family.name}",
        severity="info" if family.category == "benign" else "warning",
        owner=_OWNERS[family.category],
        title=family.title,
        explanation="{explanation}",
        advice=family.advice,
        reference="docs/detector.md",
        inferred=True,
    )
    for family in FAMILIES.values()
}


def finding(incident: Incident) -> Finding:
    """As it is told when it is raised; what it turns out to be later is in the report."""
    return Finding(
        KINDS[incident.family_name],
        incident.raised,
        "" if incident.station == SITE else incident.station,
        tuple(incident.evidence),
        {"explanation": incident.explanation},
        connector=incident.connector,
        group=str(incident.number),
    )
