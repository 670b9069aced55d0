"""Packets, built layer by layer: what the tests feed to the decoders.

Each builder takes the finished inner layer and puts one layer around it, with right lengths and checksums:

    ethernet(ipv4("10.0.0.1", "10.0.0.2", tcp("10.0.0.1", "10.0.0.2", 4711, 80, payload=b"GET /")), vlans=(100,))

``packet`` does the inner two at once. Addresses are text; what a test wants to be wrong, it changes afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from struct import pack

TCP, UDP, IPIP, IP6IN4, GRE = 6, 17, 4, 41, 47

Extension = tuple[int, bytes]
"""An IPv6 extension header: its protocol number, and its bytes, the first of which ``ipv6`` fills in."""

Wrap = Callable[[bytes], bytes]
"""Puts a link layer around an IP packet."""


def checksum(data: bytes) -> int:
    """Internet checksum, RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def address(text: str) -> bytes:
    return ip_address(text).packed


def _pseudo_header(src: str, dst: str, protocol: int, length: int) -> bytes:
    if ":" in src:
        return address(src) + address(dst) + pack("!II", length, protocol)
    return address(src) + address(dst) + pack("!HH", protocol, length)


# --------------------------------------------------------------------------------------------------------- transport

SACK_PERMITTED = b"\x04\x02"


def mss(size: int) -> bytes:
    return pack("!BBH", 2, 4, size)


def window_scale(shift: int) -> bytes:
    return pack("!BBB", 3, 3, shift)


def timestamps(value: int, echo: int) -> bytes:
    return pack("!BBII", 8, 10, value, echo)


def tcp(
    src: str,
    dst: str,
    sport: int,
    dport: int,
    seq: int = 0,
    ack: int = 0,
    flags: str = "PA",
    payload: bytes = b"",
    *,
    window: int = 64_240,
    options: bytes = b"",
    urgent: int = 0,
) -> bytes:
    """A TCP segment; ``flags`` is any of F S R P A U E C; options are padded with no-operations."""
    options += b"\x01" * (-len(options) % 4)
    bits = sum(1 << "FSRPAUEC".index(flag) for flag in flags)
    offset = (20 + len(options)) // 4 << 4
    ports_to_window = pack("!HHIIBBH", sport, dport, seq % 2**32, ack % 2**32, offset, bits, window)
    tail = pack("!H", urgent) + options + payload
    length = len(ports_to_window) + 2 + len(tail)
    check = checksum(_pseudo_header(src, dst, TCP, length) + ports_to_window + b"\0\0" + tail)
    return ports_to_window + pack("!H", check) + tail


def udp(src: str, dst: str, sport: int, dport: int, payload: bytes = b"") -> bytes:
    length = 8 + len(payload)
    head = pack("!HHH", sport, dport, length)
    check = checksum(_pseudo_header(src, dst, UDP, length) + head + b"\0\0" + payload)
    return head + pack("!H", check or 0xFFFF) + payload


# ---------------------------------------------------------------------------------------------------------------- IP


