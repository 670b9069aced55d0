"""The connections that are measured: found by number, and by their ports beyond a router; not too many."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from fieldkit.events import Connection
from fieldkit.site.outagebook import Line
from fieldkit.site.pathseen import PathSeen

MAX_PATHS: Final = 3_000
"""Connections that are measured; beyond it the one that was heard least recently is forgotten."""


class Paths:
    """Whatever is kept of a connection goes with it when it is forgotten."""

    def __init__(self) -> None:
        self.forgotten = 0
        """Connections for which there was no room any more."""
        self.by_number: OrderedDict[int, PathSeen] = OrderedDict()
        self.lines: dict[int, Line] = {}
        """Whose it is, where that is known."""
        self.by_port: dict[tuple[str, int, int], int] = {}
        """(server, its port, client's port) → number of the connection that has it."""
        self.twins: dict[int, int] = {}
        """Connection on the site's side → its other side."""
        self._dull: dict[int, None] = {}
        """Of which it is not known that they are a station's: the first to be forgotten."""

    def get(self, number: int) -> PathSeen | None:
        """What is known of a connection."""
        return self.by_number.get(number)

    def of(self, connection: Connection) -> PathSeen:
        """The same; from now on, where it is a new one."""
        path = self.by_number.get(connection.number)
        if path is None:
            if len(self.by_number) >= MAX_PATHS:
                self._forget()
            path = self.by_number[connection.number] = PathSeen(connection)
            self._dull[connection.number] = None
        return path

    def keep(self, number: int) -> None:
        """It is a station's."""
        self._dull.pop(number, None)

    def of_lines(self) -> dict[tuple[str, bool], list[PathSeen]]:
        """By station and side, the oldest first."""
        found: dict[tuple[str, bool], list[PathSeen]] = {}
        for number, path in self.by_number.items():
            line = self.lines.get(number)
            if line is not None:
                found.setdefault((line.station, line.inside), []).append(path)
        return found

    def _forget(self) -> None:
        """The oldest that is no station's; else the oldest of those that ended, else the oldest."""
        number = next(iter(self._dull), None)
        if number is None:
            number = next((number for number, path in self.by_number.items() if path.ended is not None), None)
        if number is None:
            number = next(iter(self.by_number))
        self._dull.pop(number, None)
        path = self.by_number.pop(number)
        self.lines.pop(number, None)
        self.twins.pop(number, None)
        where = port_key(path.connection)
        if self.by_port.get(where) == number:
            del self.by_port[where]
        self.forgotten += 1


def port_key(connection: Connection) -> tuple[str, int, int]:
    """What both sides of a router's NAT agree on, as long as it leaves ports alone."""
    return connection.server.address, connection.server.port, connection.client.port
