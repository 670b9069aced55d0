"""The lists about one charger, as cells: its findings, transactions, answers, settings, boots. No widget is known here
but the shape of a cell."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from fieldkit.checks.collector import Collected
from fieldkit.checks.words import duration
from fieldkit.ocpp.phrases import masked, names_token
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.safetext import mask, terminal
from fieldkit.site.about import Boot
from fieldkit.site.latency import Percentiles
from fieldkit.site.transaction import Transaction
from fieldkit.tui.facts import Facts, concerns, energy, lasted
from fieldkit.tui.findingwords import SHORT_OWNERS, told
from fieldkit.tui.glyphs import LEVELS, Glyphs
from fieldkit.tui.widgets.linelist import Cell
from fieldkit.tui.words import brief, clock, day, spaced

_BOOT_LEVELS: Final = {"Accepted": "ok", "Pending": "warn", "Rejected": "fail"}


@dataclass(frozen=True, slots=True)
class Look:
    """How things are to be said."""

    glyphs: Glyphs
    utc: bool
    show_ids: bool


@dataclass(slots=True)
class Table:
    """Rows of one section."""

    keys: Sequence[Hashable]
    draw: Callable[[int, int], list[Cell]]
    header: Callable[[int], list[Cell]] | None = None
    empty: str = ""


def findings_of(facts: Facts, findings: Sequence[Collected]) -> list[Collected]:
    """The worst first."""
    return [finding for finding in findings if concerns(finding, facts.key)]


def findings(found: Sequence[Collected], look: Look) -> Table:
    """What is wrong."""

    def draw(position: int, width: int) -> list[Cell]:
        finding = found[position]
        level = LEVELS[finding.severity]
        status = look.glyphs.status(level)
        place = finding.first_seen.connector if not finding.merged else ""
        title = finding.kind.title + (f" (connector {place})" if place else "")
        cells = [
            Cell(f"{status.sign} {status.word}", 6, level),
            Cell(terminal(title, 200), -1, "bold" if level == "fail" else "none"),
            Cell(f"×{finding.count}" if finding.count > 1 else "", 4, right=True),
            Cell(SHORT_OWNERS[finding.owner], 8),
        ]
        if width >= 100:
            cells.append(Cell(clock(finding.first, utc=look.utc), 8))
        return cells

    return Table([finding.kind.id + str(id(finding)) for finding in found], draw, None, "nothing was found wrong")


def finding_words(finding: Collected, look: Look) -> list[str]:
    """Explanation and advice of a finding: a sentence each."""
    words = told(finding, show_ids=look.show_ids, utc=look.utc)
    return [f"{'Probably: ' if words.inferred else ''}{words.what}", f"To do ({words.owner}): {words.advice}"]


def transactions_of(facts: Facts) -> list[Transaction]:
    """The latest first."""
    if facts.station is None:
        return []
    ledger = facts.station.transactions
    made = [*ledger.closed, *ledger.open.values()]
    return sorted(made, key=lambda one: -(one.first_time or one.last_time))


def transactions(made: Sequence[Transaction], now: int, look: Look) -> Table:
    """What was charged."""

    def draw(position: int, width: int) -> list[Cell]:
        one = made[position]
        went = (one.energy_wh or 0) < 0
        end = (
            "goes on" if one.end is None else f"ended: {terminal(one.stop_reason, 24)}" if one.stop_reason else "ended"
        )
        if one.begin is None:
            end += ", start not seen"
        if one.offline:
            end += ", told late"
        flowed = "backwards!" if went else energy(one.energy_wh) or "-"
        stamp = clock(one.first_time, utc=look.utc)
        if width >= 100:
            stamp = f"{day(one.first_time, utc=look.utc)} {stamp}"
        token = one.id_token if look.show_ids else mask(one.id_token)
        cells = [
            Cell(stamp, 19 if width >= 100 else 8),
            Cell(terminal(one.connector, 6) or "-", 5),
            Cell(terminal(one.id, 40) or "(none)", 36 if width >= 130 else 12),
            Cell(flowed, 10, "warn" if went else "bold", right=True),
            Cell(lasted(one, now) or "-", 12, right=True),
            Cell(end, -1, "ok" if one.end is None else "none"),
        ]
        if width >= 100:
            cells.append(Cell(terminal(token, 20), 12))
        return cells

    def header(width: int) -> list[Cell]:
        cells = [
            Cell("began", 19 if width >= 100 else 8),
            Cell("conn.", 5),
            Cell("transaction", 36 if width >= 130 else 12),
            Cell("energy", 10, right=True),
            Cell("lasted", 12, right=True),
            Cell("end", -1),
        ]
        return [*cells, Cell("id token", 12)] if width >= 100 else cells

    keys = [(one.connector, one.id, one.first_time) for one in made]
    return Table(keys, draw, header, "no transaction was seen")


def latencies_of(facts: Facts) -> list[Percentiles]:
    """The slowest first."""
    if facts.station is None:
        return []
    return sorted(facts.station.latencies.summary(), key=lambda one: (-one.longest, one.action))


def latencies(found: Sequence[Percentiles], look: Look) -> Table:
    """How long answers take."""

    def draw(position: int, width: int) -> list[Cell]:
        one = found[position]
        return [
            Cell("CSMS" if one.side == "csms" else "charger", 8),
            Cell(terminal(one.action, 60), -1),
            Cell(spaced(one.count), 7, right=True),
            Cell(brief(one.p50) if one.count else "-", 8, right=True),
            Cell(brief(one.p90) if one.count else "-", 8, right=True),
            Cell(brief(one.longest) if one.count else "-", 8, "bold", right=True),
            Cell(f"{look.glyphs.warn}{one.unanswered}" if one.unanswered else "", 6, "warn", right=True),
            Cell(str(one.errors) if one.errors else "", 6, right=True),
        ]

    def header(width: int) -> list[Cell]:
        return [
            Cell("who", 8),
            Cell("action", -1),
            Cell("answers", 7, right=True),
            Cell("median", 8, right=True),
            Cell("9 of 10", 8, right=True),
            Cell("worst", 8, right=True),
            Cell("none", 6, right=True),
            Cell("errors", 6, right=True),
        ]

    return Table([(one.side, one.action) for one in found], draw, header, "no answer was seen")


def settings_of(facts: Facts, look: Look) -> list[tuple[str, str, str, str, int]]:
    """(key, value, access, told by, when) of each setting; secrets were never kept, id tokens are masked."""
    if facts.station is None:
        return []
    found = []
    for key, setting in sorted(facts.station.about.settings.items()):
        value = setting.value
        if value is None:
            shown = "(not told)"
        elif look.show_ids:
            shown = conceal_text(value)
        else:
            shown = mask(value) if names_token(key) else masked(conceal_text(value))
        access = "" if setting.readonly is None else "read only" if setting.readonly else "writable"
        found.append((terminal(key, 100), terminal(shown, 300), access, terminal(setting.by, 30), setting.time))
    return found


def settings(found: Sequence[tuple[str, str, str, str, int]], look: Look) -> Table:
    """The configuration that was seen."""

    def draw(position: int, width: int) -> list[Cell]:
        key, value, access, by, time = found[position]
        cells = [Cell(key, max(width * 2 // 5, 24)), Cell(value, -1, "bold")]
        if width >= 70:
            cells.append(Cell(access, 9))
        if width >= 100:
            cells += [Cell(by, 20), Cell(clock(time, utc=look.utc), 8)]
        return cells

    def header(width: int) -> list[Cell]:
        cells = [Cell("setting", max(width * 2 // 5, 24)), Cell("value", -1)]
        if width >= 70:
            cells.append(Cell("access", 9))
        if width >= 100:
            cells += [Cell("told by", 20), Cell("when", 8)]
        return cells

    keys = [row[0] for row in found]
    return Table(keys, draw, header, "its configuration was not asked for in what was seen")


def boots_of(facts: Facts) -> list[Boot]:
    """The latest first."""
    return list(reversed(facts.station.about.boots)) if facts.station is not None else []


def boots(found: Sequence[Boot], look: Look) -> Table:
    """Each BootNotification."""

    def draw(position: int, width: int) -> list[Cell]:
        boot = found[position]
        status = terminal(boot.status, 20) or "not answered"
        level = _BOOT_LEVELS.get(boot.status, "warn")
        sign = look.glyphs.status(level).sign  # type: ignore[arg-type]
        interval = ""
        if boot.interval is not None:
            what = "heartbeat every" if boot.status == "Accepted" else "try again in"
            interval = f"{what} {duration(boot.interval * 1e9)}"
        return [
            Cell(f"{day(boot.time, utc=look.utc)} {clock(boot.time, utc=look.utc)}".strip(), 19),
            Cell(f"{sign} {status}", 16, level),
            Cell(terminal(boot.reason, 30) or "no reason told", 26 if width >= 100 else 14),
            Cell(interval, -1),
        ]

    return Table([boot.time for boot in found], draw, None, "no BootNotification was seen")
