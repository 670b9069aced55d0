"""What an onlooker learns of TLS: handshakes that fail and why, certificates that get refused, old versions.

Ids are those of the active prober where both can say the same. A capture of a whole site is full of other people's
TLS: what concerns OCPP is told at once, the rest is held back until the end and told as far as it may concern it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from fieldkit.checks.certificatekinds import (
    EXPIRED,
    INCOMPLETE,
    NAME,
    NOT_YET,
    ORDER,
    REVOKED,
    SHA1,
    SOON,
    UNTRUSTED,
    WEAK_EC,
    WEAK_RSA,
)
from fieldkit.checks.certificatekinds import INTERMEDIATE_EXPIRED as INTERMEDIATE
from fieldkit.checks.certificates import Certificate, matches, read_chain
from fieldkit.checks.check import Check
from fieldkit.checks.endpointkinds import NO_TLS, OLD_VERSIONS, RESET, TIMEOUT, WEAK_SUITES
from fieldkit.checks.finding import Finding, Kind, Owner, Severity
from fieldkit.checks.onwire import bounded, endpoint, quoted, server_of
from fieldkit.checks.policy import Policy
from fieldkit.checks.tlskinds import (
    ALERT,
    CLIENT_CERT,
    EXPIRED_ALERT,
    NAME_UNKNOWN,
    NO_COMMON,
    REJECTED,
    VERSION,
)
from fieldkit.checks.words import SECOND, clock, duration, listed
from fieldkit.events import (
    Connection,
    ConnectionClosed,
    DecodeError,
    Event,
    TlsAlert,
    TlsCertificates,
    TlsHello,
)
from fieldkit.site.link import Link
from fieldkit.site.picture import Picture
from fieldkit.wire.reasons import NO_TLS as NO_TLS_SPOKEN
from fieldkit.wire.tlsnames import is_grease, suite_name, version_name

MAX_HELD: Final = 500
"""Connections whose verdict is held back until it is known whether they concern OCPP."""
MAX_SUSPECTS: Final = 5
"""Servers with failing handshakes, in a capture without readable OCPP, of which one may be the CSMS."""
DAY: Final = 86_400 * SECOND
SOON_NS: Final = 30 * DAY
URGENT_NS: Final = 7 * DAY
LASTING_NS: Final = 60 * SECOND
"""Who has not ended an encrypted connection for so long puts up with the certificate that it was shown."""
SILENCE_NS: Final = 10 * SECOND
"""A ServerHello takes as long as the way there and back, and a little arithmetic."""
MIN_RSA: Final = 2048
MIN_EC: Final = 224
"""Bits (A00.FR.501: strength of 112 bits)."""


_CERTIFICATE_ALERTS: Final = {
    41: "it asked for a certificate and got none",
    42: "the certificate is damaged, or its signature is wrong",
    43: "certificates of this kind are not supported",
    46: "it finds something wrong with the certificate and does not say what",
    51: "a signature could not be verified",
    113: "the revocation status that was sent along is not valid",
}
_KINDS: Final[dict[int, Kind]] = {
    41: CLIENT_CERT, 116: CLIENT_CERT, 42: REJECTED, 43: REJECTED, 46: REJECTED, 51: REJECTED, 113: REJECTED,
    44: REVOKED, 45: EXPIRED_ALERT, 48: UNTRUSTED, 40: NO_COMMON, 71: NO_COMMON, 70: VERSION, 86: VERSION,
    112: NAME_UNKNOWN,
}  # fmt: skip
_ORDERLY: Final = frozenset({0, 90, 100})
"""close_notify, user_canceled, no_renegotiation."""


@dataclass(slots=True)
class _Watched:
    """The TLS of one connection, until it can be judged."""

    connection: Connection
    client_hello: TlsHello | None = None
    server_hello: TlsHello | None = None
    server_chain: TlsCertificates | None = None
    client_chain: TlsCertificates | None = None
    alert: TlsAlert | None = None
    """The first that is no orderly end."""
    plain_answer: DecodeError | None = None
    closed: ConnectionClosed | None = None


class _Verdict(NamedTuple):
    kind: Kind
    time: int
    evidence: tuple[Event, ...]
    values: dict[str, object]
    severity: Severity | None = None
    owner: Owner | None = None


class TlsCheck(Check):
    """TLS handshakes."""

    kinds = (
        UNTRUSTED, INCOMPLETE, EXPIRED, NOT_YET, EXPIRED_ALERT, REJECTED, NO_COMMON, VERSION, NAME_UNKNOWN, CLIENT_CERT,
        REVOKED, ALERT, SOON, NAME, ORDER, INTERMEDIATE, WEAK_RSA, WEAK_EC, SHA1, RESET, TIMEOUT, NO_TLS,
        *OLD_VERSIONS.values(), *WEAK_SUITES.values(),
    )  # fmt: skip
    wants = frozenset({TlsHello, TlsCertificates, TlsAlert, DecodeError, ConnectionClosed})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._watched: dict[int, _Watched] = {}
        self._held: dict[int, _Watched] = {}
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
        elif isinstance(event, TlsAlert) and event.description not in _ORDERLY:
            watched = self._watch(event.connection)
            watched.alert = watched.alert or event
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Judge what was held back: by now it is known who speaks OCPP."""
        links = [link for link in picture.links.all.values() if link.ocpp]
        clients = {link.connection.client.address for link in links}
        servers = {link.connection.server.address for link in links}
        held = [*self._held.values(), *self._watched.values()]
        failing = {server_of(one.connection) for one in held if _fails(one)}
        for watched in held:
            connection = watched.connection
            link = picture.links.get(connection)
            if (link is not None and link.ocpp) or connection.server.address in servers:
                yield from _judged(watched, link, None)
            elif connection.client.address in clients:
                # The station itself, or whoever shares its address behind a router: worth a look, no more.
                yield from _judged(watched, link, "info")
            elif not links and len(failing) <= MAX_SUSPECTS:
                # All is encrypted, or nothing ever got through: a failing handshake is the best there is.
                yield from _judged(watched, link, None if _fails(watched) else "info")

    def _watch(self, connection: Connection) -> _Watched:
        watched = self._watched.get(connection.number)
        if watched is None:
            watched = bounded(self._watched)[connection.number] = _Watched(connection)
        return watched


