"""Packets out of pcap files, and what every reader of capture records needs for that.

A pcap file (draft-ietf-opsawg-pcap) is a file header and then records, each a header with a time and two lengths in
front of the packet's bytes. Nothing marks where a record begins: one wrong length and everything behind it is noise.
So a reader here does three things. It walks from record to record as fast as the interpreter can, which costs more
than anything else that most packets of a capture ever meet; it notices when a length cannot be true; and then it
looks for the next place where a few believable records follow one another.

``RecordReader`` is the half that pcap and pcapng share: blocks that are cut anywhere become a buffer to read in, and
packets become batches. What comes out never depends on where the blocks were cut.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from struct import Struct
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

_SAMPLE = 64
"""Offending bytes that an error shows."""

_CUT = "the file was still being written or its transfer was cut"


class RecordReader:
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

    def _parse(self) -> Steps:
        raise NotImplementedError

    def _search(self, first: int, stop: int, end: int, *, whole: bool, strict: bool) -> int | None:
        """The first place from ``first`` to before ``stop`` where a record seems to begin.

        Only bytes before ``end`` may be looked at; with ``whole`` the capture ends there. ``strict``: better none than
        a doubtful one. What it costs is taken off ``_effort``.
        """
        raise NotImplementedError

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
        self._items.append(DecodeError(self.time, frames, None, self.layer, reason, data[:_SAMPLE], lost))

    def _recover(self, reason: str) -> Asking:
        """What stands at the offset is no record: say so and go on at the next one. False: there is none."""
        self._flush()
        yield from self._need(_SAMPLE)
        sample = self._buffer[self._offset : self._offset + _SAMPLE]
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
        sample = self._buffer[self._offset : self._offset + _SAMPLE]
        found, lost = yield from self._look_ahead(strict=True)
        if found:
            reason = f"a length is damaged; {lost} bytes were skipped before packet {self.frames + 1}"
            self._error(reason, sample, lost)
        else:
            self._error(f"{reason} ({_CUT})", sample, lost, frames)
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

# -------------------------------------------------------------------------------------------------------------- pcap

_FILE_HEADER = 24
_MICROSECONDS = 0xA1B2C3D4
_NANOSECONDS = 0xA1B23C4D
_MODIFIED = 0xA1B2CD34
"""Alexey Kuznetsov's patched libpcap of 1999: eight bytes more a record, with the interface in them."""

_VARIANTS: Final = {
    magic.to_bytes(4, "little" if order == "<" else "big"): (order, magic)
    for order in "<>"
    for magic in (_MICROSECONDS, _NANOSECONDS, _MODIFIED)
}
PCAP_MAGICS: Final = frozenset(_VARIANTS)

_HOLE: Final = bytes(64)
"""Four empty records of 1970 in a row. A record may be empty, but so many are a hole in the file: a router that loses
power leaves blocks behind that were allocated and never written."""

_NO_TIMES: Final = PCAP_MAGICS | {_HOLE[:4]}
"""Where an empty record has one of these for its seconds it may be something else: a file header or such a hole."""

_CHAIN = 4
"""Believable record headers in a row that make a place in the noise the beginning of a record."""
_DAY = 86_400
"""Seconds that two neighbouring records may lie apart to be believed."""
_SLACK = 64
"""Some tools count a checksum or a tunnel header in one of the two lengths and not in the other."""
_MAX_ORIGINAL = 0xFF_FFFF
"""Far more than any packet has; its high byte is zero, by which the search finds records."""

