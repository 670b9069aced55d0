"""The files of ``fieldkit cert``: read whole, with the password that some of them need.

A password comes from the terminal, from ``FIELDKIT_P12_PASSWORD`` or from a file descriptor: what stands on a command
line is seen by every user of the machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from fieldkit.cli.options import FileError
from fieldkit.safetext import terminal
from fieldkit.sources.tlsprobe.roots import system_bundle
from fieldkit.trust.bag import Laid
from fieldkit.trust.containers import MAX_FILE, Contents, read_file

VARIABLE: Final = "FIELDKIT_P12_PASSWORD"
MAX_PASSWORD: Final = 4096
"""Bytes that are read of a password."""


class Reader:
    """Reads files, and asks for the password at most once for each."""

    def __init__(self, password_fd: int | None) -> None:
        self._given = _given(password_fd)
        self.failed = 0
        """Files of which nothing could be read."""

    def read(self, name: str) -> Laid | None:
        """None where it cannot be used; a line on stderr says why."""
        try:
            data = _bytes(name)
        except OSError as error:
            self._complain(name, error.strerror or str(error))
            return None
        contents = read_file(data)
        if contents.locked:
            contents = self._unlocked(name, data, contents)
        if contents.problem:
            self._complain(name, contents.problem)
            return None
        if contents.items and all(item.kind == "unreadable" for item in contents.items):
            self._complain(name, contents.items[0].note)
            return None
        return Laid("standard input" if name == "-" else Path(name).name, contents)

    def _unlocked(self, name: str, data: bytes, locked: Contents) -> Contents:
        password = self._given
        if password is None and sys.stdin is not None and sys.stdin.isatty() and name != "-":
            asked = f"Password of {terminal(Path(name).name)}"
            password = click.prompt(asked, hide_input=True, err=True, default="", show_default=False).encode()
        if password is None:
            if not locked.items:
                locked.problem = f"{locked.locked} needs a password: call it on a terminal, or set {VARIABLE}"
            return locked
        opened = read_file(data, password)
        if opened.wrong_password and not opened.problem:
            click.echo(f"fieldkit: {terminal(name)}: the password does not open {locked.locked}", err=True)
            self.failed += 1
        return opened

    def _complain(self, name: str, why: str) -> None:
        self.failed += 1
        click.echo(f"fieldkit: {terminal(name)}: {terminal(why)}", err=True)


def system_store() -> str:
    """Where this machine keeps the roots that it trusts."""
    place = system_bundle()
    if not place:
        raise FileError("--ca system: this machine has no store of roots at a place that is known")
    return place


def anchors(names: Sequence[str]) -> tuple[str, list[Contents]]:
    """What ``--ca`` names: how to call it, and what is in it."""
    found = []
    for name in names:
        place = system_store() if name == "system" else name
        try:
            contents = read_file(_bytes(place))
        except OSError as error:
            raise FileError(f"--ca {name}: {error.strerror or error}") from error
        if contents.problem or not contents.certificates:
            raise FileError(f"--ca {name}: {contents.problem or 'there is no certificate in it'}")
        found.append(contents)
    shown = ["this machine's store" if name == "system" else Path(name).name for name in names]
    return f"the roots in {' and '.join(shown)}", found


def _bytes(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MAX_FILE + 1)
    with Path(name).open("rb") as file:
        return file.read(MAX_FILE + 1)


def _given(password_fd: int | None) -> bytes | None:
    if password_fd is not None:
        try:
            # Not closed: it is the caller's.
            with open(password_fd, "rb", closefd=False) as file:
                return file.readline(MAX_PASSWORD).rstrip(b"\r\n")
        except OSError as error:
            raise click.UsageError(f"--password-fd {password_fd}: {error.strerror or error}") from error
    named = os.environ.get(VARIABLE)
    return None if named is None else named.encode("utf-8", "surrogateescape")
