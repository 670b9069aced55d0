"""The document as JSON, for programs: one line, by ``report.schema.json``.

All but ASCII is written as escapes: ``--json -`` may end up on a terminal, which would obey what a station sent.
"""

from __future__ import annotations

import json
from typing import Any

from fieldkit.reports.document import Report


def render(report: Report) -> str:
    """The whole document."""
    try:
        text = json.dumps(report, allow_nan=False, separators=(",", ":"))
    except ValueError:
        # JSON has no word for NaN and the infinities.
        text = json.dumps(_finite(report), allow_nan=False, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f") + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))) else value
