"""Charging profiles: refused ones and why, those that a station lost, and schedules that contradict them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Owner
from fieldkit.checks.measured import amount_words
from fieldkit.checks.words import SECOND, clock, listed
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.picture import Picture
from fieldkit.site.profile import STATION_MAX, TX, Limit, Profile, connector_names, place_of
from fieldkit.site.reading import member, moment, number, text, whole
from fieldkit.site.schedule import Schedule, first_schedule, schedule_of
from fieldkit.site.station import Station

REJECTED = Kind(
    id="smart-charging.rejected",
    severity="warning",
    owner="csms",
    title="The station refused a charging profile",
    explanation="SetChargingProfile with a {purpose} for {place} was answered {answer}: {reason}.",
    advice="{advice}",
    reference="https://github.com/lbbrhzn/ocpp/issues/877",
    inferred=True,
)
CLEAR_UNKNOWN = Kind(
    id="smart-charging.clear-unknown",
    severity="info",
    owner="csms",
    title="The CSMS wanted to clear a charging profile that the station does not have",
    explanation="ClearChargingProfile ({what}) was answered Unknown: no profile fits. Many CSMS clear before they "
    "set, to be sure.",
    advice="Nothing to do, unless the CSMS believes that the profile was in force.",
    reference="OCPP 1.6 §5.4",
)
PROFILE_LOST = Kind(
    id="smart-charging.profile-lost",
    severity="warning",
    owner="station",
    title="The station no longer knows a charging profile that it had accepted",
    explanation="Profile {profile} ({purpose}) was accepted at {accepted} and, as far as was seen, neither cleared nor "
    "replaced since, but ClearChargingProfile for it was answered Unknown. The station has probably lost it.",
    advice="Have the CSMS set its profiles again, and ask the manufacturer when the station drops profiles.",
    reference="OCPP 1.6 §3.13.1",
    inferred=True,
)
COMPOSITE_CONTRADICTS = Kind(
    id="smart-charging.composite-contradicts",
    severity="warning",
    owner="station",
    title="The composite schedule allows more than an accepted charging profile",
    explanation="GetCompositeSchedule for {place} says {told} at {when}, but profile {profile} ({purpose}), which the "
    "station accepted, allows only {limit} then.",
    advice="Measure what the station really delivers. If it is the higher value, the profile has no effect: check the "
    "station's smart charging settings, then ask the manufacturer.",
    reference="OCPP 1.6 §3.13.3",
    inferred=True,
)

STACK_SETTINGS: Final = ("ChargeProfileMaxStackLevel", "SmartChargingCtrlr.ProfileStackLevel")
UNIT_SETTINGS: Final = ("ChargingScheduleAllowedChargingRateUnit", "SmartChargingCtrlr.RateUnit")
PERIOD_SETTINGS: Final = ("ChargingScheduleMaxPeriods", "SmartChargingCtrlr.PeriodsPerSchedule")
ENABLED_SETTINGS: Final = ("SmartChargingEnabled", "SmartChargingCtrlr.Enabled", "SmartChargingCtrlr.Available")
CONNECTOR_SETTINGS: Final = ("NumberOfConnectors",)
FEATURE_SETTINGS: Final = ("SupportedFeatureProfiles",)
"""Names in 1.6 §9.4 and 2.x Part 2 (appendix, SmartChargingCtrlr)."""
NO_TRANSACTION: Final = frozenset({"Available", "Preparing", "Finishing", "Reserved", "Unavailable"})
"""1.x states in which there is none, so that one that began before the capture would show."""
MORE: Final = 1.1
MORE_AMPERES: Final = 1.0
MORE_WATTS: Final = 250.0
"""What a composite schedule may differ by: rounding, and its conversion from the other unit."""
CLOSE: Final = 30 * SECOND
"""Moments so close to a change of the limit are not compared."""
MOST_MOMENTS: Final = 100
"""Periods of an answer that are compared."""


class ProfileCheck(Check):
    """Answers to SetChargingProfile and ClearChargingProfile."""

    kinds = (REJECTED, CLEAR_UNKNOWN, PROFILE_LOST)
    actions = frozenset({"SetChargingProfile", "ClearChargingProfile"})

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALLRESULT or event.call is None:
            return
        station = picture.stations.get(event.channel.station)
        status = text(event.payload, "status")
        if station is None:
            return
        if event.action == "ClearChargingProfile":
            if status == "Unknown":
                yield _not_cleared(event, event.call, station)
        elif status in ("Rejected", "NotSupported"):
            yield _rejected(event, event.call, station, status)


def _rejected(answer: OcppMessage, call: OcppMessage, station: Station, status: str) -> Finding:
    profile = member(call.payload, "csChargingProfiles") or member(call.payload, "chargingProfile")
    place = place_of(call.payload)
    purpose = (text(profile, "chargingProfilePurpose") or "profile")[:40]
    reason, advice, owner = _reason(profile, purpose, place, answer, station)
    code = text(answer.payload, "statusInfo", "reasonCode")
    values = {
        "purpose": purpose,
        "place": _place_words(place),
        "answer": f"{status} ({code[:40]})" if code else status,
        "reason": reason,
        "advice": advice,
    }
    return Finding(
        REJECTED,
        answer.time,
        station.identity,
        (call, answer),
        values,
        connector=place,
        group=f"{purpose} {reason}"[:200],
        owner=owner,
    )


def _reason(profile: Any, purpose: str, place: str, answer: OcppMessage, station: Station) -> tuple[str, str, Owner]:
    """Why, as far as it can be told: the rules that the profile breaks, then what the station's settings say."""
    broken = _broken_rules(profile, purpose, place, answer, station)
    if broken:
        return listed(broken), "Correct it in the CSMS: the station is right to refuse.", "csms"
    if text(answer.payload, "status") == "NotSupported":
        return (
            "the station does not support it",
            "Check whether the station has smart charging at all (SupportedFeatureProfiles) and whether a newer "
            "firmware has.",
            "station",
        )
    for name in ENABLED_SETTINGS:
        if (_setting(station, (name,)) or "").lower() == "false":
            return (
                f"smart charging is switched off in the station ({name} is false)",
                f"Set {name} to true if the installation allows it.",
                "operator",
            )
    features = _setting(station, FEATURE_SETTINGS)
    if features and "smartcharging" not in features.lower().replace(" ", ""):
        return (
            "the station has no smart charging among its SupportedFeatureProfiles",
            "Ask the manufacturer for a firmware or licence with smart charging.",
            "station",
        )
    return (
        "the profile breaks no rule that can be checked here, and no setting seen explains it",
        "Look in the station's log for its reason: often load management is disabled, or another controller has the "
        "say.",
        "unknown",
    )


