"""One JSON object an event, complete but for what nobody may read."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from types import ModuleType
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit import events as vocabulary
from fieldkit.events import (
    BasicCredentials,
    CaptureComment,
    CaptureDropped,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    ConsoleLine,
    ConsoleSighting,
    DecodeError,
    DeviceReading,
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
    PathError,
    PathSample,
    PluginFailed,
    Problem,
    Retransmission,
    SerialBytes,
    StrayReset,
    StreamBytes,
    StreamGap,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
    TlsSecrets,
    Unanswered,
    WindowClosed,
    WsControl,
    WsMessage,
)
from fieldkit.reports import eventlog
from fieldkit.reports.eventlog import EventWriter

TEN = 1_773_223_200 * 10**9
AT = TEN + 12_345_678
WHEN = "2026-03-11T10:00:00.012345Z"
SECRET = "geheim-0815"

LINK = Connection(7, Endpoint("10.0.0.5", 40001), Endpoint("2001:db8::1", 9000), TEN, True, "x.pcap")
SHORT = {"number": 7, "client": "10.0.0.5:40001", "server": "[2001:db8::1]:9000"}
CP = OcppChannel("CP001", "1.6", "json", LINK, False, True, False)

CHANGE = {"key": "AuthorizationKey", "value": SECRET}
CALL = OcppMessage(
    TEN,
    (1,),
    "x.pcap",
    CP,
    "csms",
    MessageType.CALL,
    "42",
    "ChangeConfiguration",
    CHANGE,
    None,
    json.dumps([2, "42", "ChangeConfiguration", CHANGE]),
    (Problem("schema.maxLength", "value", f"{SECRET!r} is too long"),),
    True,
    None,
)
REFUSAL = replace(
    CALL,
    time=AT,
    frames=(2, 3),
    sender="station",
    type=MessageType.CALLERROR,
    payload={"value": SECRET},
    problems=(),
    call=CALL,
    error=OcppError("PropertyConstraintViolation", f"{SECRET} is odd", {"value": SECRET}),
    raw=json.dumps([4, "42", "PropertyConstraintViolation", f"{SECRET} is odd", {"value": SECRET}]),
)
REQUEST = HttpRequest(
    AT,
    (4,),
    LINK,
    True,
    "GET",
    f"/ocpp/CP001?token={SECRET}",
    {"upgrade": "websocket", "cookie": SECRET, "x-api-key": SECRET},
    BasicCredentials("CP001", 20, "hex"),
    b"",
)
ENVELOPE = f"<s:Envelope><key>AuthorizationKey</key><value>{SECRET}</value></s:Envelope>".encode()
RESPONSE = HttpResponse(AT, (5,), LINK, False, 200, "OK", {"set-cookie": SECRET}, REQUEST, ENVELOPE)


def written(*events: Event) -> list[dict[str, Any]]:
    lines: list[bytes] = []
    writer = EventWriter(lines.append)
    for event in events:
        writer.event(event)
    writer.flush()
    writer.finish()
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    return [json.loads(line) for line in lines]


TORN = DecodeError(AT, (4,), None, "http", "not a header", f"Authorization: {SECRET}".encode(), 31)
ONE_OF_EACH: list[Event] = [
    StreamBytes(AT, (1,), LINK, True, f"Authorization: Basic {SECRET}".encode()),
    TlsSecrets(AT, (), f"CLIENT_RANDOM 00 {SECRET}\nCLIENT_RANDOM 11 {SECRET}\n"),
    CaptureComment(AT, (17,), f"set password={SECRET}"),
    ConnectionOpened(AT, (1,), LINK),
    ConnectionClosed(AT, (9,), LINK, "rst", None),
    ConnectionRecognised(AT, (4,), LINK, "http"),
    StreamGap(AT, (4,), LINK, True, 1460),
    Retransmission(AT, (4,), LINK, True, 1460, "duplicate"),
    PathSample(AT, (4,), LINK, True, "handshake", 51_000_000, 62, 1460, 65_160),
    PathError(AT, (4,), LINK, True, "192.168.1.1", "network"),
    WindowClosed(AT, (4,), LINK, False),
    StrayReset(AT, (4, 5), LINK.client, LINK.server, 25_000_000, "eth1.pcap"),
    TlsHello(
        AT,
        (4,),
        LINK,
        True,
        0x0304,
        (0x0304,),
        (0x1301,),
        (0,),
        (29,),
        (0,),
        (0x0403,),
        "csms",
        ("http/1.1",),
        False,
        False,
    ),
    TlsCertificates(AT, (4,), LINK, False, (b"\x30\x82" * 50, b"\x30")),
    TlsAlert(AT, (4,), LINK, True, True, 48, "unknown_ca"),
    TlsOpaque(AT, (4,), LINK, "no key log"),
    REQUEST,
    RESPONSE,
    WsMessage(AT, (8,), LINK, True, True, False, CALL.raw.encode(), 0),
    WsControl(AT, (8,), LINK, False, "close", b"\x03\xe9bye", 1001, "bye"),
    CALL,
    Exchange(AT, (1, 2, 3), CALL, REFUSAL),
    Orphan(AT, (2, 3), REFUSAL),
    Unanswered(AT, (1,), CALL),
    TORN,
    CaptureDropped(AT, (), "br-lan", 1234),
    PluginFailed(AT, (), "my-check", "check", f"ValueError: password={SECRET}"),
    SerialBytes(AT, (1,), "/dev/ttyUSB0", False, f"AT+CGDCONT password={SECRET}\r".encode()),
    DeviceReading(
        AT, (2,), "/dev/ttyUSB0", "modbus", "sdm630/1", "voltage_l1", 230.4, "V", "Voltage", "L1", "4366", True
    ),
    ConsoleLine(AT, (3,), "/dev/ttyUSB0", f"wifi password={SECRET}", True),
    ConsoleSighting(AT, (4,), "/dev/ttyUSB0", "ocpp.key", False, {"text": f"password={SECRET}"}, f"password={SECRET}"),
]


def test_there_is_one_of_each() -> None:
    assert {type(event) for event in ONE_OF_EACH} == set(get_args(Event))


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_an_event_has_the_fields_of_its_class_under_their_own_names(event: Event) -> None:
    (record,) = written(event)
    own = [field.name for field in fields(event)]
    assert list(record)[: 1 + len(own)] == ["event", *own]
    assert record["event"] == type(event).__name__
    assert hasattr(vocabulary, record["event"])
    assert record["time"] == (WHEN if event.time == AT else "2026-03-11T10:00:00.000000Z")
    assert record["frames"] == list(event.frames)


@pytest.mark.parametrize("event", [*ONE_OF_EACH, REFUSAL], ids=lambda event: type(event).__name__)
def test_no_event_gives_a_secret_away(event: Event) -> None:
    lines: list[bytes] = []
    EventWriter(lines.append).event(event)
    assert SECRET.encode() not in lines[0]
    assert b"Z2VoZWlt" not in lines[0]
    assert SECRET.encode().hex().encode() not in lines[0]


def test_a_message_is_whole_but_for_its_secret_and_its_call() -> None:
    message, refusal = written(CALL, REFUSAL)
    assert message == {
        "event": "OcppMessage",
        "time": "2026-03-11T10:00:00.000000Z",
        "frames": [1],
        "source": "x.pcap",
        "channel": {
            "station": "CP001",
            "version": "1.6",
            "transport": "json",
            "connection": SHORT,
            "station_inferred": False,
            "version_inferred": True,
            "sides_inferred": False,
        },
        "sender": "csms",
        "type": "CALL",
        "id": "42",
        "action": "ChangeConfiguration",
        "payload": {"key": "AuthorizationKey", "value": "(hidden)"},
        "error": None,
        "raw": CALL.raw.replace(SECRET, "(hidden)"),
        "problems": [{"rule": "schema.maxLength", "path": "value", "text": "'(hidden)' is too long"}],
        "validated": True,
        "call": None,
    }
    assert refusal["call"] == "42"
    assert refusal["error"] == {
        "code": "PropertyConstraintViolation",
        "description": "(hidden) is odd",
        "details": {"value": "(hidden)"},
    }
    assert json.loads(refusal["raw"])[3] == "(hidden) is odd"


def test_what_a_serial_port_said_is_shown_where_it_can_be_no_secret() -> None:
    port = "/dev/ttyUSB0"
    text, modbus = written(
        SerialBytes(AT, (1,), port, True, b"hunter2\r"), SerialBytes(AT, (2,), port, False, b"\1\4\2\xff")
    )
    assert text["data"] == {"length": 8}
    assert modbus["data"] == {"hex": "010402ff"}
    (line,) = written(ConsoleLine(AT, (3,), port, f"psk password={SECRET} ok", True))
    assert line["text"].startswith("psk password=(hidden)")


def test_messages_in_other_events_are_named() -> None:
    exchange, orphan, unanswered = written(
        Exchange(AT, (1, 2, 3), CALL, REFUSAL), Orphan(AT, (2, 3), REFUSAL), Unanswered(AT, (1,), CALL)
    )
    name = {
        "id": "42",
        "action": "ChangeConfiguration",
        "station": "CP001",
        "time": "2026-03-11T10:00:00.000000Z",
        "frames": [1],
    }
    assert exchange["call"] == unanswered["call"] == name
    assert exchange["answer"] == orphan["answer"] == name | {"time": WHEN, "frames": [2, 3]}
    assert exchange["latency_ms"] == pytest.approx(12.345678)


def test_a_connection_is_short_everywhere_but_where_it_opens() -> None:
    opened, gap, error = written(
        ConnectionOpened(AT, (1,), LINK),
        StreamGap(AT, (1,), LINK, True, 1),
        DecodeError(AT, (), None, "pcap", "cut", b"", 0),
    )
    assert gap["connection"] == SHORT
    more = {"opened": "2026-03-11T10:00:00.000000Z", "joined_midstream": True, "source": "x.pcap"}
    assert opened["connection"] == SHORT | more
    assert error["connection"] is None


def test_http_heads_keep_what_is_no_credential() -> None:
    request, response = written(REQUEST, replace(RESPONSE, body=b"no such station", status=404))
    assert request["target"] == "/ocpp/CP001?token=(hidden)"
    assert request["headers"] == {"upgrade": "websocket", "cookie": "(hidden)", "x-api-key": "(hidden)"}
    assert request["credentials"] == {"user": "CP001", "password_length": 20, "password_shape": "hex"}
    assert response["body"] == {"text": "no such station"}
    assert response["request"] == {"method": "GET", "target": "/ocpp/CP001?token=(hidden)", "time": WHEN, "frames": [4]}
    assert written(RESPONSE)[0]["body"] == {"length": len(ENVELOPE)}


@pytest.mark.parametrize("name", ["ApiKey", "X-Auth", "X-Access-Token", "X-Station", "authentication", "Référence", ""])
def test_a_header_that_nobody_knows_is_hidden(name: str) -> None:
    request, response = written(
        replace(REQUEST, headers={name: SECRET}), replace(RESPONSE, headers={name: SECRET, "Server": "x/1"})
    )
    assert request["headers"] == {name: "(hidden)"}
    assert response["headers"] == {name: "(hidden)", "Server": "x/1"}


def test_a_known_header_hides_what_it_spells_out() -> None:
    headers = {
        "location": f"https://u:{SECRET}@csms.example.com/ocpp?token={SECRET}&x=1",
        "www-authenticate": 'Basic realm="ocpp"',
        "Sec-WebSocket-Protocol": "ocpp1.6, ocpp2.0.1",
        "user-agent": "VendorX/1.2",
        "retry-after": "120",
    }
    (response,) = written(replace(RESPONSE, headers=headers))
    shown = {"location": "https://u:(hidden)@csms.example.com/ocpp?token=(hidden)&x=1"}
    assert response["headers"] == headers | shown


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", {"text": ""}),
        ("42 is the answer, für immer\n".encode(), {"text": "42 is the answer, für immer\n"}),
        (b"\x1b[2J", {"hex": "1b5b324a"}),
        (b"\xff\x00", {"hex": "ff00"}),
        (b"\xff" * 65, {"base64": "/////" * 17 + "/w=="}),
        (b'{"password":"geheim"}', {"text": '{"password":"(hidden)"}'}),
        (b'{"password":"geheim\xff"}', {"hex": b'{"password":"(hidden)"}'.hex()}),
        (b' [ 2,"1","Heartbeat",{}]', {"length": 24}),
    ],
)
def test_bytes_are_text_where_they_can_be(data: bytes, shown: dict[str, Any]) -> None:
    (record,) = written(WsMessage(AT, (8,), LINK, True, True, False, data, 0))
    if "base64" in shown:
        assert set(record["data"]) == {"base64"}
    elif b"geheim\xff" in data:
        assert b"geheim" not in bytes.fromhex(record["data"].get("hex", "")) + record["data"].get("text", "").encode()
    else:
        assert record["data"] == shown


def test_what_cannot_be_searched_is_not_shown() -> None:
    compressed, gap = written(
        WsMessage(AT, (8,), LINK, True, True, True, b"\xaaVJ", -1),
        WsMessage(AT, (8,), LINK, True, True, True, b"ab\x00", 1),
    )
    assert compressed["data"] == {"length": 3}
    assert gap["data"] == {"hex": "616200"}
    secrets, torn, plain = written(ONE_OF_EACH[1], TORN, DecodeError(AT, (), None, "pcap", "cut off", b"\xd4\xc3", 2))
    assert secrets["text"] == {"lines": 2}
    assert torn["data"] == {"length": 26}
    assert plain["data"] == {"hex": "d4c3"}


def test_a_time_that_no_calendar_has_is_a_number() -> None:
    (record,) = written(CaptureDropped(2**70, (), "x", 1))
    assert record["time"] == 2**70


# ------------------------------------------------------------------------------------------- with and without orjson


@pytest.fixture(params=["orjson", "json"])
def _encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "json":
        monkeypatch.setitem(sys.modules, "orjson", None)
    elif not importlib.util.find_spec("orjson"):
        pytest.skip("orjson is not installed")


@pytest.mark.usefixtures("_encoder")
def test_payloads_that_few_json_writers_take() -> None:
    deep: Any = "bottom"
    for _ in range(900):
        deep = [deep]
    odd = {"nan": float("nan"), "inf": float("-inf"), "huge": 10**40, "half": "\ud800", "deep": deep, "\udfff": True}
    message = replace(CALL, action="Heartbeat", payload=odd, raw="\ud83d", problems=())
    lines: list[bytes] = []
    EventWriter(lines.append).event(message)
    record = json.loads(lines[0], parse_constant=_no_constants)
    assert record["payload"]["nan"] == "nan"
    assert record["payload"]["inf"] == "-inf"
    assert record["payload"]["huge"] == 10**40
    assert record["payload"]["half"] == r"\ud800"
    assert record["payload"][r"\udfff"] is True
    assert record["raw"] == r"\ud83d"
    assert "nested too deep" in lines[0].decode()


def _no_constants(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_both_writers_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first = written(*ONE_OF_EACH)
    monkeypatch.setitem(sys.modules, "orjson", None)
    assert written(*ONE_OF_EACH) == first


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec=None), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(JSON, st.text(st.characters(codec=None), max_size=20), st.binary(max_size=80))
def test_whatever_comes_becomes_one_line_of_json(payload: Any, text: str, data: bytes) -> None:
    channel = replace(CP, station=text)
    written(
        replace(CALL, payload=payload, raw=text, id=text, channel=channel),
        replace(REFUSAL, error=OcppError(text, text, payload), payload=payload, raw=text),
        WsMessage(AT, (1,), LINK, True, True, False, data, 0),
        DecodeError(AT, (1,), LINK, text, text, data, 1),
        HttpRequest(AT, (1,), LINK, True, text, text, {text: text}, None, data),
        WsControl(AT, (1,), LINK, True, "ping", data, None, text),
    )


def test_orjson_is_not_needed_to_import() -> None:
    assert isinstance(eventlog, ModuleType)
    dump: Callable[[Any], bytes] = eventlog._dumper()
    assert json.loads(dump({"a": "ü"})) == {"a": "ü"}
