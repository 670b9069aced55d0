"""Spans of time, ends of connections and refusals, in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import Connection, ConnectionClosed, Endpoint, TlsCertificates, TlsHello, WsControl
from fieldkit.reports import sentences

MS, S = 10**6, 10**9
LINK = Connection(1, Endpoint("2001:db8::5", 40001), Endpoint("10.0.0.1", 9000), 0, False, "x")


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (0, "0.0 ms"),
        (400_000, "0.4 ms"),
        (9_940_000, "9.9 ms"),
        (9_960_000, "10 ms"),
        (61 * MS, "61 ms"),
        (999_400_000, "999 ms"),
        (999_600_000, "1.0 s"),
        (59_940 * MS, "59.9 s"),
        (59_960 * MS, "1 min"),
        (60 * S, "1 min"),
        (303 * S, "5 min 3 s"),
        (61_672 * MS, "1 min 2 s"),
        (3_599_600 * MS, "1 h"),
        (3600 * S, "1 h"),
        (86_399 * S, "1 d"),
        (3599 * S, "59 min 59 s"),
        (7500 * S, "2 h 5 min"),
        (90_000 * S, "1 d 1 h"),
        (-61 * MS, "-61 ms"),
    ],
)
def test_a_span_of_time_has_the_units_that_matter(ns: int, said: str) -> None:
    assert sentences.duration(ns) == said


@given(st.integers(-(2**70), 2**70))
def test_any_span_is_short(ns: int) -> None:
    assert len(sentences.duration(ns)) < 30


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [
        (1001, "bye", 'by CSMS: WebSocket close 1001 going away "bye"'),
        (1012, "Service restart", "by CSMS: WebSocket close 1012 service restart"),
        (4000, "", "by CSMS: WebSocket close 4000"),
        (None, "", "by CSMS: WebSocket close without a code"),
        (1008, "password=geheim", 'by CSMS: WebSocket close 1008 policy violation "password=(hidden)"'),
    ],
)
def test_a_close_frame(code: int | None, reason: str, said: str) -> None:
    event = WsControl(S, (1,), LINK, False, "close", b"", code, reason)
    assert sentences.websocket_closed(event, "CSMS") == said


def test_the_ends_of_a_connection() -> None:
    def end(how: str, who: str | None = None) -> str:
        return sentences.tcp_closed(ConnectionClosed(23 * S, (1,), LINK, how, None), who)  # type: ignore[arg-type]

    assert end("fin", "station") == "TCP connection closed by station after 23.0 s"
    assert end("rst") == "TCP connection reset after 23.0 s"
    assert end("timeout") == "silent for too long, given up after 23.0 s"
    assert end("replaced") == "its ports were taken by a new connection after 23.0 s"
    assert end("end-of-capture") == "[2001:db8::5]:40001 still open at the end of the capture after 23.0 s"


def test_addresses_of_version_6_stand_in_brackets() -> None:
    assert sentences.route(LINK) == "[2001:db8::5]:40001 → 10.0.0.1:9000"


def test_versions_of_tls_that_nobody_knows() -> None:
    def hello(version: int, from_client: bool) -> TlsHello:
        return TlsHello(S, (1,), LINK, from_client, version, (version,), (), (), (), (), (), "", (), False, False)

    assert sentences.tls_hellos(hello(0x7F1C, True), None) == "client offers TLS version 0x7f1c without a server name"
    assert sentences.tls_hellos(None, hello(0x0301, False)) == "TLS 1.0"


def test_no_certificate_is_worth_saying() -> None:
    assert sentences.certificates(TlsCertificates(S, (1,), LINK, True, ())) == "client sent no certificate"
    assert (
        sentences.certificates(TlsCertificates(S, (1,), LINK, False, (b"ab", b"c")))
        == "server sent 2 certificates, 3 bytes"
    )
