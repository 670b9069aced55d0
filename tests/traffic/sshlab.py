"""A router of our own: a real ssh server on the loopback, with keys and settings in a directory of the test. Root only."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from fieldkit.events import CaptureComment, PacketBatch
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import Item
from fieldkit.sources.sshtap import SshTap

_SSHD: Final = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _why_not() -> str:
    if sys.platform != "linux" or os.geteuid():
        return "needs root on Linux: an ssh server that lets somebody in"
    if _SSHD is None or shutil.which("ssh") is None:
        return "needs sshd and ssh (apt-get install openssh-server openssh-client)"
    if shutil.which("tcpdump") is None:
        return "needs tcpdump"
    return ""


WHY_NOT: Final = _why_not()
needs_sshd = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


class Router:
    """An ssh server in which root may log in with one key."""

    def __init__(self, directory: Path, **settings: str) -> None:
        """``settings`` of sshd_config, in the place of what stands here."""
        self.directory = directory
        self.settings = settings
        self.within: list[str] = []
        """In front of the server's command: "ip", "netns", "exec", "router"."""
        self.host = settings.get("ListenAddress", "127.0.0.1")
        self.port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self.make_key("host_key")
        self.make_key("user_key")
        shutil.copy(directory / "user_key.pub", directory / "authorized_keys")
        self.know()
        (directory / "ssh_config").write_text(
            f"Host *\n  IdentityFile {directory}/user_key\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {directory}/known_hosts\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n"
        )

    @property
    def ssh(self) -> list[str]:
        """The ssh program, with the settings of somebody who may log in."""
        return ["ssh", "-F", str(self.directory / "ssh_config")]

    def url(self, interface: str, host: str = "") -> str:
        return f"ssh://root@{host or self.host}:{self.port}/{interface}"

    def make_key(self, name: str) -> None:
        file = self.directory / name
        file.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)

    def know(self) -> None:
        """Write down the server's key as one that is known."""
        key = " ".join((self.directory / "host_key.pub").read_text().split()[:2])
        (self.directory / "known_hosts").write_text(f"[{self.host}]:{self.port},[::1]:{self.port} {key}\n")

    def start(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        settings = {
            "Port": str(self.port),
            "ListenAddress": "127.0.0.1",
            "HostKey": str(self.directory / "host_key"),
            "AuthorizedKeysFile": str(self.directory / "authorized_keys"),
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "yes",
            **self.settings,
        }
        config = self.directory / "sshd_config"
        config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        with (self.directory / "sshd.log").open("wb") as log:
            self._server = subprocess.Popen([*self.within, str(_SSHD), "-D", "-e", "-f", str(config)], stderr=log)
        wait_for(self._listens)

    def _listens(self) -> bool:
        assert self._server is not None
        said = (self.directory / "sshd.log").read_text()
        assert self._server.poll() is None, said
        return "Server listening on" in said

    def sessions(self) -> list[int]:
        """Processes that serve one login each."""
        return children(self._server.pid) if self._server is not None else []

    def drop(self) -> None:
        """End the sessions as if the way there had been cut; who calls again is let in."""
        for session in self.sessions():
            kill(session)

    def stop(self) -> None:
        """The server goes away, and with it all sessions."""
        if self._server is not None:
            self._server.send_signal(signal.SIGSTOP)  # no new ones meanwhile
            self.drop()
            self._server.kill()
            self._server.wait()
            self._server = None


@contextmanager
def router(directory: Path, **settings: str) -> Iterator[Router]:
    made = Router(directory, **settings)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def children(process: int) -> list[int]:
    """Its child processes."""
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def running(*words: str) -> list[int]:
    """Processes whose command line has all these words (zombies have none)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if all(word.encode() in line for word in words):
                found.append(int(entry.name))
    return found


def wait_for(condition: Callable[[], object], seconds: float = 8) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, condition
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ------------------------------------------------------------------------------------------------------------------ taps


class Tapped:
    """A tap that is read, and what it gave."""

    def __init__(self, tap: SshTap) -> None:
        self.tap = tap
        self.items: list[Item] = []
        self._due = 0.0

    def turn(self) -> None:
        self.items += self.tap.read()
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + 0.2
            self.items += self.tap.tick(time.time_ns())

    def until(self, condition: Callable[[], object], seconds: float = 8) -> None:
        def look() -> object:
            self.turn()
            return condition()

        wait_for(look, seconds)

    def begin(self) -> None:
        """Until tcpdump captures there: its file header has come."""
        session = self.tap._session
        assert session is not None
        self.until(lambda: session.capturing or self.tap.ended() is not None)
        assert self.tap.ended() is None

    def end(self) -> str:
        self.until(lambda: self.tap.ended() is not None)
        return self.tap.ended() or ""

    @property
    def packets(self) -> list[bytes]:
        return [
            item.buffer[start:end]
            for item in self.items
            if isinstance(item, PacketBatch)
            for start, end in zip(item.starts, item.ends, strict=True)
        ]

    @property
    def numbers(self) -> list[int]:
        return [
            item.first_frame + place
            for item in self.items
            if isinstance(item, PacketBatch)
            for place in range(len(item.starts))
        ]

    @property
    def told(self) -> list[str]:
        return [item.text for item in self.items if isinstance(item, CaptureComment)]


def tap(made: Router, interface: str, wanted: CaptureFilter | None = None) -> Tapped:
    return Tapped(SshTap(made.url(interface), wanted or CaptureFilter(), FrameNumbers(), ssh=made.ssh))
