"""A message taken apart for reading: its fields as a tree, each with the place where it stands in the text.

The text is the one that may be shown: without secrets, tokens masked. Fields are read from that very text, so that a
field and the bytes that are marked for it always belong together, also in a message that is broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from fieldkit.ocpp.placed import Branch, Leaf, TooLongError, read_json, read_xml
from fieldkit.safetext import terminal

MAX_FIELDS: Final = 5000
"""Lines of a tree: the longest honest report has some hundred."""
MAX_VALUE: Final = 2000
"""Characters of one value that are shown."""
MAX_DEPTH: Final = 40
"""Levels that are shown: OCPP has ten, and whoever sends four hundred shall not end a recursion."""


class FieldLine(NamedTuple):
    """One line of the tree."""

    depth: int
    name: str
    value: str
    """Empty for what has lines of its own below."""
    start: int
    end: int
    """Where it stands in the text; both 0 where that is not known."""
    path: str
    """As the filter writes it: ".meterValue[0].timestamp"."""


def fields_of(text: str, *, xml: bool = False) -> list[FieldLine]:
    """The fields in ``text``; none when it cannot be taken apart."""
    try:
        tree, _ = read_xml(text) if xml else read_json(text)
    except TooLongError:
        return []
    lines: list[FieldLine] = []
    for line in _lines(tree, xml):
        lines.append(line)
        if len(lines) >= MAX_FIELDS:
            break
    return _with_spans(lines)


def _lines(tree: Branch, xml: bool) -> Iterator[FieldLine]:
    root: Any = tree
    if not xml and len(tree) == 1 and isinstance(tree[0][1], Branch):
        root = tree[0][1]  # the frame
        items = list(root)
        if items and len(items) >= 3 and all(name is None for name, _ in items):
            names = _names(items)
            for name, (_, value) in zip(names, items, strict=True):
                if name == "payload" and isinstance(value, Branch):
                    yield from _walk(value, 0, "")
                else:
                    yield from _one(name, value, 0, "")
            return
    yield from _walk(root, 0, "")


def _names(items: list[tuple[str | None, Any]]) -> list[str]:
    kind = str(items[0][1])
    if kind in ("2", "6"):
        names = ["message type", "message id", "action", "payload"]
    elif kind == "3":
        names = ["message type", "message id", "payload"]
    else:
        names = ["message type", "message id", "error code", "error description", "error details"]
    return [*names[: len(items)], *(f"element {number}" for number in range(len(names) + 1, len(items) + 1))]


def _walk(branch: Branch, depth: int, path: str) -> Iterator[FieldLine]:
    for number, (name, value) in enumerate(branch):
        below = f"{path}[{number}]" if name is None else f"{path}.{name}"
        yield from _one(f"[{number}]" if name is None else name, value, depth, below)


def _one(name: str, value: Any, depth: int, path: str) -> Iterator[FieldLine]:
    shown = terminal(name, 80)
    if isinstance(value, Leaf):
        yield FieldLine(depth, shown, terminal(str(value), MAX_VALUE), value.start, value.end, path)
        return
    if depth >= MAX_DEPTH:
        yield FieldLine(depth, shown, "(nested too deeply)", 0, 0, path)
        return
    if not value:
        yield FieldLine(depth, shown, "(empty)", 0, 0, path)
        return
    yield FieldLine(depth, shown, "", 0, 0, path)
    yield from _walk(value, depth + 1, path)


def _with_spans(lines: list[FieldLine]) -> list[FieldLine]:
    """What has lines of its own below reaches from the first value in it to the last."""
    spans: dict[int, tuple[int, int]] = {}
    """By depth: of the lines below the one that comes next on the way up."""
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at]
        below = spans.pop(line.depth + 1, None)
        if below is not None and not line.end:
            line = lines[at] = line._replace(start=below[0], end=below[1])
        if line.end:
            start, end = spans.get(line.depth, (line.start, line.end))
            spans[line.depth] = (min(start, line.start), max(end, line.end))
    return lines
