"""Connections as a technician sees them: who opened them, what was agreed, how long they were silent, how they end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from fieldkit.events import (
    BasicCredentials,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    Event,
    HttpRequest,
    HttpResponse,
    OcppMessage,
    StreamGap,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
    WsControl,
)
from fieldkit.ocpp.identity import identity_of
from fieldkit.site.tlsseen import SharedChains, TlsSide

__all__ = ["Link", "Links", "TlsSide", "asks_upgrade", "identity_of", "speaks_ocpp"]

MAX_LINKS: Final = 20_000
"""Connections that are remembered; of those that ended, the ones without OCPP are forgotten first."""
MAX_TEXT: Final = 500
"""Characters kept of a target, a subprotocol list, a close reason."""

_FORWARDING: Final = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via", "cf-connecting-ip")
"""Fields that a reverse proxy adds: what is plain behind it may have come over TLS."""


def asks_upgrade(request: HttpRequest) -> bool:
    """Whether it means to become a WebSocket; some proxies strip ``Upgrade`` and leave the key."""
    headers = request.headers
    return "sec-websocket-key" in headers or "websocket" in headers.get("upgrade", "").lower()


def speaks_ocpp(request: HttpRequest) -> bool:
    """Whether an upgrade request names OCPP, as its subprotocol or in its path."""
    said = request.headers.get("sec-websocket-protocol", "")[:MAX_TEXT] + request.target[:MAX_TEXT]
    return "ocpp" in said.lower()


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
    ocpp: bool = False
    """Its upgrade request names OCPP, or OCPP messages were seen on it."""
    soap: bool = False
    asked: int | None = None
    """When the upgrade was asked for …"""
    upgraded: int | None = None
    """… and when it was answered by 101."""
    heads_complete: bool = True
    """The capture cuts neither the upgrade request nor its answer."""
    forwarded: bool = False
    """A reverse proxy handed it on: how the station itself connects is not to be seen here."""
    key: str = ""
    """Sec-WebSocket-Key: the same one twice is one handshake, captured in two places."""
    heard: list[int] = field(default_factory=lambda: [0, 0])
    """When the client and when the server was last heard: frames and HTTP messages, not bare TCP."""
    ping_waiting: list[int] = field(default_factory=lambda: [0, 0])
    """Time of the first ping of client and server that no pong has answered yet; 0 when there is none."""
    last_gap: int = 0
    """When bytes were last found missing that no snap length explains; 0: never."""
    silent_at_end: list[int] = field(default_factory=lambda: [0, 0])
    """How long client and server had been silent, in ns, when the end began (the first close frame, else FIN or RST);
    0 for a side that was never heard."""

    @property
    def idle_at_end(self) -> int:
        """How long the connection had been silent when its end began."""
        return min((silence for silence in self.silent_at_end if silence), default=0)

    @property
    def ended_by_client(self) -> bool | None:
        """Who began the end: by a close frame, else by FIN or RST."""
        return self.by_client if self.close_by_client is None else self.close_by_client

    @property
    def server(self) -> tuple[str, int]:
        """Address and port."""
        return self.connection.server.address, self.connection.server.port

    @property
    def is_websocket(self) -> bool:
        """It became a WebSocket, in sight or before."""
        return self.protocol == "websocket"


class Links:
    """All connections of a session."""

    WANTS: Final = frozenset[type[Event]](
        {
            ConnectionOpened,
            ConnectionClosed,
            ConnectionRecognised,
            HttpRequest,
            HttpResponse,
            WsControl,
            StreamGap,
            TlsHello,
            TlsCertificates,
            TlsAlert,
            TlsOpaque,
            OcppMessage,
        }
    )
    """The events it takes in (OcppMessage is among them for ``messages`` and ``station``)."""

    def __init__(self) -> None:
        self.all: dict[int, Link] = {}
        """By connection number, oldest first."""
        self.forgotten = 0
        self._ended: deque[int] = deque()
        self._ended_dull: deque[int] = deque()
        """Numbers of connections that ended: with OCPP (or failed on the way to anything), and the others."""
        self._chains = SharedChains()
        self._handlers: Final[dict[type[Event], Callable[[Any], None]]] = {
            OcppMessage: self._message,
            WsControl: self._control,
            ConnectionOpened: self._opened,
            ConnectionClosed: self._closed,
            ConnectionRecognised: self._recognised,
            HttpRequest: self._request,
            HttpResponse: self._response,
            StreamGap: self._gap,
            TlsHello: self._hello,
            TlsCertificates: self._certificates,
            TlsAlert: self._alert,
            TlsOpaque: self._opaque,
        }

    def of_station(self, station: str) -> list[Link]:
        """The connections of one station, oldest first."""
        return [link for link in self.all.values() if link.station == station]

    def get(self, connection: Connection | None) -> Link | None:
        """What is known of a connection; None for a log's, a mirror, or one that was forgotten."""
        return None if connection is None else self.all.get(connection.number)

    def feed(self, event: Event) -> None:
        """Take in an event of ``WANTS``."""
        handler = self._handlers.get(event.__class__)
        if handler is not None:
            handler(event)

    # -------------------------------------------------------------------------------------------------- the hot path

    def _message(self, message: OcppMessage) -> None:
        channel = message.channel
        connection = channel.connection
        if connection is None:
            return
        link = self.all.get(connection.number)
        if link is None:
            link = self._link(connection)
        if channel.transport == "soap":
            link.soap = True
        else:
            # Over SOAP the HTTP events have told the time already.
            self._traffic(link, message.time, message.sender == "station")
        link.messages += 1
        if not link.ocpp or link.station != channel.station or link.version != channel.version:
            link.ocpp = True
            link.station = channel.station
            link.version = channel.version

    @staticmethod
    def _traffic(link: Link, time: int, from_client: bool) -> None:
        last = link.last_traffic
        if last and time - last > link.longest_idle:
            link.longest_idle = time - last
        link.last_traffic = time
        link.heard[not from_client] = time

    def _control(self, control: WsControl) -> None:
        link = self._link(control.connection)
        side = 0 if control.from_client else 1
        if control.kind == "close" and link.close_by_client is None:
            link.silent_at_end = _silences(link, control.time)
        self._traffic(link, control.time, control.from_client)
        if control.kind == "ping":
            link.pings[side] += 1
            if not link.ping_waiting[side]:
                link.ping_waiting[side] = control.time
        elif control.kind == "pong":
            link.pongs[side] += 1
            link.ping_waiting[1 - side] = 0  # RFC 6455 §5.5.3: answering the most recent ping is enough
        elif link.close_by_client is None:
            link.close_by_client = control.from_client
            link.close_code = control.code
            link.close_reason = control.reason[:MAX_TEXT]

    # ------------------------------------------------------------------------------------------------- TCP and HTTP

    def _link(self, connection: Connection) -> Link:
        link = self.all.get(connection.number)
        if link is None:
            if len(self.all) >= MAX_LINKS:
                self._forget()
            link = self.all[connection.number] = Link(connection)
        return link

    def _forget(self) -> None:
        for numbers in (self._ended_dull, self._ended):
            while numbers:
                if self.all.pop(numbers.popleft(), None) is not None:
                    self.forgotten += 1
                    return
        self.all.pop(next(iter(self.all)))
        self.forgotten += 1

    def _opened(self, event: ConnectionOpened) -> None:
        self._link(event.connection)

    def _closed(self, event: ConnectionClosed) -> None:
        link = self.all.get(event.connection.number)
        if link is None:
            return
        link.closed, link.how, link.by_client = event.time, event.how, event.by_client
        if link.close_by_client is None:
            link.silent_at_end = _silences(link, event.time)
        dull = not link.ocpp and event.how not in ("refused", "no-answer")
        (self._ended_dull if dull else self._ended).append(event.connection.number)

    def _recognised(self, event: ConnectionRecognised) -> None:
        if event.protocol == "mirror":
            self.all.pop(event.connection.number, None)
        else:
            self._link(event.connection).protocol = event.protocol

    def _request(self, request: HttpRequest) -> None:
        link = self._link(request.connection)
        self._traffic(link, request.time, request.from_client)
        if not asks_upgrade(request):
            if request.credentials is not None:
                link.credentials = request.credentials
            return
        headers = request.headers
        link.asked = request.time
        link.target = request.target[:MAX_TEXT]
        link.offered = headers.get("sec-websocket-protocol", "")[:MAX_TEXT]
        link.credentials = request.credentials
        link.key = headers.get("sec-websocket-key", "")[:MAX_TEXT]
        link.heads_complete = request.complete
        link.forwarded = any(name in headers for name in _FORWARDING)
        if speaks_ocpp(request):
            link.ocpp = True
            link.station = identity_of(request.target) or link.station

    def _response(self, response: HttpResponse) -> None:
        link = self._link(response.connection)
        self._traffic(link, response.time, response.from_client)
        if response.status != 101 and (response.request is None or not asks_upgrade(response.request)):
            return
        link.status = response.status
        if response.status == 101:
            headers = response.headers
            link.upgraded = response.time
            link.agreed = headers.get("sec-websocket-protocol", "")[:MAX_TEXT]
            link.deflate = "permessage-deflate" in headers.get("sec-websocket-extensions", "").lower()
            link.heads_complete = link.heads_complete and response.complete
            if "ocpp" in link.agreed.lower():
                link.ocpp = True
                link.station = link.station or identity_of(link.target)

    def _gap(self, gap: StreamGap) -> None:
        link = self._link(gap.connection)
        link.gaps += 1
        link.missing += gap.missing
        if not gap.snapped:
            link.last_gap = gap.time
        link.ping_waiting = [0, 0]  # the pong may have been in it

    # ---------------------------------------------------------------------------------------------------------- TLS

    def _tls(self, connection: Connection) -> TlsSide:
        link = self._link(connection)
        if link.tls is None:
            link.tls = TlsSide()
        return link.tls

    def _hello(self, hello: TlsHello) -> None:
        self._tls(hello.connection).hello(hello)

    def _certificates(self, event: TlsCertificates) -> None:
        self._tls(event.connection).certificates(event, self._chains)

    def _alert(self, alert: TlsAlert) -> None:
        self._tls(alert.connection).alert(alert)

    def _opaque(self, event: TlsOpaque) -> None:
        self._tls(event.connection).opaque = event.reason


def _silences(link: Link, time: int) -> list[int]:
    return [time - heard if heard else 0 for heard in link.heard]
