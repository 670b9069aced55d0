"""Which uplink carries our messages, what it has carried today, and what it may still carry."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

RESERVED: Final = 0.2
"""Of a budget: kept for critical findings."""
UNKNOWN: Final = "unknown"
DAYS: Final = 2
"""Days that are remembered."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be sent now, in bytes; None: as much as there is."""

    critical: int | None = None
    others: int | None = None

    def takes(self, priority: int, size: int) -> bool:
        """Whether a message may go."""
        left = self.critical if not priority else self.others
        return left is None or size <= left

    def less(self, size: int) -> Room:
        """When it has gone."""
        return Room(
            None if self.critical is None else self.critical - size,
            None if self.others is None else self.others - size,
        )


class Meter:
    """Bytes by uplink and day (UTC)."""

    def __init__(
        self, budgets: Sequence[tuple[str, int]], assume: str, spent: str = "", *, now: Callable[[], float] = time.time
    ) -> None:
        """``budgets`` by kind or id of an uplink; ``assume`` is the kind where nobody tells; ``spent`` as ``text`` has
        it."""
        self._now = now
        self._lock = threading.Lock()
        self._uplinks: list[Mapping[str, Any]] = []
        self._spent: dict[str, dict[str, int]] = _understood(spent)
        self.known = False
        """Somebody has told of uplinks."""
        self.set(budgets, assume)

    def set(self, budgets: Sequence[tuple[str, int]], assume: str) -> None:
        """Another configuration."""
        self._budgets = dict(budgets)
        self._assume = assume

    def look(self, uplinks: Sequence[Mapping[str, Any]]) -> bool:
        """The uplinks as ``fieldkit link --json`` has them; whether our way out is another one now."""
        before = self.name
        self._uplinks = list(uplinks)
        self.known = True
        return self.name != before

    @property
    def active(self) -> Mapping[str, Any]:
        """The uplink that new connections take; empty where that is not known."""
        up = [one for one in self._uplinks if one.get("up") is not False]
        return next((one for one in up if one.get("role") == "active"), up[0] if len(up) == 1 else {})

    @property
    def name(self) -> str:
        """What it is counted under."""
        return str(self.active.get("id") or self._assume or UNKNOWN)

    @property
    def kind(self) -> str:
        """As ``fieldkit link`` names kinds."""
        return str(self.active.get("kind") or self._assume or UNKNOWN)

    @property
    def budget(self) -> int | None:
        """Bytes a day; None: no limit."""
        return self._budgets.get(self.name, self._budgets.get(self.kind))

    @property
    def spent(self) -> int:
        """Bytes of today on this uplink."""
        return self._spent.get(self._today(), {}).get(self.name, 0)

    def spend(self, size: int) -> None:
        """So many bytes have gone out."""
        with self._lock:
            today = self._spent.setdefault(self._today(), {})
            today[self.name] = today.get(self.name, 0) + size
            for day in sorted(self._spent)[:-DAYS]:
                del self._spent[day]

    def room(self) -> Room:
        """What may still go out today."""
        budget = self.budget
        if budget is None:
            return Room()
        left = max(budget - self.spent, 0)
        return Room(left, max(left - int(budget * RESERVED), 0))

    def captures_may_go(self, over: Sequence[str]) -> bool:
        """Whether captures may be sent now: over what costs only where that was said."""
        if not self.active:
            return not self._assume or self._assume in over
        if self.active["id"] in over:
            return True
        told = self.kind in over
        return told and (self.active.get("metered") is not True or self.kind in ("cellular", "satellite"))

    def text(self) -> str:
        """To be remembered."""
        with self._lock:
            return json.dumps(self._spent)

    def _today(self) -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(self._now()))


def _understood(text: str) -> dict[str, dict[str, int]]:
    try:
        told = json.loads(text or "{}")
        return {str(day): {str(name): int(size) for name, size in of.items()} for day, of in told.items()}
    except (ValueError, AttributeError, TypeError):
        return {}
