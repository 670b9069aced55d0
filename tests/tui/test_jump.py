"""Two keys to anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.tui.acts import chosen_row
from fieldkit.tui.glyphs import ASCII
from fieldkit.tui.screens.jump import JumpScreen, labels
from tests.tui.driving import SMALL, WIDE, Driver
from tests.tui.ready import seeing


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def label_at(d: Driver, x: int, y: int) -> str:
    screen = d.app.screen
    assert isinstance(screen, JumpScreen)
    return next(label for label, target in screen._labels.items() if (target.place.x, target.place.y) == (x, y))


async def test_x_and_a_letter_choose_a_line() -> None:
    async with seeing("demo", size=SMALL) as d:
        before = chosen_row(d.app.screen) or 0
        await d.press("x")
        await d.press(label_at(d, 0, 7))
        assert not isinstance(d.app.screen, JumpScreen)
        assert chosen_row(d.app.screen) == before + 4


async def test_x_and_a_letter_go_to_another_screen() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("x")
        row = d.app.size.height - 2
        screen = d.app.screen
        assert isinstance(screen, JumpScreen)
        label = next(label for label, target in screen._labels.items() if target.action == "app.go('findings')")
        assert screen._labels[label].place.y == row
        await d.press(label)
        assert d.app.current_mode == "findings"
        await d.press("x")
        await d.press(label_at(d, 0, 4))
        assert "A connector is out of order" in d.text or d.app.current_mode == "findings"


async def test_it_focuses_what_takes_text() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("x")
        await d.press(label_at(d, 2, 1))
        focused = d.app.screen.focused
        assert focused is not None
        assert focused.id == "filter-text"


async def test_a_large_screen_needs_two_letters_for_some() -> None:
    async with seeing("demo", size=WIDE) as d:
        await d.press("x")
        screen = d.app.screen
        assert isinstance(screen, JumpScreen)
        assert {len(label) for label in screen._labels} == {1, 2}
        label = next(label for label in screen._labels if len(label) == 2)
        await d.press(label[0])
        assert isinstance(d.app.screen, JumpScreen)
        await d.press(label[1])
        assert not isinstance(d.app.screen, JumpScreen)


async def test_escape_and_strange_keys_leave() -> None:
    async with seeing("demo", size=SMALL, glyphs=ASCII) as d:
        for key in ("escape", "1"):
            await d.press("x")
            assert isinstance(d.app.screen, JumpScreen)
            await d.press(key)
            assert not isinstance(d.app.screen, JumpScreen)
        assert d.app.current_mode == "live"


async def test_home_has_letters_too() -> None:
    from tests.tui.driving import driving

    async with driving(size=SMALL) as d:
        await d.press("x")
        assert isinstance(d.app.screen, JumpScreen)


@pytest.mark.parametrize("number", [0, 1, 26, 27, 60, 200, 600])
def test_no_label_begins_like_another_one(number: int) -> None:
    made = labels(number)
    assert len(made) == len(set(made)) == number
    for one in made:
        assert not any(other != one and other.startswith(one) for other in made)
