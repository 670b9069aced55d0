"""What a router told, from a file: of ``fieldkit link --watch --json``, of ``conntrack -E`` or of ``ip monitor``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, get_args

from fieldkit.links.conntrack import Rebinds, from_text
from fieldkit.links.kernel import MonitorText
from fieldkit.links.uplink import Happening, LinkEvent

MAX_LINES: Final = 1_000_000
"""Of one file: a conntrack log of a day on a busy router has a fraction of it."""
MAX_TEXT: Final = 400
_KNOWN: Final = frozenset(get_args(Happening))


class NotToldError(ValueError):
    """A file in which no line is of any kind that is known; the text says which are."""


def read(lines: Iterable[str], utc_offset: int = 0) -> list[LinkEvent]:
    """All events, in the order of time. ``utc_offset``: seconds of the clock that ``ip -ts monitor`` shows."""
    found: list[LinkEvent] = []
    rebinds, monitor = Rebinds(), MonitorText(utc_offset)
    understood = 0
    for number, line in enumerate(lines):
        if number >= MAX_LINES:
            break
        text = line.rstrip("\n")
        if text.startswith("{"):
            event = _of_json(text)
            understood += event is not None or '"look"' in text[:20]
            found += [event] if event is not None else []
            continue
        flow = from_text(text)
        if flow is not None:
            understood += 1
            found += rebinds.feed(flow)
            continue
        told = monitor.feed(text)
        understood += bool(told)
        found += told
    if not understood:
        raise NotToldError(
            "holds nothing that a router tells: give what fieldkit link --watch --json FILE,"
            " conntrack -E -o timestamp or ip -ts monitor link address route wrote"
        )
    return sorted(found, key=lambda event: event.time)


def _of_json(line: str) -> LinkEvent | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    told: Any = entry.get("event", entry) if isinstance(entry, dict) else None
    if not isinstance(told, dict) or told.get("what") not in _KNOWN:
        return None
    try:
        at = datetime.fromisoformat(str(told.get("time")))
        time = round(at.timestamp() * 1_000_000) * 1000
    except (ValueError, OverflowError):
        return None
    words = {name: str(told.get(name) or "")[:MAX_TEXT] for name in ("adapter", "uplink", "text", "before", "after")}
    return LinkEvent(
        time,
        words["adapter"],
        told["what"],
        words["uplink"],
        words["text"],
        words["before"],
        words["after"],
        exact=told.get("exact") is True,
    )
