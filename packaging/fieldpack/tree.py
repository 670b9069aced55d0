"""What a package installs: files by path, in one order, with nothing of the machine that built it."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

EXECUTABLE = 0o755
PLAIN = 0o644


class Entry(NamedTuple):
    """One thing that is installed."""

    data: bytes = b""
    mode: int = PLAIN
    link: str = ""
    """A symbolic link leads there; then there is no data."""
    folder: bool = False


class Tree:
    """Entries by path, as in ``usr/bin/fieldkit``; folders on the way to a file are there by themselves."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def file(self, path: str, data: bytes | str, mode: int = PLAIN) -> None:
        """A file; text is UTF-8."""
        self._put(path, Entry(data.encode() if isinstance(data, str) else data, mode))

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self._put(path, Entry(link=target, mode=0o777))

    def folder(self, path: str, mode: int = EXECUTABLE) -> None:
        """A folder that must be there though nothing is in it, or with rights of its own."""
        self._put(path, Entry(mode=mode, folder=True))

    def copy(self, source: Path, path: str, wanted: Callable[[str], bool] = lambda path: True) -> None:
        """A file or folder of this machine; of a folder those whose path in it is ``wanted``. Rights are made uniform:
        what somebody may execute, everybody may."""
        if source.is_file():
            self.file(path, source.read_bytes(), EXECUTABLE if os.access(source, os.X_OK) else PLAIN)
            return
        for one in sorted(source.rglob("*")):
            inner = one.relative_to(source).as_posix()
            if not wanted(inner):
                continue
            if one.is_symlink():
                self.link(f"{path}/{inner}", str(one.readlink()))
            elif one.is_file():
                self.copy(one, f"{path}/{inner}")

    def merge(self, other: Tree, under: str = "") -> None:
        """All of another tree, below a folder."""
        for path, entry in other._entries.items():
            self._put(f"{under}/{path}" if under else path, entry)

    def drop(self, unwanted: Callable[[str], bool]) -> None:
        """Leave out what is not wanted."""
        for path in [path for path in self._entries if unwanted(path)]:
            del self._entries[path]

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        """In the order of paths, every folder before what is in it."""
        folders = {
            str(parent): Entry(mode=EXECUTABLE, folder=True)
            for path in self._entries
            for parent in PurePosixPath(path).parents
            if str(parent) != "."
        }
        yield from sorted((folders | self._entries).items())

    def __getitem__(self, path: str) -> Entry:
        return self._entries[path]

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(len(entry.data) for entry in self._entries.values())

    def _put(self, path: str, entry: Entry) -> None:
        clean = PurePosixPath(path)
        if clean.is_absolute() or ".." in clean.parts or str(clean) == ".":
            raise ValueError(f"{path!r} is no path inside a package")
        self._entries[str(clean)] = entry


def header(path: str, entry: Entry) -> tarfile.TarInfo:
    """Its entry in a tar archive: of root, from the beginning of time."""
    info = tarfile.TarInfo(path)
    info.mode, info.uname, info.gname = entry.mode, "root", "root"
    if entry.folder:
        info.type = tarfile.DIRTYPE
    elif entry.link:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
    else:
        info.size = len(entry.data)
    return info


def tarred(tree: Tree, prefix: str = "./") -> bytes:
    """The tree as a tar archive in GNU format, which dpkg, opkg and container tools read."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, entry in tree:
            archive.addfile(header(prefix + path, entry), io.BytesIO(entry.data))
    return made.getvalue()


def gzipped(data: bytes) -> bytes:
    """Compressed, without a time and without a name."""
    return gzip.compress(data, 9, mtime=0)
