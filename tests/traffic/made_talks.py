"""Captures of what stations and CSMS seldom say: messages of 2.1, broken frames, SOAP, refusals."""

from __future__ import annotations

from typing import Any

from fieldkit.events import MessageType
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY, Session, compact, merged
from tests.traffic.made import CSMS, Made, connection, in_order, made, speaks, started, upgrade_of
from tests.traffic.scripts import boot_2, boot_16, usual_hour
from tests.traffic.segments import SECOND, Clock, TcpTalk
from tests.traffic.soaptalk import Fields, SoapTalk
from tests.traffic.taps import Tap


def send_and_callresulterror() -> Made:
    session = started("CP_21", "2.1", client=("192.168.7.21", 49_201))
    boot_2(session)
    params = {"interval": 10, "values": 2}
    constant = {"id": 7, "variableMonitoringId": 70, "params": params}
    session.call("station", "OpenPeriodicEventStream", {"constantStreamData": constant}, {"status": "Accepted"})
    for number in range(3):
        data = [{"t": 10 * number, "v": f"{230 + number}.4"}, {"t": 10 * number + 5, "v": f"{230 + number}.1"}]
        payload = {"id": 7, "pending": 0, "basetime": session.timestamp(), "data": data}
        session.send("station", "NotifyPeriodicEventStream", payload, after=10)
    place = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    id_ = session.call("csms", "GetVariables", {"getVariableData": [place]}, None)
    session.answer("station", id_, "GetVariables", {"getVariableResult": [{"attributeValue": "300", **place}]})
    session.result_error("csms", id_, "GetVariables", "OccurrenceConstraintViolation", "attributeStatus is missing")
    id_ = session.call("station", "Heartbeat", {}, {})
    session.result_error("station", id_, "Heartbeat", "OccurrenceConstraintViolation", "currentTime is missing")
    session.close()
    packets = Tap().packets(session.segments)
    return made(
        "ocpp21_send_and_callresulterror.pcap",
        "A 2.1 station sends a periodic event stream (SEND, type 6), and both sides complain of a bad answer "
        "(CALLRESULTERROR, type 5).",
        write_pcap(packets),
        packets=len(packets),
        said=[session.said],
        stations=[speaks(session)],
        connections=[connection(session)],
        http=[upgrade_of(session)],
        problems={"schema.required": 2},
    )


def several_versions() -> Made:
    sessions = [
        started("CP_16", "1.6", client=("192.168.7.16", 49_216)),
        started("CP_201", "2.0.1", client=("192.168.7.20", 49_220), start=MONDAY + 2 * SECOND),
        started("CP 21", "2.1", client=("192.168.7.21", 49_221), start=MONDAY + 3 * SECOND, deflate="no takeover"),
    ]
    for session in sessions:
        usual_hour(session)
        session.close()
    packets = Tap().packets(merged(*(session.segments for session in sessions)))
    return made(
        "several_versions.pcap",
        "Three stations speak 1.6, 2.0.1 and 2.1 (compressed) to one CSMS at once; one has a space in its name.",
        write_pcap(packets),
        packets=len(packets),
        said=[session.said for session in sessions],
        heard=in_order(*sessions),
        stations=[speaks(session) for session in sessions],
        connections=[connection(session) for session in sessions],
        http=["GET /ocpp/CP_16 101", "GET /ocpp/CP_201 101", "GET /ocpp/CP%2021 101"],
        closes=["station 1000", "csms 1000"] * 3,
    )


