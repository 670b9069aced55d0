"""A site for an agent that is measured: a cable in a network namespace of its own, stations that talk in real time, the
Python of a small router, and what /proc says of a process.

    python benchmarks/agent_site.py --stations 20 --seconds 600 IFACE      # the stations alone, for a look by hand
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from live_soak import Station

ROOT: Final = Path(__file__).resolve().parents[1]
LITE: Final = ("click", "jinja2", "markupsafe", "ocpp", "paho", "serial")
"""What the package for small routers brings besides fieldkit (packaging/fieldpack/contents.py)."""
WARMING: Final = "import fieldkit.agent.warm"
"""As the init script of that package has it: compiling is done by a process that ends."""
BEAT: Final = 300
"""Seconds between two Heartbeats."""
COMING: Final = 20
"""Seconds in which the stations connect when the traffic begins: the site's router has just come up."""
PAST: Final = 3600
"""Seconds that the stations have lived when it does: half of them charge."""
HERE: Final = "fkbench0"
THERE: Final = "fkbench1"
_HZ: Final = os.sysconf("SC_CLK_TCK")


def alone() -> None:
    """Begin this program again where there is no network but its own: nothing else is on the cable. Root only."""
    if os.environ.get("FIELDKIT_BENCH_ALONE"):
        return
    if os.geteuid():
        raise SystemExit("needs root: a network namespace, virtual interfaces, packet sockets")
    os.environ["FIELDKIT_BENCH_ALONE"] = "1"
    # /sys shows the interfaces of the namespace that it was mounted in.
    inside = 'mount -t sysfs sysfs /sys && exec "$@"'
    os.execvp("unshare", ["unshare", "--net", "--mount", "--", "sh", "-c", inside, "sh", sys.executable, *sys.argv])


@contextmanager
def cable() -> Iterator[tuple[str, str]]:
    """Two interfaces: what is sent into the first is heard on the second."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "link", "add", HERE, "type", "veth", "peer", "name", THERE], check=True)
    try:
        for end in (HERE, THERE):
            # The kernel has words of its own about IPv6, which nobody counts here.
            Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
            subprocess.run(["ip", "link", "set", end, "up"], check=True)
        yield HERE, THERE
    finally:
        subprocess.run(["ip", "link", "del", HERE], check=False)


# ---------------------------------------------------------------------------------------------------------- traffic


class Traffic(threading.Thread):
    """Stations that do what stations do, each second's packets spread over that second."""

    def __init__(self, interface: str, stations: int, *, busy: bool) -> None:
        """``busy``: half of them charge, with MeterValues each minute."""
        super().__init__(daemon=True)
        begin = int(time.time())
        self._stations = [Station(number, begin=begin, beat=BEAT) for number in range(1, stations + 1)]
        self._busy = busy
        self._over = threading.Event()
        self._way = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._way.bind((interface, 0))
        self.packets = 0
        self.messages = 0

    def run(self) -> None:
        """Until ``end``."""
        for moment in range(-PAST, 0):
            for station in self._stations:
                station.second(moment, busy=self._busy)  # never on the cable: it only brings them to where they are
        before = sum(station.messages for station in self._stations)
        begun = time.monotonic()
        moment = 0
        while not self._over.is_set():
            packets = self._second(moment)
            for place, packet in enumerate(packets):
                due = begun + moment + place / len(packets)
                if self._over.wait(max(due - time.monotonic(), 0)):
                    break
                self._way.send(packet.ljust(60, b"\0"))
                self.packets += 1
            moment += 1
            self.messages = sum(station.messages for station in self._stations) - before
            self._over.wait(max(begun + moment - time.monotonic(), 0))

    def _second(self, moment: int) -> list[bytes]:
        packets: list[bytes] = []
        for station in self._stations:
            comes = 1 + station.number % COMING
            if moment == comes:
                packets += station.connect(moment)
            elif moment > comes:
                packets += station.second(moment, busy=self._busy)
        return packets

    def end(self) -> None:
        """They fall silent."""
        self._over.set()
        self.join()
        self._way.close()


# ----------------------------------------------------------------------------------------------------------- Python


def lite_python(folder: Path) -> list[str]:
    """A Python that has what the package for small routers has, and nothing else; its command line's beginning."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    library = next(folder.glob("lib/python3*/site-packages"))
    for name in LITE:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(f"needs the package {name}")
        (library / name).symlink_to(next(iter(spec.submodule_search_locations)))
    (library / "fieldkit").symlink_to(ROOT / "fieldkit")
    return [str(folder / "bin" / "python3"), "-P"]


def warmed(python: list[str], folder: Path) -> dict[str, str]:
    """Its environment; bytecode is in a folder of ours, and compiled before it is measured."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/", "PYTHONNOUSERSITE": "1", "PYTHONPYCACHEPREFIX": str(folder / "pyc"),
    }  # fmt: skip
    subprocess.run([*python, "-c", WARMING], check=True, env=environment)
    return environment


# ---------------------------------------------------------------------------------------------------------- processes


class Taken(NamedTuple):
    """What a process had taken at a moment."""

    resident: float
    """MB (10^6 bytes)."""
    all_together: float
    """MB of it and its children; what they share is counted once."""
    seconds: float
    """Of processor time, its children's too."""


def taken(process: int) -> Taken:
    """Now."""
    family = [process, *_children(process)]
    return Taken(
        _number(Path(f"/proc/{process}/status"), "VmRSS:") * 1024 / 1e6,
        sum(_number(Path(f"/proc/{one}/smaps_rollup"), "Pss:") for one in family) * 1024 / 1e6,
        sum(_processor(one) for one in family),
    )


def _children(process: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for word in task.read_text().split():
                found += [int(word), *_children(int(word))]
    return found


def _number(path: Path, name: str) -> int:
    with suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def _processor(process: int) -> float:
    with suppress(OSError):
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / _HZ
    return 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("interface")
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    playing = Traffic(given.interface, given.stations, busy=given.busy)
    playing.start()
    time.sleep(given.seconds)
    playing.end()
    print(f"{playing.packets:,} packets, {playing.messages:,} messages")