# What the bytes of a record header look like from the fraction of the second on: it is less than a second, then come
# a captured length of up to MAX_PACKET_BYTES but not 0, and an original length of up to _MAX_ORIGINAL. Each with the
# distance from the header's first byte. (The four-byte zeros are what makes this fast: they are rare in packets.)
_PATTERNS: Final = {
    ("<", 1_000_000): (6, re.compile(rb"[\x00-\x0f]\x00(?!\x00{4})..[\x00-\x04]\x00...\x00", re.DOTALL)),
    ("<", 1_000_000_000): (7, re.compile(rb"[\x00-\x3b](?!\x00{4})..[\x00-\x04]\x00...\x00", re.DOTALL)),
    (">", 1_000_000): (4, re.compile(rb"\x00[\x00-\x0f]..(?!\x00{4})\x00[\x00-\x04]..\x00...", re.DOTALL)),
    (">", 1_000_000_000): (4, re.compile(rb"[\x00-\x3b]...(?!\x00{4})\x00[\x00-\x04]..\x00...", re.DOTALL)),
}


class _PcapLayout:
    """The record header lies directly before the packet (draft-ietf-opsawg-pcap §5)."""

    __slots__ = ("_before", "_stamp", "_unit")

    def __init__(self, order: str, before: int, unit: int) -> None:
        self._stamp = Struct(order + "II")
        self._before = before
        self._unit = unit

    def time(self, buffer: bytes, start: int) -> int:
        seconds, fraction = self._stamp.unpack_from(buffer, start - self._before)
        time: int = seconds * 1_000_000_000 + fraction * self._unit
        return time

    def interface(self, buffer: bytes, start: int) -> int:
        return 0


class _ModifiedLayout(_PcapLayout):
    """Behind the four usual fields: interface index, protocol, packet type, padding."""

    __slots__ = ()

    def interface(self, buffer: bytes, start: int) -> int:
        index: int = self._stamp.unpack_from(buffer, start - 8)[0]
        return index


