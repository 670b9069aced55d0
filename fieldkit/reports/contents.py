"""What a capture without OCPP holds besides TCP: names that were asked for, tunnels, and the noise of a network.

The engine looks at TCP only. Whoever captured at the wrong place wants to know which place it was, and whether the
charger may have failed before any connection: at DNS (RFC 1035), or at getting an address (RFC 2131).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from fieldkit.checks.words import counted, listed
from fieldkit.events import PacketBatch
from fieldkit.safetext import terminal
from fieldkit.wire.link import network_layer

MAX_PACKETS: Final = 200_000
"""Packets looked at: what a network is like shows long before."""
MAX_NAMES: Final = 200
"""Names in DNS questions that are remembered …"""
_SHOWN: Final = 8
"""… and told, and ports likewise."""
_MAX_LABELS: Final = 40

_PROTOCOLS: Final = {1: "ICMP", 2: "IGMP", 47: "GRE", 50: "IPsec (ESP)", 51: "IPsec (AH)", 58: "ICMPv6", 132: "SCTP"}
"""IANA protocol numbers."""
_TCP: Final = 6
_UDP: Final = 17
_DNS: Final = 53
_PORTS: Final = {
    _DNS: "DNS", 67: "DHCP", 68: "DHCP", 123: "NTP", 137: "NetBIOS", 161: "SNMP", 443: "QUIC", 500: "IPsec (IKE)",
    514: "syslog", 546: "DHCPv6", 547: "DHCPv6", 1194: "OpenVPN", 1900: "SSDP", 4500: "IPsec (NAT-T)", 5353: "mDNS",
    51820: "WireGuard",
}  # fmt: skip
_TUNNELS: Final = frozenset(
    {"GRE", "IPsec (ESP)", "IPsec (AH)", "IPsec (IKE)", "IPsec (NAT-T)", "OpenVPN", "WireGuard"}
)
_REFUSALS: Final = {2: "server failure", 3: "no such name", 5: "refused"}
"""RCODEs of RFC 1035 §4.1.1."""


class Contents:
    """Counts the packets that belong to no TCP connection."""

    def __init__(self) -> None:
        self.packets = 0
        self._kinds: Counter[str] = Counter()
        self._asked: dict[str, str] = {}
        """Names in DNS questions, and how the answer refused them."""

    def look_through(self, items: Iterable[object]) -> None:
        """The items of a source, up to the limit of them all together."""
        for item in items:
            if not isinstance(item, PacketBatch):
                continue
            layer = network_layer(item.linktype)
            for start, end in zip(item.starts, item.ends, strict=True):
                if self.packets >= MAX_PACKETS:
                    return
                self.packets += 1
                found = layer(item.buffer, start, end) if layer is not None else None
                if found is None:
                    self._kinds["other than IP (ARP and the like)"] += 1
                else:
                    self._packet(item.buffer[found[1] : end], found[0])

    def told(self) -> list[str]:
        """Sentences for a reader."""
        if not self._kinds:
            return []
        kinds = [f"{number:,} {kind}" for kind, number in self._kinds.most_common(_SHOWN)]
        more = len(self._kinds) - len(kinds)
        kinds += [f"{counted(more, 'other kind')}"] if more > 0 else []
        notes = [f"Packets other than TCP: {', '.join(kinds)}."]
        if self._asked:
            names = [f"{terminal(name)} ({why})" if why else terminal(name) for name, why in self._asked.items()]
            notes.append(f"Names asked for by DNS: {listed(names, _SHOWN)}.")
        if any(why for why in self._asked.values()):
            notes.append("A name that DNS does not know is reached by nobody: compare it with the charger's CSMS URL.")
        if any(kind in _TUNNELS for kind in self._kinds):
            notes.append("There is a tunnel: the charger's traffic may be inside. Capture at one of its ends.")
        return notes

    def _packet(self, data: bytes, version: int) -> None:
        if version == 4 and len(data) >= 20:
            protocol, begin = data[9], (data[0] & 15) * 4
        elif version == 6 and len(data) >= 40:
            protocol, begin = data[6], 40
        else:
            self._kinds["cut off in the IP header"] += 1
            return
        if protocol == _TCP:
            return
        if protocol != _UDP or len(data) < begin + 8:
            self._kinds[_PROTOCOLS.get(protocol, f"IP protocol {protocol}")] += 1
            return
        ports = [int.from_bytes(data[begin + at : begin + at + 2], "big") for at in (0, 2)]
        known = next((_PORTS[port] for port in ports if port in _PORTS), None)
        self._kinds[known or f"UDP to port {min(ports)}"] += 1
        if _DNS in ports:
            self._dns(data[begin + 8 :])

    def _dns(self, message: bytes) -> None:
        """The first question, and how an answer says that it cannot be answered (RFC 1035 §4.1)."""
        if len(message) < 12:
            return
        labels: list[bytes] = []
        at = 12
        while at < len(message) and 0 < message[at] < 64 and len(labels) < _MAX_LABELS:
            labels.append(message[at + 1 : at + 1 + message[at]])
            at += 1 + message[at]
        name = b".".join(labels).decode("ascii", "backslashreplace")
        if name and (name in self._asked or len(self._asked) < MAX_NAMES):
            refused = _REFUSALS.get(message[3] & 15, "") if message[2] & 0x80 else ""
            self._asked[name] = refused or self._asked.get(name, "")
