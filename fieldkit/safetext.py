r"""Untrusted text made safe to show.

Everything a charging station, a CSMS or a console says is hostile input for whatever shows it: a terminal obeys ESC
sequences, Textual and Rich read ``[red]`` as markup, a browser reads ``<script>``, a spreadsheet runs ``=cmd()``. One
function for each kind of reader. None of them drops anything: what cannot be shown as itself is shown as its number
(``\x1b``, ``\u202e``), because a control character in an identity is often the very fault being looked for.

A backslash is left alone, so that ``\x1b`` in the output may also be those four characters: they are harmless.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

ELLIPSIS: Final = "…"
"""Stands for what was cut off."""

_LONG_TOKEN: Final = 8
"""An identity token this long keeps two characters at each end: enough to tell cards apart on a site, and never more
than half of it."""

_SHORT_ESCAPES: Final = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}

_UNSEEN: Final = re.compile(
    # Unicode calls these letters or marks, so str.isprintable() lets them pass; on a screen they are blank or nothing:
    # grapheme joiner, Hangul fillers, Khmer inherent vowels, variation selectors, braille blank.
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
    # More marks on one letter than any orthography stacks: they would be drawn over the lines above and below.
    "|[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f]{4,}"
)

_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What makes a spreadsheet evaluate a cell; some accept the full-width forms."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}(?:[.,][0-9]{1,18})?")

_BRACKET: Final = re.compile(r"(\\*)\[")

_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})

_ZERO_WIDTH: Final = frozenset({"Mn", "Me", "Cf"})


def terminal(text: str, limit: int | None = None) -> str:
    r"""One line of ``text`` that no terminal obeys: controls, direction overrides and invisible characters as ``\x1b``.

    With ``limit`` the result has at most that many characters, the last of them "…" where something was cut off.
    """
    if limit is not None and len(text) > limit:
        text = shorten(text, limit)
    if text.isprintable() and (text.isascii() or not _UNSEEN.search(text)):
        return text
    visible = _UNSEEN.sub(lambda found: "".join(map(_number, found[0])), text)
    visible = "".join([c if c.isprintable() else _number(c) for c in visible])
    return visible if limit is None else shorten(visible, limit)


def html(text: str) -> str:
    """``text`` for HTML, in an element or in a quoted attribute."""
    return terminal(text).translate(_HTML)


def csv_cell(text: str) -> str:
    """``text`` for one CSV cell (the writer still quotes it), with an apostrophe before anything like a formula."""
    safe = terminal(text)
    if safe.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(safe):
        return "'" + safe
    return safe


def markup(text: str) -> str:
    """``text`` inside Textual or Rich markup, where none of its brackets may open a tag."""
    # Rich counts the backslashes before a bracket (an odd number takes its meaning away), Textual looks at the last
    # one only; 2n + 1 satisfies both.
    safe = _BRACKET.sub(r"\1\1\\[", terminal(text))
    # At the very end a backslash would take the meaning away from the tag that the caller writes next.
    return safe + " " if safe.endswith("\\") else safe


def shorten(text: str, limit: int) -> str:
    """``text`` cut to at most ``limit`` characters, "…" being the last of them when something is missing."""
    if len(text) <= limit:
        return text
    return text[: limit - 1] + ELLIPSIS if limit > 0 else ""


def mask(token: str) -> str:
    """An identity token (idTag, idToken) with its middle hidden: "04…7F"; short ones keep their first character."""
    if len(token) >= _LONG_TOKEN:
        return f"{token[:2]}{ELLIPSIS}{token[-2:]}"
    if len(token) >= 2:
        return token[0] + "*" * (len(token) - 1)
    return "*" * len(token)


def display_width(text: str) -> int:
    """How many terminal columns ``text`` takes: two for wide East Asian characters, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _number(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return _SHORT_ESCAPES.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
