"""The last line: where the digits lead, and the keys of the screen; each can be clicked or touched."""

from __future__ import annotations

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
        """As many keys as there is room for; help is always there."""
        width = self.size.width
        if y != self.size.height // 2:
            return Strip([Segment(" " * width, self.rich_style)], width)
        parts: list[Part] = []
        room = width - _HELP
        for name, part in self._parts():
            needed = sum(len(piece.text) for piece in part)
            if needed > room:
                if name:
                    continue
                break
            room -= needed
            parts += part
        parts += [Part(" ?", "key", right=True), Part(" Help ", "none", right=True, action="app.help")]
        return line_of(self, "keys", parts, width)

    def _parts(self) -> list[tuple[str, list[Part]]]:
        app = cast("FieldkitApp", self.app)
        found: list[tuple[str, list[Part]]] = []
        for place in places():
            if place.id == "home" or (place.needs_engine and app.engine is None):
                continue
            here = app.current_mode == place.id
            style = "here" if here else "none"
            action = f"app.go('{place.id}')"
            pieces = [Part(f" {place.key}", "key", action=action), Part(f" {place.title} ", style, action=action)]
            found.append(("", pieces))
        seen: set[str] = set()
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if not binding.show or not binding.description or not enabled or binding.action in seen:
                continue
            seen.add(binding.action)
            key = app.glyphs.text(readable(app.key_of(binding)))
            action = binding.action if "." in binding.action.partition("(")[0] else f"screen.{binding.action}"
            pieces = [Part(f" {key}", "key", action=action), Part(f" {binding.description}", "none", action=action)]
            found.append((binding.description, pieces))
        return found
