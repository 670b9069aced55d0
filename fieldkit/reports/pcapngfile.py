"""Writing pcapng (draft-ietf-opsawg-pcapng): one section, interfaces as they come up, packets with comments.

Little-endian, nanoseconds. Sections and packets carry comments; Wireshark shows them and finds them with the display
filter ``frame.comment``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Final

from fieldkit import __version__

_LENGTH: Final = Struct("<I")
_OPTION: Final = Struct("<HH")
_SECTION: Final = Struct("<IHHq")
_INTERFACE: Final = Struct("<HHI")
_ENHANCED: Final = Struct("<IIIII")
_STATISTICS: Final = Struct("<III")
_LONG: Final = Struct("<Q")
_SECRETS: Final = Struct("<II")
_TLS_KEY_LOG: Final = 0x544C534B

_COMMENT, _HARDWARE_OR_NAME, _SYSTEM, _APPLICATION, _RESOLUTION = 1, 2, 3, 4, 9
_DROPPED = 5

MAX_COMMENT: Final = 4000
"""Bytes of one comment; the format ends at 65,535, a reader's patience earlier."""


class PcapngWriter:
    """Blocks to ``write``, which takes bytes."""

    def __init__(self, write: Callable[[bytes], object], comments: Iterable[str] = ()) -> None:
        self._write = write
        self._interfaces: dict[tuple[str, int], int] = {}
        options = [(_COMMENT, text) for text in comments]
        options.append((_APPLICATION, f"fieldkit {__version__}"))
        # The section's length is not given (-1): nobody needs it (§4.1).
        self._block(0x0A0D0D0A, _SECTION.pack(0x1A2B3C4D, 1, 0, -1) + _options(options))

    def packet(
        self, source: str, linktype: int, time: int, data: bytes, original: int = 0, comments: Iterable[str] = ()
    ) -> None:
        """A packet seen on ``source``; ``original`` is its length on the wire where it was longer than ``data``."""
        number = self._interfaces.get((source, linktype))
        if number is None:
            number = self._interfaces[source, linktype] = len(self._interfaces)
            options = (
                _options([(_HARDWARE_OR_NAME, source)])[:-4] + _OPTION.pack(_RESOLUTION, 1) + b"\x09\0\0\0" + bytes(4)
            )
            self._block(1, _INTERFACE.pack(linktype, 0, 0) + options)
        stamp = max(time, 0)
        head = _ENHANCED.pack(
            number, stamp >> 32 & 0xFFFF_FFFF, stamp & 0xFFFF_FFFF, len(data), max(original, len(data))
        )
        self._block(6, head + _padded(data) + _options([(_COMMENT, text) for text in comments]))

    def secrets(self, keylog: str) -> None:
        """TLS secrets in NSS key log format (§4.7): whoever reads the file can decrypt what it holds."""
        data = keylog.encode("utf-8", "replace")
        self._block(10, _SECRETS.pack(_TLS_KEY_LOG, len(data)) + _padded(data))

    def dropped(self, source: str, linktype: int, time: int, count: int) -> None:
        """So many packets in all were not recorded on an interface that has packets (§4.6, isb_ifdrop)."""
        number = self._interfaces.get((source, linktype))
        if number is not None:
            stamp = max(time, 0)
            head = _STATISTICS.pack(number, stamp >> 32 & 0xFFFF_FFFF, stamp & 0xFFFF_FFFF)
            self._block(5, head + _OPTION.pack(_DROPPED, 8) + _LONG.pack(count) + bytes(4))

    def _block(self, kind: int, body: bytes) -> None:
        length = _LENGTH.pack(len(body) + 12)
        self._write(_LENGTH.pack(kind) + length + body + length)


def _options(options: Iterable[tuple[int, str]]) -> bytes:
    """§3.5: with the end mark, or nothing where there are none."""
    data = b""
    for code, text in options:
        value = text.encode("utf-8", "replace")
        if len(value) > MAX_COMMENT:
            value = value[:MAX_COMMENT].decode("utf-8", "ignore").encode() + "…".encode()
        data += _OPTION.pack(code, len(value)) + _padded(value)
    return data + bytes(4) if data else b""


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
