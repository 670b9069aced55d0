"""Link layers: where in a captured frame does the IP header begin?

A capture names the link type of its packets once; ``network_layer`` hands out the function for it, and that function
answers for each packet with the IP version and the offset of the IP header, or None when the packet carries no IP
(ARP, LLDP, a Wi-Fi beacon, an encrypted Wi-Fi frame). Nothing is copied and nothing is judged here: that the header
is whole and says what the link layer promised is for ``wire.ip`` to check. An offset may therefore lie at ``end``,
never beyond it.

Link types are numbered as registered at tcpdump.org/linktypes.html. One that this module does not know can be added
with ``register``: that is how ``sources/`` brings in an outside dissector, where one is installed, for the few types
that ``needs_dissector`` names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Network: TypeAlias = "tuple[int, int] | None"
"""IP version (4 or 6) and offset of the IP header; None when the packet is not IP."""

NetworkLayer: TypeAlias = Callable[[bytes, int, int], Network]
"""Called with a buffer and where in it a captured packet starts and ends."""

MAX_TAGS = 8
"""Tags (VLAN, SNAP) stacked in front of IP. Provider bridges use two or three; a forged frame could use thousands."""

MAX_LABELS = 16
"""MPLS labels in front of IP. Real stacks, with segment routing and entropy labels, stay below ten."""

_IPV4 = 0x0800
_IPV6 = 0x86DD
_VLAN = frozenset({0x8100, 0x88A8, 0x9100})  # 802.1Q, 802.1ad, and what stood for 802.1ad before its time
_PPPOE_SESSION = 0x8864
_MPLS = frozenset({0x8847, 0x8848})
_LARGEST_LENGTH = 1500  # IEEE 802.3 §3.2.6: up to here the field is a length and LLC follows


def _by_ethertype(ethertype: int, buffer: bytes, offset: int, end: int) -> Network:
    """What follows an EtherType, through any tags; ``offset`` is just behind it and not beyond ``end``."""
    if ethertype == _IPV4:
        return 4, offset
    for _ in range(MAX_TAGS):
        if ethertype in _VLAN:
            offset += 4
            if offset > end:
                return None
        elif ethertype <= _LARGEST_LENGTH:
            # LLC/SNAP (RFC 1042): AA AA 03, three bytes of organisation, EtherType.
            offset += 8
            if offset > end or buffer[offset - 8 : offset - 2] != b"\xaa\xaa\x03\x00\x00\x00":
                return None
        elif ethertype == _PPPOE_SESSION:
            return _pppoe(buffer, offset, end)
        elif ethertype in _MPLS:
            return _mpls(buffer, offset, end)
        else:
            break
        ethertype = buffer[offset - 2] << 8 | buffer[offset - 1]
        if ethertype == _IPV4:
            return 4, offset
    return (6, offset) if ethertype == _IPV6 else None


def _ethernet(buffer: bytes, start: int, end: int) -> Network:
    offset = start + 14
    if offset > end:
        return None
    return _by_ethertype(buffer[offset - 2] << 8 | buffer[offset - 1], buffer, offset, end)


def _by_nibble(buffer: bytes, offset: int, end: int) -> Network:
    """IP without a word before it: its own first four bits tell the version."""
    if offset >= end:
        return None
    version = buffer[offset] >> 4
    return (version, offset) if version in (4, 6) else None


def _raw_ipv4(buffer: bytes, start: int, end: int) -> Network:
    return 4, start


def _raw_ipv6(buffer: bytes, start: int, end: int) -> Network:
    return 6, start


def _mpls(buffer: bytes, offset: int, end: int) -> Network:
    """MPLS (RFC 3032 §2.1). No field names the payload; the edge routers know it, we look (RFC 4928 §2)."""
    for _ in range(MAX_LABELS):
        offset += 4
        if offset > end:
            return None
        if buffer[offset - 2] & 1:  # bottom of stack
            return _by_nibble(buffer, offset, end)
    return None


# ---------------------------------------------------------------------------------------------------- cooked, loops

_ARPHRD_RADIOTAP = 803
_ARPHRD_NETLINK = 824


def _cooked(hardware: int, ethertype: int, buffer: bytes, offset: int, end: int) -> Network:
    """Linux cooked captures: for two kinds of interface the protocol field does not hold an EtherType."""
    if hardware == _ARPHRD_NETLINK:
        return None
    if hardware == _ARPHRD_RADIOTAP:
        return _radiotap(buffer, offset, end)
    return _by_ethertype(ethertype, buffer, offset, end)


def _sll(buffer: bytes, start: int, end: int) -> Network:
    """Packet type, hardware type, address length, address (8 bytes), protocol; what ``-i any`` used to write."""
    offset = start + 16
    if offset > end:
        return None
    hardware = buffer[start + 2] << 8 | buffer[start + 3]
    return _cooked(hardware, buffer[offset - 2] << 8 | buffer[offset - 1], buffer, offset, end)


def _sll2(buffer: bytes, start: int, end: int) -> Network:
    """Protocol, reserved, interface index, hardware type, packet type, address length, address (8 bytes)."""
    offset = start + 20
    if offset > end:
        return None
    hardware = buffer[start + 8] << 8 | buffer[start + 9]
    return _cooked(hardware, buffer[start] << 8 | buffer[start + 1], buffer, offset, end)


_FAMILIES = {2: 4, 10: 6, 23: 6, 24: 6, 28: 6, 30: 6}
"""AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 23 on Windows, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on
macOS. A capture does not say which of them wrote it."""


def _by_family(family: int, offset: int) -> Network:
    version = _FAMILIES.get(family)
    return (version, offset) if version else None


def _null(buffer: bytes, start: int, end: int) -> Network:
    """An address family in the byte order of the machine that captured, which may not be ours."""
    offset = start + 4
    if offset > end:
        return None
    first, second, third, fourth = buffer[start:offset]
    if second or third or (first and fourth):
        return None
    return _by_family(first or fourth, offset)


def _loop(buffer: bytes, start: int, end: int) -> Network:
    offset = start + 4
    return _by_family(int.from_bytes(buffer[start:offset], "big"), offset) if offset <= end else None


# -------------------------------------------------------------------------------------------------------------- PPP

_PPP_IPV4 = 0x0021
_PPP_IPV6 = 0x0057
_PPP_MPLS = frozenset({0x0281, 0x0283})  # RFC 3032 §4.3


def _ppp(buffer: bytes, offset: int, end: int) -> Network:
    """PPP with what its ends may agree to leave out: address and control (RFC 1661 §6.6), half the protocol (§6.5)."""
    if buffer[offset : min(offset + 2, end)] == b"\xff\x03":
        offset += 2
    if offset >= end:
        return None
    protocol = buffer[offset]
    offset += 1
    # The first byte of a whole protocol field is even, the last one odd (RFC 1661 §2).
    if not protocol & 1:
        if offset >= end:
            return None
        protocol = protocol << 8 | buffer[offset]
        offset += 1
    if protocol == _PPP_IPV4:
        return 4, offset
    if protocol == _PPP_IPV6:
        return 6, offset
    return _mpls(buffer, offset, end) if protocol in _PPP_MPLS else None


def _pppoe(buffer: bytes, start: int, end: int) -> Network:
    """PPP over Ethernet (RFC 2516 §4): version and type 0x11, code 0 for session data, session, length."""
    offset = start + 6
    if offset > end or buffer[start] != 0x11 or buffer[start + 1] != 0:
        return None
    return _ppp(buffer, offset, end)


def _cisco_hdlc(buffer: bytes, start: int, end: int) -> Network:
    """Address, control, EtherType (RFC 1547 §4.3.1)."""
    offset = start + 4
    if offset > end:
        return None
    return _by_ethertype(buffer[offset - 2] << 8 | buffer[offset - 1], buffer, offset, end)


def _ppp_or_cisco(buffer: bytes, start: int, end: int) -> Network:
    """LINKTYPE_PPP_HDLC is used for both: Cisco's address byte is 0x0F (unicast) or 0x8F (broadcast)."""
    if start < end and buffer[start] in (0x0F, 0x8F):
        return _cisco_hdlc(buffer, start, end)
    return _ppp(buffer, start, end)


