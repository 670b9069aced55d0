"""Curves in characters: axis, unit, and the value at the cursor.

A single curve is drawn as a filled area, which can be read at arm's length in the sun; several as lines of dots, four
high and two wide in a character, in colours, with their values told by name above.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from fieldkit.reports.svg_meter import number_words, scale
from fieldkit.tui.axis import Axis, ruler
from fieldkit.tui.curves import Curve, Plot, value_at
from fieldkit.tui.keys import bind
from fieldkit.tui.words import clock

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp

LABEL: Final = 9
"""Columns for the values beside the plot."""
ABOVE, BELOW = 2, 1
_FROM_ZERO: Final = frozenset({"W", "kW", "A", "%", "Percent", "var", "kvar", "VA", "kVA"})
"""Units whose zero belongs into the plot; an energy register's or a mains voltage's does not."""
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_PLAIN_BLOCKS: Final = " .:#"
_PLAIN_MARKS: Final = "*o+x%@"
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of U+2800: rows from the top, left and right."""
MAX_COLOURS: Final = 6


class PlotView(Widget, can_focus=True):
    """One plot at a time of several."""

    HELP = (
        "A curve of what was measured. ← and → move the cursor: its time and value stand above. ↑ and ↓ go to the"
        " other quantities that were measured, Enter shows the message."
    )
    BINDINGS: ClassVar = [
        bind("plot.left", "left", "move(-1)", "Left", "The cursor to the left.", show=False),
        bind("plot.right", "right", "move(1)", "Right", "The cursor to the right.", show=False),
        bind("plot.page-left", "pageup", "move(-10)", "Ten left", "The cursor ten columns to the left.", show=False),
        bind("plot.page-right", "pagedown", "move(10)", "Ten right", "The cursor ten columns on.", show=False),
        bind("plot.first", "home", "edge(0)", "Start", "To the beginning.", show=False),
        bind("plot.last", "end", "edge(1)", "End", "To the end.", show=False),
        bind("plot.next", "down,m", "other(1)", "Measurand", "The next quantity that was measured."),
        bind("plot.before", "up", "other(-1)", "Before", "The quantity before.", show=False),
        bind("plot.jump", "enter", "jump", "Message", "To the message that told the value, in the traffic."),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"plot--c{number}" for number in range(MAX_COLOURS)), "plot--title", "plot--label", "plot--cursor",
        "plot--grid", "plot--value",
    }  # fmt: skip

    class Jump(Message):
        """The user wants to see the message that told the value."""

        def __init__(self, sender: PlotView, time: int) -> None:
            super().__init__()
            self.view = sender
            self.moment = time

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.plots: Sequence[Plot] = ()
        self.index = 0
        self.cursor: int | None = None
        """Time; None: the end."""
        self._styles: dict[str, Style] = {}
        self._drawn: tuple[object, list[list[tuple[str, int]]]] = (None, [])

    # ------------------------------------------------------------------------------------------------------- content

    def show(self, plots: Sequence[Plot]) -> None:
        """Other plots, or more of the same."""
        title = self.plot.title if self.plot is not None else ""
        self.plots = plots
        self.index = next((index for index, plot in enumerate(plots) if plot.title == title), 0)
        self._drawn = (None, [])
        self.refresh()

    @property
    def plot(self) -> Plot | None:
        """What is drawn."""
        return self.plots[self.index] if self.index < len(self.plots) else None

    @property
    def axis(self) -> Axis:
        """Time over the columns."""
        plot = self.plot
        columns = max(self.size.width - LABEL, 1)
        times = [time for curve in plot.curves for time, _ in curve.points] if plot is not None else []
        if not times:
            return Axis(0, 1, columns)
        return Axis(min(times), max(max(times), min(times) + 1), columns)

    @property
    def at(self) -> int:
        """The cursor's time."""
        axis = self.axis
        return axis.last if self.cursor is None else max(axis.first, min(self.cursor, axis.last))

    # ------------------------------------------------------------------------------------------------------- moving

    def action_move(self, columns: int) -> None:
        """The cursor."""
        axis = self.axis
        column = max(0, min(axis.column(self.at) + columns, axis.columns - 1))
        self.cursor = axis.last if column == axis.columns - 1 else axis.time(column)
        self.refresh()

    def action_edge(self, end: int) -> None:
        """To the beginning or the end."""
        self.cursor = self.axis.last if end else self.axis.first
        self.refresh()

    def action_other(self, step: int) -> None:
        """Another quantity."""
        if self.plots:
            self.index = (self.index + step) % len(self.plots)
            self._drawn = (None, [])
            self.refresh()

    def action_jump(self) -> None:
        """To the message."""
        if self.plot is not None:
            found = [value for curve in self.plot.curves if (value := value_at(curve, self.at)) is not None]
            time = min(found, key=lambda value: abs(value[0] - self.at))[0] if found else self.at
            self.post_message(self.Jump(self, time))

    def on_click(self, event: events.Click) -> None:
        """The cursor goes there; the title goes to the next quantity."""
        if event.y == 0:
            self.action_other(1)
        elif event.x >= LABEL and self.plot is not None:
            self.cursor = self.axis.time(event.x - LABEL)
            self.refresh()

    # ------------------------------------------------------------------------------------------------------- drawing

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self._styles.clear()

    def on_focus(self) -> None:
        """The cursor looks different."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor looks different."""
        self.refresh()

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.get_component_rich_style(f"plot--{name}")
        return style

    def render_line(self, y: int) -> Strip:
        """Title, values at the cursor, the plot, the times."""
        width, height = self.size.width, self.size.height
        app = cast("FieldkitApp", self.app)
        glyphs, utc, plot = app.glyphs, app.settings.utc, self.plot
        if plot is None:
            text = " no meter values were seen" if y == 0 else ""
            return Strip([Segment(set_cell_size(text, width), self.rich_style)], width)
        if y == 0:
            which = f"{self.index + 1} of {len(self.plots)} ↓ " if len(self.plots) > 1 else ""
            more = f"; {plot.left_out} older ones are left out" if plot.left_out else ""
            text = set_cell_size(f" {glyphs.text(plot.title)}, {plot.unit}{more}", max(width - len(which), 0))
            return Strip([Segment(set_cell_size(text + glyphs.text(which), width), self._style("title"))], width)
        if y == 1:
            return self._values(plot, width, utc)
        axis = self.axis
        if y == height - 1:
            text = " " * LABEL + ruler(axis, utc=utc)
            return Strip([Segment(set_cell_size(text, width), self._style("label"))], width)
        rows = max(height - ABOVE - BELOW, 1)
        row = y - ABOVE
        low, high, step = _scaled(plot)
        label = ""
        for number in range(round((high - low) / step) + 1):
            value = low + number * step
            if rows - 1 - round((value - low) / (high - low) * (rows - 1)) == row:
                label = number_words(value).replace(",", " ")
        segments = [Segment(f"{label:>{LABEL - 2}} {glyphs.bar}", self._style("label"))]
        here = axis.column(self.at)
        for column, (character, colour) in enumerate(self._picture(plot, axis, rows)[row]):
            if column == here:
                cursor = self._style("cursor") if self.has_focus else self._style("grid")
                segments.append(Segment(character if character != " " else glyphs.bar, cursor))
            elif colour < 0:
                segments.append(Segment("." if not glyphs.unicode else "┈", self._style("grid")) if label and column % 2
                                else Segment(" ", self.rich_style))  # fmt: skip
            else:
                segments.append(Segment(character, self._style(f"c{colour % MAX_COLOURS}")))
        return Strip(segments, LABEL + axis.columns).adjust_cell_length(width, self.rich_style).simplify()

    def _values(self, plot: Plot, width: int, utc: bool) -> Strip:
        glyphs = cast("FieldkitApp", self.app).glyphs
        axis = self.axis
        segments = [Segment(f" {clock(self.at, utc=utc, millis=axis.span < 60_000_000_000)} ", self._style("value"))]
        for number, curve in enumerate(plot.curves):
            found = value_at(curve, self.at)
            if found is None:
                continue
            name = f"{curve.name} " if curve.name else ""
            if len(plot.curves) > 1:
                name = f"{glyphs.dot if glyphs.unicode else _PLAIN_MARKS[number % 6]} {name}"
            text = glyphs.text(f" {name}{number_words(found[1]).replace(',', ' ')} {plot.unit} ")
            segments.append(Segment(text, self._style(f"c{number % MAX_COLOURS}" if len(plot.curves) > 1 else "value")))
        if len(segments) == 1:
            segments.append(Segment(" no value here", self._style("value")))
        strip = Strip(segments)
        return strip.adjust_cell_length(width, self.rich_style)

    def _picture(self, plot: Plot, axis: Axis, rows: int) -> list[list[tuple[str, int]]]:
        """Rows of (character, colour), kept until something changes; colour -1 where nothing is."""
        plain = not cast("FieldkitApp", self.app).glyphs.unicode
        key = (id(plot), axis, rows, plain)
        if self._drawn[0] != key:
            low, high, _ = _scaled(plot)
            draw = _area if len(plot.curves) == 1 else _lines
            self._drawn = (key, draw(plot.curves, axis, rows, low, high, plain))
        return self._drawn[1]


