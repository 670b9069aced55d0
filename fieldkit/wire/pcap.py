"""Packets out of pcap files.

A pcap file (draft-ietf-opsawg-pcap) is a file header and then records, each a header with a time and two lengths in
front of the packet's bytes. Nothing marks where a record begins: one wrong length and everything behind it is noise.
So a reader here does three things. It walks from record to record as fast as the interpreter can, which costs more
than anything else that most packets of a capture ever meet; it notices when a length cannot be true; and then it
looks for the next place where a few believable records follow one another.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Final

from fieldkit.wire.records import CANDIDATE_EFFORT, CUT, MAX_PACKET_BYTES, SAMPLE, Asking, RecordReader, Steps

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
                self._error(f"the capture was cut inside its file header ({CUT})", rest, len(rest))
                return
            if not self._read_file_header():
                yield from self._need(SAMPLE)
                sample = self._buffer[self._offset : self._offset + SAMPLE]
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
