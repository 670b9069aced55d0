"""Holding a payload against its schema, and saying what is wrong in words a technician can read out.

The schemas come from outside, through a callable. A valid payload costs 1 to 10 µs (``schemacompile``); for another
one the schema is walked with the payload and *everything* that is wrong becomes a Problem. Verdicts agree with what
JSON Schema says, with two additions: ``format: date-time`` is judged strictly (rule ``time.format``, so that "there
is no ``schema.`` problem" keeps meaning that the structure fits), and ``format: uri`` lightly.

A problem's text names the last part of its path only, the path says where that is. Values are quoted where they help
and cannot be a secret: enumerations, times, numbers, booleans. Of a free text (an id token, a password, an upload
address) nothing but its length or type is told.

What the published schemas themselves do, and what therefore is reported or not:

- 1.6: ``limit`` and ``minChargingRate`` are multiples of 0.1. 11.25 A is an error there, not in 2.x.
- 1.6: the core is draft-04, where 1.0 is no integer; the security extension and 2.x are draft-06, where it is one.
- 1.6: lengths are those of the specification, and real serial numbers are longer: the commonest finding there is.
- 1.6: units of MeterValues include Celcius (the specification's slip), Celsius and Hertz; those of StopTransaction
  lack Hertz, so that a frequency which is fine in one is an error in the other.
- 1.6: what may be empty is not always what is meant to be: GetConfiguration.conf ``{}`` fits.
- 2.x: every object is closed, and takes vendors' additions in ``customData`` only, which is open.
- 2.0.1 has next to no number ranges, 2.1 has them: a negative ``connectorId`` shows in 2.1 only.
- 2.x: ``DataTransfer.data`` is anything at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from fieldkit.events import Problem
from fieldkit.ocpp.actions import is_known
from fieldkit.ocpp.schemacompile import CompiledSchema, Node, SchemaError, compile_schema, is_like_uri, is_multiple
from fieldkit.ocpp.timestamps import check_datetime

MAX_PROBLEMS: Final = 20
"""Problems told of one message, the last of them being "and so many more": a page at most."""

MAX_QUOTED: Final = 40
"""Characters of a value or a field name that a text repeats: enough to recognise it, short enough to read out."""

MAX_LISTED: Final = 8
"""Allowed values listed one by one; of longer enumerations the nearest value is named."""

_MIN_BEGINNING: Final = 3
"""Characters that make a beginning: of fewer, too many names begin with them."""

_SIMILARITY: Final = 0.7
"""difflib's measure for "did you mean": at 0.6 it would take "Ampere" for "Percent"."""

_EXPECTED: Final = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}

_PLAIN_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_QUOTED}}}").fullmatch

Path: TypeAlias = tuple[str | int, ...]


class _Fault(NamedTuple):
    """One violation, not yet in words: those are made for the few that are shown."""

    rule: str
    path: Path
    node: Node
    value: Any


class Schemas:
    """Every schema that has been asked for, compiled at first use and kept."""

    def __init__(self, load: Callable[[str, str, bool], bytes | None]) -> None:
        """``load(version, action, answer)`` returns the bytes of a schema, or None when there is none."""
        self._load = load
        self._compiled: dict[tuple[str, str, bool], CompiledSchema | None] = {}
        """Bounded by the table of actions: names that are not in it never get here."""

    def check(self, version: str, action: str, answer: bool, payload: Any) -> tuple[Problem, ...] | None:
        """List what is wrong with a payload; () when nothing is, None when there is no schema to hold it against."""
        try:
            schema = self._compiled[version, action, answer]
        except KeyError:
            schema = self._compile(version, action, answer)
        if schema is None:
            return None
        try:
            fits = schema.accept(payload)
        except TypeError:  # A list or an object where a string belongs: the walk will say so.
            fits = False
        return () if fits else _problems(schema.root, payload)

    def _compile(self, version: str, action: str, answer: bool) -> CompiledSchema | None:
        if not is_known(action, version):
            return None
        data = self._load(version, action, answer)
        try:
            schema = None if data is None else compile_schema(data)
        except SchemaError:
            schema = None  # A damaged file is as good as none: the message counts as not validated.
        self._compiled[version, action, answer] = schema
        return schema


