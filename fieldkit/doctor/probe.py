"""What a probe finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How it stands with something."""

    WORKS = "works"
    WARNING = "warning"
    """It works, or may not, and something about it will cost somebody time."""
    MISSING = "missing"
    NOTE = "note"
    """Nothing that is wrong: it is not there, and nobody needs it here."""


@dataclass(frozen=True, slots=True)
class Result:
    """One thing looked at."""

    area: str
    name: str
    """Of the thing, in a few words."""
    state: State
    text: str
    """A sentence on what was found."""
    mend: tuple[str, ...] = ()
    """Commands that mend it on this machine, one after the other."""
    needed: bool = False
    """Without it there is no capture."""
