"""A question for a name's addresses, asked over one interface (RFC 1035 §4).

The system's own resolver asks over whichever uplink is in use, and remembers: neither tells what the other uplink says.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import time
from typing import Final

from fieldkit.links.probes.probe import Named
from fieldkit.sources.boundsocket import bound

PATIENCE: Final = 2.5
"""Seconds for an answer; it is asked for once more when the first got none."""
TRIES: Final = 2
MAX_ADDRESSES: Final = 8
_HEADER: Final = struct.Struct("!HHHHHH")
_A, _AAAA, _IN = 1, 28, 1
_RECURSE: Final = 0x0100
_RESPONSE: Final = 0x8000
_DATAGRAM: Final = 4096
_CODES: Final = {1: "format error", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused"}
"""RFC 1035 §4.1.1, RCODE."""
_OVERHEAD: Final = 28
"""IPv4 and UDP headers of a datagram."""


NO_ADDRESS: Final = "the name has no address"


class DnsError(ValueError):
    """The answer is none, or says no."""


def question(name: str, number: int, kind: int = _A) -> bytes:
    """The datagram that asks for a name."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    if any(not 0 < len(label) < 64 for label in labels):
        raise DnsError(f"{name} is no name that DNS can have")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(number, _RECURSE, 1, 0, 0, 0) + encoded + struct.pack("!HH", kind, _IN)


def answer(data: bytes, number: int) -> tuple[str, ...]:
    """The addresses in a datagram that answers; DnsError says why there are none."""
    try:
        sent, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
        if sent != number or not flags & _RESPONSE:
            raise DnsError("what came is no answer to the question")
        code = flags & 0xF
        if code:
            raise DnsError(_CODES.get(code, f"error {code}"))
        place = _HEADER.size
        for _ in range(questions):
            place = _after_name(data, place) + 4
        found: list[str] = []
        for _ in range(answers):
            place = _after_name(data, place)
            kind, _, _, length = struct.unpack_from("!HHIH", data, place)
            place += 10
            value = data[place : place + length]
            if (kind, len(value)) in ((_A, 4), (_AAAA, 16)):
                found.append(str(ipaddress.ip_address(value)))
            place += length
    except struct.error as error:
        raise DnsError("the answer is cut off") from error
    if not found:
        raise DnsError(NO_ADDRESS)
    return tuple(dict.fromkeys(found))[:MAX_ADDRESSES]


def _after_name(data: bytes, place: int) -> int:
    """Where a name ends. A pointer (§4.1.4) is its end, wherever it leads."""
    while place < len(data):
        length = data[place]
        if length >= 0xC0:
            return place + 2
        place += 1 + length
        if not length:
            return place
    raise DnsError("the answer is cut off")


def ask(name: str, server: str, interface: str, *, patience: float = PATIENCE) -> tuple[Named, int]:
    """What a server says over an interface, and how many bytes that took. IPv6 is asked for where there is no IPv4."""
    named, cost = _ask(name, server, interface, _A, patience)
    if named.error == NO_ADDRESS:
        named, more = _ask(name, server, interface, _AAAA, patience)
        cost += more
    return named, cost


def _ask(name: str, server: str, interface: str, kind: int, patience: float) -> tuple[Named, int]:
    cost = 0
    error = "no answer"
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    for _ in range(TRIES):
        number = int.from_bytes(os.urandom(2), "big")
        begun = time.monotonic()
        try:
            asked = question(name, number, kind)
            with bound(family, socket.SOCK_DGRAM, 0, interface) as made:
                made.settimeout(patience)
                made.connect((server, 53))
                made.send(asked)
                cost += len(asked) + _OVERHEAD
                data = made.recv(_DATAGRAM)
                cost += len(data) + _OVERHEAD
            found = answer(data, number)
        except TimeoutError:
            error = "no answer"
        except DnsError as problem:
            return Named(server, error=str(problem), ms=(time.monotonic() - begun) * 1e3), cost
        except OSError as problem:
            error = problem.strerror or str(problem)
        else:
            return Named(server, found, ms=(time.monotonic() - begun) * 1e3), cost
    return Named(server, error=error), cost
