"""How much of the past each station may keep: the stations of a site share one memory."""

from __future__ import annotations

from typing import Final

SITE_CLOSED: Final = 20_000
"""Ended transactions that are kept of a whole site (about 1 KB each): a busy week of 200 stations, and a router still
has memory for the rest."""
SITE_WHOLE: Final = 1000
"""Of them, so many keep the messages of their start and end whole (some 6 KB each)."""


class Room:
    """Counts the stations and says what is left for each. What was kept before others came is given up by and by."""

    __slots__ = ("stations",)

    def __init__(self) -> None:
        self.stations = 0

    def closed(self, most: int, least: int) -> int:
        """Ended transactions that one station may keep."""
        return max(least, min(most, SITE_CLOSED // max(1, self.stations)))

    def whole(self, most: int, least: int) -> int:
        """Of the ended ones, those that may keep their messages whole."""
        return max(least, min(most, SITE_WHOLE // max(1, self.stations)))
