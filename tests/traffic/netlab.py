"""A cable of our own: two virtual interfaces, what goes into one comes out of the other. Needs root on Linux."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import pytest

_REPOSITORY: Final = Path(__file__).parents[2]
_ETH_P_ALL: Final = 3


def _why_not() -> str:
    if not hasattr(socket, "AF_PACKET"):
        return "packet sockets are Linux only"
    if os.geteuid():
        return "needs root: virtual interfaces and packet sockets"
    if shutil.which("ip") is None:
        return "needs ip (apt-get install iproute2)"
    here, there = (f"fkt{end}{os.getpid() % 10_000}" for end in "ab")
    made = subprocess.run(
        ["ip", "link", "add", here, "type", "veth", "peer", "name", there], capture_output=True, text=True
    )
    if made.returncode:
        return f"this machine makes no virtual interfaces: {made.stderr.strip()}"
    subprocess.run(["ip", "link", "del", here], check=True)
    return ""


WHY_NOT: Final = _why_not()
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
needs_tcpreplay = pytest.mark.skipif(
    shutil.which("tcpreplay") is None, reason="needs tcpreplay (apt-get install tcpreplay)"
)
needs_tcpdump = pytest.mark.skipif(
    not shutil.which("tcpdump", path=f"{os.environ['PATH']}:/usr/sbin"),
    reason="needs tcpdump (apt-get install tcpdump)",
)
needs_network = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


class Cable:
    """Two ends, by name."""

    def __init__(self, here: str, there: str) -> None:
        self.here = here
        self.there = there

    def send(self, *packets: bytes) -> None:
        """Ethernet frames into ``here``: they come out of ``there``."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            sender.bind((self.here, 0))
            for packet in packets:
                sender.send(packet.ljust(60, b"\0"))

    def set(self, *what: str, end: str = "") -> None:
        """As in "up", "down" or "mtu 9000"."""
        run("ip", "link", "set", end or self.there, *what)

    def cut(self) -> None:
        """Take both interfaces away."""
        run("ip", "link", "del", self.here)

    def lay(self) -> None:
        """Make both interfaces and switch them on."""
        run("ip", "link", "add", self.here, "type", "veth", "peer", "name", self.there)
        for end in (self.here, self.there):
            # No packets of the kernel's own: neighbour discovery would be among what is captured.
            Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
            run("ip", "link", "set", end, "up")


@contextmanager
def cable(name: str = "fk") -> Iterator[Cable]:
    """A cable that is there while the block runs."""
    laid = Cable(f"{name}a{os.getpid() % 10_000}", f"{name}b{os.getpid() % 10_000}")
    laid.lay()
    try:
        yield laid
    finally:
        subprocess.run(["ip", "link", "del", laid.here], capture_output=True)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class AsNobody:
    """Python with fieldkit as a user who may nothing: ``as_nobody("-m", "fieldkit", "doctor")``."""

    def __init__(self) -> None:
        self.why_not = ""
        self.python: list[str] = [sys.executable]
        self.environment = {"PYTHONPATH": str(_REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
        if os.geteuid():
            self.why_not = "needs root, to become nobody"
        elif not self._works():
            # Root's own Python is not for others; the system's is, and takes pure packages from where ours are.
            self.python = ["/usr/bin/python3"]
            self.environment["PYTHONPATH"] += f":{Path(click.__file__).parents[1]}"
            if not self._works():
                self.why_not = "the user nobody can read no Python that has what fieldkit needs"

    def _works(self) -> bool:
        try:
            return self("-c", "import click, fieldkit, sys; assert sys.version_info >= (3, 11)").returncode == 0
        except OSError:
            return False

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.python, *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            user="nobody",
            group=pwd.getpwnam("nobody").pw_gid,
            extra_groups=[],
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **self.environment, **environment},
            timeout=60,
        )


as_nobody = AsNobody()
needs_nobody = pytest.mark.skipif(bool(as_nobody.why_not), reason=as_nobody.why_not)
