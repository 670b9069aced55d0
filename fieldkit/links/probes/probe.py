"""What an attempt to reach the CSMS over one uplink came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

IDENTITY: Final = "fieldkit-probe"
"""In place of a station's identity: with that of a real one the CSMS would drop the station's own connection."""
SUBPROTOCOL: Final = "ocpp1.6"
"""Offered: every CSMS knows it, and the path is the question, not the version."""

Verdict: TypeAlias = Literal[
    "carries", "no-dns", "blocked", "captive-portal", "intercepted", "tls-fails", "no-upgrade", "answers-otherwise",
    "skipped", "unknown",
]  # fmt: skip
"""carries: the CSMS answers as it does to a station. blocked: no TCP connection. answers-otherwise: a web server
answers, and not as over another uplink. no-upgrade: TLS, and then silence. skipped: not tried,
because the budget is used up, or it cannot be."""


@dataclass(frozen=True, slots=True)
class Named:
    """What one name server answered."""

    server: str
    addresses: tuple[str, ...] = ()
    error: str = ""
    ms: float | None = None
    bound: bool = True
    """Asked over this uplink; False: over whichever the router took."""


@dataclass(slots=True)
class Probe:
    """One attempt over one uplink."""

    time: int
    """ns since the epoch."""
    uplink: str
    device: str = ""
    active: bool = False
    """It is the one in use."""
    metered: bool = False
    names: list[Named] = field(default_factory=list)
    """By name server; empty where the CSMS is given by address."""
    address: str = ""
    """That was tried."""
    echo_ms: float | None = None
    """Median of the pings."""
    echo_lost: float | None = None
    """0 to 1; None: not tried, or it cannot be said."""
    tried: bool = False
    """A connection was attempted."""
    connect_ms: float | None = None
    """The TCP handshake; None: there was none."""
    tls: str = ""
    """Version; empty: no TLS came about, or none is spoken."""
    tls_ms: float | None = None
    trusted: bool | None = None
    """The certificate verifies; None: not tried."""
    certificate: str = ""
    """SHA-256 of the leaf, hexadecimal."""
    subject: str = ""
    issuer: str = ""
    not_tls: bool = False
    """Something else than TLS answers."""
    status: int | None = None
    """Of the HTTP answer to the upgrade."""
    chosen: str = ""
    """Subprotocol."""
    location: str = ""
    accept_wrong: bool = False
    """Sec-WebSocket-Accept does not fit: the answer is not to this request."""
    error: str = ""
    bytes: int = 0
    """On the wire, both directions, as near as can be counted."""
    notes: list[str] = field(default_factory=list)
    verdict: Verdict = "unknown"
    why: str = ""
    sure: bool = True
    """False: the verdict is what is likely."""

    @property
    def answering(self) -> str:
        """A name server that answers over this uplink; empty where none is known to."""
        return next((named.server for named in self.names if named.addresses and named.bound), "")

    @property
    def usable(self) -> bool | None:
        """The backup would do; None: not known."""
        return None if self.verdict in ("skipped", "unknown") else self.verdict == "carries"
