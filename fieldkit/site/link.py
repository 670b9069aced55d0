"""Connections as a technician sees them: who opened them, what was agreed, how long they were silent, how they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fieldkit.events import BasicCredentials, Connection, Event

MAX_LINKS: Final = 20_000
"""Connections that are remembered after their end (the last ones)."""


@dataclass(slots=True)
class TlsSide:
    """What the passive eye saw of a connection's TLS."""

    server_name: str = ""
    offered: tuple[int, ...] = ()
    """Versions the client offered (0x0303 = TLS 1.2 …)."""
    version: int | None = None
    """Chosen by the server."""
    suite: int | None = None
    resumed: bool = False
    server_chain: tuple[bytes, ...] = ()
    """DER, as sent; TLS 1.3 hides it without keys."""
    client_chain: tuple[bytes, ...] = ()
    alerts: list[tuple[int, bool, str]] = field(default_factory=list)
    """(time, from the client, name), bounded."""
    opaque: str = ""
    """Why its content stays encrypted to us; empty when it does not."""


@dataclass(slots=True)
class Link:
    """One TCP connection that may have to do with OCPP."""

    connection: Connection
    station: str = ""
    """Identity; empty when no handshake or message named one."""
    protocol: str = ""
    """"websocket", "http" (SOAP), "tls", "unknown", "" (nothing was said)."""
    version: str = ""
    """OCPP version agreed or inferred."""
    target: str = ""
    """Request target of the upgrade."""
    offered: str = ""
    """Sec-WebSocket-Protocol of the request (or "" when there was none) …"""
    agreed: str = ""
    """… and of the 101 answer."""
    status: int | None = None
    """HTTP status of the answer to the upgrade."""
    credentials: BasicCredentials | None = None
    deflate: bool = False
    """permessage-deflate was agreed on."""
    closed: int | None = None
    how: str = ""
    """As ``ConnectionClosed.how``; empty while open."""
    by_client: bool | None = None
    close_code: int | None = None
    """Of the first WebSocket close frame; None without one."""
    close_by_client: bool | None = None
    close_reason: str = ""
    messages: int = 0
    pings: list[int] = field(default_factory=lambda: [0, 0])
    """From client, from server …"""
    pongs: list[int] = field(default_factory=lambda: [0, 0])
    last_traffic: int = 0
    """Time of the last WebSocket frame or HTTP message on it."""
    longest_idle: int = 0
    """Nanoseconds without any of these."""
    gaps: int = 0
    """Places where bytes are missing in the capture …"""
    missing: int = 0
    """… and how many."""
    tls: TlsSide | None = None


class Links:
    """All connections of a session."""

    WANTS: Final = frozenset[type[Event]]()
    """The events it takes in (OcppMessage is among them for ``messages`` and ``station``)."""

    def __init__(self) -> None:
        self.all: dict[int, Link] = {}
        """By connection number, oldest first."""
        self.forgotten = 0

    def of_station(self, station: str) -> list[Link]:
        """The connections of one station, oldest first."""
        return [link for link in self.all.values() if link.station == station]

    def feed(self, event: Event) -> None:
        """Take in an event of ``WANTS``."""
