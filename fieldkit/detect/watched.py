"""What is remembered of one station from one minute to the next, for its windows."""

from __future__ import annotations

from dataclasses import dataclass, field

from fieldkit.detect.features import Steps
from fieldkit.detect.sequence import START, Trigrams
from fieldkit.events import Event


@dataclass(slots=True)
class Watched:
    """One station."""

    steps: Steps = field(default_factory=Steps)
    last: tuple[str, str] = (START, START)
    trigrams: Trigrams = field(default_factory=Trigrams)
    heartbeat: int = 0
    readings: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """By connector: time and interval of the last meter values, and their transaction."""
    peaks: dict[str, float] = field(default_factory=dict)
    """By connector: the highest power so far."""
    registers: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    """By transaction: time, register, power of the last reading."""
    phases: dict[str, int] = field(default_factory=dict)
    """By transaction: on how many phases current flowed at the most."""
    waits: dict[str, tuple[str, int, bool]] = field(default_factory=dict)
    """By connector: transaction, since when it says that it charges (0: it does not), whether current has flowed."""
    since: int = 0
    """When it was first seen."""
    booted: int = 0
    evidence: list[Event] = field(default_factory=list)
    """The latest events, for who wants to see what it was about."""
    pinged: int = 0
