"""The same frame, logged twice."""

from __future__ import annotations

from fieldkit.events import LoggedFrame
from fieldkit.logs import LogReader


def read(text: str) -> tuple[list[LoggedFrame], int]:
    reader = LogReader("log")
    found = [item for item in reader.feed(text.encode()) + reader.finish() if isinstance(item, LoggedFrame)]
    return found, reader.duplicates


CALL = '[2,"5191e2e7-f555-48b3","MeterValues",{"connectorId": 0,"transactionId": 0}]'
ANSWER = '[3,"5191e2e7-f555-48b3",{}]'


def test_library_and_application() -> None:
    found, dropped = read(
        "2026-11-21 08:49:50.001 DEBUG (MainThread) [websockets.server] < TEXT "
        """'[2,"5191e2e7-f555-48b3","Mete... 0,"transactionId": 0}]' [304 bytes]\n"""
        f"2026-11-21 08:49:50.002 INFO (MainThread) [ocpp] Garage: receive message {CALL}\n"
        f"2026-11-21 08:49:50.003 INFO (MainThread) [ocpp] Garage: send {ANSWER}\n"
        f"2026-11-21 08:49:50.004 DEBUG (MainThread) [websockets.server] > TEXT '{ANSWER}' [27 bytes]\n"
    )
    assert dropped == 2
    assert [frame.text for frame in found] == [CALL, ANSWER], "the whole text, not the one with its middle left out"
    assert [frame.station for frame in found] == ["Garage", "Garage"], "what only the second one says is kept"
    assert [frame.frames for frame in found] == [(1,), (3,)]
    assert all(not frame.problems for frame in found)


def test_the_one_without_its_middle_may_be_all_there_is() -> None:
    (frame,), dropped = read(
        """08:49:50 websockets < TEXT '[2,"5191e2e7","Mete... 0,"transactionId": 0}]' [304 bytes]\n"""
    )
    assert dropped == 0
    assert frame.text == '[2,"5191e2e7","Mete...'
    assert [problem.rule for problem in frame.problems] == ["log.truncated"]


def test_a_relay_writes_down_both_sides() -> None:
    found, dropped = read(
        f"08:49:50.001 received from station: {CALL}\n08:49:50.002 forwarded, sent upstream: {CALL}\n"
        f"08:49:50.011 upstream socket received: {ANSWER}\n08:49:50.012 sent back: {ANSWER}\n"
    )
    assert dropped == 2
    assert len(found) == 2


def test_answers_with_small_ids_may_go_both_ways() -> None:
    found, dropped = read('08:49:50.001 << [3,"1",{}]\n08:49:50.002 sending now: [3,"1",{}]\n')
    assert dropped == 0
    assert len(found) == 2


def test_the_same_logger_twice_is_a_station_that_repeats_itself() -> None:
    _, dropped = read(
        f"08:49:50.001 (17) CP_1: receive message {CALL}\n08:49:50.301 (18) CP_1: receive message {CALL}\n"
    )
    assert dropped == 0


def test_different_stations_are_no_twins() -> None:
    _, dropped = read('CP_1: receive message [2,"1","Heartbeat",{}]\nrecv CP_2: [2,"1","Heartbeat",{}]\n')
    assert dropped == 0


def test_later_or_further_down_is_no_twin() -> None:
    _, dropped = read(f"08:49:50.001 recv CP_1: {CALL}\n08:49:53.001 CP_1: receive message {CALL}\n")
    assert dropped == 0
    _, dropped = read(
        f"08:49:50.001 recv CP_1: {CALL}\n" + "nothing\n" * 20 + f"08:49:50.002 CP_1: receive message {CALL}\n"
    )
    assert dropped == 0


def test_a_copy_that_was_cut_off_is_completed() -> None:
    found, dropped = read(f"kernel: recv {CALL[:40]}\n2026-11-21 08:49:50 received {CALL}\n")
    assert dropped == 1
    assert found[0].text == CALL
    assert found[0].time is not None


def test_tables_have_no_twins() -> None:
    row = '2026-11-21T08:49:50Z,CP_1,"[2,""1"",""Heartbeat"",{}]"\n'
    found, dropped = read("time,station,message\n" + row + row)
    assert dropped == 0
    assert len(found) == 2
