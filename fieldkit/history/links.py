"""Which connections are worth rows.

A capture of a house is full of connections that are not OCPP's. What is to be told of one is held back until it shows
OCPP, or fails on the way to it: refused, never answered, a TLS alert, an upgrade turned down. Encrypted ones may be
OCPP's: the first few to each server are told.
"""

from __future__ import annotations

from typing import Final

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
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
from fieldkit.site.link import asks_upgrade, speaks_ocpp

MAX_LINKS: Final = 20_000
"""Connections remembered at a time; the oldest are forgotten first."""
MAX_HELD: Final = 16
"""Events held back for one connection: a handshake has about seven."""
MAX_ALIKE: Final = 5
"""Encrypted or failed connections to one server that are told; of a phone that tries all day the first show it."""
MAX_SERVERS: Final = 10_000

_ORDERLY: Final = frozenset({0, 90})
"""TLS alerts that end a connection in good order: close_notify, user_canceled (RFC 8446 §6.1)."""


class _Link:
    __slots__ = ("dull", "held", "shown", "station")

    def __init__(self) -> None:
        self.station = ""
        self.shown = False
        self.dull = False
        """It carries SOAP, a call and no more: opening and closing tell nothing."""
        self.held: list[Event] = []


class Links:
    """Decides, event by event, which rows there are to be."""

    WANTS: Final = frozenset(
        {
            ConnectionOpened, ConnectionClosed, ConnectionRecognised, StreamGap, TlsHello, TlsAlert, TlsCertificates,
            TlsOpaque, HttpRequest, HttpResponse, WsControl,
        }
    )  # fmt: skip

    def __init__(self) -> None:
        self._links: dict[int, _Link] = {}
        self._alike: dict[tuple[str, int, str], int] = {}

    def station(self, connection: Connection) -> str:
        """The station on it, as far as known."""
        link = self._links.get(connection.number)
        return link.station if link is not None else ""

    def spoken(self, message: OcppMessage) -> list[Event]:
        """A message was seen: what was held back of its connection is to be told first."""
        channel = message.channel
        connection = channel.connection
        if connection is None:
            return []
        link = self._links.get(connection.number)
        if link is not None and link.shown and link.station is channel.station:
            return []
        link = self._link(connection)
        link.station = channel.station
        link.dull = channel.transport == "soap"
        return self._reveal(link)

    def feed(self, event: Event) -> list[Event]:
        """Take an event of a connection; returns what is to be told now."""
        connection: Connection = event.connection  # type: ignore[union-attr, assignment]
        kind = event.__class__
        if kind is ConnectionClosed:
            return self._closed(event, connection)  # type: ignore[arg-type]
        link = self._link(connection)
        if kind is HttpRequest:
            assert isinstance(event, HttpRequest)
            if asks_upgrade(event):
                link.station = identity_of(event.target) or link.station
            return []
        if kind is WsControl and event.kind != "close":  # type: ignore[union-attr]
            return []
        if kind is ConnectionRecognised and event.protocol != "mirror":  # type: ignore[union-attr]
            return []
        if kind is TlsAlert and event.description in _ORDERLY:  # type: ignore[union-attr]
            return []
        told: list[Event] = []
        if kind is HttpResponse:
            assert isinstance(event, HttpResponse)
            if not self._concerns(event):
                return []
            told = self._reveal(link)
        elif kind is TlsAlert or (kind is TlsOpaque and self._few(connection, "tls")):
            told = self._reveal(link)
        if link.shown:
            told.append(event)
        elif len(link.held) < MAX_HELD:
            link.held.append(event)
        return told

    def broken(self, error: DecodeError) -> list[Event]:
        """Something could not be decoded: always worth a row, unless it is somebody's web traffic."""
        if error.connection is None:
            return [error]
        link = self._links.get(error.connection.number)
        if link is not None and link.shown:
            return [error]
        if error.layer in ("deflate", "websocket", "soap"):
            return [*self._reveal(self._link(error.connection)), error]
        return []

    # ------------------------------------------------------------------------------------------------------------

    def _link(self, connection: Connection) -> _Link:
        link = self._links.get(connection.number)
        if link is None:
            if len(self._links) >= MAX_LINKS:
                del self._links[next(iter(self._links))]
            link = self._links[connection.number] = _Link()
        return link

    def _closed(self, event: ConnectionClosed, connection: Connection) -> list[Event]:
        link = self._links.pop(connection.number, None) or _Link()
        failed = event.how in ("refused", "no-answer")
        if link.dull or event.how == "end-of-capture":
            return []
        if link.shown:
            return [event]
        if failed and self._few(connection, event.how):
            return [*self._reveal(link), event]
        return []

    @staticmethod
    def _reveal(link: _Link) -> list[Event]:
        link.shown = True
        held, link.held = link.held, []
        if link.dull:
            return [event for event in held if event.__class__ not in (ConnectionOpened, HttpResponse)]
        return held

    @staticmethod
    def _concerns(response: HttpResponse) -> bool:
        """Whether it is the answer to a station that wants to speak OCPP."""
        request = response.request
        if response.status == 101:
            agreed = response.headers.get("sec-websocket-protocol", "").lower()
            return "ocpp" in agreed or (request is not None and speaks_ocpp(request))
        return request is not None and asks_upgrade(request)

    def _few(self, connection: Connection, how: str) -> bool:
        """Whether few connections to this server ended like that so far."""
        server = (connection.server.address, connection.server.port, how)
        number = self._alike.get(server, 0)
        if number >= MAX_ALIKE or (not number and len(self._alike) >= MAX_SERVERS):
            return False
        self._alike[server] = number + 1
        return True
