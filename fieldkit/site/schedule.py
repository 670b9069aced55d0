"""The arithmetic of charging schedules: what a schedule allows at one moment, and what several allow together.

1.6 §3.13 and §7.8-7.15, 2.x Part 2 K. A schedule is a list of periods, each with a limit that holds from its start (in
seconds after the schedule's own start) to the next one's. Everything is in the time of the station's clock, in ns.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Final, Literal

from fieldkit.site.reading import flag, member, moment, number, objects, text, whole

SECOND: Final = 1_000_000_000
RECURRENCES: Final = {"Daily": 86_400, "Weekly": 604_800}
"""Seconds after which a recurring schedule begins again (1.6 §7.37)."""
MAX_PERIODS: Final = 1000
"""Of one schedule; 2.x has room for 1,024, real ones have up to 96."""
MAX_OFFSET: Final = 10 * 366 * 86_400
"""Seconds, ten years: what begins later than that never does, and times beyond it are taken for nonsense."""

RateUnit = Literal["A", "W", ""]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one schedule allows at one moment."""

    value: float
    unit: RateUnit
    phases: int | None
    """How many phases may be used; None where the schedule does not say (then three, 1.6 §7.14)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A chargingSchedule, read."""

    unit: RateUnit
    starts: tuple[int, ...]
    """Seconds after the start, ascending."""
    limits: tuple[float | None, ...]
    """One for each; None where a period has none (2.1 setpoints and the like)."""
    phases: tuple[int | None, ...]
    duration: int | None = None
    """Seconds; None: until the last period is replaced."""
    start: int | None = None
    """startSchedule, ns."""

    def at(self, offset: int) -> Allowed | None:
        """What is allowed so many nanoseconds after the start; None when the schedule says nothing of it."""
        if offset < 0 or (self.duration is not None and offset >= self.duration * SECOND):
            return None
        index = bisect_right(self.starts, offset // SECOND) - 1
        limit = self.limits[index] if index >= 0 else None
        return None if limit is None else Allowed(limit, self.unit, self.phases[index])

    def edges(self) -> tuple[int, ...]:
        """Where the limit may change, seconds after the start."""
        return self.starts if self.duration is None else (*self.starts, self.duration)


@dataclass(frozen=True, slots=True)
class Plan:
    """When a profile's schedule begins and when it counts."""

    schedule: Schedule
    kind: str
    """Absolute, Recurring, Relative (2.1: Dynamic)."""
    recurrence: int | None = None
    """Seconds."""
    valid_from: int | None = None
    valid_to: int | None = None
    uncertain: bool = False
    """It depends on what cannot be known here: local time zones, set points, signals of the grid (2.1)."""

    def at(self, time: int, charging_since: int | None) -> Allowed | None:
        """What the profile allows at ``time``; None when it does not apply then."""
        if self.valid_from is not None and time < self.valid_from:
            return None
        if self.valid_to is not None and time >= self.valid_to:
            return None
        start = self.started(charging_since)
        if start is None:
            return None
        offset = time - start
        if self.recurrence and offset >= 0:
            offset %= self.recurrence * SECOND
        return self.schedule.at(offset)

    def started(self, charging_since: int | None) -> int | None:
        """Where the schedule begins: 1.6 §7.8 and §7.13; without startSchedule it begins with the charging."""
        if self.kind == "Relative" or self.schedule.start is None:
            return charging_since
        return self.schedule.start

    @property
    def constant(self) -> bool:
        """Is it one limit that holds on, wherever the schedule is thought to begin?"""
        return len(set(self.schedule.limits)) == 1 and self.schedule.duration is None


def schedule_of(value: Any) -> Schedule | None:
    """Read a chargingSchedule (or the schedule of a composite one); None when no limits can be read of it."""
    unit = text(value, "chargingRateUnit")
    steps: list[tuple[int, float | None, int | None]] = []
    for period in objects(value, "chargingSchedulePeriod"):
        begin = whole(period, "startPeriod")
        if begin is None or not 0 <= begin <= MAX_OFFSET:
            continue
        limit = number(period, "limit")
        steps.append((begin, limit if limit is not None and limit >= 0 else None, whole(period, "numberPhases")))
    if not steps:
        return None
    steps.sort(key=lambda step: step[0])
    duration = whole(value, "duration")
    start = moment(value, "startSchedule")
    return Schedule(
        unit="A" if unit == "A" else "W" if unit == "W" else "",
        starts=tuple(step[0] for step in steps),
        limits=tuple(step[1] for step in steps),
        phases=tuple(step[2] if step[2] in (1, 2, 3) else None for step in steps),
        duration=duration if duration is not None and 0 < duration <= MAX_OFFSET else None,
        start=start if start is not None else moment(value, "scheduleStart"),  # as composite schedules of 2.x say
    )


def plan_of(profile: Any) -> Plan | None:
    """Read a chargingProfile (1.6: csChargingProfiles); None when it has no schedule that can be read."""
    value = first_schedule(profile)
    schedule = schedule_of(value)
    if schedule is None:
        return None
    kind = text(profile, "chargingProfileKind") or "Absolute"
    recurrence = RECURRENCES.get(text(profile, "recurrencyKind") or "") if kind == "Recurring" else None
    several = member(profile, "chargingSchedule")
    return Plan(
        schedule,
        kind,
        recurrence,
        moment(profile, "validFrom"),
        moment(profile, "validTo"),
        uncertain=(
            kind not in ("Absolute", "Relative", "Recurring")
            or (kind == "Recurring" and recurrence is None)
            or bool(flag(value, "useLocalTime"))
            or (whole(value, "randomizedDelay") or 0) > 0
            or None in schedule.limits
            # 2.x: up to three alternatives for an ISO 15118 vehicle, which chooses (K01.FR.20)
            or (several.__class__ is list and len(several) > 1)
        ),
    )


def first_schedule(profile: Any) -> Any:
    """1.6 has one chargingSchedule, 2.x a list of one to three."""
    value = member(profile, "chargingSchedule")
    return value[0] if value.__class__ is list and value else value
