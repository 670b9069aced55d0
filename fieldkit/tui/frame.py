"""What all screens have in common: a status line above, the keys below, the screen's own things between.

class ChargersScreen(FieldScreen):
    TITLE = "Chargers"
    HELP = "One line a charger …"
    BINDINGS = [bind("chargers.open", "enter", "open", "Open", "Show the timeline of this charger.")]

    def compose_body(self) -> ComposeResult:
        yield ChargerList()

    def refresh_view(self) -> None:
        with self.engine.lock:
            … read what is drawn, a few rows
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from fieldkit.tui.widgets.keyline import KeyLine
from fieldkit.tui.widgets.statusline import StatusLine

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp
    from fieldkit.tui.engine import Engine
    from fieldkit.tui.glyphs import Glyphs


class _Access:
    """Short ways to what every screen needs."""

    HELP: ClassVar[str | None] = ""
    """What the screen shows and how to use it, in a few sentences: the beginning of what ``?`` says."""

    @property
    def fieldkit(self) -> FieldkitApp:
        """The application."""
        return cast("FieldkitApp", cast("Screen[object]", self).app)

    @property
    def engine(self) -> Engine:
        """The run that is looked at. Screens that need one are only shown when there is one."""
        engine = self.fieldkit.engine
        assert engine is not None
        return engine

    @property
    def glyphs(self) -> Glyphs:
        """The signs of this terminal."""
        return self.fieldkit.glyphs

    @property
    def now(self) -> int:
        """Of something live the time of day, in ns, as nothing else tells of silence; 0 otherwise."""
        return time.time_ns() if self.engine.state.phase == "live" else 0

    def refresh_view(self) -> None:
        """Draw what is new. Called by the application's timer while the screen is the one in front and the engine is
        ready, when something has happened; and once when the screen comes to the front."""


class FieldScreen(_Access, Screen[None]):
    """A place with status line and keys."""

    AUTO_FOCUS = "CursorView"
    """The first list, and never a line to type into: a digit that is pressed early is to lead to its screen."""

    def compose(self) -> ComposeResult:
        """The frame around ``compose_body``."""
        yield StatusLine()
        yield from self.compose_body()
        yield KeyLine()
        yield Static(
            "The terminal is too small:\nmake it 50 columns by 12 lines\n(or the font smaller).", id="too-small"
        )

    def compose_body(self) -> ComposeResult:
        """The screen's own widgets."""
        yield from ()

    def on_screen_resume(self) -> None:
        """The screen comes to the front."""
        self.fieldkit.refresh_front()


class FieldDialog(_Access, ModalScreen[object]):
    """Something that is asked or shown on top of a screen; Esc leaves it."""

    BINDINGS: ClassVar = [("escape", "leave", "Back")]

    def action_leave(self) -> None:
        """Back to the screen below."""
        self.dismiss(None)