# ------------------------------------------------------------------------------------------------------------ Wi-Fi


def _dot11(buffer: bytes, start: int, end: int, padded: bool = False) -> Network:
    """A data frame in clear, IEEE 802.11-2020 §9.2 and §9.3.2.

    Frames that are encrypted, that hold one fragment of a packet, or several packets (A-MSDU), carry no IP header
    that could be pointed to.
    """
    if end - start < 24:
        return None
    kind, flags = buffer[start], buffer[start + 1]
    # Frame control: version 0, type 2 (data), and not one of the subtypes (bit 6) without a body.
    if kind & 0x4F != 0x08 or flags & 0x44:  # 0x40 protected, 0x04 more fragments
        return None
    if buffer[start + 22] & 0x0F:  # fragment number
        return None
    size = 24
    if flags & 3 == 3:  # to and from the distribution system: a fourth address
        size += 6
    if kind & 0x80:  # QoS control, and HT control where the +HTC bit announces it
        if start + size >= end or buffer[start + size] & 0x80:  # A-MSDU present
            return None
        size += 6 if flags & 0x80 else 2
    if padded:
        size = (size + 3) & ~3
    offset = start + size
    # Behind the header stands LLC/SNAP, which _by_ethertype knows as an 802.3 length.
    return _by_ethertype(0, buffer, offset, end) if offset <= end else None


