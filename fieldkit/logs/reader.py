"""The way into a log: which encoding, which kind of file; then its frames, in order, with absolute times."""

from __future__ import annotations

import codecs
import json
import re
from collections import deque
from typing import Final, Protocol

from fieldkit.events import DecodeError, LoggedFrame
from fieldkit.logs.alike import named_alike, shape
from fieldkit.logs.csvlog import CsvLog, delimiter_of, heading
from fieldkit.logs.frametext import ELIDED, START, legible
from fieldkit.logs.jsonlog import JsonDocument, JsonLines
from fieldkit.logs.sighting import Sighting
from fieldkit.logs.textlog import TextLog
from fieldkit.logs.times import Calendar, Stamp, Times
from fieldkit.logs.trace import is_trace_record
from fieldkit.logs.twins import Twins

_HEAD: Final = 16_384
"""Characters by which the kind of a file is told; what comes less at a time waits for them."""
_HEAD_LINES: Final = 60
_MAX_SHAPES: Final = 64
"""Kinds of names that stations have; a log of one operator has a few."""
_MAX_UNDATED: Final = 64
"""Frames that wait for one of them to tell the date, when lines have only a time of day."""
_MAX_UNDATED_SIZE: Final = 1 << 20
_MAX_CONTROL: Final = 0.02
"""Share of control characters that a text may have; a serial console's log has some."""

_NOT_TEXT: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BINARY_MAGICS: Final = (
    b"\x1f\x8b", b"PK\x03\x04", b"\x89PNG", b"%PDF", b"\x7fELF", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd",
    b"SQLite format 3",
)  # fmt: skip
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8 are read as Latin-1: a name with an umlaut, written by a Windows service."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("fieldkit.latin1", _as_latin1)


