"""The check bytes of the serial dialects.

All of them are written out here because none is in the standard library: ``binascii.crc_hqx`` and ``zlib.crc32`` have
other polynomials.
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import Final


def _reflected(polynomial: int) -> tuple[int, ...]:
    table: list[int] = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_MODBUS: Final = _reflected(0xA001)
_X25: Final = _reflected(0x8408)


def crc16(data: bytes | bytearray | memoryview) -> int:
    """CRC-16 of Modbus RTU (Modbus over Serial Line V1.02 §6.2.2); it goes out low byte first."""
    table, crc = _MODBUS, 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def crc_x25(data: bytes | bytearray | memoryview) -> int:
    """CRC-16/X.25 as SML's transport has it (BSI TR-03109-1, SML §8.1)."""
    table, crc = _X25, 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFF


def lrc(data: bytes | bytearray | memoryview) -> int:
    """The longitudinal check of Modbus ASCII (§6.2.1): what makes the sum of all bytes 0."""
    return -sum(data) & 0xFF


def sum8(data: bytes | bytearray | memoryview) -> int:
    """The older check of RAPI."""
    return sum(data) & 0xFF


def xor8(data: bytes | bytearray | memoryview) -> int:
    """The newer check of RAPI, and the block check (BCC) of IEC 62056-21."""
    return reduce(xor, data, 0)
