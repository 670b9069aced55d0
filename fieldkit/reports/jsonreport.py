"""The document as JSON, for programs: one line, UTF-8, by ``report.schema.json``."""

from __future__ import annotations

import json
from typing import Any

from fieldkit.reports.document import Report


def render(report: Report) -> str:
    """The whole document; what stations sent stands in it as JSON strings, escaped where JSON or UTF-8 ask for it."""
    try:
        text = json.dumps(report, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        # JSON has no word for NaN and the infinities.
        text = json.dumps(_finite(report), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Lone surrogates are legal in JSON text ("\ud800"), but not in UTF-8.
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))) else value
