"""A list of things with a line each, drawn as far as it can be seen: findings, slow answers, servers.

Whoever owns it says which things there are (``show``) and how one is drawn (a function that makes ``Part``s). What is
chosen stays chosen when the list is put in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, TypeAlias

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from fieldkit.tui.keys import bind
from fieldkit.tui.lines import Part, line_of
from fieldkit.tui.widgets.cursorview import CursorView

Draw: TypeAlias = Callable[[Any, int], Sequence[Part]]
"""The line of a thing, for so many columns. Its texts are harmless already."""


class RowList(CursorView):
    """Up and down choose, Enter or a second click opens."""

    HELP = "↑ and ↓ choose a line, Enter opens it; a line can also be clicked, and clicked again to open it."
    BINDINGS: ClassVar = [
        bind("rows.open", "enter", "open", "Open", "Show what is behind this line.", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rows--ok", "rows--info", "rows--warn", "rows--fail", "rows--quiet", "rows--strong", "rows--cursor",
        "rows--blurred",
    }  # fmt: skip

    class Chosen(Message):
        """Another thing is looked at; None when there is none."""

        def __init__(self, of: RowList, key: Hashable | None) -> None:
            super().__init__()
            self.of = of
            self.key = key

        @property
        def control(self) -> RowList:
            """The list, for handlers that are for one of several."""
            return self.of

        def can_replace(self, message: Message) -> bool:
            """Only the last one matters."""
            return isinstance(message, RowList.Chosen) and message.of is self.of

    class Opened(Chosen):
        """The user wants what is behind it."""

        def can_replace(self, message: Message) -> bool:
            """Each is meant."""
            return False

    def __init__(self, empty: str = "There is nothing here.", **given: Any) -> None:
        """``empty`` is said when there is nothing."""
        super().__init__(**given)
        self.keys: list[Hashable] = []
        self.chosen: Hashable | None = None
        self.empty = empty
        self._draw: Draw = lambda key, width: ()

    def show(self, keys: Sequence[Hashable], draw: Draw) -> None:
        """Show these, in this order."""
        place = self.position
        self.keys = list(keys)
        self._draw = draw
        self.virtual_size = Size(0, len(self.keys))
        if self.chosen is None or self.chosen not in self.keys:
            # What was chosen is gone: what stands there now is looked at.
            self._choose(min(place, len(self.keys) - 1) if self.keys else -1)
        self.refresh()

    @property
    def position(self) -> int:
        """Where the chosen one is."""
        return self.keys.index(self.chosen) if self.chosen in self.keys else 0

    def choose(self, key: Hashable) -> None:
        """Look at this one, and bring it into sight."""
        if key in self.keys:
            self._choose(self.keys.index(key))

    def _choose(self, position: int) -> None:
        key = self.keys[position] if 0 <= position < len(self.keys) else None
        if key != self.chosen:
            self.chosen = key
            self.post_message(self.Chosen(self, key))
        self.bring_into_sight(position)

    # ------------------------------------------------------------------------------------------------------- moving

    def action_step(self, lines: int) -> None:
        """Up or down."""
        if self.keys:
            self._choose(max(0, min(self.position + lines, len(self.keys) - 1)))

    def action_open(self) -> None:
        """What is behind the chosen line."""
        if self.chosen is not None:
            self.post_message(self.Opened(self, self.chosen))

    def on_click(self, event: events.Click) -> None:
        """A click looks at a line, a second one opens it."""
        position = self.scroll_offset.y + event.y
        if position < len(self.keys):
            self._choose(position)
            if event.chain > 1:
                self.action_open()

    # ------------------------------------------------------------------------------------------------------- drawing

    def render_line(self, y: int) -> Strip:
        """One line."""
        # Beside the scroll bar, if there is one.
        width = self.scrollable_content_region.width or self.size.width
        at = self.scroll_offset.y + y
        if at >= len(self.keys):
            text = self.empty if not self.keys and y == 0 else ""
            return line_of(self, "rows", [Part(text, "quiet")] if text else [], width)
        key = self.keys[at]
        strip = line_of(self, "rows", self._draw(key, width), width)
        if key == self.chosen:
            return Strip([Segment(strip.text, self._style("cursor" if self.has_focus else "blurred"))], width)
        return strip

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"rows--{name}")
