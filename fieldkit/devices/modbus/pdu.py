"""What a Modbus message says, without the address before it and the check behind it.

Modbus Application Protocol V1.1b3: a message begins with a function code; an answer has the same code, or the same
with its highest bit set and then one byte that says why not (§7).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

MAX_PDU: Final = 253
"""§4.1: 256 bytes of an RS-485 frame, less address and CRC."""
MAX_READ_REGISTERS: Final = 125
"""§6.3, §6.4."""
MAX_READ_BITS: Final = 2000
"""§6.1, §6.2."""
MAX_WRITE_REGISTERS: Final = 123
"""§6.12."""
MAX_WRITE_BITS: Final = 1968
"""§6.11."""
FIRST_UNIT, LAST_UNIT = 1, 247
"""Serial Line §2.2; 0 is everybody, and answered by nobody."""

REFUSED: Final = 0x80
"""The bit that makes an answer an exception."""


class Function(IntEnum):
    """The codes that occur on the buses of chargers and meters."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_COIL = 5
    WRITE_REGISTER = 6
    WRITE_COILS = 15
    WRITE_REGISTERS = 16
    DEVICE_IDENTIFICATION = 43


READ_BITS: Final = (Function.READ_COILS, Function.READ_DISCRETE_INPUTS)
READ_REGISTERS: Final = (Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS)
READS: Final = READ_BITS + READ_REGISTERS
SINGLE_WRITES: Final = (Function.WRITE_COIL, Function.WRITE_REGISTER)
MULTIPLE_WRITES: Final = (Function.WRITE_COILS, Function.WRITE_REGISTERS)
WRITES: Final = SINGLE_WRITES + MULTIPLE_WRITES
IDENTIFICATION: Final = 0x0E
"""The kind of encapsulated message that reads a device's identity (§6.21)."""

FUNCTIONS: Final = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    5: "write coil",
    6: "write register",
    15: "write coils",
    16: "write registers",
    43: "read device identification",
}

EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""§7."""

ADVICE: Final = {
    1: "the device does not know this function: another model, or another profile",
    2: "the device has no such register, or not so many in one go",
    3: "the device does not accept this number of registers, or part of a value was asked for",
    4: "the device failed while it did this; look at its own fault list",
    5: "the device needs longer for this; ask again later",
    6: "the device is busy; ask again later",
    10: "the gateway has no way to this device; look at its settings",
    11: "the gateway got no answer from the device behind it; look at the wiring there",
}


def exception_name(code: int) -> str:
    """``2`` → "illegal data address"."""
    return EXCEPTIONS.get(code, f"exception {code}")


def answer_size(pdu: bytes | bytearray | memoryview) -> int | None:
    """How long an answer is by its first bytes; None where they are too few, -1 where nobody answers like this."""
    if not len(pdu):
        return None
    function = pdu[0]
    if function & REFUSED:
        return 2 if function & 0x7F in FUNCTIONS else -1
    if function in READS:
        if len(pdu) < 2:
            return None
        count = pdu[1]
        plausible = 0 < count <= 250 and (function in READ_BITS or not count % 2)
        return 2 + count if plausible else -1
    if function in WRITES:
        return 5
    if function == Function.DEVICE_IDENTIFICATION:
        return _identification_size(pdu)
    return -1


def _identification_size(pdu: bytes | bytearray | memoryview) -> int | None:
    """Code, kind, access code, conformity, more follows, next object, number of objects; then each with its length."""
    if len(pdu) < 2:
        return None
    if pdu[1] != IDENTIFICATION:
        return -1
    if len(pdu) < 7:
        return None
    at = 7
    for _ in range(pdu[6]):
        if len(pdu) < at + 2:
            return None
        at += 2 + pdu[at + 1]
        if at > MAX_PDU:
            return -1
    return at


def request_size(pdu: bytes | bytearray | memoryview) -> int | None:
    """How long a request is by its first bytes; None and -1 as with ``answer_size``."""
    if not len(pdu):
        return None
    function = pdu[0]
    if function in READS:
        if len(pdu) < 5:
            return None
        count = pdu[3] << 8 | pdu[4]
        most = MAX_READ_BITS if function in READ_BITS else MAX_READ_REGISTERS
        return 5 if 0 < count <= most else -1
    if function in SINGLE_WRITES:
        if len(pdu) < 5:
            return None
        return 5 if function == Function.WRITE_REGISTER or (pdu[3] in (0, 0xFF) and not pdu[4]) else -1
    if function in MULTIPLE_WRITES:
        if len(pdu) < 6:
            return None
        count, size = pdu[3] << 8 | pdu[4], pdu[5]
        expected = (count + 7) // 8 if function == Function.WRITE_COILS else 2 * count
        return 6 + size if count > 0 and size == expected and 6 + size <= MAX_PDU else -1
    if function == Function.DEVICE_IDENTIFICATION:
        if len(pdu) < 2:
            return None
        return 4 if pdu[1] == IDENTIFICATION else -1
    return -1
