"""Scenes from the field, and the lines that a technician reads of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import (
    BasicCredentials,
    CaptureComment,
    CaptureDropped,
    Connection,
    ConnectionClosed,
    ConnectionEnd,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
    Endpoint,
    Event,
    Exchange,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppChannel,
    OcppError,
    OcppMessage,
    Orphan,
    Problem,
    Retransmission,
    StreamGap,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
    TlsSecrets,
    Unanswered,
    WsControl,
    WsMessage,
)
from fieldkit.reports.connectionlines import MAX_HELD, MAX_OPAQUE
from fieldkit.reports.lines import MAX_PROBLEMS, LineWriter
from fieldkit.reports.page import MAX_SOURCES, WIDEST

TEN = 1_773_223_200 * 10**9
"""2026-03-11 10:00:00 UTC."""
MS, S = 10**6, 10**9


def link(number: int = 1, station: str = "10.0.0.5", port: int = 40001, server_port: int = 9000) -> Connection:
    return Connection(number, Endpoint(station, port), Endpoint("10.0.0.1", server_port), TEN, False, "x.pcap")


LINK = link()
CP = OcppChannel("CP001", "1.6", "json", LINK, False, False, False)


def call(
    action: str, payload: Any, at: int = TEN, channel: OcppChannel = CP, sender: Any = "station", **more: Any
) -> OcppMessage:
    raw = json.dumps([2, "1", action, payload])
    message = OcppMessage(
        at, (1,), "x.pcap", channel, sender, MessageType.CALL, "1", action, payload, None, raw, (), False, None
    )
    return replace(message, **more)


def result(asked: OcppMessage, payload: Any, at: int, **more: Any) -> OcppMessage:
    sender: Any = "csms" if asked.sender == "station" else "station"
    raw = json.dumps([3, "1", payload])
    answer = replace(asked, time=at, sender=sender, type=MessageType.CALLRESULT, payload=payload, raw=raw, call=asked)
    return replace(answer, **more)


def error(asked: OcppMessage, code: str, text: str, at: int, type_: MessageType = MessageType.CALLERROR) -> OcppMessage:
    return result(asked, {}, at, type=type_, error=OcppError(code, text, {}), raw=json.dumps([4, "1", code, text, {}]))


def upgrade(
    connection: Connection = LINK,
    offered: str = "ocpp1.6",
    credentials: BasicCredentials | None = None,
    target: str = "/ocpp/CP001",
) -> HttpRequest:
    headers = {"upgrade": "websocket", "sec-websocket-key": "x"} | (
        {"sec-websocket-protocol": offered} if offered else {}
    )
    return HttpRequest(TEN + 5 * MS, (4,), connection, True, "GET", target, headers, credentials, b"")


def response(
    request: HttpRequest | None, status: int = 101, reason: str = "Switching Protocols", **headers: str
) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = request.connection if request is not None else LINK
    return HttpResponse(TEN + 12 * MS, (6,), connection, False, status, reason, named, request, b"")


def accepted(request: HttpRequest, agreed: str = "ocpp1.6") -> HttpResponse:
    return response(request, sec_websocket_protocol=agreed)


def closed(
    how: ConnectionEnd, by_client: bool | None = None, connection: Connection = LINK, at: int = TEN + 60 * S
) -> ConnectionClosed:
    return ConnectionClosed(at, (99,), connection, how, by_client)


def hello(connection: Connection, from_client: bool, name: str = "", resumed: bool = False) -> TlsHello:
    versions = (0x0303, 0x0304) if from_client else (0x0304,)
    return TlsHello(
        TEN + MS, (4,), connection, from_client, 0x0304, versions, (), (), (), (), (), name, (), resumed, False
    )


def page(*events: Event, **options: Any) -> list[str]:
    written: list[str] = []
    writer = LineWriter(written.append, **{"utc": True, **options})
    for event in events:
        writer.event(event)
    writer.flush()
    writer.finish()
    text = "".join(written)
    assert text == "" or text.endswith("\n")
    return text.splitlines()


DAY = "── 2026-03-11, UTC ──"


# ------------------------------------------------------------------------------------------------------------ messages


def test_a_morning_at_the_charger() -> None:
    boot = call("BootNotification", {"chargePointVendor": "VendorX", "chargePointModel": "M-5"}, TEN + 120 * MS)
    start = call("RemoteStartTransaction", {"connectorId": 1, "idTag": "04A1B2C3D4E57F"}, TEN + 2 * S, sender="csms")
    refused = call("DataTransfer", {"vendorId": "V"}, TEN + 3 * S)
    beat = call("Heartbeat", {}, TEN + 4 * S)
    request = upgrade(credentials=BasicCredentials("CP001", 20, "binary"))
    answer = result(
        boot, {"status": "Accepted", "interval": 300, "currentTime": "2026-03-11T10:00:00Z"}, TEN + 181 * MS
    )
    assert page(
        ConnectionOpened(TEN, (1,), LINK),
        ConnectionRecognised(TEN, (4,), LINK, "http"),
        request,
        accepted(request),
        boot,
        answer,
        Exchange(answer.time, (1, 2), boot, answer),
        start,
        result(start, {"status": "Accepted"}, TEN + 3500 * MS),
        refused,
        error(refused, "NotImplemented", "no such vendor", TEN + 3600 * MS),
        beat,
        result(beat, {}, TEN + 4 * S + 400_000),
        WsControl(TEN + 5 * S, (9,), LINK, True, "ping", b"", None, ""),
        WsControl(TEN + 6 * S, (9,), LINK, False, "close", b"", 1001, "going away"),
        WsControl(TEN + 6 * S, (9,), LINK, True, "close", b"", 1001, ""),
        closed("fin", True),
    ) == [
        DAY,
        '10:00:00.012  CP001    * OPEN   10.0.0.5:40001 → 10.0.0.1:9000 /ocpp/CP001, ocpp1.6, not compressed, Basic auth as "CP001"',
        "10:00:00.120  CP001    → CALL   BootNotification       VendorX M-5",
        "10:00:00.181  CP001    ← RESULT BootNotification       Accepted, heartbeat every 300 s, clock 10:00:00Z  +61 ms",
        "10:00:02.000  CP001    ← CALL   RemoteStartTransaction connector 1, tag 04…7F",
        "10:00:03.500  CP001    → RESULT RemoteStartTransaction Accepted  +1.5 s",
        "10:00:03.000  CP001    → CALL   DataTransfer           V",
        "10:00:03.600  CP001    ← ERROR  DataTransfer           NotImplemented: no such vendor  +600 ms",
        "10:00:04.000  CP001    → CALL   Heartbeat",
        "10:00:04.000  CP001    ← RESULT Heartbeat              +0.4 ms",
        "10:00:06.000  CP001    * CLOSED by CSMS: WebSocket close 1001 going away",
    ]  # fmt: skip


def test_identity_tokens_are_shown_on_demand() -> None:
    asked = call("Authorize", {"idTag": "04A1B2C3D4E57F"})
    assert page(asked)[-1].endswith("tag 04…7F")
    assert page(asked, show_ids=True)[-1].endswith("tag 04A1B2C3D4E57F")


def test_messages_of_2_1_have_words_of_their_own() -> None:
    stream = call("NotifyPeriodicEventStream", {"id": 3, "pending": 0, "data": []}, type=MessageType.SEND)
    asked = call("Heartbeat", {})
    wrong = error(asked, "FormatViolation", "currentTime", TEN, MessageType.CALLRESULTERROR)
    unreadable = call("", None, type=None, raw="[\x1b")
    lines = page(stream, wrong, unreadable)
    assert "→ SEND   NotifyPeriodicEventStream stream 3" in lines[1]
    assert "← RESULT-ERROR Heartbeat              FormatViolation: currentTime" in lines[2]
    assert r"→ ?      ?                      [\x1b" in lines[3]


def test_problems_stand_below_their_message_and_are_told_in_full_once() -> None:
    missing = Problem("schema.required", "meterValue[0].timestamp", "is missing")
    odd = Problem("framing.id-length", "", "the id has 40 characters")
    first = call("Authorize", {"idTag": "X"}, problems=(missing, odd))
    other = OcppChannel("CP002", "1.6", "json", link(2), False, False, False)
    assert page(first, first, call("Heartbeat", {}, problems=(odd,), channel=other))[1:] == [
        "10:00:00.000  CP001    → CALL   Authorize              tag *",
        "                       ! meterValue[0].timestamp: is missing (schema.required)",
        "                       ! the id has 40 characters (framing.id-length)",
        "10:00:00.000  CP001    → CALL   Authorize              tag *",
        "                       ! again: schema.required, framing.id-length",
        "10:00:00.000  CP002    → CALL   Heartbeat",
        "                       ! the id has 40 characters (framing.id-length)",
    ]


def test_a_message_with_very_many_problems_does_not_fill_the_screen() -> None:
    problems = tuple(Problem("schema.required", f"a[{i}]", "is missing") for i in range(100))
    lines = page(call("Heartbeat", {}, problems=problems))
    assert len(lines) == 2 + MAX_PROBLEMS + 1
    assert lines[-1].endswith("! and 92 problems more")


def test_a_problem_that_quotes_a_password_does_not_give_it_away() -> None:
    problem = Problem("schema.maxLength", "value", "'geheim123' is too long")
    lines = page(call("ChangeConfiguration", {"key": "AuthorizationKey", "value": "geheim123"}, problems=(problem,)))
    assert "geheim" not in "".join(lines)
    assert lines[-1].endswith("! value: '(hidden)' is too long (schema.maxLength)")


def test_answers_without_a_call_and_calls_without_an_answer() -> None:
    stray = replace(result(call("Heartbeat", {}), {"status": "Accepted"}, TEN), call=None, action="")
    start = call("RemoteStartTransaction", {"idTag": "X"}, TEN, sender="csms")
    assert page(stray, Orphan(TEN, (2,), stray), start, Orphan(TEN, (2,), stray), Unanswered(TEN + 303 * S, (1,), start))[1:] == [
        "10:00:00.000  CP001    ← RESULT ?                      status=Accepted",
        "                       ! no open CALL has this id: it was not seen, or was answered already",
        "10:00:00.000  CP001    ← CALL   RemoteStartTransaction tag *",
        "                       ! 1: no open CALL has this id: it was not seen, or was answered already",
        "10:05:03.000  CP001    ! CALL   RemoteStartTransaction of 10:00:00.000 never answered by station, waited 5 min 3 s",
    ]  # fmt: skip


def test_a_call_without_an_answer_accuses_nobody_where_the_capture_is_to_blame() -> None:
    call_ = call("Heartbeat", {}, TEN)
    in_log = replace(call_, channel=replace(CP, connection=None))
    lines = page(
        call_,
        Unanswered(TEN + 8600 * MS, (1,), call_, "connection-closed"),
        Unanswered(TEN + 8600 * MS, (1,), replace(call_, time=TEN + 8590 * MS), "capture-ended"),
        Unanswered(TEN + 8600 * MS, (1,), replace(call_, time=0), "capture-ended"),
        Unanswered(TEN + 8600 * MS, (1,), in_log, "capture-ended"),
        Unanswered(TEN + 8600 * MS, (1,), call_, "bytes-missing"),
        Unanswered(TEN + 8600 * MS, (1,), replace(call_, sender="csms"), "bytes-missing"),
        Unanswered(TEN + 8600 * MS, (1,), call_, "given-up"),
    )
    assert lines[2:] == [
        "10:00:08.600  CP001    ! CALL   Heartbeat              of 10:00:00.000 never answered by CSMS, waited 8.6 s",
        "10:00:08.600  CP001    * CALL   Heartbeat              of 10:00:08.590 no answer in the capture, which ends 10 ms later",
        "10:00:08.600  CP001    * CALL   Heartbeat              no answer in the capture",
        "10:00:08.600  CP001    * CALL   Heartbeat              of 10:00:00.000 no answer in the log",
        "10:00:08.600  CP001    * CALL   Heartbeat              of 10:00:00.000 no answer seen; bytes from the CSMS are missing in between",
        "10:00:08.600  CP001    * CALL   Heartbeat              of 10:00:00.000 no answer seen; bytes from the station are missing in between",
        "10:00:08.600  CP001    ! CALL   Heartbeat              of 10:00:00.000 no answer; too many CALLs are open",
    ]  # fmt: skip


def test_a_conversation_with_one_side_missing_is_told_of_once() -> None:
    said = call("Heartbeat", {}, TEN)
    asked = replace(said, sender="csms", channel=replace(CP, station="CP002", connection=link(2)))
    logged = replace(said, channel=replace(CP, connection=None))
    lines = page(*(Unanswered(TEN + S, (1,), each, "side-not-captured") for each in (said, said, asked, logged, asked)))
    assert lines[1:] == [
        "10:00:01.000  CP001    * NOTE   only the station's side is in the capture: answers cannot be seen",
        "10:00:01.000  CP002    * NOTE   only the CSMS's side is in the capture: answers cannot be seen",
        "10:00:01.000  CP001    * NOTE   only the station's side is in the log: answers cannot be seen",
    ]


# ------------------------------------------------------------------------------------------------------ several sources


def test_lines_of_several_sources_are_told_apart() -> None:
    there = replace(link(2, "192.168.1.50"), source="/captures/wan.pcap")
    at_wan = replace(CP, connection=there)
    odd = Problem("time.format", "", "a time without a zone")
    lines = page(
        call("Heartbeat", {}),
        StreamGap(TEN + S, (7,), LINK, True, 60),
        call("Heartbeat", {}, TEN + S, at_wan, source=there.source),
        call("Heartbeat", {}, TEN + 2 * S, problems=(odd,)),
        CaptureDropped(TEN + 3 * S, (), "", 5),
        closed("refused", connection=replace(link(3), source=there.source)),
        closed("end-of-capture", connection=there),
        closed("end-of-capture"),
    )
    assert lines == [
        DAY,
        "10:00:00.000  CP001    → CALL   Heartbeat",
        "10:00:01.000  CP001    ! GAP    60 bytes from station are missing in the capture",
        "── [1] x.pcap: all lines so far ──",
        "── [2] /captures/wan.pcap ──",
        "10:00:01.000  [2] CP001    → CALL   Heartbeat",
        "10:00:02.000  [1] CP001    → CALL   Heartbeat",
        "                           ! a time without a zone (time.format)",
        "10:00:03.000               ! LOST   5 packets were not captured",
        "10:01:00.000  [2] 10.0.0.5 ! FAILED TCP connection 10.0.0.5:40001 → 10.0.0.1:9000: refused",
        "10:01:00.000  [2] CP001    * OPEN   192.168.1.50:40001 still open at the end of the capture after 1 min",
        "10:01:00.000  [1] CP001    * OPEN   10.0.0.5:40001 still open at the end of the capture after 1 min",
    ]


def test_a_connection_that_goes_on_in_the_next_piece_of_a_capture_moves_there() -> None:
    pieces = (call("Heartbeat", {}, TEN + number * S, source=f"ring{number}.pcap") for number in range(1, 12))
    lines = page(*pieces, closed("rst", True))
    assert lines[1:5] == [
        "10:00:01.000  CP001    → CALL   Heartbeat",
        "── [1] ring1.pcap: all lines so far ──",
        "── [2] ring2.pcap ──",
        "10:00:02.000  [2] CP001    → CALL   Heartbeat",
    ]
    assert lines[-5:] == [
        "── [10] ring10.pcap ──",
        "10:00:10.000  [10] CP001    → CALL   Heartbeat",
        "── [11] ring11.pcap ──",
        "10:00:11.000  [11] CP001    → CALL   Heartbeat",
        "10:01:00.000  [11] CP001    ! CLOSED TCP connection reset by station after 1 min, without a WebSocket close",
    ]


def test_names_of_sources_are_bounded_and_harmless() -> None:
    lines = page(*(call("Heartbeat", {}, source=f"\x1b[2J{number}") for number in range(MAX_SOURCES + 2)))
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith("── [") for line in lines) == MAX_SOURCES
    assert lines[-1] == "10:00:00.000        CP001    → CALL   Heartbeat"


# -------------------------------------------------------------------------------------------------------- date and time


def test_what_is_told_late_says_so() -> None:
    other = replace(CP, station="CP002", connection=link(2))
    lines = page(
        StreamGap(TEN, (7,), LINK, True, 60),
        StreamGap(TEN + S, (7,), LINK, True, 61),
        call("Heartbeat", {}, TEN + 2 * S, other),
        call("Heartbeat", {}, TEN + 3 * S),
        StreamGap(TEN + 4 * S, (7,), LINK, True, 62),
    )
    assert lines[1:] == [
        "10:00:02.000  CP002    → CALL   Heartbeat",
        "10:00:00.000  CP001    ! GAP    earlier: 60 bytes from client are missing in the capture",
        "10:00:01.000  CP001    ! GAP    earlier: 61 bytes from client are missing in the capture",
        "10:00:03.000  CP001    → CALL   Heartbeat",
        "10:00:04.000  CP001    ! GAP    62 bytes from station are missing in the capture",
    ]


def test_after_the_clock_was_set_back_nothing_is_late() -> None:
    gap = StreamGap(TEN, (7,), LINK, True, 60)
    lines = page(call("Heartbeat", {}, TEN + 3600 * S), call("Heartbeat", {}, TEN), gap)
    assert lines[-1] == "10:00:00.000  CP001    ! GAP    60 bytes from station are missing in the capture"


def test_a_new_day_is_announced() -> None:
    lines = page(*(call("Heartbeat", {}, TEN + day * 86_400 * S) for day in (0, 0, 1)))
    assert [line for line in lines if line.startswith("──")] == [DAY, "── 2026-03-12, UTC ──"]
    assert lines[3] == "── 2026-03-12, UTC ──"


@pytest.fixture
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import time

    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_berlin")
def test_local_time_names_its_zone_and_a_change_of_it() -> None:
    change = 1_774_746_000 * S  # 2026-03-29 01:00:00 UTC: summer time begins
    lines = page(call("Heartbeat", {}, change - S), call("Heartbeat", {}, change), utc=False)
    assert lines == [
        "── 2026-03-29, local time CET (UTC+01:00) ──",
        "01:59:59.000  CP001    → CALL   Heartbeat",
        "── 2026-03-29, local time CEST (UTC+02:00) ──",
        "03:00:00.000  CP001    → CALL   Heartbeat",
    ]


def test_a_log_without_times_and_a_capture_with_impossible_ones() -> None:
    log = OcppChannel("CP001", "1.6", "json", None, False, False, False)
    asked = call("Heartbeat", {}, 0, log)
    lines = page(asked, result(asked, {}, 0), call("Heartbeat", {}, 2**63 * 1000, log))
    assert lines[1] == "--:--:--.---  CP001    → CALL   Heartbeat"
    assert lines[2] == "--:--:--.---  CP001    ← RESULT Heartbeat"
    assert lines[3].startswith("@92233720368")


# ----------------------------------------------------------------------------------------------- inferred and from logs


def test_what_was_inferred_is_marked() -> None:
    unknown = OcppChannel("10.0.0.5:40001", "", "json", LINK, True, True, True)
    known = replace(unknown, version="1.6")
    assert page(call("Heartbeat", {}, channel=unknown), call("BootNotification", {}, channel=known))[1:] == [
        "10:00:00.000  ?10.0.0.5:40001 * OPEN   10.0.0.5:40001 → 10.0.0.1:9000, joined while open (station, direction inferred)",
        "10:00:00.000  ?10.0.0.5:40001 → CALL   Heartbeat",
        "10:00:00.000  ?10.0.0.5:40001 * NOTE   OCPP 1.6?",
        "10:00:00.000  ?10.0.0.5:40001 → CALL   BootNotification",
    ]  # fmt: skip


def test_a_log_is_named_once_a_station() -> None:
    first = OcppChannel("CP001", "1.6", "json", None, False, True, True)
    second = OcppChannel("?", "", "json", None, True, True, False)
    lines = page(
        call("Heartbeat", {}, channel=first, source="/data/someone/exports/of/last/month/steve.log"),
        call("Heartbeat", {}, channel=first),
        call("Heartbeat", {}, channel=second),
    )
    assert lines[1:] == [
        "10:00:00.000  CP001    * OPEN   log …someone/exports/of/last/month/steve.log, OCPP 1.6? (version, direction inferred)",
        "10:00:00.000  CP001    → CALL   Heartbeat",
        "── [1] …someone/exports/of/last/month/steve.log: all lines so far ──",
        "── [2] x.pcap ──",
        "10:00:00.000  [2] CP001    → CALL   Heartbeat",
        "10:00:00.000  [2] ?        * OPEN   log x.pcap (station inferred)",
        "10:00:00.000  [2] ?        → CALL   Heartbeat",
    ]  # fmt: skip


def test_soap_is_announced_once_a_station_not_once_a_connection() -> None:
    channels = [OcppChannel("CP15", "1.5", "soap", link(number), False, False, False) for number in (1, 2, 3)]
    lines = page(
        *(
            event
            for c in channels
            if c.connection
            for event in (call("Heartbeat", {}, channel=c), closed("fin", True, c.connection))
        )
    )
    assert lines[1:] == [
        "10:00:00.000  CP15     * OPEN   10.0.0.5:40001 → 10.0.0.1:9000, SOAP, OCPP 1.5",
        *["10:00:00.000  CP15     → CALL   Heartbeat"] * 3,
    ]


# --------------------------------------------------------------------------------------------------- on the way to OCPP


def test_a_server_that_selects_no_subprotocol() -> None:
    request = upgrade(offered="ocpp2.1, ocpp2.0.1")
    lines = page(request, response(request), closed("rst", True))
    assert lines[1:] == [
        "10:00:00.012  CP001    * OPEN   10.0.0.5:40001 → 10.0.0.1:9000 /ocpp/CP001, no subprotocol, not compressed, no Basic auth",
        "10:00:00.012  CP001    ! OPEN   server selected no subprotocol; station offered ocpp2.1, ocpp2.0.1",
        "10:01:00.000  CP001    ! CLOSED TCP connection reset by station after 1 min, without a WebSocket close",
    ]  # fmt: skip


def test_a_server_that_selects_another_subprotocol() -> None:
    request = upgrade()
    wrong = page(request, accepted(request, "ocpp2.0.1"))[-1]
    assert wrong.endswith("server selected a subprotocol that it was not offered; station offered ocpp1.6")


def test_an_upgrade_that_is_refused_says_what_was_asked_and_what_is_wanted() -> None:
    request = upgrade(credentials=BasicCredentials("CP001", 40, "hex"))
    refusal = response(request, 401, "Unauthorized", www_authenticate='Basic realm="csms"', retry_after="30")
    assert page(request, refusal, closed("fin", False))[1:] == [
        "10:00:00.012  CP001    ! FAILED 401 Unauthorized for GET /ocpp/CP001 at 10.0.0.1:9000, which offered ocpp1.6"
        ' and Basic auth as "CP001" (password of 40 bytes, hex); www-authenticate: Basic realm="csms"; retry-after: 30'
    ]


def test_an_upgrade_that_is_never_answered() -> None:
    assert page(upgrade(offered=""), closed("rst", False))[1:] == [
        "10:01:00.000  CP001    ! FAILED no answer to GET /ocpp/CP001 at 10.0.0.1:9000, which offered no subprotocol"
        " and no Basic auth",
        "10:01:00.000  CP001    ! CLOSED TCP connection reset by server after 1 min",
    ]


def test_connections_that_never_came_about() -> None:
    assert page(closed("refused", False, at=TEN), closed("no-answer", at=TEN))[1:] == [
        "10:00:00.000  10.0.0.5 ! FAILED TCP connection 10.0.0.5:40001 → 10.0.0.1:9000: refused",
        "10:00:00.000  10.0.0.5 ! FAILED TCP connection 10.0.0.5:40001 → 10.0.0.1:9000: no answer",
    ]


def test_a_tls_handshake_that_fails() -> None:
    alert = TlsAlert(TEN + 9 * MS, (7,), LINK, True, True, 48, "unknown_ca")
    agreed: list[Event] = [
        hello(LINK, True, "csms.example.com"),
        hello(LINK, False),
        TlsCertificates(TEN + 8 * MS, (6,), LINK, False, (b"x" * 900,)),
    ]
    assert page(*agreed, alert, closed("rst", True))[1:] == [
        "10:00:00.001  10.0.0.5 * TLS    TLS 1.3 to csms.example.com",
        "10:00:00.008  10.0.0.5 * TLS    server sent 1 certificate, 900 bytes",
        "10:00:00.009  10.0.0.5 ! TLS    fatal alert unknown_ca (48) from client 10.0.0.5:40001",
        "10:01:00.000  10.0.0.5 ! CLOSED TCP connection reset by client after 1 min",
    ]
    no_common_version = replace(alert, from_client=False, description=70, name="protocol_version")
    assert page(hello(LINK, True), no_common_version, closed("fin", False))[1:] == [
        "10:00:00.001  10.0.0.5 * TLS    client offers TLS 1.2, TLS 1.3 without a server name",
        "10:00:00.009  10.0.0.5 ! TLS    fatal alert protocol_version (70) from server 10.0.0.1:9000",
    ]
    assert page(hello(LINK, True), closed("rst", False))[1:] == [
        "10:01:00.000  10.0.0.5 ! TLS    client offers TLS 1.2, TLS 1.3 without a server name: no answer from 10.0.0.1:9000",
        "10:01:00.000  10.0.0.5 ! CLOSED TCP connection reset by server after 1 min",
    ]  # fmt: skip


def test_over_tls_the_upgrade_sums_up_the_handshake() -> None:
    request = upgrade()
    lines = page(hello(LINK, True, "csms"), hello(LINK, False, resumed=True), request, accepted(request))
    assert lines[1:] == [
        "10:00:00.012  CP001    * OPEN   10.0.0.5:40001 → 10.0.0.1:9000 /ocpp/CP001, ocpp1.6, not compressed,"
        " TLS 1.3 to csms, session resumed, no Basic auth"
    ]


def test_encrypted_servers_are_named_once_and_then_counted() -> None:
    events: list[Event] = []
    for number in range(1, 60):
        connection = link(number, server_port=443 if number < 30 else 1000 + number)
        events += [hello(connection, True, "csms.example.com"), hello(connection, False)]
        events += [TlsOpaque(TEN + 2 * MS, (6,), connection, "no key log"), closed("fin", True, connection)]
    lines = page(*events)
    assert lines[1:3] == [
        "10:00:00.001  10.0.0.5 * TLS    TLS 1.3 to csms.example.com",
        "10:00:00.002  10.0.0.5 * TLS    10.0.0.5:40001 → 10.0.0.1:443 stays encrypted: no key log",
    ]
    assert len(lines) == 1 + 2 * MAX_OPAQUE + 2
    assert lines[-2:] == [
        "                       * 28 more encrypted connections to csms.example.com (10.0.0.1:443)",
        "                       * 11 encrypted connections to other servers",
    ]


# --------------------------------------------------------------------------------------------- what is not OCPP's story


def web(connection: Connection) -> list[Event]:
    request = HttpRequest(TEN, (4,), connection, True, "GET", "/index.html", {}, None, b"")
    return [
        ConnectionOpened(TEN, (1,), connection),
        ConnectionRecognised(TEN, (4,), connection, "http"),
        request,
        HttpResponse(TEN, (5,), connection, False, 404, "Not Found", {}, request, b""),
        StreamGap(TEN, (6,), connection, False, 1460),
        Retransmission(TEN, (7,), connection, False, 1460, "retransmission"),
        closed("rst", True, connection),
    ]


def test_other_connections_are_only_counted() -> None:
    chat = upgrade(link(3), offered="chat", target="/socket.io/")
    events = [*web(link(1)), closed("fin", True, link(2)), chat, accepted(chat, "chat"), closed("fin", True, link(3))]
    assert page(*events) == [
        "                       * 3 connections in which no OCPP was seen not shown (--verbose shows them)"
    ]


def test_verbose_shows_them_all() -> None:
    chat = upgrade(link(2), offered="chat", target="/socket.io/")
    ping = WsControl(TEN, (9,), link(2), True, "ping", b"abc", None, "")
    events = [*web(link(1)), chat, accepted(chat, "chat"), ping, closed("fin", True, link(2))]
    assert page(*events, TlsSecrets(TEN, (), "CLIENT_RANDOM 00 11\n"), verbose=True)[1:] == [
        "10:00:00.000  10.0.0.5 * TCP    10.0.0.5:40001 → 10.0.0.1:9000",
        "10:00:00.000  10.0.0.5 * TCP    looks like http",
        "10:00:00.000  10.0.0.5 * HTTP   GET /index.html",
        "10:00:00.000  10.0.0.5 * HTTP   404 Not Found to GET /index.html",
        "10:00:00.000  10.0.0.5 ! GAP    1460 bytes from server are missing in the capture",
        "10:00:00.000  10.0.0.5 * TCP    retransmission of 1460 bytes from server",
        "10:01:00.000  10.0.0.5 ! CLOSED TCP connection reset by client after 1 min",
        "10:00:00.005  socket.io * HTTP   earlier: GET /socket.io/",
        "10:00:00.012  socket.io * OPEN   earlier: 10.0.0.5:40001 → 10.0.0.1:9000 /socket.io/, chat, not compressed, no Basic auth",
        "10:00:00.000  socket.io * PING   earlier: from client, 3 bytes",
        "10:01:00.000  socket.io * CLOSED TCP connection closed by client after 1 min",
        "10:00:00.000            * NOTE   earlier: 1 lines of TLS secrets are in the capture",
    ]  # fmt: skip


def test_a_websocket_that_turns_out_to_be_ocpp_has_its_lines_after_all() -> None:
    request = upgrade(offered="", target="/CP001")
    late = OcppChannel("CP001", "1.6", "json", LINK, False, True, False)
    lines = page(request, response(request), call("Heartbeat", {}, TEN + S, late))
    assert lines[1:] == [
        "10:00:00.012  CP001    * OPEN   10.0.0.5:40001 → 10.0.0.1:9000 /CP001, no subprotocol, not compressed, no Basic auth",
        "10:00:00.012  CP001    ! OPEN   server selected no subprotocol; station offered none",
        "10:00:01.000  CP001    * OPEN   10.0.0.5:40001 → 10.0.0.1:9000, OCPP 1.6? (version inferred)",
        "10:00:01.000  CP001    → CALL   Heartbeat",
    ]  # fmt: skip


def test_gaps_and_errors_of_an_ocpp_connection_are_told() -> None:
    broken = DecodeError(TEN + S, (9,), LINK, "websocket", "reserved bits are set", b"\xff", 17)
    lines = page(call("Heartbeat", {}), StreamGap(TEN, (7,), LINK, True, 1460), broken, closed("end-of-capture"))
    assert lines[2:] == [
        "10:00:00.000  CP001    ! GAP    1460 bytes from station are missing in the capture",
        "10:00:01.000  CP001    ! BROKEN websocket: reserved bits are set (17 bytes lost)",
        "10:01:00.000  CP001    * OPEN   10.0.0.5:40001 still open at the end of the capture after 1 min",
    ]


def test_connections_that_are_still_open_are_told_apart_by_their_port() -> None:
    lines: list[str] = []
    for number in (1, 2):
        connection = link(number, port=40000 + number)
        request = upgrade(connection)
        lines += page(request, accepted(request), closed("end-of-capture", connection=connection))[-1:]
    assert lines == [
        "10:01:00.000  CP001    * OPEN   10.0.0.5:40001 still open at the end of the capture after 1 min",
        "10:01:00.000  CP001    * OPEN   10.0.0.5:40002 still open at the end of the capture after 1 min",
    ]


def cut(missing: int, at: int, from_client: bool = True) -> list[Event]:
    """A packet of which the capture has only the beginning, and what the layer above says of it."""
    reason = "bytes of this message are missing in the capture"
    return [
        StreamGap(at, (7,), LINK, from_client, missing, snapped=True),
        DecodeError(at, (7,), LINK, "websocket", reason, b"", missing),
    ]


def test_a_capture_that_cuts_packets_says_so_once_a_connection_and_counts() -> None:
    request = upgrade()
    head = StreamGap(request.time, (4,), LINK, True, 132, snapped=True)
    broken = DecodeError(request.time, (4,), LINK, "http", "132 bytes of an HTTP head are missing", b"", 132)
    lost = replace(broken, time=TEN + 3 * S, reason="bytes of this message are missing in the capture", lost=0)
    lines = page(head, broken, replace(request, complete=False), accepted(request), *cut(60, TEN + S),
                 call("Heartbeat", {}, TEN + 2 * S), lost, *cut(8, TEN + 4 * S, False), closed("fin", True))  # fmt: skip
    assert lines[1:] == [
        "10:00:00.005  CP001    ! GAP    packets are cut: the capture keeps only the beginning of long ones (told once a connection)",
        "10:00:00.012  CP001    * OPEN   10.0.0.5:40001 → 10.0.0.1:9000 /ocpp/CP001, ocpp1.6, not compressed, no Basic auth",
        "10:00:02.000  CP001    → CALL   Heartbeat",
        "10:00:03.000  CP001    ! BROKEN http: bytes of this message are missing in the capture",
        "10:01:00.000  CP001    ! GAP    3 packets were cut in all, 200 bytes of them are missing",
        "10:01:00.000  CP001    ! CLOSED TCP connection closed by station after 1 min, without a WebSocket close",
    ]  # fmt: skip


def test_one_packet_that_is_cut_is_not_counted() -> None:
    lines = page(call("Heartbeat", {}), *cut(60, TEN + S), closed("fin", True))
    assert [line.split()[3] for line in lines[1:]] == ["CALL", "GAP", "CLOSED"]


def test_compressed_messages_without_context_are_told_though_nobody_knows_what_they_are() -> None:
    reason = "compressed messages cannot be read: their compression context is not in the capture"
    lines = page(DecodeError(TEN, (9,), LINK, "deflate", reason, b"\xaa", 9), closed("timeout"))
    assert lines[1:] == [
        f"10:00:00.000  10.0.0.5 ! BROKEN deflate: {reason} (9 bytes lost)",
        "10:01:00.000  10.0.0.5 ! CLOSED silent for too long, given up after 1 min",
    ]


def test_what_the_capture_says_of_itself() -> None:
    assert page(
        CaptureDropped(TEN, (), "br-lan", 1234),
        CaptureComment(TEN, (17,), "plug pulled\x1b[2J here"),
        DecodeError(TEN, (3,), None, "pcap", "the last record is cut off", b"\x00", 12),
    )[1:] == [
        "10:00:00.000           ! LOST   1234 packets on br-lan were not captured",
        r"10:00:00.000           * NOTE   packet 17: plug pulled\x1b[2J here",
        "10:00:00.000           ! BROKEN pcap: the last record is cut off (12 bytes lost)",
    ]


def test_a_soap_post_that_is_answered_by_a_web_server() -> None:
    posted = HttpRequest(TEN, (4,), LINK, True, "POST", "/ocpp?key=x", {}, None, b"<s:Envelope/>")
    refused = HttpResponse(TEN + MS, (5,), LINK, False, 500, "Oops", {}, posted, b"sorry")
    soap = OcppChannel("CP15", "1.5", "soap", LINK, False, False, False)
    lines = page(posted, call("Heartbeat", {}, channel=soap), refused)
    assert lines[-1] == "10:00:00.001  CP15     ! HTTP   500 Oops to POST /ocpp?key=x"
    fault = replace(refused, body=b"<s:Envelope><Fault/></s:Envelope>")
    assert len(page(posted, call("Heartbeat", {}, channel=soap), fault)) == len(lines) - 1


# --------------------------------------------------------------------------------------------------------------- layout


def test_columns_grow_with_the_longest_station_and_stay() -> None:
    names = ["CP1", "CP-0000000001", "CP1", "充电桩充电桩", "X" * 40]
    channels = [OcppChannel(name, "1.6", "json", link(i), False, False, False) for i, name in enumerate(names)]
    lines = page(*(call("Heartbeat", {}, channel=channel) for channel in channels))[1:]
    assert lines == [
        "10:00:00.000  CP1      → CALL   Heartbeat",
        "10:00:00.000  CP-0000000001 → CALL   Heartbeat",
        "10:00:00.000  CP1           → CALL   Heartbeat",
        "10:00:00.000  充电桩充电桩  → CALL   Heartbeat",
        f"10:00:00.000  {'X' * (WIDEST - 1)}… → CALL   Heartbeat",
    ]


def test_lines_keep_to_the_width_of_the_terminal() -> None:
    asked = call("StartTransaction", {"connectorId": 1, "idTag": "04A1B2C3D4E57F", "meterStart": 12345})
    answer = result(asked, {"transactionId": 1701, "idTagInfo": {"status": "Accepted", "parentIdTag": "A" * 40}}, TEN + MS,
                    problems=(Problem("x.y", "", "a problem that takes a good many words to tell, more than one line has"),))  # fmt: skip
    request = upgrade()
    lines = page(asked, answer, request, accepted(request), width=80)
    assert lines[1:] == [
        "10:00:00.000  CP001    → CALL   StartTransaction connector 1, tag 04…7F, meter",
        "                                12.345 kWh",
        "10:00:00.001  CP001    ← RESULT StartTransaction transaction 1701, Accepted,",
        "                                group AA…AA +1.0 ms",
        "                       ! a problem that takes a good many words to tell, more",
        "                         than one line has (x.y)",
        "10:00:00.012  CP001    * OPEN   10.0.0.5:40001 → 10.0.0.1:9000 /ocpp/CP001,",
        "                                ocpp1.6, not compressed, no Basic auth",
    ]
    assert max(map(len, lines)) <= 80
    assert len(page(asked, width=10)) > 4


def test_colour_repeats_what_the_signs_say() -> None:
    asked = call("Authorize", {"idTag": "X"}, problems=(Problem("x.y", "", "odd"),))
    lines = page(
        asked,
        result(asked, {}, TEN),
        error(asked, "E", "", TEN),
        closed("refused"),
        closed("fin", connection=link(7)),
        color=True,
    )
    assert lines == [
        f"\x1b[1m{DAY}\x1b[0m",
        "10:00:00.000  CP001    → CALL   \x1b[1mAuthorize\x1b[0m              tag *",
        "\x1b[33m                       ! odd (x.y)\x1b[0m",
        "\x1b[2m10:00:00.000  CP001    ← RESULT Authorize              +0.0 ms\x1b[0m",
        "\x1b[33m                       ! again: x.y\x1b[0m",
        "\x1b[31m10:00:00.000  CP001    ← ERROR  Authorize              E  +0.0 ms\x1b[0m",
        "\x1b[33m                       ! again: x.y\x1b[0m",
        "\x1b[31m10:01:00.000  10.0.0.5 ! FAILED TCP connection 10.0.0.5:40001 → 10.0.0.1:9000: refused\x1b[0m",
        "\x1b[36m                       * 1 connection in which no OCPP was seen not shown (--verbose shows them)\x1b[0m",
    ]  # fmt: skip


def test_a_writer_wants_no_more_than_it_shows() -> None:
    quiet, verbose = LineWriter(print), LineWriter(print, verbose=True)
    assert not quiet.wants & {Exchange, WsMessage, Retransmission, ConnectionOpened}
    assert {Retransmission, ConnectionOpened, ConnectionRecognised, TlsSecrets} <= verbose.wants


# -------------------------------------------------------------------------------------------------------------- hostile

NASTY = st.text(st.sampled_from("\x1b\x07\n\r\u202e\u200b\u2028\ud800\x9b[]<a ="), max_size=8)


@settings(max_examples=100)
@given(st.data(), st.booleans(), st.sampled_from([None, 40, 80]))
def test_nothing_on_the_wire_can_speak_to_the_terminal(data: st.DataObject, verbose: bool, width: int | None) -> None:
    def nasty() -> str:
        return data.draw(NASTY)

    number = data.draw(st.integers(1, 3))
    connection = Connection(number, Endpoint(nasty(), 1), Endpoint(nasty(), 2), TEN, False, nasty())
    channel = OcppChannel(nasty(), nasty(), "json", connection, True, True, True)
    asked = call(nasty(), {nasty(): nasty()}, channel=channel, problems=(Problem(nasty(), nasty(), nasty()),))
    request = upgrade(connection, nasty() + "ocpp", BasicCredentials(nasty(), 3, "text"), nasty())
    lines = page(
        ConnectionOpened(TEN, (1,), connection),
        hello(connection, True, nasty()),
        TlsAlert(TEN, (1,), connection, True, True, 40, nasty()),
        TlsOpaque(TEN, (1,), connection, nasty()),
        request,
        response(request, 403, nasty(), location=nasty()),
        response(request, sec_websocket_protocol=nasty()),
        asked,
        error(asked, nasty(), nasty(), TEN),
        Orphan(TEN, (1,), replace(asked, id=nasty())),
        Unanswered(TEN, (1,), asked),
        WsControl(TEN, (1,), connection, True, "close", b"", 1000, nasty()),
        CaptureComment(TEN, (1,), nasty()),
        CaptureDropped(TEN, (1,), nasty(), 1),
        DecodeError(TEN, (1,), connection, nasty(), nasty(), b"", 1),
        closed("rst", True, connection),
        replace(asked, channel=replace(channel, connection=None), source=nasty()),
        verbose=verbose,
        width=width,
    )
    assert all(line.isprintable() for line in lines)


def test_a_connection_that_says_much_before_it_shows_ocpp_is_held_back_within_bounds() -> None:
    gaps = [StreamGap(TEN, (1,), LINK, True, i) for i in range(10 * MAX_HELD)]
    assert len(page(*gaps, call("Heartbeat", {}))) == 1 + MAX_HELD + 1