def _scaled(plot: Plot) -> tuple[float, float, float]:
    values = [value for curve in plot.curves for _, value in curve.points if not math.isnan(value)]
    return scale(min(values), max(values), from_zero=plot.unit in _FROM_ZERO)


def at_columns(curve: Curve, axis: Axis, columns: int) -> list[float | None]:
    """The curve's value in the middle of each of so many columns; None where it is not."""
    points = curve.points
    found: list[float | None] = [None] * columns
    fine = axis._replace(columns=columns)
    if len(points) == 1:
        found[max(0, min(fine.column(points[0][0]), columns - 1))] = points[0][1]
        return found
    at = 0
    for column in range(columns):
        time = fine.time(column)
        if column == columns - 1:
            time = min(time, points[-1][0])
        if time < points[0][0] or time > points[-1][0]:
            continue
        while at < len(points) - 2 and points[at + 1][0] <= time:
            at += 1
        (before, low), (after, high) = points[at], points[at + 1]
        found[column] = (
            low if curve.steps or after <= before else low + (high - low) * (time - before) / (after - before)
        )
    found = [None if value is None or math.isnan(value) else value for value in found]
    if curve.steps:
        return found
    # A peak between two columns is what one looks for.
    for time, value in points:
        column = max(0, min(fine.column(time), columns - 1))
        there = found[column]
        if there is None or value > there:
            found[column] = value
    return found


