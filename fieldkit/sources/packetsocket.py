"""Packet sockets of Linux (packet(7)) with a filter on them before the first packet: all that takes a right.

Making the socket needs CAP_NET_RAW; what is done with it afterwards (the ring, the bind, promiscuous mode) needs
nothing. So a process that has the right may open sockets for one that has not (``privileges.Opener``). The filter is
locked and names the interface: whoever is handed the socket sees what was asked for and cannot widen it.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from fieldkit.sources.bpf import CaptureFilter, Instruction, compile_filter
from fieldkit.sources.file import SourceError
from fieldkit.wire.link import network_layer

INTERFACES: Final = Path("/sys/class/net")
MAX_NAME: Final = 15
"""Characters of an interface's name (linux/if.h: IFNAMSIZ with its closing zero)."""

SOL_PACKET: Final = 263
_ADD_MEMBERSHIP, _TIMESTAMP = 1, 17
_PROMISCUOUS: Final = 1
_SO_ATTACH_FILTER, _SO_LOCK_FILTER = 26, 44
_ALL_PROTOCOLS: Final = 3
_RAW_HARDWARE: Final = 1 << 6
"""SOF_TIMESTAMPING_RAW_HARDWARE (linux/net_tstamp.h)."""
_SIOCGHWTSTAMP: Final = 0x89B1

_LINKTYPES: Final = {
    1: 1,  # Ethernet
    772: 1,  # loopback, with an Ethernet header of zeros
    801: 105,  # 802.11
    803: 127,  # 802.11 with radiotap
    # Tunnels and modems. The kernel shows what they carry without the header of their link, also for PPP, whose header
    # is put on behind the place where a packet socket looks.
    512: 101,
    519: 101,
    768: 101,
    769: 101,
    776: 101,
    778: 101,
    823: 101,
    65534: 101,
}
"""Hardware types (linux/if_arp.h) and the link types of captures."""


class Opens(Protocol):
    """Whoever makes packet sockets: this process, or one that has kept the right to."""

    def socket(self, interface: str, wanted: CaptureFilter) -> socket.socket:
        """A socket with the filter on it that is not yet bound; SourceError when there can be none."""


class OpensHere:
    """With the rights of this process."""

    def socket(self, interface: str, wanted: CaptureFilter) -> socket.socket:
        """A socket with the filter on it that is not yet bound; SourceError when there can be none."""
        if not hasattr(socket, "AF_PACKET"):
            raise SourceError(f"{interface}: only Linux has packet sockets; use --with scapy, dumpcap or tcpdump here")
        index = index_of(interface)
        if not index:
            raise SourceError(f"{interface}: there is no such interface (fieldkit doctor lists them)")
        loops = number_of(interface, "flags") & 0x8 != 0  # IFF_LOOPBACK
        program = compile_filter(wanted, interface=index, skip_outgoing=loops)
        try:
            # Protocol 0: no packet comes before the filter is there.
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise SourceError(
                "capturing needs the right CAP_NET_RAW: run it with sudo, or see what fieldkit doctor says"
            ) from error
        try:
            _attach(opened, program)
        except OSError as error:
            opened.close()
            raise SourceError(why(interface, error)) from error
        return opened


def _attach(to: socket.socket, program: list[Instruction]) -> None:
    steps = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    to.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(steps)))
    to.setsockopt(socket.SOL_SOCKET, _SO_LOCK_FILTER, 1)


def bind(opened: socket.socket, interface: str) -> None:
    """From now on packets come, also those that are meant for somebody else: a mirrored port is full of them."""
    opened.bind((interface, _ALL_PROTOCOLS))
    membership = struct.pack("=iHH8x", index_of(interface), _PROMISCUOUS, 0)
    # Some tunnels and Wi-Fi drivers cannot; then there is what is meant for this machine.
    with suppress(OSError):
        opened.setsockopt(SOL_PACKET, _ADD_MEMBERSHIP, membership)


def use_hardware_time(opened: socket.socket, on: bool) -> None:
    """Let packets carry the time at which the interface itself took them, where it knows it."""
    opened.setsockopt(SOL_PACKET, _TIMESTAMP, _RAW_HARDWARE if on else 0)


def stamps_in_hardware(interface: str) -> bool:
    """Whether the interface has been told to stamp what it receives (by a PTP daemon, for instance).

    It is only asked: telling it would take another right, and take its clock from whoever steers it.
    """
    import fcntl  # not on Windows, where nobody asks

    config = ctypes.create_string_buffer(12)  # struct hwtstamp_config: flags, tx_type, rx_filter
    request = struct.pack("@16sP", interface.encode()[:MAX_NAME], ctypes.addressof(config)).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked, _SIOCGHWTSTAMP, request)
        except OSError:
            return False
    return bool(struct.unpack("=3i", config.raw)[2])


def link_type_of(interface: str) -> int:
    """The link type of an interface's packets; SourceError when there is no such interface or nobody can read it."""
    kind = number_of(interface, "type", -1) if is_name(interface) else -1
    if kind < 0:
        raise SourceError(f"{interface}: there is no such interface (fieldkit doctor lists them)")
    linktype = _LINKTYPES.get(kind)
    if linktype is None or network_layer(linktype) is None:
        raise SourceError(
            f"{interface}: packets of this kind of interface (ARPHRD {kind}) cannot be read; try --with dumpcap"
        )
    return linktype


def is_name(interface: str) -> bool:
    """Whether an interface may be called so: no path, no space (dev_valid_name in the kernel)."""
    if not 0 < len(interface.encode("utf-8", "replace")) <= MAX_NAME or interface in (".", ".."):
        return False
    return interface.isprintable() and not set(interface) & set("/: ")


def names() -> list[str]:
    """All interfaces there are."""
    try:
        return sorted(path.name for path in INTERFACES.iterdir() if (path / "ifindex").exists())
    except OSError:
        return []


def index_of(interface: str) -> int:
    """The kernel's number for it, 0 when there is no such interface."""
    return number_of(interface, "ifindex") if is_name(interface) else 0


def is_up(interface: str) -> bool:
    """IFF_UP (linux/if.h): it was switched on. Whether a cable is in it is another matter."""
    return bool(number_of(interface, "flags") & 1)


def number_of(interface: str, what: str, otherwise: int = 0) -> int:
    """A number the kernel shows of an interface."""
    try:
        return int((INTERFACES / interface / what).read_text("ascii"), 0)
    except (OSError, ValueError):
        return otherwise


def why(interface: str, error: OSError) -> str:
    """What to say of a socket that could not be had."""
    if error.errno == errno.ENODEV:
        return f"{interface}: there is no such interface (fieldkit doctor lists them)"
    if error.errno == errno.ENOMEM:
        return f"{interface}: the kernel has no memory for a ring; ask for a smaller one (--buffer)"
    return f"{interface}: {error.strerror or error}"
