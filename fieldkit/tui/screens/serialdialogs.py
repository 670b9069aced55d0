"""What is asked on the Serial screen: one line of text each, with what is wrong with it below."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from fieldkit.safetext import terminal
from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind
from fieldkit.tui.screens import styles_of


class TextScreen(FieldDialog):
    """Dismissed with the text, once ``check`` has nothing against it; with None when the user leaves."""

    CSS_PATH: ClassVar = styles_of("serial")
    HELP = "Enter takes what is written, Esc leaves everything as it is. Nothing is sent to a device."
    BINDINGS: ClassVar = [bind("serial-text.leave", "escape", "leave", "Back", "Leave everything as it is.")]
    AUTO_FOCUS = "Input"

    def __init__(self, question: str, placeholder: str, value: str, check: Callable[[str], object]) -> None:
        """``check`` raises ValueError, whose words are shown."""
        super().__init__()
        self._question, self._placeholder, self._value, self._check = question, placeholder, value, check

    def compose(self) -> ComposeResult:
        """The question, the line, the trouble."""
        with Vertical(id="serial-ask"):
            yield Static(Content(self.glyphs.text(self._question)))
            yield Input(self._value, placeholder=self._placeholder, max_length=200)
            yield Static("", id="serial-trouble", classes="level-warn", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        text = event.value.strip()
        try:
            self._check(text)
        except ValueError as error:
            self.query_one("#serial-trouble", Static).update(Content(self.glyphs.text(terminal(str(error), 300))))
            return
        self.dismiss(text)
