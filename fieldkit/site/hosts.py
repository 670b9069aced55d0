"""Servers that connections went to: what a capture contained, above all when it contained no OCPP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fieldkit.events import ConnectionOpened, ConnectionRecognised, Endpoint, Event, HttpRequest, TlsHello

MAX_HOSTS: Final = 5000
"""Servers that are told apart: a router sees every phone in the house."""
MAX_NAME: Final = 255
"""Characters of a name; DNS has no longer ones."""
MAX_NAMES: Final = 5
"""Names of one address: a load balancer has more."""


@dataclass(slots=True)
class Host:
    """A server at its address and port."""

    endpoint: Endpoint
    names: dict[str, None] = field(default_factory=dict)
    """By TLS server name or Host header, in the order seen."""
    protocols: dict[str, None] = field(default_factory=dict)
    """"websocket", "http", "tls"; what was recognised later comes last."""
    connections: int = 0
    first: int = 0
    last: int = 0
    """When connections were opened."""


class Hosts:
    """All servers of a session."""

    WANTS: Final = frozenset[type[Event]]({ConnectionOpened, ConnectionRecognised, TlsHello, HttpRequest})

    def __init__(self) -> None:
        self.all: dict[tuple[str, int], Host] = {}
        self.crowded_out = 0
        """Connections to servers beyond ``MAX_HOSTS``."""

    def busiest(self) -> list[Host]:
        """Those with most connections first."""
        return sorted((host for host in self.all.values() if host.connections), key=lambda host: -host.connections)

    def feed(self, event: Event) -> None:
        """Take in an event of ``WANTS``."""
        if isinstance(event, ConnectionOpened):
            host = self._host(event.connection.server)
            if host is None:
                self.crowded_out += 1
                return
            host.connections += 1
            host.first = host.first or event.time
            host.last = event.time
        elif isinstance(event, ConnectionRecognised):
            host = self.all.get((event.connection.server.address, event.connection.server.port))
            if host is None:
                return
            if event.protocol == "mirror":
                host.connections -= 1  # a second copy of a connection that is counted already
            elif event.protocol != "unknown":
                host.protocols[event.protocol] = None
        elif isinstance(event, TlsHello):
            if event.from_client and event.server_name:
                self._named(event.connection.server, event.server_name)
        elif isinstance(event, HttpRequest) and event.from_client:
            name = event.headers.get("host", "")
            if name:
                self._named(event.connection.server, _without_port(name))

    def _host(self, server: Endpoint) -> Host | None:
        key = (server.address, server.port)
        host = self.all.get(key)
        if host is None and len(self.all) < MAX_HOSTS:
            host = self.all[key] = Host(server)
        return host

    def _named(self, server: Endpoint, name: str) -> None:
        host = self.all.get((server.address, server.port))
        if host is not None and len(host.names) < MAX_NAMES and name != server.address:
            host.names[name[:MAX_NAME]] = None


def _without_port(host: str) -> str:
    """A Host header (RFC 9110 §7.2): a name or address, perhaps with a port."""
    host = host[: MAX_NAME + 8]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
