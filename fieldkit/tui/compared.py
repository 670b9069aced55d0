"""Two sessions of a charger held against each other: what is new, what is gone, what has changed by how much.

Made of two runs, each read while its own engine holds still; no widget is known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from fieldkit.checks.collector import Collected
from fieldkit.checks.words import duration
from fieldkit.safetext import terminal
from fieldkit.session import Session
from fieldkit.site.latency import Percentiles
from fieldkit.site.station import Station
from fieldkit.tui.chargertables import Look, settings_of, transactions_of
from fieldkit.tui.facts import Facts, concerns, energy, one, shift
from fieldkit.tui.words import brief, clock, day, spaced

Change: TypeAlias = Literal["same", "differs", "new", "gone", "better", "worse"]
"""Of the right side against the left: new is there only, gone is here only."""

WORDS: Final[dict[Change, str]] = {
    "same": "", "differs": "DIFFERS", "new": "NEW", "gone": "GONE", "better": "BETTER", "worse": "WORSE",
}  # fmt: skip
_MUCH: Final = 1.5
"""So many times slower or faster is told, beyond …"""
_LITTLE: Final = 20_000_000
"""… nanoseconds that nobody notices."""
_CLOCK: Final = 1_000_000_000
"""Nanoseconds by which a clock may differ from one day to another."""


class Number(NamedTuple):
    """Something of a session as a whole."""

    what: str
    value: str
    raw: float | None = None
    """Nanoseconds, of what may differ a little and be the same …"""
    kind: Literal["", "wait", "clock", "any"] = ""
    """… as a wait, or a clock; any: it differs always, and nobody wonders."""


@dataclass(slots=True)
class Side:
    """One session of the charger."""

    name: str
    """Of its source."""
    key: str
    facts: Facts
    findings: list[Collected]
    latencies: dict[tuple[str, str], Percentiles]
    settings: dict[str, str]
    numbers: list[Number]
    boots: list[Number]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing on both sides."""

    what: str
    left: str
    right: str
    change: Change
    finding: Collected | None = None
    """Of the left side."""
    level: str = ""
    """How bad the finding is: "fail", "warn", "info"."""


@dataclass(slots=True)
class Section:
    """Lines that belong together."""

    title: str
    lines: list[Line] = field(default_factory=list)

    @property
    def differing(self) -> int:
        """Lines that are not the same."""
        return sum(line.change != "same" for line in self.lines)


def side(name: str, session: Session, findings: Sequence[Collected], key: str, look: Look, *, running: bool) -> Side:
    """Everything of a charger that is compared. Call it while its engine holds still."""
    facts = one(session, findings, key, running=running)
    station = facts.station
    up = seen = 0
    if station is not None:
        for connector in station.connectors.all.values():
            share = session.picture.outcomes.uptime.of(key, connector.name, session.picture.time)
            up, seen = up + share[0], seen + share[1]
    return Side(
        name=terminal(name, 60),
        key=key,
        facts=facts,
        findings=[finding for finding in findings if concerns(finding, key)],
        latencies={(entry.side, entry.action): entry for entry in station.latencies.summary()} if station else {},
        settings={row[0]: row[1] for row in settings_of(facts, look)},
        numbers=_numbers(facts, look, up / seen if seen else None),
        boots=_boots(station),
    )


def partner(session: Session, key: str) -> str:
    """The charger of another session that this one is to be compared with: of the same name, or the only one there is;
    empty when there is neither."""
    names = {*session.picture.stations, *(link.station for link in session.picture.links.all.values() if link.station)}
    if key in names:
        return key
    return next(iter(names)) if len(names) == 1 else ""


def compare(left: Side, right: Side) -> list[Section]:
    """Section by section; those first that say most."""
    return [
        _findings(left, right),
        _pairs("How it went", left.numbers, right.numbers),
        _pairs("Boots", left.boots, right.boots),
        _configuration(left, right),
        _latencies(left, right),
    ]


def _numbers(facts: Facts, look: Look, up: float | None) -> list[Number]:
    station = facts.station
    made = transactions_of(facts)
    used = [one_.energy_wh for one_ in made if one_.energy_wh is not None and one_.energy_wh >= 0]
    connected = [link for link in facts.links if link.messages]
    failed = [link for link in facts.links if not link.messages and (link.status or 0) != 101]
    offset = station.clock.offset if station is not None else None
    interval = station.about.heartbeat_interval if station is not None else None
    first = station.first if station is not None else 0
    last = station.last if station is not None else 0
    waited = station.latencies.overall() if station is not None else None
    return [
        Number("state", facts.word),
        Number("day", day(first, utc=look.utc) if first else "-", kind="any"),
        Number("seen from", clock(first, utc=look.utc) if first else "-", kind="any"),
        Number("seen for", duration(last - first) if first else "-", kind="any"),
        Number("messages", spaced(station.messages) if station is not None else "0", kind="any"),
        Number("connections", str(len(connected))),
        Number("connections that failed", str(len(failed))),
        Number("transactions", str(len(made))),
        Number("energy", energy(sum(used)) if used else "-"),
        Number("uptime of its connectors", "-" if up is None else f"{up:.1%}"),
        Number("answers, median", brief(waited[0]) if waited else "-", waited[0] if waited else None, "wait"),
        Number("answers, worst", brief(waited[1]) if waited else "-", waited[1] if waited else None, "wait"),
        Number("heartbeat every", duration(interval * 1e9) if interval is not None else "-"),
        Number("clock is off by", shift(offset) or "-", offset, "clock"),
    ]


