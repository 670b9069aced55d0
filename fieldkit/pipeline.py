"""The stages put together: packets, stream bytes or logged frames go in, every event comes out in order.

There are three heights of entry. A capture enters as packets (``feed_packets``), what a proxy passes on as the bytes
of a connection (``open``, ``feed_bytes``, ``close``), a log as single frames (``feed_logged``). Above that all run the
same code, so that a replay, a log, a proxy and a live tap say the same of the same traffic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fieldkit.events import (
    CaptureComment,
    CaptureDropped,
    Connection,
    ConnectionClosed,
    ConnectionEnd,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
    Endpoint,
    Event,
    HttpRequest,
    HttpResponse,
    LoggedFrame,
    OcppChannel,
    PacketBatch,
    Problem,
    Sender,
    StreamBytes,
    StreamGap,
    TlsHello,
    TlsSecrets,
    WsControl,
    WsMessage,
)
from fieldkit.ocpp.conversation import Conversation
from fieldkit.ocpp.identity import identity_of
from fieldkit.ocpp.soapcall import SoapCalls
from fieldkit.ocpp.versions import of_subprotocol
from fieldkit.wire.budget import MAX_INFLATED, Budget
from fieldkit.wire.flows import FlowTable
from fieldkit.wire.sniff import OCPP_TEXT
from fieldkit.wire.stream import Stream
from fieldkit.wire.tlskeys import KeyLog

if TYPE_CHECKING:
    from fieldkit.ocpp.logged import LoggedFrames, Placed
    from fieldkit.ocpp.schema import Schemas

MAX_FOREIGN = 20
"""Messages of a WebSocket without an OCPP subprotocol that may be something else before it is taken for that."""
MAX_LOG_STATIONS = 10_000
"""Stations told apart in one log."""

TLS_TAKEN_OFF = "TLS with the station is taken off"
"""What the comment of a recording says that was made where TLS ends, as ``fieldkit proxy`` does: what looks like plain
traffic in it was none."""

_BINARY = Problem("framing.binary", "", "sent as a binary WebSocket message; OCPP-J uses text messages")


class _WebSocketSide:
    """What is known of one WebSocket connection besides its messages."""

    __slots__ = ("conversation", "foreign", "is_foreign", "is_ocpp", "said_uninflatable")

    def __init__(self, conversation: Conversation, is_ocpp: bool) -> None:
        self.conversation = conversation
        self.is_ocpp = is_ocpp
        self.is_foreign = False  # another subprotocol was agreed on
        self.foreign = 0
        self.said_uninflatable = False


class Pipeline:
    """One capture's (or log's) way from bytes to events."""

    def __init__(
        self,
        source: str,
        *,
        keys: KeyLog | None = None,
        schemas: Schemas | None = None,
        full: bool = True,
        first_connection: int = 1,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """``source`` is the name that evidence is given under. Without ``schemas`` payloads are not validated. Without
        ``full``, events that say again what an ``OcppMessage`` says (the ``WsMessage`` that carried it, the
        ``Exchange``) are left out, as bulk output has no use for them. ``share`` is for ``FlowTable``."""
        self.source = source
        self.keys = keys if keys is not None else KeyLog(expecting=True)
        self._schemas = schemas
        self._full = full
        self._out: list[Event] = []
        self._flows = FlowTable(source, self._take, self.keys, first_number=first_connection, share=share)
        self._websockets: dict[int, _WebSocketSide] = {}
        self._asked: dict[int, HttpRequest] = {}  # upgrade requests without an answer so far, by connection
        self._soap = SoapCalls(self._out.append, schemas, source)
        self._logged: LoggedFrames | None = None
        self._stations: dict[str, Conversation] = {}
        self._last_time = 0
        self._taken_off = False
        self._streams: dict[int, Stream] = {}  # of connections whose bytes somebody else has put in order
        self._streams_opened = first_connection - 1
        self._budget = Budget()

    @property
    def packets(self) -> int:
        """Packets read so far."""
        return self._flows.packets

    def rename(self, source: str) -> None:
        """What follows comes from the next piece of the same capture (a ring of files)."""
        self.source = self._flows.source = self._soap.source = source

    # --------------------------------------------------------------------------------------------------- entries

    def feed_packets(
        self, item: PacketBatch | TlsSecrets | CaptureComment | CaptureDropped | DecodeError
    ) -> list[Event]:
        """What the container hands over: packets, or something it has to say itself."""
        if isinstance(item, PacketBatch):
            self._flows.feed(item)
        else:
            if isinstance(item, TlsSecrets):
                self.keys.add(item.text)
            elif isinstance(item, CaptureComment) and TLS_TAKEN_OFF in item.text and not item.frames:
                self._taken_off = True
            self._out.append(item)
        return self._drain()

    def open(self, client: Endpoint, server: Endpoint, time: int, frames: tuple[int, ...] = ()) -> Connection:
        """A connection whose bytes will come through ``feed_bytes``. A pipeline takes either these or packets."""
        self._streams_opened += 1
        connection = Connection(self._streams_opened, client, server, time, False, self.source)
        number = connection.number
        self._streams[number] = Stream(
            connection, self._take, self._budget, self.keys, partial(self._streams.__delitem__, number)
        )
        self._take(ConnectionOpened(time, frames, connection))
        return connection

    def feed_bytes(self, item: StreamBytes) -> list[Event]:
        """The next bytes of one side of a connection that was opened by ``open``."""
        self._budget.inflatable = MAX_INFLATED
        stream = self._streams.get(item.connection.number)
        if stream is not None:
            stream.feed(item.from_client, item.data, item.time, item.frames)
        return self._drain()

    def gap(
        self, connection: Connection, from_client: bool, missing: int, time: int, frames: tuple[int, ...] = ()
    ) -> list[Event]:
        """Bytes of one side passed that nobody kept."""
        self._take(StreamGap(time, frames, connection, from_client, missing))
        stream = self._streams.get(connection.number)
        if stream is not None:
            stream.gap(from_client, missing, time, frames)
        return self._drain()

    def close(
        self,
        connection: Connection,
        how: ConnectionEnd,
        by_client: bool | None,
        time: int,
        frames: tuple[int, ...] = (),
    ) -> list[Event]:
        """The connection ended."""
        stream = self._streams.pop(connection.number, None)
        if stream is not None:
            stream.finish(time, frames)
        self._take(ConnectionClosed(time, frames, connection, how, by_client))
        return self._drain()

    def feed_logged(self, item: LoggedFrame | DecodeError) -> list[Event]:
        """One frame out of a log."""
        if isinstance(item, DecodeError):
            self._out.append(item)
        else:
            if self._logged is None:
                from fieldkit.ocpp.logged import LoggedFrames  # captures need not wait for it

                self._logged = LoggedFrames()
            for placed in self._logged.feed(item):
                self._place(placed)
        return self._drain()

    def pause(self) -> list[Event]:
        """Nothing comes at the moment: frames of a log that wait for others to tell what they are wait no longer."""
        if self._logged is not None:
            for placed in self._logged.finish():
                self._place(placed)
        return self._drain()

    def finish(self) -> list[Event]:
        """The source is at its end."""
        self._flows.finish()
        for stream in tuple(self._streams.values()):
            stream.finish(self._last_time, ())
        self._streams.clear()
        if self._logged is not None:
            for placed in self._logged.finish():
                self._place(placed)
        self._soap.finish()
        for conversation in self._stations.values():
            conversation.finish(self._last_time, "capture-ended")
        for side in self._websockets.values():
            side.conversation.finish(self._last_time, "capture-ended")
        self._websockets.clear()
        return self._drain()

    def _drain(self) -> list[Event]:
        events = self._out[:]
        self._out.clear()
        return events

    # ------------------------------------------------------------------------------------- from the wire upwards

    def _take(self, event: Event) -> None:
        """Everything that the wire stages emit passes here; what concerns OCPP is taken up."""
        if event.__class__ is WsMessage:
            self._on_websocket(event)
            return
        self._out.append(event)
        handler = _HANDLERS.get(event.__class__)
        if handler is not None:
            handler(self, event)

    def _on_websocket(self, message: WsMessage) -> None:
        side = self._websockets.get(message.connection.number)
        if side is None:
            side = self._websocket_without_handshake(message.connection)
        if message.missing and not side.said_uninflatable:
            side.said_uninflatable = True
            self._say_uninflatable(message)
        if not side.is_ocpp and not self._may_be_ocpp(side, message):
            self._out.append(message)
            return
        if self._full:
            self._out.append(message)
        data = message.data
        noted: tuple[Problem, ...] = ()
        if message.missing:
            if message.missing < 0:
                side.conversation.misses("station" if message.from_client else "csms", message.time)
                return
            # U+FFFD, which readers know as "something was here", and which JSON admits inside of strings
            data = data.replace(b"\x00", b"\xef\xbf\xbd")
            noted = (
                Problem(
                    "deflate.context", "", f"{message.missing} bytes are unknown: compression began before the capture"
                ),
            )
        if not message.text:
            noted += (_BINARY,)
        time = self._last_time = message.time
        sender: Sender = "station" if message.from_client else "csms"
        side.conversation.feed(data, sender, time, message.frames, self.source, noted, message.missing)

    @staticmethod
    def _may_be_ocpp(side: _WebSocketSide, message: WsMessage) -> bool:
        """A WebSocket whose handshake did not say OCPP: is it?"""
        if not side.is_foreign and OCPP_TEXT.match(message.data):
            side.is_ocpp = True
            return True
        side.foreign += 1
        return side.conversation.messages > 0 and side.foreign < MAX_FOREIGN

    def _say_uninflatable(self, message: WsMessage) -> None:
        reason = "compressed messages cannot be read: their compression context is not in the capture"
        if message.missing > 0:
            reason = "compressed messages can be read in part only: their compression context is not in the capture"
        # What was inflated may hold a password; what was not is shown.
        data, lost = (b"", message.missing) if message.missing > 0 else (message.data[:64], len(message.data))
        self._out.append(DecodeError(message.time, message.frames, message.connection, "deflate", reason, data, lost))

    def _websocket_without_handshake(self, connection: Connection) -> _WebSocketSide:
        request = self._asked.pop(connection.number, None)
        if request is not None:
            return self._upgraded(connection, request, "")  # only the answer to it is not in the capture
        client = connection.client
        channel = OcppChannel(
            station=f"{client.address}:{client.port}",
            version="",
            transport="json",
            connection=connection,
            station_inferred=True,
            version_inferred=True,
            sides_inferred=True,
        )
        return self._open_websocket(connection, channel, is_ocpp=False)

    def _open_websocket(self, connection: Connection, channel: OcppChannel, *, is_ocpp: bool) -> _WebSocketSide:
        side = _WebSocketSide(Conversation(channel, self._out.append, self._schemas, exchanges=self._full), is_ocpp)
        self._websockets[connection.number] = side
        return side

    def _on_request(self, request: HttpRequest) -> None:
        if request.body:
            self._soap.request(request)
        elif "sec-websocket-key" in request.headers:
            self._asked[request.connection.number] = request

    def _on_response(self, response: HttpResponse) -> None:
        self._asked.pop(response.connection.number, None)
        if response.status == 101:
            agreed = response.headers.get("sec-websocket-protocol", "")
            side = self._upgraded(response.connection, response.request, agreed)
            side.conversation.hears("csms")
        elif response.body or (response.request is not None and response.request.body):
            self._soap.response(response)

    def _upgraded(self, connection: Connection, request: HttpRequest | None, agreed: str) -> _WebSocketSide:
        offered = request.headers.get("sec-websocket-protocol", "") if request is not None else ""
        version = of_subprotocol(agreed)
        inferred = not version
        if not version:
            # RFC 6455 §4.1 lets the connection stand without a subprotocol; what the station offered is a hint only.
            versions = [of_subprotocol(name) for name in offered.split(",")]
            version = versions[0] if len(versions) == 1 else ""
        station = identity_of(request.target) if request is not None else ""
        channel = OcppChannel(
            station=station or f"{connection.client.address}:{connection.client.port}",
            version=version,
            transport="json",
            connection=connection,
            station_inferred=not station,
            version_inferred=inferred,
            sides_inferred=False,
        )
        side = self._open_websocket(connection, channel, is_ocpp=bool(version) or "ocpp" in offered.lower())
        side.is_foreign = bool(agreed) and "ocpp" not in agreed.lower()
        return side

    def _on_control(self, control: WsControl) -> None:
        side = self._websockets.get(control.connection.number)
        if side is not None:
            side.conversation.hears("station" if control.from_client else "csms")

    def _on_recognised(self, event: ConnectionRecognised) -> None:
        """In a recording without its TLS: say that there was a handshake, of which nothing more is known."""
        if self._taken_off and event.protocol == "http":
            self._out.append(
                TlsHello(
                    event.time, event.frames, event.connection, False, 0, (), (), (), (), (), (), "", (), False, True
                )
            )

    def _on_gap(self, gap: StreamGap) -> None:
        side = self._websockets.get(gap.connection.number)
        if side is not None:
            side.conversation.misses("station" if gap.from_client else "csms", gap.time)

    def _on_error(self, error: DecodeError) -> None:
        side = self._websockets.get(error.connection.number) if error.connection is not None else None
        if side is not None and error.lost:
            # Which side's message it was is not told; an answer may have been in it.
            side.conversation.misses("station", error.time)
            side.conversation.misses("csms", error.time)

    def _on_closed(self, closed: ConnectionClosed) -> None:
        self._asked.pop(closed.connection.number, None)
        side = self._websockets.pop(closed.connection.number, None)
        if side is not None:
            ended = closed.how in ("end-of-capture", "timeout")
            side.conversation.finish(closed.time, "capture-ended" if ended else "connection-closed")
        self._soap.closed(closed)

    # ------------------------------------------------------------------------------------------------ from a log

    def _place(self, placed: Placed) -> None:
        frame = placed.frame
        assert frame.sender is not None  # LoggedFrames sees to it
        time = frame.time if frame.time is not None else self._last_time
        self._last_time = time
        if frame.transport == "soap":
            self._soap.logged(frame, time)
            return
        conversation = self._stations.get(frame.station)
        if conversation is None:
            if len(self._stations) >= MAX_LOG_STATIONS:
                self._stations.pop(next(iter(self._stations))).finish(time, "given-up")
            channel = OcppChannel(
                station=frame.station or "?",
                version=frame.version,
                transport="json",
                connection=None,
                station_inferred=placed.station_inferred or not frame.station,
                version_inferred=not frame.version,
                sides_inferred=placed.sender_inferred,
            )
            conversation = self._stations[frame.station] = Conversation(
                channel, self._out.append, self._schemas, exchanges=self._full
            )
        elif frame.version and frame.version != conversation.channel.version:
            conversation.channel = replace(conversation.channel, version=frame.version, version_inferred=False)
        data = frame.text.encode("utf-8", "surrogatepass")
        conversation.feed(data, frame.sender, time, frame.frames, frame.source, frame.problems)


_HANDLERS: Final[dict[type[Any], Callable[[Pipeline, Any], None]]] = {
    HttpRequest: Pipeline._on_request,
    HttpResponse: Pipeline._on_response,
    ConnectionClosed: Pipeline._on_closed,
    ConnectionRecognised: Pipeline._on_recognised,
    WsControl: Pipeline._on_control,
    StreamGap: Pipeline._on_gap,
    DecodeError: Pipeline._on_error,
}
