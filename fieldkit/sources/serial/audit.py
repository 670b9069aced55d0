"""Who wrote what into which device: one JSON object a line, only ever added to.

There is no switch that turns it off: where it cannot be written, nothing is sent. Each entry holds the digest of the
one before it, so that a line which was taken out or changed afterwards shows (``intact``).
"""

from __future__ import annotations

import getpass
import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from fieldkit.sources.serial.trouble import RefusedError

SCHEMA: Final = 1


def data_directory() -> Path:
    """Where fieldkit keeps what it records of serial ports, unless told otherwise."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "fieldkit" / "serial"


def default_audit() -> Path:
    """The file every session of this user writes to."""
    return data_directory() / "audit.jsonl"


class Audit:
    """The file, open for appending."""

    def __init__(self, path: Path | None = None, *, operator: str = "") -> None:
        self.path = path or default_audit()
        self.operator = operator or _operator()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise RefusedError(f"{self.path} is no file: what is written to a device is always recorded")
        except OSError as error:
            raise RefusedError(
                f"nothing is written to a device without its record: {self.path}: {error.strerror}"
            ) from error
        self._descriptor = descriptor

    def add(self, what: str, **fields: Any) -> None:
        """One entry; on the disk when this returns. ``RefusedError`` where that fails."""
        entry = {
            "schema": SCHEMA,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "operator": self.operator,
            "what": what,
            **fields,
        }
        try:
            with _locked(self._descriptor):
                entry["previous"] = _digest(_last_line(self._descriptor))
                line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
                os.write(self._descriptor, line.encode())
                os.fsync(self._descriptor)
        except OSError as error:
            raise RefusedError(
                f"the record cannot be written, so nothing is sent: {self.path}: {error.strerror}"
            ) from error

    def entries(self) -> list[Mapping[str, Any]]:
        """All there is, also of earlier sessions; lines that are no entries are left out."""
        found: list[Mapping[str, Any]] = []
        for line in self.path.read_bytes().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the power failed while it was written; ``intact`` tells
            if isinstance(entry, dict):
                found.append(entry)
        return found

    def close(self) -> None:
        os.close(self._descriptor)


def intact(path: Path) -> bool:
    """Whether every entry names the one before it."""
    before = b""
    for line in path.read_bytes().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            return False
        if not isinstance(entry, dict) or entry.get("previous") != _digest(before):
            return False
        before = line
    return True


class _locked:  # noqa: N801  (reads as a word)
    """Two sessions at once take turns."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: one session at a time
            return
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        try:
            import fcntl
        except ImportError:
            return
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


_TAIL: Final = 1 << 16
"""Longer than any entry."""


def _last_line(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    start = max(0, size - _TAIL)
    os.lseek(descriptor, start, os.SEEK_SET)
    lines = os.read(descriptor, size - start).splitlines()
    return lines[-1] if lines else b""


def _digest(line: bytes) -> str:
    return sha256(line).hexdigest()[:32] if line else ""


def _operator() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
