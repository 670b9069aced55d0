"""A text to be read, of which some lines lead somewhere: evidence to the message, a certificate to its finding."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from fieldkit.tui.keys import bind
from fieldkit.tui.lines import Part, line_of, wrapped
from fieldkit.tui.widgets.cursorview import CursorView


class PageLine(NamedTuple):
    """A line, and where Enter leads from it."""

    parts: tuple[Part, ...]
    target: Hashable | None = None


Make: TypeAlias = Callable[[int], Sequence[PageLine]]
"""The lines for so many columns. Their texts are harmless already."""


def plain(text: str, width: int, style: str = "text", *, indent: str = "", hang: str | None = None,
          target: Hashable | None = None) -> list[PageLine]:  # fmt: skip
    """A text, wrapped. ``hang``: how its other lines are indented."""
    lines = wrapped(text, max(width, 20), first=indent, rest=indent if hang is None else hang)
    return [PageLine((Part(line, style),), target) for line in lines]


def named(name: str, text: str, width: int, style: str = "text") -> list[PageLine]:
    """A name and what there is to say of it, on as many lines as it takes."""
    head = f"{name}: "
    lines = wrapped(head + text, max(width, 20), rest="  ")
    first = lines[0]
    cut = min(len(head), len(first))
    found = [PageLine((Part(first[:cut], "strong"), Part(first[cut:], style)))]
    return [*found, *(PageLine((Part(line, style),)) for line in lines[1:])]


class TextPage(CursorView):
    """↑ and ↓ go from one line that leads somewhere to the next, and scroll where there is none."""

    HELP = "↑ and ↓ go through the lines that lead somewhere, Enter follows one; a line can also be clicked."
    BINDINGS: ClassVar = [
        bind("page.open", "enter", "open", "Show", "Go where this line leads.", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "page--ok", "page--info", "page--warn", "page--fail", "page--quiet", "page--strong", "page--text",
        "page--cursor", "page--blurred",
    }  # fmt: skip

    class Opened(Message):
        """The user follows a line."""

        def __init__(self, target: Hashable) -> None:
            super().__init__()
            self.target = target

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._make: Make = lambda width: ()
        self._about: object = None
        self._lines: list[PageLine] = []
        self._width = 0
        self.target: Hashable | None = None
        """Where the marked line leads."""

    def show(self, about: object, make: Make) -> None:
        """Another text. It is read from its beginning, unless it is ``about`` the same as before."""
        same = about == self._about
        self._about, self._make = about, make
        self._lay_out()
        if not same:
            self.target = next((line.target for line in self._lines if line.target is not None), None)
            self.scroll_to(0, 0, animate=False, immediate=True)

    def _lay_out(self) -> None:
        self._width = self.size.width
        self._lines = list(self._make(max(self._width - 1, 20)))  # the scroll bar may come and go
        self.virtual_size = Size(0, len(self._lines))
        self.refresh()

    @property
    def _room(self) -> int:
        return self.scrollable_content_region.width or self.size.width

    def on_resize(self) -> None:
        """The text is as wide as there is room."""
        if self.size.width != self._width:
            self._lay_out()

    @property
    def targets(self) -> list[Hashable]:
        """Where its lines lead, in their order."""
        return list(dict.fromkeys(line.target for line in self._lines if line.target is not None))

    # ------------------------------------------------------------------------------------------------------- moving

    def action_step(self, lines: int) -> None:
        """To the next line that leads somewhere; just on where there is none."""
        targets = self.targets
        at = targets.index(self.target) if self.target in targets else -1
        if not targets or not 0 <= at + lines < len(targets):
            self.scroll_relative(y=lines, animate=False)
            return
        self.target = targets[at + lines]
        self._into_sight()

    def action_page(self, pages: int) -> None:
        """A screen."""
        self.scroll_relative(y=pages * max(self.size.height - 1, 1), animate=False)

    def action_open(self) -> None:
        """Go there."""
        if self.target is not None:
            self.post_message(self.Opened(self.target))

    def on_focus(self) -> None:
        """The line that Enter follows is to be seen."""
        self._into_sight()

    def on_click(self, event: events.Click) -> None:
        """A click marks a line, a second one follows it."""
        at = self.scroll_offset.y + event.y
        if at < len(self._lines) and self._lines[at].target is not None:
            self.target = self._lines[at].target
            self.refresh()
            if event.chain > 1:
                self.action_open()

    def _into_sight(self) -> None:
        places = [at for at, line in enumerate(self._lines) if line.target is not None and line.target == self.target]
        if places:
            self.bring_into_sight(places[0], places[-1])
        self.refresh()

    # ------------------------------------------------------------------------------------------------------- drawing

    def render_line(self, y: int) -> Strip:
        """One line."""
        width, at = self._room, self.scroll_offset.y + y
        if at >= len(self._lines):
            return Strip([Segment(" " * width, self.rich_style)], width)
        line = self._lines[at]
        strip = line_of(self, "page", line.parts, width)
        if line.target is not None and line.target == self.target:
            name = "page--cursor" if self.has_focus else "page--blurred"
            return Strip([Segment(strip.text, self.get_component_rich_style(name))], width)
        return strip
