"""What the lab asks of the kernel itself, as no program for it is everywhere: conntrack -F, ethtool -K."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

_CLONE_NEWNET: Final = 0x40000000
_NETLINK_NETFILTER: Final = 12
_CT_DELETE: Final = 0x0102
"""NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE (linux/netfilter/nfnetlink_conntrack.h)"""
_REQUEST_ACK: Final = 0x1 | 0x4
_NETLINK_ERROR: Final = 2
_SIOCETHTOOL: Final = 0x8946
_OFFLOADS: Final = (0x17, 0x1F, 0x24, 0x2C)
"""ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO (linux/ethtool.h)"""


def within(space: str, work: Callable[[], T]) -> T:
    """Done in a network namespace, by a thread that enters it and ends there."""
    results: list[T] = []
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path(f"/var/run/netns/{space}").open() as file:
                if libc.setns(file.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def forget_connections() -> None:
    """All that connection tracking knows: ``conntrack -F``."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as asked:
        asked.settimeout(5)
        body = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
        asked.send(struct.pack("=IHHII", 16 + len(body), _CT_DELETE, _REQUEST_ACK, 1, 0) + body)
        answer = asked.recv(4096)
    kind, error = struct.unpack_from("=H", answer, 4)[0], struct.unpack_from("=i", answer, 16)[0]
    assert kind == _NETLINK_ERROR, kind
    assert error == 0, os.strerror(-error)


def plain_packets(interface: str) -> None:
    """Whole packets with whole checksums, as a relay must have them: ``ethtool -K … tx off tso off gso off gro off``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for feature in _OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("=II", feature, 0), 8)
            request = struct.pack("@16sP", interface.encode(), ctypes.addressof(value)).ljust(40, b"\0")
            fcntl.ioctl(asked, _SIOCETHTOOL, request)
