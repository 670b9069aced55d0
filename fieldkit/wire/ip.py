"""Internet layer: from an IP header to the TCP segment behind it.

``IpDecoder.segment`` takes one captured packet and walks whatever stands between its IP header and TCP: IPv4 options,
IPv6 extension headers, fragments of both, and a tunnel or two (IP in IP, 6in4, GRE). It answers with a
``TcpSegment``, which says where the segment lies and copies nothing, or with None when there is no TCP segment in it
(yet: a fragment waits for the others).

The packets most captures are full of (Ethernet, IPv4 without options, not fragmented) are told apart earlier with a
few byte tests and need not come here; this is the general path, and correctness leads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import TypeAlias

from fieldkit.events import DecodeError, Emit, Endpoint
from fieldkit.wire.fragments import SHOWN, Fragments
from fieldkit.wire.icmp import ICMP, ICMPV6, Refusal, refusal

TCP = 6

MAX_TUNNELS = 2
"""Tunnels inside each other that are followed. Two is a VPN over a provider's tunnel; more is a loop or an attack."""

MAX_EXTENSION_HEADERS = 16
"""Extension headers in one packet. RFC 8504 §5.3 lets a host stop at eight; twice that is no accident."""

REPORTED_PER_KIND = 10
"""Malformed packets reported one by one before only counting them: a broken tunnel makes millions of the same kind."""

_TCP_HEADER = 20

_IPIP, _IP6IN4, _GRE = 4, 41, 47
_TUNNELS = frozenset({_IPIP, _IP6IN4, _GRE})
_FRAGMENT, _AUTHENTICATION = 44, 51
# Hop-by-hop, routing, destination options, mobility, HIP, shim6: these share one layout (RFC 6564). A routing header
# may name a later destination than the IPv6 header; the address in sight is the one both directions can be matched by.
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140, _FRAGMENT, _AUTHENTICATION})
_WANTED = _EXTENSIONS | _TUNNELS | {TCP}
"""What is worth reassembling: fragments of anything else (mostly UDP) are left alone."""

_IPV4_HEADER = Struct("!BxHHHxB").unpack_from
_IPV6_HEADER = Struct("!BxxxHB").unpack_from
_FRAGMENT_HEADER = Struct("!xxHI").unpack_from
_GRE_HEADER = Struct("!HH").unpack_from

_Payload: TypeAlias = "tuple[int, bytes, int, int, bytes, int, tuple[int, ...], int]"
"""Of an IP packet: protocol, buffer, offset and end of its payload there, source and destination address, IPv4
identification, frames, bytes cut off."""


@dataclass(slots=True)
class TcpSegment:
    """Where a TCP segment lies: at least 20 bytes, the checks of its header still to be made."""

    key: bytes
    """Source address, destination address, source port, destination port: 12 bytes for IPv4, 36 for IPv6."""
    buffer: bytes
    """The captured block, or the datagram put together from fragments."""
    offset: int
    """Of the TCP header in ``buffer``."""
    end: int
    """Just behind the last byte of TCP data in ``buffer``; link-layer padding is not counted."""
    ip_id: int
    """IPv4 identification, which tells a second capture of a packet from a retransmission; 0 for IPv6."""
    frames: tuple[int, ...]
    """The frame, or those of all the fragments."""
    truncated: int
    """Bytes of TCP data that the sender sent and the capture's snap length cut off."""


OnRefusal: TypeAlias = Callable[[Refusal, str, int, tuple[int, ...]], None]
"""Called with the refusal, the address of whoever says so, time and frames."""


def reverse_key(key: bytes) -> bytes:
    """The key of the same connection's other direction."""
    size = (len(key) - 4) // 2
    return key[size : 2 * size] + key[:size] + key[-2:] + key[-4:-2]


def endpoints(key: bytes) -> tuple[Endpoint, Endpoint]:
    """Source and destination of a key."""
    size = (len(key) - 4) // 2
    source = Endpoint(_address(key[:size]), int.from_bytes(key[-4:-2], "big"))
    return source, Endpoint(_address(key[size : 2 * size]), int.from_bytes(key[-2:], "big"))


@lru_cache(maxsize=4096)
def _address(packed: bytes) -> str:
    if len(packed) == 4:
        return ".".join(map(str, packed))
    from ipaddress import IPv6Address  # only captures with IPv6 pay for it

    return IPv6Address(packed).compressed


