"""The stations that are followed: found by who they are, and by where they dial from when they have not said it yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fieldkit.events import Connection
from fieldkit.site.link import Link
from fieldkit.site.outagebook import Line

MAX_LINES: Final = 3_000
"""Stations that are followed."""
MAX_ADDRESSES: Final = 8
"""Of one station (of its site, seen from outside)."""


class Lines:
    """In the order in which they came."""

    def __init__(self) -> None:
        self.forgotten = 0
        """Stations for which there was no room any more."""
        self._lines: dict[tuple[str, bool], Line] = {}
        self._by_address: dict[str, list[Line]] = {}

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines.values())

    def of(self, link: Link, *, inside: bool) -> Line:
        """That of a connection."""
        connection = link.connection
        name = link.station or f"{connection.client.address}:{connection.client.port}"
        key = (name, inside)
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= MAX_LINES:
                self._forget(self._lines.pop(next(iter(self._lines))))
            line = self._lines[key] = Line(name, inside)
        return line

    def _forget(self, gone: Line) -> None:
        for address in gone.addresses:
            lines = self._by_address.get(address, [])
            if gone in lines:
                lines.remove(gone)
            if not lines:
                self._by_address.pop(address, None)
        self.forgotten += 1

    def lives_at(self, line: Line, address: str) -> None:
        """Attempts from this address may be its."""
        lines = self._by_address.setdefault(address, [])
        if line not in lines:
            lines.append(line)
            line.addresses = [*line.addresses, address][-MAX_ADDRESSES:]

    def dialling(self, connection: Connection) -> Line | None:
        """The station that dials here, where there can be no doubt."""
        lines = [
            line for line in self._by_address.get(connection.client.address, ()) if line.port == connection.server.port
        ]
        if len(lines) > 1:
            lines = [line for line in lines if line.lost is not None or (line.path is not None and line.path.pending)]
        return lines[0] if len(lines) == 1 else None
