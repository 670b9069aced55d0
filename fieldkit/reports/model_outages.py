"""Paths and outages of the document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fieldkit.reports.document import LegEntry, LinkEntry, OutageEntry, PathEntry
from fieldkit.reports.moments import iso, iso_or_none, milliseconds, seconds
from fieldkit.safetext import shorten
from fieldkit.site.middle import median
from fieldkit.site.outage import Outage, PathGuess
from fieldkit.site.outagebook import Line
from fieldkit.site.outages import Outages
from fieldkit.site.pathkind import guess
from fieldkit.site.pathseen import PathSeen

MAX_LINKS: Final = 500
"""Stations with an entry, those with outages first."""
MAX_OUTAGES: Final = 20
"""Of a station, the latest."""
MAX_FRAMES: Final = 20
_NAME: Final = 200
_TEXT: Final = 400


def entries(outages: Outages) -> list[LinkEntry]:
    """One for each station whose path was measured, or was lost."""
    paths = outages.paths_of_lines()
    made = (_entry(line, paths.get((line.station, line.inside), ())) for line in outages.lines)
    found = [entry for entry in made if entry is not None]
    return sorted(found, key=lambda entry: not entry["outages"])[:MAX_LINKS]


def _entry(line: Line, paths: Sequence[PathSeen]) -> LinkEntry | None:
    trips = [trip for path in paths for trip in path.way]
    if not trips and not line.outages:
        return None
    last = paths[-1] if paths else None
    # An outage is not part of what a path is like; the present one is what counts.
    current = list(last.way) if last is not None and last.way else trips
    handshakes = [path.established - path.connection.opened for path in paths if path.established is not None]
    return {
        "station": shorten(line.station, _NAME),
        "seen_from": "site" if line.inside else "outside",
        "path": _path(guess(current), round(median(rtt for _, rtt in current)) if current else None),
        "handshake_ms": milliseconds(round(median(handshakes))) if handshakes else None,
        "connections": len(paths),
        "retransmissions": sum(path.repeats_all for path in paths),
        "unreachable": sum(len(path.errors) for path in paths),
        "windows_closed": sum(path.windows_closed for path in paths),
        "ttl": last.ttl if last is not None else 0,
        "mss": last.mss if last is not None else 0,
        "ping_interval_s": _interval(paths),
        "outages": [outage_entry(outage) for outage in list(line.outages)[-MAX_OUTAGES:]],
    }


def _interval(paths: Sequence[PathSeen]) -> float | None:
    known = [path.ping_interval for path in paths if path.ping_interval is not None]
    return seconds(known[-1]) if known else None


def outage_entry(outage: Outage) -> OutageEntry:
    """One outage."""
    return {
        "cause": outage.cause,
        "confidence": outage.confidence,
        "reasons": [shorten(reason, _TEXT) for reason in outage.reasons],
        "start": iso(outage.start),
        "end": iso(outage.end) if outage.over else None,
        "seconds": seconds(outage.end - outage.start),
        "broken": outage.broken,
        "legs": _legs(outage),
        "lost_between": None
        if outage.lost_between is None
        else (iso(outage.lost_between[0]), iso(outage.lost_between[1])),
        "switched": iso_or_none(outage.switched),
        "before": _path(outage.before, outage.rtt_before),
        "after": _path(outage.after, outage.rtt_after),
        "address_before": outage.address_before,
        "address_after": outage.address_after,
        "attempts": outage.attempts,
        "retransmissions": outage.repeats,
        "queued": outage.queued,
        "duplicates": outage.duplicates,
        "clock_step_s": None if outage.clock_step is None else seconds(outage.clock_step),
        "connections": list(outage.connections),
        "frames": list(outage.frames[:MAX_FRAMES]),
        "source": outage.source,
    }


def _legs(outage: Outage) -> list[LegEntry]:
    lasted = {name: end - begin for name, begin, end in outage.spans}
    legs: list[LegEntry] = []
    for name, time in outage.moments:
        told = outage.attributed.get(name)
        legs.append(
            {
                "leg": name,
                "time": iso(time),
                "seconds": seconds(lasted.get(name, 0)),
                "owner": told.owner if told is not None else "unknown",
                "why": shorten(told.cause, _TEXT) if told is not None else "",
                "confidence": round(told.confidence, 2) if told is not None else 0.0,
            }
        )
    return legs


def _path(found: PathGuess, rtt: int | None) -> PathEntry:
    return {
        "kind": found.kind,
        "confidence": round(found.confidence, 2),
        "reason": found.reason,
        "rtt_ms": None if rtt is None else milliseconds(rtt),
    }
