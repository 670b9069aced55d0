"""What was heard and sent on a port, as it was: one JSON object a line, for replaying and for evidence.

The first line says what was recorded; then ``{"t": ns, "r": hex}`` for bytes received, ``"s"`` for bytes sent,
and ``"n"`` for what happened to the port. Written by the reader thread itself, so that nothing that a
screen does can lose a byte. What is typed after a password prompt is recorded as a number of hidden bytes.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from fieldkit.sources.serial.settings import parse_line
from fieldkit.sources.serial.trouble import PortError, Reason

FORMAT: Final = "fieldkit-serial"
SCHEMA: Final = 1
SUFFIX: Final = ".serial.jsonl"
_LONGEST_HEAD: Final = 65_536
"""Bytes of a recording's first line; a file of another kind may be one line of gigabytes."""
_LONGEST_LINE: Final = 1 << 20
"""Bytes of any other line; the longest that is written has a block of 64 KiB as hex."""
_END_OF_TIME: Final = 1 << 62
"""Nanoseconds; the year 2116, which every calendar knows."""
_FLUSH: Final = 0.05
"""Seconds that bytes may wait in memory: what a power failure takes."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that came or went in one go."""

    time: int
    """Nanoseconds since the epoch, of the last byte; never goes back within a session."""
    data: bytes
    sent: bool = False
    hidden: int = 0
    """Bytes that were sent and are not recorded."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to the port."""

    time: int
    kind: str
    """"opened", "lost", "waiting", "back", "settings", "scan", "missed", "mark", "blocked", "unblocked", "device"."""
    text: str


Item: TypeAlias = Chunk | Notice


@dataclass(frozen=True, slots=True)
class About:
    """The first line of a recording."""

    port: str
    identity: str
    settings: str
    started: int
    mode: str = "listen"
    dialect: str = ""
    device: str = ""
    """As it was named: "modbus:sdm630@1"."""


class Recording:
    """A file that grows while a port is open."""

    def __init__(self, path: Path, about: About) -> None:
        self.path = path
        self.fault = ""
        """Why it ends before the port does: a full disk."""
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._flushed = time.monotonic()
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise PortError(Reason.SETTINGS, f"the log cannot be written: {path}: {error.strerror}") from error
        head = {"format": FORMAT, "schema": SCHEMA}
        head |= {name: getattr(about, name) for name in About.__slots__}
        self._add(json.dumps(head, ensure_ascii=False))
        self.flush()

    def item(self, item: Item) -> None:
        """Keep it."""
        if isinstance(item, Notice):
            self._add(json.dumps({"t": item.time, "n": item.kind, "text": item.text}, ensure_ascii=False))
            self.flush()
        elif item.hidden:
            self._add(f'{{"t":{item.time},"s":"","hidden":{item.hidden}}}')
        else:
            self._add(f'{{"t":{item.time},"{"s" if item.sent else "r"}":"{item.data.hex()}"}}')
        if time.monotonic() - self._flushed > _FLUSH:
            self.flush()

    def _add(self, line: str) -> None:
        with self._lock:
            self._waiting.append(line)

    def flush(self) -> None:
        """Hand everything to the system."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._flushed = time.monotonic()
            if not waiting or self.fault or self._closed:
                return
            data = memoryview(("\n".join(waiting) + "\n").encode())
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                self.fault = f"{self.path}: {error.strerror}"

    def close(self) -> None:
        self.flush()
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)


def recording_name(port: str, started: int) -> str:
    """A file's name for a session, without its suffix."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(started / 1e9))
    short = port.rpartition("/")[2]
    short = port.removeprefix("/dev/") if len(short) < 3 or "://" in port else short
    safe = "".join(c if c.isalnum() else "-" for c in short).strip("-")[:60] or "port"
    return f"{safe}-{stamp}-{started % 1_000_000_000 // 1_000_000:03d}"


class RecordingError(Exception):
    """A file that is no recording, or a damaged line in one."""


def read_recording(path: Path) -> tuple[About, Iterator[Item]]:
    """The head of a recording, and what it holds. A last line that was cut off by a power failure is left out."""
    with path.open("rb") as file:
        try:
            head = json.loads(file.readline(_LONGEST_HEAD))
        except (ValueError, RecursionError):
            head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise RecordingError(f"{path} is no recording of a serial port (*{SUFFIX})")
    if head.get("schema") != SCHEMA:
        raise RecordingError(f"{path} was recorded by another fieldkit (schema {head.get('schema')})")
    about = _about(head)
    if about is None:
        raise RecordingError(f"{path}: its first line, which says what was recorded, is damaged")

    def items() -> Iterator[Item]:
        with path.open("rb") as file:
            file.readline(_LONGEST_HEAD)
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 2):
                item = _item(line)
                if item is not None:
                    yield item
                elif line.endswith(b"\n") or len(line) == _LONGEST_LINE:
                    raise RecordingError(f"{path}:{number}: this line is damaged")

    return about, items()


def _about(head: dict[str, Any]) -> About | None:
    """The first line, where all is of its kind: it may come from anybody."""
    started = head.get("started", 0)
    texts = {name: head.get(name, "") for name in About.__slots__ if name != "started"}
    if not _is_time(started) or not all(isinstance(text, str) for text in texts.values()):
        return None
    return About(started=started, **texts)


def _is_time(moment: object) -> bool:
    return moment.__class__ is int and 0 <= moment < _END_OF_TIME


def _item(line: bytes) -> Item | None:
    try:
        entry = json.loads(line)
        moment = entry["t"]
        if not _is_time(moment):
            return None
        if "n" in entry:
            notice = Notice(moment, str(entry["n"]), str(entry.get("text", "")))
            if notice.kind in ("settings", "scan"):
                parse_line(notice.text)
            return notice
        if "r" in entry:
            return Chunk(moment, bytes.fromhex(entry["r"]))
        return Chunk(moment, bytes.fromhex(entry["s"]), True, int(entry.get("hidden", 0)))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
