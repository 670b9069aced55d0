"""RTU and ASCII: how messages become bytes, and how answers are found again among noise.

An RTU frame is address, message, CRC; its end is silence (Serial Line §2.5.1). A receiver that trusts the silence is at
the mercy of USB adapters, which hand over bytes in lumps of 16 ms; one that knows what it waits for needs only the CRC.
So a receiver here is told the beginnings of the frames it is to look for, and finds them wherever they lie: behind the
byte that a transceiver makes when it turns round, behind another unit's answer, behind an echo.

An ASCII frame is a colon, hexadecimal digits, LRC, CR and LF (§2.5.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from fieldkit.devices.checksums import crc16, lrc
from fieldkit.devices.modbus.pdu import FIRST_UNIT, LAST_UNIT, MAX_PDU, answer_size, request_size

MAX_HEARD: Final = 2048
"""Bytes that are kept of one exchange: several frames' worth. A device that talks without end is cut off here."""

MAX_RTU: Final = MAX_PDU + 3
MAX_ASCII: Final = 2 * (MAX_PDU + 2) + 3

_HEX: Final = frozenset(b"0123456789ABCDEFabcdef")


class Frame(NamedTuple):
    """A message whose check is right, and where among the bytes heard it lies."""

    unit: int
    pdu: bytes
    start: int
    end: int


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """The bytes that go out."""
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    """The bytes that go out; capital digits, as §2.5.2.1 has them."""
    body = bytes((unit,)) + pdu
    return b":%s%02X\r\n" % (body.hex().upper().encode("ascii"), lrc(body))


class Receiver(Protocol):
    """Collects what is heard during one exchange."""

    heard: bytearray

    def watch(self, head: bytes, length: int) -> None:
        """Look for frames that begin like this; ``length``: of the PDU (0: its own first bytes tell)."""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames looked for that are complete now."""

    def all_frames(self) -> list[Frame]:
        """Everything heard that is a frame, from whomever. To be asked once, when it is over."""


class RtuReceiver:
    """See the module."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._watched: list[tuple[bytes, int, list[int]]] = []
        """Head, length, places where the head was seen and whose frame is not complete yet."""
        self._searched = 0

    def watch(self, head: bytes, length: int) -> None:
        self._watched.append((head, length, []))

    def feed(self, data: bytes) -> list[Frame]:
        data = data[: MAX_HEARD - len(self.heard)]
        self.heard += data
        heard = self.heard
        found: list[Frame] = []
        for head, length, places in self._watched:
            at = heard.find(head, max(0, self._searched - len(head) + 1))
            while at >= 0:
                places.append(at)
                at = heard.find(head, at + 1)
            done = 0
            for start in places:
                frame = self._frame(start, length)
                if frame is None:
                    if length:
                        break  # those behind it end later still
                    continue
                done += 1
                if frame is not _NONE:
                    found.append(frame)
            if length:
                del places[:done]
            elif done:
                places[:] = [start for start in places if self._frame(start, length) is None]
        self._searched = len(heard)
        found.sort(key=lambda frame: frame.start)
        return found

    def _frame(self, start: int, length: int) -> Frame | None:
        """A frame; ``_NONE`` where there is none; None where that cannot be told yet."""
        heard = self.heard
        size = length or answer_size(heard[start + 1 : start + MAX_RTU])
        if size is None:
            return None
        end = start + size + 3
        if size < 0:
            return _NONE
        if end > len(heard):
            return None
        if crc16(heard[start : end - 2]) != heard[end - 2] | heard[end - 1] << 8:
            return _NONE
        return Frame(heard[start], bytes(heard[start + 1 : end - 2]), start, end)

    def all_frames(self) -> list[Frame]:
        found: list[Frame] = []
        at = 0
        while at + 4 <= len(self.heard):
            frame = rtu_at(self.heard, at)
            if frame is None:
                at += 1
            else:
                found.append(frame)
                at = frame.end
        return found


_NONE: Final = Frame(0, b"", 0, 0)


def rtu_at(heard: bytes | bytearray, at: int) -> Frame | None:
    """The frame that begins here, answer or request; None where none does or it is not complete."""
    if not FIRST_UNIT <= heard[at] <= LAST_UNIT:
        return None
    rest = heard[at + 1 : at + MAX_RTU]
    tried = 0
    for size in (answer_size(rest), request_size(rest)):
        if size is None or size < 0 or size == tried:
            continue
        tried = size
        end = at + size + 3
        if end <= len(heard) and crc16(heard[at : end - 2]) == heard[end - 2] | heard[end - 1] << 8:
            return Frame(heard[at], bytes(heard[at + 1 : end - 2]), at, end)
    return None


class AsciiReceiver:
    """See the module."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._heads: list[tuple[bytes, int]] = []
        self._start = -1
        """Of the colon whose frame is being collected."""

    def watch(self, head: bytes, length: int) -> None:
        self._heads.append((head, length))

    def feed(self, data: bytes) -> list[Frame]:
        data = data[: MAX_HEARD - len(self.heard)]
        begin = len(self.heard)
        self.heard += data
        return [frame for frame in self._lines(begin) if self._wanted(frame)]

    def _wanted(self, frame: Frame) -> bool:
        body = bytes((frame.unit,)) + frame.pdu
        return any(body.startswith(head) and length in (0, len(frame.pdu)) for head, length in self._heads)

    def _lines(self, begin: int) -> Iterator[Frame]:
        for at in range(begin, len(self.heard)):
            byte = self.heard[at]
            if byte == 0x3A:
                # "receiving a colon at any time" begins a frame anew (§2.5.2.1).
                self._start = at
            elif byte == 0x0A and self._start >= 0:
                frame = ascii_at(self.heard, self._start, at + 1)
                self._start = -1
                if frame is not None:
                    yield frame
            elif self._start >= 0 and at - self._start > MAX_ASCII:
                self._start = -1

    def all_frames(self) -> list[Frame]:
        self._start = -1
        found = list(self._lines(0))
        self._start = -1
        return found


def ascii_at(heard: bytes | bytearray, start: int, end: int) -> Frame | None:
    """The frame between a colon and a line feed; None where digits or LRC are wrong."""
    digits = bytes(heard[start + 1 : end]).rstrip(b"\r\n")
    if len(digits) % 2 or len(digits) < 6 or not _HEX.issuperset(digits):
        return None
    body = bytes.fromhex(digits.decode("ascii"))
    if sum(body) & 0xFF or len(body) > MAX_PDU + 2:
        return None
    return Frame(body[0], body[1:-1], start, end)
