"""What an onlooker learns of TLS: handshakes that fail and why, certificates that get refused, old versions.

Ids are those of the active prober where both can say the same. A capture of a whole site is full of other people's
TLS: what concerns OCPP is told at once, the rest is held back until the end and told as far as it may concern it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fieldkit.checks.certificatekinds import INCOMPLETE, REVOKED, UNTRUSTED
from fieldkit.checks.certificates import OF_CLIENTS, TOLD, client_faults, server_faults
from fieldkit.checks.check import Check
from fieldkit.checks.endpointkinds import NO_TLS, OLD_VERSIONS, RESET, TIMEOUT, WEAK_SUITES
from fieldkit.checks.finding import Finding, Owner, Severity
from fieldkit.checks.onwire import bounded, endpoint, quoted, server_of
from fieldkit.checks.policy import Policy
from fieldkit.checks.posture import OWNER_WORDS, POSTURE_KINDS
from fieldkit.checks.tls_alerts import of_alert, of_hidden_alert
from fieldkit.checks.tls_silent import ended_early, gave_up
from fieldkit.checks.tls_watched import Verdict, Watched, offered
from fieldkit.checks.tlskinds import (
    ALERT,
    CLIENT_CERT,
    CLIENT_GAVE_UP,
    CLIENT_REFUSES,
    ENDED_EARLY,
    EXPIRED_ALERT,
    NAME_UNKNOWN,
    NO_COMMON,
    REJECTED,
    SERVER_GAVE_UP,
    SERVER_REFUSES,
    VERSION,
)
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import (
    Connection,
    ConnectionClosed,
    DecodeError,
    Event,
    TlsAlert,
    TlsCertificates,
    TlsHello,
)
from fieldkit.site.certificateread import parsed_chain
from fieldkit.site.link import Link
from fieldkit.site.picture import Picture
from fieldkit.site.tlsseen import ORDERLY
from fieldkit.trust.fault import Fault
from fieldkit.wire.reasons import NO_TLS as NO_TLS_SPOKEN
from fieldkit.wire.tlshidden import HIDDEN_ALERT
from fieldkit.wire.tlsnames import suite_name, version_name

MAX_HELD: Final = 500
"""Connections whose verdict is held back until it is known whether they concern OCPP."""
MAX_SUSPECTS: Final = 5
"""Servers with failing handshakes, in a capture without readable OCPP, of which one may be the CSMS."""
LASTING_NS: Final = 60 * SECOND
"""Who has not ended an encrypted connection for so long puts up with the certificate that it was shown."""
MAX_HELLOS: Final = 8
"""Different hellos that the clients behind one address say to one server: more is somebody who tries out what the
server accepts, such as ``fieldkit tls``."""
SILENCE_NS: Final = 10 * SECOND
"""A ServerHello takes as long as the way there and back, and a little arithmetic."""


class TlsCheck(Check):
    """TLS handshakes."""

    kinds = (
        UNTRUSTED, INCOMPLETE, EXPIRED_ALERT, REJECTED, NO_COMMON, VERSION, NAME_UNKNOWN, CLIENT_CERT, REVOKED, ALERT,
        RESET, TIMEOUT, NO_TLS, CLIENT_REFUSES, SERVER_REFUSES, CLIENT_GAVE_UP, SERVER_GAVE_UP, ENDED_EARLY,
        *OLD_VERSIONS.values(), *WEAK_SUITES.values(), *(POSTURE_KINDS[id_] for id_ in sorted(TOLD | OF_CLIENTS)),
    )  # fmt: skip
    wants = frozenset({TlsHello, TlsCertificates, TlsAlert, DecodeError, ConnectionClosed})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._watched: dict[int, Watched] = {}
        self._held: dict[int, Watched] = {}
        """Ended, and not known to concern OCPP."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Follow a handshake; judge it when the connection ends."""
        if isinstance(event, ConnectionClosed):
            watched = self._watched.pop(event.connection.number, None)
            if watched is None:
                return ()
            watched.closed = event
            link = picture.links.get(event.connection)
            if link is not None and link.ocpp:
                return list(_judged(watched, link, None))
            bounded(self._held, MAX_HELD)[event.connection.number] = watched
        elif isinstance(event, DecodeError):
            if event.layer == "tls" and event.connection is not None and event.reason == NO_TLS_SPOKEN:
                self._watch(event.connection).plain_answer = event
        elif isinstance(event, TlsHello):
            watched = self._watch(event.connection)
            if event.from_client:
                watched.client_hello = event
            else:
                watched.server_hello = event
        elif isinstance(event, TlsCertificates):
            watched = self._watch(event.connection)
            if event.from_client:
                watched.client_chain = event
            else:
                watched.server_chain = event
        elif isinstance(event, TlsAlert) and event.description not in ORDERLY:
            watched = self._watch(event.connection)
            watched.alert = watched.alert or event
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Judge what was held back: by now it is known who speaks OCPP."""
        links = [link for link in picture.links.all.values() if link.ocpp]
        clients = {link.connection.client.address for link in links}
        servers = {link.connection.server.address for link in links}
        held = [*self._held.values(), *self._watched.values()]
        trying = _trying_out(held)
        failing = {server_of(one.connection) for one in held if _fails(one) and _way(one.connection) not in trying}
        for watched in held:
            connection = watched.connection
            if _way(connection) in trying:
                # What is refused to it is refused on purpose; that its doings are in the capture is worth a word.
                yield from _judged(watched, picture.links.get(connection), "info")
                continue
            link = picture.links.get(connection)
            if (link is not None and link.ocpp) or connection.server.address in servers:
                yield from _judged(watched, link, None)
            elif connection.client.address in clients:
                # The station itself, or whoever shares its address behind a router: worth a look, no more.
                yield from _judged(watched, link, "info")
            elif not links and len(failing) <= MAX_SUSPECTS:
                # All is encrypted, or nothing ever got through: a failing handshake is the best there is.
                yield from _judged(watched, link, None if _fails(watched) else "info")
        if not links:
            yield from ended_early(held, picture)

    def _watch(self, connection: Connection) -> Watched:
        watched = self._watched.get(connection.number)
        if watched is None:
            watched = bounded(self._watched)[connection.number] = Watched(connection)
        return watched


def _fails(watched: Watched) -> bool:
    return watched.alert is not None or watched.plain_answer is not None or watched.server_hello is None


def _way(connection: Connection) -> tuple[str, str]:
    return connection.client.address, server_of(connection)


def _trying_out(held: Iterable[Watched]) -> set[tuple[str, str]]:
    """Client and server of those that say hello in ever new ways."""
    hellos: dict[tuple[str, str], set[tuple[tuple[int, ...], tuple[int, ...]]]] = {}
    for watched in held:
        hello = watched.client_hello
        if hello is not None:
            hellos.setdefault(_way(watched.connection), set()).add((hello.versions, hello.suites))
    return {way for way, different in hellos.items() if len(different) > MAX_HELLOS}


def _works(watched: Watched, link: Link | None) -> bool:
    """Whether they talk: messages were seen, or the connection lasted on behind its handshake."""
    if link is not None and link.messages:
        return True
    hello, closed = watched.server_hello, watched.closed
    if hello is None or closed is None or watched.alert is not None:
        return False
    return closed.time - hello.time >= LASTING_NS


def _judged(watched: Watched, link: Link | None, at_most: Severity | None) -> Iterator[Finding]:
    station = link.station if link is not None else ""
    group = server_of(watched.connection)
    works = _works(watched, link)
    for verdict in _verdicts(watched, link):
        # A certificate that this station puts up with will stop others, or this one after an update.
        lesser: Severity | None = "warning" if works and verdict.kind.severity == "critical" else None
        yield Finding(
            verdict.kind,
            verdict.time,
            station,
            verdict.evidence,
            verdict.values,
            group=group,
            severity=at_most or verdict.severity or lesser,
            owner=verdict.owner,
        )


def _verdicts(watched: Watched, link: Link | None) -> Iterator[Verdict]:
    if watched.plain_answer is not None:
        values: dict[str, object] = {
            "client": endpoint(watched.connection.client),
            "server": server_of(watched.connection),
        }
        yield Verdict(NO_TLS, watched.plain_answer.time, (watched.plain_answer,), values)
        return
    chain = parsed_chain(watched.server_chain.chain) if watched.server_chain is not None else ()
    if watched.alert is not None and watched.alert.description == HIDDEN_ALERT:
        yield of_hidden_alert(watched, watched.alert)
    elif watched.alert is not None:
        yield of_alert(watched, watched.alert, chain)
    elif watched.server_hello is not None:
        yield from gave_up(watched, watched.server_hello, chain, link)
    elif watched.client_hello is not None and watched.server_hello is None:
        yield from _no_answer(watched, watched.client_hello, link)
    if watched.server_hello is not None and not watched.server_hello.retry:
        yield from _of_hello(watched, watched.server_hello)
    if watched.server_chain is not None and chain:
        name = watched.client_hello.server_name if watched.client_hello is not None else ""
        faults = server_faults(chain, name, watched.server_chain.time)
        yield from _of_faults(faults, watched, watched.server_chain, "csms")
    if watched.client_chain is not None and (own := parsed_chain(watched.client_chain.chain)):
        faults = client_faults(own, watched.client_chain.time)
        yield from _of_faults(faults, watched, watched.client_chain, "station")


def _no_answer(watched: Watched, hello: TlsHello, link: Link | None) -> Iterator[Verdict]:
    closed = watched.closed
    if closed is None or link is None or link.last_gap or closed.connection.joined_midstream:
        return
    after = closed.time - hello.time
    values: dict[str, object] = {
        "server": server_of(watched.connection),
        "after": duration(after),
        "name": quoted(hello.server_name) if hello.server_name else "no name",
        "ended": "reset the connection" if closed.how == "rst" else "closed the connection",
    }
    if closed.how in ("fin", "rst") and closed.by_client is False:
        yield Verdict(RESET, hello.time, (hello, closed), values)
    elif closed.how == "fin" and closed.by_client and after >= SILENCE_NS:  # FIN came back: both sides are captured
        yield Verdict(TIMEOUT, hello.time, (hello, closed), values)


def _of_hello(watched: Watched, hello: TlsHello) -> Iterator[Verdict]:
    client = watched.client_hello
    values: dict[str, object] = {
        "client": endpoint(watched.connection.client),
        "server": server_of(watched.connection),
        "version": version_name(hello.version),
        "offered": offered(client) if client is not None else "settings that were not seen",
    }
    agreed = f"{values['client']} and {values['server']} agreed on"
    if hello.version in OLD_VERSIONS:
        values["observation"] = f"{agreed} {values['version']}; the client offered {values['offered']}."
        yield Verdict(OLD_VERSIONS[hello.version], hello.time, (hello,), values)
    suite = suite_name(hello.suites[0]) if hello.suites else ""
    for part, kind in WEAK_SUITES.items():
        if part in suite:
            yield Verdict(kind, hello.time, (hello,), {**values, "observation": f"{agreed} {suite}."})
            break


def _of_faults(faults: Iterable[Fault], watched: Watched, event: TlsCertificates, role: str) -> Iterator[Verdict]:
    """What is wrong with certificates, in the words of the catalogue."""
    of_server = role == "csms"
    end = server_of(watched.connection) if of_server else f"the client {endpoint(watched.connection.client)}"
    evidence: tuple[Event, ...] = (event,)
    if watched.client_hello is not None and of_server:
        evidence = (event, watched.client_hello)
    for fault in faults:
        kind = POSTURE_KINDS[fault.id]
        values: dict[str, object] = {"at": f" of {end}", "owner_word": OWNER_WORDS[role], **fault.values}
        owner: Owner | None = "operator" if not of_server and kind.owner == "csms" else None
        shown = evidence if fault.id == "tls.hostname-mismatch" else (event,)
        yield Verdict(kind, event.time, shown, values, fault.severity, owner)
