"""Charging profiles in force, and the limit that they give together (1.6 §3.13, 2.x Part 2 K)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from fieldkit.events import OcppMessage

if TYPE_CHECKING:
    from fieldkit.site.transaction import Ledger

MAX_PROFILES: Final = 500
"""Profiles of one station."""


@dataclass(slots=True)
class Profile:
    """A profile that the station accepted."""

    id: int
    connector: str
    """"" for the whole station (connector or EVSE 0)."""
    purpose: str
    stack_level: int
    transaction: str
    kind: str
    unit: Literal["A", "W", ""]
    schedule: Any
    """The chargingSchedule as sent (2.x: the first of them)."""
    set_at: int
    message: OcppMessage


@dataclass(slots=True)
class Limit:
    """What may flow at one moment."""

    value: float
    unit: Literal["A", "W", ""]
    phases: int | None
    profile: Profile
    """The one that decides."""


class ChargingProfiles:
    """One station's profiles."""

    ACTIONS: Final = frozenset[str]()

    def __init__(self) -> None:
        self.profiles: dict[tuple[str, int], Profile] = {}
        """By connector and profile id."""

    def limit(self, connector: str, time: int, transaction_started: int | None) -> list[Limit]:
        """The limits in force (one for each unit, smallest of the purposes), none when no profile applies."""
        return []

    def feed(self, message: OcppMessage, transactions: Ledger) -> None:
        """Take in a CALL or an answer."""