class PcapReader(RecordReader):
    """Packets of a pcap file: microseconds or nanoseconds, either byte order, the modified format.

    Captures that were put one behind the other with ``cat`` are read as one.
    """

    layer = "pcap"

    def __init__(self) -> None:
        super().__init__()
        self._order = "<"
        self._header = 16
        self._per_second = 1_000_000
        self._fields = Struct("<IIII")
        self._length = Struct("<8xI4x")

    def _parse(self) -> Steps:
        another = True
        while another:
            if not (yield from self._need(_FILE_HEADER)):
                rest = self._buffer[self._offset :]
                self._error(f"the capture was cut inside its file header ({_CUT})", rest, len(rest))
                return
            if not self._read_file_header():
                yield from self._need(_SAMPLE)
                sample = self._buffer[self._offset : self._offset + _SAMPLE]
                self.gave_up = True
                lost = yield from self._discard()
                self._error("this does not begin like a pcap file", sample, lost)
                return
            another = yield from self._records()

    def _read_file_header(self) -> bool:
        """§4: magic, version, two fields that nobody fills, snap length, link type.

        The snap length is not used: files in which it is smaller than the packets, or 0, are common.
        """
        variant = _VARIANTS.get(self._buffer[self._offset : self._offset + 4])
        if variant is None:
            return False
        self._flush()
        self._order, magic = variant
        self._header = 24 if magic == _MODIFIED else 16
        self._per_second = 1_000_000_000 if magic == _NANOSECONDS else 1_000_000
        self._fields = Struct(self._order + "IIII")
        self._length = Struct(f"{self._order}8xI{self._header - 12}x")
        # The upper half of the word says whether packets end in a frame check sequence, which no IP header counts in.
        self._linktype = Struct(self._order + "I").unpack_from(self._buffer, self._offset + 20)[0] & 0xFFFF
        layout = _ModifiedLayout if magic == _MODIFIED else _PcapLayout
        self._layout = layout(self._order, self._header, 1_000_000_000 // self._per_second)
        self._offset += _FILE_HEADER
        return True

    def _records(self) -> Asking:
        """Records up to the end, or up to another file header (then True)."""
        while True:
            self._walk()
            number = self.frames + 1
            if not (yield from self._need(self._header)):
                if self._offset == len(self._buffer):
                    return False
                reason = f"the capture was cut in the header of packet {number}"
                if not (yield from self._recover_from_cut(reason, (number,))):
                    return False
                continue
            length: int = self._length.unpack_from(self._buffer, self._offset)[0]
            if length > MAX_PACKET_BYTES:
                if not (yield from self._recover(f"packet {number} claims to be {length} bytes long")):
                    return False
            elif not length and (seconds := self._buffer[self._offset : self._offset + 4]) in _NO_TIMES:
                if seconds in PCAP_MAGICS:
                    # Read as a record, a file header is an empty one: its time zone stands where the length would be.
                    return True
                yield from self._need(len(_HOLE))
                if self._buffer.startswith(_HOLE, self._offset):
                    if not (yield from self._recover(f"the file has a hole of zeros where packet {number} should be")):
                        return False
                else:
                    self._offset += self._header
                    self._starts.append(self._offset)
                    self._ends.append(self._offset)
                    self.frames += 1
            elif not (yield from self._need(self._header + length)):
                have = len(self._buffer) - self._offset - self._header
                reason = f"the capture was cut in the middle of packet {number}: {have} of its {length} bytes are there"
                if not (yield from self._recover_from_cut(reason, (number,))):
                    return False

    def _walk(self) -> None:
        """The records that lie whole in the buffer, up to one that cannot be or may be something else.

        Every packet of a capture passes here, and most pass nowhere else: nothing but the length is looked at.
        """
        buffer, offset = self._buffer, self._offset
        starts, ends = self._starts, self._ends
        add_start, add_end = starts.append, ends.append
        length_at = self._length.unpack_from
        header, limit = self._header, MAX_PACKET_BYTES
        last = len(buffer) - header
        before = len(starts)
        while offset <= last:
            (length,) = length_at(buffer, offset)
            if length > limit or (not length and buffer[offset : offset + 4] in _NO_TIMES):
                break
            start = offset + header
            offset = start + length
            add_start(start)
            add_end(offset)
        if offset > len(buffer):
            ends.pop()
            offset = starts.pop() - header
        self.frames += len(starts) - before
        self._offset = offset

    def _search(self, first: int, stop: int, end: int, *, whole: bool, strict: bool) -> int | None:
        """A chain of believable headers, best one that begins within a day of the last packet.

        That time may itself be damaged, or a clock may have been set: then the first chain is taken.
        """
        buffer = self._buffer
        lead, pattern = _PATTERNS[self._order, self._per_second]
        near = self.time // 1_000_000_000
        doubtful = None
        match = pattern.search(buffer, first + lead, end)
        while match is not None and self._effort > 0:
            place = match.start() - lead
            if place >= stop:
                break
            self._effort -= CANDIDATE_EFFORT
            if self._is_chain(place, end, whole=whole):
                seconds: int = self._fields.unpack_from(buffer, place)[0]
                if abs(seconds - near) <= _DAY if self.frames else not strict:
                    self._effort -= place - first
                    return place
                if doubtful is None:
                    doubtful = place
            match = pattern.search(buffer, match.start() + 1, end)
        self._effort -= stop - first
        return None if strict else doubtful

    def _is_chain(self, offset: int, end: int, *, whole: bool) -> bool:
        """Whether believable record headers follow one another from ``offset`` on.

        Empty packets are not believed here: there are hardly any, and zeros are everywhere.
        """
        before = None
        for links in range(_CHAIN):
            if offset + self._header > end:
                # Few packets are left. One that ends where the capture ends will do, or two and a piece.
                return links > 1 or (links == 1 and whole and offset == end)
            seconds, fraction, length, original = self._fields.unpack_from(self._buffer, offset)
            if not 0 < length <= MAX_PACKET_BYTES or length > original + _SLACK or original > _MAX_ORIGINAL:
                return False
            if fraction >= self._per_second or (before is not None and abs(seconds - before) > _DAY):
                return False
            before = seconds
            offset += self._header + length
        return True
