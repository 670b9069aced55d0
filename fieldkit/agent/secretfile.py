"""Passwords and tokens in files that nobody else can read: never in the configuration, which is mailed around."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fieldkit.config import Table

MAX_SECRET: Final = 4096
"""Bytes: a token has a few hundred."""


class SecretError(ValueError):
    """A secret cannot be used; says what to do, and nothing of the secret."""


def check(path: str) -> None:
    """SecretError for a file that others could read or change: its mode is looked at, its content is not."""
    try:
        told = Path(path).stat()
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror or error}") from None
    if not stat.S_ISREG(told.st_mode):
        raise SecretError(f"{path}: it is no file")
    if told.st_mode & 0o007 or told.st_mode & stat.S_IWGRP:
        raise SecretError(f"{path}: others may read or change it: chmod 600 {path}")
    if hasattr(os, "geteuid") and told.st_uid not in (0, os.geteuid()) and os.geteuid():
        raise SecretError(f"{path}: it belongs to another user: chown it to root or to the agent's user")


def read(path: str) -> bytes:
    """The first line of a file that is fit for it."""
    check(path)
    try:
        with Path(path).open("rb") as file:
            secret = file.read(MAX_SECRET).split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror or error}") from None
    if not secret:
        raise SecretError(f"{path}: its first line is empty")
    return secret


def named(table: Table, key: str) -> str:
    """The path of such a file in a configuration; what is wrong with it is told there."""
    path = table.text(key, pattern=r"/[^\0]*", hint="give an absolute path")
    if path:
        try:
            check(path)
        except SecretError as error:
            table.complain(key, str(error))
    return path
