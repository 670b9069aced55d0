"""A station whose TLS hello changes."""

from __future__ import annotations

from dataclasses import replace

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    Endpoint,
    Event,
    HttpRequest,
    TlsHello,
)
from fieldkit.session import Session as Diagnosis
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY, Session, merged
from tests.traffic.decoded import decode
from tests.traffic.diagnosed import diagnose_events, found, the
from tests.traffic.segments import SECOND, Clock, TcpTalk
from tests.traffic.taps import Tap
from tests.traffic.tlstalk import contexts, talk

OLD, NEW = (0xC02B, 0xC02C), (0xC02B, 0xC02F, 0x009C)
ID = "tls.client-fingerprint-changed"


def shown(
    number: int,
    suites: tuple[int, ...],
    *,
    client: str = "192.168.7.20",
    station: str = "",
    lasting: int = 50,
    **more: object,
) -> list[Event]:
    at = MONDAY + number * 60 * SECOND
    line = Connection(number, Endpoint(client, 50_000 + number), Endpoint("203.0.113.5", 443), at, False, "memory")
    hello = TlsHello(
        at, (number * 10,), line, True, 0x0303, (0x0303,), suites, (0, 10, 11, 13), (29,), (0,), (0x0403,),
        "csms.example", (), False, False,
    )  # fmt: skip
    hello = replace(hello, **more)  # type: ignore[arg-type]
    answer = replace(hello, from_client=False, suites=suites[:1], extensions=(), server_name="")
    events: list[Event] = [
        ConnectionOpened(at, (number * 10,), line),
        ConnectionRecognised(at, (), line, "tls"),
        hello,
        answer,
    ]
    if station:
        headers = {"upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-protocol": "ocpp1.6"}
        events.append(HttpRequest(at, (number * 10 + 1,), line, True, "GET", f"/ocpp/{station}", headers, None, b""))
    return [*events, ConnectionClosed(at + lasting * SECOND, (number * 10 + 2,), line, "fin", True)]


def judged(*connections: list[Event]) -> Diagnosis:
    return diagnose_events([event for events in connections for event in events])


def changed(*connections: list[Event]) -> bool:
    return ID in found(judged(*connections))


def test_a_station_after_an_update() -> None:
    finding = the(
        judged(shown(1, OLD, station="CP_7"), shown(2, OLD, station="CP_7"), shown(3, NEW, station="CP_7")), ID
    )
    assert (finding.severity, finding.kind.inferred, finding.first_seen.station) == ("info", True, "CP_7")
    assert "t12d0204" in finding.explanation()
    assert "t12d0304" in finding.explanation()
    assert [event.frames for event in finding.evidence] == [(20,), (30,)]


def test_a_station_whose_uplink_changes_back_and_forth() -> None:
    turns = [shown(number, NEW if number % 2 else OLD, station="CP_7") for number in range(1, 5)]
    assert "It changed 3 times" in the(judged(*turns), ID).explanation()


def test_an_address_that_all_at_once_says_hello_differently() -> None:
    assert changed(shown(1, OLD), shown(2, OLD), shown(3, NEW))


def test_what_is_no_change() -> None:
    assert not changed(shown(1, OLD), shown(2, OLD, extensions=(0, 10, 11, 13, 35)), shown(3, OLD, alpn=("http/1.1",)))
    assert not changed(shown(1, OLD), shown(2, NEW), shown(3, OLD)), "two clients behind one address"
    assert not changed(shown(1, OLD, lasting=500), shown(2, NEW)), "two at a time"
    assert not changed(shown(1, OLD, client="192.168.7.21"), shown(2, NEW))
    assert not changed(shown(1, OLD), shown(2, NEW, server_name="update.example")), "another service"
    assert not changed(shown(1, OLD, station="CP_7"), shown(2, NEW, station="CP_8")), "two stations behind a router"


def test_through_real_packets() -> None:
    def recorded(number: int, ciphers: str) -> TcpTalk:
        tcp = TcpTalk(Clock(MONDAY + number * 60 * SECOND), ("192.168.7.20", 50_000 + number), ("203.0.113.5", 443))
        tcp.open()
        for from_client, data in talk(contexts("1.2", ciphers)).flights:
            tcp.send(from_client, data)
        tcp.close(by_client=True)
        return tcp

    def ids(*talks: TcpTalk | Session) -> list[str]:
        return found(
            diagnose_events(decode(write_pcap(Tap().packets(merged(*(one.segments for one in talks))))).events)
        )

    assert ID in ids(recorded(1, ""), recorded(2, "ECDHE-ECDSA-AES128-GCM-SHA256"))
    assert ID not in ids(recorded(1, ""), recorded(2, ""))
