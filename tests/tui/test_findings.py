"""The findings screen: what is wrong, what proves it, what is known, what was slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.tui.glyphs import ASCII
from fieldkit.tui.screens.findings import FindingsScreen
from fieldkit.tui.settings import Settings
from tests.tui.driving import CAPTURES, SMALL, WIDE, Driver, driving
from tests.tui.ready import seeing


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def screen_of(d: Driver) -> FindingsScreen:
    assert isinstance(d.app.screen, FindingsScreen)
    return d.app.screen


async def test_the_worst_comes_first_with_word_sign_owner_and_station() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("3")
        first = d.line_with("agreed on no OCPP version")
        assert first.split()[:4] == ["✖", "FAIL", "CSMS", "CP-21620"]
        assert "✖ FAIL 4" in d.text
        assert "Who has to act: CSMS" in d.text
        assert "What to do: " in d.text
        assert "frame 783" in d.text


async def test_enter_shows_the_message_that_proves_it() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("3", "down", "enter")
        assert d.app.current_mode == "live"
        assert "A connector is out of order (status.faulted)" in d.text
        assert "Faulted: GroundFailure" in d.text
        await d.press("3")
        assert screen_of(d).finding is not None, "one comes back to where one was"
        assert "out of order" in d.line_with("▲ WARN") or "A connector is out of order" in d.text


async def test_another_piece_of_evidence_is_chosen_in_the_text() -> None:
    async with seeing("demo", size=WIDE) as d:
        await d.press("3", "down", "down", "tab")
        screen = screen_of(d)
        assert screen.page.has_focus
        first = screen.page.target
        await d.press("down")
        assert screen.page.target != first
        chosen = screen._targets[screen.page.target or ""]
        await d.press("enter")
        assert d.app.current_mode == "live"
        assert f"frame {chosen.frames[-1]}" in d.text or "no line of its own" in d.text


async def test_evidence_without_a_line_leads_to_what_was_at_the_same_time() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("3")
        screen_of(d)
        from fieldkit.events import WsControl

        message = d.app.engine.history.message(40) if d.app.engine is not None else None
        assert message is not None
        connection = message.channel.connection
        assert connection is not None
        d.app.show_evidence([WsControl(message.time, (99999,), connection, True, "ping", b"", None, "")])
        await d.settle()
        assert d.app.current_mode == "live"
        assert "no line of its own" in d.text


async def test_what_is_acknowledged_goes_to_the_end_and_comes_back() -> None:
    async with driving("demo", size=SMALL) as d:
        await d.press("3")
        screen = screen_of(d)
        first = screen.rows.keys[0]
        await d.press("a")
        assert screen.rows.keys[-1] == first
        assert screen.rows.chosen == screen.rows.keys[0], "one goes on with what came next"
        await d.press("end")
        assert "[known]" in d.text
        await d.press("a")
        assert screen.rows.keys[0] == first


async def test_a_note_on_a_finding() -> None:
    async with driving("demo", size=SMALL) as d:
        await d.press("3", "m")
        await d.type("asked the CSMS")
        await d.press("enter")
        assert "[asked the CSMS]" in d.text
        assert "Your note: asked the CSMS" in d.text
    async with driving("demo", size=SMALL) as d:
        await d.press("3")
        assert "[asked the CSMS]" in d.text, "and it is still there the next time"


async def test_limits_by_severity_station_owner_and_words() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("3", "v")
        screen = screen_of(d)
        assert {finding.severity for finding in screen.shown} == {"critical", "warning"}
        await d.press("v")
        assert {finding.severity for finding in screen.shown} == {"critical"}
        assert "only FAIL" in d.text
        await d.press("v", "down", "o")
        assert {finding.first_seen.station for finding in screen.shown} == {"HYC-0031"}
        await d.press("escape", "home", "w")
        assert {finding.owner for finding in screen.shown} == {"csms"}
        await d.press("escape", "slash")
        await d.type("password")
        assert all("password" in finding.kind.title + finding.explanation() for finding in screen.shown)
        await d.press("enter")
        assert screen.rows.has_focus
        await d.press("escape")
        assert not screen.limited
        await d.press("slash")
        await d.type("zzz")
        assert "No finding passes the filter" in d.text


async def test_the_slowest_answer_of_the_day_in_five_keys_from_bare_fieldkit() -> None:
    async with driving(size=SMALL) as d:
        await d.press("d")
        await d.until(lambda: d.app.engine is not None and not d.app.engine.state.running)
        await d.press("3", "t")
        assert "58 ms" in d.lines[2], d.text
        assert "answered by the CSMS" in d.lines[2]
        await d.press("enter")
        assert d.app.current_mode == "live"
        assert "It took 58 ms" in d.text


async def test_slowest_goes_down_from_the_longest_and_back_to_findings() -> None:
    async with seeing("demo", size=WIDE) as d:
        await d.press("3", "t")
        screen = screen_of(d)
        engine = d.app.engine
        assert engine is not None
        waited = [engine.history.row(row).latency or 0 for row in screen.rows.keys if isinstance(row, int)]
        assert waited == sorted(waited, reverse=True)
        everything = [engine.history.row(n).latency or 0 for n in range(engine.history.first, engine.history.end)]
        assert waited[0] == max(everything)
        assert "Asked: " in d.text
        await d.press("t")
        assert "✖ FAIL 4" in d.text


async def test_nothing_wrong_is_said_so() -> None:
    async with seeing(CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap", size=SMALL) as d:
        await d.press("3")
        assert "OCPP" in d.text or "Nothing is wrong" in d.text


async def test_plain_signs_only() -> None:
    async with seeing("demo", size=SMALL, glyphs=ASCII) as d:
        await d.press("3")
        assert d.text.isascii(), [character for character in d.text if not character.isascii()]
        await d.press("t")
        assert d.text.isascii()


async def test_identities_are_masked_unless_asked_for() -> None:
    async with seeing("demo", size=WIDE, settings=Settings(utc=True, theme="field-night")) as d:
        await d.press("3")
        for _ in range(8):
            assert "DEADBEEF" not in d.text
            await d.press("down")


async def test_a_click_chooses_and_a_second_one_opens() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("3")
        await d.pilot.click("#findings-list", offset=(20, 2))
        assert screen_of(d).rows.position == 2
        await d.pilot.click("#findings-list", offset=(20, 1), times=2)
        await d.settle()
        assert d.app.current_mode == "live"
