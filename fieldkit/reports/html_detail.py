"""How much of a report a page has room for: whatever is left out is counted, and the page says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Detail:
    """Rows of each kind that a page shows at most."""

    full_findings: int
    """Findings with the same id that are told in full; the others are rows of a table."""
    brief_findings: int
    evidence: int
    """Of one finding."""
    raw: int
    """Characters of a raw frame."""
    stations: int
    """With a section of their own."""
    overview: int
    """Stations in the table of all."""
    transactions: int
    """Of one station; so are those that follow."""
    history: int
    bands: int
    markers: int
    latency: int
    plots: int
    settings: int
    boots: int
    profiles: int
    jobs: int
    errors: int
    certificates: int
    more: int
    """Rows of each list that only some stations have."""
    connections: int
    outages: int
    tls: int


LEVELS: Final = (
    Detail(
        full_findings=4, brief_findings=50, evidence=10, raw=2000, stations=60, overview=400, transactions=100,
        history=60, bands=200, markers=60, latency=40, plots=12, settings=200, boots=20, profiles=20, jobs=30,
        errors=40, certificates=10, more=30, connections=200, outages=40, tls=40,
    ),
    Detail(
        full_findings=3, brief_findings=30, evidence=5, raw=1000, stations=120, overview=300, transactions=25,
        history=15, bands=80, markers=25, latency=15, plots=3, settings=30, boots=5, profiles=5, jobs=8,
        errors=10, certificates=4, more=8, connections=150, outages=20, tls=30,
    ),
    Detail(
        full_findings=2, brief_findings=15, evidence=3, raw=500, stations=200, overview=300, transactions=8,
        history=4, bands=30, markers=10, latency=6, plots=1, settings=5, boots=3, profiles=2, jobs=3,
        errors=3, certificates=2, more=3, connections=100, outages=12, tls=20,
    ),
    Detail(
        full_findings=1, brief_findings=5, evidence=2, raw=250, stations=60, overview=200, transactions=3,
        history=0, bands=12, markers=4, latency=3, plots=0, settings=0, boots=1, profiles=0, jobs=1,
        errors=1, certificates=0, more=1, connections=30, outages=4, tls=8,
    ),
)  # fmt: skip
"""From everything that is worth reading to what a page about hundreds of stations can hold."""

FEW_STATIONS: Final = (25, 80)
"""Up to that many stations a page is tried at the first level, the second; with more at the third."""


@dataclass(frozen=True, slots=True)
class Cut(Generic[T]):
    """The rows that are shown, and how many are not."""

    rows: Sequence[T]
    left_out: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows) or self.left_out > 0


def first(rows: Sequence[T], limit: int) -> Cut[T]:
    """The first of them."""
    return Cut(rows[:limit], max(len(rows) - limit, 0))


def last(rows: Sequence[T], limit: int) -> Cut[T]:
    """The last of them: of a history it is the end that matters."""
    return Cut(rows[len(rows) - limit :] if len(rows) > limit else rows, max(len(rows) - limit, 0))
