"""Heads are found however they are cut, and only what must be is rewritten."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.sources.proxy.settings import parse_upstream
from fieldkit.sources.proxy.upgrade import AnswerWatcher, Head, RequestReader, refusal, rewrite
from tests.traffic.proxylab import ANSWER, UPGRADE

UPSTREAM = parse_upstream("ws://csms.test/ocpp")
POST = b"POST /soap HTTP/1.1\r\nContent-Length: 3\r\nhost : a\r\n\r\nabc"


def pieces(reader: RequestReader, data: bytes, step: int) -> list[Head | bytes]:
    return [one for at in range(0, len(data), step) for one in reader.feed(data[at : at + step])]


@given(st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_however_it_is_cut(step: int) -> None:
    reader = RequestReader()
    stream = b"\r\n" + POST + POST + UPGRADE + b"behind"
    said = pieces(reader, stream, step)
    heads = [one for one in said if isinstance(one, Head)]
    assert [one.station for one in heads] == ["soap", "soap", "CP_7"]
    assert [one.upgrade for one in heads] == [False, False, True]
    assert reader.waiting
    said += reader.answered(True)
    assert b"".join(one if isinstance(one, bytes) else one.original for one in said) == stream
    assert reader.raw


def test_after_a_refusal_there_may_be_another_request() -> None:
    reader = RequestReader()
    reader.feed(UPGRADE + UPGRADE)
    (again,) = reader.answered(False)
    assert isinstance(again, Head)
    assert reader.waiting


def test_what_is_no_http_passes_as_it_is() -> None:
    for noise in (
        b"\x16\x03\x01\x02\x00",
        b"\x81\x85mask",
        b"hello there, how are you\r\n\r\n",
        b"ABC" * 30,
        b"G\x00" * 20,
    ):
        reader = RequestReader()
        out = b"".join(one for one in pieces(reader, noise, 1) if isinstance(one, bytes)) + reader.rest()
        assert out == noise


def test_an_endless_head_passes_as_it_is() -> None:
    reader = RequestReader()
    noise = b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 70_000
    assert b"".join(one for one in reader.feed(noise) if isinstance(one, bytes)) == noise


@given(st.binary(max_size=300), st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_no_byte_is_lost(noise: bytes, step: int) -> None:
    reader = RequestReader()
    said = pieces(reader, noise, step) + reader.answered(False)
    out = b"".join(one if isinstance(one, bytes) else one.original for one in said) + reader.rest()
    assert out == noise


def head_of(data: bytes) -> Head:
    (one,) = RequestReader().feed(data)
    assert isinstance(one, Head)
    return one


def test_rewriting() -> None:
    request = b"GET   /CP%207?x=1 HTTP/1.1\r\nhOsT:\tproxy:9000  \r\nAuthorization: Basic eDp5\r\nHost: second\r\n\r\n"
    assert rewrite(head_of(request), UPSTREAM, "") == request.replace(b"/CP", b"/ocpp/CP").replace(
        b"proxy:9000", b"csms.test"
    )
    assert rewrite(head_of(request), parse_upstream("ws://csms.test"), "keep") == request
    assert rewrite(head_of(request), UPSTREAM, "other:1").count(b"other:1") == 1
    absolute = b"GET http://proxy/CP_7 HTTP/1.1\r\n\r\n"
    assert rewrite(head_of(absolute), UPSTREAM, "") == absolute


def test_answers_are_only_looked_at() -> None:
    whole = b"HTTP/1.1 102 Processing\r\n\r\n" + ANSWER
    assert AnswerWatcher().feed(whole + b"\x81\x00") == (101, len(whole))
    watcher = AnswerWatcher()
    found = [watcher.feed(whole[at : at + 1]) for at in range(len(whole))]
    assert found[:-1] == [None] * (len(whole) - 1)
    assert found[-1] == (101, 1)
    assert AnswerWatcher().feed(b"HTTP/1.0 404 No\r\n\r\n") == (404, 19)
    assert AnswerWatcher().feed(b"SSH-2.0-OpenSSH\r\n") == (0, 0)


def test_refusals() -> None:
    assert refusal(503).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert refusal(499).startswith(b"HTTP/1.1 499 Refused\r\n")
