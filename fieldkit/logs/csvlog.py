"""Tables: what a CSMS or a log viewer exports, with whatever delimiter and under whatever headings.

A record may be several lines long (line breaks inside of quotation marks), its frame quoted, escaped, or put there as
it is, delimiters and all. What the columns are for is told by their headings and, from the first records that have a
frame, by what is in them.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from fieldkit.logs.columns import Columns, Row
from fieldkit.logs.frametext import START, cut
from fieldkit.logs.idless import IdlessRows
from fieldkit.logs.linefields import LineFields
from fieldkit.logs.records import Context, Records, split_frame
from fieldkit.logs.roles import places_of
from fieldkit.logs.sighting import MAX_RECORD, Emit, Sighting
from fieldkit.logs.textlog import TextLog
from fieldkit.logs.times import Times
from fieldkit.logs.unclosed import MAX_LINES

DELIMITERS: Final = ",;\t|"
_MAX_PREAMBLE: Final = 20
"""Lines before the headings: a title, the period, "sep=;"."""
_SAMPLE: Final = 24
"""Records that are looked at before it is said what their columns are for."""
_FEW: Final = 4
"""The same when no more come and there are no headings."""
_SAMPLE_SIZE: Final = MAX_RECORD
"""Their characters."""
_MAX_CELLS: Final = 200

_DIGITS: Final = re.compile(r"\d")
_QUOTED: Final = re.compile(r'\s{0,8}"([^"]*(?:""[^"]*)*)("|\Z)')


class Cell(NamedTuple):
    """One cell and where it lies in its record."""

    text: str
    begin: int
    end: int


def cells(record: str, delimiter: str) -> list[Cell]:
    """Cut a record into cells (RFC 4180 §2, with any delimiter; unbalanced quotation marks are forgiven)."""
    found: list[Cell] = []
    position = 0
    while len(found) < _MAX_CELLS:
        quoted = _QUOTED.match(record, position)
        end = -1
        if quoted is not None:
            after = len(record[quoted.end() :]) - len(record[quoted.end() :].lstrip(" \r")) + quoted.end()
            if after >= len(record) or record[after] == delimiter:
                end = after
                text = quoted[1].replace('""', '"')
        if end < 0:
            end = record.find(delimiter, position)
            if end < 0:
                end = len(record)
            text = record[position:end].strip()
        found.append(Cell(text, position, end))
        if end >= len(record):
            break
        position = end + 1
    return found


def heading(line: str) -> str:
    """The delimiter of a line that looks like the headings of a log; empty when it does not."""
    best, most = "", 1
    for delimiter in DELIMITERS:
        if delimiter not in line:
            continue
        names = [cell.text for cell in cells(line.lstrip("\ufeff"), delimiter)]
        known = sum(1 for name in names if name and len(name) <= 40 and places_of(name))
        if known > most and known * 3 >= len(names):
            best, most = delimiter, known
    return best


def delimiter_of(lines: list[str]) -> str:
    """The delimiter of a table without headings, by where frames stand in its lines; empty when it is no table."""
    counts: dict[str, set[int]] = {}
    seen = 0
    for line in lines:
        start = START.search(line)
        if start is None:
            continue
        seen += 1
        lead = line[: start.start()].rstrip(' "')
        if not lead or lead[-1] not in DELIMITERS:
            return ""
        counts.setdefault(lead[-1], set()).add(len(cells(lead, lead[-1])))
    if not seen or len(counts) != 1:
        return ""
    delimiter, numbers = counts.popitem()
    # One line proves nothing ("INFO | [2,…" is a log), unless the frame is quoted as only tables do.
    return delimiter if len(numbers) == 1 and (seen > 1 or '"[2,""' in "".join(lines)) else ""


class CsvLog:
    """Reads a table. ``emit`` takes what is found."""

    def __init__(self, emit: Emit, times: Times, delimiter: str) -> None:
        self.line = 1
        """Number of the line that comes next."""
        self._emit = emit
        self._delimiter = delimiter
        self._text = TextLog(emit, times)
        self._records = Records(times, self._text.frames_in)
        self._fields = LineFields(times)
        self._columns = Columns(times)
        self._idless = IdlessRows()
        self._sample: list[Row] | None = []
        self._sample_size = 0
        self._parts: list[str] = []
        self._open_size = 0
        self._record: list[str] = []
        """Lines of a record inside of a quotation."""
        self._record_size = 0
        self._record_line = 1
        self._odd = False
        self._shape = ""
        """How the last records began, digits as 0."""
        self._had_heading = False

    # ------------------------------------------------------------------------------------------------------ intake

    def feed(self, text: str) -> None:
        """Take the next stretch of text, cut anywhere."""
        newline = text.rfind("\n") + 1
        if newline:
            self._parts.append(text[:newline])
            block = "".join(self._parts)
            self._parts.clear()
            self._open_size = 0
            for line in block.split("\n")[:-1]:
                self._take_line(line)
            text = text[newline:]
        if text and self._open_size <= MAX_RECORD:  # what an overlong line has beyond that is not kept
            self._parts.append(text[: MAX_RECORD - self._open_size + 1])
            self._open_size += len(self._parts[-1])

    def finish(self) -> None:
        """There is no more text."""
        if self._parts:
            self._take_line("".join(self._parts))
        if self._record:
            self._end_record(broken=self._odd)
        self._settle()
        self._text.finish()

    def _take_line(self, line: str) -> None:
        if len(line) > MAX_RECORD:
            line = line[:MAX_RECORD]
        if self._record:
            if len(self._record) >= MAX_LINES or self._record_size + len(line) > MAX_RECORD:
                self._salvage()
            elif self._begins_record(line):
                self._end_record(broken=True)
        if not self._record:
            self._record_line = self.line
        self._record.append(line)
        self._record_size += len(line) + 1
        self._odd ^= bool(line.count('"') & 1)
        self.line += 1
        if not self._odd:
            self._end_record(broken=False)

    def _begins_record(self, line: str) -> bool:
        """Inside of a quotation that should have ended, this is how records began so far: with a time."""
        shape = _DIGITS.sub("0", line[:10])
        return shape == self._shape and shape.count("0") >= 6

    def _salvage(self) -> None:
        """A quotation that never ends: what it has swallowed is read as lines of text."""
        self._settle()
        self._text.line = self._record_line
        self._text.feed("\n".join(self._record) + "\n")
        self._text.settle()
        self._record.clear()
        self._record_size = 0
        self._odd = False

    def _end_record(self, *, broken: bool) -> None:
        record = "\n".join(self._record)
        last_line = self._record_line + len(self._record) - 1
        self._record.clear()
        self._record_size = 0
        self._odd = False
        if record.strip():
            if not broken:
                self._shape = _DIGITS.sub("0", record[:10])
            self._read(record, self._record_line, last_line)

    # ----------------------------------------------------------------------------------------------------- reading

    def _read(self, record: str, line: int, last_line: int) -> None:
        start = START.search(record)
        if start is None and "Envelope" not in record:
            if not self._had_heading and line <= _MAX_PREAMBLE and self._heading(record):
                return
            row = self._row(record)
            if self._columns.names:
                named = self._columns.named(row.cells)
                text = split_frame(named)
                sighting = (
                    Sighting(text, line, last_line) if text is not None else self._idless.read(named, line, last_line)
                )
                if sighting is not None:
                    row.found = [sighting]
                    self._place(row)
            return
        row = self._row(record)
        if start is not None:
            self._find(row, record, start, line, last_line)
        else:
            self._find_inside(row, line)
        if row.found:
            self._place(row)

    def _heading(self, record: str) -> bool:
        delimiter = heading(record)
        if not delimiter:
            return False
        self._delimiter = delimiter
        self._had_heading = True
        self._columns.names = [cell.text.lstrip("\ufeff") for cell in cells(record, delimiter)]
        return True

    def _row(self, record: str) -> Row:
        return Row([cell.text for cell in cells(record, self._delimiter)])

    def _find(self, row: Row, record: str, start: re.Match[str], line: int, last_line: int) -> None:
        """The frame in a record, which may be a cell, part of one, or (unquoted) many."""
        number, cell = next(
            (number, cell)
            for number, cell in enumerate(cells(record, self._delimiter))
            if cell.begin <= start.start() <= cell.end or number == _MAX_CELLS - 1
        )
        within = START.search(cell.text)
        piece = cut(cell.text, within) if within is not None else None
        if within is None or piece is None or not piece.closed:
            # As it is, without quotation: it ends where its brackets do.
            piece = cut(record, start)
            if piece is None:
                return
            before = cells(record[: start.start()], self._delimiter)
            after = cells(record[piece.end :].lstrip('"'), self._delimiter)
            row.cells = [cell.text for cell in before[:-1]] + [""] + [cell.text for cell in after[1:]]
            row.frame_cell = len(before) - 1
            if piece.closed:
                row.found = [Sighting(piece.text, line, last_line, problems=piece.problems)]
            else:
                row.found = self._text.frames_in(record[start.start() :], line)
            row.lead = before[-1].text.strip('" ')
            return
        row.frame_cell = number
        if not cell.text[: within.start()].strip(" '`") and not cell.text[piece.end :].strip(" '`"):
            row.found = [Sighting(piece.text, line, last_line, problems=piece.problems)]
            return
        self._find_inside(row, line)
        for sighting in row.found:
            sighting.last_line = last_line

    def _find_inside(self, row: Row, line: int) -> None:
        """Frames in cells that hold more: a line of another log, a JSON object, an envelope."""
        for number, text in enumerate(row.cells):
            if len(text) < 8 or not (START.search(text) or "Envelope" in text):
                continue
            row.frame_cell = number
            if text.lstrip()[:1] in ("{", "["):
                try:
                    value = json.loads(text, strict=False)
                except (ValueError, RecursionError):
                    value = None
                if isinstance(value, dict | list):
                    row.found += self._records.read(value, text, line)
                    continue
            row.found += self._text.frames_in(text, line)

    # ----------------------------------------------------------------------------------------------------- columns

    def _place(self, row: Row) -> None:
        if self._sample is not None:
            self._sample.append(row)
            self._sample_size += sum(map(len, row.cells))
            if len(self._sample) >= _SAMPLE or self._sample_size > _SAMPLE_SIZE:
                self._settle()
        else:
            self._hand_on(row)

    def pause(self) -> None:
        """Nothing comes at the moment: what the columns mean is settled with the rows there are."""
        if self._sample and (self._had_heading or len(self._sample) >= _FEW):
            self._settle()

    def _settle(self) -> None:
        if self._sample is not None:
            rows, self._sample = self._sample, None
            self._columns.learn(rows)
            for row in rows:
                self._hand_on(row)

    def _hand_on(self, row: Row) -> None:
        context = self._columns.context(row)
        if row.lead:
            stamp, fields = self._fields.read(row.lead)
            if context.stamp is None:
                context = context._replace(stamp=stamp)
            if context.sender is None and context.relative is None:
                context = context._replace(sender=fields.sender, relative=fields.relative)
        for sighting in row.found:
            _complete(sighting, context)
            sighting.lead = None
            self._emit(sighting)


def _complete(sighting: Sighting, context: Context) -> None:
    """What the columns say counts; what the frame's own surroundings say fills the rest."""
    sighting.stamp = context.stamp or sighting.stamp
    sighting.station = context.station or sighting.station
    if context.sender or context.relative:
        sighting.sender, sighting.relative = context.sender, context.relative
    sighting.version = context.version or sighting.version
