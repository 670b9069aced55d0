"""One line a charger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from fieldkit.safetext import terminal
from fieldkit.site.station import Station
from fieldkit.tui.facts import Facts, connectors, energy, lasted, shift
from fieldkit.tui.widgets.linelist import Cell, LineHeader, LineList
from fieldkit.tui.words import brief, clock, spaced

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp

_WORD: Final = 10
"""Columns of sign and word: "✖ REFUSED"."""
_FINDINGS: Final = 11
"""Columns of "✖2 ▲13 i10"."""


class Columns:
    """What fits into a width, the least important left out first."""

    def __init__(self, width: int) -> None:
        self.name = 22 if width >= 160 else 16 if width >= 110 else 12 if width >= 70 else 9
        self.transaction = 18 if width >= 100 else 15
        self.heartbeat = 8 if width >= 70 else 0
        self.latency = 17 if width >= 130 else 7 if width >= 78 else 0
        self.clock = 8 if width >= 100 else 0
        self.messages = 8 if width >= 120 else 0
        self.vendor = 28 if width >= 160 else 0

    def cells(self, values: Sequence[tuple[str, int, str, bool]]) -> list[Cell]:
        """Those with a width."""
        return [Cell(text, width, style, right) for text, width, style, right in values if width]


class StationList(LineList):
    """Chargers; what is expensive to know is asked for the lines in sight only."""

    HELP = (
        "One line a charger, those in trouble first. The word says how it stands; then how many findings there are"
        " (✖ critical, ▲ warning, i worth knowing), its connectors, the transaction that goes on, its last heartbeat,"
        " and how long answers take. Enter shows all of one charger."
    )

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._facts: Sequence[Facts] = ()
        self._latencies: dict[str, tuple[int, tuple[int, int] | None]] = {}

    @property
    def fieldkit(self) -> FieldkitApp:
        return cast("FieldkitApp", self.app)

    def show(self, facts: Sequence[Facts]) -> None:
        """These chargers, in this order."""
        self._facts = facts
        self.set_rows([one.key for one in facts], self._cells)

    def latency(self, station: Station | None) -> tuple[int, int] | None:
        """Median and worst, worked out anew when messages have come."""
        if station is None:
            return None
        known = self._latencies.get(station.identity)
        if known is None or known[0] != station.messages:
            known = self._latencies[station.identity] = (station.messages, station.latencies.overall())
        return known[1]

    def ordered(self, facts: Iterable[Facts], order: str) -> list[Facts]:
        """These chargers in one of ``ORDERS``."""
        return sorted(facts, key=lambda one: self._rank(one, order))

    def _rank(self, facts: Facts, order: str) -> tuple[Any, ...]:
        station = facts.station
        match order:
            case "name":
                return (facts.key,)
            case "latency":
                waited = self.latency(station)
                return (-(waited[0] if waited is not None else -1), facts.key)
            case "silent":
                return (station.last if station is not None else 0, facts.key)
            case "charging":
                return (not facts.running, min((made.first_time for made in facts.running), default=0), facts.key)
        return facts.trouble

    def _cells(self, position: int, width: int) -> list[Cell]:
        facts = self._facts[position]
        columns, glyphs, utc = Columns(width), self.fieldkit.glyphs, self.fieldkit.settings.utc
        station = facts.station
        status = glyphs.status(facts.level, facts.word)
        waited = self.latency(station)
        latency = ""
        if waited is not None:
            latency = brief(waited[0]) if columns.latency < 12 else f"{brief(waited[0])} / {brief(waited[1])}"
        heartbeat = station.about.last_heartbeat if station is not None else None
        running = facts.running
        going = ""
        if running:
            made = running[0]
            long = " ".join(lasted(made, facts.until).split(" ")[:2])
            going = " ".join(filter(None, (energy(made.energy_wh), long))) or "goes on"
            going += f" +{len(running) - 1}" if len(running) > 1 else ""
        about = station.about if station is not None else None
        cells = [
            Cell(f"{status.sign} {status.word}", _WORD, facts.level),
            Cell(facts.name, columns.name, "bold"),
            *counts(facts, glyphs),
            Cell(connectors(station, _rest(width, columns)) or "-", -1),
            *columns.cells(
                [
                    (going or "-", columns.transaction, "none", False),
                    (clock(heartbeat or 0, utc=utc) if heartbeat else "-", columns.heartbeat, "none", False),
                    (latency or "-", columns.latency, "none", True),
                    (shift(station.clock.offset) if station is not None else "", columns.clock, "none", True),
                    (spaced(station.messages) if station is not None else "0", columns.messages, "none", True),
                    (f"{about.vendor} {about.model}" if about is not None else "", columns.vendor, "none", False),
                ]
            ),
        ]
        return [cell._replace(text=terminal(cell.text, 200)) for cell in cells]


def counts(facts: Facts, glyphs: Any) -> list[Cell]:
    """Findings by severity: sign and number, each in its place."""
    found = []
    for number, level, width in ((facts.critical, "fail", 3), (facts.warning, "warn", 3), (facts.info, "info", 3)):
        sign = glyphs.status(level).sign
        found.append(Cell(f"{sign}{number}" if number else "", width, level))
    return found


def header(width: int) -> list[Cell]:
    """Names of the columns."""
    columns = Columns(width)
    return [
        Cell("state", _WORD),
        Cell("charger", columns.name),
        Cell("findings", _FINDINGS),
        Cell("connectors", -1),
        *columns.cells(
            [
                ("transaction", columns.transaction, "none", False),
                ("heartb.", columns.heartbeat, "none", False),
                ("median" if columns.latency < 12 else "median / worst", columns.latency, "none", True),
                ("clock", columns.clock, "none", True),
                ("messages", columns.messages, "none", True),
                ("make and model", columns.vendor, "none", False),
            ]
        ),
    ]


def _rest(width: int, columns: Columns) -> int:
    fixed = (_WORD, columns.name, _FINDINGS, columns.transaction, columns.heartbeat, columns.latency, columns.clock,
             columns.messages, columns.vendor)  # fmt: skip
    return max(width - sum(size + 1 for size in fixed if size) - 1, 4)


ORDERS: Final = {
    "trouble": "those in trouble first",
    "name": "by name",
    "latency": "the slowest first",
    "silent": "the longest silent first",
    "charging": "those that charge first",
}
"""How the list can be sorted, in words."""


def station_header() -> LineHeader:
    """The line above the list."""
    return LineHeader(header)
