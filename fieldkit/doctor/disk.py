"""Room for recordings, where they would go."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fieldkit.doctor import machine
from fieldkit.doctor.probe import Result, State

_AREA: Final = "disk"
PLENTY: Final = 1_000_000_000
"""A site with twenty stations makes some 100 MB a day with the usual filter."""
LITTLE: Final = 50_000_000
_RING_FILE: Final = 5_000_000
_MOUNTS: Final = Path("/proc/mounts")


def here() -> Iterable[Result]:
    """The directory in which one stands, where recordings go, and the one for temporary files."""
    places = (Path.cwd(), Path(tempfile.gettempdir()))
    return [room(place) for place in dict.fromkeys(place.resolve() for place in places)]


def room(place: Path) -> Result:
    """How much fits in, and whether it stays."""
    name = str(place)
    try:
        usage = shutil.disk_usage(place)
    except OSError as error:
        return Result(_AREA, name, State.WARNING, f"it cannot be looked at: {error.strerror}")
    if not os.access(place, os.W_OK | os.X_OK):
        return Result(
            _AREA, name, State.NOTE, "this user may not write to it; recordings must go elsewhere", _elsewhere()
        )
    # To files, not to root, whose share is not for recordings.
    text = f"{_amount(usage.free)} free"
    if in_memory(place):
        text += ", in memory: lost when the power goes"
    if usage.free >= PLENTY:
        return Result(_AREA, name, State.WORKS, text)
    files = max(int(usage.free * 0.8) // _RING_FILE, 2)
    if usage.free < LITTLE:
        return Result(_AREA, name, State.MISSING, f"{text}: too little to record", _elsewhere())
    ring = f"{machine.program_line()} capture -w site.pcapng --ring {files}x{_RING_FILE // 1_000_000}MB"
    return Result(_AREA, name, State.WARNING, f"{text}: bound recordings by a ring", (ring,))


def _elsewhere() -> tuple[str, ...]:
    """Home, or the largest file system that can be written to."""
    home = str(Path("~").expanduser())
    if os.access(home, os.W_OK) and shutil.disk_usage(home).free > LITTLE:
        return (f"cd {shlex.quote(home)}",)
    best, largest = "", LITTLE
    for kind, mount in (*_mounts(), ("", tempfile.gettempdir())):
        if kind in ("proc", "sysfs", "devtmpfs", "overlay", "squashfs") or not os.access(mount, os.W_OK):
            continue
        try:
            free = shutil.disk_usage(mount).free
        except OSError:
            continue  # a network drive that is away
        if free > largest:
            best, largest = mount, free
    return (f"cd {best}  # {_amount(largest)} free",) if best else ()


def in_memory(place: Path) -> bool:
    """Whether what is written there is gone when the power is: tmpfs, as /tmp of every OpenWrt."""
    best, kind = "", ""
    for type_, mount in _mounts():
        inside = place == Path(mount) or Path(mount) in place.parents
        if inside and len(mount) >= len(best):
            best, kind = mount, type_
    return kind in ("tmpfs", "ramfs")


def _mounts() -> list[tuple[str, str]]:
    try:
        lines = _MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [(words[2], words[1].replace("\\040", " ")) for line in lines if len(words := line.split()) > 2]


def _amount(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"


PROBES: Final = (here,)
