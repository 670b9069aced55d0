"""The outages as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldkit.reports import outagewords, svg_outages
from fieldkit.reports.document import LegEntry, LinkEntry, OutageEntry
from fieldkit.reports.svg import TimeAxis


@dataclass(frozen=True, slots=True)
class OutageView:
    """One of them."""

    station: str
    seen_from: str
    entry: OutageEntry
    title: str
    lasted: str
    sure: str
    paths: str
    picture: str
    legs: list[tuple[LegEntry, float]]


@dataclass(frozen=True, slots=True)
class Outages:
    """All that there is room for."""

    rows: Sequence[OutageView]
    left_out: int
    picture: str
    legend: Sequence[tuple[str, str]]

    def __bool__(self) -> bool:
        return bool(self.rows)


def arrange(links: Sequence[LinkEntry], axis: TimeAxis | None, limit: int) -> Outages:
    """The longest ones in the order of time; a capture of a bad week has hundreds."""
    every = [(link, outage) for link in links for outage in link["outages"]]
    chosen = sorted(every, key=lambda pair: (-pair[1]["broken"], -pair[1]["seconds"]))[:limit]
    chosen.sort(key=lambda pair: pair[1]["start"])
    rows = [_view(link, outage) for link, outage in chosen]
    return Outages(rows, len(every) - len(rows), svg_outages.overview(links, axis), svg_outages.legend(links))


def _view(link: LinkEntry, outage: OutageEntry) -> OutageView:
    before, after = outagewords.path(outage["before"]), outagewords.path(outage["after"])
    paths = [f"Path before: {before}." if before else "", f"Path after: {after}." if after else ""]
    if outage["address_before"] and outage["address_after"]:
        paths.append(f"It left as {outage['address_before']}, then as {outage['address_after']}.")
    return OutageView(
        link["station"],
        link["seen_from"],
        outage,
        outagewords.CAUSES[outage["cause"]],
        outagewords.lasted(outage),
        outagewords.sure(outage["confidence"]),
        " ".join(part for part in paths if part),
        svg_outages.anatomy(outage),
        list(outagewords.offsets(outage["legs"])) if outage["broken"] else [],
    )
