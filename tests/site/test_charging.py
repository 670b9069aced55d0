"""Which charging profiles are in force, and what they allow together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.site.charging import ChargingProfiles, Limit
from fieldkit.site.picture import Picture
from tests.traffic.capture import write_pcap
from tests.traffic.charging import charging_16, event_2, online_16, profile_16, set_profile_2, set_profile_16, stop_16
from tests.traffic.conversation import Session
from tests.traffic.decoded import decode
from tests.traffic.scripts import boot_16
from tests.traffic.taps import Tap

TX = {"chargingProfilePurpose": "TxProfile", "chargingProfileId": 31}
STATION = {"chargingProfilePurpose": "ChargePointMaxProfile", "chargingProfileId": 32}


def charging_of(session: Session) -> ChargingProfiles:
    picture = Picture()
    for event in decode(write_pcap(Tap().packets(session.segments))).events:
        picture.feed(event)
    return picture.stations["CP_7"].charging


def limits_of(session: Session, connector: str = "1", *, charging: bool = True) -> list[tuple[float, str]]:
    """At the end of the conversation."""
    now = session.clock.now
    limits = charging_of(session).limit(connector, now, now - 10**9 if charging else None)
    return [(limit.value, limit.unit) for limit in limits]


def clear(session: Session, criteria: Mapping[str, Any], status: str = "Accepted") -> None:
    session.call("csms", "ClearChargingProfile", criteria, {"status": status})


def test_an_accepted_profile_is_in_force_a_rejected_one_is_not() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(10, chargingProfileId=1), "Rejected")
    assert limits_of(session) == []
    set_profile_16(session, profile_16(16))
    assert limits_of(session) == [(16, "A")]
    assert limits_of(session, "2") == []


def test_a_default_for_transactions_means_nothing_without_one() -> None:
    session = online_16()
    set_profile_16(session, profile_16(16))
    assert limits_of(session, charging=False) == []


def test_the_default_of_a_connector_takes_the_place_of_the_one_for_all() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(10), connector=0)
    set_profile_16(session, profile_16(20, chargingProfileId=9))
    assert limits_of(session) == [(20, "A")]
    assert limits_of(session, "2") == [(10, "A")]


def test_a_transaction_profile_takes_the_place_of_the_default_and_ends_with_the_transaction() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(10))
    set_profile_16(session, profile_16(20, **TX))
    assert limits_of(session) == [(20, "A")]
    stop_16(session, 1000)
    assert limits_of(session) == [(10, "A")]


def test_the_station_maximum_is_the_lower_bound_of_all() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(20, **TX))
    set_profile_16(session, profile_16(13, **STATION), connector=0)
    assert limits_of(session) == [(13, "A")]


def test_units_are_limits_of_their_own() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(20, **TX))
    set_profile_16(session, profile_16(11000, unit="W", **STATION), connector=0)
    assert sorted(limits_of(session)) == [(20, "A"), (11000, "W")]


def test_the_highest_stack_level_leads_as_long_as_it_is_valid() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(20))
    high = profile_16(6, chargingProfileId=2, stackLevel=5, validTo=session.timestamp(100))
    set_profile_16(session, high)
    assert limits_of(session) == [(6, "A")]
    session.idle(200)
    assert limits_of(session) == [(20, "A")]


def test_a_profile_takes_the_place_of_one_with_its_id_or_its_purpose_and_level() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(20))
    set_profile_16(session, profile_16(18, stackLevel=4))
    set_profile_16(session, profile_16(17, chargingProfileId=99, stackLevel=4))
    assert list(charging_of(session).profiles) == [("1", 99)]


def test_clearing_by_id_by_criteria_and_all() -> None:
    for criteria, left in (
        ({"id": 30}, {2}),
        ({"stackLevel": 3}, {30}),
        ({"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile"}, set()),
        ({"connectorId": 2}, {2, 30}),
        ({}, set()),
    ):
        session = charging_16()
        set_profile_16(session, profile_16(20))
        set_profile_16(session, profile_16(20, chargingProfileId=2, stackLevel=3))
        clear(session, criteria)
        assert {profile.id for profile in charging_of(session).profiles.values()} == left


def test_a_boot_makes_profiles_doubtful_and_ends_those_of_transactions() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(20))
    set_profile_16(session, profile_16(20, **TX))
    boot_16(session)
    (profile,) = charging_of(session).profiles.values()
    assert (profile.id, profile.stale) == (30, True)


def test_a_remote_start_brings_a_profile_for_its_transaction_only() -> None:
    for token, expected in (("04A2B7C1", [(12, "A")]), ("SOMEONE", [])):
        session = online_16()
        remote = {"idTag": "04A2B7C1", "connectorId": 1, "chargingProfile": profile_16(12, **TX)}
        session.call("csms", "RemoteStartTransaction", remote, {"status": "Accepted"})
        assert limits_of(session) == []
        start = {"connectorId": 1, "idTag": token, "meterStart": 0, "timestamp": session.timestamp()}
        accepted = {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}
        session.call("station", "StartTransaction", start, accepted)
        assert limits_of(session) == expected


def test_ocpp_2_in_its_own_words() -> None:
    session = online_16(version="2.0.1")
    event_2(session, "Started", 0)
    set_profile_2(session, profile_16(20), {"status": "Accepted"})
    assert limits_of(session, "1/1") == [(20, "A")]
    limited = {
        "chargingLimit": {"chargingLimitSource": "SO"},
        "evseId": 1,
        "chargingSchedule": [{"id": 1, "startSchedule": session.timestamp(), **profile_16(8)["chargingSchedule"]}],
    }
    session.call("station", "NotifyChargingLimit", limited, {})
    assert limits_of(session, "1/1") == [(8, "A")]
    session.call("station", "ClearedChargingLimit", {"chargingLimitSource": "SO", "evseId": 1}, {})
    assert limits_of(session, "1/1") == [(20, "A")]
    session.call("csms", "ClearChargingProfile", {"chargingProfileCriteria": {"evseId": 1}}, {"status": "Accepted"})
    assert limits_of(session, "1/1") == []


def test_a_report_tells_of_profiles_from_before_the_capture() -> None:
    session = online_16(version="2.0.1")
    value = profile_16(9)
    told = {name: content for name, content in value.items() if name != "chargingProfileId"} | {"id": 5}
    told["chargingSchedule"] = [{"id": 1, **value["chargingSchedule"]}]
    report = {"requestId": 1, "chargingLimitSource": "EMS", "evseId": 1, "chargingProfile": [told]}
    session.call("station", "ReportChargingProfiles", report, {})
    (profile,) = charging_of(session).profiles.values()
    assert (profile.id, profile.source, profile.connector) == (5, "EMS", "1")


def test_priority_charging_leaves_no_limit_that_could_be_relied_on() -> None:
    session = online_16(version="2.1")
    set_profile_2(session, profile_16(20), {"status": "Accepted"})
    priority = profile_16(32, chargingProfileId=2, chargingProfilePurpose="PriorityCharging")
    set_profile_2(session, priority, {"status": "Accepted"})
    assert limits_of(session, "1/1") == []


def test_the_deciding_profile_is_named() -> None:
    session = charging_16()
    set_profile_16(session, profile_16(20))
    set_profile_16(session, profile_16(13, **STATION), connector=0)
    now = session.clock.now
    limits: list[Limit] = charging_of(session).limit("1", now, now - 1)
    assert [limit.profile.id for limit in limits] == [32]


NAMES = st.sampled_from(
    "connectorId csChargingProfiles chargingProfile chargingProfileId id stackLevel chargingSchedule startPeriod limit "
    "chargingSchedulePeriod chargingRateUnit evseId status chargingProfileCriteria chargingLimit validTo".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(ChargingProfiles.ACTIONS)), JSON, JSON), max_size=8))
def test_nothing_that_is_sent_raises(exchanges: list[tuple[str, Any, Any]]) -> None:
    session = charging_16()
    for action, payload, answer in exchanges:
        side = "csms" if action in ("SetChargingProfile", "ClearChargingProfile") else "station"
        session.call("csms" if side == "csms" else "station", action, payload, answer)
    charging_of(session)
