"""JSON schemas turned into two things: a tree to explain from and a function that accepts quickly.

Only what the schemas of OCPP use (draft-04 and draft-06) is understood: ``type``, ``properties``, ``required``,
``additionalProperties: false``, ``items``, ``minItems``, ``maxItems``, ``enum`` of strings, ``maxLength``,
``minimum``, ``maximum``, ``multipleOf``, ``format`` and ``$ref`` to ``#/definitions``. Anything else loosens the
check and is named in ``CompiledSchema.ignored``; a test holds that to be nothing for every schema there is today.

Why not a general validator: the accept function is a handful of closures, which is 0.01 to 0.6 ms of work for a schema
and 1 to 10 µs for a message. Generated source code was measured to accept nearly twice as fast, and to cost ten times
as much before the first message; most captures show ten actions once and MeterValues a thousand times.

``accept`` errs on one side only: what it lets pass is right, what it does not is for the tree to judge.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fieldkit.ocpp.timestamps import is_rfc3339

if TYPE_CHECKING:
    from fractions import Fraction

Accept: TypeAlias = Callable[[Any], bool]
"""Returns True, or False, or raises TypeError: the latter two mean "look closely"."""

_SILENT: Final = frozenset(
    # Nothing a payload could violate: descriptions, and `additionalItems`, which JSON Schema gives a meaning only
    # beside a list of `items` (draft-06 §6.10); `definitions` are read where they are referred to.
    {"$schema", "$id", "id", "title", "description", "comment", "javaType", "default", "definitions", "additionalItems"}
)
_CHECKED: Final = frozenset(
    {"$ref", "type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems"}
    | {"enum", "maxLength", "minimum", "maximum", "multipleOf", "format"}
)
_TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean"})
_FORMATS: Final = frozenset({"date-time", "uri"})
_DEFINITION: Final = "#/definitions/"

# A scheme, a colon and something, and no space or control character in it (RFC 3986 §3, by far not all of it):
# enough to tell an upload address from a bare file name. Only 1.6 GetDiagnostics and UpdateFirmware ask for one.
_LIKE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20\x7f]+").fullmatch


class SchemaError(ValueError):
    """What was given as a schema is none."""


@dataclass(slots=True)
class Node:
    """One (sub)schema, with its ``$ref`` resolved; the defaults demand nothing."""

    type: str = ""
    properties: Mapping[str, Node] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    closed: bool = False
    """No other properties are allowed."""
    items: Node | None = None
    min_items: int = 0
    max_items: float = math.inf
    choices: tuple[str, ...] = ()
    max_length: float = math.inf
    minimum: float = -math.inf
    maximum: float = math.inf
    step: float | None = None
    """multipleOf."""
    format: str = ""
    whole_floats: bool = True
    """1.0 is an integer: so since draft-06 (§6.25); draft-04 leaves it to the parser, which makes it a float."""


@dataclass(frozen=True, slots=True)
class CompiledSchema:
    """A schema ready for use."""

    root: Node
    accept: Accept
    ignored: frozenset[str]
    """Keywords, or uses of them, that are not understood and therefore not checked."""


def compile_schema(data: bytes) -> CompiledSchema:
    """Read a JSON schema; raise SchemaError when it is not one."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"the schema is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise SchemaError("the schema is not a JSON object")
    reader = _Reader(document)
    try:
        root = reader.node(document)
    except (AttributeError, TypeError, RecursionError) as error:
        raise SchemaError(f"the schema is malformed: {error}") from error
    return CompiledSchema(root, _Builder().accept(root), frozenset(reader.ignored))


