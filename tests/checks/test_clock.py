"""Clocks: drift, 1970, local time sold as UTC, and whose clock it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from fieldkit.session import Session as Diagnosis
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose, diagnose_events, found, the
from tests.traffic.hostile import messages

HOUR = 3600


def talk() -> Session:
    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade()
    return session


def heartbeat(session: Session, csms: float = 0) -> None:
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp(csms)})


def status(session: Session, text: str) -> None:
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": text}
    session.call("station", "StatusNotification", payload, {})


def clocks(station: float, csms: float | None = 0, number: int = 5, zone: str = "Z") -> Diagnosis:
    """A station and a CSMS whose clocks are off by so many seconds."""
    session = talk()
    for _ in range(number):
        if csms is not None:
            heartbeat(session, csms)
        session.clock.wait(60)
        status(session, session.timestamp(station).removesuffix("Z") + zone)
    return diagnose(session)


def clock_findings(diagnosis: Diagnosis) -> list[str]:
    return sorted(id_ for id_ in found(diagnosis) if id_.startswith("clock."))


@pytest.mark.parametrize("station", [0, 5, -5, 50, -50])
def test_clocks_that_agree(station: float) -> None:
    assert clock_findings(clocks(station)) == []


@pytest.mark.parametrize("station, words", [(95, "ahead of"), (-95, "behind")])
def test_drift(station: float, words: str) -> None:
    finding = the(clocks(station), "clock.drift")
    assert finding.owner == "station"
    assert finding.severity == "warning"
    assert f"{words} the time of the CSMS" in finding.explanation()
    assert "1 min 3" in finding.explanation()


@pytest.mark.parametrize("hours", [2.0, -5.0, 5.5, 5.75])
def test_the_offset_of_a_time_zone_is_local_time(hours: float) -> None:
    diagnosis = clocks(hours * HOUR)
    assert clock_findings(diagnosis) == ["clock.local-time"]
    assert "marked as UTC (Z)" in the(diagnosis, "clock.local-time").explanation()


@pytest.mark.parametrize("hours", [2.25, 2 + 1 / 60, 15.0])
def test_other_offsets_are_drift(hours: float) -> None:
    assert clock_findings(clocks(hours * HOUR)) == ["clock.drift"]


def test_a_zone_that_is_not_the_one_of_the_time() -> None:
    # The station shows UTC and says that it is two hours ahead: two hours behind.
    finding = the(clocks(0, zone="+02:00"), "clock.local-time")
    assert "marked as +02:00" in finding.explanation()


def test_the_right_zone_is_right() -> None:
    assert clock_findings(clocks(2 * HOUR, zone="+02:00")) == []


def test_without_the_csms_it_is_the_word_of_the_capture() -> None:
    finding = the(clocks(400, csms=None), "clock.drift")
    assert finding.severity == "info"
    assert "of the capture" in finding.explanation()


def test_the_csms_is_wrong_when_station_and_capture_agree() -> None:
    diagnosis = clocks(0, csms=2 * HOUR)
    assert clock_findings(diagnosis) == ["clock.csms"]
    assert the(diagnosis, "clock.csms").owner == "csms"
    assert "time zone" in the(diagnosis, "clock.csms").explanation()


def test_the_capture_may_be_wrong_when_station_and_csms_agree() -> None:
    diagnosis = clocks(400, csms=400)
    assert clock_findings(diagnosis) == ["clock.capture"]
    assert the(diagnosis, "clock.capture").severity == "info"


def test_queued_messages_are_not_a_clock() -> None:
    session = talk()
    heartbeat(session)
    for minutes in range(60, 0, -1):
        status(session, session.timestamp(-60 * minutes))
    assert clock_findings(diagnose(session)) == []


def test_a_burst_of_messages_of_one_moment_in_the_past_is_not_a_clock() -> None:
    session = talk()
    heartbeat(session)
    for _ in range(5):
        status(session, session.timestamp(-HOUR))
    assert clock_findings(diagnose(session)) == []


def test_a_status_that_is_told_again_is_not_a_clock() -> None:
    session = talk()
    heartbeat(session)
    since = session.timestamp()
    for _ in range(10):
        session.clock.wait(300)
        status(session, since)
    assert clock_findings(diagnose(session)) == []


def test_a_clock_that_is_set_right_on_the_way_was_wrong_before() -> None:
    session = talk()
    for number in range(100):
        heartbeat(session)
        session.clock.wait(30)
        status(session, session.timestamp(-500 if number < 30 else 0))
    assert clock_findings(diagnose(session)) == ["clock.drift"]


# --------------------------------------------------------------------------------------------------- 1970, the future


@pytest.mark.parametrize("text, expected", [("1970-01-01T00:02:11Z", True), ("2012-01-01T00:00:00Z", False)])
def test_a_clock_that_was_never_set(text: str, expected: bool) -> None:
    session = talk()
    status(session, text)
    diagnosis = diagnose(session)
    assert ("clock.unset" in found(diagnosis)) is expected
    if expected:
        assert text in the(diagnosis, "clock.unset").explanation()


def test_a_csms_that_was_never_set() -> None:
    session = talk()
    session.call("station", "Heartbeat", {}, {"currentTime": "1970-01-01T00:00:05Z"})
    assert the(diagnose(session), "clock.unset").owner == "csms"


@pytest.mark.parametrize("seconds, expected", [(50, False), (400, True)])
def test_one_timestamp_of_the_future(seconds: float, expected: bool) -> None:
    session = talk()
    for _ in range(6):
        heartbeat(session)
        session.clock.wait(60)
        status(session, session.timestamp())
    status(session, session.timestamp(seconds))
    assert clock_findings(diagnose(session)) == (["clock.future"] if expected else [])


@settings(max_examples=60, deadline=None)
@given(
    messages("BootNotification", "Heartbeat", "StatusNotification", "MeterValues", "TransactionEvent", "NotifyReport")
)
def test_nothing_that_is_sent_breaks_the_check(events: list[Any]) -> None:
    diagnose_events(events)


@settings(max_examples=40, deadline=None)
@given(messages("Heartbeat", "StatusNotification", "MeterValues", connected=False))
def test_nor_in_a_log(events: list[Any]) -> None:
    diagnose_events(events)
