"""What a capture without OCPP holds: DNS, address assignment, tunnels, and what was not IP at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from fieldkit.reports.contents import Contents
from fieldkit.wire.container import CaptureReader
from tests.traffic.capture import write_pcap

scapy = pytest.importorskip("scapy.all", reason="scapy makes the packets")


def told(*packets: Any) -> list[str]:
    data = write_pcap([(1_788_163_200_000_000_000 + n, bytes(p)) for n, p in enumerate(packets)])
    return notes(data)


def notes(data: bytes) -> list[str]:
    contents = Contents()
    reader = CaptureReader()
    items: Iterable[object] = [*reader.feed(data), *reader.finish()]
    contents.look_through(items)
    return contents.told()


def dns(name: str, rcode: int | None = None) -> Any:
    question = scapy.DNSQR(qname=name)
    message = scapy.DNS(id=7, qd=question) if rcode is None else scapy.DNS(id=7, qr=1, rcode=rcode, qd=question)
    ports = {"dport": 53, "sport": 40000} if rcode is None else {"dport": 40000, "sport": 53}
    return scapy.Ether() / scapy.IP(src="10.0.0.2", dst="10.0.0.1") / scapy.UDP(**ports) / message


def test_names_that_dns_was_asked_for_and_does_not_know() -> None:
    said = told(
        dns("csms.example.net"), dns("csms.example.net", 3), dns("time.example.net"), dns("time.example.net", 0)
    )
    assert said[0] == "Packets other than TCP: 4 DNS."
    assert said[1] == "Names asked for by DNS: csms.example.net (no such name) and time.example.net."
    assert "CSMS URL" in said[2]


def test_noise_by_kind() -> None:
    udp = scapy.Ether() / scapy.IP() / scapy.UDP(sport=50_000, dport=5353)
    arp = scapy.Ether() / scapy.ARP()
    ping = scapy.Ether() / scapy.IP() / scapy.ICMP()
    six = scapy.Ether() / scapy.IPv6() / scapy.UDP(sport=9999, dport=7777)
    assert told(udp, udp, arp, ping, six) == [
        "Packets other than TCP: 2 mDNS, 1 other than IP (ARP and the like), 1 ICMP, 1 UDP to port 7777."
    ]


def test_a_tunnel_is_worth_a_hint() -> None:
    said = told(scapy.Ether() / scapy.IP() / scapy.UDP(sport=51820, dport=51820) / b"secret")
    assert "WireGuard" in said[0]
    assert "tunnel" in said[1]


def test_tcp_is_told_elsewhere() -> None:
    assert told(scapy.Ether() / scapy.IP() / scapy.TCP()) == []


def test_a_hostile_name_does_not_get_at_the_terminal() -> None:
    said = told(dns("\x1b[2J.example"))
    assert all(text.isprintable() for text in said)


@pytest.mark.parametrize("cut", range(14, 70, 3))
def test_packets_cut_anywhere(cut: int) -> None:
    data = bytes(dns("csms.example.net", 3))[:cut]
    told(data)
