"""Messages that are not what the standard says: broken JSON or SOAP, wrong frames, payloads that break their schema.

The decoder has found the problems and put them in words (``OcppMessage.problems``); here they become findings, one kind
for each family of rules, kept apart by sender, action and rule. A problem that comes from the capture or the log (its
compression began earlier, a line was cut) accuses nobody, and neither does anything else about such a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Severity
from fieldkit.checks.policy import Policy
from fieldkit.events import Event, MessageType, OcppMessage, Problem
from fieldkit.ocpp.actions import versions_of
from fieldkit.ocpp.gist import without_ids
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.ocpp.versions import suggested_by
from fieldkit.safetext import shorten
from fieldkit.site.legible import is_legible
from fieldkit.site.picture import Picture

MAX_NAME: Final = 50
"""Characters of an action or path that a finding repeats."""
MAX_TEXT: Final = 240
"""Characters of a problem's text."""
MAX_TOLD: Final = 8
"""Problems of one message that become findings: a payload of another version breaks every rule there is."""
MAX_WORDED: Final = 2000
"""Different problems whose words are kept."""

_INDEX: Final = re.compile(r"\[[0-9]+\]")
_SIDE: Final = {"station": "station", "csms": "CSMS"}
_WHO_ACTS: Final = {"station": "Station manufacturer", "csms": "CSMS"}

BROKEN_JSON = Kind(
    "json.broken",
    "warning",
    "unknown",
    "A message is not JSON",
    "{What} of the {side} cannot be read as JSON: {text}. The other side can do nothing with it but drop it or "
    "answer with an error.",
    "{who}: correct how this message is written. The raw text in the evidence shows the place.",
    "RFC 8259; OCPP-J 1.6 §4.2; https://github.com/lbbrhzn/ocpp/issues/2032",
)
LENIENT_JSON = Kind(
    "json.lenient",
    "info",
    "unknown",
    "A message is JSON only for lenient parsers",
    "{What} of the {side}: {text}. Some parsers take it, strict ones refuse the whole message.",
    "{who}: write plain JSON, it costs nothing.",
    "RFC 8259 §6, §8.2",
)
MALFORMED = Kind(
    "framing.malformed",
    "warning",
    "unknown",
    "A message has the wrong frame",
    "{What} of the {side} is not framed as OCPP-J demands: {text}. What the other side makes of it is chance.",
    "{who}: correct the frame ([type, id, action, payload] for a CALL, [type, id, payload] for its answer).",
    "OCPP-J 1.6 §4.2; OCPP 2.0.1 Part 4 §4.2",
)
ERROR_FRAME = Kind(
    "framing.error-details",
    "info",
    "unknown",
    "An error message is not quite as it should be",
    "{What} of the {side}: {text}. The error itself arrives, its details may not.",
    "{who}: use the error codes and the five elements of the standard.",
    "OCPP-J 1.6 §4.2.3; OCPP 2.0.1 Part 4 §4.3",
)
MESSAGE_ID = Kind(
    "framing.message-id",
    "warning",
    "unknown",
    "A message id breaks the rules",
    "{What} of the {side}: {text}. Answers find their CALL by this id; a peer that keeps to the rules cannot answer.",
    "{who}: use texts of 1 to 36 characters, a UUID for instance.",
    "OCPP-J 1.6 §4.1.4; OCPP 2.0.1 Part 4 §4.1.4",
)
ID_REUSED = Kind(
    "framing.id-reused",
    "warning",
    "unknown",
    "A message id is used for different CALLs",
    "{What} of the {side} has a message id that it had used before on this connection for another CALL. Answers can "
    "be taken for those of the wrong CALL.",
    "{who}: make a new id for every CALL.",
    "OCPP-J 1.6 §4.1.4; https://github.com/mobilityhouse/ocpp/issues/297",
)
ID_REPEATED = Kind(
    "framing.id-repeated",
    "info",
    "unknown",
    "A CALL is sent again with the same id",
    "The {side} sent {what} again with the same id and content. That is a retry, made when no answer came in time.",
    "See why the first one was not answered (slow answers, a broken connection). The receiver must not count it twice.",
    "OCPP-J 1.6 §4.1.4; https://github.com/mobilityhouse/ocpp/issues/376",
)
UNKNOWN_ACTION = Kind(
    "framing.unknown-action",
    "warning",
    "unknown",
    "An action does not exist",
    "The {side} sent {what}: {text}. The other side can only answer with NotImplemented.",
    "{who}: correct the name of the action; vendors' own messages belong into DataTransfer.",
    "OCPP 1.6 §4, §5; OCPP 2.0.1 Part 2",
)
DIRECTION = Kind(
    "framing.direction",
    "warning",
    "unknown",
    "A side sends what only the other side may send",
    "The {side} sent {what}, but {text}.",
    "{who}: see why it takes the other side's part. Perhaps two stations or two CSMSs are connected with each other.",
    "OCPP 1.6 §4, §5",
)
BINARY = Kind(
    "framing.binary",
    "warning",
    "unknown",
    "OCPP comes in binary WebSocket messages",
    "The {side} sent {what} as a binary WebSocket message. OCPP-J uses text messages; many peers drop binary ones.",
    "{who}: send text messages (opcode 1).",
    "RFC 6455 §5.6; OCPP-J 1.6 §3",
)
VERSION_MIXED = Kind(
    "framing.other-version",
    "warning",
    "unknown",
    "Messages of another OCPP version on this connection",
    "This connection was agreed to speak OCPP {version}, but {what} of the {side} is probably a message of OCPP "
    "{other}: {text}.",
    "{who}: speak the version that was agreed on in Sec-WebSocket-Protocol. Station and CSMS must both be configured "
    "for the same version; restart both after changing it.",
    "OCPP-J 1.6 §3.3; https://github.com/lbbrhzn/ocpp/issues/2008",
    inferred=True,
)
SOAP_BROKEN = Kind(
    "soap.broken",
    "warning",
    "unknown",
    "A SOAP envelope is broken",
    "{What} of the {side}: {text}. The other side cannot process it.",
    "{who}: correct the envelope after the WSDL of this OCPP version.",
    "OCPP-S 1.6 §3; SOAP 1.2 Part 1 §5",
)
SOAP_LOOSE = Kind(
    "soap.loose",
    "info",
    "unknown",
    "A SOAP envelope does not follow the standard in all things",
    "The envelope is loose: {text} (first seen in {what} of the {side}). Many stacks take it all the same, strict "
    "ones refuse it.",
    "Nothing, if the other side answers. Otherwise {who}: correct the envelope after the WSDL of this OCPP version.",
    "OCPP-S 1.6 §3; WS-Addressing 1.0",
)
SCHEMA = Kind(
    "schema.violation",
    "warning",
    "unknown",
    "A payload breaks its schema",
    "{What} of the {side} breaks the schema of OCPP {version}{at}: {text}. A strict peer refuses the whole message.",
    "{who}: correct this field. Until then the other side may have to switch off its schema validation for this "
    "message.",
    "OCPP JSON schemas of the Open Charge Alliance; https://github.com/mobilityhouse/ocpp/issues/128",
)
SCHEMA_MINOR = Kind(
    "schema.minor",
    "info",
    "unknown",
    "A payload breaks its schema in a small thing",
    "{What} of the {side} differs from the schema of OCPP {version}{at}: {text}. Nearly all peers take it.",
    "{who}: correct this field when there is an opportunity.",
    "OCPP JSON schemas of the Open Charge Alliance",
)
TIME_FORMAT = Kind(
    "schema.time-format",
    "warning",
    "unknown",
    "A time is not written as the standard demands",
    "{What} of the {side}{at}: {text}. The other side may read another time, or refuse the message.",
    "{who}: write times as 2026-05-31T12:00:00Z.",
    "RFC 3339 §5.6; OCPP 1.6 §3.15",
)

