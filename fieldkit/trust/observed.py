"""What is known of an endpoint or a connection, whoever found it out: the active prober, a capture, or a user.

Everything may be unknown. None means "not looked at", which is never held against anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from fieldkit.trust.certificate import Certificate
from fieldkit.trust.chain import Chain

Asked: TypeAlias = Literal["no", "optional", "required"]

VERSIONS: Final = ("SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3")


@dataclass(frozen=True)
class Observed:
    """One endpoint, or one end of a connection."""

    side: Literal["csms", "station"] = "csms"
    """Whose behaviour was observed."""
    tls: bool | None = None
    """False: it speaks plain WebSocket."""
    versions: Mapping[str, bool] = field(default_factory=dict)
    """By name ("TLS 1.2"): accepted (of a station: offered) or refused. What is missing was not tried."""
    suites: frozenset[str] = frozenset()
    """Names of all cipher suites that it accepted (offered), of any version."""
    suites_by_version: Mapping[str, frozenset[str]] = field(default_factory=dict)
    suites_complete: bool = False
    """All others were tried and refused. A capture shows one suite of a server, and all of a station."""
    compression: bool | None = None
    chains: tuple[Chain, ...] = ()
    """The certificates of the server, judged: one for each kind of key that it has."""
    client_chain: Chain | None = None
    """The station's, judged …"""
    client_certificate_sent: bool | None = None
    """… and whether it sent one at all."""
    client_certificate_asked: Asked | None = None
    host: str = ""
    """The name by which the station calls the CSMS."""
    identity: str = ""
    """Last part of the path: who the station says that it is."""
    serial: str = ""
    """Serial number of the station, by its BootNotification or the user."""
    operator: str = ""
    """Name of the operator (CpoName, OrganizationName)."""
    basic_auth: bool | None = None
    """Of a station: it sends a password. Of a CSMS: it demands one."""
    wrong_password_refused: bool | None = None
    basic_user: str | None = None
    password_length: int | None = None
    """Bytes; of the password itself nothing is kept."""
    stapled: bool | None = None

    @property
    def leaves(self) -> tuple[Certificate, ...]:
        """The server's own certificates."""
        return tuple(chain.leaf for chain in self.chains)

    def accepts(self, version: str) -> bool | None:
        """None where it was not tried."""
        return self.versions.get(version)

    @property
    def old_versions(self) -> list[str]:
        return [name for name in VERSIONS[:3] if self.versions.get(name)]
