"""CP_8 is a station, hence CP_6 is one."""

from __future__ import annotations

import pytest

from fieldkit.events import LoggedFrame
from fieldkit.logs import LogReader
from fieldkit.logs.alike import named_alike, shape
from fieldkit.ocpp.logged import LoggedFrames

BEAT = '[2,"1","Heartbeat",{}]'
ANSWER = '[3,"1",{"currentTime":"2024-01-01T10:00:00Z"}]'


def stations(text: str) -> list[str]:
    reader, logged = LogReader("log"), LoggedFrames()
    items = reader.feed(text.encode()) + reader.finish()
    placed = [one for item in items if isinstance(item, LoggedFrame) for one in logged.feed(item)] + logged.finish()
    return [one.frame.station for one in placed]


@pytest.mark.parametrize(
    ("name", "general"),
    [("CP_17", "CP_0"), ("EVB-P2130", "EVB-P0"), ("Garage", ""), ("17", ""), ("A1", ""), ("CP 1", ""), ("", "")],
)
def test_what_neighbours_have_in_common(name: str, general: str) -> None:
    assert shape(name) == general


def test_one_name_is_taken_and_of_two_none() -> None:
    assert named_alike("INFO CP_6 handled ", {"CP_0"}) == "CP_6"
    assert named_alike("INFO CP_6 and CP_7 ", {"CP_0"}) == ""
    assert named_alike("INFO worker-6 ", {"CP_0"}) == ""


def test_a_line_keeps_its_own_name_though_only_another_line_announces_one() -> None:
    url = f"2024-01-01 10:00:00 INFO ws://csms.example/ocpp/CP_8 received: {BEAT}\n"
    own = f"2024-01-01 10:00:00 INFO CP_6 has {BEAT}\n2024-01-01 10:00:01 INFO CP_6 gets {ANSWER}\n"
    assert stations(url + own) == ["CP_8", "CP_6", "CP_6"], "and the same text is no twin"
    assert stations(own + url) == ["CP_6", "CP_6", "CP_8"]


def test_a_name_before_received_needs_no_neighbour() -> None:
    text = f"2024-01-01 10:00:00 INFO CP_6 received: {BEAT}\n2024-01-01 10:00:01 INFO CP_6 sent: {ANSWER}\n"
    assert stations(text) == ["CP_6", "CP_6"]
    assert stations(f"{text}2024-01-01 10:00:02 wss://x.example/ocpp/CP_8 received {BEAT}\n") == [
        "CP_6",
        "CP_6",
        "CP_8",
    ]


def test_lines_without_any_name_still_get_the_only_one() -> None:
    assert stations(f"[CP_8] received {BEAT}\nsent {ANSWER}\n") == ["CP_8", "CP_8"]
