"""What must stand in the text of a message that passes a filter: whoever has the texts at hand parses hardly any.

A clue is a piece of text in lower case, found by looking at bytes. That it is there says nothing; that it is not
says that the value asked for cannot be in the message. This holds for messages that nothing is wrong with and of whose
text ``is_odd`` is false: in others the same value may be written in another way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from fieldkit.query.tree import Comparison, Literal, Range
from fieldkit.query.values import Glob, number

Clue: TypeAlias = bytes | re.Pattern[bytes]
"""What to look for."""
Mentions: TypeAlias = Callable[[Any, Clue], bool]
"""Whether this may stand in the text of a message (or of the call of one); False only when it surely does not."""
Clues: TypeAlias = tuple[Clue, ...]
"""One of them stands there. Empty: nobody knows."""

_OF_NUMBERS: Final = frozenset("0123456789.e+-infa")
"""A text of nothing but these may be what Python makes of a number that is written otherwise: 1e-05, inf, nan."""
_NUMBER: Final = re.compile(rb"[:,\[\s]-?\d(?:[\d.]{14}|[\d.]*[eE])")
"""A number that is not written plainly: with an exponent, or with more digits than a float has. Inside a text it is
taken for one as well, which only costs time."""
_SHORTEST: Final = 2
"""A single character stands everywhere."""
_ENDS_RUN: Final = frozenset(".^$\\")
_TOO_HARD: Final = frozenset("()[]{}")


def is_odd(data: bytes) -> bool:
    """Whether a value in this JSON may be spelt otherwise than as itself: by an escape, in letters beyond ASCII that
    mean the same in another case, in another encoding, as a number like 47e2."""
    return not data.isascii() or b"\\" in data or b"\0" in data or _NUMBER.search(data) is not None


def of_word(literal: Literal) -> Clues:
    """Of a text that is looked for in the message as it was sent."""
    return _of_pieces(Glob.of(literal.text, literally=literal.quoted).pieces)


def of_names(names: Iterable[str]) -> Clues:
    """Of keys of which a message must have one."""
    spelt = [name.lower() for name in names]
    if not all(_fits(name) for name in spelt):
        return ()
    # What has another one in it is found with that.
    return tuple({name.encode() for name in spelt if not any(other in name and other != name for other in spelt)})


def of_values(node: Comparison, *, as_sent: bool) -> Clues:
    """Of the values that a comparison asks for. ``as_sent``: of the text itself, and not of what JSON makes of it."""
    if node.operator == "matches":
        return _of_pattern(node.pattern, as_sent=as_sent)
    if node.operator not in ("=", "~", "in"):
        return ()
    found: set[Clue] = set()
    for item in node.items:
        clues = _of_item(item, contained=node.operator == "~", as_sent=as_sent)
        if not clues:
            clues = _of_digit(item, node.what.keys) if node.operator != "~" else ()
        if not clues:
            return ()
        found.update(clues)
    return tuple(found)


def _of_item(item: Literal | Range, *, contained: bool, as_sent: bool) -> Clues:
    if isinstance(item, Range):
        return ()
    wanted = None if item.quoted or contained or as_sent else number(item.text)
    if wanted is not None:
        return _of_pieces([_plainest(item.text)])
    return _of_pieces(Glob.of(item.text, literally=item.quoted).pieces, as_sent=as_sent)


def _of_digit(item: Literal | Range, keys: tuple[str, ...]) -> Clues:
    """A single digit stands everywhere, but not behind a certain key: ``"connectorId": 2``, ``"2"`` too."""
    if not keys or isinstance(item, Range) or item.quoted or number(item.text) is None:
        return ()
    digit = _plainest(item.text)
    if len(digit) > 1 or not all(_fits(key) and key.isalnum() for key in keys):
        return ()
    # Keys and texts are read whatever their letter case; a text may have the sign and the zeros that were asked for.
    return (re.compile(rf'(?:{"|".join(keys)})"\s*:\s*"?[-+0]*{digit}'.lower().encode()),)


def _plainest(text: str) -> str:
    """The digits that are there however a number is written plainly: 7 of 007, +7, 7.0 and 7.00."""
    whole, _, decimals = text.lstrip("+-").partition(".")
    decimals = decimals.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{decimals}" if decimals else "")


def _of_pieces(pieces: Iterable[str], *, as_sent: bool = True) -> Clues:
    """The longest piece that is good for it."""
    good = [piece for piece in pieces if _fits(piece) and (as_sent or not _OF_NUMBERS.issuperset(piece))]
    return (max(good, key=len).encode(),) if good else ()


def _fits(piece: str) -> bool:
    return piece.isascii() and len(piece) >= _SHORTEST


def _of_pattern(pattern: str, *, as_sent: bool) -> Clues:
    """Of a regular expression: a run of plain characters of each of its alternatives. Groups, sets and counts are left
    to the expression."""
    if not _TOO_HARD.isdisjoint(pattern):
        return ()
    found: set[Clue] = set()
    for alternative in pattern.casefold().split("|"):
        clues = _of_pieces(_runs(alternative), as_sent=as_sent)
        if not clues:
            return ()
        found.update(clues)
    return tuple(found)


def _runs(alternative: str) -> list[str]:
    runs = [""]
    at = 0
    while at < len(alternative):
        char, behind = alternative[at], alternative[at + 1 : at + 2]
        at += 1
        if char == "\\":
            at += 1  # an escape, of whatever: its character is left out
        if char in _ENDS_RUN or behind in ("*", "?"):
            runs.append("")  # it may be anything, or not be there
        elif char in "*+?":
            runs.append("")
        else:
            runs[-1] += char
    return runs
