"""Whose frame was it? Fills in what a log leaves out: which side sent a frame, and which station it concerns.

Nothing is taken from words alone. "Received" depends on who wrote the log; but an action has one side that may start
it (``ocpp.actions``), so a received BootNotification shows that the CSMS wrote the log, and then every "received" in
it came from a station. An answer goes the opposite way of the CALL with its id. What remains (an answer whose
CALL was before the log began) is told by how it looks. The order of trust:

1. the log names the sender ("ChargePoint>CentralSystem", an Open OCPP Trace record);
2. a CALL: its action;
3. an answer: the CALL that it answers;
4. "received" or "sent", once CALLs have shown which side wrote the log;
5. the look of the payload.

The station of a frame without one is that of the CALL it answers, or of its answer; or the only station that
the log names. A few frames are held back where the next ones may tell.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from fieldkit.events import LoggedFrame, Sender
from fieldkit.ocpp.actions import nearest, sender_of

LOOKAHEAD: Final = 64
"""Frames that may be held back. A busy CSMS's log has some dozens between a CALL and its answer."""
LOOKAHEAD_SIZE: Final = 4 << 20
"""Their characters."""
MAX_CALLS: Final = 8192
"""CALLs remembered, answered or not: a day's worth of one station, some minutes' worth of a thousand."""
MAX_SAME_ID: Final = 64
"""CALLs with the same id remembered: stations that count 1, 2, 3 share ids with each other and with the CSMS."""
MAX_SOURCES: Final = 256
_MAX_SEARCHED: Final = 16_384
"""Characters of a frame or envelope that are looked at."""

_HEAD: Final = re.compile(
    r'\s*\[\s*"?([2-6])"?\s*,\s*(?:"((?:[^"\\]|\\.){0,255})"|(-?\d{1,20}|null))\s*(?:,\s*"((?:[^"\\]|\\.){0,255})")?'
)
_BODY: Final = re.compile(r"<(?:[\w.-]{1,32}:)?Body\b[^>]{0,400}>\s{0,400}<(?:[\w.-]{1,32}:)?([A-Za-z]{1,64})")
_IDENTITY: Final = re.compile(r"<(?:[\w.-]{1,32}:)?chargeBoxIdentity\b[^>]{0,400}>\s{0,100}([^<]{1,100}?)\s{0,100}<")
_MESSAGE_ID: Final = re.compile(
    r"<(?:[\w.-]{1,32}:)?(MessageID|RelatesTo)\b[^>]{0,400}>\s{0,100}([^<]{1,200}?)\s{0,100}<"
)
_SERVICE: Final = re.compile(r"urn://Ocpp/(C[sp])/", re.IGNORECASE)

_CSMS_ASKS: Final = re.compile(
    r"Get|Set|Clear|Change|Remote|Request|Reset|Trigger|Unlock|Update|Install|Delete|Send|Reserve|Cancel|Publish|Unpublish"
)
"""How actions of the CSMS begin, for those that no version knows."""
_FROM_CSMS: Final = re.compile(
    r'"(?:currentTime|idTagInfo|idTokenInfo|interval|chargingPriority|totalCost|updatedPersonalMessage|certificateHashDataChain'
    r'|exiResponse|ocspResult|transactionId)"\s*:'
)
"""Only the CSMS answers with these (BootNotification, Authorize, TransactionEvent, certificates …)."""
_EMPTY: Final = re.compile(r"\[\s*3\s*,[^{]{0,300}\{\s*\}\s*\]\s*\Z")
"""Most empty answers are to StatusNotification, MeterValues and StopTransaction."""


