"""The AT commands that read; there are no others here.

``read_command`` takes a line only if it stands in this table: an AT line that "only reads" cannot be told from one that
switches the SIM by looking at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

_MS: Final = 1_000_000


class AtCommand(NamedTuple):
    """A line that reads."""

    line: str
    prefix: str
    """Of the answer's lines; empty where they have none."""
    what: str
    timeout: int = 1000 * _MS
    vendor: str = ""
    """Empty: every modem; else those of this maker."""
    secret: bool = False
    """The answer is an identity: shown masked."""


COMMANDS: Final[Mapping[str, AtCommand]] = {
    command.line: command
    for command in (
        AtCommand("AT", "", "is there a modem?"),
        AtCommand("ATI", "", "maker, model, firmware"),
        AtCommand("AT+CGMI", "", "maker"),
        AtCommand("AT+CGMM", "", "model"),
        AtCommand("AT+CGMR", "", "firmware"),
        AtCommand("AT+CGSN", "", "IMEI", secret=True),
        AtCommand("AT+CIMI", "", "IMSI", secret=True),
        AtCommand("AT+CCID", "+CCID", "ICCID of the SIM", secret=True),
        AtCommand("AT+QCCID", "+QCCID", "ICCID of the SIM", vendor="quectel", secret=True),
        AtCommand("AT+ICCID", "+ICCID", "ICCID of the SIM", secret=True),
        AtCommand("AT+CPIN?", "+CPIN", "does the SIM want a PIN?", 5000 * _MS),
        AtCommand("AT+CSQ", "+CSQ", "signal, old measure"),
        AtCommand("AT+CESQ", "+CESQ", "signal, RSRP and RSRQ"),
        AtCommand("AT+QCSQ", "+QCSQ", "signal and technology", vendor="quectel"),
        AtCommand("AT+CREG?", "+CREG", "registration, circuit switched"),
        AtCommand("AT+CGREG?", "+CGREG", "registration, packets"),
        AtCommand("AT+CEREG?", "+CEREG", "registration, LTE"),
        AtCommand("AT+C5GREG?", "+C5GREG", "registration, 5G"),
        AtCommand("AT+COPS?", "+COPS", "operator", 5000 * _MS),
        AtCommand("AT+QNWINFO", "+QNWINFO", "operator, band, channel", vendor="quectel"),
        AtCommand('AT+QENG="servingcell"', "+QENG", "serving cell", vendor="quectel"),
        AtCommand("AT+QUIMSLOT?", "+QUIMSLOT", "SIM slot", vendor="quectel"),
        AtCommand("AT+QSIMSTAT?", "+QSIMSTAT", "is a SIM in the slot?", vendor="quectel"),
        AtCommand("AT+CGDCONT?", "+CGDCONT", "access points"),
        AtCommand("AT+CGPADDR", "+CGPADDR", "addresses"),
        AtCommand("AT+CGACT?", "+CGACT", "contexts that are up"),
        AtCommand("AT+CGATT?", "+CGATT", "attached?", 5000 * _MS),
        AtCommand("AT+QTEMP", "+QTEMP", "temperature", vendor="quectel"),
        AtCommand("AT+CCLK?", "+CCLK", "clock"),
        AtCommand("AT+CFUN?", "+CFUN", "is the radio on?"),
    )
}
"""The complete read set (27.007; Quectel EC25/EC21 AT Commands Manual)."""

USUAL: Final = (
    "AT",
    "ATI",
    "AT+CPIN?",
    "AT+CSQ",
    "AT+CESQ",
    "AT+CREG?",
    "AT+CGREG?",
    "AT+CEREG?",
    "AT+COPS?",
    "AT+QCSQ",
    "AT+QNWINFO",
    'AT+QENG="servingcell"',
    "AT+QSIMSTAT?",
    "AT+QUIMSLOT?",
    "AT+QCCID",
    "AT+CGPADDR",
    "AT+CCLK?",
)
"""What tells a technician why a station is offline."""


def read_command(line: str) -> bytes:
    """The bytes of a line from the table; ValueError for any other."""
    if line not in COMMANDS:
        raise ValueError(f"{line!r} is not one of the AT commands that only read")
    return line.encode("ascii") + b"\r"
