"""Periodic event streams: values that a station sends unasked and unanswered (OCPP 2.1 Part 2 N11 to N15)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.kept import same
from fieldkit.site.light import bounded
from fieldkit.site.reading import member, text, whole

MAX_STREAMS: Final = 200
"""Streams of one station."""


@dataclass(slots=True)
class EventStream:
    """One stream, by its id."""

    id: int
    opened: int | None = None
    """When its opening was accepted; None for one that was open before the capture began."""
    interval: int | None = None
    """Seconds between messages."""
    values: int | None = None
    """Values after which a message is sent even before the interval is over."""
    monitor: int | None = None
    """variableMonitoringId."""
    status: str = ""
    order: OcppMessage | None = None
    """OpenPeriodicEventStream."""
    messages: int = 0
    elements: int = 0
    """Values delivered."""
    pending: int = 0
    """Values that waited at the station when the last message was sent."""
    last: int | None = None
    closed: int | None = None


class EventStreams:
    """One station's streams."""

    ACTIONS: Final = frozenset(
        {
            "OpenPeriodicEventStream", "ClosePeriodicEventStream", "AdjustPeriodicEventStream",
            "GetPeriodicEventStream", "NotifyPeriodicEventStream",
        }
    )  # fmt: skip

    def __init__(self) -> None:
        self.streams: dict[int, EventStream] = {}
        """By id, oldest first."""
        self.latest: EventStream | None = None
        """The one that the message fed last belongs to."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL, a SEND or an answer."""
        self.latest = None
        if message.action == "NotifyPeriodicEventStream":
            # It travels as SEND; a station that sends a CALL instead means the same.
            if message.type in (MessageType.SEND, MessageType.CALL):
                self._data(message)
        elif message.type is MessageType.CALL:
            if message.action == "OpenPeriodicEventStream":
                self._open(message)
        elif message.type is MessageType.CALLRESULT and message.call is not None:
            self._answered(message, message.call)

    def _open(self, message: OcppMessage) -> None:
        data = member(message.payload, "constantStreamData")
        id_ = whole(data, "id")
        if id_ is None:
            return
        self.streams.pop(id_, None)
        stream = self._stream(id_)
        stream.order, stream.monitor = bounded(message), whole(data, "variableMonitoringId")
        stream.interval, stream.values = whole(data, "params", "interval"), whole(data, "params", "values")
        self.latest = stream

    def _answered(self, message: OcppMessage, call: OcppMessage) -> None:
        place = ("constantStreamData", "id") if call.action == "OpenPeriodicEventStream" else ("id",)
        id_ = whole(call.payload, *place)
        stream = None if id_ is None else self.streams.get(id_)
        self.latest = stream
        if stream is None:
            return
        status = (text(message.payload, "status") or "")[:50]
        if call.action == "OpenPeriodicEventStream":
            if same(stream.order, call):
                stream.status = status
                stream.opened = message.time if status == "Accepted" else None
        elif call.action == "AdjustPeriodicEventStream" and status == "Accepted":
            stream.interval = whole(call.payload, "params", "interval")
            stream.values = whole(call.payload, "params", "values")
        elif call.action == "ClosePeriodicEventStream":
            stream.closed = message.time

    def _data(self, message: OcppMessage) -> None:
        id_ = whole(message.payload, "id")
        if id_ is None:
            return
        stream = self.streams.get(id_) or self._stream(id_)
        stream.messages += 1
        data = member(message.payload, "data")
        stream.elements += len(data) if isinstance(data, list) else 0
        stream.pending = whole(message.payload, "pending") or 0
        stream.last = message.time
        self.latest = stream

    def _stream(self, id_: int) -> EventStream:
        while len(self.streams) >= MAX_STREAMS:
            del self.streams[next(iter(self.streams))]
        stream = self.streams[id_] = EventStream(id_)
        return stream
