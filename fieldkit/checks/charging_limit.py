"""Does a station keep to the charging profiles that it accepted? And who paused the charging?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.measured import Where, amount_words, by_phase, is_live, remember, total
from fieldkit.checks.ongoing import Ongoing
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture
from fieldkit.site.profile import Limit, Profile
from fieldkit.site.series import Sample
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction

EXCEEDED = Kind(
    id="energy.limit-exceeded",
    severity="warning",
    owner="station",
    title="More current or power flows than the charging profile allows",
    explanation="Profile {profile} ({purpose}) allows {limit}, but {measured} was measured, over the limit for {time} "
    "(first seen). If the limit protects a fuse or a grid connection, that is at risk.",
    advice="Check that the station's load management is enabled and that the limit's unit suits it (A per phase, W "
    "for all). If the vehicle ignores the limit, the station has to cut it off: ask the manufacturer.",
    reference="OCPP 1.6 §3.13",
)
NO_EFFECT = Kind(
    id="smart-charging.no-effect",
    severity="warning",
    owner="station",
    title="A charging profile was accepted but changed nothing",
    explanation="The station accepted profile {profile} ({purpose}), which allows {limit}, but went on with "
    "{measured} as before ({before}), for {time} so far. It says yes without doing it.",
    advice="Check that smart charging is enabled in the station and that no local setting overrules it, and try the "
    "other unit (A instead of W). If it still does nothing, ask the manufacturer for a firmware that does.",
    reference="https://github.com/lbbrhzn/ocpp/issues/1703",
)
PAUSED = Kind(
    id="smart-charging.paused-by-csms",
    severity="info",
    owner="csms",
    title="Charging was paused by the CSMS",
    explanation="The station suspended the charging (SuspendedEVSE) because profile {profile} ({purpose}) allows only "
    "{limit}: a vehicle needs at least 6 A. The vehicle waits; nothing is broken.",
    advice="If the driver complains, look in the CSMS for the load management or schedule that set this limit.",
    reference="OCPP 1.6 §3.13",
    inferred=True,
)

OVER: Final = 1.1
"""Control of a charging current overshoots, meters and pilot signals have tolerances: 10 % …"""
OVER_AMPERES: Final = 2.0
"""… and 2 A on top of a small limit …"""
OVER_WATTS: Final = 1500.0
"""… or what 2 A are on three phases."""
RAMP: Final = 60 * SECOND
"""A limit must have held for so long before it is judged (a vehicle has 5 s, control loops and DC ramps take longer),
and must be exceeded for so long."""
EDGE: Final = 15 * SECOND
"""Clocks are not exact: a new period of a schedule counts neither just before nor just after its begin."""
LEAST_CURRENT: Final = 6.0
"""A. What a control pilot can say at the least (IEC 61851-1, annex A): below it, a station may give 6 A or pause."""
LEAST_POWER: Final = 1380.0
"""W. 6 A on one phase of 230 V."""
LEAST_POWER_THREE: Final = 4140.0
"""W. 6 A on three phases: a station that cannot switch phases cannot give less."""
UNCHANGED: Final = 0.1
"""A current within 10 % of what it was has not reacted to the new limit."""
MAX_ACCEPTED: Final = 32
"""Profiles that were accepted during one transaction, of which it is known what flowed then: load management may set
one every minute, and it is the last ones that are in force."""


class _Measured(NamedTuple):
    time: int
    """By the station's clock."""
    value: float
    unit: Literal["A", "W"]
    message: OcppMessage


@dataclass(slots=True)
class _Over:
    """A limit being exceeded."""

    since: _Measured
    before: float | None
    """What flowed when the profile was accepted."""
    profile: Profile
    told: bool = False


class LimitCheck(Check):
    """Measured current per phase, or power, against the limit of the profiles in force.

    Amperes are held against profiles in A and watts against those in W: converting takes a voltage and a number of
    phases that stations and profiles understand in different ways.
    """

    kinds = (EXCEEDED, NO_EFFECT)
    actions = frozenset({"MeterValues", "TransactionEvent", "SetChargingProfile"})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._last: Ongoing[float] = Ongoing()
        """What was measured last, by transaction and unit."""
        self._before: Ongoing[dict[int, float]] = Ongoing()
        """The same when a profile was accepted, by the time of that."""
        self._over: Ongoing[_Over] = Ongoing()
        """By transaction and unit."""

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, OcppMessage):
            return
        station = picture.stations.get(event.channel.station)
        if station is None:
            return
        if event.action == "SetChargingProfile":
            if event.type is MessageType.CALLRESULT:
                self._note_accepted(event, station)
            return
        if event.type is not MessageType.CALL or not station.meters.fresh:
            return
        measured = station.meters.measured
        for unit, samples in (("A", measured.get("Current.Import")), ("W", measured.get("Power.Active.Import"))):
            if not samples or not samples[-1].transaction or samples[-1].unit != unit:
                continue
            value = _highest(samples) if unit == "A" else total(samples, samples[-1].time)
            sample = samples[-1]
            if value is None:
                continue
            now = _Measured(sample.time, value, unit, bounded(event))  # type: ignore[arg-type]
            if station.charging.profiles:
                yield from self._judge(now, sample, station)
            self._last.put(station, (sample.transaction, unit), value)

    def _note_accepted(self, answer: OcppMessage, station: Station) -> None:
        for made in station.transactions.open.values():
            for unit in ("A", "W"):
                last = self._last.get(station, (made.id, unit))
                if last is not None:
                    before = self._before.get(station, (made.id, unit))
                    if before is None:
                        before = self._before.put(station, (made.id, unit), {})
                    remember(before, answer.time, last, MAX_ACCEPTED)

    def _judge(self, now: _Measured, sample: Sample, station: Station) -> Iterator[Finding]:
        key = (sample.transaction, now.unit)
        limit = _firm_limit(now, sample, station)
        if limit is None:
            self._over.pop(station, key)
            return
        over = self._over.get(station, key)
        if over is None or over.profile is not limit.profile:
            before = (self._before.get(station, key) or {}).get(limit.profile.set_at)
            self._over.put(station, key, _Over(now, before, limit.profile))
            return
        if over.told or now.time - over.since.time < RAMP:
            return
        over.told = True
        unchanged = over.before is not None and abs(now.value - over.before) <= UNCHANGED * over.before
        values: dict[str, object] = {
            "profile": limit.profile.id,
            "purpose": limit.profile.purpose,
            "limit": _limit_words(limit),
            "measured": amount_words(now.value, now.unit),
            "time": duration(now.time - over.since.time),
        }
        if over.before is not None:
            values["before"] = amount_words(over.before, now.unit)
        yield Finding(
            NO_EFFECT if unchanged else EXCEEDED,
            now.message.time,
            station.identity,
            (limit.profile.message, over.since.message, now.message),
            values,
            connector=sample.connector,
            transaction=sample.transaction,
        )


