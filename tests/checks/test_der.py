"""DER controls and alarms."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.task_talk import Tasks

WATT = {"priority": 2, "setpoint": 30, "unit": "PctMaxW"}


def sets(talk: Tasks, id_: str, status: str = "Accepted", **answer: Any) -> None:
    order = {"isDefault": False, "controlId": id_, "controlType": "FixedVar", "fixedVar": WATT}
    talk.order("SetDERControl", order, {"status": status, **answer})


@pytest.mark.parametrize(
    "status, expected",
    [("Accepted", []), ("Rejected", ["der.control-refused"]), ("NotSupported", ["der.control-refused"])],
)
def test_a_control_may_be_refused(status: str, expected: list[str]) -> None:
    talk = Tasks("2.1")
    sets(talk, "a", status)
    assert talk.found("der") == expected
    control = talk.station().der.controls["a"]
    assert (control.type, control.priority, control.status) == ("FixedVar", 2, status)


def test_one_control_takes_the_place_of_another() -> None:
    talk = Tasks("2.1")
    sets(talk, "a")
    sets(talk, "b", supersededIds=["a"])
    assert "FixedVar (b) has taken the place of a" in talk.the("der.control-superseded").explanation()
    assert [control.id for control in talk.station().der.in_force()] == ["b"]


def test_no_control_superseded_is_no_finding() -> None:
    talk = Tasks("2.1")
    sets(talk, "a")
    sets(talk, "b", supersededIds=[])
    talk.tell("NotifyDERStartStop", {"controlId": "b", "started": True, "timestamp": talk.now()})
    assert talk.found("der") == []
    assert talk.station().der.controls["b"].running


def test_superseded_at_its_start() -> None:
    talk = Tasks("2.1")
    sets(talk, "a")
    sets(talk, "b")
    event = {"controlId": "b", "started": True, "timestamp": talk.now(), "supersededIds": ["a"]}
    talk.tell("NotifyDERStartStop", event)
    assert talk.found("der") == ["der.control-superseded"]


def test_an_alarm_and_its_end_are_one() -> None:
    talk = Tasks("2.1")
    alarm = {"controlType": "LFMustTrip", "gridEventFault": "UnderFrequency", "timestamp": talk.now()}
    talk.tell("NotifyDERAlarm", alarm)
    talk.tell("NotifyDERAlarm", {**alarm, "alarmEnded": True})
    finding = talk.the("der.alarm")
    assert (finding.count, "UnderFrequency" in finding.explanation()) == (1, True)
    (seen,) = talk.station().der.alarms
    assert seen.ended is not None


def test_the_end_of_an_alarm_before_the_capture_is_none() -> None:
    talk = Tasks("2.1")
    talk.tell("NotifyDERAlarm", {"controlType": "LFMustTrip", "timestamp": talk.now(), "alarmEnded": True})
    assert talk.found("der") == []


@pytest.mark.parametrize("status, expected", [("Accepted", []), ("NotFound", ["der.clear-refused"])])
def test_clearing(status: str, expected: list[str]) -> None:
    talk = Tasks("2.1")
    sets(talk, "a")
    talk.order("ClearDERControl", {"isDefault": False, "controlId": "a"}, {"status": status})
    assert talk.found("der") == expected
    assert talk.station().der.controls["a"].cleared is (status == "Accepted")


@pytest.mark.parametrize("comes, expected", [(True, []), (False, ["der.report-never-came"])])
def test_a_report_of_controls(comes: bool, expected: list[str]) -> None:
    talk = Tasks("2.1")
    talk.order("GetDERControl", {"requestId": 8})
    if comes:
        talk.tell("ReportDERControl", {"requestId": 8})
    talk.wait(400)
    assert talk.found("der") == expected


def test_a_report_may_take_four_minutes() -> None:
    talk = Tasks("2.1")
    talk.order("GetDERControl", {"requestId": 8})
    talk.wait(240)
    assert talk.found("der") == []
