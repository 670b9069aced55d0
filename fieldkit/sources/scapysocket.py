"""Packets through scapy's sockets: macOS (/dev/bpf), Windows (Npcap), and link types that nobody else here knows.

scapy takes over half a second to import, and reads one packet at a time: this is the way for machines that have no
other. It is imported when such a source is opened, and is not installed everywhere.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fieldkit.events import PacketBatch
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.pcapfilter import pcap_filter
from fieldkit.wire.link import Network, needs_dissector, network_layer, register

MAX_READ: Final = 500
"""Packets taken at a time: other sources have their turn in between."""


@dataclass(frozen=True, slots=True)
class _Times:
    """The time of each packet by where it begins."""

    at: dict[int, int]

    def time(self, buffer: bytes, start: int) -> int:
        """Nanoseconds since the epoch."""
        return self.at[start]

    def interface(self, buffer: bytes, start: int) -> int:
        """A socket has one interface."""
        return 0


class ScapySource:
    """One interface."""

    def __init__(self, interface: str, wanted: CaptureFilter, numbers: FrameNumbers) -> None:
        """SourceError when scapy is missing or cannot capture there."""
        self.name = interface
        self._numbers = numbers
        self._received = 0
        self._why: str | None = None
        conf = scapy_conf()
        try:
            self._socket: Any = conf.L2listen(iface=interface, filter=pcap_filter(wanted) or None)
        except Exception as error:  # scapy's own, OSError, ValueError: whatever the system below says
            raise SourceError(_explained(interface, error)) from error
        self.linktype = _linktype(self._socket, conf)
        if needs_dissector(self.linktype):
            teach(self.linktype)
        if network_layer(self.linktype) is None:
            self._socket.close()
            raise SourceError(f"{interface}: packets of link type {self.linktype} cannot be read")
        if sys.platform != "win32":
            os.set_blocking(self._socket.fileno(), False)

    def fileno(self) -> int:
        """Of the socket; on Windows there is none that could be waited for."""
        return -1 if sys.platform == "win32" or self._why is not None else int(self._socket.fileno())

    def read(self) -> list[Item]:
        """The packets that have come, one batch."""
        pieces: list[bytes] = []
        starts: list[int] = []
        ends: list[int] = []
        times: dict[int, int] = {}
        at = 0
        while self._why is None and len(pieces) < MAX_READ:
            try:
                _, data, moment = self._socket.recv_raw(1 << 18)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno == errno.ENETDOWN:
                    break  # told once when it goes down; it may come up again
                self._why = f"{self.name}: {error.strerror or error}"
                break
            if not data:
                break
            starts.append(at)
            times[at] = int(moment * 1_000_000_000) if moment else time.time_ns()
            at += len(data)
            ends.append(at)
            pieces.append(bytes(data))
        if not pieces:
            return []
        self._received += len(pieces)
        first = self._numbers.take(len(pieces))
        return [PacketBatch(b"".join(pieces), starts, ends, self.linktype, first, _Times(times))]

    def tick(self, now: int) -> list[Item]:
        """There is nothing to look after."""
        return []

    def counters(self) -> tuple[int, int]:
        """Packets read; what was lost scapy does not tell."""
        return self._received, 0

    def ended(self) -> str | None:
        """Why the socket gives no more."""
        return self._why

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
        self._why = self._why if self._why is not None else ""


def teach(linktype: int) -> None:
    """Let scapy find IP in a link type that ``wire.link`` leaves to an outside dissector."""
    conf = scapy_conf()
    outer = conf.l2types.num2layer.get(linktype)
    if outer is None:
        return
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    register(linktype, _dissected(outer, IP, IPv6))


def _dissected(outer: Any, ip: Any, ipv6: Any) -> Callable[[bytes, int, int], Network]:
    def find(buffer: bytes, start: int, end: int) -> Network:
        try:
            packet = outer(buffer[start:end])
            for version, layer in ((4, ip), (6, ipv6)):
                inner = packet.getlayer(layer)
                if inner is not None:
                    # What the layers in front took: the header and all behind it stand at the end of the packet.
                    return version, end - len(inner.original)
        except Exception:  # a dissector of somebody else's, on bytes of a stranger's
            return None
        return None

    return find


def scapy_conf() -> Any:
    """scapy's settings, its link layers loaded; SourceError when it is not there."""
    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # it warns of missing routes and the like
    try:
        import scapy.layers.all  # noqa: F401  # it names the link types
        from scapy.arch import get_if_list  # noqa: F401  # it chooses the sockets of this system
        from scapy.config import conf
    except ImportError as error:
        raise SourceError("scapy is not installed: pip install scapy") from error
    if conf.L2listen is None:
        raise SourceError("scapy has no way to capture here: on Windows install Npcap, elsewhere libpcap")
    return conf


def _linktype(opened: Any, conf: Any) -> int:
    descriptor = getattr(opened, "pcap_fd", None)
    if descriptor is not None and hasattr(descriptor, "datalink"):
        return int(descriptor.datalink())
    layer = getattr(opened, "guessed_cls", None) or getattr(opened, "LL", None)
    return int(conf.l2types.layer2num.get(layer, 1))


def _explained(interface: str, error: Exception) -> str:
    if isinstance(error, PermissionError) or "ermission" in str(error) or "not permitted" in str(error):
        return f"{interface}: capturing is not permitted: fieldkit doctor says what is missing"
    if getattr(error, "errno", 0) == 19 or "No such device" in str(error) or "not found" in str(error):
        return f"{interface}: there is no such interface (fieldkit doctor lists them)"
    return f"{interface}: {error}"
