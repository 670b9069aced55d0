"""The packages of others that go along: wheels for the machine that will run them, in the versions that are pinned.

pip fetches them, whatever machine this is. The versions are those of ``constraints.txt``, with which the tests ran.
"""

from __future__ import annotations

import email.parser
import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from fieldpack.tree import Tree

ROOT: Final = Path(__file__).resolve().parents[2]

_TAGS: Final = {
    "amd64": ("x86_64", (17, 24, 26, 27, 28, 31, 34)),
    "arm64": ("aarch64", (17, 24, 26, 27, 28, 31, 34)),
}
"""By Debian's name of a machine: its name in wheels, and the versions of glibc that Debian 12 (2.36) runs."""
_NATIVE: Final = re.compile(r"\.(?:so|pyd|dylib)(?:\.|$)|\.libs/")


class Machine(NamedTuple):
    """What wheels must fit."""

    arch: str
    """amd64, arm64, or "any": then only what is pure Python."""
    python: str = "3.11"


class Wheel(NamedTuple):
    """A wheel that was fetched."""

    path: Path
    name: str
    version: str
    about: Message
    """Its METADATA."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


class WheelError(Exception):
    """A wheel cannot be had; one line that says which."""


def pinned(name: str) -> str:
    """The version of a package in constraints.txt."""
    wanted = _normal(name)
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        found, equals, version = line.partition("==")
        if equals and _normal(found) == wanted:
            return version.split(";")[0].strip()
    raise WheelError(f"{name} has no version in constraints.txt: add it to pyproject.toml, then make lock")


def fetch(names: Iterable[str], machine: Machine, cache: Path) -> list[Wheel]:
    """Wheels of exactly these packages, without what they would pull in. Those fetched before are used again."""
    wheels: list[Wheel] = []
    for name in sorted(names, key=_normal):
        version = pinned(name)
        folder = cache / machine.arch / f"{_normal(name)}-{version}"
        found = sorted(folder.glob("*.whl"))
        if not found:
            folder.mkdir(parents=True, exist_ok=True)
            _download(f"{name}=={version}", machine, folder)
            found = sorted(folder.glob("*.whl"))
        wheels.append(_read(found[0]))
    return wheels


def unpacked(wheel: Wheel, *, native: bool = True) -> Tree:
    """What the wheel installs into site-packages. Without ``native`` its compiled parts are left out: click, MarkupSafe
    and others have the same in Python."""
    tree = Tree()
    with zipfile.ZipFile(wheel.path) as archive:
        for info in archive.infolist():
            path = PurePosixPath(info.filename)
            if info.is_dir() or (not native and _NATIVE.search(info.filename)):
                continue
            parts = path.parts
            if parts[0].endswith(".data"):
                if parts[1] not in ("purelib", "platlib"):
                    continue  # scripts and manual pages of others
                path = PurePosixPath(*parts[2:])
            tree.file(str(path), archive.read(info))
    return tree


def _download(requirement: str, machine: Machine, folder: Path) -> None:
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
        "--only-binary=:all:", "--python-version", machine.python, "--implementation", "cp", "--dest", str(folder),
    ]  # fmt: skip
    abi = "cp" + machine.python.replace(".", "")
    for one in (abi, "abi3", "none"):
        command += ["--abi", one]
    # Where only pure Python may go, the Python parts of a wheel for any machine will do (see ``unpacked``).
    name, versions = _TAGS["amd64" if machine.arch == "any" else machine.arch]
    for version in reversed(versions):
        command += ["--platform", f"manylinux_2_{version}_{name}"]
    command += ["--platform", f"manylinux2014_{name}", "--platform", f"linux_{name}", "--platform", "any"]
    done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
    if done.returncode or not list(folder.glob("*.whl")):
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        why = (lines or ["pip fetched nothing"])[-1]
        raise WheelError(f"no wheel of {requirement} for {machine.arch}, Python {machine.python}: {why}")


def _read(path: Path) -> Wheel:
    with zipfile.ZipFile(path) as archive:
        (name,) = (one for one in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", one))
        about = email.parser.BytesParser().parsebytes(archive.read(name))
    return Wheel(path, str(about["Name"]), str(about["Version"]), about)


def _normal(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()