_SAYS: Final[Mapping[str, frozenset[str]]] = {
    "Heartbeat": frozenset({"currentTime"}),
    "BootNotification": frozenset({"currentTime", "interval"}),
    "Authorize": frozenset({"idTagInfo", "idTokenInfo"}),
    "StartTransaction": frozenset({"idTagInfo", "transactionId"}),
    "GetConfiguration": frozenset({"configurationKey", "unknownKey"}),
    "GetLocalListVersion": frozenset({"listVersion", "versionNumber"}),
    "GetVariables": frozenset({"getVariableResult"}),
    "SetVariables": frozenset({"setVariableResult"}),
}
"""What answers to these actions have, and hardly any other has: one of it (1.6 §6, 2.x Part 2 §1)."""
_MAY_SAY: Final[Mapping[str, frozenset[str]]] = {
    "StopTransaction": frozenset({"idTagInfo"}),
    "TransactionEvent": frozenset({"idTokenInfo", "totalCost", "chargingPriority", "updatedPersonalMessage"}),
    "RequestStartTransaction": frozenset({"transactionId"}),
}
"""What answers to these may have of it."""
_TELLING: Final = frozenset().union(*_SAYS.values(), *_MAY_SAY.values())
_WORDLESS: Final = frozenset(
    """
        StatusNotification MeterValues DiagnosticsStatusNotification FirmwareStatusNotification LogStatusNotification
        SecurityEventNotification SignedFirmwareStatusNotification NotifyReport NotifyEvent NotifyMonitoringReport
        NotifyCustomerInformation NotifyDisplayMessages NotifyChargingLimit ClearedChargingLimit
        ReportChargingProfiles ReservationStatusUpdate
    """.split()
)
"""Actions whose answers are empty."""
_MAY_BE_EMPTY: Final = _WORDLESS | {"StopTransaction", "TransactionEvent", "GetDiagnostics", "UpdateFirmware"}


class Placed(NamedTuple):
    """A frame with its sender and station filled in, and whether the log had said them."""

    frame: LoggedFrame
    sender_inferred: bool
    station_inferred: bool


class _Head(NamedTuple):
    """What a frame is, as far as its beginning says."""

    kind: int
    """Message type; 0 when it cannot be read."""
    id: str
    action: str
    station: str
    """SOAP has the identity in its header."""


@dataclass(slots=True)
class _Call:
    station: str
    sender: Sender
    relative: str | None
    answered: bool
    action: str


@dataclass(slots=True)
class _Waiting:
    frame: LoggedFrame
    head: _Head
    station: str
    saw_answer: bool
    """Its answer has come; waiting longer does not help."""


class _Source:
    """What one log has shown of itself."""

    __slots__ = ("frames", "many", "station", "votes")

    def __init__(self) -> None:
        self.frames = 0
        self.votes = 0
        """CALLs that show the CSMS as the log's writer, minus those that show the station."""
        self.station = ""
        self.many = False

    def writer_sees(self, relative: str) -> Sender | None:
        if not self.votes:
            return None
        return "station" if (relative == "in") == (self.votes > 0) else "csms"

    def named(self, station: str) -> None:
        if not self.station:
            self.station = station
        elif station != self.station:
            self.many = True


