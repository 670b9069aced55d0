"""What was looked at before, so that nobody has to know its path twice.

A small file in the user's state folder. Nothing secret can be in it: neither an ssh address nor a proxy's may carry a
password. A home that cannot be written to is no trouble.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldkit.tui.settings import state_folder

MAX_KEPT: Final = 20
MAX_FILE: Final = 1 << 18
"""Bytes of the file that are read."""
_NOT_KEPT: Final = ("demo", "-")
_SCHEMES: Final = ("ssh://", "tzsp://", "proxy://", "agent://")


@dataclass(frozen=True, slots=True)
class Recent:
    """Sources that were looked at together."""

    names: tuple[str, ...]
    time: float
    """Seconds since the epoch."""

    @property
    def is_file(self) -> bool:
        """They are captures or logs."""
        return all(name.startswith("/") for name in self.names)

    @property
    def there(self) -> bool:
        """It can be looked at again, as far as can be told without trying."""
        return not self.is_file or all(Path(name).is_file() for name in self.names)


def recent() -> list[Recent]:
    """The latest first; files that are gone are left out."""
    try:
        found = json.loads(_place().read_bytes()[:MAX_FILE])
    except (OSError, ValueError):
        return []
    entries = []
    for entry in found if isinstance(found, list) else []:
        names = entry.get("names") if isinstance(entry, dict) else None
        when = entry.get("time") if isinstance(entry, dict) else None
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            entries.append(Recent(tuple(names), float(when) if isinstance(when, int | float) else 0.0))
    return [one for one in entries if one.there][:MAX_KEPT]


def remember(names: Sequence[str], now: float | None = None) -> None:
    """These sources are looked at."""
    kept = tuple(_kept(name) for name in names if name not in _NOT_KEPT and not name.startswith("/dev/fd/"))
    if not kept:
        return
    entries = [Recent(kept, time.time() if now is None else now)]
    entries += [one for one in recent() if one.names != kept]
    written = json.dumps([{"names": one.names, "time": one.time} for one in entries[:MAX_KEPT]])
    path = _place()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(written)
        draft.replace(path)
    except OSError:
        return


def _kept(name: str) -> str:
    """Files with their whole path: the next time is elsewhere."""
    if name.startswith(_SCHEMES):
        return name
    path = Path(name)
    return str(path.absolute()) if path.exists() else name


def recordings() -> Path:
    """Where live traffic is saved that nobody named a file for."""
    return state_folder() / "captures"


def new_recording() -> Path:
    """A file for traffic that begins now."""
    return recordings() / time.strftime("%Y%m%d-%H%M%S.pcapng")


def _place() -> Path:
    return state_folder() / "recent.json"
