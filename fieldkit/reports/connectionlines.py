"""Lines about connections: which of them are worth one, and when.

A capture is full of connections that are not OCPP's. What is to be said of a connection is held back until it shows
OCPP, or fails on the way to it (refused, no answer, TLS alert, upgrade refused). The others are counted, and shown
when ``verbose``. Encrypted connections may be OCPP's: the first to each server is shown, the rest is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
    Endpoint,
    HttpRequest,
    HttpResponse,
    Retransmission,
    StreamGap,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
    WsControl,
)
from fieldkit.reports import sentences
from fieldkit.reports.page import CYAN, RED, WIDEST, Page
from fieldkit.safetext import terminal

MAX_HELD: Final = 32
"""Lines held back for one connection: a handshake has about five."""
MAX_LINKS: Final = 10_000
"""Connections remembered at a time; the oldest is forgotten first."""
MAX_OPAQUE: Final = 20
"""Encrypted servers named; a router sees every phone in the house."""

_CLOSE_NOTIFY, _USER_CANCELED = 0, 90
"""TLS alerts that end a connection in good order (RFC 8446 §6.1)."""


class _Show(Enum):
    HELD = auto()
    """It may turn out to be OCPP."""
    YES = auto()
    COUNTED = auto()
    """Like one that was shown; the end tells how many there were."""


class _Held(NamedTuple):
    time: int
    sign: str
    word: str
    text: str


class _Link:
    """What is known, and held back, of one connection."""

    __slots__ = (
        "asked",
        "client_hello",
        "close_seen",
        "cut",
        "cut_at",
        "cut_bytes",
        "held",
        "name",
        "server_hello",
        "show",
        "source",
        "websocket",
    )

    def __init__(self, connection: Connection, show: _Show) -> None:
        self.source = connection.source
        """Where it is seen; of the pieces of one capture, the one that is being read."""
        self.name = terminal(connection.client.address, WIDEST)
        """What stands in the station's column: the client's address until the identity is known."""
        self.show = show
        self.held: list[_Held] = []
        self.client_hello: TlsHello | None = None
        self.server_hello: TlsHello | None = None
        self.asked: HttpRequest | None = None
        """An upgrade that has no answer yet."""
        self.websocket = False
        """It carries OCPP-J, so the client is the station."""
        self.close_seen = False
        """A WebSocket close frame has told of the end."""
        self.cut = 0
        """Packets of which the capture has only the beginning."""
        self.cut_at = -1
        """Time of the last of them."""
        self.cut_bytes = 0


class ConnectionLines:
    """Writes the lines about connections onto a page."""

    def __init__(self, page: Page, *, verbose: bool) -> None:
        self._page = page
        self._verbose = verbose
        self._links: dict[int, _Link] = {}
        self._opaque: dict[tuple[str, int, str], int] = {}
        """By server and its name: how many connections besides the one that was shown."""
        self._opaque_more = 0
        self._not_shown = 0
        self.handlers: Final[dict[type[Any], Callable[[Any], None]]] = {
            ConnectionClosed: self._closed,
            HttpRequest: self._request,
            HttpResponse: self._response,
            StreamGap: self._gap,
            TlsAlert: self._alert,
            TlsCertificates: self._certificates,
            TlsHello: self._hello,
            TlsOpaque: self._opaque_from_here,
            WsControl: self._control,
        }
        if verbose:
            self.handlers.update(
                {
                    ConnectionOpened: self._opened,
                    ConnectionRecognised: self._recognised,
                    Retransmission: self._retransmission,
                }
            )

    def is_ocpp(self, connection: Connection, station: str, source: str, *, websocket: bool) -> None:
        """A message was seen on it, of this station, in this source."""
        link = self._link(connection)
        link.source = source
        link.name = station
        link.websocket = websocket
        self._reveal(link)

    def moved(self, connection: Connection, source: str) -> None:
        """It goes on in another piece of the capture."""
        if connection.number in self._links:
            self._links[connection.number].source = source

    def error(self, event: DecodeError, connection: Connection) -> None:
        """Something on this connection could not be decoded."""
        known = self._links.get(connection.number)
        if known is not None and known.cut_at == event.time and "missing" in event.reason:
            return  # The packet was cut: that is told, and what it carried is missing for no other reason.
        if event.layer == "deflate":
            # A WebSocket joined midway whose messages stay compressed: it may well be OCPP, and this is all we know.
            link = self._link(connection)
            link.websocket = True
            self._reveal(link)
        self._tell(connection, event.time, "!", "BROKEN", sentences.broken(event))

    def finish(self) -> None:
        """Say what was not shown."""
        for (address, port, name), more in self._opaque.items():
            if more:
                end = sentences.endpoint(Endpoint(address, port))
                server = f"{sentences.show(name)} ({end})" if name else end
                self._page.below(f"{more} more encrypted connection{'s' * (more != 1)} to {server}", "*", CYAN)
        if more := self._opaque_more:
            self._page.below(f"{more} encrypted connection{'s' * (more != 1)} to other servers", "*", CYAN)
        if more := self._not_shown + sum(link.show is _Show.HELD for link in self._links.values()):
            what = f"{more} connection{'s' * (more != 1)} in which no OCPP was seen"
            self._page.below(f"{what} not shown (--verbose shows them)", "*", CYAN)

    # ----------------------------------------------------------------------------------------------------- tcp

    def _opened(self, event: ConnectionOpened) -> None:
        how = "already open " if event.connection.joined_midstream else ""
        self._tell(event.connection, event.time, "*", "TCP", how + sentences.route(event.connection))

    def _recognised(self, event: ConnectionRecognised) -> None:
        what = "a second copy of a connection that is decoded already" if event.protocol == "mirror" else event.protocol
        self._tell(event.connection, event.time, "*", "TCP", f"looks like {what}")

    def _gap(self, event: StreamGap) -> None:
        if event.snapped:
            self._cut(event)
            return
        who = self._side(event.connection, event.from_client)
        text = f"{event.missing} bytes from {who} are missing in the capture"
        self._tell(event.connection, event.time, "!", "GAP", text)

    def _cut(self, event: StreamGap) -> None:
        """A snap length cuts every long packet: told of the first, the others are counted."""
        link = self._link(event.connection)
        if not link.cut:
            self._tell(event.connection, event.time, "!", "GAP", sentences.PACKETS_CUT)
        link.cut += 1
        link.cut_at = event.time
        link.cut_bytes += event.missing

    def _retransmission(self, event: Retransmission) -> None:
        who = self._side(event.connection, event.from_client)
        self._tell(event.connection, event.time, "*", "TCP", f"{event.kind} of {event.length} bytes from {who}")

    def _closed(self, event: ConnectionClosed) -> None:
        connection = event.connection
        if event.how == "refused" or event.how == "no-answer":
            self._links.pop(connection.number, None)
            text = sentences.failed_to_connect(event)
            name = terminal(connection.client.address, WIDEST)
            self._page.line(event.time, name, "!", "FAILED", text, RED, connection.source)
            return
        if connection.number not in self._links and not self._verbose:
            self._not_shown += 1  # nothing was ever said of it
            return
        link = self._link(connection)
        open_still = event.how == "end-of-capture"
        if not open_still:
            self._failed_on_the_way(link, event)
        if link.cut > 1:
            self._tell(connection, event.time, "!", "GAP", sentences.packets_cut(link.cut, link.cut_bytes))
        who = None if event.by_client is None else self._side(connection, event.by_client)
        text = sentences.tcp_closed(event, who)
        if open_still:
            if link.websocket or self._verbose:
                self._tell(connection, event.time, "*", "OPEN", text)
        elif link.close_seen or (event.how == "fin" and not link.websocket):
            if self._verbose:
                self._tell(connection, event.time, "*", "CLOSED", text)
        else:
            unsaid = ", without a WebSocket close" if link.websocket and event.how in ("fin", "rst") else ""
            self._tell(connection, event.time, "!", "CLOSED", text + unsaid)
        self._not_shown += link.show is _Show.HELD
        del self._links[connection.number]

    def _failed_on_the_way(self, link: _Link, event: ConnectionClosed) -> None:
        if link.asked is not None:
            self._reveal(link)
            self._tell(event.connection, event.time, "!", "FAILED", sentences.upgrade_unanswered(link.asked))
        elif link.client_hello is not None and link.server_hello is None and link.show is _Show.HELD:
            self._reveal(link)
            server = sentences.endpoint(event.connection.server)
            text = f"{sentences.tls_hellos(link.client_hello, None)}: no answer from {server}"
            self._tell(event.connection, event.time, "!", "TLS", text)

    # ----------------------------------------------------------------------------------------------------- tls

    def _hello(self, event: TlsHello) -> None:
        link = self._link(event.connection)
        if event.from_client:
            link.client_hello = event
            return
        link.server_hello = event
        self._tell(event.connection, event.time, "*", "TLS", sentences.tls_hellos(link.client_hello, event))

    def _certificates(self, event: TlsCertificates) -> None:
        self._tell(event.connection, event.time, "*", "TLS", sentences.certificates(event))

    def _alert(self, event: TlsAlert) -> None:
        connection = event.connection
        if event.description in (_CLOSE_NOTIFY, _USER_CANCELED):
            if self._verbose:
                self._tell(connection, event.time, "*", "TLS", sentences.alert(event))
            return
        link = self._link(connection)
        hello = link.client_hello
        if hello is not None and link.server_hello is None:
            self._tell(connection, hello.time, "*", "TLS", sentences.tls_hellos(hello, None))
            link.client_hello = None
        self._reveal(link)
        self._tell(connection, event.time, "!", "TLS", sentences.alert(event))

    def _opaque_from_here(self, event: TlsOpaque) -> None:
        connection = event.connection
        link = self._link(connection)
        hello = link.client_hello
        server = (connection.server.address, connection.server.port, hello.server_name if hello is not None else "")
        if link.show is _Show.HELD:
            if server in self._opaque:
                self._opaque[server] += 1
                link.show = _Show.COUNTED
            elif len(self._opaque) >= MAX_OPAQUE:
                self._opaque_more += 1
                link.show = _Show.COUNTED
            else:
                self._opaque[server] = 0
                self._reveal(link)
        text = f"{sentences.route(connection)} stays encrypted: {sentences.show(event.reason, 160)}"
        self._tell(connection, event.time, "*", "TLS", text)

    # ----------------------------------------------------------------------------------------- http and websocket

    def _request(self, event: HttpRequest) -> None:
        link = self._link(event.connection)
        if sentences.asks_upgrade(event):
            link.asked = event
            link.name = _identity(event) or link.name
        if self._verbose:
            text = f"{sentences.show(event.method, 20)} {sentences.show(event.target)}"
            self._tell(event.connection, event.time, "*", "HTTP", text)

    def _response(self, event: HttpResponse) -> None:
        connection = event.connection
        link = self._link(connection)
        if event.status == 101:
            self._upgraded(link, event)
        elif sentences.asks_upgrade(event.request):
            link.asked = None
            self._reveal(link)
            self._tell(connection, event.time, "!", "FAILED", sentences.upgrade_refused(event))
        elif event.status >= 400 and event.request is not None and b"Envelope" in event.request.body:
            if b"Envelope" not in event.body:  # otherwise it is a SOAP fault, which has its own line
                self._tell(connection, event.time, "!", "HTTP", sentences.http_answer(event))
        elif self._verbose:
            self._tell(connection, event.time, "*", "HTTP", sentences.http_answer(event))

    def _upgraded(self, link: _Link, event: HttpResponse) -> None:
        link.asked = None
        if event.request is not None:
            link.name = _identity(event.request) or link.name
        if sentences.speaks_of_ocpp(event):
            link.websocket = True
            # What the handshake agreed on stands in the line below.
            link.held = [held for held in link.held if held.sign == "!"]
            self._reveal(link)
        agreed, wrong = sentences.upgraded(event, link.client_hello, link.server_hello)
        self._tell(event.connection, event.time, "*", "OPEN", agreed)
        if wrong:
            self._tell(event.connection, event.time, "!", "OPEN", wrong)

    def _control(self, event: WsControl) -> None:
        link = self._link(event.connection)
        who = self._side(event.connection, event.from_client)
        if event.kind != "close":
            if self._verbose:
                size = f", {len(event.payload)} bytes" if event.payload else ""
                self._tell(event.connection, event.time, "*", event.kind.upper(), f"from {who}{size}")
        elif self._verbose or not link.close_seen:  # the second is the other side's echo
            link.close_seen = True
            self._tell(event.connection, event.time, "*", "CLOSED", sentences.websocket_closed(event, who))

    # ------------------------------------------------------------------------------------------------- held back

    def _link(self, connection: Connection) -> _Link:
        link = self._links.get(connection.number)
        if link is None:
            if len(self._links) >= MAX_LINKS:
                self._not_shown += self._links.pop(next(iter(self._links))).show is _Show.HELD
            link = _Link(connection, _Show.YES if self._verbose else _Show.HELD)
            self._links[connection.number] = link
        return link

    def _reveal(self, link: _Link) -> None:
        """Show what was held back of this connection, and all that follows."""
        link.show = _Show.YES
        held, link.held = link.held, []
        for line in held:
            self._put(link, *line)

    def _tell(self, connection: Connection, at: int, sign: str, word: str, text: str) -> None:
        """A line about a connection, now or when it turns out to be of interest."""
        link = self._link(connection)
        if link.show is _Show.YES:
            self._put(link, at, sign, word, text)
        elif link.show is _Show.HELD and len(link.held) < MAX_HELD:
            link.held.append(_Held(at, sign, word, text))

    def _put(self, link: _Link, at: int, sign: str, word: str, text: str) -> None:
        self._page.line(at, link.name, sign, word, text, CYAN if sign == "*" else RED, link.source)

    def _side(self, connection: Connection, from_client: bool) -> str:
        link = self._links.get(connection.number)
        if link is not None and link.websocket:
            return "station" if from_client else "CSMS"
        return "client" if from_client else "server"


def _identity(request: HttpRequest) -> str:
    """The last segment of the path (OCPP-J 1.6 §3.1.1)."""
    return sentences.show(unquote(request.target.partition("?")[0].rstrip("/").rpartition("/")[2]), WIDEST)
