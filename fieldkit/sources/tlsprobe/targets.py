"""From what the user wrote to what is looked at: a name, a port, a path, and every address behind the name."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

DEFAULT_PORTS: Final = {"wss": 443, "https": 443, "ws": 80, "http": 80}
MAX_ADDRESSES: Final = 8
"""Of one name; the rest is told and left alone."""
RESOLVE_S: Final = 4.0
"""How long a name may take: what a resolver does in vain at the first server, it tries at the second after 5 s."""

RESOLVED_AT_ONCE: Final = 16

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class TargetError(ValueError):
    """It cannot be understood; the text says what would be."""


@dataclass(frozen=True)
class Target:
    """What the user named."""

    text: str
    """As it was written, without a password."""
    host: str
    """A name or an address, with the zone of a link-local one ("fe80::1%eth0")."""
    port: int
    tls: bool
    """False for ws://: no TLS is expected."""
    path: str
    """Of the upgrade; empty when none was given."""

    @property
    def name(self) -> str:
        """The host as certificates and HTTP have it: zones mean something on this machine only (RFC 6874 §4)."""
        return self.host.partition("%")[0]

    @property
    def is_address(self) -> bool:
        """It names an address and no host: there is no name to ask for."""
        return _address(self.host) is not None


@dataclass(frozen=True)
class Way:
    """One address, and how to get there."""

    address: str
    port: int
    family: int
    sockaddr: tuple[Any, ...]
    interface: str = ""
    source: str = ""

    @property
    def shown(self) -> str:
        """As in "203.0.113.5:443 through wwan0"."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        via = [f"through {self.interface}"] if self.interface else []
        via += [f"from {self.source}"] if self.source else []
        return " ".join([f"{host}:{self.port}", *via])


@dataclass
class Resolved:
    """What a name led to."""

    addresses: list[tuple[int, tuple[Any, ...]]] = field(default_factory=list)
    """Family and socket address."""
    left_out: int = 0
    error: str = ""


def parse(text: str, identity: str = "") -> Target:
    """``wss://csms.example:443/ocpp/CP_7``, ``csms.example``, ``csms.example:8443``, ``[2001:db8::1]:443``."""
    text = text.strip()
    if not text or any(character.isspace() for character in text):
        raise TargetError(f"{text!r} is no target: give HOST, HOST:PORT or wss://HOST[:PORT]/PATH")
    written = text if _SCHEME.match(text) else f"wss://{_bracketed(text)}"
    try:
        parts = urlsplit(written)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise TargetError(f"{text}: {error}") from error
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise TargetError(f"{text}: {scheme}:// is not known; give wss:// or ws://, or HOST:PORT")
    if parts.password is not None:
        raise TargetError("no password in a target, please: everybody on this machine can see the command line "
                          "(--password-file, --password-env or --ask-password)")  # fmt: skip
    if not host or port == 0:
        raise TargetError(f"{text}: give HOST, HOST:PORT or wss://HOST[:PORT]/PATH")
    host = host.replace("%25", "%")  # as RFC 6874 §2 has it written
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if identity:
        base, mark, query = path.partition("?")
        path = f"{base.rstrip('/')}/{quote(identity, safe='')}{mark}{query}"
    return Target(text, _ascii(host, text), port or DEFAULT_PORTS[scheme], scheme in ("wss", "https"), path)


def identity_of(target: Target) -> str:
    """The station's identity: the last part of the path (OCPP-J 1.6 §3.1.1)."""
    return unquote(target.path.partition("?")[0].rstrip("/").rpartition("/")[2])


def _bracketed(text: str) -> str:
    """A bare IPv6 address gets its brackets."""
    return f"[{text}]" if text.count(":") > 1 and _address(text) is not None else text


def _ascii(host: str, text: str) -> str:
    """As DNS has it (IDNA)."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise TargetError(f"{text}: {host} is no host name") from error


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def resolve(target: Target, family: int = 0, patience: float = RESOLVE_S) -> Resolved:
    """All addresses of a target. A name is asked for in a thread of its own, as nothing else can end the asking."""
    if target.is_address:
        return _ask(target, family)
    found: list[Resolved] = []
    thread = threading.Thread(target=lambda: found.append(_ask(target, family)), daemon=True)
    thread.start()
    thread.join(patience)
    if not found:
        return Resolved(error=f"no answer from DNS for {target.host} within {patience:.0f} s")
    return found[0]


def resolve_all(wanted: Sequence[Target], family: int = 0, patience: float = RESOLVE_S) -> list[tuple[Resolved, float]]:
    """The addresses of several, asked for side by side, and how long each took."""

    def one(target: Target) -> tuple[Resolved, float]:
        begun = time.monotonic()
        return resolve(target, family, patience), time.monotonic() - begun

    if len(wanted) < 2:
        return [one(target) for target in wanted]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(RESOLVED_AT_ONCE) as pool:
        return list(pool.map(one, wanted))


def _ask(target: Target, family: int) -> Resolved:
    try:
        # As bytes: a str would have Python load its tables for IDNA, which has been seen to already.
        answers = socket.getaddrinfo(target.host.encode("ascii"), target.port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        return Resolved(error=f"{target.host} cannot be resolved: {said}")
    addresses = list(dict.fromkeys((int(answer[0]), tuple(answer[4])) for answer in answers))
    return Resolved(addresses[:MAX_ADDRESSES], max(len(addresses) - MAX_ADDRESSES, 0))


def way(family: int, sockaddr: tuple[Any, ...], interface: str = "", source: str = "") -> Way:
    """A way to an address."""
    return Way(str(sockaddr[0]), int(sockaddr[1]), family, sockaddr, interface, source)
