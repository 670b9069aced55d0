"""An anonymised trace: nobody's name is in it, and what happened still is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import OcppMessage
from fieldkit.reports.anonymize import Anonymizer, AnonymousTrace
from fieldkit.site.picture import Picture
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import Session
from tests.traffic.decoded import Decoded, decode, decode_files
from tests.traffic.diagnosed import diagnose_events, found
from tests.traffic.expectations import CAPTURES
from tests.traffic.scripts import usual_hour
from tests.traffic.taps import Tap

KEY = bytes(32)


def started() -> Session:
    session = Session("DE-ABC-0042")
    session.connect()
    session.upgrade()
    return session


def overheard(session: Session) -> Decoded:
    return decode(write_pcap(Tap().packets(session.segments)))


def anonymous(decoded: Decoded) -> list[dict[str, Any]]:
    """The records of the trace."""
    lines: list[bytes] = []
    trace = AnonymousTrace(lines.append, KEY)
    for event in decoded.events:
        trace.see(event, Picture())
    trace.finish()
    return [json.loads(line) for line in b"".join(lines).splitlines()]


def said(session: Session) -> str:
    return json.dumps(anonymous(overheard(session)), ensure_ascii=False)


def test_nobody_is_named_in_a_boot() -> None:
    session = started()
    boot = {
        "chargePointVendor": "Testwerk",
        "chargePointModel": "S22",
        "chargePointSerialNumber": "SN-77120934",
        "iccid": "8991101200003204510",
        "imsi": "262011234567890",
        "meterSerialNumber": "1EMH0011223344",
    }
    session.call("station", "BootNotification", boot, {"status": "Accepted", "interval": 300})
    text = said(session)
    for name in ("DE-ABC-0042", "77120934", "8991101200003204510", "262011234567890", "1EMH0011223344"):
        assert name not in text
    assert '"chargePointVendor": "Testwerk"' in text
    assert '"262' in text


def test_a_token_is_the_same_somebody_throughout() -> None:
    session = started()
    usual_hour(session)
    records = anonymous(overheard(session))
    tokens = {
        record["payload"]["idTag"] for record in records if "idTag" in (record.get("payload") or {})
    }  # Authorize and StartTransaction
    (token,) = tokens
    assert token != "04A2B7C1"
    assert len(token) == 8


def test_the_frame_and_the_payload_say_the_same_and_are_as_long_as_they_were() -> None:
    session = started()
    usual_hour(session)
    decoded = overheard(session)
    for record, message in zip(anonymous(decoded), decoded.messages, strict=True):
        raw = json.loads(record["raw"])
        assert raw[2 if record["messageType"] == "CALLRESULT" else 3] == record["payload"]
        assert len(record["raw"].encode()) == len(message.raw.encode())
        assert record["messageId"] == raw[1]


@pytest.mark.parametrize(
    "info, gone",
    [
        ("station DE-ABC-0042 restarted", "DE-ABC-0042"),
        ("modem 10.64.3.17 lost", "10.64.3.17"),
        ("cannot reach csms.acme-charging.com", "acme"),
        ("eth0 00:1b:44:11:3a:b7 down", "1b:44:11"),
        ("contract DE8AAC12345678X refused", "12345678"),
        ("vehicle WVWZZZ1JZ3W386752", "1JZ3W386752"),
        ("mail ops@acme.example", "ops@acme"),
        ("SIM 8991101200003204510", "3204510"),
    ],
)
def test_names_in_free_text_are_found(info: str, gone: str) -> None:
    session = started()
    status = {"connectorId": 1, "errorCode": "OtherError", "status": "Faulted", "info": info}
    session.call("station", "StatusNotification", status, {})
    text = said(session)
    assert gone not in text
    assert info.split()[0] in text


def test_a_url_keeps_its_form() -> None:
    session = started()
    order = {"location": "ftp://fw:geheim99@files.acme-charging.com:2121/fw/v2.bin?site=Kassel7"}
    session.call("csms", "UpdateFirmware", {**order, "retrieveDate": session.timestamp()}, {})
    text = said(session)
    for name in ("geheim99", "acme", "Kassel7"):
        assert name not in text
    assert ":2121/fw/v2.bin?site=" in text


def test_a_configuration_key_that_names_somebody() -> None:
    session = started()
    keys = [
        {"key": "MeterSerialNumber", "readonly": True, "value": "77-4411-2200"},
        {"key": "AuthorizationKey", "readonly": False, "value": "00112233445566778899aabbccddeeff"},
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
    ]
    session.call("csms", "GetConfiguration", {}, {"configurationKey": keys})
    text = said(session)
    assert "77-4411-2200" not in text
    assert "00112233" not in text
    assert "(hidden)" in text
    assert '"300"' in text


def test_a_vendors_data() -> None:
    session = started()
    nested = json.dumps({"user": "Erika Mustermann", "idTag": "04A2B7C1", "state": "C2"})
    session.call("station", "DataTransfer", {"vendorId": "com.acme", "messageId": "session", "data": nested}, {})
    session.call("station", "DataTransfer", {"vendorId": "com.acme", "messageId": "note", "data": "Erika;K-AB 12"}, {})
    text = said(session)
    for name in ("Erika", "Mustermann", "04A2B7C1", "K-AB 12"):
        assert name not in text
    assert "C2" in text


def test_what_is_wrong_with_a_message_is_still_wrong() -> None:
    session = started()
    session.call("station", "Authorize", {"idTag": "K" * 25}, None)
    decoded = decode(write_pcap(Tap().packets(session.segments)), validate=True)
    (record,) = anonymous(decoded)
    (error,) = record["meta"]["errors"]
    assert len(record["payload"]["idTag"]) == 25
    assert "KKKK" not in json.dumps(record)
    assert error["rule"].startswith("schema.")


def test_a_frame_that_is_too_broken_to_read_keeps_its_form_only() -> None:
    session = started()
    session.say("station", '[2,"m-1","Authorize",{"idTag:"04A2B7C1D2E3"}]')
    (record,) = anonymous(overheard(session))
    assert "04A2B7C1D2E3" not in json.dumps(record)
    assert record["raw"].count('"') == 7
    assert len(record["raw"]) == len('[2,"m-1","Authorize",{"idTag:"04A2B7C1D2E3"}]')


def test_an_error_that_quotes_a_token() -> None:
    session = started()
    id_ = session.call("station", "Authorize", {"idTag": "GUEST-4711"}, None)
    session.error("csms", id_, "Authorize", "InternalError", "no such tag GUEST-4711 at DE-ABC-0042")
    text = said(session)
    assert "GUEST-4711" not in text
    assert "no such tag" in text


def test_soap_is_edited_where_the_names_stand() -> None:
    decoded = decode_files(CAPTURES / "ocpp15s_ocppjs_soap.pcap")
    records = anonymous(decoded)
    assert len(records) == len(decoded.messages)
    text = json.dumps(records)
    assert "CP-SOAP-15" not in text
    assert all("chargeBoxIdentity" in record["raw"] for record in records if record["messageType"] == "CALL")


@pytest.mark.parametrize(
    "name", ["ocpp16j_vcp_ocpprpc_plain.pcap", "ocpp201_vcp_pyocpp_plain.pcap", "fault_boot_pending.pcap"]
)
def test_the_diagnosis_of_a_recording_does_not_change(name: str, tmp_path: Path) -> None:
    """What follows from messages; what follows from packets is not in a trace."""
    original = decode_files(CAPTURES / name)
    as_trace = tmp_path / "true.jsonl"
    changed = tmp_path / "other.jsonl"
    with as_trace.open("wb") as file:
        from fieldkit.reports.trace import TraceWriter

        writer = TraceWriter(file.write)
        for event in original.events:
            writer.event(event)
        writer.finish()
    changed.write_text("".join(json.dumps(record) + "\n" for record in anonymous(original)))
    first, second = (found(diagnose_events(decode_files(path).events)) for path in (as_trace, changed))
    assert sorted(first) == sorted(second)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["idTag", "key", "value", "data", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(_VALUES)
def test_no_payload_is_too_odd(payload: Any) -> None:
    session = started()
    session.call("station", "DataTransfer", {"vendorId": "v", "data": payload}, None)
    (message,) = overheard(session).of(OcppMessage)
    Anonymizer(KEY).message(message)
