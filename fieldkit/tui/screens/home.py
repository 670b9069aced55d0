"""Where one chooses what to look at, without knowing how it is called."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from fieldkit.safetext import terminal
from fieldkit.sources.file import SourceError
from fieldkit.tui import recent
from fieldkit.tui.choices import (
    DEMO,
    PROXY,
    ROUTER,
    Choice,
    Lasting,
    Rights,
    Traffic,
    choices,
    completions,
    interface_names,
    lasting,
    rights,
)
from fieldkit.tui.feeds import Feed, is_live, open_feed
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind
from fieldkit.tui.places import place
from fieldkit.tui.screens.sourcedialogs import MendScreen, ProxyScreen, RouterScreen
from fieldkit.tui.widgets.linelist import Cell, LineList
from fieldkit.tui.widgets.pathinput import PathInput

STYLES: Final = Path(__file__).parent.parent / "styles"
_MEASURE: Final = 1.0
"""Seconds between two looks at the traffic of the interfaces."""


class HomeScreen(FieldScreen):
    """A list of everything there is, and a line for everything else."""

    TITLE = "Home"
    CSS_PATH = [STYLES / "chargers.tcss", STYLES / "home.tcss"]  # noqa: RUF012
    HELP = (
        "Choose what to look at: Enter opens it. Captures that were looked at before, interfaces with the traffic that"
        " passes at this moment, a router over ssh, a proxy, captures of this folder, serial ports, and the recorded"
        " site. Where something is missing the word says so, and m shows the commands that mend it."
    )
    BINDINGS: ClassVar = [
        bind("home.open", "enter", "open", "Open", "Look at it."),
        bind("home.demo", "d", "demo", "Demo", "Look at a recorded site with real faults."),
        bind("home.path", "o,slash", "path", "Other", "Type the path of a capture, or an address."),
        bind("home.router", "r", "router", "Router", "Capture on a router over ssh."),
        bind("home.proxy", "y", "proxy", "Proxy", "Sit between a charger and its CSMS.", show=False),
        bind("home.mend", "m", "mend", "Mend", "What is missing, and the commands that mend it."),
        bind("home.again", "f5,u", "again", "Look again", "Look again at what there is.", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._choices: dict[str, Choice] = {}
        self._lasting = Lasting()
        self._rights = Rights()
        self._traffic = Traffic()
        self._said = ("", "")

    def compose_body(self) -> ComposeResult:
        """The line to type into, the list, what is to be said of the chosen thing."""
        with Horizontal(id="home-other"):
            yield Static(" Open: ", id="home-label", markup=False)
            yield PathInput(placeholder="o: a path, an interface, ssh://user@host/interface", id="home-path")
        yield LineList(id="home-list")
        yield Static("", id="home-detail", markup=False)

    @property
    def rows(self) -> LineList:
        """The list."""
        return self.query_one("#home-list", LineList)

    @property
    def chosen(self) -> Choice | None:
        """What the cursor is on."""
        key = self.rows.selected
        return self._choices.get(key) if isinstance(key, str) else None

    def on_mount(self) -> None:
        """Look at what there is; whether it may be captured takes longer to find out."""
        self._look()
        self.rows.action_first()
        self.set_interval(_MEASURE, self._measure)
        self.run_worker(self._examine, thread=True, exit_on_error=False)

    def _examine(self) -> None:
        found = rights()
        if self.is_running:
            self.app.call_from_thread(self._know, found)

    def _know(self, found: Rights) -> None:
        self._rights = found
        self._show()

    def _measure(self) -> None:
        """Traffic goes on: once a second, while somebody looks."""
        if self.app.screen is self:
            self._show()

    def on_screen_resume(self) -> None:
        """There may be new captures."""
        super().on_screen_resume()
        self._look()

    def _look(self) -> None:
        self._lasting = lasting()
        self._show()

    def _show(self) -> None:
        self._traffic.measure(interface_names()[0])
        found = choices(self._rights, self._traffic, self._lasting)
        self._choices = {choice.key: choice for choice in found}
        rows: list[str | Choice] = []
        titles: list[int] = []
        group = ""
        for choice in found:
            if choice.group != group:
                group = choice.group
                titles.append(len(rows))
                rows.append(group)
            rows.append(choice)
        keys = [row if isinstance(row, str) else row.key for row in rows]

        def draw(position: int, width: int) -> list[Cell]:
            row = rows[position]
            return [Cell(row, -1, "title")] if isinstance(row, str) else self._cells(row, width)

        self.rows.set_rows(keys, draw, frozenset(titles))
        self._show_detail()

    def _cells(self, choice: Choice, width: int) -> list[Cell]:
        status = self.glyphs.status(choice.level, choice.word)
        wide = width >= 100
        cells = [
            Cell(" ", 1),
            Cell(choice.name, 44 if wide else 32 if width >= 70 else 20, "bold"),
            Cell(choice.text, -1),
        ]
        name = choice.names[0] if choice.names else ""
        if choice.key.startswith("if:") and name in self._traffic.rates:
            cells.append(Cell(self._graph(self._traffic.rates[name]), 8, "info"))
        cells.append(Cell(f"{status.sign} {status.word}".strip(), 10, choice.level))
        return cells

    def _graph(self, rates: list[float]) -> str:
        """Traffic of the last seconds; each step of the graph is ten times as much."""
        levels = self.glyphs.spark
        drawn = []
        for rate in rates:
            step, least = 0, 10.0
            while rate >= least and step < len(levels) - 1:
                step, least = step + 1, least * 10
            drawn.append(levels[step])
        return "".join(drawn).rjust(8)

    def _show_detail(self) -> None:
        text, level = self._said
        lines = [text] if text else []
        choice = self.chosen
        if not text and choice is not None:
            lines.append(choice.detail)
            level = choice.level if choice.level in ("warn", "fail") else ""
            if choice.mend:
                lines.append(f"To mend it (m: all of it): {choice.mend[0]}")
        detail = self.query_one("#home-detail", Static)
        detail.update(Content(self.glyphs.text("\n".join(lines))))
        detail.set_classes(f"level-{level}" if level else "")

    def _say(self, text: str, level: str = "") -> None:
        self._said = (text, level)
        self._show_detail()

    # --------------------------------------------------------------------------------------------------------- typing

    def on_input_changed(self, event: Input.Changed) -> None:
        """What it may become."""
        offered = completions(event.value)
        names = "  ".join(Path(path).name + ("/" if path.endswith("/") else "") for path in offered)
        self._say(f"Tab: {terminal(names, 300)}" if offered else "")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Open what was typed."""
        name = str(Path(event.value.strip()).expanduser()) if "://" not in event.value else event.value.strip()
        if event.value.strip():
            self._open((name,))
        else:
            self.rows.focus()

    def on_path_input_left(self) -> None:
        """Back to the list."""
        self._say("")
        self.rows.focus()

    # -------------------------------------------------------------------------------------------------------- actions

    def on_line_list_selected(self, event: LineList.Selected) -> None:
        """Say what it does, or what is missing."""
        self._say("")

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """A second click."""
        self.action_open()

    def action_open(self) -> None:
        """Open what the cursor is on."""
        choice = self.chosen
        if choice is None:
            return
        if choice.key == ROUTER:
            self.action_router()
        elif choice.key == PROXY:
            self.action_proxy()
        elif choice.key.startswith("serial:"):
            if place("serial") is not None:
                self.fieldkit.action_go("serial")
            else:
                self.action_mend()
        else:
            self._open(choice.names)

    def action_demo(self) -> None:
        """The recorded site."""
        self._open((DEMO,))

    def action_path(self) -> None:
        """To the line above the list."""
        self.query_one(PathInput).focus()

    def action_router(self) -> None:
        """Ask for its address."""
        self.fieldkit.push_screen(RouterScreen(), self._named)

    def action_proxy(self) -> None:
        """Ask for both sides."""
        self.fieldkit.push_screen(ProxyScreen(), self._named)

    def _named(self, name: object) -> None:
        if isinstance(name, str):
            self._open((name,))

    def action_mend(self) -> None:
        """What is missing."""
        choice = self.chosen
        if choice is not None:
            self.fieldkit.push_screen(MendScreen(f"{choice.name}: {choice.word}", choice.detail, choice.mend))

    def action_again(self) -> None:
        """Look again."""
        self.run_worker(self._examine, thread=True, exit_on_error=False)
        self._look()

    def _open(self, names: tuple[str, ...]) -> None:
        self.fieldkit.ending_capture(f"End it and open {terminal(', '.join(names), 60)}", lambda: self._open_now(names))

    def _open_now(self, names: tuple[str, ...]) -> None:
        if any(map(is_live, names)):
            # A router may take its time to answer.
            self._say(f"opening {', '.join(names)} …")
            self.run_worker(lambda: self._open_live(names), thread=True, exclusive=True, group="open")
            return
        try:
            self._opened(open_feed(names), names)
        except SourceError as error:
            self._say(terminal(str(error), 600), "fail")

    def _open_live(self, names: tuple[str, ...]) -> None:
        try:
            feed = open_feed(names, record=recent.new_recording())
        except SourceError as error:
            self.app.call_from_thread(self._say, terminal(str(error), 600), "fail")
            return
        self.app.call_from_thread(self._opened, feed, names)

    def _opened(self, feed: Feed, names: tuple[str, ...]) -> None:
        from fieldkit.tui.engine import Engine, usual_detector

        recent.remember(names)
        self._said = ("", "")
        self.fieldkit.open(Engine(feed, detector=usual_detector if feed.live else None))
