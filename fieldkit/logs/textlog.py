"""Lines of text with OCPP frames somewhere in them.

Blocks of lines are searched for the beginnings of frames; lines without one cost no more than that search. A frame
that its line does not close goes on on the next lines (``unclosed``); one that never closes is handed on as far as it
goes, marked as truncated.
"""

from __future__ import annotations

import html
import json
import re
from typing import Final

from fieldkit.logs.frametext import CUT, START, cut
from fieldkit.logs.linefields import MAX_LEAD, LineFields
from fieldkit.logs.records import NOTHING, Context, Records
from fieldkit.logs.sighting import MAX_NESTING, MAX_RECORD, Emit, Sighting, log_error
from fieldkit.logs.times import Times
from fieldkit.logs.unclosed import (
    ENDS_BEFORE,
    ENVELOPE,
    GOES_ON,
    Surroundings,
    Unclosed,
    UnclosedJson,
    UnclosedSoap,
    Whole,
    ends_open,
    soap,
)

_MAX_TRIES: Final = 8
"""Starts on one line that turn out to be no frame, or one cut short, before the rest of the line is left alone: each
try may read the line to its end, and a hostile one consists of starts."""

_FIND: Final = re.compile(
    # A start, or what the next line may make one.
    START.pattern.replace(r"\s", r"[ \t]") + r"|\[[ \t]{0,64}(?:[2-6][ \t]{0,64},?[ \t]{0,64})?\r?(?:\n|\Z)"
)
_NO_LEAD: Final = " \t\r\"'`>|*-"
"""What may stand before a frame without saying anything."""
_MARKUP: Final = {"&lt;": "<", "&gt;": ">"}

_decode = json.JSONDecoder(strict=False).raw_decode


