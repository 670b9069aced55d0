"""What is said to the shell at the other end of an ssh session, and what it answers.

The command that ssh starts reads lines and obeys them. The first line asks what there is: which capture program, which
clock, which interfaces. The second runs the capture program with a filter that leaves out the session itself, or what
it sends would be captured, sent, captured, … From then on a line every few seconds says that we are still here: when
they stop, or the session ends in whatever way, the capture program is ended too.

All of it is for the smallest shells (BusyBox ash, dash) and is quoted for csh and fish, which some systems give root.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from fieldkit.safetext import terminal
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.pcapfilter import pcap_filter

OBEY: Final = "exec sh -c 'while read -r l; do eval \"$l\"; done'"
"""The command for ssh. Not more than a few bytes: small servers take no long ones."""

_MARK: Final = b"\nfieldkit-tap 1\n"
_READY: Final = b"\nready\n"
"""Around the facts: a login script may say something before them."""
MAX_HELLO: Final = 65_536
"""Bytes that may come before the facts are complete."""

_TOOLS: Final = ("tcpdump", "dumpcap", "sudo", "opkg", "apk", "apt-get", "dnf", "yum", "pkg")
ASK: Final = (
    "PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin:/usr/local/bin:/opt/sbin:/opt/bin; export PATH; "
    "LC_ALL=C; export LC_ALL; { "
    "echo; echo fieldkit-tap 1; "
    'echo "ssh $SSH_CONNECTION"; echo "user $(id -u)"; echo "system $(uname -s)"; '
    f"for t in {' '.join(_TOOLS)}; do command -v $t >/dev/null && echo tool $t; done; "
    'echo "version $(tcpdump --version 2>&1 | head -n 1)"; '
    'echo "os $(. /etc/os-release; echo $ID / $PRETTY_NAME)"; '
    'echo "interfaces $(cd /sys/class/net; echo *)"; '
    'echo "offload $(uci -q get firewall.@defaults[0].flow_offloading_hw)"; '
    # Reading with a time limit is no part of POSIX: dash calls it an error (2), others meet the end of the file (1).
    '(read -r -t 1 x </dev/null); echo "limit $?"; '
    'echo "clock $(date +%s.%N)"; echo ready; } 2>/dev/null\n'
)

BEAT: Final = 10.0
"""Seconds between two lines that say that we are still here."""
_MISSED: Final = 45
"""Seconds without one after which the capture program is ended, by shells that can tell."""
GENTLY: Final = b"e\n"
"""End the capture, but not before what is under way has come."""
_DRAIN: Final = 1
"""Seconds for that: libpcap hands packets on once a second when there are few."""
_STUCK: Final = 2
"""Seconds that it has for that, before it is killed: it may hang in a write to a dead session."""
_COUNTS_ON_SIGNAL: Final = (4, 9)
"""tcpdump tells its counters at SIGUSR1 (Linux only); very old ones are ended by it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the other machine says of itself. It may say anything."""

    peer: str = ""
    """Our address as it sees it …"""
    port: int = 0
    """… and the port of its own that the ssh connection came in on."""
    clock: int | None = None
    """Its time, in ns."""
    clock_step: int = 0
    """How coarse that is: many have only whole seconds."""
    root: bool = False
    linux: bool = False
    tools: frozenset[str] = field(default_factory=frozenset)
    version: tuple[int, int] = (0, 0)
    """Of its tcpdump."""
    system: str = ""
    """As in /etc/os-release: id, and name for people."""
    interfaces: tuple[str, ...] = ()
    offload: bool = False
    """Hardware forwards packets past the processor."""
    limits_reads: bool = False


_PEER: Final = re.compile(r"([0-9A-Fa-f.:]{2,45})(?:%\S{1,32})? \d{1,5} \S{2,80} (\d{1,5})")
_CLOCK: Final = re.compile(r"(\d{1,11})(?:\.(\d{9}))?")
_VERSION: Final = re.compile(r"tcpdump version (\d{1,3})\.(\d{1,3})")
_NAME: Final = re.compile(r"[\w.:@+-]{1,64}", re.ASCII)


def find_facts(hello: bytes) -> Facts | None:
    """The facts in what has come so far; None while they are not complete."""
    begin = hello.find(_MARK)
    end = hello.find(_READY, begin + 1) if begin >= 0 else -1
    if end < 0:
        return None
    said: dict[str, str] = {}
    tools: set[str] = set()
    for line in hello[begin + len(_MARK) : end].decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(" ")
        if key == "tool":
            tools.add(value)
        else:
            said.setdefault(key, value.strip())
    peer = _PEER.fullmatch(said.get("ssh", ""))
    clock = _CLOCK.match(said.get("clock", ""))
    version = _VERSION.search(said.get("version", ""))
    names = tuple(name for name in said.get("interfaces", "").split()[:64] if _NAME.fullmatch(name))
    return Facts(
        peer=_plain(peer[1]) if peer is not None else "",
        port=int(peer[2]) if peer is not None else 0,
        clock=int(clock[1]) * 1_000_000_000 + int(clock[2] or 0) if clock is not None else None,
        clock_step=1 if clock is not None and clock[2] else 1_000_000_000,
        root=said.get("user") == "0",
        linux=said.get("system") == "Linux",
        tools=frozenset(tools & {*_TOOLS}),
        version=(int(version[1]), int(version[2])) if version is not None else (0, 0),
        system=said.get("os", ""),
        interfaces=names,
        offload=said.get("offload") == "1",
        limits_reads=said.get("limit") == "1",
    )


def _plain(address: str) -> str:
    """The address as it stands in the packets: an IPv4 one may have come in on an IPv6 socket. Empty if it is none."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def own_session(facts: Facts, port: int) -> str:
    """The packets of ssh between us and it, for pcap-filter(7). ``port`` is the one that we called.

    All connections between the two, not only this one: an earlier one may be dying. And where its own firewall
    redirects the port, it sees it under another number than its ssh server does.
    """
    if not facts.peer:
        return f"tcp port {port or 22}"
    ports = dict.fromkeys((facts.port, port or facts.port))
    return f"tcp and host {facts.peer} and ({' or '.join(f'port {number}' for number in ports)})"


