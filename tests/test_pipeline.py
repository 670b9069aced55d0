"""The stages put together: packets or logged frames in, the whole story out."""

from __future__ import annotations

from typing import Any

import pytest

from fieldkit import pipeline as pipeline_module
from fieldkit.events import (
    CaptureComment,
    CaptureDropped,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    DecodeError,
    Endpoint,
    Event,
    Exchange,
    HttpRequest,
    HttpResponse,
    LoggedFrame,
    MessageType,
    OcppChannel,
    Orphan,
    StreamBytes,
    TlsSecrets,
    Unanswered,
    WsMessage,
)
from fieldkit.ocpp.identity import identity_of
from fieldkit.pipeline import Pipeline
from fieldkit.wire.tlskeys import KeyLog
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.decoded import Decoded, as_lines, decode, schemas
from tests.traffic.scripts import usual_hour
from tests.traffic.segments import SECOND, Segment
from tests.traffic.taps import Tap

HEARTBEAT = '[2,"1","Heartbeat",{}]'
BOOT_16 = {"chargePointVendor": "Testwerk", "chargePointModel": "M1"}
HOST = "192.168.7.20:49152"


def overheard(segments: list[Segment], **options: bool) -> Decoded:
    return decode(write_pcap(Tap().packets(segments), nanoseconds=True), **options)  # type: ignore[arg-type]


def connected(version: str = "1.6", **upgrade: str) -> Session:
    session = Session("CP_7", version)
    session.connect()
    session.upgrade(**upgrade)
    return session


# ------------------------------------------------------------------------------------------------------ from packets


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_an_hour_of_a_station_comes_out_as_it_was_said(version: str) -> None:
    session = connected(version)
    usual_hour(session)
    session.close("fin")
    seen = overheard(session.segments, validate=True)
    assert seen.lines == as_lines(session.said)
    (connection,) = {message.channel.connection and message.channel.connection.number for message in seen.messages}
    assert connection == 1
    assert all(message.validated and not message.problems for message in seen.messages)
    channel = seen.messages[0].channel
    assert (channel.station, channel.version, channel.transport) == ("CP_7", version, "json")
    assert not channel.station_inferred
    assert not channel.version_inferred
    assert not channel.sides_inferred
    assert seen.count(Exchange) == seen.count(WsMessage) / 2
    assert not seen.of(DecodeError)


def test_every_message_follows_its_carrier_and_every_answer_its_exchange() -> None:
    session = connected()
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    kinds = [type(event).__name__ for event in overheard(session.segments).events]
    assert [kind for kind in kinds if kind != "PathSample"] == [
        "ConnectionOpened", "ConnectionRecognised", "HttpRequest", "HttpResponse", "ConnectionRecognised",
        "WsMessage", "OcppMessage", "WsMessage", "OcppMessage", "Exchange", "ConnectionClosed",
    ]  # fmt: skip


def test_what_an_ocpp_message_says_already_can_be_left_out() -> None:
    session = connected()
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    session.say("station", HEARTBEAT)
    session.close("fin")
    capture = write_pcap(Tap().packets(session.segments))
    full, lean = decode(capture), run(Pipeline("memory", full=False), capture)
    assert [event for event in full.events if not isinstance(event, WsMessage | Exchange)] == lean.events
    assert full.count(Exchange) == 1
    assert lean.messages[1].call is lean.messages[0]


def run(pipeline: Pipeline, capture: bytes) -> Decoded:
    from fieldkit.wire.container import CaptureReader

    reader = CaptureReader()
    items = [*reader.feed(capture), *reader.finish()]
    return Decoded([event for item in items for event in pipeline.feed_packets(item)] + pipeline.finish())


def test_calls_stay_unanswered_when_their_connection_ends() -> None:
    session = connected()
    session.say("station", HEARTBEAT)
    session.close("fin")
    events = overheard(session.segments).events
    (unanswered,) = (event for event in events if isinstance(event, Unanswered))
    (closed,) = (event for event in events if isinstance(event, ConnectionClosed))
    assert unanswered.time == closed.time
    assert events.index(closed) < events.index(unanswered)


