"""2.x TransactionEvents: numbers, order, and whether what they tell fits together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.charging_talk import Talk2

FAMILY = "transaction-event."


def test_a_session_without_fault() -> None:
    talk = Talk2()
    talk.status("Available")
    talk.session_of()
    assert talk.found(family=FAMILY) == []


# -------------------------------------------------------------------------------------------------------------- numbers


def numbered(*numbers: int, ago: float = 0, **last: Any) -> Talk2:
    """Updated events with these numbers after a Started with 0; ``ago`` and ``last`` are the last one's."""
    talk = Talk2()
    talk.event("Started", "CablePluggedIn", register=0)
    for at, number in enumerate(numbers):
        talk.wait(60)
        final: dict[str, Any] = {"ago": ago, **last} if at == len(numbers) - 1 else {}
        talk.event("Updated", "MeterValuePeriodic", seq=number, register=at, **final)
    return talk


def test_a_gap() -> None:
    finding = numbered(1, 2, 5).the("transaction-event.seq-gap")
    assert "from 2 to 5" in finding.explanation()
    assert "2 events were not sent in between" in finding.explanation()


def test_a_gap_over_a_reconnect_may_be_sent_elsewhere() -> None:
    first, second = numbered(1), Talk2(start=600, port=50_000)
    first.session.close()
    second.event("Updated", "MeterValuePeriodic", seq=5, register=5)
    assert first.found(second, family=FAMILY) == []


def test_a_gap_where_a_message_could_not_be_read() -> None:
    talk = numbered(1)
    talk.session.say("station", '[2,"x","TransactionEvent",{"eventType":')
    talk.event("Updated", "MeterValuePeriodic", seq=3, register=5)
    assert "transaction-event.seq-gap" not in talk.found()


def test_a_number_used_twice() -> None:
    finding = numbered(1, 1).the("transaction-event.seq-repeat")
    assert "which an earlier, different event had" in finding.explanation()


def test_a_number_that_goes_back() -> None:
    assert "after 3 in the event before" in numbered(1, 2, 3, 1).the("transaction-event.seq-repeat").explanation()


def test_queued_events_that_are_overtaken() -> None:
    assert numbered(1, 3, 2, offline=True).found(family="transaction-event.seq-r") == []
    assert numbered(1, 3, 2, ago=90).found(family="transaction-event.seq-r") == []


def test_after_an_overtaken_event_the_count_goes_on() -> None:
    talk = numbered(1, 2, 3, 1, ago=200)
    talk.event("Updated", "MeterValuePeriodic", seq=4, register=5)
    assert talk.found(family=FAMILY) == []


def test_the_same_event_once_more() -> None:
    talk = Talk2()
    talk.event("Started", "CablePluggedIn", register=0)
    event = talk.event("Updated", "MeterValuePeriodic", register=1)
    talk.session.call("station", "TransactionEvent", event, {})
    assert talk.found(family=FAMILY) == ["transaction-event.again"]


# ---------------------------------------------------------------------------------------------------------------- order


def test_no_started_although_it_is_the_first_event() -> None:
    talk = Talk2()
    talk.event("Updated", "MeterValuePeriodic", seq=0, register=1)
    assert talk.found(family=FAMILY) == ["transaction-event.no-started"]


def test_no_started_although_the_connector_was_free() -> None:
    talk = Talk2()
    talk.status("Available")
    talk.wait(60)
    talk.status("Occupied")
    talk.event("Updated", "MeterValuePeriodic", seq=3, register=1)
    assert "seen free" in talk.the("transaction-event.no-started").explanation()


def test_a_transaction_from_before_the_capture() -> None:
    talk = Talk2()
    talk.status("Occupied")
    talk.event("Updated", "MeterValuePeriodic", seq=3, register=1)
    assert talk.found(family=FAMILY) == []
    talk = Talk2()
    talk.status("Available")
    talk.event("Ended", "EVDeparted", "Idle", seq=3, register=1, ago=600)
    assert "transaction-event.no-started" not in talk.found()


def test_an_event_after_the_end() -> None:
    talk = Talk2()
    talk.session_of()
    talk.wait(30)
    talk.event("Updated", "MeterValuePeriodic", register=3000)
    assert talk.found(family=FAMILY) == ["transaction-event.after-ended"]


def test_an_event_that_the_end_has_overtaken() -> None:
    talk = Talk2()
    talk.session_of()
    talk.event("Updated", "MeterValuePeriodic", seq=3, register=3000, ago=60)
    assert talk.found(family=FAMILY) == []


