"""Files that a command writes: whole or not at all, and never over what is being read.

Each is written beside its place under another name and moved there when it is complete, so that whoever looks (a web
server, a pipeline) sees the old one or the new one. What is no regular file (``/dev/stdout``, a pipe) is written to.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

import click

_BUFFER: Final = 1 << 18


class OutputError(click.ClickException):
    """A file cannot be written; the exit status says that the result is not complete."""

    exit_code = 5

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name}: {error.strerror or error}")

    def show(self, file: object = None) -> None:
        click.echo(f"fieldkit: {self.message}", err=True)


def check(name: str, sources: Iterable[str]) -> None:
    """Refuse what cannot be right, before hours are spent on reading."""
    path = Path(name)
    if path.is_dir():
        raise click.UsageError(f"{name} is a directory: name a file in it")
    if not path.parent.is_dir():
        raise click.UsageError(f"{name}: there is no directory {path.parent}")
    if path.exists() and not os.access(path, os.W_OK):
        raise click.UsageError(f"{name}: you may not write to this file")
    if not path.exists() and not os.access(path.parent, os.W_OK):
        raise click.UsageError(f"{name}: you may not write to {path.parent}")
    for source in sources:
        if source != "-" and path.exists() and Path(source).exists() and path.samefile(source):
            raise click.UsageError(f"{name} is one of the sources: it would be overwritten")


class Output:
    """One file being written; it appears when the ``with`` block is left without an exception."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = Path(name)
        self._draft: Path | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> Output:
        try:
            # A link stays one: what it points to is replaced.
            self._path = Path(os.path.realpath(self.name))
            mode = self._path.stat().st_mode if self._path.exists() else stat.S_IFREG
            # Where no other file may be made beside it there is nothing but to write over the old one.
            if stat.S_ISREG(mode) and (not self._path.exists() or os.access(self._path.parent, os.W_OK)):
                import secrets  # hashes and all: nothing that a command which writes no file should wait for

                self._draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.part")
                self._file = self._draft.open("xb", _BUFFER)
                if stat.S_IMODE(mode):
                    self._draft.chmod(stat.S_IMODE(mode))
            else:
                self._file = self._path.open("wb", _BUFFER)
        except OSError as error:
            raise OutputError(self.name, error) from error
        return self

    def write(self, data: bytes) -> None:
        """Append."""
        assert self._file is not None
        try:
            self._file.write(data)
        except OSError as error:
            raise OutputError(self.name, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        try:
            self._file.close()
            if self._draft is not None and kind is None:
                self._draft.replace(self._path)
        except OSError as failure:
            if kind is None:
                self._discard()
                raise OutputError(self.name, failure) from failure
        if kind is not None:
            self._discard()

    def _discard(self) -> None:
        if self._draft is not None:
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)


def save(name: str, data: bytes) -> None:
    """Write a whole file."""
    with Output(name) as output:
        output.write(data)
