"""Time along a line, and the course of a charger that is drawn along it."""

from __future__ import annotations

import pytest

from fieldkit.tui.axis import Axis, ruler
from fieldkit.tui.course import Band, Course, Lane, course
from fieldkit.tui.engine import Engine
from fieldkit.tui.facts import gather
from fieldkit.tui.feeds import open_feed
from fieldkit.tui.widgets.timeline import Timeline
from tests.tui.chosen import live_row
from tests.tui.driving import CAPTURES, driving

SECOND = 1_000_000_000
NOON = 1_795_262_400 * SECOND
"""2026-11-21 12:00:00Z."""


@pytest.fixture(scope="module")
def demo() -> dict[str, Course]:
    """The course of every charger of the recorded site."""
    engine = Engine(open_feed(["demo"])).start()
    assert engine.wait(30)
    with engine.lock:
        facts = gather(engine.session, engine.findings, running=False)
        return {one.key: course(one, engine.session.picture, engine.findings) for one in facts}


def test_a_moment_has_a_column_and_a_column_a_moment() -> None:
    axis = Axis(NOON, NOON + 100 * SECOND, 50)
    assert axis.column(NOON) == 0
    assert axis.column(NOON + 100 * SECOND) == 49, "the end is in the last one"
    assert axis.column(NOON - SECOND) < 0
    for column in range(50):
        assert axis.column(axis.time(column)) == column
        assert axis.column(axis.begin(column)) == column


@pytest.mark.parametrize(
    ("span", "label"),
    [(2, "12:00:00.000"), (60, "12:00:10"), (3600, "12:10"), (86_400 * 10, "2026-11-23"), (86_400 * 3000, "-")],
)
def test_the_ruler_has_round_times(span: int, label: str) -> None:
    line = ruler(Axis(NOON, NOON + span * SECOND, 71), utc=True)
    assert len(line) == 71
    assert label in line


def test_a_ruler_too_narrow_for_any_time_is_empty() -> None:
    assert ruler(Axis(NOON, NOON + SECOND, 4), utc=True).strip() == ""
    assert ruler(Axis(0, 1, 40), utc=True).strip(" 0123456789:'.-") == ""


def test_bands_and_marks_of_a_charger(demo: dict[str, Course]) -> None:
    found = demo["HYC-0031"]
    lanes = {lane.name: lane.bands for lane in found.lanes}
    assert [band.css for band in lanes["connect"]] == ["on"]
    assert [band.text for band in lanes["conn 1"]] == ["Available", "Charging", "Faulted GroundFailure"]
    assert [band.css for band in lanes["conn 1"]] == ["free", "charging", "fault"]
    (charge,) = lanes["  charge"]
    assert "90211" in charge.title
    assert "ended: Other" in charge.title
    assert {mark.kind for mark in found.marks} == {"fail", "warn", "info", "boot"}
    assert found.first <= min(mark.time for mark in found.marks)
    times = found.changes()
    assert times == sorted(times)


def test_connections_that_come_and_go(demo: dict[str, Course]) -> None:
    (lane,) = (lane for lane in demo["WB-0032"].lanes if lane.name == "connect")
    assert len(lane.bands) == 5
    assert all("cut off (RST)" in band.title for band in lane.bands)


def test_a_charger_that_is_turned_away_has_a_course_too(demo: dict[str, Course]) -> None:
    (lane,) = demo["CP-21621"].lanes
    assert [(band.css, band.text) for band in lane.bands] == [("refused", "401")]
    assert "HTTP 401" in lane.bands[0].title


def test_who_falls_silent_is_away_and_then_offline() -> None:
    engine = Engine(open_feed([str(CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap")])).start()
    assert engine.wait(20)
    with engine.lock:
        end = engine.session.picture.time
        told = [gather(engine.session, (), running=True, now=end + seconds * SECOND)[0] for seconds in (0, 59, 61)]
        (done,) = gather(engine.session, (), running=False)
    assert [(one.level, one.word) for one in told] == [("warn", "AWAY"), ("warn", "AWAY"), ("fail", "OFFLINE")]
    assert told[2].why == "closed by the CSMS (1001) 61 s ago" or "1 min" in told[2].why
    assert (done.level, done.word) == ("info", "CLOSED"), "a capture that has ended is no fault"


def test_an_empty_course_has_no_changes() -> None:
    lane = Lane("connect", [Band(NOON, NOON + SECOND, "", "on", "")])
    assert Course(NOON, NOON + 1).changes() == []
    assert Course(NOON, NOON + SECOND, [], [lane]).changes() == [NOON]


def test_logs_have_no_connections() -> None:
    engine = Engine(open_feed([str(CAPTURES / "made" / "ocpp16_soap.pcap")])).start()
    assert engine.wait(20)
    with engine.lock:
        (facts, *_) = gather(engine.session, engine.findings, running=False)
        assert course(facts, engine.session.picture, engine.findings).lanes


async def test_the_timeline_says_what_is_under_the_cursor_and_leads_to_the_message() -> None:
    async with driving("demo") as d:
        await d.press("2", "down", "down", "enter")
        assert "Faulted ╳╳" in d.text
        await d.press("tab")
        assert "A connector is out of order" in d.text, "the cursor begins at the worst"
        timeline = d.app.screen.query_one(Timeline)
        whole = timeline.axis.span
        await d.press("up", "up")
        assert timeline.axis.span == pytest.approx(whole / 4, rel=0.01)
        assert timeline.first <= timeline.cursor <= timeline.last
        assert "in sight" in d.text
        await d.press("pageup", "home")
        assert timeline.first == timeline.course.first
        assert "boot: Accepted" in d.text
        await d.press("z")
        assert timeline.axis.span == whole
        await d.press("down")
        assert timeline.axis.span == whole, "there is no more"
        await d.press("end", "N")
        assert "A reset was rejected" in d.text
        await d.press("enter")
        assert "Reset" in live_row(d)
