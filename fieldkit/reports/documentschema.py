"""The document's JSON Schema, made from ``document``: its types say what there is, its docstrings what it means.

``report.schema.json`` beside this file is what it makes; a test holds the two together. After a change of the document:
``python -m fieldkit.reports.documentschema > fieldkit/reports/report.schema.json``.
"""

from __future__ import annotations

import ast
import inspect
import json
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from fieldkit.reports import document

ID: Final = "urn:fieldkit:report:1"
_TIME: Final = {
    "type": "string",
    "pattern": r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)?$",
    "description": "ISO 8601 in UTC with milliseconds; empty where a log tells no time.",
}
_PLAIN: Final[dict[object, dict[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    Any: {},
}


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of the whole document."""
    words = _docstrings()
    names = [
        name for name, value in vars(document).items() if is_typeddict(value) and value.__module__ == document.__name__
    ]
    definitions = {name: _object(getattr(document, name), words) for name in names}
    root = definitions.pop("Report")
    root["properties"]["schema"] = {"const": document.SCHEMA}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "fieldkit report",
        "description": (document.__doc__ or "").strip(),
        **root,
        "$defs": {"Time": _TIME, **definitions},
    }


def _object(kind: Any, words: dict[str, str]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        member = dict(_of(hint))
        if text := words.get(f"{kind.__name__}.{name}"):
            member["description"] = text
        members[name] = member
    made: dict[str, Any] = {
        "type": "object",
        "properties": members,
        "required": sorted(kind.__required_keys__),
        "additionalProperties": False,
    }
    if text := words.get(kind.__name__):
        made["description"] = text
    return made


def _of(hint: Any) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if is_typeddict(hint):
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if origin is Annotated:
        return {"$ref": "#/$defs/Time"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        return {"anyOf": [_of(argument) for argument in arguments]}
    if origin is list:
        return {"type": "array", "items": _of(arguments[0])}
    if origin is tuple:
        items = [_of(argument) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is dict:
        made = {"type": "object", "additionalProperties": _of(arguments[1])}
        return made if arguments[0] is str else {**made, "propertyNames": _of(arguments[0])}
    raise TypeError(f"the schema has no word for {hint!r}")


def _docstrings() -> dict[str, str]:
    """What stands below a class or member: "Capture.hosts" → its sentence."""
    found: dict[str, str] = {}
    for item in ast.parse(inspect.getsource(document)).body:
        if not isinstance(item, ast.ClassDef):
            continue
        if text := ast.get_docstring(item):
            found[item.name] = text
        for member, below in zip(item.body, item.body[1:], strict=False):
            if (
                isinstance(member, ast.AnnAssign)
                and isinstance(member.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                found[f"{item.name}.{member.target.id}"] = inspect.cleandoc(below.value.value)
    return found


def text() -> str:
    """As the file has it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
