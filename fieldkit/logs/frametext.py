r"""Recognising an OCPP-J frame in text, finding its end, and undoing what loggers do to it.

A frame starts like nothing else does: a bracket, a number from 2 to 6, and a text (OCPP 1.6J §4.2, 2.x Part 4 §4.2).
Where it ends is told by the brackets, strings skipped, so that broken JSON has an end too. On the way into a log it
may have been escaped, once or twice (``[2,\"``), quoted for CSV (``[2,""``), encoded for HTML (``[2,&quot;``), or
printed by Python or JavaScript (``[2, '``): all of this is undone.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any, Final, NamedTuple

from fieldkit.events import Problem
from fieldkit.logs.sighting import MAX_FRAME, TRUNCATED

_QUOTE: Final = r"\\{0,7}\"{1,2}|\\{0,7}'|&quot;|&\#34;|&\#x22;"
START: Final = re.compile(
    rf"\[\s{{0,64}}([2-6])\s{{0,64}},\s{{0,64}}(?:({_QUOTE})|(?:-?\d{{1,20}}|null)\s{{0,8}},\s{{0,64}}\\{{0,7}}[\"{{])"
)
"""Group 2 is the quotation mark as it was written, None for an id that is (wrongly) a number or null."""
UNFINISHED_START: Final = re.compile(r"\[\s{0,64}(?:[2-6]\s{0,64}(?:,\s{0,64})?)?\Z")
"""Text that the next line may turn into a start."""

_PLAUSIBLE: Final = re.compile(
    # What may follow "[2," and so on in a broken frame, as far as it goes: the text may end anywhere.
    r"\[\s*(?:"
    r"[26]\s*,\s*(?:\"(?:[^\"\\]|\\.){0,255}(?:\"\s*(?:,\s*(?:\"(?:[A-Za-z].*)?)?)?)?|(?:-?\d+|null)\s*,\s*(?:\"(?:[A-Za-z].*)?)?)"
    r"|3\s*,\s*(?:\"(?:[^\"\\]|\\.){0,255}(?:\"\s*(?:\]|,\s*(?:[{\[\"n,\]].*)?)?)?|(?:-?\d+|null)\s*,\s*(?:\{.*)?)"
    r"|[45]\s*,\s*(?:\"(?:[^\"\\]|\\.){0,255}(?:\"\s*(?:,\s*(?:[\"n].*)?)?)?|(?:-?\d+|null)\s*,\s*(?:\".*)?)"
    r")\Z",
    re.DOTALL,
)

_decode = json.JSONDecoder(strict=False).raw_decode
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class Piece(NamedTuple):
    """A frame cut out of a line."""

    text: str
    end: int
    """Offset behind it in the line; the line's length when it never closes."""
    closed: bool
    problems: tuple[Problem, ...] = ()


def truncated(text: str) -> tuple[Problem, ...]:
    """The problem of a frame that the log does not have whole."""
    return (Problem(TRUNCATED, "", text),)


CUT: Final = truncated("the log has only the beginning of this frame")
ELIDED: Final = truncated("the logger left out the middle of this frame")
SHORTENED: Final = truncated("the logger left out what is nested deeper in this frame")


# ------------------------------------------------------------------------------------------------------ brackets


class Brackets:
    """Counts brackets outside of strings until the first one is closed; text may come in pieces.

    A closing bracket that does not fit is passed over: ``{"key":],"other":[]}`` has been sent.
    """

    __slots__ = ("_expected", "_quote", "_quotes")

    def __init__(self, quotes: str = '"') -> None:
        self._expected: list[str] = []
        self._quote = ""
        self._quotes = quotes

    @property
    def in_string(self) -> bool:
        return bool(self._quote)

    def feed(self, text: str, position: int = 0) -> int:
        """Go on at ``position``; the offset behind the bracket that closes the first one, or -1."""
        expected = self._expected
        outside = _OUTSIDE[self._quotes]
        while True:
            if self._quote:
                end = _STRING_ENDS[self._quote].match(text, position)
                if end is None:
                    return -1
                position = end.end()
                self._quote = ""
            token = outside.search(text, position)
            if token is None:
                return -1
            position = token.end()
            character = token[0]
            closing = _CLOSING.get(character)
            if closing:
                expected.append(closing)
            elif character in "]}":
                if expected and expected[-1] == character:
                    expected.pop()
                    if not expected:
                        return position
            else:
                self._quote = character


_CLOSING: Final = {"[": "]", "{": "}"}
_OUTSIDE: Final = {'"': re.compile(r'["\[\]{}]'), "'\"": re.compile(r"['\"\[\]{}]")}
_STRING_ENDS: Final = {
    '"': re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL),
    "'": re.compile(r"[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL),
}


