"""A picture of every screen, small and large, in every colour scheme, and without colours and signs.

The pictures lie in __snapshots__; after a change that is meant: pytest tests/tui/test_snapshots.py --snapshot-update,
and look at what has changed (they are SVG).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from fieldkit.tui.app import FieldkitApp
from fieldkit.tui.glyphs import ASCII, UNICODE
from fieldkit.tui.screens import search
from fieldkit.tui.settings import Settings
from fieldkit.tui.themes import CHOICES
from tests.tui.driving import CAPTURES, SMALL, WIDE
from tests.tui.ready import loaded

TLS13 = str(CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap")
SCREENS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # Name of the picture: source, screen, keys.
    "live": ("demo", "live", ("n", "n", "n")),
    "chargers": ("demo", "chargers", ("down",)),
    "charger": ("demo", "chargers", ("enter",)),
    "findings": ("demo", "findings", ("down",)),
    "tls": (TLS13, "tls", ()),
}
ACTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "pair": ("demo", "live", ("n", "enter")),
    "slowest": ("demo", "findings", ("t",)),
    "export": ("demo", "findings", ("e", "down")),
    "note": ("demo", "live", ("n", "m")),
    "time": ("demo", "live", ("at",)),
    "find": ("demo", "live", ("l",)),
    "replay": ("demo", "live", ("r",)),
    "jump": ("demo", "live", ("n", "x")),
    "help": ("demo", "findings", ("question_mark",)),
}

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    # A picture is of the screen, not of who draws it: no blinking, no clock.
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    # Loaded sources are shared between tests, and what was looked for in them is remembered.
    search._LAST.clear()


def picture(
    compare: Compare,
    shown: tuple[str, str, tuple[str, ...]],
    size: tuple[int, int],
    theme: str,
    glyphs: Any = UNICODE,
) -> bool:
    source, start_at, keys = shown
    app = FieldkitApp(
        loaded(source), settings=Settings(utc=True, theme=theme), glyphs=glyphs, period=3600, start_at=start_at
    )

    async def press(pilot: Pilot[object]) -> None:
        await pilot.pause()
        app.refresh_front()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()
        app.refresh_front()
        for widget in app.screen.query("Input"):
            widget.cursor_blink = False  # type: ignore[attr-defined]
        await pilot.pause()

    return compare(app, terminal_size=size, run_before=press)


@pytest.mark.parametrize("theme", CHOICES)
@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x40"])
@pytest.mark.parametrize("name", SCREENS)
def test_screen(snap_compare: Compare, name: str, size: tuple[int, int], theme: str) -> None:
    assert picture(snap_compare, SCREENS[name], size, theme)


@pytest.mark.parametrize("name", ACTS)
def test_dialog(snap_compare: Compare, name: str) -> None:
    assert picture(snap_compare, ACTS[name], SMALL, "field-sun")


@pytest.mark.parametrize("name", SCREENS)
def test_without_signs(snap_compare: Compare, name: str) -> None:
    assert picture(snap_compare, SCREENS[name], SMALL, "ansi-dark", ASCII)


@pytest.mark.parametrize("name", ["live", "findings"])
def test_without_colours(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert picture(snap_compare, SCREENS[name], SMALL, "field-night")
