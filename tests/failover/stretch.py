"""A capture of a few seconds made to last a day: the pauses between its exchanges grow, the exchanges stay as they are."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from tests.failover.network import LEASE, STATION, A

DAY: Final = 86_400
_MAGIC: Final = 0xA1B2C3D4
"""Classic pcap, microseconds, as tcpdump writes it here."""
_HEADER: Final = 24
_RECORD: Final = struct.Struct("<IIII")
_ETHERNET: Final = 14
_TCP: Final = 6
_INSIDE: Final = [ip_address(one).packed for one in (STATION, LEASE[A][0].partition("/")[0])]
"""Addresses of the station, on either side of the router."""


def stretched(source: Path, target: Path, seconds: int = DAY) -> int:
    """Write it; how many exchanges it has."""
    data = source.read_bytes()
    assert struct.unpack_from("<I", data)[0] == _MAGIC
    begins: list[bool] = []
    records: list[tuple[int, int, bytes]] = []
    place, newest = _HEADER, -1
    while place < len(data):
        whole, micro, kept, _ = _RECORD.unpack_from(data, place)
        packet = data[place + _RECORD.size : place + _RECORD.size + kept]
        place += _RECORD.size + kept
        sequence = _said(packet)
        # What is said again is part of the same exchange.
        begins.append(sequence > newest)
        newest = max(newest, sequence)
        records.append((whole, micro, packet))
    pause = seconds // sum(begins)
    out, shift = [data[:_HEADER]], 0
    for (whole, micro, packet), begin in zip(records, begins, strict=True):
        shift += pause * begin
        out.append(_RECORD.pack(whole + shift, micro, len(packet), len(packet)) + packet)
    target.write_bytes(b"".join(out))
    return sum(begins)


def _said(packet: bytes) -> int:
    """The sequence number of what the station says in a packet; -1 where it says nothing."""
    if packet[12:14] != b"\x08\x00" or packet[_ETHERNET + 9] != _TCP:
        return -1
    if packet[_ETHERNET + 12 : _ETHERNET + 16] not in _INSIDE:
        return -1
    length = int.from_bytes(packet[_ETHERNET + 2 : _ETHERNET + 4], "big")
    start = _ETHERNET + (packet[_ETHERNET] & 15) * 4
    payload = length - (start - _ETHERNET) - (packet[start + 12] >> 4) * 4
    return int.from_bytes(packet[start + 4 : start + 8], "big") if payload > 0 else -1
