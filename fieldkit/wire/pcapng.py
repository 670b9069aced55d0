"""Packets, and what else they carry, out of pcapng files (draft-ietf-opsawg-pcapng).

A pcapng file is a row of blocks, each with its type and its length in front and the length once more behind. Sections
begin with a header that sets the byte order; interfaces are described before packets name them; key logs, comments
and drop counts stand among the packets, and come out in the same order.

The walk takes only packets in their plainest form: no options, and the two lengths, of block and packet, confirming
each other. For those it does not look at the length behind the block, which could only tell of damage to itself.
Everything else goes block by block to the handler of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from fieldkit.events import CaptureComment, CaptureDropped, RecordLayout, TlsSecrets
from fieldkit.wire.pcapngblocks import (
    CUSTOM,
    CUSTOM_KEPT_BACK,
    ENHANCED,
    INTERFACE,
    JOURNAL,
    MAX_BLOCK_BYTES,
    OBSOLETE,
    ORDERS,
    PACKETS,
    PCAPNG_MAGIC,
    SECRETS,
    SECTION,
    SIMPLE,
    SMALLEST,
    SMALLEST_BLOCK,
    STATISTICS,
    BareLayout,
    Clock,
    ObsoleteLayout,
    StampedLayout,
    clock_of,
    is_block,
)
from fieldkit.wire.records import CANDIDATE_EFFORT, UNTIMED, CaptureItem, RecordReader, Steps

MAX_INTERFACES = 4096
"""In one section. A host with a thousand containers has as many; a forged file could describe millions."""

# Option codes: of every block, of interface descriptions, of enhanced packets, of statistics.
_COMMENT = 1
_IF_NAME, _IF_RESOLUTION, _IF_OFFSET = 2, 9, 14
_PACKET_DROPS = 4
_IF_DROPPED, _OS_DROPPED = 5, 7

_NOT_KNOWN = 0xFFFF_FFFF_FFFF_FFFF
_DROPS_NOT_KNOWN = 0xFFFF  # in the sixteen bits of the obsolete packet block
_TLS_KEY_LOG = 0x544C534B
_DEFAULT_RESOLUTION = 6  # microseconds


class _Group:
    """Packets that may share a batch: same link type, same way to tell the time."""

    __slots__ = ("layout", "linktype", "numbers")

    def __init__(self, linktype: int, layout: RecordLayout) -> None:
        self.linktype = linktype
        self.layout = layout
        self.numbers: set[int] = set()
        """Interfaces whose packets the walk may take; empty for blocks that it does not know."""


class _Interface:
    """What an interface description block says, and what is known of drops since."""

    __slots__ = ("clock", "dropped", "group", "linktype", "name", "snaplen")

    def __init__(self, linktype: int, snaplen: int, clock: Clock, name: str, group: _Group) -> None:
        self.linktype = linktype
        self.snaplen = snaplen
        self.clock = clock
        self.name = name
        self.group = group
        """Of its enhanced packet blocks."""
        self.dropped = 0
        """Drops told so far. Statistics count from the beginning, packets since the one before: this joins them."""


class _Stray:
    """Packets of a section whose interface is nowhere described."""

    __slots__ = ("frame", "length", "number", "packets")

    def __init__(self, number: int, frame: int) -> None:
        self.number = number
        self.frame = frame
        self.packets = 0
        self.length = 0


class PcapngReader(RecordReader):
    """Packets, key logs, comments and drop counts of a pcapng file, in file order."""

    layer = "pcapng"

    def __init__(self) -> None:
        super().__init__()
        self._order = ORDERS[b"\x4d\x3c\x2b\x1a"]
        self._begun = False
        # The section under way.
        self._interfaces: list[_Interface] = []
        self._described = 0
        """Interfaces of this section, with those beyond the limit."""
        self._first = 0
        """Interfaces of earlier sections: numbers stay unique over the whole capture."""
        self._groups: dict[tuple[type[StampedLayout], int, Clock], _Group] = {}
        self._group = _Group(0, UNTIMED)
        """Of the batch under way."""
        self._bare: _Group | None = None
        """Of the simple packets under way."""
        self._timed = False
        """Whether a packet has told the time."""
        self._stray: _Stray | None = None

    def feed(self, block: bytes) -> list[CaptureItem]:
        """The next bytes of the capture; what they complete."""
        # The walk does not hold a block's length against the limit: so no longer block may ever lie in the buffer.
        items = super().feed(block[:MAX_BLOCK_BYTES])
        for at in range(MAX_BLOCK_BYTES, len(block), MAX_BLOCK_BYTES):
            items += super().feed(block[at : at + MAX_BLOCK_BYTES])
        return items

    def _parse(self) -> Steps:
        while True:
            self._walk()
            if not (yield from self._need(SMALLEST_BLOCK)):
                if self._offset == len(self._buffer) and self._begun:
                    break
                if not (yield from self._recover_from_cut("the capture was cut in the header of a block")):
                    break
                continue
            kind, total = self._head()
            damage = self._damage_in_head(kind, total)
            if damage:
                if not (yield from self._recover(damage)):
                    break
                continue
            if not (yield from self._need(total)):
                frames: tuple[int, ...] = ()
                what = "a block"
                if kind in PACKETS:
                    frames = (self.frames + 1,)
                    what = f"packet {self.frames + 1}"
                have = len(self._buffer) - self._offset
                reason = f"the capture was cut in the middle of {what}: {have} of {total} bytes are there"
                if not (yield from self._recover_from_cut(reason, frames)):
                    break
                continue
            if not self._is_closed(kind, total):
                # It may have waited for many bytes in vain: that must not happen again and again.
                self._effort -= total
                if not (yield from self._recover("the two lengths of a block contradict each other")):
                    break
                continue
            offset = self._offset
            self._offset += total
            handler = self._handlers.get(kind)
            if handler is not None:
                handler(self, offset, self._offset - 4)
        self._report_stray()

    # ---------------------------------------------------------------------------------------------------- any block

    def _head(self) -> tuple[int, int]:
        """Type and length of the block at the offset; a section header brings its own byte order (§4.1)."""
        order = self._order
        if self._buffer.startswith(PCAPNG_MAGIC, self._offset):
            order = ORDERS.get(self._buffer[self._offset + 8 : self._offset + 12], order)
        kind, total = order.head.unpack_from(self._buffer, self._offset)
        return kind, total

    def _damage_in_head(self, kind: int, total: int) -> str:
        """What is wrong with the first twelve bytes of the block at the offset; empty when nothing is."""
        first, self._begun = not self._begun, True
        if kind == SECTION and self._buffer[self._offset + 8 : self._offset + 12] not in ORDERS:
            return "a section header names no byte order"
        if first and kind != SECTION:
            return "this does not begin with a section header"
        if total & 3 or not SMALLEST.get(kind, SMALLEST_BLOCK) <= total <= MAX_BLOCK_BYTES:
            return f"a block claims to be {total} bytes long"
        return ""

    def _is_closed(self, kind: int, total: int) -> bool:
        """Whether the length behind the block repeats the one before it, where that matters (see the module)."""
        if kind == ENHANCED:
            captured: int = self._order.word.unpack_from(self._buffer, self._offset + 20)[0]
            if total == (captured + 35) & -4:
                return True
        # Either byte order: that of a section header is not in force yet.
        behind = self._offset + total - 4
        return self._buffer[self._offset + 4 : self._offset + 8] == self._buffer[behind : behind + 4]

    def _options(self, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
        """§3.5: code, length, value, padded to four bytes; code 0 ends them."""
        buffer = self._buffer
        while offset + 4 <= end:
            code, length = self._order.option.unpack_from(buffer, offset)
            if code == 0:
                return
            start = offset + 4
            if start + length > end:
                self._error("an option is longer than its block", buffer[offset:end], end - offset)
                return
            yield code, buffer[start : start + length]
            offset = start + (length + 3 & -4)

    def _comment(self, text: bytes, frames: tuple[int, ...] = ()) -> None:
        self._flush()
        self._items.append(CaptureComment(self.time, frames, _text(text)))

    def _dropped(self, interface: _Interface, count: int, frames: tuple[int, ...] = ()) -> None:
        self._flush()
        interface.dropped += count
        self._items.append(CaptureDropped(self.time, frames, interface.name, count))

    # --------------------------------------------------------------------------------------- sections and interfaces

    def _on_section(self, offset: int, end: int) -> None:
        self._flush()
        self._report_stray()
        self._order = ORDERS[self._buffer[offset + 8 : offset + 12]]
        self._first += self._described
        self._described = 0
        self._interfaces = []
        self._groups = {}
        self._bare = None
        self._group = _Group(0, UNTIMED)
        self._timed = False
        major, _ = self._order.option.unpack_from(self._buffer, offset + 12)
        if major != 1:
            data = self._buffer[offset : offset + 24]
            self._error(f"this is pcapng version {major}, which is not known; it is read as version 1", data, 0)
        # The section's length is not used: it is -1 wherever the writer could not go back and fill it in.
        for code, value in self._options(offset + 24, end):
            if code == _COMMENT:
                self._comment(value)

    def _on_interface(self, offset: int, end: int) -> None:
        """§4.2."""
        number = self._described
        self._described += 1
        if number >= MAX_INTERFACES:
            if number == MAX_INTERFACES:
                reason = f"more than {MAX_INTERFACES} interfaces are described; packets of the others cannot be read"
                self._error(reason, self._buffer[offset:end], 0)
            return
        linktype, snaplen = self._order.interface.unpack_from(self._buffer, offset + 8)
        name, resolution, shift = f"interface {self._first + number}", _DEFAULT_RESOLUTION, 0
        for code, value in self._options(offset + 16, end):
            if code == _COMMENT:
                self._comment(value)
            elif code == _IF_NAME:
                name = _text(value)
            elif code == _IF_RESOLUTION and len(value) == 1:
                resolution = value[0]
            elif code == _IF_OFFSET and len(value) == 8:
                shift = self._order.signed.unpack(value)[0]
        clock = clock_of(resolution, shift)
        group = self._group_of(StampedLayout, linktype, clock)
        group.numbers.add(number)
        self._interfaces.append(_Interface(linktype, snaplen, clock, name, group))

    def _group_of(self, layout: type[StampedLayout], linktype: int, clock: Clock) -> _Group:
        group = self._groups.get((layout, linktype, clock))
        if group is None:
            group = _Group(linktype, layout(self._order, clock, self._first))
            self._groups[layout, linktype, clock] = group
        return group

    def _on_statistics(self, offset: int, end: int) -> None:
        """§4.6: counters since the capture began, as often as the writer likes."""
        (number,) = self._order.word.unpack_from(self._buffer, offset + 8)
        if number >= len(self._interfaces):
            return
        interface = self._interfaces[number]
        dropped = 0
        for code, value in self._options(offset + 20, end):
            if code == _COMMENT:
                self._comment(value)
            elif code in (_IF_DROPPED, _OS_DROPPED) and len(value) == 8:
                (count,) = self._order.long.unpack(value)
                dropped += count if count != _NOT_KNOWN else 0
        if dropped > interface.dropped:
            self._dropped(interface, dropped - interface.dropped)

    def _on_secrets(self, offset: int, end: int) -> None:
        """§4.7. Of the many kinds of secrets only TLS key logs concern us."""
        kind, length = self._order.head.unpack_from(self._buffer, offset + 8)
        start = offset + 16
        if start + length > end:
            self._error("secrets are said to be longer than the block they stand in", self._buffer[offset:start], 0)
        if kind == _TLS_KEY_LOG:
            self._flush()
            text = self._buffer[start : min(start + length, end)].decode("utf-8", "replace")
            self._items.append(TlsSecrets(self.time, (), text))
        for code, value in self._options(min(start + (length + 3 & -4), end), end):
            if code == _COMMENT:
                self._comment(value)

    # ------------------------------------------------------------------------------------------------------ packets

    def _walk(self) -> None:
        """The plain packets that lie whole in the buffer, as long as they fit into the batch under way."""
        numbers = self._group.numbers
        buffer, offset = self._buffer, self._offset
        starts, ends = self._starts, self._ends
        add_start, add_end = starts.append, ends.append
        plain_at = self._order.plain.unpack_from
        last = len(buffer) - 32
        before = len(starts)
        while offset <= last:
            kind, total, number, captured = plain_at(buffer, offset)
            # 32 bytes around the packet, which is padded to four.
            if kind != 6 or total != (captured + 35) & -4 or number not in numbers:
                break
            start = offset + 28
            add_start(start)
            add_end(start + captured)
            offset += total
        if offset > len(buffer):
            starts.pop()
            ends.pop()
            offset -= total
        self.frames += len(starts) - before
        self._offset = offset

    def _add(self, group: _Group, start: int, end: int) -> None:
        if group is not self._group:
            self._flush()
            self._group = group
            self._linktype, self._layout = group.linktype, group.layout
        self._starts.append(start)
        self._ends.append(end)
        self.frames += 1

    def _on_enhanced(self, offset: int, end: int) -> None:
        """§4.3."""
        number, captured = self._order.enhanced.unpack_from(self._buffer, offset + 8)
        self._on_packet(StampedLayout, number, captured, offset, end)

    def _on_obsolete(self, offset: int, end: int) -> None:
        """§A: the packet block, which the enhanced one replaced."""
        number, drops, captured = self._order.obsolete.unpack_from(self._buffer, offset + 8)
        if self._on_packet(ObsoleteLayout, number, captured, offset, end) and 0 < drops < _DROPS_NOT_KNOWN:
            self._dropped(self._interfaces[number], drops, (self.frames,))

    def _on_packet(self, layout: type[StampedLayout], number: int, captured: int, offset: int, end: int) -> bool:
        """A packet block of either kind; False when it gave no packet."""
        start = offset + 28
        if start + captured > end:
            self._flush()
            self.frames += 1
            reason = f"packet {self.frames} claims {captured} bytes, which its block does not hold"
            self._error(reason, self._buffer[offset:end], end + 4 - offset, (self.frames,))
            return False
        if number >= len(self._interfaces):
            self._add_stray(number, captured)
            return False
        interface = self._interfaces[number]
        if layout is StampedLayout:
            group = interface.group
        else:
            group = self._group_of(layout, interface.linktype, interface.clock)
        self._timed = True
        self._add(group, start, start + captured)
        for code, value in self._options(start + (captured + 3 & -4), end):
            if code == _COMMENT:
                self._comment(value, (self.frames,))
            elif code == _PACKET_DROPS and layout is StampedLayout and len(value) == 8:
                (count,) = self._order.long.unpack(value)
                if 0 < count < _NOT_KNOWN:
                    self._dropped(interface, count, (self.frames,))
        return True

    def _on_simple(self, offset: int, end: int) -> None:
        """§4.4: an original length and a packet, cut at the snap length."""
        (original,) = self._order.word.unpack_from(self._buffer, offset + 8)
        if not self._interfaces:
            self._add_stray(0, end - offset - 12)
            return
        interface = self._interfaces[0]
        start = offset + 12
        captured = min(original, end - start, interface.snaplen or original)
        group = self._bare
        if group is None or group is not self._group:
            self._flush()
            layout = BareLayout(self.time if self._timed else 0, self._first)
            group = self._bare = _Group(interface.linktype, layout)
        self._add(group, start, start + captured)

    def _on_numbered(self, offset: int, end: int) -> None:
        self._flush()
        self.frames += 1

    # A capture whose interface descriptions are damaged has nothing else: they are counted, not told one by one.

    def _add_stray(self, number: int, length: int) -> None:
        self._flush()
        self.frames += 1
        if self._stray is None:
            self._stray = _Stray(number, self.frames)
        self._stray.packets += 1
        self._stray.length += length

    def _report_stray(self) -> None:
        stray, self._stray = self._stray, None
        if stray is not None:
            reason = (
                f"{stray.packets} packets, from packet {stray.frame} on, name interfaces that the capture does not "
                f"describe, such as number {stray.number}: what they hold cannot be known"
            )
            self._error(reason, b"", stray.length, (stray.frame,))

    _handlers: ClassVar[dict[int, Callable[[PcapngReader, int, int], object]]] = {
        SECTION: _on_section,
        INTERFACE: _on_interface,
        OBSOLETE: _on_obsolete,
        SIMPLE: _on_simple,
        STATISTICS: _on_statistics,
        ENHANCED: _on_enhanced,
        SECRETS: _on_secrets,
        JOURNAL: _on_numbered,
        CUSTOM: _on_numbered,
        CUSTOM_KEPT_BACK: _on_numbered,
    }

    # -------------------------------------------------------------------------------------------------- after damage

    def _search(self, first: int, stop: int, end: int, *, whole: bool, strict: bool) -> int | None:
        """A block of a known type whose two lengths agree, and behind which another one could stand."""
        buffer, pattern = self._buffer, self._order.blocks
        match = pattern.search(buffer, first, end)
        while match is not None and self._effort > 0:
            place = match.start()
            if place >= stop:
                break
            self._effort -= CANDIDATE_EFFORT
            if is_block(buffer, place, end, self._order, whole=whole):
                self._effort -= place - first
                return place
            match = pattern.search(buffer, place + 1, end)
        self._effort -= stop - first
        return None


def _text(value: bytes) -> str:
    """§3.5: UTF-8, not terminated; some writers terminate it."""
    return value.decode("utf-8", "replace").rstrip("\x00")
