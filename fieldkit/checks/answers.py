"""Answers that belong to no CALL, come twice, or say no: who is to blame is found by looking at the CALL.

Whether a CALLERROR is right about a CALL is decided by the schema: a CALL that breaks it is its sender's to correct, a
CALL that fits is refused by a side that is stricter than the standard. Where no schema was applied, nobody is named.

An answer without a CALL counts only where the CALL would have been seen: not at the beginning of a capture that
joined an open connection, not with bytes missing, not when one side is not in the capture, not in a log (which may be
filtered).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Owner, Severity
from fieldkit.checks.holes import Holes
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND
from fieldkit.events import DecodeError, Event, MessageType, OcppMessage, Orphan
from fieldkit.ocpp.exchange import OTHER
from fieldkit.ocpp.gist import without_ids
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.safetext import shorten
from fieldkit.site.legible import is_legible
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture

MAX_REMEMBERED: Final = 2048
"""Answers of all connections (the last ones) among which a second answer finds the first."""
MAX_KEPT: Final = 2048
"""Characters of an answer that is kept as evidence; of longer ones only that they came is remembered."""
IN_A_LOG: Final = 60 * SECOND
"""A log may lack lines, and ids that count from 1 come again: only what follows so soon is about the same CALL."""
MAX_WAITING: Final = 256
"""Answers without a CALL that wait for judgement: a conversation has one of them now and then."""
JOINING: Final = 300 * SECOND
"""After joining an open connection, answers to CALLs from before may come for so long."""
MAX_NAME: Final = 50
MAX_TEXT: Final = 160
"""Characters of an error description that are repeated."""
MAX_WORDED: Final = 2000
"""Different errors whose words are kept."""

_RESULT: Final = MessageType.CALLRESULT
_ERROR: Final = MessageType.CALLERROR
_SIDE: Final = {"station": "station", "csms": "CSMS"}
_SIDE_UP: Final = {"station": "Station", "csms": "CSMS"}

_OBJECTIONS: Final = frozenset(
    {
        "FormationViolation",
        "FormatViolation",
        "MessageTypeNotSupported",
        "OccurenceConstraintViolation",
        "OccurrenceConstraintViolation",
        "PropertyConstraintViolation",
        "ProtocolError",
        "RpcFrameworkError",
        "TypeConstraintViolation",
    }
)
"""Error codes that say: your message is not as it must be (1.6J §4.2.3, 2.x Part 4 §4.3)."""
_UNSUPPORTED: Final = frozenset({"NotImplemented", "NotSupported"})
_ESSENTIAL: Final = frozenset(
    {
        "Authorize",
        "BootNotification",
        "Heartbeat",
        "MeterValues",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "RequestStartTransaction",
        "RequestStopTransaction",
        "Reset",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
        "TransactionEvent",
    }
)
"""Without these no charging session is run or billed: nobody may do without them."""

ORPHAN = Kind(
    "answer.orphan",
    "warning",
    "unknown",
    "An answer belongs to no CALL",
    "The {side} sent {what} with the id {id}, but the other side has sent no CALL with this id on this connection. "
    "Its own CALL, if it meant one, stays without an answer.",
    "{side_up}: return exactly the id of the CALL that is answered. Look for a CALL left unanswered at the same time: "
    "its id shows what was changed.",
    "OCPP-J 1.6 §4.1.4; https://github.com/mobilityhouse/ocpp/issues/297",
)
DOUBLE = Kind(
    "answer.double",
    "warning",
    "unknown",
    "A CALL is answered twice",
    "The {side} answered {action} a second time with the same id. Who asked has taken the first answer and must drop "
    "this one.",
    "{side_up}: see why it answers twice (a retried handler, two instances that both serve this connection).",
    "OCPP-J 1.6 §4.1.3; https://github.com/matth-x/MicroOcpp/issues/22",
)
ERROR_AFTER_RESULT = Kind(
    "answer.error-to-result",
    "warning",
    "unknown",
    "An answer is answered with a CALLERROR",
    "The {side} got the answer to its {action} and sent a CALLERROR ({code}) about it. A CALLERROR may only answer a "
    "CALL; before OCPP 2.1 there is no way to object to an answer, and many peers break off at this.",
    "{side_up}: log the faulty answer and go on (OCPP 2.1: send CALLRESULTERROR). {cause}",
    "OCPP-J 1.6 §4.2.3; https://github.com/ChargeTimeEU/Java-OCA-OCPP/issues/406",
)
REFUSED_FAULTY = Kind(
    "answer.refused-faulty",
    "warning",
    "unknown",
    "A faulty message is refused",
    "The {side} refused {action} with {code}{said}. The message is indeed faulty: {fault}. What it was to tell is "
    "lost, and will be refused again.",
    "{caller_up}: correct this in the message. Until then the {side} may be able to switch off strict validation.",
    "OCPP-J 1.6 §4.2.3; https://github.com/mobilityhouse/ocpp/issues/128",
)
REFUSED_VALID = Kind(
    "answer.refused-valid",
    "warning",
    "unknown",
    "A valid message is refused",
    "The {side} refused {action} with {code}{said}, although the message fits the schema of OCPP {version}. What it "
    "was to tell is lost.",
    "{side_up}: see what it objects to: a rule of its own, an older schema, or a value that the schema does not judge.",
    "OCPP-J 1.6 §4.2.3; https://github.com/lbbrhzn/ocpp/issues/1155",
    inferred=True,
)
REFUSED = Kind(
    "answer.refused",
    "warning",
    "unknown",
    "A message is refused as faulty",
    "The {side} refused {action} with {code}{said}. Whether the message is faulty could not be checked here.",
    "Compare the message with the standard: if it keeps to it, the {side} is too strict, otherwise the other side "
    "must correct it.",
    "OCPP-J 1.6 §4.2.3",
)
UNSUPPORTED = Kind(
    "answer.not-supported",
    "info",
    "unknown",
    "A message is not supported by the other side",
    "The {side} answered {action} with {code}{said}: it does not have this function.",
    "Nothing, if nobody needs it. Otherwise {side}: enable or implement {action}; or have the other side stop "
    "sending it.",
    "OCPP-J 1.6 §4.2.3",
)
FAILED = Kind(
    "answer.error",
    "warning",
    "unknown",
    "A message is answered with an error",
    "The {side} answered {action} with {code}{said}: something went wrong while it handled the message, which counts "
    "as not received.",
    "{side_up}: look up this message id in its log; the error is on its side.",
    "OCPP-J 1.6 §4.2.3",
)
SECURITY = Kind(
    "answer.security-error",
    "warning",
    "unknown",
    "A message is refused for security reasons",
    "The {side} answered {action} with SecurityError{said}.",
    "Check what the {side} demands: identity, certificate or signature, and the security profile on both sides.",
    "OCPP-J 1.6 §4.2.3",
)


class AnswersCheck(Check):
    """Field failures 9, 14 and 23."""

    kinds = (
        ORPHAN,
        DOUBLE,
        ERROR_AFTER_RESULT,
        REFUSED_FAULTY,
        REFUSED_VALID,
        REFUSED,
        UNSUPPORTED,
        FAILED,
        SECURITY,
    )
    wants = frozenset({OcppMessage, Orphan, DecodeError})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._holes = Holes()
        self._answers: dict[tuple[int | str, str, str], OcppMessage] = {}
        """By connection (in a log: station), who answered ("send": nobody may), message id."""
        self._waiting: list[tuple[OcppMessage, OcppMessage | None]] = []
        """Answers without a CALL that are judged when more is known of the other side, and the earlier answers that
        they repeat or object to."""
        self._worded: dict[tuple[str, str], Mapping[str, str]] = {}
        """A side objects to the same thing again and again: hiding secrets in the words once is enough."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Remember what was answered, and judge errors."""
        if isinstance(event, OcppMessage):
            if self._waiting:
                return [*self._judge_waiting(event, picture), *self._message(event)]
            return self._message(event)
        if isinstance(event, Orphan):
            return self._orphan(event, picture)
        if isinstance(event, DecodeError):
            self._holes.note(event)
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Answers without a CALL after which the other side said nothing more."""
        return self._judge_waiting(None, picture)

    def _message(self, event: OcppMessage) -> Iterable[Finding]:
        if event.type is _RESULT or event.type is _ERROR:
            if event.call is not None:
                self._remember(event, event.sender)
                if event.type is _ERROR:
                    return (self._refusal(event, event.call),)
        elif event.type is MessageType.SEND:
            self._remember(event, "send")
        return ()

    def _remember(self, message: OcppMessage, by: str) -> None:
        if len(message.id) > MAX_NAME:
            return
        channel = message.channel
        answers = self._answers
        key = (channel.station if channel.connection is None else channel.connection.number, by, message.id)
        answers.pop(key, None)  # so that it stands at the end again
        answers[key] = bounded(message, MAX_KEPT)
        if len(answers) > MAX_REMEMBERED:
            del answers[next(iter(answers))]

    # ------------------------------------------------------------------------------------------------ without a CALL

    def _orphan(self, event: Orphan, picture: Picture) -> Iterable[Finding]:
        answer = event.answer
        if not answer.id or not is_legible(answer) or answer.channel.transport == "soap":
            return ()
        connection = answer.channel.connection
        place = answer.channel.station if connection is None else connection.number
        earlier = self._answers.get((place, OTHER[answer.sender], answer.id)) if answer.type is _ERROR else None
        earlier = earlier or self._answers.get((place, answer.sender, answer.id))
        if earlier is None and (
            (place, "send", answer.id) in self._answers or answer.type is MessageType.CALLRESULTERROR
        ):
            return ()  # what 2.1 forbids besides is judged by its own checks
        if connection is None:
            # A log may lack lines: that no CALL is seen says nothing.
            near = earlier is not None and answer.time > 0 and answer.time - earlier.time <= IN_A_LOG
            return (_superfluous(answer, earlier),) if earlier is not None and near else ()
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append((answer, earlier))
        return ()

    def _judge_waiting(self, heard: OcppMessage | None, picture: Picture) -> list[Finding]:
        """An answer can overtake the news that bytes of the other side are missing: what comes later from that side
        comes in order, behind that news."""
        found: list[Finding] = []
        still: list[tuple[OcppMessage, OcppMessage | None]] = []
        for answer, earlier in self._waiting:
            if heard is not None and (
                heard.sender == answer.sender or heard.channel.connection is not answer.channel.connection
            ):
                still.append((answer, earlier))
            elif earlier is not None:
                # Sides that count their CALLs use an id again, and the CALL may be in the hole.
                if not self._holes.count(answer, picture):
                    found.append(_superfluous(answer, earlier))
            elif self._would_have_seen(answer, picture):
                found.append(_without_call(answer))
        self._waiting = still
        return found

    def _would_have_seen(self, answer: OcppMessage, picture: Picture) -> bool:
        """Whether the CALL that it answers, had there been one, would be in the capture."""
        link = picture.links.get(answer.channel.connection)
        if link is None or self._holes.count(answer, picture):
            return False
        if not link.heard[answer.sender == "station"]:
            return False  # nothing of the other side is in the capture
        connection = link.connection
        return not connection.joined_midstream or answer.time - connection.opened > JOINING

    # --------------------------------------------------------------------------------------------------- saying no

    def _refusal(self, answer: OcppMessage, call: OcppMessage) -> Finding:
        code = answer.error.code[:MAX_NAME] if answer.error is not None else ""
        fault = _fault(call)
        severity: Severity | None = None
        owner: Owner = answer.sender
        if code in _OBJECTIONS:
            if fault:
                kind, owner = REFUSED_FAULTY, call.sender
            elif call.validated:
                kind = REFUSED_VALID
            else:
                kind, owner = REFUSED, "unknown"
        elif code in _UNSUPPORTED:
            kind = UNSUPPORTED
            severity = "warning" if call.action in _ESSENTIAL else None
        elif code == "SecurityError":
            kind, owner = SECURITY, "unknown"
        else:
            kind = FAILED
        station = answer.channel.station
        group = f"{answer.sender} {call.action[:MAX_NAME]} {code}"
        values = self._worded.get((station, kind.id + group))
        if values is None:
            values = _values(answer, call, code, fault)
            if len(self._worded) < MAX_WORDED:
                self._worded[station, kind.id + group] = values
        return Finding(kind, answer.time, station, (answer, call), values, group=group, severity=severity, owner=owner)


def _without_call(answer: OcppMessage) -> Finding:
    sender = answer.sender
    values = {
        "side": _SIDE[sender],
        "side_up": _SIDE_UP[sender],
        "what": "an error" if answer.type is _ERROR else "an answer",
        "id": shorten(answer.id, MAX_NAME),
    }
    return Finding(ORPHAN, answer.time, answer.channel.station, (answer,), values, group=sender, owner=sender)


def _superfluous(answer: OcppMessage, earlier: OcppMessage) -> Finding:
    """An answer to what was answered, or to an answer."""
    sender, station, evidence = answer.sender, answer.channel.station, (answer, earlier)
    values = {"side": _SIDE[sender], "side_up": _SIDE_UP[sender]}
    if earlier.sender != sender:
        values |= _objection(answer, earlier)
        return Finding(ERROR_AFTER_RESULT, answer.time, station, evidence, values, group=sender, owner=sender)
    values["action"] = earlier.action[:MAX_NAME] or "a CALL"
    return Finding(DOUBLE, answer.time, station, evidence, values, group=f"{sender} {values['action']}", owner=sender)


def _fault(call: OcppMessage) -> str:
    """What is wrong with a CALL, without the secrets and identities in it; empty when nothing is."""
    if not is_legible(call):
        return ""
    for problem in call.problems:
        if problem.rule.startswith(("schema.", "json.", "framing.", "time.", "soap.")) and problem.rule not in (
            "framing.id-repeated",
            "soap.identity-namespace",
            "soap.undeclared-prefix",
        ):
            return without_ids(conceal_text(shorten(problem.text, MAX_TEXT), call), call)
    return ""


def _values(answer: OcppMessage, call: OcppMessage, code: str, fault: str) -> Mapping[str, str]:
    description = answer.error.description if answer.error is not None else ""
    said = ""
    if description.__class__ is str and description.strip():
        said = f' ("{without_ids(conceal_text(shorten(description, MAX_TEXT), answer), answer)}")'
    return {
        "side": _SIDE[answer.sender],
        "side_up": _SIDE_UP[answer.sender],
        "caller_up": _SIDE_UP[call.sender],
        "action": call.action[:MAX_NAME] or "a message",
        "code": code or "an error without a code",
        "said": said,
        "fault": fault,
        "version": call.channel.version,
    }


def _objection(error: OcppMessage, objected: OcppMessage) -> dict[str, str]:
    cause = ""
    if objected.problems:
        problem = objected.problems[0]
        words = without_ids(conceal_text(shorten(problem.text, MAX_TEXT), objected), objected)
        cause = f"The answer is faulty, which is the other side's to correct: {words}."
    return {
        "action": objected.action[:MAX_NAME] or "CALL",
        "code": error.error.code[:MAX_NAME] if error.error is not None else "",
        "cause": cause,
    }