_OF_RULE: Final = {
    "json.strictness": LENIENT_JSON,
    "json.constant": LENIENT_JSON,
    "framing.error-code": ERROR_FRAME,
    "framing.error-code-unknown": ERROR_FRAME,
    "framing.error-description": ERROR_FRAME,
    "framing.error-details": ERROR_FRAME,
    "framing.id-empty": MESSAGE_ID,
    "framing.id-length": MESSAGE_ID,
    "framing.id-type": MESSAGE_ID,
    "framing.id-reused": ID_REUSED,
    "framing.id-repeated": ID_REPEATED,
    "framing.action-unknown": UNKNOWN_ACTION,
    "framing.direction": DIRECTION,
    "framing.binary": BINARY,
    "framing.type-of-later-version": VERSION_MIXED,
    "schema.multiple-of": SCHEMA_MINOR,
    "schema.format": SCHEMA_MINOR,
    "time.format": TIME_FORMAT,
    **dict.fromkeys(
        "soap.syntax soap.not-xml soap.envelope soap.body soap.dtd soap.nesting soap.operation soap.identity".split(),
        SOAP_BROKEN,
    ),
}
"""The kinds of rules that differ from their family's."""
_OF_FAMILY: Final = {
    "json": BROKEN_JSON,
    "framing": MALFORMED,
    "soap": SOAP_LOOSE,
    "schema": SCHEMA,
}
_SILENT: Final = frozenset({"schema.more"})
"""Rules that only sum up others."""
_REBUILT: Final = frozenset({"log.rebuilt", "log.rejoined"})
"""The frame is not as it was on the wire: only its payload may be judged."""


