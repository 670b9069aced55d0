"""Values of the report as they are read on the page."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, Final

from fieldkit.checks.words import SECOND, counted, duration
from fieldkit.reports.document import Rate, Report
from fieldkit.reports.moments import CLOCK_TOLERANCE
from fieldkit.reports.svg import moment, parse_time
from fieldkit.safetext import terminal

MAX_TEXT: Final = 1500
"""Characters of a sentence."""
MAX_CELL: Final = 160
"""Characters of a value in a table: an identity, a URL, an X.509 name."""

NOTHING: Final = "–"
"""Stands in a cell without a value."""

OWNERS: Final = {
    "station": "charging station",
    "csms": "CSMS (back end)",
    "site-network": "site network",
    "uplink": "uplink",
    "pki": "certificates (PKI)",
    "vehicle": "vehicle",
    "operator": "operator",
    "unknown": "not clear who",
}
SEVERITIES: Final = {
    "critical": ("✕", "critical", "Charging or the connection does not work"),
    "warning": ("▲", "warning", "It works badly, or will stop working"),
    "info": ("○", "note", "Worth knowing; nobody has to act"),
    "ok": ("✓", "in order", "Nothing to mend was found"),
    "nothing": ("–", "no OCPP", "Nothing could be judged"),
}
"""Sign, word and meaning."""
SECURITY_PROFILES: Final = {
    0: "0: neither password nor TLS",
    1: "1: password, no TLS",
    2: "2: TLS and password",
    3: "3: TLS with client certificate",
}

_CARRIERS: Final = {"json": "WebSocket (JSON)", "soap": "HTTP (SOAP)"}

_LINK: Final = re.compile(r"(?:https://|\bgithub\.com/)[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{1,400}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.]*(?:Z|[+-]\d\d:\d\d)")
_SIZES: Final = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"))


class Clock:
    """Times as the page shows them: without the date where everything happened on one day."""

    def __init__(self, report: Report) -> None:
        capture = report["capture"]
        days = {
            when.date().isoformat() if (when := _moment(time)) else ""
            for time in (capture["first"], capture["last"])
            if time
        }
        self.day = days.pop() if len(days) == 1 else ""
        """The day of the whole capture, if it is one."""

    def at(self, text: str | None) -> str:
        """To the second; the date with it unless it is the day of the capture."""
        return self._shown(text, "%H:%M:%S")

    def exact(self, text: str | None) -> str:
        """To the millisecond."""
        shown = self._shown(text, "%H:%M:%S.%f")
        return shown[:-3] if shown[-7:-6] == "." else shown

    def date(self, text: str | None) -> str:
        """The day alone."""
        when = _moment(text)
        return f"{when:%Y-%m-%d}" if when else terminal(text or NOTHING, MAX_CELL)

    def full(self, text: str | None) -> str:
        """Always with the date."""
        when = _moment(text)
        return f"{when:%Y-%m-%d %H:%M:%S}" if when else terminal(text or NOTHING, MAX_CELL)

    def span(self, first: str | None, last: str | None) -> str:
        """From one to the other, or the one when they are the same."""
        begin, end = self.at(first), self.at(last)
        if begin == end or end == NOTHING:
            return begin
        return f"{begin} – {end.removeprefix(begin[:11]) if len(begin) > 11 and begin[:11] == end[:11] else end}"

    def value(self, value: object) -> str:
        """A cell that may hold a time."""
        if isinstance(value, str) and _TIME.fullmatch(value):
            return self.at(value)
        return cell(value)

    def _shown(self, text: str | None, time_of_day: str) -> str:
        when = _moment(text)
        if when is None:
            return terminal(text or NOTHING, MAX_CELL)
        return when.strftime(time_of_day if when.date().isoformat() == self.day else f"%Y-%m-%d {time_of_day}")


def cell(value: object, limit: int = MAX_CELL) -> str:
    """A value in a table, "–" for none."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value)
    return terminal(value if isinstance(value, str) else packed(value), limit)


def packed(value: object) -> str:
    """A list or an object in a cell."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, int, float)) for item in value):
        return ", ".join(str(item)[:MAX_CELL] for item in value[:20]) + (" …" if len(value) > 20 else "")
    return json.dumps(value, ensure_ascii=False, default=str)[: MAX_CELL * 2]


def number(value: float | None) -> str:
    """As in "12,345" and "0.25": at most three digits after the point."""
    if value is None:
        return NOTHING
    if isinstance(value, int) or abs(value) >= 1e15:
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    rounded = f"{value:,.3f}"
    return rounded.rstrip("0").rstrip(".")


def milliseconds(value: float | None) -> str:
    """As in "0.4 ms", "12 ms", "3.2 s"."""
    if value is None:
        return NOTHING
    return f"{value:.1f} ms" if value < 10 else duration(value * SECOND / 1000)


def energy(watt_hours: float | None) -> str:
    """As in "12.345 kWh"."""
    if watt_hours is None:
        return NOTHING
    return f"{watt_hours / 1000:,.3f} kWh" if abs(watt_hours) >= 1000 else f"{number(float(watt_hours))} Wh"


def seconds(value: float | None) -> str:
    """As in "12 s", "3 h 20 min"."""
    return NOTHING if value is None else duration(value * SECOND)


def offset(value: float | None) -> str:
    """A station's clock against the capture's."""
    if value is None:
        return NOTHING
    if abs(value) < CLOCK_TOLERANCE:
        return f"right within {CLOCK_TOLERANCE:g} s"
    return f"{duration(value * SECOND)} {'ahead' if value > 0 else 'behind'}"


def size(number_of_bytes: int) -> str:
    """As in "1.2 MB"."""
    for unit, name in _SIZES:
        if number_of_bytes >= unit:
            return f"{number_of_bytes / unit:.1f} {name}"
    return counted(number_of_bytes, "byte")


def carrier(transport: str) -> str:
    """What carries the messages."""
    return _CARRIERS.get(transport, transport)


def share(rate: Rate) -> str:
    """Per cent, never rounded up to all nor down to none."""
    value = rate["share"]
    if value is None:
        return NOTHING
    per_cent = value * 100
    if per_cent in (0, 100) or 1 <= per_cent <= 99:
        return f"{per_cent:.0f} %"
    return f"{int(per_cent * 100) / 100:g} %" if per_cent > 99 else f"{max(per_cent, 0.01):.2g} %"


def pieces(reference: str) -> list[tuple[str, str]]:
    """A reference as (text, address or ""): only https addresses become links."""
    found: list[tuple[str, str]] = []
    position = 0
    reference = reference[:MAX_TEXT]
    for match in _LINK.finditer(reference):
        address = match[0].rstrip(".,;:!?)'")
        if match.start() > position:
            found.append((reference[position : match.start()], ""))
        found.append((address.removeprefix("https://"), "https://" + address.removeprefix("https://")))
        position = match.start() + len(address)
    if position < len(reference):
        found.append((reference[position:], ""))
    return found


def columns(rows: list[dict[str, Any]], limit: int) -> list[str]:
    """The members that flat objects have, in the order in which they come."""
    names: dict[str, None] = {}
    for row in rows:
        if isinstance(row, dict):
            names.update(dict.fromkeys(row))
    return list(names)[:limit]


def _moment(text: str | None) -> datetime | None:
    time = parse_time(text)
    return None if time is None else moment(time)
