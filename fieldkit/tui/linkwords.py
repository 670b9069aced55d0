"""An outage and an uplink in lines to be read, some of which lead somewhere. No textual here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fieldkit.checks.collector import Collected
from fieldkit.links.uplink import Uplink
from fieldkit.links.words import described, standing
from fieldkit.reports import outagewords
from fieldkit.reports.html_words import OWNERS
from fieldkit.reports.model_outages import outage_entry
from fieldkit.safetext import terminal
from fieldkit.tui.glyphs import LEVELS
from fieldkit.tui.linkcourse import Row, name_of
from fieldkit.tui.words import clock

Target = tuple[str, str | int]


class Said(NamedTuple):
    """A paragraph."""

    text: str
    style: str = "text"
    target: Target | None = None
    """Where Enter leads: ("row", time), ("charger", key), ("connection", number), ("finding", id)."""
    hang: str = ""
    """How its other lines are indented."""


def anatomy(row: Row, findings: Sequence[Collected], *, several: bool, utc: bool) -> list[Said]:
    """All that is known of an outage."""
    entry = outage_entry(row.outage)
    head = f"{outagewords.CAUSES[entry['cause']]}, {outagewords.sure(entry['confidence'])}; {outagewords.lasted(entry)}"
    said = [
        Said(f"{name_of(row.station, row.inside, several)}: {head}", "strong"),
        Said(f"The loss itself: {row.owner}", "text"),
    ]
    times = [time for _, time in row.outage.moments]
    for (leg, passed), time in zip(outagewords.offsets(entry["legs"]), times, strict=True):
        whose = f"{OWNERS[leg['owner']]}: {terminal(leg['why'], 300)}" if leg["why"] else ""
        text = (
            f"{clock(time, utc=utc, millis=True)} {f'+{passed:.1f} s':>9}  {outagewords.LEGS[leg['leg']]:<16} {whose}"
        )
        said.append(Said(text.rstrip(), "text", ("row", time), " " * 12))
    said += [Said(terminal(words, 600), "text", None, "  ") for words in outagewords.remarks(entry)]
    said.append(Said("See also", "strong"))
    said += [
        Said(
            f"finding: {terminal(finding.kind.title, 120)}",
            LEVELS[finding.severity],
            ("finding", finding.kind.id),
            "  ",
        )
        for finding in findings
    ]
    for place, number in enumerate(row.outage.connections[:1] + row.outage.connections[1:][-1:]):
        which = "that was lost" if place == 0 and row.outage.broken else "that led back" if place else "concerned"
        said.append(Said(f"messages of connection {number}, the one {which}", "text", ("connection", number)))
    said.append(Said(f"charger {terminal(row.station, 60)}", "text", ("charger", row.station)))
    return said


def uplink_lines(uplinks: Sequence[Uplink], now: int) -> list[Said]:
    """How the uplinks are, an uplink a paragraph."""
    said = []
    for uplink in uplinks:
        told = "; ".join(f"{name} {text}" for name, text in described(uplink, now))
        level = "warn" if uplink.up is False and uplink.role != "disabled" else "text"
        head = (
            f"{uplink.id} ({uplink.kind}) {standing(uplink)}"
            if uplink.kind != "unknown"
            else f"{uplink.id} {standing(uplink)}"
        )
        said.append(Said(terminal(f"{head}{f': {told}' if told else ''}", 600), level, None, "  "))
    return said
