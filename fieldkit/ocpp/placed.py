"""JSON and XML text as a tree of named values that remembers where each value is written, whole or broken.

``json.loads`` and an XML parser tell what a text says but not where, and refuse a broken one. Who wants to change one
value and leave the rest as it was sent, cut off in the middle perhaps, needs both. Names are kept in order and may
repeat, as they may on the wire. No recursion and no second look at any character: the text may be hostile. A tree takes
a hundred times the memory of its text, so no more is read than ``MAX_TEXT`` and ``MAX_TOKENS``.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MAX_TEXT: Final = 128 << 10
"""Characters of a text that is read. Honest messages end far below: stations have buffers of a few ten thousand."""
MAX_TOKENS: Final = 40_000
"""Words and brackets of JSON, tags and texts of XML: a tree of so many takes at most 10 MB and a tenth of a second."""


class TooLongError(ValueError):
    """A text is not read, because its tree would be too large."""


class Leaf(str):
    """A value as it reads, and where it is written."""

    __slots__ = ("end", "scalar", "start")
    start: int
    end: int
    scalar: bool
    """A JSON number, true, false or null."""


class Branch(list["tuple[str | None, Any]"]):
    """Members of a JSON object or array, or children of an XML element: (name, Leaf or Branch)."""

    __slots__ = ("cut",)
    cut: bool
    """The text ended before it was closed."""

    def __init__(self) -> None:
        self.cut = True


class Tree(Branch):
    """All of a text."""

    __slots__ = ("tokens",)
    tokens: int
    """How many the text was made of."""


_JSON_TOKEN: Final = re.compile(
    r'"(?:[^"\\]++|\\.?)*+"?' r"|'(?:[^'\\]++|\\.?)*+'?" r"""|[{}\[\],:]|[^\s"'{}\[\],:]++""", re.DOTALL
)
_JSON_SCALAR: Final = re.compile(r"true|false|null|-?[0-9][0-9.eE+-]*")
_JSON_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)

_XML_TOKEN: Final = re.compile(
    r"<!--.*?(?:-->|(?P<lost>\Z))|<\?.*?(?:\?>|(?P<torn>\Z))|<!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)"
    r"""|<(?P<close>/?)(?P<name>[^\s<>/!?]++)(?P<attributes>(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+)>|(?P<text>[^<]++)""",
    re.DOTALL,
)
_XML_ATTRIBUTE: Final = re.compile(r"""([^\s=<>"'/]{1,200}+)\s{0,9}+=\s{0,9}+("[^"<]*+"|'[^'<]*+')""")
_XML_REFERENCE: Final = re.compile(r"&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot|apos));")
_XML_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_XML_SPECIAL: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})


def read_json(text: str, most: int = MAX_TOKENS) -> tuple[Tree, bool]:
    """A tree of JSON text, and whether every value in it has its name for certain.

    A value that is missing (``"transactionId":,``), a comma too many and an end that was cut off do no harm to that;
    a lost quote, colon or bracket does. ``TooLongError`` where there are more than ``most`` tokens.
    """
    root = _tree(text)
    stack: list[tuple[Branch, str]] = [(root, "[")]
    name: str | None = None
    sound = True
    after_value = False  # where JSON goes on with a comma, a colon or a closing bracket
    count = 0
    for count, found in enumerate(_JSON_TOKEN.finditer(text), 1):
        if count > most:
            raise TooLongError
        token = found[0]
        branch, kind = stack[-1]
        sign = token[0]
        if sign in "{[":
            sound = sound and not after_value and (kind == "[" or name is not None)
            child = Branch()
            branch.append((name, child))
            stack.append((child, sign))
            name, after_value = None, False
        elif sign in "}],":
            if kind == "{" and after_value and branch[-1][0] is None:
                sound = False  # a name without a value
            name = None
            if sign == ",":
                after_value = False
            elif len(stack) > 1 and (kind == "{") == (sign == "}"):
                stack.pop()[0].cut = False
                after_value = True
            else:
                sound = False
        elif sign == ":":
            if kind == "{" and after_value and branch[-1][0] is None and isinstance(branch[-1][1], str):
                name = str(branch.pop()[1])
            else:
                sound = False
            after_value = False
        else:
            sound = sound and not after_value and sign != "'"
            value = _json_string(token) if sign in "\"'" else token
            scalar = sign not in "\"'" and _JSON_SCALAR.fullmatch(token) is not None
            branch.append((name, _leaf(value, found.start(), found.end(), scalar)))
            name, after_value = None, True
    root.tokens = count
    return root, sound


