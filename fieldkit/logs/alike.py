"""Stations' names that nothing announces, by those that something does.

A log names CP_8 in a connection's URL, and elsewhere says "CP_6 handled [2,…". By itself CP_6 may be anything. Beside
CP_8 it is a station, and the frame is not one whose station would have to be taken from another line.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final

from fieldkit.logs.linefields import MAX_LEAD, MAX_STATION

_DIGITS: Final = re.compile(r"\d+")
_TOKEN: Final = re.compile(r"[\w.-]{2,64}")


def shape(station: str) -> str:
    """What a station's name has in common with its neighbours': "CP_0" of CP_17; empty when that is nothing."""
    if len(station) > MAX_STATION or not any(map(str.isdigit, station)):
        return ""
    general = _DIGITS.sub("0", station)
    return general if sum(map(str.isalpha, general)) >= 2 and _TOKEN.fullmatch(general) else ""


def named_alike(lead: str, shapes: Container[str]) -> str:
    """The one name in a line's beginning that is shaped like other stations' names; empty if none or several are."""
    found = {token.strip(".-") for token in _TOKEN.findall(lead[-MAX_LEAD:])}
    alike = [token for token in found if shape(token) in shapes] if found else []
    return alike[0] if len(alike) == 1 else ""
