"""Packages for tests: built once, unpacked, installed into roots of their own, and run there as their init would."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from fieldkit.events import PacketBatch
from fieldkit.sources.file import FileSource
from tests.traffic.expectations import CAPTURES


def program(name: str) -> str:
    """Where it is; empty: nowhere."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


ROOT: Final = Path(__file__).parents[2]
PENDING: Final = CAPTURES / "fault_boot_pending.pcap"
FINDING: Final = "boot.remote-start-while-pending"
"""What is found in it."""
BUILT: Final = ROOT / "build" / "packages"
PATIENCE: Final = 180.0
"""Seconds: qemu-user on a busy machine needs one for what takes ten milliseconds."""
CHROOT: Final = program("chroot") or "chroot"
"""By its path: what it runs may have a PATH without it."""
_ARCHES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_NAMES: Final = {
    "deb": "fieldkit_*_{arch}.deb", "oci": "fieldkit-*-oci-{arch}.tar", "ipk": "fieldkit_*.ipk",
    "apk": "fieldkit-*.apk", "ncos": "fieldkit_capture_*.tar.gz", "feed": "fieldkit-feed_*.tar.gz",
}  # fmt: skip
_FINE: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
"""Whatever the test was started with, it is not what an init starts services with."""

needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root: chroot and mounts")


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skips where one is missing, naming what brings it."""
    missing = [name for name in programs if not program(name)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


# ------------------------------------------------------------------------------------------------------------ building


@functools.cache
def built(kind: str, arch: str = "") -> Path:
    """A package, built now (or found where FIELDKIT_PACKAGES says that they were just built); the test is skipped where
    what goes into it cannot be had."""
    if "FIELDKIT_PACKAGES" in os.environ:
        (found,) = Path(os.environ["FIELDKIT_PACKAGES"]).glob(_NAMES[kind].format(arch=arch))
        return found
    command = [sys.executable, str(ROOT / "packaging" / "build.py"), kind, "-o", str(BUILT / "tests")]
    done = subprocess.run([*command, *(["--arch", arch] if arch else [])], capture_output=True, text=True, check=False)
    if done.returncode:
        assert "no wheel of" in done.stderr or "needs " in done.stderr or "etch" in done.stderr, done.stderr
        pytest.skip(done.stderr.strip())
    return Path(done.stdout.split("  ")[0])


def unpacked_ipk(package: Path, to: Path) -> dict[str, str]:
    """The tree of an ipk; its control files."""
    with tarfile.open(package) as whole:
        parts = {name: whole.extractfile(name) for name in whole.getnames()}
        control, data = parts["./control.tar.gz"], parts["./data.tar.gz"]
        with tarfile.open(fileobj=data) as archive:
            archive.extractall(to, filter="tar")
        return _texts(tarfile.open(fileobj=control))


def unpacked_apk(package: Path, to: Path) -> dict[str, str]:
    """The tree of an apk; its control files. Both archives are one for whoever reads on."""
    said = {}
    with tarfile.open(package) as whole:
        for member in whole:
            if member.name.startswith("."):
                held = whole.extractfile(member)
                assert held is not None
                said[member.name] = held.read().decode()
            else:
                whole.extract(member, to, filter="tar")
    return said


def _texts(archive: tarfile.TarFile) -> dict[str, str]:
    with archive:
        held = {one.name.removeprefix("./"): archive.extractfile(one) for one in archive if one.isfile()}
        return {name: file.read().decode() for name, file in held.items() if file is not None}


def unpacked_image(package: Path, to: Path) -> dict[str, Any]:
    """The root file system of an OCI image, by its own index; its configuration."""
    with tarfile.open(package) as whole:

        def blob(described: Mapping[str, Any]) -> bytes:
            held = whole.extractfile("blobs/" + described["digest"].replace(":", "/"))
            assert held is not None
            return held.read()

        index = whole.extractfile("index.json")
        assert index is not None
        manifest = json.loads(blob(json.loads(index.read())["manifests"][0]))
        for layer in manifest["layers"]:
            with subprocess.Popen(["tar", "-xzf", "-", "-C", str(to)], stdin=subprocess.PIPE) as tar:
                tar.communicate(blob(layer))
            assert tar.returncode == 0
        config: dict[str, Any] = json.loads(blob(manifest["config"]))
        return config


# --------------------------------------------------------------------------------------------------------------- roots


def debian(arch: str) -> Path:
    """A Debian 12 with Python, by debootstrap, kept for the next time; a copy of it is what a test changes."""
    kept = BUILT / "roots" / arch
    if not (kept / "usr" / "bin" / "python3").exists():
        if not program("debootstrap"):
            pytest.skip("needs debootstrap (apt-get install debootstrap)")
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        command = ["debootstrap", f"--arch={arch}", "--variant=minbase", "--include=python3,ca-certificates"]
        done = subprocess.run(
            [program("debootstrap"), *command[1:], "bookworm", str(kept)], capture_output=True, text=True, env=_FINE
        )
        if done.returncode:
            shutil.rmtree(kept, ignore_errors=True)
            pytest.skip(f"debootstrap: {done.stdout.strip().splitlines()[-1:]}")
    return kept


def runs(arch: str) -> str:
    """Why programs of this architecture do not run here; empty: they do."""
    if os.uname().machine == _ARCHES[arch]:
        return ""
    registered = Path("/proc/sys/fs/binfmt_misc") / f"qemu-{_ARCHES[arch]}"
    if not registered.exists() or "F" not in registered.read_text().partition("flags:")[2].partition("\n")[0]:
        return f"needs qemu-user-static, registered for {arch} in binfmt_misc with the flag F"
    return ""


def files(root: Path) -> set[str]:
    """Everything in it but what is mounted there."""
    found = set()
    for folder, names, plain in os.walk(root):
        inner = os.path.relpath(folder, root)
        if inner in ("proc", "dev", "sys"):
            names.clear()
            continue
        found |= {os.path.normpath(f"{inner}/{name}") for name in (*names, *plain)}
    return found


class Root:
    """Somewhere to chroot to. Mounts are made in a namespace of the command's own and go when it ends."""

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        binds: Mapping[str, Path] | None = None,
        more: Sequence[str] = (),
    ) -> None:
        """``more``: lines of shell that mount something besides, below ``$root``."""
        self.path = path
        lines = ["set -e", 'root=$1; shift; mount --bind "$root" "$root"']
        lines += [f'mount --bind "{source}" "$root{target}"' for target, source in (binds or {}).items()]
        lines += ['mount --bind /dev "$root/dev"', 'mount -t proc proc "$root/proc"', 'mount --rbind /sys "$root/sys"']
        if read_only:
            lines.append('mount -o remount,bind,ro "$root"')
        self._script = "; ".join([*lines, *more, 'exec "$@"'])

    def command(self, *words: str, run_as: tuple[str, ...] = (CHROOT,)) -> list[str]:
        """``run_as``: what enters the root, up to where its path stands."""
        inner = [*run_as, str(self.path), *words]
        return [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            self._script,
            "sh",
            str(self.path),
            *inner,
        ]

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, env={**_FINE, **(environment or {})}, timeout=900
        )

    def good(self, *words: str) -> str:
        """What it says; it must end with 0."""
        done = self.run(*words)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def service(
        self,
        log: Path,
        *words: str,
        run_as: tuple[str, ...] = (CHROOT,),
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Runs until the block ends; its output is in the log."""
        with log.open("ab") as out:
            process = subprocess.Popen(
                self.command(*words, run_as=run_as), stdout=out, stderr=out, env={**_FINE, **(environment or {})}
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(30)


class Notified:
    """systemd's end of sd_notify, in a root."""

    def __init__(self, root: Path) -> None:
        self.inner = "/run/notify.sock"
        path = root / "run" / "notify.sock"
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._socket.settimeout(PATIENCE)

    def wait_for(self, line: str) -> None:
        while line not in self._socket.recv(4096).decode().splitlines():
            continue

    def close(self) -> None:
        self._socket.close()


def until(what: Callable[[], object], log: Path, seconds: float = PATIENCE) -> None:
    """Wait for it; what the service has said is shown when it does not come."""
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, f"it did not happen\n{log.read_text(errors='replace')[-4000:]}"
        time.sleep(0.05)


def replay(interface: str) -> None:
    """The capture, onto a wire."""
    subprocess.run(["tcpreplay", "-q", "--topspeed", "-i", interface, str(PENDING)], check=True, stdout=-3)


def stopped(process: subprocess.Popen[bytes]) -> int:
    """Told to end, as an init tells it."""
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE)


@contextmanager
def mirror(capture: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """What a router mirrors (TZSP over UDP, Ethernet inside): the source to listen to, and what sends a capture there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def replay() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, closing(FileSource(str(capture))) as source:
            for item in source.items():
                if isinstance(item, PacketBatch):
                    for start, end in zip(item.starts, item.ends, strict=True):
                        sender.sendto(b"\x01\x00\x00\x01\x01" + item.buffer[start:end], ("127.0.0.1", port))

    yield f"tzsp://127.0.0.1:{port}", replay
