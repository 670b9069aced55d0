"""Schedules against the naive reading of the standard: ask each second anew what every rule says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import MessageType, OcppChannel, OcppMessage
from fieldkit.site.charging import ChargingProfiles
from fieldkit.site.ledger import Ledger
from fieldkit.site.schedule import SECOND, plan_of, schedule_of
from tests.traffic.charging import profile_16

EPOCH = 1_788_163_200
"""2026-08-31T08:00:00Z"""


def iso(second: int) -> str:
    return datetime.fromtimestamp(EPOCH + second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def call_and_answer(connector: int, profile: Any, version: str = "1.6") -> OcppMessage:
    channel = OcppChannel("CP", version, "json", None, False, False, False)
    payload = {"connectorId": connector, "csChargingProfiles": profile}
    action = "SetChargingProfile"
    call = OcppMessage(0, (), "", channel, "csms", MessageType.CALL, "1", action, payload, None, "", (), False, None)
    accepted = {"status": "Accepted"}
    return OcppMessage(
        0, (), "", channel, "station", MessageType.CALLRESULT, "1", action, accepted, None, "", (), False, call
    )


# ------------------------------------------------------------------------------------------------- the naive evaluator


def naive_profile(profile: dict[str, Any], second: int, began: int | None) -> float | None:
    """What one profile allows in this second, read off the standard without arithmetic tricks."""
    if profile["from"] is not None and second < profile["from"]:
        return None
    if profile["to"] is not None and second >= profile["to"]:
        return None
    start = began if profile["kind"] == "Relative" or profile["start"] is None else profile["start"]
    if start is None or second < start:
        return None
    elapsed = second - start
    while profile["kind"] == "Recurring" and elapsed >= 86_400:
        elapsed -= 86_400
    if profile["duration"] is not None and elapsed >= profile["duration"]:
        return None
    limit = None
    for begin, amount in profile["periods"]:
        if elapsed >= begin:
            limit = amount
    return limit


def naive_limit(profiles: list[dict[str, Any]], second: int, began: int | None) -> float | None:
    def leading(chosen: list[dict[str, Any]]) -> float | None:
        said = [(p["level"], naive_profile(p, second, began)) for p in chosen]
        said = [(level, limit) for level, limit in said if limit is not None]
        highest = max((level for level, _ in said), default=None)
        return min((limit for level, limit in said if level == highest and limit is not None), default=None)

    def of(purpose: str, *connectors: int) -> list[dict[str, Any]]:
        return [p for p in profiles if p["purpose"] == purpose and p["connector"] in connectors]

    limits = [leading(of("ChargePointMaxProfile", 0))]
    if began is not None:
        transaction = leading(of("TxProfile", 1))
        if transaction is None:
            transaction = leading(of("TxDefaultProfile", 1))
        if transaction is None:
            transaction = leading(of("TxDefaultProfile", 0))
        limits.append(transaction)
    return min((limit for limit in limits if limit is not None), default=None)


SECONDS = st.integers(0, 400)
PERIODS = st.lists(st.tuples(SECONDS, st.integers(0, 32)), min_size=1, max_size=4, unique_by=lambda period: period[0])


@st.composite
def profiles(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(1, 5))):
        purpose = draw(st.sampled_from(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]))
        connector = {"ChargePointMaxProfile": 0, "TxProfile": 1}.get(purpose, draw(st.integers(0, 1)))
        kind = draw(st.sampled_from(["Absolute", "Relative", "Recurring"]))
        start = draw(st.none() | SECONDS)
        if kind == "Recurring":
            start = (start or 0) - draw(st.integers(0, 3)) * 86_400
        found.append(
            {
                "id": number,
                "level": number,  # the same purpose and level would take its place
                "purpose": purpose,
                "connector": connector,
                "kind": kind,
                "start": start,
                "duration": draw(st.none() | st.integers(1, 400)),
                "from": draw(st.none() | SECONDS),
                "to": draw(st.none() | SECONDS),
                "periods": sorted(draw(PERIODS)),
            }
        )
    return draw(st.permutations(found))


def sent(profile: dict[str, Any]) -> dict[str, Any]:
    more: dict[str, Any] = {}
    for name, second in (("validFrom", profile["from"]), ("validTo", profile["to"])):
        if second is not None:
            more[name] = iso(second)
    if profile["start"] is not None:
        more["startSchedule"] = iso(profile["start"])
    if profile["duration"] is not None:
        more["duration"] = profile["duration"]
    if profile["kind"] == "Recurring":
        more["recurrencyKind"] = "Daily"
    return profile_16(
        periods=profile["periods"],
        chargingProfileId=profile["id"],
        stackLevel=profile["level"],
        chargingProfilePurpose=profile["purpose"],
        chargingProfileKind=profile["kind"],
        **more,
    )


@settings(max_examples=60, deadline=None)
@given(profiles(), st.none() | st.integers(0, 200))
def test_the_composite_limit_is_what_a_second_by_second_reading_gives(
    given_profiles: list[dict[str, Any]], began: int | None
) -> None:
    charging, ledger = ChargingProfiles(), Ledger("CP")
    for profile in given_profiles:
        charging.feed(call_and_answer(profile["connector"], sent(profile)), ledger)
    since = None if began is None else (EPOCH + began) * SECOND
    for second in range(0, 800, 7):
        limits = charging.limit("1", (EPOCH + second) * SECOND, since)
        told = limits[0].value if limits else None
        assert told == naive_limit(given_profiles, second, began), (second, given_profiles)


# ------------------------------------------------------------------------------------------------------- single rules


def test_a_schedule_ends_with_its_duration() -> None:
    schedule = schedule_of(profile_16(16, duration=60)["chargingSchedule"])
    assert schedule is not None
    assert schedule.at(59 * SECOND) is not None
    assert schedule.at(60 * SECOND) is None
    assert schedule.at(-1) is None


def test_periods_in_disorder_are_put_in_order() -> None:
    schedule = schedule_of({"chargingRateUnit": "W", "chargingSchedulePeriod": [_period(60, 5), _period(0, 9)]})
    assert schedule is not None
    assert (schedule.starts, schedule.limits, schedule.unit) == ((0, 60), (9, 5), "W")


def test_before_its_first_period_a_schedule_says_nothing() -> None:
    schedule = schedule_of({"chargingRateUnit": "A", "chargingSchedulePeriod": [_period(60, 5)]})
    assert schedule is not None
    assert schedule.at(0) is None


def test_what_depends_on_the_station_is_marked_uncertain() -> None:
    cases: list[dict[str, Any]] = [{"chargingProfileKind": "Dynamic"}, {"chargingProfileKind": "Recurring"}]
    for more in cases:
        plan = plan_of(profile_16(**more))
        assert plan is not None
        assert plan.uncertain
    local = profile_16()
    local["chargingSchedule"]["useLocalTime"] = True
    plan = plan_of(local)
    assert plan is not None
    assert plan.uncertain
    alternatives = profile_16()
    alternatives["chargingSchedule"] = [alternatives["chargingSchedule"]] * 2
    plan = plan_of(alternatives)
    assert plan is not None
    assert plan.uncertain


def test_nonsense_is_no_schedule() -> None:
    broken: list[Any] = [
        None,
        [],
        {},
        {"chargingSchedulePeriod": "x"},
        {"chargingSchedulePeriod": [{"startPeriod": -1}]},
    ]
    for value in broken:
        assert schedule_of(value) is None
        assert plan_of({"chargingSchedule": value}) is None


def _period(start: int, limit: float) -> dict[str, Any]:
    return {"startPeriod": start, "limit": limit}