def _encoding(head: bytes) -> tuple[str, int]:
    """The encoding, and how many bytes its mark takes."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name, len(mark)
    if len(head) >= 4:
        # UTF-16 without a mark: every second byte of mostly Western text is zero.
        for name, odd in (("utf-16-le", 1), ("utf-16-be", 0)):
            zeros, others = head[odd:64:2], head[1 - odd : 64 : 2]
            if zeros.count(0) * 4 > len(zeros) * 3 and others.count(0) * 4 < len(others):
                return name, 0
    return "utf-8", 0


def looks_like_log(head: bytes) -> bool:
    """Tell whether a file that begins like this is text, and hence worth looking for frames in."""
    head = head[:_HEAD]
    if not head.strip() or head.startswith(_BINARY_MAGICS):
        return False
    encoding, mark = _encoding(head)
    if encoding != "utf-8":
        text = head[mark : mark + (len(head) - mark) // 2 * 2].decode(encoding, "replace")
        head = text.encode("utf-8", "replace")
        return (
            text.count("\ufffd") <= len(text) * _MAX_CONTROL
            and len(_NOT_TEXT.findall(head)) <= len(head) * _MAX_CONTROL
        )
    return len(_NOT_TEXT.findall(head)) <= len(head) * _MAX_CONTROL


class _Format(Protocol):
    """What ``TextLog``, ``JsonLines``, ``JsonDocument`` and ``CsvLog`` have in common."""

    @property
    def line(self) -> int:
        """The number of the line that comes next."""

    def feed(self, text: str) -> None: ...

    def finish(self) -> None: ...


class LogReader:
    """Bytes of a log go in, cut anywhere; its OCPP frames come out.

    A frame is handed on a few lines late: the next ones may show that it was logged twice, or what day it is.
    """

    def __init__(self, source: str, *, utc_offset: int | None = None, around: int | None = None) -> None:
        """``utc_offset``: seconds east of UTC, for times without a zone; None: UTC is assumed, see ``zone_assumed``.
        ``around``: a time (ns) near which the log was written, such as that of the file, to complete dates with."""
        self.source = source
        self.frames_found = 0
        """Frames handed on."""
        self.format = ""
        """What kind of file it turned out to be, in words; empty before that is known."""
        self._times = Times()
        self._calendar = Calendar(utc_offset, around)
        self._twins = Twins()
        self._out: list[LoggedFrame | DecodeError] = []
        self._undated: deque[Sighting] = deque()
        self._undated_size = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._encoding = "utf-8"
        self._start = bytearray()
        """The first bytes, kept for the encoding and for what to say of a file without frames."""
        self._binary = False
        self._shapes: set[str] = set()
        """How the names of stations look that the log has named so far."""
        self._head: list[str] = []
        self._head_size = 0
        self._log: _Format | None = None
        self._bytes = 0
        self._carriage_returns = False

    @property
    def lines(self) -> int:
        """Lines read so far."""
        return self._log.line - 1 if self._log is not None else 0

    @property
    def duplicates(self) -> int:
        """Frames dropped because another logger had written them just before."""
        return self._twins.dropped

    @property
    def zone_assumed(self) -> bool:
        """Some times had no zone and were taken as UTC."""
        return self._calendar.zone_assumed

    @property
    def date_assumed(self) -> bool:
        """Some times had no (complete) date; it was taken from messages, from ``around``, or is 1970."""
        return self._calendar.date_assumed

    # ------------------------------------------------------------------------------------------------------ bytes

    def feed(self, block: bytes) -> list[LoggedFrame | DecodeError]:
        """The next bytes; what they complete."""
        self._bytes += len(block)
        if self._binary:
            return []
        if self._decoder is None:
            self._start += block
            if len(self._start) < _HEAD:
                return []
            block = self._begin_decoding()
            if self._decoder is None:
                return []
        assert self._decoder is not None
        self._characters(self._decoder.decode(bytes(block)))
        return self._drain()

    def pause(self, now: int) -> list[LoggedFrame | DecodeError]:
        """Nothing comes at the moment (``now``, in ns); frames that were held back until more is known.

        What kind of file it is is settled early as well, if there is a frame in what there is of it.
        """
        if self._decoder is None and not self._binary and b"\n" in self._start:
            self._decode(self._begin_decoding())
        if self._log is None and self._tells_enough("".join(self._head)):
            self._choose()
        if isinstance(self._log, CsvLog):
            self._log.pause()
        for sighting in self._twins.finish():
            self._date(sighting)
        self._calendar.is_written_at(now)
        self._settle_dates()
        return self._drain()

    def finish(self) -> list[LoggedFrame | DecodeError]:
        """The log is at its end; what was held back."""
        block = self._begin_decoding() if self._decoder is None and not self._binary else b""
        if self._decoder is None:
            return [self._nothing_found()]
        assert self._decoder is not None
        self._characters(self._decoder.decode(block, final=True))
        if self._log is None:
            self._choose()
        assert self._log is not None
        self._log.finish()
        for sighting in self._twins.finish():
            self._date(sighting)
        self._settle_dates()
        if not self.frames_found:
            self._out.append(self._nothing_found())
        return self._drain()

    def _begin_decoding(self) -> bytes:
        head = bytes(self._start[:_HEAD])
        if head.strip() and not looks_like_log(head):
            # Frames may be found in a capture or an archive as well, but not what belongs to them.
            self._binary = True
            del self._start[64:]
            return b""
        self._encoding, mark = _encoding(head)
        errors = "fieldkit.latin1" if self._encoding == "utf-8" else "replace"
        self._decoder = codecs.getincrementaldecoder(self._encoding)(errors)
        block = bytes(self._start[mark:])
        del self._start[64:]
        return block

    def _decode(self, block: bytes) -> None:
        if self._decoder is not None:
            self._characters(self._decoder.decode(block))

    def _drain(self) -> list[LoggedFrame | DecodeError]:
        out, self._out = self._out, []
        return out

    # ------------------------------------------------------------------------------------------------- kind of file

    def _characters(self, text: str) -> None:
        if self._log is not None:
            self._log.feed(text.replace("\r", "\n") if self._carriage_returns else text)
            return
        self._head.append(text)
        self._head_size += len(text)
        if self._head_size >= _HEAD:
            self._choose()

    def _choose(self) -> None:
        text = "".join(self._head)
        self._head.clear()
        head = text[:_HEAD]
        if "\r" in head and "\n" not in head:
            self._carriage_returns = True  # as on a serial console
            text = text.replace("\r", "\n")
            head = text[:_HEAD]
        self._log = self._format_of(head)
        self._log.feed(text)

    @staticmethod
    def _tells_enough(head: str) -> bool:
        """Whether a head that is shorter than it should be shows what it is: there is a frame in it, or a record."""
        first, newline, second = head.lstrip().partition("\n")
        if not newline:
            return False
        if START.search(head) is not None or "Envelope" in head or isinstance(_parsed(first), dict):
            return True
        return bool(heading(first)) and "\n" in second

    def _format_of(self, head: str) -> _Format:
        begin = head.lstrip()[:1]
        lines = [line for line in head.split("\n")[:_HEAD_LINES] if line.strip()]
        first = lines[0] if lines else ""
        if begin == "{" or (begin == "[" and START.match(head.lstrip()) is None):
            value = _parsed(first)
            if isinstance(value, dict):
                self.format = "Open OCPP Trace" if is_trace_record(value) else "JSON, one object a line"
                return JsonLines(self._sighted, self._times)
            if value is None and not self._is_text_in_brackets(first):
                self.format = "a JSON document"
                return JsonDocument(self._sighted, self._times)
            if isinstance(value, list):
                if len(lines) > 1 and isinstance(_parsed(lines[1]), list | dict):
                    self.format = "JSON, one array a line"
                    return JsonLines(self._sighted, self._times)
                self.format = "a JSON document"
                return JsonDocument(self._sighted, self._times)
        if begin not in ("<", "{", "["):
            delimiter = ""
            for line in lines[:_HEAD_LINES]:
                delimiter = heading(line) if START.search(line) is None else ""
                if delimiter or START.search(line):
                    break
            delimiter = delimiter or delimiter_of(lines)
            if delimiter:
                self.format = "a table"
                return CsvLog(self._sighted, self._times, delimiter)
        self.format = "text"
        return TextLog(self._sighted, self._times)

    @staticmethod
    def _is_text_in_brackets(line: str) -> bool:
        """``[INFO] 2026-11-21 …`` begins like a JSON array and is none; a long JSON line may be cut in the head."""
        return re.match(r"\s*\[\s*(?:[\"{\[]|\d+\s*,|$|true|false|null|-)", line) is None and line.lstrip()[:1] == "["

    def _nothing_found(self) -> DecodeError:
        if not self._bytes:
            reason = "the log is empty"
        elif self._binary:
            # Nothing was read of it: the file is no source at all.
            reason = "neither a known capture format nor text: there are no lines in which frames could be looked for"
            return DecodeError(0, (), None, "container", reason, bytes(self._start[:64]), self._bytes)
        else:
            reason = (
                f"no OCPP frame was found in {self.lines} lines of what seems to be {self.format}; looked for arrays "
                'like [2,"id","Action",{…}], also escaped or in JSON and CSV, and for SOAP envelopes of OCPP'
            )
        return DecodeError(0, (), None, "log", reason, bytes(self._start[:64]), 0)

    # ------------------------------------------------------------------------------------------------ frames, dated

    def _sighted(self, item: Sighting | DecodeError) -> None:
        if isinstance(item, DecodeError):
            self._out.append(item)
            return
        general = shape(item.station)
        if general and len(self._shapes) < _MAX_SHAPES:
            self._shapes.add(general)
        for sighting in self._twins.feed(item):
            self._date(sighting)

    def _date(self, sighting: Sighting) -> None:
        calendar = self._calendar
        stamp = sighting.stamp
        if self._undated or (stamp is not None and calendar.needs_date(stamp)):
            self._undated.append(sighting)
            self._undated_size += len(sighting.text)
            if stamp is not None and stamp.kind == "date":
                calendar.begin_at(stamp, self._first_stamp())
                self._settle_dates()
            elif (
                calendar.learn(sighting.text, stamp)
                or len(self._undated) >= _MAX_UNDATED
                or self._undated_size > _MAX_UNDATED_SIZE
            ):
                self._settle_dates()
            return
        if stamp is None:
            calendar.learn(sighting.text, None)
        self._hand_on(sighting)

    def _settle_dates(self) -> None:
        if self._undated:
            self._calendar.settle(self._first_stamp())
        while self._undated:
            self._hand_on(self._undated.popleft())
        self._undated_size = 0

    def _first_stamp(self) -> Stamp | None:
        return next((sighting.stamp for sighting in self._undated if sighting.stamp is not None), None)

    def _hand_on(self, sighting: Sighting) -> None:
        if not sighting.station and sighting.lead and self._shapes:
            # Where the log names CP_8, CP_6 is a station too, and no frame that it may have to guess the station of.
            sighting.station = named_alike(sighting.lead, self._shapes)
        stamp = sighting.stamp
        time = self._calendar.resolve(stamp) if stamp is not None else None
        line, last = sighting.line, sighting.last_line
        text = legible(sighting.text) if sighting.problems == ELIDED else sighting.text
        self.frames_found += 1
        self._out.append(
            LoggedFrame(
                time, (line,) if last <= line else (line, last), self.source, sighting.station, sighting.sender,
                sighting.relative, sighting.version, sighting.transport, text, sighting.problems,
            )
        )  # fmt: skip


def _parsed(text: str) -> object:
    try:
        value: object = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value
