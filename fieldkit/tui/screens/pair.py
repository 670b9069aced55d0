"""A request and its answer side by side, with the time between them."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from fieldkit.events import OcppMessage
from fieldkit.ocpp.exchange import latency
from fieldkit.reports.sentences import duration
from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind
from fieldkit.tui.widgets.detail import DetailView
from fieldkit.tui.words import clock, sentence


class PairScreen(FieldDialog):
    """Made for one row: a CALL or its answer, it does not matter which."""

    HELP = "Request on the left, answer on the right. Tab goes from one to the other, v changes the view."
    BINDINGS: ClassVar = [
        bind("pair.leave", "escape,enter,q", "leave", "Back", "Back to the list."),
        bind("pair.other", "tab", "other", "Other side", "From the request to the answer, and back."),
        bind("pair.view", "v", "view", "View", "Fields, text or bytes of both.", priority=True),
    ]

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def compose(self) -> ComposeResult:
        """A sentence above, two messages below."""
        with Vertical(id="pair"):
            yield Static("", id="pair-sentence", markup=False)
            with Horizontal():
                with Vertical(classes="side"):
                    yield Static("", id="left-title", markup=False, classes="bar")
                    yield DetailView(id="left")
                with Vertical(classes="side", id="right-side"):
                    yield Static("", id="right-title", markup=False, classes="bar")
                    yield DetailView(id="right")

    def on_mount(self) -> None:
        """Both messages are read once; they do not change any more, but an answer may still come."""
        self._fill()
        self.query_one("#left", DetailView).focus()

    def refresh_view(self) -> None:
        """An answer that was still to come may have come."""
        if self._waiting:
            self._fill()

    def _fill(self) -> None:
        engine, glyphs, settings = self.engine, self.glyphs, self.fieldkit.settings
        with engine.lock:
            history = engine.history
            if self._number < history.first:
                return
            call_at = history.call_of(self._number)
            number = call_at if call_at is not None else self._number
            answer_at = history.answer_of(number)
            left = history.message(number)
            right = history.message(answer_at) if answer_at is not None else None
            why = history.row(number).unanswered
        self._waiting = right is None
        text = sentence(left, right, show_ids=settings.show_ids)
        self.query_one("#pair-sentence", Static).update(Content(glyphs.text(text)))
        self._side("left", left, f"{clock(left.time, utc=settings.utc, millis=True)} request")
        if right is None:
            known = "no answer" if why is None else f"no answer: {why.replace('-', ' ')}"
            self.query_one("#right-title", Static).update(Content(glyphs.text(known)))
            return
        waited = latency(right)
        after = "" if waited is None else f", after {duration(waited)}"
        self._side("right", right, f"{clock(right.time, utc=settings.utc, millis=True)} answer{after}")

    _waiting = True

    def _side(self, side: str, message: OcppMessage, title: str) -> None:
        self.query_one(f"#{side}-title", Static).update(Content(self.glyphs.text(title)))
        self.query_one(f"#{side}", DetailView).show(message)

    def action_other(self) -> None:
        """The other message."""
        left, right = self.query_one("#left", DetailView), self.query_one("#right", DetailView)
        (left if right.has_focus else right).focus()

    def action_view(self) -> None:
        """Both in the same way."""
        left, right = self.query_one("#left", DetailView), self.query_one("#right", DetailView)
        left.action_mode()
        right.set_mode(left.mode)
