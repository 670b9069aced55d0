"""Attempts to connect that TCP itself does not bring about: nobody listens, or nobody is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Severity
from fieldkit.checks.onwire import MAX_STATIONS, bounded, server_of
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import ConnectionClosed, ConnectionOpened, Event, HttpRequest, HttpResponse
from fieldkit.site.link import asks_upgrade, identity_of, speaks_ocpp
from fieldkit.site.picture import Picture

INSISTENT: Final = 3
"""Attempts in a row that come to nothing: no restart of a server any more."""
MAX_SUSPECTS: Final = 3
"""Hosts that fail to connect, in a capture without OCPP, of which one may be the station: of more, none is told."""
PATIENCE_NS: Final = 3 * SECOND
"""A SYN that is repeated once and then has no answer for so long."""

ELSEWHERE: Final = (
    " It is not the server that OCPP was spoken with in this capture: if the station was told to connect here, this is"
    " probably why it is offline."
)
"""Of a server that nobody spoke OCPP with."""

TCP_REFUSED = Kind(
    "connection.refused",
    "critical",
    "csms",
    "Nobody listens at the CSMS address",
    "{client} tried to connect to {server} and was refused at once: the host is there, but nothing listens on this"
    " port.{context}",
    "Check host and port in the station's settings first; if they are right, the CSMS operator has to start the"
    " service or open the port.",
    "RFC 9293 §3.5.2",
)
TCP_SILENT = Kind(
    "connection.unanswered",
    "critical",
    "site-network",
    "The CSMS address does not answer",
    "{client} tried to connect to {server}, and nothing came back within {waited}.{context}",
    "Check whether other devices at this site reach this address. If not, a firewall, the uplink or a wrong address is"
    " to blame: the owner of the network must let this port out.",
    "RFC 9293 §3.8.3",
)


@dataclass(slots=True)
class _Attempts:
    """Connections from one host to one server that came to nothing."""

    first: tuple[Event, ...]
    closed: ConnectionClosed
    station: str = ""
    in_row: int = 0
    """Since its host was last let in anywhere."""
    told: bool = False
    waited: int = 0


class AttemptCheck(Check):
    """Connections that TCP itself does not get open."""

    kinds = (TCP_REFUSED, TCP_SILENT)
    wants = frozenset({ConnectionOpened, ConnectionClosed, HttpRequest, HttpResponse})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._opened: dict[int, ConnectionOpened] = {}
        self._stations: dict[str, str] = {}
        """By address, who was seen to ask for OCPP from there; "" for several."""
        self._servers: dict[tuple[str, int], None] = {}
        self._attempts: dict[tuple[str, str, str, int], _Attempts] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Notice who speaks OCPP, and attempts in vain."""
        if isinstance(event, ConnectionOpened):
            if not event.connection.joined_midstream:
                bounded(self._opened)[event.connection.number] = event
        elif isinstance(event, ConnectionClosed):
            opened = self._opened.pop(event.connection.number, None)
            if event.how in ("refused", "no-answer") and picture.links.get(event.connection) is not None:
                return list(self._in_vain(event, opened, picture))
        else:
            self._opened.pop(event.connection.number, None)  # type: ignore[union-attr]
            if isinstance(event, HttpRequest) and asks_upgrade(event) and speaks_ocpp(event):
                self._knows(event)
            elif isinstance(event, HttpResponse) and event.status == 101:
                for attempts in self._attempts.values():
                    if attempts.closed.connection.client.address == event.connection.client.address:
                        attempts.in_row = 0
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Attempts of hosts that did not show OCPP before: perhaps they did later, or nothing else is here."""
        links = picture.links.all.values()
        ocpp = [link for link in links if link.ocpp]
        hosts = {link.connection.client.address for link in ocpp}
        servers = {link.server for link in ocpp}
        silent = not any(link.protocol for link in links)
        for (kind_id, client, address, port), attempts in self._attempts.items():
            if attempts.told:
                continue
            kind = TCP_REFUSED if kind_id == TCP_REFUSED.id else TCP_SILENT
            if (address, port) in servers:
                attempts.station = self._stations.get(client, "")
                yield _attempt(kind, attempts, "", "warning" if attempts.in_row < INSISTENT else "critical")
            elif client in hosts:
                if attempts.in_row >= INSISTENT and not _is_connected(client, picture):
                    yield _attempt(kind, attempts, ELSEWHERE, "warning")
            elif silent and len(self._attempts) <= MAX_SUSPECTS:
                context = " Nothing else was tried in this capture: if this is the charging station, it is offline."
                yield _attempt(kind, attempts, context, "critical")
            elif not ocpp and len(self._attempts) <= MAX_SUSPECTS:
                context = " No OCPP was seen in this capture, so this may be the charging station's attempt."
                yield _attempt(kind, attempts, context, "warning")

    def _knows(self, request: HttpRequest) -> None:
        client, server = request.connection.client.address, request.connection.server
        station = identity_of(request.target)
        known = self._stations.get(client)
        if known is None:
            bounded(self._stations, MAX_STATIONS)[client] = station
        elif known != station:
            self._stations[client] = ""
        bounded(self._servers)[server.address, server.port] = None

    def _in_vain(
        self, closed: ConnectionClosed, opened: ConnectionOpened | None, picture: Picture
    ) -> Iterator[Finding]:
        connection = closed.connection
        waited = closed.time - connection.opened
        kind = TCP_REFUSED if closed.how == "refused" else TCP_SILENT
        if kind is TCP_SILENT and waited < PATIENCE_NS:
            return  # the capture ends too soon to say
        key = (kind.id, connection.client.address, connection.server.address, connection.server.port)
        attempts = self._attempts.get(key)
        if attempts is None:
            # No answer has no packet that shows it: the SYN is the evidence.
            evidence = tuple(one for one in (opened, closed if kind is TCP_REFUSED else None) if one is not None)
            attempts = bounded(self._attempts)[key] = _Attempts(evidence or (closed,), closed, waited=waited)
        attempts.in_row += 1
        station = self._stations.get(connection.client.address)
        if (connection.server.address, connection.server.port) in self._servers:
            attempts.station = station or ""
            attempts.told = True
            severity: Severity = "critical" if attempts.in_row >= INSISTENT else "warning"
            yield _attempt(kind, attempts, "", severity, closed.time)
            return
        # Stations fetch firmware and the time elsewhere, and other devices may share their address.
        insists = station is not None and attempts.in_row == INSISTENT and not attempts.told
        if insists and not _is_connected(connection.client.address, picture):
            attempts.station = station or ""
            attempts.told = True
            yield _attempt(kind, attempts, ELSEWHERE, "warning", closed.time)


def _is_connected(address: str, picture: Picture) -> bool:
    """Whether a host has an OCPP connection that has not ended as far as the capture shows."""
    return any(
        link.ocpp and link.connection.client.address == address and link.how in ("", "timeout", "end-of-capture")
        for link in picture.links.all.values()
    )


def _attempt(kind: Kind, attempts: _Attempts, context: str, severity: Severity, time: int | None = None) -> Finding:
    connection = attempts.closed.connection
    values = {
        "client": connection.client.address,
        "server": server_of(connection),
        "waited": duration(attempts.waited),
        "context": context,
    }
    return Finding(
        kind,
        attempts.closed.time if time is None else time,
        attempts.station,
        attempts.first,
        values,
        group=f"{connection.server.address}:{connection.server.port}",
        severity=severity,
    )
