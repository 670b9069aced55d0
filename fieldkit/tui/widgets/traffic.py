"""The list of what passed. It holds no rows: it draws those that are on the screen, straight from the history.

A table widget that keeps a cell for each value takes a minute to fill with 100,000 messages; this takes the time of
forty lines, whatever the number of rows. Lines that were drawn are kept until what they say changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, cast

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from fieldkit.history import Search
from fieldkit.safetext import terminal
from fieldkit.tui.glyphs import LEVELS
from fieldkit.tui.lines import cut
from fieldkit.tui.widgets.cursorview import CursorView
from fieldkit.tui.words import clock, said, spaced

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp
    from fieldkit.tui.engine import Engine

_KEPT: Final = 2000
"""Lines that were drawn: some screens up and down."""
_SCROLLBAR: Final = 1
"""Columns that are kept free for it, whether or not it is there: lines need not be drawn anew when it comes."""


class Columns(NamedTuple):
    """How wide each is; the note takes the rest."""

    time: int
    station: int
    word: int
    action: int
    late: int
    note: int

    @classmethod
    def of(cls, width: int) -> Columns:
        """What fits best. Signs and gaps between columns take eight."""
        time = 12 if width >= 99 else 8
        station = 20 if width >= 159 else 14 if width >= 109 else 10 if width >= 69 else 7
        action = 28 if width >= 159 else 24 if width >= 99 else 20 if width >= 69 else 14
        late = 7
        return cls(time, station, 4, action, late, max(width - time - station - 4 - action - late - 9, 0))


class TrafficList(CursorView):
    """Follows what comes, or stays where the user is."""

    HELP = (
        "The traffic. → is said by the charger, ← to it; CALL asks, RES answers, ERR refuses. ▲ and ✖ mark what is"
        " wrong: the words below the list say what. End follows what comes: the newest line is then always in sight."
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "traffic--call", "traffic--answer", "traffic--error", "traffic--event", "traffic--trouble", "traffic--warn",
        "traffic--fail", "traffic--mark", "traffic--cursor", "traffic--blurred",
    }  # fmt: skip

    class Selected(Message):
        """Another row is the one that is looked at."""

        def __init__(self, number: int | None) -> None:
            super().__init__()
            self.number = number

        def can_replace(self, message: Message) -> bool:
            """Only the last one matters."""
            return isinstance(message, TrafficList.Selected)

    class Opened(Message):
        """The user wants all of this row."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    class Followed(Message):
        """The list follows what comes, or does so no longer."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.search: Search | None = None
        """What is shown of the history: None for all."""
        self.follow = False
        """The newest row stays in sight."""
        self.selected: int | None = None
        """Number of the row that is looked at."""
        self._seen = -1
        """Rows when the list was left to itself; -1 when it was never followed."""
        self._first = 0
        """What had left before the first row of the list."""
        self._count = 0
        self._judged = -1
        self._strips: LRUCache[object, Strip] = LRUCache(_KEPT)
        self._styles: dict[str, Style] = {}

    # ------------------------------------------------------------------------------------------------- what is shown

    @property
    def engine(self) -> Engine:
        engine = cast("FieldkitApp", self.app).engine
        assert engine is not None
        return engine

    @property
    def count(self) -> int:
        """Rows that can be scrolled to."""
        return self._count

    @property
    def new(self) -> int:
        """Rows that have come since the user went his own way."""
        return 0 if self.follow or self._seen < 0 else max(self._count - self._seen, 0)

    def number_at(self, position: int) -> int | None:
        """The row at a position of the list."""
        if not 0 <= position < self._count:
            return None
        if self.search is not None:
            return self.search.rows[position]
        # Since the rows were counted, more may have left at the beginning than have come.
        number = self.engine.history.first + position
        return number if number < self.engine.history.end else None

    def position_of(self, number: int) -> int:
        """Where a row is in the list, or where it would be."""
        if self.search is None:
            return number - self.engine.history.first
        from bisect import bisect_left

        return bisect_left(self.search.rows, number)

    def show(self, search: Search | None) -> None:
        """Show other rows of the history, near those that were looked at."""
        self.search = search
        self._count = 0
        self._seen = -1
        self._first = self.engine.history.first if search is None else search.forgotten
        self._strips.clear()
        self.update_rows()
        self.refresh()
        if self.selected is not None and self._count:
            self.select(self.position_of(self.selected))
        elif not self.follow:
            self.scroll_to(y=0, animate=False, immediate=True)

    def update_rows(self) -> None:
        """Take in what has come. The engine's lock must be held, or the engine be done."""
        history = self.engine.history
        count = len(history) if self.search is None else len(self.search.rows)
        before = history.first if self.search is None else self.search.forgotten
        gone, self._first = before - self._first, before
        changed = count != self._count or gone
        # Of what is out of sight nothing is drawn: on a slow line a frozen list costs nothing.
        in_sight = gone or min(count, self._count) < self.scroll_offset.y + self.size.height
        judged, self._judged = self._judged, self.engine.judged.version
        self._count = count
        if changed:
            self.virtual_size = Size(0, count)
        if gone and not self.follow:
            # The oldest rows have left: those in sight stay where they are.
            self.scroll_to(y=max(self.scroll_offset.y - gone, 0), animate=False, immediate=True)
        if self.follow:
            self._seen = count
            self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)
            last = self.number_at(count - 1)
            if last != self.selected:
                self.selected = last
                self.post_message(self.Selected(last))
        elif self.selected is None and count:
            self.select(0)
        if (changed and (in_sight or self.follow)) or judged != self._judged:
            self.refresh()

    # ------------------------------------------------------------------------------------------------------- moving

    def select(self, position: int) -> None:
        """Look at the row at this position, and bring it into sight."""
        if not self._count:
            return
        position = max(0, min(position, self._count - 1))
        number = self.number_at(position)
        if number != self.selected:
            self.selected = number
            self.post_message(self.Selected(number))
        self.bring_into_sight(position)

    def go_to(self, number: int) -> None:
        """Look at a row, wherever it is, with some lines around it."""
        self.leave()
        position = self.position_of(number)
        height = self.size.height
        if not self.scroll_offset.y <= position < self.scroll_offset.y + height:
            self.scroll_to(y=max(position - height // 3, 0), animate=False, immediate=True)
        self.select(position)

    def leave(self) -> None:
        """Follow no longer."""
        if self.follow:
            self.follow = False
            self._seen = self._count
            self.post_message(self.Followed())

    def set_follow(self, follow: bool) -> None:
        """Follow what comes, or stay."""
        if follow:
            self.follow = True
            self.update_rows()
            self.post_message(self.Followed())
        else:
            self.leave()
        self.refresh()

    def _position(self) -> int:
        return self.position_of(self.selected) if self.selected is not None else 0

    def action_step(self, lines: int) -> None:
        """Up or down."""
        self.leave()
        self.select(self._position() + lines)

    def action_last(self) -> None:
        """To the end; of something that goes on, follow it."""
        self.select(self._count - 1)
        if self.engine.state.running:
            self.set_follow(True)

    def on_click(self, event: events.Click) -> None:
        """A row is looked at; a second click opens it."""
        number = self.number_at(self.scroll_offset.y + event.y)
        if number is None:
            return
        self.leave()
        self.select(self.position_of(number))
        if event.chain > 1:
            self.post_message(self.Opened(number))

    def on_mouse_scroll_up(self) -> None:
        """Who scrolls back wants to see what was there."""
        self.leave()

    # ------------------------------------------------------------------------------------------------------- drawing

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines in sight, read while the engine holds still."""
        with self.engine.lock:
            return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line."""
        width = self.size.width - _SCROLLBAR
        number = self.number_at(self.scroll_offset.y + y)
        app = cast("FieldkitApp", self.app)
        if number is None or number < self.engine.history.first:
            empty = app.glyphs.text(f" {self._nothing()}") if y == 0 and not self._count else ""
            return Strip([Segment(set_cell_size(empty, width), self.rich_style)], width)
        history, judged = self.engine.history, self.engine.judged
        severity = judged.severity(number)
        key = (number, width, history.state(number), severity, history.notes.get(number), app.settings.show_ids)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self._drawn(number, width, LEVELS[severity])
        if number == self.selected:
            cursor = self._style("cursor" if self.has_focus else "blurred")
            return Strip([Segment(strip.text, cursor)], width)
        return strip

    def _nothing(self) -> str:
        """Why there are no lines."""
        if self.search is not None:
            return "nothing passes the filter" + ("" if self.search.done else " so far")
        return "nothing has come yet" if self.engine.state.running else "there is nothing in it that fieldkit can show"

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.get_component_rich_style(f"traffic--{name}")
        return style

    def _drawn(self, number: int, width: int, level: str) -> Strip:
        app = cast("FieldkitApp", self.app)
        settings, glyphs, history = app.settings, app.glyphs, self.engine.history
        row, columns = history.row(number), Columns.of(width)
        words = said(row, history.event(number), show_ids=settings.show_ids)
        style = self._style(words.style)
        status = glyphs.status(level) if level in ("warn", "fail") else None  # type: ignore[arg-type]
        arrow = {"to-csms": glyphs.to_csms, "to-station": glyphs.to_station, "": " "}[words.arrow]
        note = words.note
        comment = history.notes.get(number)
        mark = "" if comment is None else f"[{comment}] " if comment else "[mark] "
        if status is not None and words.style != "trouble":
            mark = f"{status.word} {mark}"
        millis = columns.time > 8
        cells = [
            (clock(row.time, utc=settings.utc, millis=millis), columns.time, style),
            (arrow, 1, style),
            (terminal(row.station, columns.station) or "-", columns.station, style),
            (words.word, columns.word, style),
            (words.action, columns.action, style),
            (words.late.rjust(columns.late), columns.late, style),
            (status.sign if status is not None else " ", 1, self._style(level) if status is not None else style),
        ]
        segments: list[Segment] = []
        if not words.action and not words.late:
            # What is no message has room for a longer sentence.
            del cells[4:6]
            columns = columns._replace(note=columns.note + columns.action + columns.late + 2)
        for text, size, cell_style in cells:
            segments.append(Segment(glyphs.text(cut(glyphs.text(text), size)) + " ", cell_style))
        text = glyphs.text(cut(glyphs.text(f"{mark}{note}"), columns.note))
        if mark and status is not None:
            segments.append(Segment(text[: len(mark)], self._style(level)))
            text = text[len(mark) :]
        segments.append(Segment(text, style))
        used = sum(cell_len(segment.text) for segment in segments)
        strip = Strip(segments, used)
        return strip.adjust_cell_length(width, self.rich_style)


class TrafficHeader(Widget):
    """Names of the columns, and how much there is below."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"traffic--header"}

    def __init__(self, of: TrafficList) -> None:
        super().__init__()
        self._list = of

    def render_line(self, y: int) -> Strip:
        """One line."""
        width = self.size.width
        columns = Columns.of(width - _SCROLLBAR)
        glyphs = cast("FieldkitApp", self.app).glyphs
        names = [("time", columns.time), ("", 1), ("charger", columns.station), ("type", 4)]
        names += [("action", columns.action), ("took".rjust(columns.late), columns.late), ("", 1)]
        left = "".join(set_cell_size(name, size) + " " for name, size in names) + "what it says"
        traffic = self._list
        if traffic.follow:
            right = f" {glyphs.more_below} FOLLOWING "
        elif traffic.new:
            right = f" +{spaced(traffic.new)} {glyphs.more_below} End "
        else:
            at = traffic.position_of(traffic.selected) + 1 if traffic.selected is not None and traffic.count else 0
            right = f" {spaced(at)}/{spaced(traffic.count)} "
        style = self.get_component_rich_style("traffic--header")
        text = set_cell_size(left, max(width - cell_len(right), 0)) + right
        return Strip([Segment(set_cell_size(text, width), style)], width)
