"""netifd says which interfaces there are, mwan3 which of them may carry traffic; together they are the uplinks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from fieldkit.links.linux import kind_of
from fieldkit.links.reading import mapping, number, objects, raw, text, truth, whole
from fieldkit.links.runner import Runner, RunnerError
from fieldkit.links.uplink import Kind, LinkEvent, Role, Uplink
from fieldkit_openwrt import mwan3

SECOND: Final = 1_000_000_000
_PROTOCOLS: Final[dict[str, Kind]] = {
    "qmi": "cellular", "mbim": "cellular", "ncm": "cellular", "3g": "cellular", "modemmanager": "cellular",
    "wwan": "cellular", "quectel": "cellular", "xmm": "cellular", "fibocom": "cellular", "connm": "cellular",
    "wireguard": "vpn", "openvpn": "vpn", "ipip": "vpn", "gre": "vpn", "l2tp": "vpn", "vti": "vpn", "pptp": "vpn",
}  # fmt: skip
_NO_UPLINK: Final = re.compile(r"(lan|loopback|guest|dmz|docker)\d*|br-.*")
"""Names of networks behind the router."""
_TRACKED: Final = re.compile(
    r"mwan3(?:track|-hotplug)?.*?\b(?:Interface|interface) (\S{1,32}) .*?\b(online|offline|connected|disconnected)\b"
)


class OpenWrtAdapter:
    """netifd and mwan3."""

    def probe(self, runner: Runner) -> float:
        """Whoever has netifd on the bus is OpenWrt or close to it."""
        return 0.8 if mapping(runner.ubus("network.interface", "dump")) else 0.0

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """Interfaces that lead outside."""
        dump = runner.ubus("network.interface", "dump")
        try:
            status: Any = runner.ubus("mwan3", "status")
        except RunnerError:
            status = None  # it is not installed, or not running: then metrics decide
        return uplinks(dump, status, runner.now())

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """What mwan3 writes into the log, as it writes it. Over HTTP there is no log to follow."""
        for line in runner.follow("logread", "-f", "-e", "mwan3"):
            match = _TRACKED.search(line)
            if match is not None:
                name, word = match[1].strip("()"), match[2]
                up = word in ("online", "connected")
                said = f"mwan3 says that {name} is {word}"
                yield LinkEvent(runner.now(), "openwrt", "up" if up else "down", name, said, "", word, exact=True)


def uplinks(dump: Any, status: Any, now: int) -> list[Uplink]:
    """Of both documents; ``status`` is None where there is no mwan3."""
    told = mapping(dump).get("interface")
    if not isinstance(told, list):
        return [Uplink(id="netifd", understood=False, raw=raw(dump))]
    tracked, policies = mwan3.interfaces(status), mwan3.members(status)
    found: list[Uplink] = []
    for interface in objects(told):
        name = text(interface.get("interface"))
        if name and (name in tracked or _leads_outside(interface, name)):
            found.append(_uplink(interface, name, now))
    names = {uplink.id for uplink in found}
    # mwan3 may know an interface that netifd does not have at the moment: a modem that was pulled.
    found += [Uplink(id=name, kind=kind_of(name)) for name in tracked if name not in names]
    if status is not None and not tracked:
        if mwan3.understood(status):
            return _by_metric(found, dump)
        return [*_by_metric(found, dump), Uplink(id="mwan3", understood=False, raw=raw(status))]
    if not tracked:
        return _by_metric(found, dump)
    return [mwan3.applied(one, tracked.get(one.id), policies, now) for one in found]


def _leads_outside(interface: Mapping[str, Any], name: str) -> bool:
    if _NO_UPLINK.fullmatch(name):
        return False
    if any(_is_default(route) for route in objects(interface.get("route"))):
        return True
    protocol = text(interface.get("proto"))
    if protocol in _PROTOCOLS and _PROTOCOLS[protocol] == "vpn":
        return False
    # One that is down has no routes: its name or how it gets its address says what it is for.
    return (
        protocol in ("dhcp", "dhcpv6", "pppoe", "ppp")
        or protocol in _PROTOCOLS
        or name.startswith(("wan", "wwan", "mob"))
    )


def _is_default(route: Mapping[str, Any]) -> bool:
    return whole(route.get("mask")) == 0 and text(route.get("target")) in ("0.0.0.0", "::")


def _uplink(interface: Mapping[str, Any], name: str, now: int) -> Uplink:
    device = text(interface.get("l3_device")) or text(interface.get("device"))
    protocol = text(interface.get("proto"))
    kind = _PROTOCOLS.get(protocol) or (kind_of(device) if device else "unknown")
    if kind == "unknown":
        kind = kind_of(name)
    up = truth(interface.get("up"))
    uptime = number(interface.get("uptime"), 0) if up else None
    addresses = [
        text(one.get("address")) for key in ("ipv4-address", "ipv6-address") for one in objects(interface.get(key))
    ]
    errors = [text(one.get("code")) for one in objects(interface.get("errors"))]
    state = "up" if up else "pending" if truth(interface.get("pending")) else "down"
    if not up and truth(interface.get("available")) is False:
        state = "down: its device is missing"
    if any(errors):
        state = f"{state} ({', '.join(code for code in errors if code)})"
    disabled = truth(interface.get("autostart")) is False and not up
    return Uplink(
        id=name,
        kind=kind,
        up=up,
        state=state,
        role="disabled" if disabled else "unknown" if up else "failed",
        since=int(now - uptime * SECOND) if uptime is not None else None,
        device=device,
        address=next((address for address in addresses if address), ""),
        metered=True if kind == "cellular" else None,
        modem=text(interface.get("modem")),
    )


def _by_metric(found: list[Uplink], dump: Any) -> list[Uplink]:
    """Without mwan3 the kernel takes the default route with the lowest metric."""
    metrics: dict[str, int] = {}
    for interface in objects(mapping(dump).get("interface")):
        routes = [route for route in objects(interface.get("route")) if _is_default(route)]
        if routes and truth(interface.get("up")):
            own = whole(interface.get("metric")) or 0
            metrics[text(interface.get("interface"))] = min(
                metric if (metric := whole(route.get("metric"))) is not None else own for route in routes
            )
    best = min(metrics.values(), default=None)

    def role(one: Uplink) -> Role:
        if one.id in metrics:
            return "active" if metrics[one.id] == best else "standby"
        return one.role

    return [replace(one, role=role(one)) for one in found]