def test_why_there_was_no_answer() -> None:
    """Only an end of the connection says something of the other side."""
    open_, closed, one_sided, holed = connected(), connected(), connected(), connected()
    for session in (open_, closed, one_sided, holed):
        session.say("station", HEARTBEAT)
    closed.close("rst", code=None)
    holed.say("csms", '[3,"1",{}]')
    lost = holed.segments[-2]
    assert lost.payload
    holed.say("csms", '[2,"9","ClearCache",{}]')
    holed.close("fin", code=None)

    def why(segments: list[Segment]) -> list[str]:
        return [event.why for event in overheard(segments).of(Unanswered) if event.call.action == "Heartbeat"]

    assert why(open_.segments) == ["capture-ended"]
    assert why(closed.segments) == ["connection-closed"]
    assert why([segment for segment in one_sided.segments if segment.from_client]) == ["side-not-captured"]
    assert why([segment for segment in holed.segments if segment is not lost]) == ["bytes-missing"]


def test_an_id_of_the_last_connection_is_no_reuse_in_the_next() -> None:
    first = connected()
    first.say("station", HEARTBEAT)
    first.close("fin")
    second = Session("CP_7", start=first.clock.now + SECOND, first=(7, 8))
    second.connect()
    second.upgrade()
    second.say("station", HEARTBEAT)
    seen = overheard(first.segments + second.segments)
    assert not seen.problems
    assert seen.count(Unanswered) == 2


# ------------------------------------------------------------------------------------------------- station and version


@pytest.mark.parametrize(
    ("path", "station"),
    [
        ("/ocpp/CP_7", "CP_7"),
        ("/CP_7", "CP_7"),
        ("/a/b/c/CP_7/", "CP_7"),
        ("/ocpp/CP%207%2F1", "CP 7/1"),
        ("/ocpp/S%C3%A4ule", "Säule"),
        ("/ocpp/CP_7?token=/x", "CP_7"),
        ("/ocpp/CP_7#part/x", "CP_7"),
        ("ws://csms.example:80/ocpp/CP_7", "CP_7"),
        ("/", ""),
        ("", ""),
        ("*", "*"),
        ("/ocpp/%FF", "�"),
    ],
)
def test_the_identity_is_the_last_segment_of_the_url(path: str, station: str) -> None:
    assert identity_of(path) == station


def test_without_an_identity_the_address_stands_for_the_station() -> None:
    session = connected(path="/")
    session.say("station", HEARTBEAT)
    (message,) = overheard(session.segments).messages
    assert message.channel.station == HOST
    assert message.channel.station_inferred


@pytest.mark.parametrize(
    ("offered", "agreed", "version", "inferred"),
    [
        ("ocpp1.6", "ocpp1.6", "1.6", False),
        ("ocpp2.0.1, ocpp1.6", "ocpp1.6", "1.6", False),
        ("ocpp1.6", "", "1.6", True),
        ("ocpp1.6, ocpp2.0.1", "", "", True),
        ("ocpp1.6", "soap", "1.6", True),
        ("", "", "", True),
        ("OCPP2.0.1", "OCPP2.0.1", "2.0.1", False),
    ],
)
def test_the_version_is_what_was_agreed_on_or_else_offered(
    offered: str, agreed: str, version: str, inferred: bool
) -> None:
    session = connected(subprotocol=offered, agreed=agreed)
    session.say("station", HEARTBEAT)
    (message,) = overheard(session.segments).messages
    assert (message.channel.version, message.channel.version_inferred) == (version, inferred)


def test_what_was_offered_can_be_learnt_better() -> None:
    session = connected(subprotocol="ocpp1.6", agreed="")
    session.call("station", "TransactionEvent", {})
    assert overheard(session.segments).messages[-1].channel.version == "2.0.1"


def test_where_only_the_101_is_missing_the_request_names_the_station() -> None:
    session = connected()
    session.say("station", HEARTBEAT)
    session.say("csms", '[3,"1",{}]')
    answer = next(segment for segment in session.segments if segment.payload.startswith(b"HTTP"))
    seen = overheard([segment for segment in session.segments if segment is not answer])
    assert [message.channel.station for message in seen.messages] == ["CP_7", "CP_7"]
    assert seen.messages[0].channel.version == "1.6"
    assert seen.messages[0].channel.version_inferred


