"""What happens to links, addresses and default routes, as events: from netlink, or from what ``ip monitor`` says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from fieldkit.links.netlink import LISTENING, Address, Link, messages, route_message
from fieldkit.links.uplink import Happening, LinkEvent

T = TypeVar("T")

ADAPTER: Final = "linux"
MAX_LINKS: Final = 4096
"""Interfaces that are remembered; a router with containers makes new ones all day."""
MAX_KEPT: Final = 256
"""Addresses and default routes of one interface that are remembered."""


class Kernel:
    """What is known of the interfaces, so that only what changes is told."""

    def __init__(self) -> None:
        self._up: dict[str, bool] = {}
        self._routes: dict[str, set[tuple[str, int, int]]] = {}
        self._addresses: dict[str, set[str]] = {}

    def link(self, time: int, name: str, up: bool, *, admin: bool, gone: bool, news: bool = True) -> list[LinkEvent]:
        """An interface as it is now."""
        before = self._up.get(name)
        if gone:
            self._up.pop(name, None)
            self._routes.pop(name, None)
            self._addresses.pop(name, None)
            return [_event(time, "vanished", name, f"{name} is gone")] if news and before is not None else []
        if len(self._up) < MAX_LINKS or name in self._up:
            self._up[name] = up
        if not news or before == up:
            return []
        if before is None and not up:
            return [_event(time, "appeared", name, f"{name} has appeared")]
        if up:
            return [_event(time, "up", name, f"{name} is up", "down" if before is not None else "", "up")]
        self._routes.pop(name, None)
        why = "has no carrier: the cable, or what is at its other end" if admin else "was switched off"
        return [_event(time, "down", name, f"{name} {why}", "up", "down")]

    def address(self, time: int, name: str, address: str, *, gone: bool, news: bool = True) -> list[LinkEvent]:
        """An address of an interface. The kernel says it again whenever DHCP or a router advertisement prolongs it."""
        known = _of(self._addresses, name)
        again = not gone and address in known
        _keep(known, address, gone=gone)
        if again or not news:
            return []
        text = f"{name} {'no longer has' if gone else 'has'} the address {address}"
        return [_event(time, "address", name, text, address if gone else "", "" if gone else address)]

    def route(
        self, time: int, name: str, gateway: str, metric: int, *, gone: bool, table: int = 254, news: bool = True
    ) -> list[LinkEvent]:
        """A default route."""
        known = _of(self._routes, name)
        key = (gateway, metric, table)
        if (key in known) != gone and not (gone and not known):
            return []  # the kernel says again what it has said
        _keep(known, key, gone=gone)
        if not news:
            return []
        via = f" via {gateway}" if gateway else ""
        where = f"{name}{via}{f', metric {metric}' if metric else ''}"
        text = f"the default route over {where} was {'taken away' if gone else 'set'}"
        return [_event(time, "route", name, text, where if gone else "", "" if gone else where)]


def _of(kept: dict[str, set[T]], name: str) -> set[T]:
    """What is remembered of an interface; of those beyond the limit nothing is."""
    return kept.setdefault(name, set()) if len(kept) < MAX_LINKS or name in kept else set()


def _keep(known: set[T], one: T, *, gone: bool) -> None:
    if gone:
        known.discard(one)
    elif len(known) < MAX_KEPT:
        known.add(one)


def _event(time: int, what: Happening, name: str, text: str, before: str = "", after: str = "") -> LinkEvent:
    return LinkEvent(time, ADAPTER, what, name, text, before, after, exact=True)


class NetlinkWatch:
    """Datagrams of the kernel go in, events come out."""

    def __init__(self) -> None:
        self._kernel = Kernel()
        self._names: dict[int, str] = {}

    def feed(self, time: int, data: bytes) -> list[LinkEvent]:
        """One datagram; an empty one means that some were lost."""
        if not data:
            return [
                LinkEvent(time, ADAPTER, "state", "", "some of what the kernel reported was lost: too much at once")
            ]
        found: list[LinkEvent] = []
        for message in messages(data) if data != LISTENING else ():
            told = route_message(message)
            if isinstance(told, Link):
                name = told.name or self._names.get(told.number, f"#{told.number}")
                if told.gone:
                    self._names.pop(told.number, None)
                elif len(self._names) < MAX_LINKS:
                    self._names[told.number] = name
                found += self._kernel.link(time, name, told.up, admin=told.admin, gone=told.gone, news=told.news)
            elif told is not None:
                name = self._names.get(told.number, f"#{told.number}")
                if isinstance(told, Address):
                    found += self._kernel.address(time, name, told.address, gone=told.gone, news=told.news)
                else:
                    found += self._kernel.route(
                        time, name, told.gateway, told.metric, gone=told.gone, table=told.table, news=told.news
                    )
        return found


_TIME: Final = re.compile(r"^\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)\]\s*")
_LINK: Final = re.compile(r"^\d+: ([^\s:@]{1,32})(?:@\S{1,32})?: <([A-Z0-9_,-]*)>")
_ADDRESS: Final = re.compile(r"^\d+: (\S{1,32})\s+inet6? ([0-9a-fA-F.:]{2,45})/\d+ .*\bscope global\b")


def link_in(line: str) -> tuple[str, bool, bool] | None:
    """Of a line of ``ip link`` or ``ip monitor``: the interface, whether it is usable, whether it is switched on."""
    match = _LINK.match(line)
    if match is None:
        return None
    flags = match[2].split(",")
    return match[1], "UP" in flags and "LOWER_UP" in flags and "NO-CARRIER" not in flags, "UP" in flags


def address_in(line: str) -> tuple[str, str] | None:
    """Of a line of ``ip -o addr`` or ``ip monitor``: the interface and its address."""
    match = _ADDRESS.match(line)
    return None if match is None else (match[1], match[2])


def metric_of(words: Mapping[str, str]) -> int:
    """Of a route's words; a route without one has 0."""
    told = words.get("metric", "")
    return int(told) if told.isdecimal() else 0


