"""What became of customers' attempts, in the numbers that operators are measured by.

The names are those of the ChargeX consortium's customer-focused key performance indicators; the formulas follow them
as far as OCPP shows what they ask for, with the thresholds of ``Rules``. ``method`` puts all of it into sentences,
which reports print beside the numbers. An attempt counts in a share only when what was seen decides it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Final

from fieldkit.events import ConnectionClosed, OcppMessage
from fieldkit.site.attempt import JOIN, Attempt, Attempts
from fieldkit.site.station import Station
from fieldkit.site.uptime import Uptime

MAX_VISITS: Final = 10_000
"""Visits that may still go on: drivers within half an hour, at the largest of sites."""
MAX_TIMES: Final = 4096
"""Start times that are kept: beyond it every second one is thrown away, which keeps percentiles honest."""
_MINUTE: Final = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds, which an operator may set otherwise."""

    least_wh: float = 100.0
    """Energy above which a session is worth its name: 0.1 kWh."""
    visit_gap: int = 30 * _MINUTE
    """A driver who comes back within this time is on the same visit."""
    anonymous_gap: int = 2 * _MINUTE
    """The same at one port when nobody knows the driver."""


@dataclass(slots=True)
class Share:
    """So many of so many."""

    good: int = 0
    of: int = 0

    def count(self, outcome: bool | None) -> None:
        if outcome is not None:
            self.of += 1
            self.good += outcome


@dataclass(slots=True)
class _Visit:
    """One person's attempts at one station."""

    first: bool | None
    """Success of its first attempt."""
    last: int


@dataclass(slots=True)
class Numbers:
    """The outcome of all attempts up to some time."""

    attempts: int = 0
    charge_start: Share = field(default_factory=Share)
    charge_end: Share = field(default_factory=Share)
    session: Share = field(default_factory=Share)
    visits: int = 0
    first_attempt: Share = field(default_factory=Share)
    start_times: list[int] = field(default_factory=list)
    """Nanoseconds, a fair selection when there were many."""


