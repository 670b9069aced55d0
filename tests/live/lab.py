"""A site of our own: a station and a CSMS in network namespaces, a router between them, and a laptop beside it.

    station (10.213.0.2) ── lan1 ┐                          ┌ eth0 laptop (10.213.9.1)
                                 ├ br-lan ROUTER 10.213.9.2 ┤
    csms    (10.213.0.3) ── lan2 ┘

Station and CSMS are real ones (``parties``); the router has a real ssh server where a test starts one. Linux and root.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

from tests.traffic.commandline import ROOT, Run
from tests.traffic.netlab import WHY_NOT, run

STATION: Final = "10.213.0.2"
CSMS: Final = "10.213.0.3"
ROUTER: Final = "10.213.9.2"
PATIENCE: Final = 15.0
"""Seconds that something to happen is waited for."""


def _why_not() -> str:
    if WHY_NOT:
        return WHY_NOT
    missing = [name for name in ("ocpp", "websockets") if find_spec(name) is None]
    if missing:
        return f"needs the Python packages ocpp and websockets (pip install {' '.join(missing)})"
    name = f"fkprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        return f"this machine makes no network namespaces: {made.stderr.strip()}"
    inside = subprocess.run(["ip", "netns", "exec", name, "true"], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", name], check=True)
    return f"this machine lets nobody into a network namespace: {inside.stderr.strip()}" if inside.returncode else ""


needs_lab = pytest.mark.skipif(bool(why := _why_not()), reason=why)


class Talker:
    """A running program whose lines are read as they come."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((process.stdout, self.out), (process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(pipe: Any, lines: list[str]) -> None:
        for line in pipe:
            lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    def says(self, what: str, seconds: float = PATIENCE, *, after: int = 0) -> str:
        """Wait for a line with it, among those from the one numbered ``after`` on."""
        ends = time.monotonic() + seconds
        while not self._line(what, after) and not self._gone() and time.monotonic() < ends:
            time.sleep(0.02)
        line = self._line(what, after)
        assert line, f"{what!r} is not in {self.out[-5:]} {self.err}"
        return line

    def _line(self, what: str, after: int) -> str:
        return next((line for line in [*self.out[after:], *self.err] if what in line), "")

    def _gone(self) -> bool:
        gone = self.process.poll() is not None
        for reader in self._readers if gone else ():
            reader.join(2)
        return gone

    def end(self, number: int = signal.SIGTERM) -> Run:
        """Send a signal and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(5)
        return Run(code, "\n".join(self.out), "\n".join(self.err))

    def close(self) -> None:
        self.end(signal.SIGKILL)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


class Lab:
    """The site; everything in it ends with it."""

    def __init__(self) -> None:
        self._spaces = {name: f"fk{os.getpid() % 10_000}{name}" for name in ("station", "csms", "router", "laptop")}
        self._running: list[Talker] = []

    def within(self, space: str) -> list[str]:
        """In front of a command, so that it runs there. (Its process number is that of the command.)"""
        return ["ip", "netns", "exec", self._spaces[space]]

    def ip(self, space: str, *words: str) -> None:
        run("ip", "-n", self._spaces[space], *words)

    def start(self, space: str, *command: str | Path, **environment: str) -> Talker:
        """A Python module as a program: ``start("router", "fieldkit", "capture", …)``."""
        process = subprocess.Popen(
            [*self.within(space), sys.executable, "-m", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TZ": "UTC", **environment},
        )
        talker = Talker(process)
        self._running.append(talker)
        return talker

    def fieldkit(self, space: str, *arguments: str | Path, **environment: str) -> Talker:
        """A capture that listens, or a proxy."""
        started = self.start(space, "fieldkit", *arguments, **environment)
        started.says("listening on")
        return started

    def csms(self, answer: str = "Accepted") -> Talker:
        started = self.start("csms", "tests.live.parties", "csms", f"{CSMS}:9000", answer)
        started.says("serving")
        return started

    def station(self, pause: float = 0.02, url: str = f"ws://{CSMS}:9000/CP_7") -> Talker:
        started = self.start("station", "tests.live.parties", "station", url, str(pause))
        started.says("booted")
        return started

    def cable(self, port: str, space: str, address: str = "") -> None:
        """From a port of the router to somebody's eth0; a port without an address is one of its bridge."""
        there = self._spaces[space]
        self.ip("router", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", there)
        for place, end in (("router", port), (space, "eth0")):
            run(*self.within(place), "sh", "-c", f"echo 1 >/proc/sys/net/ipv6/conf/{end}/disable_ipv6")
            self.ip(place, "link", "set", end, "up")
        if address:
            self.ip("router", "addr", "add", address, "dev", port)
        else:
            self.ip("router", "link", "set", port, "master", "br-lan")

    def lay(self) -> None:
        for space in self._spaces.values():
            run("ip", "netns", "add", space)
        for place in self._spaces:
            self.ip(place, "link", "set", "lo", "up")
        self.ip("router", "link", "add", "br-lan", "type", "bridge", "stp_state", "0", "forward_delay", "0")
        self.ip("router", "link", "set", "br-lan", "up")
        self.cable("lan1", "station")
        self.cable("lan2", "csms")
        self.cable("mgmt", "laptop", f"{ROUTER}/30")
        self.ip("station", "addr", "add", f"{STATION}/24", "dev", "eth0")
        self.ip("csms", "addr", "add", f"{CSMS}/24", "dev", "eth0")
        self.ip("laptop", "addr", "add", "10.213.9.1/30", "dev", "eth0")

    def clear(self) -> None:
        for talker in self._running:
            talker.close()
        for space in self._spaces.values():
            subprocess.run(["ip", "netns", "del", space], capture_output=True)


@contextmanager
def lab() -> Iterator[Lab]:
    """The site while the block runs."""
    made = Lab()
    try:
        made.lay()
        yield made
    finally:
        made.clear()


def until(condition: Callable[[], object], seconds: float = PATIENCE, what: str = "") -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, what or condition
        time.sleep(0.02)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk that is soon full."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
