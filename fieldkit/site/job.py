"""What a station was told to do and takes its time for: firmware, diagnostics, logs, reservations, the local list."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

from fieldkit.events import OcppMessage

MAX_JOBS: Final = 200
"""Jobs of one station that are kept (the last ones)."""


@dataclass(slots=True)
class Job:
    """A firmware update or an upload, from its order to its end."""

    kind: Literal["firmware", "diagnostics", "log"]
    ordered: int | None
    """Time of the CALL that asked for it; None when only its notifications were seen."""
    order: OcppMessage | None
    request_id: str
    location: str
    """The URL without credentials."""
    states: list[tuple[int, str]] = field(default_factory=list)
    """(time, status) as notified, bounded."""
    done: bool = False
    failed: bool = False


class Jobs:
    """One station's jobs."""

    ACTIONS: Final = frozenset[str]()

    def __init__(self) -> None:
        self.jobs: deque[Job] = deque(maxlen=MAX_JOBS)

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
