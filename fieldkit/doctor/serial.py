"""Serial ports: which there are, whether this user may open them, and who else grabs them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fieldkit.doctor import machine
from fieldkit.doctor.probe import Result, State

_AREA: Final = "serial"
_TTYS: Final = Path("/sys/class/tty")
_PROCESSES: Final = Path("/proc")
_BRLTTY: Final = (Path("/usr/lib/udev/rules.d/85-brltty.rules"), Path("/lib/udev/rules.d/85-brltty.rules"))
_CLONES: Final = {("1a86", "7523"), ("10c4", "ea60"), ("0403", "6001"), ("067b", "2303")}
"""Adapters that brltty takes for Braille displays, as vendor and product of USB."""


def ports() -> Iterable[Result]:
    """Each port with hardware behind it."""
    found = found_ports()
    for port in found:
        yield port_access(port)
    if not found and sys.platform != "win32":
        yield Result(
            _AREA, "ports", State.NOTE, "there is no serial port; USB adapters show up when they are plugged in"
        )


def found_ports() -> list[Path]:
    """Devices with hardware behind them: a PC has 32 names for ports and two ports, or none."""
    if sys.platform == "darwin":
        return sorted(Path("/dev").glob("cu.usb*"))
    try:
        entries = sorted(_TTYS.iterdir())
    except OSError:
        return []
    return [Path("/dev") / entry.name for entry in entries if _has_hardware(entry)]


def _has_hardware(tty: Path) -> bool:
    if not (tty / "device").exists():
        return False
    try:
        # 8250 ports that were never found have the type 0 (PORT_UNKNOWN).
        return int((tty / "type").read_text("ascii")) != 0
    except (OSError, ValueError):
        return (tty / "device" / "driver").exists()


def port_access(port: Path) -> Result:
    """Whether this user may read and write it; the group that may, if not."""
    if os.access(port, os.R_OK | os.W_OK):
        return Result(_AREA, str(port), State.WORKS, "this user may open it")
    import grp

    who = machine.user()
    try:
        mode = port.stat()
        group = grp.getgrgid(mode.st_gid)
    except (OSError, KeyError) as error:
        return Result(_AREA, str(port), State.WARNING, f"it cannot be opened: {error}")
    if group.gr_name == "root" or mode.st_mode & 0o060 != 0o060:
        # No group to be in: let the device be made with one that has its users.
        rule = f'KERNEL=="{port.name}", GROUP="{_serial_group()}", MODE="0660"'
        mend: tuple[str, ...] = (
            f"echo {shlex.quote(rule)} | {machine.as_root('tee /etc/udev/rules.d/60-fieldkit-serial.rules')}",
            machine.as_root("udevadm control --reload") + " && " + machine.as_root("udevadm trigger"),
            machine.as_root(f"usermod -aG {_serial_group()} {who}"),
        )
        return Result(_AREA, str(port), State.WARNING, "only root may open it", mend)
    if who in group.gr_mem:
        again = (f"newgrp {group.gr_name}  # or log out and in again",)
        return Result(_AREA, str(port), State.WARNING, f"{who} is in {group.gr_name} only since this login", again)
    mend = (machine.as_root(f"usermod -aG {group.gr_name} {who}"), f"newgrp {group.gr_name}  # or log out and in again")
    return Result(
        _AREA, str(port), State.WARNING, f"{who} is not in the group {group.gr_name}, which may open it", mend
    )


def _serial_group() -> str:
    """Debian, Fedora and Alpine say dialout, Arch uucp."""
    import grp

    names = {entry.gr_name for entry in grp.getgrall()}
    return next((name for name in ("dialout", "uucp") if name in names), "dialout")


def modem_manager() -> Iterable[Result]:
    """It writes AT commands to every new port: a charger's console does not like that."""
    return _grabbed_by_modem_manager(found_ports(), is_running("ModemManager"))


def _grabbed_by_modem_manager(found: list[Path], running: bool) -> Iterable[Result]:
    usb = [port for port in found if port.name.startswith(("ttyUSB", "ttyACM"))]
    if not running:
        yield Result(_AREA, "ModemManager", State.WORKS, "it is not running, so nothing probes serial ports")
    elif not usb:
        text = "it runs, and will probe USB adapters with AT commands when they are plugged in"
        yield Result(_AREA, "ModemManager", State.NOTE, text)
    else:
        rules = [ignore_rule(port) for port in usb]
        where = machine.as_root("tee -a /etc/udev/rules.d/77-fieldkit-no-modem.rules")
        mend = (*(f"echo {shlex.quote(rule)} | {where}" for rule in dict.fromkeys(rules)), _reload())
        text = f"it runs, and may write AT commands to {', '.join(port.name for port in usb)}"
        yield Result(_AREA, "ModemManager", State.WARNING, text, mend)


def ignore_rule(port: Path) -> str:
    """The udev rule that keeps ModemManager away from this adapter, or from this port when it is no USB device."""
    vendor, product = usb_numbers(port)
    if vendor:
        return f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", ENV{{ID_MM_DEVICE_IGNORE}}="1"'
    return f'KERNEL=="{port.name}", ENV{{ID_MM_PORT_IGNORE}}="1"'


def usb_numbers(port: Path) -> tuple[str, str]:
    """Vendor and product of the USB device behind a port."""
    place = (_TTYS / port.name / "device").resolve()
    for directory in (place, *place.parents):
        try:
            return (
                (directory / "idVendor").read_text("ascii").strip(),
                (directory / "idProduct").read_text("ascii").strip(),
            )
        except OSError:
            continue  # an interface or a port of the device: it is further up
    return "", ""


def brltty() -> Iterable[Result]:
    """On Ubuntu it takes common USB adapters for Braille displays, and their ports vanish."""
    rules = next((path for path in _BRLTTY if path.exists()), None)
    if rules is None or Path("/etc/udev/rules.d/85-brltty.rules").exists():
        return
    usb = [usb for usb in _usb_devices() if usb in _CLONES]
    if usb:
        mend = (machine.as_root("ln -sf /dev/null /etc/udev/rules.d/85-brltty.rules"), _reload())
        yield Result(_AREA, "brltty", State.WARNING, "it takes this USB adapter for a Braille display", mend)


def _usb_devices() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for device in Path("/sys/bus/usb/devices").glob("*/idVendor"):
        try:
            numbers = device.read_text("ascii").strip(), (device.parent / "idProduct").read_text("ascii").strip()
        except OSError:
            continue  # it was just pulled out
        found.append(numbers)
    return found


def _reload() -> str:
    return machine.as_root("udevadm control --reload") + " && " + machine.as_root("udevadm trigger")


def is_running(program: str) -> bool:
    """Whether there is a process of this name (of which the kernel keeps fifteen characters)."""
    for process in _PROCESSES.glob("[0-9]*/comm"):
        try:
            if process.read_text("utf-8", "replace").strip() == program[:15]:
                return True
        except OSError:
            continue  # it has just ended
    return False


PROBES: Final = (ports, modem_manager, brltty)
