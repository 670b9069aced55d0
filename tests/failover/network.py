"""A charger behind a router with two uplinks, each over a carrier with NAT of its own, and the CSMS beyond.

    station 192.168.1.50 ── lan ROUTER wwan0 10.64.0.2  ══ wire a ══ 10.64.0.1  ┐
                                       eth1  100.64.0.2 ══ wire b ══ 100.64.0.1 ┴ CARRIERS ── 203.0.113.9 csms

Each in a network namespace; the router masquerades with nftables. The wires are ``relay``'s. The carriers translate
addresses too, and let nobody send with an address that is not of their network (BCP 38). Linux and root.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pytest

from tests.failover.kernel import forget_connections, plain_packets, within
from tests.failover.parties import Timers
from tests.live.lab import Lab, Talker, why
from tests.traffic.netlab import run

STATION: Final = "192.168.1.50"
CSMS: Final = "203.0.113.9"
URL: Final = f"ws://{CSMS}:9000/CP_7"
A, B = "wwan0", "eth1"
"""The uplinks, by the router's names; wires ``a`` and ``b``."""
GATEWAYS: Final = {A: "10.64.0.1", B: "100.64.0.1"}
METRICS: Final = {A: 10, B: 20}
LEASE: Final = {A: ["10.64.0.2/29", "10.64.0.3/29"], B: ["100.64.0.2/29", "100.64.0.3/29"]}
"""Addresses that a carrier gives, one after the other."""
WIRES: Final = {A: "a", B: "b"}
_NUMBERS: Final = itertools.count()

