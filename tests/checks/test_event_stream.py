"""Periodic event streams."""

from __future__ import annotations

import pytest

from tests.traffic.task_talk import Tasks


def opened(status: str = "Accepted", interval: int | None = 60) -> Tasks:
    talk = Tasks("2.1")
    params = {} if interval is None else {"interval": interval}
    stream = {"id": 3, "params": params, "variableMonitoringId": 17}
    talk.tell("OpenPeriodicEventStream", {"constantStreamData": stream}, {"status": status})
    return talk


def data(talk: Tasks, after: float = 60) -> None:
    values = [{"t": 0, "v": "1"}, {"t": 30, "v": "2"}]
    talk.silence(after)
    payload = {"id": 3, "pending": 0, "basetime": talk.now(), "data": values}
    talk.session.send("station", "NotifyPeriodicEventStream", payload)


def test_a_stream_that_flows() -> None:
    talk = opened()
    for _ in range(20):
        data(talk)
    talk.wait(60)
    assert talk.found("eventstream", "rpc") == []
    stream = talk.station().event_streams.streams[3]
    assert (stream.messages, stream.elements, stream.monitor) == (20, 40, 17)


def test_a_stream_that_never_flows() -> None:
    talk = opened()
    talk.wait(300)
    assert "no message came of it yet" in talk.the("eventstream.silent").explanation()


def test_a_stream_that_runs_dry() -> None:
    talk = opened()
    data(talk)
    talk.wait(300)
    assert "1 messages" not in talk.the("eventstream.silent").explanation()


def test_three_intervals_are_waited_for() -> None:
    talk = opened()
    talk.wait(230)
    assert talk.found("eventstream") == []


def test_without_an_interval_nothing_is_due() -> None:
    talk = opened(interval=None)
    talk.wait(86_400)
    assert talk.found("eventstream") == []


def test_a_longer_interval_counts_from_when_it_was_set() -> None:
    talk = opened()
    talk.order("AdjustPeriodicEventStream", {"id": 3, "params": {"interval": 3600}})
    talk.wait(7200)
    assert talk.found("eventstream") == []


def test_a_stream_need_not_outlive_its_connection() -> None:
    talk = opened()
    talk.session.close()
    later = Tasks("2.1", start=600, port=49_153)
    later.wait(10)
    assert [one.kind.id for one in talk.diagnose(later).findings if one.kind.id.startswith("eventstream")] == []


def test_a_stream_may_be_refused() -> None:
    talk = opened("Rejected")
    talk.wait(3600)
    assert talk.found("eventstream") == ["eventstream.refused"]


@pytest.mark.parametrize("after, expected", [(60, ["eventstream.after-close"]), (2, [])])
def test_a_closed_stream_that_goes_on(after: float, expected: list[str]) -> None:
    talk = opened()
    data(talk)
    talk.tell("ClosePeriodicEventStream", {"id": 3})
    data(talk, after)
    talk.wait(3600)
    assert talk.found("eventstream") == expected