def _fails(watched: _Watched) -> bool:
    return watched.alert is not None or watched.plain_answer is not None or watched.server_hello is None


def _works(watched: _Watched, link: Link | None) -> bool:
    """Whether they talk: messages were seen, or the connection lasted on behind its handshake."""
    if link is not None and link.messages:
        return True
    hello, closed = watched.server_hello, watched.closed
    if hello is None or closed is None or watched.alert is not None:
        return False
    return closed.time - hello.time >= LASTING_NS


def _judged(watched: _Watched, link: Link | None, at_most: Severity | None) -> Iterator[Finding]:
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


def _verdicts(watched: _Watched, link: Link | None) -> Iterator[_Verdict]:
    if watched.plain_answer is not None:
        values: dict[str, object] = {
            "client": endpoint(watched.connection.client),
            "server": server_of(watched.connection),
        }
        yield _Verdict(NO_TLS, watched.plain_answer.time, (watched.plain_answer,), values)
        return
    chain = read_chain(watched.server_chain.chain) if watched.server_chain is not None else ()
    if watched.alert is not None:
        yield _of_alert(watched, watched.alert, chain)
    elif watched.client_hello is not None and watched.server_hello is None:
        yield from _no_answer(watched, watched.client_hello, link)
    if watched.server_hello is not None and not watched.server_hello.retry:
        yield from _of_hello(watched, watched.server_hello)
    if watched.server_chain is not None and chain:
        yield from _of_chain(watched, watched.server_chain, chain)


def _of_alert(watched: _Watched, alert: TlsAlert, chain: tuple[Certificate, ...]) -> _Verdict:
    kind = _KINDS.get(alert.description, ALERT)
    side, other = ("The client", "the server") if alert.from_client else ("The server", "the client")
    leaf = chain[0] if chain and alert.from_client else None
    if kind is UNTRUSTED and leaf is not None and len(chain) == 1 and not leaf.self_issued and leaf.names_issuer_url:
        kind = INCOMPLETE
    if kind is NAME_UNKNOWN and alert.from_client:
        kind = REJECTED
    if kind is CLIENT_CERT and alert.from_client:
        kind = REJECTED
    cert = ""
    if leaf is not None:
        cert = f" It is for {quoted(leaf.subject)}, issued by {quoted(leaf.issuer)}, valid until {clock(leaf.end)}."
    hello = watched.client_hello
    end = watched.connection.client if alert.from_client else watched.connection.server
    values: dict[str, object] = {
        "sender": f"{side} {endpoint(end)}",
        "sender_low": side.lower(),
        "other": other,
        "server": server_of(watched.connection),
        "alert": f'the alert "{alert.name}" ({alert.description})',
        "meaning": _CERTIFICATE_ALERTS.get(alert.description, "no cipher suite, version or certificate suits both"),
        "issuer": quoted(leaf.issuer) if leaf is not None else "",
        "cert": cert,
        "offered": _offered(hello) if hello is not None else "settings that were not seen",
        "name": quoted(hello.server_name) if hello is not None and hello.server_name else "no name",
    }
    values["observation"] = _alert_in_words(kind, values)
    shown = (watched.server_chain, alert) if leaf is not None and watched.server_chain is not None else (alert,)
    if hello is not None:
        shown = (hello, *shown)
    severity: Severity | None = None if alert.fatal or kind is ALERT else "warning"
    # Evidence begins with the alert: the first must not be left out of any report.
    return _Verdict(kind, alert.time, (alert, *(one for one in shown if one is not alert)), values, severity)


