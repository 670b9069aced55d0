"""OCPP-J: what a station and its CSMS say to each other, with validation. Pieces are messages.

The kind of a piece says who speaks; that of the first one also which version was agreed on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from tests.fuzz.harness import Scramble, fuzz, instrumented, join_pieces, mutate_pieces, saved_seeds, split_pieces

with instrumented(__name__):
    from fieldkit import schemastore
    from fieldkit.events import Event, MessageType, OcppChannel, OcppMessage, Problem
    from fieldkit.ocpp import schema
    from fieldkit.ocpp.actions import is_known
    from fieldkit.ocpp.conversation import Conversation
    from fieldkit.ocpp.ocppj import parse
    from tests.fuzz.overheard import overheard
    from tests.fuzz.promises import check_events, check_writers
    from tests.traffic.conversation import Session
    from tests.traffic.scripts import usual_hour

CSMS, HOLED = 1, 2
"""Flags of a piece: the CSMS says it; some of its bytes are not known."""
VERSIONS: Final = ("1.6", "2.0.1", "2.1", "", "2.0")

_schemas = schema.Schemas(schemastore.load)
_HOLES: Final = (Problem("deflate.context", "", "some bytes are unknown"),)


def one_input(data: bytes) -> None:
    pieces = list(split_pieces(data))
    version = VERSIONS[(pieces[0][0] >> 2) % len(VERSIONS)] if pieces else ""
    events: list[Event] = []
    channel = OcppChannel("CP_7", version, "json", None, False, not version, False)
    conversation = Conversation(channel, events.append, _schemas)
    for number, (kind, text) in enumerate(pieces, 1):
        before = len(events)
        unknown = text.count(0) if kind & HOLED else 0
        conversation.feed(
            text,
            "csms" if kind & CSMS else "station",
            number * 10**9,
            (number,),
            "fuzz",
            _HOLES if unknown else (),
            unknown,
        )
        said = [event for event in events[before:] if isinstance(event, OcppMessage)]
        assert len(said) == 1, f"{len(said)} messages from one frame"
        check_frame(text, said[0])
    conversation.finish((len(pieces) + 1) * 10**9)
    check_events(events, len(pieces), len(data))
    check_writers(events)


def check_frame(text: bytes, message: OcppMessage) -> None:
    frame = parse(text, message.channel.version)
    assert frame.type is message.type
    assert frame.id == message.id
    assert message.raw == text.decode("utf-8", "replace")
    if frame.type is None:
        assert frame.problems, "nothing is said of a frame that cannot be read"
    if message.validated:
        assert isinstance(message.payload, dict), message
        assert message.type in (MessageType.CALL, MessageType.CALLRESULT, MessageType.SEND), message
        check_verdict(message)


def check_verdict(message: OcppMessage) -> None:
    """The quick judge and the one that explains must agree."""
    version, action = message.channel.version, message.action
    assert is_known(action, version), message
    compiled = _schemas._compiled[version, action, message.type is MessageType.CALLRESULT]
    assert compiled is not None
    try:
        fits = compiled.accept(message.payload)
    except TypeError:
        fits = False
    faults = list(schema._walk(compiled.root, message.payload, ()))
    assert fits == (not faults), f"{fits}, and {faults}: {message.payload}"


def mutate(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    """Also value by value: nearly every byte that libFuzzer changes breaks the JSON."""
    pieces = list(split_pieces(data))
    if not pieces or random.random() < 0.3:
        return mutate_pieces(data, most, random, scramble)
    at = random.randrange(len(pieces))
    kind, text = pieces[at]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return mutate_pieces(data, most, random, scramble)
    for _ in range(random.choice((1, 1, 2, 4))):
        value = _other_value(value, random, scramble)
    other = json.dumps(value, ensure_ascii=random.random() < 0.5, separators=random.choice(((",", ":"), (", ", ": "))))
    pieces[at] = (kind, other.encode("utf-8", "surrogatepass")[: max(most - len(data) + len(text), 2)])
    return join_pieces(pieces)


_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 1.0, 0.3, 11.25, 1e308, 2**63, 2**64, -(2**70), "", "x", "x" * 300, "1",
    "2026-08-31T08:00:00Z", "2026-08-31T08:00:00", "2026-02-30T24:61:00.123456789+25:00", "\x1b[31m", "\u202e",
    "\ud800", "é", "\0", "http://user:secret@host/", "ftp:", [], {}, [[]], {"": {}}, float("nan"), "Accepted",
    "AuthorizationKey",
)  # fmt: skip


def _other_value(value: Any, random: Random, scramble: Scramble) -> Any:
    """The same value with something in it changed."""
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        match random.randrange(8):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return [*value[:at], value[at], *value[at:]]
            case _:
                return [*value[:at], _other_value(value[at], random, scramble), *value[at + 1 :]]
    if isinstance(value, dict) and value and random.random() < 0.85:
        name = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {key: entry for key, entry in value.items() if key != name}
            case 1:
                return value | {_scrambled(name, scramble): value[name]}
            case 2:
                return value | {name: random.choice(_ODD)}
            case _:
                return value | {name: _other_value(value[name], random, scramble)}
    if isinstance(value, str) and value and random.random() < 0.5:
        return _scrambled(value, scramble)
    return random.choice(_ODD)


def _scrambled(text: str, scramble: Scramble) -> str:
    return scramble(text.encode("utf-8", "surrogatepass") or b"x", 80).decode("utf-8", "replace")


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_ocppj")
    for version, messages in overheard().conversations:
        for at in range(0, len(messages), 4):
            yield _input(version, [(int(sender == "csms"), text) for sender, text in messages[at : at + 4]])
    for version in ("1.6", "2.0.1", "2.1"):
        session = Session(version=version)
        usual_hour(session)
        said = [(int(message.sender == "csms"), message.text.encode()) for message in session.said]
        for at in range(0, len(said), 6):
            yield _input(version, said[at : at + 6])
    for text in (
        b"", b"[]", b"{}", b"2", b'[2,"1"', b'[2,"1","Heartbeat",{}]]', b'["2","1","Heartbeat",{}]', b"[" * 3000,
        b'[4,"1","InternalError","",{}]', b'[5,"1","X","y",{}]', b'[6,"1","NotifyPeriodicEventStream",{}]',
        b'[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"0011223344556677"}]', b'\xff[3,"1",{}]',
        b'[2,"1","DataTransfer",{"data":"\0\0\0\xc3"}]', b'[3,1,"Heartbeat",{"a":NaN}]',
    ):  # fmt: skip
        yield _input("1.6", [(0, text), (HOLED | CSMS, text)])


def _input(version: str, messages: list[tuple[int, bytes]]) -> bytes:
    (kind, text), *others = messages
    return join_pieces([(kind | VERSIONS.index(version) << 2, text), *others])


if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
