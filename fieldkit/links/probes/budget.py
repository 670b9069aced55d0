"""What probes may cost: bytes of an uplink in the last 24 hours, remembered from run to run.

A cron job that starts fieldkit anew every minute would empty a SIM card otherwise.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

DAY: Final = 86_400
HOUR: Final = 3600
METERED: Final = 1_000_000
"""Bytes a day that a metered uplink is probed with, unless the user says otherwise."""
EXPECTED: Final = 12_000
"""Bytes of a probe of which nothing is known yet: DNS, three pings, TLS with a chain of certificates, an upgrade."""
MAX_UPLINKS: Final = 200
MAX_FILE: Final = 1 << 20
_HOUR: Final = re.compile(r"[0-9]{1,9}")


def state_file() -> Path:
    """~/.local/state/fieldkit/probes.json, or where XDG_STATE_HOME says."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "fieldkit" / "probes.json"


class Budget:
    """Of all uplinks of one router."""

    def __init__(self, router: str, *, limit: int = METERED, path: Path | None = None) -> None:
        self.limit = limit
        self._router = router
        self._path = path if path is not None else state_file()
        self._last: dict[str, int] = {}
        self._spent = self._load()
        self._kept = True
        """It is on the disk. A router with a full or read-only one is held to its limit within this run."""

    def may(self, uplink: str, now: float, *, metered: bool) -> bool:
        """Whether one more fits."""
        return not metered or self.spent(uplink, now) + self.expected(uplink) <= self.limit

    def expected(self, uplink: str) -> int:
        """Bytes of the next one: as many as the last one took."""
        return self._last.get(uplink, EXPECTED)

    def spent(self, uplink: str, now: float, seconds: float = DAY) -> int:
        """Bytes in the last 24 hours. They are kept by the hour, of which the oldest counts whole; ``seconds`` 0: those
        since the hour began."""
        hours = self._spent.get(self._key(uplink), {})
        return sum(cost for hour, cost in hours.items() if (hour + 1) * HOUR > now - seconds and hour * HOUR <= now)

    def reserve(self, uplink: str, now: float) -> int:
        """Written down before anything is sent: a probe that is killed has cost something all the same."""
        reserved = self.expected(uplink)
        self._add(uplink, reserved, now)
        return reserved

    def spend(self, uplink: str, cost: int, now: float, reserved: int = 0) -> None:
        """What it has cost in the end, in place of what was ``reserved``."""
        self._last[uplink] = cost
        self._add(uplink, cost - reserved, now)

    def _add(self, uplink: str, cost: int, now: float) -> None:
        if self._kept:  # somebody else may have probed meanwhile
            self._spent = self._load()
        hours = self._spent.setdefault(self._key(uplink), {})
        hour = int(now // HOUR)
        hours[hour] = hours.get(hour, 0) + cost
        for old in [one for one in hours if (one + 1) * HOUR < now - DAY]:
            del hours[old]
        while len(self._spent) > MAX_UPLINKS:
            del self._spent[next(iter(self._spent))]
        self._save()

    def _key(self, uplink: str) -> str:
        return f"{self._router} {uplink}"[:200]

    def _load(self) -> dict[str, dict[int, int]]:
        loaded: Any = None
        with suppress(OSError, ValueError, RecursionError):
            if self._path.stat().st_size <= MAX_FILE:
                loaded = json.loads(self._path.read_text("utf-8"))
        found: dict[str, dict[int, int]] = {}
        for key, hours in loaded.items() if isinstance(loaded, dict) else ():
            if isinstance(hours, dict):
                found[str(key)] = {
                    int(hour): cost for hour, cost in hours.items() if _HOUR.fullmatch(hour) and isinstance(cost, int)
                }
        return found

    def _save(self) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        self._kept = False
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(self._spent), "utf-8")
            fresh.replace(self._path)
            self._kept = True
