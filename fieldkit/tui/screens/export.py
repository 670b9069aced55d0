"""Save something: what, in which form, under which name; and how far it is."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from fieldkit.tui.acts import chosen_row, finding_of
from fieldkit.tui.exporting import Export, ExportError, Form, Part, form_of, kinds, proposal
from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind
from fieldkit.tui.screens import styles_of
from fieldkit.tui.words import spaced


class ExportScreen(FieldDialog):
    """First the form, then the name, then it is written."""

    CSS_PATH: ClassVar = styles_of("acts")
    HELP = (
        "Choose what to save and press Enter, change the name if you like, and press Enter again. Tab chooses which"
        " part of the traffic is meant. The file appears when it is whole; nothing is written over without a question."
    )
    BINDINGS: ClassVar = [
        bind("export.leave", "escape", "leave", "Back", "Save nothing; stop what is being written."),
        bind("export.part", "tab", "part", "Part", "Everything, what is shown, or what is chosen.", priority=True),
    ]
    AUTO_FOCUS = "OptionList"

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        self._below = below
        self._parts: list[Part] = []
        self._at = 0
        self._forms: list[Form] = []
        self._form: Form | None = None
        self._export: Export | None = None

    def compose(self) -> ComposeResult:
        """Part, forms, name, how far."""
        with Vertical(classes="act", id="export"):
            yield Static("Save", classes="act-title", markup=False)
            yield Static("", id="export-part", markup=False)
            yield OptionList(id="export-forms", markup=False)
            yield Input(id="export-name", placeholder="name of the file")
            yield Static("", id="export-state", markup=False)

    def on_mount(self) -> None:
        """What can be saved from here."""
        self._parts = parts(self._below, self.fieldkit.engine)
        # Who looks at something particular may mean it, but most want all of it.
        self._show()
        self.query_one("#export-name").display = False

    @property
    def part(self) -> Part:
        """What is meant."""
        return self._parts[self._at]

    def _show(self) -> None:
        glyphs = self.glyphs
        words = f"Of: {self.part.title}"
        if len(self._parts) > 1:
            others = ", ".join(part.title for part in self._parts if part is not self.part)
            words += f"   (Tab: {others})"
        self.query_one("#export-part", Static).update(Content(glyphs.text(words)))
        self._forms = list(kinds(self.part))
        options = self.query_one(OptionList)
        at = options.highlighted or 0
        options.clear_options()
        options.add_options([Option(Content(glyphs.text(f"{form.suffix:<8} {form.title}"))) for form in self._forms])
        options.highlighted = min(at, len(self._forms) - 1)

    def action_part(self) -> None:
        """The next one."""
        if self._form is None:
            self._at = (self._at + 1) % len(self._parts)
            self._show()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A form: now the name."""
        self._form = form = self._forms[event.option_index]
        name = self.query_one("#export-name", Input)
        name.display = True
        name.value = shown(proposal(self.engine, form, folder()))
        name.cursor_position = len(name.value)
        name.focus()
        self._tell("Enter saves it under this name; Esc goes back.")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """A name: write it, perhaps after a question."""
        if self._export is not None:
            if self._export.done:
                self.dismiss(None)
            return
        target = Path(event.value.strip()).expanduser()
        assert self._form is not None
        if not event.value.strip():
            self._tell("name a file", bad=True)
            return
        try:
            form = form_of(self._form, target)
        except ExportError as error:
            self._tell(str(error), bad=True)
            return
        if target.is_file():
            from fieldkit.tui.screens.ask import AskScreen

            def answered(yes: object) -> None:
                if yes:
                    self._write(form, target)

            self.fieldkit.push_screen(AskScreen(f"{target} exists.\nWrite over it?", "Write over it", "No"), answered)
            return
        self._write(form, target)

    def _write(self, form: Form, target: Path) -> None:
        settings = self.fieldkit.settings
        self._export = export = Export(
            self.engine, form, self.part, target, show_ids=settings.show_ids, utc=settings.utc
        )  # fmt: skip
        Thread(target=export.run, name="export", daemon=True).start()
        self._tell("Writing …")
        self._timer = self.set_interval(0.1, self._look)

    def _look(self) -> None:
        export = self._export
        assert export is not None
        if not export.done:
            how = f" {export.progress:.0%}" if export.progress is not None else ""
            self._tell(f"Writing {export.target.name} …{how}   Esc stops it.")
            return
        self._timer.stop()
        if export.trouble:
            self._export = None
            self._tell(f"Not written: {export.trouble}", bad=True)
            return
        size = export.size
        amount = f"{spaced(size)} bytes" if size < 10_000 else f"{spaced(size // 1000)} kB"
        notes = "".join(f"\n{note}" for note in export.notes)
        status = self.glyphs.status("ok", "Saved")
        self._tell(f"{status}: {export.target} ({amount}){notes}\nEnter or Esc goes back.")

    def _tell(self, words: str, *, bad: bool = False) -> None:
        state = self.query_one("#export-state", Static)
        state.set_class(bad, "level-fail")
        state.update(Content(self.glyphs.text(f"{self.glyphs.fail} {words}" if bad else words)))

    def action_leave(self) -> None:
        """A step back."""
        export = self._export
        if export is not None and not export.done:
            export.stop()
        elif export is None and self._form is not None:
            self._form = None
            self.query_one("#export-name").display = False
            self.query_one(OptionList).focus()
            self._tell("")
        else:
            self.dismiss(None)


def parts(screen: Screen[Any], engine: Any) -> list[Part]:
    """What somebody who looks at this screen may want to save: everything first."""
    from fieldkit.tui.screens.findings import FindingsScreen
    from fieldkit.tui.screens.live import LiveScreen

    found = [Part("everything")]
    finding = finding_of(screen)
    if finding is not None:
        found.append(Part(f"this finding ({finding.kind.id})", findings=[finding]))
    if isinstance(screen, FindingsScreen) and screen.limited:
        found.append(Part(f"the {len(screen.shown)} findings shown", findings=screen.shown))
    row = chosen_row(screen)
    if row is not None and engine.history.first <= row < engine.history.end:
        with engine.lock:
            history = engine.history
            partner = history.answer_of(row)
            partner = history.call_of(row) if partner is None else partner
        rows = array("q", sorted({row, *([partner] if partner is not None else [])}))
        found.append(Part("this message and its answer" if len(rows) > 1 else "this line", rows=rows))
    if isinstance(screen, LiveScreen) and screen.search is not None:
        with engine.lock:
            rows = array("q", screen.search.rows)
        found.append(Part(f"the {spaced(len(rows))} lines shown", rows=rows))
    return found


def folder() -> Path:
    """Where files go: here, or home where one may not write here."""
    here = Path.cwd()
    return here if os.access(here, os.W_OK) else Path.home()


def shown(path: Path) -> str:
    """Without the folder that one is in."""
    return path.name if path.parent == Path.cwd() else str(path)
