"""What can be concluded where nobody says why a TLS connection ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fieldkit.checks.finding import Finding
from fieldkit.checks.onwire import endpoint, quoted, server_of
from fieldkit.checks.tls_watched import Verdict, Watched
from fieldkit.checks.tlskinds import CLIENT_GAVE_UP, ENDED_EARLY, SERVER_GAVE_UP
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import ConnectionClosed, TlsHello
from fieldkit.site.link import Link
from fieldkit.site.picture import Picture
from fieldkit.trust.certificate import Certificate
from fieldkit.wire.tlsnames import TLS13

GIVING_UP_NS: Final = 30 * SECOND
"""A client that ends a handshake later than that may have run into a time-out, whoever made it wait."""
EARLY_NS: Final = 5 * SECOND
"""No OCPP connection is over so soon, unless one side wants it to be."""
EARLY_TIMES: Final = 3
"""So often in a row it is no accident."""


def gave_up(watched: Watched, hello: TlsHello, chain: tuple[Certificate, ...], link: Link | None) -> Iterator[Verdict]:
    """TLS 1.2: one side goes away behind the server's certificate, with the handshake unfinished."""
    closed, tls = watched.closed, link.tls if link is not None else None
    if closed is None or link is None or tls is None or link.last_gap or closed.connection.joined_midstream:
        return
    if hello.version >= TLS13 or hello.retry or hello.resumed or watched.server_chain is None:
        return
    # Behind its Finished all is encrypted: where we are left behind there, or read on, the handshake went through.
    finished = tls.opaque or tls.alerts or link.asked is not None or link.messages or link.last_traffic
    after = closed.time - hello.time
    if finished or closed.how not in ("fin", "rst") or closed.by_client is None:
        return
    if closed.by_client and after > GIVING_UP_NS:
        return
    leaf = chain[0] if chain else None
    cert = f" The certificate is for {quoted(leaf.label)}, issued by {quoted(leaf.issuer.label)}." if leaf else ""
    values: dict[str, object] = {
        "client": endpoint(watched.connection.client),
        "server": server_of(watched.connection),
        "ended": "reset the connection" if closed.how == "rst" else "closed the connection",
        "after": duration(after),
        "cert": cert,
    }
    kind = CLIENT_GAVE_UP if closed.by_client else SERVER_GAVE_UP
    yield Verdict(kind, closed.time, (closed, hello, watched.server_chain), values)


def ended_early(held: Iterable[Watched], picture: Picture) -> Iterator[Finding]:
    """Connections of one client to one server that are over as soon as they are encrypted, every time."""
    groups: dict[tuple[str, str], list[tuple[Watched, ConnectionClosed, int]]] = {}
    for watched in held:
        link, hello, closed = picture.links.get(watched.connection), watched.server_hello, watched.closed
        if link is None or hello is None or closed is None or link.ocpp or link.tls is None or not link.tls.opaque:
            continue
        after = closed.time - hello.time
        if hello.version == TLS13 and watched.alert is None and closed.how in ("fin", "rst", "end-of-capture"):
            group = (watched.connection.client.address, server_of(watched.connection))
            groups.setdefault(group, []).append((watched, closed, after))
    for (client, server), ended in groups.items():
        sides = {closed.by_client for _, closed, _ in ended}
        if len(ended) < EARLY_TIMES or len(sides) != 1 or None in sides or any(one[2] > EARLY_NS for one in ended):
            continue
        values: dict[str, object] = {
            "count": len(ended),
            "client": client,
            "server": server,
            "after": duration(max(after for _, _, after in ended)),
            "side": "client" if True in sides else "server",
        }
        shown = tuple(closed for _, closed, _ in ended)
        yield Finding(ENDED_EARLY, shown[0].time, "", shown, values, group=f"{client} {server}")
