"""A picture of every screen, small and large, in every colour scheme, and without colours and signs.

The pictures lie in __snapshots__; after a change that is meant: pytest tests/tui/test_snapshots.py --snapshot-update,
and look at what has changed (they are SVG).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from fieldkit.tui.app import FieldkitApp
from fieldkit.tui.choices import Choice, Lasting, Rights, Traffic
from fieldkit.tui.glyphs import ASCII, UNICODE
from fieldkit.tui.screens import search
from fieldkit.tui.screens.compare import CompareScreen
from fieldkit.tui.settings import Settings
from fieldkit.tui.themes import CHOICES
from tests.tui.driving import CAPTURES, SMALL, WIDE
from tests.tui.odd import odd
from tests.tui.ready import loaded
from tests.tui.test_compare import capture, day
from tests.tui.test_links import TOLD

FAILOVER = str(Path(__file__).parents[1] / "data" / "failover" / "failover_lan.pcap")
ODD = "odd"
"""No file: what ``tests.tui.odd`` makes of the demo."""
TLS13 = str(CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap")
SCREENS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # Name of the picture: source, screen, keys.
    "live": ("demo", "live", ("n", "n", "n")),
    "chargers": ("demo", "chargers", ("down",)),
    "charger": ("demo", "chargers", ("enter",)),
    "findings": ("demo", "findings", ("down",)),
    "tls": (TLS13, "tls", ()),
    "links": (FAILOVER, "links", ("down", "down")),
    "detector": (ODD, "detector", ("end",)),
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
    "incident": (ODD, "detector", ("end", "enter")),
    "watched": (ODD, "detector", ("d",)),
    "help": ("demo", "findings", ("question_mark",)),
}

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("NO_COLOR", "SSH_CONNECTION", "FIELDKIT_ASCII"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
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
    is_there: Callable[[FieldkitApp], bool] = lambda app: True,
) -> bool:
    """``is_there``: what is drawn has come, where a thread fetches it."""
    source, start_at, keys = shown
    engine = odd() if source == ODD else loaded(source, routers=TOLD if source == FAILOVER else ()) if source else None
    app = FieldkitApp(engine, settings=Settings(utc=True, theme=theme), glyphs=glyphs, period=3600, start_at=start_at)

    async def press(pilot: Pilot[object]) -> None:
        await pilot.pause()
        app.refresh_front()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()
        ends = time.monotonic() + 30
        while not is_there(app):
            assert time.monotonic() < ends, "what is to be drawn never came"
            await pilot.pause(0.02)
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


# ------------------------------------------------------------------------------- what depends on machine and folder


class Still(Traffic):
    """Traffic of three interfaces that does not change."""

    def measure(self, names: Iterable[str], now: float | None = None) -> None:
        self.rates = {"eth0": [0.0, 12.0, 130.0, 1500.0, 18_000.0, 240_000.0], "wlan0": [0.0]}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop in the field, as Home finds it: what was looked at before, two interfaces, a cable for a charger."""
    here = "Captures in this folder"
    found = Lasting(
        before=(
            Choice("recent:1", "Looked at before", "depot-north.pcapng", "2 h ago, ~/visits", ("1",), "ok", "READY"),
        ),
        here=(
            Choice("file:1", here, "cp-7-offline.pcapng", "4.1 MB, 3 min old", ("2",), "ok", "READY"),
            Choice("file:2", here, "of-root.pcap", "20 kB, 2 d old", ("3",), "fail", "NO RIGHT"),
        ),
        serial=(Choice("serial:1", "Serial ports", "/dev/ttyUSB0", "FTDI FT232R USB UART", (), "ok", "READY"),),
    )
    home = "fieldkit.tui.screens.home"
    monkeypatch.setattr(f"{home}.lasting", lambda: found)
    monkeypatch.setattr(f"{home}.rights", lambda: Rights(True, True, "it works"))
    monkeypatch.setattr(f"{home}.Traffic", Still)
    monkeypatch.setattr(f"{home}.interface_names", lambda: (["eth0", "wlan0"], ["usb0"]))
    choices = "fieldkit.tui.choices"
    monkeypatch.setattr(f"{choices}.interface_names", lambda: (["eth0", "wlan0"], ["usb0"]))
    monkeypatch.setattr(f"{choices}._no_cable", lambda name: name == "wlan0")
    monkeypatch.setattr(f"{choices}.machine.as_root", lambda command: f"sudo {command}")
    monkeypatch.setenv("FIELDKIT_SSH_COMMAND", "ssh")


HOME = ("", "home", ("down", "down"))


def is_known(app: FieldkitApp) -> bool:
    rights: Rights = app.screen._rights  # type: ignore[attr-defined]
    return rights.known


@pytest.mark.parametrize("theme", CHOICES)
@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x40"])
def test_home(machine: None, snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    assert picture(snap_compare, HOME, size, theme, is_there=is_known)


def test_home_without_signs(machine: None, snap_compare: Compare) -> None:
    assert picture(snap_compare, HOME, SMALL, "ansi-dark", ASCII, is_there=is_known)


@pytest.fixture
def visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A charger before and after its firmware was changed."""
    folder = tmp_path / "visits"
    folder.mkdir()
    monkeypatch.chdir(folder)
    capture(folder, "after.pcap", day(firmware="2.0.0", slow=2.0))
    return capture(folder, "before.pcap", day(faulted=True))


def is_compared(app: FieldkitApp) -> bool:
    return isinstance(app.screen, CompareScreen) and app.screen._sides is not None


@pytest.mark.parametrize("theme", CHOICES)
@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x40"])
def test_compare(visits: Path, snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    shown = (str(visits), "chargers", ("enter", "v", "enter"))
    assert picture(snap_compare, shown, size, theme, is_there=is_compared)