def _broken_rules(profile: Any, purpose: str, place: str, answer: OcppMessage, station: Station) -> list[str]:
    found: list[str] = []
    if purpose == TX:
        found += _tx_rules(profile, place, station)
    elif purpose in STATION_MAX and place:
        found.append(f"a {purpose} is for the whole station (connector 0), not for one connector (1.6 §5.16)")
    connectors = _number_setting(station, CONNECTOR_SETTINGS)
    if connectors is not None and place.isdecimal() and int(place) > connectors:
        found.append(f"the station has {connectors:.0f} connectors only")
    level, most = whole(profile, "stackLevel"), _number_setting(station, STACK_SETTINGS)
    if level is not None and most is not None and level > most:
        found.append(f"stack level {level} is above the station's maximum of {most:.0f}")
    schedule = first_schedule(profile)
    unit, allowed = text(schedule, "chargingRateUnit"), _setting(station, UNIT_SETTINGS)
    if allowed and unit in ("A", "W") and not _unit_allowed(unit, allowed):
        found.append(f"the station takes limits in {allowed[:40]} only, the profile has {unit}")
    periods, most = member(schedule, "chargingSchedulePeriod"), _number_setting(station, PERIOD_SETTINGS)
    if most is not None and periods.__class__ is list and len(periods) > most:
        found.append(f"{len(periods)} periods are more than the station's maximum of {most:.0f}")
    until = moment(profile, "validTo")
    if until is not None and until < answer.time:
        found.append(f"it ended at {clock(until)} already (validTo)")
    if text(profile, "chargingProfileKind") == "Recurring" and text(profile, "recurrencyKind") is None:
        found.append("a recurring profile needs a recurrencyKind")
    return found


def _tx_rules(profile: Any, place: str, station: Station) -> list[str]:
    if not place:
        return ["a TxProfile is for one connector, not for connector 0 (1.6 §5.16)"]
    ledger = station.transactions
    going = [made for made in ledger.open.values() if place in connector_names(made.connector)]
    wanted = member(profile, "transactionId")
    if going:
        ids = {made.id for made in going if made.id}
        if wanted is not None and ids and str(wanted) not in ids:
            return [f"it is for another transaction than the one that is going on (not for {str(wanted)[:40]})"]
        return []
    if wanted is not None and str(wanted)[:64] in ledger.open:
        return []
    ended = ledger.find(str(wanted)[:64]) if wanted is not None else None
    connector = station.connectors.find(place)
    if ended is not None and ended.end is not None:
        return ["the transaction it is for had ended already"]
    if connector is not None and connector.status in NO_TRANSACTION:
        return [f"a TxProfile needs a transaction, and there is none (the connector is {connector.status})"]
    return []


def _not_cleared(answer: OcppMessage, call: OcppMessage, station: Station) -> Finding:
    known = station.charging.known_before
    evidence = (call, answer)
    if known is not None and known.purpose != TX and not known.stale and not _is_over(known, answer.time):
        values = {"profile": known.id, "purpose": known.purpose, "accepted": clock(known.set_at)}
        return Finding(
            PROFILE_LOST, answer.time, station.identity, (known.message, *evidence), values, connector=known.connector
        )
    return Finding(CLEAR_UNKNOWN, answer.time, station.identity, evidence, {"what": _criteria_words(call.payload)})


