"""Who has a port open, and what else grabs it.

Two programs on one port share its bytes by chance. The kernel tells who locked it (/proc/locks, for everybody) and, of
the processes one may look into, who has it open; older programs leave lock files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldkit.sources.serial.ports import Roots

MOST_NAMED: Final = 4
_MODEM_MANAGER: Final = "ModemManager"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a port."""

    pid: int
    name: str
    how: str
    """"open", "locked", "lock file"."""

    def __str__(self) -> str:
        return f"{self.name or 'a process'} ({self.pid})"


def holders(device: str, roots: Roots | None = None) -> list[Holder]:
    """The processes that have this port, ourselves not among them."""
    roots = roots or Roots()
    found: dict[int, Holder] = {}
    # What says most comes first: a lock is a claim, to have it open may be a side effect.
    for pid, how in (*_lockers(device, roots), *_lock_files(device, roots), *_openers(device, roots)):
        if pid != os.getpid() and pid not in found:
            found[pid] = Holder(pid, _name(pid, roots), how)
    return sorted(found.values(), key=lambda holder: holder.pid)


def named(found: Sequence[Holder]) -> str:
    """The first of them: what everybody has open (/dev/null) is no list to read."""
    more = len(found) - MOST_NAMED
    return ", ".join(map(str, found[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def modem_manager(device: str, roots: Roots | None = None) -> str:
    """What ModemManager does with this port: "holds it", "may probe it", or nothing."""
    roots = roots or Roots()
    if any(holder.name == _MODEM_MANAGER for holder in holders(device, roots)):
        return "holds it"
    probes = Path(device).name.startswith(("ttyUSB", "ttyACM")) and any(
        _name(pid, roots) == _MODEM_MANAGER for pid in _processes(roots)
    )
    return "may probe it" if probes else ""


def _processes(roots: Roots) -> list[int]:
    try:
        return [int(entry.name) for entry in roots.proc.iterdir() if entry.name.isdecimal()]
    except OSError:
        return []


def _name(pid: int, roots: Roots) -> str:
    try:
        return (roots.proc / str(pid) / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _openers(device: str, roots: Roots) -> list[tuple[int, str]]:
    wanted = {device, str(Path(device).resolve())}
    found: list[tuple[int, str]] = []
    for pid in _processes(roots):
        try:
            with os.scandir(roots.proc / str(pid) / "fd") as entries:
                if any(_link(entry.path) in wanted for entry in entries):
                    found.append((pid, "open"))
        except OSError:
            continue  # somebody else's, or it has just ended
    return found


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""  # closed meanwhile


def _lockers(device: str, roots: Roots) -> list[tuple[int, str]]:
    try:
        status = Path(device).stat()
        lines = (roots.proc / "locks").read_text("ascii", "replace").splitlines()
    except OSError:
        return []
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    found: list[tuple[int, str]] = []
    for line in lines:
        fields = line.split()
        # "1: FLOCK  ADVISORY  WRITE 1234 00:06:301 0 EOF"; what waits for a lock has "->" in the second place.
        if len(fields) >= 6 and fields[1] != "->" and fields[5] == place and fields[4].isdecimal():
            found.append((int(fields[4]), "locked"))
    return found


def _lock_files(device: str, roots: Roots) -> list[tuple[int, str]]:
    """UUCP's: LCK..ttyUSB0 with a process number in it. Read only: they are never made or removed here."""
    found: list[tuple[int, str]] = []
    for directory in roots.locks:
        try:
            data = (directory / f"LCK..{Path(device).name}").read_bytes()
        except OSError:
            continue
        text = data.split()[0] if data.split() else b""
        pid = int(text) if text.isdigit() else int.from_bytes(data[:4], "little") if len(data) == 4 else 0
        # One whose process has ended is stale.
        if pid and (roots.proc / str(pid)).exists():
            found.append((pid, "lock file"))
    return found