def malformed_json() -> Made:
    session = started("CP_13", client=("192.168.7.13", 49_213))
    boot_16(session)
    call, answer, error = MessageType.CALL, MessageType.CALLRESULT, MessageType.CALLERROR

    def broken(text: str | bytes, type_: MessageType | None, id_: str, action: str, **more: Any) -> None:
        session.clock.wait(1)
        session.say("station", text, type=type_, id=id_, action=action, **more)

    broken('[2,"m-1","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]', call, "m-1", "MeterValues")
    session.error("csms", "m-1", "MeterValues", "FormationViolation", "Unable to parse")
    broken('[2,"m-2","Heartbeat",{}', call, "m-2", "Heartbeat")
    broken("Connection reset by modem", None, "", "")
    broken('{"action":"Heartbeat"}', None, "", "")
    broken('["2","m-3","Heartbeat",{}]', call, "m-3", "Heartbeat")
    session.answer("csms", "m-3", "Heartbeat", {"currentTime": session.timestamp()})
    broken('[2,4711,"Heartbeat",{}]', call, "4711", "Heartbeat")
    broken('[2,"m-4","Heartbeat"]', call, "m-4", "Heartbeat")
    long = "0123456789" * 4
    broken(compact([2, long, "Heartbeat", {}]), call, long, "Heartbeat")
    session.answer("csms", long, "Heartbeat", {"currentTime": session.timestamp()})
    broken('[9,"m-5","Heartbeat",{}]', None, "m-5", "")
    broken(b'[2,"m-6","DataTransfer",{"vendorId":"Stra\xdfe"}]', call, "m-6", "DataTransfer")
    broken('[2,"m-7","Heartbeet",{}]', call, "m-7", "Heartbeet")
    session.error("csms", "m-7", "Heartbeet", "NotImplemented")
    broken('[2,"m-8","Heartbeat",{}]', call, "m-8", "Heartbeat", binary=True)
    session.answer("csms", "m-8", "Heartbeat", {"currentTime": "yesterday"})
    broken('[3,"m-9",{}]', answer, "m-9", "")
    broken('[4,"m-10","Broken","",{}]', error, "m-10", "")
    session.close(code=1007, by_client=False, reason="not JSON")
    packets = Tap().packets(session.segments)
    return made(
        "malformed_json.pcap",
        "Everything that stations get wrong in a frame: missing values, cut off JSON, plain text, wrong types and ids, "
        "invalid UTF-8, unknown actions, a binary message, answers nobody asked for.",
        write_pcap(packets),
        packets=len(packets),
        said=[session.said],
        stations=[speaks(session)],
        connections=[connection(session, by="server")],
        http=[upgrade_of(session)],
        closes=["csms 1007", "station 1007"],
        problems={
            "framing.action-unknown": 1,
            "framing.binary": 1,
            "framing.error-code-unknown": 1,
            "framing.id-length": 2,
            "framing.id-type": 1,
            "framing.length": 1,
            "framing.not-an-array": 1,
            "framing.payload": 1,
            "framing.type": 2,
            "json.syntax": 3,
            "json.utf8": 1,
            "time.format": 1,
        },
        tshark_cannot={"all": "it knows no OCPP, and these frames can be told only by somebody who does"},
    )


