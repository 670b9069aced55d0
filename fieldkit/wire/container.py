"""What kind of file is this, and what is wrapped around it?

A capture arrives as pcap, as pcapng, or as either one in gzip; what it is called says little. ``CaptureReader`` looks
at the first bytes, unpacks what is packed, and hands the rest to the reader of that format. What is no capture is
named, as well as its first bytes allow: people send the archive, the log, or the login page they downloaded instead.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Protocol

from fieldkit.events import DecodeError
from fieldkit.wire.pcap import PCAP_MAGICS, PcapReader
from fieldkit.wire.pcapng import PcapngReader
from fieldkit.wire.pcapngblocks import PCAPNG_MAGIC
from fieldkit.wire.records import CaptureItem

_GZIP_MAGIC = b"\x1f\x8b"
_MAGIC_BYTES = 4
"""Enough to tell apart all that can be read."""
_SNIFF_BYTES = 512
"""Enough to name what cannot: a tar archive says so in byte 257."""
_SAMPLE = 64
"""Offending bytes that an error shows."""

_INPUT_PIECE = 32 << 10
"""zlib returns the input behind the end of a stream as a copy. Small pieces keep a file of a million tiny streams from
being copied a million times."""
_OUTPUT_PIECE = 1 << 20
"""What is unpacked at a time. A kilobyte can unpack to a megabyte; the packets in it are dealt with before the next."""


class _Reader(Protocol):
    @property
    def frames(self) -> int: ...
    @property
    def linktypes(self) -> set[int]: ...
    @property
    def time(self) -> int: ...
    @property
    def gave_up(self) -> bool: ...
    def feed(self, block: bytes) -> list[CaptureItem]: ...
    def finish(self) -> list[CaptureItem]: ...


class CaptureReader:
    """Packets of a capture, whatever its format."""

    def __init__(self, *, inside_gzip: bool = False) -> None:
        self._inside_gzip = inside_gzip
        self._head = b""
        self._reader: _Reader | None = None
        self._finished = False

    @property
    def knows_format(self) -> bool:
        """Enough has been fed to tell what kind of file this is."""
        return self._reader is not None

    @property
    def frames(self) -> int:
        """Packets read so far; the number of the last one."""
        return self._reader.frames if self._reader is not None else 0

    @property
    def linktypes(self) -> set[int]:
        """Of the packets handed out so far."""
        return self._reader.linktypes if self._reader is not None else set()

    @property
    def time(self) -> int:
        """Of the last packet handed out; 0 before the first."""
        return self._reader.time if self._reader is not None else 0

    @property
    def gave_up(self) -> bool:
        """No further packet will come, whatever is fed; feeding the rest still counts what is lost."""
        return self._reader is not None and self._reader.gave_up

    def feed(self, block: bytes) -> list[CaptureItem]:
        """The next bytes of the file; what they complete."""
        if self._reader is None:
            self._head += block
            if len(self._head) < _MAGIC_BYTES:
                return []
            self._reader = self._reader_for(self._head)
            block, self._head = self._head, b""
        return self._reader.feed(block)

    def finish(self) -> list[CaptureItem]:
        """The file is at its end."""
        if self._finished:
            return []
        self._finished = True
        if self._reader is not None:
            return self._reader.finish()
        self._reader = self._reader_for(self._head)
        return self._reader.feed(self._head) + self._reader.finish()

    def _reader_for(self, head: bytes) -> _Reader:
        magic = head[:_MAGIC_BYTES]
        if magic in PCAP_MAGICS:
            return PcapReader()
        if magic == PCAPNG_MAGIC:
            return PcapngReader()
        if magic.startswith(_GZIP_MAGIC) and not self._inside_gzip:
            return _GzipReader()
        return _NoCapture(self._inside_gzip)


def is_capture(head: bytes) -> bool:
    """Whether a file that begins so is a capture. A gzip file is one when what is packed in it begins like one.

    False as well when ``head`` is too short to tell; a few hundred bytes suffice for every gzip file.
    """
    if head.startswith(_GZIP_MAGIC):
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _MAGIC_BYTES)
        except zlib.error:
            return False
    return head[:_MAGIC_BYTES] in PCAP_MAGICS or head.startswith(PCAPNG_MAGIC)


# -------------------------------------------------------------------------------------------------------------- gzip


_CHECKS = ("incorrect data check", "incorrect length check")
"""What zlib says when all came out, but not with the checksum or the length that stands at its end."""
_GZIP_CHECKS = "the checksum of the gzip data is wrong: some of the packets may be damaged"
_GZIP_DAMAGE = "the gzip data is damaged; nothing behind that place can be unpacked"
_GZIP_CUT = "the gzip data was cut: the file was still being written or its transfer was cut"
_GZIP_TRAILER = "there is something else behind the end of the gzip data"


class _GzipReader:
    """A capture in gzip (RFC 1952): any number of streams one behind the other, the last one perhaps cut.

    Damage in a stream ends it; nothing marks where the next one would begin. What was unpacked before that is kept.
    """

    def __init__(self) -> None:
        self._inner = CaptureReader(inside_gzip=True)
        self._stream: zlib._Decompress | None = _stream()
        self._read = 0
        """Bytes of the file so far."""
        self._damage = ""
        self._sample = b""
        self._lost = 0

    @property
    def frames(self) -> int:
        return self._inner.frames

    @property
    def linktypes(self) -> set[int]:
        return self._inner.linktypes

    @property
    def time(self) -> int:
        return self._inner.time

    @property
    def gave_up(self) -> bool:
        return bool(self._damage) or self._inner.gave_up

    def feed(self, block: bytes) -> list[CaptureItem]:
        items: list[CaptureItem] = []
        for at in range(0, len(block), _INPUT_PIECE):
            packed = block[at : at + _INPUT_PIECE]
            self._read += len(packed)
            if self._damage:
                self._lose(packed)
                continue
            for piece in self._unpack(packed):
                if self._inner.gave_up:
                    # Unpacking the rest could take an hour, and would only be counted.
                    break
                items += self._inner.feed(piece)
        return items

    def finish(self) -> list[CaptureItem]:
        gave_up = self._inner.gave_up
        # How far the file was unpacked after that, and so what else is wrong with it, depends on the blocks it came in.
        damaged = bool(self._damage) and not gave_up
        cut = self._stream is not None and not damaged and not gave_up
        items: list[CaptureItem] = []
        if damaged:
            items.append(self._error(self._damage, self._sample, self._lost))
        if self._inner.knows_format or not (cut or damaged):
            items += self._inner.finish()
        if not self.frames and not damaged:
            # Nothing of it could be read; and how much is packed in it was perhaps not looked at.
            items = [replace(item, lost=self._read) if isinstance(item, DecodeError) else item for item in items]
        if cut and not any(isinstance(item, DecodeError) for item in items):
            items.append(self._error(_GZIP_CUT, b"", 0 if self.frames else self._read))
        return items

    def _error(self, reason: str, data: bytes, lost: int) -> DecodeError:
        return DecodeError(self.time, (), None, "gzip", reason, data, lost)

    def _unpack(self, packed: bytes) -> Iterator[bytes]:
        while True:
            if self._stream is None:
                # Tapes and some flash writers pad with zeros behind the end.
                packed = packed.lstrip(b"\x00")
                if not packed:
                    return
                if packed[0] != _GZIP_MAGIC[0]:
                    self._break(_GZIP_TRAILER, packed)
                    return
                self._stream = _stream()
            # zlib keeps back what it unpacked before an error. So that this is not lost, and damage costs the same
            # however the file is fed, there is a copy to do it again with, slowly.
            again = self._stream.copy()
            try:
                unpacked = self._stream.decompress(packed, _OUTPUT_PIECE)
            except zlib.error:
                yield self._unpack_up_to_damage(again, packed)
                return
            if unpacked:
                yield unpacked
            if self._stream.eof:
                packed = self._stream.unused_data
                self._stream = None
            else:
                packed = self._stream.unconsumed_tail
                if not packed and len(unpacked) < _OUTPUT_PIECE:
                    return

    def _unpack_up_to_damage(self, stream: zlib._Decompress, packed: bytes) -> bytes:
        self._stream = stream
        unpacked = bytearray()
        for at in range(len(packed)):
            try:
                unpacked += stream.decompress(packed[at : at + 1])
            except zlib.error as error:
                self._break(_GZIP_CHECKS if str(error).endswith(_CHECKS) else _GZIP_DAMAGE, packed[at:])
                break
        return bytes(unpacked)

    def _break(self, damage: str, packed: bytes) -> None:
        self._damage = damage
        self._lose(packed)

    def _lose(self, packed: bytes) -> None:
        self._sample += packed[: _SAMPLE - len(self._sample)]
        self._lost += len(packed)


def _stream() -> zlib._Decompress:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


# -------------------------------------------------------------------------------------------------------- no capture

_CONVERT = "; convert it with editcap -F pcapng"
_UNPACK = "; unpack it first"
_FOREIGN: Final = (
    (b"PK\x03\x04", f"a ZIP archive{_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7-Zip archive{_UNPACK}"),
    (b"Rar!\x1a\x07", f"a RAR archive{_UNPACK}"),
    (b"BZh", f"packed with bzip2{_UNPACK}"),
    (b"\xfd7zXZ\x00", f"packed with xz{_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"packed with zstd{_UNPACK}"),
    (b"\x04\x22\x4d\x18", f"packed with lz4{_UNPACK}"),
    (b"\x1f\x9d", f"packed with compress{_UNPACK}"),
    (_GZIP_MAGIC, f"packed with gzip a second time{_UNPACK}"),
    (b"snoop\x00\x00\x00", f"a snoop capture{_CONVERT}"),
    (b"btsnoop\x00", "a Bluetooth capture"),
    (b"RTSS", f"a Microsoft Network Monitor capture{_CONVERT}"),
    (b"GMBU", f"a Microsoft Network Monitor capture{_CONVERT}"),
    (b"TRSNIFF data", f"a Sniffer capture{_CONVERT}"),
    (b"XCP\x00", f"a NetXRay capture{_CONVERT}"),
    (b"iptrace ", f"an AIX iptrace capture{_CONVERT}"),
    (b"\x7fver", f"a Peek capture{_CONVERT}"),
    (b"\x1c\x00\x01\xac", f"an Ixia capture{_CONVERT}"),
    (b"\xac\x01\x00\x1c", f"an Ixia capture{_CONVERT}"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
"""How files begin that are taken for captures, and what they are."""

_TAR = (257, b"ustar")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NOT_IN_TEXT: Final = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_TEXTS: Final = (
    (re.compile(rb"\s*<(?:!doctype html|html)", re.IGNORECASE), "an HTML page, perhaps the login page of a server"),
    (re.compile(rb"\s*<"), "an XML document"),
    (re.compile(rb"\s*[\[{]"), "JSON text"),
    (
        re.compile(rb"(?:tcpdump: |(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d+ (?:IP|ARP))"),
        "what tcpdump prints, not what it saves with -w",
    ),
)


class _NoCapture:
    """Reads to the end, so as to say how much that was."""

    frames = 0
    time = 0

    def __init__(self, inside_gzip: bool) -> None:
        self.linktypes: set[int] = set()
        self._inside_gzip = inside_gzip
        self._head = b""
        self._read = 0

    @property
    def gave_up(self) -> bool:
        return len(self._head) == _SNIFF_BYTES

    def feed(self, block: bytes) -> list[CaptureItem]:
        self._head += block[: _SNIFF_BYTES - len(self._head)]
        self._read += len(block)
        return []

    def finish(self) -> list[CaptureItem]:
        what = "what is packed in this file" if self._inside_gzip else "this file"
        if not self._head:
            reason = f"{what} is empty"
        elif len(self._head) < _MAGIC_BYTES:
            reason = f"{what} ends after {len(self._head)} bytes, too early to be told from anything else"
        else:
            reason = f"{what} is no capture but {_name(self._head)}"
        return [DecodeError(0, (), None, "container", reason, self._head[:_SAMPLE], self._read)]


def _name(head: bytes) -> str:
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return name
    if head.startswith(_TAR[1], _TAR[0]):
        return f"a tar archive{_UNPACK}"
    if not head.strip(b"\x00"):
        return "nothing but zeros; its transfer or its storage failed"
    if head.startswith(_BYTE_ORDER_MARKS):
        return "text"
    if len(head) == len(head.translate(None, _NOT_IN_TEXT)):
        text = head.removeprefix(b"\xef\xbb\xbf")
        return next((name for pattern, name in _TEXTS if pattern.match(text)), "text")
    return "something unknown"