# ------------------------------------------------------------------------------------------------------- cutting


def is_frame(value: Any) -> bool:
    """Does a parsed JSON value look like an OCPP-J frame? Malformed ones do too."""
    if value.__class__ is not list or not 2 <= len(value) <= 8:
        return False
    kind = value[0]
    if kind.__class__ is not int or not 2 <= kind <= 6 or not isinstance(value[1], str | int | None):
        return False
    has_id = isinstance(value[1], str)
    if len(value) == 2:
        return has_id
    third = value[2]
    if kind == 3:
        return third is None or isinstance(third, dict | list) or (len(value) > 3 and isinstance(third, str))
    return isinstance(third, str) and (kind in (4, 5) or (third[:1].isalpha() if has_id else third[:1].isupper()))


def cut(line: str, start: re.Match[str]) -> Piece | None:
    """Cut out the frame that starts at a match of ``START``; None when it is none after all.

    ``closed`` is False for a frame that the line does not have whole: the next lines may.
    """
    begin = start.start()
    quote = start[2]
    if quote == '""':
        # An empty id begins like a doubled quotation mark; that the rest fits tells them apart.
        piece = _cut_quoted(line, begin, _DOUBLED, lambda text: text.replace('""', '"'))
        if _EMPTY_ID.match(line, start.end()) is None or (piece is not None and not piece.problems):
            return piece
        quote = '"'
    if quote is None or quote == '"':
        try:
            value, end = _decode(line, begin)
        except (ValueError, RecursionError):
            return _cut_broken(line, begin)
        if not is_frame(value):
            return None
        if line.startswith("' [", end) and _is_elided(line, begin, end):
            return Piece(line[begin:end], end, True, ELIDED)
        return Piece(line[begin:end], end, True)
    if quote == "'":
        return _cut_printed(line, begin)
    if quote[0] == "\\":
        return _cut_quoted(line, begin, _ESCAPED, unescape)
    return _cut_quoted(line, begin, _ENCODED, html.unescape)


_EMPTY_ID: Final = re.compile(r"\s{0,8},\s{0,8}[\"{]")
"""What follows an id that is empty."""


def _cut_broken(line: str, begin: int) -> Piece | None:
    end = Brackets().feed(line, begin)
    if end < 0:
        shown = _ELISION.search(line, begin)
        if shown is not None:
            text = line[begin : shown.start()]
            return Piece(text, shown.end(), True, ELIDED) if _PLAUSIBLE.match(text) else None
    text = line[begin:end] if end >= 0 else line[begin:]
    if not _PLAUSIBLE.match(text):
        return None
    return Piece(text, end, True) if end >= 0 else Piece(text, len(line), False)


_ELISION: Final = re.compile(r"(?<=\])['\"] \[\d{1,9} bytes")
_SIZE: Final = re.compile(r"' \[(\d{1,9}) bytes")


def _is_elided(line: str, begin: int, end: int) -> bool:
    """websockets' debug log shows the beginning and end of a long message, "..." between them, and its true size."""
    size = _SIZE.match(line, end)
    return (
        size is not None and "..." in line[begin:end] and int(size[1]) > len(line[begin:end].encode("utf-8", "replace"))
    )


_ELIDED_HEAD: Final = re.compile(
    r'\[\s*[2-6]\s*,\s*"(?:[^"\\.]|\\.|\.(?!\.\.)){0,255}(?:"\s*,\s*"(?:[^"\\.]|\\.|\.(?!\.\.)){0,255})?\.\.\.'
)


def legible(text: str) -> str:
    """A frame without its middle; only its beginning if id or action are not whole, and would be read wrong."""
    head = _ELIDED_HEAD.match(text)
    return text[: head.end()] if head is not None else text


_ESCAPED: Final = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_DOUBLED: Final = re.compile(r'[^"]*(?:""[^"]*)*')
_ENCODED: Final = re.compile(r"[^<\n]*")


def _cut_quoted(line: str, begin: int, content: re.Pattern[str], undo: Any, depth: int = 0) -> Piece | None:
    """A frame inside of something that has its own quotation: undo that, look again."""
    inside = content.match(line, begin)
    assert inside is not None  # all of these patterns match the empty text
    whole = undo(inside[0][:MAX_FRAME])
    again = START.match(whole)
    if again is None:
        return None
    if again[2] is not None and again[2][0] == "\\" and depth < 3:
        piece = _cut_quoted(whole, 0, _ESCAPED, unescape, depth + 1)
    elif again[2] is None or again[2] in ('"', "'", '""'):
        piece = cut(whole, again)
    else:
        return None
    if piece is None:
        return None
    if not piece.closed:
        return Piece(_without_broken_end(piece.text), inside.end(), True, piece.problems or CUT)
    # Quotation changes no brackets: the frame's last one is the same, counted from the front.
    end = begin
    for _ in range(piece.text.count("]")):
        end = line.find("]", end) + 1
        if not end:
            return piece._replace(end=inside.end())
    return piece._replace(end=max(end, begin + 1))


