"""What a survey of one endpoint came to, before anybody judges it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.certrequest import CertificateRequest
from fieldkit.sources.tlsprobe.flight import Flight
from fieldkit.sources.tlsprobe.targets import Target, Way
from fieldkit.wire.tlsnames import TLS12

Answer: TypeAlias = bool | None
"""Yes, no, or: it could not be found out."""
Manner: TypeAlias = Literal["", "unreachable", "silence", "reset", "closed", "not-tls", "no-tls", "malformed"]
"""How an endpoint behaves that does not speak TLS with us; empty for one that does."""


@dataclass
class Shown:
    """A chain of certificates as it was sent."""

    chain: tuple[bytes, ...]
    when: str
    """Which hello brought it: "TLS 1.2", "TLS 1.3", "TLS 1.2 with ECDSA suites", "without a server name"."""
    staple: bytes = b""
    staples: int = 0
    staple_asked: bool = False
    defect: str = ""


@dataclass
class Swept:
    """What is known of the suites of one version."""

    accepted: list[int] = field(default_factory=list)
    """In the order found: within a group the server's order of preference, or ours."""
    refused: set[int] = field(default_factory=set)
    """Known not to be accepted."""
    open: set[int] = field(default_factory=set)
    """Asked for and not told apart, as the budget was used up."""
    first: int | None = None
    """Chosen when everything usual was offered."""


@dataclass
class Spoken:
    """What a real handshake and the WebSocket upgrade came to."""

    subprotocol: str
    """Offered."""
    handshake: bool = False
    version: str = ""
    suite: str = ""
    resumed: bool = False
    trusted: Answer = None
    """OpenSSL verified the chain and the name; None: it was not asked to."""
    error: str = ""
    """What ended it, in words."""
    alert: int | None = None
    status: int | None = None
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the answer, lower case, without secrets."""
    chosen: str = ""
    """The subprotocol that the server chose."""
    accept_wrong: bool = False
    """Sec-WebSocket-Accept does not fit the key: somebody in between answers from memory."""
    body: str = ""
    """How the body of a refusal begins."""
    alpn: str = ""
    password_sent: bool = False
    client_certificate_sent: Answer = None
    """None: the server did not ask, or it is not known whether it did."""
    certificate: bytes = b""
    """The leaf that was shown."""
    close_code: int | None = None
    """Of the WebSocket, where the server closed it at once."""
    elapsed_s: float = 0.0


@dataclass
class Posture:
    """Everything found out about one endpoint."""

    target: Target
    way: Way
    manner: Manner = ""
    reason: str = ""
    """Of an unreachable one: what the operating system said. Of a foreign one: what is odd."""
    banner: bytes = b""
    """How a peer that speaks something else begins."""
    versions: dict[int, Answer] = field(default_factory=dict)
    suites: dict[int, Swept] = field(default_factory=dict)
    groups: list[int] = field(default_factory=list)
    """Key exchange groups accepted, the preferred first."""
    groups_refused: set[int] = field(default_factory=set)
    shown: list[Shown] = field(default_factory=list)
    """Each different chain once, the one that is shown by default first."""
    nameless: tuple[bytes, ...] | None = None
    """The chain shown to a client that names no host; None: not found out."""
    nameless_refused: bool = False
    name_refused: bool = False
    """It does not know the name that it is called by (alert unrecognized_name)."""
    request: CertificateRequest | None = None
    """A client certificate is asked for."""
    client_certificate: Literal["", "required", "optional", "unknown"] = ""
    client_certificate_taken: Answer = None
    """The given one; None: there was none to give, or nobody asked."""
    dh_bits: int | None = None
    """The shortest seen."""
    compression: Answer = None
    secure_renegotiation: Answer = None
    """RFC 5746 is supported."""
    client_renegotiation: Answer = None
    """A client may start a new handshake within a connection."""
    tickets: Answer = None
    resumption: Answer = None
    fallback_scsv: Answer = None
    order: Literal["server", "client", ""] = ""
    """Whose order of preference decides; nobody's where there is nothing to choose."""
    extended_master_secret: Answer = None
    encrypt_then_mac: Answer = None
    alpn: str = ""
    short_only: bool = False
    """Hellos of usual length get no answer, short ones do."""
    short_size: int = 0
    usual_size: int = 0
    """Bytes of one that was answered, and of one that was not."""
    asked_for_upgrade: bool = False
    """The user named a path, so that something is to be expected of it."""
    password_values: dict[str, str] = field(default_factory=dict)
    """User and length of the password that was sent, for texts."""
    incomplete: bool = False
    """Something that matters for the verdict was left out."""
    connect_s: float | None = None
    """The quickest TCP handshake."""
    hello_s: float | None = None
    """The quickest answer to a hello."""
    reset_s: float | None = None
    """How long after the first hello the connection was broken off."""
    slow_s: float | None = None
    """How long an answer to a hello takes beyond the way there and back, where that is long."""
    spoken: list[Spoken] = field(default_factory=list)
    plain: Spoken | None = None
    """The upgrade without TLS, on an endpoint that does not speak it."""
    connections: int = 0
    sent: int = 0
    received: int = 0
    elapsed_s: float = 0.0
    cut: str = ""
    """Why something was left out: "time", "connections", "bytes"."""
    left_out: list[str] = field(default_factory=list)
    """What, in words."""
    flights: dict[str, Flight] = field(default_factory=dict)
    """By name, those that others look at again."""

    @property
    def speaks_tls(self) -> bool:
        """There was an answer to a hello."""
        return not self.manner

    @property
    def reachable(self) -> bool:
        """There was a TCP connection."""
        return self.manner != "unreachable"

    def accepts(self, version: int) -> Answer:
        """Whether a version is accepted."""
        return self.versions.get(version)

    def accepted(self, version: int) -> list[int]:
        """The suites known to be accepted in a version."""
        swept = self.suites.get(version)
        return swept.accepted if swept is not None else []

    def settle(self) -> None:
        """What can only be said when all has been asked."""
        if not any(self.versions.values()):
            self.versions.clear()  # it refuses whatever is said to it, which is not for the version
        swept = self.suites.get(TLS12)
        refused = swept is not None and swept.refused | self.all_accepted >= set(suites.everything())
        if refused and not self.accepted(TLS12) and self.versions:
            self.versions.setdefault(TLS12, False)  # it has no alert for that
        if len(set(self.accepted(TLS12)).intersection(suites.usual())) < 2:
            self.order = ""

    @property
    def stapling(self) -> Answer:
        """The status of the certificate comes with it, where it is asked for."""
        asked = [shown for shown in self.shown if shown.staple_asked]
        return any(shown.staple for shown in asked) if asked else None

    @property
    def all_accepted(self) -> set[int]:
        """In any version."""
        return {number for swept in self.suites.values() for number in swept.accepted}
