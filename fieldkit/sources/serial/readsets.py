r"""What cannot change a device, judged by the bytes themselves.

The dialects make only requests that read. This is a second lock of another make: it knows nothing of how the bytes came
about, takes them apart again, and says no to whatever is not on its list. ``WriteGuard`` asks it before every byte that
was not confirmed by the operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from fieldkit.devices.checksums import crc16, lrc, xor8

ReadSet: TypeAlias = Callable[[bytes], bool]

_UNITS: Final = range(1, 248)
"""Serial Line §2.2: 0 is a broadcast, and every device obeys it."""
_READS: Final = frozenset((1, 2, 3, 4))
"""Application Protocol §6.1 to §6.4."""


def modbus_rtu(data: bytes) -> bool:
    """One request that reads registers, bits or the identity, whole and with its check."""
    return len(data) > 4 and crc16(data) == 0 and _reads(data[:-2])


def modbus_ascii(data: bytes) -> bool:
    """The same, in ASCII mode."""
    if not re.fullmatch(rb":(?:[0-9A-F]{2}){4,}\r\n", data):
        return False
    message = bytes.fromhex(data[1:-2].decode("ascii"))
    return lrc(message) == 0 and _reads(message[:-1])


def _reads(message: bytes) -> bool:
    if message[0] not in _UNITS:
        return False
    if message[1] in _READS:
        return len(message) == 6
    # §6.21: read device identification; other encapsulated messages (CANopen) may do anything.
    return message[1] == 43 and len(message) == 5 and message[2] == 14 and message[3] in (1, 2, 3, 4)


_RAPI: Final = re.compile(rb"(\$G[03-5ACDEFGHIMOPSTUVY](?: :(?!00)[0-9A-F]{2})?)\^([0-9A-F]{2})\r")
"""The commands of OpenEVSE that get something. Not those with parameters: none of these has any."""


def rapi(data: bytes) -> bool:
    """One command that gets, with its check: a command cut short on the way must not become another one."""
    found = _RAPI.fullmatch(data)
    return found is not None and xor8(found[1]) == int(found[2], 16) and len(data) <= 31


_AT: Final = frozenset(
    b"AT ATI AT+CGMI AT+CGMM AT+CGMR AT+GMI AT+GMM AT+GMR AT+CSQ AT+CESQ AT+CIMI AT+CGSN AT+GSN AT+QCCID AT+CCID "
    b"AT+ICCID AT+QNWINFO AT+QCSQ AT+QTEMP AT+CGPADDR AT+QGMR "
    b'AT+QENG="servingcell" AT+QENG="neighbourcell" '
    b"AT+CREG? AT+CGREG? AT+CEREG? AT+C5GREG? AT+COPS? AT+CPIN? AT+CGATT? AT+CGACT? AT+CGDCONT? AT+CCLK? AT+CFUN? "
    b"AT+CMEE? AT+QUIMSLOT? AT+QSIMSTAT? AT+QSIMDET? AT+QINISTAT? AT+CGCONTRDP AT+CNUM AT+CSCS? AT+QSPN "
    b"AT+QCAINFO".split()
)
"""3GPP TS 27.007 and Quectel's manuals: commands that only tell. ``AT+COPS=?`` is not here: it searches for minutes,
and the modem is off the network meanwhile."""


def at(data: bytes) -> bool:
    """One command of the list, ended by CR."""
    return data.endswith(b"\r") and data[:-1] in _AT


_IEC: Final = re.compile(rb"/\?[0-9A-Za-z ]{0,32}!\r\n|\x060[0-6]0\r\n")
"""IEC 62056-21 §6.3: the request, and the acknowledgement that asks for the readout. With a 1 at the end it would enter
programming mode."""


def iec62056(data: bytes) -> bool:
    """The sign-on, or the choice of a speed for the readout."""
    return _IEC.fullmatch(data) is not None


READ_SETS: Final[Mapping[str, ReadSet]] = {
    "modbus": modbus_rtu,
    "modbus-ascii": modbus_ascii,
    "rapi": rapi,
    "at": at,
    "iec62056": iec62056,
}
"""By dialect. SML's meters talk by themselves: there is nothing to send."""
