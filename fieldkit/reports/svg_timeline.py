"""What a station went through, as bands over time: its connections, and each connector's states and transactions.

Height says what colour says: thin is idle, half is occupied, full is charging, full and hatched is faulted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fieldkit.reports.svg import TimeAxis, label, percent, plot, span_words

STATUS_CLASSES: Final = {
    "Available": "free",
    "Preparing": "busy",
    "Occupied": "busy",
    "Finishing": "busy",
    "Reserved": "busy",
    "Charging": "charging",
    "SuspendedEV": "waiting",
    "SuspendedEVSE": "waiting",
    "Unavailable": "off",
    "Faulted": "fault",
}
"""1.x and 2.x states by how they look; any other is "other"."""
_BAND: Final = {"free": (9, 3), "busy": (5, 7), "charging": (0, 12), "waiting": (3, 9), "off": (7, 5), "fault": (0, 12)}
"""Offset from the top and height of a band, of 12 pixels."""
_RANK: Final = ("free", "other", "busy", "charging", "waiting", "off", "fault")
"""What is shown where a pixel has room for one state only: the last of these."""

MOST_ROWS: Final = 3
"""Connections at the same time that are drawn below one another."""
NARROWEST: Final = 0.15
"""Per cent: what is narrower is drawn that wide, and joined with its like."""

_MARKER_PIXELS: Final = 12
"""Markers that would cover one another are moved aside by this much."""

_PIXELS_PER_PERCENT: Final = 8.5
"""On a wide screen; a label is written where it will fit there, and cut off on a phone."""
_PIXELS_PER_LETTER: Final = 6.2


class Band(NamedTuple):
    """Something that lasted."""

    first: float
    last: float
    text: str
    """Stands in the band where there is room."""
    css: str
    title: str = ""
    """What else there is to know of it."""
    open_start: bool = False
    """It began before what was seen …"""
    open_end: bool = False
    """… or had not ended when the capture did."""


class Marker(NamedTuple):
    """Something that happened."""

    time: float
    kind: str
    """"critical", "warning", "info", "boot"."""
    title: str
    href: str = ""
    """Anchor in the page."""


@dataclass(slots=True)
class Lane:
    """One connector."""

    name: str
    states: list[Band] = field(default_factory=list)
    transactions: list[Band] = field(default_factory=list)


_SIGNS: Final = {
    "critical": '<path d="M-4-4L4 4M4-4L-4 4"/>',
    "warning": '<path d="M0-5L5 4H-5Z"/>',
    "info": '<circle r="3.5"/>',
    "boot": '<path d="M0 5V-5M-4-1L0-5L4-1"/>',
}
"""Differ in shape as well as in colour; drawn around (0, 0)."""


_KINDS: Final = tuple(_SIGNS)
_WORDS: Final = {
    "free": "available",
    "busy": "occupied",
    "charging": "charging",
    "waiting": "suspended",
    "off": "unavailable",
    "fault": "faulted",
    "other": "other",
}


def timeline(
    axis: TimeAxis, connections: Sequence[Band], lanes: Sequence[Lane], markers: Sequence[Marker], name: str
) -> str:
    """The drawing of one station; the page defines the pattern ``#hatch`` once (``hatch()``)."""
    parts: list[str] = []
    y = 0
    for kind, name_of_lane in (("finding", "Findings"), ("boot", "Boots")):
        chosen = [marker for marker in markers if (marker.kind == "boot") == (kind == "boot")]
        if chosen:
            parts.append(f'<text class="lane" x="0" y="{y + 11}">{name_of_lane}</text>')
            parts += _markers(axis, chosen, y + 21)
            y += 32
    if connections:
        rows = _rows([band for band in connections if band.last >= axis.first and band.first <= axis.last])
        parts.append(f'<text class="lane" x="0" y="{y + 11}">Connection</text>')
        for number, row in enumerate(rows):
            for band in row:
                parts.append(_band(axis, band, y + 16 + number * 13, 11))
        y += 16 + max(len(rows), 1) * 13 + 8
    for lane in lanes:
        parts.append(f'<text class="lane" x="0" y="{y + 11}">{label(lane.name)}</text>')
        y += 16
        for band in _joined(axis, lane.states):
            offset, height = _BAND.get(band.css.removeprefix("st-"), (4, 8))
            parts.append(_band(axis, band, y + offset, height))
        y += 14
        if lane.transactions:
            parts += [_band(axis, band, y, 11) for band in lane.transactions]
            y += 13
        y += 8
    height = y + 16
    return plot([axis.svg(height), *parts], height=height, name=name, css="timeline", role="group")


def state_bands(changes: Sequence[tuple[float, str, str]], end: float) -> list[Band]:
    """Bands of (time, status, remark) in order, the last of them up to ``end``; equal ones in a row are one."""
    bands: list[Band] = []
    for number, (time, status, remark) in enumerate(changes):
        until = changes[number + 1][0] if number + 1 < len(changes) else max(end, time)
        title = f"{status} {remark}".rstrip()
        css = "st-" + STATUS_CLASSES.get(status, "other")
        if bands and bands[-1].text == status and bands[-1].title == title:
            bands[-1] = bands[-1]._replace(last=until)
        else:
            bands.append(Band(time, until, status, css, title))
    return bands


