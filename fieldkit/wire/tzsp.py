"""TZSP: packets that a router or an access point mirrors to somebody, each in a UDP datagram of its own.

Four bytes (version, type, what is inside), then tagged fields up to an end tag, then the packet. MikroTik sends no
fields at all; access points say how the frame was received, and number what they send.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

_VERSION: Final = 1
_RECEIVED, _FOR_TRANSMIT = 0, 1
_NO_PACKET: Final = {3: "configuration", 4: "keepalive", 5: "port opener"}
_PADDING, _END = 0, 1
_BAD_CHECKSUM, _SEQUENCE, _SENSOR = 0x11, 0x28, 0x3C

_PRISM, _AVS = 119, 127
LINKTYPES: Final = {1: 1, 4: 9, 7: 101, 18: 105, _PRISM: 105, _AVS: 105}
"""What is inside, and its link type: Ethernet, PPP, raw IP, and IEEE 802.11 with and without a radio header in front,
which is taken off."""
_AVS_MAGIC: Final = b"\x80\x21\x10"

_HEADER: Final = Struct("!BBH").unpack_from
_WORD: Final = Struct("!I").unpack_from
_LITTLE: Final = Struct("<I").unpack_from


class Mirrored(NamedTuple):
    """What a datagram holds."""

    linktype: int
    """0: no packet, as in a keepalive."""
    start: int
    """Of the packet within the datagram; it ends where that ends."""
    sequence: int | None
    """Its number among what this sensor sends."""
    sensor: bytes
    """Which of the sender's radios took it; empty when that is not said."""
    damaged: bool
    """The sender received it with a wrong checksum."""


def unwrap(datagram: bytes) -> Mirrored | str:
    """Where the packet lies in a datagram; or what is wrong with it, in words that do not depend on its bytes."""
    if len(datagram) < 4:
        return "shorter than a TZSP header"
    version, kind, inside = _HEADER(datagram)
    if version != _VERSION:
        return "no TZSP of version 1"
    if kind in _NO_PACKET:
        return Mirrored(0, len(datagram), None, b"", False)
    if kind not in (_RECEIVED, _FOR_TRANSMIT):
        return "TZSP of a type that is not known"
    linktype = LINKTYPES.get(inside)
    if linktype is None:
        return "TZSP around packets of a kind that cannot be read"
    at, size = 4, len(datagram)
    sequence: int | None = None
    sensor, damaged = b"", False
    while True:
        if at >= size:
            return "TZSP whose fields do not end"
        tag = datagram[at]
        at += 1
        if tag == _END:
            break
        if tag == _PADDING:
            continue
        if at >= size or at + 1 + datagram[at] > size:
            return "TZSP with a field that is longer than what was sent"
        value = at + 1
        length = datagram[at]
        at = value + length
        if tag == _SEQUENCE and length == 4:
            (sequence,) = _WORD(datagram, value)
        elif tag == _SENSOR:
            sensor = datagram[value:at]
        elif tag == _BAD_CHECKSUM and length:
            damaged = damaged or bool(datagram[value])
    if inside in (_PRISM, _AVS):
        at = _behind_radio_header(datagram, at, inside)
        if not at:
            return "TZSP with a damaged radio header"
    return Mirrored(linktype, at, sequence, sensor, damaged)


def _behind_radio_header(datagram: bytes, at: int, inside: int) -> int:
    """Both kinds say in their second word how long they are, Prism in its writer's byte order. 0: it is neither."""
    if at + 8 > len(datagram):
        return 0
    (length,) = _WORD(datagram, at + 4)
    if inside == _PRISM and length > 0xFFFF:
        (length,) = _LITTLE(datagram, at + 4)
    if inside == _AVS and datagram[at : at + 3] != _AVS_MAGIC:
        return 0
    return at + length if 8 <= length <= len(datagram) - at else 0