def capture_line(facts: Facts, interface: str, wanted: CaptureFilter, port: int) -> str | None:
    """The line that starts the capture; None when there is nothing to do it with."""
    besides = own_session(facts, port)
    full, plain = (
        shlex.quote(pcap_filter(wanted, besides=besides, tunnels=False, tags=tags)) for tags in (True, False)
    )
    name = shlex.quote(interface)
    # A tool that was found is used as its user may: root, with the rights it has been given, or through sudo.
    sudo = not facts.root and "sudo" in facts.tools
    if "tcpdump" in facts.tools:
        tool, options = "tcpdump", f'-i {name} -U -s 0 -w - "$f"'
        check = f'$s tcpdump -i {name} -d "$f"'
    elif "dumpcap" in facts.tools:
        tool, options = "dumpcap", f'-q -i {name} -w - -f "$f"'
        check = f'$s dumpcap -i {name} -d -f "$f"'
    else:
        return None
    beat = ":"
    if facts.root and facts.linux and tool == "tcpdump" and facts.version >= _COUNTS_ON_SIGNAL:
        beat = "kill -USR1 $p"
    limit = f"-t {_MISSED} " if facts.limits_reads else ""
    kill = "kill {0}$p || sudo -n kill {0}$p" if sudo else "kill {0}$p"
    end = f"{kill.format('')}; sleep {_STUCK} 3<&-; {kill.format('-9 ')}"
    try_sudo = f"sudo -n {tool} --version >/dev/null 2>&1 </dev/null && s='sudo -n'; " if sudo else ""
    watch = f"while read -r {limit}x <&3; do case $x in e) sleep {_DRAIN} 3<&-; break;; esac; {beat}; done"
    return (
        f"s=; {try_sudo}"
        # VLAN tags cannot be looked behind on every kind of interface: then without.
        f"f={full}; {check} >/dev/null 2>&1 </dev/null || f={plain}; "
        f"exec 3<&0; $s {tool} {options} </dev/null 3<&- & p=$!; "
        f"({watch}; {end}) >/dev/null 2>&1 & w=$!; "
        "wait $p; r=$?; kill $w; exit $r\n"
    )


def install_advice(facts: Facts) -> str:
    """The command that puts a capture program on that machine."""
    name = terminal(facts.system.partition("/")[2].strip(), 60)
    on = f" on {name}" if name else ""
    tools = facts.tools
    rutos = "rutos" in facts.system.lower() or "teltonika" in facts.system.lower()
    if "opkg" in tools:
        also = " (or System, Package Manager, tcpdump in its web pages)" if rutos else ""
        how = f"opkg update && opkg install {'tcpdump' if rutos else 'tcpdump-mini'}{also}"
    elif "apk" in tools:
        how = f"apk add {'tcpdump-mini' if 'openwrt' in facts.system.lower() else 'tcpdump'}"
    elif "apt-get" in tools:
        how = "apt-get install tcpdump"
    elif "dnf" in tools or "yum" in tools:
        how = f"{'dnf' if 'dnf' in tools else 'yum'} install tcpdump"
    elif "pkg" in tools:
        how = "pkg install tcpdump"
    else:
        return f"there is neither tcpdump nor dumpcap{on}, and no package manager to install one with"
    return f"there is no tcpdump{on}: install it there with '{how}'"


# ------------------------------------------------------------------------------------------------------- its counters

_TCPDUMP: Final = re.compile(r"(\d{1,18}) packets? (received by filter|dropped by kernel|dropped by interface)")
_DUMPCAP: Final = re.compile(r"Packets received/dropped on interface '.{0,80}': (\d{1,18})/(\d{1,18})")


def read_counters(line: str) -> dict[str, int]:
    """Counters in a line that tcpdump or dumpcap wrote: "received", "dropped", or neither."""
    found = {words: int(number) for number, words in _TCPDUMP.findall(line)}
    counters: dict[str, int] = {}
    if "received by filter" in found:
        counters["received"] = found["received by filter"]
    if "dropped by kernel" in found:
        counters["dropped"] = found["dropped by kernel"]
    if "dropped by interface" in found:
        counters["missed"] = found["dropped by interface"]
    match = _DUMPCAP.search(line)
    if match is not None:
        counters = {"received": int(match[1]), "dropped": int(match[2])}
    return counters


_MEANINGS: Final = (
    (re.compile(r"No such device|doesn't exist|There is no device|not a valid interface|SIOCGIFHWADDR"), "absent"),
    (re.compile(r"permission to (?:capture|perform)|Operation not permitted|CAP_NET_RAW"), "forbidden"),
    (re.compile(r"is not up|[Nn]etwork is down|went down|disappeared"), "down"),
    (re.compile(r"syntax error|can't parse filter|no VLAN support"), "filter"),
)


def meaning_of(said: list[str]) -> str:
    """What a capture program ended for: "absent", "forbidden", "down", "filter", or empty when that is not known."""
    text = "\n".join(said)
    return next((meaning for pattern, meaning in _MEANINGS if pattern.search(text)), "")
