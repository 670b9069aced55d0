"""What a router tells of its uplinks, if this is one: the bus of OpenWrt, failover, modems, Cradlepoint's store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from fieldkit.doctor import machine
from fieldkit.doctor.probe import Result, State

_AREA: Final = "router"
_NCOS: Final = Path("/var/tmp/cs.sock")
"""Through which applications on Cradlepoint's NCOS ask the configuration store."""


def ubus() -> Iterable[Result]:
    """OpenWrt's message bus: interfaces, modems, failover."""
    said = machine.output(("ubus", "list"))
    if said is not None:
        yield Result(_AREA, "ubus", State.WORKS, f"it answers with {len(said.split())} objects")
    elif shutil.which("ubus"):
        mend = (machine.as_root(f"{machine.program_line()} doctor router"),) if not machine.is_root() else ()
        text = "it does not answer" + ("" if machine.is_root() else ": only root may ask")
        yield Result(_AREA, "ubus", State.WARNING, text, mend or ("/etc/init.d/rpcd restart",))
    elif machine.is_openwrt():
        yield Result(_AREA, "ubus", State.MISSING, "OpenWrt without its message bus", machine.install("ubus"))
    else:
        yield Result(_AREA, "ubus", State.NOTE, "this is no OpenWrt")


def mwan3() -> Iterable[Result]:
    """Failover between uplinks, on OpenWrt."""
    said = machine.output(("ubus", "-S", "call", "mwan3", "status"))
    if said:
        yield Result(_AREA, "mwan3", State.WORKS, uplinks(said))
    elif machine.is_openwrt():
        text = "it is not installed: a change of uplink is seen in the traffic only"
        yield Result(_AREA, "mwan3", State.NOTE, text, machine.install("mwan3"))


def uplinks(status: str) -> str:
    """In a few words what ``ubus call mwan3 status`` says."""
    try:
        told: Any = json.loads(status)
    except ValueError:
        return "it answers, though not in JSON"
    interfaces = told.get("interfaces") if isinstance(told, dict) else None
    if not isinstance(interfaces, dict) or not interfaces:
        return "it answers, and has no uplinks"
    states = (
        f"{name} {state.get('status', 'unknown') if isinstance(state, dict) else 'unknown'}"
        for name, state in interfaces.items()
    )
    return ", ".join(states)


def modems() -> Iterable[Result]:
    """Through ModemManager."""
    said = machine.output(("mmcli", "-L", "-J"))
    if said is not None:
        yield Result(_AREA, "mmcli", State.WORKS, f"it knows {count_modems(said)} modems")
    elif shutil.which("mmcli"):
        mend = (machine.as_root("systemctl start ModemManager"),) if machine.has_systemd() else ()
        yield Result(_AREA, "mmcli", State.WARNING, "ModemManager does not answer", mend)
    elif any(Path("/dev").glob("cdc-wdm*")):
        text = "there is a modem, and no ModemManager to ask about its signal"
        yield Result(_AREA, "mmcli", State.WARNING, text, machine.install("modemmanager"))
    else:
        yield Result(_AREA, "mmcli", State.NOTE, "there is no mobile modem")


def count_modems(listed: str) -> int:
    """What ``mmcli -L -J`` lists."""
    try:
        told: Any = json.loads(listed)
    except ValueError:
        return 0
    modems = told.get("modem-list") if isinstance(told, dict) else None
    return len(modems) if isinstance(modems, list) else 0


def ncos() -> Iterable[Result]:
    """Cradlepoint's configuration store."""
    if _NCOS.is_socket():
        yield Result(_AREA, "NCOS", State.WORKS, "the configuration store is there")


PROBES: Final = (ubus, mwan3, modems, ncos)
