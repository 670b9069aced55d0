"""A station whose TLS hello changes: new firmware, or somebody in between (JA4).

Compared is what stays the same from one connection of a client to the next (``trust.fingerprints.kinship``), so that a
resumed session or another host name is no change. Behind a router many stations share one address: without an identity
two clients that take turns are taken for two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding
from fieldkit.checks.onwire import endpoint, server_of
from fieldkit.checks.policy import Policy
from fieldkit.checks.tlskinds import OTHER_CLIENT
from fieldkit.checks.words import clock
from fieldkit.events import ConnectionClosed, Event, TlsHello
from fieldkit.site.link import Link
from fieldkit.site.picture import Picture
from fieldkit.trust.fingerprints import ja4

MAX_CLIENTS: Final = 5_000
MAX_SHOWN: Final = 200
"""Hellos remembered of one client and server: the latest."""


@dataclass(slots=True)
class _Shown:
    """One connection."""

    hello: TlsHello
    kinship: str
    link: Link | None
    closed: int = 0
    answered: bool = False


class TlsFingerprintCheck(Check):
    """Fingerprints of TLS clients over time."""

    kinds = (OTHER_CLIENT,)
    wants = frozenset({TlsHello, ConnectionClosed})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._seen: dict[tuple[str, str, str], dict[int, _Shown]] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Remember who says hello."""
        if isinstance(event, TlsHello):
            self._hello(event, picture)
        elif isinstance(event, ConnectionClosed):
            connection = event.connection
            link = picture.links.get(connection)
            name = link.tls.server_name if link is not None and link.tls is not None else ""
            shown = self._seen.get((connection.client.address, server_of(connection), name), {}).get(connection.number)
            if shown is not None:
                shown.closed = event.time
        return ()

    def _hello(self, hello: TlsHello, picture: Picture) -> None:
        connection = hello.connection
        link = picture.links.get(connection)
        tls = link.tls if link is not None else None
        if tls is None or not tls.kinship:
            return
        key = (connection.client.address, server_of(connection), tls.server_name)
        of_client = self._seen.get(key)
        if of_client is None:
            if not hello.from_client or len(self._seen) >= MAX_CLIENTS:
                return
            of_client = self._seen[key] = {}
        shown = of_client.get(connection.number)
        if not hello.from_client:
            if shown is not None:
                shown.answered = True
        elif shown is None:  # of two hellos the first
            if len(of_client) >= MAX_SHOWN:
                del of_client[next(iter(of_client))]
            of_client[connection.number] = _Shown(hello, tls.kinship, link)

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Judge who changed: by then it is known which connection is whose."""
        by_station: dict[tuple[str, str], list[_Shown]] = {}
        for (_, server, name), of_client in self._seen.items():
            unnamed = []
            for shown in of_client.values():
                station = shown.link.station if shown.link is not None and shown.link.ocpp else ""
                if station:
                    by_station.setdefault((station, f"{server} {name}"), []).append(shown)
                elif shown.answered:
                    unnamed.append(shown)
            if not any(shown.link is not None and shown.link.ocpp for shown in of_client.values()):
                yield from _changed("", unnamed)
        for (station, _), all_of in by_station.items():
            yield from _changed(station, sorted(all_of, key=lambda one: one.hello.time))


def _changed(station: str, shown: list[_Shown]) -> Iterator[Finding]:
    """The last change, if it is one of a single client."""
    turns = [number for number in range(1, len(shown)) if shown[number].kinship != shown[number - 1].kinship]
    if not turns:
        return
    if not station:
        # One address may be that of many: only a clean change, with nothing of the old one behind it or beside it.
        if len(turns) > 1:
            return
        at = turns[0]
        if any(one.closed == 0 or one.closed > shown[at].hello.time for one in shown[:at]):
            return
    before, now = shown[turns[-1] - 1], shown[turns[-1]]
    connection = now.hello.connection
    again = f" It changed {len(turns)} times in this capture." if len(turns) > 1 else ""
    values: dict[str, object] = {
        "client": station or endpoint(connection.client).rpartition(":")[0],
        "server": server_of(connection),
        "before": ja4(before.hello),
        "until": clock(before.hello.time),
        "now": ja4(now.hello),
        "since": clock(now.hello.time),
        "again": again,
    }
    group = "" if station else f"{connection.client.address} {server_of(connection)}"
    yield Finding(OTHER_CLIENT, now.hello.time, station, (before.hello, now.hello), values, group=group)
