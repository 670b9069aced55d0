"""OCPP over SOAP: envelopes as ocpp-js, SteVe and others write them, loose ones, broken ones, hostile ones."""

from __future__ import annotations

import json
from importlib import resources
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.ocpp.soap import SoapEnvelope, parse_envelope
from fieldkit.ocpp.soaptypes import _FIELDS, _FIELDS_OF
from fieldkit.ocpp.soapxml import MAX_DEPTH, MAX_ELEMENTS

SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"

# npm ocpp-js 1.1.6, as recorded: the prefix "a" is not declared, the identity is in the other service's namespace
OCPP_JS_METER_VALUES = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope">
  <soap:Header>
    <h:chargeBoxIdentity xmlns:h="urn://Ocpp/Cp/2012/06/">CP-SOAP-15</h:chargeBoxIdentity>
    <a:MessageID>urn:uuid:757bc516-83f5-46b5-8e5b-ba92e9babce3</a:MessageID>
    <a:From>
      <a:Address>http://localhost:9221/Ocpp/ChargePointService</a:Address>
    </a:From>
    <a:ReplyTo>
      <a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address>
    </a:ReplyTo>
    <a:To>http://localhost:9220/Ocpp/CentralSystemService</a:To>
    <a:Action soap:mustUnderstand="1">/MeterValues</a:Action>
  </soap:Header>
  <soap:Body>
    <ns1:meterValuesRequest xmlns:ns1="urn://Ocpp/Cs/2012/06/">
      <ns1:connectorId>1</ns1:connectorId>
      <ns1:transactionId>1</ns1:transactionId>
      <ns1:values>
        <ns1:timestamp>2026-11-21T06:33:33.535Z</ns1:timestamp>
        <ns1:value measurand="Energy.Active.Import.Register" unit="Wh" context="Sample.Periodic">150</ns1:value>
      </ns1:values>
    </ns1:meterValuesRequest>
  </soap:Body>
</soap:Envelope>"""

OCPP_JS_RESET_RESPONSE = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope">
  <soap:Header/>
  <soap:Body>
    <ns1:resetResponse xmlns:ns1="urn://Ocpp/Cp/2012/06/">
      <ns1:status>Accepted</ns1:status>
    </ns1:resetResponse>
  </soap:Body>
</soap:Envelope>"""


def steve(
    body: str,
    *,
    service: str = "Cs",
    date: str = "2015/10",
    action: str = "/BootNotification",
    header: str | None = None,
) -> bytes:
    """An envelope in the manner of Apache CXF, which SteVe is built on: default namespaces, no line breaks."""
    if header is None:
        header = (
            f'<chargeBoxIdentity xmlns="urn://Ocpp/{service}/{date}/">CP1</chargeBoxIdentity>'
            f'<Action xmlns="{WSA}">{action}</Action><MessageID xmlns="{WSA}">urn:uuid:1</MessageID>'
            f'<To xmlns="{WSA}">http://csms/services/CentralSystemService</To>'
            f'<From xmlns="{WSA}"><Address>http://10.0.0.5:8080/</Address></From>'
            f'<ReplyTo xmlns="{WSA}"><Address>{WSA}/anonymous</Address></ReplyTo>'
        )
    return (
        f'<soap:Envelope xmlns:soap="{SOAP12}"><soap:Header>{header}</soap:Header><soap:Body>'
        + body.replace(" xmlns=?", f' xmlns="urn://Ocpp/{service}/{date}/"')
        + "</soap:Body></soap:Envelope>"
    ).encode()


def rules(envelope: SoapEnvelope) -> list[str]:
    return [problem.rule for problem in envelope.problems]


def payload(xml: str, **how: Any) -> Any:
    return parse_envelope(steve(xml, **how)).payload


# ----------------------------------------------------------------------------------------------------- as in the field


