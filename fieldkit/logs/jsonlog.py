"""JSON in files: one value a line, or one document with records somewhere in it.

A document is never held whole: it is cut, by counting brackets, into the elements of its outermost list of records,
and each is read by itself. Which list that is shows when an element gets too long to be a record: then the elements are
to be found further in (``{"hits": {"hits": [{…}, {…}, …]}}``).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from fieldkit.logs.records import Records
from fieldkit.logs.sighting import MAX_RECORD, Emit
from fieldkit.logs.textlog import TextLog
from fieldkit.logs.times import Times

_MAX_DEEPER: Final = 4
"""How often the elements may be looked for further in."""
_TOKEN: Final = re.compile(r'["\[\]{}]')
_STRING_END: Final = re.compile(r'["\\]')
_INSIDE: Final = re.compile(r"\S")
_STRING: Final = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

_decode = json.JSONDecoder(strict=False).raw_decode


def _parsed(text: str) -> Any:
    """The JSON value that a text is; None if it is none (``null`` is of no interest either)."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


class JsonLines(TextLog):
    """One JSON value a line; lines that are none are read as text."""

    def _block(self, block: str) -> None:
        position = plain = 0
        while position < len(block):
            end = block.find("\n", position) + 1 or len(block)
            if block[position : position + 8].lstrip()[:1] in ("{", "["):
                line = block[position:end]
                value = _parsed(line)
                if value is not None:
                    if plain < position:
                        super()._block(block[plain:position])
                    self.settle()
                    for sighting in self._records.read(value, line, self.line):
                        self._emit(sighting)
                    self._frame_line = self.line
                    self.line += line.endswith("\n")
                    plain = end
            position = end
        if plain < len(block):
            super()._block(block[plain:])


