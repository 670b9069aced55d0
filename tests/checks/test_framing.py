"""What the decoder finds wrong with a message becomes a finding of who sent it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings

from fieldkit.session import Session as Diagnosis
from tests.traffic.conversation import Session, compact
from tests.traffic.diagnosed import diagnose, diagnose_events, found, the
from tests.traffic.hostile import messages
from tests.traffic.scripts import usual_hour

FAMILIES = ("framing.", "json.", "schema.", "soap.")


def talk(version: str = "1.6") -> Session:
    session = Session("CP_7", version)
    session.connect()
    session.upgrade()
    return session


def judged(diagnosis: Diagnosis) -> list[str]:
    return [id_ for id_ in found(diagnosis) if id_.startswith(FAMILIES)]


def said(*texts: str | bytes, version: str = "1.6", binary: bool = False) -> Diagnosis:
    """What the station says, word by word; the CSMS keeps quiet."""
    session = talk(version)
    for text in texts:
        session.clock.wait(1)
        session.say("station", text, binary=binary)
    return diagnose(session, validate=True)


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_what_keeps_to_the_standard_is_no_finding(version: str) -> None:
    session = talk(version)
    usual_hour(session)
    assert judged(diagnose(session, validate=True)) == []


@pytest.mark.parametrize(
    "text, expected",
    [
        ('[2,"a","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]', "json.broken"),
        ('[2,"a","Heartbeat",{}', "json.broken"),
        (b'[2,"a","DataTransfer",{"vendorId":"Stra\xdfe"}]', "json.broken"),
        ('[2,"a","DataTransfer",{"vendorId":"x","data":NaN}]', "json.lenient"),
        ('{"action":"Heartbeat"}', "framing.malformed"),
        ('["2","a","Heartbeat",{}]', "framing.malformed"),
        ('[2,"a","Heartbeat"]', "framing.malformed"),
        ('[9,"a","Heartbeat",{}]', "framing.malformed"),
        ('[2,4711,"Heartbeat",{}]', "framing.message-id"),
        ('[2,"","Heartbeat",{}]', "framing.message-id"),
        (compact([2, "x" * 37, "Heartbeat", {}]), "framing.message-id"),
        ('[2,"a","Heartbeet",{}]', "framing.unknown-action"),
        ('[2,"a","Reset",{"type":"Soft"}]', "framing.direction"),
        ('[4,"a","Broken","",{}]', "framing.error-details"),
        ('[5,"a","GenericError","",{}]', "framing.other-version"),
    ],
)
def test_broken_frames(text: str, expected: str) -> None:
    diagnosis = said(text)
    assert expected in judged(diagnosis)
    finding = next(finding for finding in diagnosis.findings if finding.kind.id == expected)
    assert finding.owner == "station"
    assert "station" in finding.explanation()


@pytest.mark.parametrize(
    "text", ['[2,"a","Heartbeat",{}]', compact([2, "x" * 36, "Heartbeat", {}]), ' [2, "a", "Heartbeat", {}]\n']
)
def test_frames_that_are_just_right(text: str) -> None:
    assert judged(said(text)) == []


def test_binary_messages() -> None:
    assert judged(said('[2,"a","Heartbeat",{}]', binary=True)) == ["framing.binary"]


def test_the_csms_is_named_where_it_is_the_sender() -> None:
    session = talk()
    session.call("station", "Heartbeat", {}, {"currentTime": "yesterday"})
    finding = the(diagnose(session, validate=True), "schema.time-format")
    assert finding.owner == "csms"
    assert "The answer to Heartbeat of the CSMS" in finding.explanation()


def test_an_answer_repeats_the_id_of_its_call_as_it_is() -> None:
    session = talk()
    session.say("station", compact([2, "x" * 40, "Heartbeat", {}]))
    session.say("csms", compact([3, "x" * 40, {"currentTime": session.timestamp()}]))
    assert judged(diagnose(session)) == ["framing.message-id"]
    assert the(diagnose(session), "framing.message-id").owner == "station"


# ---------------------------------------------------------------------------------------------------------- message ids


def test_an_id_for_two_calls() -> None:
    other = '[2,"a","DataTransfer",{"vendorId":"x"}]'
    assert judged(said('[2,"a","Heartbeat",{}]', other)) == ["framing.id-reused"]
    assert judged(said('[2,"a","Heartbeat",{}]', other.replace('"a"', '"b"'))) == []


def test_a_call_that_is_sent_again_is_legal() -> None:
    diagnosis = said('[2,"a","Heartbeat",{}]', '[2,"a","Heartbeat",{}]')
    assert judged(diagnosis) == ["framing.id-repeated"]
    assert the(diagnosis, "framing.id-repeated").severity == "info"


def test_ids_may_begin_anew_with_each_connection() -> None:
    first, second = talk(), Session("CP_7", "1.6", client=("192.168.7.20", 49_153))
    second.connect()
    second.upgrade()
    first.say("station", '[2,"1","Heartbeat",{}]')
    second.say("station", '[2,"1","DataTransfer",{"vendorId":"x"}]')
    assert judged(diagnose(first, second)) == []


# -------------------------------------------------------------------------------------------------------------- schemas

BOOT = {"chargePointVendor": "Testwerk", "chargePointModel": "Säule 22"}


def boot(**more: Any) -> Diagnosis:
    return said(compact([2, "a", "BootNotification", {**BOOT, **more}]))


def test_a_serial_number_that_is_too_long() -> None:
    finding = the(boot(chargePointSerialNumber="S" * 26), "schema.violation")
    text = finding.explanation()
    assert "BootNotification of the station" in text
    assert "at chargePointSerialNumber" in text
    assert "26 characters" in text


def test_a_serial_number_that_just_fits() -> None:
    assert judged(boot(chargePointSerialNumber="S" * 25)) == []


def test_the_same_fault_in_every_sample_is_one_finding() -> None:
    bad = {"timestamp": "2026-08-31T08:00:00Z", "sampledValue": [{"value": "1", "unit": "kWatt"}]}
    text = compact([2, "a", "MeterValues", {"connectorId": 1, "meterValue": [bad] * 5}])
    again = text.replace('"a"', '"b"')
    finding = the(said(text, again), "schema.violation")
    assert finding.count == 2
    assert "meterValue[].sampledValue[].unit" in finding.explanation()


def test_a_current_in_quarters_of_an_ampere_is_a_small_thing() -> None:
    session = talk()
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11.25}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    asked = {"connectorId": 1, "csChargingProfiles": profile}
    session.call("csms", "SetChargingProfile", asked, {"status": "Accepted"})
    finding = the(diagnose(session, validate=True), "schema.minor")
    assert (finding.owner, finding.severity) == ("csms", "info")


def test_a_secret_is_not_repeated() -> None:
    session = talk()
    asked = {"key": "AuthorizationKey", "value": ["0123456789abcdef"]}
    session.call("csms", "ChangeConfiguration", asked, {"status": "Accepted"})
    finding = the(diagnose(session, validate=True), "schema.violation")
    assert "0123456789abcdef" not in finding.explanation(show_ids=True)


def test_without_a_time_zone() -> None:
    start = {"connectorId": 1, "idTag": "04A2B7C1", "meterStart": 0, "timestamp": "2026-08-31T10:00:00"}
    finding = the(said(compact([2, "a", "StartTransaction", start])), "schema.time-format")
    assert "no time zone" in finding.explanation()


# ------------------------------------------------------------------------------------------------------------ versions


def test_messages_of_another_version_are_one_finding() -> None:
    newer = {"reason": "PowerUp", "chargingStation": {"model": "Säule", "vendorName": "Testwerk"}}
    event = {"eventType": "Started"}
    diagnosis = said(compact([2, "a", "BootNotification", newer]), compact([2, "b", "TransactionEvent", event]))
    assert judged(diagnosis) == ["framing.other-version"]
    finding = the(diagnosis, "framing.other-version")
    assert finding.count == 2
    assert "OCPP 1.6" in finding.explanation()
    assert "2.0.1" in finding.explanation()


def test_a_faulty_message_of_the_agreed_version_is_none_of_another() -> None:
    assert judged(boot(chargePointModel=7)) == ["schema.violation"]


# ---------------------------------------------------------------------------------- what the capture is to blame for


def test_what_was_compressed_before_the_capture_is_nobody_s_fault() -> None:
    session = Session("CP_7", "1.6", deflate="takeover")
    session.connect()
    session.upgrade()
    begin = len(session.segments)
    usual_hour(session)
    del session.segments[: begin + 12]
    assert judged(diagnose(session, validate=True)) == []


@settings(max_examples=60, deadline=None)
@given(messages("BootNotification", "Heartbeat", "MeterValues", "ChangeConfiguration"))
def test_nothing_that_is_sent_breaks_the_check(events: list[Any]) -> None:
    diagnosis = diagnose_events(events)
    assert all_texts(diagnosis.findings)


def all_texts(findings: Iterable[Any]) -> str:
    return json.dumps([""] + [finding.explanation() + finding.advice() for finding in findings])