def _without_broken_end(text: str) -> str:
    return text.rstrip("\\\r\n")


def unescape(text: str) -> str:
    """Undo one level of backslashes, broken ones included."""
    try:
        decoded = json.loads(f'"{text}"', strict=False)
    except ValueError:
        return _BACKSLASHED.sub(lambda match: _CONTROLS.get(match[1], match[1]), text)
    return decoded if isinstance(decoded, str) else text


_BACKSLASHED: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t"}


def _cut_printed(line: str, begin: int) -> Piece | None:
    end = Brackets("'\"").feed(line, begin)
    if end < 0:
        return Piece(line[begin:], len(line), False)
    piece = from_printed(line[begin:end], end)
    return piece if piece is not None and _PLAUSIBLE.match(piece.text) else None


_PRINTED: Final = re.compile(
    r"'([^'\\]*(?:\\.[^'\\]*)*)'"
    r"|(\"[^\"\\]*(?:\\.[^\"\\]*)*\")"
    r"|(?<![\w.\"])(None|undefined|True|False)(?![\w.\"])"
    r"|(?<![\w.\"'])([A-Za-z_$][\w$]{0,63})(?=\s{0,8}:)",
    re.DOTALL,
)
_LITERALS: Final = {"None": "null", "undefined": "null", "True": "true", "False": "false"}
_HIDDEN: Final = re.compile(r"\[(?:Object|Array)\]|\.\.\. \d+ more")
_BYTE_ESCAPE: Final = re.compile(r"\\x([0-9a-fA-F]{2})")


def from_printed(text: str, end: int) -> Piece | None:
    """A list as Python's ``repr`` or JavaScript's ``console.log`` prints it, as JSON."""

    def as_json(match: re.Match[str]) -> str:
        single, double, literal, name = match.groups()
        if double is not None:
            return str(double)
        if literal is not None:
            return _LITERALS[literal]
        if name is not None:
            return f'"{name}"'
        single = _BYTE_ESCAPE.sub(r"\\u00\1", single).replace("\\'", "'")
        return '"' + re.sub(r'(?<!\\)"', r"\"", single) + '"'

    converted = _PRINTED.sub(as_json, text)
    if _HIDDEN.search(converted):
        return Piece(converted, end, True, SHORTENED)
    try:
        value = json.loads(converted, strict=False)
    except (ValueError, RecursionError):
        return Piece(converted, end, True)
    return Piece(_dump(value), end, True) if is_frame(value) else None


# ---------------------------------------------------------------------------------------------- several lines


def join(lines: list[str]) -> tuple[str, bool]:
    """A frame that was written over several lines, and whether line breaks inside of it had to be taken out.

    JSON may be broken between its tokens (pretty-printed), and then stays as it is. A log that wraps at a width breaks
    inside of texts and numbers too.
    """
    printed = "\n".join(lines)
    if _is_json(printed, strict=True):
        return printed, False
    wrapped = "".join(line.rstrip("\r") for line in lines)
    if _is_json(wrapped):
        return wrapped, True
    indented = lines[0] + "".join(line.strip() for line in lines[1:])
    if _is_json(indented):
        return indented, True
    return printed, False


def _is_json(text: str, strict: bool = False) -> bool:
    try:
        json.loads(text, strict=strict)
    except (ValueError, RecursionError):
        return False
    return True


def is_plausible(text: str) -> bool:
    """Might this, broken as it is, have been a frame?"""
    return _PLAUSIBLE.match(text) is not None


def ends_whole(text: str) -> str | None:
    """A frame whose brackets do not add up although it was logged to its end: that text; None when it was cut off."""
    stripped = text.rstrip(" \t\r\n'\"`;,.>)")
    return stripped if stripped.endswith("]") and len(stripped) > 6 else None


# ------------------------------------------------------------------------------------------------------ rebuilding


def rebuild(kind: int, id_: Any, action: str, payload: Any, error: tuple[Any, Any, Any] | None = None) -> str:
    """The frame that a log took apart into columns or fields."""
    if kind in (2, 6):
        return _dump([kind, id_, action, {} if payload is None else payload])
    if kind == 3:
        return _dump([3, id_, {} if payload is None else payload])
    code, description, details = error or ("", "", None)
    return _dump([kind, id_, code or "", description or "", {} if details is None else details])