class JsonDocument:
    """A document, or several one after another, read as they come."""

    def __init__(self, emit: Emit, times: Times) -> None:
        self._emit = emit
        self._outside = TextLog(emit, times)
        """Reads what turns out to be no JSON: a log may begin with a brace, a document may end in the middle."""
        self._records = Records(times, self._outside.frames_in)
        self._level = -1
        """How many brackets are open around a record; -1 between documents."""
        self._deeper = 0
        """How often the level was found to be further in."""
        self._depth = 0
        """How many brackets are open."""
        self._in_string = False
        self._escaped = False
        """The text so far ends with a backslash inside of a string."""
        self._undecided = False
        """A list has begun: of records, or is it a frame?"""
        self._line_has_text = False
        """Text that is no JSON stands on the present line."""
        self._in_record = False
        self._parts: list[str] = []
        """The record so far, without what the present stretch of text has of it."""
        self._size = 0
        self._line = 1
        """The line of what is counted so far."""
        self._record_line = 1
        self._open_line = False
        """The last line has no end yet."""
        self._gave_up = False
        self._stretch = ""
        """The text that was fed last, and how far it is …"""
        self._at = 0
        """… looked at,"""
        self._behind = 0
        """… done with (read, or in ``_parts``),"""
        self._counted = 0
        """… counted for line numbers."""

    @property
    def line(self) -> int:
        """The number of the line that comes next."""
        return self._outside.line if self._gave_up else self._line

    def feed(self, text: str) -> None:
        """Take the next stretch of text, cut anywhere."""
        if text:
            self._open_line = not text.endswith("\n")
        while text:
            text = self._read(text)

    def finish(self) -> None:
        """There is no more text."""
        if self._in_record and not self._gave_up:
            self._salvage("".join(self._parts))
        self._outside.finish()
        self._line += self._open_line

    # ------------------------------------------------------------------------------------------------- brackets

    def _read(self, text: str) -> str:
        """Read a stretch; what of it, and of those before, must be read again another way."""
        if self._gave_up:
            self._outside.feed(text)
            return ""
        self._stretch = text
        self._at = self._behind = self._counted = 0
        again: str | None = None
        while again is None:
            again = self._step()
        if again or self._gave_up:
            return again
        self._count(len(text))
        if self._undecided:
            return ""
        if self._in_record:
            self._parts.append(text[self._behind :])
            self._size += len(text) - self._behind
            if self._size > 2 * MAX_RECORD:  # one string, it seems: no bracket came to be looked at
                return self._overflow(len(text), kept=True)
        elif self._level < 0:
            between = text[self._behind :]
            self._line_has_text = self._within_text(between)
            self._outside.feed(between)
        return ""

    def _step(self) -> str | None:
        """Look at the next bracket or quotation mark. None: go on; else what is to be read again, "" for nothing."""
        text = self._stretch
        character = ""
        if self._undecided:
            if not self._decide():
                return ""
        elif self._in_string:
            at = self._string_end()
            if at < 0:
                return ""
            return self._closed(at, character)
        token = _TOKEN.search(text, self._at)
        if token is None:
            return ""
        at, character = token.start(), token[0]
        if character in "]}":
            return self._closed(at, character)
        if self._is_too_long(at):
            return self._overflow(at)
        self._at = at + 1
        if self._level < 0 and not self._begin_document(at, character):
            return None
        if not self._in_record and not self._undecided and self._depth == self._level and self._whole_record(at):
            return None
        if character != '"':
            self._depth += 1
        elif self._depth:
            self._in_string = True
        return None

    def _closed(self, at: int, character: str) -> str | None:
        """A string or bracket ends at ``at``."""
        if self._is_too_long(at):
            return self._overflow(at)
        self._at = at + 1
        if character:
            self._depth = max(self._depth - 1, 0)
        if self._in_record and self._depth == self._level:
            self._parts.append(self._stretch[self._behind : self._at])
            record = "".join(self._parts)
            self._end_record()
            value = _parsed(record)
            if value is None:
                self._salvage(record)
            else:
                self._hand_on(value, record)
        if character and not self._depth and self._level >= 0:
            self._end_document()
        return None

    def _begin_document(self, at: int, character: str) -> bool:
        """The first bracket of a document, unless it stands in a line of text."""
        between = self._stretch[self._behind : at]
        if character == '"' or self._within_text(between):
            return False
        self._outside.feed(between)
        self._count(at)
        self._behind = at
        self._level = 0
        if character == "[":
            # Which it is shows in what follows: a number, as in a frame, or anything else, as in a list.
            self._undecided = True
            self._record_line = self._line
        return True

    def _decide(self) -> bool:
        inside = _INSIDE.search(self._stretch, self._at)
        if inside is None:
            return False
        self._undecided = False
        self._behind = inside.start()
        self._in_record = inside[0] in "0123456789"
        self._level = 0 if self._in_record else 1
        self._parts = ["["] if self._in_record else []
        self._size = len(self._parts)
        return True

    def _whole_record(self, at: int) -> bool:
        """A record begins; the fast way if all of it is in this stretch."""
        text = self._stretch
        self._count(at)
        self._record_line = self._line
        self._behind = at
        try:
            value, end = _decode(text, at)
        except (ValueError, RecursionError):
            end = len(text)
        if end >= len(text) or end - at > MAX_RECORD:
            self._in_record = True
            return False
        self._at = end
        self._end_record()
        self._hand_on(value, text[at:end])
        if not self._depth:
            self._end_document()
        return True

    def _end_record(self) -> None:
        self._in_record = False
        self._parts.clear()
        self._size = 0
        self._count(self._at)
        self._behind = self._at

    def _end_document(self) -> None:
        self._level = -1
        self._deeper = 0
        self._line_has_text = False
        self._count(self._at)
        self._behind = self._at
        self._outside.line = self._line

    def _string_end(self) -> int:
        """The offset of the quotation mark that ends a string, -1 if it is not in this stretch."""
        text, position = self._stretch, self._at
        if self._escaped and position < len(text):
            position += 1
            self._escaped = False
        while True:
            found = _STRING_END.search(text, position)
            if found is None:
                return -1
            if found[0] == '"':
                self._in_string = False
                return found.start()
            position = found.end() + 1
            if position > len(text):
                self._escaped = True
                return -1

    def _within_text(self, between: str) -> bool:
        """Something stands on the line already, between two documents: a bracket there begins no document."""
        last = between.rfind("\n") + 1
        return (not last and self._line_has_text) or bool(between[last:].strip(" \t\r,"))

    def _count(self, end: int) -> None:
        self._line += self._stretch.count("\n", self._counted, end)
        self._counted = end

    # ------------------------------------------------------------------------------------------------- records

    def _hand_on(self, value: Any, text: str) -> None:
        for sighting in self._records.read(value, text, self._record_line):
            self._emit(sighting)

    def _salvage(self, text: str) -> None:
        """Broken JSON may still have frames in it."""
        self._outside.line = self._record_line
        self._outside.feed(text + "\n")
        self._outside.settle()
        self._outside.line = self._line

    def _is_too_long(self, at: int) -> bool:
        return self._in_record and self._size + at - self._behind > MAX_RECORD

    def _overflow(self, at: int, *, kept: bool = False) -> str:
        """What was taken for a record is too long for one: look for records further in, or read it as text.

        ``kept``: the present stretch is in ``_parts`` already. What is to be read again.
        """
        if not kept:
            self._parts.append(self._stretch[self._behind : at])
            self._size += at - self._behind
        text = "".join(self._parts)
        further_in = _open_list(text) if self._size <= 2 * MAX_RECORD and self._deeper < _MAX_DEEPER else 0
        self._parts.clear()
        self._size = 0
        self._in_record = self._in_string = self._escaped = False
        self._line = self._record_line
        self._depth = self._level
        self._deeper += 1
        self._level += further_in
        if not further_in:
            self._gave_up = True
            self._outside.line = self._record_line
        return text + self._stretch[at:]


def _open_list(text: str) -> int:
    """How many brackets in the outermost list lies that is still open at the end of a text; 0 if none is."""
    brackets: list[str] = []
    position = 0
    while True:
        token = _TOKEN.search(text, position)
        if token is None:
            break
        position = token.end()
        if token[0] == '"':
            string = _STRING.match(text, position)
            if string is None:
                break
            position = string.end()
        elif token[0] in "[{":
            brackets.append(token[0])
        elif brackets:
            brackets.pop()
    return brackets.index("[") + 1 if "[" in brackets else 0
