"""Occurrences that say the same become one finding with a count and a bounded amount of evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from fieldkit.checks.finding import SEVERITIES, Finding, Identity, Kind, Owner, Severity
from fieldkit.events import Event
from fieldkit.safetext import mask
from fieldkit.site.light import bounded_event, weight_of

MAX_FINDINGS: Final = 5_000
"""Different findings of one session; what comes beyond is counted under its kind alone."""
MAX_PER_KIND: Final = 200
"""Of one kind at one station: a station that breaks a rule in every transaction is one finding, not a thousand."""
MAX_FIRST: Final = 8
MAX_LAST: Final = 4
"""Events of evidence kept of each finding: the first ones and the latest."""
MAX_ONE: Final = 256 << 10
"""Characters of a message that is kept whole as evidence …"""
MAX_ALL: Final = 8 << 20
"""… and of all of them together (in memory, parsed, they are some four times that): of what is longer, or comes later,
only what points to it is kept."""
MAX_EVENTS: Final = 20_000
"""Events of evidence of all findings together. Beyond it a finding keeps that of its first occurrence and of its
latest: who has thousands of findings looks at no dozen events of each."""


@dataclass(slots=True)
class Collected:
    """One finding as it is reported."""

    first_seen: Finding
    """Its first occurrence: the texts are made of its values."""
    severity: Severity
    """The worst of all occurrences."""
    owner: Owner
    first: int
    last: int
    count: int = 1
    evidence: list[Event] = field(default_factory=list)
    """Of the first occurrences."""
    latest: list[Event] = field(default_factory=list)
    """Of the last occurrences, none of which is among ``evidence``."""
    merged: bool = False
    """Occurrences at several connectors or transactions were joined: too many."""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.first_seen.kind

    def explanation(self, *, show_ids: bool = False) -> str:
        """The kind's explanation with the observed values in it (text of a station is in it as it was sent)."""
        return _filled(self.kind.explanation, self.first_seen, show_ids)

    def advice(self, *, show_ids: bool = False) -> str:
        """What to do next."""
        return _filled(self.kind.advice, self.first_seen, show_ids)


def _filled(template: str, finding: Finding, show_ids: bool) -> str:
    values = {
        name: mask(value) if isinstance(value, Identity) and not show_ids else value
        for name, value in finding.values.items()
    }
    return template.format(**values)


class Collector:
    """All findings of a session."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], Collected] = {}
        self._per_kind: dict[tuple[str, str], int] = {}
        self._room = MAX_ALL
        self._events = 0
        self.listeners: list[Callable[[Finding], object]] = []
        """Called with every occurrence, repetitions too."""

    def add(self, findings: Iterable[Finding]) -> list[Collected]:
        """Take in occurrences; returns those findings that are new."""
        new: list[Collected] = []
        for finding in findings:
            for listener in self.listeners:
                listener(finding)
            collected = self._add(finding)
            if collected is not None:
                new.append(collected)
        return new

    def _add(self, finding: Finding) -> Collected | None:
        kind = finding.kind
        key = (kind.id, finding.station, finding.connector, finding.transaction, finding.group)
        known = self._found.get(key)
        crowded = False
        if known is None:
            number = self._per_kind.get(key[:2], 0)
            crowded = number >= MAX_PER_KIND or len(self._found) >= MAX_FINDINGS
            if crowded:
                key = (kind.id, finding.station if number >= MAX_PER_KIND else "", "", "", "")
                known = self._found.get(key)
            if key[:2] in self._per_kind or len(self._per_kind) < MAX_FINDINGS:
                self._per_kind[key[:2]] = number + 1
        if known is not None:
            self._join(known, finding)
            return None
        severity, owner = finding.severity or kind.severity, finding.owner or kind.owner
        kept = self._kept(finding.evidence[:MAX_FIRST])
        collected = Collected(
            replace(finding, evidence=tuple(kept)), severity, owner, finding.time, finding.time, merged=crowded
        )
        collected.evidence.extend(kept)
        self._found[key] = collected
        return collected

    def all(self) -> list[Collected]:
        """The worst first, then in the order of time."""
        return sorted(self._found.values(), key=lambda found: (SEVERITIES.index(found.severity), found.first))

    def _join(self, known: Collected, finding: Finding) -> None:
        known.count += 1
        known.first = min(known.first, finding.time)
        known.last = max(known.last, finding.time)
        severity = finding.severity or finding.kind.severity
        if SEVERITIES.index(severity) < SEVERITIES.index(known.severity):
            known.severity = severity
        crowded = self._events >= MAX_EVENTS
        room = 0 if crowded else max(MAX_FIRST - len(known.evidence), 0)
        if room:
            known.evidence.extend(self._kept(finding.evidence[:room]))
        if room < len(finding.evidence):
            later = finding.evidence[room:][-MAX_LAST:]
            over = len(known.latest) if crowded else max(len(known.latest) + len(later) - MAX_LAST, 0)
            self._room += sum(map(weight_of, known.latest[:over]))
            self._events -= over
            known.latest = [*known.latest[over:], *self._kept(later)]

    def _kept(self, evidence: Iterable[Event]) -> list[Event]:
        """What may be kept of it: a capture may be full of findings, each with a message of a megabyte."""
        kept = []
        for event in evidence:
            weight = weight_of(event)
            if weight > min(MAX_ONE, self._room):
                event = bounded_event(event, 0)
            else:
                self._room -= weight
            kept.append(event)
        self._events += len(kept)
        return kept