def test_a_recorded_call_of_a_station() -> None:
    said = parse_envelope(OCPP_JS_METER_VALUES, "application/soap+xml; charset=utf-8")
    assert (said.version, said.service, said.kind, said.action) == ("1.5", "cs", "request", "MeterValues")
    assert said.identity == "CP-SOAP-15"
    assert said.message_id == "urn:uuid:757bc516-83f5-46b5-8e5b-ba92e9babce3"
    assert said.from_address == "http://localhost:9221/Ocpp/ChargePointService"
    assert said.to == "http://localhost:9220/Ocpp/CentralSystemService"
    assert said.reply_to == f"{WSA}/anonymous"
    assert said.payload == {
        "connectorId": 1,
        "transactionId": 1,
        "values": [
            {
                "timestamp": "2026-11-21T06:33:33.535Z",
                "value": [
                    {
                        "value": "150",
                        "measurand": "Energy.Active.Import.Register",
                        "unit": "Wh",
                        "context": "Sample.Periodic",
                    }
                ],
            }
        ],
    }
    assert said.text.encode() == OCPP_JS_METER_VALUES
    assert rules(said) == ["soap.undeclared-prefix", "soap.identity-namespace"]
    assert 'the prefix "a" is used and not declared' in said.problems[0].text


def test_a_recorded_answer_of_a_station() -> None:
    said = parse_envelope(OCPP_JS_RESET_RESPONSE)
    assert (said.version, said.service, said.kind, said.action) == ("1.5", "cp", "response", "Reset")
    assert said.payload == {"status": "Accepted"}
    assert rules(said) == ["soap.relates-to"]


def test_a_clean_call_in_the_manner_of_steve() -> None:
    said = parse_envelope(
        steve(
            "<bootNotificationRequest xmlns=?><chargePointVendor>V&amp;W</chargePointVendor>"
            "<chargePointModel><![CDATA[M <1>]]></chargePointModel><iccid/></bootNotificationRequest>"
        ),
        'application/soap+xml; charset=UTF-8; action="/BootNotification"',
    )
    assert (said.version, said.service, said.kind, said.action) == ("1.6", "cs", "request", "BootNotification")
    assert said.payload == {"chargePointVendor": "V&W", "chargePointModel": "M <1>", "iccid": ""}
    assert said.problems == ()


def test_an_answer_of_steve_names_its_action_in_full() -> None:
    header = (
        f'<Action xmlns="{WSA}">urn://Ocpp/Cs/2015/10/CentralSystemService/BootNotificationResponse</Action>'
        f'<MessageID xmlns="{WSA}">urn:uuid:2</MessageID><To xmlns="{WSA}">{WSA}/anonymous</To>'
        f'<RelatesTo xmlns="{WSA}">urn:uuid:1</RelatesTo>'
    )
    said = parse_envelope(
        steve(
            "<bootNotificationResponse xmlns=?><status>Accepted</status>"
            "<currentTime>\n2026-11-21T06:33:33Z\n</currentTime><interval> 300 </interval></bootNotificationResponse>",
            header=header,
        )
    )
    assert (said.kind, said.action, said.message_id, said.relates_to) == (
        "response",
        "BootNotification",
        "urn:uuid:2",
        "urn:uuid:1",
    )
    assert said.payload == {"status": "Accepted", "currentTime": "2026-11-21T06:33:33Z", "interval": 300}
    assert said.problems == ()


def test_the_csms_calls_without_saying_from_where() -> None:
    # what SteVe sends to a station: complete for that direction
    header = (
        f'<Action xmlns="{WSA}">/GetConfiguration</Action><MessageID xmlns="{WSA}">urn:uuid:3</MessageID>'
        f'<To xmlns="{WSA}">http://10.0.0.5:8080/</To>'
        f'<ReplyTo xmlns="{WSA}"><Address>{WSA}/anonymous</Address></ReplyTo>'
        '<chargeBoxIdentity xmlns="urn://Ocpp/Cp/2015/10/">CP1</chargeBoxIdentity>'
    )
    said = parse_envelope(
        steve("<getConfigurationRequest xmlns=?><key>A</key></getConfigurationRequest>", service="Cp", header=header)
    )
    assert (said.service, said.kind, said.action) == ("cp", "request", "GetConfiguration")
    assert said.payload == {"key": ["A"]}
    assert said.problems == ()