class FramingCheck(Check):
    """Field failures 2 and 14, and whatever the decoder had to say of a message."""

    kinds = (
        BROKEN_JSON,
        LENIENT_JSON,
        MALFORMED,
        ERROR_FRAME,
        MESSAGE_ID,
        ID_REUSED,
        ID_REPEATED,
        UNKNOWN_ACTION,
        DIRECTION,
        BINARY,
        VERSION_MIXED,
        SOAP_BROKEN,
        SOAP_LOOSE,
        SCHEMA,
        SCHEMA_MINOR,
        TIME_FORMAT,
    )

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._worded: dict[tuple[str, str], Mapping[str, str]] = {}
        """A station breaks the same rule in every message: hiding secrets in the words once is enough."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Nearly all messages have no problem at all."""
        if not isinstance(event, OcppMessage) or not event.problems or not is_legible(event):
            return ()
        return self._judge(event)

    def _judge(self, message: OcppMessage) -> Iterator[Finding]:
        problems: Iterable[Problem] = message.problems
        other = _other_version(message)
        if other:
            # What a schema of the agreed version says of a message of another one is beside the point.
            about = next((problem for problem in problems if not problem.rule.startswith("log.")), None)
            if about is not None:
                yield self._finding(VERSION_MIXED, message, about, other)
            problems = [
                problem for problem in problems if _family(problem) == "json" or problem.rule == "framing.binary"
            ]
        rebuilt = any(problem.rule in _REBUILT for problem in message.problems)
        told = 0
        seen: set[tuple[str, str]] = set()
        for problem in problems:
            family = _family(problem)
            if problem.rule in _SILENT or (rebuilt and family in ("json", "framing")):
                continue
            if message.call is not None and problem.rule.startswith("framing.id-"):
                continue  # an answer must repeat the id of its CALL, as it is
            kind = _OF_RULE.get(problem.rule) or _OF_FAMILY.get(family)
            key = (problem.rule, _INDEX.sub("[]", problem.path[:200]))
            if kind is None or key in seen:
                continue
            seen.add(key)
            yield self._finding(kind, message, problem, "2.1" if kind is VERSION_MIXED else "")
            told += 1
            if told == MAX_TOLD:
                return

    def _finding(self, kind: Kind, message: OcppMessage, problem: Problem, other: str) -> Finding:
        sender, station = message.sender, message.channel.station
        action = message.action[:MAX_NAME]
        path = _INDEX.sub("[]", problem.path[:200])[: MAX_NAME * 2]
        group = f"{sender} {action} {_type(message)} {problem.rule} {path}"
        if kind is VERSION_MIXED:
            group = sender  # nothing of such a message fits: once is enough
        elif kind is SOAP_LOOSE:
            group = f"{sender} {problem.rule}"  # the envelope is written the same way around every message
        values = self._worded.get((station, kind.id + group))
        if values is None:
            values = _values(message, problem, path, other)
            if len(self._worded) < MAX_WORDED:
                self._worded[station, kind.id + group] = values
        evidence: tuple[Event, ...] = (message,) if message.call is None else (message, message.call)
        severity: Severity | None = None
        if kind is ID_REUSED and message.channel.connection is None:
            severity = "info"  # a log does not show where one connection ends and the next may begin to count anew
        return Finding(kind, message.time, station, evidence, values, group=group, owner=sender, severity=severity)


def _family(problem: Problem) -> str:
    return problem.rule.partition(".")[0]


def _other_version(message: OcppMessage) -> str:
    """The version that a message rather belongs to, when another one was agreed on."""
    channel = message.channel
    version = channel.version
    if not version or channel.version_inferred or version == "2.0":
        return ""
    if message.type in (MessageType.CALL, MessageType.SEND) and message.action:
        exists = versions_of(message.action)
        if exists and version not in exists:
            return " or ".join(sorted(exists))
    if not any(_family(problem) == "schema" for problem in message.problems):
        return ""
    suggested = suggested_by(message.type, message.action, message.payload)
    if not suggested or suggested.split(".")[0] == version.split(".")[0]:
        return ""
    return suggested


def _values(message: OcppMessage, problem: Problem, path: str, other: str) -> Mapping[str, str]:
    sender = message.sender
    what = _what(message)
    return {
        "side": _SIDE[sender],
        "who": _WHO_ACTS[sender],
        "what": what,
        "What": what[0].upper() + what[1:],
        "text": without_ids(conceal_text(shorten(problem.text, MAX_TEXT), message), message),
        "at": f" at {path}" if path else "",
        "version": message.channel.version or "(unknown)",
        "other": other,
    }


def _type(message: OcppMessage) -> str:
    return message.type.name if message.type is not None else ""


def _what(message: OcppMessage) -> str:
    """The message in a sentence: "MeterValues", "the answer to Heartbeat", "a message"."""
    action = message.action[:MAX_NAME]
    match message.type:
        case MessageType.CALL | MessageType.SEND:
            return action or "a CALL without an action"
        case MessageType.CALLRESULT:
            return f"the answer to {action}" if action else "an answer"
        case None:
            return "a message"
    return f"the error about {action}" if action else "an error message"
