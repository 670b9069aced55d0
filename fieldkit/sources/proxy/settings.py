"""What a proxy is told on the command line, taken apart and checked before anything is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from fieldkit.sources.proxy.faults import Fault

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|d)?")
_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}

TlsVersion: TypeAlias = Literal["1.0", "1.1", "1.2", "1.3"]


class Address(NamedTuple):
    """Where to listen; an empty host is every address of this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host or "*"
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Upstream:
    """The CSMS."""

    host: str
    port: int
    tls: bool
    prefix: str
    """Path that is put before that of each request: "" or "/ocpp/tenant7", without a slash at its end."""

    @property
    def authority(self) -> str:
        """As a ``Host`` field names it (RFC 9110 §7.2): the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'wss' if self.tls else 'ws'}://{self.authority}{self.prefix}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the relaying process has to know."""

    listen: Address
    upstream: Upstream
    host: str = ""
    """What ``Host`` shall say: "" that of the upstream, "keep" what the station says, else this."""
    certificate: str = ""
    """Files in PEM: with a certificate the listener speaks TLS."""
    key: str = ""
    authorities: str = ""
    """Trust anchors for the CSMS; "" those of this machine."""
    client_certificate: str = ""
    """Shown to the CSMS (security profile 3)."""
    client_key: str = ""
    insecure: bool = False
    """Whoever the CSMS claims to be is believed."""
    server_name: str = ""
    """Name that the CSMS's certificate must have, and that is sent as SNI; "" the host of the upstream."""
    oldest_tls: TlsVersion = "1.2"
    faults: tuple[Fault, ...] = field(default=())


def parse_listen(text: str) -> Address:
    """As in "0.0.0.0:9000", ":9000", "[::1]:9000", "9000"; ValueError with what is wrong."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host or not (colon or port.isdigit()):
        raise ValueError(f"{text!r} is no address to listen on: give HOST:PORT, as in 0.0.0.0:9000 or [::]:9000")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ValueError(f"{text!r}: {port!r} is no port number")
    return Address("" if host == "*" else host, int(port))


def parse_upstream(text: str) -> Upstream:
    """A ws:// or wss:// address (http:// and https:// mean the same); ValueError with what is wrong."""
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no address: {error}") from None
    if scheme not in _PORTS or not host:
        raise ValueError(f"{text!r}: give the CSMS as ws://HOST[:PORT][/PATH] or wss://HOST[:PORT][/PATH]")
    if parts.username is not None or parts.password is not None:
        raise ValueError("leave user and password out of the address: what the station sends is passed on")
    if parts.query or parts.fragment:
        raise ValueError(f"{text!r}: a query cannot be joined with that of the station; give the path only")
    if re.search(r"[\s\x00-\x20\x7f]", parts.path) or not (parts.path + host).isascii():
        raise ValueError(f"{text!r}: write what is not ASCII percent-encoded (path) or as xn--… (host)")
    return Upstream(host, port or _PORTS[scheme], scheme in ("wss", "https"), parts.path.rstrip("/"))


def parse_duration(text: str) -> float:
    """Seconds of "10m", "2s", "500ms", "1.5h"; a bare number is seconds. ValueError with what is wrong."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is no duration: write 500ms, 2s, 10m or 1h")
    return float(match[1]) * _UNITS[match[2] or "s"]
