"""Whom a station talks to, and who talks to it, besides its CSMS: from captures only, never by asking around.

A station in a network of its own reaches its CSMS, a time server, a server for firmware and logs. One that reaches
other stations, or the log-in of the router, is a way in for whoever owns one of them (and a cable at a public car park
is all it takes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.onwire import bounded, endpoint
from fieldkit.checks.policy import Policy
from fieldkit.events import Connection, ConnectionOpened, Event, PathSample
from fieldkit.site.picture import Picture

ADMIN: Final = {
    22: "SSH",
    23: "Telnet",
    80: "a web page",
    161: "SNMP",
    443: "a web page",
    445: "file sharing",
    502: "Modbus",
    2323: "Telnet",
    3389: "a remote desktop",
    5900: "a remote desktop",
    8080: "a web page",
    8291: "Winbox",
    8443: "a web page",
}
"""Ports behind which a device is configured."""
HOPS: Final = (64, 128, 255)
"""A packet with this time to live has passed no router: its sender is in the network that was captured."""
MAX_ANSWERED: Final = 20_000
"""Connections that were answered, and addresses of the site."""

NEIGHBOUR = Kind(
    "segmentation.station-reaches-station",
    "warning",
    "site-network",
    "A station can reach another station",
    "{station} connected to {other} ({port}), which is the address of {whose}, and was answered. Nothing in OCPP needs"
    " that: a station that was broken into can break into the next one.",
    "Keep stations apart: client isolation of the access point, private VLANs or port isolation of the switch, a"
    " firewall rule between the stations.",
    "NIST IR 8473 (EV/XFC cybersecurity profile) PR.AC-5",
)
ROUTER = Kind(
    "segmentation.station-reaches-admin",
    "warning",
    "site-network",
    "A station can reach the administration of a device on the site",
    "{station} connected to {other} ({what}) and was answered: a device of the site that is not its CSMS.",
    "Allow the stations' network only what it needs (CSMS, DNS, NTP, the firmware server) and block the router's own"
    " pages and log-ins from it.",
    "NIST IR 8473 (EV/XFC cybersecurity profile) PR.AC-5",
)
REACHED = Kind(
    "segmentation.station-is-reached",
    "info",
    "site-network",
    "Somebody on the site connects to a station",
    "{other} connected to {station}, port {port} ({what}), and was answered.",
    "Fine if that is a technician, the load management of the site or its meter reader. If nobody knows {other}, find"
    " out what it is, and block the stations' network for it.",
    "NIST IR 8473 (EV/XFC cybersecurity profile) PR.AC-5",
)


class SegmentationCheck(Check):
    """Answered connections between addresses of the site, one of them a station's."""

    kinds = (NEIGHBOUR, ROUTER, REACHED)
    wants = frozenset({ConnectionOpened, PathSample})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._opened: dict[int, ConnectionOpened] = {}
        """Between private addresses, not yet answered."""
        self._answered: dict[tuple[str, str, int], ConnectionOpened] = {}
        """(client, server, port) → the first of these connections."""
        self._near: set[str] = set()
        """Clients in the network that was captured."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Remember who was answered; who is a station is known later."""
        if isinstance(event, ConnectionOpened):
            connection = event.connection
            if not connection.joined_midstream and _on_site(connection):
                bounded(self._opened)[connection.number] = event
        elif isinstance(event, PathSample) and event.kind == "handshake":
            opened = self._opened.get(event.connection.number)
            if opened is None:
                return ()
            connection = event.connection
            if event.from_client:
                key = (connection.client.address, connection.server.address, connection.server.port)
                if key not in self._answered:
                    bounded(self._answered, MAX_ANSWERED)[key] = opened
            elif event.ttl in HOPS and len(self._near) < MAX_ANSWERED:
                self._near.add(connection.client.address)
                self._opened.pop(connection.number, None)
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Now it is known who the stations and the CSMSs are."""
        stations: dict[str, str] = {}
        servers: set[tuple[str, int]] = set()
        serving: set[str] = set()
        for link in picture.links.all.values():
            if link.ocpp:
                # Over SOAP either side may be the client; then nobody is taken for a station by its address.
                servers.add(link.server)
                serving.add(link.server[0])
                if not link.soap and link.station:
                    stations.setdefault(link.connection.client.address, link.station)
        for address in serving:
            stations.pop(address, None)  # both on one machine: a test bench, not a site
        for (client, server, port), opened in self._answered.items():
            if (server, port) in servers or client not in self._near:
                continue
            yield from _of(client, server, port, opened, stations, serving)


def _of(
    client: str, server: str, port: int, opened: ConnectionOpened, stations: dict[str, str], serving: set[str]
) -> Iterator[Finding]:
    what = ADMIN.get(port, "")
    other = endpoint(opened.connection.server)
    if client in stations:
        name = stations[client]
        if server in stations and stations[server] != name:
            whose = f"the station {stations[server]}"
            values: dict[str, object] = {"station": name, "other": server, "port": f"port {port}", "whose": whose}
            yield Finding(NEIGHBOUR, opened.time, name, (opened,), values, group=server)
        elif what and server not in serving:
            values = {"station": name, "other": other, "what": what}
            yield Finding(ROUTER, opened.time, name, (opened,), values, group=other)
    elif server in stations:
        values = {"station": stations[server], "other": client, "port": port, "what": what or "unknown service"}
        yield Finding(REACHED, opened.time, stations[server], (opened,), values, group=f"{client} {port}")


def _on_site(connection: Connection) -> bool:
    """Both ends are of a private network, and not of this very machine."""
    try:
        ends = [ip_address(end.address) for end in (connection.client, connection.server)]
    except ValueError:
        return False
    return all(end.is_private and not end.is_loopback for end in ends) and ends[0] != ends[1]
