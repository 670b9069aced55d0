"""Events cross to another process: what comes out is what went in, and one thing stays one thing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fieldkit import events as vocabulary
from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    Endpoint,
    Event,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppChannel,
    OcppMessage,
    Unanswered,
)
from fieldkit.ocpp.ocppj import MAX_NESTING
from fieldkit.pipeline import Pipeline
from fieldkit.sources.crossing import Packer, Unpacker
from fieldkit.sources.file import FileSource
from fieldkit.sources.merge import feed, read_one

CAPTURES = Path(__file__).parents[2] / "captures"
STATION, CSMS = Endpoint("192.168.7.21", 49_152), Endpoint("10.0.0.1", 8080)


def connection(number: int = 1) -> Connection:
    return Connection(number, STATION, CSMS, 5, False, "site.pcap")


def channel(on: Connection | None) -> OcppChannel:
    return OcppChannel("CP_1", "1.6", "json", on, False, False, False)


def message(on: OcppChannel, time: int, *, call: OcppMessage | None = None, payload: object = None) -> OcppMessage:
    type_ = MessageType.CALL if call is None else MessageType.CALLRESULT
    said = {} if payload is None else payload
    return OcppMessage(
        time, (time,), "site.pcap", on, "station", type_, str(time), "Heartbeat", said, None, "[]", (), True, call
    )


class Way:
    """From one side to the other."""

    def __init__(self) -> None:
        self.packer, self.unpacker = Packer(), Unpacker()

    def over(self, *events: Event) -> list[Event]:
        found, beside = self.unpacker.unpack(self.packer.pack(list(events), (7, "x")))
        assert beside == (7, "x")
        assert found == list(events)
        return found

    @property
    def held(self) -> int:
        """What both sides still know by a number."""
        assert len(self.packer._held) == len(self.unpacker._held)
        return len(self.packer._held)


@pytest.mark.parametrize("name", sorted(path.name for path in CAPTURES.glob("**/*.pcap*")))
def test_all_that_captures_tell_arrives(name: str) -> None:
    file = next(CAPTURES.glob(f"**/{name}"))
    way, count = Way(), 0
    with closing(FileSource(str(file))) as source:
        for events in read_one(source, Pipeline(str(file)), lambda: None):
            count += len(way.over(*events))
    assert count > 2
    assert way.held <= 1, "all connections are closed at the end of a capture (a mirror's is never told)"


def test_a_class_of_events_that_is_new_crosses_too() -> None:
    """What is not among the classes that are known would be pickled by default: slower, and equal all the same."""
    for kind in vocabulary.Event.__args__:
        assert kind in Packer()._reducers


def test_what_several_events_point_to_is_one_thing_in_all_batches() -> None:
    way, where = Way(), connection()
    on = channel(where)
    call = message(on, 10)
    (opened,) = way.over(ConnectionOpened(5, (1,), where))
    (asked,) = way.over(call)
    answer, closed = way.over(message(on, 20, call=call), ConnectionClosed(30, (), where, "fin", True))
    assert isinstance(opened, ConnectionOpened)
    assert isinstance(closed, ConnectionClosed)
    assert isinstance(asked, OcppMessage)
    assert isinstance(answer, OcppMessage)
    assert answer.call is asked
    assert answer.channel is asked.channel
    assert answer.channel.connection is opened.connection is closed.connection
    assert way.held == 0


def test_a_call_without_an_answer_is_known_until_that_is_said() -> None:
    way, on = Way(), channel(None)
    call = message(on, 10)
    (asked,) = way.over(call)
    assert way.held == 2
    (unanswered,) = way.over(Unanswered(20, (10,), call))
    assert isinstance(unanswered, Unanswered)
    assert unanswered.call is asked
    assert way.held == 1, "the channel"


def test_a_response_has_the_request_that_was_told() -> None:
    way, where = Way(), connection()
    request = HttpRequest(10, (1,), where, True, "GET", "/ocpp/CP_1", {"host": "csms"}, None, b"")
    (asked,) = way.over(request)
    (response,) = way.over(HttpResponse(20, (2,), where, False, 101, "Switching Protocols", {}, request, b""))
    assert isinstance(response, HttpResponse)
    assert response.request is asked
    assert way.held == 1, "the connection, which goes on"


def test_what_comes_behind_the_end_is_equal() -> None:
    way, where = Way(), connection()
    way.over(ConnectionOpened(5, (1,), where), ConnectionClosed(6, (), where, "fin", True))
    assert way.held == 0
    way.over(ConnectionClosed(7, (), where, "fin", True), Unanswered(8, (), message(channel(where), 8)))
    assert way.held == 0


def test_connections_do_not_pile_up() -> None:
    way = Way()
    for number in range(1, 200):
        where = connection(number)
        on = channel(where)
        way.over(ConnectionOpened(5, (1,), where), message(on, 10))
        way.over(ConnectionClosed(20, (), where, "rst", None))
    assert way.held == 0


def test_the_deepest_payload_arrives() -> None:
    payload: dict[str, object] = {}
    for _ in range(MAX_NESTING):
        payload = {"in": payload}
    Way().over(message(channel(connection()), 10, payload=payload))


def test_a_log_crosses(tmp_path: Path) -> None:
    file = tmp_path / "csms.log"
    lines = [f'2026-08-31T08:00:{n:02}Z CP_7 received [2,"{n}","Heartbeat",{{}}]' for n in range(9)]
    file.write_text("\n".join(lines), "utf-8")
    way, pipeline = Way(), Pipeline(str(file))
    with closing(FileSource(str(file))) as source:
        events = [event for item in source.items() for event in way.over(*feed(pipeline, item))]
    assert len(events) == 9
