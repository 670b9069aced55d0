"""What a charger went through, as bands and marks over time: connections, states, transactions, findings, boots.

Made of the session each time it is looked at, under the engine's lock; all lists in it are bounded, so this is too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fieldkit.checks.collector import Collected
from fieldkit.events import Event
from fieldkit.reports.svg_timeline import STATUS_CLASSES
from fieldkit.safetext import terminal
from fieldkit.site.connector import Connector
from fieldkit.site.picture import Picture
from fieldkit.site.transaction import Transaction
from fieldkit.tui.facts import Facts, concerns, ended, energy, lasted, refused
from fieldkit.tui.glyphs import LEVELS

MAX_MARKS: Final = 2000
"""Marks of one charger: findings with a few pieces of evidence each, and boots."""
RANK: Final = ("free", "other", "busy", "transaction", "on", "charging", "waiting", "off", "refused", "fault")
"""Where a column has room for one band only it is the last of these."""


class Band(NamedTuple):
    """Something that lasted."""

    first: int
    last: int
    text: str
    """Stands in the band where there is room."""
    css: str
    title: str
    """What is told when the cursor is on it."""
    begun: Event | None = None
    """The message that began it."""
    open_end: bool = False


class Mark(NamedTuple):
    """Something that happened."""

    time: int
    kind: str
    """"fail", "warn", "info", "boot"."""
    title: str
    event: Event | None


@dataclass(slots=True)
class Lane:
    """One line of the drawing."""

    name: str
    bands: list[Band] = field(default_factory=list)


@dataclass(slots=True)
class Course:
    """All of one charger."""

    first: int
    last: int
    marks: list[Mark] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)

    def changes(self) -> list[int]:
        """Times at which something begins or happens, in order."""
        times = {mark.time for mark in self.marks}
        times |= {band.first for lane in self.lanes for band in lane.bands}
        return sorted(time for time in times if self.first <= time <= self.last)


def course(facts: Facts, picture: Picture, findings: Sequence[Collected], *, now: int = 0) -> Course:
    """The course of one charger. ``now``: of something live, the time of day."""
    now = max(now, picture.time)
    station = facts.station
    until = min(facts.until, now)
    marks = _marks(facts, findings)
    lanes = [_connections(facts, now)] if facts.links else []
    if station is not None:
        by_connector: dict[str, list[Transaction]] = {}
        for made in (*station.transactions.closed, *station.transactions.open.values()):
            by_connector.setdefault(made.connector, []).append(made)
        for _, connector in sorted(station.connectors.all.items()):
            name = f"conn {connector.name}" if connector.name else "station"
            lanes.append(Lane(name, _states(connector, until)))
            transactions = by_connector.pop(connector.name, [])
            if transactions:
                lanes.append(Lane("  charge", [_transaction(made, until) for made in transactions]))
        for name, transactions in by_connector.items():
            # Nothing told a state of these.
            lanes.append(
                Lane(f"charge {terminal(name, 6)}".rstrip(), [_transaction(made, until) for made in transactions])
            )
    times = [time for lane in lanes for band in lane.bands for time in (band.first, band.last)]
    times += [mark.time for mark in marks]
    if station is not None:
        times += [station.first, station.last]
    times = [time for time in times if time > 0]
    first, last = (min(times), max(times)) if times else (now, now)
    return Course(first, max(last, first + 1), marks, lanes)


def _marks(facts: Facts, findings: Sequence[Collected]) -> list[Mark]:
    marks: list[Mark] = []
    for finding in findings:
        if len(marks) >= MAX_MARKS or not concerns(finding, facts.key):
            continue
        level = LEVELS[finding.severity]
        title = terminal(finding.kind.title, 120)
        told = {event.time: event for event in (*finding.evidence[:1], *finding.latest[-1:]) if event.time > 0}
        marks += [Mark(time, level, title, event) for time, event in told.items()]
    station = facts.station
    for boot in station.about.boots if station is not None else ():
        status = terminal(boot.status, 20) or "not answered"
        reason = f", reason {terminal(boot.reason, 30)}" if boot.reason else ""
        marks.append(Mark(boot.time, "boot", f"boot: {status}{reason}", boot.call))
    return sorted(marks, key=lambda mark: mark.time)


def _connections(facts: Facts, now: int) -> Lane:
    bands = []
    for link in facts.links:
        first = link.connection.opened or link.asked or now
        last = link.closed if link.closed is not None else max(now, first)
        server = f"{link.connection.server.address}:{link.connection.server.port}"
        where = f"to {server}"
        open_end = link.closed is None or link.how == "end-of-capture"
        if link.messages or (link.status == 101 and "ocpp" in link.agreed.lower()):
            said = link.agreed or (f"ocpp{link.version}" if link.version else "connected")
            how = "" if open_end else f", {ended(link)}"
            title = f"connection {link.connection.number} {where} ({terminal(said, 20)}){how}"
            bands.append(Band(first, last, terminal(said, 20), "on", title, None, open_end))
        else:
            word = str(link.status) if link.status not in (None, 101) else "refused"
            bands.append(Band(first, last, word, "refused", f"connection {where}: {refused(link)}", None, open_end))
    return Lane("connect", sorted(bands))


def _states(connector: Connector, until: int) -> list[Band]:
    changes = list(connector.history)
    bands: list[Band] = []
    for number, change in enumerate(changes):
        last = changes[number + 1].time if number + 1 < len(changes) else max(until, change.time)
        error = change.error if change.error not in ("", "NoError") else ""
        status = terminal(change.status, 24)
        title = f"{f'connector {connector.name}' if connector.name else 'the station'} {status}"
        for said in (error, change.vendor_error, change.info):
            if said:
                title += f", {terminal(said, 60)}"
        css = STATUS_CLASSES.get(change.status, "other")
        text = f"{status} {terminal(error, 24)}".strip()
        if bands and bands[-1].text == text and bands[-1].title == title:
            bands[-1] = bands[-1]._replace(last=last)
        else:
            bands.append(Band(change.time, last, text, css, title, change.message, number + 1 == len(changes)))
    return bands


def _transaction(made: Transaction, now: int) -> Band:
    first = made.first_time or now
    last = made.end.time if made.end is not None else max(made.last_time, first)
    what = energy(made.energy_wh)
    name = f"transaction {terminal(made.id, 40)}" if made.id else "transaction without an id"
    title = ", ".join(filter(None, (name, what, lasted(made, now))))
    if made.end is not None and made.stop_reason:
        title += f", ended: {terminal(made.stop_reason, 24)}"
    elif made.end is None:
        title += ", its end was not seen"
    if made.begin is None:
        title += ", its start was not seen"
    text = what or terminal(made.id, 12)
    return Band(first, max(last, first), text, "transaction", title, made.begin or made.end, made.end is None)
