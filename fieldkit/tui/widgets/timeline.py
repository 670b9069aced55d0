"""What a charger went through, over time: what happened, its connections, each connector's states and transactions.

A band is told by its sign as well as by its colour, and by its word where there is room; whatever is under the cursor
is said in full below.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from fieldkit.checks.words import duration
from fieldkit.tui.axis import Axis, ruler
from fieldkit.tui.course import RANK, Band, Course, Lane, Mark
from fieldkit.tui.keys import bind
from fieldkit.tui.words import clock, day

if TYPE_CHECKING:
    from fieldkit.events import Event
    from fieldkit.tui.app import FieldkitApp

LABEL: Final = 10
"""Columns for the names of the lines."""
SHORTEST: Final = 200_000_000
"""Nanoseconds: nobody needs to see less at a time."""
ABOVE, BELOW = 2, 3
"""Lines for the ruler and the marks, and for what is under the cursor."""

_FILL: Final = {
    "free": ("─", "-"), "busy": ("▄", "o"), "charging": ("█", "#"), "waiting": ("▒", "~"), "off": ("░", "."),
    "fault": ("╳", "X"), "other": ("▂", "_"), "on": ("━", "="), "refused": ("✖", "x"), "transaction": ("▬", "="),
}  # fmt: skip
"""What a band is drawn with, with UTF-8 and without."""
_MARKS: Final = ("info", "boot", "warn", "fail")
"""Where several fall together the last of these is shown."""


class Timeline(Widget, can_focus=True):
    """Draws a course."""

    HELP = (
        "What this charger went through. ← and → move the cursor, what is there is told below; ↑ looks closer, ↓ from"
        " further away, n goes to what happens next, Enter shows the message. ✖ ▲ i are findings, ↑ is a boot;"
        " ━ connected, █ charging, ▄ in use, ─ free, ▒ suspended, ░ unavailable, ╳ faulted, ▬ a transaction."
    )
    MARKS: ClassVar[str] = "findings"
    """What the signs above the lines are."""
    BINDINGS: ClassVar = [
        bind("timeline.left", "left", "move(-1)", "Left", "The cursor to the left.", show=False),
        bind("timeline.right", "right", "move(1)", "Right", "The cursor to the right.", show=False),
        bind("timeline.in", "up", "zoom(1)", "Closer", "Look closer, at what is under the cursor."),
        bind("timeline.out", "down", "zoom(-1)", "Wider", "See more at a time."),
        bind("timeline.next", "n", "change(1)", "Next", "To what happens next."),
        bind("timeline.before", "N", "change(-1)", "Before", "To what happened before.", show=False),
        bind("timeline.jump", "enter", "jump", "Message", "To the message at the cursor, in the traffic."),
        bind("timeline.page-left", "pageup", "pan(-1)", "Page left", "Half a screen earlier.", show=False),
        bind("timeline.page-right", "pagedown", "pan(1)", "Page right", "Half a screen later.", show=False),
        bind("timeline.first", "home", "edge(0)", "Start", "To the beginning.", show=False),
        bind("timeline.last", "end", "edge(1)", "End", "To the end.", show=False),
        bind("timeline.all", "z", "all", "All", "See all of it again.", show=False),
        bind("timeline.lanes-up", "k", "lanes(-1)", "Lines up", "Connectors further up.", show=False),
        bind("timeline.lanes-down", "j", "lanes(1)", "Lines down", "Connectors further down.", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"timeline--{name}" for name in _FILL), *(f"timeline--{name}" for name in _MARKS), "timeline--label",
        "timeline--ruler", "timeline--cursor", "timeline--blurred", "timeline--told", "timeline--time",
    }  # fmt: skip

    class Jump(Message):
        """The user wants to see the message."""

        def __init__(self, time: int, event: Event | None) -> None:
            super().__init__()
            self.moment = time
            self.event = event

    class Grown(Message):
        """It needs another number of lines."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.course = Course(0, 1)
        self.first = 0
        self.last = 1
        self.cursor = 0
        self._whole = True
        """All of it is in sight, and shall be when more comes."""
        self.roomy = True
        """There is room to say what is under the cursor all the time."""
        self._top = 0
        self._styles: dict[str, Style] = {}

    # ------------------------------------------------------------------------------------------------------- content

    def show(self, course: Course) -> None:
        """Another course, or more of the same."""
        fresh = not self.course.lanes and not self.course.marks
        self.course = course
        if self._whole or fresh:
            self.first, self.last = course.first, course.last
        if fresh:
            worst = [mark for kind in ("fail", "warn") for mark in course.marks if mark.kind == kind]
            self.cursor = worst[0].time if worst else course.last
        self.cursor = max(course.first, min(self.cursor, course.last))
        self._top = max(0, min(self._top, len(course.lanes) - self.lanes_in_sight))
        self.refresh()

    @property
    def below(self) -> int:
        """Lines for what is under the cursor: on small screens only for whoever is here."""
        return BELOW if self.has_focus or self.roomy else 0

    @property
    def wanted_height(self) -> int:
        """Lines with which nothing is left out."""
        return ABOVE + max(len(self.course.lanes), 1) + self.below

    @property
    def lanes_in_sight(self) -> int:
        """Connectors and the like that there is room for."""
        return max(self.size.height - ABOVE - self.below, 1)

    @property
    def axis(self) -> Axis:
        """Time over the columns."""
        return Axis(self.first, self.last, max(self.size.width - LABEL, 1))

    # ------------------------------------------------------------------------------------------------------- moving

    def go(self, time: int) -> None:
        """The cursor to a moment, which comes into sight."""
        course = self.course
        self.cursor = max(course.first, min(time, course.last))
        if not self.first <= self.cursor <= self.last:
            span = self.last - self.first
            self._look(self.cursor - span // 2, span)
        self.refresh()

    def _look(self, first: int, span: int) -> None:
        course = self.course
        whole = max(course.last - course.first, 1)
        span = max(min(span, whole), min(SHORTEST, whole))
        self.first = max(course.first, min(first, course.last - span))
        self.last = self.first + span
        self._whole = span >= whole
        self.refresh()

    def action_move(self, columns: int) -> None:
        """One column; at the edge the picture moves."""
        axis = self.axis
        column = axis.column(self.cursor) + columns
        if column < 0 or column >= axis.columns:
            self._look(self.first + columns * axis.span // 4, axis.span)
            column = self.axis.column(self.cursor) + columns
        self.go(self.axis.time(max(0, min(column, axis.columns - 1))))

    def action_zoom(self, way: int) -> None:
        """Twice as close, or half; the cursor keeps its column as far as it goes."""
        axis = self.axis
        span = axis.span // 2 if way > 0 else axis.span * 2
        share = (self.cursor - self.first) / axis.span
        self._look(round(self.cursor - share * span), span)

    def action_pan(self, way: int) -> None:
        """Half a screen."""
        span = self.axis.span
        self._look(self.first + way * span // 2, span)
        self.go(self.cursor + way * span // 2)

    def action_edge(self, end: int) -> None:
        """To the beginning or the end."""
        self.go(self.course.last if end else self.course.first)

    def action_all(self) -> None:
        """All of it."""
        self._look(self.course.first, self.course.last - self.course.first)

    def action_change(self, way: int) -> None:
        """To the next column in which something begins or happens."""
        times, axis = self.course.changes(), self.axis
        column = axis.column(self.cursor)
        if way > 0:
            at = bisect_left(times, axis.begin(column + 1))
            found = times[at] if at < len(times) else None
        else:
            at = bisect_right(times, axis.begin(column) - 1)
            found = times[at - 1] if at else None
        if found is None:
            cast("FieldkitApp", self.app).say("nothing more happens " + ("later" if way > 0 else "before"))
            return
        self.go(found)

    def action_lanes(self, lines: int) -> None:
        """Other connectors, where there is not room for all."""
        self._top = max(0, min(self._top + lines, len(self.course.lanes) - self.lanes_in_sight))
        self.refresh()

    def action_jump(self) -> None:
        """To the message."""
        mark = self._mark_here()
        if mark is not None and mark.event is not None:
            self.post_message(self.Jump(mark.time, mark.event))
            return
        begun = [
            band for lane in self.course.lanes for band in lane.bands if band.begun is not None and self._begins(band)
        ]
        if begun:
            self.post_message(self.Jump(begun[0].first, begun[0].begun))
        else:
            self.post_message(self.Jump(self.cursor, None))

    def _begins(self, band: Band) -> bool:
        axis = self.axis
        return axis.column(band.first) == axis.column(self.cursor)

    def on_click(self, event: events.Click) -> None:
        """The cursor goes there; a second click shows the message."""
        column = event.x - LABEL
        if column >= 0 and self.course.lanes:
            self.go(self.axis.time(column))
            if event.chain > 1:
                self.action_jump()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Other connectors, or closer."""
        event.stop()
        if len(self.course.lanes) > self.lanes_in_sight:
            self.action_lanes(-1)
        else:
            self.action_zoom(1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Other connectors, or further away."""
        event.stop()
        if len(self.course.lanes) > self.lanes_in_sight:
            self.action_lanes(1)
        else:
            self.action_zoom(-1)

    # ------------------------------------------------------------------------------------------------------- drawing

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self._styles.clear()

    def on_focus(self) -> None:
        """There is a cursor, and what is under it."""
        self.post_message(self.Grown())

    def on_blur(self) -> None:
        """There is none, where room is scarce."""
        self.post_message(self.Grown())

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.get_component_rich_style(f"timeline--{name}")
        return style

    def render_line(self, y: int) -> Strip:
        """Ruler, marks, lanes, and what is under the cursor."""
        width, height = self.size.width, self.size.height
        app = cast("FieldkitApp", self.app)
        axis = self.axis
        if y == 0:
            stands = day(self.first, utc=app.settings.utc)[5:]
            return self._line(stands, [(character, "ruler") for character in ruler(axis, utc=app.settings.utc)])
        if y == 1:
            return self._line(self.MARKS, self._marks(axis))
        if y >= height - self.below:
            return self._told(y - (height - self.below), width)
        number = self._top + y - ABOVE
        if number >= len(self.course.lanes):
            return Strip.blank(width, self.rich_style)
        lane = self.course.lanes[number]
        more = len(self.course.lanes) - self._top - self.lanes_in_sight
        name = f"+{more} {app.glyphs.more_below}" if more > 0 and y == height - self.below - 1 else lane.name
        return self._line(name, self._lane(lane, axis))

    def _line(self, label: str, cells: list[tuple[str, str]]) -> Strip:
        """A name and cells, with the cursor's column in its own style."""
        glyphs = cast("FieldkitApp", self.app).glyphs
        segments = [Segment(set_cell_size(glyphs.text(label), LABEL - 1) + " ", self._style("label"))]
        here = self.axis.column(self.cursor)
        text, style = "", ""
        for column, (character, name) in enumerate(cells):
            if column == here and self.below:
                name = "cursor" if self.has_focus else "blurred"
                character = character if character.strip() else " "
            if name != style and text:
                segments.append(Segment(text, self._of(style)))
                text = ""
            text += character
            style = name
        segments.append(Segment(text, self._of(style)))
        return Strip(segments, LABEL + len(cells)).adjust_cell_length(self.size.width, self.rich_style)

    def _of(self, name: str) -> Style:
        if name.startswith("/"):
            return self._style(name[1:]) + Style(reverse=True)
        return self._style(name) if name else self.rich_style

    def _marks(self, axis: Axis) -> list[tuple[str, str]]:
        glyphs = cast("FieldkitApp", self.app).glyphs
        signs = {"fail": glyphs.fail, "warn": glyphs.warn, "info": glyphs.info, "boot": glyphs.text("↑")}
        cells = [(" ", "")] * axis.columns
        for mark in self.course.marks:
            column = axis.column(mark.time)
            if 0 <= column < axis.columns:
                there = cells[column][1]
                if not there or _MARKS.index(mark.kind) > _MARKS.index(there):
                    cells[column] = (signs[mark.kind], mark.kind)
        return cells

    def _lane(self, lane: Lane, axis: Axis) -> list[tuple[str, str]]:
        plain = not cast("FieldkitApp", self.app).glyphs.unicode
        owner: list[Band | None] = [None] * axis.columns
        seen: list[tuple[Band, int, int]] = []
        for band in lane.bands:
            if band.last < axis.first or band.first > axis.last:
                continue
            begin = max(axis.column(band.first), 0)
            end = min(max(axis.column(band.last), begin), axis.columns - 1)
            seen.append((band, begin, end))
            for column in range(begin, end + 1):
                there = owner[column]
                if there is None or _rank(band) >= _rank(there) or there.last <= band.first:
                    owner[column] = band
        cells = [(_FILL[band.css][plain], band.css) if band is not None else (" ", "") for band in owner]
        for band, begin, end in seen:
            while begin <= end and owner[begin] is not band:
                begin += 1
            while end >= begin and owner[end] is not band:
                end -= 1
            room = end - begin + 1
            text = band.text if len(band.text) + 2 <= room else band.text.partition(" ")[0]
            if not text or len(text) + 2 > room or any(one is not band for one in owner[begin : end + 1]):
                continue
            style = f"/{band.css}" if band.css in ("charging", "fault") else band.css
            for column, character in enumerate(f" {text} ", begin):
                cells[column] = (character, style)
        return cells

    def _mark_here(self) -> Mark | None:
        axis = self.axis
        column = axis.column(self.cursor)
        here = [mark for mark in self.course.marks if axis.column(mark.time) == column]
        return max(here, key=lambda mark: _MARKS.index(mark.kind), default=None)

    def _told(self, line: int, width: int) -> Strip:
        """What is under the cursor: when on the first line, what on the others."""
        app = cast("FieldkitApp", self.app)
        glyphs, utc, axis = app.glyphs, app.settings.utc, self.axis
        if line == 0:
            seen = duration(axis.span)
            at = clock(self.cursor, utc=utc, millis=axis.span < 600 * 1_000_000_000)
            share = "all of it" if self._whole else f"{seen} in sight"
            text = f" {at}  " if self.has_focus else f" {at}  (Tab: move here) "
            right = f" {share} "
            text = set_cell_size(glyphs.text(text), max(width - len(right), 0)) + right
            return Strip([Segment(set_cell_size(text, width), self._style("time"))], width)
        parts = self.sentences()
        shown = _wrapped(parts, width - 1, BELOW - 1)
        text = shown[line - 1] if line - 1 < len(shown) else ""
        return Strip([Segment(set_cell_size(" " + glyphs.text(text), width), self._style("told"))], width)

    def mark_sentences(self) -> list[str]:
        """What happened at the cursor, the worst first."""
        axis, glyphs = self.axis, cast("FieldkitApp", self.app).glyphs
        column = axis.column(self.cursor)
        marks = [mark for mark in self.course.marks if axis.column(mark.time) == column]
        signs = {"fail": glyphs.status("fail"), "warn": glyphs.status("warn"), "info": glyphs.status("info")}
        marks.sort(key=lambda mark: -_MARKS.index(mark.kind))
        found = [f"{signs[mark.kind]} {mark.title}" if mark.kind in signs else mark.title for mark in marks[:3]]
        if len(marks) > 3:
            found.append(f"{len(marks) - 3} more")
        return found

    def sentences(self) -> list[str]:
        """What there is at the cursor, the most important first."""
        axis = self.axis
        column = axis.column(self.cursor)
        found = self.mark_sentences()
        for lane in self.course.lanes:
            here = [
                band
                for band in lane.bands
                if max(axis.column(band.first), 0) <= column <= axis.column(max(band.last, band.first))
            ]
            if here:
                band = max(here, key=_rank)
                long = duration(band.last - band.first) if band.last > band.first else ""
                said = long and band.css != "transaction" and not any(letter.isdigit() for letter in band.title[-8:])
                found.append(f"{band.title} for {long}" if said else band.title)
            elif lane.name == "connect":
                found.append("not connected")
        return list(dict.fromkeys(found))


def _rank(band: Band) -> int:
    return RANK.index(band.css)


def _wrapped(parts: list[str], width: int, lines: int) -> list[str]:
    """Sentences in as many lines as there are, none of them cut but the last."""
    found: list[str] = [""]
    for part in parts:
        joined = f"{found[-1]}; {part}" if found[-1] else part
        if len(joined) <= width or not found[-1]:
            found[-1] = joined
        elif len(found) < lines:
            found.append(part)
        else:
            found[-1] = joined
            break
    return found
