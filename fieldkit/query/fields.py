"""What a filter can ask of a message: each field's name, its kind, and how to read it.

A field is read as a tuple of values, empty when the message does not have it. Some have several: the statuses in a
payload, rule and text of every problem, an address with and without its port. A comparison holds when it holds for
one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from fieldkit.events import Endpoint, MessageType, OcppMessage
from fieldkit.ocpp.exchange import latency

Values: TypeAlias = tuple[Any, ...]
Reader: TypeAlias = Callable[[OcppMessage], Values]

MAX_PATH_STEPS = 32
"""OCPP's deepest payload has ten levels."""


class Kind(Enum):
    """How a field's values compare."""

    TEXT = auto()
    VALUE = auto()
    """Whatever JSON holds: text, number, boolean or null."""
    NUMBER = auto()
    DURATION = auto()
    """Nanoseconds."""
    TIME = auto()
    """Nanoseconds since the epoch."""
    VERSION = auto()
    ADDRESS = auto()
    CHOICE = auto()
    """One of a few words."""
    FLAG = auto()


class Spelt(Enum):
    """Where the value of a field stands in what was sent."""

    ELSEWHERE = auto()
    """Not in the text of the message, or not as itself."""
    AS_SENT = auto()
    """It is that text, or a piece of it."""
    IN_JSON = auto()
    """It is a value in it."""
    OR_IN_CALL = auto()
    """It is a value in it, or in the message that it answers."""