def test_a_connection_joined_midway_is_named_after_the_client() -> None:
    session = connected()
    handshake = len(session.segments)
    session.say("station", HEARTBEAT)
    (message,) = overheard(session.segments[handshake:]).messages
    channel = message.channel
    assert (channel.station, channel.version) == (HOST, "")
    assert channel.station_inferred
    assert channel.version_inferred
    assert channel.sides_inferred


# ----------------------------------------------------------------------------------------------- is it OCPP at all?


def foreign(*texts: str, subprotocol: str = "chat") -> Decoded:
    session = connected(subprotocol=subprotocol, agreed="")
    for text in texts:
        session.say("station", text)
    return overheard(session.segments)


def test_another_websocket_is_shown_and_not_decoded() -> None:
    seen = foreign('{"hello":1}', "[1,2,3]", "plain")
    assert seen.messages == []
    assert [message.data for message in seen.of(WsMessage)] == [b'{"hello":1}', b"[1,2,3]", b"plain"]


def test_a_websocket_that_speaks_ocpp_without_saying_so_is_decoded_from_then_on() -> None:
    seen = foreign('{"hello":1}', f" {HEARTBEAT}", '{"broken":1}')
    assert [message.type for message in seen.messages] == [MessageType.CALL, None]
    assert seen.count(WsMessage) == 3


@pytest.mark.parametrize("subprotocol", ["ocpp9.9", "OCPP"])
def test_where_something_of_ocpp_was_offered_everything_is_decoded(subprotocol: str) -> None:
    seen = foreign('{"hello":1}', subprotocol=subprotocol)
    assert [problem.rule for problem in seen.messages[0].problems] == ["framing.not-an-array"]


def test_a_binary_message_is_decoded_and_named() -> None:
    session = connected()
    session.say("station", HEARTBEAT, binary=True)
    seen = overheard(session.segments)
    assert seen.problems == {"framing.binary": 1}
    assert seen.messages[0].action == "Heartbeat"


# ------------------------------------------------------------------------------------------------------- compression


def compressed(calls: int) -> Session:
    session = Session("CP_7", deflate="takeover")
    session.connect()
    session.upgrade()
    for _ in range(calls):
        session.call("station", "BootNotification", BOOT_16, {"currentTime": session.timestamp()})
    return session


def test_compressed_messages_are_read() -> None:
    session = compressed(3)
    assert overheard(session.segments).lines == as_lines(session.said)


def test_behind_a_lost_packet_compressed_messages_have_holes_that_are_named() -> None:
    """They copy from what was said before, and some of that is not in the capture."""
    session = compressed(4)
    lost = [segment for segment in session.segments if segment.payload and segment.from_client][1]
    seen = overheard([segment for segment in session.segments if segment is not lost], validate=True)
    holed = [message for message in seen.messages if message.sender == "station"]
    assert len(holed) == 3
    assert all("�" in message.raw for message in holed)
    assert [problem.rule for message in holed for problem in message.problems] == ["deflate.context"] * 3
    assert not any(message.validated for message in holed)
    (error,) = (error for error in seen.of(DecodeError) if error.layer == "deflate")
    assert "in part" in error.reason
    assert error.data == b"", "what was inflated may hold a password"


def test_joined_midway_it_is_told_why_compressed_messages_cannot_be_read() -> None:
    session = compressed(4)
    behind = [at for at, segment in enumerate(session.segments) if segment.payload][4]
    seen = overheard(session.segments[behind:])
    assert seen.messages == []
    assert seen.count(WsMessage) > 0
    assert [error.layer for error in seen.of(DecodeError)] == ["deflate"]


def test_without_a_shared_context_compressed_messages_are_read_also_midway() -> None:
    session = Session("CP_7", deflate="no takeover")
    session.connect()
    session.upgrade()
    behind = len(session.segments)
    for number in range(3):
        session.call("station", "BootNotification", BOOT_16, {"currentTime": f"{number}"})
    seen = overheard(session.segments[behind:])
    assert [message.raw for message in seen.messages] == [said.text for said in session.said]
    assert not seen.problems


