"""Outages as a picture: when they were, and whose time each of them was.

The first drawing has all of them on the time axis of the capture, a lane for each station. Below it each outage is a
bar of its own on an axis that begins where it began: a stretch for each leg, in the colour of whose time it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fieldkit.checks.words import SECOND, duration
from fieldkit.reports.document import LinkEntry, OutageEntry
from fieldkit.reports.html_words import OWNERS
from fieldkit.reports.outagewords import CAUSES, LEGS, lasted, offsets
from fieldkit.reports.svg import TimeAxis, anchored, label, parse_time, percent, plot

LANE: Final = 30
"""Pixels of a station in the overview: its name, and the band below it."""
BAR: Final = 46
"""Pixels of an outage: letters, the bar, the scale."""
NARROWEST: Final = 0.5
"""Per cent: what is shorter could not be seen."""
_PIXELS_PER_PERCENT: Final = 7.0
_PIXELS_PER_LETTER: Final = 6.2
_STEPS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0, 7200.0)
_MOST_TICKS: Final = 6
LATEST_LANES: Final = 40
"""Stations in the overview."""


def overview(links: Sequence[LinkEntry], axis: TimeAxis | None) -> str:
    """All outages of all stations that had one; "" where there is no time."""
    shown = [link for link in links if link["outages"]][:LATEST_LANES]
    if axis is None or not shown:
        return ""
    height = LANE * len(shown) + 18
    parts = [axis.svg(height)]
    for number, link in enumerate(shown):
        y = LANE * number
        seen = "" if link["seen_from"] == "site" else " (seen from outside)"
        parts.append(f'<text class="lane" x="0" y="{y + 11}">{label(link["station"] + seen)}</text>')
        for outage in link["outages"]:
            parts.append(_band(outage, axis, y + 15))
    return plot(parts, height=height, name="When the outages were, by station", css="timeline", role="group")


def _band(outage: OutageEntry, axis: TimeAxis, y: int) -> str:
    begin = parse_time(outage["start"])
    if begin is None:
        return ""
    x = axis.at(begin)
    end = begin + outage["seconds"] if outage["end"] is not None else axis.last
    width = max(axis.at(end) - x, NARROWEST)
    x = min(x, 100 - width)
    css = "st-fault" if outage["broken"] else "st-waiting"
    words = f"{CAUSES[outage['cause']]}: {lasted(outage)}, {outage['start']}"
    return (
        f'<rect class="{css}" x="{percent(x)}" y="{y}" width="{percent(width)}" height="11">'
        f"<title>{label(words)}</title></rect>"
    )


def anatomy(outage: OutageEntry) -> str:
    """One outage, leg by leg; "" where no leg lasted."""
    total = sum(leg["seconds"] for leg in outage["legs"])
    if total <= 0 or not outage["broken"]:
        return ""
    step = next((step for step in _STEPS if total / step <= _MOST_TICKS), total)
    parts = []
    count = 0
    while count * step <= total:
        x = count * step / total * 100
        parts.append(f'<line class="grid" x1="{percent(x)}" x2="{percent(x)}" y1="14" y2="{BAR - 13}"/>')
        parts.append(f'<text class="tick"{anchored(x)} y="{BAR - 2}">{duration(count * step * SECOND)}</text>')
        count += 1
    free = 0.0
    for leg, end in offsets(outage["legs"]):
        if not leg["seconds"]:
            continue
        x, width = (end - leg["seconds"]) / total * 100, leg["seconds"] / total * 100
        name = LEGS[leg["leg"]]
        words = f"{name} after {duration(leg['seconds'] * SECOND)}: {OWNERS[leg['owner']]}. {leg['why']}"
        parts.append(
            f'<rect class="leg o-{leg["owner"]}" x="{percent(x)}" y="16" width="{percent(max(width, NARROWEST))}"'
            f' height="14"><title>{label(words)}</title></rect>'
        )
        needed = (len(name) + 6) * _PIXELS_PER_LETTER / _PIXELS_PER_PERCENT
        if x >= free and width >= needed:
            parts.append(f'<text class="leg-name" x="{percent(x)}" y="11">{label(f"until {name}")}</text>')
            free = x + needed
    if (switched := _switched(outage)) is not None and 0 <= switched <= total:
        x = switched / total * 100
        parts.append(
            f'<line class="switched" x1="{percent(x)}" x2="{percent(x)}" y1="12" y2="34"><title>the router moved after'
            f" {duration(switched * SECOND)}</title></line>"
        )
    name = f"{CAUSES[outage['cause']]}, {lasted(outage)}: the legs of the outage"
    return plot(parts, height=BAR, name=name, css="legs")


def _switched(outage: OutageEntry) -> float | None:
    begin, moved = parse_time(outage["start"]), parse_time(outage["switched"])
    return moved - begin if begin is not None and moved is not None else None


def swatch(owner: str) -> str:
    """Of the legend."""
    return (
        '<svg class="swatch" width="22" height="12" aria-hidden="true">'
        f'<rect class="leg o-{label(owner)}" y="1" width="22" height="10"/></svg>'
    )


def legend(links: Sequence[LinkEntry]) -> list[tuple[str, str]]:
    """(swatch, word) of those whose time it was."""
    owners = {
        leg["owner"] for link in links for outage in link["outages"] for leg in outage["legs"] if leg["seconds"] > 0
    }
    return [(swatch(owner), words) for owner, words in OWNERS.items() if owner in owners]