@pytest.mark.parametrize(
    ("service", "date", "version"), [("Cs", "2010/08", "1.2"), ("Cs", "2012/06", "1.5"), ("Cp", "2015/10", "1.6")]
)
def test_the_namespace_tells_version_and_direction(service: str, date: str, version: str) -> None:
    said = parse_envelope(
        steve("<dataTransferRequest xmlns=?><vendorId>x</vendorId></dataTransferRequest>", service=service, date=date)
    )
    assert (said.version, said.service) == (version, service.lower())


# ------------------------------------------------------------------------------------------------------ shape of JSON


def test_what_may_repeat_is_a_list_even_when_it_occurs_once() -> None:
    assert payload(
        "<getConfigurationResponse xmlns=?><configurationKey><key>A</key><readonly>true</readonly><value>1</value>"
        "</configurationKey><configurationKey><key>B</key><readonly>0</readonly></configurationKey>"
        "<unknownKey>C</unknownKey></getConfigurationResponse>",
        service="Cp",
    ) == {
        "configurationKey": [{"key": "A", "readonly": True, "value": "1"}, {"key": "B", "readonly": False}],
        "unknownKey": ["C"],
    }
    assert payload("<changeConfigurationRequest xmlns=?><key>A</key><value>1</value></changeConfigurationRequest>") == {
        "key": "A",
        "value": "1",
    }


def test_meter_values_of_1_6() -> None:
    sample = "<sampledValue><value>16.1</value><unit>A</unit><phase>L1</phase></sampledValue>"
    assert payload(
        f"<meterValuesRequest xmlns=?><connectorId>1</connectorId><meterValue><timestamp>t</timestamp>{sample}"
        "</meterValue></meterValuesRequest>",
        action="/MeterValues",
    ) == {
        "connectorId": 1,
        "meterValue": [{"timestamp": "t", "sampledValue": [{"value": "16.1", "unit": "A", "phase": "L1"}]}],
    }


@pytest.mark.parametrize(
    "sample",
    ['<sampledValue unit="A">16.1</sampledValue>', '<sampledValue><value unit="A">16.1</value></sampledValue>'],
)
def test_meter_values_of_1_6_written_as_1_5_has_them(sample: str) -> None:
    said = parse_envelope(
        steve(
            f"<meterValuesRequest xmlns=?><meterValue><timestamp>t</timestamp>{sample}{sample}"
            "</meterValue></meterValuesRequest>",
            action="/MeterValues",
        )
    )
    assert said.payload is not None
    assert said.payload["meterValue"][0]["sampledValue"] == [{"value": "16.1", "unit": "A"}] * 2
    assert rules(said) == ["soap.sampled-value"]
    assert said.problems[0].path == "meterValue.sampledValue"


def test_transaction_data_of_1_5_and_1_2() -> None:
    assert payload(
        "<stopTransactionRequest xmlns=?><transactionId>7</transactionId><meterStop>200</meterStop><transactionData>"
        '<values><timestamp>t</timestamp><value unit="Wh">1</value><value unit="Amp">2</value></values>'
        "</transactionData></stopTransactionRequest>",
        date="2012/06",
    ) == {
        "transactionId": 7,
        "meterStop": 200,
        "transactionData": [
            {"values": [{"timestamp": "t", "value": [{"value": "1", "unit": "Wh"}, {"value": "2", "unit": "Amp"}]}]}
        ],
    }


