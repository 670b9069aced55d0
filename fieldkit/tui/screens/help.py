"""``?``: what is on the screen, and what every key does here, the focused thing first."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind, readable


class HelpScreen(FieldDialog):
    """Made of the bindings that hold where it is asked for."""

    BINDINGS: ClassVar = [
        bind("help.leave", "escape,question_mark,q,enter,space,f12", "leave", "Back", "Close the help."),
    ]

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._about = about
        self._lines = list(self._told(about))

    def compose(self) -> ComposeResult:
        """One text, which scrolls."""
        with VerticalScroll(id="help") as text:
            text.border_subtitle = "Esc: back"
            yield Static(Content("\n").join(self._lines), id="help-text")

    def _told(self, screen: Screen[object]) -> list[Content]:
        lines: list[Content] = []
        focused = screen.focused
        glyphs = self._about.app.glyphs  # type: ignore[attr-defined]
        for about in (screen, focused):
            text = getattr(about, "HELP", "") if about is not None else ""
            if text:
                lines += [Content(glyphs.text(line)) for line in str(text).strip().splitlines()] + [Content("")]
        groups: dict[str, list[Content]] = {"Here": [], "On this screen": [], "Everywhere": []}
        told: set[str] = set()
        for node, binding, enabled, tooltip in screen.active_bindings.values():
            if binding.id is None or binding.id in told or not enabled:
                continue
            told.add(binding.id)
            group = "Everywhere" if node is self._about.app else "Here" if node is focused else "On this screen"
            key = glyphs.text(self._keys(screen, binding.id) or readable(binding.key))
            line = Content.assemble((f"  {key:<14} ", "bold"), f"{tooltip or binding.tooltip or binding.description}")
            groups[group].append(line)
        for name, found in groups.items():
            if found:
                lines += [Content.styled(name, "bold underline"), *found, Content("")]
        return lines

    @staticmethod
    def _keys(screen: Screen[object], id_: str) -> str:
        """All keys of a binding."""
        keys = [key for key, active in screen.active_bindings.items() if active.binding.id == id_]
        return " ".join(dict.fromkeys(readable(key) for key in keys[:3]))
