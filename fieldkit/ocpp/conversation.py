"""What one charging station and its CSMS say to each other: frames → messages → exchanges.

A conversation knows who speaks, which version was negotiated (or learns it from the messages), which CALLs are open,
and holds every payload against its schema. It takes frames from a WebSocket, a SOAP body or a log alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fieldkit.events import (
    Emit,
    Exchange,
    MessageType,
    NoAnswer,
    OcppChannel,
    OcppError,
    OcppMessage,
    Orphan,
    Problem,
    Sender,
    Unanswered,
)
from fieldkit.ocpp.actions import is_known, nearest, sender_of, versions_of
from fieldkit.ocpp.exchange import OTHER, Exchanges
from fieldkit.ocpp.ocppj import parse
from fieldkit.ocpp.versions import suggested_by

if TYPE_CHECKING:
    from fieldkit.ocpp.schema import Schemas

_CALL, _CALLRESULT, _SEND = MessageType.CALL, MessageType.CALLRESULT, MessageType.SEND
_CALLRESULTERROR = MessageType.CALLRESULTERROR

_MAX_VETTED = 512
"""Different action names of one conversation whose verdict is remembered."""


class Conversation:
    """One station's messages in both directions."""

    def __init__(self, channel: OcppChannel, emit: Emit, schemas: Schemas | None, *, exchanges: bool = True) -> None:
        """``schemas`` is None when payloads are not to be validated; without ``exchanges`` no ``Exchange`` events are
        made (an answer names its CALL anyway)."""
        self.channel = channel
        self.messages = 0
        self._emit = emit
        self._schemas = schemas
        self._exchanges = Exchanges()
        self._heard: set[Sender] = set()
        self._holes: dict[Sender, int] = {}
        self._concluded: dict[Sender, OcppMessage] = {}  # each side's CALL that was answered last
        self._tell_exchanges = exchanges
        self._vetted: dict[Sender, dict[str, tuple[Problem, ...]]] = {"station": {}, "csms": {}}

    def feed(
        self,
        data: bytes,
        sender: Sender,
        time: int,
        frames: tuple[int, ...],
        source: str,
        noted: tuple[Problem, ...] = (),
        unknown: int = 0,
    ) -> None:
        """One OCPP-J frame. ``noted``: problems found on the way here. ``unknown``: bytes of ``data`` that are
        placeholders (a compressed message joined midway), so that its content must not be judged."""
        channel = self.channel
        type_, id_, action, payload, error, problems, readable = parse(data, channel.version)
        raw = data.decode("utf-8", "replace")
        if unknown:
            problems = ()
        if noted:
            problems = noted + problems
        call: OcppMessage | None = None
        if type_ is _CALL or type_ is _SEND:
            if type_ is _CALL and id_ and not (channel.station_inferred and channel.connection is None):
                reused = self._exchanges.earlier_use(sender, id_, raw)
                if reused:
                    problems += (_REUSED[reused],)
        elif type_ is _CALLRESULTERROR:
            # 2.1 Part 4 §4.2: it comes from the caller and is about the answer that it has just got.
            concluded = self._concluded.get(sender)
            if concluded is not None and concluded.id == id_:
                call, action = concluded, concluded.action
        elif type_ is not None:
            call = self._exchanges.answered(sender, id_)
            if call is not None:
                action = call.action
                self._concluded[call.sender] = call
        if channel.version_inferred:
            channel = self._learn_version(type_, action, payload)
        validated = False
        if type_ is _CALL or type_ is _SEND:
            if action:
                vetted = self._vetted[sender].get(action)
                if vetted is None:
                    vetted = self._vet(sender, action)
                if vetted:
                    problems += vetted
            if readable and not unknown and self._schemas is not None:
                found = self._validate(action, False, payload)
                if found is not None:
                    validated = True
                    problems += found
        elif type_ is _CALLRESULT and call is not None and readable and not unknown and self._schemas is not None:
            found = self._validate(action, True, payload)
            if found is not None:
                validated = True
                problems += found
        self.messages += 1
        self._heard.add(sender)
        message = OcppMessage(
            time, frames, source, self.channel, sender, type_, id_, action, payload, error, raw, problems,
            validated, call,
        )  # fmt: skip
        self._pair(message, call)

    def soap_call(
        self,
        raw: str,
        sender: Sender,
        id_: str,
        action: str,
        payload: Any,
        problems: tuple[Problem, ...],
        time: int,
        frames: tuple[int, ...],
        source: str,
    ) -> OcppMessage:
        """A SOAP request, already taken apart."""
        if action:
            problems += self._vet(sender, action)
        found = self._validate(action, False, payload) if self.channel.version == "1.6" else None
        self.messages += 1
        message = OcppMessage(
            time, frames, source, self.channel, sender, MessageType.CALL, id_, action, payload, None, raw,
            problems + (found or ()), found is not None, None,
        )  # fmt: skip
        self._pair(message, None)
        return message

    def soap_answer(
        self,
        raw: str,
        sender: Sender,
        id_: str,
        action: str,
        payload: Any,
        fault: OcppError | None,
        problems: tuple[Problem, ...],
        time: int,
        frames: tuple[int, ...],
        source: str,
    ) -> None:
        """A SOAP response or fault; ``id_`` is the MessageID of the request that it relates to."""
        call = self._exchanges.answered(sender, id_)
        if call is not None:
            action = call.action
        found: tuple[Problem, ...] | None = None
        if fault is None and self.channel.version == "1.6":
            found = self._validate(action, True, payload)
        type_ = MessageType.CALLRESULT if fault is None else MessageType.CALLERROR
        self.messages += 1
        message = OcppMessage(
            time, frames, source, self.channel, sender, type_, id_, action, payload, fault, raw,
            problems + (found or ()), found is not None, call,
        )  # fmt: skip
        self._pair(message, call)

    def hears(self, sender: Sender) -> None:
        """Note that this side is in the capture, whether or not it says any OCPP."""
        self._heard.add(sender)

    def misses(self, sender: Sender, time: int) -> None:
        """Something that this side said could not be read or is not in the capture."""
        self._holes[sender] = time

    def abandon(self, call: OcppMessage, time: int, why: NoAnswer) -> None:
        """Give up waiting: this CALL can have no answer any more."""
        if self._exchanges.withdrawn(call):
            self._emit(Unanswered(time, call.frames, call, why))

    def finish(self, time: int, why: NoAnswer = "connection-closed") -> None:
        """The connection, or the log, ended: what is open stays unanswered."""
        for call in self._exchanges.unanswered():
            self._emit(Unanswered(time, call.frames, call, self._excuse(call) or why))

    def _excuse(self, call: OcppMessage) -> NoAnswer | None:
        """What may have hidden an answer from us, so that nobody is accused of not having given it."""
        answerer = OTHER[call.sender]
        if answerer not in self._heard:
            return "side-not-captured"
        return "bytes-missing" if self._holes.get(answerer, -1) >= call.time else None

    # ------------------------------------------------------------------------------------------------------ parts

    def _pair(self, message: OcppMessage, call: OcppMessage | None) -> None:
        self._emit(message)
        if call is not None:
            if self._tell_exchanges and message.type is not _CALLRESULTERROR:
                self._emit(Exchange(message.time, call.frames + message.frames, call, message))
        elif message.type is _CALL:
            given_up = self._exchanges.opened(message)
            if given_up is not None:
                self._emit(Unanswered(message.time, given_up.frames, given_up, "given-up"))
        elif message.type is not None and message.type is not _SEND:
            self._emit(Orphan(message.time, message.frames, message))

    def _validate(self, action: str, answer: bool, payload: Any) -> tuple[Problem, ...] | None:
        if self._schemas is None or payload.__class__ is not dict:
            return None
        version = self.channel.version
        found = self._schemas.check(version, action, answer, payload)
        unsure = version == "2.0.1" and self.channel.version_inferred
        if found and unsure and self._schemas.check("2.1", action, answer, payload) == ():
            # Nobody told us that it is 2.0.1, and 2.1 explains the message: 2.1 it is.
            self.channel = replace(self.channel, version="2.1")
            return ()
        return found

    def _learn_version(self, type_: MessageType | None, action: str, payload: Any) -> OcppChannel:
        suggested = suggested_by(type_, action, payload)
        version = self.channel.version
        if suggested and suggested != version and not (suggested == "2.0.1" and version == "2.1"):
            self.channel = replace(self.channel, version=suggested)
            self._vetted = {"station": {}, "csms": {}}
        return self.channel

    def _vet(self, sender: Sender, action: str) -> tuple[Problem, ...]:
        """Does this version have the action, and may this side start it?"""
        version = self.channel.version
        problems: tuple[Problem, ...] = ()
        if version == "2.0":
            version = "2.0.1"  # superseded before it was used; its action names are those of 2.0.1
        if not is_known(action, version):
            problems = (Problem("framing.action-unknown", "", _why_unknown(action, version)),)
        elif sender_of(action, version) == OTHER[sender]:
            side = "the CSMS" if sender == "station" else "the charging station"
            problems = (Problem("framing.direction", "", f"{action} is {side}'s to send"),)
        if len(self._vetted[sender]) < _MAX_VETTED:
            self._vetted[sender][action] = problems
        return problems


_REUSED = {
    "again": Problem("framing.id-repeated", "", "this CALL was sent before, with the same id and content"),
    "otherwise": Problem("framing.id-reused", "", "this message id was used before, for another CALL"),
}


def _why_unknown(action: str, version: str) -> str:
    shown = action if len(action) <= 40 else action[:39] + "…"
    where = f"OCPP {version}" if version else "OCPP"
    elsewhere = sorted(versions_of(action))
    if elsewhere:
        return f"{shown} is not an action of {where}, it belongs to OCPP {', '.join(elsewhere)}"
    meant = nearest(action, version)
    hint = f"; perhaps {meant} is meant" if meant else ""
    return f"{shown!r} is not an action of {where}{hint}"
