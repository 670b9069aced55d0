"""Uplinks and chargers on one time axis: who carried what when, and what was lost. No textual here.

Made of the session's picture and of what routers told each time it is looked at, under the engine's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from fieldkit.checks.collector import Collected
from fieldkit.checks.words import duration
from fieldkit.reports import outagewords
from fieldkit.reports.html_words import OWNERS
from fieldkit.safetext import terminal
from fieldkit.site.outage import LegName, Outage, Party
from fieldkit.site.outagebook import Line
from fieldkit.site.outagelegs import lost_by
from fieldkit.site.pathseen import PathSeen
from fieldkit.site.picture import Picture
from fieldkit.tui.course import MAX_MARKS, Band, Course, Lane, Mark
from fieldkit.tui.glyphs import LEVELS, Level

MAX_LINES: Final = 300
"""Chargers that are drawn, those with outages first."""
MAX_OUTAGES: Final = 1_000
"""Outages that are listed, the latest."""
_LEG_CSS: Final[dict[LegName, str]] = {
    "detected": "fault",
    "first_syn": "off",
    "handshake": "busy",
    "upgrade": "busy",
    "boot": "other",
    "first_message": "other",
}
"""The time before each moment: nobody knew, the charger waited, it dialled, it was back and had not spoken yet."""
_DURING: Final[dict[LegName, str]] = {
    "detected": "unnoticed",
    "first_syn": "waits before it dials",
    "handshake": "dials",
    "upgrade": "connects",
    "boot": "starts",
    "first_message": "silent, though back",
}
"""The first word of each stands in the band where there is no room for more."""


class Row(NamedTuple):
    """One outage, for the list."""

    key: tuple[str, bool, int, str]
    """Station, side, beginning, cause: the same as long as it is the same outage."""
    station: str
    """Identity as the wire has it: not yet safe to show."""
    inside: bool
    outage: Outage
    level: Level
    what: str
    lasted: str
    owner_id: Party
    """Whose doing the loss was …"""

    @property
    def owner(self) -> str:
        """… in words."""
        return OWNERS[self.owner_id]


@dataclass(slots=True)
class LinkCourse:
    """Everything the screen draws."""

    course: Course
    rows: list[Row]
    several: bool
    """Chargers were seen from both sides of their router."""
    uplinks: int
    chargers: int
    left_out: int
    """Chargers without a line for want of room."""

    @staticmethod
    def empty() -> LinkCourse:
        """Before anything was looked at."""
        return LinkCourse(Course(0, 1), [], several=False, uplinks=0, chargers=0, left_out=0)


def link_course(
    picture: Picture,
    findings: Sequence[Collected],
    uplinks: tuple[Sequence[Lane], Sequence[Mark]],
    *,
    now: int = 0,
) -> LinkCourse:
    """``uplinks``: bands and marks of routers. ``now``: of something live, the time of day."""
    now = max(now, picture.time)
    lines = picture.outages.lines
    several = len({line.station for line in lines}) < len(lines)
    lines.sort(key=lambda line: (not line.outages, line.station, not line.inside))
    shown = lines[:MAX_LINES]
    paths = picture.outages.paths_of_lines()
    lanes = [
        *uplinks[0],
        *(_lane(picture, line, paths.get((line.station, line.inside), ()), several, now) for line in shown),
    ]
    rows = sorted((_row(line, outage) for line in lines for outage in line.outages), key=lambda row: row.outage.start)[
        -MAX_OUTAGES:
    ]
    marks = [*uplinks[1], *_marks(findings)]
    times = [time for lane in lanes for band in lane.bands for time in (band.first, band.last)]
    times += [mark.time for mark in marks]
    times = [time for time in times if time > 0]
    first, last = (min(times), max(times)) if times else (now, now)
    course = Course(first, max(last, first + 1), sorted(marks, key=lambda mark: mark.time)[-MAX_MARKS:], lanes)
    return LinkCourse(course, rows, several, len(uplinks[0]), len(shown), len(lines) - len(shown))


def name_of(station: str, inside: bool, several: bool) -> str:
    """As it is shown; a charger that was seen from outside of its router too is told apart."""
    return terminal(station, 40) + (" (outside)" if several and not inside else "")


def _lane(picture: Picture, line: Line, paths: Sequence[PathSeen], several: bool, now: int) -> Lane:
    bands = []
    for path in paths:
        link = picture.links.all.get(path.connection.number)
        begin = path.upgraded or path.connection.opened
        end = path.ended if path.ended is not None else now
        said = terminal(link.agreed, 20) if link is not None and link.agreed else "connected"
        title = f"{name_of(line.station, line.inside, several)}: connection {path.connection.number}"
        bands.append(Band(begin, max(end, begin), said, "on", title, None, path.ended is None))
    for outage in line.outages:
        bands += _outage(outage, name_of(line.station, line.inside, several), now)
    name = terminal(line.station, 20) if line.inside or not several else f"↗{terminal(line.station, 20)}"
    return Lane(name, sorted(bands, key=lambda band: band.first))


def _outage(outage: Outage, who: str, now: int) -> list[Band]:
    cause = outagewords.CAUSES[outage.cause]
    said = f"{who}: {cause} ({outagewords.sure(outage.confidence)})"
    if not outage.broken:
        css = "waiting"
        return [Band(outage.start, max(outage.end, outage.start), "lives on", css, f"{said}, the connection lived on")]
    bands = []
    for leg, begin, end in outage.spans:
        told = outage.attributed.get(leg)
        whose = f" ({OWNERS[told.owner]})" if told is not None and told.owner != "unknown" else ""
        title = f"{said}, {_DURING[leg]}{whose}"
        bands.append(Band(begin, end, _DURING[leg].split(",")[0], _LEG_CSS[leg], title))
    if not outage.over:
        bands.append(Band(outage.end, max(now, outage.end), "away", "fault", f"{said}, not back yet", None, True))
    return bands


def _row(line: Line, outage: Outage) -> Row:
    level: Level = "fail" if not outage.over else "warn" if outage.broken and outage.cause not in _EXPECTED else "info"
    lasted = "lives on" if not outage.broken else duration(outage.end - outage.start) if outage.over else "not over"
    return Row(
        (line.station, line.inside, outage.start, outage.cause),
        line.station,
        line.inside,
        outage,
        level,
        outagewords.CAUSES[outage.cause],
        lasted,
        lost_by(outage.cause),
    )


_EXPECTED: Final = frozenset({"switch-flows-flushed", "station-restart"})
"""That is how a switch, or a restart that was asked for, should be."""


def _marks(findings: Sequence[Collected]) -> list[Mark]:
    """Findings of uplinks and paths; what else is wrong with chargers is on their own screens."""
    found = []
    for finding in findings:
        if finding.kind.id.startswith(FINDINGS):
            title = f"{terminal(finding.first_seen.station, 40)}: {terminal(finding.kind.title, 120)}".lstrip(": ")
            times = dict.fromkeys((finding.first, finding.last))
            found += [Mark(time, LEVELS[finding.severity], title, None) for time in times if time > 0]
    return found


FINDINGS: Final = ("failover.", "segmentation.")
"""Beginnings of the findings that belong here."""


def findings_of(row: Row, findings: Sequence[Collected]) -> list[Collected]:
    """Findings that tell of this outage: of its charger, at its time. The worst first, as they come."""
    outage = row.outage
    return [
        finding
        for finding in findings
        if finding.kind.id.startswith(FINDINGS)
        and finding.first_seen.station in (row.station, "")
        and finding.first <= max(outage.end, outage.start)
        and finding.last >= outage.start
    ]
