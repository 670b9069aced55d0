"""What OCPP 2.1 adds to the framing: SEND, which nobody answers, and CALLRESULTERROR, which objects to an answer
(Part 4 §4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.policy import Policy
from fieldkit.events import Event, MessageType, OcppMessage, Orphan, Sender
from fieldkit.ocpp.gist import without_ids
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.safetext import shorten
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture

MAX_SENDS: Final = 512
"""SENDs that an answer may still come to: one that comes, comes within a second."""
MAX_ID: Final = 255
MAX_TEXT: Final = 160
_OTHER: Final[dict[Sender, Sender]] = {"station": "csms", "csms": "station"}
_SIDE: Final = {"station": "station", "csms": "CSMS"}
_SIDE_UP: Final = {"station": "Station", "csms": "CSMS"}

ANSWERED = Kind(
    "rpc.answer-to-send",
    "warning",
    "csms",
    "A message that needs no answer is answered",
    "The {side} answered {action} with {what}. It was sent as SEND (type 6), to which nobody may answer; the sender has"
    " nothing to match the answer with.",
    "{side_up}: do not answer messages of type 6. It takes them for CALLs, probably because its OCPP library does not"
    " know SEND.",
    "OCPP 2.1 Part 4 §4.2",
)
RESULT_ERROR = Kind(
    "rpc.answer-rejected",
    "warning",
    "unknown",
    "The answer to a message was rejected",
    "The {side} got an answer to its {action} and sent a CALLRESULTERROR, {code}{said}: it could not use that answer"
    "{fault}.",
    "{other_up}: correct the answer to {action}. What the {side} asked for counts as not answered until then.",
    "OCPP 2.1 Part 4 §4.2 (FR.06)",
)
RESULT_ERROR_WITHOUT = Kind(
    "rpc.answer-rejected-unknown",
    "info",
    "unknown",
    "An answer was rejected, and it is not to be seen which",
    "The {side} sent a CALLRESULTERROR, {code}{said}, with the id {id}: an answer with this id is not what it got"
    " last, or is not in the capture.",
    "Look in the {side}'s log for this id.",
    "OCPP 2.1 Part 4 §4.2 (FR.06)",
)


class Rpc21Check(Check):
    """SEND and CALLRESULTERROR."""

    kinds = (ANSWERED, RESULT_ERROR, RESULT_ERROR_WITHOUT)
    wants = frozenset({OcppMessage, Orphan})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._sends: dict[tuple[str, Sender, str], OcppMessage] = {}
        """By station, who sent it, id."""
        self._answers: dict[tuple[str, Sender], OcppMessage] = {}
        """The last answer that each side of a 2.1 station gave: what a CALLRESULTERROR is about."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Remember SENDs, and judge answers to them."""
        if isinstance(event, OcppMessage):
            # Every message passes here: what concerns most of them comes first.
            type_ = event.type
            if type_ is MessageType.CALL:
                return ()
            if type_ is MessageType.CALLRESULTERROR:
                # Before 2.1 there is no such message, which the framing says.
                return self._rejected(event) if event.call is not None and event.channel.version == "2.1" else ()
            if type_ is MessageType.SEND:
                self._remember(event)
            elif event.channel.version == "2.1" and event.call is not None:
                if len(self._answers) >= MAX_SENDS:
                    del self._answers[next(iter(self._answers))]
                self._answers[event.channel.station, event.sender] = bounded(event)
            return ()
        return self._orphan(event.answer) if isinstance(event, Orphan) else ()

    def _remember(self, message: OcppMessage) -> None:
        if not message.id or len(message.id) > MAX_ID:
            return
        if len(self._sends) >= MAX_SENDS:
            del self._sends[next(iter(self._sends))]
        self._sends[message.channel.station, message.sender, message.id] = bounded(message)

    def _orphan(self, answer: OcppMessage) -> Iterator[Finding]:
        station = answer.channel.station
        if answer.type is MessageType.CALLRESULTERROR:
            if answer.channel.version == "2.1":
                values = _values(answer) | {"id": shorten(answer.id, 60) or "nothing"}
                yield Finding(RESULT_ERROR_WITHOUT, answer.time, station, (answer,), values, group=answer.sender)
            return
        sent = self._sends.get((station, _OTHER[answer.sender], answer.id))
        if sent is None:
            return
        values = {
            "side": _SIDE[answer.sender],
            "side_up": _SIDE_UP[answer.sender],
            "action": shorten(sent.action, 60) or "a message",
            "what": "an error" if answer.type is MessageType.CALLERROR else "a result",
        }
        owner = answer.sender
        yield Finding(ANSWERED, answer.time, station, (sent, answer), values, group=answer.sender, owner=owner)

    def _rejected(self, message: OcppMessage) -> Iterator[Finding]:
        call, other = message.call, _OTHER[message.sender]
        answer = self._answers.get((message.channel.station, other))
        evidence: tuple[OcppMessage, ...] = (message,)
        fault = ""
        if answer is not None and answer.id == message.id:
            evidence = (answer, message)
            wrong = next((problem.text for problem in answer.problems if problem.rule.startswith("schema.")), "")
            if wrong:
                fault = f". Indeed: {_safe(wrong, answer)}"
            elif answer.validated:
                fault = ", although it fits the schema"
        values = _values(message) | {
            "action": shorten(call.action if call is not None else "", 60) or "message",
            "other_up": _SIDE_UP[other],
            "fault": fault,
        }
        group = f"{message.sender} {message.action[:60]}"
        station = message.channel.station
        yield Finding(RESULT_ERROR, message.time, station, evidence, values, group=group, owner=other)


def _values(message: OcppMessage) -> dict[str, object]:
    error = message.error
    code, said = "", ""
    if error is not None:
        code = shorten(error.code, 60)
        if error.description.strip():
            said = f' ("{_safe(error.description, message)}")'
    return {"side": _SIDE[message.sender], "code": code or "without a code", "said": said}


def _safe(text: str, message: OcppMessage) -> str:
    return without_ids(conceal_text(shorten(text, MAX_TEXT), message), message)
