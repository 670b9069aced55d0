"""Packages of opkg, for RutOS and OpenWrt up to 24.10: a gzipped tar of a version, a control archive and the data."""

from __future__ import annotations

from collections.abc import Mapping

from fieldpack.tree import EXECUTABLE, Tree, gzipped, tarred


def built(tree: Tree, control: str, scripts: Mapping[str, str], conffiles: str = "") -> bytes:
    """A package of this tree. ``control`` lacks only Installed-Size (bytes, as opkg has it)."""
    about = Tree()
    about.file("control", control.rstrip("\n") + f"\nInstalled-Size: {tree.size}\n")
    if conffiles:
        about.file("conffiles", conffiles)
    for name, text in scripts.items():
        about.file(name, text, EXECUTABLE)
    whole = Tree()
    whole.file("debian-binary", "2.0\n")
    whole.file("data.tar.gz", gzipped(tarred(tree)))
    whole.file("control.tar.gz", gzipped(tarred(about)))
    return gzipped(tarred(whole))
