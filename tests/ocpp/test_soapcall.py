"""OCPP over SOAP: HTTP exchanges on many connections → calls and answers of one station."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    Endpoint,
    Event,
    Exchange,
    HttpRequest,
    HttpResponse,
    LoggedFrame,
    MessageType,
    OcppChannel,
    OcppError,
    OcppMessage,
    Orphan,
    Unanswered,
)
from fieldkit.ocpp import soapcall
from fieldkit.ocpp.soapcall import SoapCalls
from tests.traffic.decoded import schemas

Kind = TypeVar("Kind")

STATION, CSMS = Endpoint("192.168.7.31", 9221), Endpoint("203.0.113.5", 8080)
SOAP = {"content-type": "application/soap+xml; charset=utf-8"}
HTML = {"content-type": "text/html"}
CS, CP = "urn://Ocpp/Cs/2015/10/", "urn://Ocpp/Cp/2015/10/"


def to_csms(number: int) -> Connection:
    return Connection(number, Endpoint(STATION.address, 50_000 + number), CSMS, 0, False, "test")


def to_station(number: int) -> Connection:
    return Connection(number, Endpoint(CSMS.address, 50_000 + number), STATION, 0, False, "test")


def envelope(
    element: str,
    fields: str = "",
    *,
    service: str = CS,
    identity: str = "CP_7",
    id: str = "",
    relates_to: str = "",
    namespace: str = "",
) -> bytes:
    """As SteVe writes it."""
    header = f"<o:chargeBoxIdentity>{identity}</o:chargeBoxIdentity>" if identity else ""
    action = element.removesuffix("Request").removesuffix("Response")
    header += f"<a:Action>/{action[:1].upper()}{action[1:]}</a:Action>"
    header += f"<a:MessageID>{id}</a:MessageID>" if id else ""
    header += f"<a:RelatesTo>{relates_to}</a:RelatesTo>" if relates_to else ""
    header += "<a:From><a:Address>http://192.168.7.31:9221/</a:Address></a:From>"
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"'
        f' xmlns:o="{namespace or service}"><s:Header>{header}</s:Header>'
        f"<s:Body><o:{element}>{fields}</o:{element}></s:Body></s:Envelope>"
    ).encode()


HEARTBEAT = envelope("heartbeatRequest", id="uuid:1")
HEARTBEAT_ANSWER = envelope(
    "heartbeatResponse", "<o:currentTime>2026-08-31T08:00:00Z</o:currentTime>", identity="", relates_to="uuid:1"
)
RESET = envelope("resetRequest", "<o:type>Soft</o:type>", service=CP, id="uuid:9")
RESET_ANSWER = envelope("resetResponse", "<o:status>Accepted</o:status>", service=CP, identity="", relates_to="uuid:9")
FAULT = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:o="urn://Ocpp/Cs/2015/10/"'
    b' xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:RelatesTo>uuid:1</a:RelatesTo></s:Header><s:Body>'
    b"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>o:IdentityMismatch</s:Value></s:Subcode></s:Code>"
    b'<s:Reason><s:Text xml:lang="en">who are you</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>'
)


class Web:
    """HTTP as it passes by; every message a second after the one before, in a packet of its own."""

    def __init__(self, *, validate: bool = True) -> None:
        self.events: list[Event] = []
        self.calls = SoapCalls(self.events.append, schemas() if validate else None, "test")
        self.frame = 0

    def posts(self, connection: Connection, body: bytes, headers: dict[str, str] | None = None) -> HttpRequest:
        time, frames = self._next()
        request = HttpRequest(time, frames, connection, True, "POST", "/", headers or SOAP, None, body)
        self.calls.request(request)
        return request

    def answers(
        self,
        to: HttpRequest | Connection,
        body: bytes,
        status: int = 200,
        reason: str = "OK",
        headers: dict[str, str] | None = None,
    ) -> Web:
        time, frames = self._next()
        request, connection = (None, to) if isinstance(to, Connection) else (to, to.connection)
        self.calls.response(
            HttpResponse(time, frames, connection, False, status, reason, headers or SOAP, request, body)
        )
        return self

    def closes(self, connection: Connection) -> Web:
        time, frames = self._next()
        self.calls.closed(ConnectionClosed(time, frames, connection, "fin", True))
        return self

    def _next(self) -> tuple[int, tuple[int, ...]]:
        self.frame += 1
        return self.frame * 1_000_000_000, (self.frame,)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def messages(self) -> list[OcppMessage]:
        return self.of(OcppMessage)

    @property
    def rules(self) -> list[str]:
        return [problem.rule for problem in self.messages[-1].problems]


def test_the_station_calls_the_csms() -> None:
    web = Web()
    web.answers(web.posts(to_csms(1), HEARTBEAT), HEARTBEAT_ANSWER)
    call, answer = web.messages
    assert (call.sender, call.type, call.id, call.action) == ("station", MessageType.CALL, "uuid:1", "Heartbeat")
    assert (answer.sender, answer.type, answer.id, answer.action) == (
        "csms", MessageType.CALLRESULT, "uuid:1", "Heartbeat",
    )  # fmt: skip
    assert answer.payload == {"currentTime": "2026-08-31T08:00:00Z"}
    assert (call.raw, answer.raw) == (HEARTBEAT.decode(), HEARTBEAT_ANSWER.decode())
    assert web.events == [call, answer, Exchange(2_000_000_000, (1, 2), call, answer)]
    assert not call.problems
    assert not answer.problems
    assert call.validated
    assert answer.validated


def test_the_csms_calls_the_station_on_a_connection_of_its_own() -> None:
    web = Web()
    web.answers(web.posts(to_csms(1), HEARTBEAT), HEARTBEAT_ANSWER)
    web.answers(web.posts(to_station(2), RESET), RESET_ANSWER)
    call, answer = web.messages[2:]
    assert (call.sender, answer.sender) == ("csms", "station")
    assert {message.channel.station for message in web.messages} == {"CP_7"}
    assert call.channel == OcppChannel("CP_7", "1.6", "soap", to_station(2), False, False, False)
    assert web.messages[0].channel == OcppChannel("CP_7", "1.6", "soap", to_csms(1), False, False, False)


def test_each_station_is_a_conversation_of_its_own() -> None:
    web = Web()
    first = web.posts(to_csms(1), HEARTBEAT)
    second = web.posts(to_csms(2), envelope("heartbeatRequest", identity="CP_8", id="uuid:1"))
    web.answers(second, HEARTBEAT_ANSWER).answers(first, HEARTBEAT_ANSWER)
    assert [(pair.call.channel.station, pair.frames) for pair in web.of(Exchange)] == [
        ("CP_8", (2, 3)),
        ("CP_7", (1, 4)),
    ]


def test_the_connection_decides_what_is_answered_and_relatesto_is_held_against_it() -> None:
    web = Web()
    web.answers(web.posts(to_csms(1), HEARTBEAT), HEARTBEAT_ANSWER.replace(b"uuid:1", b"uuid:2"))
    assert len(web.of(Exchange)) == 1
    assert web.rules == ["soap.relates-to"]
    assert web.messages[-1].problems[0].text == "RelatesTo names uuid:2, the call was uuid:1"


def test_an_answer_without_relatesto_is_told_once() -> None:
    web = Web()
    web.answers(web.posts(to_csms(1), HEARTBEAT), HEARTBEAT_ANSWER.replace(b"<a:RelatesTo>uuid:1</a:RelatesTo>", b""))
    assert web.rules == ["soap.relates-to"]
    assert len(web.of(Exchange)) == 1


def test_a_fault_is_an_error_that_answers() -> None:
    web = Web()
    web.answers(web.posts(to_csms(1), HEARTBEAT), FAULT, 500, "Internal Server Error")
    answer = web.messages[-1]
    assert answer.type is MessageType.CALLERROR
    assert answer.error == OcppError("IdentityMismatch", "who are you", None)
    assert answer.action == "Heartbeat"
    assert not answer.validated
    assert len(web.of(Exchange)) == 1


@pytest.mark.parametrize(
    ("status", "reason", "body", "description"),
    [
        (500, "Internal Server Error", b"", "HTTP 500 Internal Server Error"),
        (503, "Service Unavailable", b"<html>busy</html>", "HTTP 503 Service Unavailable"),
        (401, "Unauthorized", b"", "HTTP 401 Unauthorized"),
        (200, "OK", b"<html>welcome</html>", "HTTP 200 OK, but the body holds no OCPP answer"),
        (202, "Accepted", b"", "HTTP 202 Accepted, but the body holds no OCPP answer"),
    ],
)
def test_an_answer_that_is_none_is_an_error_in_the_words_of_http(
    status: int, reason: str, body: bytes, description: str
) -> None:
    web = Web()
    web.answers(web.posts(to_csms(1), HEARTBEAT), body, status, reason, HTML)
    answer = web.messages[-1]
    assert answer.type is MessageType.CALLERROR
    assert answer.error == OcppError("", description, None)
    assert answer.raw == body.decode()
    assert len(web.of(Exchange)) == 1


def test_a_connection_that_ends_before_the_answer_leaves_the_call_unanswered() -> None:
    web = Web()
    request = web.posts(to_csms(1), HEARTBEAT)
    other = web.posts(to_csms(2), envelope("heartbeatRequest", id="uuid:2"))
    web.closes(request.connection)
    assert web.of(Unanswered) == [Unanswered(3_000_000_000, (1,), web.messages[0])]
    web.answers(other, HEARTBEAT_ANSWER.replace(b"uuid:1", b"uuid:2")).closes(other.connection)
    web.calls.finish()
    assert len(web.of(Unanswered)) == 1


def test_at_the_end_of_the_capture_what_is_open_stays_unanswered() -> None:
    web = Web()
    web.posts(to_csms(1), HEARTBEAT)
    web.calls.finish()
    assert web.of(Unanswered) == [Unanswered(1_000_000_000, (1,), web.messages[0], "side-not-captured")]


def test_calls_without_message_id_are_told_apart() -> None:
    web = Web()
    first, second = (web.posts(to_csms(n), envelope("heartbeatRequest")) for n in (1, 2))
    answer = HEARTBEAT_ANSWER.replace(b"<a:RelatesTo>uuid:1</a:RelatesTo>", b"")
    web.answers(second, answer).answers(first, answer)
    assert [pair.frames for pair in web.of(Exchange)] == [(2, 3), (1, 4)]
    assert len({message.id for message in web.messages}) == 2
    assert "soap.message-id" in [problem.rule for problem in web.messages[0].problems]


def test_an_answer_whose_call_was_not_captured_is_an_orphan_of_its_station() -> None:
    web = Web()
    web.posts(to_csms(1), HEARTBEAT)
    web.answers(to_csms(2), HEARTBEAT_ANSWER.replace(b"uuid:1", b"uuid:77"))
    orphan = web.of(Orphan)[0].answer
    assert (orphan.sender, orphan.action) == ("csms", "Heartbeat")
    assert orphan.channel.station == "192.168.7.31:50002"
    assert orphan.channel.station_inferred


def test_an_orphan_of_the_stations_side_is_named_after_the_server() -> None:
    web = Web().answers(to_station(2), RESET_ANSWER)
    orphan = web.of(Orphan)[0].answer
    assert orphan.sender == "station"
    assert orphan.channel.station == "192.168.7.31:9221"


def test_a_station_without_identity_is_named_after_its_address() -> None:
    web = Web()
    web.posts(to_csms(1), envelope("heartbeatRequest", identity="", id="uuid:1"))
    web.posts(to_station(2), envelope("resetRequest", service=CP, identity="", id="uuid:2"))
    assert [message.channel.station for message in web.messages] == ["192.168.7.31:50001", "192.168.7.31:9221"]
    assert all(message.channel.station_inferred for message in web.messages)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html/>",
        HEARTBEAT.replace(b"urn://Ocpp/Cs/2015/10/", b"urn:x").replace(b"eartbeat", b"ello").replace(b"CP_7", b""),
    ],
)
def test_other_posts_are_none_of_ours(body: bytes) -> None:
    web = Web()
    web.answers(web.posts(to_csms(1), body), b"<x/>").answers(to_csms(2), body)
    assert web.events == []


def test_15_is_read_and_not_validated() -> None:
    namespace = "urn://Ocpp/Cs/2012/06/"
    web = Web()
    web.posts(to_csms(1), envelope("bootNotificationRequest", id="uuid:1", namespace=namespace))
    assert web.messages[0].channel.version == "1.5"
    assert not web.messages[0].validated


def test_16_is_held_against_the_same_schemas_as_json() -> None:
    web = Web()
    request = web.posts(to_csms(1), envelope("bootNotificationRequest", id="uuid:1"))
    assert set(web.rules) == {"schema.required"}
    web.answers(request, envelope("bootNotificationResponse", relates_to="uuid:1", identity=""))
    assert set(web.rules) == {"schema.required"}
    unvalidated = Web(validate=False)
    unvalidated.posts(to_csms(1), envelope("bootNotificationRequest", id="uuid:1"))
    assert not unvalidated.messages[0].validated
    assert unvalidated.rules == []


def test_a_station_may_be_updated_from_15_to_16() -> None:
    web = Web()
    web.posts(to_csms(1), envelope("heartbeatRequest", id="uuid:1", namespace="urn://Ocpp/Cs/2012/06/"))
    web.posts(to_csms(2), envelope("heartbeatRequest", id="uuid:2"))
    assert [message.channel.version for message in web.messages] == ["1.5", "1.6"]


def test_a_broken_request_is_a_call_with_its_defect() -> None:
    web = Web()
    web.answers(web.posts(to_csms(1), HEARTBEAT[:-30]), HEARTBEAT_ANSWER)
    call = web.messages[0]
    assert (call.action, call.id, call.channel.station) == ("Heartbeat", "uuid:1", "CP_7")
    assert call.problems
    assert call.payload is None
    assert len(web.of(Exchange)) == 1


# ------------------------------------------------------------------------------------------------------- from a log


def logged(body: bytes, *, station: str = "", time: int = 5) -> LoggedFrame:
    return LoggedFrame(time, (4,), "steve.log", station, "station", None, "", "soap", body.decode(), ())


def test_in_a_log_addressing_alone_joins_call_and_answer() -> None:
    web = Web()
    web.calls.logged(logged(HEARTBEAT), 5)
    web.calls.logged(logged(HEARTBEAT_ANSWER, station="CP_7"), 7)
    (pair,) = web.of(Exchange)
    assert (pair.call.time, pair.answer.time) == (5, 7)
    assert pair.call.source == "steve.log"
    assert pair.call.channel.connection is None
    assert pair.call.channel.station == "CP_7"


def test_in_a_log_what_is_no_ocpp_is_passed_over() -> None:
    web = Web()
    web.calls.logged(logged(b"<html/>"), 5)
    assert web.events == []


def test_in_a_log_a_surrogate_does_no_harm() -> None:
    web = Web()
    frame = logged(HEARTBEAT)
    web.calls.logged(replace(frame, text=frame.text.replace("CP_7", "CP_\udcff")), 5)
    assert len(web.messages) == 1


# ------------------------------------------------------------------------------------------------------------ bounds


def test_only_so_many_calls_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soapcall, "MAX_WAITING", 3)
    web = Web()
    requests = [web.posts(to_csms(n), envelope("heartbeatRequest", id=f"uuid:{n}")) for n in range(5)]
    assert [given_up.call.id for given_up in web.of(Unanswered)] == ["uuid:0", "uuid:1"]
    web.answers(requests[4], HEARTBEAT_ANSWER.replace(b"uuid:1", b"uuid:4"))
    assert len(web.of(Exchange)) == 1


def test_only_so_many_stations_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soapcall, "MAX_STATIONS", 3)
    web = Web()
    for number in range(5):
        web.posts(to_csms(number), envelope("heartbeatRequest", identity=f"CP_{number}", id="uuid:1"))
    assert len(web.calls._conversations) == 3
    assert [given_up.call.channel.station for given_up in web.of(Unanswered)] == ["CP_0", "CP_1"]
    web.calls.finish()
    assert len(web.of(Unanswered)) == 5
