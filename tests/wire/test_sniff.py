"""What bytes look like: strong signs, weak ones, and none."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.wire.sniff import Look, find_frame, look
from tests.traffic.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, FrameSender, frame

MASK = b"\x37\xfa\x21\x3d"
CALL = b'[2,"19223201","Heartbeat",{}]'
LONG = b'[3,"1",{"currentTime":"' + b"x" * 300 + b'"}]'

CLIENT, SERVER = Look.WEBSOCKET_CLIENT, Look.WEBSOCKET_SERVER
PERHAPS_CLIENT, PERHAPS_SERVER = Look.PERHAPS_WEBSOCKET_CLIENT, Look.PERHAPS_WEBSOCKET_SERVER


def compressed(text: bytes, *, from_client: bool, cuts: tuple[int, ...] = ()) -> list[bytes]:
    return FrameSender(from_client=from_client, random=Random(1), deflate=True).message(text, cuts=cuts)


# ------------------------------------------------------------------------------------------------------------- HTTP


@pytest.mark.parametrize(
    "data",
    [
        b"GET /ocpp/CP1 HTTP/1.1\r\n",
        b"POST /CentralSystem HTTP/1.1\r\n",
        b"CONNECT csms.example:443 HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"GET /",
    ],
)
def test_requests(data: bytes) -> None:
    assert look(data) is Look.HTTP_REQUEST


@pytest.mark.parametrize("data", [b"HTTP/1.1 101 Switching Protocols\r\n", b"HTTP/1.0 401 ", b"HTTP/1.1 200"])
def test_responses(data: bytes) -> None:
    assert look(data) is Look.HTTP_RESPONSE


@pytest.mark.parametrize("data", [b"", b"G", b"GET ", b"HTTP/1.1 10", b"OPTIONS ", b"\x16", b"\x16\x03\x01\x02\x00"])
def test_too_short_to_tell(data: bytes) -> None:
    assert look(data) is Look.TOO_SHORT


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2 is no start line at all",
        b"HTTP/1.1 999 Nonsense",
        b"Garbage of the upper case",
        b"ABCDEFGHIJKLMNOP",
        b"220 mail.example ESMTP\r\n",
        b"\x00\x00\x00\x00\x00\x01\x00\x00",
        b"\x05\x01\x00",
        b'[2,"1","Heartbeat",{}]',
    ],
)
def test_nothing_we_know(data: bytes) -> None:
    assert look(data) is Look.UNKNOWN


# -------------------------------------------------------------------------------------------------------------- TLS


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"\x16\x03\x01\x02\x00\x01", Look.TLS_CLIENT_HELLO),
        (b"\x16\x03\x03\x00\x7a\x02", Look.TLS_SERVER_HELLO),
        (b"\x16\x03\x03\x00\x7a\x0b", Look.TLS_OTHER),
        (b"\x17\x03\x03\x40\x00\x99", Look.TLS_OTHER),
        (b"\x15\x03\x03\x00\x02\x02", Look.TLS_OTHER),
        (b"\x14\x03\x03\x00\x01\x01", Look.TLS_OTHER),
        (b"\x17\x03\x09\x40\x00\x99", Look.UNKNOWN),
        (b"\x17\x03\x03\xff\xff\x99", Look.UNKNOWN),
        (b"\x17\x02\x03\x00\x10\x99", Look.UNKNOWN),
    ],
)
def test_tls_records(data: bytes, seen: Look) -> None:
    assert look(data) is seen


# -------------------------------------------------------------------------------------------------------- WebSocket


@pytest.mark.parametrize("text", [CALL, LONG, b'  [ 3 , "x", {}]', b'[6,"1","NotifyPeriodicEventStream",{}]'])
def test_ocpp_text_is_a_strong_sign_and_its_mask_tells_the_side(text: bytes) -> None:
    assert look(frame(TEXT, text, mask=MASK)) is CLIENT
    assert look(frame(TEXT, text)) is SERVER


def test_a_beginning_in_several_frames_counts_too() -> None:
    assert look(frame(TEXT, CALL, mask=MASK, fin=False)) is CLIENT


def test_the_segment_may_end_before_the_frame_does() -> None:
    assert look(frame(TEXT, LONG, mask=MASK)[:40]) is CLIENT
    assert look(frame(TEXT, LONG)[:40]) is SERVER


@pytest.mark.parametrize("text", [b"[9,1]", b'{"type":2}', b"hello", b'["2"]', b"2,"])
def test_other_text_is_none(text: bytes) -> None:
    assert look(frame(TEXT, text)) is Look.UNKNOWN
    assert look(frame(TEXT, text, mask=MASK)) is Look.UNKNOWN


@pytest.mark.parametrize("payload", [b"", b"hb", b"x" * 125])
@pytest.mark.parametrize("opcode", [PING, PONG])
def test_pings_are_weak_signs(opcode: int, payload: bytes) -> None:
    assert look(frame(opcode, payload)) is PERHAPS_SERVER
    assert look(frame(opcode, payload, mask=MASK)) is PERHAPS_CLIENT


def test_so_is_a_close_that_says_nothing_or_has_a_code() -> None:
    assert look(frame(CLOSE)) is PERHAPS_SERVER
    assert look(frame(CLOSE, b"\x03\xe8bye", mask=MASK)) is PERHAPS_CLIENT
    assert look(frame(CLOSE, b"\x03")) is Look.UNKNOWN  # RFC 6455 §5.5.1: a code has two bytes


def test_so_are_compressed_messages_as_any_byte_may_look_like_that() -> None:
    assert look(b"".join(compressed(CALL, from_client=True))) is PERHAPS_CLIENT
    assert look(b"".join(compressed(CALL, from_client=False))) is PERHAPS_SERVER


def test_so_are_compressed_messages_in_several_frames() -> None:
    pieces = compressed(CALL, from_client=True, cuts=(12,))
    assert look(pieces[0]) is PERHAPS_CLIENT
    assert look(b"".join(pieces)) is PERHAPS_CLIENT


def test_a_frame_that_does_not_end_with_the_segment_needs_another_behind_it() -> None:
    ping = frame(PING, b"hb")
    assert look(ping + frame(TEXT, CALL)) is PERHAPS_SERVER
    assert look(ping + frame(PONG)) is PERHAPS_SERVER
    assert look(ping + b"\x00\x00") is Look.UNKNOWN
    assert look(ping[:-1]) is Look.UNKNOWN


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x7e\x00\x20" + CALL,  # a 16 bit length that seven bits could say
        b"\x81\x7f" + (40).to_bytes(8, "big") + CALL,
        b"\x81\x7f" + (1 << 40).to_bytes(8, "big") + CALL,
        b"\x81\x7e\x01",
        frame(CONTINUATION, CALL),
        frame(BINARY, CALL),
    ],
)
def test_frames_that_nobody_begins_with(data: bytes) -> None:
    assert look(data) is Look.UNKNOWN


# -------------------------------------------------------------------------------------- behind a hole, or midway


def test_a_frame_at_the_start_is_found_by_any_sign() -> None:
    assert find_frame(frame(TEXT, CALL, mask=MASK), True) == 0
    assert find_frame(frame(PING), False) == 0
    assert find_frame(b"".join(compressed(CALL, from_client=False)), False) == 0


def test_further_on_only_ocpp_text_is_believed() -> None:
    rest = b'atus":"Available"}]'
    assert find_frame(rest + frame(TEXT, CALL), False) == len(rest)
    assert find_frame(rest + frame(PING, b"hb"), False) == -1
    assert find_frame(rest + frame(PING, b"hb") + frame(TEXT, CALL), False) == len(rest) + 4


def test_frames_of_the_other_side_are_not_meant() -> None:
    assert find_frame(frame(TEXT, CALL), True) == -1
    assert find_frame(frame(TEXT, CALL, mask=MASK), False) == -1


def test_bytes_that_look_like_a_head_but_are_none_are_passed_over() -> None:
    rest = b"\x81\x81\x89\x81\x05"
    assert find_frame(rest + frame(TEXT, CALL), False) == len(rest)


def test_the_search_has_an_end() -> None:
    assert find_frame(b"\x20" * 70_000 + frame(TEXT, CALL), False) == -1
    assert find_frame(b"\x81" * 200_000, False) == -1


@given(st.binary(max_size=200))
def test_no_bytes_upset_it(data: bytes) -> None:
    assert isinstance(look(data), Look)
    for masked in (True, False):
        assert -1 <= find_frame(data, masked) < max(len(data), 1)


@given(st.binary(max_size=60), st.booleans(), st.text(max_size=80))
def test_a_call_is_found_wherever_it_begins(before: bytes, from_client: bool, text: str) -> None:
    payload = b'[2,"1","DataTransfer",{"data":"' + text.encode() + b'"}]'
    message = frame(TEXT, payload, mask=MASK if from_client else b"")
    found = find_frame(before + message, from_client)
    assert 0 <= found <= len(before)