class TextLog:
    """Cuts frames out of text. ``emit`` takes what is found."""

    def __init__(self, emit: Emit, times: Times, *, nesting: int = 0) -> None:
        """``nesting``: how many wrappers this text came out of."""
        self.line = 1
        """Number of the line that comes next."""
        self._emit = emit
        self._times = times
        self._fields = LineFields(times)
        self._nesting = nesting
        self._records = Records(times, self.frames_in)
        self._parts: list[str] = []
        self._open_size = 0
        """Characters of the line that is not complete yet."""
        self._lost = -1
        """Characters of an overlong line that were dropped so far; -1 when there is none."""
        self._entities = False
        """The text is HTML inside of which quotation marks are written as entities."""
        self._unclosed: Unclosed | None = None
        self._before = ""
        """The line before this block."""
        self._frame_line = 0
        """The last line that a frame stood on."""

    # ------------------------------------------------------------------------------------------------------ intake

    def feed(self, text: str) -> None:
        """Take the next stretch of text, cut anywhere."""
        if self._lost >= 0:
            newline = text.find("\n")
            if newline < 0:
                self._lost += len(text)
                return
            self._parts.append("\n")
            self._complete()
            self._overlong(self._lost + newline)
            self._lost = -1
            text = text[newline + 1 :]
        newline = text.rfind("\n") + 1
        if newline:
            self._parts.append(text[:newline])
            self._complete()
            text = text[newline:]
        if text:
            self._parts.append(text)
            self._open_size += len(text)
            if self._open_size > MAX_RECORD:
                self._lost = self._open_size - MAX_RECORD
                self._parts = ["".join(self._parts)[: -self._lost]]

    def finish(self) -> None:
        """There is no more text."""
        block = "".join(self._parts)
        self._parts.clear()
        self._block(block)
        self.line += bool(block) and not block.endswith("\n")
        if self._lost >= 0:
            self._overlong(self._lost)
            self._lost = -1
        self.settle()

    def settle(self) -> None:
        """What follows does not continue what came before."""
        if self._unclosed is not None:
            unclosed, self._unclosed = self._unclosed, None
            self._hand_on(unclosed.as_far_as_it_goes(), unclosed.where)

    def frames_in(self, text: str, line: int) -> list[Sighting]:
        """Frames in a text that was a value of a JSON object, or a cell, on this line."""
        found: list[Sighting] = []

        def keep(item: object) -> None:
            if isinstance(item, Sighting):
                item.line = item.last_line = line
                found.append(item)

        if self._nesting < MAX_NESTING:
            inner = TextLog(keep, self._times, nesting=self._nesting + 1)
            inner.feed(text)
            inner.finish()
        return found

    def _complete(self) -> None:
        """The parts end with a line's end."""
        block = "".join(self._parts)
        self._parts.clear()
        self._open_size = 0
        begin = at = 0
        while len(block) > MAX_RECORD and at < len(block):
            end = block.find("\n", at) + 1
            if end - at > MAX_RECORD + 1:
                self._block(block[begin : at + MAX_RECORD] + "\n")
                self._overlong(end - 1 - at - MAX_RECORD)
                begin = end
            at = end
        self._block(block[begin:] if begin else block)

    def _overlong(self, lost: int) -> None:
        reason = f"a line has more than {MAX_RECORD >> 20} MB; the rest of it was not read"
        self._emit(log_error(reason, "", max(self.line - 1, 1), lost))

    # ---------------------------------------------------------------------------------------------------- scanning

    def _block(self, block: str) -> None:
        """Whole lines; at the end of the log, what there is."""
        position = 0
        envelope = block.find("Envelope")
        while position < len(block):
            if self._unclosed is not None:
                end = block.find("\n", position)
                self._offer(block[position : end if end >= 0 else len(block)])
                position = self._behind(block, end)
                continue
            found = _FIND.search(block, position)
            begin = found.start() if found is not None else len(block)
            if 0 <= envelope < position:
                envelope = block.find("Envelope", position)
            if 0 <= envelope < begin:
                begin = envelope
            if begin == len(block):
                break
            line_begin = max(block.rfind("\n", position, begin) + 1, position)
            self.line += block.count("\n", position, line_begin)
            end = block.find("\n", begin)
            self._line(block[line_begin : end if end >= 0 else len(block)], 0, self._line_before(block, line_begin))
            position = self._behind(block, end)
        if position < len(block):
            self.line += block.count("\n", position)
        if block.endswith("\n"):
            last = block.rfind("\n", 0, len(block) - 1) + 1
            self._before = block[last:-1][-MAX_LEAD:]

    def _behind(self, block: str, end: int) -> int:
        """Step to the next line."""
        if end < 0:
            return len(block)
        self.line += 1
        return end + 1

    def _line_before(self, block: str, line_begin: int) -> str:
        """The line before, if no frame stood on it: it may be this frame's heading."""
        if self._frame_line == self.line - 1:
            return ""
        if not line_begin:
            return self._before
        begin = block.rfind("\n", 0, line_begin - 1) + 1
        return block[begin : line_begin - 1][-MAX_LEAD:]

    def _offer(self, line: str) -> None:
        """A line that may belong to the frame that is open."""
        assert self._unclosed is not None
        end = self._unclosed.offer(html.unescape(line) if self._entities else line)
        if end == GOES_ON:
            return
        if end == ENDS_BEFORE:
            self.settle()
            self._line(line, 0, "")
            return
        unclosed, self._unclosed = self._unclosed, None
        self._hand_on(unclosed.whole(), unclosed.where)
        self._line(line, end, "")

    def _line(self, line: str, at: int, before: str) -> None:
        """Find what there is on a line from ``at`` on; ``before`` is the line before it."""
        if self._entities:
            line = html.unescape(line)
        behind = search = at
        first: Surroundings | None = None
        envelope = line.find("Envelope", at)
        start = START.search(line, at)
        tries = 0
        may_be_record = self._nesting < MAX_NESTING
        while tries < _MAX_TRIES:
            if start is not None and start.start() < search:
                start = START.search(line, search)
            if 0 <= envelope < (start.start() if start is not None else len(line)):
                search = max(self._soap(line, envelope, behind, before, first), envelope + 8)
                if self._unclosed is not None:
                    return
                behind = search
                envelope = line.find("Envelope", search)
                tries += 1
                continue
            if start is None:
                begin = ends_open(line.rstrip("\r"), search)
                if begin >= 0:
                    where = Surroundings(
                        self.line, _lead(line, behind, begin, before), before, first.stamp if first else None
                    )
                    self._unclosed = UnclosedJson(where, line, begin)
                return
            if start[2] is not None and start[2][0] == "&":
                self._entities = True
                self._line(html.unescape(line[behind:]), 0, before)
                return
            if may_be_record:
                end = self._record(line, behind, start.start())
                if end >= 0:
                    search = behind = end
                    continue
                may_be_record = False
            piece = cut(line, start)
            begin = start.start()
            if piece is None:
                tries += 1
                search = begin + 1
                continue
            where = Surroundings(self.line, _lead(line, behind, begin, before), before, first.stamp if first else None)
            if piece.closed:
                whole = Whole(piece.text, self.line, piece.problems)
                self._hand_on(whole, where, line[piece.end : piece.end + 200])
                search = behind = piece.end
            else:
                later = _later(line, start)
                if later < 0:
                    self._unclosed = UnclosedJson(where, line, begin)
                    return
                # Two frames on one line, the first without its end: what stands between them is hard to tell.
                self._hand_on(Whole(line[begin:later].rstrip(), self.line, CUT), where)
                behind = max(line.rfind('"', begin, later) + 1, begin)
                search = later
                tries += 1
            first = first or where

    def _soap(self, line: str, at: int, behind: int, before: str, first: Surroundings | None) -> int:
        """The word "Envelope" stands at ``at``: the end of the envelope that begins there, 0 if none does."""
        envelope = ENVELOPE.search(line, max(at - 34, behind), at + 9)
        if envelope is None:
            return 0
        begin = envelope.start()
        where = Surroundings(self.line, _lead(line, behind, begin, before), before, first.stamp if first else None)
        end = line.find(f"</{envelope[1]}", envelope.end())
        if end < 0:
            self._unclosed = UnclosedSoap(where, line, begin, envelope[1])
            return 0
        end = (line.find(">", end) + 1) or len(line)
        self._hand_on(soap(line[begin:end], self.line), where)
        return end

    def _record(self, line: str, behind: int, start: int) -> int:
        """The end of a JSON object with a frame in it, which the line is or contains; -1 if there is none."""
        brace = line.find('{"', behind, start)
        if brace < 0:
            return -1
        try:
            value, end = _decode(line, brace)
        except (ValueError, RecursionError):
            return -1
        if end <= start:
            return -1
        lead = line[behind:brace]
        outer = NOTHING
        if lead.strip():
            stamp, fields = self._fields.read(lead)
            outer = Context(stamp, *fields, lead)
        found = self._records.read(value, line[brace:end], self.line, outer)
        for sighting in found:
            self._emit(sighting)
        if found:
            self._frame_line = self.line
        return end if found else -1

    def _hand_on(self, whole: Whole | None, where: Surroundings, after: str = "") -> None:
        if whole is None:
            return
        text = whole.text
        if "&" in text and "<" in where.lead:
            for entity, character in _MARKUP.items():  # EVerest's HTML log writes only these two
                text = text.replace(entity, character)
        stamp, fields = self._fields.read(where.lead, after)
        stamp = stamp or where.stamp  # of two frames on a line, only the first may have a time
        if stamp is None and where.before:
            # Two lines for a record (java.util.logging), or a console where not all lines have a time: near enough.
            found = self._times.find(where.before)
            stamp = found[0] if found is not None else None
        self._frame_line = whole.last_line
        station, sender, relative, version = fields
        self._emit(
            Sighting(
                text, where.line, whole.last_line, stamp, station, sender, relative, version,
                whole.transport, whole.problems, where.lead,
            )
        )  # fmt: skip


def _lead(line: str, behind: int, begin: int, before: str) -> str:
    """What stands before a frame: on its line, or, if that is nothing, on the line before."""
    lead = line[behind:begin]
    if len(lead) > 2 * MAX_LEAD:
        lead = f"{lead[:MAX_LEAD]} {lead[-MAX_LEAD:]}"  # all that is looked at
    if before and (not lead.strip(_NO_LEAD) or (lead[0] in " \t" and not behind)):
        return f"{before} {lead}"
    return lead


def _later(line: str, start: re.Match[str]) -> int:
    """Where another frame starts on a line, one that is not quoted inside of the first; -1 if none does."""
    later = START.search(line, start.start() + 3)
    while later is not None and later[2] != start[2]:
        later = START.search(line, later.end())
    return later.start() if later is not None else -1