class IpDecoder:
    """Finds the TCP segment in IP packets; holds the fragments that still wait for the rest of their datagram."""

    def __init__(self, emit: Emit, on_refusal: OnRefusal | None = None) -> None:
        """``on_refusal`` is told of ICMP errors about TCP segments."""
        self._emit = emit
        self._on_refusal = on_refusal
        self._seen: dict[str, int] = {}  # malformed packets, by reason
        self._unreported: dict[str, tuple[int, tuple[int, ...]]] = {}  # bytes lost, last frames, by reason
        self._fragments = Fragments(self._malformed)

    def segment(self, version: int, buffer: bytes, offset: int, end: int, time: int, frame: int) -> TcpSegment | None:
        """The TCP segment in the IP packet whose header lies at ``offset``, captured up to ``end``."""
        found = self._payload(version, buffer, offset, end, time, (frame,))
        if found is None:
            return None
        protocol, buffer, offset, end, addresses, ip_id, frames, truncated = found
        if protocol != TCP:
            if protocol in (ICMP, ICMPV6) and self._on_refusal is not None:
                refused = refusal(protocol, buffer, offset, end)
                if refused is not None:
                    self._on_refusal(refused, _address(addresses[: len(addresses) // 2]), time, frames)
            return None
        if end - offset < _TCP_HEADER:
            self._malformed("The TCP header is cut off.", time, frames, buffer[offset:end], end - offset + truncated)
            return None
        return TcpSegment(addresses + buffer[offset : offset + 4], buffer, offset, end, ip_id, frames, truncated)

    def finish(self, time: int) -> None:
        """The capture has ended: report datagrams that stayed incomplete, and the sum of what was only counted."""
        self._fragments.finish(time)
        for reason, (lost, frames) in self._unreported.items():
            more = self._seen[reason] - REPORTED_PER_KIND
            reason = f"{more} more packets of the same kind, of which this is the last: {reason}"
            self._emit(DecodeError(time, frames, None, "ip", reason, b"", lost))
        self._seen.clear()
        self._unreported.clear()

    def _malformed(self, reason: str, time: int, frames: tuple[int, ...], data: bytes, lost: int) -> None:
        seen = self._seen[reason] = self._seen.get(reason, 0) + 1
        if seen <= REPORTED_PER_KIND:
            self._emit(DecodeError(time, frames, None, "ip", reason, bytes(data[:SHOWN]), lost))
        else:
            self._unreported[reason] = self._unreported.get(reason, (0, ()))[0] + lost, frames

    def _payload(
        self, version: int, buffer: bytes, offset: int, end: int, time: int, frames: tuple[int, ...]
    ) -> _Payload | None:
        """What the packet carries, out of its tunnels and put together from its fragments."""
        for _ in range(MAX_TUNNELS + 1):
            read = self._ipv4 if version == 4 else self._ipv6
            found = read(buffer, offset, end, time, frames)
            if found is None or found[0] not in _TUNNELS:
                return found
            protocol, buffer, offset, end, _, _, frames, _ = found
            if protocol == _GRE:
                inner = _gre(buffer, offset, end)
                if inner is None:
                    return None
                version, offset = inner
            else:
                version = 4 if protocol == _IPIP else 6
        reason = f"IP packets are nested more than {MAX_TUNNELS} tunnels deep."
        self._malformed(reason, time, frames, buffer[offset:end], end - offset)
        return None

    def _ipv4(self, buffer: bytes, offset: int, end: int, time: int, frames: tuple[int, ...]) -> _Payload | None:
        """RFC 791 §3.1."""
        captured = end - offset
        if captured < 20:
            self._malformed("The IPv4 header is cut off.", time, frames, buffer[offset:end], captured)
            return None
        first, length, ip_id, position, protocol = _IPV4_HEADER(buffer, offset)
        header = (first & 0x0F) << 2
        if first >> 4 != 4 or header < 20 or 0 < length < header or header > captured:
            self._malformed(_ipv4_fault(first, length), time, frames, buffer[offset:end], captured)
            return None
        truncated = 0
        # Length 0 was captured before the network card cut a large send into packets: the capture has all of it.
        if length > captured:
            truncated = length - captured
        elif length:
            end = offset + length
        addresses = buffer[offset + 12 : offset + 20]
        offset += header
        if position & 0x3FFF:  # more fragments follow, or this is not the first
            if protocol not in _WANTED:
                return None
            key = (addresses, ip_id, protocol)
            whole = self._fragments.add(key, protocol, position, buffer[offset:end], truncated, time, frames)
            if whole is None:
                return None
            _, buffer, frames = whole
            offset, end, truncated = 0, len(buffer), 0
        if protocol == _AUTHENTICATION:
            return self._extensions((protocol, buffer, offset, end, addresses, ip_id, frames, truncated), time)
        return protocol, buffer, offset, end, addresses, ip_id, frames, truncated

    def _ipv6(self, buffer: bytes, offset: int, end: int, time: int, frames: tuple[int, ...]) -> _Payload | None:
        """RFC 8200 §3."""
        captured = end - offset
        if captured < 40:
            self._malformed("The IPv6 header is cut off.", time, frames, buffer[offset:end], captured)
            return None
        first, length, protocol = _IPV6_HEADER(buffer, offset)
        if first >> 4 != 6:
            reason = f"A packet announced as IPv6 says that it is version {first >> 4}."
            self._malformed(reason, time, frames, buffer[offset:end], captured)
            return None
        addresses = buffer[offset + 8 : offset + 40]
        offset += 40
        truncated = 0
        # Length 0 is a jumbogram (RFC 2675) or a large send, as for IPv4: the capture has all of it.
        if length > captured - 40:
            truncated = length + 40 - captured
        elif length:
            end = offset + length
        if protocol in _EXTENSIONS:
            return self._extensions((protocol, buffer, offset, end, addresses, 0, frames, truncated), time)
        return protocol, buffer, offset, end, addresses, 0, frames, truncated

    def _extensions(self, found: _Payload, time: int) -> _Payload | None:
        """Walk extension headers (RFC 8200 §4) to what they stand before; IPv4 uses the authentication header too."""
        protocol, buffer, offset, end, addresses, ip_id, frames, truncated = found
        for _ in range(MAX_EXTENSION_HEADERS):
            if protocol not in _EXTENSIONS:
                return protocol, buffer, offset, end, addresses, ip_id, frames, truncated
            size = 8
            if end - offset >= size:
                if protocol == _AUTHENTICATION:
                    size = (buffer[offset + 1] + 2) * 4  # RFC 4302 §2.2
                elif protocol != _FRAGMENT:
                    size = (buffer[offset + 1] + 1) * 8
            if end - offset < size:
                self._malformed("An IPv6 extension header is cut off.", time, frames, buffer[offset:end], end - offset)
                return None
            following = buffer[offset]
            if protocol == _FRAGMENT:
                position, ident = _FRAGMENT_HEADER(buffer, offset)
                if position & 0xFFF9:  # else it is whole in itself, an atomic fragment (RFC 6946)
                    if following not in _WANTED:
                        return None
                    # IPv4 counts in units of eight bytes with its flags above, IPv6 in bytes with the flag below.
                    units = position >> 3 | (position & 1) << 13
                    chunk = buffer[offset + size : end]
                    key = (addresses, ident, _FRAGMENT)
                    whole = self._fragments.add(key, following, units, chunk, truncated, time, frames)
                    if whole is None:
                        return None
                    protocol, buffer, frames = whole
                    offset, end, truncated = 0, len(buffer), 0
                    continue
            protocol = following
            offset += size
        reason = f"A packet has more than {MAX_EXTENSION_HEADERS} extension headers."
        self._malformed(reason, time, frames, buffer[offset:end], end - offset)
        return None


def _ipv4_fault(first: int, length: int) -> str:
    header = (first & 0x0F) << 2
    if first >> 4 != 4:
        return f"A packet announced as IPv4 says that it is version {first >> 4}."
    if header < 20:
        return "An IPv4 packet claims a header shorter than the shortest possible."
    if 0 < length < header:
        return "An IPv4 packet claims to be shorter than its own header."
    return "The IPv4 options are cut off."


def _gre(buffer: bytes, offset: int, end: int) -> tuple[int, int] | None:
    """IP version and offset of the packet in plain GRE (RFC 2784, RFC 2890); None for what else GRE may carry."""
    if end - offset < 4:
        return None
    flags, ethertype = _GRE_HEADER(buffer, offset)
    if flags & 0x4007:  # source routing (RFC 1701, deprecated), or version 1: PPTP
        return None
    # Checksum, key and sequence number: four bytes each, where their flag is set.
    offset += 4 + 4 * (flags & 0xB000).bit_count()
    if offset > end:
        return None
    return {0x0800: (4, offset), 0x86DD: (6, offset)}.get(ethertype)
