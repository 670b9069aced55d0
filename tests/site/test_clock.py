"""The estimate of a clock: fresh timestamps count, queued ones do not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from fieldkit.events import OcppMessage
from fieldkit.site.clock import StationClock
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose
from tests.traffic.hostile import messages

SECOND = 10**9


def talk(version: str = "1.6") -> Session:
    session = Session("CP_7", version)
    session.connect()
    session.upgrade()
    return session


def clock(session: Session) -> StationClock:
    return diagnose(session).picture.stations["CP_7"].clock


def status(session: Session, text: str) -> None:
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": text}
    session.call("station", "StatusNotification", payload, {})


def test_nothing_is_known_at_first() -> None:
    session = talk()
    session.call("station", "Heartbeat", {})
    known = clock(session)
    assert (known.offset, known.csms_offset, known.samples) == (None, None, 0)


@pytest.mark.parametrize("off", [0, 500, -500])
def test_the_offset_of_a_station(off: int) -> None:
    session = talk()
    for _ in range(10):
        session.clock.wait(30)
        status(session, session.timestamp(off))
    offset = clock(session).offset
    assert offset is not None
    assert abs(offset - off * SECOND) < 2 * SECOND


def test_the_offset_of_the_csms() -> None:
    session = talk()
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp(90)})
    known = clock(session)
    assert known.csms_offset is not None
    assert abs(known.csms_offset - 90 * SECOND) < 2 * SECOND


def test_a_few_queued_messages_do_not_move_it() -> None:
    session = talk()
    for minutes in range(5):
        status(session, session.timestamp(-3600 + 60 * minutes))
    for _ in range(8):
        session.clock.wait(30)
        status(session, session.timestamp())
    offset = clock(session).offset
    assert offset is not None
    assert abs(offset) < 2 * SECOND


def test_a_queue_alone_tells_nothing() -> None:
    session = talk()
    for minutes in range(20):
        status(session, session.timestamp(-3600 + 60 * minutes))
    assert clock(session).offset is None


def test_one_old_timestamp_tells_nothing_and_one_new_one_does() -> None:
    session = talk()
    status(session, session.timestamp(-600))
    assert clock(session).offset is None
    session = talk()
    status(session, session.timestamp(600))
    assert clock(session).offset is not None


def test_events_that_were_offline_do_not_count() -> None:
    session = talk("2.0.1")
    event: dict[str, Any] = {"eventType": "Updated", "timestamp": session.timestamp(-4000), "offline": True}
    session.call("station", "TransactionEvent", event, {})
    assert clock(session).samples == 0


def test_of_meter_values_the_last_is_the_time() -> None:
    session = talk()
    values = [{"timestamp": session.timestamp(off), "sampledValue": []} for off in (-900, -450, 0)]
    session.call("station", "MeterValues", {"connectorId": 1, "meterValue": values}, {})
    offset = clock(session).offset
    assert offset is not None
    assert abs(offset) < 2 * SECOND


@pytest.mark.parametrize(
    "text, zone",
    [
        ("2026-08-31T08:00:00Z", "Z"),
        ("2026-08-31T08:00:00.123456789Z", "Z"),
        ("2026-08-31T10:00:00+02:00", "+02:00"),
        ("2026-08-31T10:00:00+0200", "+0200"),
        ("2026-08-31T08:00:00", ""),
        ("2026-08-31 08:00:00Z", "Z"),
    ],
)
def test_spellings_of_a_time(text: str, zone: str) -> None:
    session = talk()
    status(session, text)
    last = clock(session).last
    assert last is not None
    assert last.zone == zone
    assert abs(last.offset) < 2 * SECOND


@pytest.mark.parametrize("text", ["yesterday", "2026-08-31", "", "2026-13-31T08:00:00Z", "x" * 10_000])
def test_what_is_no_time_does_not_count(text: str) -> None:
    session = talk()
    status(session, text)
    assert clock(session).samples == 0


@settings(max_examples=100, deadline=None)
@given(messages(*sorted(StationClock.ACTIONS)))
def test_any_payload_is_survived(events: list[Any]) -> None:
    known = StationClock()
    for event in events:
        if isinstance(event, OcppMessage):
            known.feed(event)
    assert known.offset is None or isinstance(known.offset, int)
    assert known.csms_offset is None or isinstance(known.csms_offset, int)