# ---------------------------------------------------------------------------------------- what the container says


def test_what_the_container_says_is_passed_on() -> None:
    pipeline = Pipeline("x")
    comment, dropped = CaptureComment(1, (), "hi"), CaptureDropped(2, (), "eth0", 3)
    assert pipeline.feed_packets(comment) == [comment]
    assert pipeline.feed_packets(dropped) == [dropped]


def test_secrets_in_the_capture_are_added_to_the_key_log() -> None:
    keys = KeyLog()
    pipeline = Pipeline("x", keys=keys)
    before = keys.version
    secret = TlsSecrets(1, (), f"CLIENT_RANDOM {'ab' * 32} {'cd' * 48}\n")
    assert pipeline.feed_packets(secret) == [secret]
    assert keys.version != before


def test_the_next_piece_of_a_ring_gives_evidence_under_its_own_name() -> None:
    from fieldkit.wire.container import CaptureReader

    session = connected()
    session.say("station", HEARTBEAT)
    cut = len(session.segments)
    session.say("station", '[2,"2","Heartbeat",{}]')
    pipeline = Pipeline("ring_1")
    events: list[Event] = []
    for name, segments in (("ring_1", session.segments[:cut]), ("ring_2", session.segments[cut:])):
        pipeline.rename(name)
        reader = CaptureReader()
        for item in reader.feed(write_pcap(Tap().packets(segments))):
            events += pipeline.feed_packets(item)
    messages = Decoded(events).messages
    assert [message.source for message in messages] == ["ring_1", "ring_2"]
    assert {message.channel.station for message in messages} == {"CP_7"}
    assert pipeline.packets == len(session.segments)


def test_what_is_over_leaves_nothing_behind() -> None:
    session = connected()
    session.say("station", HEARTBEAT)
    session.close("fin")
    asked = Session("CP_8", client=("192.168.7.21", 5000))
    asked.connect()
    asked.request()
    asked.tcp.reset(by_client=True)
    pipeline = Pipeline("x")
    seen = run(pipeline, write_pcap(Tap().packets(session.segments + asked.segments)))
    assert pipeline._websockets == {}
    assert pipeline._asked == {}
    assert seen.count(HttpRequest) == 2
    assert seen.count(HttpResponse) == 1
    assert pipeline.finish() == []


# --------------------------------------------------------------------------------------------------------- from logs


def logged(text: str, station: str = "CP_7", **fields: Any) -> LoggedFrame:
    values: dict[str, Any] = {
        "time": MONDAY, "frames": (1,), "source": "steve.log", "station": station, "sender": "station",
        "relative": None, "version": "", "transport": "json", "text": text, "problems": (),
    }  # fmt: skip
    return LoggedFrame(**{**values, **fields})


def read(*frames: LoggedFrame, validate: bool = True) -> Decoded:
    pipeline = Pipeline("steve.log", schemas=schemas() if validate else None)
    events = [event for frame in frames for event in pipeline.feed_logged(frame)]
    return Decoded(events + pipeline.finish())


def test_a_log_makes_the_same_of_the_same() -> None:
    seen = read(
        logged('[2,"1","BootNotification",{"chargePointVendor":"V"}]', version="1.6"),
        logged('[3,"1",{"status":"Accepted"}]', sender="csms", time=MONDAY + SECOND, frames=(2,)),
    )
    call, answer = seen.messages
    assert call.channel == OcppChannel("CP_7", "1.6", "json", None, False, False, False)
    assert answer.call is call
    assert call.validated
    assert answer.validated
    assert [exchange.frames for exchange in seen.of(Exchange)] == [(1, 2)]


def test_a_log_may_tell_the_version_late() -> None:
    seen = read(logged(HEARTBEAT), logged('[2,"2","Heartbeat",{}]', version="2.0.1"))
    assert [message.channel.version for message in seen.messages] == ["", "2.0.1"]
    assert [message.channel.version_inferred for message in seen.messages] == [True, False]


def test_stations_of_one_log_are_told_apart() -> None:
    seen = read(logged(HEARTBEAT, "A"), logged(HEARTBEAT, "B"), logged('[3,"1",{}]', "A", sender="csms"))
    assert [exchange.call.channel.station for exchange in seen.of(Exchange)] == ["A"]
    assert [unanswered.call.channel.station for unanswered in seen.of(Unanswered)] == ["B"]


