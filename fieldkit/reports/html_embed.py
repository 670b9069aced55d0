"""The report as JSON inside its own page, so that a program can read what a person was sent."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NamedTuple, cast

from fieldkit.reports.document import Report
from fieldkit.safetext import shorten

BUDGET: Final = 400_000
"""Bytes of the embedded document: whoever wants all of it takes the JSON, the page is for people."""

_EMBEDDED: Final = re.compile(r'<template id="fieldkit-report"[^>]*>(.*?)</template>', re.DOTALL)


class _Thinning(NamedTuple):
    rows: int
    """Of every list but those of stations and findings …"""
    text: int
    """… and characters of every text."""


_THINNINGS: Final = (
    _Thinning(400, 2000),
    _Thinning(120, 1000),
    _Thinning(30, 500),
    _Thinning(10, 300),
    _Thinning(3, 200),
    _Thinning(1, 120),
)
_MANY: Final = 1 << 40
_WHOLE: Final = _Thinning(_MANY, _MANY)
_LONG: Final = frozenset({"stations", "findings"})
"""Lists without which the document would say something else; they are cut last."""
_HOPELESS: Final = 0.6
"""Of the length that is expected there must be room for as much, for trying to be worth while."""
_SAMPLE: Final = 24
"""Stations and findings by which it is told how long all of them would be."""


class Embedded(NamedTuple):
    """What stands in the page."""

    text: str
    complete: bool
    """False when lists or texts in it were cut."""


def embed(report: Report, budget: int = BUDGET) -> Embedded:
    """The document as it can stand in a template element, cut where it is too long."""
    share = 1.0
    for thinning in (_WHOLE, *_THINNINGS):
        share = budget / max(_expected(report, thinning), 1)
        # Encoding everything only to find that it is far too long would take seconds on a large site.
        if share < _HOPELESS:
            continue
        text = _encoded(report if thinning is _WHOLE else _thinned(report, thinning))
        if len(text) <= budget:
            return Embedded(text, complete=thinning is _WHOLE)
    text = ""
    while share > 0.001:
        share *= 0.8
        text = _encoded(_thinned(report, _THINNINGS[-1], share))
        if len(text) <= budget:
            break
    return Embedded(text, complete=False)


def _expected(report: Report, thinning: _Thinning) -> float:
    """About how many bytes the document will have, by a sample of its stations and findings."""
    total = 0.0
    for key, value in report.items():
        if key in _LONG and isinstance(value, list) and len(value) > _SAMPLE:
            step = len(value) / _SAMPLE
            sample = [_thin(value[int(number * step)], thinning) for number in range(_SAMPLE)]
            total += len(_encoded(sample)) * step
        elif key not in _LONG and isinstance(value, list) and len(value) > thinning.rows:
            total += len(_encoded(_thin(value[: thinning.rows], thinning)))
        else:
            total += len(_encoded(_thin(value, thinning)))
    return total


def embedded(page: str) -> Report:
    """The document that a page was made from (or as much of it as went in); ValueError when there is none."""
    found = _EMBEDDED.search(page)
    if found is None:
        raise ValueError("this page holds no fieldkit report")
    return cast(Report, json.loads(found[1]))


def _encoded(document: Any) -> str:
    try:
        text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(document), separators=(",", ":"))
    # A template's text is HTML; JSON lets us spell what HTML would take for a tag or an entity differently.
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _finite(value: Any) -> Any:
    """The same without infinities and NaN, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(member) for key, member in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _thinned(report: Report, thinning: _Thinning, share: float = 1.0) -> dict[str, Any]:
    """``share``: of the stations and findings, the first of which are kept."""
    document: dict[str, Any] = {}
    for key, value in report.items():
        if key in _LONG and isinstance(value, list):
            document[key] = [_thin(entry, thinning) for entry in value[: math.ceil(len(value) * min(share, 1.0))]]
        else:
            document[key] = _thin(value, thinning)
    return document


def _thin(value: Any, thinning: _Thinning) -> Any:
    if thinning is _WHOLE:
        return value
    if isinstance(value, str):
        return value if len(value) <= thinning.text else shorten(value, thinning.text)
    if isinstance(value, dict):
        return {key: _thin(member, thinning) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_thin(item, thinning) for item in value[: thinning.rows]]
    return value
