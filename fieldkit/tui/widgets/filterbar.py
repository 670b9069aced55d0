"""The filter bar: the same language as ``--filter``, judged on every key, with what may come next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from fieldkit.query import Filter, FilterError, compile_filter, complete
from fieldkit.tui.keys import bind

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp

Known = Callable[[], Mapping[str, Iterable[str]]]
_SHOWN = 8
"""Words that may come next, of which so many are shown."""


class _Completion(Suggester):
    """The first word that may come next, as a ghost behind the cursor."""

    def __init__(self, known: Known) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._known = known

    async def get_suggestion(self, value: str) -> str | None:
        found = complete(value, len(value), self._known())
        return completed(value, found[0]) if found and value else None


def completed(text: str, word: str) -> str:
    """``text`` with the word that was begun at its end made whole."""
    for length in range(min(len(word), len(text)), 0, -1):
        before = text[: len(text) - length]
        boundary = not before or not (before[-1].isalnum() or before[-1] in "._")
        if boundary and text[-length:].casefold() == word[:length].casefold():
            return before + word
    return text + word


class _FilterInput(Input):
    BINDINGS: ClassVar = [
        bind("filter.complete", "tab", "complete", "Complete", "Take the word that is offered.", priority=True),
        bind("filter.leave", "escape", "leave", "Back", "Back to the list; the filter stays."),
        bind("filter.down", "down", "leave", "List", "Back to the list.", show=False),
    ]
    HELP = (
        "A filter: station = CP_7, action = Heartbeat, latency > 2s, .status = Faulted, error, problem, or any word."
        " Join them with and, or, not. docs/filter.md has all of it."
    )

    def action_complete(self) -> None:
        """The ghost becomes text; without one the next widget gets the focus."""
        if self._suggestion and self._suggestion != self.value:
            self.value = self._suggestion
            self.cursor_position = len(self.value)

    def action_leave(self) -> None:
        self.post_message(FilterBar.Left())


class FilterBar(Vertical):
    """One line, and a second one with help while it has the focus."""

    class Changed(Message):
        """Another filter, or none."""

        def __init__(self, wanted: Filter | None) -> None:
            super().__init__()
            self.wanted = wanted

        def can_replace(self, message: Message) -> bool:
            """Who types fast wants the last one."""
            return isinstance(message, FilterBar.Changed)

    class Left(Message):
        """The user is done here."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self._known = known
        self.wanted: Filter | None = None
        self._result = ""
        self._scope = ""

    def compose(self) -> ComposeResult:
        """The sign, the text, the verdict."""
        with Horizontal(id="filter-line"):
            yield Static("/", id="filter-sign", markup=False)
            yield _FilterInput(
                placeholder="press / to filter: action = Heartbeat",
                suggester=_Completion(self._known),
                compact=True,
                id="filter-text",
            )
            yield Static("", id="filter-verdict", markup=False)
        yield Static("", id="filter-help", markup=False)

    @property
    def input(self) -> Input:
        """Where the text is."""
        return self.query_one("#filter-text", Input)

    @property
    def is_open(self) -> bool:
        """The user is typing."""
        return self.input.has_focus

    def set_text(self, text: str) -> None:
        """Put another filter in."""
        self.input.value = text
        self.input.cursor_position = len(text)

    def set_result(self, text: str, scope: str = "") -> None:
        """What the filter, or the scope, leaves: "123 of 4 567"."""
        self._result, self._scope = text, scope
        self._show_verdict()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Judge what there is so far; a filter that is not finished changes nothing."""
        event.stop()
        text = event.value.strip()
        try:
            self.wanted = compile_filter(text, utc_offset_seconds=self._offset()) if text else None
        except FilterError as error:
            self._judge(error)
            return
        self._judge(None)
        self.post_message(self.Changed(self.wanted))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: to the list."""
        event.stop()
        self.post_message(self.Left())

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        """Help while typing."""
        self.add_class("-typing")
        self._judge(None)

    def on_descendant_blur(self, _: events.DescendantBlur) -> None:
        """And none afterwards."""
        self.remove_class("-typing")

    def _offset(self) -> int:
        from datetime import datetime

        if cast("FieldkitApp", self.app).settings.utc:
            return 0
        local = datetime.now().astimezone().utcoffset()
        return int(local.total_seconds()) if local is not None else 0

    def _judge(self, error: FilterError | None) -> None:
        self.set_class(error is not None, "-wrong")
        text = self.input.value
        glyphs = cast("FieldkitApp", self.app).glyphs
        help_ = self.query_one("#filter-help", Static)
        if error is not None:
            hint = f"did you mean {error.suggestion}?" if error.suggestion else error.hint
            about = f"{error.message} at column {error.position + 1}" + (f": {hint}" if hint else "")
            offered = complete(text, len(text), self._known())
            if error.position >= len(text.rstrip()) and offered:
                help_.update(Content(glyphs.text(f"next: {'  '.join(offered[:_SHOWN])}")))
            else:
                help_.update(Content(glyphs.text(f"{glyphs.fail} {about}")))
        else:
            offered = complete(text, len(text), self._known())
            more = "  ".join(offered[:_SHOWN])
            help_.update(Content(glyphs.text(f"Tab: {more}" if more else "Enter: back to the list")))
        self._show_verdict()

    def _show_verdict(self) -> None:
        glyphs = cast("FieldkitApp", self.app).glyphs
        verdict = self.query_one("#filter-verdict", Static)
        wrong = self.has_class("-wrong")
        if wrong:
            text = f"{glyphs.fail} BAD"
        elif self.input.value.strip() or self._scope:
            text = f"{glyphs.ok} {self._result}"
        else:
            text = self._result
        if self._scope:
            text = f"only {self._scope} (Esc: all)  {text}"
        verdict.update(Content(glyphs.text(text)))
        verdict.set_classes("level-fail" if wrong else "level-ok" if self.input.value.strip() else "")