_ROUTE: Final = re.compile(r"^default\b(.*)$")
_WORD: Final = re.compile(r"\b(via|dev|metric|table) (\S{1,64})")


class MonitorText:
    """The lines of ``ip -ts monitor link address route`` go in, events come out."""

    COMMAND: Final = ("ip", "-ts", "monitor", "link", "address", "route")

    def __init__(self, utc_offset: int = 0) -> None:
        """``utc_offset``: seconds of the clock that the lines show, which name no zone."""
        self._kernel = Kernel()
        self._offset = utc_offset
        self._time = 0

    def feed(self, line: str, now: int = 0) -> list[LinkEvent]:
        """One line; ``now`` where it bears no time."""
        stamp = _TIME.match(line)
        if stamp is not None:
            self._time = _ns(stamp[1]) - self._offset * 1_000_000_000
            line = line[stamp.end() :]
        elif line[:1].isspace():
            return []  # more of the line before
        time = self._time if stamp is not None else now or self._time
        gone = line.startswith("Deleted ")
        line = line.removeprefix("Deleted ")
        route = _ROUTE.match(line)
        if route is not None:
            words = dict(_WORD.findall(route[1]))
            if "dev" not in words:
                return []
            return self._kernel.route(time, words["dev"], words.get("via", ""), metric_of(words), gone=gone)
        address = address_in(line)
        if address is not None:
            return self._kernel.address(time, *address, gone=gone)
        link = link_in(line)
        if link is not None:
            name, up, admin = link
            return self._kernel.link(time, name, up, admin=admin, gone=gone)
        return []

    def know(self, addresses: Iterable[tuple[str, str]]) -> None:
        """Those that were there before it listens: they are no news when they are said again."""
        for name, address in addresses:
            self._kernel.address(0, name, address, gone=False, news=False)


def _ns(text: str) -> int:
    whole, _, fraction = text.partition(".")
    try:
        at = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(at.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)
