"""What there is to capture on, what passes there, and what no capture would show."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from fieldkit.doctor import machine
from fieldkit.doctor.probe import Result, State
from fieldkit.sources import ethtool, offload
from fieldkit.sources.file import SourceError
from fieldkit.sources.interface import traffic
from fieldkit.sources.packetsocket import is_up, link_type_of, names, number_of, stamps_in_hardware

_AREA: Final = "interfaces"
MAX_TOLD: Final = 40
"""Interfaces told one by one; a server with containers has hundreds."""


def each() -> Iterable[Result]:
    """Every interface, those with traffic first."""
    if sys.platform != "linux":
        return
    found = sorted(names(), key=traffic, reverse=True)
    for name in found[:MAX_TOLD]:
        yield _told(name)
    if len(found) > MAX_TOLD:
        yield Result(_AREA, "more", State.NOTE, f"{len(found) - MAX_TOLD} more have less traffic")


def _told(name: str) -> Result:
    try:
        link_type_of(name)
    except SourceError:
        return Result(_AREA, name, State.NOTE, "its kind of packets can be read with --with dumpcap only")
    if not is_up(name):
        return Result(_AREA, name, State.NOTE, "it is switched off", (machine.as_root(f"ip link set {name} up"),))
    if name != "lo" and number_of(name, "carrier", 1) == 0:
        return Result(_AREA, name, State.WARNING, "it is on, and nothing is connected to it: look at the cable")
    parts = [_amount(traffic(name)) + " so far"]
    driver = ethtool.driver(name)
    if driver:
        parts.append(f"driver {driver}")
    ports = offload.ports_of(name)
    if ports:
        parts.append(f"over {', '.join(ports[:8])}")
    if stamps_in_hardware(name):
        parts.append("stamps packets by its own clock")
    if ethtool.features(name).get(ethtool.TC_OFFLOAD):
        # The switch alone hides nothing; with a flow table it does, which is told beside.
        parts.append("may forward by itself (hw-tc-offload is on)")
    return Result(_AREA, name, State.WORKS, ", ".join(parts))


def any_up() -> Iterable[Result]:
    """Without one there is nothing to capture."""
    if sys.platform != "linux":
        return
    up = [name for name in names() if name != "lo" and is_up(name)]
    if up:
        yield Result(
            _AREA, "to capture on", State.WORKS, ", ".join(sorted(up, key=traffic, reverse=True)[:8]), needed=True
        )
        return
    down = [name for name in names() if name != "lo"]
    mend = tuple(machine.as_root(f"ip link set {name} up") for name in down[:3])
    text = "all interfaces are switched off" if down else "this machine has no interface but loopback"
    yield Result(_AREA, "to capture on", State.MISSING, text, mend, needed=bool(down))


def offloading() -> Iterable[Result]:
    """Packets that never reach the processor."""
    if sys.platform != "linux":
        return
    found = offload.look()
    for one in found:
        mend = (machine.as_root(one.mend),) if one.mend else ()
        yield Result(_AREA, "offload", State.WARNING, one.what, mend)
    if found:
        return
    if machine.is_root():
        yield Result(_AREA, "offload", State.WORKS, "nothing is seen that would hide packets from a capture")
    else:
        again = machine.as_root(f"{machine.program_line()} doctor interfaces")
        text = "nothing is seen that would hide packets, but only root may look at flow tables"
        yield Result(_AREA, "offload", State.NOTE, text, (again,))


def _amount(number: int) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:,.0f} {unit}"
        number //= 1000
    return ""


PROBES: Final = (any_up, each, offloading)
