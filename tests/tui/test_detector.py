"""The detector screen: what is unusual, why, what proves it; what the detector has learnt and could not do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from fieldkit.cli import cli
from fieldkit.detect.symptom import SITE
from fieldkit.models import calibrationfile
from fieldkit.models.opening import Site
from fieldkit.tui import detectorwords as words
from fieldkit.tui.app import FieldkitApp
from fieldkit.tui.engine import Engine, usual_detector
from fieldkit.tui.feeds import open_feed
from fieldkit.tui.glyphs import ASCII, UNICODE, Glyphs
from fieldkit.tui.screens.charger import ChargerScreen
from fieldkit.tui.screens.detector import DetectorScreen
from fieldkit.tui.screens.findings import FindingsScreen
from fieldkit.tui.settings import Settings
from tests.tui.driving import CAPTURES, SMALL, WIDE, Driver, driving
from tests.tui.odd import detector, incident, odd
from tests.tui.ready import seeing
from tests.tui.terminal import terminal
from tests.tui.test_themes import assert_readable

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@asynccontextmanager
async def watching(
    engine: Engine, *, size: tuple[int, int] = SMALL, glyphs: Glyphs = UNICODE, theme: str = "field-night"
) -> AsyncIterator[Driver]:
    """The screen, on a run that has been started elsewhere or is started now."""
    app = FieldkitApp(
        engine, settings=Settings(utc=True, theme=theme), glyphs=glyphs, period=3600, start_at="detector"
    )  # fmt: skip
    async with app.run_test(size=size) as pilot:
        d = Driver(app, pilot)
        await d.until(lambda: engine.ready, 60)
        await d.settle()
        yield d


def screen_of(d: Driver) -> DetectorScreen:
    assert isinstance(d.app.screen, DetectorScreen)
    return d.app.screen


# -------------------------------------------------------------------------------------------------------- the incidents


async def test_a_line_says_when_where_what_how_sure_and_how_long_the_newest_first() -> None:
    async with watching(odd(), size=WIDE) as d:
        lines = [line for line in d.lines if "% sure" in line and "(" not in line]
        assert [line.split()[2] for line in lines] == ["OPEN", "ENDED", "ENDED", "ENDED", "ENDED"]
        assert [line.split()[3] for line in lines] == [
            "maintenance", "harmless", "connectivity", "fraud", "intrusion"
        ]  # fmt: skip
        flood = d.line_with("A station sends far more")
        assert "▲ ENDED" in flood
        assert "CP-21601" in flood
        assert "82 % sure" in flood
        assert "39 s" in flood
        assert "2 chargers" in d.line_with("What is sent does not arrive")
        assert "4 incidents + 1 harmless, 1 open" in d.lines[1]


async def test_harmless_ones_are_named_and_quiet() -> None:
    async with watching(odd(), size=WIDE) as d:
        (key,) = (row.key for row in screen_of(d)._rows.values() if row.benign)
        styles = {part.style for part in screen_of(d)._line(key, 118)}
        assert styles == {"quiet"}
        await d.press("down")
        assert "Named harmless" in d.text
        assert "Nothing to do." in d.text


async def test_enter_tells_why_with_what_was_seen_what_is_usual_and_what_to_check() -> None:
    async with watching(odd(), size=SMALL) as d:
        await d.press("end", "enter")
        assert screen_of(d).page.has_focus
        assert not screen_of(d).rows.display or not screen_of(d).rows.size.height, "it has the small screen to itself"
        assert "A station sends far more messages than usual (intrusion, 82 % sure)" in d.text
        assert "Where: CP-21601" in d.text
        assert "lasted 39 s" in d.text
        assert "sent 40 Heartbeats within a minute; 2 are usual." in d.text
        assert "What to check next" in d.text
        assert "Look which action repeats" in d.text
        assert "rules that hold for any charger and comparison with what is usual here; seen 2 times" in " ".join(
            d.text.split()
        )
        await d.press("escape")
        assert screen_of(d).rows.has_focus
        assert screen_of(d).rows.size.height


async def test_evidence_leads_to_the_message() -> None:
    async with watching(odd(), size=WIDE) as d:
        await d.press("end", "enter")
        page = screen_of(d).page
        assert page.target == ("evidence", 0)
        await d.press("down")
        piece = incident("message-flood").evidence[1]
        await d.press("enter")
        assert d.app.current_mode == "live"
        assert f"frame {piece.frames[-1]}" in d.text


async def test_the_text_leads_to_the_finding_and_the_charger() -> None:
    engine = Engine(open_feed(["demo"]), detector=usual_detector).start()
    try:
        assert engine.wait(60)
        async with watching(engine, size=WIDE) as d:
            screen = screen_of(d)
            row = next(row for row in screen._rows.values() if row.family == "register-rollback")
            screen.rows.choose(row.key)
            await d.press("enter")
            screen.page.target = ("finding", "incident.register-rollback")
            await d.press("enter")
            found = d.app.screen_stack[-1]
            assert isinstance(found, FindingsScreen)
            finding = found.finding
            assert finding is not None
            assert finding.kind.id == "incident.register-rollback"
            await d.press("7", "c")
            await d.until(lambda: isinstance(d.app.screen, ChargerScreen))
            charger = d.app.screen_stack[-1]
            assert isinstance(charger, ChargerScreen)
            assert charger.key == row.station
    finally:
        engine.close()


async def test_limits_by_kind_charger_words_and_what_is_shown() -> None:
    async with watching(odd(), size=SMALL) as d:
        screen = screen_of(d)

        def shown() -> list[str]:
            return [screen._rows[key].family for key in screen.rows.keys if isinstance(key, int)]

        everything = shown()
        await d.press("v")
        assert shown() == [name for name in everything if name != "clock-sync"]
        await d.press("v")
        assert shown() == ["derating"]
        assert "shown: 1 (open)" in d.text
        await d.press("v", "end", "o")
        assert shown() == ["message-flood"]
        await d.press("escape", "home", "w")
        assert shown() == ["derating"]
        assert "shown: 1 (maintenance)" in d.text
        await d.press("escape", "slash")
        await d.type("189.4")
        assert shown() == ["register-rollback"]
        await d.type("zzz")
        assert "No incident passes the filter" in d.text
        await d.press("enter", "escape")
        assert shown() == everything


async def test_orders() -> None:
    async with watching(odd(), size=SMALL) as d:
        screen = screen_of(d)

        def values(name: str) -> list[float]:
            return [getattr(screen._rows[key], name) for key in screen.rows.keys if isinstance(key, int)]

        assert values("raised") == sorted(values("raised"), reverse=True)
        await d.press("t")
        assert values("confidence") == sorted(values("confidence"), reverse=True)
        assert "surest first" in d.lines[1]
        await d.press("t")
        assert values("lasts") == sorted(values("lasts"), reverse=True)


async def test_on_a_narrow_screen_what_it_is_can_still_be_read() -> None:
    async with watching(odd(), size=(52, 14)) as d:
        assert "The charger gives l" in d.line_with("CP-SOAP-15")
        await d.press("enter")
        assert "75 % sure" in d.text
        assert "What to check next" in d.text


async def test_plain_signs_only() -> None:
    async with watching(odd(), size=WIDE, glyphs=ASCII) as d:
        await d.press("end", "enter")
        assert d.text.isascii(), [character for character in d.text if not character.isascii()]


async def test_what_a_station_sends_is_drawn_as_text() -> None:
    site = detector()
    said = "[red]bold[/] \x1b[2J\u202e"
    site.detector.context.tell("malformed-frames", "CP\x1b[31m", 0.9, said, time=10**18)
    (row,) = words.told(site, 10**18, {}).values()
    copied = words.copied(site, row.key)
    assert copied is not None
    lines = words.anatomy(row, copied, running=True, show_ids=False, utc=True)
    text = "\n".join(line.text for line in lines) + row.where
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]bold[/]" in text


def test_each_reason_is_a_paragraph() -> None:
    flood = incident("message-flood")
    assert words.reasons(flood) == [
        "CP-21601 sent 40 Heartbeats within a minute; 2 are usual.", "Its CSMS refused 12 of them."
    ]  # fmt: skip
    assert " ".join(words.reasons(flood)) == flood.explanation


def test_evidence_that_says_the_same_again_and_again_is_told_by_its_first_and_its_last() -> None:
    site, history = detector(), odd().history
    rows = [number for number in range(history.first, history.end) if history.row(number).action == "Heartbeat"]
    asked = [history.event(number) for number in rows if history.row(number).sender == "station"][:6]
    assert len(asked) == 6
    site.detector.context.tell("message-flood", "CP", 0.9, "Six Heartbeats.", tuple(asked), time=10**18)
    (row,) = words.told(site, 10**18, {}).values()
    copied = words.copied(site, row.key)
    assert copied is not None
    said = words.anatomy(row, copied, running=True, show_ids=False, utc=True)
    assert [one.target for one in said if one.target and one.target[0] == "evidence"] == [
        ("evidence", 0),
        ("evidence", 5),
    ]
    assert [one.text for one in said if "more of the same" in one.text] == ["    … 4 more of the same"]


# ------------------------------------------------------------------------------------------------ the detector itself


async def test_the_state_says_what_is_learnt_held_and_not_done() -> None:
    engine = odd()
    assert engine.site is not None
    engine.site.detector.notes.append("The model could not be loaded.")
    try:
        async with watching(engine, size=SMALL) as d:
            assert "1 on hold, 1 note (d)" in d.lines[1]
            await d.press("d")
            assert "Looks by: rules, statistics" in d.text
            assert "The model does not run." in d.text
            assert "Of 11 chargers: 0 known, 11 learning" in d.text
            assert "Learns nothing from 1 of them: an incident is open there." in d.text
            assert "The model could not be loaded." in d.text
            await d.press("end")
            assert "CP-SOAP-15: learning, just begun; on hold, incident open" in d.text
            await d.press("d")
            assert screen_of(d).rows.has_focus
        async with watching(engine, size=WIDE) as d:
            assert "Looks by: rules, statistics" in d.text, "there is room for it beside the text"
    finally:
        engine.site.detector.notes.clear()


async def test_the_model_and_who_runs_it() -> None:
    site = Site(runtime="python")
    if not site.runtime:
        pytest.skip("the shipped model does not fit the features of this tree")
    stands = words.standing(site)
    assert stands.layers == ("rules", "statistics", "model")
    assert any(said.text == "Model run by: Python itself" for said in words.standing_lines(stands, {}, utc=True))


async def test_off_for_a_file_says_why_and_one_key_switches_it_on() -> None:
    async with driving(PLAIN, size=SMALL) as d:
        await d.press("7")
        assert "Off: files are read without the detector. D reads this one again with it" in d.text
        before = d.app.engine
        await d.press("D")
        await d.until(lambda: d.app.engine is not before and d.app.engine is not None and d.app.engine.site, 60)
        await d.until(lambda: d.app.engine is not None and not d.app.engine.state.running, 60)
        assert d.app.current_mode == "detector"
        await d.settle()
        assert "Nothing unusual was seen." in d.text


def test_a_machine_without_the_detector_goes_on_and_says_so() -> None:
    def missing() -> Site:
        raise ModuleNotFoundError("No module named 'fieldkit.models'", name="fieldkit.models")

    engine = Engine(open_feed([str(PLAIN)]), detector=missing).start()
    assert engine.wait(30)
    assert engine.state.phase == "done"
    assert engine.site is None
    assert not engine.state.failures
    assert engine.state.notes == ("the detector is off: fieldkit.models is not installed",)


async def test_learning_anew_is_asked_first_and_only_while_more_comes() -> None:
    engine = Engine(open_feed(["demo"]), detector=detector, speed=1000)
    try:
        async with watching(engine, size=SMALL) as d:
            site = engine.site
            assert site is not None
            assert site.calibration is not None

            def names() -> list[str]:
                assert site.calibration is not None
                with engine.lock:
                    return [name for name, _, _ in site.calibration.stations()]

            await d.until(lambda: "CP-21601" in names() or not engine.state.running, 60)
            assert engine.pace is not None
            engine.pace.set(paused=True)
            assert engine.state.running, "a replay that was over before anybody could look"
            screen_of(d).look_now()
            await d.press("d")
            screen_of(d).state_page.target = ("station", "CP-21601")
            await d.press("R")
            assert "Learn anew what is usual at CP-21601?" in d.text
            await d.press("enter")  # the harmless answer has the focus
            assert "CP-21601" in names()
            await d.press("R", "tab", "enter")
            assert "CP-21601" not in names()
            assert "CP-21601 is learnt anew" in d.text
    finally:
        engine.close()
    async with watching(odd(), size=SMALL) as d:
        await d.press("R")
        assert "nothing more comes here" in d.text
        assert "--relearn CHARGER" in d.text


def test_what_has_drifted_since_the_calibration_is_told(tmp_path: Path) -> None:
    site = detector()
    assert site.calibration is not None
    known, _ = site.calibration._windows.begin("CP_1")
    for number in range(64):
        known.usual[0].add(1.0 + number % 7 / 10)
    calibrationfile.save(str(tmp_path / "state"), site.calibration)
    later = usual_detector(str(tmp_path / "state"))
    assert later.calibration is not None
    assert words.drift(later) == {}
    known, _ = later.calibration._windows.begin("CP_1")
    for number in range(64):
        known.usual[0].add(4.0 + number % 7 / 10)
    moved = words.drift(later)
    assert list(moved) == ["CP_1"]
    assert len(moved["CP_1"]) == 1
    lines = [said.text for said in words.standing_lines(words.standing(later), moved, utc=True)]
    assert "Not as it was when calibrated" in lines
    assert f"  CP_1: {moved['CP_1'][0]}" in lines


# ---------------------------------------------------------------------------------------------------- other screens


async def test_a_charger_with_an_open_incident_says_so() -> None:
    async with watching(odd(), size=WIDE) as d:
        await d.press("2")
        assert d.line_with("CP-SOAP-15").startswith("▲ INCIDENT")
        assert "INCIDENT" not in d.line_with("CP-21601"), "that one is over"
        d.app.show_charger("CP-SOAP-15")
        await d.until(lambda: isinstance(d.app.screen, ChargerScreen))
        await d.settle()
        assert "incident (7): The charger gives less power than it used to" in d.text


@pytest.mark.parametrize("theme", ["field-sun", "field-night"])
async def test_all_of_it_can_be_read_in_the_sun(theme: str) -> None:
    async with watching(odd(), size=WIDE, theme=theme) as d:
        assert_readable(d, 7.0 if theme == "field-sun" else 4.5)
        await d.press("down", "enter")
        assert_readable(d, 7.0 if theme == "field-sun" else 4.5)


def test_in_a_terminal(tmp_path: Path) -> None:
    state = tmp_path / "site.calibration"
    site = detector()
    assert site.calibration is not None
    calibrationfile.save(str(state), site.calibration)
    with terminal("watch", "--state", state, PLAIN) as t:
        t.until("READ")
        t.press("7")
        t.until("Nothing unusual was seen.")
        t.press("q")
        assert t.ended() == 0


def test_a_calibration_that_is_not_there_is_said_at_once() -> None:
    result = CliRunner().invoke(cli, ["watch", "--state", "/nowhere/site.calibration", str(PLAIN)])
    assert result.exit_code == 2
    assert "'/nowhere/site.calibration' does not exist" in result.output


# ------------------------------------------------------------------------------------------------------------- cost


async def test_nothing_is_read_while_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching(odd(), size=SMALL) as d:
        looks: list[object] = []
        monkeypatch.setattr(words, "standing", lambda site: looks.append(site))
        for _ in range(20):
            d.app.refresh_front()
            await asyncio.sleep(0)
        assert looks == []


def test_a_thousand_incidents_are_told_quickly() -> None:
    site = detector()
    for number in range(1000):
        site.detector.context.tell("derating", f"CP_{number}", 0.9, f"It gives {number} W.", time=10**18)
    site.detector.context.tell("power-cut", SITE, 0.9, "All started anew.", time=10**18)
    rows = words.told(site, 10**18, {})
    assert len(rows) >= 1000
    begin = time.process_time()
    again = words.told(site, 10**18, rows)
    assert time.process_time() - begin < 0.2
    assert again == rows


async def test_what_is_not_there_is_said() -> None:
    async with seeing(CAPTURES / "fault_connection_refused.pcap", size=SMALL, start_at="detector") as d:
        assert "Off: files are read without the detector." in d.text
        assert "the detector is off" in d.lines[1]
