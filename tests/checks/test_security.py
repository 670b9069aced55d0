"""Logins, orders and secrets that endanger a station."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from fieldkit.checks.policy import Policy
from fieldkit.events import Event
from fieldkit.session import Session as Diagnosis
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose, diagnose_events, found, the
from tests.traffic.hostile import messages
from tests.traffic.scripts import usual_hour

PUBLIC = ("9.9.9.9", 80)
PASSWORD = "0123456789abcdef+"
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Protocol: %s\r\n\r\n"
)


def talk(version: str = "1.6", *, password: str = PASSWORD, server: tuple[str, int] = ("10.0.0.5", 80)) -> Session:
    session = Session("CP_7", version, server=server)
    session.connect()
    session.request(user="CP_7" if password else "", password=password)
    session.tcp.send(False, SWITCHING % f"ocpp{version}".encode())
    return session


def ids(diagnosis: Diagnosis, *severities: str) -> list[str]:
    return [id_ for id_ in found(diagnosis, *severities) if id_.startswith(("security.", "ws."))]


# --------------------------------------------------------------------------------------------------------------- logins


def test_a_password_in_clear_is_worth_knowing_and_on_the_internet_a_warning() -> None:
    inside = diagnose(talk())
    assert the(inside, "ws.basic-auth-in-clear").severity == "info"
    outside = the(diagnose(talk(server=PUBLIC)), "ws.basic-auth-in-clear")
    assert outside.severity == "warning"
    assert "open Internet" in outside.explanation()
    assert PASSWORD not in repr(outside)


def test_no_password_at_all() -> None:
    diagnosis = diagnose(talk(password=""))
    assert ids(diagnosis) == ["security.no-authentication"]
    assert the(diagnosis, "security.no-authentication").severity == "info"


def test_behind_a_reverse_proxy_nothing_is_said_of_the_station() -> None:
    session = Session("CP_7", "1.6", server=PUBLIC)
    session.connect()
    session.tcp.send(
        True,
        b"GET /ocpp/CP_7 HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"X-Forwarded-Proto: https\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: ocpp1.6\r\n"
        b"Authorization: Basic Q1BfNzpzZWNyZXQ=\r\n\r\n",
    )
    session.tcp.send(False, SWITCHING % b"ocpp1.6")
    assert ids(diagnose(session, policy=Policy(security_profile=3))) == []


@pytest.mark.parametrize(("demanded", "expected"), [(None, False), (1, False), (2, True)])
def test_the_policy_decides_which_profile_is_enough(demanded: int | None, expected: bool) -> None:
    diagnosis = diagnose(talk(), policy=Policy(security_profile=demanded))
    assert ("security.profile-below-policy" in ids(diagnosis)) is expected


# --------------------------------------------------------------------------------------------------------------- orders


def ordered(
    action: str, payload: dict[str, Any], answer: dict[str, Any] | None = None, version: str = "1.6"
) -> Diagnosis:
    session = talk(version)
    session.call("csms", action, payload, {"status": "Accepted"} if answer is None else answer)
    return diagnose(session)


def told(diagnosis: Diagnosis) -> list[str]:
    return [id_ for id_ in ids(diagnosis) if id_ != "ws.basic-auth-in-clear"]


def test_a_usual_hour_is_no_finding() -> None:
    session = talk()
    usual_hour(session)
    assert told(diagnose(session)) == []


@pytest.mark.parametrize(
    ("value", "status", "severity"),
    [
        ("0", "Accepted", "critical"),
        ("0", "Rejected", "info"),
        ("1", "Accepted", None),
        ("2", "Accepted", None),
        ("x", "Accepted", None),
    ],
)
def test_a_profile_that_is_lowered(value: str, status: str, severity: str | None) -> None:
    diagnosis = ordered("ChangeConfiguration", {"key": "SecurityProfile", "value": value}, {"status": status})
    if severity is None:
        assert told(diagnosis) == []
    else:
        assert the(diagnosis, "security.profile-downgrade").severity == severity


def test_a_network_profile_that_is_lower() -> None:
    profile = {"securityProfile": 0, "ocppCsmsUrl": "ws://10.0.0.6/"}
    diagnosis = ordered("SetNetworkProfile", {"configurationSlot": 1, "connectionData": profile}, version="2.0.1")
    assert told(diagnosis) == ["security.profile-downgrade"]


@pytest.mark.parametrize(("url", "expected"), [("ws://10.0.0.6/", True), ("wss://10.0.0.6/", False), (7, False)])
def test_a_network_profile_that_contradicts_itself(url: Any, expected: bool) -> None:
    profile = {"securityProfile": 2, "ocppCsmsUrl": url}
    diagnosis = ordered("SetNetworkProfile", {"configurationSlot": 1, "connectionData": profile}, version="2.0.1")
    assert (told(diagnosis) == ["security.network-profile-contradiction"]) is expected


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://files.example/fw.bin", []),
        ("ftps://u:geheim@files.example/", []),
        ("http://files.example/fw.bin", ["security.plain-transfer"]),
        ("FTP://files.example/up", ["security.plain-transfer"]),
        ("ftp://u:geheim@files.example/up", ["security.transfer-password-in-clear"]),
        ("http://[broken", []),
    ],
)
def test_where_files_are_sent(location: str, expected: list[str]) -> None:
    diagnosis = ordered("GetDiagnostics", {"location": location}, {"fileName": "x"})
    assert told(diagnosis) == expected
    assert not any("geheim" in finding.explanation() + finding.advice() for finding in diagnosis.findings)


LOCATION = "https://files.example/fw.bin"
SECURE = {"key": [], "configurationKey": [{"key": "SecurityProfile", "readonly": False, "value": "2"}]}


def test_firmware_of_1_6_is_unsigned_by_nature_below_profile_2() -> None:
    assert told(ordered("UpdateFirmware", {"location": LOCATION, "retrieveDate": "2026-08-31T09:00:00Z"}, {})) == []


def test_firmware_without_signature_for_a_station_of_profile_2() -> None:
    session = Session("CP_7", "1.6")  # its login is not in the capture: its settings tell the profile
    session.tcp.send(True, b"")
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    session.call("csms", "GetConfiguration", {}, {"configurationKey": SECURE["configurationKey"], "unknownKey": []})
    session.call("csms", "UpdateFirmware", {"location": LOCATION, "retrieveDate": "2026-08-31T09:00:00Z"}, {})
    finding = the(diagnose(session), "security.unsigned-firmware")
    assert finding.severity == "warning"
    assert "SignedUpdateFirmware" in finding.advice()


@pytest.mark.parametrize("signed", [True, False])
def test_firmware_of_2_x(signed: bool) -> None:
    firmware = {"location": LOCATION, "retrieveDateTime": "2026-08-31T09:00:00Z"}
    if signed:
        firmware |= {"signature": "AAAA", "signingCertificate": "-----BEGIN CERTIFICATE-----"}
    diagnosis = ordered("UpdateFirmware", {"requestId": 1, "firmware": firmware}, version="2.0.1")
    assert told(diagnosis) == ([] if signed else ["security.unsigned-firmware"])


def test_a_new_password_in_clear() -> None:
    key = {"key": "AuthorizationKey", "value": "30313233343536373839"}
    diagnosis = ordered("ChangeConfiguration", key)
    assert told(diagnosis) == ["security.key-set-in-clear"]
    assert "3031323334" not in the(diagnosis, "security.key-set-in-clear").explanation()
    assert told(ordered("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "300"})) == []
    variable = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeValue": "x",
    }
    diagnosis = ordered("SetVariables", {"setVariableData": [variable]}, {"setVariableResult": []}, "2.0.1")
    assert told(diagnosis) == ["security.key-set-in-clear"]


@pytest.mark.parametrize(("value", "expected"), [("30313233", True), ("", False), ("********", False), (None, False)])
def test_a_station_that_gives_its_password_away(value: str | None, expected: bool) -> None:
    entry = {"key": "AuthorizationKey", "readonly": False} | ({} if value is None else {"value": value})
    diagnosis = ordered("GetConfiguration", {}, {"configurationKey": [entry]})
    assert (told(diagnosis) == ["security.key-readable"]) is expected


def test_a_report_that_gives_the_password_away() -> None:
    session = talk("2.0.1")
    data = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    report = {"requestId": 1, "generatedAt": session.timestamp(), "seqNo": 0}
    session.call(
        "station", "NotifyReport", {**report, "reportData": [{**data, "variableAttribute": [{"value": "abc"}]}]}, {}
    )
    assert told(diagnose(session)) == ["security.key-readable"]


# ------------------------------------------------------------------------------------------------------------ hostility


@settings(max_examples=40, deadline=None)
@given(
    messages(
        "ChangeConfiguration", "SetVariables", "SetNetworkProfile", "GetConfiguration", "GetVariables", "NotifyReport",
        "UpdateFirmware", "SignedUpdateFirmware", "GetDiagnostics", "GetLog",
    )
)  # fmt: skip
def test_whatever_is_in_a_payload(events: list[Event]) -> None:
    diagnose_events(events)
