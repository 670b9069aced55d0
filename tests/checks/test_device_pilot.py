"""The controller's pilot state beside StatusNotification."""

from __future__ import annotations

from fieldkit.events import ConsoleLine, ConsoleSighting, DeviceReading, Event, OcppMessage
from tests.checks.devices import SECOND, joined, reading, told
from tests.traffic.charging import online_16, status_16
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import the
from tests.traffic.scripts import heartbeat


def pilot(time: int, state: str, name: str = "vehicle_state") -> DeviceReading:
    return reading(time, name, state, device="evse-din/1", raw="0003")


def polled(session: Session, state: str, *, since: int, every: int = 10) -> list[Event]:
    """The controller is asked every ten seconds until now."""
    return [pilot(time, state) for time in range(since, session.clock.now, every * SECOND)]


def told_status(status: str, state: str, *, heartbeats: int = 4) -> list[str]:
    session = online_16()
    status_16(session, status)
    begin = session.clock.now
    for _ in range(heartbeats):
        heartbeat(session)
    return told(joined(polled(session, state, since=begin), session))


def test_a_vehicle_charges_and_the_station_says_available() -> None:
    session = online_16()
    begin = session.clock.now
    for _ in range(4):
        heartbeat(session)
    finding = the(joined(polled(session, "C2", since=begin), session), "device.pilot-status")
    assert (finding.severity, finding.count, finding.first_seen.connector) == ("warning", 1, "1")
    assert "evse-din/1 on ttyUSB0 tells the pilot state C2 (the vehicle asks for power) while" in finding.explanation()
    assert [event.__class__ for event in finding.evidence] == [OcppMessage, DeviceReading]


def test_pairs_that_exclude_each_other() -> None:
    for status, state in (("Available", "B1"), ("Charging", "A"), ("Charging", "F"), ("SuspendedEV", "A")):
        assert told_status(status, state) == ["device.pilot-status"], (status, state)


def test_pairs_that_are_possible() -> None:
    for status, state in (
        ("Available", "A"),
        ("Available", "E"),
        ("Preparing", "A"),
        ("Charging", "C2"),
        ("SuspendedEVSE", "C1"),
        ("SuspendedEV", "B2"),
        ("Finishing", "A"),
        ("Faulted", "F"),
    ):
        assert told_status(status, state) == [], (status, state)


def test_a_contradiction_that_does_not_last() -> None:
    session = online_16()
    begin = session.clock.now
    session.clock.wait(25)
    status_16(session, "Charging")
    for _ in range(3):
        heartbeat(session)
    assert told(joined(polled(session, "C2", since=begin), session)) == []


def test_a_station_that_is_not_heard_since_could_not_tell() -> None:
    session = online_16()
    begin = session.clock.now
    session.clock.wait(300)
    assert told(joined(polled(session, "C2", since=begin), session)) == []


def test_a_controller_that_was_asked_once_may_have_changed_since() -> None:
    session = online_16()
    begin = session.clock.now
    for _ in range(4):
        heartbeat(session)
    others = [reading(time, "firmware", 18.0, device="evse-din/1") for time in (begin, session.clock.now)]
    assert told(joined([pilot(begin, "C2"), *others], session)) == []


def test_a_console_tells_changes_only() -> None:
    session = online_16()
    begin = session.clock.now
    line = "CP state changed: B -> C"
    sighting = ConsoleSighting(begin, (1,), "ttyS1", "pilot.change", False, {"from": "B", "to": "C"}, line)
    for _ in range(4):
        heartbeat(session)
    later = ConsoleLine(session.clock.now, (2,), "ttyS1", "still here", True)
    finding = the(joined([sighting, later], session), "device.pilot-status")
    assert "console on ttyS1 tells the pilot state C" in finding.explanation()
    assert told(joined([sighting], session)) == []


def test_with_two_connectors_nobody_knows_whose_pilot_it_is() -> None:
    session = online_16()
    second = {"connectorId": 2, "errorCode": "NoError", "status": "Available"}
    session.call("station", "StatusNotification", second, {})
    begin = session.clock.now
    for _ in range(4):
        heartbeat(session)
    assert told(joined(polled(session, "C2", since=begin), session)) == []


def test_a_state_that_nobody_knows_ends_the_one_before() -> None:
    session = online_16()
    begin = session.clock.now
    for _ in range(4):
        heartbeat(session)
    strange = [pilot(time, "sleeping") for time in range(begin + 5 * SECOND, session.clock.now, 10 * SECOND)]
    assert told(joined([pilot(begin, "C2"), *strange], session)) == []
