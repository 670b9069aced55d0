"""Signs of life: silence, heartbeats too often, no interval; and pings, which may take their place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from fieldkit.checks.policy import Policy
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose, diagnose_events, found, the
from tests.traffic.hostile import messages

BOOT = {"chargePointVendor": "Testwerk", "chargePointModel": "Säule 22"}


def talk(interval: int | None = 60) -> Session:
    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade()
    if interval is not None:
        accepted = {"currentTime": session.timestamp(), "interval": interval, "status": "Accepted"}
        session.call("station", "BootNotification", BOOT, accepted)
    return session


def beat(session: Session) -> None:
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})


@pytest.mark.parametrize("seconds, expected", [(110, False), (130, True)])
def test_silence_of_more_than_two_intervals(seconds: float, expected: bool) -> None:
    session = talk()
    session.idle(seconds)
    beat(session)
    assert ("heartbeat.silence" in found(diagnose(session))) is expected


def test_silence_is_told_with_its_length_and_the_interval() -> None:
    session = talk()
    session.idle(600)
    beat(session)
    finding = the(diagnose(session), "heartbeat.silence")
    assert finding.owner == "station"
    assert "10 min" in finding.explanation()
    assert "the heartbeat interval is 1 min" in finding.explanation()


@pytest.mark.parametrize("how", ["fin", "rst", ""])
def test_silence_up_to_the_end(how: Any) -> None:
    session = talk()
    session.idle(600, keep_alive_every=30)
    if how:
        session.close(how, by_client=False, code=None)
    words = "the end of the connection" if how else "the end of the capture"
    assert words in the(diagnose(session), "heartbeat.silence").explanation()


def test_anything_else_takes_the_place_of_a_heartbeat() -> None:
    session = talk()
    for _ in range(6):
        session.idle(55)
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        session.call("station", "StatusNotification", status, {})
    assert not any(id_.startswith("heartbeat.") for id_ in found(diagnose(session)))


def test_pings_are_a_sign_of_life() -> None:
    session = talk()
    session.idle(600, ping_every=50)
    beat(session)
    diagnosis = diagnose(session)
    finding = the(diagnosis, "heartbeat.left-to-pings")
    assert finding.severity == "info"
    assert "heartbeat.silence" not in found(diagnosis)


def test_silence_on_two_connections_is_none() -> None:
    first = talk()
    first.close()
    second = Session("CP_7", "1.6", start=first.clock.now + 600 * 10**9, client=("192.168.7.20", 49_153))
    second.connect()
    second.upgrade()
    beat(second)
    assert "heartbeat.silence" not in found(diagnose(first, second))


def test_missing_bytes_may_have_been_heartbeats() -> None:
    session = talk()
    session.idle(60)
    begin = len(session.segments)
    beat(session)
    end = len(session.segments)
    session.idle(70)
    beat(session)
    del session.segments[begin:end]
    assert "heartbeat.silence" not in found(diagnose(session))


@pytest.mark.parametrize("silence, expected", [(900.0, False), (300.0, True)])
def test_without_a_known_interval_the_policy_decides(silence: float, expected: bool) -> None:
    session = talk(None)
    beat(session)
    session.idle(400)
    beat(session)
    diagnosis = diagnose(session, policy=Policy(silence=silence))
    assert ("heartbeat.silence" in found(diagnosis)) is expected


# ---------------------------------------------------------------------------------------------------------- too often


def beats(session: Session, number: int, seconds: float) -> None:
    for _ in range(number):
        session.clock.wait(seconds)
        beat(session)


@pytest.mark.parametrize("number, seconds, expected", [(8, 20, True), (8, 35, False), (5, 20, False)])
def test_heartbeats_in_a_row_that_come_too_soon(number: int, seconds: float, expected: bool) -> None:
    session = talk()
    beats(session, number, seconds)
    assert ("heartbeat.too-often" in found(diagnose(session))) is expected


def test_a_new_interval_counts_from_when_it_is_set() -> None:
    session = talk(300)
    change = {"key": "HeartbeatInterval", "value": "20"}
    session.call("csms", "ChangeConfiguration", change, {"status": "Accepted"})
    beats(session, 10, 19)
    assert "heartbeat.too-often" not in found(diagnose(session))


def test_a_station_may_keep_to_the_shorter_interval_that_it_reports() -> None:
    session = talk(300)
    entry = {"key": "HeartbeatInterval", "readonly": False, "value": "20"}
    session.call("csms", "GetConfiguration", {}, {"configurationKey": [entry]})
    beats(session, 10, 19)
    assert "heartbeat.too-often" not in found(diagnose(session))


def test_an_interval_that_is_only_reported_binds_nobody() -> None:
    session = talk(None)
    entry = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
    session.call("csms", "GetConfiguration", {}, {"configurationKey": [entry]})
    beats(session, 10, 19)
    assert "heartbeat.too-often" not in found(diagnose(session))


# -------------------------------------------------------------------------------------------------------------- zero


@pytest.mark.parametrize("interval, expected", [(0, True), (1, False)])
def test_accepted_without_an_interval(interval: int, expected: bool) -> None:
    diagnosis = diagnose(talk(interval))
    assert ("heartbeat.interval-zero" in found(diagnosis)) is expected
    if expected:
        assert the(diagnosis, "heartbeat.interval-zero").owner == "csms"


@settings(max_examples=60, deadline=None)
@given(messages("BootNotification", "Heartbeat", "ChangeConfiguration", "TriggerMessage"))
def test_nothing_that_is_sent_breaks_the_check(events: list[Any]) -> None:
    diagnose_events(events)
