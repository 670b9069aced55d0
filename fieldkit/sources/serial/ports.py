"""What is plugged in, by what it is and not by what it is called today.

``/dev/ttyUSB0`` is whichever adapter came first. What an adapter is stays with it: vendor, product and serial number of
USB, the socket it is plugged into, the interface (a modem has four). Linux tells all of it in /sys; elsewhere pyserial
does.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PARENTS: Final = 6
"""How far above a port its USB device is at most: port, interface, device."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the kernel tells about ports; tests have trees of their own."""

    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    locks: tuple[Path, ...] = (Path("/var/lock"), Path("/run/lock"))


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same when a device is pulled out and plugged in again."""

    vendor: str = ""
    """USB numbers in hex, as everywhere: "0403"."""
    product: str = ""
    serial: str = ""
    location: str = ""
    """The USB socket ("1-1.4"), or the address of a built-in port."""
    interface: str = ""
    """Of the device: its number, "00"; empty without USB."""

    @property
    def known(self) -> bool:
        """Whether it can be told from others at all."""
        return bool(self.vendor or self.location)

    def __str__(self) -> str:
        if not self.vendor:
            return self.location or "unknown"
        parts = [f"{self.vendor}:{self.product}"]
        if self.serial:
            parts.append(f"serial {self.serial}")
        if self.location:
            parts.append(f"at {self.location}")
        if self.interface:
            parts.append(f"interface {int(self.interface, 16)}" if _is_hex(self.interface) else self.interface)
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Port:
    """One serial port of this machine."""

    device: str
    """Its path today."""
    identity: Identity
    maker: str = ""
    title: str = ""
    driver: str = ""
    latency_ms: int | None = None
    """How long an FTDI adapter collects bytes before it hands them over; None where there is no such thing."""
    links: tuple[str, ...] = field(default=())
    """Names under /dev/serial that stay."""

    @property
    def usb(self) -> bool:
        return bool(self.identity.vendor)


def list_ports(roots: Roots | None = None) -> list[Port]:
    """Every port with hardware behind it, in the order of names."""
    if roots is None:
        if not sys.platform.startswith("linux"):
            return _by_pyserial()
        roots = Roots()
    links = _links(roots)
    found: list[Port] = []
    try:
        entries = sorted((roots.sys / "class" / "tty").iterdir(), key=lambda entry: _natural(entry.name))
    except OSError:
        return []
    for entry in entries:
        try:
            port = _port(entry, roots, links)
        except OSError:
            continue  # it was unplugged while it was looked at
        if port is not None:
            found.append(port)
    return found


def describe(device: str, roots: Roots | None = None) -> Port:
    """The port at a path, whatever is known of it; of pseudo terminals and the like that is the path."""
    roots = roots or Roots()
    target = Path(device).resolve()
    ports = list_ports(roots) if sys.platform.startswith("linux") else _by_pyserial()
    named = [port for port in ports if Path(port.device) == Path(device)]
    meant = named or [port for port in ports if Path(port.device).resolve() == target]
    return meant[0] if meant else Port(device, Identity())


def find(identity: Identity, ports: Sequence[Port], before: Iterable[str] = ()) -> Port | None:
    """The port that a device has now. ``before``: the paths there were when it was lost.

    A serial number decides. Cheap adapters have none: then it is the same kind in the same socket, or else the only one
    of its kind that has come since.
    """
    if not identity.known:
        return None
    alike = [
        port
        for port in ports
        if (port.identity.vendor, port.identity.product, port.identity.interface)
        == (identity.vendor, identity.product, identity.interface)
    ]
    if identity.serial:
        alike = [port for port in alike if port.identity.serial == identity.serial]
        here = [port for port in alike if port.identity.location == identity.location]
        return here[0] if here else alike[0] if len(alike) == 1 else None
    here = [port for port in alike if port.identity.location == identity.location]
    if here:
        return here[0]
    if not identity.vendor:
        return None
    old = set(before)
    new = [port for port in alike if not port.identity.serial and port.device not in old]
    return new[0] if len(new) == 1 else None


# ------------------------------------------------------------------------------------------------------------- Linux


def _port(entry: Path, roots: Roots, links: dict[str, list[str]]) -> Port | None:
    behind = entry / "device"
    if not behind.exists():
        return None  # consoles, pseudo terminals
    driver = _target(behind / "driver")
    kind = _text(entry / "type")
    if kind == "0" or (not kind and not driver):
        return None  # a PC has 32 names for its two ports: the others have the type 0 (PORT_UNKNOWN)
    place = behind.resolve()
    identity, maker, title = Identity(location=place.name), "", ""
    interface = ""
    for directory in (place, *list(place.parents)[:_PARENTS]):
        interface = interface or _text(directory / "bInterfaceNumber")
        vendor = _text(directory / "idVendor")
        if vendor:
            identity = Identity(
                vendor, _text(directory / "idProduct"), _text(directory / "serial"), directory.name, interface
            )
            maker, title = _text(directory / "manufacturer"), _text(directory / "product")
            break
    latency = _text(behind / "latency_timer")
    device = str(roots.dev / entry.name)
    return Port(
        device,
        identity,
        maker,
        title or ("built-in port" if kind else ""),
        driver,
        int(latency) if latency.isdecimal() else None,
        tuple(sorted(links.get(device, ()))),
    )


def _links(roots: Roots) -> dict[str, list[str]]:
    """Device → its lasting names."""
    found: dict[str, list[str]] = {}
    for directory in ("by-id", "by-path"):
        try:
            entries = list((roots.dev / "serial" / directory).iterdir())
        except OSError:
            continue  # nothing is plugged in
        for entry in entries:
            try:
                target = os.path.normpath(entry.parent / entry.readlink())
            except OSError:
                continue  # no link, or unplugged meanwhile
            found.setdefault(target, []).append(str(entry))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""  # this kind of device does not have it


def _target(path: Path) -> str:
    return path.resolve().name if path.exists() else ""


def _natural(name: str) -> tuple[str, int]:
    """ttyUSB10 comes after ttyUSB9."""
    digits = re.search(r"\d+$", name)
    return (name[: digits.start()], int(digits[0])) if digits else (name, -1)


def _is_hex(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9A-Fa-f]+", text))


# ---------------------------------------------------------------------------------------------------------- elsewhere


def _by_pyserial() -> list[Port]:
    from fieldkit.sources.serial.opening import library

    library()
    from importlib import import_module

    tools = import_module("serial.tools.list_ports")
    found: list[Port] = []
    for entry in sorted(tools.comports()):
        vendor = f"{entry.vid:04x}" if entry.vid is not None else ""
        product = f"{entry.pid:04x}" if entry.pid is not None else ""
        identity = Identity(vendor, product, entry.serial_number or "", entry.location or "", "")
        found.append(Port(entry.device, identity, entry.manufacturer or "", entry.product or entry.description or ""))
    return found
