"""How long answers take, by action and by the side that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fieldkit.events import OcppMessage, Sender, Unanswered

MAX_SAMPLES: Final = 4096
"""Latencies kept of one action: beyond it every second one is thrown away, which keeps percentiles honest."""
MAX_ACTIONS: Final = 400
"""Pairs of side and action of one station; OCPP has 90 actions, a hostile station invents more."""


@dataclass(slots=True)
class Percentiles:
    """Of one action, answered by one side; nanoseconds."""

    side: Sender
    """Who answers."""
    action: str
    count: int
    p50: int
    p90: int
    p99: int
    longest: int
    unanswered: int
    """CALLs that this side demonstrably left without an answer."""
    errors: int
    """Answered by a CALLERROR."""


class Latencies:
    """All actions of one station."""

    def feed(self, message: OcppMessage) -> None:
        """Take in an answer."""

    def unanswered(self, event: Unanswered) -> None:
        """Count a CALL that got none."""

    def summary(self) -> list[Percentiles]:
        """One entry for each side and action that was asked, most frequent first."""
        return []
