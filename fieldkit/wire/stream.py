"""One connection's bytes, both sides, in order → what is said in them.

A stream starts without knowing its protocol. The first bytes decide, and the layers are stacked as they are found:
HTTP that upgrades to WebSocket, TLS with HTTP inside, WebSocket joined midway. Each side has a *sink*, the function
that takes the next bytes of that side; becoming another protocol means exchanging the sinks, so that the hot path
(a WebSocket segment) is one call deep.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from fieldkit.events import AppProtocol, Connection, ConnectionRecognised, Emit
from fieldkit.wire.budget import Budget
from fieldkit.wire.deflate import Inflater
from fieldkit.wire.sniff import Look, look
from fieldkit.wire.tlskeys import KeyLog
from fieldkit.wire.websocket import WebSocketReader

if TYPE_CHECKING:
    from fieldkit.wire.http import HttpLayer
    from fieldkit.wire.tls import TlsLayer

Sink: TypeAlias = Callable[[bytes, int, tuple[int, ...]], None]

CLIENT: Final = 0
SERVER: Final = 1

_MAX_UNDECIDED = 64
"""Bytes after which a beginning that looks like nothing is called unknown."""

_MAX_EXCUSED = 8
"""Segments behind a gap at the beginning that may look like nothing: they are the middle of something."""

_HTTP_LOOKS = {Look.HTTP_REQUEST, Look.HTTP_RESPONSE}
_TLS_LOOKS = {Look.TLS_CLIENT_HELLO, Look.TLS_SERVER_HELLO, Look.TLS_OTHER}
_WEBSOCKET_LOOKS = {
    Look.WEBSOCKET_CLIENT,
    Look.WEBSOCKET_SERVER,
    Look.PERHAPS_WEBSOCKET_CLIENT,
    Look.PERHAPS_WEBSOCKET_SERVER,
}


class Stream:
    """The protocol stack of one connection."""

    def __init__(
        self,
        connection: Connection,
        emit: Emit,
        budget: Budget,
        keys: KeyLog,
        dismiss: Callable[[], None],
        *,
        inside_tls: bool = False,
    ) -> None:
        """``dismiss`` is called once when nothing more is to be learnt from this connection's bytes."""
        self._connection = connection
        self._emit = emit
        self._budget = budget
        self._keys = keys
        self._dismiss = dismiss
        self._inside_tls = inside_tls
        self._undecided: list[list[tuple[bytes, int, tuple[int, ...]]]] = [[], []]
        self._excused = 0
        self._http: HttpLayer | None = None
        self._tls: TlsLayer | None = None
        self._inner: Stream | None = None
        self._readers: tuple[WebSocketReader, WebSocketReader] | None = None
        self.sinks: list[Sink] = [partial(self._first, CLIENT), partial(self._first, SERVER)]
        """Where the next bytes of client and server go."""

    # ------------------------------------------------------------------------------------------------- interface

    def feed(self, from_client: bool, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        """The next bytes of one side (what the hot path does through ``sinks``)."""
        self.sinks[CLIENT if from_client else SERVER](data, time, frames)

    def gap(self, from_client: bool, missing: int, time: int, frames: tuple[int, ...]) -> None:
        """``missing`` bytes of one side will never come."""
        if self._readers is not None:
            self._readers[CLIENT if from_client else SERVER].gap(missing, time, frames)
        elif self._http is not None:
            self._http.gap(from_client, missing, time, frames)
            if self._http.upgrade is not None:
                self._upgrade(self._http)
        elif self._tls is not None:
            self._tls.gap(from_client, missing, time, frames)
        else:
            self._undecided[CLIENT if from_client else SERVER].clear()
            self._excused = _MAX_EXCUSED

    def finish(self, time: int, frames: tuple[int, ...]) -> None:
        """Both sides are at their end."""
        if self._http is not None:
            self._http.finish(time, frames)
            if self._http.upgrade is not None:
                self._upgrade(self._http)
        if self._tls is not None:
            self._tls.finish(time, frames)
        if self._inner is not None:
            self._inner.finish(time, frames)
        if self._readers is not None:
            for reader in self._readers:
                reader.finish(time, frames)

    # ---------------------------------------------------------------------------------------------- first bytes

    def _first(self, side: int, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        waiting = self._undecided[side]
        waiting.append((data, time, frames))
        head = data if len(waiting) == 1 else b"".join(chunk for chunk, _, _ in waiting)
        seen = look(head)
        if seen is Look.TOO_SHORT and len(head) < _MAX_UNDECIDED:
            return
        if seen in _HTTP_LOOKS:
            self._become_http(time, frames)
        elif seen in _TLS_LOOKS and not self._inside_tls:
            self._become_tls(time, frames)
        elif seen in _WEBSOCKET_LOOKS:
            self._recognised("websocket", time, frames)
            self._become_websocket(None, None, handshake_seen=False, aligned=False)
        elif self._excused:
            self._excused -= 1
            waiting.clear()
            return
        else:
            self._recognised("unknown", time, frames)
            self._become_nothing()
            return
        for number, chunks in enumerate(self._undecided):
            for chunk in chunks:
                self.sinks[number](*chunk)
            chunks.clear()

    def _recognised(self, protocol: AppProtocol, time: int, frames: tuple[int, ...]) -> None:
        self._emit(ConnectionRecognised(time, frames, self._connection, protocol))

    def _become_nothing(self) -> None:
        self.sinks[:] = [_ignore, _ignore]
        self._undecided = [[], []]
        self._dismiss()

    # ---------------------------------------------------------------------------------------------------- layers

    def _become_http(self, time: int, frames: tuple[int, ...]) -> None:
        from fieldkit.wire.http import HttpLayer  # a layer is loaded by the first connection that has it

        self._recognised("http", time, frames)
        self._http = HttpLayer(self._connection, self._emit, self._budget)
        self.sinks[:] = [partial(self._feed_http, self._http, True), partial(self._feed_http, self._http, False)]

    def _feed_http(self, http: HttpLayer, from_client: bool, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        http.feed(from_client, data, time, frames)
        if http.upgrade is not None:
            self._upgrade(http)
        elif http.tunnel:
            self._enter_tunnel(http)
        elif http.boring:
            self._become_nothing()

    def _upgrade(self, http: HttpLayer) -> None:
        upgrade = http.upgrade
        assert upgrade is not None
        self._http = None
        rest = [http.take_rest(True), http.take_rest(False)]
        headers = upgrade.response.headers if upgrade.response is not None else {}
        if upgrade.response is not None and "websocket" not in headers.get("upgrade", "websocket").lower():
            self._become_nothing()  # h2c and the like
            return
        moment = upgrade.response or upgrade.request
        if moment is not None:
            self._recognised("websocket", moment.time, moment.frames)
        if upgrade.response is None:
            self._become_websocket(None, None, handshake_seen=False, aligned=True)
        else:
            inflaters = negotiated_deflate(headers.get("sec-websocket-extensions", ""))
            self._become_websocket(*inflaters, handshake_seen=upgrade.response.complete, aligned=True)
        for side, chunks in enumerate(rest):
            for chunk in chunks:
                self.sinks[side](*chunk)

    def _enter_tunnel(self, http: HttpLayer) -> None:
        """CONNECT through a web proxy: what follows begins like a connection of its own (RFC 9110 §9.3.6)."""
        self._http = None
        self.sinks[:] = [partial(self._first, CLIENT), partial(self._first, SERVER)]
        for side, from_client in ((CLIENT, True), (SERVER, False)):
            for chunk in http.take_rest(from_client):
                self.sinks[side](*chunk)

    def _become_websocket(
        self, client: Inflater | None, server: Inflater | None, *, handshake_seen: bool, aligned: bool
    ) -> None:
        readers = [
            WebSocketReader(
                self._connection,
                from_client,
                self._emit,
                self._budget,
                inflater=inflater,
                handshake_seen=handshake_seen,
                aligned=aligned,
            )
            for from_client, inflater in ((True, client), (False, server))
        ]
        self._readers = (readers[0], readers[1])
        self.sinks[:] = [readers[0].feed, readers[1].feed]

    def _become_tls(self, time: int, frames: tuple[int, ...]) -> None:
        from fieldkit.wire.tls import TlsLayer

        self._recognised("tls", time, frames)
        self._inner = Stream(
            self._connection, self._emit, self._budget, self._keys, self._dismiss_later, inside_tls=True
        )
        self._tls = TlsLayer(
            self._connection, self._emit, self._keys, self._inner.feed, self._inner.gap, budget=self._budget
        )
        self.sinks[:] = [partial(self._feed_tls, self._tls, True), partial(self._feed_tls, self._tls, False)]
        self._inner_dismissed = False

    def _dismiss_later(self) -> None:
        self._inner_dismissed = True

    def _feed_tls(self, tls: TlsLayer, from_client: bool, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        tls.feed(from_client, data, time, frames)
        if tls.boring or self._inner_dismissed:
            tls.let_go()
            if self._inner is not None:
                self._inner.finish(time, frames)
            self._become_nothing()


def _ignore(data: bytes, time: int, frames: tuple[int, ...]) -> None:
    """The sink of a connection that was dismissed."""


def negotiated_deflate(extensions: str) -> tuple[Inflater | None, Inflater | None]:
    """The decompressors of client and server that a 101 answer agreed on (RFC 7692 §7.1), None without compression."""
    for extension in extensions.split(","):
        name, *parameters = (part.strip().lower() for part in extension.split(";"))
        if name == "permessage-deflate":
            return (
                Inflater(takeover="client_no_context_takeover" not in parameters),
                Inflater(takeover="server_no_context_takeover" not in parameters),
            )
    return None, None
