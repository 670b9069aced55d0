"""What the passive eye saw of one connection's TLS: hellos, fingerprints, certificates, alerts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from fieldkit.events import TlsAlert, TlsCertificates, TlsHello
from fieldkit.trust.fingerprints import ja3, ja4, kinship

MAX_ALERTS: Final = 16
"""Alerts kept of one connection: a handshake ends at the first fatal one, good order needs two."""
MAX_CHAIN: Final = 16
MAX_CHAIN_BYTES: Final = 64 << 10
"""Certificates kept of one side: real chains have two to four of 1 to 2 KiB each."""
MAX_SHARED: Final = 256
"""Different chains that are kept once, however many connections show them."""
MAX_TEXT: Final = 500
"""Characters kept of a name."""
MAX_PROTOCOLS: Final = 8
ORDERLY: Final = frozenset({0, 90, 100})
"""close_notify, user_canceled, no_renegotiation: alerts that are no failure (RFC 8446 §6.1)."""
REMEMBERED: Final = 256
"""Hellos whose fingerprints are not computed again: a station sends the same one each time."""
TLS13: Final = 0x0304


class _Said(NamedTuple):
    """What fingerprints are made of."""

    version: int
    versions: tuple[int, ...]
    suites: tuple[int, ...]
    extensions: tuple[int, ...]
    groups: tuple[int, ...]
    point_formats: tuple[int, ...]
    signature_algorithms: tuple[int, ...]
    alpn: tuple[str, ...]


@lru_cache(maxsize=REMEMBERED)
def _fingerprints(said: _Said) -> tuple[str, str, str]:
    return ja3(said), ja4(said), kinship(said)


class SharedChains:
    """A CSMS shows the same chain at each connection: it is kept once."""

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, ...], tuple[bytes, ...]] = {}

    def one(self, chain: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The same chain, as it was first seen."""
        if len(self._kept) < MAX_SHARED:
            return self._kept.setdefault(chain, chain)
        return self._kept.get(chain, chain)


@dataclass(slots=True)
class TlsSide:
    """The TLS of a connection."""

    server_name: str = ""
    offered: tuple[int, ...] = ()
    """Versions the client offered (0x0303 = TLS 1.2 …)."""
    version: int | None = None
    """Chosen by the server."""
    suite: int | None = None
    resumed: bool = False
    server_chain: tuple[bytes, ...] = ()
    """DER, as sent; TLS 1.3 hides it without keys."""
    client_chain: tuple[bytes, ...] = ()
    alerts: list[tuple[int, bool, str]] = field(default_factory=list)
    """(time, from the client, name), bounded."""
    opaque: str = ""
    """Why its content stays encrypted to us; empty when it does not."""
    alpn: str = ""
    """The protocol that the server agreed on …"""
    protocols: tuple[str, ...] = ()
    """… and those that the client offered."""
    ja3: str = ""
    ja4: str = ""
    """Fingerprints of the client's hello; empty where that was not seen."""
    kinship: str = ""
    """``trust.fingerprints.kinship``: the same for the same TLS stack, whether it resumes a session or not."""
    retried: bool = False
    """The server asked for a second hello."""
    refused: bool | None = None
    """An alert ended the handshake: by the client or by the server; None: none was seen."""
    asked_for_certificate: bool = False
    """The client sent a certificate message, if only an empty one: the server had asked for it."""

    @property
    def answered(self) -> bool:
        """The server said hello."""
        return self.version is not None

    @property
    def hides_certificates(self) -> bool:
        """TLS 1.3 encrypts them, and nobody decrypted it."""
        return self.version == TLS13 and not self.server_chain

    def hello(self, hello: TlsHello) -> None:
        """A hello of either side."""
        if not hello.from_client:
            self.retried = self.retried or hello.retry
            if not hello.retry:
                self.version = hello.version
                self.suite = hello.suites[0] if hello.suites else None
                self.resumed = hello.resumed
            if hello.alpn:
                self.alpn = hello.alpn[0][:MAX_TEXT]
            return
        self.server_name = hello.server_name[:MAX_TEXT]
        self.offered = hello.versions[:MAX_CHAIN]
        self.protocols = tuple(name[:MAX_TEXT] for name in hello.alpn[:MAX_PROTOCOLS])
        if not self.ja4:  # of two hellos the first is what the client would send to anybody
            said = _Said(
                hello.version,
                hello.versions,
                hello.suites,
                hello.extensions,
                hello.groups,
                hello.point_formats,
                hello.signature_algorithms,
                hello.alpn,
            )
            self.ja3, self.ja4, self.kinship = _fingerprints(said)

    def certificates(self, event: TlsCertificates, shared: SharedChains) -> None:
        """A chain of either side."""
        chain = event.chain[:MAX_CHAIN]
        if sum(map(len, chain)) > MAX_CHAIN_BYTES:
            chain = ()
        chain = shared.one(chain)
        if event.from_client:
            self.client_chain = chain
            self.asked_for_certificate = True
        else:
            self.server_chain = chain

    def alert(self, alert: TlsAlert) -> None:
        """An alert, of which the first that is no orderly end tells who refused."""
        if len(self.alerts) < MAX_ALERTS:
            self.alerts.append((alert.time, alert.from_client, alert.name))
        if self.refused is None and alert.description not in ORDERLY:
            self.refused = alert.from_client
