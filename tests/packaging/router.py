"""An OpenWrt router's root, as far as a package needs one: BusyBox as its shell, a Python, what init scripts are given.

Neither opkg nor apk is to be had on Debian: what they do with a package is done here in their place, with its own control
files and scripts.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.packaging import lab
from tests.packaging.lab import Root
from tests.packaging.procd import Procd

STAND_INS: Final = Path(__file__).parent / "openwrt"
FOLDER: Final = "/"
"""Instead of a checksum."""


def python313() -> Path | None:
    """OpenWrt 25.12 has a 3.13."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob("3.13.*"))
    return kept[-1] if kept else None


class Router(Root):
    """A root with Python and its standard library alone. ``kind``: "ipk" or "apk", the packages that it takes."""

    def __init__(self, kind: str, to: Path) -> None:
        self.kind = kind
        subprocess.run(["cp", "-a", str(lab.debian("amd64")), str(to)], check=True)
        binds = self._newer_python(to) if kind == "apk" else {}
        shutil.copytree(STAND_INS, to, dirs_exist_ok=True, symlinks=True)
        shutil.copy(lab.program("busybox"), to / "usr/bin/busybox")
        (to / "usr/bin/sh").unlink()
        (to / "usr/bin/sh").symlink_to("busybox")
        for name in ("etc/config", "etc/init.d", "etc/rc.d"):
            (to / name).mkdir(exist_ok=True)
        self.information = to / ("usr/lib/opkg/info" if kind == "ipk" else "lib/apk/db")
        self.information.mkdir(parents=True)
        super().__init__(to, binds=binds)

    @staticmethod
    def _newer_python(to: Path) -> dict[str, Path]:
        python = python313()
        if python is None:
            pytest.skip("needs Python 3.13 (pyenv)")
        (to / str(python)[1:]).mkdir(parents=True)
        (to / "usr/bin/python3").unlink()
        (to / "usr/bin/python3").symlink_to(python / "bin" / "python3.13")
        nothing = to.parent / "nothing"  # instead of what pyenv has been given besides
        nothing.mkdir(exist_ok=True)
        return {str(python): python, str(python / "lib/python3.13/site-packages"): nothing}

    def sh(self, text: str) -> str:
        """What a technician types, all of it; it must end with 0."""
        return self.good("sh", "-e", "-c", text)

    # ------------------------------------------------------------------------------------------- opkg's and apk's part

    def install(self, package: Path) -> None:
        """Or upgrade: a configuration that was changed stays."""
        before = self._owned()
        new = self.path.parent / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        said = (lab.unpacked_ipk if self.kind == "ipk" else lab.unpacked_apk)(package, new)
        kept = {path: (self.path / path).read_bytes() for path in self._changed(before)}
        if before and self.kind == "ipk":
            self._control("prerm", "upgrade", "2")
        (self.information / "list").write_text(
            "".join(f"{path} {_sum(new / path)}\n" for path in sorted(lab.files(new)))
        )
        for name, text in said.items():
            (self.information / name.lstrip(".")).write_text(text)
        packed = subprocess.run(["tar", "-C", str(new), "-c", "."], check=True, stdout=subprocess.PIPE).stdout
        unpack = ["tar", "-C", str(self.path), "-x", "--keep-directory-symlink"]  # of Debian's: lib is a link here
        subprocess.run(unpack, input=packed, check=True)
        for path, content in kept.items():
            (self.path / path).write_bytes(content)
        if self.kind == "ipk":
            self._control("postinst", "configure")
        else:
            self._control("post-upgrade" if before else "post-install", "2")

    def remove(self) -> None:
        """Files that were installed; a configuration that was changed stays, as opkg and apk leave it."""
        owned, changed = self._owned(), self._changed(self._owned())
        self._control(*(("prerm", "remove") if self.kind == "ipk" else ("pre-deinstall", "2")))
        for path in sorted(owned, reverse=True):
            full = self.path / path
            if owned[path] == FOLDER:
                if not full.is_symlink() and not any(full.iterdir()):
                    full.rmdir()
            elif path not in changed:
                full.unlink()
        for kept in self.information.iterdir():
            kept.unlink()

    def _owned(self) -> dict[str, str]:
        listed = self.information / "list"
        lines = listed.read_text().splitlines() if listed.exists() else []
        return dict(line.rsplit(" ", 1) for line in lines)

    def _changed(self, owned: dict[str, str]) -> set[str]:
        return {
            path
            for path, digest in owned.items()
            if path.startswith("etc/config/") and _sum(self.path / path) != digest
        }

    def _control(self, name: str, *given: str) -> None:
        self.good("sh", str(Path("/") / self.information.relative_to(self.path) / name), *given)


def _sum(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return FOLDER if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def running(kind: str, folder: Path) -> Iterator[tuple[Router, Procd]]:
    """A router that was started: procd is there, and nothing of ours."""
    router = Router(kind, folder / "root")
    procd = Procd(router, folder / "log")
    try:
        yield router, procd
    finally:
        procd.close()


def files(router: Router) -> set[str]:
    """All that is there, but for what is gone with a reboot."""
    return {path for path in lab.files(router.path) if not path.startswith(("tmp/", "run/")) or "fieldkit" in path}
