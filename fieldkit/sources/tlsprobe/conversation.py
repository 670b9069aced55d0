"""What the engine runs: one connection's conversation, without the connection.

Bytes in, bytes out. Whoever reads hostile bytes here can be tested and fuzzed with a list of byte strings, and cannot
wait for anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

NARROW: Final = 1024
"""Receive buffer for a ServerHello: the least that Linux allows is made of it, a window of 1,152 bytes. The
certificates, which are most of what a server sends, then stay where they are."""
MODEST: Final = 4096
"""For the answer to an upgrade: a certificate chain fits in, the start page of a web server does not."""
HEAD: Final = 256
"""Bytes of an answer that are kept for showing what it was."""


class End(Enum):
    """How a connection ended."""

    DONE = "what was wanted is known"
    CLOSED = "closed by the peer"
    RESET = "reset by the peer"
    TIMEOUT = "no (whole) answer in time"
    REFUSED = "nobody listens on this port"
    UNREACHABLE = "no way to this address"
    FLOOD = "the peer sends without end"
    STOPPED = "the time for this target is over"


@dataclass
class Traffic:
    """How a connection went, as its socket saw it."""

    end: End = End.STOPPED
    reason: str = ""
    """What the operating system said."""
    connect_s: float | None = None
    """How long the TCP handshake took: about one round trip. None: it did not succeed."""
    answer_s: float | None = None
    """From the first bytes sent to the first received."""
    total_s: float = 0.0
    sent: int = 0
    received: int = 0

    @property
    def connected(self) -> bool:
        """There was a TCP connection."""
        return self.connect_s is not None

    @property
    def unheard(self) -> bool:
        """The peer let it go without a byte, or did not take it at all."""
        return self.received == 0 and (not self.connected or self.end in (End.CLOSED, End.RESET))


class Conversation(Protocol):
    """One connection's worth of talk."""

    patience: float
    """Seconds it may take, connecting included."""
    window: int
    """Receive buffer in bytes, 0: the system's. Where only the beginning of an answer matters, a small one keeps the
    peer from sending the rest, which would cost mobile data."""
    done: bool
    """Nothing more is to be sent or awaited."""
    traffic: Traffic
    """Filled by the engine."""

    def begin(self) -> bytes:
        """What is sent first."""

    def feed(self, data: bytes) -> bytes:
        """Take in what came; returns what to send."""

    def finish(self) -> None:
        """The connection is over, for the reason in ``traffic``."""

    def again(self) -> None:
        """Forget how it went: the same will be said once more."""
