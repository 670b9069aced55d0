"""Rows of serial ports as lines: for a terminal, for a log, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from fieldkit.sources.serial.decoding import Row

STAMPS: Final = ("wall", "delta", "both", "none")
_SIGNS: Final = {"in": "", "prompt": "", "out": "> ", "hex": "", "hex-out": "> ", "decode": "  = ", "reading": "  = "}
_COLOURS: Final = {"out": "cyan", "hex-out": "cyan", "decode": "green", "reading": "green", "notice": "magenta"}


class RowLines:
    """Formats rows, of one port or several; remembers when the last one was."""

    def __init__(
        self, *, stamps: str = "both", utc: bool = False, coloured: bool = False, many: bool = False, date: bool = False
    ) -> None:
        self._stamps, self._utc, self._coloured, self._many, self._date = stamps, utc, coloured, many, date
        self._last: dict[str, int] = {}

    def line(self, port: str, row: Row) -> str:
        """A row in one line that no terminal obeys."""
        before = self._last.get(port, row.time)
        self._last[port] = max(row.time, before)
        parts: list[str] = []
        if self._stamps in ("wall", "both"):
            parts.append(self._wall(row.time))
        if self._stamps in ("delta", "both"):
            parts.append(f"{max(0, row.time - before) / 1e9:+8.3f}")
        if self._many:
            parts.append(f"{terminal(port.rpartition('/')[2]):<8}")
        return " ".join((*parts, self._styled(row)))

    def _styled(self, row: Row) -> str:
        sign = "!! " if row.grave else "-- " if row.kind in ("event", "notice") else _SIGNS[row.kind]
        text = sign + terminal(row.text)
        if not self._coloured:
            return text
        colour = "red" if row.grave else "yellow" if row.kind == "event" else _COLOURS.get(row.kind)
        return click.style(text, fg=colour) if colour else text

    def _wall(self, time: int) -> str:
        moment = datetime.fromtimestamp(time // 1_000_000_000, UTC)
        if not self._utc:
            moment = moment.astimezone()
        return f"{moment:%Y-%m-%d %H:%M:%S}"[0 if self._date else 11 :] + f".{time % 1_000_000_000 // 1_000_000:03d}"


def as_json(port: str, row: Row) -> dict[str, Any]:
    """A row for programs; readings and sightings with all they have."""
    moment = datetime.fromtimestamp(row.time // 1_000_000_000, UTC)
    document: dict[str, Any] = {
        "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{row.time % 1_000_000_000 // 1000:06d}Z",
        "port": port,
        "kind": row.kind,
        "text": row.text,
    }
    if row.grave:
        document["grave"] = True
    if row.event is not None and row.kind in ("reading", "event"):
        from fieldkit.events import ConsoleSighting
        from fieldkit.sources.serial.discreet import discreet

        values = asdict(row.event)
        for name in ("time", "frames", "port", "line"):
            values.pop(name, None)
        if isinstance(row.event, ConsoleSighting):
            values["values"] = {name: discreet(value) for name, value in row.event.values.items()}
        document[row.kind] = values
    return document


def as_json_line(port: str, row: Row) -> str:
    return json.dumps(as_json(port, row), ensure_ascii=False)