def _radiotap(buffer: bytes, start: int, end: int) -> Network:
    """Radiotap in front of 802.11 (radiotap.org): version 0, a pad byte, length, one or more bit masks, fields."""
    if end - start < 8 or buffer[start]:
        return None
    size = buffer[start + 2] | buffer[start + 3] << 8
    if size < 8 or start + size > end:
        return None
    return _dot11(buffer, start + size, end, _radiotap_pads(buffer, start, start + size))


def _radiotap_pads(buffer: bytes, start: int, end: int) -> bool:
    """Whether the adapter padded the 802.11 header to four bytes: bit 0x20 of the Flags field (bit number 1)."""
    present = buffer[start + 4]
    if not present & 2:
        return False
    field = start + 8
    while buffer[field - 1] & 0x80:  # bit 31: another mask follows
        field += 4
        if field > end:
            return False
    if present & 1:  # TSFT comes first: eight bytes, aligned to eight from the start of the header
        field = start + ((field - start + 7) & ~7) + 8
    return field < end and bool(buffer[field] & 0x20)


# --------------------------------------------------------------------------------------------------------- registry

_LAYERS: dict[int, NetworkLayer] = {
    0: _null,
    1: _ethernet,
    9: _ppp,
    12: _by_nibble,  # DLT_RAW as BSD numbers it, found in files written without libpcap's mapping
    14: _by_nibble,  # … and OpenBSD
    50: _ppp_or_cisco,
    51: _pppoe,
    101: _by_nibble,
    104: _cisco_hdlc,
    105: _dot11,
    108: _loop,
    113: _sll,
    127: _radiotap,
    228: _raw_ipv4,
    229: _raw_ipv6,
    276: _sll2,
}

_OUTSIDE = frozenset({117, 119, 163, 192, 204, 274})
"""Types that may carry IP and that this module leaves to an outside dissector."""

_NAMES = {
    0: "BSD loopback",
    1: "Ethernet",
    9: "PPP",
    12: "raw IP",
    14: "raw IP",
    50: "PPP in HDLC-like framing",
    51: "PPPoE session",
    101: "raw IP",
    104: "Cisco HDLC",
    105: "Wi-Fi (IEEE 802.11)",
    108: "OpenBSD loopback",
    113: "Linux cooked v1",
    117: "OpenBSD packet filter log",
    119: "Wi-Fi with Prism header",
    127: "Wi-Fi with radiotap header",
    163: "Wi-Fi with AVS header",
    187: "Bluetooth HCI",
    189: "USB (Linux)",
    192: "Wi-Fi with PPI header",
    195: "IEEE 802.15.4",
    204: "PPP with direction",
    220: "USB (Linux, padded)",
    227: "CAN bus",
    228: "raw IPv4",
    229: "raw IPv6",
    230: "IEEE 802.15.4 without FCS",
    249: "USB (Windows)",
    252: "Wireshark upper PDU",
    253: "netlink",
    274: "Ethernet with preamble",
    276: "Linux cooked v2",
}


def network_layer(linktype: int) -> NetworkLayer | None:
    """The function that finds IP in packets of this link type; None when nobody here knows the link type."""
    return _LAYERS.get(linktype)


def register(linktype: int, layer: NetworkLayer) -> None:
    """Add a link type, or replace what is known of it. The layer must not raise, whatever bytes it is given."""
    _LAYERS[linktype] = layer


def needs_dissector(linktype: int) -> bool:
    """Whether packets of this type may hold IP, but only a dissector yet to be ``register``-ed would find it."""
    return linktype in _OUTSIDE and linktype not in _LAYERS


def link_name(linktype: int) -> str:
    """A name for messages: "Ethernet", "Linux cooked v2", or "link type 300"."""
    return _NAMES.get(linktype, f"link type {linktype}")