def _alert_in_words(kind: Kind, values: dict[str, object]) -> str:
    """Who ended the handshake, and what that means, for the kinds that others find too."""
    told = f"{values['sender']} ended the TLS handshake with {values['server']} with {values['alert']}"
    if kind is UNTRUSTED:
        return (
            f"{told}: it has no root certificate that vouches for the certificate of {values['other']}.{values['cert']}"
        )
    if kind is INCOMPLETE:
        return f"{told}, and the server had sent only its own certificate, issued by {values['issuer']}."
    return f"{told}: the certificate of {values['other']} was revoked by its authority."


def _offered(hello: TlsHello) -> str:
    versions = sorted({one for one in hello.versions if not is_grease(one)})
    suites = [one for one in hello.suites if not is_grease(one)]
    return f"{listed([version_name(one) for one in versions])} with {len(suites)} cipher suites"


def _no_answer(watched: _Watched, hello: TlsHello, link: Link | None) -> Iterator[_Verdict]:
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
        yield _Verdict(RESET, hello.time, (hello, closed), values)
    elif closed.how == "fin" and closed.by_client and after >= SILENCE_NS:  # FIN came back: both sides are captured
        yield _Verdict(TIMEOUT, hello.time, (hello, closed), values)


def _of_hello(watched: _Watched, hello: TlsHello) -> Iterator[_Verdict]:
    client = watched.client_hello
    values: dict[str, object] = {
        "client": endpoint(watched.connection.client),
        "server": server_of(watched.connection),
        "version": version_name(hello.version),
        "offered": _offered(client) if client is not None else "settings that were not seen",
    }
    agreed = f"{values['client']} and {values['server']} agreed on"
    if hello.version in OLD_VERSIONS:
        values["observation"] = f"{agreed} {values['version']}; the client offered {values['offered']}."
        yield _Verdict(OLD_VERSIONS[hello.version], hello.time, (hello,), values)
    suite = suite_name(hello.suites[0]) if hello.suites else ""
    for part, kind in WEAK_SUITES.items():
        if part in suite:
            yield _Verdict(kind, hello.time, (hello,), {**values, "observation": f"{agreed} {suite}."})
            break


def _of_chain(watched: _Watched, event: TlsCertificates, chain: tuple[Certificate, ...]) -> Iterator[_Verdict]:
    leaf, time = chain[0], event.time
    hello = watched.client_hello
    common: dict[str, object] = {
        "at": f" of {server_of(watched.connection)}",
        "subject": quoted(leaf.subject),
        "begin": clock(leaf.begin),
        "end": clock(leaf.end),
        "seen": clock(time),
        "owner_word": "CSMS operator",
    }
    if time > leaf.end:
        yield _Verdict(EXPIRED, time, (event,), common)
    elif time < leaf.begin:
        yield _Verdict(NOT_YET, time, (event,), common)
    elif leaf.end - time < min(SOON_NS, (leaf.end - leaf.begin) // 3):
        urgent = leaf.end - time < URGENT_NS and leaf.end - leaf.begin > SOON_NS
        values = {**common, "left": duration(leaf.end - time)}
        yield _Verdict(SOON, time, (event,), values, "warning" if urgent else None)
    for above in chain[1:]:
        if time > above.end and not above.self_issued:  # a root that is sent along is not looked at
            values = {**common, "subject": quoted(above.subject), "end": clock(above.end)}
            yield _Verdict(INTERMEDIATE, time, (event,), values)
    name = hello.server_name if hello is not None else ""
    if name and leaf.names and not any(matches(pattern, name) for pattern in leaf.names):
        why = f"the names are {listed([quoted(one) for one in leaf.names])}"
        values = {**common, "name": quoted(name), "why": why}
        evidence: tuple[Event, ...] = (event, hello) if hello is not None else (event,)
        yield _Verdict(NAME, time, evidence, values)
    if any(lower.issuer_der != upper.subject_der for lower, upper in pairwise(chain)):
        subjects = listed([quoted(one.subject) for one in chain])
        yield _Verdict(ORDER, time, (event,), {**common, "count": len(chain), "subjects": subjects})
    too_short = leaf.key_bits < (MIN_RSA if leaf.key_kind == "RSA" else MIN_EC)
    if leaf.key_kind and too_short:
        kind = WEAK_RSA if leaf.key_kind == "RSA" else WEAK_EC
        yield _Verdict(kind, time, (event,), {**common, "key": f"an {leaf.key_kind} key of {leaf.key_bits} bits"})
    if leaf.hash_name in ("sha1", "md5") and not leaf.self_issued:
        yield _Verdict(SHA1, time, (event,), {**common, "hash": {"sha1": "SHA-1", "md5": "MD5"}[leaf.hash_name]})