def test_a_frame_without_a_time_takes_that_of_the_one_before() -> None:
    seen = read(logged(HEARTBEAT), logged('[2,"2","Heartbeat",{}]', time=None))
    assert [message.time for message in seen.messages] == [MONDAY, MONDAY]


def test_a_station_without_a_name_is_a_question_mark() -> None:
    (message,) = read(logged(HEARTBEAT, "")).messages
    assert message.channel.station == "?"
    assert message.channel.station_inferred


def test_an_error_in_a_log_is_passed_on() -> None:
    error = DecodeError(1, (5,), None, "log", "what is this", b"", 0)
    assert Pipeline("x").feed_logged(error) == [error]


def test_soap_in_a_log_goes_the_way_of_soap() -> None:
    envelope = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:o="urn://Ocpp/Cs/2015/10/"><s:Header>'
        "<o:chargeBoxIdentity>CP_9</o:chargeBoxIdentity></s:Header>"
        "<s:Body><o:heartbeatRequest/></s:Body></s:Envelope>"
    )
    seen = read(logged(envelope, "", transport="soap", time=None), logged(HEARTBEAT))
    assert [(message.channel.station, message.channel.transport) for message in seen.messages] == [
        ("CP_9", "soap"),
        ("CP_7", "json"),
    ]


def test_lone_surrogates_in_a_log_do_no_harm() -> None:
    (message,) = read(logged('[2,"1","Heartbeat",{"x":"\udc80"}]')).messages
    assert message.problems


def test_only_so_many_stations_of_a_log_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "MAX_LOG_STATIONS", 2)
    calls = [logged(HEARTBEAT, f"CP_{number}") for number in range(4)]
    seen = read(*calls, logged('[3,"1",{}]', "CP_0", sender="csms"))
    assert seen.count(Unanswered) == 4
    assert seen.count(Orphan) == 1


def passed_on(pipeline: Pipeline, session: Session) -> tuple[Connection, list[Event]]:
    """The payload of a conversation, as a proxy sees it: in order, without packets."""
    first = session.segments[0]
    connection = pipeline.open(Endpoint(*first.client), Endpoint(*first.server), MONDAY)
    events: list[Event] = []
    for number, segment in enumerate((segment for segment in session.segments if segment.payload), 1):
        piece = StreamBytes(segment.time, (number,), connection, segment.from_client, segment.payload)
        events += pipeline.feed_bytes(piece)
    return connection, events


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_bytes_that_a_proxy_passes_on_say_the_same_as_their_packets(version: str) -> None:
    session = Session("CP_7", version)
    session.connect()
    session.upgrade()
    usual_hour(session)
    session.close("fin", by_client=True)
    pipeline = Pipeline("proxy")
    connection, events = passed_on(pipeline, session)
    events += pipeline.close(connection, "fin", True, session.segments[-1].time)
    talked = Decoded([*events, *pipeline.finish()])
    assert talked.lines == as_lines(session.said)
    assert [closed.how for closed in talked.of(ConnectionClosed)] == ["fin"]
    assert talked.count(ConnectionOpened) == 1


def test_bytes_after_the_end_of_a_connection_are_nobodys() -> None:
    pipeline = Pipeline("proxy")
    connection = pipeline.open(Endpoint("10.0.0.1", 50_000), Endpoint("10.0.0.2", 9000), MONDAY)
    pipeline.close(connection, "rst", False, MONDAY)
    assert pipeline.feed_bytes(StreamBytes(MONDAY, (1,), connection, True, b"GET / HTTP/1.1\r\n\r\n")) == []
    assert pipeline.finish() == []


def test_a_station_that_is_still_connected_when_the_proxy_stops_leaves_its_calls_open() -> None:
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    session.say("station", '[2,"1","Heartbeat",{}]')
    pipeline = Pipeline("proxy")
    passed_on(pipeline, session)
    assert [event.why for event in Decoded(pipeline.finish()).of(Unanswered)] == ["capture-ended"]
