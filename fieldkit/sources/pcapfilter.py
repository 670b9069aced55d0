"""A capture filter in the language of pcap-filter(7), for programs and routers that capture in our place.

It says what the kernel program of ``bpf`` says. The word "vlan" shifts the meaning of all that follows it, to the
right end of the expression (that is how libpcap is), so what is tagged comes last and looks at what is untagged again.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from fieldkit.sources.bpf import CaptureFilter

_TUNNELS = "ip proto 4 or ip proto 41 or ip proto 47 or ip6 proto 4 or ip6 proto 41 or ip6 proto 47"
_FRAGMENTS = "ip[6:2] & 0x1fff != 0 or ip6[6] == 44"
_OPTIONS = "ip6[6] == 0 or ip6[6] == 43 or ip6[6] == 60"
_DIAGNOSIS = f"tcp or icmp or icmp6 or udp port 53 or udp port 67 or udp port 68 or {_FRAGMENTS} or {_OPTIONS}"


def pcap_filter(wanted: CaptureFilter, *, besides: str = "", tunnels: bool = True, tags: bool = True) -> str:
    """The expression; empty for any packet.

    ``besides``: an expression of its own, for what is left out. Without ``tunnels`` these are left out, too: what the
    capture sends may travel through one. Without ``tags`` VLAN tags are not looked behind, which not every kind of
    interface allows.
    """
    plain = _plain(wanted, tunnels)
    if besides and not plain and wanted.vlan is None:
        return f"not ({besides})" + (f" and not (vlan and ({besides}))" if tags else "")
    if besides:
        plain = f"({plain} and not ({besides}))" if plain else f"(not ({besides}))"
    if wanted.vlan is not None:
        tagged = f"vlan {wanted.vlan}"
        return f"{tagged} and ({plain} or (vlan and {plain}))" if plain else tagged
    return f"{plain} or (vlan and ({plain} or (vlan and {plain})))" if plain and tags else plain


def _plain(wanted: CaptureFilter, tunnels: bool) -> str:
    """Of a packet without a tag."""
    parts = []
    through = f" or {_TUNNELS}" if tunnels else ""
    if wanted.hosts:
        parts.append(f"({' or '.join(map(_network, wanted.hosts))})")
    if wanted.ports:
        ports = " or ".join(f"port {port}" for port in wanted.ports)
        parts.append(f"({ports} or {_FRAGMENTS} or {_OPTIONS}{through})")
    elif not wanted.everything:
        parts.append(f"({_DIAGNOSIS}{through}{'' if wanted.hosts else ' or arp'})")
    return f"({' and '.join(parts)})" if parts else ""


def _network(network: IPv4Network | IPv6Network) -> str:
    # "host" and "net" would take ARP in, too.
    return f"{'ip6' if network.version == 6 else 'ip'} net {network}"