def _problems(root: Node, payload: Any) -> tuple[Problem, ...]:
    faults = _walk(root, payload, ())
    problems = [_in_words(fault) for fault in islice(faults, MAX_PROBLEMS)]
    more = sum(1 for _ in faults)
    if more:
        problems[-1] = Problem("schema.more", "", f"and {more + 1} more problems")
    return tuple(problems)


# ------------------------------------------------------------------------------------------------- finding faults


def _walk(node: Node, value: Any, path: Path) -> Iterator[_Fault]:
    """Yield what is wrong with a value; recursion goes as deep as the schema, never as deep as the payload."""
    if not _has_type(node, value):
        yield _Fault("schema.type", path, node, value)
    elif isinstance(value, dict):
        yield from _walk_object(node, value, path)
    elif isinstance(value, list):
        if len(value) < node.min_items:
            yield _Fault("schema.min-items", path, node, value)
        if len(value) > node.max_items:
            yield _Fault("schema.max-items", path, node, value)
        if node.items is not None:
            for index, child in enumerate(value):
                yield from _walk(node.items, child, (*path, index))
    elif isinstance(value, str):
        yield from _walk_text(node, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < node.minimum:
            yield _Fault("schema.minimum", path, node, value)
        if value > node.maximum:
            yield _Fault("schema.maximum", path, node, value)
        if node.step is not None and not is_multiple(value, node.step):
            yield _Fault("schema.multiple-of", path, node, value)


def _walk_object(node: Node, value: dict[str, Any], path: Path) -> Iterator[_Fault]:
    for name in node.required:
        if name not in value:
            yield _Fault("schema.required", (*path, name), node, value)
    for name, child in value.items():
        property_ = node.properties.get(name)
        if property_ is not None:
            yield from _walk(property_, child, (*path, name))
        elif node.closed:
            yield _Fault("schema.additional", (*path, name), node, value)


def _walk_text(node: Node, value: str, path: Path) -> Iterator[_Fault]:
    if node.choices and value not in node.choices:
        yield _Fault("schema.enum", path, node, value)
    if len(value) > node.max_length:
        yield _Fault("schema.max-length", path, node, value)
    if node.format == "date-time" and check_datetime(value) is not None:
        yield _Fault("time.format", path, node, value)
    if node.format == "uri" and not is_like_uri(value):
        yield _Fault("schema.format", path, node, value)


def _has_type(node: Node, value: Any) -> bool:
    match node.type:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            if isinstance(value, float):
                return node.whole_floats and value.is_integer()
            return isinstance(value, int) and not isinstance(value, bool)
    return True


# ------------------------------------------------------------------------------------------------ putting in words


def _in_words(fault: _Fault) -> Problem:
    return Problem(fault.rule, _dotted(fault.path), _WORDS[fault.rule](fault, _name(fault.path)))


def _missing(fault: _Fault, name: str) -> str:
    return f"{name} is missing"


def _additional(fault: _Fault, name: str) -> str:
    parent = fault.path[:-1]
    absent = tuple(known for known in fault.node.properties if known not in fault.value)
    meant = _nearest(str(fault.path[-1]), absent)
    return f"{name} is not a field of {_name(parent) if parent else 'this message'}" + (
        f" (did you mean {meant}?)" if meant else ""
    )


def _wrong_type(fault: _Fault, name: str) -> str:
    node, value = fault.node, fault.value
    telling = bool(node.choices) or node.type in ("integer", "number", "boolean") or node.format == "date-time"
    return f"{name} must be {_EXPECTED[node.type]}, is {_described(value, telling)}"


def _wrong_choice(fault: _Fault, name: str) -> str:
    choices = fault.node.choices
    if len(choices) <= MAX_LISTED:
        return f"{name} is {_quoted(fault.value)}, which is none of {', '.join(choices)}"
    meant = _nearest(fault.value, choices)
    return f"{name} is {_quoted(fault.value)}, which is none of the {len(choices)} allowed values" + (
        f" (nearest: {meant})" if meant else ""
    )


def _too_long(fault: _Fault, name: str) -> str:
    return f"{name} has {len(fault.value)} characters, at most {fault.node.max_length} are allowed"


def _too_few(fault: _Fault, name: str) -> str:
    return f"{name} has {_counted(len(fault.value))}, at least {fault.node.min_items} needed"


def _too_many(fault: _Fault, name: str) -> str:
    return f"{name} has {_counted(len(fault.value))}, at most {fault.node.max_items} allowed"


def _too_small(fault: _Fault, name: str) -> str:
    return f"{name} is {_number(fault.value)}, must be at least {fault.node.minimum:g}"


def _too_large(fault: _Fault, name: str) -> str:
    return f"{name} is {_number(fault.value)}, must be at most {fault.node.maximum:g}"


def _off_step(fault: _Fault, name: str) -> str:
    return f"{name} is {_number(fault.value)}, must be a multiple of {fault.node.step}"


def _wrong_format(fault: _Fault, name: str) -> str:
    # The address may hold user and password: it is not repeated.
    return f"{name} is not a URI: it must begin with a scheme such as https: and have no spaces"


def _wrong_time(fault: _Fault, name: str) -> str:
    return f"{name} is {_quoted(fault.value)}, which {check_datetime(fault.value)}"


_WORDS: Final[dict[str, Callable[[_Fault, str], str]]] = {
    "schema.required": _missing,
    "schema.additional": _additional,
    "schema.type": _wrong_type,
    "schema.enum": _wrong_choice,
    "schema.max-length": _too_long,
    "schema.min-items": _too_few,
    "schema.max-items": _too_many,
    "schema.minimum": _too_small,
    "schema.maximum": _too_large,
    "schema.multiple-of": _off_step,
    "schema.format": _wrong_format,
    "time.format": _wrong_time,
}


def _dotted(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_field(part)}" for part in path)
    return text.removeprefix(".")


def _name(path: Path) -> str:
    """Return the last name of a path with the indices behind it: what a problem's text is about."""
    last = next((at for at in range(len(path) - 1, -1, -1) if isinstance(path[at], str)), 0)
    return _dotted(path[last:]) or "the payload"


def _field(name: str) -> str:
    """Return a field name as it is when it looks like one, quoted when it does not."""
    return name if _PLAIN_NAME(name) else _quoted(name)


def _quoted(text: str) -> str:
    """Quote a text that came off the wire: cut, and with nothing in it that a screen would obey."""
    shown = "".join(
        f"\\{char}" if char in '"\\' else char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text[:MAX_QUOTED]
    )
    return f'"{shown}…"' if len(text) > MAX_QUOTED else f'"{shown}"'


def _described(value: Any, telling: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the string {_quoted(value)}" if telling else "a string"
    if isinstance(value, int | float):
        return f"the number {_number(value)}" if telling else "a number"
    return "a list" if isinstance(value, list) else "an object"


def _number(value: float) -> str:
    return "one of more than 64 bits" if isinstance(value, int) and value.bit_length() > 64 else repr(value)


def _counted(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries or 'no'} entries"


def _nearest(word: str, candidates: tuple[str, ...]) -> str:
    return _closest(word.lower(), candidates) if len(word) <= MAX_QUOTED else ""


@lru_cache(maxsize=256)  # A station that misspells a field does so in every message; a comparison costs 0.1 ms.
def _closest(lowered: str, candidates: tuple[str, ...]) -> str:
    names = {name.lower(): name for name in candidates}
    # A beginning is a better hint than likeness: Energy.Active.Import resembles Power.Active.Import most.
    begun = [name for name in names if len(lowered) >= _MIN_BEGINNING and name.startswith(lowered)]
    close = begun or get_close_matches(lowered, names, n=1, cutoff=_SIMILARITY)
    return names[close[0]] if close else ""