class _Reader:
    """Turns one schema document into Nodes; each definition becomes one Node however often it is referred to."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._definitions: dict[str, Any] = document.get("definitions", {})
        self._whole_floats = "draft-04" not in document.get("$schema", "")
        self._known: dict[str, Node] = {}
        self._open: set[str] = set()
        self.ignored: set[str] = set()

    def node(self, schema: dict[str, Any]) -> Node:
        if "$ref" in schema:  # Neighbours of $ref are to be ignored (draft-06 §8).
            return self._definition(schema["$ref"])
        self.ignored.update(schema.keys() - _CHECKED - _SILENT)
        more, items = schema.get("additionalProperties", True), schema.get("items", {})
        one_for_all = self._understood(isinstance(items, dict), "items")
        return Node(
            type=self._one_of(_TYPES, schema, "type"),
            properties={name: self.node(child) for name, child in schema.get("properties", {}).items()},
            required=tuple(schema.get("required", ())),
            closed=self._understood(isinstance(more, bool), "additionalProperties") and not more,
            items=self.node(items) if items and one_for_all else None,
            min_items=schema.get("minItems", 0),
            max_items=schema.get("maxItems", math.inf),
            choices=self._choices(schema.get("enum", ())),
            max_length=schema.get("maxLength", math.inf),
            minimum=schema.get("minimum", -math.inf),
            maximum=schema.get("maximum", math.inf),
            step=schema.get("multipleOf") or None,
            format=self._one_of(_FORMATS, schema, "format"),
            whole_floats=self._whole_floats,
        )

    def _definition(self, reference: str) -> Node:
        name = reference.removeprefix(_DEFINITION)
        if name in self._known:
            return self._known[name]
        # A definition that contains itself would make the depth of a check depend on the payload.
        usable = reference != name and name in self._definitions and name not in self._open
        if not self._understood(usable, "$ref"):
            return Node()
        self._open.add(name)
        self._known[name] = self.node(self._definitions[name])
        self._open.discard(name)
        return self._known[name]

    def _understood(self, fact: bool, keyword: str) -> bool:
        if not fact:
            self.ignored.add(keyword)
        return fact

    def _one_of(self, known: frozenset[str], schema: dict[str, Any], keyword: str) -> str:
        value = schema.get(keyword)
        if value is None or not self._understood(isinstance(value, str) and value in known, keyword):
            return ""
        return str(value)

    def _choices(self, values: Any) -> tuple[str, ...]:
        return tuple(values) if self._understood(all(isinstance(value, str) for value in values), "enum") else ()


class _Builder:
    """Turns Nodes into closures. Types are compared exactly: payloads are what a JSON parser makes."""

    def __init__(self) -> None:
        self._built: dict[int, Accept] = {}

    def accept(self, node: Node) -> Accept:
        if id(node) not in self._built:
            self._built[id(node)] = self._build(node)
        return self._built[id(node)]

    def _build(self, node: Node) -> Accept:
        if node.type == "object":
            return _object(node, {name: self.accept(child) for name, child in node.properties.items()})
        if node.type == "array":
            return _array(node, self.accept(node.items or Node()))
        if node.type == "string":
            return _string(node)
        if node.type in ("integer", "number"):
            return _number(node)
        if node.type == "boolean":
            return lambda value: value is True or value is False
        # Without a type anything goes, unless other keywords ask something of some types: that is left to the tree.
        anything = node == Node(whole_floats=node.whole_floats)
        return lambda value: anything


def _object(node: Node, properties: dict[str, Accept]) -> Accept:
    required, closed, find = node.required, node.closed, properties.get

    def accept(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for name in required:
            if name not in value:
                return False
        for name, child in value.items():
            accepts = find(name)
            if accepts is None:
                if closed:
                    return False
            elif not accepts(child):
                return False
        return True

    return accept


def _array(node: Node, accepts: Accept) -> Accept:
    least, most = node.min_items, node.max_items

    def accept(value: Any) -> bool:
        if type(value) is not list or not least <= len(value) <= most:
            return False
        for child in value:  # noqa: SIM110 - all() with a generator costs twice as much
            if not accepts(child):
                return False
        return True

    return accept


def _string(node: Node) -> Accept:
    tests: list[Accept] = []
    if node.choices:
        # The bare method, no frame of ours around it: enumerations are half of a MeterValues. Numbers are in no set
        # of strings, lists and objects raise TypeError.
        tests.append(frozenset(node.choices).__contains__)
    if node.format == "date-time":
        tests.append(is_rfc3339)  # TypeError unless a string
    if node.format == "uri":
        tests.append(is_like_uri)
    if node.max_length != math.inf:
        most = node.max_length
        tests.append(lambda value: type(value) is str and len(value) <= most)
    if not tests:
        return lambda value: type(value) is str
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _number(node: Node) -> Accept:
    # bool is a subclass of int, but its type is not int: true is never taken for 1.
    least, most, step = node.minimum, node.maximum, node.step
    if node.type == "integer":
        whole_floats = node.whole_floats

        def accept(value: Any) -> bool:
            return (type(value) is int or (whole_floats and type(value) is float and value.is_integer())) and (
                least <= value <= most
            )

    else:

        def accept(value: Any) -> bool:
            return (type(value) is float or type(value) is int) and least <= value <= most

    return accept if step is None else lambda value: accept(value) and is_multiple(value, step)


def is_like_uri(text: str) -> bool:
    """Tell whether a text looks like a URI with a scheme."""
    return _LIKE_URI(text) is not None


def is_multiple(value: float, step: float) -> bool:
    """Tell whether ``value`` is a multiple of ``step`` as the two are written.

    0.3 / 0.1 is 2.9999999999999996 in binary; as decimals, the way they stood in the JSON, it is 3.
    """
    finite = -math.inf < value < math.inf
    return finite and (_as_written(value) / _as_written(step)).denominator == 1


@lru_cache(maxsize=128)
def _as_written(number: float) -> Fraction:
    from fractions import Fraction  # Brings decimal along: 1.6 ms that only a charging profile of 1.6 needs to pay.

    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))
