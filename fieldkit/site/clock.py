"""How far a station's clock is off: its own timestamps against the time at which they were captured."""

from __future__ import annotations

from typing import Final

from fieldkit.events import OcppMessage


class StationClock:
    """Estimates from the timestamps that station and CSMS write into their messages."""

    ACTIONS: Final = frozenset[str]()

    def __init__(self) -> None:
        self.offset: int | None = None
        """Station's clock minus capture's clock, nanoseconds: the median of fresh timestamps (those of messages that
        can hardly have been queued); None while unknown."""
        self.samples = 0
        self.csms_offset: int | None = None
        """The same of the CSMS, by ``currentTime``."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
