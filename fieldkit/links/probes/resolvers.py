"""Which name servers a router asks, and over which uplink it learnt of them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from fieldkit.links.runner import Runner, RunnerError

FILES: Final = (
    "/tmp/resolv.conf.d/resolv.conf.auto",  # OpenWrt 21.02 and later: what DHCP and PPP brought, by interface
    "/tmp/resolv.conf.auto",
    "/run/systemd/resolve/resolv.conf",
    "/etc/resolv.conf",
)
MAX_SERVERS: Final = 2
"""Of one uplink: stations are given two."""
_SERVER: Final = re.compile(r"nameserver\s+(\S+)")
_INTERFACE: Final = re.compile(r"#\s*Interface\s+(\S+)")


def servers(runner: Runner) -> dict[str, list[str]]:
    """By the router's name of the uplink; under "" those of which it is not said. Forwarders on the router itself are
    left out: they ask over whichever uplink they like."""
    for path in FILES:
        try:
            found = parse(runner.read(path))
        except RunnerError:
            continue
        if found:
            return found
    return {}


def parse(text: str) -> dict[str, list[str]]:
    """Of a resolv.conf."""
    found: dict[str, list[str]] = {}
    interface = ""
    for line in text.splitlines()[:200]:
        named = _INTERFACE.match(line.strip())
        if named is not None:
            interface = named[1]
        server = _SERVER.match(line.strip())
        if server is None:
            continue
        try:
            address = ipaddress.ip_address(server[1].partition("%")[0])
        except ValueError:
            continue
        if not address.is_loopback:
            found.setdefault(interface, []).append(str(address))
    return found


def of_uplink(known: dict[str, list[str]], uplink: str) -> list[str]:
    """Its own, else those of nobody in particular, else everybody's."""
    own = known.get(uplink) or known.get("") or [server for some in known.values() for server in some]
    return list(dict.fromkeys(own))[:MAX_SERVERS]
