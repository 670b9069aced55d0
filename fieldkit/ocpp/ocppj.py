"""OCPP-J framing: the text of one message → its type, id, action and payload.

OCPP 1.6J §4.2 and OCPP 2.0.1/2.1 Part 4 §4.2 frame every message as a JSON array that starts with a number:

====  ===============  ==========================================  ======
type  name             elements                                    since
====  ===============  ==========================================  ======
2     CALL             id, action, payload                         1.6
3     CALLRESULT       id, payload                                 1.6
4     CALLERROR        id, error code, description, details        1.6
5     CALLRESULTERROR  id, error code, description, details        2.1
6     SEND             id, action, payload (no answer expected)    2.1
====  ===============  ==========================================  ======

Broken messages are the interesting ones: whatever can still be read of a frame is read, and what is wrong with it is
put in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from fieldkit.events import MessageType, OcppError, Problem

MAX_ID_LENGTH = 36
"""OCPP-J 1.6 §4.1.4 and 2.x Part 4 §4.1.4: the id has at most 36 characters, enough for a GUID."""
MAX_SHOWN = 40
"""Characters of a station's own text quoted in a problem."""
MAX_NESTING = 400
"""Levels of arrays and objects; OCPP has about ten. Who handles a payload may take four calls for each of them, and
Python ends a recursion at a thousand."""
MAX_SALVAGE = 65_536
"""Characters of a broken frame that are searched for its parts."""

_TYPES: Final = (None, None, *MessageType)
_LENGTHS: Final = (0, 0, 4, 3, 5, 5, 4)

_ERROR_CODES: Final = {
    # 1.6J §4.2.3; the misspelt FormationViolation and OccurenceConstraintViolation are the standard's own
    "1.6": {
        "NotImplemented",
        "NotSupported",
        "InternalError",
        "ProtocolError",
        "SecurityError",
        "FormationViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
        "GenericError",
    },
    # 2.0.1 and 2.1 Part 4 §4.3
    "2": {
        "FormatViolation",
        "FormationViolation",
        "GenericError",
        "InternalError",
        "MessageTypeNotSupported",
        "NotImplemented",
        "NotSupported",
        "OccurrenceConstraintViolation",
        "OccurenceConstraintViolation",
        "PropertyConstraintViolation",
        "ProtocolError",
        "RpcFrameworkError",
        "SecurityError",
        "TypeConstraintViolation",
    },
}


_TOO_DEEP: Final = Problem("json.nesting", "", "it is nested too deeply to be read")


class Frame(NamedTuple):
    """One OCPP-J frame taken apart. ``type`` is None where it could not be told, ``id`` and ``action`` empty."""

    type: MessageType | None
    id: str
    action: str
    payload: Any
    error: OcppError | None
    problems: tuple[Problem, ...]
    readable: bool
    """False when the text is not JSON and the parts were picked out of it."""


_make: Final = tuple.__new__
"""``Frame(…)`` without the detour through keyword handling: a third of the time, and this is the hot path."""
_CALL: Final = MessageType.CALL
_CALLRESULT: Final = MessageType.CALLRESULT


def _loader() -> Callable[[bytes], Any]:
    """orjson where its wheel is there: it takes a third of the time of the standard library's parser."""
    try:
        import orjson
    except ImportError:
        read = json.JSONDecoder(parse_constant=_refuse).decode
        return lambda data: read(str(data, "utf-8"))  # json.loads would take UTF-16 and NaN too
    return orjson.loads


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_loads = _loader()


