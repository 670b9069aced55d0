"""Packets that no capture shows: what a router's hardware forwards by itself never reaches the processor.

Linux can hand an established connection to the network chip (nf_flow_table with the flag "offload"; OpenWrt calls it
hardware flow offloading). A capture then shows the beginning of a connection and nothing more, which looks like a
station that fell silent. The software flow table does no harm: packet sockets stand in front of it. The ports of a
switch chip are alike: what passes between two of them stays in the chip.

Asking costs rights (nft, the connection table): who is about to give them up asks before.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from fieldkit.sources.packetsocket import INTERFACES, names

_CONNECTIONS: Final = Path("/proc/net/nf_conntrack")
_MAX_CONNECTIONS: Final = 4 << 20
"""Bytes of the connection table that are looked through; about 20,000 connections."""
_PATIENCE: Final = 3
"""Seconds for a tool to answer."""

MEND_UCI: Final = (
    "uci set firewall.@defaults[0].flow_offloading_hw=0 && uci commit firewall && /etc/init.d/firewall restart"
)
MEND_NFT: Final = "nft -a list ruleset | grep 'flow add'  # then, for each: nft delete rule FAMILY TABLE CHAIN handle N"
MEND_ETHTOOL: Final = "ethtool -K {interface} hw-tc-offload off"


@dataclass(frozen=True, slots=True)
class Offload:
    """Something that hides packets."""

    what: str
    """As a sentence."""
    mend: str = ""
    """The command that ends it, where there is one."""
    interfaces: tuple[str, ...] = ()
    """Whose packets are hidden; empty: anybody's."""


@dataclass(frozen=True, slots=True)
class FlowTable:
    """As nft lists it."""

    name: str
    devices: tuple[str, ...]
    in_hardware: bool


def look() -> list[Offload]:
    """What hides packets on this machine, as far as this process may know."""
    found: list[Offload] = []
    for table in parse_flowtables(_output("nft", "list", "flowtables")):
        if table.in_hardware:
            what = f"the flow table {table.name} gives connections to the network chip: a capture shows how they begin"
            found.append(Offload(what, MEND_NFT, table.devices))
    if _output("uci", "-q", "get", "firewall.@defaults[0].flow_offloading_hw").strip() == "1":
        what = "hardware flow offloading is on: of a connection a capture shows only how it begins"
        found.append(Offload(what, MEND_UCI, found[0].interfaces if found else ()))
        found = [one for one in found if one.mend != MEND_NFT]
    offloaded = count_offloaded(_connection_table())
    if offloaded:
        what = f"the network chip forwards {offloaded:,} connections by itself at the moment, unseen by any capture"
        found.append(Offload(what))
    found += _switches()
    return found


@lru_cache(maxsize=1)
def known() -> tuple[Offload, ...]:
    """The same, as it was when it was first asked: rights may have been given up since."""
    return tuple(look())


def hidden_from(interface: str) -> list[str]:
    """Sentences on what a capture on this interface does not show."""
    ports = {interface, *ports_of(interface)}
    return [f"{interface}: {one.what}" for one in known() if not one.interfaces or ports & set(one.interfaces)]


def ports_of(bridge: str) -> list[str]:
    """The ports of a bridge or bond, none if it is neither."""
    try:
        return sorted(path.name.removeprefix("lower_") for path in (INTERFACES / bridge).glob("lower_*"))
    except OSError:
        return []


def parse_flowtables(text: str) -> list[FlowTable]:
    """What ``nft list flowtables`` prints."""
    tables: list[FlowTable] = []
    # A list of devices has braces of its own.
    for name, body in re.findall(r"flowtable\s+(\S+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}", text):
        listed = re.search(r"devices\s*=\s*\{([^}]*)\}", body)
        devices = tuple(device.strip(' \t\n"') for device in listed[1].split(",")) if listed else ()
        flags = re.search(r"^\s*flags\s+(.*)$", body, re.MULTILINE)
        tables.append(FlowTable(name, tuple(filter(None, devices)), flags is not None and "offload" in flags[1]))
    return tables


def count_offloaded(table: str) -> int:
    """Connections of /proc/net/nf_conntrack that the hardware has taken over; [OFFLOAD] alone is the software's."""
    return table.count("[HW_OFFLOAD]")


def _switches() -> list[Offload]:
    """Ports of one switch chip (the kernel's DSA and switchdev)."""
    chips: dict[str, list[str]] = {}
    for name in names():
        try:
            chip = (INTERFACES / name / "phys_switch_id").read_text("ascii").strip()
        except OSError:
            continue  # most drivers have none, and say so by an error
        if chip:
            chips.setdefault(chip, []).append(name)
    return [
        Offload(
            f"{', '.join(ports)} are ports of one switch chip: what passes between them stays in it", "", tuple(ports)
        )
        for ports in chips.values()
        if len(ports) > 1
    ]


def _connection_table() -> str:
    try:
        with _CONNECTIONS.open("r", encoding="ascii", errors="replace") as file:
            return file.read(_MAX_CONNECTIONS)
    except OSError:
        return ""


def _output(*command: str) -> str:
    # Not shutil.which, which brings three compressors: the memory of a router is small, and these tools may be missing.
    program = next((path for one in os.get_exec_path() if os.access(path := f"{one}/{command[0]}", os.X_OK)), None)
    if program is None:
        return ""
    import subprocess

    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")
