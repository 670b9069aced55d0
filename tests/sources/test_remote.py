"""What is said to the shell of a router, what it may answer, and which shells understand it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, strategies

from fieldkit.sources.bpf import CaptureFilter, host
from fieldkit.sources.remote import (
    ASK,
    OBEY,
    Facts,
    capture_line,
    find_facts,
    install_advice,
    meaning_of,
    own_session,
    read_counters,
)

OPENWRT = b"""Welcome
 to the router
fieldkit-tap 1
ssh 192.168.1.50 51234 192.168.1.1 22
user 0
system Linux
tool tcpdump
tool opkg
tool rm -rf
version tcpdump version 4.99.4
os openwrt / OpenWrt 24.10.0
interfaces br-lan eth0 lo `x` wwan0
offload 1
limit 1
clock 1788163200.%N
ready
"""


def test_facts_of_a_router() -> None:
    facts = find_facts(OPENWRT)
    assert facts == Facts(
        peer="192.168.1.50", port=22, clock=1_788_163_200 * 10**9, clock_step=10**9, root=True, linux=True,
        tools=frozenset({"tcpdump", "opkg"}), version=(4, 99), system="openwrt / OpenWrt 24.10.0",
        interfaces=("br-lan", "eth0", "lo", "wwan0"), offload=True, limits_reads=True,
    )  # fmt: skip
    for cut in range(len(OPENWRT) - 1):
        assert find_facts(OPENWRT[:cut]) is None


@given(strategies.binary(max_size=300))
def test_a_router_may_say_anything(noise: bytes) -> None:
    facts = find_facts(b"\nfieldkit-tap 1\n" + noise + b"\nready\n")
    assert facts is not None
    line = capture_line(replace(facts, tools=frozenset({"tcpdump"})), "eth0", CaptureFilter(), 22)
    assert line is not None
    assert line.count("\n") == 1
    assert install_advice(facts).isprintable()


@pytest.mark.parametrize("ssh, port, expected", [
    ("192.0.2.7 5000 10.0.0.1 22", 0, "tcp and host 192.0.2.7 and (port 22)"),
    ("192.0.2.7 5000 10.0.0.1 22", 2222, "tcp and host 192.0.2.7 and (port 22 or port 2222)"),
    ("::ffff:192.0.2.7 5000 ::ffff:10.0.0.1 22", 0, "tcp and host 192.0.2.7 and (port 22)"),
    ("fe80::1%br-lan 5000 fe80::2%br-lan 22", 0, "tcp and host fe80::1 and (port 22)"),
    ("", 0, "tcp port 22"),
    ("", 2222, "tcp port 2222"),
    ("1.2.3.4.5 5000 10.0.0.1 22", 0, "tcp port 22"),
    ("1.1.1.1;reboot 5000 10.0.0.1 22", 0, "tcp port 22"),
])  # fmt: skip
def test_the_session_is_left_out(ssh: str, port: int, expected: str) -> None:
    facts = find_facts(f"\nfieldkit-tap 1\nssh {ssh}\nready\n".encode())
    assert facts is not None
    assert own_session(facts, port) == expected


SHELLS = [words.split() for words in ("sh -c", "dash -c", "bash -c", "busybox sh -c") if shutil.which(words.split()[0])]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
def test_shells_answer(shell: list[str]) -> None:
    run = subprocess.run([*shell, OBEY], input=ASK.encode(), capture_output=True, timeout=10)
    facts = find_facts(run.stdout)
    assert facts is not None
    assert facts.clock is not None
    assert facts.system
    assert len(OBEY) < 100, "dropbear takes no long commands"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
@pytest.mark.parametrize("tools, root", [("tcpdump", True), ("dumpcap", True), ("tcpdump sudo", False)])
def test_shells_can_read_what_they_are_to_run(shell: list[str], tools: str, root: bool) -> None:
    facts = Facts(tools=frozenset(tools.split()), root=root, linux=True, version=(4, 99), limits_reads=True)
    wanted = CaptureFilter(hosts=(host("10.0.0.0/8"), host("2001:db8::7")), ports=(443, 9000), vlan=7)
    line = capture_line(facts, "br-lan", wanted, 22)
    assert line is not None
    run = subprocess.run([*shell[:-1], "-n"], input=line.encode(), capture_output=True, timeout=10)
    assert (run.returncode, run.stderr) == (0, b"")


def test_counters_are_asked_for_only_where_the_question_does_no_harm() -> None:
    facts = Facts(tools=frozenset({"tcpdump"}), root=True, linux=True, version=(4, 99))
    for other, asked in (
        (facts, True),
        (replace(facts, version=(4, 5)), False),
        (replace(facts, linux=False), False),
        (replace(facts, tools=frozenset({"dumpcap"})), False),
    ):
        line = capture_line(other, "eth0", CaptureFilter(), 0)
        assert line is not None
        assert ("USR1" in line) is asked


@pytest.mark.parametrize("system, tools, advice", [
    ("openwrt / OpenWrt 24.10.0", "opkg", "there is no tcpdump on OpenWrt 24.10.0: install it there with 'opkg update && opkg install tcpdump-mini'"),
    ("openwrt / OpenWrt 25.12.0", "apk", "apk add tcpdump-mini"),
    ("rutos / Teltonika RUTX11", "opkg", "opkg install tcpdump (or System, Package Manager, tcpdump in its web pages)"),
    ("alpine / Alpine Linux v3.20", "apk", "apk add tcpdump'"),
    ("debian / Debian GNU/Linux 11", "apt-get", "apt-get install tcpdump"),
    ("fedora / Fedora", "dnf", "dnf install tcpdump"),
    ("\x1b[31m / \x1b[31m", "", r"there is neither tcpdump nor dumpcap on \x1b[31m"),
    ("", "", "there is neither tcpdump nor dumpcap, and no package manager to install one with"),
])  # fmt: skip
def test_what_to_install(system: str, tools: str, advice: str) -> None:
    facts = Facts(system=system, tools=frozenset(tools.split()))
    assert capture_line(facts, "eth0", CaptureFilter(), 0) is None
    assert advice in install_advice(facts)


def test_counters() -> None:
    assert read_counters("tcpdump: 5 packets captured, 7 packets received by filter, 2 packets dropped by kernel") == {
        "received": 7, "dropped": 2,
    }  # fmt: skip
    assert read_counters("1 packet dropped by kernel") == {"dropped": 1}
    assert read_counters("3 packets dropped by interface") == {"missed": 3}
    assert read_counters("Packets received/dropped on interface 'eth0': 12/3 (pcap:3/dumpcap:0)") == {
        "received": 12, "dropped": 3,
    }  # fmt: skip
    assert read_counters("tcpdump: listening on eth0") == {}


def test_meanings() -> None:
    for words, meaning in (
        ("tcpdump: eth9: No such device exists", "absent"),
        ("tcpdump: eth0: You don't have permission to capture on that device", "forbidden"),
        ("tcpdump: eth0: That device is not up", "down"),
        ("tcpdump: pcap_loop: The interface disappeared", "down"),
        ("something else", ""),
    ):
        assert meaning_of(["tcpdump: listening on eth0", words]) == meaning
