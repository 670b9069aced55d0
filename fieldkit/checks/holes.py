"""Where the capture has holes: what may have been said in one must not be missed by anybody."""

from __future__ import annotations

from typing import Final

from fieldkit.events import DecodeError, OcppMessage
from fieldkit.site.link import Link
from fieldkit.site.picture import Picture

MAX_CONNECTIONS: Final = 4096
"""Connections of which undecodable pieces are remembered (the last ones)."""


class Holes:
    """Counts the holes of each connection: a count that has grown means that something may have been missed."""

    def __init__(self) -> None:
        self._undecoded: dict[int, int] = {}

    def note(self, error: DecodeError) -> None:
        """Something could not be decoded. Of compressed messages whose context is missing, only the first is told."""
        if error.connection is None or not (error.lost or error.layer == "deflate"):
            return
        number = error.connection.number
        self._undecoded[number] = self._undecoded.get(number, 0) + 1
        if len(self._undecoded) > MAX_CONNECTIONS:
            del self._undecoded[next(iter(self._undecoded))]

    def count(self, message: OcppMessage, picture: Picture) -> int:
        """Holes so far in the connection that carried a message; those of a log are unknown, hence 0."""
        link = picture.links.get(message.channel.connection)
        return 0 if link is None else self.of(link)

    def of(self, link: Link) -> int:
        """Holes so far in a connection."""
        return link.gaps + self._undecoded.get(link.connection.number, 0) if self._undecoded else link.gaps
