"""Settings, variables, monitors and reports."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.task_talk import Tasks

PLACE = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}


def changes(talk: Tasks, status: str, key: str = "MeterValueSampleInterval", value: str = "60") -> None:
    talk.order("ChangeConfiguration", {"key": key, "value": value}, {"status": status})


def sets(talk: Tasks, status: str, **more: Any) -> None:
    answer = {"setVariableResult": [{"attributeStatus": status, **PLACE, **more}]}
    talk.order("SetVariables", {"setVariableData": [{"attributeValue": "60", **PLACE}]}, answer)


@pytest.mark.parametrize(
    "status, expected",
    [
        ("Accepted", []),
        ("Rejected", ["config.rejected"]),
        ("NotSupported", ["config.not-supported"]),
        ("RebootRequired", []),
    ],
)
def test_a_setting_may_not_be_taken(status: str, expected: list[str]) -> None:
    talk = Tasks()
    changes(talk, status)
    assert talk.found("config") == expected


def test_the_value_of_a_setting_is_nobodys_business() -> None:
    talk = Tasks()
    changes(talk, "Rejected", "AuthorizationKey", "0011223344556677")
    finding = talk.the("config.rejected")
    assert "AuthorizationKey" in finding.explanation()
    assert "0011223344556677" not in finding.explanation(show_ids=True)


def test_a_setting_that_waits_for_a_restart_for_a_day() -> None:
    talk = Tasks()
    changes(talk, "RebootRequired", "SecurityProfile")
    changes(talk, "RebootRequired", "WebSocketPingInterval")
    talk.wait(25 * 3600)
    assert "SecurityProfile and WebSocketPingInterval" in talk.the("config.reboot-pending").explanation()


def test_a_restart_brings_settings_into_effect() -> None:
    talk = Tasks()
    changes(talk, "RebootRequired")
    talk.silence(3600)
    talk.boot()
    talk.wait(25 * 3600)
    assert talk.found("config") == []


@pytest.mark.parametrize(
    "status, expected",
    [
        ("Accepted", []),
        ("Rejected", ["variables.rejected"]),
        ("NotSupportedAttributeType", ["variables.rejected"]),
        ("UnknownComponent", ["variables.unknown"]),
        ("UnknownVariable", ["variables.unknown"]),
        ("RebootRequired", []),
    ],
)
def test_a_variable_may_not_be_taken(status: str, expected: list[str]) -> None:
    talk = Tasks("2.0.1")
    sets(talk, status)
    assert talk.found("variables", "config") == expected


def test_the_station_may_say_why() -> None:
    talk = Tasks("2.0.1")
    sets(talk, "Rejected", attributeStatusInfo={"reasonCode": "ReadOnly"})
    assert '("ReadOnly")' in talk.the("variables.rejected").explanation()
    assert "OCPPCommCtrlr.HeartbeatInterval" in talk.the("variables.rejected").explanation()


@pytest.mark.parametrize(
    "status, expected", [("Accepted", []), ("Rejected", []), ("UnknownVariable", ["variables.unknown"])]
)
def test_reading_a_variable(status: str, expected: list[str]) -> None:
    talk = Tasks("2.0.1")
    answer = {"getVariableResult": [{"attributeStatus": status, **PLACE}]}
    talk.order("GetVariables", {"getVariableData": [PLACE]}, answer)
    assert talk.found("variables") == expected


@pytest.mark.parametrize(
    "status, expected", [("Accepted", []), ("Duplicate", []), ("UnsupportedMonitorType", ["monitoring.refused"])]
)
def test_a_monitor_may_be_refused(status: str, expected: list[str]) -> None:
    talk = Tasks("2.0.1")
    order = {"setMonitoringData": [{"value": 1, "type": "Delta", "severity": 5, **PLACE}]}
    answer = {"setMonitoringResult": [{"status": status, "type": "Delta", "severity": 5, **PLACE}]}
    talk.order("SetVariableMonitoring", order, answer)
    assert talk.found("monitoring") == expected


# -------------------------------------------------------------------------------------------------------------- reports


def asks(talk: Tasks, status: str = "Accepted", number: int = 3) -> None:
    talk.order("GetBaseReport", {"requestId": number, "reportBase": "FullInventory"}, {"status": status})


def part(talk: Tasks, seq: int, tbc: bool | None = None, number: int = 3) -> None:
    more = {} if tbc is None else {"tbc": tbc}
    talk.tell("NotifyReport", {"requestId": number, "generatedAt": talk.now(), "seqNo": seq, **more})


def test_a_report_in_three_parts() -> None:
    talk = Tasks("2.0.1")
    asks(talk)
    part(talk, 0, True)
    part(talk, 1, True)
    part(talk, 2, False)
    talk.wait(3600)
    assert talk.found("report") == []


def test_a_report_that_never_comes() -> None:
    talk = Tasks("2.0.1")
    asks(talk)
    talk.wait(400)
    assert talk.found("report") == ["report.never-came"]


def test_a_report_may_take_four_minutes() -> None:
    talk = Tasks("2.0.1")
    asks(talk)
    talk.wait(240)
    part(talk, 0)
    assert talk.found("report") == []


def test_a_report_that_breaks_off() -> None:
    talk = Tasks("2.0.1")
    asks(talk)
    part(talk, 0, True)
    part(talk, 1, True)
    talk.wait(400)
    assert "Part 1 of the report" in talk.the("report.unfinished").explanation()


def test_a_report_with_a_part_missing() -> None:
    talk = Tasks("2.0.1")
    asks(talk)
    part(talk, 0, True)
    part(talk, 2)
    assert "part 2 where part 1 was due" in talk.the("report.part-missing").explanation()


def test_a_part_that_comes_twice_is_none_missing() -> None:
    talk = Tasks("2.0.1")
    asks(talk)
    part(talk, 0, True)
    part(talk, 0, True)
    part(talk, 1)
    assert talk.found("report") == []


def test_a_report_that_nobody_is_known_to_have_asked_for_may_begin_anywhere() -> None:
    talk = Tasks("2.0.1")
    part(talk, 17, True)
    part(talk, 18)
    talk.wait(400)
    assert talk.found("report") == []


def test_a_report_may_be_over_before_its_order_is_answered() -> None:
    talk = Tasks("2.0.1")
    id_ = talk.session.call("csms", "GetBaseReport", {"requestId": 3, "reportBase": "FullInventory"})
    part(talk, 0)
    talk.session.answer("station", id_, "GetBaseReport", {"status": "Accepted"})
    talk.wait(400)
    assert talk.found("report") == []


@pytest.mark.parametrize(
    "status, expected", [("EmptyResultSet", []), ("NotSupported", ["report.refused"]), ("Rejected", ["report.refused"])]
)
def test_a_report_may_be_refused(status: str, expected: list[str]) -> None:
    talk = Tasks("2.0.1")
    asks(talk, status)
    talk.wait(400)
    assert talk.found("report") == expected
