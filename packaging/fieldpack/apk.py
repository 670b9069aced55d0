"""Packages of apk-tools, for OpenWrt 25.12: two gzipped tar archives behind each other, control and data.

This is format 2, which apk-tools 2 and 3 install; it is not signed, so that ``--allow-untrusted`` is needed, or a
feed of one's own that signs.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping

from fieldpack.tree import EXECUTABLE, Tree, gzipped, header

_BLOCK = 512


def built(tree: Tree, about: Mapping[str, str], depends: tuple[str, ...], scripts: Mapping[str, str]) -> bytes:
    """A package of this tree. ``about``: pkgname, pkgver, pkgdesc and so on; ``scripts`` by apk's names, as in
    ``post-install``."""
    data = gzipped(_archive(tree, sums=True) + bytes(2 * _BLOCK))
    lines = [f"{name} = {value}" for name, value in about.items()]
    lines += [f"size = {tree.size}", *(f"depend = {name}" for name in depends)]
    lines.append(f"datahash = {hashlib.sha256(data).hexdigest()}")
    control = Tree()
    control.file(".PKGINFO", "\n".join(lines) + "\n")
    for name, text in scripts.items():
        control.file(f".{name}", text, EXECUTABLE)
    # The control archive has no end: for a reader that goes on, both are one.
    return gzipped(_archive(control, sums=False)) + data


def _archive(tree: Tree, *, sums: bool) -> bytes:
    made = io.BytesIO()
    archive = tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 # closing writes an end
    for path, entry in tree:
        info = header(path, entry)
        if sums and not entry.folder:
            digest = hashlib.sha1(entry.data or entry.link.encode(), usedforsecurity=False).hexdigest()
            info.pax_headers = {"APK-TOOLS.checksum.SHA1": digest}
        archive.addfile(info, io.BytesIO(entry.data))
    return made.getvalue()[: archive.offset]
