"""What every Linux can tell: which interfaces have a default route, and what the kernel reports when that changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from fieldkit.links.kernel import ADAPTER, MonitorText, NetlinkWatch, address_in, link_in, metric_of
from fieldkit.links.runner import NotHere, Runner, RunnerError
from fieldkit.links.uplink import Kind, LinkEvent, Role, Uplink

CAPABILITIES: Final = ("exec:ip", "netlink:route")

_KINDS: Final[tuple[tuple[re.Pattern[str], Kind], ...]] = (
    (re.compile(r"wwan|rmnet|qmimux|ppp|mob\d|wwp|3g|4g|lte|cellular|modem|mdm"), "cellular"),
    (re.compile(r"wlan|wlp|wlx|wifi|ath\d|ra\d|sta"), "wifi"),
    (re.compile(r"tun|tap|wg|ipsec|vti|gre|ovpn|zt"), "vpn"),
    (re.compile(r"eth|en[opsx]|wan|lan|br-|veth|dsl|ge\d"), "ethernet"),
)
_ROUTE: Final = re.compile(r"^(?:unicast )?default\b(.*)$")
_HOP: Final = re.compile(r"^\s*nexthop\b(.*)$")
_WORD: Final = re.compile(r"\b(via|dev|metric|table|src) (\S{1,64})")
_MAX_LINES: Final = 5000
"""Of one answer of ip: a router with a route for every customer has some hundreds."""


def kind_of(name: str) -> Kind:
    """What an interface probably is, by its name."""
    for pattern, kind in _KINDS:
        if pattern.match(name.lower()):
            return kind
    return "unknown"


class LinuxAdapter:
    """Default routes, and the interfaces they lead over."""

    def probe(self, runner: Runner) -> float:
        """Any Linux will do, and whoever knows the router better says more."""
        runner.run("ip", "route", "show", "default")
        return 0.2

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """Who has a default route, in whichever table; the one with the lowest metric in the main table is used."""
        links = _links(runner.run("ip", "-o", "link", "show"))
        # Of several addresses of an interface the first is its own, the kernel's order.
        addresses = dict(reversed(_addresses(runner.run("ip", "-o", "addr", "show"))))
        ways = _ways(runner.run("ip", "route", "show", "table", "all"))
        usable = [metric for name, (metric, main) in ways.items() if main and links.get(name)]
        best = min(usable, default=None)
        for name, (metric, main) in ways.items():
            up = links.get(name)
            role: Role = "failed" if not up else "active" if main and metric == best else "standby"
            state = f"default route, metric {metric}" if main else "default route in a table of its own"
            kind = kind_of(name)
            yield Uplink(
                id=name,
                kind=kind,
                up=up,
                state=state if up else f"{state}; the link is down",
                role=role if up is not None else "unknown",
                device=name,
                address=addresses.get(name, ""),
                metered=True if kind == "cellular" else None,
            )

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """From the kernel itself where we run, from ``ip monitor`` elsewhere (BusyBox' ip has no monitor)."""
        try:
            datagrams = runner.netlink("route")
            first = next(datagrams)
        except (NotHere, StopIteration):
            yield from self._monitored(runner)
            return
        watch = NetlinkWatch()
        yield from watch.feed(*first)
        for time, data in datagrams:
            yield from watch.feed(time, data)

    def _monitored(self, runner: Runner) -> Iterator[LinkEvent]:
        monitor = MonitorText(_offset(runner))
        with suppress(RunnerError):
            monitor.know(_addresses(runner.run("ip", "-o", "addr", "show")))
        for line in runner.follow(*MonitorText.COMMAND):
            yield from monitor.feed(line, runner.now())


def _offset(runner: Runner) -> int:
    """Of the router's clock from UTC: ip prints its local time."""
    try:
        zone = runner.run("date", "+%z").strip()
    except RunnerError:
        return 0
    match = re.fullmatch(r"([+-])(\d\d)(\d\d)", zone)
    return 0 if match is None else int(f"{match[1]}1") * (int(match[2]) * 3600 + int(match[3]) * 60)


def _links(text: str) -> dict[str, bool]:
    told = (link_in(line) for line in text.splitlines()[:_MAX_LINES])
    return {link[0]: link[1] for link in told if link is not None}


def _addresses(text: str) -> list[tuple[str, str]]:
    told = (address_in(line) for line in text.splitlines()[:_MAX_LINES])
    return [address for address in told if address is not None]


def _ways(text: str) -> dict[str, tuple[int, bool]]:
    """By interface: the lowest metric of its default routes, and whether it is in the main table."""
    found: dict[str, tuple[int, bool]] = {}
    above: dict[str, str] = {}
    for line in text.splitlines()[:_MAX_LINES]:
        route = _ROUTE.match(line)
        hop = _HOP.match(line) if above else None
        if route is None and hop is None:
            above = {}
            continue
        words = dict(_WORD.findall((route or hop)[1]))  # type: ignore[index]
        if route is not None:
            above = words if "dev" not in words else {}
        else:
            words = {**above, **words}
        name = words.get("dev", "")
        if not name:
            continue
        metric = metric_of(words)
        main = words.get("table", "main") == "main"
        before = found.get(name)
        if before is None or (main, -metric) > (before[1], -before[0]):
            found[name] = (metric, main)
    return found


__all__ = ["ADAPTER", "CAPABILITIES", "LinuxAdapter", "kind_of"]
