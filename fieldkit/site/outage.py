"""One outage, taken apart: when the path was lost, who noticed when, and what each step back to work took.

The steps ("legs") are moments, in nanoseconds since the epoch. A leg lasts from the latest moment known before it to
its own; ``Outage.spans`` says so in order. None: it was not to be seen from where the capture was made, or it did not
come. Whose time a leg was is an ``Attribution``: an owner, a cause in words, and how sure that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, TypeAlias, get_args

LegName: TypeAlias = Literal["path_lost", "detected", "first_syn", "handshake", "upgrade", "boot", "first_message"]
LEGS: Final[tuple[LegName, ...]] = get_args(LegName)
"""In the order in which they come."""

Cause: TypeAlias = Literal[
    "switch-flows-flushed",
    "switch-flows-stranded",
    "blackhole",
    "satellite-step",
    "sim-change",
    "flapping",
    "backup-cannot-reach-csms",
    "nat-idle-kill",
    "csms-restart",
    "station-restart",
    "power-cut",
    "router-restart",
    "unknown",
]  # fmt: skip
CAUSES: Final[tuple[Cause, ...]] = get_args(Cause)
"""All there are: documents promise no other."""

Party: TypeAlias = Literal["station", "csms", "site-network", "uplink", "operator", "unknown"]
"""Who has to act, as findings name their owners. uplink: the carrier's side; site-network: the router and the LAN."""

PathKind: TypeAlias = Literal["broadband", "cellular", "geo-satellite", "leo-satellite", "local", "unknown"]
"""What a path probably is, from its round trips alone; "local" has no wide area in it."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whose time it was, and why."""

    owner: Party
    cause: str
    """In words: "the station waits 15 s for a pong before it gives up". Text from the wire in it is not yet safe."""
    confidence: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class PathGuess:
    """What a path probably is: inferred from round trips, never observed."""

    kind: PathKind = "unknown"
    confidence: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which a station could not talk to its CSMS, or in which its path changed without breaking."""

    station: str
    """Identity, else address and port of the station (or of the router, seen from outside)."""
    cause: Cause
    confidence: float
    """0 to 1: how sure ``cause`` is."""
    reasons: tuple[str, ...] = ()
    """What it was concluded from, a sentence each, in the order of weight."""
    path_lost: int | None = None
    """The path no longer carried anything. Where nobody tells exactly, the middle between the last sign of life and the
    first packet that stayed unanswered (``lost_between``)."""
    detected: int | None = None
    """The station learnt of it or gave up: a reset or a close came, it closed by itself, or it dialled anew."""
    first_syn: int | None = None
    """First attempt to connect again."""
    handshake: int | None = None
    """The attempt that led back: TCP connection established (answered SYN)."""
    upgrade: int | None = None
    """The WebSocket was agreed on (HTTP 101); the end of the TLS handshake where no more is to be seen."""
    boot: int | None = None
    """BootNotification was answered Accepted; None where the station sends none on a reconnect, as most do."""
    first_message: int | None = None
    """First other OCPP message of the station on the new connection; in a transaction: its first message about it."""
    attributed: Mapping[LegName, Attribution] = field(default_factory=dict)
    """Of the legs that are known."""
    lost_between: tuple[int, int] | None = None
    """Bounds of ``path_lost`` where it is inferred: last sign of life, first packet without an answer."""
    switched: int | None = None
    """When the router moved to another uplink, where it or a capture on its outside tells."""
    broken: bool = True
    """False: the path changed and the connection lived on (``satellite-step``)."""
    over: bool = True
    """False: the station was not back when the capture ended."""
    before: PathGuess = PathGuess()
    after: PathGuess = PathGuess()
    rtt_before: int | None = None
    """ns, median of the last round trips on the old path …"""
    rtt_after: int | None = None
    """… and of the first ones on the new path."""
    address_before: str = ""
    address_after: str = ""
    """Outside addresses, where they were seen to change."""
    connections: tuple[int, ...] = ()
    """Numbers of the connections concerned, the broken one first."""
    frames: tuple[int, ...] = ()
    """Of the packets that show it best, in their source."""
    source: str = ""
    attempts: int = 0
    """Connection attempts until it was back."""
    repeats: int = 0
    """Retransmissions of what stayed unanswered."""
    queued: int = 0
    """Messages made during the outage (by their own timestamps) and delivered after it …"""
    duplicates: int = 0
    """… and messages delivered although they had been delivered before it."""
    clock_step: int | None = None
    """ns by which the station's clock is ahead of what it was before; None where its timestamps do not tell."""

    @property
    def start(self) -> int:
        """The earliest moment known; 0 when none is."""
        return min((time for _, time in self.moments), default=0)

    @property
    def end(self) -> int:
        """The latest moment known."""
        return max((time for _, time in self.moments), default=0)

    @property
    def moments(self) -> tuple[tuple[LegName, int], ...]:
        """The legs that are known, in their order."""
        return tuple((name, time) for name in LEGS if (time := getattr(self, name)) is not None)

    @property
    def spans(self) -> tuple[tuple[LegName, int, int], ...]:
        """The legs that lasted: name, from, to. The first one known has no length and is left out."""
        return tuple((name, begin, max(begin, end)) for (_, begin), (name, end) in pairwise(self.moments))
