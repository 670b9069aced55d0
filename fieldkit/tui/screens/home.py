"""Where one chooses what to look at."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fieldkit.safetext import terminal
from fieldkit.sources.file import SourceError
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind

_SUFFIXES: Final = (".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".log", ".jsonl")
_MAX_FILES: Final = 30


class HomeScreen(FieldScreen):
    """Captures of this folder, interfaces, the demo."""

    TITLE = "Home"
    HELP = "Choose what to look at: a capture, an interface, or the recorded site. Enter opens it."
    BINDINGS: ClassVar = [bind("home.demo", "d", "demo", "Demo", "Look at a recorded site with real faults.")]

    def compose_body(self) -> ComposeResult:
        """A list."""
        yield Static("What do you want to look at?", id="home-title", markup=False)
        yield OptionList(id="home-list", markup=False)

    def on_mount(self) -> None:
        """What there is."""
        self._names: list[str] = ["demo"]
        texts = ["Demo: a recorded site with real faults"]
        for path in _captures(Path.cwd()):
            self._names.append(str(path))
            texts.append(f"Capture: {terminal(path.name, 60)}  ({path.stat().st_size / 1e6:,.1f} MB)")
        for name in _interfaces():
            self._names.append(name)
            texts.append(f"Interface: {name}")
        options = self.query_one(OptionList)
        options.add_options([Option(Content(self.glyphs.text(text))) for text in texts])
        options.highlighted = 0
        options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open it."""
        self._open(self._names[event.option_index])

    def action_demo(self) -> None:
        """The recorded site."""
        self._open("demo")

    def _open(self, name: str) -> None:
        from fieldkit.tui.engine import Engine
        from fieldkit.tui.feeds import open_feed

        try:
            self.fieldkit.open(Engine(open_feed([name])))
        except SourceError as error:
            self.notify(str(error), severity="error", markup=False)


def _captures(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.is_file() and path.name.lower().endswith(_SUFFIXES)]
    except OSError:
        return []
    return sorted(found, key=lambda path: -path.stat().st_mtime)[:_MAX_FILES]


def _interfaces() -> list[str]:
    from fieldkit.sources.interface import interfaces

    return interfaces()
