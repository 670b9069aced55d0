"""A network interface as a live source: it may go down, vanish and come back, and there may be several ("any")."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fieldkit.events import CaptureComment, CaptureDropped
from fieldkit.sources.afpacket import RING, FrameNumbers, PacketRing, link_type_of
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import Item, SourceError

_INTERFACES: Final = Path("/sys/class/net")
MAX_INTERFACES: Final = 32
"""Interfaces captured at once by "any": each takes a ring's memory."""


class Interface:
    """One interface by name."""

    def __init__(self, name: str, wanted: CaptureFilter, numbers: FrameNumbers, *, size: int = RING) -> None:
        """SourceError when it cannot be captured on now; later it may come and go."""
        self.name = name
        self.linktype = link_type_of(name)
        self._wanted = wanted
        self._numbers = numbers
        self._size = size
        self._index = _index(name)
        self._ring: PacketRing | None = PacketRing(name, wanted, numbers, size=size)
        self._up = _is_up(name)
        self._received = 0
        self._dropped = 0

    def fileno(self) -> int:
        """The ring's, -1 while there is none."""
        return self._ring.fileno() if self._ring is not None else -1

    def read(self) -> list[Item]:
        """What the ring has."""
        return list(self._ring.read()) if self._ring is not None else []

    def tick(self, now: int) -> list[Item]:
        """Counters, and whether the interface is still there."""
        items: list[Item] = []
        if self._ring is not None:
            dropped = self._ring.count()
            if dropped:
                items.append(CaptureDropped(now, (), self.name, dropped))
        index = _index(self.name)
        if index != self._index:
            items += self._replaced(index, now)
        up = _is_up(self.name)
        if up != self._up and index:
            self._up = up
            items.append(CaptureComment(now, (), f"{self.name} {'is up' if up else 'went down'}"))
        return items

    def _replaced(self, index: int, now: int) -> list[Item]:
        """The interface was taken away, or is back (as another one: its number is new)."""
        items: list[Item] = []
        self._index = index
        if self._ring is not None:
            items += self._ring.read()
            self._let_go()
            items.append(CaptureComment(now, (), f"{self.name} is gone"))
        if index:
            try:
                self._ring = PacketRing(self.name, self._wanted, self._numbers, size=self._size)
            except SourceError as error:
                self._index = 0  # it may need a moment: try again with the next tick
                return [*items, CaptureComment(now, (), str(error))]
            self._up = _is_up(self.name)
            items.append(CaptureComment(now, (), f"{self.name} is back"))
        return items

    def _let_go(self) -> None:
        if self._ring is not None:
            self._ring.count()
            self._received += self._ring.received
            self._dropped += self._ring.dropped
            self._ring.close()
            self._ring = None

    def counters(self) -> tuple[int, int]:
        """Packets received and dropped."""
        ring = self._ring
        if ring is None:
            return self._received, self._dropped
        return self._received + ring.received, self._dropped + ring.dropped

    def ended(self) -> str | None:
        """An interface may always come back."""
        return None

    def close(self) -> None:
        """Stop capturing."""
        self._let_go()


def interfaces() -> list[str]:
    """The interfaces of this machine that are up and can be captured on, those with traffic first."""
    usable = [name for name in _names() if _is_up(name) and _is_readable(name)]
    return sorted(usable, key=_traffic, reverse=True)[:MAX_INTERFACES]


def _names() -> list[str]:
    try:
        return sorted(path.name for path in _INTERFACES.iterdir())
    except OSError:
        return []


def _is_readable(name: str) -> bool:
    try:
        link_type_of(name)
    except SourceError:
        return False
    return True


def _index(name: str) -> int:
    """The kernel's number for it, 0 when there is no such interface."""
    return _number(name, "ifindex")


def _is_up(name: str) -> bool:
    """IFF_UP (linux/if.h): it was switched on. Whether a cable is in it is another matter."""
    return bool(_number(name, "flags") & 1)


def _traffic(name: str) -> int:
    return _number(name, "statistics/rx_bytes") + _number(name, "statistics/tx_bytes")


def _number(name: str, what: str) -> int:
    try:
        return int((_INTERFACES / name / what).read_text("ascii"), 0)
    except (OSError, ValueError):
        return 0