def soap_16() -> Made:
    clock = Clock(MONDAY)
    talk = SoapTalk("CP_31", clock=clock, chunked=True)
    talk.open("station")
    boot: Fields = {"chargePointVendor": "Testwerk", "chargePointModel": "Säule 22", "chargePointSerialNumber": "CP_31"}
    id_ = talk.call("station", "BootNotification", boot)
    now = "2026-08-31T08:00:00Z"
    talk.answer("station", id_, "BootNotification", {"status": "Accepted", "currentTime": now, "interval": "300"})
    status = {"connectorId": "1", "status": "Available", "errorCode": "NoError"}
    talk.answer("station", talk.call("station", "StatusNotification", status), "StatusNotification", {})
    talk.answer("station", talk.call("station", "Heartbeat", {}), "Heartbeat", {"currentTime": now})
    talk.open("csms")
    id_ = talk.call("csms", "RemoteStartTransaction", {"connectorId": "1", "idTag": "04A2B7C1"})
    talk.answer("csms", id_, "RemoteStartTransaction", {"status": "Accepted"})
    start = {"connectorId": "1", "idTag": "04A2B7C1", "timestamp": now, "meterStart": "1200"}
    accepted: Fields = {"transactionId": "4711", "idTagInfo": {"status": "Accepted"}}
    talk.answer("station", talk.call("station", "StartTransaction", start), "StartTransaction", accepted)
    sampled: list[str | Fields] = [
        {"value": "1380", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": "11.0", "measurand": "Power.Active.Import", "unit": "kW"},
    ]
    values: Fields = {"timestamp": now, "sampledValue": sampled}
    meter: Fields = {"connectorId": "1", "transactionId": "4711", "meterValue": values}
    talk.answer("station", talk.call("station", "MeterValues", meter), "MeterValues", {})
    id_ = talk.call("csms", "UnlockConnector", {"connectorId": "7"})
    talk.fault("csms", id_, "UnlockConnector", "InternalError", "there is no connector 7")
    stop = {"transactionId": "4711", "timestamp": now, "meterStop": "1740"}
    talk.call("station", "StopTransaction", stop)
    clock.wait(60)
    talk.close("station")
    talk.close("csms")
    packets = Tap().packets(talk.segments)
    there, back = "POST /CentralSystemService", "POST /ChargePointService"
    return made(
        "ocpp16_soap.pcap",
        "OCPP 1.6 over SOAP in both directions, with connections kept alive, answers in chunks, a fault, and a "
        "StopTransaction without an answer.",
        write_pcap(packets),
        packets=len(packets),
        said=[talk.said],
        stations=["CP_31 1.6 soap"],
        connections=[
            connection((("192.168.7.31", 51_000), CSMS), "http"),
            connection(((CSMS[0], 52_000), ("192.168.7.31", 9221)), "http"),
        ],
        http=[
            *[f"{there} 200"] * 3,
            f"{back} 200",
            *[f"{there} 200"] * 2,
            f"{back} 500",
            f"{there} -",
        ],
        closes=[],
    )


def http_refusals() -> Made:
    refusals: list[tuple[int, str, tuple[str, ...]]] = [
        (401, "Unauthorized", ('WWW-Authenticate: Basic realm="csms"',)),
        (403, "Forbidden", ()),
        (404, "Not Found", ("Content-Type: text/plain",)),
        (503, "Service Unavailable", ("Retry-After: 120",)),
        (301, "Moved Permanently", ("Location: wss://csms.example/ocpp/CP_4",)),
        (400, "Bad Request", ("Sec-WebSocket-Version: 13",)),
    ]
    sessions = []
    for number, (status, reason, headers) in enumerate(refusals):
        client = ("192.168.7.4", 49_300 + number)
        session = Session("CP_4", client=client, start=MONDAY + number * 30 * SECOND, seed=number)
        session.connect()
        session.refuse(status, reason, *headers, body="no\n" if status == 404 else "")
        sessions.append(session)
    without = Session("CP_4", "2.1", client=("192.168.7.4", 49_310), start=MONDAY + 200 * SECOND)
    without.connect()
    without.upgrade(agreed="")
    without.close(code=1002, reason="no subprotocol")
    late = TcpTalk(Clock(MONDAY + 300 * SECOND), ("192.168.7.4", 49_311), CSMS, first=(17, 0))
    late.try_in_vain("rst")
    dead = TcpTalk(Clock(MONDAY + 320 * SECOND), ("192.168.7.4", 49_312), ("203.0.113.6", 8080), first=(18, 0))
    dead.try_in_vain("silence", attempts=4)
    segments = merged(*(session.segments for session in [*sessions, without]), late.segments, dead.segments)
    packets = Tap().packets(segments)
    return made(
        "http_refusals.pcap",
        "A station is turned away in every way there is: 401, 403, 404, 503, 301, 400, a 101 without subprotocol, "
        "RST to its SYN, and no answer at all.",
        write_pcap(packets),
        packets=len(packets),
        said=[[]],
        stations=[],
        connections=[
            *(connection(session, "http", by="server") for session in sessions),
            connection(without),
            connection(late, "", "refused", "server"),
            connection(dead, "", "no-answer", ""),
        ],
        http=[*(f"GET /ocpp/CP_4 {status}" for status, _, _ in refusals), "GET /ocpp/CP_4 101"],
        closes=["station 1002", "csms 1002"],
        tshark_cannot={"connections": "it has no word for a SYN that nobody answers"},
    )


MAKERS = (send_and_callresulterror, several_versions, malformed_json, soap_16, http_refusals)
