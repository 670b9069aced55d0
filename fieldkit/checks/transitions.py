"""The 53 status transitions that OCPP 1.6 §4.9 allows, in its own letters and numbers.

A row is the status left, a column the one entered; "A2" is Available → Preparing. What the table leaves empty must not
happen. Connector 0 stands for the station and knows three of the states only.
"""

from __future__ import annotations

from typing import Final

STATES: Final = (
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
)
"""Columns 1 to 9; rows A to I in the same order."""

_TABLE: Final = """
    A2 A3 A4 A5 A7 A8 A9
    B1 B3 B4 B5 B6 B9
    C1 C4 C5 C6 C8 C9
    D1 D3 D5 D6 D8 D9
    E1 E3 E4 E6 E8 E9
    F1 F2 F8 F9
    G1 G2 G8 G9
    H1 H2 H3 H4 H5 H9
    I1 I2 I3 I4 I5 I6 I7 I8
"""

LEGAL: Final[frozenset[tuple[str, str]]] = frozenset(
    (STATES["ABCDEFGHI".index(cell[0])], STATES[int(cell[1]) - 1]) for cell in _TABLE.split()
)

OF_STATION: Final = frozenset({"Available", "Unavailable", "Faulted"})
"""All that connector 0 can be (1.6 §4.9)."""


def is_illegal(before: str, after: str) -> bool:
    """Tell whether both are states of 1.6 and the table does not lead from one to the other."""
    return before in STATES and after in STATES and before != after and (before, after) not in LEGAL
