"""The half that readers of pcap and pcapng share: blocks in, batches of packets out, and the way on behind damage.

Blocks that are cut anywhere become a buffer to read in, and packets become batches. What comes out never depends on
where the blocks were cut.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import ClassVar, Final, TypeAlias

from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, PacketBatch, RecordLayout, TlsSecrets

CaptureItem: TypeAlias = PacketBatch | TlsSecrets | CaptureComment | CaptureDropped | DecodeError
"""What a capture consists of, in file order."""

Steps: TypeAlias = Generator[None, None, None]
Asking: TypeAlias = Generator[None, None, bool]
"""Parsing that may have to wait for the next block, and answers whether it got what it needs."""

MAX_PACKET_BYTES = 262_144
"""The largest snap length that libpcap grants an interface that carries IP. A longer packet is a damaged length."""

SEARCH_BYTES = 1 << 20
"""How far ahead the next record is looked for in one go. Four of the largest records fit in, so that damage to one of
them cannot hide the next."""

_CHAIN_BYTES = MAX_PACKET_BYTES + 4096
"""What must lie behind a place under suspicion, so that the records that follow it can be looked at."""

SEARCH_EFFORT = 128 << 20
"""Bytes that one capture may cost in searches before the rest of it is given up: seconds, not minutes. A capture with
that much damage is not a capture."""

CANDIDATE_EFFORT = 32
"""Looking at one place that might be a record costs as much as passing over this many bytes."""

SAMPLE = 64
"""Offending bytes that an error shows."""

CUT = "the file was still being written or its transfer was cut"


class RecordReader(ABC):
    """The half that pcap and pcapng share: blocks in, batches out.

    ``_parse`` is written as if the whole capture lay before it. It reads in ``_buffer`` from ``_offset`` on and asks
    ``_need`` for bytes that may not be there yet, which then waits for the next block.
    """

    layer: ClassVar[str]

    def __init__(self) -> None:
        self.frames = 0
        """Packets read so far; the number of the last one."""
        self.linktypes: set[int] = set()
        """Of the packets handed out so far."""
        self.gave_up = False
        """No further packet will come, whatever is fed."""
        self.time = 0
        """Of the last packet handed out; 0 before the first."""
        self._items: list[CaptureItem] = []
        self._ended = False
        # What is being read, and where; and the block fed last with how much of it has gone into the buffer. Mostly
        # the block is the buffer. Only the record that a block's end has cut is put together in a buffer of its own:
        # joining each block to what the last one left over would copy the whole capture.
        self._buffer = b""
        self._offset = 0
        self._fed = b""
        self._fed_at = 0
        # The batch under way: packets that lie in the buffer.
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._linktype = 0
        self._layout: RecordLayout = UNTIMED
        self._effort = SEARCH_EFFORT
        self._parser = self._parse()

    def feed(self, block: bytes) -> list[CaptureItem]:
        """The next bytes of the capture; what they complete."""
        self._fed, self._fed_at = block, 0
        return self._go_on()

    def finish(self) -> list[CaptureItem]:
        """The capture is at its end."""
        self._fed, self._fed_at = b"", 0
        self._ended = True
        return self._go_on()

    def _go_on(self) -> list[CaptureItem]:
        next(self._parser, None)
        items, self._items = self._items, []
        return items

    # ------------------------------------------------------------------------------------ for those who implement it

    @abstractmethod
    def _parse(self) -> Steps:
        """Read record after record, asking for bytes with ``_need``."""

    @abstractmethod
    def _search(self, first: int, stop: int, end: int, *, whole: bool, strict: bool) -> int | None:
        """The first place from ``first`` to before ``stop`` where a record seems to begin.

        Only bytes before ``end`` may be looked at; with ``whole`` the capture ends there. ``strict``: better none than
        a doubtful one. What it costs is taken off ``_effort``.
        """

    def _need(self, count: int) -> Asking:
        """Have ``count`` bytes in the buffer from the offset on; False when the capture ends before that."""
        if len(self._buffer) - self._offset >= count:
            return True
        self._flush()
        gathered = bytearray(self._buffer[self._offset :])
        while len(gathered) < count:
            if self._fed_at == len(self._fed):
                if self._ended:
                    break
                self._buffer, self._offset = b"", 0
                yield
            elif not gathered and len(self._fed) - self._fed_at >= count:
                self._buffer, self._offset, self._fed_at = self._fed, self._fed_at, len(self._fed)
                return True
            else:
                taken = self._fed_at + count - len(gathered)
                gathered += self._fed[self._fed_at : taken]
                self._fed_at = min(taken, len(self._fed))
        self._buffer, self._offset = bytes(gathered), 0
        return len(gathered) >= count

    def _flush(self) -> None:
        """Hand out the packets gathered so far. Whatever leaves the buffer, or comes after them, calls this first."""
        if self._starts:
            first = self.frames - len(self._starts) + 1
            batch = PacketBatch(self._buffer, self._starts, self._ends, self._linktype, first, self._layout)
            self._items.append(batch)
            self.time = self._layout.time(self._buffer, self._starts[-1])
            self.linktypes.add(self._linktype)
            self._starts, self._ends = [], []

    def _error(self, reason: str, data: bytes, lost: int, frames: tuple[int, ...] = ()) -> None:
        self._flush()
        self._items.append(DecodeError(self.time, frames, None, self.layer, reason, data[:SAMPLE], lost))

    def _recover(self, reason: str) -> Asking:
        """What stands at the offset is no record: say so and go on at the next one. False: there is none."""
        self._flush()
        yield from self._need(SAMPLE)
        sample = self._buffer[self._offset : self._offset + SAMPLE]
        found, lost = yield from self._look_ahead(strict=False)
        if found:
            self._error(f"{reason}; {lost} bytes were skipped", sample, lost)
        elif self._effort > 0:
            self._error(f"{reason}, and no packet is found behind it", sample, lost)
        else:
            self.gave_up = True
            lost += yield from self._discard()
            self._error(f"{reason}, and there is too much damage in this capture to go on", sample, lost)
        return found

    def _recover_from_cut(self, reason: str, frames: tuple[int, ...] = ()) -> Asking:
        """The capture ends in the middle of what stands at the offset, unless it only seems so: a damaged length."""
        self._flush()
        sample = self._buffer[self._offset : self._offset + SAMPLE]
        found, lost = yield from self._look_ahead(strict=True)
        if found:
            reason = f"a length is damaged; {lost} bytes were skipped before packet {self.frames + 1}"
            self._error(reason, sample, lost)
        else:
            self._error(f"{reason} ({CUT})", sample, lost, frames)
        return found

    def _look_ahead(self, *, strict: bool) -> Generator[None, None, tuple[bool, int]]:
        """Go to the next record behind the offset: whether there is one, and how many bytes were passed over."""
        lost = 0
        while True:
            window = SEARCH_BYTES + _CHAIN_BYTES
            if len(self._buffer) - self._offset <= window:
                # Twice as much as is looked at, so that a capture full of damage is not copied again and again.
                yield from self._need(2 * window)
            left = len(self._buffer) - self._offset
            whole = left <= window
            end = self._offset + min(left, window)
            stop = end if whole else self._offset + SEARCH_BYTES
            # The damaged record itself would be found again.
            first = self._offset if lost else self._offset + 1
            found = self._search(first, stop, end, whole=whole, strict=strict)
            passed = (stop if found is None else found) - self._offset
            lost += passed
            self._offset += passed
            if found is not None or whole or self._effort <= 0:
                return found is not None, lost

    def _discard(self) -> Generator[None, None, int]:
        """Read the capture to its end without looking at it; how many bytes that were."""
        count = len(self._buffer) - self._offset + len(self._fed) - self._fed_at
        self._buffer, self._offset = b"", 0
        while not self._ended:
            yield
            count += len(self._fed)
        return count


class _Untimed:
    """Of packets about which the capture says nothing."""

    __slots__ = ()

    def time(self, buffer: bytes, start: int) -> int:
        return 0

    def interface(self, buffer: bytes, start: int) -> int:
        return 0


UNTIMED: Final = _Untimed()