def test_a_charging_profile() -> None:
    assert payload(
        "<setChargingProfileRequest xmlns=?><connectorId>1</connectorId><csChargingProfiles><chargingProfileId>5"
        "</chargingProfileId><stackLevel>0</stackLevel><chargingSchedule><chargingRateUnit>A</chargingRateUnit>"
        "<chargingSchedulePeriod><startPeriod>0</startPeriod><limit>16.5</limit></chargingSchedulePeriod>"
        "<chargingSchedulePeriod><startPeriod>60</startPeriod><limit>8</limit><numberPhases>3</numberPhases>"
        "</chargingSchedulePeriod></chargingSchedule></csChargingProfiles></setChargingProfileRequest>",
        service="Cp",
    ) == {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 5,
            "stackLevel": 0,
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 16.5},
                    {"startPeriod": 60, "limit": 8, "numberPhases": 3},
                ],
            },
        },
    }


def test_what_is_not_of_its_type_stays_as_it_is() -> None:
    assert payload(
        "<startTransactionRequest xmlns=?><connectorId>one</connectorId><meterStart/><reservationId>1_0</reservationId>"
        "<idTag> 4 </idTag><connectorId>2</connectorId><connectorId>3</connectorId><timestamp/>"
        "</startTransactionRequest>"
    ) == {
        "connectorId": ["one", 2, 3],
        "meterStart": "",
        "reservationId": "1_0",
        "idTag": " 4 ",
        "timestamp": "",
    }
    assert payload("<authorizeResponse xmlns=?><idTagInfo/></authorizeResponse>") == {"idTagInfo": {}}


def test_nil_is_nothing_and_is_named() -> None:
    said = parse_envelope(
        steve(
            '<bootNotificationRequest xmlns=? xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            '<chargePointVendor>V</chargePointVendor><imsi xsi:nil="true"/></bootNotificationRequest>'
        )
    )
    assert said.payload == {"chargePointVendor": "V"}
    assert [(problem.rule, problem.path) for problem in said.problems] == [("soap.nil", "imsi")]


def test_the_table_agrees_with_the_json_schemas_of_1_6() -> None:
    """Wherever JSON has a number, boolean, object or array in a message that SOAP has too, so has the table."""
    pytest.importorskip("ocpp")
    soap_has_not = {"Certificate", "SignedFirmware", "SignedUpdate", "GetLog", "LogStatus", "SecurityEvent", "Extended"}
    kinds = {"integer": "integer", "number": "number", "boolean": "boolean", "object": "object"}

    def check(schema: dict[str, Any], fields: dict[str, Any]) -> None:
        for name, field in schema.get("properties", {}).items():
            type_ = field["type"]
            if type_ == "array":
                inner = field["items"]
                assert fields[name] == ("objects" if inner["type"] == "object" else "texts"), name
                check(inner, fields)
            elif type_ == "string":
                assert fields.get(name, "time" if field.get("format") == "date-time" else None) in (None, "time"), name
            else:
                assert fields[name] == kinds[type_], name
                check(field, fields)

    checked = 0
    for entry in resources.files("ocpp").joinpath("v16", "schemas").iterdir():
        name = entry.name.removesuffix(".json")
        if entry.name.endswith(".json") and not any(part in name for part in soap_has_not):
            element = name[0].lower() + name[1:] + ("" if name.endswith("Response") else "Request")
            check(json.loads(entry.read_text("utf-8-sig")), _FIELDS | _FIELDS_OF.get(element, {}))
            checked += 1
    assert checked == 56


# ------------------------------------------------------------------------------------------------------------- faults