_PACKAGES: Final = {"nft": "nftables", "tcpdump": "tcpdump"}
_MISSING: Final = [name for name in _PACKAGES if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
WHY_NOT: Final = why or (
    "needs " + ", ".join(f"{name} (apt-get install {_PACKAGES[name]})" for name in _MISSING) if _MISSING else ""
)
needs_failover_lab = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

_ROUTER_RULES: Final = """
table ip nat {
  chain out { type nat hook postrouting priority 100; oifname { "wwan0", "eth1" } masquerade; }
}
"""
_CARRIER_RULES: Final = """
table ip carrier {
  chain forwarding {
    type filter hook forward priority 0;
    iifname "ga" ip saddr != 10.64.0.0/29 drop
    iifname "gb" ip saddr != 100.64.0.0/29 drop
    jump allowed
    jump strict
  }
  chain allowed { }
  chain strict { }
  chain out {
    type nat hook postrouting priority 100;
    oifname "core" ip saddr 10.64.0.0/29 snat to 203.0.113.1
    oifname "core" ip saddr 100.64.0.0/29 snat to 203.0.113.2
  }
}
"""


class Network(Lab):
    """The site, the carriers and the CSMS; everything in it ends with it."""

    def __init__(self) -> None:
        super().__init__()
        mark = f"fk{os.getpid() % 10_000}x{next(_NUMBERS)}"
        self._spaces = {name: f"{mark}{name}" for name in ("station", "router", "air", "carriers", "csms")}
        self.relay: subprocess.Popen[bytes] | None = None

    # ----------------------------------------------------------------------------------------------------- building

    def wire(self, here: str, end: str, there: str, other: str) -> None:
        """A virtual cable from one place to another."""
        self.ip(here, "link", "add", end, "type", "veth", "peer", "name", other, "netns", self._spaces[there])
        for place, name in ((here, end), (there, other)):
            run(*self.within(place), "sh", "-c", f"echo 1 >/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
            within(self._spaces[place], lambda name=name: plain_packets(name))  # type: ignore[misc]
            self.ip(place, "link", "set", name, "up")

    def lay(self) -> None:
        for space in self._spaces.values():
            run("ip", "netns", "add", space)
        for place in self._spaces:
            self.ip(place, "link", "set", "lo", "up")
        self.wire("station", "eth0", "router", "lan")
        self.wire("router", A, "air", "a0")
        self.wire("router", B, "air", "b0")
        self.wire("air", "a1", "carriers", "ga")
        self.wire("air", "b1", "carriers", "gb")
        self.wire("carriers", "core", "csms", "eth0")
        self.ip("station", "addr", "add", f"{STATION}/24", "dev", "eth0")
        self.ip("router", "addr", "add", "192.168.1.1/24", "dev", "lan")
        self.ip("csms", "addr", "add", f"{CSMS}/24", "dev", "eth0")
        for address in ("203.0.113.1/24", "203.0.113.2/24"):
            self.ip("carriers", "addr", "add", address, "dev", "core")
        for uplink, port in ((A, "ga"), (B, "gb")):
            self.ip("carriers", "addr", "add", f"{GATEWAYS[uplink]}/29", "dev", port)
            self.ip("router", "addr", "add", LEASE[uplink][0], "dev", uplink)
            self.route(uplink)
        self.ip("station", "route", "add", "default", "via", "192.168.1.1")
        for place, rules in (("router", _ROUTER_RULES), ("carriers", _CARRIER_RULES)):
            run(*self.within(place), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
            self.nft(place, rules)
        self.relay = subprocess.Popen(
            [*self.within("air"), sys.executable, "-m", "tests.failover.relay", "a:a0:a1", "b:b0:b1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert self.relay.stdout is not None
        assert b"ready" in self.relay.stdout.readline()

    def nft(self, place: str, rules: str) -> None:
        """Load rules there."""
        subprocess.run([*self.within(place), "nft", "-f", "-"], input=rules.encode(), check=True)

    def resolv_conf(self, place: str, text: str) -> None:
        """What programs there take for /etc/resolv.conf."""
        folder = Path("/etc/netns") / self._spaces[place]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "resolv.conf").write_text(text)

    def services(self, kind: str) -> list[Talker]:
        """Those of ``tests.failover.services`` that run."""
        return [talker for talker in self._running if kind in talker.process.args and talker.process.poll() is None]  # type: ignore[operator]

    def clear(self) -> None:
        for space in self._spaces.values():
            shutil.rmtree(Path("/etc/netns") / space, ignore_errors=True)
        if self.relay is not None:
            assert self.relay.stdin is not None
            assert self.relay.stdout is not None
            self.relay.stdin.close()
            self.relay.wait(10)
            self.relay.stdout.close()
        super().clear()

    # ------------------------------------------------------------------------------------------------- what happens

    def set(self, uplink: str, **settings: float | bool) -> int:
        """Change a wire: ``delay_ms``, ``jitter_ms``, ``loss``, ``down``. When it took effect, ns."""
        assert self.relay is not None
        assert self.relay.stdin is not None
        assert self.relay.stdout is not None
        self.relay.stdin.write(json.dumps({"wire": WIRES[uplink], **settings}).encode() + b"\n")
        self.relay.stdin.flush()
        found: int = json.loads(self.relay.stdout.readline())["time"]
        return found

    def route(self, uplink: str, *, there: bool = True) -> int:
        """Have a default route over an uplink, or have it no more. When, ns."""
        words = ("via", GATEWAYS[uplink], "dev", uplink, "metric", str(METRICS[uplink]))
        self.ip("router", "route", "add" if there else "del", "default", *words)
        return time.time_ns()

    def flush(self) -> int:
        """The router forgets its connections, as mwan3 with ``flush_conntrack`` has it. When, ns."""
        within(self._spaces["router"], forget_connections)
        return time.time_ns()

    def refuse(self, uplink: str, verdict: str) -> None:
        """The carrier lets nobody through to the CSMS: an APN with a list of its own."""
        source = GATEWAYS[uplink].rsplit(".", 1)[0]
        self.nft("carriers", f"add rule ip carrier allowed ip saddr {source}.0/29 ip daddr {CSMS} {verdict}\n")

    def forget_idle(self, seconds: int, verdict: str) -> None:
        """The carriers' NAT forgets a connection in which nothing is said for so long, and takes up none midway."""
        sysctl = "/proc/sys/net/netfilter"
        run(*self.within("carriers"), "sh", "-c",
            f"echo 0 >{sysctl}/nf_conntrack_tcp_loose; echo {seconds} >{sysctl}/nf_conntrack_tcp_timeout_established")  # fmt: skip
        self.nft("carriers", f"add rule ip carrier strict ct state invalid {verdict}\n")

    # -------------------------------------------------------------------------------------------------- who takes part

    @property
    def parties(self) -> list[Talker]:
        """The CSMS and the station, as far as they have come."""
        return [talker for talker in self._running if "tests.failover.parties" in talker.process.args]  # type: ignore[operator]

    def serve(self) -> Talker:
        """The CSMS."""
        started = self.start("csms", "tests.failover.parties", "csms", f"{CSMS}:9000")
        started.says("serving")
        return started

    def charge(self, timers: Timers) -> Talker:
        """The station, up to its first meter value that has arrived."""
        started = self.start("station", "tests.failover.parties", "station", URL, json.dumps(asdict(timers)))
        started.says("delivered", 60)
        return started

    def record(self, interface: str, file: Path) -> subprocess.Popen[bytes]:
        """Capture there with tcpdump; it listens when this returns."""
        started = subprocess.Popen(
            [*self.within("router"), "tcpdump", "-i", interface, "--immediate-mode", "-U", "-n", "-Z", "root", "-w", str(file)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert started.stderr is not None
        line = started.stderr.readline()
        assert b"listening on" in line, line
        return started


@contextmanager
def network() -> Iterator[Network]:
    """It is there while the block runs."""
    made = Network()
    try:
        made.lay()
        yield made
    finally:
        made.clear()


def lines(talker: Talker) -> list[dict[str, Any]]:
    """What a party has written down."""
    return [json.loads(line) for line in list(talker.out) if line.startswith("{")]
