"""Two sessions of the same charger side by side."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from fieldkit.safetext import terminal
from fieldkit.tui.chargertables import Look
from fieldkit.tui.compared import WORDS, Line, Section, Side, compare, partner, side
from fieldkit.tui.engine import Engine
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind
from fieldkit.tui.nearby import row_of
from fieldkit.tui.screens.charger import STYLES
from fieldkit.tui.widgets.linelist import Cell, LineHeader, LineList

_LOOK = 0.25
"""Seconds between two looks at how far the other session is read."""
_LEVELS = {"same": "none", "differs": "bold", "new": "warn", "gone": "ok", "better": "ok", "worse": "warn"}


class CompareScreen(FieldScreen):
    """The run that is looked at on the left, another capture on the right. The other one is put away in the end."""

    TITLE = "Compare"
    CSS_PATH = [STYLES / "chargers.tcss", STYLES / "compare.tcss"]  # noqa: RUF012
    HELP = (
        "What the right session has and the left one has not is NEW, what only the left one has is GONE. Answers that"
        " take half as long again are WORSE. a shows all lines or only those that differ; Enter shows the evidence of"
        " a finding of the left session."
    )
    BINDINGS: ClassVar = [
        bind("compare.back", "escape,backspace", "leave", "Back", "Back to the charger."),
        bind("compare.all", "a", "all", "All", "Show all lines, or only those that differ."),
        bind("compare.open", "enter", "open", "Evidence", "The evidence of a finding of the left session."),
    ]

    def __init__(self, key: str, other: Engine) -> None:
        """``other`` is started here."""
        super().__init__()
        self.key = key
        self.other = other
        self.everything = False
        self._lines: list[Line | Section] = []
        self._sides: tuple[Side, Side] | None = None
        self._read = False

    def compose_body(self) -> ComposeResult:
        """Which two, and the lines."""
        yield Static("", id="compare-title", markup=False)
        yield Static("", id="compare-sum", markup=False)
        yield LineHeader(self._header, id="compare-header")
        yield LineList(id="compare-list", empty="reading …")

    def on_mount(self) -> None:
        """Read the other one."""
        self.other.start()
        self.set_interval(_LOOK, self._look)
        self._say_title()

    def on_unmount(self) -> None:
        """The other run is not needed any more."""
        self.other.close()

    def _look(self) -> None:
        """It is read in a thread: see how far it is."""
        if not self._read:
            self._read = not self.other.state.running
            self._say_title()
            if self._read and self.engine.ready:
                self.refresh_view()

    def refresh_view(self) -> None:
        """What has come on the left."""
        if not self._read or not self.other.ready:
            return
        settings = self.fieldkit.settings
        look = Look(self.glyphs, settings.utc, settings.show_ids)
        with self.other.lock:
            key = partner(self.other.session, self.key)
            right = (
                side(self.other.state.name, self.other.session, self.other.findings, key, look, running=False)
                if key
                else None
            )
        rows = self.query_one("#compare-list", LineList)
        if right is None:
            name = terminal(self.other.state.name, 60)
            rows.empty = f"{terminal(self.key, 40)} is not in {name}, and there are several others"
            rows.refresh()
            return
        engine = self.engine
        with engine.lock:
            left = side(
                engine.state.name, engine.session, engine.findings, self.key, look, running=engine.state.running
            )
        self._sides = (left, right)
        self._show(compare(left, right))
        self._say_title()

    def _show(self, sections: list[Section]) -> None:
        lines: list[Line | Section] = []
        titles: list[int] = []
        for section in sections:
            chosen = [line for line in section.lines if self.everything or line.change != "same"]
            titles.append(len(lines))
            lines.append(section)
            lines += chosen
        self._lines = lines
        keys = [line.title if isinstance(line, Section) else (number, line.what) for number, line in enumerate(lines)]
        rows = self.query_one("#compare-list", LineList)
        rows.set_rows(keys, self._cells, frozenset(titles))
        counts: dict[str, int] = {}
        for section in sections:
            for line in section.lines:
                counts[line.change] = counts.get(line.change, 0) + 1
        told = [f"{counts[change]} {word}" for change, word in WORDS.items() if word and counts.get(change)]
        hidden = f"; {counts.get('same', 0)} the same (a: all)" if not self.everything else ""
        self.query_one("#compare-sum", Static).update(
            Content(self.glyphs.text(f" {', '.join(told) or 'nothing differs'}{hidden}"))
        )

    def _cells(self, position: int, width: int) -> list[Cell]:
        line = self._lines[position]
        if isinstance(line, Section):
            same = len(line.lines) - line.differing
            told = "nothing to compare" if not line.lines else f"{same} the same" if same else ""
            return [Cell(line.title, -1, "title"), Cell(told, 20, right=True)]
        values = _value_width(width)
        word = WORDS[line.change]
        level = _LEVELS[line.change]
        if line.level:
            status = self.glyphs.status(line.level)  # type: ignore[arg-type]
            what = f" {status} {line.what}"
            level = "ok" if line.change == "gone" else line.level if line.change == "new" else "none"
        else:
            what = f" {line.what}"
        sign = {"ok": self.glyphs.ok, "warn": self.glyphs.warn, "fail": self.glyphs.fail, "info": self.glyphs.info}
        mark = f"{sign.get(level, self.glyphs.text('≠')) if word else ''} {word}".strip()
        if line.level:
            values = 5  # they are counts, and the sentence needs the room
        return [
            Cell(what, -1, line.level or "none"),
            Cell(line.left, values),
            Cell(line.right, values, "bold" if line.change != "same" else "none"),
            Cell(mark, 9, level),
        ]

    def _header(self, width: int) -> list[Cell]:
        values = _value_width(width)
        left, right = (self._sides[0].name, self._sides[1].name) if self._sides else ("", "")
        return [Cell("", -1), Cell(_end(left, values), values), Cell(_end(right, values), values), Cell("", 9)]

    def _say_title(self) -> None:
        state = self.other.state
        there = ""
        if state.running and state.progress is not None:
            there = f"   reading: {state.progress:.0%}"
        elif self._sides is not None and self._sides[1].key != self.key:
            there = f"   (there: {terminal(self._sides[1].key, 40)}, the only charger)"
        elif state.failures:
            there = f"   {terminal(state.failures[0], 200)}"
        names = terminal(self.engine.state.name, 60), terminal(state.name, 60)
        title = f" {terminal(self.key, 40)}: {names[0]} against {names[1]}{there}"
        self.query_one("#compare-title", Static).update(Content(self.glyphs.text(title)))
        self.query_one("#compare-header", LineHeader).refresh()

    # -------------------------------------------------------------------------------------------------------- actions

    def action_leave(self) -> None:
        """Back to the charger."""
        self.dismiss()

    def action_all(self) -> None:
        """All lines, or those that differ."""
        self.everything = not self.everything
        if self._sides is not None:
            self._show(compare(*self._sides))

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """A second click."""
        self.action_open()

    def action_open(self) -> None:
        """The evidence, in the traffic of the left session."""
        position = self.query_one("#compare-list", LineList).position
        line = self._lines[position] if position < len(self._lines) else None
        if not isinstance(line, Line) or line.finding is None or self._sides is None:
            self.fieldkit.say("only findings of the left session have evidence here")
            return
        event = line.finding.evidence[0]
        with self.engine.lock:
            number = row_of(self.engine, self._sides[0].facts, event.time, event)
        if number is not None:
            self.fieldkit.show_row(number)


def _value_width(width: int) -> int:
    return 44 if width >= 170 else 26 if width >= 110 else 18


def _end(name: str, room: int) -> str:
    """Names of captures differ at their end."""
    return name if len(name) <= room else "…" + name[-(room - 1) :]
