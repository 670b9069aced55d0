"""How a station's connection stands: what is remembered of each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from fieldkit.events import ConnectionClosed, OcppMessage

GAPS: Final = 64
"""Silences remembered of one station."""


@dataclass(slots=True)
class Standing:
    """One station."""

    open: dict[int, int] = field(default_factory=dict)
    """Connections that work, by number: since when."""
    address: str = ""
    former: str = ""
    """The address that it had before …"""
    moved: int = 0
    """… and until when."""
    overlaps: bool = False
    """It came from the new one while its connection from the old one was open."""
    lost: int = 0
    """Since when it has none; 0: it has one, or none was seen."""
    lost_event: ConnectionClosed | None = None
    absence: int = 0
    """The longest one after which it came back by itself."""
    ends: deque[ConnectionClosed] = field(default_factory=lambda: deque(maxlen=16))
    idle_ends: deque[tuple[ConnectionClosed, int]] = field(default_factory=lambda: deque(maxlen=8))
    """Those after a silence, and how long that was."""
    attempts: int = 0
    """Since it lost its connection …"""
    refused: int = 0
    """… those that were turned away at once, so that the way there is open …"""
    vain: int = 0
    """… and those in a row that nothing has come back to."""
    tried: int = 0
    """When it first tried since then …"""
    tried_last: int = 0
    """… and when last."""
    trying: int = 0
    """How long it had tried before it got the connection that it has."""
    by_server: bool = False
    """Its last connection was ended by the other side, in sight."""
    after_server: int = 0
    """Connections made after such an end …"""
    greeted: int = 0
    """… and those of them that began with a boot."""
    heard: dict[str, int] = field(default_factory=lambda: {"station": 0, "csms": 0})
    answers: dict[str, int] = field(default_factory=lambda: {"station": 0, "csms": 0})
    waiting: dict[tuple[str, str], OcppMessage] = field(default_factory=dict)
    """CALLs without an answer so far, by who asked and id."""
    gaps: deque[int] = field(default_factory=lambda: deque(maxlen=GAPS))
    retransmitted: int = 0
    booted: int = 0
    replaced: bool = False
    """Its connection took the place of one that never ended in sight."""
    alerts: int = 0
    lost_before: tuple[int, ConnectionClosed | None] = (0, None)
    """Since when it had no connection before the one that it has, and how it lost it."""
    told_offline: bool = False


@dataclass(slots=True)
class Down:
    """A connection that was lost."""

    time: int
    station: str
    by_server: bool
    orderly: bool
    """The station said good-bye."""
    event: ConnectionClosed
