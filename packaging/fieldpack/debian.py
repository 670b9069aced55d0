"""A root file system with Python and nothing that Python does not need: Debian 12's own packages, taken apart.

There is no shell, no package manager and no root login in it. apt chooses and verifies the packages, for another
architecture too, without touching what is installed on this machine.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Final, NamedTuple

from fieldpack.sbom import Part
from fieldpack.tree import EXECUTABLE, Tree

_WANTED: Final = (
    "python3.11-minimal",
    "libpython3.11-stdlib",
    "libstdc++6",
    "ca-certificates",
    "netbase",
    "tzdata",
    "base-files",
)
_LEFT_OUT: Final = frozenset(
    # What they are for (installing, configuring, building) does not happen in an image that is never changed.
    {"mawk", "debconf", "dpkg", "tar", "openssl", "perl-base", "readline-common", "libreadline8", "media-types"}
)
_UNUSED: Final = re.compile(
    # Licences stay: usr/share/doc/*/copyright, and base-files has the texts that those name.
    r"^(?:usr/share/doc/.*(?<!/copyright)$|usr/share/(?:man|info|lintian|locale|bash-completion|menu|python3?|gcc|gdb)/"
    r"|usr/lib/python3\.11/(?:ensurepip|idlelib|lib2to3|pydoc_data|test|tkinter|turtledemo)/"
    r"|usr/share/zoneinfo/(?:right|posix)/|usr/lib/[^/]+/gconv/|etc/(?:init\.d|cron|apt|dpkg)|usr/sbin/|var/)"
)

_CHOSEN: Final = re.compile(r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", re.MULTILINE)
"""A line of what apt would do: package, version, architecture."""


class DebianError(Exception):
    """apt could not do it; one line that says why."""


class Root(NamedTuple):
    """The file system, and the packages that it is made of."""

    tree: Tree
    parts: list[Part]


def root(arch: str, cache: Path) -> Root:
    """Python's root file system for this architecture. Needs apt and dpkg-deb, no rights."""
    folder = cache / "debian" / arch
    packages = _fetched(arch, folder)
    tree, parts = Tree(), []
    for path in packages:
        tree.merge(_data(path))
        parts.append(_part(path))
    tree.drop(lambda path: _UNUSED.search(path) is not None)
    _finish(tree)
    return Root(tree, parts)


def _fetched(arch: str, folder: Path) -> list[Path]:
    private = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (private / name).mkdir(parents=True, exist_ok=True)
    (private / "status").write_text("")  # as if nothing was installed: then all that is needed is named
    options = {
        "APT::Architecture": arch,
        "APT::Architectures::": arch,
        "Dir::State": private,
        "Dir::State::lists": private / "lists",
        "Dir::State::status": private / "status",
        "Dir::Cache": private / "cache",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    install = [*apt, "install", "-y", "-qq", "--no-install-recommends", *_WANTED]
    try:
        _run(*install, "--download-only")
    except DebianError:
        # No lists yet, or they name what has been replaced by an update since.
        _run(*apt, "-qq", "update")
        _run(*install, "--download-only")
    chosen = _CHOSEN.findall(_run(*install, "--simulate"))
    archives = private / "cache" / "archives"
    # An epoch's colon is escaped in file names.
    paths = [
        archives / f"{name}_{version.replace(':', '%3a')}_{its}.deb"
        for name, version, its in sorted(chosen)
        if name not in _LEFT_OUT
    ]
    missing = [path.name for path in paths if not path.is_file()]
    if missing or not paths:
        raise DebianError(f"apt did not fetch {', '.join(missing) or 'anything'}")
    return paths


def _data(package: Path) -> Tree:
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=True)
    tree = Tree()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            path = member.name.removeprefix("./").rstrip("/")
            if not path:
                continue
            # Debian 12 has all programs and libraries below usr, and links in their old places.
            path = re.sub(r"^(bin|sbin|lib|lib64)/", r"usr/\1/", path)
            if member.issym():
                tree.link(path, member.linkname)
            elif member.islnk():
                tree.file(path, _hard(archive, member), member.mode & EXECUTABLE | 0o644)
            elif member.isfile():
                held = archive.extractfile(member)
                tree.file(path, held.read() if held is not None else b"", member.mode & EXECUTABLE | 0o644)
    return tree


def _hard(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    held = archive.extractfile(archive.getmember(member.linkname))
    return held.read() if held is not None else b""


def _finish(tree: Tree) -> None:
    for name in ("bin", "sbin", "lib"):
        tree.link(name, f"usr/{name}")
    if any(path.startswith("usr/lib64/") for path, _ in tree):
        tree.link("lib64", "usr/lib64")
    tree.link("usr/bin/python3", "python3.11")
    # What update-ca-certificates would write when the package is installed.
    trusted = [entry.data for path, entry in tree if path.startswith("usr/share/ca-certificates/mozilla/")]
    tree.file("etc/ssl/certs/ca-certificates.crt", b"".join(_ended(data) for data in trusted if data))
    tree.file(
        "etc/passwd",
        "root:x:0:0:root:/:/sbin/nologin\nfieldkit:x:65532:65532:fieldkit:/var/lib/fieldkit:/sbin/nologin\n",
    )
    tree.file("etc/group", "root:x:0:\nfieldkit:x:65532:\n")
    tree.file("etc/nsswitch.conf", "hosts: files dns\n")
    tree.folder("tmp", 0o1777)
    for name in ("proc", "sys", "dev", "etc/fieldkit", "var/lib/fieldkit", "run/fieldkit"):
        tree.folder(name)


def _ended(data: bytes) -> bytes:
    return data if data.endswith(b"\n") else data + b"\n"


def _part(package: Path) -> Part:
    name, version, arch = _run("dpkg-deb", "-W", "--showformat=${Package} ${Version} ${Architecture}",
                               str(package)).split()  # fmt: skip
    return Part(
        name, version, "NOASSERTION", f"pkg:deb/debian/{name}@{version}?arch={arch}&distro=bookworm",
        hashlib.sha256(package.read_bytes()).hexdigest(),
    )  # fmt: skip


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DebianError(f"needs {command[0]}: build this image on Debian or Ubuntu") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise DebianError(lines[-1] if lines else f"{command[0]} ended with {done.returncode}")
    return done.stdout
