"""One charging profile: how it is read, where it applies, and which of several leads (1.6 §3.13, 2.x Part 2 K)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from fieldkit.events import OcppMessage
from fieldkit.site.connector import connector_name
from fieldkit.site.light import bounded
from fieldkit.site.reading import text, whole
from fieldkit.site.schedule import Allowed, Plan, Schedule, plan_of

MAX_ID: Final = 64
"""Longest transaction id that is kept; 2.x allows 36 characters."""

TX: Final = "TxProfile"
TX_DEFAULT: Final = "TxDefaultProfile"
STATION_MAX: Final = frozenset({"ChargePointMaxProfile", "ChargingStationMaxProfile"})
EXTERNAL: Final = "ChargingStationExternalConstraints"
MODIFIERS: Final = frozenset({"PriorityCharging", "LocalGeneration"})
"""2.1: overrule or raise the other limits under conditions that messages do not show."""


@dataclass(slots=True)
class Profile:
    """A profile that the station accepted."""

    id: int
    connector: str
    """"" for the whole station (connector or EVSE 0)."""
    purpose: str
    stack_level: int
    transaction: str
    kind: str
    unit: Literal["A", "W", ""]
    schedule: Schedule
    """The chargingSchedule as read (2.x: the first of them)."""
    set_at: int
    message: OcppMessage
    plan: Plan
    source: str = "CSO"
    """2.x chargingLimitSource; "CSO" for what the CSMS set."""
    stale: bool = False
    """The station booted since: it should still have it, but that was not seen."""


@dataclass(slots=True)
class Limit:
    """What may flow at one moment."""

    value: float
    unit: Literal["A", "W", ""]
    phases: int | None
    profile: Profile
    """The one that decides."""


def connector_names(connector: str) -> frozenset[str]:
    """The names under which a connector's profiles may be filed: its own, its EVSE's, the station's."""
    return frozenset({connector, connector.partition("/")[0], ""})


def place_of(payload: Any) -> str:
    """Where a profile applies: connectorId (1.6) or evseId (2.x); "" for the station as a whole."""
    place = whole(payload, "connectorId")
    if place is not None:
        return connector_name(0, max(place, 0))
    return connector_name(max(whole(payload, "evseId") or 0, 0), 0)


def read_profile(value: Any, connector: str, time: int, message: OcppMessage) -> Profile | None:
    """A profile as sent by the CSMS or told by the station; None when it cannot be understood."""
    id_ = whole(value, "chargingProfileId")
    if id_ is None:
        id_ = whole(value, "id")
    plan = plan_of(value)
    if id_ is None or plan is None:
        return None
    transaction = whole(value, "transactionId")
    return Profile(
        id=id_,
        connector=connector,
        purpose=(text(value, "chargingProfilePurpose") or "")[:MAX_ID],
        stack_level=whole(value, "stackLevel") or 0,
        transaction=str(transaction) if transaction is not None else (text(value, "transactionId") or "")[:MAX_ID],
        kind=plan.kind[:MAX_ID],
        unit=plan.schedule.unit,
        schedule=plan.schedule,
        set_at=time,
        message=bounded(message),
        plan=plan,
    )


def leading(profiles: Iterable[Profile], time: int, charging_since: int | None) -> tuple[Profile, Allowed] | None:
    """Of the profiles of one purpose that say something of this moment, the one with the highest stack level."""
    best: tuple[Profile, Allowed] | None = None
    for profile in profiles:
        if best is not None and profile.stack_level < best[0].stack_level:
            continue
        allowed = profile.plan.at(time, charging_since)
        if allowed is not None and (
            best is None or profile.stack_level > best[0].stack_level or allowed.value < best[1].value
        ):
            best = (profile, allowed)
    return best


def default(applying: list[Profile], time: int, charging_since: int) -> tuple[Profile, Allowed] | None:
    """1.6 §5.16.4: the TxDefaultProfile of a connector takes the place of the one for all of them."""
    defaults = [profile for profile in applying if profile.purpose == TX_DEFAULT]
    own = leading((profile for profile in defaults if profile.connector), time, charging_since)
    return own or leading((profile for profile in defaults if not profile.connector), time, charging_since)
