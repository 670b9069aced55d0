"""To a time of day, or some minutes on."""

from __future__ import annotations

import re
import time as _time
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind
from fieldkit.tui.screens import styles_of
from fieldkit.tui.words import clock, day

_S: Final = 1_000_000_000
_DAY: Final = 86_400
_CLOCK: Final = re.compile(r"(?:(\d{4})-(\d\d?)-(\d\d?)[ T])?(\d{1,2})(?::?(\d\d))?(?::?(\d\d)(?:\.(\d{1,9}))?)?Z?")
_STEP: Final = re.compile(r"([-+])\s*(\d+(?:\.\d+)?)\s*(ms|s|sec|m|min|h|d)?")
_UNITS: Final = {"ms": 1e-3, "s": 1, "sec": 1, "m": 60, "min": 60, "": 60, "h": 3600, "d": _DAY}


def read_time(text: str, here: int, *, utc: bool) -> int | None:
    """A time as a person types it: 14:05, 1405, 14:05:30, 2026-11-21 14:05, +5 (minutes), -30s. None if it is none.

    ``here`` (ns) is where one is: it says which day is meant, and what the steps are counted from.
    """
    text = text.strip()
    step = _STEP.fullmatch(text)
    if step is not None:
        return here + int(float(step[1] + step[2]) * _UNITS[step[3] or ""] * _S)
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    year, month, date, hour, minute, second, fraction = found.groups()
    hour, minute, second = int(hour), int(minute or 0), int(second or 0)
    if hour > 24 or minute > 59 or second > 60:
        return None
    try:
        parts = _time.gmtime(here // _S) if utc else _time.localtime(here // _S)
        if year is not None:
            parts = _time.strptime(f"{year}-{month}-{date}", "%Y-%m-%d")
        whole = (parts.tm_year, parts.tm_mon, parts.tm_mday, hour, minute, second, 0, 0, -1)
        if utc:
            import calendar

            seconds = calendar.timegm(whole)
        else:
            seconds = int(_time.mktime(whole))
    except (ValueError, OverflowError, OSError):
        return None
    return seconds * _S + int((fraction or "0").ljust(9, "0"))


class TimeScreen(FieldDialog):
    """Goes there itself; of a replay, a later time is where it goes on."""

    CSS_PATH: ClassVar = styles_of("acts")
    HELP = "14:05 goes to five past two, 14:05:30 too; +5 goes five minutes on, -30s half a minute back."
    BINDINGS: ClassVar = [bind("time.leave", "escape", "leave", "Back", "Stay where you are.")]
    AUTO_FOCUS = "Input"

    def __init__(self, row: int | None) -> None:
        super().__init__()
        self._row = row

    def compose(self) -> ComposeResult:
        """A line, and steps for those who do not type."""
        with Vertical(classes="act"):
            yield Static("Go to which time?", classes="act-title", markup=False)
            yield Static(Content(self.glyphs.text(self._span())), id="time-span")
            yield Input(placeholder="14:05, 14:05:30, +5 (minutes), -30s, +1h", max_length=40)
            yield Static("", id="act-trouble", classes="level-warn", markup=False)
            with Horizontal():
                for name in ("-1h", "-5min", "+5min", "+1h"):
                    yield Button(name, name=name)

    def _span(self) -> str:
        engine, utc = self.engine, self.fieldkit.settings.utc
        begin, end = engine.session.begin, engine.state.time
        first, last = day(begin, utc=utc), day(end, utc=utc)
        zone = " UTC" if utc else ""
        text = f"From {first} {clock(begin, utc=utc)} to {last if last != first else ''} {clock(end, utc=utc)}{zone}"
        return " ".join(text.split())

    def _here(self) -> int:
        engine = self.engine
        history = engine.history
        with engine.lock:
            if self._row is not None and history.first <= self._row < history.end:
                time = history.row(self._row).time
                if time > 0:
                    return time
        return engine.session.begin or engine.state.time

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        self._go(event.value)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A step."""
        self._go(event.button.name or "")

    def _go(self, text: str) -> None:
        wanted = read_time(text, self._here(), utc=self.fieldkit.settings.utc)
        if wanted is None:
            self.query_one("#act-trouble", Static).update("that is no time: write 14:05, 14:05:30, +5 or -30s")
            return
        app, engine = self.fieldkit, self.engine
        self.dismiss(None)
        if engine.pace is not None and engine.state.running and wanted > engine.pace.now:
            engine.pace.jump(wanted)
            app.say(f"the replay goes on at {clock(wanted, utc=app.settings.utc)}")
            return
        with engine.lock:
            history = engine.history
            row = history.at_time(wanted)
            row = min(row, history.end - 1)
            there = history.row(row).time if row >= history.first else 0
        if row >= history.first:
            app.show_row(row)
            if there < wanted:
                app.say("that is after the end")
