"""Go to a time, look for words, copy a message."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldkit.tui.acts import act, chosen_row
from fieldkit.tui.clipboard import as_json
from fieldkit.tui.screens.gototime import read_time
from tests.tui.driving import CAPTURES, SMALL, Driver, driving
from tests.tui.ready import loaded, seeing

S = 1_000_000_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def here(d: Driver) -> int:
    row = chosen_row(d.app.screen)
    assert row is not None
    return row


@pytest.mark.parametrize("text, seconds", [
    ("14:05", 14 * 3600 + 300), ("1405", 14 * 3600 + 300), ("14:05:30", 14 * 3600 + 330), ("9:00", 9 * 3600),
    ("14:05:30.5", 14 * 3600 + 330.5), ("+5", 12 * 3600 + 300), ("-30s", 12 * 3600 - 30), ("+1h", 13 * 3600),
    ("2026-11-22 01:00", 25 * 3600), ("+1d", 36 * 3600), ("250", 2 * 3600 + 3000), ("280", None), ("25:00", None), ("12:61", None), ("noon", None),
    ("", None), ("2026-13-45 10:00", None), ("14", 14 * 3600), ("+500ms", 12 * 3600 + 0.5),
])  # fmt: skip
def test_times_as_a_person_types_them(text: str, seconds: float | None) -> None:
    day = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * S
    expected = None if seconds is None else day + int(seconds * S)
    assert read_time(text, day + 12 * 3600 * S, utc=True) == expected


def test_local_time_is_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        day = int(datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp()) * S
        assert read_time("14:00", day, utc=False) == day + 2 * 3600 * S
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_to_a_time_of_day() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("at")
        assert "From 2026-11-21 06:31:00 to 06:50:47 UTC" in d.text
        await d.press("0", "6", "colon", "3", "5", "enter")
        engine = d.app.engine
        assert engine is not None
        wanted = int(datetime(2026, 11, 21, 6, 35, tzinfo=UTC).timestamp()) * S
        assert engine.history.row(here(d)).time >= wanted
        assert engine.history.row(here(d) - 1).time < wanted
        before = engine.history.row(here(d)).time
        await d.press("at", "plus", "1", "enter")
        assert engine.history.row(here(d)).time >= before + 60 * S
        await d.press("at")
        await d.type("nonsense")
        await d.press("enter")
        assert "that is no time" in d.text
        await d.press("escape", "at", "2", "3", "enter")
        assert here(d) == engine.history.end - 1
        assert "after the end" in d.text


async def test_a_button_does_for_those_who_do_not_type() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("at", "tab", "tab", "tab", "enter")  # +5min
        engine = d.app.engine
        assert engine is not None
        assert engine.history.row(here(d)).time >= engine.session.begin + 300 * S


async def test_look_for_words_from_place_to_place() -> None:
    async with seeing("demo", size=SMALL) as d:
        engine = d.app.engine
        assert engine is not None
        total = len(engine.history)
        await d.press("l")
        await d.type("RemoteStart")
        await d.press("enter")
        first = here(d)
        assert "RemoteStart" in engine.history.message(first).action
        assert f"/{total}" in d.text, "the others are not hidden"
        await d.press("full_stop")
        second = here(d)
        assert second > first
        await d.press("comma")
        assert here(d) == first
        await d.press("comma")
        assert "no more places above" in d.text


async def test_looking_for_goes_on_from_the_top_and_takes_filters() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("end", "l")
        await d.type(".status = Faulted")
        await d.press("enter")
        assert d.app.engine is not None
        assert d.app.engine.history.message(here(d)).payload["status"] == "Faulted"
        await d.press("l")
        d.app.screen.query_one("Input").value = "(("  # type: ignore[attr-defined]
        await d.press("enter")
        assert d.app.screen.query_one("#act-trouble").content  # type: ignore[attr-defined]
        await d.press("escape", "full_stop")
        assert "no more places below" in d.text or "place " in d.text


async def test_copy_as_json_to_clipboard_and_file(tmp_path: Path) -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("n", "y")
        path = tmp_path / "fieldkit" / "copied.json"
        frame = json.loads(path.read_text())
        engine = d.app.engine
        assert engine is not None
        assert frame[1] == engine.history.message(here(d)).id
        assert json.loads(d.app.clipboard) == frame
        assert "copied" in d.lines[0]
        assert path.stat().st_mode & 0o077 == 0 or os.name == "nt"


def test_what_is_copied_holds_no_secret_and_no_identity() -> None:
    engine = loaded("demo")
    texts = [as_json(engine.history.event(n)) for n in range(engine.history.first, engine.history.end)]
    assert all(json.loads(text) for text in texts)
    assert not any("DEADBEEF" in text for text in texts)


def test_soap_is_copied_as_an_object() -> None:
    engine = loaded(str(CAPTURES / "ocpp15s_ocppjs_soap.pcap"))
    row = next(n for n in range(engine.history.end) if engine.history.row(n).action)
    said = json.loads(as_json(engine.history.event(row)))
    assert said["action"] == engine.history.row(row).action
    assert "Envelope" in said["raw"]


async def test_without_a_source_it_is_said_what_to_do() -> None:
    async with driving(size=SMALL) as d:
        for name in ("mark", "copy", "export", "time", "find", "replay", "find_next", "next_mark"):
            d.app.notice = ""
            act(d.app, name)
            await d.settle()
            assert len(d.app.screen_stack) == 1
            assert "open a source first" in d.lines[0]
