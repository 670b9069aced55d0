"""A message in full: its fields, its text as sent, its bytes; the field that is pointed at is marked in the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, TypeAlias, cast

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from fieldkit.events import Event, OcppMessage
from fieldkit.ocpp.gist import without_ids
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.safetext import terminal
from fieldkit.tui.fieldtree import FieldLine, fields_of
from fieldkit.tui.glyphs import Level
from fieldkit.tui.keys import bind
from fieldkit.tui.lines import wrapped
from fieldkit.tui.words import plain_raw

if TYPE_CHECKING:
    from fieldkit.tui.app import FieldkitApp

Mode: TypeAlias = Literal["fields", "raw", "hex"]
MODES: Final[tuple[Mode, ...]] = ("fields", "raw", "hex")
_NARROWEST_BOTH: Final = 96
"""Columns from which fields and bytes stand side by side."""
_PROBLEMS: Final = 20


class _Piece(NamedTuple):
    text: str
    style: str
    start: int
    """Where it stands in the text of the message (in the bytes, in the mode "hex"); -1 for what is not of it."""
    end: int


class _Line(NamedTuple):
    pieces: tuple[_Piece, ...]
    field: int
    """Which field it is, -1 for none."""


class DetailView(ScrollView, can_focus=True):
    """Shows one message or event."""

    HELP = (
        "The message that is chosen in the list. ↑ and ↓ go from field to field, and the bytes of the field are marked."
        " Secrets are hidden, identity tokens masked."
    )
    BINDINGS: ClassVar = [
        bind("detail.up", "up,k", "step(-1)", "Up", "The field above.", show=False),
        bind("detail.down", "down,j", "step(1)", "Down", "The field below.", show=False),
        bind("detail.page-up", "pageup", "page(-1)", "Page up", "A screen up.", show=False),
        bind("detail.page-down", "pagedown", "page(1)", "Page down", "A screen down.", show=False),
        bind("detail.mode", "v,h", "mode", "View", "Fields, text as sent, or bytes."),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "detail--name", "detail--value", "detail--quiet", "detail--wrong", "detail--here", "detail--fail",
        "detail--offset",
        "detail--info",
        "detail--warn",
        "detail--ok",
        "detail--none",
    }  # fmt: skip

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.mode: Mode = "fields"
        self.field = -1
        """The field that is pointed at."""
        self._event: Event | None = None
        self._text = ""
        self._data = b""
        self._fields: list[FieldLine] = []
        self._head: list[_Line] = []
        self._lines: list[_Line] = []
        self._bytes: list[_Line] = []
        self._width = 0

    @property
    def _room(self) -> int:
        """Columns beside the scrollbar."""
        return max(self.size.width - 1, 20)

    @property
    def both(self) -> bool:
        """There is room for fields and bytes beside each other."""
        return self._room >= _NARROWEST_BOTH and self.mode == "fields"

    def show(self, event: Event | None, findings: Sequence[tuple[Level, str]] = ()) -> None:
        """Another message. ``findings``: what it is evidence of, how bad that is and in which words."""
        app = cast("FieldkitApp", self.app)
        self._event = event
        self.field = -1
        self._fields = []
        self._text = ""
        self._head = [_Line((_Piece(app.glyphs.text(text), level, -1, -1),), -1) for level, text in findings]
        if isinstance(event, OcppMessage):
            show_ids = app.settings.show_ids
            self._text = plain_raw(event, show_ids=show_ids)
            self._fields = fields_of(self._text, xml=event.channel.transport == "soap")
            for problem in event.problems[:_PROBLEMS]:
                text = conceal_text(problem.text, event)
                text = text if show_ids else without_ids(text, event)
                where = f"{problem.path}: " if problem.path else ""
                line = f"{app.glyphs.warn} {terminal(where + text, 400)} ({terminal(problem.rule, 40)})"
                self._head.append(_Line((_Piece(app.glyphs.text(line), "wrong", -1, -1),), -1))
        if event is not None:
            frames = ", ".join(map(str, event.frames[:8])) + (" …" if len(event.frames) > 8 else "")
            source = terminal(getattr(event, "source", "") or "", 60)
            place = f"frame{'s' * (len(event.frames) != 1)} {frames}" if frames else "no frame"
            self._head.append(_Line((_Piece(app.glyphs.text(f"{place}  {source}"), "quiet", -1, -1),), -1))
        self._data = self._text.encode("utf-8", "replace")
        self._lay_out()
        self.scroll_to(0, 0, animate=False, immediate=True)

    def set_mode(self, mode: Mode) -> None:
        """Fields, raw or hex."""
        self.mode = mode
        self._lay_out()
        self._into_sight()

    def action_mode(self) -> None:
        """The next one."""
        self.set_mode(MODES[(MODES.index(self.mode) + 1) % len(MODES)])

    def action_step(self, lines: int) -> None:
        """From field to field; in text and bytes they move along."""
        if not self._fields:
            self.scroll_relative(y=lines, animate=False)
            return
        self.field = max(0, min(self.field + lines, len(self._fields) - 1))
        self._into_sight()
        self.refresh()

    def action_page(self, pages: int) -> None:
        """A screen."""
        if self._fields and self.mode == "fields":
            self.action_step(pages * max(self.size.height - 1, 1))
        else:
            self.scroll_relative(y=pages * max(self.size.height - 1, 1), animate=False)

    def on_click(self, event: events.Click) -> None:
        """The field that is pointed at."""
        at = self.scroll_offset.y + event.y
        if at < len(self._lines) and self._lines[at].field >= 0:
            self.field = self._lines[at].field
            self.refresh()

    def on_resize(self) -> None:
        """Text and bytes are as wide as there is room."""
        if self._room != self._width:
            self._lay_out()

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self.refresh()

    # ------------------------------------------------------------------------------------------------------ layout

    def _lay_out(self) -> None:
        self._width = width = self._room
        lines = [*self._wrapped_head(self._left_width(width) - 1 if self.both else width)]
        self._bytes = []
        if self.mode == "fields" and self._fields:
            lines += [_field_line(index, line) for index, line in enumerate(self._fields)]
            if self.both:
                self._bytes = list(_hex_lines(self._data, self._row_size(width)))
        elif self.mode == "hex" and self._data:
            lines += _hex_lines(self._data, 16 if width >= 76 else 8)
        elif self._text:
            lines += _raw_lines(self._text, width)
        self._lines = lines
        self.virtual_size = Size(0, max(len(lines), len(self._bytes) if self.both else 0))
        self.refresh()

    @staticmethod
    def _row_size(width: int) -> int:
        """Bytes of a line beside the fields."""
        return 8 if width < 140 else 16

    def _left_width(self, width: int) -> int:
        """Columns for the fields: a line of bytes has an offset, three columns for each, a gap, and one for each."""
        return max(width - 7 - 4 * self._row_size(width), 40)

    def _wrapped_head(self, width: int) -> list[_Line]:
        lines: list[_Line] = []
        for line in self._head:
            (piece,) = line.pieces
            for part in wrapped(piece.text, width, rest="  "):
                lines.append(_Line((piece._replace(text=part),), -1))
        return lines

    def _into_sight(self) -> None:
        span = self._span()
        for at, line in enumerate(self._lines):
            if (self.mode == "fields" and line.field == self.field >= 0) or (
                self.mode != "fields" and any(_overlap(piece, span) for piece in line.pieces)
            ):
                top, height = self.scroll_offset.y, self.size.height
                if not top <= at < top + height:
                    self.scroll_to(y=max(at - height // 2, 0), animate=False, immediate=True)
                return

    def _span(self) -> tuple[int, int]:
        """What is marked: in characters, or in bytes where bytes are shown."""
        if not 0 <= self.field < len(self._fields):
            return 0, 0
        line = self._fields[self.field]
        if self.mode == "hex":
            return self._in_bytes(line.start), self._in_bytes(line.end)
        return line.start, line.end

    def _in_bytes(self, characters: int) -> int:
        return len(self._text[:characters].encode("utf-8", "replace"))

    # ----------------------------------------------------------------------------------------------------- drawing

    def render_line(self, y: int) -> Strip:
        """One line; with room enough, fields on the left and bytes on the right."""
        at, width = self.scroll_offset.y + y, self._room
        if not self.both or not self._bytes:
            return self._strip(self._lines, at, width, self._span())
        left = self._left_width(width)
        strip = self._strip(self._lines, at, left - 1, self._span())
        # The bytes of the field stay in sight whatever the fields do.
        start, end = self._span()
        span = (self._in_bytes(start), self._in_bytes(end))
        size = self._row_size(width)
        first = min(max(span[0] // size - self.size.height // 2, 0), max(len(self._bytes) - self.size.height, 0))
        row = (first if self.field >= 0 else min(self.scroll_offset.y, max(len(self._bytes) - self.size.height, 0))) + y
        gap = Strip([Segment(" ", self.rich_style)], 1)
        return Strip.join([strip, gap, self._strip(self._bytes, row, width - left, span)])

    def _strip(self, lines: list[_Line], at: int, width: int, span: tuple[int, int]) -> Strip:
        base = self.rich_style
        if not 0 <= at < len(lines):
            return Strip([Segment(" " * width, base)], width)
        line = lines[at]
        here = line.field >= 0 and line.field == self.field
        segments: list[Segment] = []
        room = width
        glyphs = cast("FieldkitApp", self.app).glyphs
        for piece in line.pieces:
            if room <= 0:
                break
            text = glyphs.text(piece.text)
            length = cell_len(text)
            if length > room:
                text, length = set_cell_size(text, room), room
            room -= length
            marked = here or _overlap(piece, span)
            segments.append(Segment(text, self._style("here" if marked else piece.style)))
        if room > 0:
            segments.append(Segment(" " * room, self._style("here") if here else base))
        return Strip(segments, width)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"detail--{name}")


def _overlap(piece: _Piece, span: tuple[int, int]) -> bool:
    return piece.start >= 0 and piece.start < span[1] and span[0] < piece.end


def _field_line(index: int, line: FieldLine) -> _Line:
    indent = "  " * line.depth
    if not line.value:
        return _Line((_Piece(f"{indent}{line.name}", "name", -1, -1),), index)
    return _Line((_Piece(f"{indent}{line.name}: ", "name", -1, -1), _Piece(line.value, "value", -1, -1)), index)


def _raw_lines(text: str, width: int) -> list[_Line]:
    """The text as sent, character by character made harmless, broken where the line is full."""
    lines: list[_Line] = []
    pieces: list[_Piece] = []
    used = 0
    for at, character in enumerate(text):
        shown = character if character.isascii() and character.isprintable() else terminal(character)
        length = cell_len(shown)
        if used + length > width:
            lines.append(_Line(tuple(pieces), -1))
            pieces, used = [], 0
        if pieces and at % 8:  # pieces of a few characters: a mark needs no finer ones, and lines stay cheap
            last = pieces[-1]
            pieces[-1] = _Piece(last.text + shown, "value", last.start, at + 1)
        else:
            pieces.append(_Piece(shown, "value", at, at + 1))
        used += length
    if pieces:
        lines.append(_Line(tuple(pieces), -1))
    return lines


def _hex_lines(data: bytes, size: int) -> list[_Line]:
    """Offset, bytes, characters."""
    lines: list[_Line] = []
    for at in range(0, len(data), size):
        row = data[at : at + size]
        pieces = [_Piece(f"{at:04x}  ", "offset", -1, -1)]
        pieces += [_Piece(f"{byte:02x} ", "value", at + index, at + index + 1) for index, byte in enumerate(row)]
        pieces.append(_Piece("   " * (size - len(row)) + " ", "quiet", -1, -1))
        pieces += [
            _Piece(chr(byte) if 32 <= byte < 127 else ".", "value", at + index, at + index + 1)
            for index, byte in enumerate(row)
        ]
        lines.append(_Line(tuple(pieces), -1))
    return lines
