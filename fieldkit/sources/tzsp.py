"""Packets that routers mirror to this machine (TZSP over UDP, as MikroTik's packet sniffer and access points send it).

    TzspListener("tzsp://:37008", numbers)

A packet's time is when the kernel received it here. What the kernel had no room for is counted, and what was lost on
the way too where senders number what they send. Anybody may send to the port: what is no TZSP is told in one line.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL
from typing import Final

from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, PacketBatch
from fieldkit.safetext import terminal
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import Item, SourceError
from fieldkit.wire.tzsp import Mirrored, unwrap

PORT: Final = 37008
"""Where TZSP is sent to if nothing else is agreed."""
MAX_SENDERS: Final = 64
"""Senders whose numbers are followed; a site has a few, and addresses are easily forged."""
BUFFER: Final = 8 << 20
"""Bytes that the kernel is asked to hold for us."""
_BATCH: Final = 4096
"""Datagrams taken at a time."""
_DATAGRAM: Final = 65_536
_SAMPLE: Final = 64
_LATE: Final = 10_000
"""Numbers further back than this are those of a sender that began anew, not of a datagram that was overtaken."""
_MAX_GAP: Final = 1_000_000
"""A leap ahead by more is no loss either."""
_SILENCE: Final = 10
"""Seconds after which it is worth saying that nothing has come."""

_LINUX: Final[bool] = sys.platform == "linux"
# asm-generic/socket.h
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS, _SO_MEMINFO, _SO_TIMESTAMPNS_NEW = 33, 35, 55, 64
_DROPS: Final = 8
"""Place of the drop counter in SO_MEMINFO (SK_MEMINFO_DROPS, linux/sock_diag.h)."""
_TIME: Final = struct.Struct("=q")

_URL: Final = re.compile(r"tzsp://(\[[0-9A-Fa-f:.%\w-]*\]|[^:/@\[\]]*)(?::(\d{1,5}))?/?", re.ASCII)


class _Layout:
    """The time stands in the eight bytes in front of each packet."""

    __slots__ = ()

    def time(self, buffer: bytes, start: int) -> int:
        """Nanoseconds since the epoch."""
        nanoseconds: int = _TIME.unpack_from(buffer, start - 8)[0]
        return nanoseconds

    def interface(self, buffer: bytes, start: int) -> int:
        """All come in on one port."""
        return 0


_LAYOUT: Final = _Layout()


@dataclass(slots=True)
class _Trouble:
    """Datagrams that were no use, all for the same reason."""

    count: int = 0
    lost: int = 0
    sample: bytes = b""
    senders: set[str] = field(default_factory=set)


class TzspListener:
    """One UDP port, for any number of senders."""

    def __init__(self, url: str, numbers: FrameNumbers) -> None:
        """``tzsp://[ADDRESS][:PORT]``, an address of this machine; SourceError when it cannot be listened on."""
        address, port = parse(url)
        self.name = f"tzsp://{f'[{address}]' if ':' in address else address}:{port}"
        self.packets = 0
        self._numbers = numbers
        self._port = struct.pack("!H", port)
        self._socket = _bound(address, port)
        _stamp(self._socket)
        self._block = bytearray(_DATAGRAM)
        self._view = memoryview(self._block)
        self._parts: list[bytes] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._size = 0
        self._linktype = 0
        self._sequences: dict[tuple[str, bytes], int] = {}
        self._senders: set[str] = set()
        self._lost: dict[str, int] = {}
        self._dropped = 0
        self._overflowed = 0
        """By the kernel's count."""
        self._trouble: dict[str, _Trouble] = {}
        self._heard = False
        self._told_silence = False
        self._since = 0

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def read(self) -> list[Item]:
        """The packets that have come."""
        items: list[Item] = []
        if self._socket.fileno() < 0:
            return items
        for _ in range(_BATCH):
            try:
                size, ancillary, _, sender = self._socket.recvmsg_into((self._view,), 64)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an ICMP error of another conversation
            self._take(bytes(self._view[:size]), _arrival(ancillary), sender[0], items)
        self._flush(items)
        return items

    def tick(self, now: int) -> list[Item]:
        """What was lost since the last time, and what was no use."""
        items: list[Item] = []
        if not self._since:
            self._since = now
        if not (self._heard or self._told_silence) and now - self._since > _SILENCE * 1_000_000_000:
            self._told_silence = True
            text = (
                f"nothing has been sent to {self.name} so far: is mirroring switched on, to an address of this machine "
                "and this port, and does the firewall here let UDP through?"
            )
            items.append(CaptureComment(now, (), text))
        overflowed = self._overflows()
        if overflowed > self._overflowed:
            items.append(CaptureDropped(now, (), self.name, overflowed - self._overflowed))
            self._dropped += overflowed - self._overflowed
            self._overflowed = overflowed
        for sender, count in self._lost.items():
            items.append(CaptureDropped(now, (), f"{self.name} from {sender}", count))
            self._dropped += count
        self._lost.clear()
        for reason, trouble in self._trouble.items():
            shown = sorted(trouble.senders)
            by = f"{shown[0]} and others" if len(shown) > 1 else shown[0]
            text = f"{trouble.count} datagrams from {by} to {self.name} were {reason}"
            items.append(DecodeError(now, (), None, "tzsp", text, trouble.sample, trouble.lost))
        self._trouble.clear()
        return items

    def counters(self) -> tuple[int, int]:
        """Packets that came, and datagrams that did not."""
        return self.packets, self._dropped

    def ended(self) -> str | None:
        """Somebody may always send again."""
        return None

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    # ------------------------------------------------------------------------------------------------- one datagram

    def _take(self, datagram: bytes, time: int, address: str, items: list[Item]) -> None:
        sender = address.removeprefix("::ffff:") if "." in address else address
        mirrored = unwrap(datagram)
        if isinstance(mirrored, str):
            self._useless(mirrored, datagram, sender)
            return
        self._heard = True
        if sender not in self._senders and len(self._senders) <= MAX_SENDERS:
            self._greet(sender, time, items)
        if mirrored.sequence is not None:
            self._follow(sender, mirrored)
        if not mirrored.linktype:
            return
        if mirrored.damaged:
            self._useless("damaged on the radio link", datagram, sender)
            return
        if mirrored.linktype == 1 and self._is_loop(datagram, mirrored.start):
            self._useless("mirrored mirror packets: leave UDP to this port out of what is mirrored", datagram, sender)
            return
        if mirrored.linktype != self._linktype:
            self._flush(items)
            self._linktype = mirrored.linktype
        packet = datagram[mirrored.start :]
        self._parts += (_TIME.pack(time), packet)
        self._starts.append(self._size + 8)
        self._size += 8 + len(packet)
        self._ends.append(self._size)

    def _flush(self, items: list[Item]) -> None:
        if self._starts:
            count = len(self._starts)
            first = self._numbers.take(count)
            buffer = b"".join(self._parts)
            items.append(PacketBatch(buffer, self._starts, self._ends, self._linktype, first, _LAYOUT))
            self.packets += count
            self._parts, self._starts, self._ends, self._size = [], [], [], 0

    def _greet(self, sender: str, time: int, items: list[Item]) -> None:
        self._senders.add(sender)
        if len(self._senders) > MAX_SENDERS:
            text = f"more than {MAX_SENDERS} addresses send to {self.name}; losses of the others are not counted"
        else:
            text = f"{terminal(sender, 60)} mirrors packets to {self.name}"
        self._flush(items)
        items.append(CaptureComment(time, (), text))

    def _follow(self, sender: str, mirrored: Mirrored) -> None:
        """Numbers that are missing are datagrams that are."""
        assert mirrored.sequence is not None
        key = (sender, mirrored.sensor)
        last = self._sequences.get(key)
        if last is None:
            if len(self._sequences) < MAX_SENDERS:
                self._sequences[key] = mirrored.sequence
            return
        ahead = (mirrored.sequence - last) & 0xFFFF_FFFF
        if not ahead or 0x1_0000_0000 - ahead < _LATE:
            return  # sent twice, or overtaken: it was counted as lost, which is near enough
        self._sequences[key] = mirrored.sequence
        if 1 < ahead <= _MAX_GAP:
            self._lost[sender] = self._lost.get(sender, 0) + ahead - 1

    def _is_loop(self, datagram: bytes, start: int) -> bool:
        """Ethernet, IPv4 without options, UDP, and our port: what reaches us would be mirrored, and reach us."""
        return (
            datagram[start + 36 : start + 38] == self._port
            and datagram[start + 23 : start + 24] == b"\x11"
            and datagram[start + 12 : start + 15] == b"\x08\x00\x45"
        )

    def _useless(self, reason: str, datagram: bytes, sender: str) -> None:
        trouble = self._trouble.setdefault(reason, _Trouble())
        trouble.count += 1
        trouble.lost += len(datagram)
        trouble.sample = trouble.sample or datagram[:_SAMPLE]
        if len(trouble.senders) < 2:
            trouble.senders.add(terminal(sender, 60))

    def _overflows(self) -> int:
        """Datagrams that the kernel had no room for, since the beginning. Asked for, not waited for: the same number
        that SO_RXQ_OVFL attaches to datagrams comes with the next one only, and there may be none for a while."""
        if not _LINUX or self._socket.fileno() < 0:
            return 0
        try:
            counters = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_DROPS + 1))
        except OSError:
            return 0
        return int(struct.unpack_from("=I", counters, 4 * _DROPS)[0]) if len(counters) > 4 * _DROPS else 0