def _highest(samples: list[Sample]) -> float | None:
    """The phase that carries most; None for a current that names no phase: it may be a sum, or that of a DC output."""
    phases = by_phase(samples, samples[-1].time)
    return max(phases.values()) if phases else None


def _firm_limit(now: _Measured, sample: Sample, station: Station) -> Limit | None:
    """The limit that is exceeded and has been in force for a while, whichever clock is a little off; else None."""
    charging, made = station.charging, station.transactions.open.get(sample.transaction)
    if made is None or made.started is None or charging.dropped:
        return None
    highest: Limit | None = None
    # The present comes first: a limit that is kept, as most are, need not be looked at any further.
    for back in (0, -EDGE, RAMP // 2, RAMP, RAMP + EDGE):
        limit = next(
            (
                limit
                for limit in charging.limit(sample.connector, now.time - back, made.started)
                if limit.unit == now.unit
            ),
            None,
        )
        if limit is None or now.value <= _tolerated(limit) or not _certain(limit.profile, now.message.time):
            return None
        if highest is None or limit.value > highest.value:
            highest = limit
    if highest is not None and not highest.profile.plan.constant and _floats(highest.profile):
        # Its beginning is the start of the charging, which stations take for different moments.
        limits = [value for value in highest.profile.schedule.limits if value is not None]
        highest = Limit(max(limits), highest.unit, highest.phases, highest.profile)
        if now.value <= _tolerated(highest):
            return None
    return highest if is_live(sample, now.message, station) else None


def _certain(profile: Profile, time: int) -> bool:
    return not profile.stale and not profile.plan.uncertain and time - profile.set_at >= RAMP + EDGE


def _floats(profile: Profile) -> bool:
    return profile.kind == "Relative" or profile.schedule.start is None


def _tolerated(limit: Limit) -> float:
    """What may be measured without a word."""
    if limit.unit == "A":
        value = max(limit.value, LEAST_CURRENT) if limit.value > 0 else 0.0
        return max(value * OVER, value + OVER_AMPERES)
    value = max(limit.value, LEAST_POWER_THREE) if limit.value > 0 else 0.0
    return max(value * OVER, value + OVER_WATTS)


def _limit_words(limit: Limit) -> str:
    words = amount_words(limit.value, limit.unit)
    return f"{words} per phase" if limit.unit == "A" else words


class PausedCheck(Check):
    """SuspendedEVSE while a profile allows next to nothing."""

    kinds = (PAUSED,)
    actions = frozenset({"StatusNotification", "TransactionEvent"})

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        station = picture.stations.get(event.channel.station)
        if station is None or not station.charging.profiles:
            return
        made = _suspended(event, station)
        if made is None or made.started is None:
            return
        time = event.time + (station.clock.offset or 0)
        for limit in station.charging.limit(made.connector, time, made.started):
            if limit.value < (LEAST_CURRENT if limit.unit == "A" else LEAST_POWER):
                values = {
                    "profile": limit.profile.id,
                    "purpose": limit.profile.purpose,
                    "limit": _limit_words(limit),
                    "since": clock(limit.profile.set_at),
                }
                place: Where = {"connector": made.connector, "transaction": made.id}
                yield Finding(PAUSED, event.time, station.identity, (event, limit.profile.message), values, **place)
                return


def _suspended(event: OcppMessage, station: Station) -> Transaction | None:
    """The transaction that this message says to be suspended by the station."""
    if event.action == "TransactionEvent":
        made = station.transactions.latest
        told = made is not None and made.charging_state == "SuspendedEVSE" and made.end is None
        # Said once: the trigger tells the message in which the state changed.
        return made if told and station.transactions.before[1] != "SuspendedEVSE" else None
    for connector, change in station.connectors.fresh:
        if change.status == "SuspendedEVSE" and change.previous != "SuspendedEVSE":
            return station.transactions.on(connector.name)
    return None