def parse(data: bytes, version: str = "") -> Frame:
    """Take one message apart; never fails. ``version`` decides which types and error codes are in order."""
    if len(data) > 2 * MAX_NESTING and data.count(b"[") + data.count(b"{") > MAX_NESTING and _is_too_deep(data):
        return _salvage(data.decode("utf-8", "replace"), [_TOO_DEEP])
    try:
        array = _loads(data)
    except ValueError:
        return _unparsable(data, version)
    except RecursionError:
        return _salvage(data.decode("utf-8", "replace"), [_TOO_DEEP])
    if array.__class__ is list and array:
        number = array[0]
        if number == 2 and len(array) == 4 and number.__class__ is int:
            _, id_, action, payload = array
            if (
                id_.__class__ is str
                and action.__class__ is str
                and payload.__class__ is dict
                and 0 < len(id_) <= MAX_ID_LENGTH
                and action
            ):
                return _make(Frame, (_CALL, id_, action, payload, None, (), True))
        elif number == 3 and len(array) == 3 and number.__class__ is int:
            _, id_, payload = array
            if id_.__class__ is str and payload.__class__ is dict and 0 < len(id_) <= MAX_ID_LENGTH:
                return _make(Frame, (_CALLRESULT, id_, "", payload, None, (), True))
    return _examine(array, version, [])


