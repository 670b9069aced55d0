"""The traffic on the screen: every act a technician does with it, on real captures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fieldkit.events import CaptureComment
from fieldkit.tui.glyphs import ASCII
from fieldkit.tui.screens.live import LiveScreen
from fieldkit.tui.screens.pair import PairScreen
from fieldkit.tui.settings import Settings
from fieldkit.tui.widgets.detail import DetailView
from fieldkit.tui.widgets.filterbar import FilterBar, completed
from fieldkit.tui.widgets.traffic import TrafficList
from tests.tui.driving import CAPTURES, SMALL, WIDE, Driver, driving

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


def traffic(d: Driver) -> TrafficList:
    return d.app.screen.query_one(TrafficList)


def bar(d: Driver) -> FilterBar:
    return d.app.screen.query_one(FilterBar)


async def test_a_capture_begins_at_its_beginning() -> None:
    async with driving(PLAIN) as d:
        assert isinstance(d.app.screen, LiveScreen)
        assert "READ" in d.lines[0]
        assert re.search(r"\d+ msg", d.lines[0])
        assert "BootNotification" in d.text
        assert not traffic(d).follow
        assert traffic(d).selected == d.app.engine.history.first  # type: ignore[union-attr]
        assert "? Help" in d.lines[-1]


async def test_what_is_pressed_early_is_not_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    typing: list[object] = []
    monkeypatch.setattr(FilterBar, "on_descendant_focus", lambda bar, event: typing.append(event))
    async with driving() as d:
        await d.press("d")
        await d.until(lambda: isinstance(d.app.screen, LiveScreen))
        await d.settle()
        assert traffic(d).has_focus
    assert not typing, "not for a moment: a digit pressed then would be a filter"


async def test_arrows_move_and_the_message_is_told() -> None:
    async with driving(PLAIN) as d:
        await d.press("down", "down")
        assert traffic(d).selected == 2
        assert "asks the CSMS: BootNotification" in d.text
        assert "Answered after" in d.text
        await d.press("end")
        assert traffic(d).selected == d.app.engine.history.end - 1  # type: ignore[union-attr]
        await d.press("home")
        assert traffic(d).selected == 0


async def test_the_filter_is_judged_on_every_key() -> None:
    async with driving(PLAIN) as d:
        await d.press("slash")
        await d.type("action = Boot")
        assert "0 of" in d.lines[1]
        await d.type("Notification")
        assert re.search(r"✔ \d+ of", d.lines[1])
        rows = [line for line in d.lines if re.match(r"\d\d:\d\d:\d\d", line)]
        assert rows
        assert all("BootNotification" in row for row in rows)
        await d.type(" and")
        assert "✖ BAD" in d.lines[1]
        assert all("BootNotification" in line for line in d.lines if re.match(r"\d\d:\d\d:\d\d", line)), (
            "it still holds"
        )
        await d.press("enter")
        assert traffic(d).has_focus


async def test_tab_completes_a_filter() -> None:
    async with driving(PLAIN) as d:
        await d.press("slash")
        await d.type("act")
        await d.until(lambda: bar(d).input._suggestion)
        await d.press("tab")
        assert bar(d).input.value == "action"
        await d.type(" = Heartb")
        await d.until(lambda: bar(d).input._suggestion)
        await d.press("tab")
        assert bar(d).input.value == "action = Heartbeat"


@pytest.mark.parametrize(
    "text, word, whole",
    [
        ("act", "action", "action"),
        ("action =", "Boot", "action =Boot"),
        ("station = cp", "CP_7", "station = CP_7"),
        ("x and act", "action", "x and action"),
        ("", "action", "action"),
    ],
)
def test_a_word_is_completed_where_it_began(text: str, word: str, whole: str) -> None:
    assert completed(text, word) == whole


async def test_escape_shows_everything_again() -> None:
    async with driving(PLAIN) as d:
        total = traffic(d).count
        await d.press("slash")
        await d.type("Heartbeat")
        await d.press("enter")
        assert traffic(d).count < total
        await d.press("escape")
        assert traffic(d).count == total


async def test_the_next_problem_is_one_key_away() -> None:
    async with driving("demo") as d:
        await d.press("n")
        assert "WARN" in d.text or "FAIL" in d.text
        first = traffic(d).selected
        assert first is not None
        await d.press("n")
        assert (traffic(d).selected or 0) > first
        await d.press("b")
        assert traffic(d).selected == first
        assert re.search(r"^[▲✖] (WARN|FAIL) .*\([a-z.-]+\)", d.text, re.DOTALL | re.MULTILINE), "the finding is named"


async def test_a_healthy_list_is_looked_through_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldkit.tui.screens.live._SLICE", 0)  # one row each
    async with driving("demo") as d:
        await d.press("n")
        await d.until(lambda: (traffic(d).selected or 0) > 0)
        first = traffic(d).selected
        await d.press("home", "b")
        assert "no more problems above" in d.app.notice
        await d.press("n")
        await d.until(lambda: traffic(d).selected == first)


async def test_what_is_cut_is_seen_to_be_cut() -> None:
    async with driving(PLAIN, size=SMALL) as d:
        assert re.search(r"127\.0\.0\.1:\d+ \S+…$", d.line_with("/ocpp").rstrip("▁▂▃▄▅▆▇█ "))


async def test_an_empty_list_says_why(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(PLAIN.read_bytes()[:24])  # a header and no packet
    async with driving(empty) as d:
        assert "there is nothing in it that fieldkit can show" in d.lines[3]
    async with driving(PLAIN) as d:
        bar(d).set_text("action = Nonsense")
        await d.settle()
        assert "nothing passes the filter" in d.lines[3]


async def test_request_and_answer_side_by_side() -> None:
    async with driving(PLAIN, size=WIDE) as d:
        await d.press("down", "down", "enter")
        assert isinstance(d.app.screen, PairScreen)
        assert "request" in d.text
        assert re.search(r"answer, after \d", d.text)
        assert "chargePointModel: " in d.text
        assert "interval: " in d.text
        await d.settle()
        await d.press("v")
        assert '[2,"' in d.text
        assert '[3,"' in d.text
        await d.press("escape")
        assert isinstance(d.app.screen, LiveScreen)


async def test_from_a_request_to_its_answer_and_back() -> None:
    async with driving(PLAIN) as d:
        await d.press("down", "down", "a")
        assert traffic(d).selected == d.app.engine.history.answer_of(2) != 2  # type: ignore[union-attr]
        await d.press("a")
        assert traffic(d).selected == 2


async def test_one_connection_and_one_transaction() -> None:
    async with driving("demo") as d:
        bar(d).set_text("tx and type = call")
        await d.settle()
        await d.press("t")
        assert "only transaction" in d.lines[1]
        await d.press("escape", "escape")
        assert "only" not in d.lines[1]
        await d.press("c")
        assert "only connection" in d.lines[1]
        few = traffic(d).count
        await d.press("escape")
        assert traffic(d).count > few


async def test_fields_and_bytes_move_in_step() -> None:
    async with driving(PLAIN, size=WIDE) as d:
        await d.press("down", "down", "tab", "down", "down", "down")
        detail = d.app.screen.query_one(DetailView)
        assert detail.both
        field = detail._fields[detail.field]
        assert field.name == "action"
        assert detail._text[field.start : field.end] == '"BootNotification"'
        start, end = detail._span()
        marked = [piece for line in detail._bytes for piece in line.pieces if start <= piece.start < end]
        assert len(marked) == 2 * len('"BootNotification"'), "as numbers and as characters"


@pytest.mark.parametrize("mode, shows", [("raw", '[2,"'), ("hex", "0000  5b 32 2c")])
async def test_text_and_bytes_of_a_message(mode: str, shows: str) -> None:
    async with driving(PLAIN) as d:
        await d.press("down", "down", "v", *(["v"] if mode == "hex" else []))
        assert shows in d.text


async def test_space_holds_a_list_that_runs_and_lets_it_go_on() -> None:
    async with driving(PLAIN, speed=20) as d:
        await d.until(lambda: traffic(d).count > 3)
        assert traffic(d).follow
        assert "FOLLOWING" in d.text
        await d.press("space")
        assert not traffic(d).follow
        held, selected = traffic(d)._seen, traffic(d).selected
        d.app.engine.pace.set(speed=100_000)  # type: ignore[union-attr]
        await d.until(lambda: traffic(d).new > 0)
        assert re.search(r"\+\d+ ↓ End", d.text)
        assert traffic(d).selected == selected
        assert traffic(d).count > held
        await d.until(lambda: d.app.engine and not d.app.engine.state.running)
        await d.press("space")
        assert traffic(d).follow
        assert traffic(d).selected == d.app.engine.history.end - 1  # type: ignore[union-attr]


async def test_a_replay_pauses_and_hurries() -> None:
    async with driving(PLAIN, speed=1) as d:
        await d.press("p")
        assert "PAUSED ×1" in d.lines[0]
        await d.press("plus")
        assert "PAUSED ×10" in d.lines[0]
        await d.press("p")
        assert "REPLAY ×10" in d.lines[0]


async def test_text_from_the_wire_is_inert() -> None:
    async with driving(PLAIN, size=WIDE) as d:
        engine = d.app.engine
        assert engine is not None
        with engine.lock:
            engine.history.see(CaptureComment(1, (1,), "[red]x[/red] [@click=app.exit]go[/] \x1b[2J\u202e\u200b"))
        await d.settle()
        await d.press("end")
        shown = d.line_with("[red]")
        assert "[red]x[/red] [@click=app.exit]go[/]" in shown
        assert r"\x1b[2J\u202e\u200b" in shown
        assert "\x1b" not in d.text
        assert "\u202e" not in d.text


async def test_tokens_are_masked_unless_asked_for() -> None:
    async with driving(PLAIN, size=(200, 60)) as d:
        bar(d).set_text("action = Authorize or action = StartTransaction")
        await d.settle()
        await d.press("v")
        masked = d.text
    async with driving(PLAIN, size=(200, 60), settings=Settings(utc=True, show_ids=True)) as d:
        bar(d).set_text("action = Authorize or action = StartTransaction")
        await d.settle()
        await d.press("v")
        shown = d.text
    token = re.search(r'"idTag":"(\w+)"', shown)
    assert token is not None
    assert token[1] not in masked


async def test_an_old_terminal_gets_plain_signs() -> None:
    async with driving("demo", glyphs=ASCII) as d:
        for keys in ("n", "enter", "escape", "question_mark"):
            await d.press(keys)
            assert d.text.isascii(), [character for character in d.text if not character.isascii()]


async def test_a_click_chooses_a_line() -> None:
    async with driving(PLAIN) as d:
        await d.pilot.click(TrafficList, offset=(5, 4))
        await d.settle()
        assert traffic(d).selected == 4


async def test_rows_that_leave_do_not_move_what_is_in_sight() -> None:
    async with driving(PLAIN, size=SMALL) as d:
        engine = d.app.engine
        assert engine is not None
        engine.history._max_rows = 600
        last = engine.history.message(2)
        await d.press("end")
        with engine.lock:
            for _ in range(2000):
                engine.history.see(last)
        await d.settle()
        assert engine.history.first > 0
        assert traffic(d).count == len(engine.history)
        await d.press("home")
        assert traffic(d).selected == engine.history.first
