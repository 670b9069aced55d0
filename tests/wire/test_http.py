"""HTTP as an onlooker sees it: heads, bodies, upgrades, refusals, holes, nonsense."""

from __future__ import annotations

import gzip
import zlib
from base64 import b64encode
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import Connection, DecodeError, Endpoint, Event, HttpRequest, HttpResponse
from fieldkit.wire.budget import Budget
from fieldkit.wire.http import BORING_AFTER, MAX_HELD_BYTES, MAX_RESYNC_BYTES, HttpLayer
from fieldkit.wire.httpbody import MAX_BODY_BYTES, inflate
from fieldkit.wire.httphead import MAX_FIELDS, parse_fields
from fieldkit.wire.httpside import MAX_HEAD_BYTES

UPGRADE = (
    b"GET /ocpp/CP%20001 HTTP/1.1\r\nHost: csms.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6, ocpp1.5\r\n\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
MASKED = b"\x81\x85\x01\x02\x03\x04" + bytes(a ^ b for a, b in zip(b'[2,"a', b"\x01\x02\x03\x04\x01", strict=True))
ENVELOPE = b'<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"/>'


def post(body: bytes, *fields: bytes, length: bool = True) -> bytes:
    head = [b"POST /services/CentralSystemService HTTP/1.1", b"Host: csms", *fields]
    if length:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def ok(body: bytes, *fields: bytes, length: bool = True) -> bytes:
    head = [b"HTTP/1.1 200 OK", *fields]
    if length:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    return b"".join(b"%x;q=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


SOAP = b"Content-Type: application/soap+xml; charset=utf-8"


class Talk:
    """A conversation overheard: what each side says, and what the layer makes of it."""

    def __init__(self, midstream: bool = False, budget: Budget | None = None) -> None:
        self.events: list[Event] = []
        connection = Connection(1, Endpoint("10.0.0.2", 40000), Endpoint("10.0.0.1", 80), 0, midstream, "test")
        self.layer = HttpLayer(connection, self.events.append, budget)
        self.frame = 0

    def client(self, data: bytes) -> Talk:
        return self._says(True, data)

    def server(self, data: bytes) -> Talk:
        return self._says(False, data)

    def _says(self, from_client: bool, data: bytes) -> Talk:
        self.frame += 1
        self.layer.feed(from_client, data, self.frame * 1000, (self.frame,))
        return self

    def hole(self, from_client: bool, missing: int) -> Talk:
        self.frame += 1
        self.layer.gap(from_client, missing, self.frame * 1000, (self.frame,))
        return self

    def end(self) -> Talk:
        self.frame += 1
        self.layer.finish(self.frame * 1000, (self.frame,))
        return self

    @property
    def upgraded(self) -> bool:
        return self.layer.upgrade is not None

    @property
    def requests(self) -> list[HttpRequest]:
        return [event for event in self.events if isinstance(event, HttpRequest)]

    @property
    def responses(self) -> list[HttpResponse]:
        return [event for event in self.events if isinstance(event, HttpResponse)]

    @property
    def errors(self) -> list[DecodeError]:
        return [event for event in self.events if isinstance(event, DecodeError)]

    def rest(self, from_client: bool) -> bytes:
        return b"".join(data for data, _, _ in self.layer.take_rest(from_client))


# ------------------------------------------------------------------------------------------------------------ upgrade


def test_an_upgrade_is_two_events_and_the_bytes_behind_it() -> None:
    talk = Talk().client(UPGRADE).server(SWITCHING + b"\x81\x00")
    request, response = talk.requests[0], talk.responses[0]
    assert (request.method, request.target) == ("GET", "/ocpp/CP%20001")
    assert request.headers["sec-websocket-protocol"] == "ocpp1.6, ocpp1.5"
    assert (response.status, response.reason) == (101, "Switching Protocols")
    assert response.request is request
    assert talk.layer.upgrade is not None
    assert talk.layer.upgrade.request is request
    assert talk.layer.upgrade.response is response
    assert (request.time, request.frames, response.time, response.frames) == (1000, (1,), 2000, (2,))
    assert talk.layer.take_rest(False) == [(b"\x81\x00", 2000, (2,))]
    assert talk.errors == []


def test_a_101_without_subprotocol_is_plain_to_see() -> None:
    talk = Talk().client(UPGRADE).server(SWITCHING.replace(b"Sec-WebSocket-Protocol: ocpp1.6\r\n", b""))
    assert "sec-websocket-protocol" not in talk.responses[0].headers
    assert talk.layer.upgrade is not None


def test_what_the_client_says_too_early_waits_with_its_frames() -> None:
    talk = Talk().client(UPGRADE + MASKED[:3]).client(MASKED[3:]).server(SWITCHING)
    assert talk.layer.upgrade is not None
    assert talk.layer.take_rest(True) == [(MASKED[:3], 1000, (1,)), (MASKED[3:], 2000, (2,))]
    talk.client(MASKED)
    assert talk.layer.take_rest(True) == [(MASKED, 4000, (4,))]


@pytest.mark.parametrize(
    "status",
    [b"400 Bad Request", b"403 Forbidden", b"404 Not Found", b"503 Service Unavailable", b"307 Temporary Redirect"],
)
def test_a_refused_upgrade_is_a_response_and_no_upgrade(status: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nLocation: wss://other/\r\nContent-Length: 4\r\n\r\nnope"
    talk = Talk().client(UPGRADE).server(answer)
    assert talk.responses[0].status == int(status[:3])
    assert talk.responses[0].headers["location"] == "wss://other/"
    assert talk.responses[0].request is talk.requests[0]
    assert talk.layer.upgrade is None


def test_a_401_may_be_followed_by_a_second_try_on_the_same_connection() -> None:
    refused = b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="ocpp"\r\nContent-Length: 0\r\n\r\n'
    again = UPGRADE[:-2] + b"Authorization: Basic " + b64encode(b"CP001:0123456789ABCDEF0123456789ABCDEF") + b"\r\n\r\n"
    talk = Talk().client(UPGRADE).server(refused).client(again).server(SWITCHING)
    assert [response.status for response in talk.responses] == [401, 101]
    assert talk.responses[1].request is talk.requests[1]
    credentials = talk.requests[1].credentials
    assert credentials is not None
    assert (credentials.user, credentials.password_length, credentials.password_shape) == ("CP001", 32, "hex")


def test_a_proxy_that_strips_upgrade_leaves_the_key() -> None:
    stripped = UPGRADE.replace(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"")
    talk = Talk().client(stripped + MASKED).server(SWITCHING)
    assert talk.layer.upgrade is not None
    assert talk.rest(True) == MASKED


def test_one_sided_capture_shows_its_upgrade_by_the_frames_behind_it() -> None:
    talk = Talk().client(UPGRADE).client(MASKED)
    assert not talk.upgraded
    for _ in range(MAX_HELD_BYTES // len(MASKED * 100) + 1):
        talk.client(MASKED * 100)
    assert talk.layer.upgrade is not None
    assert talk.layer.upgrade.response is None
    assert talk.layer.upgrade.request is talk.requests[0]
    assert len(talk.rest(True)) > MAX_HELD_BYTES


def test_one_sided_capture_that_ends_early() -> None:
    talk = Talk().client(UPGRADE).client(MASKED).end()
    assert talk.layer.upgrade is not None
    assert talk.layer.upgrade.response is None
    assert talk.layer.take_rest(True) == [(MASKED, 2000, (2,))]


def test_an_upgrade_that_is_never_answered_is_no_upgrade() -> None:
    talk = Talk().client(UPGRADE).end()
    assert talk.layer.upgrade is None
    assert talk.errors == []


def test_a_101_lost_in_a_hole_is_inferred_from_what_follows() -> None:
    frame = b'\x81\x0f[3,"a",{"b":1}]'
    talk = Talk().client(UPGRADE).hole(False, 160).server(frame)
    assert talk.layer.upgrade is not None
    assert talk.layer.upgrade.response is None
    assert talk.rest(False) == frame


def test_a_server_whose_first_bytes_are_frames_has_upgraded() -> None:
    frame = b'\x81\x0f[3,"a",{"b":1}]' * 4
    talk = Talk().client(UPGRADE).server(frame[:40]).server(frame[40:])
    assert talk.layer.upgrade is not None
    assert talk.layer.take_rest(False) == [(frame[:40], 2000, (2,)), (frame[40:], 3000, (3,))]
    assert talk.errors == []


def test_a_capture_may_begin_at_the_101() -> None:
    talk = Talk(midstream=True).server(SWITCHING)
    assert talk.layer.upgrade is not None
    assert talk.layer.upgrade.request is None
    assert talk.responses[0].request is None


def test_connect_makes_a_tunnel() -> None:
    talk = (
        Talk().client(b"CONNECT csms:443 HTTP/1.1\r\nHost: csms:443\r\n\r\n").server(b"HTTP/1.1 200 Connected\r\n\r\n")
    )
    talk.client(b"\x16\x03\x01")
    assert talk.layer.tunnel
    assert talk.layer.upgrade is None
    assert talk.rest(True) == b"\x16\x03\x01"


# ------------------------------------------------------------------------------------------------------------ secrets


def test_the_password_never_leaves() -> None:
    secret = b64encode(b"CP001:open sesame")
    head = UPGRADE[:-2] + b"Authorization: Basic " + secret + b"\r\nProxy-Authorization: Bearer abcdef\r\n"
    head += b"Cookie: session=abcdef\r\nReferer: http://me:abcdef@host/\r\n\r\n"
    talk = (
        Talk()
        .client(head)
        .server(b"HTTP/1.1 403 No\r\nSet-Cookie: abcdef\r\nLocation: ws://u:abcdef@h/x\r\n\r\n")
        .end()
    )
    request, response = talk.requests[0], talk.responses[0]
    assert request.headers["authorization"] == "Basic (hidden)"
    assert request.headers["proxy-authorization"] == "Bearer (hidden)"
    assert request.headers["cookie"] == response.headers["set-cookie"] == "(hidden)"
    assert request.headers["referer"] == "http://me:(hidden)@host/"
    assert response.headers["location"] == "ws://u:(hidden)@h/x"
    shown = repr(talk.events)
    assert "abcdef" not in shown
    assert "sesame" not in shown
    assert secret.decode()[8:] not in shown


@pytest.mark.parametrize(
    ("password", "length", "shape"),
    [
        (b"", 0, "empty"),
        (b"hunter2", 7, "text"),
        (b"12345678", 8, "text"),
        ("пароль".encode(), 12, "text"),
        (b"0123456789abcdef", 16, "hex"),
        (b"0123456789abcde", 15, "text"),
        (bytes(range(1, 21)), 20, "binary"),
        (b"\xff" * 20, 20, "binary"),
    ],
)
def test_what_may_be_known_of_a_password(password: bytes, length: int, shape: str) -> None:
    fields = parse_fields(b"Authorization: BASIC " + b64encode(b"CP:001".replace(b":", b"") + b":" + password))
    assert fields.credentials is not None
    assert (fields.credentials.user, fields.credentials.password_length) == ("CP001", length)
    assert fields.credentials.password_shape == shape


def test_credentials_that_are_no_credentials() -> None:
    for value, why in ((b"Basic not*base64", "base64"), (b"Basic " + b64encode(b"justapassword"), "colon")):
        talk = Talk().client(UPGRADE[:-2] + b"Authorization: " + value + b"\r\n\r\n")
        assert talk.requests[0].credentials is None
        assert talk.requests[0].headers["authorization"] == "Basic (hidden)"
        assert why in talk.errors[0].reason
        assert talk.errors[0].data == b""


def test_a_bare_token_is_not_taken_for_a_scheme() -> None:
    assert parse_fields(b"Authorization: s3cret s3cret").headers["authorization"] == "(hidden)"


def test_a_hole_in_the_credentials_does_not_spill_them() -> None:
    head = UPGRADE[:-2] + b"Authorization: Basic " + b64encode(b"CP001:open sesame please") + b"\r\n\r\n"
    talk = Talk().client(head[:-30]).hole(True, 5).client(head[-25:]).client(UPGRADE)
    assert len(talk.requests) == 1
    assert talk.errors[0].data == b""
    assert head[-20:-4].decode() not in repr(talk.events)


# -------------------------------------------------------------------------------------------------------------- heads


def test_lenient_where_the_field_is() -> None:
    head = b"\r\n\nGET /ocpp/CP 1 HTTP/1.1\nHOST : a\nX-Folded: one\n  two\r\n\t three\nX-Twice: 1\nx-twice: 2\n"
    talk = Talk().client(head + b"nonsense\n\n")
    request = talk.requests[0]
    assert request.target == "/ocpp/CP 1"
    assert request.headers == {"host": "a", "x-folded": "one two three", "x-twice": "1, 2"}
    assert "1 line of an HTTP head without field name" in talk.errors[0].reason


def test_more_fields_than_anybody_needs() -> None:
    fields = b"".join(b"X-%d: 1\r\n" % number for number in range(MAX_FIELDS + 10)) + b"Content-Length: 3\r\n"
    talk = Talk().client(b"PUT / HTTP/1.1\r\n" + fields + b"\r\nabcGET / HTTP/1.1\r\n\r\n")
    assert len(talk.requests) == 2
    assert len(talk.requests[0].headers) == MAX_FIELDS + 1
    assert "fields" in talk.errors[0].reason


def test_a_head_without_end_is_given_up() -> None:
    talk = Talk().client(b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n").client(UPGRADE)
    assert [request.target for request in talk.requests] == ["/ocpp/CP%20001"]
    assert talk.errors[0].lost > MAX_HEAD_BYTES
    assert "more than 65536 bytes" in talk.errors[0].reason


def test_a_request_line_without_version_and_what_the_server_says_to_it() -> None:
    talk = (
        Talk()
        .client(b"GET /ocpp/CP1\r\nHost: a\r\n\r\n")
        .server(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    )
    assert isinstance(talk.events[0], DecodeError)
    assert talk.events[0].data == b"GET /ocpp/CP1\r"
    assert talk.responses[0].status == 400
    assert talk.responses[0].request is None
    assert not talk.layer.boring


def test_pipelined_requests_find_their_responses() -> None:
    talk = Talk().client(b"GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n")
    talk.server(ok(b"one") + b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b"HTTP/1.1 304\r\n\r\n" + ok(b"?"))
    answered = [(response.request.target if response.request else None) for response in talk.responses]
    assert answered == ["/1", "/2", "/3", None]
    assert talk.errors == []


def test_requests_that_are_never_answered_do_not_pile_up() -> None:
    talk = Talk().client(b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(20))).server(ok(b""))
    request = talk.responses[0].request
    assert request is not None
    assert request.target == "/4"


def test_interim_answers_are_passed_over() -> None:
    talk = Talk().client(post(b"", SOAP, b"Expect: 100-continue", b"Content-Length: 84", length=False))
    talk.server(b"HTTP/1.1 100 Continue\r\n\r\n").client(ENVELOPE).server(ok(ENVELOPE, SOAP))
    assert talk.requests[0].body == ENVELOPE
    assert [response.status for response in talk.responses] == [200]
    assert talk.responses[0].request is talk.requests[0]


def test_a_body_that_was_announced_and_refused_is_not_waited_for() -> None:
    head = post(b"", SOAP, b"Expect: 100-continue", b"Content-Length: 84", length=False)
    talk = Talk().client(head).server(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").client(UPGRADE)
    assert [request.method for request in talk.requests] == ["POST", "GET"]
    assert talk.requests[0].body == b""
    assert talk.responses[0].request is talk.requests[0]


def test_an_answer_that_comes_too_early_waits_for_its_request() -> None:
    whole = post(ENVELOPE, SOAP)
    talk = Talk().client(whole[:-10]).server(ok(b"", SOAP))
    assert talk.events == []
    talk.client(whole[-10:])
    assert talk.requests[0].body == ENVELOPE
    assert talk.responses[0].request is talk.requests[0]
    assert (talk.responses[0].time, talk.responses[0].frames) == (2000, (2,))


# ------------------------------------------------------------------------------------------------------------- bodies


def test_soap_is_kept_with_the_frames_it_came_in() -> None:
    whole = post(ENVELOPE, SOAP)
    talk = Talk().client(whole[:40]).client(whole[40:100]).client(whole[100:]).server(ok(ENVELOPE, SOAP))
    assert talk.requests[0].body == talk.responses[0].body == ENVELOPE
    assert (talk.requests[0].time, talk.requests[0].frames) == (3000, (1, 2, 3))


def test_a_segment_that_holds_two_messages_is_evidence_of_both() -> None:
    first = post(ENVELOPE, SOAP)
    talk = Talk().client(first[:20]).client(first[20:] + first[:30]).client(first[30:])
    assert [request.frames for request in talk.requests] == [(1, 2), (2, 3)]


def test_chunked_with_trailers() -> None:
    body = chunked(ENVELOPE[:30], ENVELOPE[30:], trailer=b"X-Sum: 1\r\n")
    talk = Talk().client(post(body, SOAP, b"Transfer-Encoding: chunked", length=False)).client(UPGRADE)
    assert talk.requests[0].body == ENVELOPE
    assert len(talk.requests) == 2


def test_trailers_have_an_end() -> None:
    body = chunked(ENVELOPE, trailer=b"X: 1\r\n" * MAX_HEAD_BYTES)
    talk = Talk().client(post(body, SOAP, b"Transfer-Encoding: chunked", length=False)).client(UPGRADE)
    assert [request.body for request in talk.requests] == [b"", b""]
    assert "trailers" in talk.errors[0].reason


def test_a_message_in_very_many_segments_names_many_frames_and_the_last() -> None:
    talk = Talk()
    message = post(ENVELOPE * 60, SOAP)
    for at in range(len(message)):
        talk.client(message[at : at + 1])
    frames = talk.requests[0].frames
    assert (frames[0], frames[-1], len(frames)) == (1, len(message), 4096)


def test_a_body_may_last_until_the_connection_closes() -> None:
    talk = Talk().client(post(ENVELOPE, SOAP)).server(ok(ENVELOPE, SOAP, length=False))
    assert talk.responses == []
    talk.end()
    assert talk.responses[0].body == ENVELOPE
    assert talk.errors == []


def test_a_body_that_is_cut_off_is_delivered_as_far_as_it_goes() -> None:
    talk = Talk().client(post(ENVELOPE, SOAP)[:-5]).end()
    assert talk.requests[0].body == ENVELOPE[:-5]
    assert "ends in the middle of an HTTP body" in talk.errors[0].reason


@pytest.mark.parametrize(
    ("body", "kept"), [(ENVELOPE, True), (b" \r\n" + ENVELOPE, True), (b"a=1&b=<c>", False), (b" " * 80, False)]
)
def test_without_a_media_type_the_first_byte_decides(body: bytes, kept: bool) -> None:
    talk = Talk().client(post(body)).client(UPGRADE)
    assert talk.requests[0].body == (body if kept else b"")
    assert len(talk.requests) == 2


def test_the_answer_to_a_post_may_lack_its_media_type() -> None:
    talk = Talk().client(post(ENVELOPE, SOAP)).server(ok(ENVELOPE))
    assert talk.responses[0].body == ENVELOPE


@pytest.mark.parametrize(
    "media", [b"application/json", b"text/html", b"application/xhtml+xml", b"image/svg+xml", b"video/mp4"]
)
def test_other_bodies_are_counted_and_not_kept(media: bytes) -> None:
    talk = Talk().client(b"GET /film HTTP/1.1\r\n\r\n")
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Type: " + media + b"\r\nContent-Length: 1000000\r\n\r\n<html>")
    assert talk.responses[0].body == b""  # said at once, not at the end of the film


def test_a_skipped_body_ends_where_it_said() -> None:
    talk = Talk().client(b"GET /film HTTP/1.1\r\n\r\nGET /more HTTP/1.1\r\n\r\n")
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    talk.server(bytes(99_990)).server(bytes(10) + b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n")
    assert [response.status for response in talk.responses] == [200, 404]


@pytest.mark.parametrize("length", [True, False])
def test_a_body_beyond_the_limit_is_named_and_dropped(length: bool) -> None:
    body = b"<" * (MAX_BODY_BYTES + 1)
    wire = body if length else chunked(body[:1000], body[1000:])
    fields = () if length else (b"Transfer-Encoding: chunked",)
    talk = Talk().client(post(wire, SOAP, *fields, length=length)).client(UPGRADE)
    assert [request.body for request in talk.requests] == [b"", b""]
    assert "more than 1048576 bytes" in talk.errors[0].reason
    assert talk.errors[0].lost == MAX_BODY_BYTES + 1


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [(b"gzip", gzip.compress), (b"X-GZIP", gzip.compress), (b"deflate", zlib.compress), (b"deflate", _raw_deflate)],
)
def test_compressed_bodies(coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    talk = Talk().client(post(pack(ENVELOPE), SOAP, b"Content-Encoding: " + coding))
    assert talk.requests[0].body == ENVELOPE
    assert talk.errors == []


def test_bodies_share_what_a_block_may_be_inflated_to() -> None:
    budget = Budget()
    budget.inflatable = 2 * len(ENVELOPE) + 1
    talk = Talk(budget=budget)
    for _ in range(3):
        talk.client(post(gzip.compress(ENVELOPE), SOAP, b"Content-Encoding: gzip"))
    assert [request.body for request in talk.requests] == [ENVELOPE, ENVELOPE, b""]
    assert [error.reason for error in talk.errors] == [
        "an HTTP body that inflates to more than 1 bytes, which is all that is left for this block of the capture"
    ]


def bodies(talk: Talk) -> list[bytes]:
    return [request.body for request in talk.requests] + [response.body for response in talk.responses]


@pytest.mark.parametrize("pack", [post, ok])
def test_a_body_that_is_packed_twice_is_charged_twice(pack: Callable[..., bytes]) -> None:
    budget = Budget()
    inner = gzip.compress(ENVELOPE)
    wire = pack(gzip.compress(inner), SOAP, b"Content-Encoding: gzip, gzip")
    before = budget.inflatable
    talk = Talk(budget=budget)._says(pack is post, wire)
    assert bodies(talk) == [ENVELOPE]
    assert budget.inflatable == before - len(inner) - len(ENVELOPE)
    for left in (len(inner) - 1, len(inner) + len(ENVELOPE) - 1):
        budget.inflatable = left
        talk = Talk(budget=budget)._says(pack is post, wire)
        assert bodies(talk) == [b""]
        assert ["all that is left" in error.reason for error in talk.errors] == [True]


def test_a_body_that_is_too_large_for_any_block_says_so() -> None:
    talk = Talk(budget=Budget()).client(post(gzip.compress(bytes(MAX_BODY_BYTES + 1)), SOAP, b"Content-Encoding: gzip"))
    assert [error.reason for error in talk.errors] == ["an HTTP body that inflates to more than 1048576 bytes"]


def test_bodies_given_up_for_want_of_room_do_not_make_soap_boring() -> None:
    budget = Budget()
    budget.inflatable = 0
    talk = Talk(budget=budget)
    for _ in range(2 * BORING_AFTER):
        talk.client(post(gzip.compress(ENVELOPE), SOAP, b"Content-Encoding: gzip")).server(ok(b""))
    budget.limit = 0
    for _ in range(2 * BORING_AFTER):
        talk.client(post(ENVELOPE, SOAP)).server(ok(b""))
    assert len(talk.errors) == 4 * BORING_AFTER
    assert not talk.layer.boring
    budget.inflatable, budget.limit = MAX_BODY_BYTES, MAX_BODY_BYTES
    talk.client(post(gzip.compress(ENVELOPE), SOAP, b"Content-Encoding: gzip"))
    assert talk.requests[-1].body == ENVELOPE


def test_compression_that_is_not_what_it_says() -> None:
    assert inflate(ENVELOPE, "utf-8", 1000) == (ENVELOPE, "")
    for data, coding, plain, why in (
        (ENVELOPE, "gzip", ENVELOPE, "is plain"),
        (b"\x00\x01", "gzip", b"", "is not"),
        (b"\x00\x01", "br", b"", "not read here"),
        (gzip.compress(ENVELOPE)[:-9], "gzip", ENVELOPE, "ends too early"),
        (gzip.compress(bytes(100_000)), "gzip", b"", "inflates to more than 1000 bytes"),
    ):
        got, complaint = inflate(data, coding, 1000)
        assert why in complaint
        assert got == plain or ENVELOPE.startswith(got)


def test_bodies_are_charged_and_given_back() -> None:
    budget = Budget(limit=100)
    talk = Talk(budget=budget).client(post(ENVELOPE, SOAP)[:-1])
    assert budget.used == len(ENVELOPE) - 1
    other = Talk(budget=budget).client(post(ENVELOPE, SOAP))
    assert other.requests[0].body == b""
    assert "too many bytes" in other.errors[0].reason
    talk.end()
    assert budget.used == 0


# ---------------------------------------------------------------------------------------------------- holes, nonsense


def test_a_hole_in_a_skipped_body_costs_nothing() -> None:
    talk = Talk().client(b"GET /film HTTP/1.1\r\n\r\nGET /more HTTP/1.1\r\n\r\n")
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n").server(bytes(1000)).hole(False, 3000)
    talk.server(bytes(1000) + b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n")
    assert [response.status for response in talk.responses] == [200, 404]
    assert talk.errors == []


@pytest.mark.parametrize("cut", [1, 2, 99])
def test_a_hole_right_behind_a_skipped_body_is_none_of_it(cut: int) -> None:
    answer = b"HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nno!"
    talk = Talk().client(b"GET / HTTP/1.1\r\n\r\n").server(answer[:-cut]).server(answer[-cut:]).hole(False, 5).end()
    assert [response.status for response in talk.responses] == [401]
    assert talk.errors == []


def test_a_hole_in_a_kept_body_costs_the_body_and_not_the_place() -> None:
    whole = post(ENVELOPE, SOAP)
    talk = Talk().client(whole[:-50]).hole(True, 30).client(whole[-20:] + UPGRADE)
    assert [(request.method, request.body) for request in talk.requests] == [("POST", b""), ("GET", b"")]
    assert "30 bytes are missing in the middle of an HTTP body" in talk.errors[0].reason
    assert talk.errors[0].lost == len(ENVELOPE) - 50


def test_a_hole_beyond_the_body_loses_the_place_until_the_next_start_line() -> None:
    talk = Talk().client(post(ENVELOPE, SOAP)).server(ok(ENVELOPE, SOAP)[:-40]).hole(False, 500)
    talk.server(b"the end of something</soap>").client(post(ENVELOPE, SOAP))
    talk.server(b"\n and" + ok(ENVELOPE, SOAP))
    assert [response.body for response in talk.responses] == [b"", ENVELOPE]
    assert talk.responses[1].request is talk.requests[1]
    assert [error.lost for error in talk.errors] == [len(ENVELOPE) - 40, 27 + len(b"\n and")]


def test_a_hole_in_a_head() -> None:
    talk = Talk().client(UPGRADE[:50]).hole(True, 20).client(UPGRADE[70:]).client(UPGRADE)
    assert talk.errors[0].reason == "20 bytes of an HTTP head are missing"
    assert [request.complete for request in talk.requests] == [False]


def test_a_hole_between_messages_is_no_error_of_http() -> None:
    talk = Talk().client(post(ENVELOPE, SOAP)).hole(True, 1000).client(post(ENVELOPE, SOAP))
    assert len(talk.requests) == 2
    assert talk.errors == []


def test_joined_midway_in_a_body() -> None:
    talk = Talk(midstream=True).server(b"ody of\r\nsomething: else\r\n").server(ok(ENVELOPE, SOAP))
    assert talk.responses[0].body == ENVELOPE
    assert talk.errors == []


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length: ten",
        b"Content-Length: -1",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Transfer-Encoding: gzip",
    ],
)
def test_a_length_that_cannot_be_read(field: bytes) -> None:
    talk = Talk().client(b"POST / HTTP/1.1\r\n" + field + b"\r\n\r\nwhatever\r\n").client(UPGRADE)
    assert [request.method for request in talk.requests] == ["POST", "GET"]
    assert "how long its body is" in talk.errors[0].reason
    assert talk.errors[0].lost == 10


@pytest.mark.parametrize(
    "body", [b"zz\r\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"x" * 9000]
)
def test_chunks_that_are_none(body: bytes) -> None:
    talk = Talk().client(post(body, SOAP, b"Transfer-Encoding: chunked", length=False)).client(UPGRADE)
    assert [request.body for request in talk.requests] == [b"", b""]
    assert talk.errors[0].lost > 0


def test_a_server_that_answers_in_tls() -> None:
    talk = Talk().client(UPGRADE).server(b"\x15\x03\x03\x00\x02\x02\x46").end()
    assert talk.layer.boring
    assert "the server speaks TLS" in talk.errors[0].reason
    assert talk.errors[0].data == b"\x15\x03\x03\x00\x02\x02\x46"


def test_a_server_that_is_no_web_server() -> None:
    talk = Talk().client(UPGRADE).server(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n").end()
    assert talk.layer.boring
    assert talk.errors[0].data.startswith(b"SSH-2.0")


def test_http_2_is_named() -> None:
    talk = Talk().client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64))
    assert talk.layer.boring
    assert "HTTP/2" in talk.errors[0].reason


def test_a_web_interface_gets_boring_and_soap_does_not() -> None:
    talk = Talk()
    for _ in range(BORING_AFTER + 1):
        assert not talk.layer.boring
        talk.client(b"GET /status.json HTTP/1.1\r\n\r\n").server(ok(b"{}", b"Content-Type: application/json"))
    assert talk.layer.boring
    soap = Talk()
    for _ in range(2 * BORING_AFTER):
        soap.client(post(ENVELOPE, SOAP)).server(ok(ENVELOPE, SOAP))
    assert not soap.layer.boring
    assert len(soap.responses) == 2 * BORING_AFTER


def test_endless_nonsense_gets_boring() -> None:
    talk = Talk().client(UPGRADE).server(ok(b"")).server(b"x")
    for _ in range(2 * MAX_RESYNC_BYTES // 10_000):
        talk.server(b"y" * 10_000)
    assert talk.layer.boring
    assert talk.errors[0].lost > MAX_RESYNC_BYTES


# ---------------------------------------------------------------------------------------------------------- properties


TURNS: list[tuple[bool, bytes]] = [
    (True, post(ENVELOPE, SOAP)),
    (
        False,
        b"HTTP/1.1 100 Continue\r\n\r\n" + ok(chunked(ENVELOPE), SOAP, b"Transfer-Encoding: chunked", length=False),
    ),
    (True, b"GET /film HTTP/1.0\n\nPUT /up HTTP/1.1\r\nContent-Length: 300\r\n\r\n" + bytes(300)),
    (False, ok(bytes(3000), b"Content-Type: video/mp4") + b"HTTP/1.1 204 Fine\r\nX: \r\n\r\n"),
    (True, b"nonsense with no meaning\r\n" + post(gzip.compress(ENVELOPE, mtime=0), SOAP, b"Content-Encoding: gzip")),
    (False, b"HTTP/1.1 500 Oops\r\nContent-Length: nine\r\n\r\n123456789\n" + ok(ENVELOPE, SOAP)),
    (True, post(b"a=b") + post(b"<a/>") + UPGRADE),
    (False, ok(b"") + ok(b"<b/>") + b"HTTP/1.1 401 No\r\nAuthorization: Basic eDp5\r\nContent-Length: 2\r\n\r\nno"),
    (True, b"POST / HTTP/1.1\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\nnot chunked\r\n" + UPGRADE),
    (False, ok(b"") + SWITCHING + b"\x81\x00rest"),
]


def heard(turns: list[tuple[bool, bytes]], cut: Callable[[bytes], list[bytes]], midstream: bool = False) -> object:
    """What comes out when every turn is fed in pieces; times and frames are those of the turn."""
    events: list[Event] = []
    connection = Connection(1, Endpoint("a", 1), Endpoint("b", 2), 0, midstream, "test")
    layer = HttpLayer(connection, events.append)
    for number, (from_client, data) in enumerate(turns):
        for piece in cut(data):
            layer.feed(from_client, piece, number, (number,))
    layer.finish(len(turns), (len(turns),))
    rest = [b"".join(data for data, _, _ in layer.take_rest(from_client)) for from_client in (True, False)]
    return events, layer.upgrade, layer.boring, rest


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def test_fed_whole_or_byte_by_byte_it_says_the_same() -> None:
    assert heard(TURNS, whole) == heard(TURNS, bytewise)
    events = heard(TURNS, whole)[0]  # type: ignore[index]
    assert sum(isinstance(event, HttpRequest) for event in events) == 9
    assert sum(isinstance(event, HttpResponse) for event in events) == 10


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.booleans())
def test_fed_in_any_pieces_it_says_the_same(sizes: list[int], midstream: bool) -> None:
    def pieces(data: bytes) -> list[bytes]:
        cut: list[bytes] = []
        at = 0
        while at < len(data):
            size = sizes[len(cut) % len(sizes)]
            cut.append(data[at : at + size])
            at += size
        return cut

    assert heard(TURNS, whole, midstream) == heard(TURNS, pieces, midstream)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise_and_are_read_the_same_in_pieces(data: st.DataObject) -> None:
    damaged = []
    for from_client, turn in TURNS:
        bad = bytearray(turn)
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(bad) - 1))
            bad[at] = data.draw(st.sampled_from([0, 10, 13, 32, 58, 65, 200]))
        damaged.append((from_client, bytes(bad)))
    assert heard(damaged, whole) == heard(damaged, bytewise)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=200), st.integers(0, 300)), max_size=12), st.booleans())
def test_anything_with_holes_in_it_is_survived(turns: list[tuple[bool, bytes, int]], midstream: bool) -> None:
    talk = Talk(midstream=midstream)
    for (from_client, junk, missing), (_, real) in zip(turns, TURNS * 2, strict=False):
        talk._says(from_client, real[: len(junk)] + junk)
        talk.hole(not from_client, missing + 1)
        talk._says(not from_client, real[-len(junk) :])
    talk.end().end()
    assert all(len(error.data) <= 64 and error.reason for error in talk.errors)
