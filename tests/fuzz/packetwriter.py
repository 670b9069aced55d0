"""Packets in a hurry: Ethernet, IP and TCP without checksums (nobody looks at them), in the form of a pcap file."""

from __future__ import annotations

from struct import pack
from typing import Final

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

FILE_HEADER: Final = pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
"""Nanoseconds, Ethernet."""

_MACS: Final = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"

Address = tuple[bytes, int]
"""IP address of 4 or 16 bytes, and port."""


def packet(
    source: Address, destination: Address, seq: int, ack: int, flags: int, payload: bytes = b"", window: int = 501
) -> bytes:
    """A TCP segment in an Ethernet frame."""
    tcp = pack("!HHIIBBHI", source[1], destination[1], seq % (1 << 32), ack % (1 << 32), 0x50, flags, window, 0)
    size = len(tcp) + len(payload)
    if len(source[0]) == 16:
        ip = b"\x86\xdd" + pack("!IHBB", 6 << 28, size, 6, 64) + source[0] + destination[0]
    else:
        ip = b"\x08\x00" + pack("!BBHIBBH", 0x45, 0, 20 + size, 0x4000, 64, 6, 0) + source[0] + destination[0]
    return _MACS + ip + tcp + payload


def record(time: int, data: bytes, original: int = 0) -> bytes:
    """A packet in the file; ``original`` is its length on the wire where it was longer."""
    seconds, nanoseconds = divmod(time, 1_000_000_000)
    return pack("<IIII", seconds % (1 << 32), nanoseconds, len(data), original or len(data)) + data
