"""Ports as the Serial screen lists them, and what is typed there: a path, a speed, a device."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldkit.tui.glyphs import Level

if TYPE_CHECKING:
    from fieldkit.devices.modbus.timing import LineSettings
    from fieldkit.site.picture import Picture
    from fieldkit.sources.serial.device import DeviceSpec
    from fieldkit.sources.serial.ports import Port


@dataclass(frozen=True, slots=True)
class Plugged:
    """A port as the list shows it."""

    device: str
    title: str
    about: str
    """Numbers, serial, socket."""
    word: str
    level: Level
    access: str
    """What is in the way, and what to do."""


def resolved(text: str) -> str:
    """The path or address that is meant; ValueError says why it is none."""
    from fieldkit.sources.serial.opening import resolve
    from fieldkit.sources.serial.trouble import PortError

    if not text:
        raise ValueError("write a path, or an address")
    try:
        return resolve(text)
    except PortError as error:
        raise ValueError(str(error)) from None


def line_named(text: str) -> LineSettings | None:
    from fieldkit.sources.serial.settings import parse_line

    return parse_line(text) if text else None


def device_named(text: str) -> DeviceSpec | None:
    from fieldkit import profilestore
    from fieldkit.sources.serial.device import parse_device

    return parse_device(text, profilestore.find) if text else None


def station_named(stations: Container[str], text: str) -> None:
    """ValueError where there is no such charger."""
    if text and text.partition("#")[0] not in stations:
        raise ValueError(f"no charger of this name has been heard: {text}")


def whose(picture: Picture, port: str) -> str:
    """Of which charger the devices on a port are, in words; empty while nothing they told can be held against it."""
    found = {
        picture.devices.owners.of(key, picture.stations, picture.links) for key in picture.devices.all if key[0] == port
    }
    told = sorted(f"of {one.station} ({one.why})" if one.station else f"of nobody: {one.why}" for one in found)
    return "; ".join(told)


def plugged(port: Port) -> Plugged:
    """What it is, and whether it can be had."""
    from fieldkit.sources.serial.holders import holders, modem_manager
    from fieldkit.sources.serial.opening import permission

    title = " ".join(word for word in (port.maker, port.title) if word) or "unknown"
    held, manager, missing = holders(port.device), modem_manager(port.device), permission(port.device)
    about = str(port.identity)
    if missing:
        return Plugged(port.device, title, about, "NO ACCESS", "fail", missing)
    if held:
        who = ", ".join(f"{one.name} ({one.pid}, {one.how})" for one in held)
        return Plugged(port.device, title, about, "IN USE", "warn", f"by {who}")
    if manager:
        return Plugged(port.device, title, about, "MODEM MGR", "warn", f"ModemManager {manager}")
    return Plugged(port.device, title, about, "FREE", "ok", "")
