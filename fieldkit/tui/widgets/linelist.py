"""A list of lines that are drawn when they are seen: a thousand chargers cost as much as the twenty in sight.

Whoever uses it gives the keys of the rows and a function that draws one; the cursor stays on its key when rows come,
go or change places.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, cast

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from fieldkit.tui.lines import cut
from fieldkit.tui.widgets.cursorview import CursorView

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp


class Cell(NamedTuple):
    """A piece of a line."""

    text: str
    width: int = 0
    """In columns; 0: as long as it is; -1: the rest of the line."""
    style: str = "none"
    """ok, info, warn, fail, quiet, bold, none."""
    right: bool = False
    """Its text stands at the right end of its columns."""


Draw: TypeAlias = Callable[[int, int], Sequence[Cell]]
"""Position of a row, width of the list → its cells."""

STYLES = {"ok", "info", "warn", "fail", "quiet", "bold", "title"}


def cells_to_text(cells: Sequence[Cell], width: int, ascii_text: Callable[[str], str]) -> list[tuple[str, str]]:
    """Pieces of exactly ``width`` columns with their styles, one column of space between the cells."""
    fixed = sum((cell.width or cell_len(cell.text)) + 1 for cell in cells if cell.width >= 0)
    rest = max(width - fixed, 0)
    pieces: list[tuple[str, str]] = []
    used = 0
    for cell in cells:
        room = rest if cell.width < 0 else cell.width or cell_len(cell.text)
        text = ascii_text(cell.text)
        if cell_len(text) > room:
            text = ascii_text(cut(text, room))
        else:
            padding = " " * (room - cell_len(text))
            text = padding + text if cell.right else text + padding
        text += " "
        if used + cell_len(text) > width:
            text = set_cell_size(text, max(width - used, 0))
        used += cell_len(text)
        pieces.append((text, cell.style))
    if used < width:
        pieces.append((" " * (width - used), "none"))
    return pieces


class LineList(CursorView):
    """Rows with a cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"lines--{style}" for style in STYLES), "lines--cursor", "lines--blurred", "lines--empty"
    }  # fmt: skip

    class Selected(Message):
        """The cursor is on another row."""

        def __init__(self, sender: LineList, key: Hashable) -> None:
            super().__init__()
            self.lines = sender
            self.key = key

        @property
        def control(self) -> LineList:
            """Where it happened."""
            return self.lines

        def can_replace(self, message: Message) -> bool:
            """Only the last one matters."""
            return isinstance(message, LineList.Selected) and message.lines is self.lines

    class Opened(Selected):
        """The user wants all of a row: Enter is the screen's, this is a second click."""

        def can_replace(self, message: Message) -> bool:
            """Each is meant."""
            return False

    def __init__(self, *, empty: str = "", **given: Any) -> None:
        """``empty``: what stands there when there are no rows."""
        super().__init__(**given)
        self.empty = empty
        self.keys: Sequence[Hashable] = ()
        self.position = 0
        self._draw: Draw = lambda position, width: ()
        self._titles: frozenset[int] = frozenset()
        self._styles: dict[str, Style] = {}
        self._key: Hashable = None

    # --------------------------------------------------------------------------------------------------------- rows

    @property
    def selected(self) -> Hashable:
        """The key of the row that the cursor is on; None without rows."""
        return self.keys[self.position] if 0 <= self.position < len(self.keys) else None

    def set_rows(self, keys: Sequence[Hashable], draw: Draw, titles: frozenset[int] = frozenset()) -> None:
        """Show other rows, or the same anew. ``titles``: positions that the cursor passes over."""
        before = self._key
        self.keys, self._draw, self._titles = keys, draw, titles
        self.virtual_size = Size(0, len(keys))
        if before is not None and before in keys:
            self.position = keys.index(before)
        else:
            self.position = self._allowed(min(self.position, len(keys) - 1), 1)
        if self.selected != before:
            self._key = self.selected
            self.post_message(self.Selected(self, self.selected))
        self.refresh()

    def _allowed(self, position: int, way: int) -> int:
        """The nearest position that is no title."""
        last = len(self.keys) - 1
        position = max(0, min(position, last))
        for step in (way, -way):
            at = position
            while 0 <= at <= last and at in self._titles:
                at += step
            if 0 <= at <= last:
                return at
        return 0

    def go(self, position: int, way: int = 1) -> None:
        """Put the cursor on a row, and bring it into sight."""
        if not self.keys:
            return
        self.position = self._allowed(position, way)
        if self.selected != self._key:
            self._key = self.selected
            self.post_message(self.Selected(self, self.selected))
        # A title above it comes into sight with it.
        self.bring_into_sight(self.position - (self.position - 1 in self._titles), self.position)

    def select(self, key: Hashable) -> None:
        """Put the cursor on the row of this key, if there is one."""
        if key in self.keys:
            self.go(self.keys.index(key))

    def action_step(self, lines: int) -> None:
        """Up or down."""
        self.go(self.position + lines, 1 if lines > 0 else -1)

    def action_first(self) -> None:
        """To the beginning."""
        self.scroll_to(y=0, animate=False, immediate=True)  # a title there is seen too
        self.go(0)

    def on_click(self, event: events.Click) -> None:
        """A row is looked at; a second click opens it."""
        position = self.scroll_offset.y + event.y
        if not 0 <= position < len(self.keys) or position in self._titles:
            return
        self.go(position)
        if event.chain > 1:
            self.post_message(self.Opened(self, self.selected))

    # ------------------------------------------------------------------------------------------------------- drawing

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self._styles.clear()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines in sight, read while the engine holds still."""
        engine = cast("FieldkitApp", self.app).engine
        if engine is None or not engine.ready:
            return super().render_lines(crop)
        with engine.lock:
            return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line."""
        width = self.scrollable_content_region.width or self.size.width
        position = self.scroll_offset.y + y
        glyphs = cast("FieldkitApp", self.app).glyphs
        if not self.keys and y == 0 and self.empty:
            text = set_cell_size(glyphs.text(f" {self.empty}"), width)
            return Strip([Segment(text, self._style("empty"))], width)
        if not 0 <= position < len(self.keys):
            return Strip.blank(width, self.rich_style)
        pieces = cells_to_text(self._draw(position, width), width, glyphs.text)
        if position == self.position:
            cursor = self._style("cursor" if self.has_focus else "blurred")
            return Strip([Segment("".join(text for text, _ in pieces), cursor)], width)
        return Strip([Segment(text, self._style(style)) for text, style in pieces], width)

    def _style(self, name: str) -> Style:
        if name == "none":
            return self.rich_style
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.get_component_rich_style(f"lines--{name}")
        return style


class LineHeader(Widget):
    """Names above the columns of a list."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--header"}

    def __init__(self, draw: Callable[[int], Sequence[Cell]], **given: Any) -> None:
        """``draw``: width → cells."""
        super().__init__(**given)
        self._draw = draw

    def render_line(self, y: int) -> Strip:
        """One line."""
        width = self.size.width
        glyphs = cast("FieldkitApp", self.app).glyphs
        text = "".join(text for text, _ in cells_to_text(self._draw(width), width, glyphs.text))
        return Strip([Segment(text, self.get_component_rich_style("lines--header"))], width)
