"""Asks for the other session of a charger: a capture that was looked at before, one of this folder, or any path."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from fieldkit.safetext import terminal
from fieldkit.sources.file import SourceError
from fieldkit.tui import recent
from fieldkit.tui.choices import CAPTURES, captures
from fieldkit.tui.engine import Engine
from fieldkit.tui.feeds import open_feed
from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind
from fieldkit.tui.screens.charger import STYLES
from fieldkit.tui.widgets.linelist import Cell, LineList
from fieldkit.tui.widgets.pathinput import PathInput


class CompareWithScreen(FieldDialog):
    """A list of captures, and a line to type into."""

    CSS_PATH = [STYLES / "chargers.tcss", STYLES / "compare.tcss"]  # noqa: RUF012
    HELP = "Choose the capture to compare with: of the same charger on another day, before and after an update."
    BINDINGS: ClassVar = [
        bind("with.leave", "escape", "leave", "Back", "Back to the charger."),
        bind("with.open", "enter", "open", "Compare", "Compare with this capture."),
        bind("with.path", "o,slash", "path", "Other", "Type the path of a capture."),
    ]

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key

    def compose(self) -> ComposeResult:
        """What for, the list, the line."""
        with Vertical(id="with"):
            yield Static("", id="with-title", markup=False)
            yield LineList(id="with-list", empty="no capture is in this folder; press o and type a path")
            yield PathInput(placeholder="o: the path of a capture", id="with-path")
            yield Static("", id="with-verdict", markup=False)

    def on_mount(self) -> None:
        """Captures there are."""
        title = f"Compare {terminal(self.key, 40)} with what it did in …"
        self.query_one("#with-title", Static).update(Content(self.glyphs.text(title)))
        now = {source.name for source in self.engine.feed.sources}
        paths = [name for one in recent.recent() if one.is_file for name in one.names if name.endswith(CAPTURES)]
        paths += [str(path) for path in (*captures(Path.cwd()), *captures(recent.recordings()))]
        names = [path for path in dict.fromkeys(map(_absolute, paths)) if path not in {_absolute(name) for name in now}]
        shown = [*names, "demo"]

        def draw(position: int, width: int) -> list[Cell]:
            path = Path(shown[position])
            folder = str(path.parent) if path.is_absolute() else "a recorded site"
            return [Cell(terminal(path.name, 80), -1, "bold"), Cell(terminal(folder, 200), min(30, width // 3))]

        rows = self.query_one(LineList)
        rows.set_rows(shown, draw)
        rows.focus()

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """A second click."""
        self.action_open()

    def action_open(self) -> None:
        """The one under the cursor."""
        key = self.query_one(LineList).selected
        if isinstance(key, str):
            self._open(key)

    def action_path(self) -> None:
        """To the line."""
        self.query_one(PathInput).focus()

    def on_path_input_left(self) -> None:
        """Back to the list."""
        self.query_one(LineList).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """What was typed."""
        if event.value.strip():
            self._open(str(Path(event.value.strip()).expanduser()))

    def _open(self, name: str) -> None:
        from fieldkit.tui.screens.compare import CompareScreen

        try:
            feed = open_feed([name])
        except SourceError as error:
            self._complain(str(error))
            return
        if feed.live:
            feed.close()
            self._complain(f"{name} is live: compare with a capture")
            return
        app = self.fieldkit
        self.dismiss(None)
        app.push_screen(CompareScreen(self.key, Engine(feed)))

    def _complain(self, text: str) -> None:
        verdict = self.query_one("#with-verdict", Static)
        verdict.update(Content(self.glyphs.text(f"{self.glyphs.status('fail')} {terminal(text, 300)}")))
        verdict.set_classes("level-fail")


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if Path(name).exists() else name
