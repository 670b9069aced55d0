"""Lines made of styled pieces, for widgets that draw themselves. Everything is plain text: no markup is ever read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget


class Part(NamedTuple):
    """A piece of a line. Whoever gives the text has made it safe."""

    text: str
    style: str = "none"
    """Name of a component class, without the prefix."""
    right: bool = False
    """From here on, the pieces stand at the right end."""
    action: str = ""
    """What a click on it does: "app.go('live')"."""


_SECOND_HALF: Final = "\ue000"
"""Stands in for the second column of a sign that has two, while lines are counted."""


def wrapped(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """The text in lines of so many columns; ``first`` and ``rest`` stand before the first line and before the others.
    There is a line for no text, too."""
    import textwrap

    if not text.isascii():
        text = "".join(_SECOND_HALF + sign if cell_len(sign) > 1 else sign for sign in text)
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) or [first]
    lines = [line.replace(_SECOND_HALF, "") for line in lines]
    # A long word may have been cut between the two halves.
    return [part for line in lines for part in ([line] if cell_len(line) <= width else chop_cells(line, width))]


def cut(text: str, width: int) -> str:
    """The text in exactly so many columns; what does not fit is seen to be missing: half an address looks like one."""
    if width > 1 and cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, width)


def end(text: str, width: int) -> str:
    """The same, but it is the beginning that goes: chargers of one site differ in their last signs."""
    if width > 1 and cell_len(text) > width:
        while cell_len(text) >= width:
            text = text[1:]
        text = f"…{text}"
    return set_cell_size(text, width)


def line_of(widget: Widget, prefix: str, parts: Sequence[Part], width: int, base: Style | None = None) -> Strip:
    """The parts in the styles ``prefix--style`` of ``widget``, exactly as wide as asked for; the left end goes first
    where there is no room for all of it."""
    base = widget.rich_style if base is None else base
    left = [part for part in parts if not part.right]
    right = [part for part in parts if part.right]
    room = max(width - sum(cell_len(part.text) for part in right), 0)
    segments = list(_segments(widget, prefix, left, room, base))
    used = sum(cell_len(segment.text) for segment in segments)
    if used < room:
        segments.append(Segment(" " * (room - used), base))
    segments += _segments(widget, prefix, right, width - room, base)
    return Strip(segments, width)


def _segments(widget: Widget, prefix: str, parts: Iterable[Part], room: int, base: Style) -> Iterable[Segment]:
    for part in parts:
        if room <= 0:
            return
        text = part.text
        length = cell_len(text)
        if length > room:
            text, length = set_cell_size(text, room), room
        room -= length
        style = base if part.style == "none" else widget.get_component_rich_style(f"{prefix}--{part.style}")
        if part.action:
            style = style + Style(meta={"@click": part.action})
        yield Segment(text, style)
