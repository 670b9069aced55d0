"""Bytes of a connection → the packets of the TCP connection that would have carried them on one cable.

Wireshark and every decoder read them back as what passed: handshake, sequence and acknowledgement numbers, checksums,
FIN and RST are right, nothing is sent twice or missing but what is really missing. Sizes of segments are made up, and
so are the Ethernet addresses.
"""

from __future__ import annotations

from ipaddress import ip_address
from struct import pack
from typing import Final

from fieldkit.events import Endpoint

SEGMENT: Final = 16_000
"""Bytes of a packet at most: long ones, as a capture on a machine with segmentation offload has them."""
ACKNOWLEDGE: Final = 1 << 20
"""Bytes that one side sends before the other acknowledges them with a packet of its own."""

_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_OPTIONS: Final = b"\x02\x04\x05\xb4\x01\x03\x03\x0a"
"""MSS 1460, and a window scale (RFC 7323) so large that the window is never full."""
_FIRST: Final = (1_000_000, 5_000_000)
_WORD: Final = 1 << 32
_ETHERNET: Final = (b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02")
"""Destination and source of what the station sends, and of what it is sent."""


class TcpTalk:
    """One connection; every method returns Ethernet frames."""

    def __init__(self, client: Endpoint, server: Endpoint) -> None:
        addresses = [_packed(client.address), _packed(server.address)]
        if len(addresses[0]) != len(addresses[1]):
            addresses = [_mapped(address) for address in addresses]
        self._six = len(addresses[0]) == 16
        self._pairs = (addresses[0] + addresses[1], addresses[1] + addresses[0])
        self._ports = (pack("!HH", client.port, server.port), pack("!HH", server.port, client.port))
        self._pseudo = tuple(sum_of(pair) + 6 for pair in self._pairs)
        self._seq = [_FIRST[0], _FIRST[1]]
        self._owed = [0, 0]  # bytes of each side that the other has not acknowledged
        self._ident = [0, 0]
        self._wide = False
        self.ended = [False, False]
        """Which side has sent FIN."""

    def begin(self) -> list[bytes]:
        """SYN, SYN/ACK, ACK."""
        frames = [self._frame(0, _SYN, options=_OPTIONS)]
        self._seq[0] += 1
        frames.append(self._frame(1, _SYN | _ACK, options=_OPTIONS))
        self._seq[1] += 1
        frames.append(self._frame(0, _ACK))
        return frames

    def said(self, from_client: bool, data: bytes) -> list[bytes]:
        """Bytes of one side in as many packets as they need; perhaps an acknowledgement behind them."""
        side = 0 if from_client else 1
        frames = []
        for at in range(0, len(data), SEGMENT):
            piece = data[at : at + SEGMENT]
            last = at + SEGMENT >= len(data)
            frames.append(self._frame(side, _ACK | _PSH if last else _ACK, piece))
            self._seq[side] = (self._seq[side] + len(piece)) % _WORD
        self._owed[side] += len(data)
        if self._owed[side] >= ACKNOWLEDGE:
            frames.append(self._frame(1 - side, _ACK))
        return frames

    def missed(self, from_client: bool, count: int) -> list[bytes]:
        """Bytes that nobody has kept: the other side acknowledges them, which shows that they were there."""
        side = 0 if from_client else 1
        self._seq[side] = (self._seq[side] + count) % _WORD
        return [self._frame(1 - side, _ACK)]

    def remark(self) -> list[bytes]:
        """A packet that says nothing, for a comment: the server announces another window."""
        self._wide = not self._wide
        return [self._frame(1, _ACK)]

    def end(self, from_client: bool) -> list[bytes]:
        """FIN; when the other side has sent its own before, also the last ACK."""
        side = 0 if from_client else 1
        if self.ended[side]:
            return []
        frames = [self._frame(side, _FIN | _ACK)]
        self._seq[side] = (self._seq[side] + 1) % _WORD
        self.ended[side] = True
        if self.ended[1 - side]:
            frames.append(self._frame(1 - side, _ACK))
        return frames

    def reset(self, from_client: bool) -> list[bytes]:
        """RST."""
        return [self._frame(0 if from_client else 1, _RST | _ACK)]

    def _frame(self, side: int, flags: int, data: bytes = b"", options: bytes = b"") -> bytes:
        other = 1 - side
        acknowledged = self._seq[other] if flags & _ACK else 0
        if flags & _ACK:
            self._owed[other] = 0
        window = 65_535 - (self._wide and side == 1)
        head = self._ports[side] + pack(
            "!IIBBHHH", self._seq[side], acknowledged, (20 + len(options)) << 2, flags, window, 0, 0
        )
        segment = head + options + data
        check = 0xFFFF - _folded(self._pseudo[side] + len(segment) + sum_of(segment))
        segment = segment[:16] + pack("!H", check) + segment[18:]
        if self._six:
            packet = b"\x86\xdd" + pack("!IHBB", 6 << 28, len(segment), 6, 64) + self._pairs[side] + segment
        else:
            self._ident[side] = self._ident[side] + 1 & 0xFFFF
            ip = pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), self._ident[side], 0x4000, 64, 6, 0)
            check = 0xFFFF - _folded(sum_of(ip + self._pairs[side]))
            packet = b"\x08\0" + ip[:10] + pack("!H", check) + self._pairs[side] + segment
        return _ETHERNET[side] + packet


def sum_of(data: bytes) -> int:
    """A sum of 16 bit words as RFC 1071 wants it: as a remainder, for 2¹⁶ and 1 leave the same by 65,535."""
    if len(data) & 1:
        data += b"\0"
    return int.from_bytes(data, "big") % 0xFFFF


def _folded(total: int) -> int:
    # All the sums here have something other than zeros in them, so the remainder 0 stands for 0xFFFF.
    return total % 0xFFFF or 0xFFFF


def _packed(address: str) -> bytes:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return bytes(4)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).packed


def _mapped(address: bytes) -> bytes:
    return bytes(10) + b"\xff\xff" + address if len(address) == 4 else address
