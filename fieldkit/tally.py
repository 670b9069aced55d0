"""What a run came to, in numbers: what was decoded, what could not be, and what the capture lacks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar, Final

from fieldkit.events import (
    CaptureDropped,
    ConnectionClosed,
    ConnectionRecognised,
    DecodeError,
    Event,
    OcppMessage,
    StreamGap,
    TlsOpaque,
)

_DAMAGE = {"container", "gzip", "pcap", "pcapng", "live"}
"""Layers whose errors mean that the capture itself is damaged or has a hole."""
_MESSAGES = {"websocket", "deflate", "http", "soap", "log"}
"""Layers that carry messages: bytes they lose may have been some."""
FAILED: Final = {"refused": "refused", "no-answer": "never answered"}
"""Ends of connections on which nothing was said."""
SHOWN: Final = 3
"""Damaged places that are told one by one."""


@dataclass(slots=True)
class Tally:
    """What was counted; the tallies of several processes add up."""

    messages: int = 0
    damaged: int = 0
    """Places where the capture itself is damaged …"""
    damage: list[str] = field(default_factory=list)
    """… and what the first of them are."""
    undecoded: int = 0
    """Places where messages, or what may have been messages, could not be decoded …"""
    lost: int = 0
    """… the bytes of them …"""
    undecoded_first: tuple[int, str] | None = None
    """… and when the first one was met, and why it could not."""
    gaps: int = 0
    missing: int = 0
    """Bytes of WebSocket connections that the capture lacks."""
    snapped: int = 0
    """Bytes of TCP payload that the capture's snap length cut off."""
    dropped: int = 0
    opaque: int = 0
    """Connections that stayed encrypted."""
    connections: Counter[str] = field(default_factory=Counter)
    """By protocol, or by how they failed."""
    protocols: dict[int, str] = field(default_factory=dict)
    """Of connections that are open, what they have turned out to be so far."""

    CONCERNS: ClassVar = frozenset(
        {OcppMessage, DecodeError, ConnectionRecognised, ConnectionClosed, StreamGap, CaptureDropped, TlsOpaque}
    )
    """The events that ``note`` looks at; a hot loop spares the others the call."""

    def note(self, event: Event) -> None:
        """Take one event into account."""
        if event.__class__ is OcppMessage:
            self.messages += 1
        elif isinstance(event, DecodeError):
            if event.layer in _DAMAGE:
                self.damaged += 1
                if len(self.damage) < SHOWN:
                    self.damage.append(event.reason)
            elif event.lost and event.layer in _MESSAGES and not _is_stray(event):
                self.undecoded += 1
                self.lost += event.lost
                if self.undecoded_first is None:
                    self.undecoded_first = (event.time, event.reason)
        elif isinstance(event, ConnectionRecognised):
            if event.protocol != "mirror":
                # TLS with HTTP inside that becomes WebSocket is one connection: what it becomes last counts.
                number = event.connection.number
                if number in self.protocols:
                    self.connections[self.protocols[number]] -= 1
                self.connections[event.protocol] += 1
                self.protocols[number] = event.protocol
        elif isinstance(event, ConnectionClosed):
            self.protocols.pop(event.connection.number, None)
            if event.how in FAILED:
                self.connections[FAILED[event.how]] += 1
        elif isinstance(event, StreamGap) and event.snapped:
            self.snapped += event.missing
        elif isinstance(event, StreamGap):
            if self.protocols.get(event.connection.number) == "websocket":
                self.gaps += 1
                self.missing += event.missing
        elif isinstance(event, CaptureDropped):
            self.dropped += event.count
        elif isinstance(event, TlsOpaque):
            self.opaque += 1

    def add(self, other: Tally) -> None:
        """Take in what another process counted."""
        self.messages += other.messages
        self.damaged += other.damaged
        self.damage = (self.damage + other.damage)[:SHOWN]
        self.undecoded += other.undecoded
        self.lost += other.lost
        both = [first for first in (self.undecoded_first, other.undecoded_first) if first is not None]
        self.undecoded_first = min(both, default=None)
        self.gaps += other.gaps
        self.missing += other.missing
        self.snapped += other.snapped
        self.dropped += other.dropped
        self.opaque += other.opaque
        self.connections.update(other.connections)

    @property
    def nothing(self) -> bool:
        """Neither a message nor a connection: what was read may have been no capture at all."""
        return not self.messages and not self.connections

    @property
    def incomplete(self) -> bool:
        """Something was lost that could change a verdict."""
        return bool(self.damaged or self.undecoded or self.gaps or self.snapped or self.dropped)


def _is_stray(error: DecodeError) -> bool:
    """The rest of somebody's web traffic that began before the capture."""
    return error.layer == "http" and error.connection is not None and error.connection.joined_midstream
