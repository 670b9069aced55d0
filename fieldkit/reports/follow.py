"""Findings while they happen: one JSON object a line for programs, one short line for people.

A JSON line is an entry of the report's ``findings`` (``report.schema.json``), written when the finding is first made.
When it occurs again a later line says so: ``count``, ``last``, ``severity`` and ``evidence`` are then new, and all the
rest is as it was, so that ``id``, ``station``, ``connector``, ``transaction`` and ``explanation`` together tell which
finding it is. The first such line comes after ten seconds, the next after twenty, and so on up to ten minutes: what
goes wrong a thousand times a day is not told a thousand times. The last lines have the final counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from fieldkit.checks.collector import Collected
from fieldkit.checks.finding import Severity
from fieldkit.reports.model_findings import entries
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from fieldkit.reports.document import FindingEntry

FIRST_UPDATE: Final = 10.0
LONGEST: Final = 600.0
"""Seconds between two lines of one finding that goes on: from the first to the longest, doubled each time."""
MAX_LINE: Final = 200
"""Characters of a line for people."""

_COLORS: Final = {"critical": "\x1b[31m", "warning": "\x1b[33m", "info": "\x1b[36m"}
_END: Final = "\x1b[0m"


@dataclass(slots=True)
class _Told:
    """A finding, and when it is told again."""

    finding: Collected
    count: int
    severity: Severity
    due: float
    pause: float


class Follower:
    """Writes findings as lines of JSON. ``now`` is any clock in seconds that does not go back."""

    def __init__(self, write: Callable[[bytes], object], *, show_ids: bool = False) -> None:
        """``write`` gets whole lines; it is to hand them on at once."""
        self._write = write
        self._show_ids = show_ids
        self._told: list[_Told] = []  # as many as a session has findings, which is bounded

    def add(self, new: Iterable[Collected], now: float) -> None:
        """Findings that were not there before."""
        for finding in new:
            self._told.append(_Told(finding, finding.count, finding.severity, now + FIRST_UPDATE, FIRST_UPDATE))
            self._line(finding)

    def update(self, now: float) -> None:
        """Called about once a second: findings that have occurred again."""
        for told in self._told:
            finding = told.finding
            if finding.severity != told.severity or (finding.count != told.count and now >= told.due):
                told.count, told.severity = finding.count, finding.severity
                told.pause = min(told.pause * 2, LONGEST)
                told.due = now + told.pause
                self._line(finding)

    def finish(self) -> None:
        """The final counts."""
        for told in self._told:
            if told.finding.count != told.count or told.finding.severity != told.severity:
                self._line(told.finding)
        self._told.clear()

    def _line(self, finding: Collected) -> None:
        (entry,) = entries([finding], show_ids=self._show_ids)
        self._write(line(entry))


def line(entry: FindingEntry) -> bytes:
    """One finding as NDJSON. All but ASCII is escaped: a terminal would obey what a station sent."""
    return json.dumps(entry, separators=(",", ":")).replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def short(finding: Collected, *, utc: bool = False, color: bool = False) -> str:
    """One line for people, as in "08:00:05 critical CP_7: The CSMS rejects the station (boot.rejected)"."""
    first, severity = finding.first_seen, finding.severity
    place = first.station + (f" connector {first.connector}" if first.connector else "")
    text = terminal(f"{place + ': ' if place else ''}{finding.kind.title} ({finding.kind.id})", MAX_LINE)
    shown = f"{_COLORS[severity]}{severity}{_END}" if color else severity
    return f"{clock(finding.first, utc=utc)} {shown} {text}"


def clock(time: int, *, utc: bool) -> str:
    """Time of day; empty where there is none."""
    try:
        moment = datetime.fromtimestamp(time / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return "--:--:--"
    return f"{moment if utc else moment.astimezone():%H:%M:%S}"
