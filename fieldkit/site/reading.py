"""Members of a payload, whatever a station or CSMS put there: each function gives a value of one type, or None.

A payload is hostile input: ``{"connectorId": [1]}`` must neither raise nor be taken for connector 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from math import isfinite
from typing import Any, Final

from fieldkit.ocpp.timestamps import read_datetime

MAX_ITEMS: Final = 1000
"""Elements of an array that are looked at: the longest that OCPP sends (local lists aside) are a tenth of it."""
MAX_TEXT: Final = 2000
"""Characters kept of one text: certificates are longer, and nobody keeps those here."""
_WIDEST: Final = 1 << 63
"""Numbers and times (ns) beyond 64 bits are nobody's, and arrays have no room for them."""
_EMPTY: Final[Mapping[str, Any]] = {}


def member(payload: Any, *path: str) -> Any:
    """``payload[path[0]][path[1]]…``; None where there is no such member."""
    for name in path:
        if payload.__class__ is not dict:
            return None
        payload = payload.get(name)
    return payload


def text(payload: Any, *path: str) -> str | None:
    """A text, cut to ``MAX_TEXT``; None for anything else."""
    value = member(payload, *path)
    return value[:MAX_TEXT] if value.__class__ is str else None


def whole(payload: Any, *path: str) -> int | None:
    """A whole number (not a bool, not "1"); None for anything else."""
    value = member(payload, *path)
    if value.__class__ is float and value.is_integer():
        value = int(value)
    return value if value.__class__ is int and -_WIDEST < value < _WIDEST else None


def number(payload: Any, *path: str) -> float | None:
    """A finite number, also one in quotes, as 1.6 writes meter values; None for anything else."""
    return as_number(member(payload, *path))


def as_number(value: Any) -> float | None:
    """The same of what is at hand already."""
    if value.__class__ is str and len(value) <= 40:
        try:
            value = float(value)
        except ValueError:
            return None
    if value.__class__ is int and abs(value) < _WIDEST:
        value = float(value)
    return value if value.__class__ is float and isfinite(value) else None


def flag(payload: Any, *path: str) -> bool | None:
    """True or False; None for anything else."""
    value = member(payload, *path)
    return value if value.__class__ is bool else None


def moment(payload: Any, *path: str) -> int | None:
    """A date-time as nanoseconds since the epoch, read tolerantly; None where it cannot be read."""
    value = member(payload, *path)
    if value.__class__ is not str:
        return None
    found = read_datetime(value)
    return found.time if found is not None and -_WIDEST < found.time < _WIDEST else None


def items(payload: Any, *path: str) -> Iterator[Any]:
    """The elements of an array, the first ``MAX_ITEMS`` of them; nothing for anything else."""
    value = member(payload, *path)
    return islice(value, MAX_ITEMS) if value.__class__ is list else iter(())


def objects(payload: Any, *path: str) -> Iterator[dict[str, Any]]:
    """Those elements of an array that are objects."""
    return (item for item in items(payload, *path) if item.__class__ is dict)


def obj(payload: Any, *path: str) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    value = member(payload, *path)
    return value if value.__class__ is dict else _EMPTY
