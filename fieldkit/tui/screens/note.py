"""A line to be written beside a message or a finding."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind
from fieldkit.tui.marks import MAX_NOTE
from fieldkit.tui.screens import styles_of


class NoteScreen(FieldDialog):
    """Dismissed with the text, with ``REMOVE``, or with None when nothing is to change."""

    REMOVE: Final = object()
    CSS_PATH: ClassVar = styles_of("acts")
    HELP = "Write what you want to remember. It is kept, and saved as a comment of the packet in pcapng files."
    BINDINGS: ClassVar = [bind("note.leave", "escape", "leave", "Back", "Change nothing.")]
    AUTO_FOCUS = "Input"

    def __init__(self, title: str, text: str, *, mark: bool, known: bool = False, about: str = "") -> None:
        """``mark``: an empty text is a mark, and ``known`` says that there is one already. ``about``: what it is on."""
        super().__init__()
        self._title = title
        self._text = text
        self._mark = mark
        self._known = known
        self._about = about

    def compose(self) -> ComposeResult:
        """A line, and buttons for those who do not type."""
        with Vertical(classes="act"):
            yield Static(self.glyphs.text(self._title), classes="act-title", markup=False)
            if self._about:
                yield Static(self.glyphs.text(self._about), classes="act-about", markup=False)
            hint = "a note; empty: just a mark" if self._mark else "a note; empty: none"
            yield Input(self._text, placeholder=hint, max_length=MAX_NOTE, select_on_focus=False)
            with Horizontal():
                yield Button("Save", id="save")
                if self._known:
                    yield Button("Take away", id="remove")
                yield Button("Back", id="back")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        self.dismiss(event.value.strip())

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button."""
        if event.button.id == "save":
            self.dismiss(self.query_one(Input).value.strip())
        else:
            self.dismiss(self.REMOVE if event.button.id == "remove" else None)