class Outcomes:
    """The attempts of all stations of a session, and the uptime of their connectors."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules if rules is not None else Rules()
        self.uptime = Uptime()
        self._stations: dict[str, Attempts] = {}
        self._counted = Numbers()
        self._visits: OrderedDict[tuple[str, ...], _Visit] = OrderedDict()
        self._stride = 1
        self._skipped = 0

    def feed(self, message: OcppMessage, station: Station) -> None:
        """Take in a message that ``station`` has taken in."""
        self.uptime.seen(message)
        action = message.action
        if action not in Attempts.ACTIONS:
            return
        if action == "StatusNotification" or action == "NotifyEvent":
            self.uptime.status(message, station)
        attempts = self._stations.get(station.identity)
        if attempts is None:
            attempts = self._stations[station.identity] = Attempts(self._done)
        attempts.feed(message, station)

    def closed(self, event: ConnectionClosed) -> None:
        """A connection ended."""
        self.uptime.closed(event)

    def numbers(self, now: int) -> Numbers:
        """What came of the attempts, those that still go on included as far as they are decided."""
        counted = self._counted
        numbers = Numbers(
            counted.attempts,
            replace(counted.charge_start),
            replace(counted.charge_end),
            replace(counted.session),
            counted.visits,
            replace(counted.first_attempt),
            list(counted.start_times),
        )
        visits = OrderedDict((key, replace(visit)) for key, visit in self._visits.items())
        going = [attempt for attempts in self._stations.values() for attempt in attempts.open(now)]
        for attempt in sorted(going, key=lambda attempt: attempt.begun):
            if not _counts(attempt):
                continue
            self._judge(attempt, numbers)
            if attempt.beginning_seen:
                self._visit(attempt, visits, numbers)
            time = attempt.start_time
            if time is not None:
                numbers.start_times.append(time)
        for visit in visits.values():
            numbers.visits += 1
            numbers.first_attempt.count(visit.first)
        return numbers

    def method(self) -> list[str]:
        """How all this is counted, in sentences."""
        rules = self.rules
        energy = f"{rules.least_wh / 1000:g} kWh"
        visit, anonymous = rules.visit_gap // _MINUTE, rules.anonymous_gap // _MINUTE
        return [
            "The indicators are ChargeX's customer-focused ones, counted from OCPP messages alone; an attempt whose "
            "beginning or end was not seen is left out of every share that needs it.",
            "An attempt begins with plug-in (a connector goes from Available to Preparing or Occupied) or "
            "authorisation (Authorize or a remote start), whichever comes first, and takes in what follows at that "
            f"connector or EVSE; an authorisation waits up to {JOIN // _MINUTE} minutes for its plug-in, and cards "
            "tried again meanwhile are the same attempt.",
            "Charge start success = attempts in which energy flowed (status or chargingState Charging, or a register "
            "that rose; not if the register at the end shows 0 Wh) / attempts of which that is known.",
            "Charge end success = attempts that ended with reason Local, Remote or EVDisconnected (2.x: also "
            "StoppedByEV and a limit that the driver set), without Faulted until the next status of the connector, "
            "and with a register that did not go backwards / attempts in which energy flowed and whose end was seen.",
            f"Session success = attempts that started and ended successfully and took more than {energy} / attempts "
            "of which that is known.",
            f"A visit joins the attempts of one id token that lie less than {visit} minutes apart, without a token "
            f"those at one connector less than {anonymous} minutes apart; an attempt without a token shortly before "
            "one with a token is the same driver's.",
            "Start time runs from the moment at which plug-in and authorisation had both been seen (or the one of "
            "them that was) to the first Charging.",
            "Uptime = time in which the station was connected and the connector neither Faulted nor Unavailable / "
            "time observed since its first status. A station whose connection ended was offline until it was seen "
            "again; if it was not, the time since then is not counted. A log and SOAP do not show that: there a "
            "station is observed from its first message to its last.",
        ]

    # -------------------------------------------------------------------------------------------------------- counting

    def _done(self, attempt: Attempt) -> None:
        if not _counts(attempt):
            return
        self._judge(attempt, self._counted)
        if attempt.beginning_seen:
            self._visit(attempt, self._visits, self._counted)
        time = attempt.start_time
        if time is not None:
            self._keep(time)

    def _judge(self, attempt: Attempt, numbers: Numbers) -> None:
        numbers.attempts += attempt.beginning_seen
        numbers.charge_start.count(attempt.started)
        numbers.charge_end.count(attempt.ended_well)
        numbers.session.count(attempt.successful(self.rules.least_wh))

    def _visit(self, attempt: Attempt, visits: OrderedDict[tuple[str, ...], _Visit], numbers: Numbers) -> None:
        rules = self.rules
        port = (attempt.station, attempt.port)
        key: tuple[str, ...] = (attempt.token,) if attempt.token else port
        known = visits.get(key)
        if known is not None and attempt.begun - known.last > (
            rules.visit_gap if attempt.token else rules.anonymous_gap
        ):
            del visits[key]
            numbers.visits += 1
            numbers.first_attempt.count(known.first)
            known = None
        before = visits.get(port) if attempt.token and attempt.port else None
        if before is not None and attempt.begun - before.last <= rules.anonymous_gap:
            # Somebody without a card just before somebody with one, at the same port: the same driver.
            del visits[port]
            if known is None:
                known = visits[key] = before
        if known is None:
            visits[key] = _Visit(attempt.successful(rules.least_wh), attempt.last)
            if len(visits) > MAX_VISITS:
                _, oldest = visits.popitem(last=False)
                numbers.visits += 1
                numbers.first_attempt.count(oldest.first)
        else:
            known.last = max(known.last, attempt.last)
            visits.move_to_end(key)

    def _keep(self, time: int) -> None:
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        times = self._counted.start_times
        times.append(time)
        if len(times) >= MAX_TIMES:
            del times[::2]
            self._stride *= 2


def _counts(attempt: Attempt) -> bool:
    """A transaction that ended without its start, its connector and a word about energy says nothing."""
    return attempt.beginning_seen or attempt.charging is not None or attempt.energy_wh is not None
