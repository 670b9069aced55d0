"""How long a packet takes there and back over one interface (ICMP echo, RFC 792)."""

from __future__ import annotations

import os
import socket
import struct
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from fieldkit.sources.boundsocket import bound

COUNT: Final = 3
PATIENCE: Final = 1.5
"""Seconds for each: twice a geostationary round trip."""
PAUSE: Final = 0.1
"""Seconds between two."""
_PAYLOAD: Final = 32
_HEADER: Final = struct.Struct("!BBHHH")
_IP: Final = 20
_REQUEST, _REPLY = 8, 0


@dataclass(slots=True)
class Echoes:
    """What came back."""

    sent: int = 0
    times: list[float] = field(default_factory=list)
    """ms, of those that did."""
    bytes: int = 0
    error: str = ""

    @property
    def ms(self) -> float | None:
        """The median; None: nothing came back, which many networks do on purpose."""
        return median(self.times) if self.times else None

    @property
    def lost(self) -> float | None:
        """0 to 1; None: none could be sent."""
        return 1 - len(self.times) / self.sent if self.sent else None


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def request(identifier: int, number: int, payload: bytes) -> bytes:
    """An echo request."""
    bare = _HEADER.pack(_REQUEST, 0, 0, identifier, number) + payload
    return _HEADER.pack(_REQUEST, 0, checksum(bare), identifier, number) + payload


def ping(address: str, interface: str, *, count: int = COUNT, patience: float = PATIENCE) -> Echoes:
    """A few of them, one after the other. IPv4: what stations are behind has no other."""
    echoes = Echoes()
    if ":" in address:
        echoes.error = "not tried with IPv6"
        return echoes
    try:
        made, raw = _socket(interface)
    except OSError as error:
        echoes.error = error.strerror or str(error)
        return echoes
    with made:
        for number in range(1, count + 1):
            if number > 1:
                time.sleep(PAUSE)
            _one(made, address, number, patience, echoes, raw=raw)
    return echoes


def _socket(interface: str) -> tuple[socket.socket, bool]:
    """A raw one for root; else that of Linux for everybody (net.ipv4.ping_group_range)."""
    try:
        return bound(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP, interface), True
    except PermissionError:
        return bound(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP, interface), False


def _one(made: socket.socket, address: str, number: int, patience: float, echoes: Echoes, *, raw: bool) -> None:
    payload = os.urandom(_PAYLOAD)
    packet = request(os.getpid() & 0xFFFF, number, payload)
    begun = time.monotonic()
    try:
        made.sendto(packet, (address, 0))
        echoes.sent += 1
        echoes.bytes += len(packet) + _IP
        while (left := begun + patience - time.monotonic()) > 0:
            made.settimeout(left)
            data = made.recv(2048)
            # A raw socket sees the echoes of everybody: the payload tells ours.
            message = data[(data[0] & 15) * 4 :] if raw and data else data
            if message[:1] == bytes([_REPLY]) and message[_HEADER.size :] == payload:
                echoes.times.append((time.monotonic() - begun) * 1e3)
                echoes.bytes += len(message) + _IP
                return
    except TimeoutError:
        return
    except OSError as error:
        echoes.error = error.strerror or str(error)
