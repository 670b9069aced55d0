"""Reading what routers answer: numbers that are strings, "--" for nothing, members of any type, text of any length.

The same quantity comes as ``-104``, ``"-104.00"``, ``"-104 dBm"``, ``""``, ``"--"`` or ``"NaN"`` depending on who wrote
the router's scripts. Nothing in here raises on any JSON value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fieldkit.safetext import mask, shorten

MAX_TEXT: Final = 80
"""Characters of a name or state that are kept."""
MAX_RAW: Final = 4096
"""Characters of an answer that was not understood: enough to see its shape, little enough to keep in a report."""
_NOTHING: Final = frozenset({"", "--", "-", "n/a", "na", "none", "null", "nan", "unknown", "unavailable", "invalid"})
_NUMBER: Final = re.compile(r"\s*([-+−]?\d{1,15}(?:[.,]\d{1,9})?)(?![\d.])\s*[^\d]{0,12}$")
_IDENTITY: Final = re.compile(
    r"(?i)(\"?\b[\w-]*(?:iccid|imsi|imei|msisdn|esn|meid|eid|equipment[-_]identifier|serial(?:[-_]?number)?)\b\"?"
    r"\s*[:=]\s*\"?)([\w-]{5,40})"
)
_IDENTITY_NAME: Final = re.compile(
    r"[\w-]*(iccid|imsi|imei|msisdn|esn|meid|eid|equipment[-_]identifier|serial([-_]?number)?)"
)
_SECRET_NAME: Final = re.compile(r"[\w-]*(password|passwd|secret|token|ubus_rpc_session|psk|pin)")
_SECRET: Final = re.compile(
    r"(?i)(\"?\b[\w-]*(?:password|passwd|secret|token|ubus_rpc_session|psk|pin)\b\"?\s*[:=]\s*\"?)([^\s\",}]{1,200})"
)


def number(value: object, low: float = -1e12, high: float = 1e12) -> float | None:
    """A number, whatever it is dressed as; None for what is none or cannot be true."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _NUMBER.match(value[:64])
        if match is None:
            return None
        value = float(match[1].replace("−", "-").replace(",", "."))
    if not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if low <= value <= high else None


def whole(value: object, low: int = -(10**12), high: int = 10**12) -> int | None:
    """The same, without a fraction."""
    found = number(value, low, high)
    return int(found) if found is not None and found.is_integer() else None


def truth(value: object) -> bool | None:
    """A yes or no, also as 1, "1", "true", "yes", "on", "up", "enabled"."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("1", "true", "yes", "on", "up", "enabled", "connected"):
            return True
        if word in ("0", "false", "no", "off", "down", "disabled", "disconnected"):
            return False
    return None


def text(value: object, limit: int = MAX_TEXT) -> str:
    """A name or a state; empty for what says nothing. Numbers are as good as their digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**30 else ""
    if not isinstance(value, str):
        return ""
    found = value[: limit * 4].strip()
    return "" if found.lower() in _NOTHING else shorten(found, limit)


def mapping(value: object, *path: str) -> Mapping[str, Any]:
    """The object at a path of members; empty when there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(value: object, limit: int = 64) -> list[Any]:
    """A list's first members; one that should be a list and is none counts as empty."""
    return value[:limit] if isinstance(value, list) else []


def objects(value: object, limit: int = 64) -> list[Mapping[str, Any]]:
    """Those of a list's members that are objects."""
    return [one for one in items(value, limit) if isinstance(one, Mapping)]


def identity(value: object) -> str:
    """An ICCID, IMSI or the like, masked."""
    found = text(value, 40)
    return mask(found) if found else ""


def holders(value: object, *names: str, depth: int = 5, limit: int = 64) -> Iterator[Mapping[str, Any]]:
    """Objects anywhere inside that have all of these members: a shape that moved is found where it went."""
    waiting = [(value, depth)]
    while waiting and limit:
        one, left = waiting.pop()
        if isinstance(one, Mapping):
            if all(name in one for name in names):
                limit -= 1
                yield one
                continue
            inside = list(one.values())[:200]
        else:
            inside = items(one, 200)
        if left:
            waiting += [(child, left - 1) for child in reversed(inside) if isinstance(child, Mapping | list)]


def parsed(answer: str) -> Any:
    """JSON, or None: also where a program wrote a line of talk before it."""
    start = min((place for mark in "{[" if (place := answer.find(mark)) >= 0), default=0)
    for piece in (answer, answer[start:]):
        try:
            return json.loads(piece)
        except (ValueError, RecursionError):
            continue
    return None


def raw(answer: object) -> str:
    """What was not understood, as it is kept: bounded, identities masked, secrets gone."""
    if not isinstance(answer, str):
        try:
            answer = json.dumps(answer, ensure_ascii=False)
        except (ValueError, TypeError, RecursionError):
            answer = repr(type(answer))
    return shorten(masked(answer[: MAX_RAW * 16]), MAX_RAW)


def masked_document(value: Any, depth: int = 60) -> Any:
    """JSON without them, as JSON."""
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for name, one in value.items():
            lower = name.lower() if isinstance(name, str) else ""
            told = (isinstance(one, str) and one not in ("", "--")) or (
                isinstance(one, int) and not isinstance(one, bool)
            )
            if told and _SECRET_NAME.fullmatch(lower):
                found[name] = "***"
            elif told and _IDENTITY_NAME.fullmatch(lower):
                found[name] = mask(str(one))
            elif lower == "own-numbers" and isinstance(one, list):
                found[name] = [mask(str(number)) for number in one]
            else:
                found[name] = masked_document(one, depth - 1) if depth else None
        return found
    if isinstance(value, list):
        return [masked_document(one, depth - 1) for one in value] if depth else []
    return value


def masked(answer: str) -> str:
    """An answer without contract numbers, serial numbers and secrets."""
    document = parsed(answer) if answer.lstrip().startswith(("{", "[")) else None
    if document is not None:
        return json.dumps(masked_document(document), ensure_ascii=False)
    answer = _SECRET.sub(lambda found: f"{found[1]}***" if found[2] not in ("--", "null") else found[0], answer)
    return _IDENTITY.sub(lambda found: found[1] + mask(found[2]), answer)