def _is_over(profile: Profile, time: int) -> bool:
    """A profile that says nothing of the present and the future any more may be dropped."""
    plan = profile.plan
    if plan.valid_to is not None and plan.valid_to <= time + CLOSE:
        return True
    start, duration = plan.schedule.start, plan.schedule.duration
    return start is not None and duration is not None and not plan.recurrence and start + duration * SECOND <= time


def _criteria_words(payload: Any) -> str:
    id_ = whole(payload, "id")
    if id_ is None:
        id_ = whole(payload, "chargingProfileId")
    if id_ is not None:
        return f"profile {id_}"
    criteria = member(payload, "chargingProfileCriteria") or payload
    place = whole(criteria, "connectorId")
    place = place if place is not None else whole(criteria, "evseId")
    level = whole(criteria, "stackLevel")
    parts = [
        (text(criteria, "chargingProfilePurpose") or "")[:40],
        f"connector {place}" if place is not None else "",
        f"stack level {level}" if level is not None else "",
    ]
    return ", ".join(filter(None, parts)) or "all profiles"


def _place_words(place: str) -> str:
    return f"connector {place}" if place else "the whole station"


def _setting(station: Station, names: tuple[str, ...]) -> str | None:
    for name in names:
        setting = station.about.setting(name)
        if setting is not None and setting.value is not None:
            return setting.value
    return None


def _number_setting(station: Station, names: tuple[str, ...]) -> float | None:
    value = _setting(station, names)
    return number({"": value}, "")


def _unit_allowed(unit: str, setting: str) -> bool:
    """1.6 says Current and Power, 2.x A and W; some stations mix them up."""
    names = {name.strip().lower() for name in setting.replace(";", ",").split(",")}
    return bool(names & ({"a", "current"} if unit == "A" else {"w", "power"}))


class CompositeCheck(Check):
    """The station's own idea of its limits against the profiles it accepted.

    Only an answer that allows more than a profile is a contradiction: less may have reasons that are not in the capture
    (profiles from before it, the fuse of the site, a cable).
    """

    kinds = (COMPOSITE_CONTRADICTS,)
    actions = frozenset({"GetCompositeSchedule"})

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALLRESULT or event.call is None:
            return
        station = picture.stations.get(event.channel.station)
        if station is None or station.charging.dropped or text(event.payload, "status") != "Accepted":
            return
        value = member(event.payload, "chargingSchedule") or member(event.payload, "schedule")
        schedule = schedule_of(value)
        start = moment(event.payload, "scheduleStart") or (schedule.start if schedule is not None else None)
        if schedule is None or start is None:
            return
        place = place_of(event.call.payload)
        transaction = next(
            (
                made.started
                for made in station.transactions.open.values()
                if place and place in connector_names(made.connector)
            ),
            None,
        )
        for offset in _middles(schedule):
            told = schedule.at(offset)
            limit = _agreed_limit(station, place, start + offset, transaction, schedule.unit)
            if told is None or limit is None or not _is_more(told.value, limit):
                continue
            yield Finding(
                COMPOSITE_CONTRADICTS,
                event.time,
                station.identity,
                (limit.profile.message, event),
                {
                    "place": _place_words(place),
                    "told": amount_words(told.value, told.unit),
                    "when": clock(start + offset),
                    "profile": limit.profile.id,
                    "purpose": limit.profile.purpose,
                    "limit": amount_words(limit.value, limit.unit),
                },
                connector=place,
            )
            return


def _middles(schedule: Schedule) -> Iterator[int]:
    """A moment in the middle of each period, ns after the start."""
    edges = schedule.edges()
    for begin, end in list(zip(edges, (*edges[1:], edges[-1] + 120), strict=True))[:MOST_MOMENTS]:
        if end > begin:
            yield (begin + end) * SECOND // 2


def _agreed_limit(station: Station, place: str, time: int, transaction: int | None, unit: str) -> Limit | None:
    """The limit around this moment, if it is the same before and after it and nothing about it is uncertain."""
    agreed: Limit | None = None
    for moved in (-CLOSE, 0, CLOSE):
        limits = station.charging.limit(place, time + moved, transaction)
        limit = next((limit for limit in limits if limit.unit == unit), None)
        if limit is None or limit.profile.stale or limit.profile.plan.uncertain:
            return None
        if limit.profile.schedule.start is None and not limit.profile.plan.constant:
            return None
        if agreed is not None and limit.value != agreed.value:
            return None
        agreed = limit
    return agreed


def _is_more(told: float, limit: Limit) -> bool:
    slack = MORE_AMPERES if limit.unit == "A" else MORE_WATTS
    return told > limit.value * MORE and told > limit.value + slack
