"""What the kernel reports of links, routes and connections: recorded, and from this machine's own kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.links.conntrack import ConntrackAdapter, Flow, Rebinds, from_netlink, from_text
from fieldkit.links.kernel import MAX_KEPT, MAX_LINKS, Kernel, MonitorText, NetlinkWatch
from fieldkit.links.linux import LinuxAdapter, kind_of
from fieldkit.links.recorded import ReplayRunner
from tests.links.routers import DATA, ROOT, router
from tests.traffic.netlab import WHY_NOT, run

# ------------------------------------------------------------------------------------------------------------ recorded


def truth() -> dict[str, float]:
    lines = (DATA / "events.log").read_text().split("\n")
    return {line.split()[2]: float(line.split()[0]) for line in lines if line.strip()}


def test_every_switch_of_the_recorded_run_is_in_what_ip_monitor_says() -> None:
    monitor = MonitorText()
    found = [event for line in (DATA / "mon.log").read_text().splitlines() for event in monitor.feed(line)]
    told = [(round(event.time / 1e9, 2), event.what, event.uplink, event.text) for event in found]
    # Before S1 the three links come up; what a monitor's start does not say it cannot know.
    at = truth()
    assert [one[1:3] for one in told[:3]] == [("up", "lan"), ("up", "eth1"), ("up", "wwan0")]
    rest = [
        (event.time / 1e9, event.what, event.uplink) for event in found[3:] if ":" not in event.after + event.before
    ]
    expected = [
        (at["S1_route_switch_A_to_B_no_flush"], "route", "wwan0"),
        (at["S2_failback_B_to_A_with_conntrack_flush"], "route", "wwan0"),
        (at["S3_detected_switch_to_B"], "route", "wwan0"),
        (at["S5_sim_switch_ifdown_addr_change_on_B"], "down", "eth1"),
        (at["S5_sim_switch_ifdown_addr_change_on_B"] + 3, "address", "eth1"),
        (at["S5_sim_switch_ifdown_addr_change_on_B"] + 3, "address", "eth1"),
        (at["S5_sim_switch_ifdown_addr_change_on_B"] + 3, "up", "eth1"),
        (at["S5_sim_switch_ifdown_addr_change_on_B"] + 3, "route", "eth1"),
    ]
    assert [one[1:] for one in rest] == [one[1:] for one in expected]
    assert all(abs(one[0] - other[0]) < 0.5 for one, other in zip(rest, expected, strict=True))
    assert all(event.exact for event in found)
    down = next(event for event in found if event.what == "down")
    assert down.text == "eth1 was switched off"


def test_every_connection_that_the_nat_moved_is_recognised() -> None:
    rebinds = Rebinds()
    flows = [flow for line in (DATA / "ct.log").read_text().splitlines() if (flow := from_text(line)) is not None]
    assert len(flows) == 27, "as conntrack counted them"
    found = [event for flow in flows for event in rebinds.feed(flow)]
    at = truth()
    moved = [(event.before, event.after) for event in found if event.what == "nat-rebind"]
    assert moved == [
        ("10.64.0.2", "100.64.0.2"),  # S1
        ("100.64.0.2", "10.64.0.2"),  # S2
        ("10.64.0.2", "100.64.0.2"),  # S3, when the station's last segment comes out at last
        ("100.64.0.2", "100.64.0.3"),  # S5
    ]
    (flush,) = [event for event in found if event.what == "nat-flush"]
    assert abs(flush.time / 1e9 - at["S2_failback_B_to_A_with_conntrack_flush"]) < 0.1
    assert "192.168.1.50:48788 to 9.9.9.9:9000 now leaves as 100.64.0.2" in found[0].text


def test_an_ordinary_life_of_a_connection_is_no_event() -> None:
    rebinds = Rebinds()
    key = ("192.168.1.50", 1234, "9.9.9.9", 443)
    for time_, what, established, replied in ((1, "new", False, False), (2, "update", True, True), (3, "destroy", True, True),
                                              (4, "new", False, False)):  # fmt: skip
        flow = Flow(time_, what, 6, key, "10.0.0.1", established, replied, False)  # type: ignore[arg-type]
        assert rebinds.feed(flow) == []
    # Picked up again in mid-connection with the same address: the table was emptied, the uplink is the same.
    rebinds.feed(Flow(5, "destroy", 6, key, "10.0.0.1", True, True, False))
    assert rebinds.feed(Flow(6, "new", 6, key, "10.0.0.1", True, False, False)) == []


def test_a_connection_whose_end_was_not_reported() -> None:
    key = ("192.168.1.50", 1234, "9.9.9.9", 443)
    (event,) = Rebinds().feed(Flow(1, "new", 6, key, "10.0.0.1", True, False, False))
    assert (event.what, event.before, event.after) == ("nat-rebind", "", "10.0.0.1")
    assert "was taken up in the middle" in event.text


def test_the_kernel_says_many_things_twice() -> None:
    kernel = Kernel()
    assert [one.what for one in kernel.link(1, "eth1", True, admin=True, gone=False)] == ["up"]
    assert kernel.link(2, "eth1", True, admin=True, gone=False) == []
    assert [one.what for one in kernel.route(3, "eth1", "10.0.0.1", 10, gone=False)] == ["route"]
    assert kernel.route(4, "eth1", "10.0.0.1", 10, gone=False) == []
    assert [one.what for one in kernel.address(4, "eth1", "10.0.0.2", gone=False)] == ["address"]
    assert kernel.address(4, "eth1", "10.0.0.2", gone=False) == []
    assert [one.before for one in kernel.address(4, "eth1", "10.0.0.2", gone=True)] == ["10.0.0.2"]
    (lost,) = kernel.link(5, "eth1", False, admin=True, gone=False)
    assert lost.text == "eth1 has no carrier: the cable, or what is at its other end"


def test_a_router_with_endless_interfaces_is_not_remembered_without_end() -> None:
    kernel = Kernel()
    for number in range(MAX_LINKS + 10):
        kernel.address(1, f"veth{number}", "10.0.0.1", gone=False)
        kernel.address(1, "eth1", f"10.{number >> 8}.{number & 255}.1", gone=False)
    assert len(kernel._addresses) == MAX_LINKS
    assert len(kernel._addresses["eth1"]) == MAX_KEPT


@given(st.binary(max_size=200))
def test_no_datagram_hurts(data: bytes) -> None:
    NetlinkWatch().feed(1, data)
    assert all(isinstance(flow, Flow) for flow in from_netlink(1, data))


@given(st.text(max_size=120))
def test_no_line_hurts(line: str) -> None:
    MonitorText().feed(line)
    from_text(line)


# --------------------------------------------------------------------------------------------------------------- linux

LINK = (["run", "ip", "-o", "link", "show"],
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n2: eth1@if7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500\n"
        "3: wwan0: <POINTOPOINT,UP,LOWER_UP> mtu 1500\n4: eth2: <NO-CARRIER,BROADCAST,UP> mtu 1500\n")  # fmt: skip
ADDRESS = (["run", "ip", "-o", "addr", "show"],
           "2: eth1    inet 100.64.0.2/30 brd 100.64.0.3 scope global eth1\\       valid_lft forever\n"
           "3: wwan0    inet 10.64.0.2/30 scope global wwan0\n3: wwan0    inet6 fe80::1/64 scope link\n")  # fmt: skip
ROUTES = (["run", "ip", "route", "show", "table", "all"],
          "default via 100.64.0.1 dev eth1 proto dhcp metric 20 \ndefault via 10.64.0.1 dev wwan0 metric 10 \n"
          "default via 192.0.2.1 dev eth2 metric 5 linkdown \ndefault dev wg0 table 51820\n"
          "192.168.1.0/24 dev br-lan scope link\nlocal 127.0.0.1 dev lo table local\n")  # fmt: skip


def test_whoever_has_a_default_route_is_an_uplink() -> None:
    found = {one.id: one for one in LinuxAdapter().snapshot(router(LINK, ADDRESS, ROUTES))}
    assert {name: (one.up, one.role, one.address) for name, one in found.items()} == {
        "wwan0": (True, "active", "10.64.0.2"),
        "eth1": (True, "standby", "100.64.0.2"),
        "eth2": (False, "failed", ""),
        "wg0": (None, "unknown", ""),
    }
    assert (found["wwan0"].kind, found["wwan0"].metered, found["eth1"].kind) == ("cellular", True, "ethernet")


def test_a_route_over_several_uplinks_at_once() -> None:
    routes = "default proto static metric 5 \n\tnexthop via 10.64.0.1 dev wwan0 weight 1\n\tnexthop via 100.64.0.1 dev eth1 weight 1\n"
    found = {one.id: one.role for one in LinuxAdapter().snapshot(router(LINK, ADDRESS, (ROUTES[0], routes)))}
    assert found == {"wwan0": "active", "eth1": "active"}


@pytest.mark.parametrize(
    "name, kind",
    [("wwan0", "cellular"), ("qmimux0", "cellular"), ("rmnet501", "cellular"), ("eth0", "ethernet"), ("enp3s0", "ethernet"),
     ("wlan0", "wifi"), ("tun0", "vpn"), ("xyz", "unknown"), ("mob1s1a1", "cellular")],
)  # fmt: skip
def test_what_an_interface_is_by_its_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_over_ssh_the_events_come_from_ip_monitor() -> None:
    lines = (DATA / "mon.log").read_text().splitlines()
    entries = [{"time": 1, "ask": ["follow", *MonitorText.COMMAND], "line": line} for line in lines]
    zone = {"time": 1, "ask": ["run", "date", "+%z"], "answer": "+0100\n"}
    events = list(LinuxAdapter().events(ReplayRunner([*entries, zone], "a router")))
    plain = MonitorText()
    first = next(event for line in lines for event in plain.feed(line))
    assert events[0].time == first.time - 3600 * 10**9, "the router's clock shows its zone"
    assert len(events) > 10


def test_over_ssh_rebinds_come_from_the_program() -> None:
    ask = ["follow", "conntrack", "-E", "-o", "timestamp"]
    entries = [{"time": 1, "ask": ask, "line": line} for line in (DATA / "ct.log").read_text().splitlines()]
    events = list(ConntrackAdapter().events(ReplayRunner(entries, "a router")))
    assert [event.what for event in events].count("nat-rebind") == 4


# --------------------------------------------------------------------------------------------- this machine's own kernel

needs_namespaces = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
needs_nft = pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft (apt-get install nftables)")


@pytest.fixture
def lab() -> Iterator[str]:
    """A router with two uplinks, each a cable to a network of its own."""
    name = f"fkl{os.getpid() % 10_000}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        for number, device in enumerate(("wwan0", "eth1"), 1):
            far = f"{name}f{number}"
            run("ip", "link", "add", device, "netns", name, "type", "veth", "peer", "name", far)
            run("ip", "link", "set", far, "up")
            run("ip", "-n", name, "link", "set", device, "up")
            run("ip", "-n", name, "addr", "add", f"10.99.{number}.2/30", "dev", device)
            run("ip", "-n", name, "route", "add", "default", "via", f"10.99.{number}.1", "metric", str(number * 10))
        yield name
    finally:
        for number in (1, 2):
            subprocess.run(["ip", "link", "del", f"{name}f{number}"], capture_output=True)
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


class Watch:
    """``fieldkit link --watch --json -`` in a namespace."""

    def __init__(self, lab: str) -> None:
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", lab, sys.executable, "-m", "fieldkit", "link", "--watch", "--every", "1s", "--json", "-"],
            stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.lines: Any = self.process.stdout
        self.look = json.loads(self.lines.readline())["look"]
        time.sleep(0.4)  # the listeners begin behind the first look
        self._guard = threading.Timer(15, self.process.kill)
        self._guard.start()

    def until(self, what: str, uplink: str = "") -> dict[str, Any]:
        for line in self.lines:
            event: dict[str, Any] = json.loads(line)["event"]
            if event["what"] == what and event["exact"] and uplink in event["uplink"]:
                return event
        raise AssertionError(what)

    def end(self) -> int:
        self._guard.cancel()
        self.process.terminate()
        self.process.communicate(timeout=10)
        return self.process.returncode


@needs_namespaces
def test_a_cable_that_is_pulled_and_a_route_that_moves(lab: str) -> None:
    watch = Watch(lab)
    assert {one["id"]: (one["up"], one["role"]) for one in watch.look["uplinks"]} == {
        "wwan0": (True, "active"), "eth1": (True, "standby"),
    }  # fmt: skip
    pulled = time.time()
    run("ip", "link", "set", f"{lab}f1", "down")
    down = watch.until("down", "wwan0")
    assert down["text"] == "wwan0 has no carrier: the cable, or what is at its other end"
    told = (
        time.mktime(time.strptime(down["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(down["time"][19:23])
    )
    assert abs(told - pulled) < 0.3
    run("ip", "link", "set", f"{lab}f1", "up")
    watch.until("up", "wwan0")
    run("ip", "-n", lab, "route", "del", "default", "via", "10.99.1.1", "metric", "10")
    assert watch.until("route", "wwan0")["text"].endswith("wwan0 via 10.99.1.1, metric 10 was taken away")
    # A lease that is prolonged is said again by the kernel, and no news, although it was there before we were.
    run("ip", "-n", lab, "addr", "change", "10.99.2.2/30", "dev", "eth1", "valid_lft", "3600", "preferred_lft", "3600")
    run("ip", "-n", lab, "addr", "add", "10.99.2.3/29", "dev", "eth1")
    assert watch.until("address", "eth1")["after"] == "10.99.2.3"
    assert watch.end() == 0


@needs_namespaces
@needs_nft
def test_connections_are_heard_of_from_the_kernel_itself(lab: str) -> None:
    rules = (
        "table ip n { chain post { type nat hook postrouting priority 100; oifname { wwan0, eth1 } masquerade; }; "
        "chain out { type filter hook output priority 0; ct state new accept; }; }"
    )
    run("ip", "netns", "exec", lab, "nft", rules)
    program = (
        "import sys; from fieldkit.links.local import LocalRunner; from fieldkit.links.conntrack import from_netlink\n"
        "import socket\n"
        "stream = LocalRunner().netlink('conntrack'); next(stream)\n"
        "server = socket.create_server(('127.0.0.1', 0)); client = socket.create_connection(server.getsockname())\n"
        "peer = server.accept()[0]; client.close(); peer.close()\n"
        "seen = []\n"
        "for time, data in stream:\n"
        "    seen += [(f.what, f.key[0], f.outside, f.established) for f in from_netlink(time, data) if f.protocol == 6]\n"
        "    if any(one[3] for one in seen): break\n"
        "print(seen)\n"
    )
    done = subprocess.run(
        ["ip", "netns", "exec", lab, sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=20,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "('new', '127.0.0.1', '127.0.0.1', False)" in done.stdout
    assert "('update', '127.0.0.1', '127.0.0.1', True)" in done.stdout


@pytest.fixture
def site(lab: str) -> Iterator[tuple[str, str]]:
    """Behind the router a charger, in front of it a network in which both uplinks lead to one server."""
    far, charger = f"{lab}n", f"{lab}c"
    try:
        for name in (far, charger):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", far, "addr", "add", "9.9.9.9/32", "dev", "lo")
        for number in (1, 2):
            run("ip", "link", "set", f"{lab}f{number}", "netns", far)
            run("ip", "-n", far, "link", "set", f"{lab}f{number}", "up")
            run("ip", "-n", far, "addr", "add", f"10.99.{number}.1/30", "dev", f"{lab}f{number}")
        run("ip", "link", "add", "lan", "netns", lab, "type", "veth", "peer", "name", "eth0", "netns", charger)
        run("ip", "-n", lab, "link", "set", "lan", "up")
        run("ip", "-n", lab, "addr", "add", "192.168.77.1/24", "dev", "lan")
        run("ip", "-n", charger, "link", "set", "eth0", "up")
        run("ip", "-n", charger, "addr", "add", "192.168.77.50/24", "dev", "eth0")
        run("ip", "-n", charger, "route", "add", "default", "via", "192.168.77.1")
        run("ip", "netns", "exec", lab, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        rules = (
            "table ip n { chain post { type nat hook postrouting priority 100; "
            'oifname "wwan0" masquerade; oifname "eth1" masquerade; }; }'
        )
        run("ip", "netns", "exec", lab, "nft", rules)
        yield far, charger
    finally:
        for name in (far, charger):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


SERVER = (
    "import socket\n"
    "server = socket.create_server(('9.9.9.9', 9000)); print('ready', flush=True)\n"
    "while True:\n"
    "    peer = server.accept()[0]\n"
    "    while data := peer.recv(100): peer.send(data)\n"
)
CHARGER = (
    "import socket, sys\n"
    "client = None\n"
    "for word in sys.stdin:\n"
    "    client = client or socket.create_connection(('9.9.9.9', 9000), 5)\n"
    "    client.send(b'x'); print('sent', flush=True)\n"
)


@needs_namespaces
@needs_nft
def test_a_live_session_that_the_nat_moves_to_the_other_uplink(lab: str, site: tuple[str, str]) -> None:
    far, charger = site
    python = [sys.executable, "-u", "-c"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen(["ip", "netns", "exec", far, *python, SERVER], **pipes) as server,
        subprocess.Popen(["ip", "netns", "exec", charger, *python, CHARGER], **pipes) as client,
    ):
        watch = Watch(lab)
        try:
            assert server.stdout is not None
            assert client.stdin is not None
            assert client.stdout is not None
            assert server.stdout.readline() == "ready\n"
            client.stdin.write("one\n")
            client.stdin.flush()
            assert client.stdout.readline() == "sent\n"
            time.sleep(0.2)
            run("ip", "-n", lab, "route", "del", "default", "via", "10.99.1.1", "metric", "10")
            client.stdin.write("two\n")
            client.stdin.flush()
            moved = watch.until("nat-rebind")
            assert (moved["before"], moved["after"]) == ("10.99.1.2", "10.99.2.2")
            assert "the connection of 192.168.77.50:" in moved["text"]
            watch.end()
        finally:
            watch.process.kill()
            server.kill()
            client.kill()
