"""Connections that do anything, in any order: no check of the wire may stumble over it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import (
    BasicCredentials,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
    Endpoint,
    Event,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppChannel,
    OcppMessage,
    Retransmission,
    StreamGap,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
    Unanswered,
    WsControl,
)
from fieldkit.wire.reasons import MASKED_WRONGLY, NO_TLS, NOT_DEFLATE, NOT_NEGOTIATED
from tests.traffic.conversation import MONDAY
from tests.traffic.diagnosed import diagnose_events

LINES = [
    Connection(number, Endpoint(client, 40_000 + number), Endpoint(server, 443), MONDAY, number == 3, "memory")
    for number, (client, server) in enumerate(
        [("192.168.7.20", "9.9.9.9"), ("192.168.7.20", "9.9.9.9"), ("::1", "fe80::1%eth0"), ("", "x")], 1
    )
]
TEXTS = st.sampled_from(
    ["", "ocpp1.6", "ocpp1.6, ocpp2.0.1", "{0}", "\x1b[31m", "x" * 3000, "permessage-deflate", "%ff"]
)
TIMES = st.sampled_from([0, 1, 10**9, 20 * 10**9, 400 * 10**9, -(10**9), 2**62])
HEADERS = st.dictionaries(
    st.sampled_from(
        "upgrade sec-websocket-key sec-websocket-protocol sec-websocket-extensions sec-websocket-version location"
        " authorization via retry-after".split()
    ),
    TEXTS | st.just("websocket"),
    max_size=6,
)
CREDENTIALS = st.none() | st.builds(
    BasicCredentials, TEXTS, st.integers(0, 10**6), st.sampled_from(["empty", "hex", "text", "binary"])
)
REASONS = st.sampled_from([MASKED_WRONGLY, NOT_NEGOTIATED, NOT_DEFLATE, NO_TLS, "?"])
NUMBERS = st.integers(0, 0xFFFF)


@st.composite
def events(draw: Any) -> list[Event]:
    result: list[Event] = []
    time = MONDAY
    for frame in range(draw(st.integers(1, 30))):
        time += draw(TIMES)
        line, side = draw(st.sampled_from(LINES)), draw(st.booleans())
        at: tuple[int, tuple[int, ...], Connection] = (time, (frame,), line)
        request = HttpRequest(
            *at, True, "GET", f"/{draw(TEXTS)}", draw(HEADERS), draw(CREDENTIALS), b"", draw(st.booleans())
        )
        few = st.lists(NUMBERS, max_size=3).map(tuple)
        channel = OcppChannel(draw(TEXTS), "1.6", draw(st.sampled_from(["json", "soap"])), line, False, False, False)
        call = OcppMessage(
            time, (frame,), "memory", channel, draw(st.sampled_from(["station", "csms"])), MessageType.CALL, "1",
            "StartTransaction", {"connectorId": 1}, None, "", (), False, None,
        )  # fmt: skip
        how = st.sampled_from(["fin", "rst", "refused", "no-answer", "timeout", "replaced", "end-of-capture"])
        result.append(
            draw(
                st.sampled_from(
                    [
                        ConnectionOpened(*at),
                        ConnectionClosed(*at, draw(how), draw(st.none() | st.booleans())),
                        ConnectionRecognised(
                            *at, draw(st.sampled_from(["http", "websocket", "tls", "mirror", "unknown"]))
                        ),
                        request,
                        HttpResponse(
                            *at,
                            False,
                            draw(st.sampled_from([101, 200, 301, 401, 403, 503, 599])),
                            draw(TEXTS),
                            draw(HEADERS),
                            draw(st.sampled_from([None, request])),
                            b"",
                            draw(st.booleans()),
                        ),
                        WsControl(
                            *at,
                            side,
                            draw(st.sampled_from(["ping", "pong", "close"])),
                            b"",
                            draw(st.none() | NUMBERS),
                            draw(TEXTS),
                        ),
                        StreamGap(*at, side, draw(NUMBERS), draw(st.booleans())),
                        Retransmission(*at, side, 5, "retransmission"),
                        DecodeError(*at, draw(st.sampled_from(["tls", "websocket"])), draw(REASONS), b"", 1),
                        TlsHello(
                            *at,
                            side,
                            draw(NUMBERS),
                            draw(few),
                            draw(few),
                            (),
                            (),
                            (),
                            (),
                            draw(TEXTS),
                            (),
                            False,
                            draw(st.booleans()),
                        ),
                        TlsCertificates(*at, side, tuple(draw(st.lists(st.binary(max_size=9), max_size=2)))),
                        TlsAlert(*at, side, draw(st.booleans()), draw(st.integers(0, 255)), draw(TEXTS)),
                        TlsOpaque(*at, draw(TEXTS)),
                        call,
                        Unanswered(time, (frame,), call, "connection-closed"),
                    ]
                )
            )
        )
    return result


@settings(max_examples=40, deadline=None)
@given(events())
def test_nothing_stumbles_and_every_text_can_be_written(mixed: list[Event]) -> None:
    for finding in diagnose_events(mixed).findings:
        assert finding.explanation()
        assert finding.advice()
        assert len(finding.explanation()) < 5000
