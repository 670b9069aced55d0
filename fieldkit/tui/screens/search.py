"""Look for words or a filter in all rows, without hiding the others: from hit to hit."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, ClassVar, Final
from weakref import WeakKeyDictionary

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from fieldkit.history import History, Search
from fieldkit.query import FilterError, compile_filter
from fieldkit.tui.acts import chosen_row
from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind
from fieldkit.tui.screens import styles_of

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp

_SLICE: Final = 0.05
"""Seconds of searching between two looks at the keyboard."""


class Found:
    """What was looked for last in a run, and where it is."""

    def __init__(self, history: History, text: str, utc_offset: int) -> None:
        """FilterError when it cannot be understood."""
        self.text = text
        self.search = Search(history, compile_filter(text, utc_offset_seconds=utc_offset))

    def near(self, row: int, step: int) -> int | None:
        """The next hit, as far as is known."""
        rows = self.search.rows
        place = bisect_right(rows, row) if step > 0 else bisect_left(rows, row) - 1
        return rows[place] if 0 <= place < len(rows) else None


_LAST: Final = WeakKeyDictionary[History, Found]()


class FindScreen(FieldDialog):
    """Asks what, and goes to the first place of it."""

    CSS_PATH: ClassVar = styles_of("acts")
    HELP = "Any word, or a filter such as .status = Faulted. Enter goes to the next place, . and , go on and back."
    BINDINGS: ClassVar = [bind("find.leave", "escape", "leave", "Back", "Look for nothing.")]
    AUTO_FOCUS = "Input"

    def compose(self) -> ComposeResult:
        """A line."""
        known = _LAST.get(self.engine.history)
        with Vertical(classes="act"):
            yield Static("Look for what?", classes="act-title", markup=False)
            yield Input(
                known.text if known is not None else "",
                placeholder="a word, or a filter: latency > 2s",
                max_length=1000,
            )
            yield Static("Enter: the next place.  Then . goes on, and , goes back.", markup=False)
            yield Static("", id="act-trouble", classes="level-warn", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        text = event.value.strip()
        app = self.fieldkit
        if not text:
            self.dismiss(None)
            return
        try:
            _LAST[self.engine.history] = Found(self.engine.history, text, utc_offset(app))
        except FilterError as error:
            self.query_one("#act-trouble", Static).update(self.glyphs.text(str(error)))
            return
        self.dismiss(None)
        app.call_after_refresh(go_on, app, 1, wrap=True)


def utc_offset(app: FieldkitApp) -> int:
    """A time of day in a filter means the clock on the screen."""
    from datetime import datetime

    local = datetime.now().astimezone().utcoffset()
    return 0 if app.settings.utc or local is None else int(local.total_seconds())


def go_on(app: FieldkitApp, step: int, start: int | None = None, *, wrap: bool = False) -> None:
    """To the next hit or the one before; looks on in slices until there is one. ``wrap``: from the top if there is none
    below."""
    engine = app.engine
    if engine is None:
        return
    found = _LAST.get(engine.history)
    if found is None:
        app.say("look for something first (l)")
        return
    if start is None:
        start = chosen_row(app.screen)
        start = start if start is not None else engine.history.first - 1
    with engine.lock:
        hit = found.near(start, step)
        if (hit is None and step > 0) or (step < 0 and found.search.position < start):
            found.search.run(_SLICE)
            hit = found.near(start, step)
        done = found.search.done or (step < 0 and found.search.position >= start)
    if hit is not None and (step > 0 or done):
        app.show_row(hit)
        places = len(found.search.rows)
        app.say(f"place {bisect_left(found.search.rows, hit) + 1} of {places}{'' if found.search.done else ' so far'}")
    elif not done:
        app.set_timer(0.001, lambda: go_on(app, step, start, wrap=wrap))
    elif wrap and found.search.rows:
        go_on(app, 1, engine.history.first - 1)
    else:
        app.say("no more places " + ("below" if step > 0 else "above"))
