"""Debian packages: an ``ar`` of a version, a control archive and a data archive (deb(5))."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Mapping

from fieldpack.tree import EXECUTABLE, Tree, gzipped, tarred


def built(tree: Tree, control: str, scripts: Mapping[str, str], conffiles: str = "") -> bytes:
    """A package of this tree. ``control`` lacks only Installed-Size; ``scripts`` are postinst, prerm and so on."""
    about = Tree()
    kilobytes = -(-tree.size // 1024)
    about.file("control", control.rstrip("\n") + f"\nInstalled-Size: {kilobytes}\n")
    about.file("md5sums", _sums(tree))
    if conffiles:
        about.file("conffiles", conffiles)
    for name, text in scripts.items():
        about.file(name, text, EXECUTABLE)
    return _ar(
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", gzipped(tarred(about))),
        ("data.tar.xz", lzma.compress(tarred(tree), preset=6)),
    )


def _sums(tree: Tree) -> str:
    """What ``dpkg --verify`` compares with."""
    return "".join(
        f"{hashlib.md5(entry.data, usedforsecurity=False).hexdigest()}  {path}\n"
        for path, entry in tree
        if not entry.folder and not entry.link
    )


def _ar(*members: tuple[str, bytes]) -> bytes:
    made = b"!<arch>\n"
    for name, data in members:
        made += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        made += data + b"\n" * (len(data) % 2)
    return made
