"""The TLS of one connection, gathered until it can be judged, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fieldkit.checks.finding import Kind, Owner, Severity
from fieldkit.checks.words import listed
from fieldkit.events import Connection, ConnectionClosed, DecodeError, Event, TlsAlert, TlsCertificates, TlsHello
from fieldkit.wire.tlsnames import is_grease, version_name


@dataclass(slots=True)
class Watched:
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


class Verdict(NamedTuple):
    kind: Kind
    time: int
    evidence: tuple[Event, ...]
    values: dict[str, object]
    severity: Severity | None = None
    owner: Owner | None = None


def offered(hello: TlsHello) -> str:
    """What a client can do, in words."""
    versions = sorted({one for one in hello.versions if not is_grease(one)})
    suites = [one for one in hello.suites if not is_grease(one)]
    return f"{listed([version_name(one) for one in versions])} with {len(suites)} cipher suites"
