"""procd's part in a router's service, played in the test: what an init script asks of it is done, with real processes.

There is no procd for this machine. What is played here was read in procd's service/service.c and service/instance.c: an
instance that is set again is compared with what runs, by its own parameters and the content of the files it names; one
that is not set again is stopped; what differs is signalled where there is a reload signal, and started anew where there
is none; what ends by itself is started again after a while.
"""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.packaging.lab import Root

SOCKET: Final = "run/procd.sock"
TERM_TIMEOUT: Final = 5.0
"""Seconds between SIGTERM and SIGKILL unless an instance says otherwise."""


@dataclass
class Instance:
    """One of them, as it was set, and the process that it is."""

    parameters: dict[str, list[str]] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    halted: bool = False

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def differs(self, other: Instance) -> bool:
        """As far as procd looks: neither the reload signal nor the time until SIGKILL is compared."""
        compared = ("command", "env", "respawn", "limits")
        return self.sums != other.sums or any(self.parameters.get(one) != other.parameters.get(one) for one in compared)


class Procd:
    """Of one root."""

    def __init__(self, root: Root, log: Path) -> None:
        self.root = root
        self.log = log
        self.instances: dict[str, Instance] = {}
        self.triggers: set[str] = set()
        self._lock = threading.RLock()
        self._over = False
        path = root.path / SOCKET
        path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Everything that runs is killed."""
        self._over = True
        with self._lock:
            for one in self.instances.values():
                one.halted = True
                if one.process is not None and one.runs:
                    one.process.kill()
                    one.process.wait()
        self._listening.close()
        (self.root.path / SOCKET).unlink(missing_ok=True)

    @property
    def only(self) -> Instance:
        """The one instance of the one service."""
        (one,) = self.instances.values()
        return one

    # ------------------------------------------------------------------------------------------------------- questions

    def _serve(self) -> None:
        while not self._over:
            try:
                way, _ = self._listening.accept()
            except OSError:
                return
            with way, way.makefile("rw") as file:
                asked = json.loads(file.readline())
                status = self._answer(asked["ask"], asked["said"])
                with suppress(OSError):
                    file.write(f"{status}\n")
                    file.flush()

    def _answer(self, asked: list[str], said: list[list[str]]) -> int:
        what, *about = asked
        if what == "changed":
            if about[0] in self.triggers:
                # procd runs it when it has answered.
                command = self.root.command("/etc/init.d/" + about[0], "reload")
                threading.Thread(target=subprocess.run, args=(command,), daemon=True).start()
            return 0
        with self._lock:
            if what == "set":
                self._set(said)
            elif what == "running":
                return 0 if any(one.runs for one in self.instances.values()) else 1
            elif what == "signal":
                for one in self.instances.values():
                    if one.process is not None and one.runs:
                        one.process.send_signal(signal.Signals[f"SIG{about[1]}"])
            elif what == "delete":
                for name in list(self.instances):
                    self._stop(name)
        return 0

    def _set(self, said: list[list[str]]) -> None:
        wanted: dict[str, Instance] = {}
        made = Instance()
        self.triggers = set()
        for name, *values in said:
            if name == "instance":
                made = wanted[values[0]] = Instance()
            elif name == "trigger":
                self.triggers.add(values[0])
            elif name != "service":
                made.parameters[name] = values
        for one in wanted.values():
            for path in one.parameters.get("file", ()):
                one.sums[path] = hashlib.sha256((self.root.path / path[1:]).read_bytes()).hexdigest()
        for name in list(self.instances):
            if name not in wanted:
                self._stop(name)
        for name, one in wanted.items():
            runs = self.instances.get(name)
            if runs is None or not runs.runs:
                self.instances[name] = one
                self._start(one)
                continue
            if runs.differs(one) and runs.process is not None:
                sent = runs.parameters.get("reload_signal")
                assert sent is not None, "none of ours is to be started anew by a change"
                runs.process.send_signal(int(sent[0]))
            runs.parameters, runs.sums = one.parameters, one.sums

    # ------------------------------------------------------------------------------------------------------- processes

    def _start(self, one: Instance) -> None:
        environment = dict(word.split("=", 1) for word in one.parameters.get("env", ()))
        limits = [f"--{word}" for word in one.parameters.get("limits", ())]
        command = self.root.command(*one.parameters["command"], run_as=("prlimit", *limits, "chroot"))
        with self.log.open("ab") as out:
            one.process = subprocess.Popen(
                command, stdout=out, stderr=out, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment}
            )
        one.starts += 1
        threading.Thread(target=self._watch, args=(one, one.process), daemon=True).start()

    def _watch(self, one: Instance, process: subprocess.Popen[Any]) -> None:
        process.wait()
        _, pause, _ = one.parameters.get("respawn", ["3600", "5", "5"])
        ends = time.monotonic() + int(pause)
        while time.monotonic() < ends and not one.halted and not self._over:
            time.sleep(0.05)
        with self._lock:
            if not one.halted and not self._over and "respawn" in one.parameters:
                self._start(one)

    def _stop(self, name: str) -> None:
        """Told to end; it is among the instances until it has."""
        one = self.instances[name]
        process, one.halted = one.process, True
        patience = float(one.parameters.get("term_timeout", [str(TERM_TIMEOUT)])[0])

        def end() -> None:
            if process is not None and one.runs:
                process.terminate()
                try:
                    process.wait(patience)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            with self._lock:
                if self.instances.get(name) is one:
                    del self.instances[name]

        threading.Thread(target=end, daemon=True).start()
