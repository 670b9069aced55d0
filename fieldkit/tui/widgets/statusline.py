"""The first line: which source, how it goes, how much has come, what is wrong, what time it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, cast

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from fieldkit.safetext import terminal
from fieldkit.tui.lines import Part, line_of
from fieldkit.tui.words import clock, spaced

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp
    from fieldkit.tui.engine import State
    from fieldkit.tui.glyphs import Glyphs

_PHASES = {
    "starting": "STARTING",
    "loading": "LOADING",
    "live": "LIVE",
    "replaying": "REPLAY",
    "done": "READ",
    "stopped": "STOPPED",
    "failed": "FAILED",
}


_USUAL_WIDTH: Final = 80
"""Columns: on fewer, some words are left out."""


class StatusLine(Widget):
    """Drawn anew when its words have changed."""

    DEFAULT_CLASSES = "bar"
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "status--name", "status--ok", "status--info", "status--warn", "status--fail", "status--none"
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Part] = []

    def update_state(self) -> None:
        """Look at the engine."""
        app = cast("FieldkitApp", self.app)
        parts = _parts(app.state, app.glyphs, utc=app.settings.utc, width=self.size.width, notice=app.notice)
        if parts != self._parts:
            self._parts = parts
            self.refresh()

    def render_lines(self, crop: object) -> list[Strip]:
        """One line."""
        return super().render_lines(crop)  # type: ignore[arg-type]

    def render_line(self, y: int) -> Strip:
        """The words, cut to the width."""
        if y or not self._parts:
            return Strip([Segment(" " * self.size.width, self.rich_style)], self.size.width)
        return line_of(self, "status", self._parts, self.size.width)


def _parts(state: State | None, glyphs: Glyphs, *, utc: bool, width: int, notice: str) -> list[Part]:
    # On a narrow line, how bad it is counts for more than who says so and of what.
    narrow = width < _USUAL_WIDTH and state is not None
    parts = [] if narrow else [Part(" fieldkit ", "name")]
    if state is None:
        return [*parts, Part(f" {notice}" if notice else " choose a source", "none")]
    name = terminal(state.name, 9 if narrow else 16 if width < 100 else 40)
    parts.append(Part(f" {glyphs.text(name)} ", "none"))
    phase = _PHASES[state.phase]
    if state.phase == "failed":
        parts.append(Part(f" {glyphs.fail} {phase} ", "fail"))
    elif state.paused:
        parts.append(Part(f" {glyphs.pause} PAUSED ×{state.speed:g} ", "warn"))
    elif state.phase == "replaying":
        parts.append(Part(f" {glyphs.play} {phase} ×{state.speed:g} ", "info"))
    elif state.phase in ("loading", "starting"):
        done = f" {state.progress:.0%}" if state.progress is not None else ""
        parts.append(Part(f" {glyphs.ellipsis} {phase}{done} ", "info"))
    elif state.phase == "stopped":
        done = f" at {state.progress:.0%}" if state.progress is not None else ""
        parts.append(Part(f" {glyphs.warn} {phase}{done} ", "warn"))
    else:
        parts.append(Part(f" {glyphs.dot if state.phase == 'live' else glyphs.ok} {phase} ", "ok"))
    if notice:
        # Before the counts: on a narrow line they can be missed for five seconds, and what was just done cannot.
        parts.append(Part(f" {glyphs.text(notice)} ", "warn"))
    parts.append(Part(f" {spaced(state.messages)} msg ", "none"))
    if state.dropped:
        parts.append(Part(f" {glyphs.warn} {spaced(state.dropped)} DROPPED ", "warn"))
    elif state.phase == "live":
        parts.append(Part(" 0 drop ", "none"))
    if state.critical:
        parts.append(Part(f" {glyphs.fail} {state.critical} FAIL ", "fail"))
    if state.warning:
        parts.append(Part(f" {glyphs.warn} {state.warning} WARN ", "warn"))
    if not (state.critical or state.warning) and state.messages:
        parts.append(Part(f" {glyphs.ok} OK ", "ok"))
    if state.time:
        parts.append(Part(f" {clock(state.time, utc=utc)}{'Z' if utc else ''} ", "none", right=True))
    return [Part(glyphs.text(part.text), part.style, part.right, part.action) for part in parts]
