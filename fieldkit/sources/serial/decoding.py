"""Bytes and their times → rows for people: lines of text, or hex grouped by silence, with what they mean beside them.

It knows no clock and no port: time comes with the bytes, what happens to the port comes as a ``Notice``. So a replay of
a recording shows the rows that were shown live.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from fieldkit.devices.console.lines import ConsoleReader
from fieldkit.devices.console.recognise import Recogniser
from fieldkit.devices.detect import judge
from fieldkit.devices.modbus.timing import MILLISECOND, LineSettings
from fieldkit.events import ConsoleLine, ConsoleSighting, DeviceReading
from fieldkit.sources.serial.discreet import discreet
from fieldkit.sources.serial.overhearing import ANYTHING, Expected, Overhearing
from fieldkit.sources.serial.recording import Chunk, Item, Notice
from fieldkit.sources.serial.settings import parse_line

View: TypeAlias = Literal["auto", "text", "hex"]

QUIET: Final = 300 * MILLISECOND
"""After this, a line without an end is a prompt."""
USB_GAP: Final = 20 * MILLISECOND
"""USB adapters hand over in lumps of up to 16 ms: what is less far apart may be one frame."""
_GROUP: Final = 256
"""Bytes of a group: the longest frame of Modbus."""
_WIDTH: Final = 32
"""Bytes of hex in a row."""
_TEXT: Final = 0.85
"""Share of a group that has to be text."""
_CHANGES: Final = 3
"""Groups in a row that have to differ before the view changes."""
_JUDGED: Final = 256
"""Bytes after which it is said that the speed is wrong."""
_WRONG: Final = 0.6
_READABLE: Final = frozenset((*range(0x20, 0x7F), 0x09, 0x0A, 0x0D, 0x08, 0x1B, 0x07))


class Row(NamedTuple):
    """One row."""

    time: int
    kind: str
    """"in", "out", "prompt", "hex", "hex-out", "decode", "reading", "event", "notice"."""
    text: str
    """Without passwords and the like; not yet safe to show."""
    grave: bool = False
    event: ConsoleLine | ConsoleSighting | DeviceReading | None = None
    """As it was said: for a session, whose documents keep secrets themselves."""


class Decoder:
    """See the module; one for each port."""

    def __init__(
        self,
        settings: LineSettings,
        port: str = "",
        *,
        view: View = "auto",
        expected: Expected = ANYTHING,
        gap: int = USB_GAP,
    ) -> None:
        self.view: View = view
        """"auto" until there is something to decide by."""
        self.settings = settings
        self._port, self._expected, self._gap = port, expected, gap
        self._fixed = view != "auto"
        self._recogniser = Recogniser()
        self._scanning = False
        self._begin()

    @property
    def dialect(self) -> str:
        """What is spoken, once that is certain."""
        return self._overhearing.dialect

    @property
    def partial(self) -> str:
        """The line that is being written; not yet safe to show."""
        return "" if self.view == "hex" else discreet(self._reader.partial)

    @property
    def recogniser(self) -> Recogniser:
        return self._recogniser

    def feed(self, item: Item) -> list[Row]:
        """The rows that it brings, and those that the silence before it ended."""
        rows = self.tick(item.time)
        if isinstance(item, Notice):
            return rows + self._notice(item)
        if item.sent:
            rows += self._close()
            rows += self._sent(item)
        elif not self._scanning:
            rows += self._heard(item)
        return rows

    def tick(self, now: int) -> list[Row]:
        """It is ``now``, and nothing more has come."""
        rows: list[Row] = []
        if self._group and now - self._group_end > self._silence:
            rows += self._close()
        if self._last and now - self._last > QUIET:
            rows += self._lines(self._reader.flush(self._last))
        return rows

    def finish(self) -> list[Row]:
        """Nothing more comes."""
        return self._close() + self._lines(self._reader.finish()) + self._typed_out()

    # --------------------------------------------------------------------------------------------------- the beginning

    def _begin(self) -> None:
        """Another connection or speed: nothing that came before goes on."""
        self._reader = ConsoleReader(self._port)
        self._overhearing = Overhearing(self.settings, self._port, self._expected)
        self._group = bytearray()
        self._group_began = self._group_end = self._last = 0
        self._waiting: list[Row] = []
        self._different = 0
        self._judged = bytearray()
        self._told_speed = False
        self._prompt = ""
        self._typed, self._typed_at = bytearray(), 0
        if not self._fixed:
            self.view = "auto"

    @property
    def _silence(self) -> int:
        return max(self.settings.frame_gap, self._gap)

    def _notice(self, notice: Notice) -> list[Row]:
        rows: list[Row] = []
        if notice.kind in ("lost", "back", "settings", "scan", "opened"):
            rows += self.finish()
            if notice.kind in ("settings", "scan"):
                self.settings = parse_line(notice.text)
                self._scanning = notice.kind == "scan"
            self._begin()
        grave = notice.kind in ("lost", "missed")
        return [*rows, Row(notice.time, "notice", f"{notice.kind}: {notice.text}", grave)]

    # -------------------------------------------------------------------------------------------------------- the bytes

    def _heard(self, chunk: Chunk) -> list[Row]:
        rows: list[Row] = []
        began = chunk.time - self.settings.wire_time(len(chunk.data))
        if self._group and began - self._group_end > self._silence:
            rows += self._close()
        if not self._group:
            self._group_began = chunk.time
        self._last = self._group_end = chunk.time
        lines = self._reader.feed(chunk.data, chunk.time)
        for at in range(0, len(chunk.data), _GROUP):
            self._group += chunk.data[at : at + _GROUP]
            if len(self._group) >= _GROUP:
                rows += self._close()
                self._group_began = chunk.time
        rows += self._lines(lines)
        meant = [
            Row(one.time, "reading" if one.reading is not None else "decode", one.text, event=one.reading)
            for one in self._overhearing.feed(chunk.data, chunk.time)
        ]
        if meant:
            # What is understood is complete: the bytes first, then what they mean.
            rows += self._close()
        return rows + meant + self._judge(chunk)

    def _sent(self, chunk: Chunk) -> list[Row]:
        if chunk.hidden:
            return [*self._typed_out(), Row(chunk.time, "out", f"({chunk.hidden} bytes that are not shown)")]
        rows: list[Row] = []
        if _is_text(chunk.data):
            # Typed byte by byte, shown by the line.
            self._typed_at = self._typed_at or chunk.time
            self._typed += chunk.data
            if chunk.data[-1:] in (b"\r", b"\n") or len(self._typed) >= _GROUP:
                rows += self._typed_out()
        else:
            rows += [*self._typed_out(), Row(chunk.time, "hex-out", chunk.data.hex(" "))]
        for one in self._overhearing.feed(chunk.data, chunk.time):
            rows.append(Row(one.time, "decode", one.text, event=one.reading))
        return rows

    def _typed_out(self) -> list[Row]:
        if not self._typed:
            return []
        text, time = self._typed.decode("utf-8", "replace").rstrip("\r\n"), self._typed_at
        self._typed.clear()
        self._typed_at = 0
        return [Row(time, "out", discreet(text))]

    def _close(self) -> list[Row]:
        """A group is whole: is it text, and is that what is shown?"""
        if not self._group:
            return []
        data, began = bytes(self._group), self._group_began
        self._group.clear()
        if not self._fixed:
            rows = self._decide(_is_text(data))
        else:
            rows = []
        if self.view == "hex":
            rows += [
                Row(began, "hex", data[at : at + _WIDTH].hex(" ") + _beside(data[at : at + _WIDTH]))
                for at in range(0, len(data), _WIDTH)
            ]
        return rows

    def _decide(self, text: bool) -> list[Row]:
        wanted: View = "text" if text else "hex"
        if self.view == "auto":
            self.view = wanted
            waiting, self._waiting = self._waiting, []
            return waiting if text else []
        self._different = self._different + 1 if wanted != self.view else 0
        if self._different >= _CHANGES:
            self._different = 0
            self.view = wanted
        return []

    def _lines(self, lines: list[ConsoleLine]) -> list[Row]:
        if not lines or self.view == "hex":
            return []
        rows: list[Row] = []
        for line in lines:
            shown, self._prompt = self._prompt, "" if line.complete else line.text
            if line.text == shown:
                continue  # the prompt that is shown already, now with its line end or at the end of all
            rows.append(Row(line.time, "in" if line.complete else "prompt", discreet(line.text), event=line))
            found = self._recogniser.feed(line)
            for sighting in found:
                values = ", ".join(f"{name} {discreet(value)}" for name, value in sighting.values.items() if value)
                text = f"{sighting.kind}{': ' if values else ''}{values}"
                rows.append(Row(sighting.time, "event", text, sighting.grave, sighting))
        if self.view == "auto":
            # Only when a group is whole it is known whether these were lines.
            self._waiting += rows
            return []
        return rows

    def _judge(self, chunk: Chunk) -> list[Row]:
        """Whether this is what another speed looks like; said once."""
        if self._told_speed or self.dialect or self.view == "text":
            return []
        self._judged += chunk.data
        if len(self._judged) < _JUDGED:
            return []
        self._told_speed = True
        judged, self._judged = judge(bytes(self._judged)), bytearray()
        if judged.wrong_speed < _WRONG:
            return []
        line = f"{self.settings.speed} {self.settings.format}"
        text = f"speed.wrong: this is what another speed or format than {line} looks like"
        return [Row(chunk.time, "event", text, True)]


def _is_text(data: bytes) -> bool:
    readable = sum(byte in _READABLE for byte in data)
    if readable < len(data):
        # What is above 7F counts where it is UTF-8.
        readable += sum(len(c.encode()) for c in data.decode("utf-8", "ignore") if c > "\x7f")
    return readable >= _TEXT * len(data)


def _beside(data: bytes) -> str:
    """The characters beside the hex, where there are some worth it."""
    if sum(0x20 <= byte < 0x7F for byte in data) < 4:
        return ""
    return "  |" + "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data) + "|"
