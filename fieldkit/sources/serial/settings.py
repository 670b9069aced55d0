"""Speed, format and control lines of a port."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from fieldkit.devices.modbus.timing import LineSettings, line_settings

Lines: TypeAlias = Literal["off", "on"]

USUAL: Final = line_settings(115_200)
"""What consoles run at."""


@dataclass(frozen=True, slots=True)
class PortSettings:
    """How a port is opened."""

    line: LineSettings = USUAL
    dtr: Lines = "off"
    """Linux raises DTR and RTS when it opens a port, which resets many boards (ESP32, Arduino). They are set before
    opening, so that they fall at once; optical heads that are fed by them need "on"."""
    rts: Lines = "off"
    flow: Literal["none", "rtscts", "xonxoff"] = "none"
    """"xonxoff" sends bytes of its own: never while listening."""

    def at(self, line: LineSettings) -> PortSettings:
        return replace(self, line=line)

    def __str__(self) -> str:
        return f"{self.line.speed} {self.line.format}"


def parse_line(text: str, default: LineSettings = USUAL) -> LineSettings:
    """``9600``, ``9600,8E1``, ``9600 8E1``, ``9600-8E1`` → settings; ValueError says what is wrong."""
    found = re.fullmatch(r"\s*([0-9]{2,7})(?:[\s,/-]*([5-9][A-Za-z][0-9]))?\s*", text)
    if found is None:
        raise ValueError(f"{text!r} is no line setting: write it like 9600 or 19200,8E1")
    return line_settings(int(found[1]), (found[2] or default.format).upper())
