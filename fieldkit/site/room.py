"""How much of the past each station may keep: the stations of a site share one memory."""

from __future__ import annotations

from typing import Final

SITE_CLOSED: Final = 20_000
"""Ended transactions that are kept of a whole site (about 1 KB each): a busy week of 200 stations, and a router still
has memory for the rest."""
SITE_WHOLE: Final = 1000
"""Of them, so many keep the messages of their start and end whole (some 6 KB each)."""
SITE_CHANGES: Final = 30_000
"""Status changes of all connectors (about 0.5 KB each): of 200 stations with three each the last fifty, some
days."""
SITE_SERIES: Final = 8_000
"""Series of meter values (about 2 KB each, 9 KB when they are long): of 200 stations the last three transactions of
each, besides those that go on."""
SITE_SETTINGS: Final = 100_000
"""Settings (about 0.3 KB each): 2.x stations have up to 1,500, and only few are ever asked for all of them."""
SITE_ORDERS: Final = 2_000
"""Orders to start charging that wait for their transaction (about 1 KB each): nearly all lead to one at once."""

SITE_BOOTS: Final = 4_000
"""Boots with their answers (about 1.5 KB each): of 200 stations the last twenty of each."""
SITE_SAMPLES: Final = 100_000
"""Latencies of each action (8 bytes each; a station uses a dozen actions): of 200 stations the last 500 of each, and
their percentiles are as honest as those of a thousand."""


class Room:
    """Counts the stations and says what is left for each. What was kept before others came is given up by and by."""

    __slots__ = ("connectors", "stations")

    def __init__(self) -> None:
        self.stations = 0
        self.connectors = 0
        """Of all stations: some have one, some dozens."""

    def closed(self, most: int, least: int) -> int:
        """Ended transactions that one station may keep."""
        return self._share(SITE_CLOSED, self.stations, most, least)

    def whole(self, most: int, least: int) -> int:
        """Of the ended ones, those that may keep their messages whole."""
        return self._share(SITE_WHOLE, self.stations, most, least)

    def changes(self, most: int, least: int) -> int:
        """Status changes that one connector may keep."""
        return self._share(SITE_CHANGES, self.connectors, most, least)

    def series(self, most: int, least: int) -> int:
        """Series of meter values that one station may keep."""
        return self._share(SITE_SERIES, self.stations, most, least)

    def settings(self, most: int, least: int) -> int:
        """Settings that one station may keep."""
        return self._share(SITE_SETTINGS, self.stations, most, least)

    def orders(self, most: int, least: int) -> int:
        """Orders of one station that may wait for their transaction."""
        return self._share(SITE_ORDERS, self.stations, most, least)

    def boots(self, most: int, least: int) -> int:
        """Boots that one station may keep."""
        return self._share(SITE_BOOTS, self.stations, most, least)

    def samples(self, most: int, least: int) -> int:
        """Latencies of each action that one station may keep."""
        return self._share(SITE_SAMPLES, self.stations, most, least)

    @staticmethod
    def _share(site: int, among: int, most: int, least: int) -> int:
        return max(least, min(most, site // max(1, among)))