def _area(
    curves: Sequence[Curve], axis: Axis, rows: int, low: float, high: float, plain: bool
) -> list[list[tuple[str, int]]]:
    blocks = _PLAIN_BLOCKS if plain else _BLOCKS
    levels = len(blocks) - 1
    picture = [[(" ", -1)] * axis.columns for _ in range(rows)]
    for column, value in enumerate(at_columns(curves[0], axis, axis.columns)):
        if value is None:
            continue
        # Something that is zero was measured all the same: it is drawn as the lowest line.
        full = max(round((value - low) / (high - low) * rows * levels), 1)
        for row in range(rows):
            level = min(full - (rows - 1 - row) * levels, levels)
            if level > 0:
                picture[row][column] = (blocks[level], 0)
    return picture


def _lines(
    curves: Sequence[Curve], axis: Axis, rows: int, low: float, high: float, plain: bool
) -> list[list[tuple[str, int]]]:
    wide, tall = (1, 1) if plain else (2, 4)
    bits = [[0] * axis.columns for _ in range(rows)]
    colours = [[-1] * axis.columns for _ in range(rows)]
    height = rows * tall
    for number, curve in enumerate(curves):
        before: int | None = None
        for column, value in enumerate(at_columns(curve, axis, axis.columns * wide)):
            if value is None:
                before = None
                continue
            y = height - 1 - max(0, min(round((value - low) / (high - low) * (height - 1)), height - 1))
            reach = (y,) if before is None else range(min(before, y), max(before, y) + 1)
            for dot in reach:
                bits[dot // tall][column // wide] |= _DOTS[dot % tall][column % wide] if not plain else 1
                colours[dot // tall][column // wide] = number
            before = y
    return [
        [
            (" ", -1) if not cell else (_PLAIN_MARKS[colour % 6] if plain else chr(0x2800 + cell), colour)
            for cell, colour in zip(cells, line, strict=True)
        ]
        for cells, line in zip(bits, colours, strict=True)
    ]