def parse(url: str) -> tuple[str, int]:
    """The address (empty: all of this machine) and the port of ``tzsp://[ADDRESS][:PORT]``."""
    match = _URL.fullmatch(url)
    if match is None or not 0 < int(match[2] or PORT) < 65536:
        raise SourceError(f"{terminal(url, 80)}: give tzsp://[ADDRESS][:PORT], an address of this machine")
    return match[1].removeprefix("[").removesuffix("]"), int(match[2] or PORT)


def _bound(address: str, port: int) -> socket.socket:
    """Without an address both IPv4 and IPv6 are listened on, where there is IPv6."""
    shown = f"[{address}]" if ":" in address else address or "any address"
    try:
        if not address and socket.has_dualstack_ipv6():
            made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            place: tuple[object, ...] = ("::", port)
        else:
            family, _, _, _, place = socket.getaddrinfo(address or "0.0.0.0", port, type=socket.SOCK_DGRAM)[0]
            made = socket.socket(family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise SourceError(f"tzsp://: {terminal(shown, 60)} is no address of this machine ({error})") from error
    try:
        made.setblocking(False)
        _enlarge(made)
        made.bind(place)
    except (OSError, OverflowError) as error:
        made.close()
        number = getattr(error, "errno", 0)
        if number == EADDRINUSE:
            why = f"another program listens on UDP port {port} already (Wireshark? another fieldkit?)"
        elif number == EADDRNOTAVAIL:
            why = f"{terminal(shown, 60)} is no address of this machine"
        elif number == EACCES:
            why = f"UDP port {port} may only be opened by root; mirror to port {PORT} instead"
        else:
            why = str(error)
        raise SourceError(f"tzsp://: {why}") from error
    return made


def _enlarge(made: socket.socket) -> None:
    """As much room as the kernel grants: with CAP_NET_ADMIN all of it, otherwise up to net.core.rmem_max."""
    if _LINUX:
        try:
            made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
        except PermissionError:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        return
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)


def _stamp(made: socket.socket) -> None:
    """Have the kernel say when a datagram arrived; with 64 bits on every machine, where it can."""
    if not _LINUX:
        return
    for option in (_SO_TIMESTAMPNS_NEW, _SO_TIMESTAMPNS):
        try:
            made.setsockopt(socket.SOL_SOCKET, option, 1)
        except OSError:
            continue
        return


def _arrival(ancillary: Iterable[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind in (_SO_TIMESTAMPNS_NEW, _SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("=qq" if len(data) == 16 else "=ii", data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return time.time_ns()
