"""What is said on one connection: recognised by its first bytes, and handed from layer to layer."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cache
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import (
    Connection,
    ConnectionRecognised,
    DecodeError,
    Endpoint,
    Event,
    HttpRequest,
    HttpResponse,
    TlsHello,
    TlsOpaque,
    WsControl,
    WsMessage,
)
from fieldkit.wire.budget import Budget
from fieldkit.wire.stream import Stream, negotiated_deflate
from fieldkit.wire.tlskeys import KeyLog
from tests.traffic.frames import PING, TEXT, FrameSender, frame
from tests.traffic.tlstalk import Talk, contexts, talk

Kind = TypeVar("Kind")
Said = tuple[bool, bytes]

LINK = Connection(1, Endpoint("10.0.0.2", 40_000), Endpoint("10.0.0.1", 9000), 0, False, "test")
MASK = b"\x11\x92\xe3\x44"
CALL, ANSWER = b'[2,"1","Heartbeat",{}]', b'[3,"1",{"currentTime":"2026-08-31T08:00:00Z"}]'
MORE = b'[2,"2","Heartbeat",{}]'

REQUEST = (
    b"GET /ocpp/CP_7 HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
)
UPGRADED = SWITCHING + b"\r\n"


def station(text: bytes) -> bytes:
    return frame(TEXT, text, mask=MASK)


def csms(text: bytes) -> bytes:
    return frame(TEXT, text)


class Heard:
    """A stream and everything that it says."""

    def __init__(self, keylog: str = "", *, joined_midstream: bool = False) -> None:
        self.events: list[Event] = []
        self.budget = Budget()
        self.dismissals = 0
        keys = KeyLog(expecting=False)
        keys.add(keylog)
        link = LINK if not joined_midstream else Connection(2, LINK.client, LINK.server, 0, True, "test")
        self.stream = Stream(link, self.events.append, self.budget, keys, self._dismissed)
        self.frame = 0

    def _dismissed(self) -> None:
        self.dismissals += 1

    def says(self, from_client: bool, data: bytes) -> Heard:
        self.frame += 1
        self.stream.feed(from_client, data, self.frame * 1000, (self.frame,))
        return self

    def hears(self, said: Iterable[Said]) -> Heard:
        for from_client, data in said:
            self.says(from_client, data)
        return self

    def client(self, data: bytes) -> Heard:
        return self.says(True, data)

    def server(self, data: bytes) -> Heard:
        return self.says(False, data)

    def loses(self, from_client: bool, missing: int) -> Heard:
        self.stream.gap(from_client, missing, self.frame * 1000, (self.frame,))
        return self

    def ends(self) -> Heard:
        self.stream.finish(self.frame * 1000, (self.frame,))
        return self

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def protocols(self) -> list[str]:
        return [event.protocol for event in self.of(ConnectionRecognised)]

    @property
    def texts(self) -> list[Said]:
        return [(event.from_client, event.data) for event in self.of(WsMessage)]


def test_nothing_is_said_before_there_is_enough_to_tell() -> None:
    heard = Heard().client(b"G").client(b"E").client(b"T")
    assert heard.events == []
    heard.client(REQUEST[3:])
    assert heard.protocols == ["http"]
    (request,) = heard.of(HttpRequest)
    assert request.target == "/ocpp/CP_7"
    assert request.frames == (1, 2, 3, 4)


def test_the_recognition_names_the_packet_that_decided_it() -> None:
    heard = Heard().client(b"GET").client(REQUEST[3:])
    assert heard.of(ConnectionRecognised) == [ConnectionRecognised(2000, (2,), LINK, "http")]


# -------------------------------------------------------------------------------------------------- HTTP → WebSocket


def test_an_upgrade_hands_both_sides_over() -> None:
    heard = Heard().client(REQUEST).server(UPGRADED).client(station(CALL)).server(csms(ANSWER))
    assert heard.protocols == ["http", "websocket"]
    assert heard.texts == [(True, CALL), (False, ANSWER)]
    assert [event.frames for event in heard.of(WsMessage)] == [(3,), (4,)]
    assert not heard.of(DecodeError)


def test_what_comes_behind_the_101_in_the_same_segment_is_the_first_frame() -> None:
    heard = Heard().client(REQUEST).server(UPGRADED + csms(CALL) + csms(MORE)[:5]).server(csms(MORE)[5:])
    assert heard.texts == [(False, CALL), (False, MORE)]
    assert [event.frames for event in heard.of(WsMessage)] == [(2,), (2, 3)]


def test_a_station_that_does_not_wait_for_the_101_is_heard_behind_it() -> None:
    heard = Heard().client(REQUEST + station(CALL)).client(station(MORE)).server(UPGRADED).server(csms(ANSWER))
    assert heard.protocols == ["http", "websocket"]
    assert heard.texts == [(True, CALL), (True, MORE), (False, ANSWER)]
    assert [event.frames for event in heard.of(WsMessage)] == [(1,), (2,), (4,)]


def test_the_upgrade_is_told_with_the_packet_of_the_101() -> None:
    heard = Heard().client(REQUEST).server(UPGRADED[:30]).server(UPGRADED[30:])
    assert heard.of(ConnectionRecognised)[1] == ConnectionRecognised(3000, (2, 3), LINK, "websocket")


def test_an_upgrade_that_was_refused_stays_http() -> None:
    heard = Heard().client(REQUEST).server(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    heard.client(REQUEST).server(UPGRADED).client(station(CALL))
    assert [response.status for response in heard.of(HttpResponse)] == [401, 101]
    assert heard.texts == [(True, CALL)]


def test_an_upgrade_to_something_else_is_dismissed() -> None:
    switching = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    heard = Heard().client(REQUEST).server(switching + b"rest").client(station(CALL)).server(csms(ANSWER)).ends()
    assert heard.texts == []
    assert heard.dismissals == 1
    assert heard.protocols == ["http"]


@pytest.mark.parametrize("server_first", [False, True])
def test_of_a_one_sided_capture_the_upgrade_is_concluded(server_first: bool) -> None:
    """Only the station's packets, or only the CSMS's."""
    heard = Heard()
    if server_first:
        heard.server(UPGRADED).server(csms(ANSWER)).server(frame(PING))
    else:
        heard.client(REQUEST).client(station(CALL)).client(station(MORE))
    heard.ends()
    assert heard.texts == ([(False, ANSWER)] if server_first else [(True, CALL), (True, MORE)])
    assert heard.protocols == ["http", "websocket"]


def test_where_the_101_is_missing_frames_of_the_csms_show_that_there_was_one() -> None:
    heard = Heard().client(REQUEST).loses(False, len(UPGRADED)).client(station(CALL)).server(csms(ANSWER)).ends()
    assert sorted(heard.texts) == [(False, ANSWER), (True, CALL)]
    assert heard.protocols == ["http", "websocket"]


def test_where_the_request_is_missing_the_101_tells_enough() -> None:
    heard = Heard().loses(True, len(REQUEST)).server(UPGRADED).client(station(CALL)).server(csms(ANSWER)).ends()
    assert heard.texts == [(True, CALL), (False, ANSWER)]


def test_half_a_request_is_not_taken_for_a_foreign_protocol() -> None:
    """A lost packet at the very beginning must not cost the whole connection."""
    heard = Heard().loses(True, 60).client(REQUEST[60:]).server(UPGRADED).client(station(CALL)).server(csms(ANSWER))
    assert heard.texts == [(True, CALL), (False, ANSWER)]
    assert heard.dismissals == 0


def test_but_not_for_ever() -> None:
    heard = Heard().loses(True, 60)
    for _ in range(100):
        heard.client(b"\xfe\xed nothing that we know")
    assert heard.protocols == ["unknown"]
    assert heard.dismissals == 1


def test_a_gap_between_messages_is_passed_on() -> None:
    heard = Heard().client(REQUEST).server(UPGRADED).client(station(CALL)[:9]).loses(True, 40).client(station(MORE))
    assert heard.texts == [(True, MORE)]
    assert len(heard.of(DecodeError)) == 1


def test_the_end_tells_what_was_cut_off() -> None:
    heard = Heard().client(REQUEST).server(UPGRADED).client(station(CALL)[:9]).ends()
    assert [error.lost for error in heard.of(DecodeError)] == [9]
    assert heard.budget.used == 0


# ------------------------------------------------------------------------------------------------------- compression


@pytest.mark.parametrize(
    ("agreed", "client_takeover", "server_takeover"),
    [
        ("permessage-deflate", True, True),
        ("permessage-deflate; client_no_context_takeover", False, True),
        ("permessage-deflate;server_no_context_takeover;client_max_window_bits=15", True, False),
        ("Permessage-Deflate; CLIENT_NO_CONTEXT_TAKEOVER; server_no_context_takeover", False, False),
    ],
)
def test_compression_is_undone_as_agreed(agreed: str, client_takeover: bool, server_takeover: bool) -> None:
    heard = Heard().client(REQUEST).server(SWITCHING + f"Sec-WebSocket-Extensions: {agreed}\r\n\r\n".encode())
    ends = [
        FrameSender(from_client=side, random=random.Random(1), deflate=True, takeover=takeover)
        for side, takeover in ((True, client_takeover), (False, server_takeover))
    ]
    for _ in range(3):
        heard.client(b"".join(ends[0].message(CALL))).server(b"".join(ends[1].message(ANSWER)))
    assert heard.texts == [(True, CALL), (False, ANSWER)] * 3
    assert all(event.compressed and not event.missing for event in heard.of(WsMessage))
    assert not heard.of(DecodeError)


def test_what_was_not_agreed_on_is_told() -> None:
    heard = Heard().client(REQUEST).server(UPGRADED)
    sender = FrameSender(from_client=True, random=random.Random(1), deflate=True)
    heard.client(b"".join(sender.message(CALL)))
    assert heard.texts == [(True, CALL)]
    assert "not negotiated" in heard.of(DecodeError)[0].reason


@pytest.mark.parametrize("extensions", ["", "x-webkit-deflate-frame", "permessage-bzip2; a=b, x"])
def test_no_compression_is_agreed_on_with_other_extensions(extensions: str) -> None:
    assert negotiated_deflate(extensions) == (None, None)


def test_compression_may_be_one_extension_of_several() -> None:
    client, server = negotiated_deflate("mux; max=3, permessage-deflate; server_max_window_bits=10")
    assert client is not None
    assert server is not None


# ------------------------------------------------------------------------------------------------ other beginnings


def test_frames_may_come_without_any_handshake() -> None:
    heard = Heard(joined_midstream=True).server(frame(PING, b"x")).client(station(CALL)).server(csms(ANSWER))
    assert heard.protocols == ["websocket"]
    assert heard.texts == [(True, CALL), (False, ANSWER)]
    assert len(heard.of(WsControl)) == 1


def test_what_the_other_side_said_before_is_not_lost() -> None:
    heard = Heard(joined_midstream=True).server(b"H").client(REQUEST).server(b"TTP/1.1 101 S" + UPGRADED[14:])
    heard.client(station(CALL))
    assert [response.status for response in heard.of(HttpResponse)] == [101]
    assert heard.texts == [(True, CALL)]


@pytest.mark.parametrize(
    "first", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x05\x01\x00", b"\x10\x1c\x00\x04MQTT", b"{}", b"220 mail ESMTP\r\n"]
)
def test_what_nobody_knows_is_dismissed_once_and_for_all(first: bytes) -> None:
    heard = Heard().server(first).client(station(CALL)).server(csms(ANSWER)).loses(True, 5).ends()
    assert heard.events == [ConnectionRecognised(1000, (1,), LINK, "unknown")]
    assert heard.dismissals == 1
    assert heard.budget.used == 0


def test_a_web_interface_bores_in_the_end() -> None:
    heard = Heard()
    for _ in range(60):
        heard.client(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
        heard.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert heard.dismissals == 1
    assert len(heard.of(HttpRequest)) < 60


def test_behind_a_web_proxy_it_begins_anew() -> None:
    """CONNECT, as stations in company networks do it (RFC 9110 §9.3.6)."""
    heard = Heard().client(b"CONNECT csms:80 HTTP/1.1\r\nHost: csms:80\r\n\r\n")
    heard.server(b"HTTP/1.1 200 Connection established\r\n\r\n")
    heard.client(REQUEST).server(UPGRADED + csms(CALL)).client(station(ANSWER))
    assert heard.texts == [(False, CALL), (True, ANSWER)]
    assert heard.protocols == ["http", "http", "websocket"]
    assert heard.dismissals == 0


# --------------------------------------------------------------------------------------------------------------- TLS


@cache
def encrypted(version: str) -> Talk:
    said = [(True, REQUEST), (False, UPGRADED + csms(CALL)), (True, station(ANSWER)), (True, station(MORE))]
    return talk(contexts(version), said)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_inside_tls_the_same_is_said(version: str) -> None:
    spoken = encrypted(version)
    heard = Heard(spoken.keylog).hears(spoken.flights).ends()
    assert heard.protocols == ["tls", "http", "websocket"]
    assert heard.of(HttpRequest)[0].target == "/ocpp/CP_7"
    assert heard.texts == [(False, CALL), (True, ANSWER), (True, MORE)]
    assert len(heard.of(TlsHello)) == 2
    assert not heard.of(DecodeError)
    assert heard.budget.used == 0


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_without_the_keys_it_is_opaque_and_dismissed(version: str) -> None:
    heard = Heard().hears(encrypted(version).flights)
    assert heard.protocols == ["tls"]
    assert len(heard.of(TlsOpaque)) == 1
    assert heard.dismissals == 1
    assert heard.texts == []
    assert heard.budget.used == 0


def test_a_tunnel_may_lead_to_tls() -> None:
    spoken = encrypted("1.3")
    heard = Heard(spoken.keylog).client(b"CONNECT csms:443 HTTP/1.1\r\nHost: csms:443\r\n\r\n")
    heard.server(b"HTTP/1.1 200 Connection established\r\n\r\n").hears(spoken.flights)
    assert heard.protocols == ["http", "tls", "http", "websocket"]
    assert heard.texts == [(False, CALL), (True, ANSWER), (True, MORE)]


def test_a_foreign_protocol_inside_tls_is_dismissed_with_it() -> None:
    spoken = talk(contexts("1.3"), [(True, b"\x10\x1c\x00\x04MQTT and more of it"), (False, b"\x20\x02\x00\x00")])
    heard = Heard(spoken.keylog).hears(spoken.flights)
    assert heard.protocols == ["tls", "unknown"]
    assert heard.dismissals == 1


def test_lost_records_are_a_gap_in_what_is_inside() -> None:
    spoken = encrypted("1.3")
    last = max(at for at, (side, data) in enumerate(spoken.flights) if side and len(data) > 40)
    heard = Heard(spoken.keylog)
    for at, (side, data) in enumerate(spoken.flights):
        heard.loses(side, len(data)) if at == last - 1 else heard.says(side, data)
    assert heard.texts == [(False, CALL), (True, MORE)]


def test_what_waited_inside_tls_is_let_go_when_the_rest_stays_encrypted() -> None:
    long = station(b'[2,"1","DataTransfer",{"data":"' + b"x" * 3000 + b'"}]')
    said = [(True, REQUEST), (False, UPGRADED), (True, long[:1500]), (True, long[1500:])]
    spoken = talk(contexts("1.3"), said)
    last = max(at for at, (side, data) in enumerate(spoken.flights) if side and len(data) > 1000)
    heard = Heard(spoken.keylog).hears(spoken.flights[:last])
    assert heard.budget.used > 0
    for side in (True, False):  # damaged beyond hope, both of them
        for _ in range(200):
            heard.says(side, b"\x17\x03\x03\x00\x40" + bytes(64))
    assert heard.dismissals == 1
    assert heard.budget.used == 0
    assert any(error.layer == "websocket" for error in heard.of(DecodeError))


# -------------------------------------------------------------------------------------------------------- properties

CONVERSATION: list[Said] = [
    (True, REQUEST),
    (False, UPGRADED + csms(CALL)),
    (True, station(ANSWER)),
    (True, station(MORE) + frame(PING, b"hb", mask=MASK)),
    (False, csms(b'[3,"2",{"currentTime":"' + b"9" * 300 + b'"}]')),
]


@settings(max_examples=50)
@given(st.data())
def test_however_it_is_cut_the_same_is_said(data: st.DataObject) -> None:
    whole = Heard().hears(CONVERSATION).ends()
    pieces = Heard()
    for side, text in CONVERSATION:
        cuts = sorted(data.draw(st.lists(st.integers(1, len(text) - 1), max_size=4)))
        for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            if begin < end:
                pieces.says(side, text[begin:end])
    pieces.ends()
    assert pieces.texts == whole.texts
    assert pieces.protocols == whole.protocols
    assert not pieces.of(DecodeError)


def test_byte_by_byte_too() -> None:
    heard = Heard().hears((side, bytes([byte])) for side, text in CONVERSATION for byte in text).ends()
    assert heard.texts == Heard().hears(CONVERSATION).texts


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.one_of(
                st.binary(min_size=1, max_size=80),
                st.sampled_from(
                    [
                        REQUEST,
                        UPGRADED,
                        station(CALL),
                        csms(ANSWER),
                        b"CONNECT x:1 HTTP/1.1\r\n\r\n",
                        b"HTTP/1.1 200 OK\r\n\r\n",
                        b"\x16\x03\x01\x00\x05\x01",
                        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
                    ]
                ),
            ),
            st.integers(0, 9),
        ),
        max_size=12,
    )
)
def test_nothing_upsets_it_and_nothing_stays_behind(said: list[tuple[bool, bytes, int]]) -> None:
    heard = Heard()
    for from_client, data, lost in said:
        heard.says(from_client, data)
        if not lost:
            heard.loses(not from_client, 7)
    heard.ends()
    assert heard.dismissals <= 1
    assert heard.budget.used == 0