def test_a_fault_of_soap_1_2() -> None:
    header = (
        f'<Action xmlns="{WSA}">{WSA}/soap/fault</Action><MessageID xmlns="{WSA}">urn:uuid:4</MessageID>'
        f'<RelatesTo xmlns="{WSA}">urn:uuid:1</RelatesTo>'
    )
    said = parse_envelope(
        steve(
            "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value><soap:Subcode>"
            '<soap:Value xmlns:o="urn://Ocpp/Cs/2015/10/">o:SecurityError</soap:Value></soap:Subcode></soap:Code>'
            '<soap:Reason><soap:Text xml:lang="en">Sender failed authentication</soap:Text></soap:Reason>'
            "<soap:Detail><hint>check</hint></soap:Detail></soap:Fault>",
            header=header,
        )
    )
    assert (said.version, said.service, said.kind, said.action) == ("1.6", "cs", "fault", "")
    assert said.relates_to == "urn:uuid:1"
    assert said.fault is not None
    assert (said.fault.code, said.fault.subcode) == ("Sender", "SecurityError")
    assert said.fault.reason == "Sender failed authentication"
    assert said.payload == said.fault.detail == {"hint": "check"}
    assert said.problems == ()


def test_a_fault_of_soap_1_1() -> None:
    said = parse_envelope(
        b'<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><S:Fault><faultcode>S:Client.Auth'
        b"</faultcode><faultstring>no</faultstring><detail>because</detail></S:Fault></S:Body></S:Envelope>",
        "text/xml",
    )
    assert said.kind == "fault"
    assert said.fault is not None
    assert (said.fault.code, said.fault.subcode, said.fault.reason) == ("Client", "Auth", "no")
    assert said.fault.detail == {"text": "because"}
    assert rules(said) == ["soap.version", "soap.relates-to"]


def test_of_a_broken_fault_at_least_the_fact_is_read() -> None:
    said = parse_envelope(
        b'<S:Envelope><S:Header><RelatesTo a="1">urn:uuid:1&amp;2</RelatesTo></S:Header><S:Body> <S:Fault><S:Code>'
    )
    assert (said.kind, said.action, said.relates_to) == ("fault", "", "urn:uuid:1&2")


# ---------------------------------------------------------------------------------------------------------- looseness


def test_what_is_missing_is_named() -> None:
    said = parse_envelope(steve("<heartbeatRequest xmlns=?/>", header=""))
    assert (said.action, said.payload) == ("Heartbeat", {})
    assert rules(said) == ["soap.identity", "soap.message-id", "soap.action", "soap.from"]


def test_the_action_may_stand_in_the_media_type() -> None:
    header = (
        f'<chargeBoxIdentity xmlns="urn://Ocpp/Cp/2012/06/">C</chargeBoxIdentity><MessageID xmlns="{WSA}">1</MessageID>'
    )
    said = parse_envelope(
        steve("<resetRequest xmlns=?/>", service="Cp", date="2012/06", header=header),
        'application/soap+xml; action="/Reset"',
    )
    assert said.problems == ()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ((b">/BootNotification<", b">/Heartbeat<"), "soap.action"),
        ((b'<Action xmlns="', b'<Action mustUnderstand="yes" xmlns="'), "soap.must-understand"),
        (
            (b"<chargeBoxIdentity", b'<Security soap:mustUnderstand="1" xmlns="urn:x"/><chargeBoxIdentity'),
            "soap.must-understand",
        ),
        ((b"</soap:Header>", b'<To xmlns="' + WSA.encode() + b'">x</To></soap:Header>'), "soap.duplicate-header"),
        ((b"2005/08/addressing", b"2004/08/addressing"), "soap.addressing"),
        ((b"bootNotificationRequest", b"BootNotificationRequest"), "soap.element-name"),
        ((b"bootNotificationRequest", b"bootnotification"), "soap.element-name"),
        ((b"bootNotificationRequest", b"bootNotifikationRequest"), "soap.operation"),
        ((b'bootNotificationRequest xmlns="urn://Ocpp/Cs/2015/10/"', b"bootNotificationRequest"), "soap.namespace"),
        ((b"urn://Ocpp/Cs/2015/10/", b"urn://ocpp/cs/2015/10"), "soap.namespace"),
        ((b"urn://Ocpp/Cs/", b"urn://Ocpp/Cp/"), "soap.namespace"),
        ((b"2003/05/soap-envelope", b"2001/12/soap-envelope"), "soap.version"),
        ((b"</soap:Body>", b"<more/></soap:Body>"), "soap.body"),
        ((b"</soap:Envelope>", b"</soap:Envelope>\r\n--boundary"), "soap.syntax"),
        ((b"</soap:Envelope>", b"</soap:Envelope>\0"), "soap.padding"),
        ((b"<soap:Envelope", b'\n<?xml version="1.0"?><soap:Envelope'), "soap.padding"),
    ],
)
def test_a_loose_sender_is_understood_and_corrected(change: tuple[bytes, bytes], rule: str) -> None:
    clean = steve(
        '<bootNotificationRequest xmlns="urn://Ocpp/Cs/2015/10/"><chargePointVendor>V</chargePointVendor>'
        "</bootNotificationRequest>"
    )
    assert parse_envelope(clean).problems == ()
    loose = clean.replace(*change)
    assert loose != clean
    said = parse_envelope(loose)
    assert rules(said)[0] == rule
    assert said.action.startswith("BootNotifi")
    assert (said.service, said.kind, said.identity) in (("cs", "request", "CP1"), ("cs", "response", "CP1"))
    assert said.payload == {"chargePointVendor": "V"}


