"""What all lists have in common: something that scrolls, a place in it that is looked at, and the keys that move it."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.scroll_view import ScrollView

from fieldkit.tui.keys import bind

_FAR: Final = 1 << 40
"""More lines than anything has."""


class CursorView(ScrollView, can_focus=True):
    """Without a cursor a step scrolls; whoever has one says where it goes."""

    BINDINGS: ClassVar = [
        bind("list.up", "up,k", "step(-1)", "Up", "One line up.", show=False),
        bind("list.down", "down,j", "step(1)", "Down", "One line down.", show=False),
        bind("list.page-up", "pageup", "page(-1)", "Page up", "A screen up.", show=False),
        bind("list.page-down", "pagedown", "page(1)", "Page down", "A screen down.", show=False),
        bind("list.first", "home,g", "first", "First", "To the beginning.", show=False),
        bind("list.last", "end,G", "last", "Last", "To the end.", show=False),
    ]

    def action_step(self, lines: int) -> None:
        """So many lines on."""
        self.scroll_relative(y=lines, animate=False, immediate=True)

    def action_page(self, pages: int) -> None:
        """A screen up or down."""
        self.action_step(pages * max(self.size.height - 1, 1))

    def action_first(self) -> None:
        """To the beginning."""
        self.action_step(-_FAR)

    def action_last(self) -> None:
        """To the end."""
        self.action_step(_FAR)

    def bring_into_sight(self, first: int, last: int | None = None) -> None:
        """Scroll as little as is needed to see these lines."""
        last = first if last is None else last
        top, height = self.scroll_offset.y, self.scrollable_content_region.height or self.size.height
        if first < top:
            self.scroll_to(y=max(first, 0), animate=False, immediate=True)
        elif height and last >= top + height:
            self.scroll_to(y=last - height + 1, animate=False, immediate=True)
        self.refresh()

    def on_focus(self) -> None:
        """The cursor looks different."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor looks different."""
        self.refresh()
