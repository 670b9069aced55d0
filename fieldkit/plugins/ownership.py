"""Who could change a plugin's code. What root loads must not be a file that somebody else may write."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MAX_FILES: Final = 5000
"""Files of one plugin that are looked at; one that has more is not loaded as root."""


def is_root() -> bool:
    """Whether we could do harm with somebody else's code."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def others_who_write(path: Path) -> str:
    """Why a plugin must not be loaded as root, in one line; empty when only root could have changed it.

    Every directory on the way counts, by the way that leads there and by where it really lies: who may write one may
    put another plugin in this one's place. In a sticky directory of root's (/tmp) what is root's stays.
    """
    try:
        # Lexically: resolve() would take the links away whose directories are to be looked at.
        ways = {Path(os.path.abspath(path)), path.resolve(strict=True)}  # noqa: PTH100
        for way in ways:
            for above in way.parents:
                why = _why(above, on_the_way=True)
                if why:
                    return why
        for number, one in enumerate(_inside(path)):
            if number > MAX_FILES:
                return f"{path} holds more than {MAX_FILES} files"
            why = _why(one, on_the_way=False)
            if why:
                return why
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return ""


def _inside(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        yield from path.rglob("*")


def _why(path: Path, *, on_the_way: bool) -> str:
    told = path.lstat()
    if stat.S_ISLNK(told.st_mode):
        if on_the_way:
            return ""  # its mode says nothing; where it leads is looked at by itself
        target = path.resolve()
        return "" if path.is_dir() or _why(target, on_the_way=False) == "" else _why(target, on_the_way=False)
    if told.st_uid != 0:
        return f"{path} belongs to {_user(told.st_uid)}: as root nothing is loaded from it (chown -R root)"
    if on_the_way and told.st_mode & stat.S_ISVTX:
        return ""
    if told.st_mode & stat.S_IWOTH:
        return f"{path} can be written by everybody: as root nothing is loaded from it (chmod -R go-w)"
    if told.st_mode & stat.S_IWGRP and told.st_gid != 0:
        return f"{path} can be written by its group: as root nothing is loaded from it (chmod -R go-w)"
    return ""


def _user(number: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return f"user {number}"
