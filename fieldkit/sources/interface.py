"""A network interface as a live source: it may go down, vanish and come back."""

from __future__ import annotations

from typing import Final

from fieldkit.checks.words import duration
from fieldkit.events import CaptureComment, CaptureDropped, DecodeError
from fieldkit.sources.afpacket import RING, FrameNumbers, PacketRing
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.offload import hidden_from
from fieldkit.sources.packetsocket import Opens, index_of, is_up, link_type_of, names, number_of

MAX_INTERFACES: Final = 32
"""Interfaces captured at once by "any": each takes a ring's memory."""


class Interface:
    """One interface by name."""

    def __init__(
        self,
        name: str,
        wanted: CaptureFilter,
        numbers: FrameNumbers,
        *,
        size: int = RING,
        opener: Opens | None = None,
    ) -> None:
        """SourceError when it cannot be captured on now; later it may come and go. ``opener`` makes the sockets."""
        self.name = name
        self.linktype = link_type_of(name)
        self._wanted = wanted
        self._numbers = numbers
        self._size = size
        self._opener = opener
        self._index = index_of(name)
        self._ring: PacketRing | None = PacketRing(name, wanted, numbers, size=size, opener=opener)
        self._up = is_up(name)
        self._gone_at = 0
        """Since when there is no ring, in ns."""
        self._said_clock = False
        self._remarks = hidden_from(name)
        """What is to be said with the first tick."""
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
        items: list[Item] = [CaptureComment(now, (), remark) for remark in self._remarks]
        self._remarks = []
        if self._ring is not None:
            dropped = self._ring.count()
            if dropped:
                items.append(CaptureDropped(now, (), self.name, dropped))
            if self._ring.clock_off and not self._said_clock:
                self._said_clock = True
                off = f"{abs(self._ring.clock_off) / 1e9:,.0f} s {'behind' if self._ring.clock_off > 0 else 'ahead'}"
                items.append(CaptureComment(now, (), f"{self.name}: its clock is {off}, so the kernel stamps packets"))
        index = index_of(self.name)
        if index != self._index:
            items += self._replaced(index, now)
        up = is_up(self.name)
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
            self._gone_at = now
            items.append(CaptureComment(now, (), f"{self.name} is gone"))
        if index:
            try:
                self._ring = PacketRing(self.name, self._wanted, self._numbers, size=self._size, opener=self._opener)
            except SourceError as error:
                self._index = 0  # it may need a moment: try again with the next tick
                return [*items, CaptureComment(now, (), str(error))]
            self._up = is_up(self.name)
            # What passed between its return and this moment is not in the capture: nobody is to be accused of silence.
            away = duration(now - self._gone_at)
            reason = f"nothing was captured for {away} on {self.name}: the interface was gone"
            items.append(DecodeError(now, (), None, "live", reason, b"", 0))
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
    usable = [name for name in names() if is_up(name) and _is_readable(name)]
    return sorted(usable, key=traffic, reverse=True)[:MAX_INTERFACES]


def _is_readable(name: str) -> bool:
    try:
        link_type_of(name)
    except SourceError:
        return False
    return True


def traffic(name: str) -> int:
    """Bytes that have passed since the interface is there."""
    return number_of(name, "statistics/rx_bytes") + number_of(name, "statistics/tx_bytes")