def _boots(station: Station | None) -> list[Number]:
    if station is None:
        return []
    about = station.about
    rows = [
        ("vendor", terminal(about.vendor, 60)),
        ("model", terminal(about.model, 60)),
        ("serial number", terminal(about.serial, 60)),
        ("firmware", terminal(about.firmware, 60)),
        ("OCPP version", terminal(", ".join(station.versions), 60)),
        ("transport", terminal(", ".join(station.transports), 40)),
        ("boots seen", str(about.boot_count)),
    ]
    if about.boots:
        boot = about.boots[-1]
        rows.append(("last boot", terminal(boot.status, 20) or "not answered"))
        rows.append(("its reason", terminal(boot.reason, 40) or "-"))
    return [Number(what, value) for what, value in rows]


def _pairs(title: str, left: Sequence[Number], right: Sequence[Number]) -> Section:
    there = {number.what: number for number in right}
    section = Section(title)
    for number in left:
        other = there.pop(number.what, Number(number.what, "-"))
        section.lines.append(Line(number.what, number.value or "-", other.value or "-", _change(number, other)))
    section.lines += [Line(number.what, "-", number.value or "-", "differs") for number in there.values()]
    return section


def _change(here: Number, there: Number) -> Change:
    if here.value == there.value or here.kind == "any":
        return "same"
    if here.raw is None or there.raw is None:
        return "differs"
    if here.kind == "clock":
        return "same" if abs(here.raw - there.raw) < _CLOCK else "differs"
    return _waited(here.raw, there.raw)


def _waited(here: float, there: float) -> Change:
    if there > here * _MUCH and there - here > _LITTLE:
        return "worse"
    return "better" if here > there * _MUCH and here - there > _LITTLE else "same"


def _findings(left: Side, right: Side) -> Section:
    """By kind and connector: the same fault on another day has another transaction."""
    section = Section("Findings")
    levels = {"critical": "fail", "warning": "warn", "info": "info"}
    mine, theirs = _kinds(left.findings), _kinds(right.findings)
    order = [*mine, *(key for key in theirs if key not in mine)]
    for key in order:
        here, there = mine.get(key, []), theirs.get(key, [])
        first = (here or there)[0]
        count, other = sum(found.count for found in here), sum(found.count for found in there)
        change: Change = "same" if here and there else "gone" if here else "new"
        place = f" (connector {terminal(key[1], 8)})" if key[1] else ""
        title = terminal(first.kind.title, 120) + place
        section.lines.append(
            Line(title, f"×{count}" if count else "-", f"×{other}" if other else "-", change,
                 here[0] if here else None, levels[first.severity])
        )  # fmt: skip
    section.lines.sort(key=lambda line: (["fail", "warn", "info"].index(line.level), line.change == "same"))
    return section


def _kinds(findings: Sequence[Collected]) -> dict[tuple[str, str], list[Collected]]:
    found: dict[tuple[str, str], list[Collected]] = {}
    for finding in findings:
        connector = "" if finding.merged else finding.first_seen.connector
        found.setdefault((finding.kind.id, connector), []).append(finding)
    return found


def _configuration(left: Side, right: Side) -> Section:
    section = Section("Configuration seen")
    if not left.settings or not right.settings:
        # Where one side was not asked, nothing has changed.
        known = left.settings or right.settings
        if known:
            where = "left" if left.settings else "right"
            section.lines.append(
                Line(f"{len(known)} settings", *(("seen", "not asked") if where == "left" else ("not asked", "seen")),
                     "same")
            )  # fmt: skip
        return section
    for key in sorted({*left.settings, *right.settings}):
        here, there = left.settings.get(key), right.settings.get(key)
        change: Change = "same" if here == there else "gone" if there is None else "new" if here is None else "differs"
        section.lines.append(Line(key, here if here is not None else "-", there if there is not None else "-", change))
    return section


def _latencies(left: Side, right: Side) -> Section:
    section = Section("How long answers take (median / worst)")
    for key in sorted({*left.latencies, *right.latencies}):
        here, there = left.latencies.get(key), right.latencies.get(key)
        change: Change = "same"
        if here is not None and there is not None and here.count and there.count:
            change = _waited(here.p50, there.p50)
        who = "CSMS" if key[0] == "csms" else "charger"
        section.lines.append(Line(f"{who}: {terminal(key[1], 50)}", _took(here), _took(there), change))
    return section


def _took(entry: Percentiles | None) -> str:
    if entry is None:
        return "-"
    if not entry.count:
        return f"no answer (×{entry.unanswered})" if entry.unanswered else "-"
    return f"{brief(entry.p50)} / {brief(entry.longest)}"
