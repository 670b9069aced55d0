"""SML: what household and calibrated meters push out of their optical port (BSI TR-03109-1, annex SML).

The transport is ours, because a stream that is never reset must be bounded: an escape of four 1B bytes, then 01 four
times begins a telegram, 1A ends it with the number of filling bytes and a CRC-16/X.25 over everything. What is inside
is read by ``smllib`` where that is installed; without it, telegrams are still found, checked and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from fieldkit.devices.checksums import crc_x25
from fieldkit.events import DeviceReading

BEGIN: Final = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"
_ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
LONGEST: Final = 8192
"""Bytes of a telegram: meters send 200 to 900."""
MOST_VALUES: Final = 256

OBIS: Final = {
    "0100010800ff": ("energy_import", "Energy.Active.Import.Register", ""),
    "0100020800ff": ("energy_export", "Energy.Active.Export.Register", ""),
    "0100100700ff": ("power_total", "Power.Active.Import", ""),
    "01000f0700ff": ("power_sum", "Power.Active.Import", ""),
    "0100240700ff": ("power_l1", "Power.Active.Import", "L1"),
    "0100380700ff": ("power_l2", "Power.Active.Import", "L2"),
    "01004c0700ff": ("power_l3", "Power.Active.Import", "L3"),
    "0100200700ff": ("voltage_l1", "Voltage", "L1"),
    "0100340700ff": ("voltage_l2", "Voltage", "L2"),
    "0100480700ff": ("voltage_l3", "Voltage", "L3"),
    "01001f0700ff": ("current_l1", "Current.Import", "L1"),
    "0100330700ff": ("current_l2", "Current.Import", "L2"),
    "0100470700ff": ("current_l3", "Current.Import", "L3"),
    "01000e0700ff": ("frequency", "Frequency", ""),
}
"""By OBIS code: our name, OCPP's measurand, phase."""

UNITS: Final = {27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 44: "Hz"}
"""DLMS unit codes (IEC 62056-62)."""


class Telegram(NamedTuple):
    """One telegram, from escape to CRC."""

    time: int
    data: bytes
    intact: bool

    @property
    def content(self) -> bytes:
        """Between the beginning and the end, without what fills it up; escaped escapes are single again."""
        filling = self.data[-3]
        return self.data[8 : -8 - filling if filling < 4 else -8].replace(_ESCAPE * 2, _ESCAPE)


class SmlFramer:
    """Bytes → telegrams."""

    def __init__(self) -> None:
        self.garbage = 0
        self._buffer = bytearray()
        self._inside = False
        self._at = 0
        """Where to look for the end."""

    def feed(self, data: bytes, time: int) -> list[Telegram]:
        found: list[Telegram] = []
        for start in range(0, len(data), LONGEST):
            self._buffer += data[start : start + LONGEST]
            self._scan(found, time)
        return found

    def _scan(self, found: list[Telegram], time: int) -> None:
        buffer = self._buffer
        while True:
            if not self._inside:
                begin = buffer.find(BEGIN)
                if begin < 0:
                    keep = min(len(buffer), len(BEGIN) - 1)
                    self.garbage += len(buffer) - keep
                    del buffer[: len(buffer) - keep]
                    return
                self.garbage += begin
                del buffer[:begin]
                self._inside, self._at = True, len(BEGIN)
            at = buffer.find(_ESCAPE, self._at)
            if at < 0:
                self._at = max(len(BEGIN), len(buffer) - 3)
                if len(buffer) > LONGEST:
                    self._skip(8)
                    continue
                return
            if len(buffer) < at + 8:
                self._at = at
                return
            kind = buffer[at + 4]
            if kind == 0x1A:
                end = at + 8
                stated = buffer[end - 2] | buffer[end - 1] << 8
                whole = bytes(buffer[:end])
                found.append(Telegram(time, whole, crc_x25(whole[:-2]) == stated))
                del buffer[:end]
                self._inside = False
            elif buffer[at + 4 : at + 8] == _ESCAPE:
                self._at = at + 8  # four 1B bytes of the content, escaped
            elif buffer[at : at + 8] == BEGIN:
                # A telegram begins inside of another: the end of that one was lost.
                self._skip(at)
            elif kind == 0x1B:
                self._at = at + 1  # a 1B of the content right before an escape
            else:
                self._skip(at + 4)

    def _skip(self, size: int) -> None:
        self.garbage += size
        del self._buffer[:size]
        self._inside = False


def library() -> Any:
    """``smllib``'s reader of a telegram's content; None where it is not installed."""
    try:
        from smllib.sml_frame import SmlFrame
    except ImportError:
        return None
    return SmlFrame


def readings(telegram: Telegram, port: str = "", frame: Any = None) -> Iterator[DeviceReading]:
    """The values of an intact telegram; none without ``smllib``."""
    if not telegram.intact:
        return
    reader = frame or library()
    if reader is None:
        return
    try:
        entries = reader(telegram.content).get_obis()
    except Exception:
        # The CRC is right, so this is a telegram of a kind that smllib does not know; it raises several exceptions of
        # its own and of Python's. It stays counted as a telegram without values.
        return
    for entry in entries[:MOST_VALUES]:
        name, measurand, phase = OBIS.get(str(entry.obis), ("", "", ""))
        if not name or not isinstance(entry.value, int | float):
            continue
        scaler = entry.scaler if isinstance(entry.scaler, int) and -12 <= entry.scaler <= 12 else 0
        value = float(f"{entry.value * 10**scaler:.12g}")
        unit = UNITS.get(entry.unit or 0, "")
        raw = f"{entry.obis} {entry.value} e{scaler}"
        yield DeviceReading(telegram.time, (), port, "sml", "sml", name, value, unit, measurand, phase, raw, True)