ORDERED: Final = frozenset({Kind.VALUE, Kind.NUMBER, Kind.DURATION, Kind.TIME})
"""Kinds that have ranges."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a filter can ask for."""

    name: str
    kind: Kind
    about: str
    """One line of help."""
    read: Reader = field(compare=False)
    choices: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Of a CHOICE: what may be written, and the value that it means."""
    spelt: Spelt = field(default=Spelt.ELSEWHERE, compare=False)
    names: tuple[str, ...] = field(default=(), compare=False)
    """Keys of which one is in the text of every message that has this; empty where there is none, or it depends."""
    keys: tuple[str, ...] = field(default=(), compare=False)
    """Keys of which one stands right before every value of this; empty where that is not so."""
    surely: Callable[[OcppMessage], bool] | None = field(default=None, compare=False)
    """True when a message that was sent and parsed must have this, told without parsing it again."""


# --------------------------------------------------------------------------------------------------- simple readers

_TYPE_NAMES: Final = {
    MessageType.CALL: ("call",),
    MessageType.CALLRESULT: ("result",),
    MessageType.CALLERROR: ("error",),
    MessageType.CALLRESULTERROR: ("resulterror",),
    MessageType.SEND: ("send",),
}
_TYPE_CHOICES: Final = {
    "call": "call",
    "result": "result",
    "error": "error",
    "resulterror": "resulterror",
    "send": "send",
    "callresult": "result",
    "callerror": "error",
    "callresulterror": "resulterror",
} | {str(int(number)): name for number, (name,) in _TYPE_NAMES.items()}


def _present(text: str) -> Values:
    return (text,) if text else ()


def _type(message: OcppMessage) -> Values:
    return () if message.type is None else _TYPE_NAMES[message.type]


def _error(message: OcppMessage) -> Values:
    error = message.error
    return () if error is None else (error.code, error.description)


def _problem(message: OcppMessage) -> Values:
    return tuple(text for problem in message.problems for text in (problem.rule, problem.text))


def _latency(message: OcppMessage) -> Values:
    waited = latency(message)
    return () if waited is None else (waited,)


def _endpoint(end: Endpoint) -> Values:
    address = end.address
    return address, (f"[{address}]:{end.port}" if ":" in address else f"{address}:{end.port}")


def _client(message: OcppMessage) -> Values:
    connection = message.channel.connection
    return () if connection is None else _endpoint(connection.client)


def _server(message: OcppMessage) -> Values:
    connection = message.channel.connection
    return () if connection is None else _endpoint(connection.server)


def _connection(message: OcppMessage) -> Values:
    connection = message.channel.connection
    return () if connection is None else (connection.number,)


def _payload(message: OcppMessage) -> Values:
    return () if message.payload is None else (message.payload,)


def _surely_payload(message: OcppMessage) -> bool:
    # Of every type that there is, a frame without an object as its payload (or details) is a problem.
    return not message.problems and message.channel.transport == "json" and message.type is not None


def _inferred(message: OcppMessage) -> Values:
    channel = message.channel
    return (channel.station_inferred or channel.version_inferred or channel.sides_inferred,)


# ----------------------------------------------------------------------------------------------------- the payload


def _walk(path: tuple[str | int, ...]) -> Callable[[Any], Values]:
    """A reader of all values at ``path`` in a payload.

    A name looks into an object, or into every object of a list; a number takes one item of a list, "*" takes all.
    Letter case is overlooked where no key has the exact name.
    """

    def walk(payload: Any) -> Values:
        found = [payload]
        for step in path:
            below: list[Any] = []
            for value in found:
                if type(value) is list:
                    if step == "*":
                        below.extend(value)
                    elif type(step) is int:
                        below.extend(value[step : step + 1])
                    else:
                        for item in value:
                            _look_up(item, step, below)
                else:
                    _look_up(value, step, below)
            if not below:
                return ()
            found = below
        return tuple(found)

    return walk


def _look_up(value: Any, name: Any, found: list[Any]) -> None:
    if type(value) is not dict:
        return
    if name in value:
        found.append(value[name])
    elif type(name) is str:
        lowered = name.lower()
        found.extend(item for key, item in value.items() if len(key) == len(name) and key.lower() == lowered)


_PATH: Final = re.compile(r"(?:payload(?=[.\[]))?((?:\.[^.\[\]]+|\[(?:\d{1,6}|\*)\])+)", re.IGNORECASE)
_PATH_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\*)\]")


def _path(name: str) -> Field:
    """The field for ``payload.a[0].b[*]``, or ``.a`` for short. ValueError when it is no path."""
    match = _PATH.fullmatch(name)
    if match is None:
        raise ValueError("this path is incomplete: write .idTag or .meterValue[0].sampledValue[*].value")
    steps: list[str | int] = [
        int(index) if index.isdecimal() else key or index for key, index in _PATH_STEP.findall(match[1])
    ]
    if len(steps) > MAX_PATH_STEPS:
        raise ValueError(f"a path may have {MAX_PATH_STEPS} steps")
    walk = _walk(tuple(steps))
    names = [step for step in steps if type(step) is str and step != "*"]
    last = steps[-1]
    return Field(
        match[1],
        Kind.VALUE,
        "a value in the payload",
        lambda message: walk(message.payload),
        spelt=Spelt.IN_JSON,
        names=(max(names, key=len),) if names else (),
        keys=(last,) if type(last) is str and last != "*" else (),
    )


def _in_payload(*paths: str) -> Reader:
    """All values at several places of the payload, each led to by the names that the standard gives."""
    places = [(first, _walk(tuple(below))) for first, *below in (path.split(".") for path in paths)]

    def read(message: OcppMessage) -> Values:
        payload = message.payload
        if type(payload) is not dict:
            return ()
        found: Values = ()
        for first, walk in places:
            value = payload.get(first)
            if value is not None:
                found += walk(value)
        return found

    return read


def _in_conversation(*paths: str) -> Reader:
    """The same; but an answer that has none takes those of its call, so that "connector = 2" shows a conversation
    and not the half of it that repeats the number."""
    here = _in_payload(*paths)
    return lambda message: here(message) or (() if message.call is None else here(message.call))


# ------------------------------------------------------------------------------------------------------- the fields

# As help lists them: whose message, which, when, what is in it, what is wrong with it, where it was seen.
_TABLE: Final = (
    Field("station", Kind.TEXT, "identity of the charging station", lambda message: _present(message.channel.station)),
    Field("action", Kind.TEXT, "the action; of an answer, that of its call", lambda message: _present(message.action)),
    Field(
        "type",
        Kind.CHOICE,
        "call, result, error, resulterror or send",
        _type,
        _TYPE_CHOICES,
    ),
    Field(
        "from",
        Kind.CHOICE,
        "who says it: station or csms",
        lambda message: (message.sender,),
        {"station": "station", "csms": "csms"},
    ),
    Field("id", Kind.TEXT, "message id", lambda message: _present(message.id), spelt=Spelt.AS_SENT),
    Field("version", Kind.VERSION, "OCPP version", lambda message: _present(message.channel.version)),
    Field(
        "transport",
        Kind.CHOICE,
        "json or soap",
        lambda message: (message.channel.transport,),
        {"json": "json", "soap": "soap"},
    ),
    Field("time", Kind.TIME, "time of day, date, or both", lambda message: (message.time,)),
    Field("latency", Kind.DURATION, "how long the answer took, in ms unless another unit is given", _latency),
    Field(
        "connector",
        Kind.VALUE,
        "connector number; of an answer, that of its call",
        _in_conversation("connectorId", "evse.connectorId"),
        spelt=Spelt.OR_IN_CALL,
        names=("connectorId",),
        keys=("connectorId",),
    ),
    Field(
        "evse",
        Kind.VALUE,
        "EVSE number; of an answer, that of its call",
        _in_conversation("evseId", "evse.id"),
        spelt=Spelt.OR_IN_CALL,
        names=("evse",),
        keys=("evseId", "id"),
    ),
    Field(
        "tx",
        Kind.VALUE,
        "transaction id; of an answer, that of its call",
        _in_conversation(
            "transactionId",
            "transactionInfo.transactionId",
            "chargingProfile.transactionId",
            "csChargingProfiles.transactionId",
            "eventData.transactionId",
        ),
        spelt=Spelt.OR_IN_CALL,
        names=("transactionId",),
        keys=("transactionId",),
    ),
    Field(
        "status",
        Kind.VALUE,
        "status of an answer, a connector, an id tag or token",
        _in_payload("status", "connectorStatus", "idTagInfo.status", "idTokenInfo.status"),
        spelt=Spelt.IN_JSON,
        names=("status",),
    ),
    Field(
        "payload",
        Kind.VALUE,
        "a value in the payload: payload.evse.id, or .evse.id for short",
        _payload,
        surely=_surely_payload,
    ),
    Field(
        "text",
        Kind.TEXT,
        "the whole message as it was sent",
        lambda message: _present(message.raw),
        spelt=Spelt.AS_SENT,
    ),
    Field("error", Kind.TEXT, "code or description of an error answer or SOAP fault", _error),
    Field("problem", Kind.TEXT, "rule or text of what is wrong with the message", _problem),
    Field("valid", Kind.FLAG, "true when nothing was found wrong with it", lambda message: (not message.problems,)),
    Field("inferred", Kind.FLAG, "true when station, version or sides are a conclusion, not stated", _inferred),
    Field("client", Kind.ADDRESS, "address, or address:port, that opened the connection", _client),
    Field("server", Kind.ADDRESS, "address, or address:port, that it was opened to", _server),
    Field("connection", Kind.NUMBER, "number of the TCP connection", _connection),
    Field("frame", Kind.NUMBER, "number of a capture frame or log line", lambda message: message.frames),
    Field("source", Kind.TEXT, "file or interface it was seen in", lambda message: _present(message.source)),
)

ALIASES: Final = {"sender": "from", "direction": "from", "transaction": "tx", "raw": "text"}

BY_NAME: Final[Mapping[str, Field]] = MappingProxyType({entry.name: entry for entry in _TABLE})

FIELDS: Final[Mapping[str, str]] = MappingProxyType({entry.name: entry.about for entry in _TABLE})
"""Every field and a line about it, as ``--help`` prints them."""


def find(name: str) -> Field | None:
    """The field of that name, in any letter case; None when there is none, ValueError when it is a broken path."""
    lowered = name.lower()
    if lowered.startswith((".", "payload.", "payload[")):
        return _path(name)
    return BY_NAME.get(ALIASES.get(lowered, lowered))


def closest(word: str, candidates: Iterable[str]) -> str:
    """The candidate that ``word`` was probably meant to be, empty when it resembles none."""
    import difflib  # only for a mistake

    return next(iter(difflib.get_close_matches(word[:40].lower(), candidates, n=1)), "")


def nearest(name: str) -> str:
    """The field that was probably meant. What resembles none may be a key of the payload: idTag for .idTag."""
    close = closest(name, [*BY_NAME, *ALIASES])
    if close:
        return close
    return f".{name}" if name[0].isalpha() and len(name) <= 40 and _PATH.fullmatch(f".{name}") else ""
