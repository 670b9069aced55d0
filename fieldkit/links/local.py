"""Questions to the machine that fieldkit runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fieldkit.links.process import Failed, Programs
from fieldkit.links.runner import MAX_NAMES, PATIENCE, Commands, NotHere, RunnerError

MAX_FILE: Final = 256 << 10
"""Bytes of a file: those of /proc and /sys that adapters read have a few hundred."""
_ABSENT: Final = ("Not found", "Object not found", "No data", "Method not found")
"""How ubus says that there is no such thing."""


def absent(error: Failed) -> bool:
    """Whether the bus says that it has no such object or method."""
    return any(words in error.said for words in _ABSENT)


class LocalRunner(Commands):
    """The machine that we run on."""

    name = "this machine"

    def __init__(self) -> None:
        self._programs = Programs()
        self._closed = False

    def reach(self) -> None:
        """We are here."""

    def run(self, *command: str, seconds: float = PATIENCE) -> str:
        """What a program says."""
        try:
            return self._programs.answer(command, seconds)
        except Failed as error:
            if command[0] == "ubus" and absent(error):
                raise NotHere(f"{' '.join(command[-2:])}: there is no such object here") from error
            raise

    def read(self, path: str) -> str:
        """A small file."""
        try:
            with Path(path).open("rb") as file:
                return file.read(MAX_FILE).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotHere(f"{path}: there is no such file here") from error
        except OSError as error:
            raise RunnerError(f"{path}: {error.strerror or error}") from error

    def names(self, path: str) -> list[str]:
        """What is in a directory."""
        try:
            return sorted(entry.name for entry in Path(path).iterdir())[:MAX_NAMES]
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotHere(f"{path}: there is no such directory here") from error
        except OSError as error:
            raise RunnerError(f"{path}: {error.strerror or error}") from error

    def follow(self, *command: str) -> Iterator[str]:
        """The lines of a program that goes on."""
        return self._programs.lines(command)

    def netlink(self, what: str) -> Iterator[tuple[int, bytes]]:
        """What the kernel reports, until ``close``."""
        from fieldkit.links.netlink import listen

        return listen(what, lambda: self._closed)

    def close(self) -> None:
        """End what runs."""
        self._closed = True
        self._programs.close()
