"""What a router told, from a file: of ``fieldkit link --watch --json``, of ``conntrack -E`` or of ``ip monitor``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple, get_args

from fieldkit.links.conntrack import Rebinds, from_text
from fieldkit.links.kernel import MonitorText
from fieldkit.links.reading import mapping, number
from fieldkit.links.uplink import MAX_UPLINKS, Happening, Kind, LinkEvent, Role, Signal, Sim, Uplink

MAX_LINES: Final = 1_000_000
"""Of one file: a conntrack log of a day on a busy router has a fraction of it."""
MAX_LOOKS: Final = 10_000
MAX_TEXT: Final = 400
_KNOWN: Final = frozenset(get_args(Happening))


class NotToldError(ValueError):
    """A file in which no line is of any kind that is known; the text says which are."""


class Told(NamedTuple):
    """What is in such a file."""

    events: list[LinkEvent]
    """In the order of time."""
    looks: list[tuple[int, tuple[Uplink, ...]]]
    """Times at which the router was asked, and the uplinks that it had then."""


def read(lines: Iterable[str], utc_offset: int = 0) -> list[LinkEvent]:
    """All events, in the order of time. ``utc_offset``: seconds of the clock that ``ip -ts monitor`` shows."""
    return read_all(lines, utc_offset).events


def read_all(lines: Iterable[str], utc_offset: int = 0) -> Told:
    """Events and looks."""
    found: list[LinkEvent] = []
    looks: list[tuple[int, tuple[Uplink, ...]]] = []
    rebinds, monitor = Rebinds(), MonitorText(utc_offset)
    understood = 0
    for line in islice(lines, MAX_LINES):
        text = line.rstrip("\n")
        if text.startswith("{"):
            event, look = _of_json(text)
            # A look that is damaged is one all the same: the file is of the right kind.
            understood += event is not None or '"look"' in text[:20]
            found += [event] if event is not None else []
            looks += [look] if look is not None and len(looks) < MAX_LOOKS else []
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
    return Told(sorted(found, key=lambda event: event.time), sorted(looks, key=lambda look: look[0]))


def _of_json(line: str) -> tuple[LinkEvent | None, tuple[int, tuple[Uplink, ...]] | None]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(entry, dict):
        return None, None
    if isinstance(entry.get("look"), dict):
        return None, _look(entry["look"])
    return _event(entry.get("event", entry)), None


def _look(told: dict[str, Any]) -> tuple[int, tuple[Uplink, ...]] | None:
    time, uplinks = _time(told.get("time")), told.get("uplinks")
    if time is None or not isinstance(uplinks, list):
        return None
    return time, tuple(uplink for one in uplinks[:MAX_UPLINKS] if (uplink := _uplink(one)) is not None)


def _uplink(told: object) -> Uplink | None:
    """As ``words.uplink_json`` wrote it; what has another shape is left out."""
    entry = mapping(told)
    name = entry.get("id")
    if not isinstance(name, str) or not name:
        return None
    known: dict[str, Any] = {"id": name[:MAX_TEXT]}
    for field in ("state", "device", "address", "operator", "technology"):
        known[field] = str(entry.get(field) or "")[:MAX_TEXT]
    for field in ("up", "metered", "roaming"):
        known[field] = entry[field] if isinstance(entry.get(field), bool) else None
    for field in ("latency_ms", "loss"):
        known[field] = number(entry.get(field))
    known["kind"] = entry["kind"] if entry.get("kind") in get_args(Kind) else "unknown"
    known["role"] = entry["role"] if entry.get("role") in get_args(Role) else "unknown"
    known["since"] = _time(entry.get("since"))
    signal, sim = mapping(entry.get("signal")), mapping(entry.get("sim"))
    known["signal"] = Signal(**{field.name: number(signal.get(field.name)) for field in fields(Signal)})
    slot = sim.get("slot")
    known["sim"] = Sim(
        slot if isinstance(slot, int) and not isinstance(slot, bool) else None,
        str(sim.get("profile") or "")[:MAX_TEXT],
        str(sim.get("iccid") or "")[:40],
    )
    return Uplink(**known)


def _time(told: object) -> int | None:
    if not isinstance(told, str):
        return None
    try:
        at = datetime.fromisoformat(told)
        # fieldkit writes UTC and says so; without a zone it is not this machine's local time either.
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return round(at.timestamp() * 1_000_000) * 1000
    except (ValueError, OverflowError):
        return None


def _event(told: Any) -> LinkEvent | None:
    if not isinstance(told, dict) or told.get("what") not in _KNOWN:
        return None
    time = _time(told.get("time"))
    if time is None:
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