def test_soap_1_2_under_the_media_type_of_1_1() -> None:
    assert rules(parse_envelope(OCPP_JS_RESET_RESPONSE, "text/xml; charset=utf-8"))[0] == "soap.content-type"


def test_a_trace_from_2013() -> None:
    # no urn:uuid:, "true" for 1, an address without <Address>
    said = parse_envelope(
        f"""<E:Envelope xmlns:E="{SOAP12}" xmlns:o="urn://Ocpp/Cs/2012/06/" xmlns:w="{WSA}"><E:Header>
        <o:chargeBoxIdentity E:mustUnderstand="true">ACT001</o:chargeBoxIdentity>
        <w:MessageID>01c9c6-20131108141114117-059415</w:MessageID><w:From>http://10.1.2.3:8080/ocpp</w:From>
        <w:To E:mustUnderstand="true">http://csms:6060/ocpp</w:To>
        <w:Action E:mustUnderstand="true">/Heartbeat</w:Action>
        </E:Header><E:Body><o:heartbeatRequest></o:heartbeatRequest></E:Body></E:Envelope>""".encode()
    )
    assert (said.identity, said.from_address) == ("ACT001", "http://10.1.2.3:8080/ocpp")
    assert said.message_id == "01c9c6-20131108141114117-059415"
    assert said.problems == ()


def test_a_reply_without_any_namespace_is_placed_by_its_name() -> None:
    said = parse_envelope(
        f'<s:Envelope xmlns:s="{SOAP12}"><s:Body><ns1:bootNotificationResponse><ns1:status>Accepted</ns1:status>'
        "</ns1:bootNotificationResponse></s:Body></s:Envelope>".encode()
    )
    assert (said.version, said.service, said.kind, said.action) == ("", "cs", "response", "BootNotification")
    assert said.payload == {"status": "Accepted"}


def test_without_a_suffix_the_header_tells_what_it_is() -> None:
    header = f'<RelatesTo xmlns="{WSA}">urn:uuid:1</RelatesTo>'
    said = parse_envelope(steve("<heartbeat xmlns=?><currentTime>t</currentTime></heartbeat>", header=header))
    assert (said.kind, said.action) == ("response", "Heartbeat")
    assert said.problems[0].text == "the element must be named heartbeatResponse: XML is exact about names"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "iso-8859-1", "gb18030"])
def test_encodings(encoding: str) -> None:
    name = "utf-16" if encoding.startswith("utf-16") else encoding.removesuffix("-sig")
    vendor = "Müller" if encoding != "gb18030" else "充电桩"
    body = steve(
        f"<bootNotificationRequest xmlns=?><chargePointVendor>{vendor}</chargePointVendor></bootNotificationRequest>"
    ).decode()
    said = parse_envelope(f'<?xml version="1.0" encoding="{name}"?>{body}'.encode(encoding))
    assert said.payload == {"chargePointVendor": vendor}
    assert said.problems == ()


