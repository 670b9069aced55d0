"""A question with two answers, the harmless one first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from fieldkit.tui.frame import FieldDialog


class AskScreen(FieldDialog):
    """Dismissed with True when the user means it."""

    def __init__(self, question: str, yes: str, no: str = "Go on") -> None:
        super().__init__()
        self._question = question
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        """The harmless answer has the focus."""
        with Vertical(id="ask"):
            yield Static(self._question, markup=False)
            with Horizontal():
                yield Button(self._no, id="no")
                yield Button(self._yes, id="yes", variant="error")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """An answer."""
        self.dismiss(event.button.id == "yes")
