"""Connections, from the first SYN to the last word."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.events import Connection, ConnectionClosed, ConnectionOpened, ConnectionRecognised, Endpoint, HttpRequest
from fieldkit.site import link as module
from fieldkit.site.link import Link, Links, identity_of
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose, diagnose_file
from tests.traffic.scripts import boot_16, usual_hour
from tests.traffic.segments import SECOND

CAPTURES = Path(__file__).parents[2] / "captures"


def line(number: int) -> Connection:
    return Connection(
        number, Endpoint("192.168.7.20", 40_000 + number), Endpoint("203.0.113.5", 80), MONDAY, False, "memory"
    )


def only(session: Session) -> Link:
    (link,) = diagnose(session).picture.links.all.values()
    return link


def test_a_usual_connection() -> None:
    session = Session("CP 7ä", "1.6", deflate="takeover")
    session.connect()
    session.upgrade()
    usual_hour(session)
    session.idle(300, ping_every=100)
    session.close(code=1001, by_client=False, reason="bye")
    link = only(session)
    assert (link.station, link.protocol, link.version, link.status) == ("CP 7ä", "websocket", "1.6", 101)
    assert (link.offered, link.agreed, link.deflate) == ("ocpp1.6", "ocpp1.6", True)
    assert (link.how, link.close_code, link.close_by_client, link.close_reason) == ("fin", 1001, False, "bye")
    assert link.messages == len(session.said)
    assert (link.pings, link.pongs, link.ping_waiting) == ([0, 2], [2, 0], [0, 0])
    assert round(link.longest_idle / SECOND) == 100
    assert round(link.idle_at_end / SECOND) == 100
    assert link.ended_by_client is False


def test_the_silence_of_each_side_before_the_end() -> None:
    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade()
    boot_16(session)
    session.clock.wait(40)
    session.call("csms", "ClearCache", {}, after=0)
    session.clock.wait(20)
    session.close("rst", by_client=True, code=None)
    link = only(session)
    assert [round(silence / SECOND) for silence in link.silent_at_end] == [60, 20]
    assert link.ended_by_client is True


def test_a_connection_joined_midway_is_known_by_its_messages() -> None:
    links = diagnose_file(CAPTURES / "made/midstream_plain.pcap").picture.links
    assert {link.station for link in links.all.values()} == {"192.168.7.8:49208", "192.168.7.9:49209"}
    assert all(link.messages and link.target == "" for link in links.all.values())


def test_one_sided() -> None:
    (link,) = diagnose_file(CAPTURES / "made/one_sided.pcap").picture.links.all.values()
    assert (link.status, link.heard[1], link.idle_at_end > 0) == (None, 0, True)


def test_copies_of_a_connection_do_not_count() -> None:
    links = diagnose_file(CAPTURES / "made/docker_duplicates.pcap").picture.links
    assert len(links.all) == 1


def test_what_is_in_tls() -> None:
    links = list(diagnose_file(CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13_dsb.pcapng").picture.links.all.values())
    tls = [link.tls for link in links]
    assert all(side is not None and side.version == 0x0304 and side.server_chain for side in tls)
    first, second = tls
    assert first is not None
    assert second is not None
    assert first.server_name == "localhost"
    assert first.server_chain is second.server_chain, "kept once"
    assert [name for _, _, name in first.alerts] == ["close_notify", "close_notify"]


def test_encrypted_connections_say_why() -> None:
    links = list(diagnose_file(CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap").picture.links.all.values())
    assert all(link.tls is not None and link.tls.opaque and not link.station for link in links)


def test_soap_connections_have_a_station() -> None:
    links = diagnose_file(CAPTURES / "made/ocpp16_soap.pcap").picture.links.all.values()
    assert all(link.soap and link.station for link in links if link.messages)


def test_gaps_are_counted() -> None:
    (link,) = diagnose_file(CAPTURES / "made/missing_segments.pcap").picture.links.all.values()
    assert (link.gaps, link.missing > 0, link.last_gap > 0) == (3, True, True)


@pytest.mark.parametrize(
    ("target", "identity"),
    [("/ocpp/CP%201", "CP 1"), ("/CP/", "CP"), ("/a/CP?x=/y", "CP"), ("/", ""), ("", ""), ("/%ff", "\ufffd")],
)
def test_identities(target: str, identity: str) -> None:
    assert identity_of(target) == identity


def test_the_dull_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINKS", 3)
    links = Links()
    for number in (1, 2):
        links.feed(ConnectionOpened(MONDAY, (), line(number)))
    headers = {"sec-websocket-key": "x", "sec-websocket-protocol": "ocpp1.6"}
    links.feed(HttpRequest(MONDAY, (), line(1), True, "GET", "/CP", headers, None, b""))
    for number in (1, 2):
        links.feed(ConnectionClosed(MONDAY, (), line(number), "fin", True))
    for number in (3, 4):
        links.feed(ConnectionOpened(MONDAY, (), line(number)))
    assert (list(links.all), links.forgotten) == ([1, 3, 4], 1)
    links.feed(ConnectionOpened(MONDAY, (), line(5)))
    assert list(links.all) == [3, 4, 5]
    links.feed(ConnectionOpened(MONDAY, (), line(6)))
    assert (list(links.all), links.forgotten) == ([4, 5, 6], 3)


def test_a_mirror_leaves_no_trace() -> None:
    links = Links()
    links.feed(ConnectionOpened(MONDAY, (), line(1)))
    links.feed(ConnectionRecognised(MONDAY, (), line(1), "mirror"))
    links.feed(ConnectionClosed(MONDAY, (), line(1), "fin", True))
    assert links.all == {}
    assert links.get(line(1)) is None
    assert links.get(None) is None
