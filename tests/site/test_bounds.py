"""However many different names come: what is kept of them has an end."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator, Sized
from types import FunctionType, ModuleType

import pytest

from fieldkit.events import Event, MessageType, OcppChannel, OcppMessage
from fieldkit.session import Session
from tests.traffic.conversation import MONDAY
from tests.traffic.hostile import LINE

STAMP = "2026-08-31T08:00:00Z"
LARGEST = 20_100
"""No table of the engine is meant to have more entries than connections or connectors of a whole site."""


def call(
    number: int, action: str, payload: dict[str, object], station: str = "CP", version: str = "1.6"
) -> OcppMessage:
    channel = OcppChannel(station, version, "json", None if station != "CP" else LINE, False, False, False)
    time = MONDAY + number * 10**8
    return OcppMessage(
        time, (1,), "memory", channel, "station", MessageType.CALL, f"m-{number}", action, payload, None, "{}", (), True,
        None,
    )  # fmt: skip


def stations(number: int) -> Event:
    return call(number, "Heartbeat", {}, f"CP-{number}")


def actions(number: int) -> Event:
    return call(number, f"Action{number}", {})


def transactions(number: int) -> Event:
    info = {"transactionId": f"T-{number}"}
    reading = [{"timestamp": STAMP, "sampledValue": [{"value": 1}]}]
    payload = {"eventType": "Started", "seqNo": 0, "timestamp": STAMP, "transactionInfo": info, "meterValue": reading}
    return call(number, "TransactionEvent", payload | {"evse": {"id": 1 + number % 9999}}, version="2.1")


def states(number: int) -> Event:
    return call(number, "StatusNotification", {"connectorId": number % 9999, "status": f"S{number}", "errorCode": "x"})


def tables(session: Session) -> Iterator[Sized]:
    """Every container that a session holds on to."""
    waiting: list[object] = [session]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen.add(id(one))
        if isinstance(one, dict | list | set | deque):
            yield one
        waiting += gc.get_referents(one)


@pytest.mark.parametrize("many", [stations, actions, transactions, states])
def test_tables_have_an_end(many: object) -> None:
    assert callable(many)

    def events() -> Iterator[Event]:
        for number in range(24_000 if many is not transactions else 6_000):
            yield many(number)

    session = Session()
    session.feed(events())
    session.finish()
    assert session.failed_checks == []
    assert len(session.picture.stations) <= 10_000
    assert [len(one) for one in tables(session) if len(one) > LARGEST] == []
