"""Ericsson Cradlepoint NCOS: its tree of the state of WAN devices, read over REST."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fieldkit.links.reading import identity, mapping, number, raw, text, truth
from fieldkit.links.runner import Runner, RunnerError
from fieldkit.links.uplink import Kind, LinkEvent, Role, Signal, Sim, Uplink

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar

SECOND: Final = 1_000_000_000
MAX_DEVICES: Final = 64
_KINDS: Final[dict[str, Kind]] = {
    "mdm": "cellular", "modem": "cellular", "ethernet": "ethernet", "wwan": "wifi", "wifi": "wifi", "vpn": "vpn",
}  # fmt: skip
"""In NCOS "wwan" is Wi-Fi as WAN; modems are "mdm"."""
_SIM: Final = re.compile(r"sim(\d)", re.IGNORECASE)


class NcosAdapter:
    """Every WAN device."""

    def probe(self, runner: Runner) -> float:
        """Nobody else has this tree; an answer of another shape is somebody's, and shown as it is."""
        devices = mapping(runner.get("status/wan/devices"))
        if any(_is_device(told) for told in devices.values()):
            return 0.9
        return 0.1 if devices else 0.0

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """Of each device."""
        devices = runner.get("status/wan/devices")
        try:
            primary = text(runner.get("status/wan/primary_device"))
        except RunnerError:
            primary = ""
        return uplinks(devices, primary, runner.now())

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """The tree tells nothing by itself: changes are found by comparing."""
        return iter(())


def uplinks(devices: Any, primary: str, now: int) -> list[Uplink]:
    """Of ``status/wan/devices``; ``primary`` is the device in use, where it is known."""
    if not isinstance(devices, Mapping) or (devices and not any(_is_device(told) for told in devices.values())):
        return [Uplink(id="ncos", understood=False, raw=raw(devices))]
    found = [_uplink(text(name), told, now) for name, told in list(devices.items())[:MAX_DEVICES] if text(name)]
    connected = [one.id for one in found if one.up]
    if not primary and len(connected) == 1:
        primary = connected[0]  # who else would carry the traffic
    return [_with_role(one, primary) for one in found]


def _is_device(told: Any) -> bool:
    return bool(mapping(told, "info") or mapping(told, "status"))


def _uplink(name: str, told: Any, now: int) -> Uplink:
    info, status, radio = mapping(told, "info"), mapping(told, "status"), mapping(told, "diagnostics")
    if not _is_device(told):
        return Uplink(id=name, understood=False, raw=raw(told))
    kind = _KINDS.get(text(info.get("type")).lower(), "unknown")
    connection = text(status.get("connection_state")).lower()
    summary, reason = text(status.get("summary")), text(status.get("reason"))
    state = connection or text(status.get("link_state"))
    if summary and summary != state:
        state = f"{state} ({summary})" if state else summary
    uptime = number(status.get("uptime"), 0)
    slot = _SIM.search(text(info.get("sim")))
    notes = []
    if reason:
        notes.append(f"the router gives as the reason: {reason}")
    registration = text(radio.get("EMMSTATE"))
    if registration and registration.lower() != "registered":
        notes.append(f"the modem is not registered in the network ({registration})")
    return Uplink(
        id=name,
        kind=kind,
        up=connection == "connected" if connection else None,
        state=state,
        since=int(now - uptime * SECOND) if uptime is not None and connection == "connected" else None,
        device=text(info.get("iface")),
        address=text(mapping(status, "ipinfo").get("ip_address")),
        operator=text(radio.get("CARRID")),
        roaming=truth(radio.get("ROAM")),
        technology=" ".join(word for word in (text(radio.get("SRVC_TYPE")), text(radio.get("RFBAND"))) if word),
        sim=Sim(slot=int(slot[1]) if slot is not None else None, iccid=identity(radio.get("ICCID"))),
        signal=Signal(
            rsrp=number(radio.get("RSRP"), -200, 0),
            rsrq=number(radio.get("RSRQ"), -60, 30),
            sinr=number(radio.get("SINR"), -60, 60),
            rssi=number(radio.get("DBM"), -200, 0),
        ),
        metered=True if kind == "cellular" else None,
        notes=tuple(notes),
    )


def _with_role(one: Uplink, primary: str) -> Uplink:
    role: Role = "unknown"
    if one.up:
        role = "active" if one.id == primary else "standby" if primary else "unknown"
    elif one.up is False:
        # One that waits for its turn says so; anything else that is not connected has failed.
        role = "standby" if one.state.startswith("standby") else "failed"
    return replace(one, role=role)


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    registrar.router_adapter("ncos", NcosAdapter)
