"""Incidents of the detector as documents have them: flat, safe to write, with pointers into the capture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldkit.reports.model_evidence import EvidenceWriter
from fieldkit.reports.moments import iso
from fieldkit.safetext import shorten

if TYPE_CHECKING:  # whoever has no detector need not load it to write a report
    from fieldkit.detect.detector import Detector
    from fieldkit.detect.incident import Incident

MAX_SHOWN = 500
"""Incidents in one document, the first ones."""
MAX_NAME = 120
MAX_TEXT = 2000


def section(detector: Detector, *, show_ids: bool = False) -> dict[str, Any]:
    """The report's ``detector``."""
    incidents = detector.incidents[:MAX_SHOWN]
    writer = EvidenceWriter(show_ids=show_ids)
    return {
        "layers": sorted(detector.layers),
        "notes": list(detector.notes),
        "incidents": [entry(incident, writer) for incident in incidents],
    }


def entry(incident: Incident, writer: EvidenceWriter) -> dict[str, Any]:
    """One incident of a report."""
    return {
        "raised": iso(incident.raised),
        "first": iso(incident.first),
        "last": iso(incident.last),
        "open": not incident.closed,
        "station": shorten(incident.station, MAX_NAME),
        "stations": sorted(shorten(name, MAX_NAME) for name in incident.stations),
        "connector": shorten(incident.connector, MAX_NAME),
        "category": incident.category,
        "family": incident.family_name,
        "title": incident.family.title,
        "score": round(incident.confidence, 3),
        "explanation": shorten(incident.explanation, MAX_TEXT),
        "advice": incident.advice,
        "layers": sorted(incident.layers),
        "count": incident.count,
        "evidence": writer.all(incident.evidence),
    }


def alert(incident: Incident, writer: EvidenceWriter) -> dict[str, Any]:
    """One line of ``detect score``: ``t`` is when it was raised, in seconds since the epoch."""
    told = entry(incident, writer)
    evidence = [
        {name: piece[name] for name in ("source", "frame", "time", "message_id", "text")}
        for piece in told.pop("evidence")
    ]
    head = {
        "t": incident.raised / 1e9,
        "station": told.pop("station"),
        "category": told.pop("category"),
        "family": told.pop("family"),
        "score": told.pop("score"),
        "explanation": told.pop("explanation"),
    }
    return {**head, **told, "evidence": evidence}
