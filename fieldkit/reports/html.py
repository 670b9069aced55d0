"""The report as one self-contained page: what a customer is handed.

No script, no font, no picture from elsewhere; it reads the same on a phone, on a screen, in the dark and on paper.
Whatever came off the wire passes ``safetext.terminal`` and jinja's escaping, here at the one place where values become
text. The page stays below ``MAX_BYTES``: what has no room is counted where it would stand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from fieldkit.checks.words import counted
from fieldkit.reports import html_outages, outagewords, plainwords
from fieldkit.reports import html_words as words
from fieldkit.reports.document import Report
from fieldkit.reports.html_detail import FEW_STATIONS, LEVELS, Cut, Detail, first
from fieldkit.reports.html_embed import Embedded, embed
from fieldkit.reports.html_findings import Findings, arrange
from fieldkit.reports.html_station import StationView, by_station, station_view
from fieldkit.reports.svg import TimeAxis, parse_time
from fieldkit.reports.svg_latency import latency_legend
from fieldkit.reports.svg_timeline import hatch
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_BYTES: Final = 1_700_000
"""Of the page: mail servers and phones still take it."""
_ROOM_FOR_STATIONS: Final = ("critical", "warning", "info", "ok")
"""With more stations than sections these come first."""
LEAST_SECTIONS: Final = 30
"""Stations that are told of in full before everything is told in less detail."""
_CAUTION: Final = 0.85
"""Of the room that seems to be there: what is not a station takes some of it."""
_COLUMNS: Final = 10
"""Of a table of whatever objects."""
OPEN_STATIONS: Final = 6
"""With more stations than these the sections of those without a fault are folded up."""


def render(report: Report) -> str:
    """The page, as much in detail as ``MAX_BYTES`` allow."""
    document = embed(report)
    stations = len(report["stations"])
    start = sum(stations > few for few in FEW_STATIONS)
    page = ""
    for detail in LEVELS[start:]:
        page = _page(report, document, detail)
        if _fits(page):
            break
        # Rather fewer stations that can be read than all of them in shreds.
        room = (MAX_BYTES - len(document.text)) / (len(page) - len(document.text)) * _CAUTION
        sections = int(min(stations, detail.stations) * room)
        if sections >= LEAST_SECTIONS:
            page = _page(report, document, replace(detail, stations=sections))
            if _fits(page):
                break
    return page


def _fits(page: str) -> bool:
    return len(page) <= MAX_BYTES and len(page.encode()) <= MAX_BYTES


@dataclass(frozen=True, slots=True)
class _Overview:
    """All stations in one table: (section or "", its entry, findings by severity)."""

    rows: Cut[tuple[str, Any, dict[str, int]]]


def _page(report: Report, document: Embedded, detail: Detail) -> str:
    clock = words.Clock(report)
    names = [source["name"] for source in report["sources"]]
    findings = arrange(report["findings"], detail)
    stations, counts = _stations(report, findings, detail)
    sections = {id(view.entry): view.anchor for view in stations.rows}
    overview = [(sections.get(id(entry), ""), entry, counts.get(entry["station"], {})) for entry in report["stations"]]
    environment = _environment()
    template = environment.get_template("report.html.j2")
    return template.render(
        report=report,
        summary=report["summary"],
        capture=report["capture"],
        source_names=dict(zip(names, plainwords.base_names(names), strict=True)),
        clock=clock,
        findings=findings,
        untold=max(0, sum(report["summary"]["findings"].values()) - len(report["findings"])),
        stations=stations,
        overview=_Overview(first(overview, detail.overview)),
        anchors={view.entry["station"]: view.anchor for view in stations.rows},
        connections=first(report["connections"], detail.connections),
        outages=html_outages.arrange(report["links"], _axis(report), detail.outages),
        tls=first(report["tls"], detail.tls),
        detail=detail,
        document=document,
        open_all=len(report["stations"]) <= OPEN_STATIONS,
    )


def _stations(report: Report, findings: Findings, detail: Detail) -> tuple[Cut[StationView], dict[str, dict[str, int]]]:
    """Sections in the order of the report; when there are too many, of the stations that have the worst findings."""
    counts: dict[str, dict[str, int]] = {}
    for finding in report["findings"]:
        of_station = counts.setdefault(finding["station"], {})
        of_station[finding["severity"]] = of_station.get(finding["severity"], 0) + 1
    chosen = list(enumerate(report["stations"], 1))
    if len(chosen) > detail.stations:
        chosen.sort(key=lambda item: _badness(counts.get(item[1]["station"], {})))
        chosen = sorted(chosen[: detail.stations], key=lambda item: item[0])
    around = by_station(report, findings.by_station)
    axis = _axis(report)
    views = [station_view(number, entry, around[entry["station"]], axis, detail) for number, entry in chosen]
    return Cut(views, len(report["stations"]) - len(views)), counts


def _axis(report: Report) -> TimeAxis | None:
    """The time of the capture."""
    capture = report["capture"]
    return TimeAxis.over(time for text in (capture["first"], capture["last"]) if (time := parse_time(text)) is not None)


def _badness(counts: dict[str, int]) -> int:
    """Rank of the worst finding, the worst first."""
    return next((rank for rank, name in enumerate(_ROOM_FOR_STATIONS) if counts.get(name)), len(_ROOM_FOR_STATIONS))


# --------------------------------------------------------------------------------------------------------- environment


@cache
def _environment() -> Environment:
    # Only a page needs it, and it takes 40 ms to import.
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    folder = files("fieldkit.reports") / "templates"

    def source(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    def shown(value: object) -> object:
        """What ``{{ … }}`` writes: our own drawings as they are, everything else as safe text."""
        if isinstance(value, Markup):
            return value
        if value is None:
            return ""
        return terminal(value if isinstance(value, str) else str(value), words.MAX_TEXT)

    def in_lines(text: str, limit: int) -> Markup:
        r"""A raw frame: its own line breaks stay, which ``shown`` would write as ``\n``."""
        cut = text if len(text) <= limit else text[:limit] + "…"
        return Markup("\n").join(terminal(line, words.MAX_CELL * 20) for line in cut.split("\n"))

    environment = Environment(
        loader=FunctionLoader(source),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cell": words.cell,
        "num": words.number,
        "ms": words.milliseconds,
        "energy": words.energy,
        "seconds": words.seconds,
        "offset": words.offset,
        "size": words.size,
        "share": words.share,
        "pieces": words.pieces,
        "lines": in_lines,
        "carrier": words.carrier,
        "advice": plainwords.advice,
        "stop_reason": plainwords.stop_reason,
        "counted": counted,
        "legname": lambda name: outagewords.LEGS.get(name, name),
        # Drawings and the embedded document are made safe where they are made.
        "drawn": Markup,
    }
    environment.globals |= {
        "OWNERS": words.OWNERS,
        "SEVERITIES": words.SEVERITIES,
        "PROFILES": words.SECURITY_PROFILES,
        "style": Markup(source("style.css")),
        "columns": lambda rows: words.columns(rows, _COLUMNS),
        "hatch": hatch,
        "latency_legend": latency_legend,
    }
    return environment