def ipv4(
    src: str,
    dst: str,
    payload: bytes,
    protocol: int = TCP,
    *,
    ident: int = 0,
    ttl: int = 64,
    options: bytes = b"",
    position: int = 0,
    more: bool = False,
    total_length: int | None = None,
) -> bytes:
    """An IPv4 packet, or a fragment of one: ``position`` in bytes, ``more`` unless it is the last."""
    options += b"\0" * (-len(options) % 4)
    size = 20 + len(options)
    length = size + len(payload) if total_length is None else total_length
    fragment_field = position >> 3 | (0x2000 if more else 0)
    head = pack("!BBHHHBB", 0x40 | size // 4, 0, length, ident, fragment_field, ttl, protocol)
    addresses = address(src) + address(dst)
    return head + pack("!H", checksum(head + b"\0\0" + addresses + options)) + addresses + options + payload


def ipv6(
    src: str,
    dst: str,
    payload: bytes,
    protocol: int = TCP,
    *,
    extensions: Sequence[Extension] = (),
    hop_limit: int = 64,
    payload_length: int | None = None,
) -> bytes:
    """An IPv6 packet with extension headers, in the order given, between header and payload."""
    numbers = [number for number, _ in extensions] + [protocol]
    body = b"".join(
        bytes([following]) + header[1:] for following, (_, header) in zip(numbers[1:], extensions, strict=True)
    )
    body += payload
    length = len(body) if payload_length is None else payload_length
    return pack("!IHBB", 0x6000_0000, length, numbers[0], hop_limit) + address(src) + address(dst) + body


def ip(src: str, dst: str, payload: bytes, protocol: int = TCP) -> bytes:
    """An IP packet of the version that the addresses are of."""
    return (ipv6 if ":" in src else ipv4)(src, dst, payload, protocol)


def packet(
    src: str,
    dst: str,
    sport: int,
    dport: int,
    seq: int = 0,
    ack: int = 0,
    flags: str = "PA",
    payload: bytes = b"",
    *,
    options: bytes = b"",
) -> bytes:
    """A TCP segment in an IP packet."""
    return ip(src, dst, tcp(src, dst, sport, dport, seq, ack, flags, payload, options=options))


def fragment(whole: bytes, size: int, *, ident: int = 1) -> list[bytes]:
    """An IP packet cut into fragments that carry ``size`` bytes each (a multiple of eight), in order."""
    assert size % 8 == 0
    src, dst = endpoints_of(whole)
    if whole[0] >> 4 == 6:
        protocol, body = whole[6], whole[40:]
        return [
            ipv6(
                src, dst, body[at : at + size], protocol, extensions=[fragment_header(at, at + size < len(body), ident)]
            )
            for at in range(0, len(body), size)
        ]
    protocol, body = whole[9], whole[(whole[0] & 15) * 4 :]
    return [
        ipv4(src, dst, body[at : at + size], protocol, ident=ident, position=at, more=at + size < len(body))
        for at in range(0, len(body), size)
    ]


def endpoints_of(whole: bytes) -> tuple[str, str]:
    """Source and destination address of an IP packet."""
    first, second = (whole[8:24], whole[24:40]) if whole[0] >> 4 == 6 else (whole[12:16], whole[16:20])
    return str(ip_address(first)), str(ip_address(second))


def _padded(number: int, body: bytes) -> Extension:
    body += b"\0" * (-(len(body) + 2) % 8)
    return number, bytes([0, (len(body) + 2) // 8 - 1]) + body


def hop_by_hop(options: bytes = b"\x05\x02\x00\x00") -> Extension:
    """Hop-by-hop options; a router alert when nothing else is asked for."""
    return _padded(0, options)


def routing(*addresses: str) -> Extension:
    """A segment routing header (RFC 8754) that has reached its end."""
    last = max(len(addresses) - 1, 0)
    return _padded(43, bytes([4, 0, last, 0, 0, 0]) + b"".join(map(address, addresses)))


def destination_options(options: bytes = b"\x01\x00") -> Extension:
    return _padded(60, options)


def mobility() -> Extension:
    """A mobility header (RFC 6275 §6.1.2: binding refresh request)."""
    return _padded(135, b"\0" * 6)


def authentication(icv: bytes = b"\xaa" * 12) -> Extension:
    """An IPsec authentication header; its length counts in units of four bytes (RFC 4302 §2.2)."""
    return 51, pack("!BBHII", 0, (12 + len(icv)) // 4 - 2, 0, 0x1000, 1) + icv


def fragment_header(position: int, more: bool, ident: int = 1) -> Extension:
    return 44, pack("!BBHI", 0, 0, position | more, ident)


def gre(inner: bytes, *, check: bool = False, key: int | None = None, sequence: int | None = None) -> bytes:
    """GRE around an IP packet, RFC 2784 and RFC 2890."""
    flags = (0x8000 if check else 0) | (0 if key is None else 0x2000) | (0 if sequence is None else 0x1000)
    head = pack("!HH", flags, ethertype_of(inner))
    tail = b"".join(pack("!I", word) for word in (key, sequence) if word is not None) + inner
    if check:
        return head + pack("!HH", checksum(head + b"\0\0\0\0" + tail), 0) + tail
    return head + tail


# -------------------------------------------------------------------------------------------------------------- link

PPPOE_SESSION, MPLS = 0x8864, 0x8847
_SOURCE_MAC, _DESTINATION_MAC = b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"


def ethertype_of(inner: bytes) -> int:
    """EtherType of an IP packet."""
    return 0x86DD if inner[0] >> 4 == 6 else 0x0800


def tagged(inner: bytes, ethertype: int, vlans: Iterable[int | tuple[int, int]]) -> tuple[int, bytes]:
    """EtherType and bytes of ``inner`` behind VLAN tags: an id, or a tag protocol and an id."""
    for vlan in reversed(list(vlans)):
        protocol, number = (0x8100, vlan) if isinstance(vlan, int) else vlan
        inner = pack("!HH", number, ethertype) + inner
        ethertype = protocol
    return ethertype, inner


def ethernet(
    inner: bytes, *, vlans: Iterable[int | tuple[int, int]] = (), ethertype: int | None = None, padded: bool = True
) -> bytes:
    """An Ethernet frame, filled up to 60 bytes as on the wire (without FCS)."""
    ethertype, inner = tagged(inner, ethertype_of(inner) if ethertype is None else ethertype, vlans)
    frame = _DESTINATION_MAC + _SOURCE_MAC + pack("!H", ethertype) + inner
    return frame.ljust(60, b"\0") if padded else frame


def llc_snap(inner: bytes) -> bytes:
    return b"\xaa\xaa\x03\0\0\0" + pack("!H", ethertype_of(inner)) + inner


def ethernet_llc(inner: bytes) -> bytes:
    """IEEE 802.3 with a length, LLC and SNAP."""
    body = llc_snap(inner)
    return ethernet(body, ethertype=len(body))


def sll(
    inner: bytes,
    *,
    vlans: Iterable[int | tuple[int, int]] = (),
    hardware: int = 1,
    ethertype: int | None = None,
) -> bytes:
    """Linux cooked v1, received."""
    ethertype, inner = tagged(inner, ethertype_of(inner) if ethertype is None else ethertype, vlans)
    return pack("!HHH8sH", 0, hardware, 6, _SOURCE_MAC, ethertype) + inner


def sll2(inner: bytes, *, vlans: Iterable[int | tuple[int, int]] = (), hardware: int = 1, interface: int = 2) -> bytes:
    """Linux cooked v2, received."""
    ethertype, inner = tagged(inner, ethertype_of(inner), vlans)
    return pack("!HHIHBB8s", ethertype, 0, interface, hardware, 0, 6, _SOURCE_MAC) + inner


def null(inner: bytes, *, family: int | None = None, little: bool = True) -> bytes:
    """BSD loopback as written by a little-endian (or big-endian) machine; macOS's families unless told."""
    if family is None:
        family = 30 if inner[0] >> 4 == 6 else 2
    return pack("<I" if little else ">I", family) + inner


def ppp(inner: bytes, *, framed: bool = True, compressed: bool = False) -> bytes:
    """PPP, with or without address and control, with the protocol in two bytes or in one."""
    protocol = b"\x57" if inner[0] >> 4 == 6 else b"\x21"
    return (b"\xff\x03" if framed else b"") + (b"" if compressed else b"\0") + protocol + inner


def pppoe(inner: bytes, *, session: int = 7) -> bytes:
    """A PPPoE session packet: for link type 51, or inside Ethernet with EtherType ``PPPOE_SESSION``."""
    body = ppp(inner, framed=False)
    return pack("!BBHH", 0x11, 0, session, len(body)) + body


def mpls(inner: bytes, *labels: int) -> bytes:
    """MPLS labels, outermost first, for EtherType ``MPLS``."""
    stack = b"".join(pack("!I", label << 12 | (at == len(labels) - 1) << 8 | 64) for at, label in enumerate(labels))
    return stack + inner


def cisco_hdlc(inner: bytes) -> bytes:
    return pack("!BBH", 0x0F, 0, ethertype_of(inner)) + inner


def dot11(
    inner: bytes,
    *,
    to_ds: bool = True,
    from_ds: bool = False,
    qos: bool = False,
    ht_control: bool = False,
    padded: bool = False,
) -> bytes:
    """An IEEE 802.11 data frame in clear; ``padded`` as some adapters hand it over, header filled up to four bytes."""
    flags = to_ds | from_ds << 1 | (0x80 if ht_control else 0)
    header = (
        pack("<BBH", 0x88 if qos else 0x08, flags, 0) + _DESTINATION_MAC + _SOURCE_MAC + _DESTINATION_MAC + b"\x10\0"
    )
    if to_ds and from_ds:
        header += _SOURCE_MAC
    if qos:
        header += b"\0\0" + (b"\0\0\0\0" if ht_control else b"")
    if padded:
        header += b"\0" * (-len(header) % 4)
    return header + llc_snap(inner)


def radiotap(frame: bytes, *, flags: int | None = None, tsft: int | None = None, masks: int = 1) -> bytes:
    """Radiotap in front of an 802.11 frame, with the two first fields if wanted and ``masks`` words of bit mask."""
    present = (0 if tsft is None else 1) | (0 if flags is None else 2)
    words = [0x8000_0000] * masks
    words[-1] = 0
    words[0] |= present
    body = pack(f"<{masks}I", *words)
    if tsft is not None:
        body += b"\0" * (-(4 + len(body)) % 8) + pack("<Q", tsft)
    if flags is not None:
        body += bytes([flags])
    return pack("<BBH", 0, 0, 4 + len(body)) + body + frame


ENCAPSULATIONS: dict[str, tuple[int, Wrap]] = {
    "ethernet": (1, ethernet),
    "ethernet, 802.1Q": (1, lambda inner: ethernet(inner, vlans=(100,))),
    "ethernet, 802.1ad over 802.1Q": (1, lambda inner: ethernet(inner, vlans=((0x88A8, 7), 100))),
    "ethernet, old QinQ": (1, lambda inner: ethernet(inner, vlans=((0x9100, 7), (0x9100, 8), 100))),
    "ethernet, PPPoE": (1, lambda inner: ethernet(pppoe(inner), ethertype=PPPOE_SESSION)),
    "ethernet, VLAN, PPPoE": (1, lambda inner: ethernet(pppoe(inner), vlans=(7,), ethertype=PPPOE_SESSION)),
    "ethernet, LLC/SNAP": (1, ethernet_llc),
    "ethernet, MPLS": (1, lambda inner: ethernet(mpls(inner, 16, 17, 18), ethertype=MPLS)),
    "BSD loopback, little-endian": (0, null),
    "BSD loopback, big-endian": (0, lambda inner: null(inner, little=False)),
    "OpenBSD loopback": (108, lambda inner: null(inner, little=False, family=24 if inner[0] >> 4 == 6 else 2)),
    "PPP, framed": (9, ppp),
    "PPP, bare": (9, lambda inner: ppp(inner, framed=False)),
    "PPP, bare, compressed": (9, lambda inner: ppp(inner, framed=False, compressed=True)),
    "PPP serial": (50, ppp),
    "PPP serial, compressed": (50, lambda inner: ppp(inner, compressed=True)),
    "PPP serial, Cisco": (50, cisco_hdlc),
    "PPPoE": (51, pppoe),
    "raw IP": (101, bytes),
    "raw IP, BSD": (12, bytes),
    "raw IP, OpenBSD": (14, bytes),
    "Cisco HDLC": (104, cisco_hdlc),
    "802.11": (105, dot11),
    "802.11, from DS, QoS": (105, lambda inner: dot11(inner, to_ds=False, from_ds=True, qos=True)),
    "802.11, four addresses, QoS, HT": (105, lambda inner: dot11(inner, from_ds=True, qos=True, ht_control=True)),
    "radiotap": (127, lambda inner: radiotap(dot11(inner))),
    "radiotap, padded": (127, lambda inner: radiotap(dot11(inner, qos=True, padded=True), flags=0x20, tsft=1, masks=2)),
    "Linux cooked v1": (113, sll),
    "Linux cooked v1, VLAN": (113, lambda inner: sll(inner, vlans=(100,))),
    "Linux cooked v1, monitor mode": (113, lambda inner: sll(radiotap(dot11(inner)), hardware=803, ethertype=0x19)),
    "Linux cooked v2": (276, sll2),
    "Linux cooked v2, QinQ": (276, lambda inner: sll2(inner, vlans=((0x88A8, 7), 100))),
}
"""Every way to wrap an IP packet of either version: name → link type, builder."""
