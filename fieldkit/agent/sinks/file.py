"""Findings as JSON lines in a file, which is turned over when it gets too long; ``stdout`` writes the same."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldkit.agent.sinks.shared import Message, SinkError, SinkSettings
from fieldkit.config import Table


@dataclass(frozen=True, slots=True)
class Options:
    """Of [sinks.NAME] with type = "file"."""

    path: str
    size: int
    files: int


def read(table: Table) -> Options:
    """Its table."""
    return Options(
        table.needed("path", pattern=r"/[^\0]*", hint="give an absolute path"),
        table.size("size", "5MB", least=10_000),
        table.whole("files", 3, 1, 100),
    )


def open_sink(settings: SinkSettings, who: tuple[str, str], metrics: Callable[[], str]) -> FileSink:
    """Nothing is opened before there is something to write."""
    return FileSink(settings.options)


def line(message: Message) -> bytes:
    """All but ASCII is escaped: whoever reads it on a terminal must not be told what to do by a station."""
    return json.dumps(message, separators=(",", ":")).replace("\x7f", "\\u007f").encode("ascii") + b"\n"


class FileSink:
    """Writes findings.jsonl; findings.jsonl.1 is the one before."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._path = Path(options.path)
        self._file = -1
        self._size = 0

    def send(self, findings: Sequence[Message]) -> None:
        """All of them or, on a full disk, none: a file ends behind a whole line."""
        data = b"".join(map(line, findings))
        try:
            if self._file < 0:
                self._open()
            if self._size and self._size + len(data) > self._options.size:
                self._turn()
            self._write(data)
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror or error}") from error

    def close(self) -> None:
        """To the disk."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._file).st_size
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            self._write(b"\n")  # the power went in the middle of a line

    def _write(self, data: bytes) -> None:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        os.fdatasync(self._file)
        self._size += done

    def _turn(self) -> None:
        self.close()
        for number in range(self._options.files - 1, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1)
            if newer.exists():
                newer.replace(older)
        if self._options.files == 1:
            self._path.unlink(missing_ok=True)
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
