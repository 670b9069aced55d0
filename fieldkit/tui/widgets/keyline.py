"""The last lines: where the digits lead, and the keys of the screen; each can be clicked or touched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from fieldkit.tui.keys import readable
from fieldkit.tui.lines import Part, line_of
from fieldkit.tui.places import places

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp

_HELP = 8
"""Columns for "? Help"."""


class KeyLine(Widget):
    """Drawn from the bindings that hold at the moment."""

    DEFAULT_CLASSES = "bar"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--here", "keys--none"}

    def on_mount(self) -> None:
        """The keys change with the focus."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def render_line(self, y: int) -> Strip:
        """Above where one can go, below what one can do. Where there is but one line, what one can do has more of it:
        of the other screens the digits remain. Help is always there."""
        width, lines = self.size.width, self.size.height
        if y and y != lines - 1:
            return Strip([Segment(" " * width, self.rich_style)], width)
        if not y and lines > 1:
            return line_of(self, "keys", _fitting(self._places(), width), width)
        parts: list[Part] = []
        if lines == 1:
            parts = _fitting(self._places(short=True), width - _HELP)
        room = width - _HELP - sum(len(part.text) for part in parts)
        acts = self._acts("  ")
        if sum(len(part.text) for act in acts for part in act) > room:
            acts = self._acts(" ")
        parts += _fitting(acts, room)
        parts += [Part(" ?", "key", right=True), Part(" Help ", "none", right=True, action="app.help")]
        return line_of(self, "keys", parts, width)

    def _places(self, *, short: bool = False) -> list[list[Part]]:
        app = cast("FieldkitApp", self.app)
        found = []
        for place in places():
            if place.needs_engine and app.engine is None:
                continue
            here = app.current_mode == place.id
            action = f"app.go('{place.id}')"
            pieces = [Part(f" {place.key}", "key", action=action)]
            if here or not short:
                pieces.append(Part(f" {place.title} ", "here" if here else "none", action=action))
            found.append(pieces)
        return found

    def _acts(self, gap: str) -> list[list[Part]]:
        app = cast("FieldkitApp", self.app)
        found = []
        seen: set[str] = set()
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if not binding.show or not binding.description or not enabled or binding.action in seen:
                continue
            if app.engine is None and (binding.id or "").startswith("act."):
                continue  # there is nothing yet to do it with
            seen.add(binding.action)
            key = app.glyphs.text(readable(app.key_of(binding)))
            action = binding.action if "." in binding.action.partition("(")[0] else f"screen.{binding.action}"
            found.append(
                [Part(f"{gap}{key}", "key", action=action), Part(f" {binding.description}", "none", action=action)]
            )
        return found


def _fitting(groups: Iterable[list[Part]], room: int) -> list[Part]:
    """As many as there is room for: a long one that does not fit leaves its place to a shorter one."""
    parts: list[Part] = []
    for group in groups:
        needed = sum(len(part.text) for part in group)
        if needed <= room:
            room -= needed
            parts += group
    return parts
