"""Meter series: what was measured, where, over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fieldkit.events import OcppMessage

if TYPE_CHECKING:
    from fieldkit.site.transaction import Ledger

MAX_POINTS: Final = 512
"""Points kept of one series: beyond it every second one is dropped (first, last, extremes stay), as plots survive."""
MAX_SERIES: Final = 2000
"""Series of one station."""


@dataclass(slots=True)
class Sample:
    """One sampled value with the defaults of the standard filled in (1.6 §7.45, 2.x Part 2 SampledValueType)."""

    time: int
    """By the station's clock (its timestamp), else the capture's; ns."""
    value: float
    """In base units: Wh, W, A, V, Hz, percent, degrees Celsius, var, varh."""
    measurand: str
    phase: str
    location: str
    context: str
    unit: str
    """Base unit of ``value``."""
    connector: str
    transaction: str
    defaulted: frozenset[str]
    """Members that were left out, which is legal: {"measurand", "unit", …}."""


@dataclass(slots=True)
class Series:
    """One measurand of one connector and transaction."""

    connector: str
    transaction: str
    measurand: str
    phase: str
    location: str
    unit: str
    points: list[tuple[int, float]] = field(default_factory=list)
    """(time in ns, value in base units)."""
    count: int = 0
    last: Sample | None = None
    previous: Sample | None = None
    """The one before ``last``, whatever was dropped from ``points``."""


class Meters:
    """One station's series."""

    ACTIONS: Final = frozenset[str]()

    def __init__(self) -> None:
        self.series: dict[tuple[str, str, str, str, str], Series] = {}
        """By connector, transaction, measurand, phase, location."""
        self.fresh: list[Sample] = []
        """The samples of the message that was fed last, in order."""

    def feed(self, message: OcppMessage, transactions: Ledger) -> None:
        """Take in a CALL with meter values; ``transactions`` has it already."""
        self.fresh = []