def hatch() -> str:
    """The pattern for faults, once in a page; not ``display: none``, which would take it from its users."""
    return (
        '<svg width="0" height="0" class="defs" aria-hidden="true"><defs>'
        '<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="hatch-ground" width="5" height="5"/><rect class="hatch-line" width="2" height="5"/>'
        "</pattern></defs></svg>"
    )


def legend(lanes: Sequence[Lane]) -> list[tuple[str, str]]:
    """(swatch, word) of the states that occur."""
    used = {band.css.removeprefix("st-") for lane in lanes for band in lane.states}
    return [(swatch(css), word) for css, word in _WORDS.items() if css in used]


def swatch(css: str) -> str:
    """A band for the legend."""
    offset, height = _BAND.get(css, (4, 8))
    return (
        f'<svg class="swatch" width="22" height="12" aria-hidden="true">'
        f'<rect class="st-{css}" y="{offset}" width="22" height="{height}"/></svg>'
    )


def _joined(axis: TimeAxis, bands: Sequence[Band]) -> list[Band]:
    """Bands with those joined that would be drawn over one another: the most telling of them stands for all."""
    drawn: list[Band] = []
    for band in bands:
        if band.last < axis.first or band.first > axis.last:
            continue
        narrow = axis.at(band.last) - axis.at(band.first) < NARROWEST
        if narrow and drawn and axis.at(band.first) - axis.at(drawn[-1].first) < NARROWEST:
            before = drawn[-1]
            worse = band if _rank(band.css) > _rank(before.css) else before
            drawn[-1] = worse._replace(first=before.first, last=max(band.last, before.last))
        else:
            drawn.append(band)
    return drawn


def _rank(css: str) -> int:
    name = css.removeprefix("st-")
    return _RANK.index(name) if name in _RANK else 1


def _rows(bands: Sequence[Band]) -> list[list[Band]]:
    """Bands that overlap below one another, as far as there are rows."""
    rows: list[list[Band]] = []
    for band in sorted(bands):
        row = next((row for row in rows if row[-1].last <= band.first), None)
        if row is not None:
            row.append(band)
        elif len(rows) < MOST_ROWS:
            rows.append([band])
        else:
            rows[-1].append(band)
    return rows


def _band(axis: TimeAxis, band: Band, y: int, height: int) -> str:
    x = axis.at(band.first)
    width = max(axis.at(band.last) - x, NARROWEST)
    x = min(x, 100 - width)
    css = band.css + " open-start" * band.open_start + " open-end" * band.open_end
    what = f"{band.title or band.text}: {span_words(band.first, band.last)}"
    room = width * _PIXELS_PER_PERCENT - 8
    shown = ""
    for text in (band.text, band.text.partition(" · ")[0]):
        if height >= 11 and text and len(text) * _PIXELS_PER_LETTER <= room:
            shown = f'<text x="4" y="{height - 2}">{label(text)}</text>'
            if band.css == "st-fault":
                # Letters on hatching cannot be read.
                plate = len(text) * _PIXELS_PER_LETTER + 4
                shown = f'<rect class="plate" x="1" y="1" width="{plate:.0f}" height="{height - 2}"/>{shown}'
            break
    edges = ""
    if band.open_start:
        edges += f'<path class="edge" d="M5 1L1 {height / 2:g}L5 {height - 1}"/>'
        shown = shown.replace('x="4"', 'x="9"', 1)
    if band.open_end:
        edges += (
            f'<svg x="100%" overflow="visible"><path class="edge" d="M-5 1L-1 {height / 2:g}L-5 {height - 1}"/></svg>'
        )
    return (
        f'<svg x="{percent(x)}" y="{y}" width="{percent(width)}" height="{height}"><title>{label(what)}</title>'
        f'<rect class="{css}" width="100%" height="{height}"/>{edges}{shown}</svg>'
        if shown or edges
        else f'<rect class="{css}" x="{percent(x)}" y="{y}" width="{percent(width)}" height="{height}">'
        f"<title>{label(what)}</title></rect>"
    )


def _markers(axis: TimeAxis, markers: Sequence[Marker], y: int) -> list[str]:
    """Beside one another where they fall together, as far as there is room."""
    parts: list[str] = []
    free = 0.0
    for marker in sorted(markers, key=lambda marker: (marker.time, _KINDS.index(marker.kind))):
        x = min(99.3, max(0.7, axis.at(marker.time)))
        place = x * _PIXELS_PER_PERCENT
        shift = min(max(free - place, 0.0), 99.3 * _PIXELS_PER_PERCENT - place)
        parts.append(_marker(marker, x, y, round(shift)))
        free = place + shift + _MARKER_PIXELS
    return parts


def _marker(marker: Marker, x: float, y: int, shift: int) -> str:
    moved = f' transform="translate({shift})"' if shift else ""
    drawn = (
        f'<svg x="{percent(x)}" y="{y}" overflow="visible"><g class="mark m-{marker.kind}"{moved}>'
        f"<title>{label(marker.title)}</title>{_SIGNS[marker.kind]}</g></svg>"
    )
    return f'<a href="#{label(marker.href)}" aria-label="{label(marker.title)}">{drawn}</a>' if marker.href else drawn
