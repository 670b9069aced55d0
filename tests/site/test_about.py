"""What a station says of itself, in every version."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from fieldkit.events import OcppMessage
from fieldkit.site.about import MAX_NAME, MAX_SETTINGS, MAX_VALUE, About
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose
from tests.traffic.hostile import messages


def talk(version: str = "1.6") -> Session:
    session = Session("CP_7", version)
    session.connect()
    session.upgrade()
    return session


def about(session: Session) -> About:
    return diagnose(session).picture.stations["CP_7"].about


BOOT_16 = {
    "chargePointVendor": "Testwerk",
    "chargePointModel": "Säule 22",
    "chargePointSerialNumber": "S-1",
    "firmwareVersion": "1.4.2",
}
BOOT_2 = {
    "reason": "Watchdog",
    "chargingStation": {
        "model": "Säule 22",
        "vendorName": "Testwerk",
        "serialNumber": "S-1",
        "firmwareVersion": "1.4.2",
    },
}


def test_a_boot_of_each_version() -> None:
    for version, boot, reason in (("1.6", BOOT_16, ""), ("2.0.1", BOOT_2, "Watchdog"), ("2.1", BOOT_2, "Watchdog")):
        session = talk(version)
        accepted = {"currentTime": "2026-08-31T08:00:00Z", "interval": 300, "status": "Accepted"}
        session.call("station", "BootNotification", boot, accepted)
        known = about(session)
        assert (known.vendor, known.model, known.serial, known.firmware) == ("Testwerk", "Säule 22", "S-1", "1.4.2")
        (entry,) = known.boots
        assert (entry.reason, entry.status, entry.interval, entry.current_time) == (reason, "Accepted", 300, MONDAY)
        assert known.heartbeat_interval == 300


def test_in_15_the_interval_has_another_name_and_the_box_a_serial_number() -> None:
    session = talk()
    boot = {"chargePointVendor": "T", "chargePointModel": "S", "chargeBoxSerialNumber": "B-1"}
    accepted = {"currentTime": session.timestamp(), "heartbeatInterval": 60, "status": "Accepted"}
    session.call("station", "BootNotification", boot, accepted)
    known = about(session)
    assert (known.serial, known.heartbeat_interval) == ("B-1", 60)


def test_the_interval_of_a_pending_boot_is_none_between_heartbeats() -> None:
    session = talk()
    pending = {"currentTime": session.timestamp(), "interval": 60, "status": "Pending"}
    session.call("station", "BootNotification", BOOT_16, pending)
    known = about(session)
    assert known.boots[0].interval == 60
    assert known.heartbeat_interval is None


def test_a_boot_without_an_answer_and_one_with_an_error() -> None:
    session = talk()
    session.call("station", "BootNotification", BOOT_16)
    id_ = session.call("station", "BootNotification", BOOT_16)
    session.error("csms", id_, "BootNotification", "InternalError")
    first, second = about(session).boots
    assert first.answer is None
    assert second.answer is not None
    assert second.status == ""


def test_heartbeats_are_counted() -> None:
    session = talk()
    for _ in range(3):
        session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    known = about(session)
    assert known.heartbeats == 3
    assert known.last_heartbeat is not None


def test_configuration_of_16() -> None:
    session = talk()
    entries = [
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
        {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
        {"key": "Untold", "readonly": True},
    ]
    session.call("csms", "GetConfiguration", {}, {"configurationKey": entries})
    change = {"key": "heartbeatinterval", "value": "60"}
    session.call("csms", "ChangeConfiguration", change, {"status": "Accepted"})
    session.call("csms", "ChangeConfiguration", {"key": "Refused", "value": "1"}, {"status": "Rejected"})
    known = about(session)
    assert set(known.settings) == {"HeartbeatInterval", "NumberOfConnectors", "Untold"}
    heartbeat = known.settings["HeartbeatInterval"]
    assert (heartbeat.value, heartbeat.readonly, heartbeat.by) == ("60", False, "ChangeConfiguration")
    assert known.settings["NumberOfConnectors"].readonly is True
    assert known.settings["Untold"].value is None
    assert known.setting("HEARTBEATINTERVAL") is heartbeat
    assert (known.heartbeat_interval, known.heartbeat_reported) == (60, 300)


def test_what_the_csms_sets_counts_more_than_what_the_station_reports() -> None:
    session = talk()
    accepted = {"currentTime": session.timestamp(), "interval": 5, "status": "Accepted"}
    session.call("station", "BootNotification", BOOT_16, accepted)
    entry = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
    session.call("csms", "GetConfiguration", {}, {"configurationKey": [entry]})
    assert about(session).heartbeat_interval == 5


def test_what_needs_a_reboot_is_stored_and_not_in_force() -> None:
    session = talk()
    change = {"key": "HeartbeatInterval", "value": "60"}
    session.call("csms", "ChangeConfiguration", change, {"status": "RebootRequired"})
    known = about(session)
    assert known.settings["HeartbeatInterval"].value == "60"
    assert known.heartbeat_interval is None


def test_variables_of_2() -> None:
    session = talk("2.0.1")
    place: dict[str, Any] = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    result = {"attributeStatus": "Accepted", "attributeValue": "300", **place}
    missing = {"attributeStatus": "UnknownVariable", "component": {"name": "X"}, "variable": {"name": "Y"}}
    session.call("csms", "GetVariables", {"getVariableData": [place]}, {"getVariableResult": [result, missing]})
    wanted = {"setVariableData": [{"attributeValue": "60", **place}]}
    session.call("csms", "SetVariables", wanted, {"setVariableResult": [{"attributeStatus": "Accepted", **place}]})
    attributes = [{"value": "11000", "mutability": "ReadOnly"}, {"type": "MaxSet", "value": "22000"}]
    power = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power", "instance": "AC"}}
    data = [{**power, "variableAttribute": attributes}]
    report = {"requestId": 1, "generatedAt": session.timestamp(), "seqNo": 0, "reportData": data}
    session.call("station", "NotifyReport", report, {})
    known = about(session)
    assert {name: setting.value for name, setting in known.settings.items()} == {
        "OCPPCommCtrlr.HeartbeatInterval": "60",
        "EVSE@1.Power[AC]": "11000",
        "EVSE@1.Power[AC]:MaxSet": "22000",
    }
    assert known.settings["EVSE@1.Power[AC]"].readonly is True
    assert known.heartbeat_interval == 60


def test_secrets_are_not_kept() -> None:
    session = talk()
    entry = {"key": "AuthorizationKey", "readonly": False, "value": "0123456789abcdef"}
    session.call("csms", "GetConfiguration", {}, {"configurationKey": [entry]})
    change = {"key": "WifiPassword", "value": "correct horse"}
    session.call("csms", "ChangeConfiguration", change, {"status": "Accepted"})
    settings_ = about(session).settings
    assert [setting.value for setting in settings_.values()] == ["(hidden)", "(hidden)"]
    session = talk("2.0.1")
    place = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    wanted = {"setVariableData": [{"attributeValue": "0123456789abcdef", **place}]}
    session.call("csms", "SetVariables", wanted, {"setVariableResult": [{"attributeStatus": "Accepted", **place}]})
    assert about(session).settings["SecurityCtrlr.BasicAuthPassword"].value == "(hidden)"


def test_memory_is_bounded() -> None:
    known = About()
    session = talk()
    long = "x" * 100_000
    session.call("station", "BootNotification", {"chargePointVendor": long, "chargePointModel": long})
    for number in range(3):
        entries = [{"key": f"K{number}-{index}", "readonly": True, "value": long[:2000]} for index in range(999)]
        session.call("csms", "GetConfiguration", {}, {"configurationKey": entries})
    known = about(session)
    assert len(known.vendor) == MAX_NAME
    assert len(known.settings) == MAX_SETTINGS
    assert known.settings_dropped == 997
    assert all(len(setting.value or "") <= MAX_VALUE for setting in known.settings.values())


@settings(max_examples=100, deadline=None)
@given(messages(*sorted(About.ACTIONS)))
def test_any_payload_is_survived(events: list[Any]) -> None:
    known = About()
    for event in events:
        if isinstance(event, OcppMessage):
            known.feed(event)
