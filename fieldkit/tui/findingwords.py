"""Findings in words: a line of the list, and everything there is to say of one. No textual here."""

from __future__ import annotations

from typing import Final, NamedTuple

from fieldkit.checks.collector import Collected
from fieldkit.checks.finding import Identity, Owner
from fieldkit.events import Event
from fieldkit.reports.model_evidence import EvidenceWriter
from fieldkit.reports.plainwords import OWNERS, advice
from fieldkit.safetext import mask, terminal
from fieldkit.tui.words import NO_TIME, clock

SHORT_OWNERS: Final[dict[Owner, str]] = {
    "station": "charger",
    "csms": "CSMS",
    "site-network": "site net",
    "uplink": "uplink",
    "pki": "CA",
    "vehicle": "vehicle",
    "operator": "operator",
    "unknown": "unclear",
}
"""Who has to act, for a narrow column."""
_TEXT: Final = 2000
_VALUE: Final = 120


class Told(NamedTuple):
    """Everything about a finding, harmless and without secrets."""

    title: str
    id: str
    place: str
    """Station, connector, transaction."""
    owner: str
    what: str
    advice: str
    often: str
    values: list[tuple[str, str]]
    reference: str
    inferred: bool


def place_of(finding: Collected) -> str:
    """Where it is: "CP_7, connector 1, transaction 4711"."""
    first = finding.first_seen
    parts = [terminal(first.station, 60)]
    if first.connector:
        parts.append(f"connector {terminal(first.connector, 30)}")
    if first.transaction:
        parts.append(f"transaction {terminal(first.transaction, 40)}")
    return ", ".join(filter(None, parts))


def told(finding: Collected, *, show_ids: bool = False, utc: bool = False) -> Told:
    """What it says."""
    kind = finding.kind
    begin, end = clock(finding.first, utc=utc), clock(finding.last, utc=utc)
    if finding.count == 1:
        often = f"once, at {begin}" if begin != NO_TIME else "once"
    else:
        often = f"{finding.count} times" + (f", {begin} to {end}" if begin != NO_TIME else "")
    what = terminal(finding.explanation(show_ids=show_ids), _TEXT)
    do = terminal(finding.advice(show_ids=show_ids), _TEXT)
    values = []
    for name, value in finding.first_seen.values.items():
        said = mask(value) if isinstance(value, Identity) and not show_ids else str(value)
        values.append((name.replace("_", " "), terminal(said, _VALUE)))
    return Told(
        title=terminal(kind.title),
        id=kind.id,
        place=place_of(finding),
        owner=OWNERS[finding.owner],
        what=what,
        advice=advice(do, finding.owner),
        often=often,
        # What stands in the sentences already is not told again.
        values=[(name, value) for name, value in values if value.strip() and value not in f"{what} {do}"],
        reference=terminal(kind.reference, 200),
        inferred=kind.inferred,
    )


def evidence_of(finding: Collected) -> list[Event]:
    """Each event once, in the order of time."""
    events: list[Event] = []
    for event in (*finding.evidence, *finding.latest):
        if not any(event is known for known in events):
            events.append(event)
    return events


def evidence_line(event: Event, *, show_ids: bool = False, utc: bool = False) -> str:
    """A piece of evidence: time, frame, what was said."""
    said = EvidenceWriter(show_ids=show_ids).one(event)
    frame = f"frame {said['frame']}" if said["frame"] is not None else ""
    head = "  ".join(filter(None, (clock(event.time, utc=utc), frame)))
    return f"{head}  {terminal(said['text'], 300)}"
