"""What holds on every screen: places, help, palette, key map, themes, small terminals."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

import fieldkit.tui
from fieldkit.tui import settings as settings_module
from fieldkit.tui.app import LOCAL_PERIOD, SLOW_PERIOD, FieldkitApp
from fieldkit.tui.keys import readable
from fieldkit.tui.places import places
from fieldkit.tui.screens.ask import AskScreen
from fieldkit.tui.screens.help import HelpScreen
from fieldkit.tui.screens.live import LiveScreen
from fieldkit.tui.settings import Settings
from tests.tui.driving import CAPTURES, WIDE, driving

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is read from or left in the home of whoever runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def _classes() -> Iterator[type[DOMNode]]:
    for module in pkgutil.walk_packages(fieldkit.tui.__path__, "fieldkit.tui."):
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, type) and issubclass(thing, DOMNode) and thing.__module__ == module.name:
                yield thing


def test_every_binding_has_an_id_a_name_and_help() -> None:
    """So that footer, help, palette and key map are one list."""
    ids: dict[str, type] = {}
    for class_ in _classes():
        for binding in vars(class_).get("BINDINGS", ()):
            if not isinstance(binding, Binding):
                assert binding[0] == "escape", f"{class_.__name__}: use keys.bind"
                continue
            assert binding.id, f"{class_.__name__}: {binding.key} has no id"
            assert binding.description, binding.id
            assert binding.tooltip.endswith("."), f"{binding.id} needs a sentence of help"
            assert ids.setdefault(binding.id, class_) is class_, f"{binding.id} is used twice"
    assert len(ids) > 30


async def test_every_place_has_its_digit_and_its_f_key() -> None:
    async with driving(PLAIN) as d:
        for place in places():
            for key in place.keys.split(","):
                await d.press(key)
                assert d.app.current_mode == place.id
                assert d.lines[0].startswith(" fieldkit")


async def test_a_place_that_needs_a_source_says_so() -> None:
    async with driving() as d:
        assert d.app.current_mode == "home"
        await d.press("1")
        assert d.app.current_mode == "home"
        assert "open a source first" in d.text


async def test_home_opens_the_demo_with_one_key() -> None:
    async with driving() as d:
        assert "Demo" in d.text
        await d.press("d")
        assert isinstance(d.app.screen, LiveScreen)
        assert d.app.engine is not None
        await d.until(lambda: d.app.engine and not d.app.engine.state.running)
        assert "FAIL" in d.lines[0]


async def test_help_tells_the_keys_of_the_focused_thing() -> None:
    async with driving(PLAIN) as d:
        await d.press("question_mark")
        assert isinstance(d.app.screen, HelpScreen)
        assert "Here" in d.text
        assert "One line up." in d.text
        await d.press("escape")
        await d.press("slash", "f12")
        assert "Take the word that is offered." in d.text


async def test_the_palette_finds_everything() -> None:
    async with driving(PLAIN) as d:
        names = [command.title for command in d.app.get_system_commands(d.app.screen)]
        assert "Go: Live" in names
        assert "Problem" in names
        assert "Colours: field-sun" in names
        await d.press("ctrl+p")
        await d.type("freeze")
        await d.until(lambda: "Freeze" in d.text)


async def test_the_users_own_keys() -> None:
    async with driving(PLAIN, settings=Settings(utc=True, keys={"live.freeze": "f9"}), size=WIDE) as d:
        assert "F9 Freeze" in d.lines[-1]
        follow = d.app.screen.query_one("TrafficList").follow  # type: ignore[attr-defined]
        await d.press("f9")
        assert d.app.screen.query_one("TrafficList").follow is not follow  # type: ignore[attr-defined]


async def test_s_changes_the_colours_and_remembers_them(home: Path) -> None:
    async with driving(PLAIN, settings=Settings(theme="field-night")) as d:
        await d.press("s")
        assert d.app.theme != "field-night"
        kept = json.loads((home / "state" / "fieldkit" / "tui.json").read_text())
        assert kept["theme"] == d.app.theme
    assert settings_module.load().theme == kept["theme"]


async def test_a_terminal_that_is_too_small_says_so() -> None:
    async with driving(PLAIN, size=(40, 10)) as d:
        assert "too small" in d.text
        await d.pilot.resize_terminal(80, 24)
        await d.settle()
        assert "too small" not in d.text
        assert "BootNotification" in d.text


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40), (200, 60)])
async def test_every_size_shows_the_traffic(size: tuple[int, int]) -> None:
    async with driving(PLAIN, size=size) as d:
        assert "BootNotif" in d.text
        assert all(len(line) <= size[0] for line in d.lines)
        assert "? Help" in d.lines[-1]


def test_over_ssh_there_is_a_picture_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert FieldkitApp().period == LOCAL_PERIOD
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 50000 10.0.0.2 22")
    assert FieldkitApp().period == SLOW_PERIOD


async def test_a_narrow_status_line_keeps_the_verdict() -> None:
    async with driving("demo", size=(60, 20)) as d:
        assert re.search(r"\d FAIL +▲ \d+ WARN", d.lines[0])


async def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with driving("demo") as d:
        assert d.app.no_color
        assert "FAIL" in d.lines[0]
        assert "WARN" in d.lines[0], "words and signs are enough"


async def test_leaving_a_capture_that_runs_is_asked_about() -> None:
    async with driving(PLAIN) as d:
        engine = d.app.engine
        assert engine is not None
        engine._phase = "live"
        await d.press("q")
        assert isinstance(d.app.screen, AskScreen)
        assert "End it and leave?" in d.text
        await d.press("enter")
        assert isinstance(d.app.screen, LiveScreen), "the harmless answer comes first"


async def test_nothing_ends_a_capture_without_a_question() -> None:
    async with driving(PLAIN) as d:
        engine = d.app.engine
        assert engine is not None
        engine._phase = "live"
        await d.press("ctrl+x")
        assert isinstance(d.app.screen, AskScreen), "Ctrl+X ends it"
        await d.press("enter", "0", "d")
        assert "End it and open demo?" in d.text, "so does another source"
        await d.press("escape")
        assert d.app.engine is engine
        assert not engine._stop.is_set()
        await d.press("d", "tab", "enter")
        await d.until(lambda: d.app.engine is not engine)


async def test_a_crash_shows_no_values() -> None:
    """Payloads are among the variables, and in payloads there are passwords."""
    printed = ""

    async def crash() -> None:
        nonlocal printed
        async with driving(PLAIN) as d:
            d.app.call_later(divide, "hunter2")
            await d.pilot.pause()
            shown = [getattr(renderable, "segments", ()) for renderable in d.app._exit_renderables]
            printed = "".join(segment.text for segments in shown for segment in segments)

    def divide(password: str) -> float:
        return len(password) / 0

    with pytest.raises(ZeroDivisionError):
        await crash()
    assert "ZeroDivisionError" in printed
    assert "password='" not in printed.replace(" ", "")
    assert "locals" not in printed


def test_settings_that_cannot_be_read_are_told(home: Path) -> None:
    path = home / "config.toml"
    path.write_text("[tui\n")
    assert "config.toml" in settings_module.load(path).trouble[0]
    path.write_text('[tui]\ntheme = "field-sun"\nutc = true\n[keys]\n"live.freeze" = "f9"\n')
    read = settings_module.load(path)
    assert (read.theme, read.utc, read.keys, read.trouble) == ("field-sun", True, {"live.freeze": "f9"}, ())
    named = home / "named.toml"
    named.write_text('min-profile = 2\n[tui]\ntheme = "field-night"\n[keys]\n"live.filter" = "f8"\n')
    read = settings_module.load(path, named)
    assert (read.theme, read.utc) == ("field-night", True)
    assert read.keys == {"live.freeze": "f9", "live.filter": "f8"}
    path.write_text("[keys]\nx = 3\n")
    assert settings_module.load(path).trouble


async def test_a_picture_of_the_screen_is_where_fieldkit_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with driving(PLAIN) as d:
        commands = {command.title: command.callback for command in d.app.get_system_commands(d.app.screen)}
        commands["Save a picture of the screen"]()
        (path,) = tmp_path.glob("fieldkit-*.svg")
        assert "BootNotification" in path.read_text("utf-8")
        assert "saved:" in d.app.notice


def test_keys_are_called_by_their_names() -> None:
    assert readable("space,f1,slash,exclamation_mark,n") == "Space F1 / ! n"