def test_bytes_that_are_no_text_in_any_encoding() -> None:
    said = parse_envelope(steve("<heartbeatRequest xmlns=?/>", action="/Heartbeat").replace(b"CP1", b"CP\xff"))
    assert said.identity == "CP\ufffd"
    assert rules(said) == ["soap.encoding"]
    assert "0xff" in said.problems[0].text
    chinese = parse_envelope(b"<?xml version='1.0' encoding='GB2312'?><a>\xff\xff</a>")
    assert chinese.problems[0].text == "it is neither UTF-8 nor, as it says, gb2312"


# ------------------------------------------------------------------------------------------------------------- broken


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "soap.not-xml"),
        (b"Internal Server Error", "soap.not-xml"),
        (b'{"a": 1}', "soap.not-xml"),
        (b"<html><body>Not found</body></html>", "soap.envelope"),
        (b'<a:Envelope xmlns:a="' + SOAP12.encode() + b'"/>', "soap.body"),
        (b'<a:Envelope xmlns:a="' + SOAP12.encode() + b'"><a:Body/></a:Envelope>', "soap.body"),
    ],
)
def test_what_is_no_envelope(body: bytes, rule: str) -> None:
    said = parse_envelope(body, "application/soap+xml")
    assert (said.kind, said.action, said.payload) == ("", "", None)
    assert rules(said) == [rule]


@pytest.mark.parametrize(
    "broken",
    [
        OCPP_JS_METER_VALUES[:-40],
        OCPP_JS_METER_VALUES.replace(b"</ns1:values>", b"</ns1:value>"),
        OCPP_JS_METER_VALUES.replace(b">150<", b">&nbsp;150<"),
        OCPP_JS_METER_VALUES.replace(b">150<", b">1 < 50<"),
        OCPP_JS_METER_VALUES.replace(b">150<", b">\x01<"),
    ],
)
def test_of_broken_xml_is_read_what_can_be_read(broken: bytes) -> None:
    said = parse_envelope(broken)
    assert rules(said) == ["soap.syntax"]
    assert (said.version, said.service, said.kind, said.action) == ("1.5", "cs", "request", "MeterValues")
    assert said.identity == "CP-SOAP-15"
    assert said.message_id == "urn:uuid:757bc516-83f5-46b5-8e5b-ba92e9babce3"
    assert said.from_address == "http://localhost:9221/Ocpp/ChargePointService"
    assert said.to == "http://localhost:9220/Ocpp/CentralSystemService"
    assert said.payload is None


def test_where_the_xml_breaks_is_said() -> None:
    assert "too early" in parse_envelope(OCPP_JS_METER_VALUES[:-40]).problems[0].text
    wrong = parse_envelope(OCPP_JS_METER_VALUES.replace(b"</ns1:values>", b"</ns1:value>")).problems[0].text
    assert wrong == "it is not XML at line 22, column 9: mismatched tag"


def test_attachments_are_named_and_the_envelope_in_them_is_salvaged() -> None:
    body = b"--b\r\nContent-Type: application/xop+xml\r\n\r\n" + OCPP_JS_METER_VALUES + b"\r\n--b--"
    said = parse_envelope(body, 'multipart/related; boundary=b; type="application/xop+xml"')
    assert rules(said) == ["soap.multipart"]
    assert (said.action, said.identity, said.payload) == ("MeterValues", "CP-SOAP-15", None)


# ------------------------------------------------------------------------------------------------------------ hostile


def _bomb(declarations: str, use: str) -> bytes:
    return f"<!DOCTYPE x [{declarations}]>".encode() + OCPP_JS_METER_VALUES.partition(b"\n")[2].replace(
        b"150", use.encode()
    )


