"""ICMP errors (RFC 792, RFC 4443): what could not be delivered, who says so, and which connection it was of."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

ICMP: Final = 1
ICMPV6: Final = 58

Kind: TypeAlias = Literal["network", "host", "port", "prohibited", "too-big", "expired", "other"]

_UNREACHABLE: Final[dict[int, Kind]] = {
    0: "network", 1: "host", 2: "other", 3: "port", 4: "too-big", 5: "other", 6: "network", 7: "host", 8: "host",
    9: "prohibited", 10: "prohibited", 11: "network", 12: "host", 13: "prohibited", 14: "other", 15: "other",
}  # fmt: skip
"""Codes of ICMP type 3 (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1)."""
_UNREACHABLE6: Final[dict[int, Kind]] = {
    0: "network", 1: "prohibited", 2: "host", 3: "host", 4: "port", 5: "prohibited", 6: "network",
}  # fmt: skip
"""Codes of ICMPv6 type 1 (RFC 4443 §3.1)."""

_TCP: Final = 6


class Refusal(NamedTuple):
    """An ICMP error about a TCP segment."""

    kind: Kind
    key: bytes
    """Flow key of the segment that was refused, as its sender sent it."""
    mtu: int


def refusal(protocol: int, buffer: bytes, offset: int, end: int) -> Refusal | None:
    """What the ICMP message at ``offset`` refuses; None for one that is no error, or not about TCP."""
    if end - offset < 8 + 20:
        return None
    kind_number, code = buffer[offset], buffer[offset + 1]
    kind: Kind
    mtu = 0
    inner = offset + 8
    if protocol == ICMP:
        if kind_number == 3:
            kind = _UNREACHABLE.get(code, "other")
            if kind == "too-big":
                mtu = int.from_bytes(buffer[offset + 6 : offset + 8], "big")  # RFC 1191 §4
        elif kind_number == 11:
            kind = "expired"
        else:
            return None
        header = (buffer[inner] & 0x0F) << 2
        if buffer[inner] >> 4 != 4 or header < 20 or buffer[inner + 9] != _TCP or end < inner + header + 4:
            return None
        return Refusal(kind, buffer[inner + 12 : inner + 20] + buffer[inner + header : inner + header + 4], mtu)
    if kind_number == 1:
        kind = _UNREACHABLE6.get(code, "other")
    elif kind_number == 2:
        kind, mtu = "too-big", int.from_bytes(buffer[offset + 4 : offset + 8], "big")
    elif kind_number == 3:
        kind = "expired"
    else:
        return None
    # Extension headers before TCP are rare enough in what is sent to a CSMS to be left alone.
    if end < inner + 44 or buffer[inner] >> 4 != 6 or buffer[inner + 6] != _TCP:
        return None
    return Refusal(kind, buffer[inner + 8 : inner + 44], mtu)
