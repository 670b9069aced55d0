"""Nobody is accused of what may have been said unseen."""

from __future__ import annotations

from tests.traffic.capture import write_pcap
from tests.traffic.conversation import merged
from tests.traffic.decoded import decode
from tests.traffic.diagnosed import diagnose_events, found
from tests.traffic.taps import Tap
from tests.traffic.task_talk import Tasks


def promised() -> Tasks:
    """A report that a station owes."""
    talk = Tasks("2.0.1")
    talk.order("GetBaseReport", {"requestId": 3, "reportBase": "FullInventory"})
    return talk


def test_a_station_that_is_heard_has_broken_its_promise() -> None:
    talk = promised()
    talk.wait(600)
    assert talk.found("report") == ["report.never-came"]


def test_it_is_told_while_the_capture_goes_on() -> None:
    talk = promised()
    talk.wait(600)
    talk.wait(600)
    assert talk.the("report.never-came").count == 1


def test_the_csms_alone_shows_nothing_of_the_station() -> None:
    talk = promised()
    talk.silence(600)
    talk.session.call("csms", "GetVariables", {"getVariableData": []})
    assert talk.found("report") == []


def test_bytes_that_are_missing_may_have_been_it() -> None:
    talk = promised()
    talk.silence(10)
    lost = len(talk.session.segments)
    talk.tell("NotifyReport", {"requestId": 3, "generatedAt": talk.now(), "seqNo": 0})
    back = len(talk.session.segments)
    talk.wait(600)
    segments = merged(talk.session.segments[:lost], talk.session.segments[back:])
    diagnosis = diagnose_events(decode(write_pcap(Tap().packets(segments))).events)
    assert "report.never-came" not in found(diagnosis)
    assert diagnosis.picture.links.all[1].gaps


def test_a_second_capture_joined_midway_may_have_begun_after_it() -> None:
    talk = promised()
    later = Tasks("2.0.1", start=3600, port=49_153, upgrade=False)
    later.wait(10)
    later.wait(600)
    assert "report.never-came" not in found(talk.diagnose(later))


def test_a_connection_that_was_seen_from_its_start_hides_nothing() -> None:
    talk = promised()
    talk.session.close()
    later = Tasks("2.0.1", start=3600, port=49_153)
    later.wait(10)
    assert "report.never-came" in found(talk.diagnose(later))
