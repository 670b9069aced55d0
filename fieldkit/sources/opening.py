"""From what a user names to live sources: "eth0", "any", "ssh://root@192.168.1.1/br-lan", "tzsp://:37008", "-".

Where nothing is named, the interfaces that have traffic are taken.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from fieldkit.sources.afpacket import RING, SMALLEST, FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import SourceError
from fieldkit.sources.interface import MAX_INTERFACES, interfaces
from fieldkit.sources.live import LiveSource
from fieldkit.sources.local import local_opener
from fieldkit.sources.packetsocket import INTERFACES, Opens, link_type_of, number_of

ANY: Final = "any"
SMALL_RING: Final = 4 << 20
"""Bytes of a ring where many interfaces are captured: most of them are idle."""
MANY: Final = 3
"""Interfaces from which on rings are small unless their size was asked for."""
WATCHED: Final = 1.0
"""Seconds that interfaces are watched to see which have traffic."""

_Open: TypeAlias = Callable[[str], LiveSource]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user said about capturing."""

    wanted: CaptureFilter = field(default_factory=CaptureFilter)
    buffer: int = 0
    """Bytes of a ring, 0: as is usual."""
    program: str = ""
    """What captures in place of our own rings: "dumpcap", "tcpdump", "scapy"."""


@dataclass(slots=True)
class Opened:
    """Sources that are being listened to."""

    sources: list[LiveSource] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the user should know of what was chosen."""
    more: Callable[[], Sequence[LiveSource]] = tuple
    """Interfaces that have come up since, where any was asked for."""

    def close(self) -> None:
        """Stop them all."""
        for source in self.sources:
            source.close()


def open_sources(specs: Sequence[str], wishes: Wishes, numbers: FrameNumbers, *, opener: Opens | None = None) -> Opened:
    """Open everything that was named; SourceError when any of it cannot be.

    A capture that begins without one of its interfaces is found out about days later: better now. ``opener`` makes
    the sockets where this process has kept no right to.
    """
    opened = Opened()
    names = list(dict.fromkeys(specs))
    if not names:
        names, note = _with_traffic()
        opened.notes.append(note)
    elif ANY in names:
        names = [name for name in names if name != ANY and is_elsewhere(name)] + (interfaces() or [ANY])
        if names[-1] == ANY:
            raise SourceError("any: no interface is up (fieldkit doctor lists them)")
        opened.notes.append(f"capturing on {', '.join(names)}, and on interfaces that come up later")
    local = sum(not is_elsewhere(name) for name in names)
    size = wishes.buffer or (SMALL_RING if local >= MANY or ANY in specs else RING)
    open_local = local_opener(wishes.program, wishes.wanted, numbers, size=max(size, SMALLEST), opener=opener)
    try:
        for name in names:
            opened.sources.append(_open_remote(name, wishes, numbers) if is_elsewhere(name) else open_local(name))
    except SourceError:
        opened.close()
        raise
    if ANY in specs:
        known = {name for name in names if not is_elsewhere(name)}
        opened.more = _Latecomers(known, open_local)
    return opened


def check(specs: Sequence[str]) -> None:
    """SourceError for interfaces that are not there: a word in time, before all that takes long."""
    for name in specs:
        if name != ANY and not is_elsewhere(name) and sys.platform == "linux":
            link_type_of(name)


def is_elsewhere(name: str) -> bool:
    """Not an interface of this machine."""
    return name == "-" or "://" in name


def takes_what_comes(name: str) -> bool:
    """A source whose packets were chosen by somebody else: no filter reaches it."""
    return name == "-" or name.startswith(("tzsp://", "agent://"))


def _open_remote(name: str, wishes: Wishes, numbers: FrameNumbers) -> LiveSource:
    if name == "-":
        from fieldkit.sources.pipe import standard_input

        return standard_input(numbers)
    if name.startswith("ssh://"):
        from fieldkit.sources.sshtap import SshTap

        return SshTap(name, wishes.wanted, numbers)
    if name.startswith("tzsp://"):
        from fieldkit.sources.tzsp import TzspListener

        return TzspListener(name, numbers)
    if name.startswith("agent://"):
        from fieldkit.sources.agenttap import AgentTap

        return AgentTap(name, numbers)
    raise SourceError(
        f"{name}: this cannot be captured; interfaces by name can, ssh://HOST/IFACE and tzsp://ADDRESS:PORT"
    )


class _Latecomers:
    """Interfaces that come up while a capture on any runs: a modem that dials, a tunnel."""

    def __init__(self, known: set[str], open_one: _Open) -> None:
        self._known = known
        self._refused: set[str] = set()
        self._open = open_one

    def __call__(self) -> list[LiveSource]:
        found: list[LiveSource] = []
        there = set(interfaces())
        self._refused &= there
        for name in sorted(there - self._known - self._refused):
            if len(self._known) >= MAX_INTERFACES:
                break
            try:
                found.append(self._open(name))
            except SourceError:
                self._refused.add(name)  # asked again when it has been away
                continue
            self._known.add(name)  # one that goes away again looks after that itself
        return found


# -------------------------------------------------------------------------------------------------- what has traffic


def _with_traffic() -> tuple[list[str], str]:
    """The interfaces on which packets pass, and a sentence that says so."""
    up = interfaces()
    if not up:
        raise SourceError("no interface is up that can be captured on: name one with -i (fieldkit doctor lists them)")
    before = {name: _packets(name) for name in up}
    time.sleep(WATCHED)
    gained = {name: _packets(name) - before[name] for name in up}
    chosen = choose(gained, {name: _master(name) for name in up})
    if any(gained[name] > 0 for name in chosen):
        rates = ", ".join(f"{name} ({gained[name]:,} packets/s)" for name in chosen)
        return chosen, f"capturing where there is traffic: {rates}; -i chooses others"
    return chosen, f"there is no traffic at the moment: capturing on {', '.join(chosen)}; -i chooses others"


def choose(gained: dict[str, int], masters: dict[str, str]) -> list[str]:
    """Of interfaces with so many new packets, those worth listening to, the busiest first.

    The machine's talk with itself counts only where there is no other. Of a bridge and its ports the ports are taken:
    they see what is passed between them, too.
    """
    busy = [name for name, packets in gained.items() if packets > 0]
    real = [name for name in busy if name != "lo"]
    bridges = {masters[name] for name in real if masters.get(name)}
    chosen = [name for name in real if name not in bridges] or busy or [name for name in gained if name != "lo"]
    return sorted(chosen or list(gained), key=lambda name: -gained[name])[:MAX_INTERFACES]


def _packets(name: str) -> int:
    return number_of(name, "statistics/rx_packets") + number_of(name, "statistics/tx_packets")


def _master(name: str) -> str:
    """The bridge or bond that an interface is a port of."""
    link = INTERFACES / name / "master"
    try:
        return link.readlink().name
    except OSError:
        return ""
