"""Which rows are the evidence of which findings.

A finding keeps events, a row keeps a number: what joins them is the source, the frame and, where one frame carried
several messages, the message's id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from fieldkit.checks.collector import Collected
from fieldkit.checks.finding import SEVERITIES, Severity
from fieldkit.events import Event, Exchange, OcppMessage, Orphan, Unanswered
from fieldkit.history.history import History

_Key: TypeAlias = tuple[str, int]

SPARE: Final = 10_000
"""Frames that are remembered though no finding names them any more."""


class Judged:
    """An index over findings that is brought up to date now and then."""

    def __init__(self, history: History) -> None:
        self.version = 0
        """Grows when rows have got another severity."""
        self._history = history
        self._counts: dict[int, tuple[Collected, int, Severity]] = {}
        self._by_frame: dict[_Key, tuple[Collected, ...]] = {}
        self._worst: dict[_Key, Severity] = {}
        self._named = 0
        """Frames that findings named when the index was made anew."""

    def update(self, found: Iterable[Collected]) -> None:
        """Take in findings that are new or have occurred again."""
        changed = False
        found = list(found)
        if len(self._by_frame) > self._named + SPARE:
            # The latest evidence changes all the time; frames that no finding names any more are forgotten.
            self._by_frame.clear()
            self._worst.clear()
            for finding in found:
                self._take(finding)
            self._named = len(self._by_frame)
            changed = True
        for finding in found:
            known = self._counts.get(id(finding))
            if known is None or known[1] != finding.count or known[2] != finding.severity:
                self._counts[id(finding)] = (finding, finding.count, finding.severity)
                self._take(finding)
                changed = True
        if changed:
            self.version += 1

    def _take(self, finding: Collected) -> None:
        for event in (*finding.evidence, *finding.latest):
            for told in _told(event):
                if not told.frames:
                    continue
                key = (_source(told), told.frames[-1])
                named = self._by_frame.get(key, ())
                if not any(one is finding for one in named):
                    self._by_frame[key] = (*named, finding)
                worst = self._worst.get(key)
                if worst is None or SEVERITIES.index(finding.severity) < SEVERITIES.index(worst):
                    self._worst[key] = finding.severity

    def severity(self, number: int) -> Severity | None:
        """The worst of row and findings, at a glance: messages that share a frame share this."""
        block, index = self._history.place(number)
        found = self._worst.get((block.sources[index], block.frames[index]))
        own: Severity | None = "warning" if self._history.is_bad(number) else None
        if found is None or (own is not None and SEVERITIES.index(own) < SEVERITIES.index(found)):
            return own
        return found

    def is_problem(self, number: int) -> bool:
        """Whether somebody who looks for trouble would stop here."""
        return self.severity(number) in ("critical", "warning")

    def findings_of(self, number: int) -> list[Collected]:
        """What this row is evidence of, the worst first."""
        block, index = self._history.place(number)
        found = self._by_frame.get((block.sources[index], block.frames[index]))
        if not found:
            return []
        row = self._history.event(number)
        mine = [finding for finding in found if any(_same(row, told) for told in _events(finding))]
        return sorted(mine, key=lambda finding: (SEVERITIES.index(finding.severity), finding.first))

    def row_of(self, event: Event) -> int | None:
        """The row of a piece of evidence; None when it has none (any more)."""
        (told, *_) = _told(event)
        history = self._history
        low = max(history.at_time(told.time) - _NEAR, history.first)
        for number in range(low, min(low + 4 * _NEAR, history.end)):
            block, index = history.place(number)
            same_place = block.times[index] == told.time and block.frames[index] == (told.frames or (0,))[-1]
            if same_place and _same(history.event(number), told):
                return number
        return None


_NEAR = 200
"""Rows around a time that are looked at: what was held back of a connection comes later than its time."""


def _events(finding: Collected) -> Iterable[Event]:
    for event in (*finding.evidence, *finding.latest):
        yield from _told(event)


def _told(event: Event) -> tuple[Event, ...]:
    if isinstance(event, Exchange):
        return event.answer, event.call
    if isinstance(event, Unanswered):
        return (event.call,)
    if isinstance(event, Orphan):
        return (event.answer,)
    return (event,)


def _source(event: Event) -> str:
    if isinstance(event, OcppMessage):
        return event.source
    connection = getattr(event, "connection", None)
    return connection.source if connection is not None else ""


def _same(row: Event, told: Event) -> bool:
    if isinstance(told, OcppMessage):
        return isinstance(row, OcppMessage) and (row.id, row.sender, row.time) == (told.id, told.sender, told.time)
    return row.__class__ is told.__class__ and row.time == told.time