def read_xml(text: str, most: int = MAX_TOKENS) -> tuple[Tree, bool]:
    """A tree of XML text, and whether its tags match.

    Prefixes are dropped, for senders choose them freely. An element's attributes stand before it, under the name "@".
    Entities of the sender's own are not looked up: a document that declares any counts as broken. ``TooLongError``
    where there are more than ``most`` tokens.
    """
    root = _tree(text)
    branches: list[Branch] = [root]
    names, starts = [""], [0]
    written: list[list[str]] = [[]]
    sound = "<!DOCTYPE" not in text and "<!ENTITY" not in text
    end = 0

    def close(stop: int, cut: bool) -> None:
        nonlocal sound
        branch, name, start, characters = branches.pop(), names.pop(), starts.pop(), "".join(written.pop())
        branch.cut = cut
        if branch and characters.strip():
            sound = False  # text between elements: nothing that OCPP has
        branches[-1].append((name, branch or _leaf(characters, start, stop)))

    for found in _XML_TOKEN.finditer(text):
        root.tokens += 1
        if root.tokens > most:
            raise TooLongError
        sound = sound and found.start() == end
        end = found.end()
        if (characters := found["text"]) is not None:
            written[-1].append(xml_unescape(characters))
        elif (characters := found["cdata"]) is not None:
            written[-1].append(characters)
        elif (tag := found["name"]) is None:  # a comment or a processing instruction
            sound = sound and found["lost"] is None and found["torn"] is None
        elif found["close"]:
            if len(names) > 1 and names[-1] == tag.rpartition(":")[2]:
                close(found.start(), cut=False)
            else:
                sound = False
        else:
            if attributes := _xml_attributes(text, *found.span("attributes")):
                root.tokens += len(attributes)
                branches[-1].append(("@", attributes))
            if not found["attributes"].endswith("/"):
                branches.append(Branch())
                names.append(tag.rpartition(":")[2])
                starts.append(end)
                written.append([])
    sound = sound and end == len(text)
    while len(branches) > 1:
        close(len(text), cut=True)
    return root, sound


def xml_escape(text: str) -> str:
    """``text`` for an XML element or attribute."""
    return text.translate(_XML_SPECIAL)


def xml_unescape(text: str) -> str:
    """``text`` with the references undone that need no declaration."""
    return _XML_REFERENCE.sub(_referred, text) if "&" in text else text


def _tree(text: str) -> Tree:
    if len(text) > MAX_TEXT:
        raise TooLongError
    root = Tree()
    root.tokens = 0
    return root


def _leaf(text: str, start: int, end: int, scalar: bool = False) -> Leaf:
    leaf = Leaf(text)
    leaf.start, leaf.end, leaf.scalar = start, end, scalar
    return leaf


def _json_string(literal: str) -> str:
    if "\\" not in literal:
        return literal[1:-1] if len(literal) > 1 and literal[-1] == literal[0] else literal[1:]
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:  # not ended, or with an escape that JSON does not have
        return _JSON_ESCAPE.sub(_escaped, literal[1:].removesuffix(literal[0]))


def _escaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else {"n": "\n", "r": "\r", "t": "\t"}.get(code, code)


def _xml_attributes(text: str, start: int, end: int) -> Branch:
    attributes = Branch()
    attributes.cut = False
    for found in _XML_ATTRIBUTE.finditer(text, start, end):
        value = xml_unescape(found[2][1:-1])
        attributes.append((found[1].rpartition(":")[2], _leaf(value, found.start(2) + 1, found.end(2) - 1)))
    return attributes


def _referred(found: re.Match[str]) -> str:
    if found[3]:
        return _XML_NAMED[found[3]]
    code = int(found[1], 16) if found[1] else int(found[2])
    return chr(code) if code <= 0x10FFFF else "\ufffd"
