"""OCPP over SOAP: HTTP requests and responses → calls and answers of a charging station.

SOAP has no connection that belongs to a station. The station posts its calls to the CSMS, the CSMS posts its own to an
HTTP server inside the station, each perhaps on a new TCP connection. What joins them is the ``chargeBoxIdentity`` in
the SOAP header. An answer comes in the HTTP response to its call; WS-Addressing's ``RelatesTo`` says so once more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionEnd,
    Emit,
    HttpRequest,
    HttpResponse,
    LoggedFrame,
    NoAnswer,
    OcppChannel,
    OcppError,
    OcppMessage,
    Problem,
    Sender,
)
from fieldkit.ocpp.actions import sender_of
from fieldkit.ocpp.conversation import Conversation
from fieldkit.ocpp.exchange import OTHER

if TYPE_CHECKING:
    from fieldkit.ocpp.schema import Schemas
    from fieldkit.ocpp.soap import SoapEnvelope

MAX_STATIONS = 10_000
MAX_WAITING = 1024
"""HTTP requests whose response is still to come, over all connections."""

_WHY: Final[dict[ConnectionEnd, NoAnswer]] = {"end-of-capture": "capture-ended", "timeout": "capture-ended"}


class SoapCalls:
    """All SOAP conversations of one source."""

    def __init__(self, emit: Emit, schemas: Schemas | None, source: str) -> None:
        self.source = source
        self._emit = emit
        self._schemas = schemas
        self._conversations: dict[str, Conversation] = {}
        self._waiting: dict[int, tuple[HttpRequest, Conversation, OcppMessage]] = {}
        self._unnumbered = 0
        self._last_time = 0

    def request(self, request: HttpRequest) -> None:
        """A POST with a body that may be an OCPP envelope."""
        envelope = _parse(request.body, request.headers.get("content-type", ""))
        if not _is_ocpp(envelope):
            return
        sender = _caller(envelope)
        station_address = request.connection.client if sender == "station" else request.connection.server
        name = f"{station_address.address}:{station_address.port}"
        conversation = self._conversation(envelope, name, request.connection)
        message = self._call(envelope, conversation, sender, request.time, request.frames, self.source)
        self._waiting[id(request)] = (request, conversation, message)
        if len(self._waiting) > MAX_WAITING:
            _, oldest, call = self._waiting.pop(next(iter(self._waiting)))
            oldest.abandon(call, request.time, "given-up")

    def response(self, response: HttpResponse) -> None:
        """The answer to a POST that was an OCPP call (others are not ours)."""
        waiting = self._waiting.pop(id(response.request), None)
        if waiting is None:
            self._stray_response(response)
            return
        _, conversation, call = waiting
        self._channel_on(conversation, response.connection)
        envelope = _parse(response.body, response.headers.get("content-type", "")) if response.body else None
        problems: tuple[Problem, ...] = ()
        fault: OcppError | None = None
        payload: object = None
        if envelope is None or envelope.kind not in ("response", "fault"):
            description = f"HTTP {response.status} {response.reason}"
            if response.status // 100 == 2:
                description += ", but the body holds no OCPP answer"
            fault = OcppError("", description, None)
        else:
            problems, payload, fault = envelope.problems, envelope.payload, _fault(envelope)
            if envelope.relates_to and envelope.relates_to != call.id:
                text = f"RelatesTo names {envelope.relates_to[:60]}, the call was {call.id[:60]}"
                problems += (Problem("soap.relates-to", "", text),)
        self._last_time = response.time
        conversation.soap_answer(
            envelope.text if envelope is not None else "",
            OTHER[call.sender],
            call.id,
            call.action,
            payload,
            fault,
            problems,
            response.time,
            response.frames,
            self.source,
        )

    def _stray_response(self, response: HttpResponse) -> None:
        """An OCPP answer whose call is not in the capture."""
        if not response.body:
            return
        envelope = _parse(response.body, response.headers.get("content-type", ""))
        if _is_ocpp(envelope) and envelope.kind in ("response", "fault"):
            sender = OTHER[_caller(envelope)]
            station = response.connection.server if sender == "station" else response.connection.client
            name = f"{station.address}:{station.port}"
            conversation = self._conversation(envelope, name, response.connection)
            self._answer(envelope, conversation, sender, response.time, response.frames, self.source)

    def logged(self, frame: LoggedFrame, time: int) -> None:
        """An envelope out of a log: call and answer find each other by WS-Addressing alone."""
        body = frame.text.encode("utf-8", "surrogatepass")
        envelope = _parse(body, "")
        if not _is_ocpp(envelope):
            return
        conversation = self._conversation(envelope, frame.station or "?", None)
        if envelope.kind == "request":
            self._call(envelope, conversation, _caller(envelope), time, frame.frames, frame.source)
        else:
            sender = OTHER[_caller(envelope)]
            self._answer(envelope, conversation, sender, time, frame.frames, frame.source)

    def closed(self, closed: ConnectionClosed) -> None:
        """Calls whose response did not come before their connection ended stay unanswered."""
        for key, (request, conversation, call) in list(self._waiting.items()):
            if request.connection is closed.connection:
                del self._waiting[key]
                conversation.abandon(call, closed.time, _WHY.get(closed.how, "connection-closed"))

    def finish(self) -> None:
        """The source is at its end."""
        self._waiting.clear()
        for conversation in self._conversations.values():
            conversation.finish(self._last_time, "capture-ended")

    # ------------------------------------------------------------------------------------------------------ parts

    def _call(
        self,
        envelope: SoapEnvelope,
        conversation: Conversation,
        sender: Sender,
        time: int,
        frames: tuple[int, ...],
        source: str,
    ) -> OcppMessage:
        self._last_time = time
        id_ = envelope.message_id
        if not id_:
            self._unnumbered += 1
            id_ = f"(no MessageID {self._unnumbered})"
        return conversation.soap_call(
            envelope.text, sender, id_, envelope.action, envelope.payload, envelope.problems, time, frames, source
        )

    def _answer(
        self,
        envelope: SoapEnvelope,
        conversation: Conversation,
        sender: Sender,
        time: int,
        frames: tuple[int, ...],
        source: str,
    ) -> None:
        self._last_time = time
        conversation.soap_answer(
            envelope.text,
            sender,
            envelope.relates_to,
            envelope.action,
            envelope.payload,
            _fault(envelope),
            envelope.problems,
            time,
            frames,
            source,
        )

    def _conversation(self, envelope: SoapEnvelope, address: str, connection: Connection | None) -> Conversation:
        station = envelope.identity or address
        conversation = self._conversations.get(station)
        if conversation is None:
            if len(self._conversations) >= MAX_STATIONS:
                self._conversations.pop(next(iter(self._conversations))).finish(self._last_time, "given-up")
            channel = OcppChannel(
                station=station,
                version=envelope.version,
                transport="soap",
                connection=connection,
                station_inferred=not envelope.identity,
                version_inferred=not envelope.version,
                sides_inferred=not envelope.service,
            )
            conversation = self._conversations[station] = Conversation(channel, self._emit, self._schemas)
        elif envelope.version and envelope.version != conversation.channel.version:
            conversation.channel = replace(conversation.channel, version=envelope.version, version_inferred=False)
        self._channel_on(conversation, connection)
        return conversation

    @staticmethod
    def _channel_on(conversation: Conversation, connection: Connection | None) -> None:
        if conversation.channel.connection is not connection:
            conversation.channel = replace(conversation.channel, connection=connection)


def _is_ocpp(envelope: SoapEnvelope) -> bool:
    return bool(envelope.version or envelope.identity or sender_of(envelope.action))


def _caller(envelope: SoapEnvelope) -> Sender:
    """Whose call this envelope is (or answers): the service decides, else the action."""
    if envelope.service:
        return "station" if envelope.service == "cs" else "csms"
    return sender_of(envelope.action) or "station"


def _fault(envelope: SoapEnvelope) -> OcppError | None:
    fault = envelope.fault
    if fault is None:
        return None
    return OcppError(fault.subcode or fault.code, fault.reason, fault.detail or None)


def _parse(body: bytes, content_type: str) -> SoapEnvelope:
    from fieldkit.ocpp.soap import parse_envelope  # most captures have no SOAP in them

    return parse_envelope(body, content_type)
