"""Event streams that were open before the capture began, and those that are opened anew."""

from __future__ import annotations

from tests.traffic.task_talk import Tasks


def test_a_stream_that_was_open_before() -> None:
    talk = Tasks("2.1")
    payload = {"id": 3, "pending": 5, "basetime": talk.now(), "data": [{"t": 0, "v": "1"}]}
    talk.session.send("station", "NotifyPeriodicEventStream", payload)
    stream = talk.station().event_streams.streams[3]
    assert (stream.opened, stream.messages, stream.pending) == (None, 1, 5)


def test_an_id_may_be_used_again() -> None:
    talk = Tasks("2.1")
    order = {"constantStreamData": {"id": 3, "params": {"interval": 60, "values": 10}, "variableMonitoringId": 1}}
    talk.tell("OpenPeriodicEventStream", order, {"status": "Accepted"})
    talk.tell("ClosePeriodicEventStream", {"id": 3})
    talk.tell("OpenPeriodicEventStream", order, {"status": "Accepted"})
    stream = talk.station().event_streams.streams[3]
    assert (stream.closed, stream.values, stream.status) == (None, 10, "Accepted")