class LoggedFrames:
    """Takes the frames of a log in their order and hands them on placed, in the same order."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._calls: dict[str, list[_Call]] = {}
        self._order: deque[tuple[str, _Call]] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_size = 0

    def feed(self, frame: LoggedFrame) -> list[Placed]:
        """One more frame; those that can be placed now."""
        head = _head(frame)
        source = self._source(frame.source)
        source.frames += 1
        station = frame.station or head.station
        if station:
            source.named(station)
        if head.kind in (2, 6) and frame.relative is not None:
            sender = sender_of(head.action)
            if sender is not None:
                source.votes += 1 if (sender == "station") == (frame.relative == "in") else -1
        elif head.kind in (3, 4) and self._waiting:
            self._answer_came(head, station, frame.text)
        self._waiting.append(_Waiting(frame, head, station, False))
        self._waiting_size += len(frame.text)
        placed = self._place(len(self._waiting) > LOOKAHEAD)
        while self._waiting_size > LOOKAHEAD_SIZE:
            placed += self._place(True)
        return placed

    def finish(self) -> list[Placed]:
        """There are no more frames; all that were held back."""
        placed = []
        while self._waiting:
            placed += self._place(True)
        return placed

    def _source(self, name: str) -> _Source:
        source = self._sources.get(name)
        if source is None:
            if len(self._sources) >= MAX_SOURCES:
                self._sources.pop(next(iter(self._sources)))
            source = self._sources[name] = _Source()
        return source

    def _answer_came(self, head: _Head, station: str, text: str) -> None:
        """A CALL that waits to hear its station may hear it from its answer."""
        keys: frozenset[str] | None = None
        read = False
        last: _Waiting | None = None
        for waiting in reversed(self._waiting):
            if waiting.head.id == head.id and waiting.head.kind == 2 and not waiting.saw_answer:
                if waiting.station and waiting.station == station:
                    return
                if not waiting.station:
                    if not read:
                        keys, read = _keys(text) if head.kind == 3 else None, True
                    if _fit(waiting.head.action, keys) > 0:
                        last = waiting
                        break
                    last = last or waiting
        if last is not None:
            last.station = station
            last.saw_answer = True

    def _place(self, forced: bool) -> list[Placed]:
        """Place from the front what can be; ``forced``: the first one in any case."""
        placed: list[Placed] = []
        while self._waiting:
            one = self._place_one(self._waiting[0], forced)
            if one is None:
                break
            self._waiting_size -= len(self._waiting.popleft().frame.text)
            placed.append(one)
            forced = False
        return placed

    def _place_one(self, waiting: _Waiting, forced: bool) -> Placed | None:
        frame, head, station = waiting.frame, waiting.head, waiting.station
        source = self._source(frame.source)
        told: Sender | None = frame.sender
        if told is None and frame.relative is not None:
            told = source.writer_sees(frame.relative)
        call: _Call | None = None
        if head.kind in (2, 6):
            if not station and not forced and self._may_hear_station(waiting, source):
                return None
            sender = frame.sender or sender_of(head.action)
            if sender is None:
                if told is None and frame.relative is not None and not forced:
                    return None
                sender = told or _guess_caller(head.action)
        else:
            call = self._call_of(head, station, frame, told) if head.kind else None
            if frame.sender is not None:
                sender = frame.sender
            elif call is not None:
                sender = call.sender if head.kind == 5 else _opposite(call.sender)
            elif told is not None:
                sender = told
            elif frame.relative is not None and not forced:
                return None
            else:
                sender = _guess_answerer(frame.text, head)
        if not station and call is not None:
            station = call.station
        if not station and source.station and not source.many:
            station = source.station
        if call is not None:
            call.answered = True
            call.station = call.station or station
        elif head.kind == 2:
            self._remember(head.id, _Call(station, sender, frame.relative, False, head.action))
        if sender != frame.sender or station != frame.station:
            frame = LoggedFrame(
                frame.time, frame.frames, frame.source, station, sender, frame.relative, frame.version, frame.transport,
                frame.text, frame.problems,
            )  # fmt: skip
        return Placed(frame, told != sender, not waiting.frame.station and not head.station)

    @staticmethod
    def _may_hear_station(waiting: _Waiting, source: _Source) -> bool:
        """The answer may name the station; if the log names stations at all, or has only just begun."""
        return waiting.head.kind == 2 and not waiting.saw_answer and bool(source.station or source.frames <= LOOKAHEAD)

    def _call_of(self, head: _Head, station: str, frame: LoggedFrame, told: Sender | None) -> _Call | None:
        """The CALL that this answers: of the same station, open, with such an answer, most recent."""
        best: _Call | None = None
        best_score = 0
        calls = self._calls.get(head.id, ())
        # Stations that count 1, 2, 3 share ids: where the log does not tell them apart, what an answer says may.
        keys = _keys(frame.text) if head.kind == 3 and not station and len(calls) > 1 else None
        for call in calls:
            if station and call.station and call.station != station:
                continue
            expected = call.sender if head.kind == 5 else _opposite(call.sender)
            if told is not None and told != expected:
                continue
            opposed = frame.relative is not None and call.relative is not None and head.kind != 5
            if opposed and frame.relative == call.relative and told is None:
                continue
            score = 1 + 8 * (bool(station) and call.station == station) + 4 * (call.answered == (head.kind == 5))
            score += _fit(call.action, keys)
            if score >= best_score:
                best, best_score = call, score
        return best

    def _remember(self, id_: str, call: _Call) -> None:
        if len(self._order) >= MAX_CALLS:
            old_id, old = self._order.popleft()
            same = self._calls.get(old_id, [])
            if same and same[0] is old:
                del same[0]
                if not same:
                    del self._calls[old_id]
        same = self._calls.setdefault(id_, [])
        same.append(call)
        if len(same) > MAX_SAME_ID:
            del same[0]
        self._order.append((id_, call))


def _fit(action: str, keys: frozenset[str] | None) -> int:
    """Whether an answer with these keys (None: unknown) is one to this action: 2 yes, 0 no, 1 perhaps."""
    if keys is None or not action:
        return 1
    if not keys:
        return 2 if action in _MAY_BE_EMPTY else 0 if sender_of(action) is not None else 1
    if action in _WORDLESS:
        return 0
    says = _SAYS.get(action)
    if says is not None:
        return 2 if keys & says else 0
    may_say = _MAY_SAY.get(action, frozenset())
    if keys & may_say:
        return 2
    # "TransactionEvent" and "StopTransaction" say that or nothing.
    return 0 if keys & _TELLING or action in ("StopTransaction", "TransactionEvent") else 1


def _keys(text: str) -> frozenset[str] | None:
    """What the payload of an answer consists of; None when it cannot be read."""
    if len(text) > _MAX_SEARCHED:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or len(value) < 3 or not isinstance(value[2], dict):
        return None
    return frozenset(value[2]) - {"customData"}


def _opposite(sender: Sender) -> Sender:
    return "csms" if sender == "station" else "station"


def _head(frame: LoggedFrame) -> _Head:
    if frame.transport == "soap":
        return _soap_head(frame.text[:_MAX_SEARCHED])
    match = _HEAD.match(frame.text)
    if match is None:
        return _Head(0, "", "", "")
    kind, id_, number, action = match.groups()
    return _Head(int(kind), id_ if id_ is not None else number, action or "", "")


def _soap_head(text: str) -> _Head:
    """Operation, correlation and identity of an envelope, by local names: prefixes are the sender's choice."""
    body = _BODY.search(text)
    ids = {match[1]: match[2] for match in _MESSAGE_ID.finditer(text)}
    identity = _IDENTITY.search(text)
    station = identity[1] if identity is not None else ""
    name = body[1] if body is not None else ""
    name = name[:1].upper() + name[1:]
    if name == "Fault":
        return _Head(4, ids.get("RelatesTo", ""), "", station)
    if name.endswith("Response") or "RelatesTo" in ids:
        return _Head(3, ids.get("RelatesTo", ""), name.removesuffix("Response"), station)
    return _Head(2, ids.get("MessageID", ""), name.removesuffix("Request"), station)


def _guess_caller(action: str) -> Sender:
    """Who may have sent a CALL that either side may send, or that no version knows."""
    similar = nearest(action)
    sender = sender_of(similar) if similar else None
    return sender or ("csms" if _CSMS_ASKS.match(action) else "station")


def _guess_answerer(text: str, head: _Head) -> Sender:
    """Who may have sent an answer whose CALL is not in the log."""
    text = text[:_MAX_SEARCHED]
    if text.lstrip()[:1] == "<":
        caller = sender_of(head.action)
        if caller is not None:
            return _opposite(caller)
        service = _SERVICE.search(text)
        return "station" if service is not None and service[1].lower() == "cp" else "csms"
    if head.kind == 3 and (_FROM_CSMS.search(text) or _EMPTY.search(text)):
        return "csms"
    return "station"
