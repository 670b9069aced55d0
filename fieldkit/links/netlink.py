"""What the Linux kernel reports of links, addresses, routes and tracked connections, as it lies in a datagram.

Netlink messages (RFC 3549, linux/netlink.h): a header of 16 bytes, a fixed part, attributes of type, length and value,
padded to four bytes; numbers in the machine's byte order, except where netfilter sends them as on the wire. A hundred
lines instead of a package, as routers have little room. ``listen`` is the only part that opens a socket.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from fieldkit.links.runner import NotHere, RunnerError

LOST: Final = b""
"""In place of a datagram: the kernel had more to report than we took in time, and threw some away."""

_ROUTE, _NETFILTER = 0, 12
_GROUPS: Final = {
    # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE
    "route": (_ROUTE, 0x1 | 0x10 | 0x40 | 0x100 | 0x400),
    # new, update, destroy
    "conntrack": (_NETFILTER, 0x1 | 0x2 | 0x4),
}
_BUFFER: Final = 1 << 20
"""Bytes the kernel may hold for us: a router that flushes its connections reports thousands at once."""
_DATAGRAM: Final = 1 << 16
_WAKE: Final = 0.2
"""Seconds after which a quiet listener looks whether it is still wanted."""

_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_LINK: Final = struct.Struct("=BxHiII")
_ADDRESS: Final = struct.Struct("=BBBBI")
_ROUTE_HEAD: Final = struct.Struct("=BBBBBBBBI")
_GETLINK, _NEWLINK, _DELLINK, _NEWADDR, _DELADDR, _NEWROUTE, _DELROUTE = 18, 16, 17, 20, 21, 24, 25
_GETADDR, _GETROUTE = 22, 26
_DONE: Final = 3
"""NLMSG_DONE: the end of an answer in several parts."""
_STOCK: Final = ((_GETLINK, _LINK.size), (_GETADDR, _ADDRESS.size), (_GETROUTE, _ROUTE_HEAD.size))
"""What is asked of the kernel at first, one after the other, and how long the fixed part of the question is."""
_DUMP: Final = 0x1 | 0x300
"""NLM_F_REQUEST | NLM_F_DUMP"""
MULTI: Final = 0x2
"""NLM_F_MULTI: part of an answer, and no news."""
_UP, _LOWER_UP = 0x1, 0x10000
_UNICAST, _MAIN = 1, 254


class Message(NamedTuple):
    """One netlink message."""

    type: int
    flags: int
    sender: int
    """Port number of the program that caused it; 0 for the kernel itself."""
    body: bytes


def listen(what: str, over: Callable[[], bool]) -> Iterator[tuple[int, bytes]]:
    """Datagrams, each with the time it came; for "route" first the links, addresses and routes there are."""
    if not hasattr(socket, "AF_NETLINK"):
        raise NotHere("only Linux reports what happens to its links")
    family, groups = _GROUPS[what]
    try:
        port = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    except OSError as error:
        raise NotHere(f"netlink: {error.strerror or error}") from error
    with port:
        try:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            port.bind((0, groups))
            port.settimeout(_WAKE)
            questions = list(_STOCK) if what == "route" else []
            _ask_next(port, questions)
        except PermissionError as error:
            raise RunnerError(f"netlink: only root is told of {what} events") from error
        except OSError as error:
            raise RunnerError(f"netlink: {error.strerror or error}") from error
        yield time.time_ns(), LISTENING
        while not over():
            try:
                data = port.recv(_DATAGRAM)
            except TimeoutError:
                continue
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise RunnerError(f"netlink: {error.strerror or error}") from error
                data = LOST
            if questions and any(message.type == _DONE for message in messages(data)):
                _ask_next(port, questions)
            yield time.time_ns(), data


def _ask_next(port: socket.socket, questions: list[tuple[int, int]]) -> None:
    """For all there are of a kind; the kernel takes one such question at a time."""
    if questions:
        kind, length = questions.pop(0)
        with suppress(OSError):  # then what there is counts as news once, no more
            port.send(_HEADER.pack(_HEADER.size + length, kind, _DUMP, 1, 0) + bytes(length))


LISTENING: Final = b"\0"
"""The first thing that comes: from now on nothing is missed."""


def messages(data: bytes) -> Iterator[Message]:
    """The messages of a datagram; a broken one ends it."""
    place = 0
    while place + _HEADER.size <= len(data):
        length, kind, flags, _, sender = _HEADER.unpack_from(data, place)
        if length < _HEADER.size or place + length > len(data):
            return
        yield Message(kind, flags, sender, data[place + _HEADER.size : place + length])
        place += length + 3 & ~3


def attributes(data: bytes, start: int = 0) -> dict[int, bytes]:
    """By type, without the flags of nesting and byte order."""
    found: dict[int, bytes] = {}
    while start + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4 or start + length > len(data):
            break
        found[kind & 0x3FFF] = data[start + 4 : start + length]
        start += length + 3 & ~3
    return found


class Link(NamedTuple):
    """An interface, as it is now."""

    number: int
    name: str
    up: bool
    """Switched on, and something answers at the other end of the cable."""
    admin: bool
    gone: bool
    news: bool


class Address(NamedTuple):
    """An address of an interface came or went."""

    number: int
    address: str
    gone: bool
    news: bool


class Route(NamedTuple):
    """A default route came or went."""

    number: int
    gateway: str
    metric: int
    table: int
    gone: bool
    news: bool


def route_message(message: Message) -> Link | Address | Route | None:
    """What a message of the route family says, if it concerns ways out."""
    kind, body, news = message.type, message.body, not message.flags & MULTI
    if kind in (_NEWLINK, _DELLINK) and len(body) >= _LINK.size:
        _, _, index, flags, _ = _LINK.unpack_from(body)
        name = attributes(body, _LINK.size).get(3, b"").rstrip(b"\0").decode("utf-8", "replace")
        up = flags & _UP != 0 and flags & _LOWER_UP != 0
        return Link(index, name, up, flags & _UP != 0, kind == _DELLINK, news)
    if kind in (_NEWADDR, _DELADDR) and len(body) >= _ADDRESS.size:
        family, _, _, scope, index = _ADDRESS.unpack_from(body)
        told = attributes(body, _ADDRESS.size)
        address = _ip(told.get(2) or told.get(1) or b"", family)
        return Address(index, address, kind == _DELADDR, news) if address and scope == 0 else None
    if kind in (_NEWROUTE, _DELROUTE) and len(body) >= _ROUTE_HEAD.size:
        family, length, _, _, table, _, _, sort, _ = _ROUTE_HEAD.unpack_from(body)
        if length or sort != _UNICAST or family not in (socket.AF_INET, socket.AF_INET6):
            return None
        told = attributes(body, _ROUTE_HEAD.size)
        table = _u32(told.get(15)) or table
        return Route(
            _u32(told.get(4)), _ip(told.get(5, b""), family), _u32(told.get(6)), table, kind == _DELROUTE, news
        )
    return None


def _ip(data: bytes, family: int) -> str:
    if (family == socket.AF_INET and len(data) == 4) or (family == socket.AF_INET6 and len(data) == 16):
        return str(ipaddress.ip_address(data))
    return ""


def _u32(data: bytes | None) -> int:
    return int(struct.unpack_from("=I", data)[0]) if data is not None and len(data) >= 4 else 0