def test_a_second_begin() -> None:
    talk = Talk2()
    talk.event("Started", "CablePluggedIn", register=0)
    talk.wait(60)
    talk.event("Started", "CablePluggedIn", register=0)
    assert talk.found(family=FAMILY) == ["transaction-event.contradicts"]


# ------------------------------------------------------------------------------------------------------- contradictions


@pytest.mark.parametrize(
    ("kind", "trigger", "state", "why"),
    [
        ("Ended", "ChargingStateChanged", "Charging", "has ended does not charge"),
        ("Updated", "CablePluggedIn", "Idle", "no vehicle is connected"),
        ("Updated", "EVCommunicationLost", "Charging", "was lost cannot charge"),
        ("Updated", "ChargingStateChanged", "EVConnected", "the state before, too"),
    ],
)
def test_contradictions(kind: str, trigger: str, state: str, why: str) -> None:
    talk = Talk2()
    talk.event("Started", "CablePluggedIn", "EVConnected", register=0)
    talk.event(kind, trigger, state, register=5)
    assert why in talk.the("transaction-event.state-contradicts").explanation()


@pytest.mark.parametrize(
    ("kind", "trigger", "state"),
    [
        ("Ended", "RemoteStop", "EVConnected"),
        ("Ended", "RemoteStop", "Charging"),
        ("Updated", "CablePluggedIn", "EVConnected"),
        ("Updated", "EVCommunicationLost", "Idle"),
        ("Updated", "ChargingStateChanged", "Charging"),
        ("Updated", "MeterValuePeriodic", "EVConnected"),
    ],
)
def test_no_contradictions(kind: str, trigger: str, state: str) -> None:
    talk = Talk2()
    talk.event("Started", "CablePluggedIn", "EVConnected", register=0)
    talk.event(kind, trigger, state, register=5)
    assert talk.found(family=FAMILY) == []


@pytest.mark.parametrize("trigger", ["ChargingStateChanged", "MeterValuePeriodic", "MeterValueClock", "RemoteStart"])
def test_events_without_what_they_are_sent_for(trigger: str) -> None:
    talk = Talk2()
    talk.event("Started", "CablePluggedIn", register=0)
    talk.event("Updated", trigger)
    assert talk.found(family=FAMILY) == ["transaction-event.trigger-without-content"]


def test_a_remote_start_that_names_its_order() -> None:
    talk = Talk2()
    talk.event("Started", "RemoteStart", register=0, info={"remoteStartId": 1})
    assert talk.found(family=FAMILY) == []


# -------------------------------------------------------------------------------------------------------------- offline


def test_events_marked_as_offline() -> None:
    talk = Talk2()
    talk.event("Started", "CablePluggedIn", register=0, offline=True, ago=600)
    assert talk.the("transaction-event.offline").severity == "info"
    assert talk.found(family=FAMILY) == ["transaction-event.offline"]


def late(ago: float, **more: Any) -> list[str]:
    talk = Talk2()
    for _ in range(6):
        talk.status("Available")
        talk.status("Occupied")
    talk.event("Started", "CablePluggedIn", register=0, ago=ago, **more)
    return talk.found(family=FAMILY)


def test_events_from_before_the_connection_that_are_not() -> None:
    assert late(600) == ["transaction-event.offline-not-marked"]
    assert late(60) == []


# ---------------------------------------------------------------------------------------------------------------- meter


def metered(lasted: float, begin: float | None, between: float | None, end: float | None) -> list[str]:
    talk = Talk2()
    talk.event("Started", "CablePluggedIn", register=begin)
    talk.wait(lasted)
    if between is not None:
        talk.event("Updated", "MeterValuePeriodic", register=between)
    talk.event("Ended", "EVDeparted", register=end)
    return talk.found(family=FAMILY)


def test_no_reading_at_all() -> None:
    assert "transaction-event.no-meter" in metered(600, None, None, None)


def test_no_reading_at_begin_or_end() -> None:
    assert metered(600, None, 5, 5) == ["transaction-event.no-meter-at-edge"]
    assert metered(600, 5, 5, None) == ["transaction-event.no-meter-at-edge"]
    assert "transaction-event.no-meter" not in metered(60, None, None, None)


def test_readings_at_both() -> None:
    assert metered(600, 5, None, 5) == []