def _quoted(value: object) -> str:
    """A station's own value in a sentence: short, on one line."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _examine(array: Any, version: str, problems: list[Problem]) -> Frame:
    """The unhurried way: every type, every fault named."""

    def wrong(rule: str, text: str) -> None:
        problems.append(Problem(rule, "", text))

    if not isinstance(array, list):
        wrong("framing.not-an-array", f"an OCPP-J message is a JSON array, this is {_quoted(array)}")
        return Frame(None, "", "", array, None, tuple(problems), True)
    if not array:
        wrong("framing.empty", "an empty array")
        return Frame(None, "", "", None, None, tuple(problems), True)
    kind = array[0]
    if isinstance(kind, str) and kind in ("2", "3", "4", "5", "6"):
        wrong("framing.type", f"the message type must be a number, is the string {_quoted(kind)}")
        kind = int(kind)
    elif isinstance(kind, float) and kind in (2.0, 3.0, 4.0, 5.0, 6.0):
        wrong("framing.type", f"the message type must be a whole number, is {kind}")
        kind = int(kind)
    if isinstance(kind, bool) or not isinstance(kind, int) or not 2 <= kind <= 6:
        wrong("framing.type", f"message type {_quoted(kind)} does not exist in OCPP-J (2 to 6 do)")
        id_ = array[1] if len(array) > 1 and isinstance(array[1], str) else ""
        return Frame(None, id_, "", array, None, tuple(problems), True)
    type_ = MessageType(kind)
    if kind > 4 and version and version != "2.1":
        wrong("framing.type-of-later-version", f"{type_.name} came with OCPP 2.1, this connection speaks {version}")
    expected = _LENGTHS[kind]
    if len(array) != expected:
        wrong("framing.length", f"a {type_.name} has {expected} elements, this has {len(array)}")
    rest = array[1:]
    id_ = _examine_id(rest[0] if rest else None, wrong)
    if kind in (2, 6):
        action = rest[1] if len(rest) > 1 else None
        if not isinstance(action, str) or not action:
            wrong("framing.action", f"the action must be a text, is {_quoted(action)}")
            action = ""
        payload = _examine_payload(rest[2] if len(rest) > 2 else None, wrong)
        return Frame(type_, id_, action, payload, None, tuple(problems), True)
    if kind == 3:
        payload = rest[1] if len(rest) > 1 else None
        if len(rest) > 2 and isinstance(rest[1], str) and isinstance(rest[2], dict):
            payload = rest[2]  # seen: [3, id, action, payload]
        return Frame(type_, id_, "", _examine_payload(payload, wrong), None, tuple(problems), True)
    code, description, details = (*rest[1:4], None, None, None)[:3]
    if not isinstance(code, str) or not code:
        wrong("framing.error-code", f"the error code must be a text, is {_quoted(code)}")
        code = "" if code is None else str(code)
    elif version:
        known = _ERROR_CODES["2" if version.startswith("2") else "1.6"]
        if code not in known:
            wrong("framing.error-code-unknown", f"{_quoted(code)} is not an error code of OCPP {version}")
    if description is not None and not isinstance(description, str):
        wrong("framing.error-description", f"the error description must be a text, is {_quoted(description)}")
    elif isinstance(description, str) and len(description) > 255:
        wrong("framing.error-description", f"the error description has {len(description)} characters, 255 are allowed")
    if len(array) >= 5 and not isinstance(details, dict):
        wrong("framing.error-details", f"the error details must be an object, are {_quoted(details)}")
    error = OcppError(code, description if isinstance(description, str) else "", details)
    return Frame(type_, id_, "", details, error, tuple(problems), True)


def _examine_id(value: Any, wrong: Callable[[str, str], None]) -> str:
    if isinstance(value, str):
        if not value:
            wrong("framing.id-empty", "the message id is empty")
        elif len(value) > MAX_ID_LENGTH:
            wrong("framing.id-length", f"the message id has {len(value)} characters, {MAX_ID_LENGTH} are allowed")
        return value
    wrong("framing.id-type", f"the message id must be a text, is {_quoted(value)}")
    return "" if value is None else str(value)[:MAX_ID_LENGTH]


def _examine_payload(value: Any, wrong: Callable[[str, str], None]) -> Any:
    if not isinstance(value, dict):
        wrong("framing.payload", f"the payload must be an object, is {_quoted(value)}")
    return value


_BRACKETS: Final = re.compile(rb'[\[{\]}]|"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
"""What opens and closes a level, outside of texts."""
_PARTS: Final = re.compile(
    r'\s*\[\s*"?([2-6])"?\s*,\s*(?:"((?:[^"\\]|\\.){0,255})"|(-?\d{1,20}))\s*(?:,\s*"((?:[^"\\]|\\.){0,255})")?',
    re.ASCII,
)


def _unparsable(data: bytes, version: str) -> Frame:
    """Not JSON, or not the JSON that the fast parser takes: say where it breaks and read what can be read."""
    try:
        text = data.decode("utf-8")
        problems = []
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", "replace")
        shown = data[error.start : error.start + 1].hex()
        problems = [Problem("json.utf8", "", f"byte {error.start} (0x{shown}) is not UTF-8")]
    try:
        array = json.loads(text, parse_constant=lambda name: _constant(name, problems))
    except ValueError as error:
        problems.append(Problem("json.syntax", "", _why_not_json(error, text)))
    except RecursionError:
        problems.append(_TOO_DEEP)
    else:
        if not problems:
            # The two parsers differ on lone surrogates (RFC 8259 §8.2) and on numbers beyond 64 bits.
            problems.append(
                Problem("json.strictness", "", "a number or escape in it is refused by strict JSON parsers")
            )
        return _examine(array, version, problems)
    return _salvage(text, problems)


def _is_too_deep(data: bytes) -> bool:
    depth = 0
    for match in _BRACKETS.finditer(data):
        token = data[match.start()]
        depth += (token in b"[{") - (token in b"]}")
        if depth > MAX_NESTING:
            return True
    return False


def _salvage(text: str, problems: list[Problem]) -> Frame:
    """Type, id and action of what no parser takes."""
    match = _PARTS.match(text[:MAX_SALVAGE])
    if match is None:
        return Frame(None, "", "", None, None, tuple(problems), False)
    type_ = MessageType(int(match[1]))
    id_ = _unescape(match[2]) if match[2] is not None else match[3]
    word = _unescape(match[4]) if match[4] is not None else ""
    error_ = None
    action = ""
    if type_ in (MessageType.CALL, MessageType.SEND):
        action = word
    elif type_ is not MessageType.CALLRESULT:
        error_ = OcppError(word, "", None)
    return Frame(type_, id_, action, None, error_, tuple(problems), False)


def _constant(name: str, problems: list[Problem]) -> float:
    if all(problem.rule != "json.constant" for problem in problems):
        problems.append(Problem("json.constant", "", f"{name} is not JSON (RFC 8259 §6)"))
    return float(name.replace("Infinity", "inf"))


def _unescape(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _why_not_json(error: ValueError, text: str) -> str:
    """The parser's complaint with the text around the place."""
    if not isinstance(error, json.JSONDecodeError):
        return "a number in it has more digits than can be read"
    before = text[max(0, error.pos - 20) : error.pos]
    at = text[error.pos : error.pos + 8]
    if error.pos >= len(text.rstrip()):
        return f"the JSON ends too early, behind {_quoted(before)}"
    return f"it is not JSON at character {error.pos + 1}: {_quoted(before)} is followed by {_quoted(at)}"
