"""Is the far end of a connection the one it was? By its address and by its certificate, which TLS 1.2 shows unread.

A certificate that a device has not seen before is judged a moment later: a device that breaks off then has noticed by
itself, and what answers in the place of the CSMS reaches nothing (a sign-in page looks like this); one that goes on
talks to somebody else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import ClassVar, Final

from fieldkit.checks.words import SECOND, duration
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.events import ConnectionClosed, Event, HttpRequest, TlsAlert, TlsCertificates, TlsHello
from fieldkit.ocpp.identity import identity_of
from fieldkit.safetext import shorten
from fieldkit.site.certificateread import parsed
from fieldkit.site.link import asks_upgrade

MAX_TABLE: Final = 4000
MAX_KNOWN: Final = 64
"""Addresses or certificates of one name that are known: some operators have many front ends."""
MANY: Final = 3
"""So many addresses of one name and more, and another one says little."""
ACCEPTED: Final = 8 * SECOND
"""A client that minds the certificate says so within a handshake; so long a way to go has none."""
RENEWED: Final = 1 / 3
"""Certificates are renewed when this share of their life is left, at the latest (the usual rule of ACME clients)."""
_PRIVATE: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")))
"""RFC 1918, RFC 4193 and link-local: what a site has inside (documentation addresses are no such thing)."""


@dataclass(slots=True)
class _Name:
    """What a CSMS that goes by one name looks like."""

    servers: dict[str, str] = field(default_factory=dict)
    """By client: the address it went to last."""
    left: set[str] = field(default_factory=set)
    """Addresses that were in use: to go back to one of them is nothing."""
    shown: dict[str, str] = field(default_factory=dict)
    """By client: digest of the certificate that it was shown last."""
    digests: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """By digest: since when it is known, and the certificate."""


class FarEnd(Tracker):
    """Server addresses and certificates."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset(
        {HttpRequest, TlsHello, TlsCertificates, TlsAlert, ConnectionClosed}
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._names: dict[str, _Name] = {}
        self._handlers = {
            HttpRequest: self._request,
            TlsHello: self._hello,
            TlsCertificates: self._certificates,
            TlsAlert: self._alert,
            ConnectionClosed: self._closed,
        }

    def see(self, event: Event) -> None:
        self._handlers[event.__class__](event)  # type: ignore[operator]

    # ------------------------------------------------------------------------------------------------------- addresses

    def _request(self, request: HttpRequest) -> None:
        name = identity_of(request.target)
        link = self.context.picture.links.get(request.connection)
        if not asks_upgrade(request) or not name or link is None or not link.ocpp or link.tls is not None:
            return
        # In clear nothing but the address says who the server is, whatever name it was looked up by.
        self._goes_to("", name, request.connection.server.address, request, 0.62)

    def _hello(self, hello: TlsHello) -> None:
        """The name in it (SNI, RFC 6066 §3) is that of the CSMS: the same name at another address."""
        if hello.from_client and hello.server_name:
            client = hello.connection.client.address
            name = self.context.names.get(client, client)
            self._goes_to(hello.server_name, name, hello.connection.server.address, hello, 0.45)

    def _goes_to(self, called: str, station: str, address: str, event: Event, confidence: float) -> None:
        name = kept(self._names, called, _Name, MAX_TABLE)
        before = name.servers.get(station)
        if before is None and len(name.servers) >= MAX_TABLE:
            return
        others = {server for other, server in name.servers.items() if other != station}
        name.servers[station] = address
        if before is None or before == address or address in name.left or address in others:
            return  # it goes where others go, too: the CSMS has several front ends
        many = len(name.left) > MANY
        if len(name.left) < MAX_KNOWN:
            name.left |= {before, *list(others)[: MAX_KNOWN - len(name.left)]}
        inside = is_private(address) and not is_private(before)
        self.context.tell(
            "man-in-the-middle",
            station,
            0.8 if inside else 0.2 if many else confidence,
            f"{shorten(station, 60)} goes to {address} now"
            + (", an address inside the site's own network" if inside else "")
            + f"; it has always gone to {before} so far"
            + (", as all others do." if others == {before} and len(name.servers) > 2 else "."),
            (event,),
            layer="statistics",
            sign="server",
        )

    # ----------------------------------------------------------------------------------------------------- certificates

    def _certificates(self, event: TlsCertificates) -> None:
        if event.from_client or not event.chain:
            return
        link = self.context.picture.links.get(event.connection)
        server, client = event.connection.server, event.connection.client.address
        called = (link.tls.server_name if link is not None and link.tls is not None else "") or (
            f"{server.address}:{server.port}"
        )
        name = kept(self._names, called, _Name, MAX_TABLE)
        digest = hashlib.sha256(event.chain[0]).hexdigest()
        before = name.shown.get(client)
        if before is None and len(name.shown) >= MAX_TABLE:
            return
        if before is None or digest in name.digests:
            self._shown(name, client, digest, event)
            return  # a client that is new here, or a certificate that others are shown as well
        if before == digest:
            return  # told already
        self.context.at(
            ("certificate", event.connection.number),
            event.time + ACCEPTED,
            lambda time: self._accepted(name, client, digest, called, event),
        )

    @staticmethod
    def _shown(name: _Name, client: str, digest: str, event: TlsCertificates) -> None:
        name.shown[client] = digest
        if digest not in name.digests and len(name.digests) < MAX_KNOWN:
            name.digests[digest] = (event.time, event.chain[0])

    def _accepted(self, name: _Name, client: str, digest: str, called: str, event: TlsCertificates) -> None:
        """Nobody has broken off: this is who the station talks to."""
        before = name.shown[client]
        since, old = name.digests.get(before, (0, b""))
        name.shown[client] = digest  # told once; where others are shown it as well, it is known from then on
        renewed = _renewed(old, event.chain[0], event.time)
        if renewed:
            self._shown(name, client, digest, event)
        for_long = f" for {duration(event.time - since)}" if since else ""
        self.context.tell(
            "man-in-the-middle",
            self.context.names.get(client, client),
            0.2 if renewed else 0.72,
            f"{shorten(called, 60)} shows another certificate than it has shown here{for_long} (fingerprint "
            f"{digest[:16]} instead of {before[:16]})"
            + (
                ": the old one was about to run out, and the new one names the same issuer." if renewed
                else ", and the station goes on talking."
            ),
            (event,),
            first=event.time,
            layer="statistics",
            sign="certificate",
        )  # fmt: skip

    def _alert(self, alert: TlsAlert) -> None:
        if alert.fatal and alert.from_client:
            self._broke_off(alert, alert.connection.number, f'with the alert "{alert.name}"')

    def _closed(self, event: ConnectionClosed) -> None:
        self._broke_off(event, event.connection.number, "without a word")

    def _broke_off(self, event: TlsAlert | ConnectionClosed, number: int, how: str) -> None:
        if not self.context.deadlines.waits(("certificate", number)):
            return
        self.context.off(("certificate", number))
        client = event.connection.client.address
        station = self.context.names.get(client, client)
        self.context.tell(
            "captive-portal",
            station,
            0.65,
            f"{event.connection.server.address} shows a certificate that was never seen here, and "
            f"{shorten(station, 60)} breaks off {how}.",
            (event,),
            layer="statistics",
            sign="another-certificate",
        )


def _renewed(old: bytes, new: bytes, now: int) -> bool:
    """Is the new one what follows the old one in good order?"""
    before, after = parsed(old), parsed(new)
    if before is None or after is None or before.issuer != after.issuer or before.subject != after.subject:
        return False
    return before.not_after - now <= RENEWED * (before.not_after - before.not_before)


def is_private(address: str) -> bool:
    """Is it an address that only a site's own network has?"""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in _PRIVATE if network.version == found.version)