LAUGHS = "<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 30))


@pytest.mark.parametrize(
    ("bomb", "rule"),
    [
        (_bomb(LAUGHS, "&a29;"), "soap.dtd"),
        (_bomb(f"<!ENTITY a '{'x' * 50_000}'>", "&a;" * 50_000), "soap.dtd"),
        (_bomb("<!ENTITY a SYSTEM 'file:///etc/passwd'>", "&a;"), "soap.dtd"),
        (b"<a>" * 100_000 + b"</a>" * 100_000, "soap.nesting"),
        (b"<a>" + b"<b/>" * 200_000 + b"</a>", "soap.size"),
        (b"<a>" + b"x" * 3_000_000 + b"</a>", "soap.size"),
        (b"<a " + b" ".join(b'x%d="1"' % n for n in range(60_000)) + b"/>", "soap.envelope"),
        (b"<a " + b" ".join(b'xmlns:x%d="u%d"' % (n, n) for n in range(40_000)) + b"/>", "soap.envelope"),
        (b"<a" + b"a" * 900_000 + b"/>", "soap.envelope"),
        (b"<a>" + b"<From>" * 150_000, "soap.nesting"),
        (b"<" * 1_000_000, "soap.syntax"),
        (b"<Body>" + b" " * 1_000_000, "soap.syntax"),
        (b"<Body>" * 20 + b"<a:" * 300_000, "soap.syntax"),
        (b"<?xml version='1.0' encoding='" + b"a" * 1_000_000, "soap.syntax"),
    ],
)
def test_bombs_fizzle(bomb: bytes, rule: str) -> None:
    start = perf_counter()
    said = parse_envelope(bomb)
    assert rules(said) == [rule]
    assert perf_counter() - start < 2
    if rule == "soap.dtd":
        assert (said.action, said.identity) == ("MeterValues", "CP-SOAP-15")
    assert "root:" not in said.text


def test_the_limits_leave_room_for_what_is_legal() -> None:
    info = "<idTagInfo><status>Accepted</status></idTagInfo>"
    entry = f"<localAuthorizationList><idTag>1</idTag>{info}</localAuthorizationList>"
    count = MAX_ELEMENTS // 4 - 10
    said = parse_envelope(steve(f"<sendLocalListRequest xmlns=?>{entry * count}</sendLocalListRequest>", service="Cp"))
    assert said.payload is not None
    assert len(said.payload["localAuthorizationList"]) == count
    deep = "<x>" * (MAX_DEPTH - 4) + "</x>" * (MAX_DEPTH - 4)
    assert payload(f"<dataTransferRequest xmlns=?><data>{deep}</data></dataTransferRequest>") is not None


def test_whoever_makes_many_mistakes_is_not_told_all() -> None:
    many = steve('<heartbeatRequest xmlns=? xmlns:i="x">' + '<a i:nil="1"/>' * 10_000 + "</heartbeatRequest>")
    assert len(parse_envelope(many).problems) == 40


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_envelopes_never_raise(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from([OCPP_JS_METER_VALUES, OCPP_JS_RESET_RESPONSE])))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body) - 1))
        cut = data.draw(st.integers(0, 30))
        body[at : at + cut] = data.draw(
            st.sampled_from([b"", b"<", b">", b"&", b'"', b"\0", b"\xff", b"xmlns:a", b"</", b":"])
        )
        if not body:
            break
    said = parse_envelope(bytes(body), data.draw(st.sampled_from(["", "text/xml; charset=x", "multipart/related"])))
    assert said.kind in ("request", "response", "fault", "")
    assert said.problems or said.payload is not None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.text(max_size=60))
def test_anything_at_all_never_raises(body: bytes, content_type: str) -> None:
    parse_envelope(body, content_type)
    parse_envelope(b"<" + body, content_type)
    parse_envelope(b"\xff\xfe" + body, content_type)
