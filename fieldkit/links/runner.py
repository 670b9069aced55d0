"""How an adapter asks its questions, wherever it runs: here, over ssh, over HTTP, or against what was recorded.

An adapter never opens a file, a socket or a process of its own. So the same adapter works on the router, from a laptop
and in a test, its rights can be held to what its manifest declares, and it can be cut off when it hangs.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from fieldkit.links.reading import parsed

MAX_ANSWER: Final = 4 << 20
"""Bytes of an answer that are read: the longest known (a mwan3 status with many networks) has 60 kB."""
PATIENCE: Final = 8.0
"""Seconds for one question: a modem that is busy answers after five."""
MAX_NAMES: Final = 1000
"""Names in a directory that are read: /dev and /sys/class/net have some dozens."""
MAX_OBJECTS: Final = 500
"""Names of objects on a bus that are read: OpenWrt has some dozens."""


class RunnerError(Exception):
    """A question got no answer; says why in one line."""


class NotHere(RunnerError):  # noqa: N818 - what it says is not that something failed
    """There is no such program, object or path on this router, or no such way to ask: nothing is wrong with it."""


class Unreachable(RunnerError):  # noqa: N818
    """The router itself cannot be reached, or lets us not in."""


class CutOff(RunnerError):  # noqa: N818
    """The asker has used up its time, or was told to stop."""


class Runner(Protocol):
    """One router, and the ways to ask it."""

    name: str
    """For people: "this machine", "ssh://root@192.168.1.1"."""

    def reach(self) -> None:
        """Log in where that takes time which an adapter does not have. Unreachable when there is nobody to ask."""

    def run(self, *command: str, seconds: float = PATIENCE) -> str:
        """What a program says on standard output. RunnerError when there is none, or it fails."""

    def read(self, path: str) -> str:
        """A small file's text."""

    def names(self, path: str) -> list[str]:
        """What is in a directory."""

    def ubus(self, name: str, method: str, **arguments: Any) -> Any:
        """What an object on OpenWrt's bus answers: JSON."""

    def ubus_objects(self, pattern: str) -> list[str]:
        """The names of objects on the bus: "gsm.*"."""

    def get(self, path: str) -> Any:
        """A node of a REST tree, as Cradlepoint's "status/wan/devices": JSON."""

    def follow(self, *command: str) -> Iterator[str]:
        """The lines that a program writes until it ends or this runner is closed."""

    def netlink(self, what: str) -> Iterator[tuple[int, bytes]]:
        """What the kernel reports of "route" (links, addresses, routes) or "conntrack": when it came (ns), and what.

        Only where fieldkit itself runs; elsewhere a program may be followed that reports the same.
        """

    def now(self) -> int:
        """ns since the epoch: ours, or that of the recording."""

    def close(self) -> None:
        """Give up whatever is under way: who waits gets CutOff. Nothing can be asked afterwards."""


class Commands(ABC):
    """The ubus questions of a runner that can run programs."""

    @abstractmethod
    def run(self, *command: str, seconds: float = PATIENCE) -> str:
        """What a program prints, as ``Runner.run`` has it."""

    def ubus(self, name: str, method: str, **arguments: Any) -> Any:
        """Through the ubus program, whose own limit is below ours."""
        given = (json.dumps(arguments),) if arguments else ()
        answer = self.run("ubus", "-t", "6", "-S", "call", name, method, *given)
        found = parsed(answer)
        if found is None and answer.strip():
            raise RunnerError(f"ubus call {name} {method}: the answer is not JSON: {answer.strip()[:60]!r}")
        return found if found is not None else {}

    def ubus_objects(self, pattern: str) -> list[str]:
        """Of the bus, as the program lists them."""
        return [line.strip() for line in self.run("ubus", "list", pattern).splitlines() if line.strip()][:MAX_OBJECTS]

    def get(self, path: str) -> Any:
        """There is no REST tree where programs are run."""
        raise NotHere(f"{path}: only a router's REST interface has that (ncos+https://ROUTER)")

    def netlink(self, what: str) -> Iterator[tuple[int, bytes]]:
        raise NotHere("the kernel of another machine cannot be listened to")

    def now(self) -> int:
        """Ours."""
        return time.time_ns()


class NoPrograms:
    """The questions that a runner over HTTP cannot put."""

    name = ""

    def run(self, *command: str, seconds: float = PATIENCE) -> str:
        raise NotHere(f"{self.name}: no programs can be run over HTTP")

    def read(self, path: str) -> str:
        raise NotHere(f"{self.name}: no files can be read over HTTP")

    def names(self, path: str) -> list[str]:
        raise NotHere(f"{self.name}: no directories can be read over HTTP")

    def ubus(self, name: str, method: str, **arguments: Any) -> Any:
        raise NotHere(f"{self.name}: it has no ubus")

    def ubus_objects(self, pattern: str) -> list[str]:
        raise NotHere(f"{self.name}: it has no ubus")

    def get(self, path: str) -> Any:
        raise NotHere(f"{self.name}: it has no such REST interface")

    def follow(self, *command: str) -> Iterator[str]:
        raise NotHere(f"{self.name}: no programs can be run over HTTP")

    def netlink(self, what: str) -> Iterator[tuple[int, bytes]]:
        raise NotHere(f"{self.name}: its kernel cannot be listened to")

    def now(self) -> int:
        return time.time_ns()


class Limited:
    """A runner as one adapter gets it: only what it has declared, only until its time is over.

    ``may`` says whether a capability is among those declared ("exec:mmcli", "ubus:mwan3", "read:/proc/net").
    """

    def __init__(self, runner: Runner, may: Callable[[str], bool], seconds: float) -> None:
        self.name = runner.name
        self._runner = runner
        self._may = may
        self._ends = time.monotonic() + seconds

    def reach(self) -> None:
        """It was, before any adapter is asked."""

    def run(self, *command: str, seconds: float = PATIENCE) -> str:
        self._check(f"exec:{command[0]}")
        return self._runner.run(*command, seconds=self._left(seconds))

    def read(self, path: str) -> str:
        self._check(f"read:{path}")
        return self._runner.read(path)

    def names(self, path: str) -> list[str]:
        self._check(f"read:{path}")
        return self._runner.names(path)

    def ubus(self, name: str, method: str, **arguments: Any) -> Any:
        self._check(f"ubus:{name}")
        return self._runner.ubus(name, method, **arguments)

    def ubus_objects(self, pattern: str) -> list[str]:
        self._check(f"ubus:{pattern}")
        return self._runner.ubus_objects(pattern)

    def get(self, path: str) -> Any:
        self._check(f"get:{path}")
        return self._runner.get(path)

    def follow(self, *command: str) -> Iterator[str]:
        self._check(f"exec:{command[0]}")
        return self._runner.follow(*command)

    def netlink(self, what: str) -> Iterator[tuple[int, bytes]]:
        self._check(f"netlink:{what}")
        return self._runner.netlink(what)

    def now(self) -> int:
        return self._runner.now()

    def close(self) -> None:
        """From now on every question is refused; the runner, which others use, stays."""
        self._ends = 0.0

    def _check(self, capability: str) -> None:
        self._left(0)
        if not self._may(capability):
            raise RunnerError(f"its manifest does not declare the capability {capability!r}")

    def _left(self, wanted: float) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise CutOff("its time is over")
        return min(wanted, left)
